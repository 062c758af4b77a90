//! A program as a systemd unit: what is asked for, and the hold that a test has on it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::Signal;

use crate::able::wait_for;
use crate::disk::Disk;
use crate::group::{self, Group};
use crate::place::Place;
use crate::supervise::{Supervised, Wanted};

/// What to run, and how: the keys of a systemd unit that matter here.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// `WatchdogSec=`.
    pub(crate) watchdog: Option<Duration>,
    /// `RestartSec=`, with `Restart=always`.
    pub(crate) restart_after: Duration,
    /// `TimeoutStopSec=`.
    pub(crate) stop_within: Duration,
    /// `User=` and `AmbientCapabilities=`; root without.
    pub(crate) user: Option<(u32, String)>,
    disk: u64,
    state_files: Vec<PathBuf>,
    has_clock: bool,
}

impl Service {
    /// A program to run as root, with a disk of 64 MiB and no watchdog.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            watchdog: None,
            restart_after: Duration::from_millis(100),
            stop_within: Duration::from_secs(10),
            user: None,
            disk: 64 << 20,
            state_files: Vec::new(),
            has_clock: false,
        }
    }

    /// `polis run` for a machine of a lab folder: the one place that knows its arguments.
    pub fn polis(binary: impl Into<PathBuf>, lab: &Path, machine: &str) -> Self {
        let run = Self::new(binary).args(["run", "--lab"]).args([lab]).args(["--machine", machine]);
        run.args(["--state", "${STATE_DIRECTORY}", "--socket", "${RUNTIME_DIRECTORY}/polis.sock"])
    }

    /// A file that is in its state before it first starts, as the key pair of an enrolled machine.
    #[must_use]
    pub fn state_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.state_files.push(file.into());
        self
    }

    /// More arguments. `${STATE_DIRECTORY}` and `${RUNTIME_DIRECTORY}` in them stand for those folders of the
    /// unit, as in `ExecStart=`.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// A variable of its surroundings, which are empty otherwise but for those that systemd gives.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Ends it when it has been ready and then silent for so long.
    #[must_use]
    pub fn watchdog(mut self, silence: Duration) -> Self {
        self.watchdog = Some(silence);
        self
    }

    /// Starts it so long after it ended; 100 ms without.
    #[must_use]
    pub fn restart_after(mut self, pause: Duration) -> Self {
        self.restart_after = pause;
        self
    }

    /// Makes it end when it does not by itself within so long of being told to; 10 s without, where systemd has
    /// 90 s.
    #[must_use]
    pub fn stop_within(mut self, patience: Duration) -> Self {
        self.stop_within = patience;
        self
    }

    /// Runs it as a user and group of that number, with these capabilities and no others:
    /// `"net_bind_service,net_raw"`.
    #[must_use]
    pub fn user(mut self, number: u32, capabilities: &str) -> Self {
        self.user = Some((number, capabilities.to_owned()));
        self
    }

    /// The size of the disk that its state is on.
    #[must_use]
    pub fn disk(mut self, bytes: u64) -> Self {
        self.disk = bytes;
        self
    }

    /// Lets it run by the clock of its machine, which may jump.
    #[must_use]
    pub fn clock(mut self) -> Self {
        self.has_clock = true;
        self
    }
}

impl Place {
    /// Runs a program here as systemd would, from now until the unit is dropped.
    #[track_caller]
    pub fn start(&self, service: Service) -> Unit {
        Unit::start(self, service)
            .unwrap_or_else(|fault| panic!("starting a unit on {}: {fault:#}", self.name))
    }

    /// `polis run` as this machine, with more arguments.
    #[track_caller]
    pub fn start_polis(&self, binary: impl Into<PathBuf>, lab: &Path, arguments: &[&str]) -> Unit {
        self.start(Service::polis(binary, lab, &self.name).args(arguments.iter().copied()))
    }
}

/// A running unit. `Restart=always`, `KillMode=control-group`, `Type=notify` for those who wait for it.
///
/// The program finds in its surroundings what systemd gives: `STATE_DIRECTORY`, `RUNTIME_DIRECTORY`,
/// `NOTIFY_SOCKET`, and with a watchdog `WATCHDOG_USEC` and `WATCHDOG_PID`.
#[derive(Debug)]
pub struct Unit {
    supervised: Supervised,
    disk: Disk,
    place: Place,
}

impl Unit {
    fn start(place: &Place, service: Service) -> anyhow::Result<Self> {
        let log = place.shared.logs.open(&place.name)?;
        let folder = place.shared.scratch.join(&log.name);
        let disk = Disk::mount(folder.join("state"), service.disk)?;
        for file in &service.state_files {
            let name = file.file_name().context("a file for the state of a unit needs a name")?;
            std::fs::copy(file, disk.folder().join(name)).with_context(|| file.display().to_string())?;
        }
        if let Some((user, _)) = service.user {
            let own = |path: &Path| nix::unistd::chown(path, Some(nix::unistd::Uid::from_raw(user)), None);
            own(disk.folder()).context("giving its state to its user")?;
            for entry in std::fs::read_dir(disk.folder())? {
                own(&entry?.path()).context("giving its state to its user")?;
            }
        }
        let group = Group::create(&place.shared.namespace(&log.name))?;
        let clock = service.has_clock.then(|| place.clock());
        let supervised = Supervised::start(service, place.namespace(), folder, clock, group, log)?;
        Ok(Self { supervised, disk, place: place.clone() })
    }

