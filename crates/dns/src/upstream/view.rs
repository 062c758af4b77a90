//! What is shown of upstreams: plain structs for pages and metrics.

use std::sync::Arc;
use std::time::Duration;

/// All upstreams, and what concerns them together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpstreamsView {
    /// Each upstream that is named, once, in the order in which they are written.
    pub upstreams: Vec<UpstreamView>,
    /// How many questions are being asked now.
    pub asking: usize,
    /// How many questions found that the same one was being asked already, since the start.
    pub shared: u64,
    /// How many files are open for asking now: sockets and connections of all threads.
    pub open: usize,
}

/// One upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamView {
    /// As it is written in the lab file.
    pub written: Arc<str>,
    /// Whether it is encrypted.
    pub is_encrypted: bool,
    /// How many questions it was asked since the start, and how many of these it had no answer to.
    pub questions: u64,
    /// See `questions`.
    pub failures: u64,
    /// How many replies came that were not to what it was asked: late ones, broken ones, or guesses of somebody
    /// who would like to be it.
    pub wrong_replies: u64,
    /// What it takes on average of late; none if it never answered.
    pub mean: Option<Duration>,
    /// How it is doing.
    pub state: State,
    /// The last error in words, with how long ago it was; kept after it is well again.
    pub last_error: Option<(Arc<str>, Duration)>,
}

/// How an upstream is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was not asked yet.
    Unknown,
    /// It answers.
    Up,
    /// It has not answered for so long; it is tried again every few seconds.
    Failing(Duration),
}
