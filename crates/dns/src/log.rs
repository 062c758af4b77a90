//! The query log: who asked for what, what was said and why, for as long as the owner wants it.
//!
//! A serving thread fills a [`Batch`] and hands it to the [`Logger`], which never makes it wait: what can not be
//! taken is dropped and counted. One thread writes; searching reads the files in the thread of whoever asks.
//!
//! On disk, in the folder `querylog`:
//!
//! - `SEQUENCE.rows`, a *segment*: rows in the order in which they came, in blocks of up to 8,192. A block has
//!   its rows as columns, and what is new in the dictionaries of its segment: names, clients, strings, and
//!   *shapes*, which are all that a row has besides time, client, name and latency. Every part has a checksum.
//!   A segment is written by one process and never touched again, other than by being removed as a whole.
//! - `tail`: the rows that do not fill a block yet, as small blocks with dictionaries of their own, a second
//!   after they came at the latest. They are taken up again at the next start.
//! - `hours`: how many questions each of the last hours had, and what came of them.
//! - `lock`: held by the process that writes.
//!
//! Invariants: a row has a number, one more than the row before it, and rows are found by number or by time,
//! whichever way the clock has jumped. An address that is to be anonymous is so before it is looked at for
//! anything else. A segment is outside input: what is torn or was changed is left out, and the rest is read. A file
//! of a newer version is neither read nor removed. With the log off, nothing is written.
//!
//! The rooms: `row` is what is noted, `open` the rows that are not in a segment yet, `dictionary` and `text` what rows
//! refer to, `wire` the bytes of a block, `segment` reads a file of them, `search` finds rows, `top` and `hours` count, `retain` says what is to go, and
//! `run` has the thread and the files.

mod dictionary;
mod hours;
mod open;
mod retain;
mod row;
mod run;
mod search;
mod segment;
mod text;
mod top;
mod wire;

pub use hours::{HOUR, Hour};
pub use row::{BATCH_ROWS, Batch, Code, Entry, Outcome, Row, Rule, RuleForm, Security, Taken, Transport};
pub use run::{Logger, Trouble};
pub use search::{ClientIs, Found, MAX_FOUND, NameIs, Search, read_bytes};
pub use top::{MAX_TOPS, Top, Tops, UpstreamTop, count_bytes};

/// The most rows of a block, and so the most that wait in memory for their file.
pub(crate) const BLOCK_ROWS: usize = 8_192;
/// The most rows of a segment.
const SEGMENT_ROWS: u64 = 1 << 20;

/// What is kept of the log, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Whether rows are written.
    pub rows: Rows,
    /// How long a row is found, in milliseconds. Its file goes a part of this later.
    pub age: runtime::Millis,
    /// The most bytes of all files together. The oldest go first.
    pub bytes: u64,
}

/// Which rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// With the address of who asked, and the name of the device or person if there is one.
    Full,
    /// With the network of who asked: 24 bits of an address of IPv4, 48 of one of IPv6.
    Anonymous,
    /// None. What was written before stays until its time is over, and can be found.
    Off,
}

impl Default for Keeping {
    /// Thirty days, and 256 MiB.
    fn default() -> Self {
        Self { rows: Rows::Full, age: 30 * 24 * HOUR, bytes: 256 << 20 }
    }
}

#[cfg(test)]
mod tests;