    /// Where it runs.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The folder of its state, on a disk of its own. It outlives a restart.
    pub fn state(&self) -> &Path {
        self.disk.folder()
    }

    /// The folder for its sockets, `RuntimeDirectory=`: new at every start.
    pub fn runtime(&self) -> PathBuf {
        self.supervised.runtime()
    }

    /// Everything that it said, with lines of the supervisor that begin with `--`.
    pub fn said(&self) -> String {
        self.supervised.log().lines().join("\n")
    }

    /// Waits until it says a line with this in it; the first such line.
    #[track_caller]
    pub fn wait_for_line(&self, part: &str) -> String {
        let find = || self.supervised.log().lines().into_iter().find(|line| line.contains(part));
        wait_for(&format!("{} says `{part}`", self.supervised.log().name), || find().is_some());
        find().unwrap_or_default()
    }

    /// Waits until it has notified that it is ready, since its last start.
    #[track_caller]
    pub fn wait_ready(&self) {
        wait_for(&format!("{} is ready", self.supervised.log().name), || self.is_ready());
    }

    /// Whether it is ready.
    pub fn is_ready(&self) -> bool {
        self.supervised.look(|state| state.is_ready)
    }

    /// What it last notified as its status.
    pub fn status(&self) -> String {
        self.supervised.look(|state| state.status.clone())
    }

    /// How often it notified that it is alive, since its last start.
    pub fn heartbeats(&self) -> usize {
        self.supervised.look(|state| state.heartbeats)
    }

    /// The number of its main process, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.supervised.look(|state| state.main)
    }

    /// The numbers of the other processes that belong to it.
    pub fn child_pids(&self) -> Vec<u32> {
        let main = self.pid();
        self.supervised.group().processes().into_iter().filter(|process| Some(*process) != main).collect()
    }

    /// How often it was started.
    pub fn starts(&self) -> usize {
        self.supervised.look(|state| state.starts)
    }

    /// How often its watchdog ended it.
    pub fn watchdog_ends(&self) -> usize {
        self.supervised.look(|state| state.watchdog_ends)
    }

    /// Sends a signal to its main process: `Signal::SIGHUP`.
    pub fn signal(&self, signal: Signal) {
        if let Some(main) = self.pid() {
            group::send(main, signal);
        }
    }

    /// Ends everything of it at once, as when its machine loses power. It stays so until [`Unit::up`].
    #[track_caller]
    pub fn kill(&self) {
        self.supervised.want(Wanted::Down);
        self.supervised.group().kill();
        wait_for("a killed unit is gone", || self.pid().is_none());
    }

    /// Ends its main process at once, as the kernel does that is short of memory. It is started again.
    pub fn crash(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// Ends the children at once that were started with this word.
    #[track_caller]
    pub fn kill_child(&self, word: &str) {
        let children: Vec<u32> =
            self.child_pids().into_iter().filter(|child| group::words(*child).contains(word)).collect();
        assert!(!children.is_empty(), "{} has no child `{word}`", self.supervised.log().name);
        for child in children {
            group::send(child, Signal::SIGKILL);
        }
    }

    /// Stops it in the middle of whatever it does, with all its children.
    pub fn freeze(&self) {
        self.supervised.group().signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.supervised.group().signal(Signal::SIGCONT);
    }

    /// Tells it to end, as `systemctl stop`. Whether its main process ended with 0, and before it was made to.
    #[track_caller]
    pub fn stop(&self) -> bool {
        self.supervised.want(Wanted::Down);
        self.supervised.group().signal(Signal::SIGTERM);
        self.supervised.group().signal(Signal::SIGCONT);
        let ended = self.supervised.wait_down();
        if !ended {
            self.kill();
        }
        ended && self.supervised.look(|state| state.last_end.is_some_and(|end| end.success()))
    }

    /// Starts it again after it was stopped or killed.
    pub fn up(&self) {
        self.supervised.want(Wanted::Up);
    }

    /// Fills the disk that its state is on, to the last byte.
    #[track_caller]
    pub fn fill_disk(&self) {
        self.disk.fill().unwrap_or_else(|fault| panic!("filling a disk: {fault:#}"));
    }

    /// Makes room again.
    #[track_caller]
    pub fn free_disk(&self) {
        self.disk.free().unwrap_or_else(|fault| panic!("making room on a disk: {fault:#}"));
    }

    /// Makes its disk one that can only be read, as a file system is after a fault of the disk.
    ///
    /// The kernel refuses that while a file on it is open for writing: stop the unit first.
    #[track_caller]
    pub fn set_read_only(&self, is_read_only: bool) {
        self.disk.set_read_only(is_read_only).unwrap_or_else(|fault| panic!("a read-only disk: {fault:#}"));
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // Before the disk goes that it writes to.
        self.supervised.end();
    }
}
