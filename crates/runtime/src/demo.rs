//! `polis demo`: every machine of a lab as a process of its own on this one, in a scratch folder.
//!
//! What is to run stands in the scratch folder: a machine with a file `stopped` is stopped, and the others run. So
//! `stop` and `start` from another terminal only make and remove files, and there is nothing to speak.

mod run;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lab::{Checked, Demo, Folder, OpenError, Options, Style};
use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::secret::{SecretFault, key};

/// How often it is looked what is to run.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a machine may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// The file of a machine that is to be stopped, of a running one, and of what it says.
const STOPPED: &str = "stopped";
const RUNS: &str = "runs";
const LOG: &str = "log";

/// Why there is no demonstration, or why it ended.
#[derive(Debug, thiserror::Error)]
pub enum Unshown {
    /// It was asked for wrongly.
    #[error("{what}")]
    Misuse {
        /// What is wrong.
        what: String,
        /// What to do.
        help: String,
    },
    /// There is no lab at that path.
    #[error("{0}")]
    NoLab(#[from] OpenError),
    /// The lab has errors, which have been shown.
    #[error("the lab has errors")]
    LabHasErrors,
    /// A key could not be made.
    #[error("{0}")]
    Secret(#[from] SecretFault),
    /// A file could not be made or read.
    #[error("can not {doing} `{}`: {source}", .path.display())]
    File {
        /// What was done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The system starts no process.
    #[error("can not start: {0}")]
    Start(std::io::Error),
}

impl Unshown {
    fn misuse(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Misuse { what: what.into(), help: help.into() }
    }
}

/// What a demonstration says, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Says {
    /// To who reads on.
    pub say: fn(&str),
    /// To who looks for what is wrong.
    pub warn: fn(&str),
    /// How faults of the lab are printed.
    pub style: Style,
}

/// The folder of this user's demonstration; there is one at a time, because its addresses are there once.
fn scratch() -> PathBuf {
    let folder = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    folder.join(format!("polis-demo-{}", geteuid().as_raw()))
}

/// Whether a machine is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// Stops or starts a machine of the demonstration and its guests, from another terminal, and says so.
///
/// # Errors
/// If no demonstration runs, if it has no such machine, or if its files can not be written.
pub fn turn(machine: &str, turn: Turn, say: fn(&str)) -> Result<(), Unshown> {
    let (scratch, is_stopped) = (&scratch(), turn == Turn::Off);
    if !is_running(scratch) {
        return Err(Unshown::misuse(
            "no demonstration runs",
            "start one in another terminal: `polis demo FOLDER`",
        ));
    }
    let all = std::fs::read_to_string(scratch.join("guests")).unwrap_or_default();
    let hosts: BTreeMap<&str, Vec<&str>> = all
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(host, guests)| (host, guests.split_whitespace().collect()))
        .collect();
    let Some(guests) = hosts.get(machine) else {
        let names: Vec<&str> = hosts.keys().copied().collect();
        return Err(Unshown::misuse(
            format!("the demonstration has no machine `{machine}`"),
            format!("it has {}", names.join(", ")),
        ));
    };
    for name in guests.iter().chain([&machine]) {
        let flag = scratch.join(name).join(STOPPED);
        let done = if is_stopped { File::create(&flag).map(drop) } else { removed(&flag) };
        done.map_err(|source| Unshown::File { doing: "write", path: flag, source })?;
    }
    let began = Instant::now();
    for name in guests.iter().chain([&machine]) {
        while scratch.join(name).join(RUNS).exists() == is_stopped && began.elapsed() < PATIENCE {
            std::thread::sleep(LOOK_EVERY);
        }
        say(&format!("{name}: {}\n", if is_stopped { "stopped" } else { "started" }));
    }
    Ok(())
}

fn removed(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether a demonstration runs there: the process that made the folder lives.
fn is_running(scratch: &Path) -> bool {
    if !is_own(scratch) {
        return false;
    }
    let text = std::fs::read_to_string(scratch.join("process")).unwrap_or_default();
    text.trim()
        .parse()
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|process| rustix::process::test_kill_process(process).is_ok())
}

/// Whether it is a folder of this user's: anybody can make one of that name.
fn is_own(scratch: &Path) -> bool {
    let metadata = std::fs::symlink_metadata(scratch);
    metadata.is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == geteuid().as_raw())
}

