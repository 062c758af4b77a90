//! The name servers: how they are, what they follow, and the names that they answer.
//!
//! What this machine alone knows, as who asked for what, is in [`log`], [`numbers`] and [`why`].

mod log;
mod numbers;
mod why;

use std::collections::BTreeMap;

use ::dns::{ListState, Outcome, UpstreamState};
use runtime::{Millis, Seen};
use schemars::JsonSchema;
use serde::Serialize;

use super::overview::{ServiceRow, service};
use super::{Eye, Health, Line};

pub(crate) use log::log;
pub use log::{DnsLog, LogFilter, Lookup};
pub use numbers::{DnsNumbers, HourRow, Most};
pub(crate) use numbers::{HOURS, numbers};
pub(crate) use why::why;
pub use why::{DnsWhy, WhyChange, WhyStep};

/// How many of the last questions stand on the first page.
const LAST: usize = 20;

/// What this machine's name server said to a question, or why it did not, and what to do about that.
pub(crate) type Told = Result<::dns::Said, Trouble>;

/// What went wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Trouble {
    /// What went wrong.
    pub what: String,
    /// What to do.
    pub help: String,
}

impl Trouble {
    /// It said something, and nothing that fits the question.
    pub(crate) fn odd() -> Self {
        Self {
            what: "the name server said something else".to_owned(),
            help: "load the page again".to_owned(),
        }
    }
}

/// The name servers of the lab.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DnsView {
    /// The service over all its machines; none if the lab has no name server.
    pub service: Option<ServiceRow>,
    /// The lab's domain.
    pub domain: String,
    /// Whether this machine is one of the name servers: then it tells who asked for what.
    pub is_here: bool,
    /// The names that they answer.
    pub names: Vec<DnsName>,
    /// How many there are, whatever was searched for.
    pub names_in_all: usize,
    /// Each machine that says what its name server does, this one first.
    pub machines: Vec<DnsMachine>,
    /// Machines that did not say, and why.
    pub silent: Vec<(String, String)>,
    /// The last questions that this machine was asked, newest first. Those of other machines are shown there only.
    pub lookups: Vec<Lookup>,
}

impl DnsView {
    /// The name server of this machine, if it runs here and says something.
    pub(crate) fn own(&self) -> Option<&DnsMachine> {
        self.machines.iter().find(|machine| machine.is_here)
    }
}

/// A name of the lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DnsName {
    /// The name.
    pub name: String,
    /// What is answered.
    pub answer: String,
    /// What clients in a zone are told instead.
    pub by_zone: Vec<(String, String)>,
    /// What it is the name of.
    pub owner: String,
    /// The page of that.
    pub url: Option<String>,
    /// The lines that it follows from.
    pub lines: Vec<Line>,
}

/// A name server as it runs.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DnsMachine {
    /// Its machine.
    pub machine: String,
    /// Whether that is this one, which takes questions and changes.
    pub is_here: bool,
    /// Where it listens over UDP and TCP, over TLS, over HTTPS.
    pub listen: Vec<String>,
    /// See there.
    pub tls: Vec<String>,
    /// See there.
    pub https: Vec<String>,
    /// Whether answers are checked against signatures.
    pub validates: bool,
    /// Until when its filters are paused.
    pub paused_until: Option<Millis>,
    /// How many questions it was asked since it was started.
    pub questions: u64,
    /// What came of them: how many had each outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Whom it asks for what it does not know.
    pub upstreams: Vec<DnsUpstream>,
    /// What is done for whom; the first one is for everybody else.
    pub policies: Vec<DnsPolicy>,
    /// The lists of names to block and to allow.
    pub lists: Vec<DnsList>,
    /// How many different rules are followed in all, the file's own among them.
    pub rules: usize,
    /// How many of these are own ones.
    pub own_rules: usize,
    /// How many bytes all of them take.
    pub rules_bytes: usize,
    /// Own rules that are not followed: where they stand, the rule, and why.
    pub refused_rules: Vec<(String, String, String)>,
    /// The answers of upstreams that are kept.
    pub cache: DnsCache,
    /// The log of questions.
    pub log: DnsLogShown,
    /// The authority that devices have to trust to ask over TLS or HTTPS: the SHA-256 of its certificate, and that as PEM.
    pub authority: Option<(String, String)>,
}

impl DnsMachine {
    /// How many questions had one of these outcomes.
    pub(crate) fn of(&self, outcomes: &[Outcome]) -> u64 {
        outcomes.iter().filter_map(|outcome| self.outcomes.get(outcome.word())).sum()
    }

