//! The helper as a process: starts the worker, answers it, ends it when it is silent, and starts it again.

mod client;

use std::ffi::OsString;
use std::future::Future;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

pub use client::{Helper, Unhelped};

use super::address::{Change, change};
use super::wire::{Came, End, pair};
use super::{SILENCE, Waits, cage};
use crate::notify;
use crate::permit::{Answer, Permit, Request, Transport};
use crate::state::State;

/// How long the allocator of the worker keeps what is not used, in milliseconds. Its own second is 10 MB more after a busy one.
const PURGE_DELAY: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "100");
/// How long listing the permits may take, and how much it may say.
const LISTING: Duration = Duration::from_secs(10);
const MAX_LISTING: u64 = 1 << 20;
/// How long a worker may be silent until it has spoken for the first time.
const BEGINNING: Duration = Duration::from_secs(60);
/// How long a worker that was told to end may take.
const GOODBYE: Duration = Duration::from_secs(4);
/// How many connections may wait at a port to be taken.
const BACKLOG: i32 = 1024;
/// Where the last list of permits is kept, for a start with a faulty lab.
const KEPT: &str = "helper.permits";

/// What a helper is to do.
#[derive(Clone, Debug)]
pub struct Errand {
    /// The arguments of this binary that make it the worker.
    pub worker: Vec<OsString>,
    /// The arguments of this binary that make it list the permits, one a line.
    pub permits: Vec<OsString>,
    /// The state folder.
    pub state: State,
    /// The user and group that the worker and the listing are, if they are to be another.
    pub user: Option<(u32, u32)>,
    /// Says a line to whoever started it, or to the journal.
    pub say: fn(&str),
}

/// Runs the worker until it, or this process, is told to end.
pub fn run(errand: Errand) -> std::io::Result<ExitCode> {
    cage::helper();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut told = Told {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        };
        let mut monitor = Monitor {
            binary: std::env::current_exe()?,
            errand,
            permits: Vec::new(),
            was_ready: false,
            held: Vec::new(),
        };
        let listed = monitor.listing().await;
        monitor.permit(listed.as_deref());
        monitor.keep_running(&mut told).await
    })
}

