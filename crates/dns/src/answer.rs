//! What to say to one message. Pure: the plan, the message and the address of the client go in.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::block::{Blocks, Verdict};
use crate::plan::{Plan, Record, is_local};
use crate::wire::{
    self, Answered, Authority, Code, Explanation, Heard, Name, OwnedBy, Query, ReverseName, Section,
    Unreadable, WithOpt, kind,
};

/// How long what the lab says may be kept, in seconds: short, because names move with their machines.
const TTL: u32 = 60;
/// How long a blocked name may be kept, in seconds: who makes an exception does not want to wait for it.
const BLOCKED_TTL: u32 = 10;
/// The most aliases that are followed for one question.
const MAX_ALIASES: usize = 8;
/// The class of the internet (RFC 1035 section 3.2.4).
const INTERNET: u16 = 1;

/// What to do with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Send this.
    Say(Outcome, Vec<u8>),
    /// Ask somebody else, and say what they say.
    Forward,
    /// Nothing: it is no question.
    Silent,
}

/// What came of a question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The lab's own answer.
    Local,
    /// A list or a rule blocks the name.
    Blocked,
    /// What an upstream said before.
    Cached,
    /// What an upstream said to this question.
    Forwarded,
    /// From a stranger, or of a kind that is not answered.
    #[default]
    Refused,
    /// No upstream had an answer.
    Failed,
}

impl Outcome {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Blocked => "blocked",
            Self::Cached => "cached",
            Self::Forwarded => "forwarded",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What to do with a message from a client; replies over UDP are at most what the client takes.
pub fn reply(plan: &Plan, blocks: &Blocks, message: &[u8], client: IpAddr, over: Transport) -> Reply {
    let query = match Query::parse(message) {
        Ok(query) => query,
        Err(Unreadable::Silent) => return Reply::Silent,
        Err(Unreadable::Say(code)) => return Reply::Say(Outcome::Refused, wire::bare_reply(message, code)),
    };
    let limit = limit(&query, over);
    let plain = |outcome: Outcome, code: Code| {
        Reply::Say(outcome, wire::Reply::to(&query, message, code, Authority::Others).finish(limit))
    };
    if query.edns.is_some_and(|edns| edns.version > 0) {
        return plain(Outcome::Refused, Code::BadVers);
    }
    // Where a server listens for both, clients of IPv4 come with an address of IPv6 around theirs.
    let client = client.to_canonical();
    let zone = plan.zone_of(client);
    if zone.is_none() && !is_local(client) {
        return plain(Outcome::Refused, Code::Refused);
    }
    if query.class != INTERNET || matches!(query.kind, kind::AXFR | kind::IXFR) {
        return plain(Outcome::Refused, Code::Refused);
    }
    if let Some(reply) = local(plan, &query, message, zone) {
        return Reply::Say(Outcome::Local, reply.finish(limit));
    }
    if blocks.verdict(query.name.wire()) == Verdict::Blocked {
        return Reply::Say(Outcome::Blocked, blocked(plan, &query, message).finish(limit));
    }
    if plan.upstreams.is_empty() { plain(Outcome::Failed, Code::ServFail) } else { Reply::Forward }
}

/// The most that a reply may have.
fn limit(query: &Query, over: Transport) -> usize {
    match over {
        Transport::Udp => query.udp_limit(),
        Transport::Tcp => usize::from(u16::MAX),
    }
}

/// A reply that says what an upstream said so many seconds ago; without an answer, that nobody has one.
pub(crate) fn forwarded(
    query: &Query,
    message: &[u8],
    answered: Option<&Answered>,
    seconds: u32,
    over: Transport,
) -> Vec<u8> {
    match answered {
        Some(answered) => answered.reply_to(query, message, seconds, limit(query, over)),
        None => wire::Reply::to(query, message, Code::ServFail, Authority::Others).finish(limit(query, over)),
    }
}

/// What a client who asks with this message is told of what an upstream replied so many seconds ago: the steps
/// of a running server, without sockets. None if the reply is no answer to it.
pub fn pass_on(message: &[u8], heard: &[u8], seconds: u32, over: Transport) -> Option<Vec<u8>> {
    let query = Query::parse(message).ok()?;
    let &[high, low, ..] = heard else { return None };
    let question = wire::question_for(&query, u16::from_be_bytes([high, low]), WithOpt::Yes);
    if !wire::answers(heard, &question) {
        return None;
    }
    match Answered::read(heard, query.kind) {
        Heard::Answer(answered) => Some(forwarded(&query, message, Some(&answered), seconds, over)),
        Heard::Cut | Heard::NotUnderstood | Heard::Nothing => None,
    }
}

/// The reply for a blocked name: the address of nothing, which makes clients give up at once.
fn blocked(plan: &Plan, query: &Query, message: &[u8]) -> wire::Reply {
    let mut reply = wire::Reply::to(query, message, Code::NoError, Authority::Others);
    match query.kind {
        kind::A => reply.address(OwnedBy::Question, BLOCKED_TTL, Ipv4Addr::UNSPECIFIED.into()),
        kind::AAAA => reply.address(OwnedBy::Question, BLOCKED_TTL, Ipv6Addr::UNSPECIFIED.into()),
        _ => reply.soa(&query.name, &plan.domain, BLOCKED_TTL, Section::Beside),
    }
    reply.explain(Explanation::Blocked);
    reply
}

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram.
    Udp,
    /// Over a connection.
    Tcp,
}