    /// How many of the servers that it asks do not answer.
    pub(crate) fn failing(&self) -> usize {
        self.upstreams.iter().filter(|upstream| upstream.health == Health::Down).count()
    }
}

/// A server that is asked.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DnsUpstream {
    /// As it is written, with plain secrets masked.
    pub name: String,
    /// How it is.
    pub health: Health,
    /// Whether it is asked under encryption.
    pub is_encrypted: bool,
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

/// What is done for some clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DnsPolicy {
    /// Its name; empty for that of everybody else.
    pub name: String,
    /// Whom it is for.
    pub who: Vec<String>,
    /// When it holds; always if there are none.
    pub when: Vec<String>,
    /// Whether it holds at this time.
    pub holds_now: bool,
    /// The lists, services and rules that hold.
    pub follows: Vec<String>,
    /// The searches that are made safe.
    pub safe_search: Vec<String>,
    /// The servers that are asked for it, if it has its own.
    pub upstreams: Vec<String>,
    /// Whether its questions stand in the log.
    pub is_logged: bool,
}

/// A list of names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DnsList {
    /// Its name in the lab file.
    pub name: String,
    /// Whether it is one of names that are never blocked.
    pub allows: bool,
    /// Where it comes from, with plain secrets masked.
    pub source: String,
    /// Whether it can be fetched.
    pub is_fetched: bool,
    /// How it is.
    pub health: Health,
    /// Why it is not followed.
    pub out: Option<String>,
    /// How many rules it has.
    pub rules: usize,
    /// How many of its lines are not followed, by why.
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
    pub trouble: Option<Trouble>,
    /// What somebody should know who reads this.
    pub notes: Vec<String>,
}

/// The answers of upstreams that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DnsCache {
    /// How many there are.
    pub entries: usize,
    /// How many bytes they take, about, and how many they may take.
    pub bytes: usize,
    /// See there.
    pub most: usize,
    /// How many questions were answered from here, and how many were not.
    pub hits: u64,
    /// See there.
    pub misses: u64,
}

/// The log of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DnsLogShown {
    /// Whether it is off.
    pub is_off: bool,
    /// Whether it says clients by their network only.
    pub is_anonymous: bool,
    /// How many rows it has, and how many bytes they take.
    pub rows: u64,
    /// See there.
    pub bytes: u64,
    /// How many rows could not be written.
    pub lost: u64,
}

/// What name servers said of themselves: each with what it shows, or why it does not.
pub(crate) type NameServersAsked = Vec<(String, Result<::dns::View, String>)>;

/// The machines that the lab has its name servers on.
pub(crate) fn on(seen: &Seen) -> Vec<&str> {
    let dns = seen.lab.lab.as_ref().and_then(|lab| lab.dns.as_ref());
    dns.map(|dns| dns.on.iter().map(|on| on.as_str()).collect()).unwrap_or_default()
}

/// Whether this machine is one of them.
pub(crate) fn is_here(seen: &Seen) -> bool {
    on(seen).contains(&seen.machine.as_str())
}

/// The name servers; none while no lab is followed.
pub(crate) fn dns(seen: &Seen, asked: NameServersAsked, text: Option<&str>) -> Option<DnsView> {
    let eye = Eye::of(seen)?;
    let placed = eye.lab.placed().into_iter().find(|placed| placed.service == ::dns::SERVICE);
    let names: Vec<DnsName> = eye.follows.names.iter().map(|own| name(eye, own)).collect();
    let names_in_all = names.len();
    let text = text.unwrap_or_default().to_lowercase();
    let has = |name: &DnsName| {
        name.name.contains(&text) || name.answer.contains(&text) || name.owner.contains(&text)
    };
    let (mut machines, mut silent, mut lookups) = (Vec::new(), Vec::new(), Vec::new());
    for (machine, said) in asked {
        match said {
            Ok(view) => {
                lookups.extend(view.own.last.iter().map(|last| log::lookup(eye, last)));
                machines.push(machine_of(machine == seen.machine.as_str(), machine, view));
            }
            Err(why) => silent.push((machine, why)),
        }
    }
    // The sort is stable: the others stay in the order of the lab file.
    machines.sort_by_key(|machine| !machine.is_here);
    lookups.sort_by_key(|lookup| std::cmp::Reverse(lookup.at));
    lookups.truncate(LAST);
    Some(DnsView {
        service: placed.map(|placed| service(eye, &placed)),
        domain: eye.lab.lab.domain.to_string(),
        is_here: is_here(seen),
        names: names.into_iter().filter(has).collect(),
        names_in_all,
        machines,
        silent,
        lookups,
    })
}