/// A machine of the demonstration.
struct Machine {
    name: String,
    folder: PathBuf,
    child: Option<Child>,
}

/// The scratch folder, which goes with it.
struct Folders(PathBuf);

impl Drop for Folders {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs every machine of a lab as a process of its own, until it is told to end.
///
/// # Errors
/// If there is no lab that can be used, if one runs already, or if the system does not let it.
pub fn begin(lab: &Path, options: &Options, says: Says) -> Result<(), Unshown> {
    let scratch = &scratch();
    let options = Options { demo: Some(Demo::default()), ..options.clone() };
    let checked = lab::check(Folder::open(lab)?, &options);
    if checked.usable().is_none() {
        (says.warn)(&lab::render_text(&checked.faults, &checked.folder, says.style));
        (says.warn)(
            "in a demonstration the first number of every address is 127, which may make two of them one\n",
        );
        return Err(Unshown::LabHasErrors);
    }
    let folders = make_scratch(scratch)?;
    let mut machines = make_machines(&checked, scratch)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Unshown::Start)?;
    let lived = runtime.block_on(run::live(lab, scratch, &checked, &mut machines, says));
    for machine in &machines {
        machine.tell_to_end();
    }
    machines.iter_mut().for_each(Machine::end);
    drop(folders);
    lived?;
    (says.say)("\nended; nothing is left\n");
    Ok(())
}

fn make_scratch(scratch: &Path) -> Result<Folders, Unshown> {
    let failed = |doing| move |source| Unshown::File { doing, path: scratch.to_owned(), source };
    if is_running(scratch) {
        return Err(Unshown::misuse("a demonstration runs already", "end it with Ctrl-C in its terminal"));
    }
    if is_own(scratch) {
        std::fs::remove_dir_all(scratch).map_err(failed("remove"))?;
    }
    std::fs::DirBuilder::new().mode(0o700).create(scratch).map_err(failed("make"))?;
    std::fs::write(scratch.join("process"), std::process::id().to_string()).map_err(failed("write to"))?;
    Ok(Folders(scratch.to_owned()))
}

/// A folder and a key pair for every machine with an agent, and which guests each has.
fn make_machines(checked: &Checked, scratch: &Path) -> Result<Vec<Machine>, Unshown> {
    let machines =
        || checked.lab.iter().flat_map(|lab| lab.machines.iter()).filter(|(_, machine)| *machine.agent);
    let (mut all, mut known, mut guests) = (Vec::new(), String::new(), String::new());
    for (name, _) in machines() {
        let folder = scratch.join(name.as_str());
        std::fs::create_dir(&folder).map_err(|source| Unshown::File {
            doing: "make",
            path: folder.clone(),
            source,
        })?;
        known.push_str(&format!("{name} {}\n", key::machine(&folder)?));
        let own =
            machines().filter(|(_, guest)| guest.guest_of.as_ref().is_some_and(|host| host.value() == name));
        let own: Vec<&str> = own.map(|(guest, _)| guest.as_str()).collect();
        guests.push_str(&format!("{name}: {}\n", own.join(" ")));
        all.push(Machine { name: name.to_string(), folder, child: None });
    }
    for (file, text) in [("keys", known), ("guests", guests)] {
        let path = scratch.join(file);
        std::fs::write(&path, text).map_err(|source| Unshown::File { doing: "write", path, source })?;
    }
    Ok(all)
}

