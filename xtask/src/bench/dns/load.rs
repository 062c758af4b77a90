//! Load by `dnsperf`, and what it says about it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::peers::{Scheduling, Server};

/// What a server does after its load, such as to write a log, is counted too.
const SETTLES: Duration = Duration::from_secs(1);

/// How much is asked.
#[derive(Clone, Copy)]
pub(super) enum Pace {
    /// As fast as it is answered, 200 questions at once.
    Full,
    /// So many in a second, and each answer's time is kept.
    Timed(u32),
    /// So many in a second.
    Steady(u32),
}

/// What `dnsperf` said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) sent: u32,
    pub(super) completed: u32,
    pub(super) lost: u32,
    pub(super) per_second: f64,
    /// Answers that were failures, such as `SERVFAIL 3 (0.02%)`.
    pub(super) odd: Vec<String>,
    /// Microseconds of each answer, the quickest first.
    pub(super) times: Vec<f64>,
}

impl Said {
    /// The time within which so many of a thousand answers were there.
    pub(super) fn percentile(&self, of_thousand: usize) -> f64 {
        let at = self.times.len() * of_thousand / 1000;
        self.times.get(at.min(self.times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }
}

/// Asks the questions of a file, again and again or once, for so many seconds at most.
pub(super) fn dnsperf(
    at: SocketAddr,
    file: &Path,
    (seconds, once): (u32, Times),
    pace: Pace,
    scheduling: Scheduling,
) -> anyhow::Result<Said> {
    let mut command = scheduling.command("dnsperf");
    let port = at.port().to_string();
    command.args(["-s", "127.0.0.1", "-p", &port, "-c", "20", "-q", "200", "-T", "1", "-t", "1", "-d"]);
    command.arg(file).args(["-l", &seconds.to_string()]);
    if let Times::Once = once {
        command.args(["-n", "1"]);
    }
    match pace {
        Pace::Full => {}
        Pace::Timed(rate) => drop(command.args(["-v", "-Q", &rate.to_string()])),
        Pace::Steady(rate) => drop(command.args(["-Q", &rate.to_string()])),
    }
    // Into a file: a pipe that is full would hold up who writes.
    let said = file.with_extension("said");
    let output = command.stdout(std::fs::File::create(&said)?).output().context("starting dnsperf")?;
    if !output.status.success() {
        bail!("dnsperf failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = std::fs::read_to_string(&said)?;
    let last = text.lines().next_back().unwrap_or_default();
    parse(&text).with_context(|| format!("reading what dnsperf said: {last}"))
}

/// How often the questions of a file are asked.
#[derive(Clone, Copy)]
pub(super) enum Times {
    Once,
    Again,
}

/// Reads the summary, whatever stands around it.
fn parse(text: &str) -> anyhow::Result<Said> {
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key)).context(key.to_owned());
        line.map(|rest| rest.split_whitespace().next().unwrap_or_default().to_owned())
    };
    let codes = text.lines().find_map(|line| line.trim().strip_prefix("Response codes:")).unwrap_or_default();
    let odd = codes.split(',').map(str::trim).filter(|code| !code.is_empty() && !code.starts_with("NOERROR"));
    // A question's line: "> NOERROR www.example A 0.000123"; "> T …" was not answered.
    let times = text.lines().filter(|line| line.starts_with("> ") && !line.starts_with("> T "));
    let times = times.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    let mut times: Vec<f64> = times.map(|seconds| seconds * 1e6).collect();
    times.sort_by(f64::total_cmp);
    Ok(Said {
        sent: value("Queries sent:")?.parse()?,
        completed: value("Queries completed:")?.parse()?,
        lost: value("Queries lost:")?.parse()?,
        per_second: value("Queries per second:")?.parse()?,
        odd: odd.map(str::to_owned).collect(),
        times,
    })
}

/// A load, and what it cost the server.
#[derive(Clone, Debug)]
pub(super) struct Cost {
    /// Microseconds of processor time for an answer.
    pub(super) micros: f64,
    pub(super) said: Said,
}

/// Asks as fast as it goes, and counts the server's processor time.
pub(super) fn cost(server: &mut Server, file: &Path, seconds: u32, times: Times) -> anyhow::Result<Cost> {
    let before = server.process.seconds()?;
    let said = dnsperf(server.at, file, (seconds, times), Pace::Full, Scheduling::Usual)?;
    std::thread::sleep(SETTLES);
    let spent = server.process.seconds()? - before;
    server.process.is_there()?;
    if said.completed == 0 {
        bail!("no answer");
    }
    Ok(Cost { micros: spent * 1e6 / f64::from(said.completed), said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dnsperf_says_is_read() -> anyhow::Result<()> {
        let said = parse(
            "DNS Performance Testing Tool\n> NOERROR h1.example A 0.000200\n> T h2.example A\n> SERVFAIL h3.example A 0.000100\n\
             Statistics:\n\n  Queries sent:         3\n  Queries completed:    2 (66.67%)\n  Queries lost:         1 (33.33%)\n\n\
               Response codes:       NOERROR 1 (50.00%), SERVFAIL 1 (50.00%)\n  Run time (s):         5.0\n\
               Queries per second:   0.400000\n",
        )?;
        assert_eq!((said.sent, said.completed, said.lost), (3, 2, 1));
        assert_eq!(said.odd, ["SERVFAIL 1 (50.00%)"]);
        assert_eq!((said.percentile(500), said.percentile(0)), (200.0, 100.0));
        Ok(())
    }
}
