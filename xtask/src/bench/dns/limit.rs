//! Polis with little memory, for long: a control group that may have 96 MB, and a mixed load.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::load::{Pace, Times, dnsperf};
use super::peers::{Kind, Scheduling, Server, Setup};
use super::report::{Details, Line, Verdict};
use super::{Bench, names};

/// The bytes that the group may have, and the rules of the list.
const BYTES: u64 = 96 << 20;
const RULES: usize = 300_000;
/// Questions a second.
const PACE: u32 = 5_000;
/// More than this much from half the time to the last minute is a leak.
const GROWTH_MEGABYTES: f64 = 5.0;

/// A control group with a limit, gone with this.
struct Group {
    path: PathBuf,
    /// The file that says how much memory was used at most.
    peak: &'static str,
    /// How it is limited, in words.
    by: &'static str,
}

impl Group {
    /// In the tree of version 2 if it has the controller of memory, else in that of version 1.
    fn create() -> anyhow::Result<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mounts")?;
        let mut why = anyhow::anyhow!("no tree of control groups with the controller of memory");
        for mount in mounts.lines() {
            let fields: Vec<&str> = mount.split(' ').collect();
            let [_, folder, kind, options, ..] = fields.as_slice() else { continue };
            let found = match *kind {
                "cgroup2" => Some(("memory.max", "memory.peak", "control group, version 2")),
                "cgroup" if options.split(',').any(|option| option == "memory") => {
                    Some(("memory.limit_in_bytes", "memory.max_usage_in_bytes", "control group, version 1"))
                }
                _ => None,
            };
            let Some((limit, peak, by)) = found else { continue };
            let path = Path::new(folder).join(format!("polis-bench-{}", std::process::id()));
            if *kind == "cgroup2" {
                // The root of the tree gives the controller to its children; where it has none, this fails.
                let _ = std::fs::write(Path::new(folder).join("cgroup.subtree_control"), "+memory");
            }
            let made = std::fs::create_dir(&path).map(|()| Self { path: path.clone(), peak, by });
            let limited = made.and_then(|group| {
                std::fs::write(path.join(limit), BYTES.to_string())?;
                Ok(group)
            });
            match limited {
                Ok(group) => return Ok(group),
                Err(error) => {
                    why = anyhow::Error::from(error).context(path.join(limit).display().to_string());
                }
            }
        }
        Err(why)
    }

    fn peak(&self) -> anyhow::Result<f64> {
        let text = std::fs::read_to_string(self.path.join(self.peak)).context("the peak of the group")?;
        Ok(text.trim().parse::<f64>()? / 1e6)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The group counts as used for a moment longer than it has processes.
        for _ in 0..200 {
            match std::fs::remove_dir(&self.path) {
                Err(fault) if fault.kind() == std::io::ErrorKind::ResourceBusy => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                _ => return,
            }
        }
    }
}

/// What came of the load, minute by minute.
struct Lived {
    /// Megabytes (PSS) after each.
    sizes: Vec<f64>,
    lost: u32,
    failures: usize,
    /// When and how it ended, if it did.
    died: Option<String>,
    table: Vec<Vec<String>>,
}

fn live(bench: &mut Bench, server: &mut Server, blocked: &[String], seconds: u32) -> anyhow::Result<Lived> {
    let head = ["after", "resident", "PSS", "answered", "lost", "failures"].map(str::to_owned).to_vec();
    let mut lived = Lived { sizes: Vec::new(), lost: 0, failures: 0, died: None, table: vec![head] };
    let file = bench.folder().join("mixed");
    let began = Instant::now();
    for minute in 1..=bench.minutes {
        let count = usize::try_from(PACE * seconds)?;
        names::mixed(&file, count, &bench.hot, blocked, &mut bench.unique)?;
        eprintln!("little memory: minute {minute} of {}", bench.minutes);
        let said = dnsperf(server.at, &file, (seconds, Times::Again), Pace::Steady(PACE), Scheduling::Usual)?;
        if let Err(error) = server.process.is_there() {
            lived.died = Some(format!("in minute {minute}: {error:#}"));
            break;
        }
        let (resident, pss) = (server.process.resident()?, server.process.megabytes()?);
        lived.table.push(vec![
            format!("{:.0} s", began.elapsed().as_secs_f64()),
            format!("{resident:.1} MB"),
            format!("{pss:.1} MB"),
            said.completed.to_string(),
            said.lost.to_string(),
            if said.odd.is_empty() { "none".to_owned() } else { said.odd.join(", ") },
        ]);
        lived.sizes.push(pss);
        lived.lost += said.lost;
        lived.failures += said.odd.len();
    }
    Ok(lived)
}

/// The row of little memory.
pub(super) fn rows(bench: &mut Bench, details: &mut Details) -> anyhow::Result<Vec<Line>> {
    let list = bench.folder().join("shorter.txt");
    let some = bench.list.some(RULES)?;
    std::fs::write(&list, some.join("\n") + "\n")?;
    let blocked: Vec<String> = some.iter().step_by(RULES / names::HOT).cloned().collect();
    let group = Group::create();
    let how = match &group {
        Ok(group) => format!("limited by a {}", group.by),
        Err(error) => format!("**not limited** ({error:#})").replace(['\n', '|'], " "),
    };
    let door = group.as_ref().ok().map(|group| group.path.join("cgroup.procs"));
    let (upstream, scheduling) = (bench.upstream.at, Scheduling::Usual);
    let setup =
        Setup { folder: bench.folder(), upstream, list: Some(&list), scheduling, door: door.as_deref() };
    let mut server = Server::start(Kind::Polis, &setup)?;
    let seconds = if bench.runs == 1 { 10 } else { 60 };
    let lived = live(bench, &mut server, &blocked, seconds)?;
    let nothing = f64::NAN;
    // Until then the cache and the dictionaries of the log fill.
    let half = lived.sizes.get(lived.sizes.len() / 2).copied().unwrap_or(nothing);
    let last = lived.sizes.last().copied().unwrap_or(nothing);
    let peak = group.as_ref().ok().map(Group::peak).transpose()?;
    let peak =
        peak.map_or_else(String::new, |peak| format!("; {peak:.0} MB at most were charged to the group"));
    let measured = format!(
        "{}, {how}: {half:.1} MB (PSS) after half the time, {last:.1} MB after the last minute of {}{peak}; {} questions lost, \
         failures: {}",
        lived.died.as_deref().unwrap_or("alive"),
        bench.minutes,
        lived.lost,
        if lived.failures == 0 { "none" } else { "see below" }
    );
    let verdict = match (lived.died, &group) {
        (Some(_), _) => Verdict::Missed,
        (None, Err(_)) => Verdict::Open("memory could not be limited here".to_owned()),
        (None, Ok(_)) if seconds < 60 || bench.minutes < 10 => Verdict::Open("only tried".to_owned()),
        (None, Ok(_)) => Verdict::of(&[(last, half + GROWTH_MEGABYTES)]),
    };
    details
        .0
        .push(("A mixed load (six cached, three blocked, one new of ten) with little memory:", lived.table));
    // The group can only go when nobody is in it.
    drop(server);
    drop(group);
    Ok(vec![Line {
        what: "process limited to 96 MB, 300,000 rules, mixed load at 5,000 questions a second for ten minutes",
        bar: "alive, no leak",
        measured,
        peers: "–".to_owned(),
        verdict,
    }])
}
