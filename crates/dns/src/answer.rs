//! What to say to one message. Pure: the plan, the filters, the message and the client go in.
//!
//! The order in which it is decided is the same for every question: who may ask, what the lab itself says, what is
//! rewritten, what rules say, what is made safe, and only then whether somebody else is asked ([`Ask`]). What others
//! say is judged here too ([`heard`]).

mod alone;
mod filtered;
mod local;
mod outcome;
#[cfg(test)]
mod tests;
mod why;

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use lab::model::BlockingMode;
use serde::{Deserialize, Serialize};

use crate::client::{Client, May};
use crate::filter::{Rewrite, Verdict};
use crate::filters::Filters;
use crate::plan::Plan;
use crate::safe_search::{self, Says, Target};
use crate::wire::{
    self, Answered, Authority, Code, Explanation, Name, OwnedBy, Query, Section, Telling, Unreadable, kind,
};

pub use alone::{Alone, pass_on};
pub(crate) use filtered::heard;
pub use outcome::{Outcome, Reason};
pub(crate) use why::why;

/// How long what the lab says may be kept, in seconds: short, because names move with their machines.
const TTL: u32 = 60;
/// The class of the internet (RFC 1035 section 3.2.4).
const INTERNET: u16 = 1;
/// A name that tells browsers whether the network has a filter of its own: that it is not there makes them ask us.
const CANARY: &[u8] = b"\x13use-application-dns\x03net\x00";
/// Names that turn Apple's private relay off, which would go around the lab's filter.
const RELAYS: [&[u8]; 2] = [b"\x04mask\x06icloud\x03com\x00", b"\x07mask-h2\x06icloud\x03com\x00"];

/// What a message is answered from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct From<'f> {
    pub(crate) plan: &'f Plan,
    pub(crate) filters: &'f Filters,
    /// Whether somebody has paused the filters.
    pub(crate) is_paused: bool,
}

/// How a message came. The log on disk has the place in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// In a datagram.
    #[default]
    Udp,
    /// Over a connection.
    Tcp,
    /// Over TLS (RFC 7858).
    Tls,
    /// Over HTTPS (RFC 8484).
    Https,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Udp, Self::Tcp, Self::Tls, Self::Https];

    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Https => "https",
        }
    }
}

// The log tells texts apart by where they are in memory, so each of these is made once.
static NETWORK_FILTERS: LazyLock<Arc<str>> = LazyLock::new(|| "the network filters".into());
static RECORD: LazyLock<Arc<str>> = LazyLock::new(|| "record of the lab file".into());
static REWRITE: LazyLock<Arc<str>> = LazyLock::new(|| "rewrite of the lab file".into());
static SAFE_SEARCH: LazyLock<Arc<str>> = LazyLock::new(|| "safe search".into());

/// What to do with a message.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Nothing: it is no question, or comes from somebody who gets no answer.
    Silent(Account),
    /// Send this.
    Say(Vec<u8>, Account),
    /// Ask somebody else, or look at what they said before.
    Ask(Ask),
}

/// What came of a question, for the log and for people.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) outcome: Outcome,
    pub(crate) reason: Reason,
    pub(crate) code: u8,
}

/// What is asked of others.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) query: Query,
    /// The name that is asked for, if it is another one than the client's.
    pub(crate) alias: Option<Name>,
    /// Which upstreams.
    pub(crate) group: usize,
    /// What the account says besides where the answer came from.
    pub(crate) reason: Reason,
    /// The outcome, if it is another one than that somebody was asked.
    pub(crate) outcome: Option<Outcome>,
    /// Whether what is answered goes through the filters.
    pub(crate) is_filtered: bool,
    /// The most bytes of the reply.
    pub(crate) limit: usize,
}

impl Ask {
    /// The name that others are asked for.
    pub(crate) fn name(&self) -> &Name {
        self.alias.as_ref().unwrap_or(&self.query.name)
    }

    /// The reply that tells what somebody answered so many seconds ago.
    pub(crate) fn tell(
        &self,
        message: &[u8],
        answered: &Answered,
        seconds: u32,
        why: Option<Explanation>,
    ) -> Vec<u8> {
        let explanation = why.or(self.alias.as_ref().map(|_| Explanation::FORGED));
        let telling = Telling { seconds, alias: self.alias.as_ref().map(|alias| (alias, TTL)), explanation };
        answered.reply_to(&self.query, message, telling, self.limit)
    }

