//! What a long list costs: the memory that it stays in, what replacing it takes, and how late answers are meanwhile; and
//! how soon one rule more holds.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::load::{Pace, Times, dnsperf};
use super::peers::{Kind, Scheduling, Server, Setup, polis};
use super::prober::{self, Watched};
use super::report::{Details, Line, Verdict};
use super::{Bench, names, respond};
use crate::bench::median;

/// How many names are in the cache.
const CACHED: usize = 100_000;
/// Questions a second while the list is replaced.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a list may take to be replaced.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a server is left alone before its memory is read.
const QUIET: Duration = Duration::from_secs(2);
/// No answer may be later than this while the list is replaced.
const LATE_MILLIS: f64 = 5.0;
/// How often the list is replaced, and how often a rule is added.
const RELOADS: u32 = 3;
const RULES: u32 = 9;

/// What one server needs.
struct Needs {
    /// Megabytes after the start, and with the cache full.
    started: f64,
    megabytes: f64,
    /// How many of the names in its cache had to be asked for again.
    forgotten: u32,
    reloads: Vec<Reload>,
}

/// The list was replaced.
struct Reload {
    /// Until a name of the new one was blocked.
    took: f64,
    /// Processor seconds of it, without those of the questions meanwhile.
    spent: f64,
    /// Megabytes before, and the most meanwhile.
    before: f64,
    peak: f64,
    watched: Watched,
}

/// The questions at a steady pace while something is done.
fn meanwhile<T>(
    bench: &Bench,
    server: &Server,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(T, Watched)> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            bench.best.take();
            prober::watch(server.at, &bench.hot, PAUSE, &stop)
        });
        let done = work();
        stop.store(true, Ordering::Relaxed);
        match watching.join() {
            Ok(watched) => Ok((done?, watched?)),
            Err(_) => bail!("the questions stopped"),
        }
    })
}

fn needs(bench: &mut Bench, kind: Kind) -> anyhow::Result<(Needs, Watched)> {
    let list = Some(bench.list.path.as_path());
    let (upstream, scheduling) = (bench.upstream.at, Scheduling::Usual);
    let setup = Setup { folder: bench.folder(), upstream, list, scheduling, door: None };
    let server = Server::start(kind, &setup)?;
    std::thread::sleep(QUIET);
    let started = server.process.megabytes()?;
    let file = bench.folder().join("cached");
    names::questions(&file, &bench.unique.take(CACHED))?;
    let fill = || dnsperf(server.at, &file, (60, Times::Once), Pace::Full, Scheduling::Usual);
    fill()?;
    let before = asked(bench)?;
    fill()?;
    let forgotten = asked(bench)?.wrapping_sub(before);
    std::thread::sleep(QUIET);
    let megabytes = server.process.megabytes()?;
    // What else goes on here makes answers late too: as long, with nothing done.
    let ((), still) = meanwhile(bench, &server, || {
        std::thread::sleep(QUIET * 2);
        Ok(())
    })?;
    let mut reloads = Vec::new();
    if !matches!(kind, Kind::Dnsmasq { .. }) {
        for number in 0..if bench.runs == 1 { 1 } else { RELOADS } {
            reloads.push(reload(bench, &server, number)?);
        }
    }
    Ok((Needs { started, megabytes, forgotten, reloads }, still))
}

/// How much the upstream was asked so far.
fn asked(bench: &Bench) -> anyhow::Result<u32> {
    let name = format!("{}.example", respond::COUNT);
    let reply = prober::wait_for(bench.upstream.at, &name, Duration::from_secs(2))?;
    let count = reply.last_chunk().copied().unwrap_or_default();
    Ok(u32::from_be_bytes(count))
}

