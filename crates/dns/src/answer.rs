//! What to say to one message. Pure: the plan, the message and the address of the client go in.

use std::net::IpAddr;

use crate::plan::{Plan, Record, is_local, reverse_apex};
use crate::wire::{self, Authority, Code, Name, OwnedBy, Query, Section, Unreadable, kind};

/// How long what the lab says may be kept, in seconds: short, because names move with their machines.
const TTL: u32 = 60;
/// The most aliases that are followed for one question.
const MAX_ALIASES: usize = 8;
/// The class of the internet (RFC 1035 section 3.2.4).
const INTERNET: u16 = 1;

/// What to do with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Send this.
    Say(Vec<u8>),
    /// Ask somebody else, and say what they say.
    Forward,
    /// Nothing: it is no question.
    Silent,
}

/// What to do with a message from a client; replies over UDP are at most what the client takes.
pub fn reply(plan: &Plan, message: &[u8], client: IpAddr, over: Transport) -> Reply {
    let query = match Query::parse(message) {
        Ok(query) => query,
        Err(Unreadable::Silent) => return Reply::Silent,
        Err(Unreadable::Say(code)) => return Reply::Say(wire::bare_reply(message, code)),
    };
    let limit = match over {
        Transport::Udp => query.udp_limit(),
        Transport::Tcp => usize::from(u16::MAX),
    };
    let plain =
        |code: Code| Reply::Say(wire::Reply::to(&query, message, code, Authority::Others).finish(limit));
    if query.edns.is_some_and(|edns| edns.version > 0) {
        return plain(Code::BadVers);
    }
    let zone = plan.zone_of(client);
    if zone.is_none() && !is_local(client) {
        return plain(Code::Refused);
    }
    if query.class != INTERNET || matches!(query.kind, kind::AXFR | kind::IXFR) {
        return plain(Code::Refused);
    }
    match local(plan, &query, message, zone) {
        Some(reply) => Reply::Say(reply.finish(limit)),
        None if plan.upstreams.is_empty() => plain(Code::ServFail),
        None => Reply::Forward,
    }
}

/// A reply that says only that no upstream answered.
pub(crate) fn failed(message: &[u8], over: Transport) -> Option<Vec<u8>> {
    let query = Query::parse(message).ok()?;
    let limit = if over == Transport::Udp { query.udp_limit() } else { usize::from(u16::MAX) };
    Some(wire::Reply::to(&query, message, Code::ServFail, Authority::Others).finish(limit))
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
    if let Some((address, labels)) = query.name.reverse_of() {
        return reverse(plan, query, message, address, labels);
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
fn reverse(
    plan: &Plan,
    query: &Query,
    message: &[u8],
    address: IpAddr,
    labels: usize,
) -> Option<wire::Reply> {
    let is_whole = labels == if address.is_ipv4() { 4 } else { 32 };
    let is_ours = labels > 0 && (plan.zone_of(address).is_some() || is_local(address));
    let names = plan.reverses.get(&address).filter(|_| is_whole);
    if names.is_none() && !is_ours {
        return None;
    }
    let code = if is_whole && names.is_none() { Code::NxDomain } else { Code::NoError };
    let mut reply = wire::Reply::to(query, message, code, Authority::Ours);
    match names {
        Some(names) if matches!(query.kind, kind::PTR | kind::ANY) => {
            for name in names {
                reply.name(OwnedBy::Question, kind::PTR, TTL, name);
            }
        }
        _ => {
            let apex = reverse_apex(plan, address).unwrap_or_else(|| query.name.clone());
            reply.soa(&apex, &plan.domain, TTL, Section::Beside);
        }
    }
    Some(reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan;

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
rewrites = { "*.wild.example" = "10.0.0.9", "alias.example" = "naxos.lab.example.net" }
"#;

    fn a_plan() -> Plan {
        let checked =
            lab::check(lab::Folder::from_texts([("lab.toml", LAB)]), &lab::Options::at("2026-11-01"));
        assert!(checked.faults.is_empty(), "{:?}", checked.faults);
        let lab = checked.usable().unwrap();
        plan(lab, &checked.follows, lab.machines.keys().next().unwrap()).unwrap()
    }

    fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend_from_slice(Name::parse(name).unwrap().wire());
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&INTERNET.to_be_bytes());
        message
    }

    /// What is said, as "code, authoritative, answers, beside", and the last bytes of the message.
    fn ask(name: &str, kind: u16, client: &str) -> (String, Vec<u8>) {
        let said = match reply(&a_plan(), &question(name, kind), client.parse().unwrap(), Transport::Udp) {
            Reply::Say(said) => said,
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
        check("wild.example", kind::A, "10.0.0.9", "Forward", &[]);
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
        check("10.in-addr.arpa", kind::SOA, "10.0.0.9", "0 ours 0 1", &[]);
        check("9.9.9.9.in-addr.arpa", kind::PTR, "10.0.0.9", "Forward", &[]);
        let six = wire::reverse_name("fd00::2".parse().unwrap());
        check(&six, kind::PTR, "10.0.0.9", "0 ours 1 0", &[]);
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
        let Reply::Say(said) = reply(&a_plan(), &message, "10.0.0.9".parse().unwrap(), Transport::Udp) else {
            panic!("nothing is said")
        };
        // BADVERS is 16: its upper bits stand in the OPT record, its lower ones in the header.
        assert_eq!((said[3] & 0x0F, said[said.len() - 6]), (0, 1));
    }
}