/// The signals that tell it something.
struct Told {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

struct Monitor {
    binary: PathBuf,
    errand: Errand,
    permits: Vec<Permit>,
    /// A worker has been ready once: from then on one that ends is started again.
    was_ready: bool,
    /// The addresses that the worker has, and when it last asked for each.
    held: Vec<(IpAddr, Instant)>,
}

/// How a worker came to its end.
enum Ended {
    ByItself(ExitStatus),
    Told,
}

impl Monitor {
    async fn keep_running(&mut self, told: &mut Told) -> std::io::Result<ExitCode> {
        let mut waits = Waits::default();
        loop {
            let began = Instant::now();
            let why = match self.start() {
                Ok((mut child, end)) => match self.attend(&mut child, &end, told).await? {
                    Ended::Told => return Ok(ExitCode::SUCCESS),
                    Ended::ByItself(status) => match status.code() {
                        Some(code @ (1 | 2)) if !self.was_ready => {
                            return Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from));
                        }
                        _ => format!("the worker ended ({status})"),
                    },
                },
                Err(error) if !self.was_ready => return Err(error),
                Err(error) => format!("the worker can not be started ({error})"),
            };
            let wait = waits.after(began.elapsed());
            let (say, line) = (self.errand.say, format!("{why}, and starts again\n"));
            // Nobody has to read what is said.
            drop(tokio::task::spawn_blocking(move || say(&line)));
            notify::say(&format!("STATUS={why}, and starts again"));
            notify::say("WATCHDOG=1");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = told.terminate.recv() => return Ok(ExitCode::SUCCESS),
                _ = told.interrupt.recv() => return Ok(ExitCode::SUCCESS),
            }
        }
    }

    fn command(&self, arguments: &[OsString]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC");
        if std::env::var_os(PURGE_DELAY.0).is_none() {
            command.env(PURGE_DELAY.0, PURGE_DELAY.1);
        }
        command
    }

    fn start(&self) -> std::io::Result<(Child, End)> {
        let (own, its) = pair()?;
        let mut command = self.command(&self.errand.worker);
        if let Some((user, group)) = self.errand.user {
            command.uid(user).gid(group);
        }
        let child = command.stdin(Stdio::from(its)).spawn()?;
        Ok((child, End::new(own)?))
    }

    /// Lists what is permitted, in a process of its own that has no privileges either. It is of the helper's user: what is of
    /// the worker's, the worker could write to.
    fn listing(&self) -> impl Future<Output = Option<String>> + Send + 'static {
        let mut command = self.command(&self.errand.permits);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let child = command.spawn();
        async move {
            let mut child = child.ok()?;
            let output = child.stdout.take()?;
            timeout(LISTING, async {
                let mut text = String::new();
                output.take(MAX_LISTING).read_to_string(&mut text).await.ok()?;
                child.wait().await.ok()?.success().then_some(text)
            })
            .await
            .ok()?
        }
    }

    /// Permits what was listed. What was permitted before stays if the lab could not be read.
    fn permit(&mut self, listed: Option<&str>) -> Answer {
        let kept = self.errand.state.folder().join(KEPT);
        let text = match listed {
            Some(text) => text.to_owned(),
            None if self.permits.is_empty() => read_own(&kept).unwrap_or_default(),
            None => return Answer::Refused,
        };
        let permits: Result<Vec<Permit>, _> = text.lines().map(str::parse).collect();
        let Ok(permits) = permits else { return Answer::Refused };
        if listed.is_some() && permits != self.permits {
            // Without it the next start needs a lab without faults, which is what it usually has.
            let _ = crate::state::replace(&kept, text.as_bytes());
        }
        self.permits = permits;
        if listed.is_some() { Answer::Done } else { Answer::Refused }
    }

    /// Answers a worker until it ends.
    async fn attend(&mut self, child: &mut Child, end: &End, told: &mut Told) -> std::io::Result<Ended> {
        let mut heard = Instant::now();
        // Reading a lab for the first time, from a cold disk, takes its time.
        let mut patience = BEGINNING;
        let mut looks = tokio::time::interval(SILENCE / 5);
        let mut is_open = true;
        let mut silent = 0_u32;
        let mut leaves: Option<Instant> = None;
        self.held.clear();
        // While the permits are listed the worker waits for its answer, and can say nothing.
        let mut listing: Option<Pin<Box<dyn Future<Output = Option<String>> + Send>>> = None;
        loop {
            let listed = async {
                match &mut listing {
                    Some(listing) => listing.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                status = child.wait() => {
                    return status.map(|status| if leaves.is_some() { Ended::Told } else { Ended::ByItself(status) });
                }
                listed = listed => {
                    listing = None;
                    heard = Instant::now();
                    let _ = reply(end, Ok((self.permit(listed.as_deref()), None)));
                }
                came = next(end), if is_open => match came {
                    Ok(Came::Line(line, _)) => {
                        heard = Instant::now();
                        silent = 0;
                        if line.parse() == Ok(Request::Alive) {
                            patience = SILENCE;
                        }
                        if line.parse() == Ok(Request::Adopt) {
                            // Another one while one is listed waits for the same list.
                            listing.get_or_insert_with(|| Box::pin(self.listing()));
                            continue;
                        }
                        // A worker that does not take its answer is about to be found silent.
                        let _ = reply(end, self.answer(&line));
                    }
                    Ok(Came::Garbage) => drop(reply(end, Ok((Answer::Refused, None)))),
                    // A worker that was killed before it took an answer ends like this too (unix(7), ECONNRESET).
                    Ok(Came::End) | Err(_) => is_open = false,
                },
                _ = looks.tick() => {
                    notify::say("WATCHDOG=1");
                    if listing.is_some() {
                        self.hold_on();
                    }
                    let is_silent = listing.is_none() && heard.elapsed() > patience;
                    // Twice, so that a machine that slept does not blame its worker.
                    silent = if is_silent { silent + 1 } else { 0 };
                    if silent == 2 {
                        let (say, line) = (self.errand.say, format!("the worker was silent for {} s\n", heard.elapsed().as_secs()));
                        drop(tokio::task::spawn_blocking(move || say(&line)));
                    }
                    if silent >= 2 || leaves.is_some_and(|since| since.elapsed() > GOODBYE) {
                        child.start_kill()?;
                    }
                }
                // It is answered until it ends: it gives back what it has.
                _ = told.terminate.recv() => leaves = leaves.or_else(|| goodbye(child)),
                _ = told.interrupt.recv() => leaves = leaves.or_else(|| goodbye(child)),
                _ = told.hang_up.recv() => pass_on(child, Signal::HUP),
            }
        }
    }

    fn answer(&mut self, line: &str) -> std::io::Result<(Answer, Option<OwnedFd>)> {
        let Ok(request) = line.parse::<Request>() else { return Ok((Answer::Refused, None)) };
        if !request.is_allowed(&self.permits) {
            return Ok((Answer::Refused, None));
        }
        match request {
            Request::Alive => Ok((Answer::Done, None)),
            Request::Ready => {
                self.was_ready = true;
                notify::say("READY=1");
                Ok((Answer::Done, None))
            }
            Request::Bind(transport, at) => {
                let socket = listen(transport, at, self.moves(at))?;
                Ok((Answer::Done, Some(socket)))
            }
            Request::Hold(address) => {
                let done = self.change(Change::Renew, &request)?;
                self.held.retain(|(held, _)| *held != address);
                self.held.push((address, Instant::now()));
                Ok(done)
            }
            Request::Release(address) => {
                self.held.retain(|(held, _)| *held != address);
                self.change(Change::Remove, &request)
            }
            Request::Forget(_) => self.change(Change::Forget, &request),
            // It takes its time, and is answered once it is done.
            Request::Adopt => Ok((Answer::Refused, None)),
        }
    }

    /// Renews the addresses that the worker holds, while it waits for an answer and can not do it itself.
    fn hold_on(&self) {
        for (address, at) in &self.held {
            if at.elapsed() < LISTING {
                // What can not be renewed is asked for by the worker, which says so.
                let _ = self.change(Change::Renew, &Request::Hold(*address));
            }
        }
    }

    /// Whether the address is one that moves between machines: then it can be bound before it is here.
    fn moves(&self, at: SocketAddr) -> bool {
        self.permits
            .iter()
            .any(|permit| matches!(permit, Permit::Hold { address, .. } if *address == at.ip()))
    }

    fn change(&self, what: Change, request: &Request) -> std::io::Result<(Answer, Option<OwnedFd>)> {
        match request.permit(&self.permits) {
            Some(Permit::Hold { address, beside }) => {
                change(what, *address, *beside).map(|()| (Answer::Done, None))
            }
            _ => Ok((Answer::Refused, None)),
        }
    }
}

