//! Measures what the figures of the house are about, and writes `bench/figures.md`.
//!
//! Every figure is of a whole process of the release build, taken from outside. A run that is measured is the
//! only child of a process of its own (`cargo xtask measure`), so that the system's account is of it alone.

pub(crate) mod dns;
mod generate;
mod pages;

use std::fmt::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::resource::{UsageWho, getrusage};

use crate::root;

/// The port that measured name servers listen at.
const PORT: u16 = 10_153;
/// The port of names in a demonstration.
const DEMO_PORT: u16 = 10_053;

/// One run: milliseconds and kilobytes.
struct Figures {
    wall: f64,
    cpu: f64,
    peak: i64,
}

/// A row of the table.
struct Row {
    what: &'static str,
    bar: &'static str,
    measured: String,
}

pub(crate) fn measure(command: &[String]) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("a command")?;
    let start = Instant::now();
    Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    let wall = start.elapsed().as_secs_f64() * 1000.0;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let millis = |time: nix::sys::time::TimeVal| Duration::from_micros(micros(time)).as_secs_f64() * 1000.0;
    println!("{wall} {} {}", millis(usage.user_time()) + millis(usage.system_time()), usage.max_rss());
    Ok(())
}

fn micros(time: nix::sys::time::TimeVal) -> u64 {
    u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_usec()).unwrap_or(0)
}

fn one_run(command: &[&str]) -> anyhow::Result<Figures> {
    let output = Command::new(std::env::current_exe()?)
        .args(["measure", "--"])
        .args(command)
        .current_dir(root())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<&str> = text.split_whitespace().collect();
    let [wall, cpu, peak] = numbers.as_slice() else { bail!("measuring {command:?} failed: {text}") };
    Ok(Figures { wall: wall.parse()?, cpu: cpu.parse()?, peak: peak.parse()? })
}

/// The medians of several runs, after one that does not count.
fn runs(count: usize, command: &[&str]) -> anyhow::Result<Figures> {
    one_run(command)?;
    let all: Vec<Figures> = (0..count).map(|_| one_run(command)).collect::<anyhow::Result<_>>()?;
    Ok(Figures {
        wall: median(all.iter().map(|run| run.wall).collect()),
        cpu: median(all.iter().map(|run| run.cpu).collect()),
        peak: all.iter().map(|run| run.peak).max().unwrap_or(0),
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn build() -> anyhow::Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "-p", "polis"])
        // Where npm is missing, pages are measured as they are then.
        .env("POLIS_PLAIN_PAGES", "1")
        .current_dir(root())
        .status()?;
    if status.success() { Ok(()) } else { bail!("the release build failed") }
}

/// Only what pages cost.
pub(crate) fn pages() -> anyhow::Result<()> {
    build()?;
    for Row { what, bar, measured } in pages::rows()? {
        println!("{what}: {measured} (bar {bar})");
    }
    Ok(())
}

pub(crate) fn run(clone: bool) -> anyhow::Result<()> {
    build()?;
    let mut rows = vec![small()?, large()?, first_answer()?, memory()?, idle()?, demo()?, events()?];
    rows.extend(pages::rows()?);
    if clone {
        rows.push(bare_clone()?);
    }
    let text = page(&rows)?;
    print!("{text}");
    std::fs::write(root().join("bench/figures.md"), text)?;
    Ok(())
}

fn small() -> anyhow::Result<Row> {
    let figures = runs(30, &["target/release/polis", "check", "examples/aegean"])?;
    let Figures { wall, cpu, peak } = figures;
    Ok(Row {
        what: "`polis check` on the example, whole process",
        bar: "10 ms, 15 MB",
        measured: format!("{wall:.1} ms ({cpu:.1} ms CPU), {:.1} MB", megabytes(peak)),
    })
}

fn megabytes(kilobytes: i64) -> f64 {
    Duration::from_micros(u64::try_from(kilobytes).unwrap_or(0)).as_secs_f64() * 1024.0
}

