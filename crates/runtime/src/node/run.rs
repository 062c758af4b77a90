//! The worker process: takes up the lab, follows it as it changes, and serves the link and the control socket.

mod answers;
mod http;
mod node;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lab::{Checked, Stamp};
use tokio::signal::unix::{SignalKind, signal};

use super::{LOCAL_PORT, Worker, folder, identify};
use crate::clock::{Clock, Jumps};
use crate::event::Event;
use crate::helper::{Helper, cage};
use crate::link::{self, Question, Reply};
use crate::permit::Request;
use crate::service::Given;
use crate::state::{Lock, LockFault, State};

pub(crate) use node::Node;

/// How often the worker says that it is alive, and looks at the folder.
const BEAT: Duration = Duration::from_secs(1);
/// How long a changed folder has to stay as it is.
const SETTLE: Duration = Duration::from_millis(500);
/// How often the time is saved.
const SAVE_TIME: Duration = Duration::from_secs(600);
/// How long a process without a helper may take to make way.
const WAY: Duration = Duration::from_secs(3);

/// Why a worker does not begin.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no lab.
    #[error("{0}")]
    NoLab(#[from] lab::OpenError),
    /// The lab has errors, which have been shown, and there is no good copy.
    #[error("the lab has errors")]
    LabHasErrors,
    /// It is not known which machine this is.
    #[error("{0}")]
    Unidentified(#[from] super::Unidentified),
    /// Another process has the state.
    #[error("{0}")]
    Taken(LockFault),
    /// The system said no.
    #[error("can not {doing}: {source}")]
    System {
        /// What was to be done.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The addresses and ports that Polis itself listens at on a machine, besides its services: the link.
pub(crate) fn own_ports(given: &Given<'_>, demo: bool) -> Vec<SocketAddr> {
    let addresses = given.lab.machines.get(given.machine).and_then(|machine| machine.address.as_ref());
    let own: Vec<IpAddr> = addresses.into_iter().flat_map(|all| all.iter()).map(|own| own.0).collect();
    let own: Vec<IpAddr> = own.into_iter().filter(|own| !demo || own.is_loopback()).collect();
    let port = given.follows.ports.shifted(link::PORT);
    let local = local_place(given, demo);
    own.into_iter().map(|own| SocketAddr::new(own, port)).chain([local]).collect()
}

/// Where Polis shows its measurements: to this machine only.
fn local_place(given: &Given<'_>, demo: bool) -> SocketAddr {
    let addresses = given.lab.machines.get(given.machine).and_then(|machine| machine.address.as_ref());
    let own =
        addresses.and_then(|all| all.iter().map(|own| own.0).find(IpAddr::is_loopback)).filter(|_| demo);
    let port = given.follows.ports.shifted(LOCAL_PORT);
    SocketAddr::new(own.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), port)
}

/// Runs the worker until it is told to end.
///
/// # Errors
/// If it can not begin.
pub fn run(worker: Worker) -> Result<ExitCode, Refusal> {
    let uncaged = cage::worker();
    let system = |doing| move |source| Refusal::System { doing, source };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system("start"))?;
    let code = runtime.block_on(async {
        let state = State::at(worker.state.clone());
        let lock = own(&state, &worker).await?;
        let helper = Helper::at_standard_input()
            .map_err(system("reach the helper: the worker is started by `polis run`"))?;
        let clock = Clock::system(state.saved_time());
        let (checked, is_kept) = first(&worker, &state)?;
        let lab = checked.usable_for(worker.tables).ok_or(Refusal::LabHasErrors)?;
        let machine = identify(lab, worker.machine.as_deref())?;
        let mut life = Life { node: Node::new(worker, machine, state, clock, helper), uses_kept: false };
        life.say_first(&uncaged, lock.as_ref().err());
        life.take_up(&checked, is_kept).await;
        let code = life.live(checked).await;
        drop(lock);
        code
    });
    // Work that waits for a disk does not keep a process that was told to end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

/// The state folder is this process's. One that is still there without a helper makes way; one that can not be written
/// to is no reason not to answer names.
async fn own(state: &State, worker: &Worker) -> Result<Result<Lock, LockFault>, Refusal> {
    let began = Instant::now();
    loop {
        match state.lock() {
            Err(taken @ LockFault::Taken { .. }) => {
                let made =
                    matches!(link::ask_socket(&worker.socket, &Question::Yield).await, Ok(Reply::Done));
                if !made && began.elapsed() > WAY {
                    return Err(Refusal::Taken(taken));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            done => return Ok(done),
        }
    }
}

/// The lab to begin with: the folder, or the last good copy if that has errors.
fn first(worker: &Worker, state: &State) -> Result<(Checked, bool), Refusal> {
    let read = (worker.check)(worker, &worker.lab);
    if let Ok(checked) = &read {
        (worker.show)(worker, checked);
        if checked.usable_for(worker.tables).is_some() {
            return read.map(|checked| (checked, false)).map_err(Refusal::NoLab);
        }
    }
    let kept = folder::kept(&state.last_good()).and_then(|kept| (worker.check)(worker, &kept).ok());
    match kept.filter(|kept| kept.usable_for(worker.tables).is_some()) {
        Some(kept) => Ok((kept, true)),
        None => read.map_err(Refusal::NoLab).and(Err(Refusal::LabHasErrors)),
    }
}

/// A worker that has begun.
struct Life {
    node: Arc<Node>,
    uses_kept: bool,
}

impl Life {
    /// What is wrong from the start, and that it starts.
    fn say_first(&self, uncaged: &[String], lock: Option<&LockFault>) {
        let context = &self.node.context;
        context.record.add(Event::Started { version: self.node.worker.version.clone() });
        if let Some(fault) = lock {
            let help = "the state folder has to be there and writable for who runs Polis; names are answered without it";
            context.conditions.raise("state folder", fault.to_string(), help);
        }
        if !uncaged.is_empty() {
            let what = format!("privileges could not be given up: {}", uncaged.join("; "));
            context.conditions.raise(
                "privileges",
                what,
                "run it on a kernel with seccomp, as all of today's distributions have",
            );
        }
        if rustix::process::geteuid().is_root() && self.node.worker.demo.is_none() {
            let what = "the worker is the user root, without root's capabilities";
            context.conditions.raise(
                "user",
                what,
                "make a user for it: `useradd --system polis`, and start Polis again",
            );
        }
    }

    /// Makes what follows from a checked lab run here.
    async fn take_up(&mut self, checked: &Checked, is_kept: bool) {
        self.uses_kept = is_kept;
        let lab = &self.node.worker.lab;
        let path = if is_kept { folder::kept(&self.node.context.state.last_good()) } else { None };
        self.node.context.folder.set(path.unwrap_or_else(|| lab_folder(lab)));
        self.node.adopt(checked).await;
        if is_kept {
            let help = "mend the lab folder: `polis check` shows what is wrong; it is taken up by itself";
            self.node.context.conditions.raise(
                "lab",
                "the lab folder can not be used, the last good copy is",
                help,
            );
            return;
        }
        self.node.context.conditions.clear("lab");
        if self.node.worker.demo.is_none()
            && let Err(error) = folder::keep(lab, &self.node.context.state.last_good())
        {
            let what = format!("no copy of the lab can be kept: {error}");
            self.node.context.conditions.raise(
                "lab copy",
                what,
                "look at the disk and at who may write to the state folder",
            );
        } else {
            self.node.context.conditions.clear("lab copy");
        }
    }

    /// Until it is told to end.
    async fn live(&mut self, first: Checked) -> Result<ExitCode, Refusal> {
        let listen_to = |kind: SignalKind| {
            signal(kind).map_err(|source| Refusal::System { doing: "listen to signals", source })
        };
        let (mut hang_up, mut terminate, mut interrupt) = (
            listen_to(SignalKind::hangup())?,
            listen_to(SignalKind::terminate())?,
            listen_to(SignalKind::interrupt())?,
        );
        let _ = self.node.context.helper.ask(&Request::Ready).await;
        let mut seen: Stamp = first.folder.stamp();
        let mut current = first.folder;
        let mut beats = tokio::time::interval(BEAT);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut watch = Watch::of(&self.node);
        loop {
            let asked = tokio::select! {
                _ = beats.tick() => false,
                _ = hang_up.recv() => true,
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                () = self.node.way.made() => break,
            };
            watch.look(&self.node).await;
            if !asked && !self.uses_kept && current.stamp() == seen {
                continue;
            }
            let Some(checked) = self.settled().await else { continue };
            let is_news = !checked.folder.same_text(&current);
            seen = checked.folder.stamp();
            if asked || is_news {
                self.change(&checked).await;
            }
            current = checked.folder;
        }
        self.end().await;
        Ok(ExitCode::SUCCESS)
    }

    async fn end(&self) {
        let context = &self.node.context;
        self.node.give_back().await;
        context.record.add(Event::Ended);
        context.record.flush().await;
        let _ = context.state.save_time(context.clock.now());
        let _ = std::fs::remove_file(&self.node.worker.socket);
    }

    /// The folder, once two readings are the same; none if it is gone or still being written.
    async fn settled(&self) -> Option<Checked> {
        let worker = &self.node.worker;
        let read = || (worker.check)(worker, &worker.lab).ok();
        let first = read()?;
        tokio::time::sleep(SETTLE).await;
        read().filter(|second| second.folder.same_text(&first.folder))
    }

    async fn change(&mut self, checked: &Checked) {
        let worker = &self.node.worker;
        (worker.show)(worker, checked);
        if checked.usable_for(worker.tables).is_none() {
            let first = checked.faults.iter().find(|fault| fault.is_error());
            let place =
                |fault: &lab::Fault| fault.places.first().map(|place| checked.folder.place(place.span));
            let first = first.map(|fault| format!("{} at {}", fault.title, place(fault).unwrap_or_default()));
            let errors = checked.faults.errors();
            let first = first.unwrap_or_default();
            self.node.context.record.add(Event::Refused { errors, first: first.clone() });
            let help = "`polis check` shows all of it; what ran before runs on until it is mended";
            self.node.context.conditions.raise(
                "lab",
                format!("the changed lab is not taken up: {first}"),
                help,
            );
            return;
        }
        let is_here = checked
            .usable_for(worker.tables)
            .is_some_and(|lab| lab.machines.contains(self.node.machine.as_str()));
        if !is_here {
            let what = format!("the changed lab is not taken up: it has no machine `{}`", self.node.machine);
            self.node.context.conditions.raise(
                "lab",
                what,
                "put it back, or end Polis here: `systemctl disable --now polis`",
            );
            return;
        }
        // What is permitted follows from the folder; the helper reads it itself.
        let _ = self.node.context.helper.ask(&Request::Adopt).await;
        self.take_up(checked, false).await;
        let lab = folder::fingerprint(&checked.folder);
        self.node.context.record.add(Event::Adopted { lab });
    }
}

/// The folder that files of a lab are in.
fn lab_folder(lab: &std::path::Path) -> std::path::PathBuf {
    if lab.is_dir() {
        lab.to_owned()
    } else {
        lab.parent().map(std::path::Path::to_owned).unwrap_or_default()
    }
}

/// What is looked at with every beat.
struct Watch {
    jumps: Jumps,
    saved: Instant,
}

impl Watch {
    fn of(node: &Node) -> Self {
        Self { jumps: Jumps::of(&node.context.clock), saved: Instant::now() }
    }

    async fn look(&mut self, node: &Arc<Node>) {
        let context = &node.context;
        let alive = context.helper.ask(&Request::Alive).await;
        let helper = alive.err().map(|unhelped| (unhelped.to_string(), unhelped.help()));
        node.way.helper_is_gone(helper.is_some());
        context.conditions.set("helper", helper);
        context.conditions.set("state", context_trouble(node));
        let clock = (!context.clock.is_set()).then(|| {
            let help = "set it, or let it ask a time server: what depends on dates waits for that";
            ("the clock is behind what has passed, and is taken to be later".to_owned(), help.to_owned())
        });
        context.conditions.set("clock", clock);
        if let Some(jumped) = self.jumps.look(&context.clock) {
            let way = if jumped > 0 { "forward" } else { "back" };
            let what = format!("the clock jumped {way} by {}", crate::clock::long_in_words(jumped.abs()));
            context.record.add(Event::Raised {
                about: "clock jump".to_owned(),
                what,
                help: "nothing to do, if somebody set the clock".to_owned(),
            });
        }
        if self.saved.elapsed() >= SAVE_TIME && context.clock.is_set() {
            self.saved = Instant::now();
            let _ = context.state.save_time(context.clock.now());
        }
        node.forget_refusals();
        node.retry_own_ports().await;
    }
}

/// What stands in the way of keeping things.
fn context_trouble(node: &Node) -> Option<(String, String)> {
    node.store.trouble().or_else(|| node.context.record.trouble())
}
