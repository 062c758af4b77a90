//! Figures that are taken inside of the crate, by its own tests and benches, and read from what they print; and
//! what the query log takes on disk.

use std::path::Path;

use anyhow::{Context as _, bail};

use super::load::{Pace, Times, dnsperf};
use super::peers::{Kind, Scheduling, Server, Setup};
use super::report::{Details, Line, Verdict};
use super::{Bench, names};
use crate::root;

/// What prints the nanoseconds of a match, and the line that is about the long list.
const MATCHES: [&str; 9] =
    ["test", "-p", "dns", "--release", "--test", "filter", "a_list_of_a_million", "--", "--nocapture"];
const BUILD_MATCHES: [&str; 8] =
    ["test", "-p", "dns", "--release", "--test", "filter", "--no-run", "--quiet"];
const LONG_LIST: &str = "1.21 M names:";
/// What fills a log with five million rows and searches it.
const LOG: [&str; 6] = ["bench", "--quiet", "-p", "dns", "--bench", "query_log"];
/// How the lines of searches begin.
const SEARCH: &str = "found: ";

/// What a command of cargo prints.
fn printed(scheduling: Scheduling, arguments: &[&str]) -> anyhow::Result<String> {
    let output = scheduling.command(env!("CARGO")).args(arguments).current_dir(root()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let last =
            said.lines().rfind(|line| line.contains("error")).unwrap_or("it does not say why").to_owned();
        bail!("`cargo {}` failed: {last}", arguments.join(" "));
    }
    Ok(text)
}

/// The numbers of a text that stand before a unit, in their order.
fn numbers(text: &str, unit: &str) -> Vec<f64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_unit = |word: &str| word.trim_end_matches([',', ';', '.', ')', ':']) == unit;
    words
        .windows(2)
        .filter_map(|pair| {
            let [number, word] = pair else { return None };
            is_unit(word).then(|| number.trim_start_matches('(').replace(',', "").parse().ok())?
        })
        .collect()
}

/// The row of one match.
pub(super) fn matches(bench: &mut Bench, _details: &mut Details) -> anyhow::Result<Vec<Line>> {
    // Built first: only what is measured goes before everything else.
    printed(Scheduling::Usual, &BUILD_MATCHES)?;
    let text = printed(bench.best, &MATCHES)?;
    let line = text.lines().find(|line| line.contains(LONG_LIST));
    let line =
        line.context("the test did not say a line about the long list: are the lists of ../shared there?")?;
    let nanos = numbers(line, "ns");
    let (Some(asked), Some(mixed)) = (nanos.first(), nanos.get(1)) else { bail!("no times in: {line}") };
    Ok(vec![Line {
        what: "one match, 1.21 M rules, in process (`crates/dns/tests/filter.rs`)",
        bar: "≤ 0.15 µs over requested-hosts.txt, ≤ 0.5 µs over a mixed set",
        measured: format!("{:.3} µs and {:.3} µs", asked / 1e3, mixed / 1e3),
        peers: "–".to_owned(),
        verdict: Verdict::of(&[(*asked, 150.0), (*mixed, 500.0)]),
    }])
}

/// The row of the query log.
pub(super) fn log(bench: &mut Bench, _details: &mut Details) -> anyhow::Result<Vec<Line>> {
    printed(Scheduling::Usual, &[&LOG[..], &["--no-run"]].concat())?;
    let said = printed(bench.best, &LOG)?;
    let largest = |numbers: Vec<f64>| numbers.into_iter().fold(f64::NAN, f64::max);
    let searches: Vec<&str> = said.lines().filter(|line| line.starts_with(SEARCH)).collect();
    let slowest = largest(numbers(&searches.join("\n"), "ms"));
    let in_library = largest(numbers(&said, "bytes"));
    if slowest.is_nan() || in_library.is_nan() {
        bail!("the bench of the log said no times or no sizes");
    }
    let on_disk = bytes_a_row(bench)?;
    Ok(vec![Line {
        what: "query log: search by client, name, reason over 5 M rows, the slowest; what a row takes on disk",
        bar: "≤ 200 ms; ≤ 60 bytes",
        measured: format!(
            "{slowest:.0} ms; {on_disk:.0} bytes after mixed load, {in_library:.0} bytes of 5 M rows"
        ),
        peers: "–".to_owned(),
        verdict: Verdict::of(&[(slowest, 200.0), (on_disk.max(in_library), 60.0)]),
    }])
}

/// What the log grows by for each answer of a mixed load.
fn bytes_a_row(bench: &mut Bench) -> anyhow::Result<f64> {
    let (upstream, scheduling) = (bench.upstream.at, Scheduling::Usual);
    let setup =
        Setup { folder: bench.folder(), upstream, list: Some(&bench.list.path), scheduling, door: None };
    let server = Server::start(Kind::Polis, &setup)?;
    let log = server.state().join("querylog");
    let before = bytes(&log)?;
    let file = bench.folder().join("logged");
    names::mixed(&file, 400_000, &bench.hot, &bench.blocked, &mut bench.unique)?;
    let said = dnsperf(server.at, &file, (120, Times::Once), Pace::Steady(20_000), Scheduling::Usual)?;
    // The log is written in the background.
    std::thread::sleep(std::time::Duration::from_secs(5));
    drop(server);
    let grown = bytes(&log)?.saturating_sub(before);
    Ok(f64::from(u32::try_from(grown)?) / f64::from(said.completed))
}

/// The bytes of all files in a folder.
fn bytes(folder: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        sum += entry?.metadata()?.len();
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_their_unit() {
        let text = "domains: 52 ns for one, 263 ns for another; by client (1,234 ms), 18.5 bytes, 3 m";
        assert_eq!(numbers(text, "ns"), [52.0, 263.0]);
        assert_eq!(numbers(text, "ms"), [1234.0]);
        assert_eq!(numbers(text, "bytes"), [18.5]);
    }
}
