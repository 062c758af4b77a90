//! What an answer costs: a cached one, a blocked one, one that an upstream has to be asked for; and how late it is.

use std::path::{Path, PathBuf};

use super::load::{Cost, Pace, Said, Times, cost, dnsperf};
use super::peers::{Kind, Scheduling, Server, Setup};
use super::report::{Details, Line, Verdict};
use super::{Bench, names};
use crate::bench::median;

/// The pace at which latency is taken.
const PACE: u32 = 2_000;
/// New names for a second of misses: more than any of the servers answers.
const MISSES_A_SECOND: usize = 70_000;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asked {
    Hot,
    Blocked,
    Miss,
}

impl Asked {
    fn words(self) -> &'static str {
        match self {
            Self::Hot => "cached",
            Self::Blocked => "blocked",
            Self::Miss => "miss",
        }
    }
}

/// A server and what it is asked.
struct Contestant {
    name: &'static str,
    kind: Kind,
    has_list: bool,
    asked: &'static [Asked],
    server: anyhow::Result<Server>,
}

/// Who takes part.
const CONTESTANTS: [(&str, Kind, bool, &[Asked]); 8] = [
    ("echo", Kind::Echo, false, &[Asked::Hot]),
    ("Unbound, 1 thread", Kind::Unbound { threads: 1 }, false, &[Asked::Hot, Asked::Miss]),
    ("Unbound, 2 threads", Kind::Unbound { threads: 2 }, false, &[Asked::Hot, Asked::Miss]),
    ("Unbound, 1 thread, list", Kind::Unbound { threads: 1 }, true, &[Asked::Hot, Asked::Blocked]),
    ("dnsmasq", Kind::Dnsmasq { cache: 100_000 }, false, &[Asked::Hot]),
    ("dnsmasq, its usual cache", Kind::Dnsmasq { cache: 150 }, false, &[Asked::Miss]),
    ("dnsmasq, list", Kind::Dnsmasq { cache: 100_000 }, true, &[Asked::Hot, Asked::Blocked]),
    ("Polis", Kind::Polis, true, &[Asked::Hot, Asked::Blocked, Asked::Miss]),
];

/// Those whose latency is taken.
const LATE: [&str; 5] = ["echo", "Unbound, 1 thread", "Unbound, 1 thread, list", "dnsmasq, list", "Polis"];

fn start(bench: &Bench, scheduling: Scheduling, which: &[&str]) -> Vec<Contestant> {
    let start = |(name, kind, has_list, asked): (_, _, bool, _)| {
        let list = has_list.then_some(bench.list.path.as_path());
        let setup =
            Setup { folder: bench.folder(), upstream: bench.upstream.at, list, scheduling, door: None };
        eprintln!("starting {name}");
        Contestant { name, kind, has_list, asked, server: Server::start(kind, &setup) }
    };
    let takes_part = |(name, ..): &(&str, Kind, bool, _)| which.is_empty() || which.contains(name);
    CONTESTANTS.into_iter().filter(takes_part).map(start).collect()
}

/// The files of questions.
struct Files {
    hot: PathBuf,
    blocked: PathBuf,
    miss: PathBuf,
}

impl Files {
    fn write(bench: &Bench) -> anyhow::Result<Self> {
        let place = |name: &str| bench.folder().join(name);
        let files = Self { hot: place("hot"), blocked: place("blocked"), miss: place("miss") };
        names::questions(&files.hot, &bench.hot)?;
        names::questions(&files.blocked, &bench.blocked)?;
        Ok(files)
    }

    fn of(&self, asked: Asked) -> &Path {
        match asked {
            Asked::Hot => &self.hot,
            Asked::Blocked => &self.blocked,
            Asked::Miss => &self.miss,
        }
    }
}

/// What was measured of a contestant: the runs of everything that it was asked, or why there are none.
type Runs<T> = Vec<(usize, Asked, Result<Vec<T>, String>)>;

