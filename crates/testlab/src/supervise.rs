//! The thread that keeps a unit running, and the rules by which systemd does it.
//!
//! `Restart=always`: however it ends, it is started again after a pause. `KillMode=control-group`: when the
//! main process is gone, everything that it left is ended before the next start. `WatchdogSec=`: when a unit
//! that was ready has been silent for so long, its main process gets `SIGABRT`, and a second later everything
//! of it `SIGKILL`. See systemd.service(5), systemd.kill(5), `sd_notify`(3).

use std::ffi::OsString;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::signal::Signal;

use crate::clock::Clock;
use crate::group::{Group, send};
use crate::log::Log;
use crate::unit::Service;

/// How often the thread looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long a process may take to die of `SIGABRT`.
const ABORT_WITHIN: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Up,
    Down,
    /// Down, and the thread ends.
    Gone,
}

#[derive(Debug)]
pub(crate) struct State {
    wanted: Wanted,
    pub(crate) main: Option<u32>,
    pub(crate) is_ready: bool,
    pub(crate) status: String,
    pub(crate) heartbeats: usize,
    pub(crate) starts: usize,
    pub(crate) watchdog_ends: usize,
    pub(crate) last_end: Option<ExitStatus>,
}

/// What the thread and the test share.
#[derive(Debug)]
struct Inner {
    service: Service,
    namespace: String,
    folder: PathBuf,
    clock: Option<Clock>,
    group: Group,
    log: Arc<Log>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
pub(crate) struct Supervised {
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
}

impl Supervised {
    pub(crate) fn start(
        service: Service,
        namespace: String,
        folder: PathBuf,
        clock: Option<Clock>,
        group: Group,
        log: Arc<Log>,
    ) -> anyhow::Result<Self> {
        let state = State {
            wanted: Wanted::Up,
            main: None,
            is_ready: false,
            status: String::new(),
            heartbeats: 0,
            starts: 0,
            watchdog_ends: 0,
            last_end: None,
        };
        let (state, changed) = (Mutex::new(state), Condvar::new());
        let inner = Arc::new(Inner { service, namespace, folder, clock, group, log, state, changed });
        let socket = UnixDatagram::bind(inner.socket()).context("a socket for notifications")?;
        socket.set_nonblocking(true)?;
        if inner.service.user.is_some() {
            let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o666);
            std::fs::set_permissions(inner.socket(), everyone)?;
        }
        let own = Arc::clone(&inner);
        let thread = std::thread::spawn(move || own.keep(&socket));
        let supervised = Self { inner, thread: Some(thread) };
        // A program that can not be started at all is the test's mistake: say so here and not in a time-out.
        supervised.wait(Duration::from_secs(10), |state| state.starts > 0 || state.wanted == Wanted::Gone);
        anyhow::ensure!(supervised.look(|state| state.starts > 0), "{}", supervised.log().lines().join("\n"));
        Ok(supervised)
    }

    pub(crate) fn look<T>(&self, at: impl FnOnce(&State) -> T) -> T {
        self.inner.change(|state| at(state))
    }

    pub(crate) fn want(&self, wanted: Wanted) {
        self.inner.change(|state| state.wanted = wanted);
    }

    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.inner.log
    }

    pub(crate) fn group(&self) -> &Group {
        &self.inner.group
    }

    pub(crate) fn runtime(&self) -> PathBuf {
        self.inner.runtime()
    }

    /// Whether its main process is gone within the time that it has for that.
    pub(crate) fn wait_down(&self) -> bool {
        self.wait(self.inner.service.stop_within, |state| state.main.is_none())
    }

    fn wait(&self, within: Duration, condition: impl Fn(&State) -> bool) -> bool {
        let state = self.inner.state.lock().expect("the supervisor did not panic");
        let waited = self.inner.changed.wait_timeout_while(state, within, |state| !condition(state));
        let (state, _) = waited.expect("the supervisor did not panic");
        condition(&state)
    }

    /// Ends everything of it, and the thread.
    pub(crate) fn end(&mut self) {
        self.want(Wanted::Gone);
        self.inner.group.kill();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.inner.group.remove();
    }
}

