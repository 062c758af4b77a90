//! The compiled rules as the rest of the name server asks them: those of the lab file and of clicks, and those of lists.

use std::net::IpAddr;
use std::sync::Arc;

use crate::answer::{Outcome, Reason};
use crate::client::Client;
use crate::filter::{self, Matched, Question, Rules, Verdict};
use crate::plan::{Plan, Policy, SourceKind};

/// The most names that rules may call a client by; the most exact ones count.
const MAX_NAMES: usize = 4;

/// Both sets of rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters {
    /// Another number after every change.
    pub(crate) state: u32,
    /// Few, and made anew with every click.
    pub(crate) own: Arc<Rules>,
    /// Many, and made anew when a list has changed.
    pub(crate) lists: Arc<Rules>,
    /// The sources that are services.
    services: filter::ListSet,
}

impl Filters {
    pub(crate) fn new(state: u32, own: Arc<Rules>, lists: Arc<Rules>, plan: &Plan) -> Self {
        let services = plan.sources.iter().enumerate();
        let services = services.filter(|(_, source)| matches!(source.of, SourceKind::Service(_)));
        let services = services.filter_map(|(number, _)| crate::plan::list_id(number)).collect();
        Self { state, own, lists, services }
    }

    /// What rules say of a name that is asked for.
    pub(crate) fn decide(&self, name: &[u8], kind: u16, client: &Client, policy: &Policy) -> Verdict {
        self.with(name, kind, client, policy, filter::decide)
    }

    /// What they say of a name in an answer.
    pub(crate) fn decide_record(&self, name: &[u8], kind: u16, client: &Client, policy: &Policy) -> Verdict {
        self.with(name, kind, client, policy, filter::decide_record)
    }

    /// What they say of an address in an answer.
    pub(crate) fn decide_address(
        &self,
        address: IpAddr,
        kind: u16,
        client: &Client,
        policy: &Policy,
    ) -> Verdict {
        self.with(&[0], kind, client, policy, |sets, question| {
            filter::decide_address(sets, address, question)
        })
    }

    fn with<T>(
        &self,
        name: &[u8],
        kind: u16,
        client: &Client,
        policy: &Policy,
        ask: impl Fn(&[&Rules], &Question<'_>) -> T,
    ) -> T {
        let mut names = [""; MAX_NAMES];
        let mut count = 0;
        for (place, own) in names.iter_mut().zip(&client.names) {
            *place = own;
            count += 1;
        }
        let names = names.get(..count).unwrap_or_default();
        let client = filter::Client { address: Some(client.address), names, tags: policy.tags };
        ask(&[&self.own, &self.lists], &Question { name, kind, client: &client, lists: &policy.lists })
    }

    pub(crate) fn has_address_rules(&self) -> bool {
        self.own.has_address_rules() || self.lists.has_address_rules()
    }

    /// What a question is that is blocked for this reason.
    pub(crate) fn outcome_of(&self, reason: &Reason) -> Outcome {
        match reason {
            Reason::Rule(matched) if self.services.contains(matched.list) => Outcome::Service,
            _ => Outcome::Blocked,
        }
    }

    /// A rule in words, and what it is of.
    pub(crate) fn words_of(matched: &Matched, name: &[u8], plan: &Plan) -> (String, String) {
        let source = plan.sources.get(usize::from(matched.list.0));
        (matched.text(name), source.map_or_else(String::new, |source| source.name.clone()))
    }

    #[cfg(test)]
    pub(crate) fn of_rules(plan: &Plan) -> Self {
        let (own, _) = crate::own_rules::compile(plan);
        Self::new(1, Arc::new(own), Arc::default(), plan)
    }
}
