//! Asking over UDP: a few connected sockets for each thread and upstream, each for many questions, told apart by
//! their numbers. `guard` says what that is worth against guesses.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout_at;

use super::super::failure::Failure;
use super::super::guard::{LONGEST_LIFE, MOST_QUESTIONS, MOST_WRONG};
use super::super::wire::{Echo, Sent, number_of};
use super::dice::Dice;
use super::server::{Server, lock};
use super::words_of;

/// The most that a reply may have: one that fills this may have been longer. We say that we take 1,232 bytes; some
/// servers know better.
pub(crate) const MAX_REPLY: usize = 4096;
/// After how long a question is sent again, which may have been lost, and how long is waited in the end.
const AGAIN: [Duration; 3] =
    [Duration::from_millis(400), Duration::from_millis(800), Duration::from_millis(1600)];
/// How often a number is drawn that is not in use on a socket: one in 256 is, at worst.
const DRAWS: usize = 8;

/// What came of a question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// The reply.
    Reply(Vec<u8>),
    /// A reply that is right but for the case of its letters: it is asked again where nobody can guess.
    OtherCase,
}

type Tell = oneshot::Sender<Result<Came, Failure>>;

/// A question that was sent from a socket. All of them are kept until the socket is closed, so that a reply that
/// comes late or twice is not taken for a guess.
#[derive(Debug)]
enum Slot {
    Waits(Arc<Sent>, Tell),
    Done,
}

/// A socket, until nobody needs it any more.
#[derive(Debug)]
pub(crate) struct Port {
    inside: Arc<Inside>,
    born: Instant,
    reader: AbortHandle,
    _file: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Inside {
    socket: UdpSocket,
    place: SocketAddr,
    server: Arc<Server>,
    slots: Mutex<HashMap<u16, Slot>>,
    /// How many questions were sent from it.
    asked: AtomicUsize,
    wrong: AtomicU32,
    is_broken: AtomicBool,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// The sockets of one thread to one upstream.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Arc<Port>>>);

impl Pool {
    /// A socket to the place: a new one while there are fewer than `most`, else one of them by chance.
    fn draw(&self, place: SocketAddr, most: usize, random: u64, now: Instant) -> Option<Arc<Port>> {
        let mut ports = lock(&self.0);
        ports.retain(|port| port.inside.place == place && !port.is_worn(now));
        let count = u64::try_from(ports.len()).unwrap_or(u64::MAX);
        let at = usize::try_from(random.checked_rem(count)?).ok()?;
        (ports.len() >= most).then(|| ports.get(at).cloned()).flatten()
    }

    /// One of those that there are, if no more can be opened.
    fn any(&self, place: SocketAddr) -> Option<Arc<Port>> {
        lock(&self.0).iter().find(|port| port.inside.place == place).cloned()
    }

    fn add(&self, port: &Arc<Port>) {
        lock(&self.0).push(Arc::clone(port));
    }

    /// Closes what has been open for long, as soon as nobody waits there.
    pub(crate) fn clean(&self, now: Instant) {
        lock(&self.0).retain(|port| !port.is_worn(now));
    }
}

/// What asking takes besides the question.
pub(crate) struct With<'a> {
    pub(crate) server: &'a Arc<Server>,
    pub(crate) pool: &'a Pool,
    pub(crate) dice: &'a Dice,
    /// How many sockets the thread may have to this upstream.
    pub(crate) most: usize,
    pub(crate) files: &'a Arc<tokio::sync::Semaphore>,
    pub(crate) until: Instant,
}

/// Asks, and asks again what may have been lost, under the same number from the same port: two numbers would be
/// twice as easy to guess.
pub(crate) async fn ask(with: &With<'_>, place: SocketAddr, mut sent: Sent) -> Result<Came, Failure> {
    let now = Instant::now();
    let random = with.dice.next().ok_or(Failure::Busy)?;
    let port = match with.pool.draw(place, with.most, random, now) {
        Some(port) => port,
        None => open(with, place).await?,
    };
    if !with.server.guard().loses_case(now) {
        sent.mix(|| with.dice.next().unwrap_or_default());
    }
    let mut entered = port.enter(sent, with.dice).ok_or(Failure::Busy)?;
    for pause in AGAIN {
        port.send(&entered.sent.message).await?;
        let until = (Instant::now() + pause).min(with.until);
        match timeout_at(until.into(), &mut entered.reply).await {
            Ok(Ok(came)) => return came,
            Ok(Err(_)) => return Err(Failure::Busy),
            Err(_) if until >= with.until => break,
            Err(_) => {}
        }
    }
    Err(Failure::Silent(now.elapsed()))
}

/// Opens a socket, if a file is left for it.
async fn open(with: &With<'_>, place: SocketAddr) -> Result<Arc<Port>, Failure> {
    let file = match Arc::clone(with.files).try_acquire_owned() {
        Ok(file) => file,
        Err(_) => match with.pool.any(place) {
            Some(port) => return Ok(port),
            None => {
                let turn = timeout_at(with.until.into(), Arc::clone(with.files).acquire_owned()).await;
                turn.ok().and_then(Result::ok).ok_or(Failure::Busy)?
            }
        },
    };
    let port = Port::open(with.server, place, file).map_err(|error| Failure::Network(words_of(&error)))?;
    let port = Arc::new(port);
    with.pool.add(&port);
    Ok(port)
}

impl Port {
    /// The port 0 is one that Linux draws at random: one of our own choice could be another service's.
    fn open(server: &Arc<Server>, place: SocketAddr, file: OwnedSemaphorePermit) -> std::io::Result<Self> {
        let any: IpAddr =
            if place.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = std::net::UdpSocket::bind((any, 0))?;
        socket.connect(place)?;
        socket.set_nonblocking(true)?;
        let inside = Arc::new(Inside {
            socket: UdpSocket::from_std(socket)?,
            place,
            server: Arc::clone(server),
            slots: Mutex::default(),
            asked: AtomicUsize::new(0),
            wrong: AtomicU32::new(0),
            is_broken: AtomicBool::new(false),
        });
        let reader = tokio::spawn(read(Arc::clone(&inside))).abort_handle();
        Ok(Self { inside, born: Instant::now(), reader, _file: file })
    }

