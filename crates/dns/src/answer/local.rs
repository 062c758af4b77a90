//! What the lab itself says of a name: its own names and records, reverse names, and names that nobody outside has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::TTL;
use crate::plan::{Plan, Record};
use crate::wire::{self, Authority, Code, Name, OwnedBy, Query, ReverseName, Section, kind};

/// Here it is asked for the encrypted ways of whoever answers. What the plan does not say is said by nobody else (RFC 9462
/// section 6.4).
const RESOLVER: &[u8] = b"\x08resolver\x04arpa\x00";
/// The most aliases that are followed for one question.
const MAX_ALIASES: usize = 8;
/// Domains that are not of the internet and must not be asked for there: RFC 6761 section 6.4, RFC 6762 section 22.1,
/// RFC 7686 section 2, RFC 8375 section 4.
const NOWHERE: [&[u8]; 4] = [b"\x07invalid\x00", b"\x05local\x00", b"\x05onion\x00", b"\x04home\x04arpa\x00"];
/// The name of the machine that asks (RFC 6761 section 6.3).
const LOCALHOST: &[u8] = b"\x09localhost\x00";

/// What the lab says; none if the name is not its own, or not there.
pub(super) fn reply(plan: &Plan, query: &Query, message: &[u8], zone: Option<usize>) -> Option<wire::Reply> {
    if let Some(records) = plan.own_records(&query.name) {
        return own_records(plan, query, message, zone, records);
    }
    if let Some(name) = query.name.reverse_of() {
        return reverse(plan, query, message, &name);
    }
    match plan.find(&query.name, zone) {
        // A rewrite may say something of a name that is only there because others are under it.
        Some(record) if *record == Record::default() && plan.rewrite(&query.name).is_some() => None,
        Some(record) => records(plan, query, message, zone, record),
        None => nowhere(plan, query, message),
    }
}

/// That there is no such name in the lab's domain.
pub(super) fn no_such_name(plan: &Plan, query: &Query, message: &[u8]) -> wire::Reply {
    let mut reply = wire::Reply::to(query, message, Code::NxDomain, Authority::Ours);
    reply.soa(&plan.domain, &plan.domain, TTL, Section::Beside);
    reply
}

/// What a name of nowhere answers.
fn nowhere(plan: &Plan, query: &Query, message: &[u8]) -> Option<wire::Reply> {
    let wire = query.name.wire();
    if wire.ends_with(LOCALHOST) && in_labels(&query.name, LOCALHOST) {
        let mut reply = wire::Reply::to(query, message, Code::NoError, Authority::Ours);
        match query.kind {
            kind::A => reply.address(OwnedBy::Question, TTL, Ipv4Addr::LOCALHOST.into()),
            kind::AAAA => reply.address(OwnedBy::Question, TTL, Ipv6Addr::LOCALHOST.into()),
            _ => reply.soa(&query.name, &plan.domain, TTL, Section::Beside),
        }
        return Some(reply);
    }
    if wire.ends_with(RESOLVER) && in_labels(&query.name, RESOLVER) {
        let mut reply = wire::Reply::to(query, message, Code::NoError, Authority::Ours);
        reply.soa(&Name::of_wire(RESOLVER)?, &plan.domain, TTL, Section::Beside);
        return Some(reply);
    }
    let domain = NOWHERE.iter().find(|domain| wire.ends_with(domain) && in_labels(&query.name, domain))?;
    if query.name.is_in(&plan.domain)
        || plan.rewrite(&query.name).is_some()
        || plan.has_upstream_for(&query.name)
    {
        return None;
    }
    let mut reply = wire::Reply::to(query, message, Code::NxDomain, Authority::Ours);
    reply.soa(&Name::of_wire(domain)?, &plan.domain, TTL, Section::Beside);
    Some(reply)
}

fn in_labels(name: &Name, domain: &[u8]) -> bool {
    Name::of_wire(domain).is_some_and(|domain| name.is_in(&domain))
}

fn own_records(
    plan: &Plan,
    query: &Query,
    message: &[u8],
    zone: Option<usize>,
    records: &[(u16, Vec<u8>)],
) -> Option<wire::Reply> {
    let mut reply = wire::Reply::to(query, message, Code::NoError, Authority::Ours);
    let mut is_answered = false;
    for (of, data) in records {
        if *of == query.kind || query.kind == kind::ANY || *of == kind::CNAME {
            reply.raw(OwnedBy::Question, *of, TTL, data, Section::Answer);
            is_answered = true;
            let target = Name::of_wire(data).filter(|_| *of == kind::CNAME);
            if let Some(target) = target {
                addresses_of(plan, query, zone, &target, &mut reply);
            }
        }
    }
    // The addresses of a thing of the lab stand beside the records that the file gives it.
    if let Some(Record::Addresses(addresses)) = plan.find(&query.name, zone) {
        for address in addresses.iter().filter(|address| wants(query.kind, address)) {
            reply.address(OwnedBy::Question, TTL, *address);
            is_answered = true;
        }
    }
    if !is_answered {
        reply.soa(&plan.domain, &plan.domain, TTL, Section::Beside);
    }
    Some(reply)
}

/// Adds what an alias leads to, if it is a name of the lab.
pub(super) fn addresses_of(
    plan: &Plan,
    query: &Query,
    zone: Option<usize>,
    target: &Name,
    reply: &mut wire::Reply,
) {
    if query.kind == kind::CNAME {
        return;
    }
    let (mut owner, mut found) = (target, plan.find(target, zone));
    for _ in 0..MAX_ALIASES {
        for (of, data) in plan.own_records(owner).into_iter().flatten().filter(|(of, _)| *of == query.kind) {
            reply.raw(OwnedBy::Name(owner), *of, TTL, data, Section::Answer);
        }
        match found {
            Some(Record::Addresses(addresses)) => {
                for address in addresses.iter().filter(|address| wants(query.kind, address)) {
                    reply.address(OwnedBy::Name(owner), TTL, *address);
                }
                return;
            }
            Some(Record::Alias(next)) => {
                reply.name(OwnedBy::Name(owner), kind::CNAME, TTL, next);
                (owner, found) = (next, plan.find(next, zone));
            }
            None => return,
        }
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
    let mut is_answered = false;
    match record {
        Record::Addresses(addresses) => {
            for address in addresses.iter().filter(|address| wants(query.kind, address)) {
                reply.address(OwnedBy::Question, TTL, *address);
                is_answered = true;
            }
        }
        Record::Alias(target) => {
            reply.name(OwnedBy::Question, kind::CNAME, TTL, target);
            is_answered = true;
            addresses_of(plan, query, zone, target, &mut reply);
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

/// Whether an address is what a question is for.
pub(super) fn wants(kind: u16, address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => matches!(kind, kind::A | kind::ANY),
        IpAddr::V6(_) => matches!(kind, kind::AAAA | kind::ANY),
    }
}

/// The name of an address of the lab, or that a private address has none.
fn reverse(plan: &Plan, query: &Query, message: &[u8], name: &ReverseName) -> Option<wire::Reply> {
    let names = plan.reverses.get(&name.address).filter(|_| name.is_whole());
    let zone = plan.reverse_zone(name);
    if names.is_none() && (zone.is_none() || plan.has_upstream_for(&query.name)) {
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
