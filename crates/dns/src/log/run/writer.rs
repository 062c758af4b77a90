//! The thread that writes the log. Whatever a disk does, it goes on: what can not be written is kept as long as there is room,
//! and then lost and counted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use runtime::Millis;

use super::files::{self, Ending, Filling, HOURS, Segment, TAIL};
use super::rewrite::{read_tail, without_clients};
use super::{Message, Shared, State, Trouble};
use crate::log::hours::Hours;
use crate::log::open::{Full, Known, Open};
use crate::log::retain::{self, gone, is_enough};
use crate::log::row::{Batch, Outcome};
use crate::log::segment::Block;
use crate::log::wire::{self, Kind};
use crate::log::{BLOCK_ROWS, Keeping, Rows, SEGMENT_ROWS};

/// How long rows wait at the longest until they are on disk.
const TAIL_EVERY: Duration = Duration::from_secs(1);
/// If as many come in that time a block is full soon: then they wait for it.
const MANY: u64 = BLOCK_ROWS as u64 / 4;
/// How often hours are written, and it is looked what is to go.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// When a disk that took nothing is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// The file of hours is written anew when it is longer than this.
const MAX_HOURS: u64 = 256 << 10;

pub(super) struct Writer {
    shared: Arc<Shared>,
    folder: PathBuf,
    /// Held as long as this writes.
    lock: Option<File>,
    filling: Option<Filling>,
    tail: Option<Ending>,
    /// The number of the first row that is not in the tail.
    tail_next: u64,
    hours: Option<Ending>,
    /// Since when segments have been too old.
    old: BTreeMap<PathBuf, Duration>,
    /// When the tail is written next, with the number of the next row at the last time; when it is tidied up next;
    /// before when nothing is tried after it failed.
    tail_at: Duration,
    tail_seen: u64,
    tidy_at: Duration,
    retry_at: Duration,
}