/// What the lab itself says; none if the name is not its own.
fn local(plan: &Plan, query: &Query, message: &[u8], zone: Option<usize>) -> Option<wire::Reply> {
    if let Some(name) = query.name.reverse_of() {
        return reverse(plan, query, message, &name);
    }
    let record = plan.find(&query.name, zone);
    let is_ours = query.name.is_in(&plan.domain);
    match record {
        None if !is_ours => None,
        None => {
            let mut reply = wire::Reply::to(query, message, Code::NxDomain, Authority::Ours);
            reply.soa(&plan.domain, &plan.domain, TTL, Section::Beside);
            Some(reply)
        }
        Some(record) => records(plan, query, message, zone, record),
    }
}

fn records(
    plan: &Plan,
    query: &Query,
    message: &[u8],
    zone: Option<usize>,
    record: &Record,
) -> Option<wire::Reply> {
    let mut reply = wire::Reply::to(query, message, Code::NoError, Authority::Ours);
    let mut owner: Option<&Name> = None;
    let mut record = record;
    let mut is_answered = false;
    for _ in 0..MAX_ALIASES {
        let owned_by = owner.map_or(OwnedBy::Question, OwnedBy::Name);
        match record {
            Record::Addresses(addresses) => {
                for address in addresses.iter().filter(|address| wants(query.kind, address)) {
                    reply.address(owned_by, TTL, *address);
                    is_answered = true;
                }
                break;
            }
            Record::Alias(target) => {
                reply.name(owned_by, kind::CNAME, TTL, target);
                is_answered = true;
                owner = Some(target);
                match plan.find(target, zone) {
                    Some(next) if query.kind != kind::CNAME => record = next,
                    _ => break,
                }
            }
        }
    }
    if query.name == plan.domain && matches!(query.kind, kind::SOA | kind::ANY) {
        reply.soa(&plan.domain, &plan.domain, TTL, Section::Answer);
        is_answered = true;
    }
    if !is_answered {
        reply.soa(&plan.domain, &plan.domain, TTL, Section::Beside);
    }
    Some(reply)
}

fn wants(kind: u16, address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => matches!(kind, kind::A | kind::ANY),
        IpAddr::V6(_) => matches!(kind, kind::AAAA | kind::ANY),
    }
}

