//! The servers that are measured: Polis, Unbound, dnsmasq, and what the bench brings along. Each has its own folder and
//! a port of the loopback that was free.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;

use super::lab;
use super::prober;
use super::process::Process;

/// How long a server may take to answer first: Unbound reads a long list for a while.
const PATIENCE: Duration = Duration::from_secs(120);
/// What is installed where it is missing: a program and its package in Debian.
const PROGRAMS: [(&str, &str, &str); 4] = [
    ("unbound", "unbound", "-V"),
    ("dnsmasq", "dnsmasq-base", "--version"),
    ("dnsperf", "dnsperf", "-h"),
    ("zstd", "zstd", "--version"),
];

/// Installs the peers that are not there. One that can not be is a row that says so.
pub(super) fn install() {
    let is_missing = |(program, _, asks): &&(&str, &str, &str)| {
        Command::new(program).arg(asks).stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
    };
    let missing: Vec<&str> = PROGRAMS.iter().filter(is_missing).map(|(_, package, _)| *package).collect();
    if missing.is_empty() {
        return;
    }
    eprintln!("installing {}", missing.join(", "));
    for arguments in
        [vec!["update", "-q"], [vec!["install", "-qy", "--no-install-recommends"], missing].concat()]
    {
        // In this run level packages do not start what they bring.
        let status = Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("RUNLEVEL", "1")
            .stdout(Stdio::null())
            .status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("apt-get failed: rows of what is missing will say so");
        }
    }
}

/// The first line of what a program says about itself that has its version.
pub(super) fn version(program: &str, asks: &str) -> String {
    let said = Command::new(program).arg(asks).output();
    let Ok(said) = said else { return format!("{program} is missing") };
    let text = [said.stdout, said.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find(|line| line.to_lowercase().contains("version"));
    line.unwrap_or(program).split("  ").next().unwrap_or(program).to_owned()
}

/// How the system divides its cores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scheduling {
    /// As among all.
    Usual,
    /// Before everything else (`SCHED_FIFO`).
    First,
}

impl Scheduling {
    /// The strongest that this machine allows.
    pub(super) fn best() -> Self {
        let tried = Command::new("chrt").args(["-f", "1", "true"]).stderr(Stdio::null()).status();
        if tried.is_ok_and(|status| status.success()) { Self::First } else { Self::Usual }
    }

    /// Gives it to this thread, as far as may be.
    pub(super) fn take(self) {
        if self == Self::First {
            let thread = nix::unistd::gettid().to_string();
            let _ = Command::new("chrt").args(["-f", "-p", "1", &thread]).stderr(Stdio::null()).status();
        }
    }

    pub(super) fn command(self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        match self {
            Self::Usual => Command::new(program),
            Self::First => {
                let mut command = Command::new("chrt");
                command.args(["-f", "1"]).arg(program);
                command
            }
        }
    }
}

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Echo,
    Upstream,
    Unbound {
        threads: u8,
    },
    /// With so many names in its cache at most. A full cache is looked through for every new name, so that a large one
    /// makes misses slow.
    Dnsmasq {
        cache: u32,
    },
    Polis,
}

/// What a server is started with.
pub(super) struct Setup<'a> {
    /// The folder for what the servers need.
    pub(super) folder: &'a Path,
    pub(super) upstream: SocketAddr,
    /// The names to block.
    pub(super) list: Option<&'a Path>,
    pub(super) scheduling: Scheduling,
    /// The file that a process writes 0 to in order to be in a control group.
    pub(super) door: Option<&'a Path>,
}

/// A server that answers.
pub(super) struct Server {
    pub(super) at: SocketAddr,
    pub(super) process: Process,
    /// Where its files are.
    pub(super) folder: PathBuf,
    kind: Kind,
}

impl Server {
    /// Starts it, and waits for its first answer.
    pub(super) fn start(kind: Kind, setup: &Setup<'_>) -> anyhow::Result<Self> {
        let at = free()?;
        let folder = setup.folder.join(format!("server-{}", at.port()));
        std::fs::create_dir_all(&folder)?;
        let (program, arguments) = match kind {
            Kind::Echo => (helper(), responder("echo", at)),
            Kind::Upstream => (helper(), responder("upstream", at)),
            Kind::Unbound { threads } => ("unbound".into(), unbound(&folder, at, threads, setup)?),
            Kind::Dnsmasq { cache } => ("dnsmasq".into(), dnsmasq(&folder, at, cache, setup)?),
            Kind::Polis => (polis(), lab::write(&folder, at, setup)?),
        };
        let mut command = match setup.door {
            None => setup.scheduling.command(program),
            Some(door) => {
                let mut command = setup.scheduling.command("sh");
                command.args(["-c", "echo 0 > \"$0\" && exec \"$@\""]).arg(door).arg(program);
                command
            }
        };
        command.args(arguments).current_dir(&folder);
        let log = folder.join("said");
        let mut server = Self { at, process: Process::start(&mut command, &log)?, folder, kind };
        let answer = prober::wait_for(at, "first.example", PATIENCE);
        if answer.is_err() || server.process.is_there().is_err() {
            drop(server);
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            bail!("{kind:?} did not start: {}", said.lines().next_back().unwrap_or("it says nothing"));
        }
        // A server that refuses what it should forward would look quick.
        if kind != Kind::Echo && answer.is_ok_and(|reply| prober::is_blocked(&reply)) {
            bail!("{kind:?} does not say what the upstream says");
        }
        Ok(server)
    }

