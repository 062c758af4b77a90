//! The worker process: takes up the lab, follows it as it changes, and serves the link and the control socket.

mod answers;
mod follow;
mod here;
mod node;
mod notice;
mod watch;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lab::names::MachineName;
use lab::{Checked, Folder};
use rustix::fs::Mode;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Worker, folder, identify};
use crate::clock::Clock;
use crate::event::Event;
use crate::helper::{Helper, cage};
use crate::link::{self, Question, Reply};
use crate::service::Given;
use crate::state::{Lock, LockFault, State};

use follow::Follower;
pub use here::{Here, News};
pub(crate) use node::Node;

/// How often the worker says that it is alive, and looks at the folder.
const BEAT: Duration = Duration::from_secs(1);
/// How long a process without a helper may take to make way, and to say that it will.
const WAY: Duration = Duration::from_secs(3);
const WORD: Duration = Duration::from_secs(1);
/// How long writing may take at the end.
const GOODBYE: Duration = Duration::from_secs(1);

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
    let own = addresses.into_iter().flat_map(|all| all.iter()).map(|own| own.0);
    let port = given.follows.ports.shifted(link::PORT);
    own.filter(|own| !demo || own.is_loopback()).map(|own| SocketAddr::new(own, port)).collect()
}

/// Runs the worker until it is told to end.
///
/// # Errors
/// If it can not begin.
pub fn run(worker: Worker) -> Result<ExitCode, Refusal> {
    let uncaged = cage::worker();
    // What is kept is nobody else's to read; where others may, that is said where the file is made.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system("start"))?;
    let code = runtime.block_on(async {
        let told = Told::listen().map_err(system("listen to signals"))?;
        let state = State::at(worker.state.clone());
        let lock = own(&state, &worker).await?;
        let helper = Helper::at_standard_input()
            .map_err(system("reach the helper: the worker is started by `polis run`"))?;
        let clock = Clock::system(state.saved_time());
        let first = first(&worker, &state)?;
        let machine = first.machine.clone();
        let node = Node::new(worker, machine, state, clock, helper);
        say_first(&node, &uncaged, lock.as_ref().err());
        live(node, first, told).await;
        drop(lock);
        Ok(ExitCode::SUCCESS)
    });
    // Work that waits for a disk does not keep a process that was told to end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

fn system(doing: &'static str) -> impl Fn(std::io::Error) -> Refusal {
    move |source| Refusal::System { doing, source }
}

/// The signals that tell it something.
struct Told {
    hang_up: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Told {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// The state folder is this process's. One that is still there without a helper makes way; one that can not be written
/// to is no reason not to answer names.
async fn own(state: &State, worker: &Worker) -> Result<Result<Lock, LockFault>, Refusal> {
    let began = Instant::now();
    loop {
        match state.lock() {
            Err(taken @ LockFault::Taken { .. }) => {
                let asked = tokio::time::timeout(WORD, link::ask_socket(&worker.socket, &Question::Yield));
                let made = matches!(asked.await, Ok(Ok(Reply::Done)));
                if !made && began.elapsed() > WAY {
                    return Err(Refusal::Taken(taken));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            done => return Ok(done),
        }
    }
}

/// The lab to begin with.
struct First {
    checked: Arc<Checked>,
    machine: MachineName,
    /// What is wrong with the lab folder, if this is the last good copy.
    trouble: Option<String>,
    /// The lab folder as it was read, if it could be.
    read: Option<Folder>,
    /// And what is wrong with it, if that can not be used.
    refused: Option<Arc<Checked>>,
}

/// The folder, or the last good copy if that has errors, or no longer has this machine.
fn first(worker: &Worker, state: &State) -> Result<First, Refusal> {
    let machine = |checked: &Checked| {
        let lab = checked.usable_for(worker.tables).ok_or(Refusal::LabHasErrors)?;
        Ok::<_, Refusal>(identify(lab, worker.machine.as_deref())?)
    };
    let (fault, trouble, refused) = match (worker.check)(worker, &worker.lab).map(Arc::new) {
        Ok(checked) => {
            (worker.tell)(&(worker.show)(worker, &checked));
            match machine(&checked) {
                Ok(machine) => {
                    let read = Some(checked.folder.clone());
                    return Ok(First { checked, machine, trouble: None, read, refused: None });
                }
                Err(Refusal::LabHasErrors) => (Refusal::LabHasErrors, errors_of(&checked), Some(checked)),
                Err(fault) => {
                    let trouble = fault.to_string();
                    (fault, trouble, Some(checked))
                }
            }
        }
        Err(error) => {
            let trouble = error.to_string();
            (Refusal::NoLab(error), trouble, None)
        }
    };
    let read = refused.as_ref().map(|checked| checked.folder.clone());
    let kept = folder::kept(&state.last_good()).and_then(|kept| (worker.check)(worker, &kept).ok());
    match kept.and_then(|kept| Some((machine(&kept).ok()?, kept))) {
        Some((machine, checked)) => {
            Ok(First { checked: Arc::new(checked), machine, trouble: Some(trouble), read, refused })
        }
        None => Err(fault),
    }
}

/// How many errors a lab has, and the first.
pub(crate) fn errors_of(checked: &Checked) -> String {
    let count = match checked.faults.errors() {
        1 => "1 error".to_owned(),
        count => format!("{count} errors"),
    };
    let Some(first) = checked.faults.iter().find(|fault| fault.is_error()) else { return count };
    let place = first.places.first().map(|place| format!(" at {}", checked.folder.place(place.span)));
    format!("{count}, the first is {}{}", lab::mask_secrets(&first.title), place.unwrap_or_default())
}

/// What is wrong from the start.
fn say_first(node: &Node, uncaged: &[String], lock: Option<&LockFault>) {
    let conditions = &node.context.conditions;
    if let Some(fault) = lock {
        let help = "the state folder has to be there and writable for who runs Polis; names are answered without it, start \
                    Polis again then";
        conditions.raise("state folder", fault.to_string(), help);
    }
    if !uncaged.is_empty() {
        let what = format!("privileges could not be given up: {}", uncaged.join("; "));
        let help = "run it on a kernel with seccomp, as all of today's distributions have";
        conditions.raise("privileges", what, help);
    }
    if rustix::process::geteuid().is_root() && node.worker.demo.is_none() {
        let what = "the worker is the user root: whoever breaks into it can become root";
        let help = "make a user for it: `useradd --system polis`, and start Polis again";
        conditions.raise("user", what, help);
    }
}

/// Until it is told to end.
async fn live(node: Arc<Node>, first: First, mut told: Told) {
    let beside = [tokio::spawn(watch::beat(Arc::clone(&node))), tokio::spawn(watch::mend(Arc::clone(&node)))];
    let mut follower = Follower::of(Arc::clone(&node));
    tokio::select! {
        () = follower.follow(first, &mut told.hang_up) => {}
        _ = told.terminate.recv() => {}
        _ = told.interrupt.recv() => {}
        () = node.way.made() => {}
    }
    beside.iter().for_each(tokio::task::JoinHandle::abort);
    end(&node).await;
}

async fn end(node: &Node) {
    let context = &node.context;
    node.give_back().await;
    context.record.add(Event::Ended);
    let _ = tokio::time::timeout(GOODBYE, context.record.flush()).await;
    node.printed().await;
    // A time that could not be right is not made one that has passed.
    if context.clock.is_set() {
        let _ = tokio::time::timeout(GOODBYE, watch::save_time(context)).await;
    }
    let _ = std::fs::remove_file(&node.worker.socket);
}
