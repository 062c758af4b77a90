//! What pages and commands of a machine ask its name server, and what it says.

use std::net::IpAddr;

use runtime::Millis;
use serde::{Deserialize, Serialize};

use crate::view::Looked;

/// A question to the name server itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Question {
    /// Which questions were there?
    Log(Search),
    /// What came of the questions of the last hours?
    Statistics {
        /// How many hours.
        hours: u32,
    },
    /// What would be said to this client, and why?
    Why {
        /// The name.
        name: String,
        /// The kind of record; `A` if it is not said.
        #[serde(default)]
        kind: Option<String>,
        /// The client: an address, or the name of a device or machine of the lab; this machine if it is not said.
        #[serde(default)]
        client: Option<String>,
    },
    /// Forget the answers of upstreams: those of a name and what is under it, or all.
    Flush {
        /// Which.
        #[serde(default)]
        name: Option<String>,
    },
    /// Fetch lists now: one, or all.
    Refresh {
        /// Which.
        #[serde(default)]
        list: Option<String>,
    },
    /// Let the filters rest for so many seconds; 0 ends that.
    Pause {
        /// How long.
        seconds: u32,
        /// Who wants that.
        who: String,
    },
    /// Remove everything from the log.
    ForgetLog {
        /// Who wants that.
        who: String,
    },
}

/// Which questions of the log are meant: all that fit everything that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Search {
    /// An address, or a part of one.
    pub client: Option<String>,
    /// A part of the name.
    pub name: Option<String>,
    /// The word of an outcome: `blocked`.
    pub outcome: Option<String>,
    /// A part of the rule, the list, the policy or the upstream.
    pub reason: Option<String>,
    /// Only those before this one: what an answer says as `next`.
    pub before: Option<u64>,
    /// At most so many; 100 if it is 0.
    pub most: u32,
}

/// What the name server says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "says", rename_all = "kebab-case")]
pub enum Said {
    /// To `log`.
    Log {
        /// Newest first.
        rows: Vec<Looked>,
        /// Where older ones go on, if there are any.
        next: Option<u64>,
        /// Why these may not be all, if so.
        note: Option<String>,
    },
    /// To `statistics`.
    Statistics(Statistics),
    /// To `why`.
    Why(Why),
    /// To `flush`: how many answers were forgotten.
    Flushed {
        /// How many.
        answers: usize,
    },
    /// It is done.
    Done,
}

/// What came of the questions of some hours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// One for each hour, oldest first.
    pub hours: Vec<Hour>,
    /// Who asked most.
    pub clients: Vec<(IpAddr, u64)>,
    /// What was asked for most.
    pub names: Vec<(String, u64)>,
    /// What was blocked most.
    pub blocked: Vec<(String, u64)>,
    /// Which lists blocked most.
    pub lists: Vec<(String, u64)>,
    /// Who answered most.
    pub upstreams: Vec<(String, u64)>,
}

/// What came of the questions of an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hour {
    /// When it began.
    pub at: Millis,
    /// How many questions there were.
    pub questions: u64,
    /// How many were blocked, for whatever reason.
    pub blocked: u64,
    /// How many had no answer.
    pub failed: u64,
    /// How long one took on average, in milliseconds.
    pub mean_millis: f64,
}

/// What would be said to a client, step by step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The name and the kind that were asked for.
    pub name: String,
    /// See there.
    pub kind: String,
    /// The client, and what the lab calls it.
    pub client: Whose,
    /// What was looked at, in this order: what it is, and what it says.
    pub steps: Vec<(String, String)>,
    /// What comes of it: `blocked`, or `asked` if upstreams are asked.
    pub outcome: String,
    /// What is answered, a record a line.
    pub answer: Vec<String>,
    /// Rules that would change it: a label and the rule to add.
    pub changes: Vec<(String, String)>,
}

/// A client in words: its address, and its names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whose {
    /// The address; none if it only has a name.
    pub address: Option<IpAddr>,
    /// What the lab calls it.
    pub names: Vec<String>,
}