impl Inner {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().expect("the supervisor did not panic");
        let value = change(&mut state);
        self.changed.notify_all();
        value
    }

    fn wanted(&self) -> Wanted {
        self.change(|state| state.wanted)
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("notify")
    }

    fn runtime(&self) -> PathBuf {
        self.folder.join("run")
    }

    fn state_folder(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// An argument with the folders that it names, as `ExecStart=` may.
    fn expand(&self, word: &OsString) -> OsString {
        let Some(text) = word.to_str() else { return word.clone() };
        let folders = [("${STATE_DIRECTORY}", self.state_folder()), ("${RUNTIME_DIRECTORY}", self.runtime())];
        let expand = |text: String, (name, folder): (&str, PathBuf)| {
            text.replace(name, folder.to_str().unwrap_or_default())
        };
        folders.into_iter().fold(text.to_owned(), expand).into()
    }

    /// Until the unit is not wanted any more.
    fn keep(&self, socket: &UnixDatagram) {
        loop {
            match self.wanted() {
                Wanted::Gone => return,
                Wanted::Down => std::thread::sleep(LOOK_EVERY),
                Wanted::Up => {
                    if let Err(fault) = self.run_once(socket) {
                        self.log.note(&format!("it can not be started: {fault:#}"));
                        self.change(|state| state.wanted = Wanted::Gone);
                        return;
                    }
                    self.pause();
                }
            }
        }
    }

    fn pause(&self) {
        let start = Instant::now();
        while start.elapsed() < self.service.restart_after && self.wanted() == Wanted::Up {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// One life of it, from its start until nothing of it is left.
    fn run_once(&self, socket: &UnixDatagram) -> anyhow::Result<()> {
        let runtime = self.runtime();
        let _ = std::fs::remove_dir_all(&runtime);
        std::fs::create_dir(&runtime)?;
        if let Some((user, _)) = self.service.user {
            nix::unistd::chown(&runtime, Some(nix::unistd::Uid::from_raw(user)), None)?;
        }
        // What the last life left unread is not this one's.
        while socket.recv(&mut [0; 4096]).is_ok() {}
        let mut child = self.command()?.spawn().context("starting it")?;
        let streams = [
            child.stdout.take().map(|stream| self.log.collect(stream)),
            child.stderr.take().map(|stream| self.log.collect(stream)),
        ];
        self.log.note(&format!("started, process {}", child.id()));
        let is_late = self.change(|state| {
            state.main = Some(child.id());
            (state.is_ready, state.heartbeats) = (false, 0);
            state.status.clear();
            state.starts += 1;
            state.wanted != Wanted::Up
        });
        if is_late {
            // It was told to end before anybody knew its number.
            self.group.kill();
            let _ = child.kill();
        }
        let status = self.attend(&mut child, socket)?;
        self.group.kill();
        for stream in streams.into_iter().flatten() {
            let _ = stream.join();
        }
        self.log.note(&format!("ended: {status}"));
        self.change(|state| {
            (state.main, state.is_ready, state.last_end) = (None, false, Some(status));
        });
        Ok(())
    }

    /// Hears what it notifies, and ends it when it has been silent for too long.
    fn attend(&self, child: &mut Child, socket: &UnixDatagram) -> anyhow::Result<ExitStatus> {
        let (mut heard, mut aborted) = (Instant::now(), None::<Instant>);
        let mut message = [0; 4096];
        loop {
            while let Ok(length) = socket.recv(&mut message) {
                let text = String::from_utf8_lossy(message.get(..length).unwrap_or_default()).into_owned();
                if self.hear(&text) {
                    heard = Instant::now();
                }
            }
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if self.wanted() == Wanted::Gone {
                // It may have entered its group only after that was ended.
                self.group.kill();
            }
            let is_ready = self.change(|state| state.is_ready);
            match (self.service.watchdog, aborted) {
                (Some(silence), None) if is_ready && heard.elapsed() > silence => {
                    self.log.note(&format!("watchdog: silent for {} ms", heard.elapsed().as_millis()));
                    self.change(|state| state.watchdog_ends += 1);
                    send(child.id(), Signal::SIGABRT);
                    send(child.id(), Signal::SIGCONT);
                    aborted = Some(Instant::now());
                }
                (_, Some(since)) if since.elapsed() > ABORT_WITHIN => self.group.kill(),
                _ => {}
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Whether a message says that it is alive.
    fn hear(&self, message: &str) -> bool {
        let mut is_alive = false;
        for line in message.lines() {
            self.change(|state| match line.split_once('=') {
                Some(("READY", "1")) => (state.is_ready, is_alive) = (true, true),
                Some(("WATCHDOG", "1")) => (state.heartbeats, is_alive) = (state.heartbeats + 1, true),
                Some(("STATUS", status)) => status.clone_into(&mut state.status),
                _ => {}
            });
            if !line.starts_with("WATCHDOG") {
                self.log.note(&format!("notified: {line}"));
            }
        }
        is_alive
    }

    /// The program, by way of a shell that enters the control group and becomes it, so that its number is the
    /// one that was started and no child of it can be outside the group.
    fn command(&self) -> anyhow::Result<Command> {
        const ENTER: &str = "echo 0 > \"$1\" && shift && { [ -z \"$WATCHDOG_USEC\" ] || export WATCHDOG_PID=$$; } && exec \"$@\"";
        let program = |name: &str| crate::find(name).with_context(|| format!("{name} is not installed"));
        let service = &self.service;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", ENTER, "sh"]).arg(self.group.door());
        command.arg(program("ip")?).args(["netns", "exec", &self.namespace]);
        // If the test is killed, the unit does not outlive it.
        command.arg(program("setpriv")?).args(["--pdeathsig", "KILL"]);
        if let Some((user, capabilities)) = &service.user {
            let list: String = capabilities
                .split(',')
                .filter(|name| !name.is_empty())
                .map(|name| format!(",+{name}"))
                .collect();
            command.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()]);
            command.args(["inh", "ambient"].map(|set| format!("--{set}-caps=-all{list}")));
            command.arg("--no-new-privs");
        }
        command.arg(&service.program).args(service.arguments.iter().map(|word| self.expand(word)));
        command.env_clear().current_dir("/");
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("LANG", "C.UTF-8");
        command.env("STATE_DIRECTORY", self.state_folder());
        command.env("RUNTIME_DIRECTORY", self.runtime()).env("NOTIFY_SOCKET", self.socket());
        if let Some(silence) = service.watchdog {
            command.env("WATCHDOG_USEC", silence.as_micros().to_string());
        }
        if let Some(clock) = &self.clock {
            clock.give(&mut command)?;
        }
        command.envs(service.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }
}