fn large() -> anyhow::Result<Row> {
    let folder = root().join("target/bench/large");
    generate::lab(&folder, &generate::LARGE)?;
    let path = folder.to_string_lossy().into_owned();
    let Figures { wall, cpu, peak } = runs(10, &["target/release/polis", "check", &path])?;
    Ok(Row {
        what: "a generated lab of 1,000 machines, 300 apps, 50 zones and 50 faults: save to diagnostics",
        bar: "100 ms CPU",
        measured: format!("{cpu:.0} ms CPU ({wall:.0} ms), {:.0} MB", megabytes(peak)),
    })
}

/// Ends the process that it holds.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let process = i32::try_from(self.0.id()).ok().map(nix::unistd::Pid::from_raw);
        // A helper that is killed leaves its worker; told to end, it ends both.
        let _ = process.map(|process| nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM));
        let _ = self.0.wait();
    }
}

fn first_answer() -> anyhow::Result<Row> {
    let mut times = Vec::new();
    for _ in 0..10 {
        let start = Instant::now();
        let _ends = a_machine()?;
        wait_for_answer(place(), Duration::from_secs(10))?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(Row {
        what: "start of `polis run` to its first answer",
        bar: "100 ms",
        measured: format!("{:.1} ms", median(times)),
    })
}

fn place() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], PORT))
}

/// naxos of the example, both of its processes.
fn a_machine() -> anyhow::Result<Ends> {
    let state = root().join("target/bench/naxos");
    let _ = std::fs::remove_dir_all(&state);
    std::fs::create_dir_all(&state)?;
    let mut command = Command::new("target/release/polis");
    command.args(["run", "--lab", "examples/aegean", "--machine", "naxos", "--listen", &place().to_string()]);
    command.arg("--state").arg(&state).current_dir(root()).stdout(Stdio::null());
    Ok(Ends(command.spawn()?))
}

/// The two processes of a machine: its helper, and that one's child.
fn processes(machine: &Ends) -> anyhow::Result<Vec<u32>> {
    let helper = machine.0.id();
    let children = std::fs::read_to_string(format!("/proc/{helper}/task/{helper}/children"))?;
    let mut all: Vec<u32> = children.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    all.push(helper);
    if all.len() != 2 {
        bail!("{} processes instead of two", all.len());
    }
    Ok(all)
}

fn memory() -> anyhow::Result<Row> {
    let machine = a_machine()?;
    wait_for_answer(place(), Duration::from_secs(10))?;
    std::thread::sleep(Duration::from_secs(5));
    let mut sizes = Vec::new();
    for process in processes(&machine)? {
        let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("Pss")?;
        sizes.push(line.trim().trim_end_matches(" kB").parse::<i64>()?);
    }
    let sum = megabytes(sizes.iter().sum());
    let each: Vec<String> = sizes.iter().map(|size| format!("{:.1}", megabytes(*size))).collect();
    Ok(Row {
        what: "idle memory of a machine that runs DNS, both processes, PSS",
        bar: "18 MB",
        measured: format!("{sum:.1} MB (worker and helper: {})", each.join(" + ")),
    })
}

/// Ticks of processor time of processes so far (proc(5): the 14th and 15th field, a hundredth of a second each).
fn ticks(processes: &[u32]) -> anyhow::Result<u32> {
    let mut sum = 0;
    for process in processes {
        let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        let after = text.rsplit(") ").next().context("stat")?;
        let fields: Vec<&str> = after.split(' ').collect();
        for at in [11, 12] {
            sum += fields.get(at).context("stat")?.parse::<u32>()?;
        }
    }
    Ok(sum)
}

fn idle() -> anyhow::Result<Row> {
    const LASTS: u32 = 120;
    let machine = a_machine()?;
    wait_for_answer(place(), Duration::from_secs(10))?;
    std::thread::sleep(Duration::from_secs(5));
    let processes = processes(&machine)?;
    let before = ticks(&processes)?;
    std::thread::sleep(Duration::from_secs(u64::from(LASTS)));
    let spent = ticks(&processes)? - before;
    Ok(Row {
        what: "idle CPU of the same",
        bar: "0.1 % of a core",
        measured: format!(
            "{:.3} % ({spent} hundredths of a second in {LASTS} s)",
            f64::from(spent) / f64::from(LASTS)
        ),
    })
}