/// All runs: each round asks everybody once, so that what else goes on meets all alike.
fn rounds<T>(
    bench: &mut Bench,
    (all, files): (&mut [Contestant], &Files),
    (count, which): (u32, &[Asked]),
    measure: impl Fn(&mut Server, &Path, Asked) -> anyhow::Result<T>,
) -> anyhow::Result<Runs<T>> {
    let mut runs: Runs<T> = Vec::new();
    for (at, contestant) in all.iter().enumerate() {
        for asked in contestant.asked.iter().filter(|asked| which.contains(asked)) {
            let failed = contestant.server.as_ref().err().map(|error| format!("{error:#}"));
            runs.push((at, *asked, failed.map_or_else(|| Ok(Vec::new()), Err)));
        }
    }
    for round in 0..count {
        for asked in which {
            for (at, _, so_far) in runs.iter_mut().filter(|(_, of, _)| of == asked) {
                let Some(contestant) = all.get_mut(*at) else { continue };
                let (Ok(values), Ok(server)) = (so_far.as_mut(), contestant.server.as_mut()) else {
                    continue;
                };
                eprintln!("{} of {}: {}, {}", round + 1, count, contestant.name, asked.words());
                let measured = match asked {
                    Asked::Hot => warm(server, files),
                    Asked::Blocked => Ok(()),
                    Asked::Miss => {
                        let count = MISSES_A_SECOND * usize::try_from(bench.seconds)?;
                        names::questions(&files.miss, &bench.unique.take(count))
                    }
                };
                match measured.and_then(|()| measure(server, files.of(*asked), *asked)) {
                    Ok(value) => values.push(value),
                    Err(error) => *so_far = Err(format!("{error:#}")),
                }
            }
        }
    }
    Ok(runs)
}

/// Asks for each hot name twice, so that it is known.
fn warm(server: &Server, files: &Files) -> anyhow::Result<()> {
    for _ in 0..2 {
        dnsperf(server.at, &files.hot, (20, Times::Once), Pace::Full, Scheduling::Usual)?;
    }
    Ok(())
}

/// The first three rows.
pub(super) fn costs(bench: &mut Bench, details: &mut Details) -> anyhow::Result<Vec<Line>> {
    let files = Files::write(bench)?;
    let mut all = start(bench, Scheduling::Usual, &[]);
    let seconds = bench.seconds;
    let which = [Asked::Hot, Asked::Blocked, Asked::Miss];
    let runs = rounds(bench, (&mut all, &files), (bench.runs, &which), |server, file, asked| {
        let times = if asked == Asked::Miss { Times::Once } else { Times::Again };
        cost(server, file, seconds, times)
    })?;
    let value = |runs: &Result<Vec<Cost>, String>| runs.as_ref().map_or(f64::NAN, |runs| micros(runs));
    let table: Vec<_> = runs.iter().map(|(at, asked, runs)| (*at, *asked, value(runs))).collect();
    details.0.push((
        "Processor time of a query and how many were answered, with nothing else to do:",
        rows(&all, &runs),
    ));
    let find = |kind: Kind, has_list: bool, asked: Asked| {
        let found = table.iter().find(|(at, of, _)| {
            *of == asked && all.get(*at).is_some_and(|one| one.kind == kind && one.has_list == has_list)
        });
        found.map_or(f64::NAN, |(_, _, value)| *value)
    };
    let others = |asked: Asked| {
        let words = table
            .iter()
            .filter(|(at, of, _)| *of == asked && all.get(*at).is_some_and(|one| one.kind != Kind::Polis));
        let words = words
            .map(|(at, _, value)| format!("{} {}", all.get(*at).map_or("?", |one| one.name), said(*value)));
        words.collect::<Vec<_>>().join("; ")
    };
    let polis = |asked| find(Kind::Polis, true, asked);
    let echo = find(Kind::Echo, false, Asked::Hot);
    let one = find(Kind::Unbound { threads: 1 }, false, Asked::Hot);
    let unbound = find(Kind::Unbound { threads: 2 }, false, Asked::Hot).min(one);
    let (hot, blocked, miss) = (polis(Asked::Hot), polis(Asked::Blocked), polis(Asked::Miss));
    Ok(vec![
        Line {
            what: "cached hit, 10,000 names",
            bar: "≤ echo + 2 µs, and ≤ Unbound + 5 %",
            measured: format!(
                "{} (echo {:+.2} µs, Unbound {:+.0} %)",
                said(hot),
                hot - echo,
                (hot / unbound - 1.0) * 100.0
            ),
            peers: others(Asked::Hot),
            verdict: Verdict::of(&[(hot, echo + 2.0), (hot, unbound * 1.05)]),
        },
        Line {
            what: "blocked, 1.21 M rules, 10,000 names of them",
            bar: "≤ cached hit + 0.5 µs",
            measured: format!("{} (cached hit {:+.2} µs)", said(blocked), blocked - hot),
            peers: others(Asked::Blocked),
            verdict: Verdict::of(&[(blocked, hot + 0.5)]),
        },
        Line {
            what: "miss to an upstream on the loopback",
            bar: "≤ 25 µs",
            measured: said(miss),
            peers: others(Asked::Miss),
            verdict: Verdict::of(&[(miss, 25.0)]),
        },
    ])
}

fn micros(runs: &[Cost]) -> f64 {
    median(runs.iter().map(|run| run.micros).collect())
}