    /// The reply that nobody had an answer.
    pub(crate) fn tell_failure(&self, message: &[u8], why: Explanation) -> Vec<u8> {
        let mut reply = wire::Reply::to(&self.query, message, Code::ServFail, Authority::Others);
        reply.explain(why);
        reply.finish(self.limit)
    }
}

/// What to do with a message from a client; replies over UDP are at most what the client takes.
pub(crate) fn decide(from: From<'_>, message: &[u8], client: &Client, over: Transport) -> Decision {
    let refused = |code: u8| Account { outcome: Outcome::Refused, reason: Reason::None, code };
    if client.may == May::Denied && over == Transport::Udp {
        return Decision::Silent(refused(Code::Refused as u8));
    }
    let query = match Query::parse(message) {
        Ok(query) => query,
        Err(Unreadable::Silent) => return Decision::Silent(refused(Code::FormErr as u8)),
        Err(Unreadable::Say(code)) => {
            return Decision::Say(wire::bare_reply(message, code), refused(code as u8));
        }
    };
    let plain = |code: Code, why: Option<Explanation>| {
        let mut reply = wire::Reply::to(&query, message, code, Authority::Others);
        if let Some(why) = why {
            reply.explain(why);
        }
        Decision::Say(reply.finish(limit(&query, over)), refused(code as u8))
    };
    if query.edns.is_some_and(|edns| edns.version > 0) {
        return plain(Code::BadVers, None);
    }
    if client.may != May::Ask {
        return plain(Code::Refused, Some(Explanation::PROHIBITED));
    }
    if query.class != INTERNET || matches!(query.kind, kind::AXFR | kind::IXFR) {
        return plain(Code::Refused, None);
    }
    Question { from, query: &query, message, client, limit: limit(&query, over) }.decide()
}

/// The most that a reply may have.
fn limit(query: &Query, over: Transport) -> usize {
    match over {
        Transport::Udp => query.udp_limit(),
        Transport::Tcp | Transport::Tls | Transport::Https => usize::from(u16::MAX),
    }
}

/// A question that may be asked.
#[derive(Clone, Copy)]
struct Question<'q> {
    from: From<'q>,
    query: &'q Query,
    message: &'q [u8],
    client: &'q Client,
    limit: usize,
}