    /// Whether no further question is sent from it.
    fn is_worn(&self, now: Instant) -> bool {
        self.inside.is_broken.load(Ordering::Relaxed)
            || self.inside.wrong.load(Ordering::Relaxed) >= MOST_WRONG
            || now.saturating_duration_since(self.born) >= LONGEST_LIFE
            || self.inside.asked.load(Ordering::Relaxed) >= MOST_QUESTIONS
    }

    /// Gives a question a number, and a place to wait for the reply.
    fn enter(self: &Arc<Self>, mut sent: Sent, dice: &Dice) -> Option<Entered> {
        let mut slots = lock(&self.inside.slots);
        for _ in 0..DRAWS {
            let [high, low, ..] = dice.next()?.to_be_bytes();
            let number = u16::from_be_bytes([high, low]);
            if let Entry::Vacant(slot) = slots.entry(number) {
                self.inside.asked.fetch_add(1, Ordering::Relaxed);
                sent.set_number(number);
                let (tell, reply) = oneshot::channel();
                let sent = Arc::new(sent);
                slot.insert(Slot::Waits(Arc::clone(&sent), tell));
                return Some(Entered { sent, reply, _leave: Leave(Arc::clone(self), number) });
            }
        }
        None
    }

    async fn send(&self, message: &[u8]) -> Result<(), Failure> {
        let sent = match self.inside.socket.try_send(message) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                self.inside.socket.send(message).await
            }
            sent => sent,
        };
        match sent {
            Ok(_) => Ok(()),
            // What an earlier question came to is told to the next one that is sent.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                self.inside.is_broken.store(true, Ordering::Relaxed);
                Err(Failure::Refused)
            }
            Err(error) => Err(Failure::Network(words_of(&error))),
        }
    }
}

/// A question with its number.
struct Entered {
    sent: Arc<Sent>,
    reply: oneshot::Receiver<Result<Came, Failure>>,
    _leave: Leave,
}

/// Ends the waiting for a reply, however it ends.
struct Leave(Arc<Port>, u16);

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(slot) = lock(&self.0.inside.slots).get_mut(&self.1) {
            *slot = Slot::Done;
        }
    }
}

/// Takes what comes to a socket to those that wait for it.
async fn read(inside: Arc<Inside>) {
    let mut buffer = vec![0; MAX_REPLY];
    loop {
        match inside.socket.recv(&mut buffer).await {
            Ok(length) => inside.take(buffer.get(..length).unwrap_or_default()),
            Err(error) => {
                let failure = match error.kind() {
                    std::io::ErrorKind::ConnectionRefused => Failure::Refused,
                    _ => Failure::Network(words_of(&error)),
                };
                inside.is_broken.store(true, Ordering::Relaxed);
                inside.fail(&failure);
                // Whatever it is, it shall not keep a processor busy.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

impl Inside {
    fn take(&self, reply: &[u8]) {
        let mut slots = lock(&self.slots);
        let slot = number_of(reply).and_then(|number| slots.get_mut(&number));
        let echo = match &slot {
            Some(Slot::Waits(sent, _)) => sent.echo(reply),
            Some(Slot::Done) => return,
            None => Echo::Other,
        };
        let came = match echo {
            Echo::Same => {
                self.server.guard().saw_case();
                Came::Reply(reply.to_vec())
            }
            Echo::Unread => Came::Reply(reply.to_vec()),
            Echo::OtherCase => {
                let (mut guard, now) = (self.server.guard(), Instant::now());
                if guard.loses_case(now) {
                    Came::Reply(reply.to_vec())
                } else {
                    guard.saw_other_case(now);
                    Came::OtherCase
                }
            }
            Echo::Other => {
                drop(slots);
                self.wrong.fetch_add(1, Ordering::Relaxed);
                return self.server.saw_wrong(Instant::now());
            }
        };
        if let Some(slot) = slot
            && let Slot::Waits(_, tell) = std::mem::replace(slot, Slot::Done)
        {
            let _ = tell.send(Ok(came));
        }
    }

    fn fail(&self, failure: &Failure) {
        for slot in lock(&self.slots).values_mut() {
            if let Slot::Waits(_, tell) = std::mem::replace(slot, Slot::Done) {
                let _ = tell.send(Err(failure.clone()));
            }
        }
    }
}