fn demo() -> anyhow::Result<Row> {
    let mut times = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        let mut command = Command::new("target/release/polis");
        command.args(["demo", "examples/aegean"]).current_dir(root()).stdout(Stdio::null());
        let child = command.spawn()?;
        let process = nix::unistd::Pid::from_raw(i32::try_from(child.id())?);
        let mut child = Ends(child);
        wait_for_answer(demo_place(), Duration::from_secs(30))?;
        times.push(start.elapsed().as_secs_f64());
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM)?;
        child.0.wait()?;
    }
    Ok(Row {
        what: "from built: `polis demo` of the example (15 machines) to the first answer of any of them",
        bar: "3 s",
        measured: format!("{:.2} s", median(times)),
    })
}

fn events() -> anyhow::Result<Row> {
    let output = Command::new(env!("CARGO"))
        .args(["bench", "--quiet", "-p", "runtime", "--bench", "events"])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()?;
    let said = String::from_utf8(output.stdout)?;
    let line = said.lines().find(|line| line.starts_with("lost ")).context("the bench said nothing")?;
    Ok(Row {
        what: "1,000 events a second for a minute",
        bar: "none lost, 5 % of a core",
        measured: line.to_owned(),
    })
}

/// Where the name server of the demonstration is.
fn demo_place() -> SocketAddr {
    SocketAddr::from(([127, 10, 50, 53], DEMO_PORT))
}

/// Asks for a name of the example until it is answered.
fn wait_for_answer(at: SocketAddr, patience: Duration) -> anyhow::Result<()> {
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in ["cloud", "lab", "example", "net"] {
        question.push(u8::try_from(label.len())?);
        question.extend_from_slice(label.as_bytes());
    }
    question.extend_from_slice(&[0, 0, 1, 0, 1]);
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(1)))?;
    let start = Instant::now();
    let mut reply = [0; 512];
    while start.elapsed() < patience {
        let _ = socket.send_to(&question, at);
        if let Ok((length, _)) = socket.recv_from(&mut reply)
            && reply.get(..length).is_some_and(|reply| reply.ends_with(&[10, 50, 10]))
        {
            return Ok(());
        }
    }
    bail!("nobody answered at {at}")
}

/// `git clone` and `make demo`, until the demo answers. Crates that were fetched before are not fetched again.
fn bare_clone() -> anyhow::Result<Row> {
    let folder = root().join("target/bench/clone");
    let _ = std::fs::remove_dir_all(&folder);
    let start = Instant::now();
    let status = Command::new("git").args(["clone", "--quiet"]).arg(root()).arg(&folder).status()?;
    if !status.success() {
        bail!("git clone failed");
    }
    let child = Command::new("make").arg("demo").current_dir(&folder).stdout(Stdio::null()).spawn()?;
    let process = nix::unistd::Pid::from_raw(i32::try_from(child.id())?);
    let waited = wait_for_answer(demo_place(), Duration::from_secs(600));
    let took = start.elapsed().as_secs();
    end_children(process)?;
    drop(Ends(child));
    waited?;
    std::fs::remove_dir_all(&folder)?;
    Ok(Row {
        what: "bare clone (Rust present, dev profile) to the first answered name",
        bar: "4 min",
        measured: format!("{} min {} s", took / 60, took % 60),
    })
}

/// Ends what `make` started, and nothing else.
fn end_children(parent: nix::unistd::Pid) -> anyhow::Result<()> {
    let children =
        std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    for child in children.split_whitespace() {
        let child = nix::unistd::Pid::from_raw(child.parse()?);
        end_children(child)?;
        let _ = nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGTERM);
    }
    Ok(())
}

fn page(rows: &[Row]) -> anyhow::Result<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!(
        "# Figures\n\nMeasured with `cargo xtask bench --clone` on {cores} cores of {model}; medians, whole processes, release \
         build unless the row says otherwise.\n\n| what | bar | measured |\n|---|---|---|\n"
    );
    for Row { what, bar, measured } in rows {
        writeln!(text, "| {what} | {bar} | {measured} |")?;
    }
    if !Path::new("/proc").exists() {
        bail!("figures are taken on Linux");
    }
    Ok(text)
}
