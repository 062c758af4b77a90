//! What a running name server shows of itself: plain facts, for pages and for the command line.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use runtime::Millis;
use serde::{Deserialize, Serialize};

use crate::answer::Outcome;

/// A name server as it runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct View {
    /// Where it listens over UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// Where it listens over TLS, and over HTTPS.
    pub tls: Vec<SocketAddr>,
    /// See there.
    pub https: Vec<SocketAddr>,
    /// The authority that devices have to trust to ask over TLS or HTTPS.
    pub authority: Option<AuthorityShown>,
    /// How many names of the lab it answers.
    pub names: usize,
    /// Whether answers are checked against signatures.
    pub validates: bool,
    /// Whom it asks, and how that goes.
    pub upstreams: Vec<UpstreamShown>,
    /// What is done for whom; the first is for everybody that no other one says.
    pub policies: Vec<PolicyShown>,
    /// The lists of names to block and to allow.
    pub lists: Vec<ListShown>,
    /// Own rules that are not followed, and why.
    pub refused_rules: Vec<RefusedRule>,
    /// How many own rules are followed.
    pub own_rules: usize,
    /// How many different names lists and rules say, and the bytes that all rules take.
    pub rules: usize,
    /// See there.
    pub rules_bytes: usize,
    /// The answers of upstreams that are kept.
    pub cache: CacheView,
    /// What came of questions since it was started: its measurements.
    pub metrics: Metrics,
    /// Until when the filters are paused.
    pub paused_until: Option<Millis>,
    /// The log of questions.
    pub log: LogShown,
    /// What only this machine tells.
    #[serde(rename = "private")]
    pub own: Own,
}

/// What is known on the machine only that was asked: who asks for what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Own {
    /// The last questions, newest first.
    pub last: Vec<Looked>,
}

/// An authority that devices have to trust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityShown {
    /// The SHA-256 of its certificate, as devices show it.
    pub fingerprint: String,
    /// Its certificate as PEM: nothing secret.
    pub certificate: String,
}

/// A server that is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpstreamShown {
    /// As it is written.
    pub name: String,
    /// Whether it is asked under encryption.
    pub is_encrypted: bool,
    /// How it is.
    pub state: UpstreamState,
    /// How many questions it was asked.
    pub questions: u64,
    /// How many it had no answer to.
    pub failures: u64,
    /// How many replies came that were to something else.
    pub wrong_replies: u64,
    /// How long an answer takes on average, in milliseconds.
    pub mean_millis: Option<f64>,
    /// The last error, in words.
    pub trouble: Option<String>,
}

/// How an upstream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpstreamState {
    /// It was not asked yet.
    Unknown,
    /// It answers.
    Up,
    /// It does not.
    Failing,
}

/// What is done for some clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyShown {
    /// Its name; empty for that of everybody.
    pub name: String,
    /// Whom it is for, in words.
    pub who: Vec<String>,
    /// When it holds, in words; always if there are none.
    pub when: Vec<String>,
    /// Whether it holds at this time.
    pub holds_now: bool,
    /// The lists, services and rules that hold, by name.
    pub follows: Vec<String>,
    /// The searches that are made safe.
    pub safe_search: Vec<String>,
    /// The servers that are asked for it, if it has its own.
    pub upstreams: Vec<String>,
    /// Whether its questions stand in the log.
    pub is_logged: bool,
}

/// A list of names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListShown {
    /// Its name in the lab file.
    pub name: String,
    /// Whether it is one of names that are never blocked.
    pub allows: bool,
    /// Where it comes from, as it is written.
    pub source: String,
    /// Whether it is followed.
    pub state: ListState,
    /// How many rules it has, and how many of its lines are not followed, by why.
    pub rules: usize,
    /// See there.
    pub not_followed: BTreeMap<String, usize>,
    /// When it was fetched; none for a file.
    pub fetched_at: Option<Millis>,
    /// When its server last said that there is nothing newer.
    pub checked_at: Option<Millis>,
    /// When it is fetched next.
    pub next_at: Option<Millis>,
    /// How many bytes have come, while it is being fetched.
    pub fetching: Option<u64>,
    /// What went wrong the last time, and what to do.
    pub trouble: Option<(String, String)>,
    /// What somebody should know who reads this.
    pub notes: Vec<String>,
}

/// Whether a list is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", content = "why", rename_all = "kebab-case")]
pub enum ListState {
    /// It is.
    Followed,
    /// It is not, for this reason.
    Out(String),
    /// It has not come yet.
    Waiting,
}

/// An own rule that is not followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRule {
    /// Where it stands: `own rules`, `rules by click`, `rules of NAME`.
    pub from: String,
    /// As it is written.
    pub rule: String,
    /// Why.
    pub why: String,
}

/// The answers of upstreams that are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheView {
    /// How many there are.
    pub entries: usize,
    /// How many bytes they take, about.
    pub bytes: usize,
    /// How many bytes they may take.
    #[serde(default)]
    pub most: usize,
    /// How many questions were answered from here.
    pub hits: u64,
    /// How many were not.
    pub misses: u64,
}

/// What came of questions since the start, as Prometheus reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// How many had each outcome: `queries_blocked_total`.
    #[serde(flatten)]
    pub counts: BTreeMap<String, u64>,
}

impl Metrics {
    /// The questions that had an outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.counts.get(&Self::key(outcome)).copied().unwrap_or(0)
    }

    /// All questions.
    pub fn all(&self) -> u64 {
        Outcome::ALL.iter().map(|outcome| self.of(*outcome)).sum()
    }

    /// The name of what counts an outcome.
    pub fn key(outcome: Outcome) -> String {
        format!("queries_{}_total", outcome.word().replace('-', "_"))
    }
}

/// The log of questions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogShown {
    /// Whether it is off.
    pub is_off: bool,
    /// Whether it says clients by their network only.
    pub is_anonymous: bool,
    /// How many rows it has, and how many bytes they take.
    pub rows: u64,
    /// See there.
    pub bytes: u64,
    /// How many rows were lost because they could not be written.
    pub lost: u64,
    /// Another number once there is something new.
    pub revision: u64,
}

/// A question, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// When, in milliseconds since 1970.
    pub at: Millis,
    /// Who asked.
    pub client: IpAddr,
    /// What the lab called that client; empty if nothing.
    #[serde(default)]
    pub who: String,
    /// The name that was asked for.
    pub name: String,
    /// The kind of record: `AAAA`, or `TYPE65` as RFC 3597 writes those without a name here.
    pub kind: String,
    /// What came of it.
    pub outcome: Outcome,
    /// The code of the reply: `NOERROR`, `NXDOMAIN`.
    pub code: String,
    /// The rule or the words that say why; empty for nothing in particular.
    pub reason: String,
    /// The list that the rule is of.
    pub list: String,
    /// The policy that was followed; empty for that of everybody.
    pub policy: String,
    /// Who answered; empty if nobody was asked.
    pub upstream: String,
    /// `secure`, `insecure`, `bogus`, or empty if nobody looked.
    pub security: String,
    /// `udp`, `tcp`, `tls`, `https`.
    pub over: String,
    /// How long it took, in microseconds.
    pub micros: u32,
}
