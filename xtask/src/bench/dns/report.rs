//! The page of results: every row with its bar, what was measured, the peers beside it, and whether the bar is met.

use std::fmt::Write as _;

use super::Bench;
use super::peers::{Scheduling, version};

/// Whether a bar is met.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Met,
    Missed,
    /// Why it is not known.
    Open(String),
}

impl Verdict {
    /// Met if every value is at most its bar.
    pub(super) fn of(values: &[(f64, f64)]) -> Self {
        if values.iter().any(|(value, _)| value.is_nan()) {
            return Self::Open("not measured".to_owned());
        }
        if values.iter().all(|(value, bar)| value <= bar) { Self::Met } else { Self::Missed }
    }

    fn words(&self) -> String {
        match self {
            Self::Met => "met".to_owned(),
            Self::Missed => "**missed**".to_owned(),
            Self::Open(why) => format!("open: {why}"),
        }
    }
}

/// A row.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) what: &'static str,
    pub(super) bar: &'static str,
    pub(super) measured: String,
    /// What others need for the same.
    pub(super) peers: String,
    pub(super) verdict: Verdict,
}

impl Line {
    /// A row that could not be measured.
    pub(super) fn open(what: &'static str, bar: &'static str, why: &anyhow::Error) -> Self {
        let why = format!("{why:#}").replace(['\n', '|'], " ");
        Self { what, bar, measured: "–".to_owned(), peers: "–".to_owned(), verdict: Verdict::Open(why) }
    }
}

/// Numbers of single servers, below the rows.
#[derive(Debug, Default)]
pub(super) struct Details(pub(super) Vec<(&'static str, Vec<Vec<String>>)>);

/// The whole page.
pub(super) fn page(bench: &Bench, lines: &[Line], details: &Details) -> anyhow::Result<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut text = String::from("# The name server beside others\n\n");
    writeln!(
        text,
        "Measured with `cargo xtask bench --dns{}` on {cores} cores of {model}, Linux {}; other work took {} \
         (load average over the last minute, before and after).\n",
        if bench.seconds < 5 { " --quick" } else { "" },
        kernel.trim(),
        bench.busy()
    )?;
    writeln!(
        text,
        "- {}, {}, {}, from Debian; Polis as it is released, with its log, statistics, rate limit, two policies and a list of {} \
         names ({}).",
        version("unbound", "-V"),
        version("dnsmasq", "--version"),
        version("dnsperf", "-h"),
        bench.list.count,
        bench.list.from
    )?;
    writeln!(
        text,
        "- `dnsperf -c 20 -q 200 -T 1 -l {}` on the loopback. µs per query is the processor time of the server, user and system, \
         of all its threads and processes, by the system's account, over its answers; what it does in the second after the load \
         counts too. Medians of {} runs, the servers in turn.",
        bench.seconds, bench.runs
    )?;
    writeln!(
        text,
        "- The echo is a blocking server of one thread that turns questions into answers: what the kernel costs. The upstream is \
         of one thread too, and answers every name with one address for 300 seconds. Unbound does not log and does not validate. \
         Latency is at `-Q 2000`, {}.\n",
        match bench.best {
            Scheduling::First => "server and dnsperf before everything else (`chrt -f 1`), for all alike",
            Scheduling::Usual => "as the system schedules, since this user may not ask for more",
        }
    )?;
    text.push_str("| what | bar | Polis | others | verdict |\n|---|---|---|---|---|\n");
    for Line { what, bar, measured, peers, verdict } in lines {
        writeln!(text, "| {what} | {bar} | {measured} | {peers} | {} |", verdict.words())?;
    }
    for (head, rows) in &details.0 {
        writeln!(text, "\n{head}\n")?;
        for (at, row) in rows.iter().enumerate() {
            writeln!(text, "| {} |", row.join(" | "))?;
            if at == 0 {
                writeln!(text, "|{}", "---|".repeat(row.len()))?;
            }
        }
    }
    Ok(text)
}
