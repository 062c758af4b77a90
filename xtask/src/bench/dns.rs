//! The name server beside others: `cargo xtask bench --dns` installs Unbound, dnsmasq and dnsperf where they are
//! missing, measures all of them in one go on the loopback, and writes `bench/dns/RESULTS.md`, with what is lost too.
//!
//! Nothing is asserted here: a bar that is missed and a peer that does not start are rows that say so.

mod inside;
mod lab;
mod limit;
mod load;
mod loads;
mod memory;
mod names;
mod peers;
mod prober;
mod process;
mod report;
pub(crate) mod respond;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

use crate::root;
use peers::{Kind, Scheduling, Server, Setup};
use report::{Details, Line};

/// What all rows share.
struct Bench {
    folder: Folder,
    list: names::List,
    hot: Vec<String>,
    blocked: Vec<String>,
    unique: names::Unique,
    upstream: Server,
    /// How long a load lasts, and how often it is run.
    seconds: u32,
    runs: u32,
    /// How long the long row lasts, in minutes.
    minutes: u32,
    best: Scheduling,
    /// The load average at the start.
    busy: String,
}

/// A folder that is gone with this.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Bench {
    fn new(options: &Options) -> anyhow::Result<Self> {
        let folder = Folder(std::env::temp_dir().join(format!("polis-bench-{}", std::process::id())));
        std::fs::create_dir_all(&folder.0)?;
        let list = names::List::make(&folder.0)?;
        let scheduling = Scheduling::Usual;
        let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
        let setup = Setup { folder: &folder.0, upstream: nobody, list: None, scheduling, door: None };
        let upstream = Server::start(Kind::Upstream, &setup)?;
        Ok(Self {
            blocked: list.some(names::HOT)?,
            hot: names::hot(),
            unique: names::Unique::default(),
            upstream,
            list,
            folder,
            seconds: if options.quick { 1 } else { 5 },
            runs: if options.quick { 1 } else { 3 },
            minutes: options.minutes,
            best: Scheduling::best(),
            busy: load_average(),
        })
    }

    fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// The load averages at the start and now.
    fn busy(&self) -> String {
        format!("{} and {}", self.busy, load_average())
    }
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

/// What is wanted.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// The name server beside Unbound and dnsmasq, which writes `bench/dns/RESULTS.md`.
    #[arg(long)]
    pub(crate) dns: bool,
    /// One run of a second each, to try it out; printed and not kept.
    #[arg(long, requires = "dns")]
    quick: bool,
    /// Only these parts; printed and not kept.
    #[arg(long, requires = "dns", value_delimiter = ',', value_name = "PART,…")]
    only: Vec<Part>,
    /// How long the long row lasts.
    #[arg(long, requires = "dns", default_value_t = 10, value_name = "MINUTES")]
    minutes: u32,
}

/// Rows that are measured together.
#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
enum Part {
    /// A cached answer, a blocked one, a miss.
    Costs,
    /// One match, in process.
    Match,
    /// Memory, and the list replaced.
    Memory,
    /// A rule added by click.
    Click,
    /// The query log.
    Log,
    /// Latency at a steady pace.
    Latency,
    /// Little memory, for long.
    Limit,
}

/// In the order of their rows.
const PARTS: [Part; 7] =
    [Part::Costs, Part::Match, Part::Memory, Part::Click, Part::Log, Part::Latency, Part::Limit];

/// What a part does.
type Measure = fn(&mut Bench, &mut Details) -> anyhow::Result<Vec<Line>>;

impl Part {
    /// What it does, and what its row is called if it can not be done.
    fn measure(self) -> (Measure, &'static str) {
        match self {
            Self::Costs => (loads::costs, "cached hit, blocked, miss"),
            Self::Match => (inside::matches, "one match, 1.21 M rules"),
            Self::Memory => {
                (memory::rows, "memory with 1.21 M domains and 100,000 cached names; the list replaced")
            }
            Self::Click => (memory::click, "a rule added by click"),
            Self::Log => (inside::log, "query log"),
            Self::Limit => (limit::rows, "process limited to 96 MB, 300,000 rules, mixed load"),
            Self::Latency => (loads::latency, "p99 at 2,000 questions a second"),
        }
    }
}

/// Measures, and writes the page; what is not the whole is only printed.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    peers::install();
    super::build()?;
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "-p", "xtask"])
        .current_dir(root())
        .status()?;
    if !status.success() {
        bail!("the release build of xtask failed");
    }
    let mut bench = Bench::new(options)?;
    let (mut lines, mut details) = (Vec::new(), Details::default());
    for part in PARTS.into_iter().filter(|part| options.only.is_empty() || options.only.contains(part)) {
        let (measure, what) = part.measure();
        match measure(&mut bench, &mut details) {
            Ok(more) => lines.extend(more),
            Err(error) => lines.push(Line::open(what, "–", &error)),
        }
    }
    let text = report::page(&bench, &lines, &details)?;
    print!("{text}");
    if !options.quick && options.only.is_empty() {
        std::fs::create_dir_all(root().join("bench/dns"))?;
        std::fs::write(root().join("bench/dns/RESULTS.md"), text)?;
    }
    Ok(())
}