fn reply(end: &End, answer: std::io::Result<(Answer, Option<OwnedFd>)>) -> std::io::Result<()> {
    let (answer, socket) =
        answer.unwrap_or_else(|error| (Answer::Failed(error.raw_os_error().unwrap_or(libc::EIO)), None));
    end.send(&answer.to_string(), socket.as_ref().map(std::os::fd::AsFd::as_fd))
}

async fn next(end: &End) -> std::io::Result<Came> {
    end.readiness().async_io(tokio::io::Interest::READABLE, || end.receive()).await
}

/// Reads a file that nobody else can have written: the worker may make files in the state folder too.
fn read_own(path: &Path) -> Option<String> {
    let mut file = std::fs::File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(path).ok()?;
    let is_own = file.metadata().ok()?.uid() == rustix::process::geteuid().as_raw();
    let mut text = String::new();
    file.by_ref().take(MAX_LISTING).read_to_string(&mut text).ok().filter(|_| is_own)?;
    Some(text)
}

fn pass_on(child: &Child, signal: Signal) {
    let process = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(process) = process {
        let _ = kill_process(process, signal);
    }
}

/// Tells the worker to end.
fn goodbye(child: &Child) -> Option<Instant> {
    notify::say("STOPPING=1");
    pass_on(child, Signal::TERM);
    Some(Instant::now())
}

/// A socket that listens. One whose address moves may be bound before the address is here (ip(7), IP_FREEBIND).
fn listen(transport: Transport, at: SocketAddr, moves: bool) -> std::io::Result<OwnedFd> {
    let family = if at.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = match transport {
        Transport::Udp => SocketType::DGRAM,
        Transport::Tcp => SocketType::STREAM,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, kind, flags, None)?;
    if at.is_ipv6() {
        sockopt::set_ipv6_v6only(socket.as_fd(), !at.ip().is_unspecified())?;
    }
    match transport {
        Transport::Tcp => sockopt::set_socket_reuseaddr(socket.as_fd(), true)?,
        // A service may have a socket for each of its threads; the kernel lets nobody of another user in between.
        Transport::Udp => sockopt::set_socket_reuseport(socket.as_fd(), true)?,
    }
    match at {
        _ if !moves => {}
        SocketAddr::V4(_) => sockopt::set_ip_freebind(socket.as_fd(), true)?,
        SocketAddr::V6(_) => sockopt::set_ipv6_freebind(socket.as_fd(), true)?,
    }
    rustix::net::bind(socket.as_fd(), &at)?;
    if transport == Transport::Tcp {
        rustix::net::listen(socket.as_fd(), BACKLOG)?;
    }
    Ok(socket)
}