/// Where to look.
fn tell(checked: &Checked, took: Option<Duration>, say: fn(&str)) {
    let Some(lab) = &checked.lab else { return };
    match took {
        Some(took) => {
            say(&format!("the lab {} runs here, after {:.1} s\n", lab.lab.name, took.as_secs_f64()));
        }
        None => say("its name servers do not answer yet: `polis status`, as below, says why\n"),
    }
    let dns = lab.placed().into_iter().find(|placed| placed.service == lab::model::ServiceName::Dns);
    let own = |name: &str| lab.machines.get(name)?.address.as_ref()?.iter().next().map(|own| own.0);
    let first = dns.as_ref().and_then(|dns| dns.on.first()).map(lab::read::At::value);
    let server =
        dns.as_ref().and_then(|dns| dns.address.map(|at| at.0).or_else(|| own(dns.on.first()?.as_str())));
    if let Some(server) = server {
        let port = checked.follows.ports.shifted(53);
        let routes = &checked.follows.routes;
        let route = routes.iter().find(|route| matches!(route.to, lab::RouteTo::App(_))).or(routes.first());
        let name = route.map_or_else(|| lab.lab.domain.to_string(), |route| route.host.to_string());
        say("\n   Try, in another terminal:\n");
        say(&format!("     dig @{server} -p {port} {name} +short\n"));
    }
    let agents = lab.machines.iter().filter(|(_, machine)| *machine.agent).map(|(name, _)| name);
    if let Some(machine) = first.or(agents.into_iter().next()) {
        let state = scratch().join(machine.as_str());
        if let Some(own) = own(machine.as_str()) {
            say(&format!(
                "     http://{own}:{}/overview\n",
                checked.follows.ports.shifted(crate::node::PAGES_PORT)
            ));
        }
        say(&format!("     polis status --state {}\n", state.display()));
        say(&format!("     polis demo stop {machine}\n"));
    }
    say("   Ctrl-C ends it.\n");
}

impl Machine {
    /// Starts or ends it, as its folder says, and sees whether it has ended by itself.
    fn look(&mut self, lab: &Path, scratch: &Path, warn: fn(&str)) -> Result<(), Unshown> {
        let is_stopped = self.folder.join(STOPPED).exists();
        if let Some(child) = &mut self.child
            && let Ok(Some(status)) = child.try_wait()
        {
            self.child = None;
            let _ = removed(&self.folder.join(RUNS));
            if !is_stopped {
                let log = std::fs::read_to_string(self.folder.join(LOG)).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(5).collect();
                warn(&format!("{} ended ({status}):\n", self.name));
                last.iter().rev().for_each(|line| warn(&format!("  {line}\n")));
                // It stays so until somebody starts it: what fails at once would fail again.
                let _ = File::create(self.folder.join(STOPPED));
            }
        }
        match (&self.child, is_stopped) {
            (None, false) => self.start(lab, scratch),
            (Some(_), true) => {
                self.tell_to_end();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn start(&mut self, lab: &Path, scratch: &Path) -> Result<(), Unshown> {
        let path = self.folder.join(LOG);
        let log = File::options().create(true).append(true).open(&path);
        let log = log.and_then(|log| Ok((log.try_clone()?, log)));
        let (out, err) = log.map_err(|source| Unshown::File { doing: "write", path, source })?;
        let mut command = Command::new(std::env::current_exe().map_err(Unshown::Start)?);
        command.arg("run").arg("--lab").arg(lab).arg("--machine").arg(&self.name);
        command.arg("--state").arg(&self.folder).arg("--demo").arg(scratch.join("keys"));
        for name in ["POLIS_SOCKET", "NOTIFY_SOCKET"] {
            command.env_remove(name);
        }
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().map_err(Unshown::Start)?;
        let _ = File::create(self.folder.join(RUNS));
        self.child = Some(child);
        Ok(())
    }

    fn tell_to_end(&self) {
        let process =
            self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok()).and_then(Pid::from_raw);
        if let Some(process) = process {
            let _ = kill_process(process, Signal::TERM);
        }
    }

    fn end(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let began = Instant::now();
        while began.elapsed() < PATIENCE / 2 && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}
