//! Asking the name servers upstream, and messages on connections: no decisions, only the carrying of them.
//!
//! What is asked is looked for in the cache first, and what is being asked already is not asked a second time:
//! who comes later waits for the same answer.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::cache::{Cache, Key};
use crate::plan::Plan;
use crate::view::CacheView;
use crate::wire::{self, Answered, Heard, Query, WithOpt};

/// How long one upstream may take to answer.
const UPSTREAM_WAIT: Duration = Duration::from_millis(1500);
/// The most questions that are asked at once. Each has one socket, over UDP or TCP; with as many connections
/// of clients that is half of the 1,024 open files that a process has where nobody says otherwise, and the
/// rest of Polis needs some too. It is enough: with 20 ms for an answer, 12,800 questions a second.
const MAX_ASKED: usize = 256;
/// How long a question waits until it can be asked, and how many wait or are asked in all.
const TURN_WAIT: Duration = Duration::from_secs(2);
const MAX_FLIGHTS: usize = 2048;

/// The most that a reply over UDP may have. We say that we take 1,232 bytes; some servers know better.
const MAX_REPLY: usize = 4096;

/// An answer, and how many seconds ago it came.
type Said = (Arc<Answered>, u32);

/// Asks upstreams.
#[derive(Debug)]
pub(crate) struct Asker {
    cache: Mutex<Cache>,
    /// What is being asked, with a place to wait for the answer.
    flights: Mutex<HashMap<Key, watch::Receiver<Option<Arc<Answered>>>>>,
    turns: Semaphore,
}

impl Default for Asker {
    fn default() -> Self {
        let (cache, flights) = (Mutex::default(), Mutex::default());
        Self { cache, flights, turns: Semaphore::new(MAX_ASKED) }
    }
}

/// Takes a question off the list of those that are asked, also if asking it came to a bad end.
struct Landing(Arc<Asker>, Key);

impl Drop for Landing {
    fn drop(&mut self) {
        lock(&self.0.flights).remove(&self.1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Asker {
    /// What is known without asking.
    pub(crate) fn cached(&self, query: &Query) -> Option<Said> {
        lock(&self.cache).get(&Key::of(query), Instant::now())
    }

    /// What the upstreams say; none if they can not be asked now.
    pub(crate) async fn ask(self: &Arc<Self>, plan: &Arc<Plan>, query: Query) -> Option<Arc<Answered>> {
        let key = Key::of(&query);
        let mut answer = self.flight(plan, query, key)?;
        answer.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone())
    }

    /// A place to wait for the answer. Asking goes on if nobody waits any more: somebody asks again soon.
    fn flight(
        self: &Arc<Self>,
        plan: &Arc<Plan>,
        query: Query,
        key: Key,
    ) -> Option<watch::Receiver<Option<Arc<Answered>>>> {
        let mut flights = lock(&self.flights);
        if let Some(flight) = flights.get(&key) {
            return Some(flight.clone());
        }
        // It may have landed since the cache was asked.
        if let Some((answered, _)) = lock(&self.cache).peek(&key, Instant::now()) {
            return Some(watch::channel(Some(answered)).1);
        }
        if flights.len() >= MAX_FLIGHTS {
            return None;
        }
        let (land, flight) = watch::channel(None);
        flights.insert(key.clone(), flight.clone());
        let (asker, plan) = (Arc::clone(self), Arc::clone(plan));
        tokio::spawn(async move {
            let landing = Landing(Arc::clone(&asker), key.clone());
            let Ok(Ok(_turn)) = timeout(TURN_WAIT, asker.turns.acquire()).await else { return };
            let answered = Arc::new(ask(&plan.upstreams, &query).await);
            lock(&asker.cache).put(key, Arc::clone(&answered), Instant::now());
            drop(landing);
            let _ = land.send(Some(answered));
        });
        Some(flight)
    }

    /// Forgets what was answered, because others are asked from now on.
    pub(crate) fn forget(&self) {
        lock(&self.cache).clear();
    }

    pub(crate) fn view(&self) -> CacheView {
        lock(&self.cache).view()
    }
}

/// What the first upstream says that has an answer.
async fn ask(upstreams: &[SocketAddr], query: &Query) -> Answered {
    for upstream in upstreams {
        let mut heard = exchange(*upstream, query, WithOpt::Yes).await;
        if heard == Heard::NotUnderstood {
            heard = exchange(*upstream, query, WithOpt::No).await;
        }
        if let Heard::Answer(answered) = heard {
            return answered;
        }
    }
    Answered::failure()
}

/// Asks over UDP, and over TCP for what does not fit there.
async fn exchange(upstream: SocketAddr, query: &Query, opt: WithOpt) -> Heard {
    let mut number = [0; 2];
    if getrandom::getrandom(&mut number).is_err() {
        return Heard::Nothing;
    }
    let question = wire::question_for(query, u16::from_be_bytes(number), opt);
    let read =
        |reply: Option<Vec<u8>>| reply.map_or(Heard::Nothing, |reply| Answered::read(&reply, query.kind));
    match read(timeout(UPSTREAM_WAIT, ask_udp(upstream, &question)).await.ok().flatten()) {
        Heard::Cut => read(timeout(UPSTREAM_WAIT, ask_tcp(upstream, &question)).await.ok().flatten()),
        heard => heard,
    }
}

/// Asks from a port of its own under a number that nobody can guess (RFC 5452). The port 0 is one that Linux
/// draws at random from its 28,232 for such use: one of our own choice could be another service's.
async fn ask_udp(upstream: SocketAddr, question: &[u8]) -> Option<Vec<u8>> {
    let any: IpAddr =
        if upstream.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(upstream).await.ok()?;
    socket.send(question).await.ok()?;
    let mut buffer = vec![0; MAX_REPLY];
    loop {
        let length = socket.recv(&mut buffer).await.ok()?;
        let reply = buffer.get(..length)?;
        if wire::answers(reply, question) {
            return Some(reply.to_vec());
        }
    }
}

async fn ask_tcp(upstream: SocketAddr, question: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(upstream).await.ok()?;
    write_message(&mut stream, question).await?;
    let reply = read_message(&mut stream).await?;
    wire::answers(&reply, question).then_some(reply)
}

/// A message with its length in front (RFC 1035 section 4.2.2).
pub(crate) async fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = usize::from(stream.read_u16().await.ok()?);
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await.ok()?;
    Some(message)
}

pub(crate) async fn write_message(stream: &mut TcpStream, message: &[u8]) -> Option<()> {
    let length = u16::try_from(message.len()).ok()?;
    let mut framed = Vec::with_capacity(message.len() + 2);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(message);
    stream.write_all(&framed).await.ok()
}
