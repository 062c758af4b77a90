//! A connection over TCP or TLS with many questions on it at once, told apart by their numbers (RFC 7766 section
//! 6.2.1.1, RFC 7858 section 3.3).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout_at;

use super::super::failure::Failure;
use super::super::wire::{Echo, Sent, number_of};
use super::dice::Dice;
use super::link::Trouble;
use super::server::lock;

/// The most questions on a connection at once, which is also the most that wait to be written.
const MAX_WAITING: usize = 512;
/// The most bytes that are put together for one write.
const MAX_WRITE: usize = 16 << 10;
/// The most messages that may come that nobody asked for, until the connection is given up.
const MAX_STRAY: u32 = 16;
/// How often a number is drawn that is not in use.
const DRAWS: usize = 16;

/// A connection.
#[derive(Debug)]
pub(crate) struct Pipe {
    inside: Arc<Inside>,
    queue: mpsc::Sender<Arc<Sent>>,
    task: AbortHandle,
    _file: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Inside {
    /// None after its end.
    waiting: Mutex<Option<HashMap<u16, oneshot::Sender<Vec<u8>>>>>,
    heard: AtomicU64,
    is_closed: AtomicBool,
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pipe {
    /// Begins to carry questions on a stream.
    pub(crate) fn new<S>(stream: S, file: OwnedSemaphorePermit) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let inside = Arc::new(Inside {
            waiting: Mutex::new(Some(HashMap::new())),
            heard: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
        });
        let (queue, questions) = mpsc::channel(MAX_WAITING);
        let task = tokio::spawn(carry(stream, questions, Arc::clone(&inside))).abort_handle();
        Self { inside, queue, task, _file: file }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inside.is_closed.load(Ordering::Relaxed)
    }

    /// How many messages have come on it.
    pub(crate) fn heard(&self) -> u64 {
        self.inside.heard.load(Ordering::Relaxed)
    }

    /// Nobody else shall use it: it hangs.
    pub(crate) fn close(&self) {
        self.inside.end();
        self.task.abort();
    }

    /// Asks, and waits until then.
    pub(crate) async fn ask(&self, mut sent: Sent, dice: &Dice, until: Instant) -> Result<Vec<u8>, Trouble> {
        let began = Instant::now();
        let (number, reply) = self.enter(dice)?;
        let _leave = Leave { inside: &self.inside, number };
        sent.set_number(number);
        let sent = Arc::new(sent);
        if self.queue.try_send(Arc::clone(&sent)).is_err() {
            return Err(if self.is_closed() { Trouble::Broken } else { Trouble::Failed(Failure::Busy) });
        }
        match timeout_at(until.into(), reply).await {
            Ok(Ok(reply)) => match sent.echo(&reply) {
                Echo::Other => Err(Trouble::Failed(Failure::OtherQuestion)),
                Echo::Same | Echo::OtherCase | Echo::Unread => Ok(reply),
            },
            Ok(Err(_)) => Err(Trouble::Broken),
            Err(_) => Err(Trouble::Silent(began.elapsed())),
        }
    }

    fn enter(&self, dice: &Dice) -> Result<(u16, oneshot::Receiver<Vec<u8>>), Trouble> {
        let mut waiting = lock(&self.inside.waiting);
        let waiting = waiting.as_mut().ok_or(Trouble::Broken)?;
        if waiting.len() < MAX_WAITING {
            for _ in 0..DRAWS {
                let Some([high, low, ..]) = dice.next().map(u64::to_be_bytes) else { break };
                let number = u16::from_be_bytes([high, low]);
                if let Entry::Vacant(place) = waiting.entry(number) {
                    let (tell, hear) = oneshot::channel();
                    place.insert(tell);
                    return Ok((number, hear));
                }
            }
        }
        Err(Trouble::Failed(Failure::Busy))
    }
}

/// Ends the waiting for a reply, however it ends.
struct Leave<'a> {
    inside: &'a Inside,
    number: u16,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = lock(&self.inside.waiting).as_mut() {
            waiting.remove(&self.number);
        }
    }
}

impl Inside {
    /// Those that wait learn that nothing comes any more.
    fn end(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        drop(lock(&self.waiting).take());
    }
}

/// Ends what waits when the task ends, however it does.
struct End(Arc<Inside>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}

async fn carry<S: AsyncRead + AsyncWrite>(
    stream: S,
    questions: mpsc::Receiver<Arc<Sent>>,
    inside: Arc<Inside>,
) {
    let end = End(inside);
    let (from, to) = tokio::io::split(stream);
    tokio::select! {
        () = write(to, questions) => {}
        _ = read(from, &end.0) => {}
    }
}

/// Writes what is to be asked, as much at once as there is.
async fn write(mut to: impl AsyncWrite + Unpin, mut questions: mpsc::Receiver<Arc<Sent>>) {
    let mut out = Vec::new();
    while let Some(first) = questions.recv().await {
        frame(&mut out, &first);
        while out.len() < MAX_WRITE {
            let Ok(next) = questions.try_recv() else { break };
            frame(&mut out, &next);
        }
        if to.write_all(&out).await.is_err() || to.flush().await.is_err() {
            return;
        }
        out.clear();
    }
}

/// A message with its length in front (RFC 1035 section 4.2.2).
fn frame(out: &mut Vec<u8>, sent: &Sent) {
    // A question has a name of at most 255 bytes, and two blocks of padding.
    let Ok(length) = u16::try_from(sent.message.len()) else { return };
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&sent.message);
}

/// Reads replies and hands them to those that wait, until the stream ends or makes no sense.
async fn read(from: impl AsyncRead + Unpin, inside: &Inside) -> Option<()> {
    let mut from = BufReader::with_capacity(4096, from);
    let mut stray = 0;
    while stray < MAX_STRAY {
        let length = usize::from(from.read_u16().await.ok()?);
        let mut message = vec![0; length];
        from.read_exact(&mut message).await.ok()?;
        inside.heard.fetch_add(1, Ordering::Relaxed);
        let tell = number_of(&message)
            .and_then(|number| lock(&inside.waiting).as_mut().and_then(|waiting| waiting.remove(&number)));
        match tell {
            Some(tell) => drop(tell.send(message)),
            None => stray += 1,
        }
    }
    None
}
