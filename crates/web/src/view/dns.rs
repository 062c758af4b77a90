//! The name servers: what they answer, what they did, and the last questions.

use runtime::{Millis, Seen};
use schemars::JsonSchema;
use serde::Serialize;

use super::overview::{ServiceRow, service};
use super::{Eye, Line};

/// The name servers of the lab.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DnsView {
    /// The service over all its machines; none if the lab has no name server.
    pub service: Option<ServiceRow>,
    /// The lab's domain.
    pub domain: String,
    /// The names that they answer.
    pub names: Vec<DnsName>,
    /// How many there are, whatever was searched for.
    pub names_in_all: usize,
    /// Each machine that says what its name server did.
    pub machines: Vec<DnsMachine>,
    /// Machines that did not say, and why.
    pub silent: Vec<(String, String)>,
    /// The last questions that this machine was asked, newest first. Those of other machines are shown there only.
    pub lookups: Vec<Lookup>,
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

/// What a name server did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DnsMachine {
    /// Its machine.
    pub machine: String,
    /// Where it listens.
    pub listen: Vec<String>,
    /// Whom it asks for what it does not know.
    pub upstreams: Vec<String>,
    /// Questions answered by what the lab says.
    pub local: u64,
    /// Questions that were blocked.
    pub blocked: u64,
    /// Answered with what an upstream said before.
    pub cached: u64,
    /// Answered with what an upstream said to this question.
    pub forwarded: u64,
    /// Refused.
    pub refused: u64,
    /// Not answered by any upstream.
    pub failed: u64,
    /// Names that are blocked.
    pub blocked_names: usize,
    /// The lists, in words.
    pub lists: Vec<String>,
    /// Answers that are kept.
    pub cache_entries: usize,
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
}

/// What name servers said of themselves: each with what it shows, or why it does not.
pub(crate) type NameServersAsked = Vec<(String, Result<::dns::View, String>)>;

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
                lookups.extend(view.last.iter().map(|last| lookup(eye, last)));
                machines.push(machine_of(machine, &view));
            }
            Err(why) => silent.push((machine, why)),
        }
    }
    lookups.sort_by_key(|lookup| std::cmp::Reverse(lookup.at));
    Some(DnsView {
        service: placed.map(|placed| service(eye, &placed)),
        domain: eye.lab.lab.domain.to_string(),
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

fn machine_of(machine: String, view: &::dns::View) -> DnsMachine {
    DnsMachine {
        machine,
        listen: view.listen.iter().map(ToString::to_string).collect(),
        upstreams: view.upstreams.iter().map(ToString::to_string).collect(),
        local: view.metrics.local,
        blocked: view.metrics.blocked,
        cached: view.metrics.cached,
        forwarded: view.metrics.forwarded,
        refused: view.metrics.refused,
        failed: view.metrics.failed,
        blocked_names: view.blocked_names,
        lists: view.lists.iter().map(ToString::to_string).collect(),
        cache_entries: view.cache.entries,
    }
}

fn lookup(eye: Eye<'_>, last: &::dns::Last) -> Lookup {
    let reverse = eye.follows.reverses.iter().find(|reverse| reverse.address == last.client);
    Lookup {
        at: last.at,
        client: last.client.to_string(),
        client_name: reverse.map(|reverse| reverse.name.to_string()),
        name: last.name.clone(),
        kind: last.kind.clone(),
        outcome: last.outcome.word().to_owned(),
    }
}