fn reload(bench: &Bench, server: &Server, number: u32) -> anyhow::Result<Reload> {
    // The same list with a name more, so that it is seen when it holds.
    let new = format!("reloaded-{number}.example");
    let path = bench.folder().join("longer.txt");
    let mut text = std::fs::read_to_string(&bench.list.path)?;
    writeln!(text, "{new}")?;
    std::fs::write(&path, text)?;
    // What the questions alone cost.
    let before = server.process.seconds()?;
    let (took, _) = meanwhile(bench, server, || {
        std::thread::sleep(QUIET);
        Ok(QUIET.as_secs_f64())
    })?;
    let alone = (server.process.seconds()? - before) / took;
    server.process.forget_peak()?;
    let (resident, spent) = (server.process.resident()?, server.process.seconds()?);
    let ((began, took), watched) = meanwhile(bench, server, || {
        let began = Instant::now();
        server.reload(&path)?;
        let done = prober::until_blocked(server.at, &new, PATIENCE)?;
        // What is left to do after that counts as well.
        std::thread::sleep(QUIET / 2);
        Ok((began, done.duration_since(began).as_secs_f64()))
    })?;
    let spent = server.process.seconds()? - spent - alone * began.elapsed().as_secs_f64();
    Ok(Reload { took, spent, before: resident, peak: server.process.peak()?, watched })
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The head of the table of memory.
const HEAD: [&str; 10] = [
    "server",
    "started",
    "with 100,000 cached",
    "of them asked again",
    "replaced after",
    "CPU",
    "peak above before",
    "slowest answer",
    "lost",
    "slowest with nothing done",
];

/// A server's row of that table, and the same in short.
fn in_words(name: &str, needs: &Needs, still: &Watched) -> (Vec<String>, String) {
    let (started, megabytes) = (needs.started, needs.megabytes);
    let mut row = vec![name.to_owned(), format!("{started:.1} MB"), format!("{megabytes:.1} MB")];
    row.push(needs.forgotten.to_string());
    let mut short = format!("{name} {megabytes:.0} MB");
    if needs.reloads.is_empty() {
        row.resize(HEAD.len() - 1, "–".to_owned());
    } else {
        let (took, spent, above, slowest, lost) = summary(&needs.reloads);
        row.extend([format!("{took:.1} s"), format!("{spent:.2} s"), format!("{above:.1} MB")]);
        row.extend([format!("{slowest:.1} ms"), lost.to_string()]);
        short += &format!(", {spent:.2} CPU-s, +{above:.0} MB, {slowest:.0} ms, {lost} lost");
    }
    row.push(format!("{:.1} ms", millis(still.slowest)));
    (row, short)
}

/// The row of memory and of a replaced list.
pub(super) fn rows(bench: &mut Bench, details: &mut Details) -> anyhow::Result<Vec<Line>> {
    let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
    let (mut peers, mut own) = (Vec::new(), None);
    for (name, kind) in [
        ("Polis", Kind::Polis),
        ("Unbound", Kind::Unbound { threads: 1 }),
        ("dnsmasq", Kind::Dnsmasq { cache: 100_000 }),
    ] {
        eprintln!("memory of {name}");
        match needs(bench, kind) {
            Ok((needs, still)) => {
                let (row, short) = in_words(name, &needs, &still);
                rows.push(row);
                match kind {
                    Kind::Polis => own = Some((needs, still)),
                    _ => peers.push(short),
                }
            }
            Err(error) => {
                let mut row = vec![name.to_owned(), format!("{error:#}").replace(['\n', '|'], " ")];
                row.resize(HEAD.len(), String::new());
                rows.push(row);
            }
        }
    }
    details.0.push((
        "Memory (PSS) with the list, and the list replaced while 200 questions a second are asked (medians of the times, the \
         slowest answer of all of them; after two seconds an answer is lost):",
        rows,
    ));
    let (needs, still) = own.context("Polis was not measured: the table below says why")?;
    Ok(vec![line(&needs, &still, &peers)])
}

fn line(needs: &Needs, still: &Watched, peers: &[String]) -> Line {
    let (took, spent, above, slowest, lost) = summary(&needs.reloads);
    let verdict = Verdict::of(&[
        (needs.megabytes, 70.0),
        (spent, 1.0),
        (above, 40.0),
        (f64::from(lost), 0.0),
        // A cache that does not hold them is no cache of 100,000 names.
        (f64::from(needs.forgotten), 1_000.0),
    ]);
    let verdict = match (verdict, slowest > LATE_MILLIS, millis(still.slowest) > LATE_MILLIS) {
        (Verdict::Met, true, true) => Verdict::Open("the machine was late with nothing done, too".to_owned()),
        (Verdict::Met, true, false) => Verdict::Missed,
        (verdict, ..) => verdict,
    };
    Line {
        what: "memory with 1.21 M domains and 100,000 cached names; the list replaced",
        bar: "≤ 70 MB; ≤ 1 CPU-s, peak ≤ base + 40 MB, no answer above 5 ms",
        measured: format!(
            "{:.1} MB ({} of the names were asked for again); {spent:.2} CPU-s, +{above:.1} MB, slowest {slowest:.1} ms, {lost} \
             lost ({:.1} ms with nothing done); in force after {took:.1} s",
            needs.megabytes,
            needs.forgotten,
            millis(still.slowest)
        ),
        peers: peers.join("; "),
        verdict,
    }
}

/// Medians of the time, the processor seconds and the megabytes above; the slowest answer; how many were lost.
fn summary(reloads: &[Reload]) -> (f64, f64, f64, f64, u32) {
    let middle = |of: fn(&Reload) -> f64| median(reloads.iter().map(of).collect());
    (
        middle(|reload| reload.took),
        middle(|reload| reload.spent),
        middle(|reload| reload.peak - reload.before),
        reloads.iter().map(|reload| millis(reload.watched.slowest)).fold(0.0, f64::max),
        reloads.iter().map(|reload| reload.watched.lost).sum(),
    )
}

/// The row of a rule that is added by a click.
pub(super) fn click(bench: &mut Bench, _details: &mut Details) -> anyhow::Result<Vec<Line>> {
    let list = Some(bench.list.path.as_path());
    let (upstream, scheduling) = (bench.upstream.at, Scheduling::Usual);
    let setup = Setup { folder: bench.folder(), upstream, list, scheduling, door: None };
    let server = Server::start(Kind::Polis, &setup)?;
    let socket: PathBuf = server.state();
    let (mut effects, mut said) = (Vec::new(), Vec::new());
    for number in 0..RULES {
        let name = format!("clicked-{number}.example");
        prober::wait_for(server.at, &name, Duration::from_secs(5))?;
        std::thread::sleep(Duration::from_millis(200));
        let began = Instant::now();
        let waits = {
            let (at, name) = (server.at, name.clone());
            std::thread::spawn(move || prober::until_blocked(at, &name, Duration::from_secs(20)))
        };
        let output = Command::new(polis())
            .args(["overlay", "add", "dns.rules", &format!("||{name}^"), "--state"])
            .arg(&socket)
            .stdin(Stdio::null())
            .output()?;
        let answered = began.elapsed();
        if !output.status.success() {
            bail!("`polis overlay add` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let Ok(blocked) = waits.join() else { bail!("the questions stopped") };
        effects.push(millis(blocked?.duration_since(began)));
        said.push(millis(answered));
    }
    let (effect, slowest) = (median(effects.clone()), effects.iter().copied().fold(0.0, f64::max));
    Ok(vec![Line {
        what: "a rule added by click, 1.21 M rules: from the start of `polis overlay add` to the first blocked answer, asked each ms",
        bar: "≤ 10 ms",
        measured: format!(
            "{effect:.1} ms (slowest of {RULES}: {slowest:.1} ms; the command itself takes {:.1} ms)",
            median(said)
        ),
        peers: "–".to_owned(),
        verdict: Verdict::of(&[(effect, 10.0)]),
    }])
}
