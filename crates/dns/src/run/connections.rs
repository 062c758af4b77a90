//! Questions over connections, taken in and answered: plain ones here, and what those under TLS (`run/tls`) and HTTPS
//! (`run/https`) have in common with them.
//!
//! Questions of one connection are answered at once and in any order (RFC 7766 section 6.2.1.1). Everything is bounded: how
//! many connections there are and how many from one client, how many questions of one are answered at a time, how long a
//! message, a handshake and a client that does not read may take, and the bytes that all of them hold.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use crate::connections::{
    Does, Frame, Frames, Limits, MAX_ANSWERING, Number, Origin, Over, Pace, Table, Wants, dress, put,
};

/// How long a question may take. Answerers have shorter times of their own.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// How long a client may take to read what it is told.
pub(super) const WRITE_WAIT: Duration = Duration::from_secs(5);
/// How long the end of a connection is waited for.
pub(super) const GOODBYE_WAIT: Duration = Duration::from_secs(1);
/// How long to wait when no connection can be taken: out of descriptors, most likely, until some are free again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// From how many bytes of answers on they are sent before more questions are taken.
const MAX_TOGETHER: usize = 64 << 10;
/// The most that questions and answers of more than 1 KiB hold at once, in KiB: those of one connection, and all of them.
const ROOM_CONNECTION: usize = 2 << 10;
const ROOM_ALL: usize = 16 << 10;

/// Who answers questions.
pub trait Answer: Clone + Send + Sync + 'static {
    /// What to say to a message; nothing if there is no sense in it, which closes a connection. It is told with its whole
    /// length, and may be 65,535 bytes long: connections cut nothing.
    fn answer(&self, message: Vec<u8>, origin: Origin) -> impl Future<Output = Option<Vec<u8>>> + Send;
}

/// All connections of a name server, at whatever address and of whatever kind.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    /// How to close each.
    close: Mutex<std::collections::BTreeMap<Number, Arc<Notify>>>,
    room: Arc<Semaphore>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    opened: AtomicU64,
    closed_for_room: AtomicU64,
    failed_handshakes: AtomicU64,
    not_read: AtomicU64,
    too_slow: AtomicU64,
}

/// What there is and has been of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ConnectionsView {
    /// How many there are now.
    pub open: usize,
    /// How many there have been, with these.
    pub opened: u64,
    /// How many were closed because another one came and there was no place left.
    pub closed_for_room: u64,
    /// How many ended in the handshake of TLS, or did not come to its end in time.
    pub failed_handshakes: u64,
    /// How many were closed because the client did not read its answers.
    pub not_read: u64,
    /// How many were closed because a message did not come to its end in time.
    pub too_slow: u64,
}

/// Something that happens to a connection and is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Handshake,
    NotRead,
    TooSlow,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Connections {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Connections {
    /// With so many places.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Shared {
            table: Mutex::new(Table::new(limits)),
            close: Mutex::default(),
            room: Arc::new(Semaphore::new(ROOM_ALL)),
            counts: Counts::default(),
        }))
    }

    /// What there is and has been.
    pub fn view(&self) -> ConnectionsView {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.0.counts;
        ConnectionsView {
            open: lock(&self.0.table).count(),
            opened: count(&counts.opened),
            closed_for_room: count(&counts.closed_for_room),
            failed_handshakes: count(&counts.failed_handshakes),
            not_read: count(&counts.not_read),
            too_slow: count(&counts.too_slow),
        }
    }

    /// A place for a connection, which is another one's if there is none left.
    pub(super) fn enter(&self, client: SocketAddr, now: Instant) -> Seat {
        let mut table = lock(&self.0.table);
        let mut close = lock(&self.0.close);
        let entered = table.enter(client.ip(), now);
        if let Some(other) = entered.closes.and_then(|other| close.remove(&other)) {
            other.notify_one();
            self.0.counts.closed_for_room.fetch_add(1, Ordering::Relaxed);
        }
        let closed = Arc::new(Notify::new());
        close.insert(entered.number, Arc::clone(&closed));
        self.0.counts.opened.fetch_add(1, Ordering::Relaxed);
        let own = Arc::new(Semaphore::new(ROOM_CONNECTION));
        Seat { place: Place { connections: self.clone(), number: entered.number, own }, closed }
    }
}