/// The name of an address of the lab, or that a private address has none.
fn reverse(plan: &Plan, query: &Query, message: &[u8], name: &ReverseName) -> Option<wire::Reply> {
    let names = plan.reverses.get(&name.address).filter(|_| name.is_whole());
    let zone = plan.reverse_zone(name);
    if names.is_none() && zone.is_none() {
        return None;
    }
    let zone = zone.unwrap_or_else(|| query.name.clone());
    let is_apex = query.name == zone;
    let is_there = names.is_some() || is_apex || plan.has_reverse_in(name);
    let code = if is_there { Code::NoError } else { Code::NxDomain };
    let mut reply = wire::Reply::to(query, message, code, Authority::Ours);
    match names {
        Some(names) if matches!(query.kind, kind::PTR | kind::ANY) => {
            for name in names {
                reply.name(OwnedBy::Question, kind::PTR, TTL, name);
            }
        }
        _ if is_apex && matches!(query.kind, kind::SOA | kind::ANY) => {
            reply.soa(&zone, &plan.domain, TTL, Section::Answer);
        }
        _ => reply.soa(&zone, &plan.domain, TTL, Section::Beside),
    }
    Some(reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan;
    use runtime::Given;

    const LAB: &str = r#"
[lab]
name = "home"
domain = "lab.example.net"
[sites]
here = {}
[zones]
lan = { site = "here", vlan = 10, cidr = ["10.0.0.0/24", "fd00::/64"] }
far = { site = "here", vlan = 20, cidr = "192.0.2.0/25" }
[routers]
gateway = { site = "here", kind = "linux" }
[machines]
naxos = { address = ["10.0.0.2", "fd00::2"] }
[apps.deep]
on = "naxos"
serve = { host = "a.b", port = 80, login = "own" }
[dns]
on = "naxos"
upstreams = ["9.9.9.9"]
rewrites = { "*.wild.example" = "10.0.0.9", "*.x.lab.example.net" = "10.0.0.9", "alias.example" = "naxos.lab.example.net" }
"#;

    fn a_plan() -> Plan {
        let checked =
            lab::check(lab::Folder::from_texts([("lab.toml", LAB)]), &lab::Options::at("2026-11-01"));
        assert!(checked.faults.is_empty(), "{:?}", checked.faults);
        let lab = checked.usable().unwrap();
        let machine = lab.machines.keys().next().unwrap();
        plan(&Given { lab, follows: &checked.follows, machine, overlay: &[], listen: None }).unwrap()
    }

    fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend_from_slice(Name::parse(name).unwrap().wire());
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&INTERNET.to_be_bytes());
        message
    }

    /// Blocks what the rules of the tests block.
    fn blocks() -> Blocks {
        let mut compiler = crate::block::Compiler::default();
        let mut rules = compiler.list();
        rules.feed(b"||ads.example^\n||lab.example.net^\n||wild.example^\n||in-addr.arpa^\n@@||good.ads.example^").unwrap();
        rules.finish().unwrap();
        compiler.finish()
    }

    fn said(message: &[u8], client: &str) -> Reply {
        reply(&a_plan(), &blocks(), message, client.parse().unwrap(), Transport::Udp)
    }

    /// What is said, as "code, authoritative, answers, beside", and the last bytes of the message.
    fn ask(name: &str, kind: u16, client: &str) -> (String, Vec<u8>) {
        let said = match said(&question(name, kind), client) {
            Reply::Say(_, said) => said,
            other => return (format!("{other:?}"), Vec::new()),
        };
        let authority = if said[2] & 0x04 != 0 { "ours" } else { "others" };
        let counts = (said[7], said[9]);
        (format!("{} {authority} {} {}", said[3] & 0x0F, counts.0, counts.1), said)
    }

    #[track_caller]
    fn check(name: &str, kind: u16, client: &str, expected: &str, end: &[u8]) {
        let (said, message) = ask(name, kind, client);
        assert_eq!(said, expected, "{name}");
        assert!(message.ends_with(end), "{name}: {message:?}");
    }

    #[test]
    fn own_names_are_answered_with_authority() {
        check("naxos.lab.example.net", kind::A, "10.0.0.9", "0 ours 1 0", &[10, 0, 0, 2]);
        check("NAXOS.lab.example.net", kind::AAAA, "10.0.0.9", "0 ours 1 0", &[0, 0, 0, 0, 0, 0, 0, 2]);
        check("naxos.lab.example.net", kind::ANY, "10.0.0.9", "0 ours 2 0", &[]);
        check("naxos.lab.example.net", 16, "10.0.0.9", "0 ours 0 1", &[0, 0, 0, 60]);
        check("nobody.lab.example.net", kind::A, "10.0.0.9", "3 ours 0 1", &[0, 0, 0, 60]);
        check("lab.example.net", kind::SOA, "10.0.0.9", "0 ours 1 0", &[0, 0, 0, 60]);
        check("b.lab.example.net", kind::A, "10.0.0.9", "0 ours 0 1", &[]);
        check("a.b.lab.example.net", kind::A, "10.0.0.9", "0 ours 1 0", &[10, 0, 0, 2]);
    }

    #[test]
    fn answers_depend_on_the_zone_of_who_asks() {
        check("gateway.lab.example.net", kind::A, "10.0.0.9", "0 ours 1 0", &[10, 0, 0, 1]);
        check("gateway.lab.example.net", kind::A, "192.0.2.9", "0 ours 1 0", &[192, 0, 2, 1]);
        check("gateway.lab.example.net", kind::A, "127.0.0.1", "0 ours 1 0", &[10, 0, 0, 1]);
    }

    #[test]
    fn rewrites_and_aliases() {
        check("any.wild.example", kind::A, "10.0.0.9", "0 ours 1 0", &[10, 0, 0, 9]);
        check("wild.example", kind::A, "10.0.0.9", "0 others 1 0", &[0; 4]);
        check("alias.example", kind::A, "10.0.0.9", "0 ours 2 0", &[10, 0, 0, 2]);
        check("alias.example", kind::CNAME, "10.0.0.9", "0 ours 1 0", &[0]);
    }

    #[test]
    fn reverse_names_of_the_lab_and_of_private_networks_stay_here() {
        check(
            "2.0.0.10.in-addr.arpa",
            kind::PTR,
            "10.0.0.9",
            "0 ours 1 0",
            b"\x05naxos\x03lab\x07example\x03net\0",
        );
        check("3.0.0.10.in-addr.arpa", kind::PTR, "10.0.0.9", "3 ours 0 1", &[]);
        check("9.9.168.192.in-addr.arpa", kind::PTR, "10.0.0.9", "3 ours 0 1", &[]);
        check("10.in-addr.arpa", kind::SOA, "10.0.0.9", "0 ours 1 0", &[0, 0, 0, 60]);
        check("10.in-addr.arpa", kind::PTR, "10.0.0.9", "0 ours 0 1", &[]);
        check("0.0.10.in-addr.arpa", kind::PTR, "10.0.0.9", "0 ours 0 1", &[]);
        check("1.0.10.in-addr.arpa", kind::PTR, "10.0.0.9", "3 ours 0 1", &[]);
        for deep in
            ["x.2.0.0.10.in-addr.arpa", "1.2.0.0.10.in-addr.arpa", "lb._dns-sd._udp.0.0.10.in-addr.arpa"]
        {
            check(deep, kind::PTR, "10.0.0.9", "3 ours 0 1", &[]);
        }
        let six = wire::reverse_name("fd00::2".parse().unwrap());
        check(&six, kind::PTR, "10.0.0.9", "0 ours 1 0", &[]);
    }

    /// The name of the start of authority beside the answer, which has no other record.
    fn zone(name: &str) -> String {
        let (_, message) = ask(name, kind::PTR, "10.0.0.9");
        let begin = wire::HEADER + Name::parse(name).unwrap().wire().len() + 4;
        let rest = message.get(begin..).unwrap_or_default();
        let mut at = 0;
        while rest[at] > 0 {
            at += 1 + usize::from(rest[at]);
        }
        let text: Vec<u8> = rest[..at].iter().map(|byte| if *byte < 32 { b'.' } else { *byte }).collect();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_reverse_name_lies_in_the_zone_that_nobody_else_knows() {
        for (name, expected) in [
            ("7.7.168.192.in-addr.arpa", ".168.192.in-addr.arpa"),
            ("7.7.20.172.in-addr.arpa", ".20.172.in-addr.arpa"),
            ("7.7.254.169.in-addr.arpa", ".254.169.in-addr.arpa"),
            ("7.0.0.10.in-addr.arpa", ".10.in-addr.arpa"),
            ("1.0.0.127.in-addr.arpa", ".127.in-addr.arpa"),
            ("x.7.2.0.192.in-addr.arpa", ".7.2.0.192.in-addr.arpa"),
            ("1.0.8.e.f.ip6.arpa", ".8.e.f.ip6.arpa"),
            ("1.0.d.f.ip6.arpa", ".d.f.ip6.arpa"),
        ] {
            assert_eq!(zone(name), expected, "{name}");
        }
    }

    #[test]
    fn a_block_of_which_only_a_part_is_ours_is_asked_for() {
        let plan = a_plan();
        for (name, ours) in [
            ("192.in-addr.arpa", false),
            ("2.0.192.in-addr.arpa", false),
            ("9.2.0.192.in-addr.arpa", true),
            ("200.2.0.192.in-addr.arpa", false),
            ("172.in-addr.arpa", false),
            ("16.172.in-addr.arpa", true),
            ("0.ip6.arpa", false),
            ("9.9.9.9.in-addr.arpa", false),
        ] {
            let name = Name::parse(name).unwrap().reverse_of().unwrap();
            assert_eq!(plan.reverse_zone(&name).is_some(), ours, "{name:?}");
        }
    }

    #[test]
    fn blocked_names_have_the_address_of_nothing() {
        check("ads.example", kind::A, "10.0.0.9", "0 others 1 0", &[0, 0, 0, 10, 0, 4, 0, 0, 0, 0]);
        check("x.ads.example", kind::AAAA, "10.0.0.9", "0 others 1 0", &[0; 16]);
        check("ads.example", 65, "10.0.0.9", "0 others 0 1", &[0, 0, 0, 10]);
        check("good.ads.example", kind::A, "10.0.0.9", "Forward", &[]);
        let mut message = question("ads.example", kind::A);
        message[11] = 1;
        message.extend_from_slice(&[0, 0, 41, 4, 0xD0, 0, 0, 0x80, 0, 0, 0]);
        let Reply::Say(Outcome::Blocked, said) = said(&message, "10.0.0.9") else {
            panic!("it is not blocked")
        };
        // The OPT record says that signatures are understood, and why there is no other answer.
        assert!(said.ends_with(&[0, 0, 41, 4, 0xD0, 0, 0, 0x80, 0, 0, 6, 0, 15, 0, 2, 0, 15]), "{said:?}");
    }

    #[test]
    fn what_the_lab_says_is_never_blocked() {
        check("naxos.lab.example.net", kind::A, "10.0.0.9", "0 ours 1 0", &[10, 0, 0, 2]);
        check("nobody.lab.example.net", kind::A, "10.0.0.9", "3 ours 0 1", &[]);
        check("any.wild.example", kind::A, "10.0.0.9", "0 ours 1 0", &[10, 0, 0, 9]);
        check("2.0.0.10.in-addr.arpa", kind::PTR, "10.0.0.9", "0 ours 1 0", &[]);
    }

    #[test]
    fn a_client_of_ipv4_may_come_with_an_address_of_ipv6() {
        check("gateway.lab.example.net", kind::A, "::ffff:192.0.2.9", "0 ours 1 0", &[192, 0, 2, 1]);
        check("naxos.lab.example.net", kind::A, "::ffff:198.51.100.1", "5 others 0 0", &[]);
    }

    #[test]
    fn above_a_wildcard_is_a_name_without_records() {
        check("y.x.lab.example.net", kind::A, "10.0.0.9", "0 ours 1 0", &[10, 0, 0, 9]);
        check("x.lab.example.net", kind::A, "10.0.0.9", "0 ours 0 1", &[]);
        check("z.y.x.lab.example.net", kind::A, "10.0.0.9", "3 ours 0 1", &[]);
    }

    #[test]
    fn what_is_not_ours_is_forwarded_and_strangers_are_refused() {
        check("example.org", kind::A, "10.0.0.9", "Forward", &[]);
        check("example.org", kind::A, "198.51.100.1", "5 others 0 0", &[]);
        check("naxos.lab.example.net", kind::A, "2001:db8::1", "5 others 0 0", &[]);
        check("example.org", kind::AXFR, "10.0.0.9", "5 others 0 0", &[]);
    }

    #[test]
    fn a_newer_edns_is_told_so() {
        let mut message = question("naxos.lab.example.net", kind::A);
        message[11] = 1;
        message.extend_from_slice(&[0, 0, 41, 4, 0xD0, 0, 1, 0, 0, 0, 0]);
        let Reply::Say(Outcome::Refused, said) = said(&message, "10.0.0.9") else {
            panic!("it is not refused")
        };
        // BADVERS is 16: its upper bits stand in the OPT record, its lower ones in the header.
        assert_eq!((said[3] & 0x0F, said[said.len() - 6]), (0, 1));
    }
}
