//! The log as it runs: a thread that writes, and searches in the threads of those who ask.
//!
//! ```no_run
//! use dns::log::{Batch, Keeping, Logger, Search};
//! let logger = Logger::start("/var/lib/polis/querylog".into(), Keeping::default(), runtime::Clock::system(0));
//! let mut batch = Batch::default();
//! // … batch.push(&row), until it is full or a second is over, then:
//! batch = logger.add(batch);
//! let found = logger.search(Search { limit: 100, ..Search::default() });
//! ```

mod files;
mod rewrite;
mod writer;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use runtime::{Clock, Millis};

use super::Keeping;
use super::hours::{Hour, Hours};
use super::open::Open;
use super::row::Batch;
use super::search::{Found, Go, Search, search};
use super::segment::{Held, Names, Reader};
use super::top::{Tally, Tops};
use super::wire::{Head, Kind};
use files::Segment;
use writer::Writer;

/// The most batches that wait for the writing thread.
const MAX_WAITING: usize = 64;
/// The most empty batches that are kept.
const MAX_SPARE: usize = 16;
/// How long a search, or counting, may take.
const MAX_SEARCH: Duration = Duration::from_secs(5);

/// What is wrong with the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: String,
}

/// The log. Dropping it writes what it has.
#[derive(Debug)]
pub struct Logger {
    shared: Arc<Shared>,
    /// None once it is to end.
    to_writer: Option<SyncSender<Message>>,
    writer: Option<JoinHandle<()>>,
}

enum Message {
    Rows(Batch),
    Keep(Keeping),
    Clear(SyncSender<std::io::Result<()>>),
    Forget(Vec<IpAddr>, SyncSender<std::io::Result<u64>>),
    Flush(SyncSender<()>),
}

/// What the writing thread and those who ask have in common.
#[derive(Debug)]
struct Shared {
    clock: Clock,
    state: Mutex<State>,
    spare: Mutex<Vec<Batch>>,
    /// Rows that found no room on their way, or could not be written.
    lost: AtomicU64,
    /// Changes when rows come.
    revision: AtomicU64,
}

/// What is there to be found: the segments, and the rows that are in none of them yet.
#[derive(Debug)]
struct State {
    keeping: Keeping,
    /// Oldest first. The last one may be filled still: then its blocks here are those that are whole.
    segments: Vec<Arc<Segment>>,
    open: Open,
    hours: Hours,
    trouble: Option<Trouble>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, rows: u64) {
        self.lost.fetch_add(rows, Ordering::Relaxed);
    }

    fn takes_back(&self, mut batch: Batch) {
        batch.clear();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < MAX_SPARE {
            spare.push(batch);
        }
    }
}

impl Logger {
    /// Begins to write to a folder, which is made if it is not there. What can not be done is said by
    /// [`Logger::trouble`], and tried again.
    pub fn start(folder: PathBuf, keeping: Keeping, clock: Clock) -> Self {
        let state = State {
            keeping,
            segments: Vec::new(),
            open: Open::new(0),
            hours: Hours::default(),
            trouble: None,
        };
        let shared = Arc::new(Shared {
            clock,
            state: Mutex::new(state),
            spare: Mutex::default(),
            lost: AtomicU64::new(0),
            revision: AtomicU64::new(0),
        });
        let (to_writer, messages) = sync_channel(MAX_WAITING);
        let mut writer = Writer::new(Arc::clone(&shared), folder);
        // Those who search find what there is from the start.
        writer.take_up();
        let thread = std::thread::Builder::new().name("query-log".to_owned());
        let writer = thread.spawn(move || writer.run(&messages));
        if let Err(error) = &writer {
            shared.state().trouble = Some(Trouble {
                what: format!("the query log is not written: a thread can not be started: {error}"),
                help: "raise the limit of tasks of the unit (TasksMax)".to_owned(),
            });
        }
        Self { shared, to_writer: Some(to_writer), writer: writer.ok() }
    }

