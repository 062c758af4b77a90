//! The log of questions, and what is looked for in it.

use ::dns::{Looked, Said, Search};
use runtime::{Millis, Seen};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Told, Trouble};
use crate::view::Eye;

/// How many rows a page has.
const MOST: u32 = 100;

/// What is looked for: the filters of the page, which stand in its address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// A client: an address or a part of one, or what the lab calls it.
    pub client: Option<String>,
    /// A part of the name.
    pub name: Option<String>,
    /// The word of an outcome.
    pub outcome: Option<String>,
    /// A part of the rule, the list, the policy or the upstream.
    pub reason: Option<String>,
    /// Only those before this one.
    pub before: Option<u64>,
}

impl LogFilter {
    /// The same as the name server understands it: it knows clients by their addresses.
    pub(crate) fn search(&self, seen: &Seen) -> Search {
        let client = self.client.as_ref().map(|client| {
            let called = Eye::of(seen).and_then(|eye| address_of(eye, client));
            called.unwrap_or_else(|| client.clone())
        });
        Search {
            client,
            name: self.name.clone(),
            outcome: self.outcome.clone(),
            reason: self.reason.clone(),
            before: self.before,
            most: MOST,
        }
    }
}

/// The log of questions of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DnsLog {
    /// Newest first.
    pub rows: Vec<Lookup>,
    /// Where older ones go on: the `before` of the next page.
    pub next: Option<u64>,
    /// Why these may not be all.
    pub note: Option<String>,
    /// Why there is nothing to show.
    pub trouble: Option<Trouble>,
}

/// A question, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Lookup {
    /// When, in milliseconds since 1970.
    pub at: Millis,
    /// Who asked: an address.
    pub client: String,
    /// What the lab calls that address.
    pub client_name: Option<String>,
    /// The name that was asked for.
    pub name: String,
    /// The kind of record.
    pub kind: String,
    /// What came of it, in a word.
    pub outcome: String,
    /// The code of the reply.
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

impl Lookup {
    /// The name without the dot at its end, as rules write it.
    pub(crate) fn bare(&self) -> &str {
        self.name.trim_end_matches('.')
    }
}

/// What the name server said of its log; none while no lab is followed.
pub(crate) fn log(seen: &Seen, told: Told) -> Option<DnsLog> {
    let eye = Eye::of(seen)?;
    Some(match told {
        Ok(Said::Log { rows, next, note }) => {
            DnsLog { rows: rows.iter().map(|row| lookup(eye, row)).collect(), next, note, trouble: None }
        }
        Ok(_) => DnsLog { trouble: Some(Trouble::odd()), ..DnsLog::default() },
        Err(trouble) => DnsLog { trouble: Some(trouble), ..DnsLog::default() },
    })
}

/// What the lab calls an address.
pub(super) fn called(eye: Eye<'_>, address: std::net::IpAddr) -> Option<String> {
    let reverse = eye.follows.reverses.iter().find(|reverse| reverse.address == address);
    reverse.map(|reverse| reverse.name.to_string())
}

/// The address of what the lab calls so: a whole name, or that in front of the lab's domain.
fn address_of(eye: Eye<'_>, client: &str) -> Option<String> {
    let whole = client.trim().trim_end_matches('.').to_lowercase();
    let under = format!("{whole}.{}", eye.lab.lab.domain);
    let reverse = eye.follows.reverses.iter().find(|reverse| {
        let name = reverse.name.to_string();
        name == whole || name == under
    });
    reverse.map(|reverse| reverse.address.to_string())
}

pub(super) fn lookup(eye: Eye<'_>, last: &Looked) -> Lookup {
    Lookup {
        at: last.at,
        client: last.client.to_string(),
        client_name: Some(last.who.clone())
            .filter(|who| !who.is_empty())
            .or_else(|| called(eye, last.client)),
        name: last.name.clone(),
        kind: last.kind.clone(),
        outcome: last.outcome.word().to_owned(),
        code: last.code.clone(),
        reason: last.reason.clone(),
        list: last.list.clone(),
        policy: last.policy.clone(),
        upstream: lab::mask_secrets(&last.upstream),
        security: last.security.clone(),
        over: last.over.clone(),
        micros: last.micros,
    }
}