/// A connection's place, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    place: Place,
    closed: Arc<Notify>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Place { connections, number, .. } = &self.place;
        lock(&connections.0.table).leave(*number);
        lock(&connections.0.close).remove(number);
    }
}

impl Seat {
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Does work until another connection needs the place.
    pub(super) async fn until_closed(&self, work: impl Future<Output = ()>) {
        tokio::select! {
            () = work => {}
            () = self.closed.notified() => {}
        }
    }
}

/// What is known of a connection's place.
#[derive(Clone, Debug)]
pub(super) struct Place {
    connections: Connections,
    number: Number,
    own: Arc<Semaphore>,
}

impl Place {
    /// Something came or went.
    pub(super) fn stirs(&self, does: Does, now: Instant) {
        lock(&self.connections.0.table).stirs(self.number, does, now);
    }

    /// How long this may be quiet now.
    pub(super) fn idle_time(&self, over: Over) -> Duration {
        lock(&self.connections.0.table).idle_time(over)
    }

    pub(super) fn note(&self, trouble: Trouble) {
        let counts = &self.connections.0.counts;
        let count = match trouble {
            Trouble::Handshake => &counts.failed_handshakes,
            Trouble::NotRead => &counts.not_read,
            Trouble::TooSlow => &counts.too_slow,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Where room for messages comes from.
    pub(super) fn room(&self) -> Room {
        Room { own: Arc::clone(&self.own), all: Arc::clone(&self.connections.0.room) }
    }
}

/// Room for the bytes of a message, until it is dropped.
#[derive(Debug)]
pub(super) struct Held(#[expect(dead_code, reason = "it is held by being there")] [OwnedSemaphorePermit; 2]);

/// Room for messages of one connection.
#[derive(Clone, Debug)]
pub(super) struct Room {
    own: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

impl Room {
    /// Room for a message of so many bytes; none if there is none left. What is below 1 KiB needs none: the number of
    /// questions bounds it.
    pub(super) fn hold(&self, bytes: usize) -> Option<Held> {
        let kib = u32::try_from(bytes >> 10).ok()?;
        let own = Arc::clone(&self.own).try_acquire_many_owned(kib).ok()?;
        let all = Arc::clone(&self.all).try_acquire_many_owned(kib).ok()?;
        Some(Held([own, all]))
    }
}

/// Takes connections until it is dropped; those that are open then go on until they are quiet.
pub(super) async fn each<W>(
    listener: TcpListener,
    connections: Connections,
    serve: impl Fn(TcpStream, SocketAddr, Seat) -> W,
) where
    W: Future<Output = ()> + Send + 'static,
{
    loop {
        let Ok((stream, client)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Answers are small, and nobody wants to wait for the next one.
        let _ = stream.set_nodelay(true);
        let seat = connections.enter(client, now());
        tokio::spawn(serve(stream, client, seat));
    }
}

/// Answers questions over plain connections (RFC 7766) until it is dropped.
pub async fn serve_tcp<A: Answer>(listener: TcpListener, connections: Connections, answer: A) {
    each(listener, connections, move |stream, client, seat| {
        let answer = answer.clone();
        async move {
            let Ok(local) = stream.local_addr() else { return };
            let origin = Origin { client, local, id: None, over: Over::Tcp };
            seat.until_closed(talk(stream, origin, seat.place(), &answer)).await;
        }
    })
    .await;
}

/// The time, as the clock of the sockets has it.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// An answer that has been waited for.
type Said = Option<(Vec<u8>, Held)>;

/// The questions of one connection, until it ends.
pub(super) async fn talk<S, A>(mut stream: S, origin: Origin, place: &Place, answer: &A)
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Answer,
{
    let mut talk = Talk {
        origin,
        place,
        answer,
        frames: Frames::default(),
        out: Vec::new(),
        asked: JoinSet::new(),
        pace: Pace::opened(now()),
        heard_all: false,
    };
    while talk.goes_on(&mut stream).await {}
    if !talk.out.is_empty() {
        talk.send(&mut stream).await;
    }
    // For TLS this says that nothing is missing.
    let _ = timeout(GOODBYE_WAIT, stream.shutdown()).await;
}

struct Talk<'t, A> {
    origin: Origin,
    place: &'t Place,
    answer: &'t A,
    frames: Frames,
    /// Answers that go out together.
    out: Vec<u8>,
    asked: JoinSet<Said>,
    pace: Pace,
    /// The client says no more, but may want to hear.
    heard_all: bool,
}

impl<A: Answer> Talk<'_, A> {
    /// Takes questions, sends answers, waits for more of either; false when the connection has come to its end.
    async fn goes_on<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut S) -> bool {
        if !self.take_questions().await || !self.take_answers() {
            return false;
        }
        if !self.out.is_empty() {
            return self.send(stream).await;
        }
        if self.heard_all && self.asked.is_empty() {
            return false;
        }
        self.wait(stream).await
    }

    /// Begins to answer what has come whole, as long as there is room.
    async fn take_questions(&mut self) -> bool {
        let mut taken = 0;
        loop {
            if self.asked.len() >= MAX_ANSWERING || self.out.len() >= MAX_TOGETHER {
                self.pace.heard(taken, 0, now());
                return true;
            }
            match self.frames.take() {
                Frame::More => break,
                Frame::Empty => self.hear_no_more(),
                Frame::Message(message) => {
                    taken += 1;
                    if !self.ask(message).await {
                        return false;
                    }
                }
            }
        }
        if taken > 0 || self.frames.rest() > 0 {
            self.pace.heard(taken, self.frames.rest(), now());
        }
        true
    }

    /// Something made no sense, and so does all behind it. What was asked before it is answered.
    fn hear_no_more(&mut self) {
        self.frames = Frames::default();
        self.heard_all = true;
    }

    /// Begins to answer a question. What is answered at once needs no task.
    async fn ask(&mut self, message: Vec<u8>) -> bool {
        let room = self.place.room();
        let Some(held) = room.hold(message.len()) else { return false };
        let (answer, origin, wants) = (self.answer.clone(), self.origin.clone(), Wants::of(&message));
        // Padding hides something only where the rest is hidden.
        let wants = Wants { padding: wants.padding && origin.over != Over::Tcp, ..wants };
        let idle = self.place.idle_time(origin.over);
        let mut work: Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send>> = Box::pin(async move {
            let mut said = answer.answer(message, origin).await?;
            dress(&mut said, wants, idle);
            Some(said)
        });
        match poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
            Poll::Ready(Some(said)) => put(&mut self.out, &said),
            Poll::Ready(None) => self.hear_no_more(),
            Poll::Pending => {
                self.asked.spawn(async move {
                    let said = timeout(ANSWER_WAIT, work).await.ok().flatten()?;
                    drop(held);
                    let held = room.hold(said.len())?;
                    Some((said, held))
                });
            }
        }
        true
    }

    /// Takes the answers that are there.
    fn take_answers(&mut self) -> bool {
        while self.out.len() < MAX_TOGETHER
            && let Some(said) = self.asked.try_join_next()
        {
            let Ok(Some((said, _held))) = said else { return false };
            put(&mut self.out, &said);
        }
        true
    }

    async fn send<S: AsyncWrite + Unpin>(&mut self, stream: &mut S) -> bool {
        let out = std::mem::take(&mut self.out);
        let sent = timeout(WRITE_WAIT, async {
            stream.write_all(&out).await?;
            stream.flush().await
        });
        match sent.await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return false,
            Err(_) => {
                self.place.note(Trouble::NotRead);
                return false;
            }
        }
        let now = now();
        self.pace.said(now);
        self.place.stirs(self.does(), now);
        true
    }

