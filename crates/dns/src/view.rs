//! What a running name server shows of itself: plain facts, for pages and for the command line.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::answer::Outcome;
use crate::block::Counts;

/// A name server as it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// How many names of the lab it answers.
    pub names: usize,
    /// Whom it asks for the rest, in this order.
    pub upstreams: Vec<SocketAddr>,
    /// The lists of names to block.
    pub lists: Vec<ListView>,
    /// What came of the lab's own rules.
    pub rules: Counts,
    /// How many different names are blocked or excepted, and the bytes that they take.
    pub blocked_names: usize,
    /// See there.
    pub blocked_bytes: usize,
    /// The answers of upstreams that are kept.
    pub cache: CacheView,
    /// What came of the questions since it was started: its measurements.
    pub metrics: Queries,
    /// The last questions, oldest first: who asks for what is known on this machine only.
    #[serde(default, rename = "private")]
    pub last: Vec<Last>,
}

/// A question, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Who asked.
    pub client: IpAddr,
    /// The name that was asked for.
    pub name: String,
    /// The kind of record: `AAAA`, or `TYPE65` as RFC 3597 writes those without a name here.
    pub kind: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// A list of names to block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListView {
    /// Its name in the lab file.
    pub name: String,
    /// Where it comes from, as it is written there.
    pub source: String,
    /// Whether it is followed.
    pub state: ListState,
}

impl std::fmt::Display for ListView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, source, state } = self;
        match state {
            ListState::Followed(counts) => write!(f, "list {name}: {counts}"),
            ListState::Out(why) => write!(f, "list {name} is not followed: {source}: {why}"),
            ListState::NotFetched => {
                write!(f, "list {name} is not followed: {source}: not fetched by this version")
            }
        }
    }
}

/// Whether a list is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", content = "with", rename_all = "kebab-case")]
pub enum ListState {
    /// It is, with what came of its lines.
    Followed(Counts),
    /// It is not, for this reason.
    Out(String),
    /// It is somewhere else, and this version fetches nothing.
    NotFetched,
}

/// The answers of upstreams that are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheView {
    /// How many there are.
    pub entries: usize,
    /// How many bytes they take, about.
    pub bytes: usize,
    /// How many questions were answered from here.
    pub hits: u64,
    /// How many were not.
    pub misses: u64,
}

/// How many questions had which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queries {
    /// Answered by what the lab says.
    #[serde(rename = "queries_local_total")]
    pub local: u64,
    /// Blocked by a list or a rule.
    #[serde(rename = "queries_blocked_total")]
    pub blocked: u64,
    /// Answered with what an upstream said before.
    #[serde(rename = "queries_cached_total")]
    pub cached: u64,
    /// Answered with what an upstream said to this question.
    #[serde(rename = "queries_forwarded_total")]
    pub forwarded: u64,
    /// Refused: from a stranger, or of a kind that is not answered.
    #[serde(rename = "queries_refused_total")]
    pub refused: u64,
    /// Not answered by any upstream, or too many at once.
    #[serde(rename = "queries_failed_total")]
    pub failed: u64,
}