fn name(eye: Eye<'_>, own: &lab::Name) -> DnsName {
    let url = match &own.owner {
        lab::Owner::Machine(machine) => Some(format!("/machines/{machine}")),
        lab::Owner::App(app) => Some(format!("/apps/{app}")),
        lab::Owner::Device(device) => Some(format!("/network#device-{device}")),
        lab::Owner::Router(_) | lab::Owner::Gear(_) => Some("/network#gear".to_owned()),
        lab::Owner::Service(_) | lab::Owner::Rewrite => None,
    };
    DnsName {
        name: own.name.clone(),
        answer: own.answer.to_string(),
        by_zone: own.by_zone.iter().map(|(zone, answer)| (zone.to_string(), answer.to_string())).collect(),
        owner: own.owner.to_string(),
        url,
        lines: eye.lines(&own.from),
    }
}

fn machine_of(is_here: bool, machine: String, view: ::dns::View) -> DnsMachine {
    let counted = |outcome: &Outcome| (outcome.word().to_owned(), view.metrics.of(*outcome));
    let words = |all: &[std::net::SocketAddr]| all.iter().map(ToString::to_string).collect();
    let cache = view.cache;
    DnsMachine {
        machine,
        is_here,
        listen: words(&view.listen),
        tls: words(&view.tls),
        https: words(&view.https),
        validates: view.validates,
        paused_until: view.paused_until,
        questions: view.metrics.all(),
        outcomes: Outcome::ALL.iter().map(counted).collect(),
        upstreams: view.upstreams.into_iter().map(upstream).collect(),
        policies: view.policies.into_iter().map(policy).collect(),
        lists: view.lists.into_iter().map(list).collect(),
        rules: view.rules,
        own_rules: view.own_rules,
        rules_bytes: view.rules_bytes,
        refused_rules: view.refused_rules.into_iter().map(|own| (own.from, own.rule, own.why)).collect(),
        cache: DnsCache {
            entries: cache.entries,
            bytes: cache.bytes,
            most: cache.most,
            hits: cache.hits,
            misses: cache.misses,
        },
        log: DnsLogShown {
            is_off: view.log.is_off,
            is_anonymous: view.log.is_anonymous,
            rows: view.log.rows,
            bytes: view.log.bytes,
            lost: view.log.lost,
        },
        authority: view.authority.map(|own| (own.fingerprint, own.certificate)),
    }
}

fn upstream(own: ::dns::UpstreamShown) -> DnsUpstream {
    DnsUpstream {
        name: lab::mask_secrets(&own.name),
        health: match own.state {
            UpstreamState::Unknown => Health::Unknown,
            UpstreamState::Up => Health::Up,
            UpstreamState::Failing => Health::Down,
        },
        is_encrypted: own.is_encrypted,
        questions: own.questions,
        failures: own.failures,
        wrong_replies: own.wrong_replies,
        mean_millis: own.mean_millis,
        trouble: own.trouble.map(|trouble| lab::mask_secrets(&trouble)),
    }
}

fn policy(own: ::dns::PolicyShown) -> DnsPolicy {
    DnsPolicy {
        name: own.name,
        who: own.who,
        when: own.when,
        holds_now: own.holds_now,
        follows: own.follows,
        safe_search: own.safe_search,
        upstreams: own.upstreams.iter().map(|name| lab::mask_secrets(name)).collect(),
        is_logged: own.is_logged,
    }
}

fn list(own: ::dns::ListShown) -> DnsList {
    let (health, out) = match own.state {
        ListState::Followed if own.trouble.is_some() => (Health::Degraded, None),
        ListState::Followed => (Health::Up, None),
        ListState::Out(why) => (Health::Down, Some(lab::mask_secrets(&why))),
        ListState::Waiting => (Health::Pending, None),
    };
    let masked = |(what, help): (String, String)| Trouble {
        what: lab::mask_secrets(&what),
        help: lab::mask_secrets(&help),
    };
    DnsList {
        name: own.name,
        allows: own.allows,
        is_fetched: own.source.contains("://"),
        source: lab::mask_secrets(&own.source),
        health,
        out,
        rules: own.rules,
        not_followed: own.not_followed,
        fetched_at: own.fetched_at,
        checked_at: own.checked_at,
        next_at: own.next_at,
        fetching: own.fetching,
        trouble: own.trouble.map(masked),
        notes: own.notes,
    }
}