    fn does(&self) -> Does {
        if self.asked.is_empty() { Does::Idle } else { Does::Work }
    }

    /// Waits for bytes, for an answer, or for the end of patience.
    async fn wait<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> bool {
        let end = self.pace.end(self.asked.len(), self.place.idle_time(self.origin.over));
        let can_hear = !self.heard_all && self.asked.len() < MAX_ANSWERING;
        let is_asked = !self.asked.is_empty();
        tokio::select! {
            heard = stream.read_buf(self.frames.space()), if can_hear => match heard {
                Ok(0) => {
                    self.heard_all = true;
                    // Half a message is none; what was asked before is answered.
                    self.pace.heard(0, 0, now());
                }
                Ok(_) => {}
                Err(_) => return false,
            },
            Some(said) = self.asked.join_next(), if is_asked => {
                let Ok(Some((said, _held))) = said else { return false };
                put(&mut self.out, &said);
            }
            () = until(end) => {
                if self.frames.rest() > 0 {
                    self.place.note(Trouble::TooSlow);
                }
                return false;
            }
        }
        true
    }
}

/// Waits until then, or for ever.
async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use tokio::io::{DuplexStream, duplex};

    /// Says what it is asked, at once or never.
    #[derive(Clone, Debug)]
    pub(crate) struct Parrot;

    impl Answer for Parrot {
        async fn answer(&self, message: Vec<u8>, _: Origin) -> Option<Vec<u8>> {
            match message.first()? {
                b'n' => std::future::pending().await,
                b'x' => None,
                b'b' => Some(vec![7; 60_000]),
                _ => Some(message),
            }
        }
    }

    pub(crate) fn client() -> SocketAddr {
        "10.0.0.9:4711".parse().unwrap()
    }

    /// A connection over a pipe that takes no more than so many bytes; time passes as fast as nothing happens.
    fn connect(connections: &Connections, pipe: usize) -> DuplexStream {
        let (near, far) = duplex(pipe);
        let seat = connections.enter(client(), now());
        tokio::spawn(async move {
            let origin = Origin { client: client(), local: client(), id: None, over: Over::Tcp };
            seat.until_closed(talk(far, origin, seat.place(), &Parrot)).await;
        });
        near
    }

    async fn seconds_until_closed(stream: &mut (impl AsyncRead + Unpin)) -> u64 {
        let start = now();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        (now() - start).as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_says_nothing_is_closed_after_a_while() {
        let connections = Connections::default();
        assert_eq!(seconds_until_closed(&mut connect(&connections, 4096)).await, 10);
        assert_eq!(connections.view(), ConnectionsView { opened: 1, ..ConnectionsView::default() });
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_comes_in_drops_is_not_waited_for() {
        let connections = Connections::default();
        let mut stream = connect(&connections, 4096);
        let start = now();
        let drops = async {
            while stream.write_all(b"\x01").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        timeout(Duration::from_secs(60), drops).await.unwrap();
        assert_eq!((now() - start).as_secs(), 6, "the first that can not be written any more");
        assert_eq!(connections.view().too_slow, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_dropped() {
        let connections = Connections::default();
        let mut stream = connect(&connections, 1000);
        stream.write_all(b"\0\x01b").await.unwrap();
        let start = now();
        while connections.view().open > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let waited = (now() - start).as_secs();
        assert!((5..=7).contains(&waited), "{waited} s, with what it takes to say goodbye");
        assert_eq!(connections.view().not_read, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_is_not_answered_does_not_stop_the_others_and_has_an_end() {
        let connections = Connections::default();
        let mut stream = connect(&connections, 4096);
        stream.write_all(b"\0\x01n\0\x02hi").await.unwrap();
        let mut heard = [0; 4];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"\0\x02hi");
        assert_eq!(seconds_until_closed(&mut stream).await, 30);
        let mut stream = connect(&connections, 4096);
        stream.write_all(b"\0\x01x").await.unwrap();
        assert_eq!(seconds_until_closed(&mut stream).await, 0, "what makes no sense closes");
        let mut stream = connect(&connections, 4096);
        stream.write_all(b"\0\x02hi\0\0\0\x02ho").await.unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"\0\x02hi", "what was asked before it is answered");
    }

    #[tokio::test(start_paused = true)]
    async fn one_without_a_place_is_closed_at_once() {
        let connections = Connections::new(Limits { all: 4, per_client: 2 });
        let mut first = connect(&connections, 4096);
        let _second = connect(&connections, 4096);
        let _third = connect(&connections, 4096);
        assert_eq!(seconds_until_closed(&mut first).await, 0);
        let view = connections.view();
        assert_eq!((view.open, view.opened, view.closed_for_room), (2, 3, 1));
    }

    #[tokio::test]
    async fn messages_have_room_up_to_a_limit() {
        let connections = Connections::default();
        let seats: Vec<Seat> = (0..9).map(|_| connections.enter(client(), now())).collect();
        let fill = |seat: &Seat| std::iter::from_fn(|| seat.place().room().hold(65_535)).collect::<Vec<_>>();
        let mut held: Vec<Vec<Held>> = seats.iter().map(fill).collect();
        let counts: Vec<usize> = held.iter().map(Vec::len).collect();
        assert_eq!(counts[0], 32, "2 MiB for one");
        assert_eq!(counts.iter().sum::<usize>(), 260, "16 MiB for all");
        assert!(seats[8].place().room().hold(1000).is_some(), "small ones need none");
        held.remove(0);
        assert!(seats[8].place().room().hold(65_535).is_some());
    }
}