impl Question<'_> {
    fn decide(&self) -> Decision {
        let local = self.own();
        local.or_else(|| self.filtered()).unwrap_or_else(|| self.ask(None, Reason::None, None, true))
    }

    /// What the lab itself says, and what never goes outside.
    fn own(&self) -> Option<Decision> {
        let Self { from: From { plan, .. }, query, client, .. } = *self;
        let name = query.name.wire();
        if name == CANARY || RELAYS.contains(&name) {
            return Some(self.negative(
                Code::NxDomain,
                Outcome::Local,
                Reason::Text(Arc::clone(&NETWORK_FILTERS)),
            ));
        }
        let own = plan.own_records(&query.name).into_iter().flatten();
        let alias = own
            .filter(|(of, _)| *of == kind::CNAME && query.kind != kind::CNAME)
            .find_map(|(_, data)| Name::of_wire(data));
        if let Some(target) = alias {
            return Some(self.alias(target, Reason::Text(Arc::clone(&RECORD)), Outcome::Local));
        }
        let nothing_else = local::reply(plan, query, self.message, client.zone);
        if let Some(reply) = nothing_else {
            return Some(self.say(reply, Outcome::Local, Reason::None));
        }
        let rewrite = plan.rewrite(&query.name);
        if let Some(rewrite) = rewrite.filter(|rewrite| !rewrite.keeps.contains(&query.kind)) {
            let reason = || Reason::Text(Arc::clone(&REWRITE));
            if let Some(alias) = &rewrite.alias {
                return Some(self.alias(alias.clone(), reason(), Outcome::Local));
            }
            let is_exception = rewrite.addresses.is_empty() && rewrite.keeps.is_empty();
            if !is_exception {
                return Some(self.addresses(&rewrite.addresses, TTL, Outcome::Local, reason()));
            }
        }
        if query.name.is_in(&plan.domain) {
            return Some(self.say(
                local::no_such_name(plan, query, self.message),
                Outcome::Local,
                Reason::None,
            ));
        }
        // For the whole internet nobody says everything that there is of a name (RFC 8482 section 4.2).
        if query.kind == kind::ANY {
            let mut reply = wire::Reply::to(query, self.message, Code::NoError, Authority::Others);
            reply.raw(OwnedBy::Question, kind::HINFO, 3600, b"\x07RFC8482\x00", Section::Answer);
            return Some(self.say(reply, Outcome::Local, Reason::None));
        }
        None
    }

    /// What rules, services and safe searches say of a name.
    fn filtered(&self) -> Option<Decision> {
        let Self { from, query, client, .. } = *self;
        if from.is_paused {
            return None;
        }
        let policy = from.plan.policies.get(client.policy)?;
        let verdict = from.filters.decide(query.name.wire(), query.kind, client, policy);
        match verdict {
            Verdict::Unlisted => {}
            Verdict::Allowed(matched) => {
                let reason = Reason::Rule(matched);
                return Some(
                    self.safe_search(&reason).unwrap_or_else(|| self.ask(None, reason, None, false)),
                );
            }
            Verdict::Blocked(matched) => return Some(self.blocked(&[], Reason::Rule(matched))),
            Verdict::BlockedWith(addresses, matched) => {
                return Some(self.blocked(&addresses, Reason::Rule(matched)));
            }
            Verdict::Rewritten(rewrite, matched) => {
                return Some(self.rewritten(&rewrite, Reason::Rule(matched)));
            }
        }
        self.safe_search(&Reason::None)
    }

    fn safe_search(&self, reason: &Reason) -> Option<Decision> {
        let policy = self.from.plan.policies.get(self.client.policy)?;
        let target = safe_search::rewrite(policy.safe_search, self.query.name.wire())?;
        let reason = match reason {
            Reason::None => Reason::Text(Arc::clone(&SAFE_SEARCH)),
            other => other.clone(),
        };
        match (target.says(self.query.kind), target) {
            (Says::Truth, _) => None,
            (Says::NoData, _) => Some(self.negative(Code::NoError, Outcome::SafeSearch, reason)),
            (Says::Itself, Target::Address(address)) => {
                Some(self.addresses(&[address.into()], TTL, Outcome::SafeSearch, reason))
            }
            (Says::Itself, Target::Alias(name)) => {
                Some(self.alias(Name::parse(name)?, reason, Outcome::SafeSearch))
            }
        }
    }

    /// The reply for a blocked name, as the lab file wants it; `own` are the addresses that a line of a hosts file says.
    fn blocked(&self, own: &[IpAddr], reason: Reason) -> Decision {
        let Self { from: From { plan, .. }, query, .. } = *self;
        let outcome = self.from.filters.outcome_of(&reason);
        let blocking = &plan.blocking;
        let nothing = [IpAddr::from([0_u8; 4]), IpAddr::from([0_u8; 16])];
        let addresses = match blocking.mode {
            // A line with an address of one kind answers nothing of the other.
            BlockingMode::Default if !own.is_empty() => {
                let missing =
                    nothing.iter().filter(|none| own.iter().all(|own| own.is_ipv4() != none.is_ipv4()));
                Some(own.iter().chain(missing).copied().collect())
            }
            BlockingMode::Default | BlockingMode::Null => Some(nothing.to_vec()),
            BlockingMode::Address => Some(blocking.addresses.clone()),
            BlockingMode::Nxdomain | BlockingMode::Nodata | BlockingMode::Refused => None,
        };
        let code = plan.blocked_code();
        let is_address = matches!(query.kind, kind::A | kind::AAAA);
        let mut reply = wire::Reply::to(query, self.message, code, Authority::Others);
        match addresses {
            Some(addresses) if is_address => {
                for address in addresses.into_iter().filter(|address| local::wants(query.kind, address)) {
                    reply.address(OwnedBy::Question, blocking.ttl, address);
                }
            }
            // Without a start of authority nobody remembers that there is none, as with the address of nothing.
            Some(_) if blocking.mode == BlockingMode::Null || query.kind == kind::HTTPS => {}
            _ if code == Code::Refused => {}
            _ => reply.soa(&query.name, &plan.domain, blocking.ttl, Section::Beside),
        }
        reply.explain(Explanation::BLOCKED);
        self.say(reply, outcome, reason)
    }

    /// What a rule with `$dnsrewrite` says.
    fn rewritten(&self, rewrite: &Rewrite, reason: Reason) -> Decision {
        let Self { query, .. } = *self;
        match rewrite {
            Rewrite::Code(code) => self.negative(Code::of(*code), Outcome::Rewritten, reason),
            Rewrite::Alias(name) => match Name::of_wire(name) {
                Some(name) => self.alias(name, reason, Outcome::Rewritten),
                None => self.negative(Code::ServFail, Outcome::Rewritten, reason),
            },
            Rewrite::Records(records) => {
                let mut reply = wire::Reply::to(query, self.message, Code::NoError, Authority::Others);
                for record in records {
                    reply.raw(
                        OwnedBy::Question,
                        record.kind,
                        self.from.plan.blocking.ttl,
                        &record.data,
                        Section::Answer,
                    );
                }
                reply.explain(Explanation::FORGED);
                self.say(reply, Outcome::Rewritten, reason)
            }
        }
    }

    fn addresses(&self, addresses: &[IpAddr], ttl: u32, outcome: Outcome, reason: Reason) -> Decision {
        let Self { from: From { plan, .. }, query, .. } = *self;
        let mut own = addresses.iter().filter(|address| local::wants(query.kind, address)).peekable();
        if own.peek().is_none() {
            return self.negative(Code::NoError, outcome, reason);
        }
        let authority = if outcome == Outcome::Local { Authority::Ours } else { Authority::Others };
        let mut reply = wire::Reply::to(query, self.message, Code::NoError, authority);
        for address in own {
            reply.address(OwnedBy::Question, ttl, *address);
        }
        if query.name.is_in(&plan.domain) || outcome == Outcome::Local {
            return self.say(reply, outcome, reason);
        }
        reply.explain(Explanation::FORGED);
        self.say(reply, outcome, reason)
    }

    /// A name that stands for another one: of the lab, or one that others are asked for.
    fn alias(&self, target: Name, reason: Reason, outcome: Outcome) -> Decision {
        let Self { from: From { plan, .. }, query, client, .. } = *self;
        if target == query.name {
            return self.ask(None, reason, None, false);
        }
        let rewrite = plan.rewrite(&target).filter(|rewrite| !rewrite.addresses.is_empty());
        let is_ours = target.is_in(&plan.domain)
            || plan.find(&target, client.zone).is_some()
            || plan.own_records(&target).is_some()
            || rewrite.is_some();
        if is_ours || query.kind == kind::CNAME {
            let mut reply = wire::Reply::to(query, self.message, Code::NoError, Authority::Ours);
            reply.name(OwnedBy::Question, kind::CNAME, TTL, &target);
            local::addresses_of(plan, query, client.zone, &target, &mut reply);
            for address in rewrite
                .iter()
                .flat_map(|rewrite| &rewrite.addresses)
                .filter(|address| local::wants(query.kind, address))
            {
                reply.address(OwnedBy::Name(&target), TTL, *address);
            }
            return self.say(reply, outcome, reason);
        }
        self.ask(Some(target), reason, Some(outcome), false)
    }

    fn negative(&self, code: Code, outcome: Outcome, reason: Reason) -> Decision {
        let Self { from: From { plan, .. }, query, .. } = *self;
        let authority = if outcome == Outcome::Local { Authority::Ours } else { Authority::Others };
        let mut reply = wire::Reply::to(query, self.message, code, authority);
        if matches!(code, Code::NoError | Code::NxDomain) {
            reply.soa(&query.name, &plan.domain, plan.blocking.ttl, Section::Beside);
        }
        self.say(reply, outcome, reason)
    }

    fn ask(
        &self,
        alias: Option<Name>,
        reason: Reason,
        outcome: Option<Outcome>,
        is_filtered: bool,
    ) -> Decision {
        let policy = self.from.plan.policies.get(self.client.policy);
        Decision::Ask(Ask {
            query: self.query.clone(),
            alias,
            group: policy.map_or(0, |policy| policy.group),
            reason,
            outcome,
            is_filtered: is_filtered && !self.from.is_paused,
            limit: self.limit,
        })
    }

    fn say(&self, reply: wire::Reply, outcome: Outcome, reason: Reason) -> Decision {
        let code = reply.code() as u8;
        Decision::Say(reply.finish(self.limit), Account { outcome, reason, code })
    }
}

/// The account of an answer that others gave.
pub(crate) fn account(ask: &Ask, answered: &Answered, otherwise: Outcome) -> Account {
    let outcome = ask.outcome.unwrap_or(otherwise);
    Account { outcome, reason: ask.reason.clone(), code: answered.code() as u8 }
}