    /// Takes the rows of a batch, and gives an empty one back. Never waits: if the writing thread has too much to
    /// do already the rows are lost, which is counted.
    pub fn add(&self, batch: Batch) -> Batch {
        if batch.is_empty() {
            self.shared.lose(batch.lost());
            return batch;
        }
        let Some(to_writer) = &self.to_writer else { return batch };
        match to_writer.try_send(Message::Rows(batch)) {
            Err(
                TrySendError::Full(Message::Rows(mut batch))
                | TrySendError::Disconnected(Message::Rows(mut batch)),
            ) => {
                let rows = u64::try_from(batch.len()).unwrap_or(0);
                self.shared.lose(rows.saturating_add(batch.lost()));
                batch.clear();
                batch
            }
            _ => {
                let mut spare = self.shared.spare.lock().unwrap_or_else(PoisonError::into_inner);
                spare.pop().unwrap_or_default()
            }
        }
    }

    /// Keeps something else from now on. May wait for the disk, as all of the following.
    pub fn keep(&self, keeping: Keeping) {
        self.send(Message::Keep(keeping));
    }

    /// Finds rows.
    pub fn search(&self, wanted: Search) -> Found {
        let now = self.shared.clock.now();
        let deadline = self.deadline();
        let mut wanted = wanted.prepared();
        let mut found = Found::default();
        let segments = {
            let state = self.shared.state();
            let oldest = now.saturating_sub(state.keeping.age);
            wanted.from = Some(wanted.from.unwrap_or(Millis::MIN).max(oldest));
            if let Some(waiting) = Waiting::of(&state.open) {
                let (dictionary, names) = (&state.open.dictionary, &state.open.names);
                search(&wanted, dictionary, names, std::iter::once(waiting), &|| Go::On, &mut found);
            }
            state.segments.clone()
        };
        for segment in segments.iter().rev() {
            if found.rows.len() >= wanted.limit || found.is_cut {
                break;
            }
            if !segment.is_between(wanted.from, wanted.until, wanted.before) {
                continue;
            }
            let Ok(file) = segment.open() else {
                found.unreadable += segment.rows();
                continue;
            };
            let reader = Reader::new(&file, &segment.blocks);
            let blocks = segment.blocks.iter().map(|block| reader.held(block));
            search(&wanted, &reader.dictionary(), &reader, blocks, &deadline, &mut found);
        }
        if found.rows.len() < wanted.limit && !found.is_cut {
            found.next = None;
        }
        found
    }

    /// The last rows, newest first.
    pub fn tail(&self, limit: usize) -> Found {
        self.search(Search { limit, ..Search::default() })
    }

    /// Counts the rows from a time on and before another one: so many of everything that is most.
    pub fn tops(&self, from: Millis, until: Millis, limit: usize) -> Tops {
        let deadline = self.deadline();
        let now = self.shared.clock.now();
        let (mut tally, segments) = {
            let state = self.shared.state();
            let oldest = now.saturating_sub(state.keeping.age);
            let mut tally = Tally::new(from.max(oldest), until);
            if let Some(waiting) = Waiting::of(&state.open) {
                let (dictionary, names) = (&state.open.dictionary, &state.open.names);
                tally.add(dictionary, names, std::iter::once(waiting), &|| Go::On);
            }
            (tally, state.segments.clone())
        };
        for segment in segments.iter().rev().filter(|segment| segment.kind == Kind::Segment) {
            let mut blocks =
                segment.blocks.iter().filter(|block| tally.has(block.head.earliest, block.head.latest));
            if blocks.next().is_none() {
                continue;
            }
            let Ok(file) = segment.open() else { continue };
            let reader = Reader::new(&file, &segment.blocks);
            let blocks = segment.blocks.iter().map(|block| reader.held(block));
            tally.add(&reader.dictionary(), &reader, blocks, &deadline);
        }
        tally.tops(limit)
    }

    /// The hours with questions that begin between two times, oldest first, whether or not rows are written.
    pub fn hours(&self, from: Millis, until: Millis) -> Vec<Hour> {
        self.shared.state().hours.between(from, until)
    }

