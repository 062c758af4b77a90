//! One namespace of a house: a machine, a router, a laptop, the internet.

use std::ffi::OsStr;
use std::fs::File;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use ipnet::IpNet;
use nix::sched::{CloneFlags, setns};

use crate::clock::Clock;
use crate::log::Logs;

/// What all places of a house share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) prefix: String,
    /// For disks, sockets and clocks: its path is short, because that of a socket may have 107 letters.
    pub(crate) scratch: PathBuf,
    pub(crate) logs: Logs,
}

impl Shared {
    pub(crate) fn namespace(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }
}

/// A namespace: where programs run that see the network as one machine, router or laptop sees it.
#[derive(Clone, Debug)]
pub struct Place {
    pub(crate) name: String,
    pub(crate) addresses: Vec<IpNet>,
    /// What of its own is joined to the rest, as `ip` calls it.
    pub(crate) interface: String,
    pub(crate) shared: Arc<Shared>,
}

/// A line of a neighbour cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Whose address.
    pub address: IpAddr,
    /// Where it was last found; none if nobody answered.
    pub mac: Option<String>,
    /// What the kernel thinks of it: `REACHABLE`, `STALE`, `FAILED`.
    pub state: String,
}

impl Place {
    /// Its name, in the lab file if it is there.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its first address.
    #[track_caller]
    pub fn address(&self) -> IpAddr {
        self.addresses.first().unwrap_or_else(|| panic!("{} has no address", self.name)).addr()
    }

    pub(crate) fn namespace(&self) -> String {
        self.shared.namespace(&self.name)
    }

    /// A program that will run here.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = ip();
        command.args(["netns", "exec", &self.namespace()]).arg(program);
        command
    }

    /// Does something on a thread that is here: a socket that is opened in it belongs here from then on.
    #[track_caller]
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.namespace(), work).unwrap_or_else(|fault| panic!("in {}: {fault:#}", self.name))
    }

    /// What `ip` says here.
    #[track_caller]
    pub fn ip(&self, words: &str) -> String {
        run(ip().args(["-n", &self.namespace()]).args(words.split(' ')))
            .unwrap_or_else(|fault| panic!("ip {words} in {}: {fault:#}", self.name))
    }

    /// Gives it one more address, as a service does that takes over another's: `10.10.50.53/24`.
    ///
    /// Nobody is told: neighbours find out when they ask.
    #[track_caller]
    pub fn add_address(&self, address: &str) {
        self.ip(&format!("address add {address} dev {}", self.interface));
    }

    /// Takes an address from it.
    #[track_caller]
    pub fn remove_address(&self, address: &str) {
        self.ip(&format!("address delete {address} dev {}", self.interface));
    }

    /// Its neighbour caches (ARP and its like for IPv6).
    #[track_caller]
    pub fn neighbours(&self) -> Vec<Neighbour> {
        self.ip("neighbour show").lines().filter_map(neighbour).collect()
    }

    /// How many of so many pings are answered; each may take a second, and one starts every 50 ms.
    #[track_caller]
    pub fn pings(&self, to: &str, count: usize) -> usize {
        let mut ping = self.command("ping");
        ping.args(["-n", "-q", "-i", "0.05", "-W", "1", "-c", &count.to_string(), to]);
        let output = ping.output().expect("ping starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let received = said.split(", ").find_map(|part| part.strip_suffix(" received"));
        received.and_then(|count| count.parse().ok()).unwrap_or_default()
    }

    /// Whether a ping is answered.
    #[track_caller]
    pub fn reaches(&self, to: &str) -> bool {
        self.pings(to, 1) == 1
    }

    /// Moves the clock of what runs here by so many seconds, forwards or backwards.
    ///
    /// It is the civil clock that jumps; the one that timers run by does not, as on a real machine. Only
    /// units with [`Service::clock`](crate::Service::clock) see it.
    #[track_caller]
    pub fn jump_clock(&self, seconds: i64) {
        self.clock().jump(seconds).unwrap_or_else(|fault| panic!("the clock of {}: {fault:#}", self.name));
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock::at(self.shared.scratch.join(format!("{}.clock", self.name)))
    }
}

fn neighbour(line: &str) -> Option<Neighbour> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mac = words.iter().position(|word| *word == "lladdr").and_then(|at| words.get(at + 1));
    Some(Neighbour {
        address: words.first()?.parse().ok()?,
        mac: mac.map(|mac| (*mac).to_owned()),
        state: (*words.last()?).to_owned(),
    })
}

pub(crate) fn ip() -> Command {
    Command::new(crate::find("ip").unwrap_or_else(|| "ip".into()))
}

/// Runs a program to its end; what it said, or why it failed.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}{}", said.trim(), complaint.trim());
    Ok(said)
}

/// Does something on a thread in a namespace.
pub(crate) fn inside<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
    let file = File::open(Path::new("/run/netns").join(namespace))
        .with_context(|| format!("there is no namespace {namespace}"))?;
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            setns(&file, CloneFlags::CLONE_NEWNET).context("entering a namespace")?;
            Ok(work())
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::{Neighbour, neighbour};

    #[test]
    fn lines_of_a_neighbour_cache() {
        let found = neighbour("10.10.50.10 dev 4-servers lladdr 02:00:00:00:00:01 REACHABLE ");
        let expected = Neighbour {
            address: "10.10.50.10".parse().unwrap(),
            mac: Some("02:00:00:00:00:01".to_owned()),
            state: "REACHABLE".to_owned(),
        };
        assert_eq!(found, Some(expected));
        let lost = neighbour("10.10.50.99 dev 4-servers  FAILED").unwrap();
        assert_eq!((lost.mac, lost.state.as_str()), (None, "FAILED"));
        assert_eq!(neighbour(""), None);
    }
}
