//! The decisions of a server without its sockets: what a plan and its own rules say to a message, and what a client is told
//! of what an upstream says. For programs that try messages out.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Decision, From, Transport, decide};
use crate::client::{Seen, WeekTime, client};
use crate::filters::Filters;
use crate::plan::Plan;
use crate::wire::{Answered, Heard, Lives, Query, Telling};

/// A plan with its own rules compiled; its lists are not read.
#[derive(Debug)]
pub struct Alone {
    plan: Plan,
    filters: Filters,
}

impl Alone {
    /// Of a plan.
    pub fn new(plan: Plan) -> Self {
        let (own, _) = crate::own_rules::compile(&plan);
        let filters = Filters::new(1, Arc::new(own), Arc::default(), &plan);
        Self { plan, filters }
    }

    /// What is said to a message from this client; none if nothing is, or if others have to be asked.
    pub fn reply(&self, message: &[u8], address: IpAddr, over: Transport) -> Option<Vec<u8>> {
        let client = client(&self.plan, Seen { address, mac: None, id: None }, WeekTime::default());
        let from = From { plan: &self.plan, filters: &self.filters, is_paused: false };
        match decide(from, message, &client, over) {
            Decision::Say(reply, _) => Some(reply),
            Decision::Silent(_) | Decision::Ask(_) => None,
        }
    }
}

/// What a client who asks with this message is told of what an upstream replied to the same question so many seconds ago;
/// none if the reply is no answer.
pub fn pass_on(message: &[u8], heard: &[u8], seconds: u32, over: Transport) -> Option<Vec<u8>> {
    let query = Query::parse(message).ok()?;
    match Answered::read(heard, query.kind, Lives::default()) {
        Heard::Answer(answered) => {
            let telling = Telling { seconds, ..Telling::default() };
            Some(answered.reply_to(&query, message, telling, super::limit(&query, over)))
        }
        Heard::Cut | Heard::NotUnderstood | Heard::Nothing => None,
    }
}
