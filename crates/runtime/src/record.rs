//! The record of what happened: written by a thread of its own, many events at once, and read back by number.
//!
//! Recording never waits. What can not be written yet is held, up to a bound, and written once it can be.

use std::collections::VecDeque;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{broadcast, oneshot};

use crate::clock::{Clock, Millis};
use crate::event::{Event, Happened};
use crate::store::{RECORD, StoreFault, open_into};

/// How long events are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(50);
/// The most events that wait to be taken by the writer, and the most that it holds while it can not write.
const QUEUE: usize = 16_384;
/// The most that are written at once.
const BATCH: usize = 4_096;
/// How long the record goes back, and the most events that it has.
const KEEP: Duration = Duration::from_secs(90 * 86_400);
const KEEP_EVENTS: i64 = 1_000_000;
const DAY: Millis = 86_400_000;
/// How often old events are removed, and a failed writing is tried again.
const TIDY_EVERY: Duration = Duration::from_secs(6 * 3_600);
const RETRY: Duration = Duration::from_secs(2);
/// The most bytes of events that are read at once, and about how many each has around its text.
const MOST_BYTES: usize = 3 << 20;
const AROUND: usize = 64;
/// How many events somebody who listens may lag behind.
const LAG: usize = 1_024;

/// Takes events, and gives them back.
#[derive(Clone, Debug)]
pub struct Record(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    path: PathBuf,
    sender: SyncSender<Job>,
    live: broadcast::Sender<(Millis, Event)>,
    revision: AtomicU64,
    trouble: Arc<Mutex<Trouble>>,
}

/// Waits for the writing of what was added before.
#[derive(Debug)]
pub struct Flushed(oneshot::Receiver<bool>);

impl Future for Flushed {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<bool> {
        Pin::new(&mut self.0).poll(context).map(|done| done.unwrap_or(false))
    }
}

#[derive(Debug, Default)]
struct Trouble {
    now: Option<(String, String)>,
    lost: u64,
}

#[derive(Debug)]
enum Job {
    Keep(Millis, Event),
    /// Answered once everything before it is written, or has failed to be.
    Flush(oneshot::Sender<bool>),
}

impl Record {
    /// The record in a state folder.
    pub fn in_folder(state: &Path, clock: Clock) -> Self {
        let (sender, jobs) = sync_channel(QUEUE);
        let path = state.join("record.db");
        let trouble = Arc::new(Mutex::new(Trouble::default()));
        let writer = Writer {
            path: path.clone(),
            connection: None,
            waiting: VecDeque::new(),
            trouble: Arc::clone(&trouble),
            clock: clock.clone(),
            tidied: None,
        };
        // If no thread can be had the queue fills, and what is lost is counted.
        let _ = std::thread::Builder::new().name("record".to_owned()).spawn(move || writer.run(&jobs));
        // Another process begins with another number, as long as civil time goes on.
        let revision = AtomicU64::new(u64::try_from(clock.now()).unwrap_or(0));
        Self(Arc::new(Inner { clock, path, sender, live: broadcast::channel(LAG).0, revision, trouble }))
    }

    /// Something happened now. This does not wait.
    pub fn add(&self, event: Event) {
        let at = self.0.clock.now();
        if event.is_of_this_machine() {
            self.0.revision.fetch_add(1, Ordering::Relaxed);
        }
        let _ = self.0.live.send((at, event.clone()));
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.0.sender.try_send(Job::Keep(at, event))
        {
            self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).lost += 1;
        }
    }

    /// Waits until everything that was added is written; false if it can not be.
    pub fn flush(&self) -> Flushed {
        let (sender, done) = oneshot::channel();
        // If there is no room, who waits hears that the sender is gone.
        let _ = self.0.sender.try_send(Job::Flush(sender));
        Flushed(done)
    }

    /// Every event from now on, with when it happened.
    pub fn listen(&self) -> broadcast::Receiver<(Millis, Event)> {
        self.0.live.subscribe()
    }

    /// A number that is another one after every event that says something of this machine.
    pub fn revision(&self) -> u64 {
        self.0.revision.load(Ordering::Relaxed)
    }

    /// What stands in the way of writing, and what to do.
    pub fn trouble(&self) -> Option<(String, String)> {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).now.clone()
    }

    /// How many events were lost because there was no room for them.
    pub fn lost(&self) -> u64 {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).lost
    }

    /// The last `most` events with a number above `after`, oldest first, and fewer if they are long: they have to go in one
    /// reply. It waits for the disk.
    ///
    /// # Errors
    /// If the record can not be read.
    pub fn last(&self, after: i64, most: u32) -> Result<Vec<Happened>, StoreFault> {
        let fault = |source| StoreFault::Database { doing: "read", path: self.0.path.clone(), source };
        let mut slot = None;
        let connection = open_into(&mut slot, &self.0.path, RECORD)?;
        let mut query = connection
            .prepare("SELECT number, at, event FROM event WHERE number > ?1 ORDER BY number DESC LIMIT ?2")
            .map_err(fault)?;
        let mut rows = query.query((after, most)).map_err(fault)?;
        let (mut events, mut room) = (Vec::new(), MOST_BYTES);
        while let Some(row) = rows.next().map_err(fault)? {
            let text: String = row.get(2).map_err(fault)?;
            room = match room.checked_sub(text.len() + AROUND) {
                Some(room) => room,
                None => break,
            };
            let event = serde_json::from_str(&text).unwrap_or(Event::Unknown);
            let (number, at) = (row.get(0).map_err(fault)?, row.get(1).map_err(fault)?);
            events.push(Happened { number, at, event });
        }
        events.reverse();
        Ok(events)
    }
}