    /// A number that changes when rows have come, or gone.
    pub fn revision(&self) -> u64 {
        self.shared.revision.load(Ordering::Acquire)
    }

    /// How many rows were lost since the start: more came than could be written, or the disk took none.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// How many rows there are, and how many bytes their files take.
    pub fn size(&self) -> (u64, u64) {
        let state = self.shared.state();
        let rows: u64 = state.segments.iter().map(|segment| segment.rows()).sum();
        let bytes = state.segments.iter().map(|segment| segment.bytes).sum();
        (rows.saturating_add(u64::try_from(state.open.len()).unwrap_or(0)), bytes)
    }

    /// What is wrong.
    pub fn trouble(&self) -> Option<Trouble> {
        self.shared.state().trouble.clone()
    }

    /// Forgets every row, and every hour.
    ///
    /// # Errors
    /// If a file can not be removed; the others are.
    pub fn clear(&self) -> std::io::Result<()> {
        let (done, is_done) = sync_channel(1);
        self.send(Message::Clear(done));
        is_done.recv().unwrap_or_else(|_| Err(std::io::Error::other("the query log is not written")))
    }

    /// Forgets what these clients asked for: their rows have only a time and an outcome left. How many rows that are.
    ///
    /// # Errors
    /// If a file can not be written. Those before it are.
    pub fn forget(&self, clients: &[IpAddr]) -> std::io::Result<u64> {
        let (done, is_done) = sync_channel(1);
        let clients = clients.iter().map(IpAddr::to_canonical).collect();
        self.send(Message::Forget(clients, done));
        is_done.recv().unwrap_or_else(|_| Err(std::io::Error::other("the query log is not written")))
    }

    /// Waits until all that was added before is taken up, and on disk as far as it is to be.
    pub fn flush(&self) {
        let (done, is_done) = sync_channel(1);
        self.send(Message::Flush(done));
        // If the thread has ended there is nothing to wait for.
        let _ = is_done.recv();
    }

    fn send(&self, message: Message) {
        if let Some(to_writer) = &self.to_writer {
            // A thread that has ended was told of by a panic, and takes nothing more.
            let _ = to_writer.send(message);
        }
    }

    fn deadline(&self) -> impl Fn() -> Go + use<> {
        let clock = self.shared.clock.clone();
        let end = clock.steady().saturating_add(MAX_SEARCH);
        move || if clock.steady() < end { Go::On } else { Go::Stop }
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        self.to_writer = None;
        if let Some(writer) = self.writer.take() {
            // What it had to say of a panic it has said.
            let _ = writer.join();
        }
    }
}

/// The rows that are in no file, as a block.
struct Waiting<'a> {
    open: &'a Open,
    head: Head,
}

impl<'a> Waiting<'a> {
    fn of(open: &'a Open) -> Option<Self> {
        let rows = u32::try_from(open.len()).ok().filter(|rows| *rows > 0)?;
        let (earliest, latest) = (open.columns.earliest(), open.columns.latest());
        Some(Self { open, head: Head { first: open.first, rows, earliest, latest, ..Head::default() } })
    }
}

impl Held for Waiting<'_> {
    fn head(&self) -> &Head {
        &self.head
    }

    fn times(&self) -> Option<&[Millis]> {
        Some(&self.open.columns.at)
    }

    fn clients(&self) -> Option<&[u16]> {
        Some(&self.open.columns.client)
    }

    fn names(&self) -> Option<&[u16]> {
        Some(&self.open.columns.name)
    }

    fn shapes(&self) -> Option<&[u16]> {
        Some(&self.open.columns.shape)
    }

    fn micros(&self) -> Option<&[u32]> {
        Some(&self.open.columns.micros)
    }
}

impl Names for super::text::Texts {
    fn all(&self, see: &mut dyn FnMut(usize, &[u8])) {
        see(0, self.lines_from(0));
    }

    fn one(&self, number: u16) -> Option<String> {
        self.name(number).map(str::to_owned)
    }
}