    /// Puts another list in the place of the one that it has; what is to be done after that is done.
    pub(super) fn reload(&self, list: &Path) -> anyhow::Result<()> {
        match self.kind {
            Kind::Polis => Ok(lab::list(&self.folder, list)?),
            Kind::Unbound { .. } => {
                unbound_list(&self.folder, list)?;
                self.process.signal(Signal::SIGHUP)
            }
            _ => bail!("it can not"),
        }
    }

    /// Where Polis keeps its state.
    pub(super) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }
}

/// The folder of what is built.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| crate::root().join("target"), PathBuf::from)
        .join("release")
}

/// The binary that is measured.
pub(super) fn polis() -> PathBuf {
    target().join("polis")
}

/// This program from the release build.
fn helper() -> PathBuf {
    target().join("xtask")
}

fn responder(kind: &str, at: SocketAddr) -> Vec<String> {
    vec!["responder".to_owned(), kind.to_owned(), at.to_string()]
}

/// A port of the loopback that is free for datagrams and for connections.
fn free() -> anyhow::Result<SocketAddr> {
    for _ in 0..100 {
        let at = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        if TcpListener::bind(at).is_ok() {
            return Ok(at);
        }
    }
    bail!("no free port")
}

fn unbound(folder: &Path, at: SocketAddr, threads: u8, setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let (place, port, upstream) = (folder.display(), at.port(), setup.upstream);
    unbound_list(folder, setup.list.unwrap_or(Path::new("/dev/null")))?;
    let text = format!(
        "server:\n directory: \"{place}\"\n chroot: \"\"\n username: \"\"\n pidfile: \"\"\n use-syslog: no\n logfile: \"\"\n \
         verbosity: 0\n do-daemonize: no\n num-threads: {threads}\n so-reuseport: yes\n interface: 127.0.0.1@{port}\n \
         port: {port}\n do-ip6: no\n access-control: 127.0.0.0/8 allow\n do-not-query-localhost: no\n \
         module-config: \"iterator\"\n msg-cache-size: 64m\n rrset-cache-size: 128m\n statistics-interval: 0\n \
         include: \"{place}/list.conf\"\n\
         remote-control:\n control-enable: no\n\
         forward-zone:\n name: \".\"\n forward-addr: {}@{}\n",
        upstream.ip(),
        upstream.port()
    );
    let file = folder.join("unbound.conf");
    std::fs::write(&file, text)?;
    Ok(vec!["-d".to_owned(), "-c".to_owned(), file.to_string_lossy().into_owned()])
}

fn unbound_list(folder: &Path, list: &Path) -> anyhow::Result<()> {
    lines(&folder.join("list.conf"), "server:\n", list, |into, name| {
        writeln!(into, " local-zone: \"{name}\" always_null")
    })
}

fn dnsmasq(folder: &Path, at: SocketAddr, cache: u32, setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let upstream = setup.upstream;
    let head = format!(
        "port={}\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\nuser=\ncache-size={cache}\n\
         dns-forward-max=1000\nserver={}#{}\n",
        at.port(),
        upstream.ip(),
        upstream.port()
    );
    let file = folder.join("dnsmasq.conf");
    let list = setup.list.unwrap_or(Path::new("/dev/null"));
    lines(&file, &head, list, |into, name| writeln!(into, "address=/{name}/#"))?;
    let none = folder.join("pid");
    Ok(vec![
        "-k".to_owned(),
        "-C".to_owned(),
        file.to_string_lossy().into_owned(),
        format!("--pid-file={}", none.display()),
    ])
}

/// A file with a line for each name of a list.
fn lines(
    file: &Path,
    head: &str,
    list: &Path,
    line: impl Fn(&mut String, &str) -> std::fmt::Result,
) -> anyhow::Result<()> {
    let mut text = head.to_owned();
    for name in std::fs::read_to_string(list)?.lines() {
        line(&mut text, name)?;
    }
    std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))
}
