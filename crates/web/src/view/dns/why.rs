//! What would be said to a client about a name, step by step.

use ::dns::{Said, Why};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Told, Trouble};

/// What would be said to a client, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DnsWhy {
    /// The name and the kind that were asked for.
    pub name: String,
    /// See there.
    pub kind: String,
    /// The client: its address, and what the lab calls it.
    pub client: Option<String>,
    /// See there.
    pub client_names: Vec<String>,
    /// What was looked at, in this order.
    pub steps: Vec<WhyStep>,
    /// What comes of it, in a word; `asked` if upstreams are asked.
    pub outcome: String,
    /// What is answered, a record a line.
    pub answer: Vec<String>,
    /// Rules that would change it.
    pub changes: Vec<WhyChange>,
    /// Why there is nothing to show.
    pub trouble: Option<Trouble>,
}

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WhyStep {
    /// What.
    pub what: String,
    /// What it says.
    pub says: String,
}

/// A rule that would change what is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WhyChange {
    /// What it does, in words.
    pub label: String,
    /// The rule.
    pub rule: String,
}

/// What the name server said.
pub(crate) fn why(told: Told) -> DnsWhy {
    match told {
        Ok(Said::Why(said)) => of(said),
        Ok(_) => DnsWhy { trouble: Some(Trouble::odd()), ..DnsWhy::default() },
        Err(trouble) => DnsWhy { trouble: Some(trouble), ..DnsWhy::default() },
    }
}

fn of(said: Why) -> DnsWhy {
    DnsWhy {
        name: said.name,
        kind: said.kind,
        client: said.client.address.map(|address| address.to_string()),
        client_names: said.client.names,
        steps: said
            .steps
            .into_iter()
            .map(|(what, says)| WhyStep { what, says: lab::mask_secrets(&says) })
            .collect(),
        outcome: said.outcome,
        answer: said.answer,
        changes: said.changes.into_iter().map(|(label, rule)| WhyChange { label, rule }).collect(),
        trouble: None,
    }
}