fn said(micros: f64) -> String {
    if micros.is_nan() { "not measured".to_owned() } else { format!("{micros:.2} µs") }
}

fn rows(all: &[Contestant], runs: &Runs<Cost>) -> Vec<Vec<String>> {
    let head = ["server", "asked", "µs a query", "from, to", "answers a second", "lost", "failures"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (at, asked, runs) in runs {
        let name = all.get(*at).map_or("?", |one| one.name).to_owned();
        let mut row = vec![name, asked.words().to_owned()];
        match runs {
            Err(why) => row.push(why.replace(['\n', '|'], " ")),
            Ok(runs) => {
                let least = runs.iter().map(|run| run.micros).fold(f64::INFINITY, f64::min);
                let most = runs.iter().map(|run| run.micros).fold(0.0, f64::max);
                let odd: Vec<String> = runs.iter().flat_map(|run| run.said.odd.clone()).collect();
                row.push(format!("{:.2}", micros(runs)));
                row.push(format!("{least:.2} – {most:.2}"));
                row.push(format!("{:.0}", median(runs.iter().map(|run| run.said.per_second).collect())));
                row.push(runs.iter().map(|run| run.said.lost).sum::<u32>().to_string());
                row.push(if odd.is_empty() { "none".to_owned() } else { odd.join(", ") });
            }
        }
        row.resize(head.len(), String::new());
        rows.push(row);
    }
    rows
}

/// The row of latency.
pub(super) fn latency(bench: &mut Bench, details: &mut Details) -> anyhow::Result<Vec<Line>> {
    let files = Files::write(bench)?;
    let mut all = start(bench, bench.best, &LATE);
    let (seconds, best) = (bench.seconds, bench.best);
    // The tail differs more from run to run than the processor time does.
    let count = if bench.runs == 1 { 1 } else { bench.runs + 2 };
    let runs =
        rounds(bench, (&mut all, &files), (count, &[Asked::Hot, Asked::Blocked]), |server, file, _| {
            dnsperf(server.at, file, (seconds, Times::Again), Pace::Timed(PACE), best)
        })?;
    let middle =
        |runs: &[Said], of_thousand| median(runs.iter().map(|run| run.percentile(of_thousand)).collect());
    let mut rows = vec![
        ["server", "asked", "p50", "p90", "p99", "from, to", "p99.9", "lost"].map(str::to_owned).to_vec(),
    ];
    let mut late = Vec::new();
    for (at, asked, runs) in &runs {
        let Some(one) = all.get(*at) else { continue };
        let mut row = vec![one.name.to_owned(), asked.words().to_owned()];
        match runs {
            Err(why) => row.push(why.replace(['\n', '|'], " ")),
            Ok(runs) => {
                let tails: Vec<f64> = runs.iter().map(|run| run.percentile(990)).collect();
                let least = tails.iter().copied().fold(f64::INFINITY, f64::min);
                let most = tails.iter().copied().fold(0.0, f64::max);
                row.extend([500, 900, 990].map(|of| format!("{:.0}", middle(runs, of))));
                row.push(format!("{least:.0} – {most:.0}"));
                row.push(format!("{:.0}", middle(runs, 999)));
                row.push(runs.iter().map(|run| run.lost).sum::<u32>().to_string());
                late.push((one, *asked, middle(runs, 990)));
            }
        }
        row.resize(8, String::new());
        rows.push(row);
    }
    details
        .0
        .push(("Microseconds until the answer at 2,000 questions a second (medians of the runs):", rows));
    let find = |kind: Kind, has_list: bool, of: Asked| {
        let found =
            late.iter().find(|(one, asked, _)| one.kind == kind && one.has_list == has_list && *asked == of);
        found.map_or(f64::NAN, |(_, _, value)| *value)
    };
    let unbound = Kind::Unbound { threads: 1 };
    let pair = |asked, has_list| (find(Kind::Polis, true, asked), find(unbound, has_list, asked));
    let (hot, blocked) = (pair(Asked::Hot, false), pair(Asked::Blocked, true));
    let others = late.iter().filter(|(one, ..)| one.kind != Kind::Polis);
    let others = others.map(|(one, asked, value)| format!("{}, {} {value:.0} µs", one.name, asked.words()));
    Ok(vec![Line {
        what: "p99 at 2,000 questions a second, the same scheduling for all",
        bar: "≤ Unbound's",
        measured: format!("cached {:.0} µs, blocked {:.0} µs", hot.0, blocked.0),
        peers: others.collect::<Vec<_>>().join("; "),
        verdict: Verdict::of(&[hot, blocked]),
    }])
}