/// It was not written, which has been said.
#[derive(Debug)]
struct NotWritten;

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, folder: PathBuf) -> Self {
        let now = shared.clock.steady();
        Self {
            shared,
            folder,
            lock: None,
            filling: None,
            tail: None,
            tail_next: 0,
            hours: None,
            old: BTreeMap::new(),
            tail_at: now.saturating_add(TAIL_EVERY),
            tail_seen: 0,
            tidy_at: now.saturating_add(TIDY_EVERY),
            retry_at: Duration::ZERO,
        }
    }

    /// Writes what comes, until nobody is left who sends.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        loop {
            match messages.recv_timeout(TAIL_EVERY) {
                Ok(Message::Rows(batch)) => self.take(batch),
                Ok(Message::Keep(keeping)) => self.keep(keeping),
                Ok(Message::Clear(done)) => drop(done.try_send(self.clear())),
                Ok(Message::Forget(clients, done)) => drop(done.try_send(self.forget(&clients))),
                Ok(Message::Flush(done)) => {
                    self.write_tail();
                    self.write_hours();
                    let _ = done.try_send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.tick();
        }
        self.write_tail();
        self.write_hours();
    }

    /// What is due.
    fn tick(&mut self) {
        let steady = self.shared.clock.steady();
        if steady >= self.tail_at {
            self.tail_at = steady.saturating_add(TAIL_EVERY);
            if self.lock.is_none() && steady >= self.retry_at {
                self.take_up();
            }
            let next = self.shared.state().open.next();
            if next.saturating_sub(self.tail_seen) < MANY {
                self.write_tail();
            }
            self.tail_seen = next;
        }
        if steady >= self.tidy_at {
            self.tidy_at = steady.saturating_add(TIDY_EVERY);
            self.write_hours();
            self.end_what_is_enough();
            self.remove_what_is_old();
        }
    }

    fn take(&mut self, batch: Batch) {
        let shared = Arc::clone(&self.shared);
        let mut lost = batch.lost();
        let mut known = Known::default();
        let mut state = shared.state();
        let rows = state.keeping.rows;
        let counted = batch.counted().iter().map(|counted| (counted.at, counted.outcome, counted.micros));
        let noted = batch.rows().map(|(row, _)| (row.at, Outcome(row.outcome), row.micros));
        state.hours.add_all(counted.chain(noted));
        for (row, name) in batch.rows().take_while(|_| rows != Rows::Off) {
            if let Err(full) = state.open.take(row, name, batch.strings(), &mut known, rows) {
                drop(state);
                self.make_room(full);
                known = Known::default();
                state = shared.state();
                let taken = state.open.take(row, name, batch.strings(), &mut known, rows);
                lost += u64::from(taken.is_err());
            }
        }
        drop(state);
        self.shared.lose(lost);
        self.shared.revision.fetch_add(1, Ordering::Release);
        self.shared.takes_back(batch);
    }

    /// Writes the rows that wait; if that can not be done the oldest are lost.
    fn make_room(&mut self, full: Full) {
        let is_written = self.write_block().is_ok();
        let mut state = self.shared.state();
        let waiting = state.open.len();
        let lose = match full {
            Full::Rows => waiting / 2,
            Full::Dictionary => waiting,
        };
        if !is_written {
            state.open.forget(lose);
            self.shared.lose(u64::try_from(lose).unwrap_or(0));
        }
        if full == Full::Dictionary {
            state.open = Open::new(state.open.next());
            self.filling = None;
        }
    }

    /// Writes the rows that wait as a block of the segment.
    fn write_block(&mut self) -> Result<(), NotWritten> {
        let block = self.shared.state().open.block();
        let Some((head, bytes)) = block else { return Ok(()) };
        self.may_try()?;
        let now = self.shared.clock.now();
        let mut filling = match self.filling.take() {
            Some(filling) => filling,
            None => {
                let file = Ending::segment(&self.folder, head.first);
                let file = file.map_err(|error| self.fail(&self.folder.clone(), &error))?;
                Filling { file, blocks: Vec::new(), rows: 0, latest: Millis::MIN, since: now }
            }
        };
        let at = filling.file.end;
        if let Err(error) = filling.file.write(&bytes) {
            let not_written = self.fail(&filling.file.path, &error);
            self.filling = Some(filling);
            return Err(not_written);
        }
        filling.blocks.push(Block { at, head });
        filling.rows += u64::from(head.rows);
        filling.latest = filling.latest.max(head.latest);
        let segment = filling.segment();
        {
            let mut state = self.shared.state();
            state.open.written();
            if state.segments.last().is_some_and(|last| last.path == segment.path) {
                state.segments.pop();
            }
            state.segments.push(Arc::new(segment));
        }
        let is_full = filling.rows >= SEGMENT_ROWS;
        let synced =
            if self.tail.as_ref().is_some_and(|tail| tail.end > 0) { filling.file.sync() } else { Ok(()) };
        let path = filling.file.path.clone();
        self.filling = Some(filling);
        synced.map_err(|error| self.fail(&path, &error))?;
        self.empty_tail()?;
        if is_full {
            self.end_segment();
        }
        self.end_what_is_enough();
        self.well();
        Ok(())
    }

    /// The rows of the tail are in a segment now.
    fn empty_tail(&mut self) -> Result<(), NotWritten> {
        self.tail_next = self.shared.state().open.next();
        let Some(tail) = self.tail.as_mut().filter(|tail| tail.end > 0) else { return Ok(()) };
        let emptied = tail.empty();
        emptied.map_err(|error| self.fail(&self.folder.join(TAIL), &error))
    }

    /// The next block begins another segment. No row waits.
    fn end_segment(&mut self) {
        self.filling = None;
        let mut state = self.shared.state();
        state.open = Open::new(state.open.next());
    }

    fn end_what_is_enough(&mut self) {
        let now = self.shared.clock.now();
        let (keeping, earliest, waiting) = {
            let state = self.shared.state();
            (state.keeping, state.open.columns.at.first().copied(), state.open.len())
        };
        let (bytes, since) = match (&self.filling, earliest) {
            (Some(filling), _) => (filling.file.end, filling.since),
            (None, Some(earliest)) => (0, earliest),
            (None, None) => return,
        };
        // It is called again when the block is written, and then no row waits.
        if is_enough(&keeping, bytes, since, now) && (waiting == 0 || self.write_block().is_ok()) {
            self.end_segment();
        }
    }

    /// Writes the rows that are neither in a segment nor in the tail yet.
    fn write_tail(&mut self) {
        let (block, next) = {
            let state = self.shared.state();
            let next = state.open.next();
            if state.open.len() == 0 || next <= self.tail_next {
                return;
            }
            (state.open.alone(self.tail_next), next)
        };
        let (Some(block), Ok(())) = (block, self.may_try()) else { return };
        let path = self.folder.join(TAIL);
        let tail = match self.tail.take() {
            Some(tail) => Ok(tail),
            None => Ending::at(path.clone(), 0),
        };
        let written = tail.and_then(|mut tail| {
            let written = match tail.end {
                0 => tail.write(&[&wire::begin()[..], &block].concat()),
                _ => tail.write(&block),
            };
            self.tail = Some(tail);
            written
        });
        match written {
            Ok(()) => {
                self.tail_next = next;
                self.well();
            }
            Err(error) => drop(self.fail(&path, &error)),
        }
    }

    fn write_hours(&mut self) {
        let (changes, file) = {
            let state = self.shared.state();
            let changes = state.hours.changes();
            if state.keeping.rows == Rows::Off || changes.is_empty() {
                return;
            }
            let is_anew = self.hours.as_ref().is_none_or(|hours| hours.end > MAX_HOURS);
            (changes, is_anew.then(|| state.hours.file()))
        };
        if self.may_try().is_err() {
            return;
        }
        let path = self.folder.join(HOURS);
        let written = match (file, self.hours.take()) {
            (None, Some(mut hours)) => hours.write(&changes).map(|()| hours),
            (file, _) => {
                let file = file.unwrap_or_default();
                let end = u64::try_from(file.len()).unwrap_or(0);
                files::replace(&path, &file).and_then(|()| Ending::at(path.clone(), end))
            }
        };
        match written {
            Ok(hours) => {
                self.hours = Some(hours);
                self.shared.state().hours.written();
            }
            Err(error) => drop(self.fail(&path, &error)),
        }
    }

    fn remove_what_is_old(&mut self) {
        if self.lock.is_none() {
            return;
        }
        let (keeping, segments) = {
            let state = self.shared.state();
            (state.keeping, state.segments.clone())
        };
        // The one that is being filled stays, as do those of a newer version.
        let path = self.filling.as_ref().map(|filling| &filling.file.path);
        let is_ours =
            |segment: &Arc<Segment>| !matches!(segment.kind, Kind::Newer(_)) && Some(&segment.path) != path;
        let (ours, others): (Vec<_>, Vec<_>) = segments.into_iter().partition(is_ours);
        let others: u64 = others.iter().map(|segment| segment.bytes).sum();
        let others = others.saturating_add(self.tail.as_ref().map_or(0, |tail| tail.end));
        let mut held: Vec<retain::Held> = ours
            .iter()
            .map(|segment| retain::Held {
                bytes: segment.bytes,
                latest: segment.latest,
                old_since: self.old.get(&segment.path).copied(),
            })
            .collect();
        let clock = &self.shared.clock;
        let places = gone(&mut held, others, &keeping, clock.now(), clock.steady());
        let marked = ours.iter().zip(&held);
        self.old =
            marked.filter_map(|(segment, held)| Some((segment.path.clone(), held.old_since?))).collect();
        for segment in places.into_iter().filter_map(|place| ours.get(place)) {
            match files::remove(&segment.path) {
                Ok(()) => self.shared.state().segments.retain(|other| other.path != segment.path),
                Err(error) => drop(self.fail(&segment.path, &error)),
            }
        }
    }

    /// From now on something else is kept. What has come before is written as it came.
    fn keep(&mut self, keeping: Keeping) {
        let before = std::mem::replace(&mut self.shared.state().keeping, keeping);
        if before.rows != keeping.rows && self.write_block().is_ok() {
            self.end_segment();
        }
        self.remove_what_is_old();
    }

    /// The segments without what could tell what these clients asked for.
    fn forget(&mut self, clients: &[IpAddr]) -> io::Result<u64> {
        self.must_have_lock()?;
        // With every row in a segment that has ended, the files are all there is.
        self.write_block().map_err(|NotWritten| io::Error::other("the rows that wait can not be written"))?;
        self.end_segment();
        let mut forgotten = 0;
        let segments = self.shared.state().segments.clone();
        for segment in segments.iter().filter(|segment| segment.kind == Kind::Segment) {
            let Some((anew, rows)) = without_clients(segment, clients)? else { continue };
            files::replace(&segment.path, &anew)?;
            forgotten += rows;
            let anew = Arc::new(Segment::read(segment.path.clone())?);
            let mut state = self.shared.state();
            state.segments.iter_mut().filter(|other| other.path == segment.path).for_each(|other| {
                *other = Arc::clone(&anew);
            });
        }
        self.shared.revision.fetch_add(1, Ordering::Release);
        Ok(forgotten)
    }

    fn must_have_lock(&self) -> io::Result<()> {
        let why = "another process has the query log, or its folder can not be written to";
        self.lock.as_ref().map(drop).ok_or_else(|| io::Error::other(why))
    }

    fn clear(&mut self) -> io::Result<()> {
        self.must_have_lock()?;
        (self.filling, self.tail, self.hours) = (None, None, None);
        {
            let mut state = self.shared.state();
            state.open = Open::new(state.open.next());
            state.segments.clear();
            state.hours.clear();
            self.tail_next = state.open.next();
        }
        self.shared.revision.fetch_add(1, Ordering::Release);
        let mut removed = Ok(());
        let paths = files::segments(&self.folder)?.into_iter().map(|segment| segment.path);
        for path in [TAIL, HOURS].map(|name| self.folder.join(name)).into_iter().chain(paths) {
            removed = removed.and(files::remove(&path));
        }
        // What is still there is found again.
        self.shared.state().segments = files::segments(&self.folder)?.into_iter().map(Arc::new).collect();
        removed
    }

    /// Takes the folder, and takes up what is in it.
    pub(super) fn take_up(&mut self) {
        match self.try_take_up() {
            Ok(true) => {
                self.well();
                let is_off = self.shared.state().keeping.rows == Rows::Off;
                if is_off && self.write_block().is_ok() {
                    self.end_segment();
                }
            }
            Ok(false) => {
                self.retry_at = self.shared.clock.steady().saturating_add(RETRY);
                self.shared.state().trouble = Some(Trouble {
                    what: format!("another process writes the query log in `{}`", self.folder.display()),
                    help: "end it, or give one of them another state folder; rows are kept in memory, as many as have room, \
                           until then"
                        .to_owned(),
                });
            }
            Err(error) => drop(self.fail(&self.folder.clone(), &error)),
        }
    }

    fn try_take_up(&mut self) -> io::Result<bool> {
        let Some(lock) = files::take(&self.folder)? else { return Ok(false) };
        let segments = files::segments(&self.folder)?;
        let end = segments.iter().map(Segment::end).max().unwrap_or(0);
        let path = self.folder.join(TAIL);
        let (mut open, tail_end) = read_tail(&path, end)?;
        self.tail = Some(Ending::at(path, tail_end)?);
        let hours = std::fs::read(self.folder.join(HOURS)).unwrap_or_default();
        let hours = Hours::read(&hours).unwrap_or_default();
        self.tail_next = open.next();
        let mut state = self.shared.state();
        let State { open: newer, hours: counted, .. } = &mut *state;
        let mut lost = 0;
        for row in 0..newer.len() {
            let name =
                newer.columns.name.get(row).and_then(|name| newer.names.name(*name)).unwrap_or_default();
            lost += u64::from(open.copy(&newer.dictionary, &newer.columns, row, name).is_err());
        }
        counted.before(hours);
        state.open = open;
        state.segments = segments.into_iter().map(Arc::new).collect();
        drop(state);
        self.shared.lose(lost);
        self.lock = Some(lock);
        Ok(true)
    }

    fn may_try(&self) -> Result<(), NotWritten> {
        let may = self.lock.is_some() && self.shared.clock.steady() >= self.retry_at;
        if may { Ok(()) } else { Err(NotWritten) }
    }

    /// Says what is wrong, and that it is tried again later.
    fn fail(&mut self, path: &Path, error: &io::Error) -> NotWritten {
        self.retry_at = self.shared.clock.steady().saturating_add(RETRY);
        let help = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free space on the disk of the state folder, or give `size` in `[dns].log` a smaller value; it goes on by itself"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "let the user that polis runs as write to the state folder; it goes on by itself"
            }
            _ => "look at the disk of the state folder; it is tried again every few seconds",
        };
        let what = format!("the query log is not written: `{}`: {error}", path.display());
        self.shared.state().trouble = Some(Trouble { what, help: help.to_owned() });
        NotWritten
    }

    fn well(&self) {
        self.shared.state().trouble = None;
    }
}