struct Writer {
    path: PathBuf,
    connection: Option<Connection>,
    waiting: VecDeque<(Millis, Event)>,
    trouble: Arc<Mutex<Trouble>>,
    clock: Clock,
    tidied: Option<Instant>,
}

impl Writer {
    /// Until nobody can add any more.
    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let patience = if self.waiting.is_empty() { TIDY_EVERY } else { RETRY };
            let mut flushed = Vec::new();
            match jobs.recv_timeout(patience) {
                Ok(job) => self.gather(job, jobs, &mut flushed),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.write();
                    return;
                }
            }
            self.write();
            for done in flushed {
                let _ = done.send(self.waiting.is_empty());
            }
        }
    }

    /// Takes a job and those that come in the next moment, unless somebody waits for the writing.
    fn gather(&mut self, first: Job, jobs: &Receiver<Job>, flushed: &mut Vec<oneshot::Sender<bool>>) {
        let end = Instant::now() + GATHER;
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Flush(done) => flushed.push(done),
                Job::Keep(at, event) => self.waiting.push_back((at, event)),
            }
            let is_full = self.waiting.len() >= BATCH || !flushed.is_empty();
            let patience = end.saturating_duration_since(Instant::now());
            next = if is_full {
                jobs.try_recv().ok().filter(|_| self.waiting.len() < BATCH)
            } else {
                jobs.recv_timeout(patience).ok()
            };
        }
        while self.waiting.len() > QUEUE {
            self.waiting.pop_front();
            self.trouble.lock().unwrap_or_else(PoisonError::into_inner).lost += 1;
        }
    }

    fn write(&mut self) {
        let done = self.try_write();
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match done {
            Ok(()) => {
                trouble.now = None;
                self.waiting.clear();
            }
            Err(fault) => {
                trouble.now = Some((fault.to_string(), fault.help()));
                self.connection = None;
            }
        }
    }

    fn try_write(&mut self) -> Result<(), StoreFault> {
        let fault = |source| StoreFault::Database { doing: "write", path: self.path.clone(), source };
        let connection = open_into(&mut self.connection, &self.path, RECORD)?;
        let transaction = connection.transaction().map_err(fault)?;
        let newest: Option<Millis> =
            transaction.query_row("SELECT max(at) FROM event", [], |row| row.get(0)).map_err(fault)?;
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO event (at, event) VALUES (?1, ?2)").map_err(fault)?;
            for (at, event) in &self.waiting {
                // A closed enum of texts and numbers can always be written.
                let text = serde_json::to_string(event).unwrap_or_default();
                insert.execute((at, text)).map_err(fault)?;
            }
        }
        if self.tidied.is_none_or(|last| last.elapsed() >= TIDY_EVERY) {
            // A clock that is wrong for once must not take everything with it: at most a day has passed since the last event
            // that there was.
            let now = self.clock.now().min(newest.unwrap_or(0).saturating_add(DAY));
            let oldest = now.saturating_sub(Millis::try_from(KEEP.as_millis()).unwrap_or(0));
            transaction.execute("DELETE FROM event WHERE at < ?1", [oldest]).map_err(fault)?;
            transaction
                .execute(
                    "DELETE FROM event WHERE number <= (SELECT max(number) FROM event) - ?1",
                    [KEEP_EVENTS],
                )
                .map_err(fault)?;
            self.tidied = Some(Instant::now());
        }
        transaction.commit().map_err(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::Scratch;

    fn note(number: usize) -> Event {
        Event::Cleared { about: number.to_string() }
    }

    #[tokio::test]
    async fn what_was_added_is_read_back_in_order() {
        let folder = Scratch::new();
        let clock = Clock::stopped_at(1_000);
        let record = Record::in_folder(folder.path(), clock.clone());
        for number in 0..10_000 {
            record.add(note(number));
            if number % 1_000 == 0 {
                assert!(record.flush().await);
            }
        }
        assert!(record.flush().await);
        assert_eq!(record.lost(), 0);
        let last = record.last(9_998, 100).unwrap();
        let seen: Vec<(i64, &Event)> =
            last.iter().map(|happened| (happened.number, &happened.event)).collect();
        assert_eq!(seen, [(9_999, &note(9_998)), (10_000, &note(9_999))]);
        assert_eq!(record.last(0, 3).unwrap().len(), 3);
    }

    #[tokio::test]
    async fn what_can_not_be_written_is_held_until_it_can_be() {
        let folder = Scratch::new();
        let state = folder.path().join("later");
        let record = Record::in_folder(&state, Clock::stopped_at(1_000));
        record.add(note(1));
        assert!(!record.flush().await);
        let (what, help) = record.trouble().unwrap();
        assert!(what.contains("record.db") && help.contains("writable"), "{what}; {help}");
        std::fs::create_dir(&state).unwrap();
        record.add(note(2));
        assert!(record.flush().await);
        assert!(record.trouble().is_none());
        assert_eq!(record.last(0, 10).unwrap().len(), 2);
    }

    #[tokio::test]
    async fn old_events_go_and_a_clock_that_is_wrong_for_once_takes_none() {
        let folder = Scratch::new();
        let clock = Clock::stopped_at(1_000);
        let write = async |number| {
            let record = Record::in_folder(folder.path(), clock.clone());
            record.add(note(number));
            assert!(record.flush().await);
            record.last(0, 10).unwrap().len()
        };
        assert_eq!(write(1).await, 1);
        clock.advance(KEEP + Duration::from_secs(1));
        assert_eq!(write(2).await, 2, "nobody knows yet whether so much time has passed");
        assert_eq!(write(3).await, 2, "it has");
    }
}
