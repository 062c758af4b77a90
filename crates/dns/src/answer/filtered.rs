//! What upstreams said, judged before anybody is told: whether it leads into the lab, and what rules say of the names
//! and addresses in it.

use std::net::IpAddr;

use super::{Account, Ask, Outcome, Question, Reason};
use super::{Decision, From};
use crate::client::Client;
use crate::filter::Verdict;
use crate::plan::{Plan, is_local};
use crate::wire::expand::Record;
use crate::wire::{self, Answered, Authority, Code, Explanation, Name, kind};

/// What is wrong with an answer for this client; none if it can be told.
pub(crate) fn heard(
    from: From<'_>,
    ask: &Ask,
    message: &[u8],
    client: &Client,
    answered: &Answered,
) -> Option<(Vec<u8>, Account)> {
    let looks_at_addresses = matches!(ask.query.kind, kind::A | kind::AAAA)
        && (from.plan.rebinding.is_some() || from.filters.has_address_rules());
    if !answered.has_more_names() && !looks_at_addresses {
        return None;
    }
    let Some(records) = answered.whole(ask.name(), ask.query.kind) else {
        let account = Account {
            outcome: Outcome::Failed,
            reason: Reason::Text("the answer can not be read".into()),
            code: 2,
        };
        return Some((ask.tell_failure(message, Explanation::NETWORK), account));
    };
    let answers = || records.iter().filter(|record| record.section == 0);
    if let Some(address) =
        answers().flat_map(addresses).find(|address| leads_inside(from.plan, ask, *address))
    {
        let reason = Reason::Text(format!("{address} is private, and the name is not").into());
        let mut reply = wire::Reply::to(&ask.query, message, Code::NoError, Authority::Others);
        reply.explain(Explanation::BLOCKED);
        reply.soa(&ask.query.name, &from.plan.domain, from.plan.blocking.ttl, wire::Section::Beside);
        return Some((reply.finish(ask.limit), Account { outcome: Outcome::Rebinding, reason, code: 0 }));
    }
    if !ask.is_filtered {
        return None;
    }
    answers().find_map(|record| {
        let verdict = verdict(from, client, record);
        let question = Question { from, query: &ask.query, message, client, limit: ask.limit };
        let decision = match verdict {
            Verdict::Blocked(matched) => question.blocked(&[], Reason::Rule(matched)),
            Verdict::BlockedWith(addresses, matched) => question.blocked(&addresses, Reason::Rule(matched)),
            Verdict::Unlisted | Verdict::Allowed(_) | Verdict::Rewritten(..) => return None,
        };
        match decision {
            Decision::Say(reply, account) => Some((reply, account)),
            Decision::Silent(_) | Decision::Ask(_) => None,
        }
    })
}

/// What rules say of a record, by its own type.
fn verdict(from: From<'_>, client: &Client, record: &Record) -> Verdict {
    let Some(policy) = from.plan.policies.get(client.policy) else { return Verdict::Unlisted };
    match record.kind {
        kind::CNAME => from.filters.decide_record(&record.data, record.kind, client, policy),
        kind::A | kind::AAAA | kind::HTTPS | kind::SVCB => {
            let mut found = addresses(record).filter(|_| from.filters.has_address_rules());
            let found = found.find_map(|address| {
                let verdict = from.filters.decide_address(address, record.kind, client, policy);
                matches!(verdict, Verdict::Blocked(_) | Verdict::BlockedWith(..)).then_some(verdict)
            });
            let target = || {
                let name =
                    record.data.get(2..).filter(|_| matches!(record.kind, kind::HTTPS | kind::SVCB))?;
                let name = wire::first_name(name).filter(|name| *name != Name::default())?;
                Some(from.filters.decide_record(name.wire(), record.kind, client, policy))
            };
            found.or_else(target).unwrap_or(Verdict::Unlisted)
        }
        _ => Verdict::Unlisted,
    }
}

/// The addresses that a record says: its own, or the hints of a service (RFC 9460 section 7.3).
fn addresses(record: &Record) -> Box<dyn Iterator<Item = IpAddr> + '_> {
    match record.kind {
        kind::HTTPS | kind::SVCB => Box::new(wire::service_hints(&record.data).into_iter()),
        _ => Box::new(record.address().into_iter()),
    }
}

/// Whether an address lies in the lab, or is none of the internet, though the name is of outside.
fn leads_inside(plan: &Plan, ask: &Ask, address: IpAddr) -> bool {
    let Some(allowed) = &plan.rebinding else { return false };
    let address = unwrapped(address);
    // The address of nothing is how others block a name.
    let is_private = !address.is_unspecified() && (is_inside(address) || plan.zone_of(address).is_some());
    let name = ask.name();
    is_private
        && !allowed.iter().any(|domain| name.is_in(domain))
        && !plan.groups.get(ask.group).is_some_and(|group| group.is_inner_for(name, ask.query.kind))
}

/// The address of IPv4 that one of IPv6 leads to: as it is written in it (RFC 4291 section 2.5.5), by translation (RFC 6052) or
/// in a tunnel (RFC 3056).
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address.to_canonical() else { return address.to_canonical() };
    let four = |bytes: [u8; 4]| IpAddr::from(bytes);
    match six.octets() {
        [0x00, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] | [0x20, 0x02, a, b, c, d, ..] => {
            four([a, b, c, d])
        }
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a @ 1..=255, b, c, d] => four([a, b, c, d]),
        _ => IpAddr::V6(six),
    }
}

/// Whether an address is of no use to anybody on the internet: private ones, and those of providers (RFC 6598), of a site
/// (RFC 3879), and of everybody.
fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            let [a, b, ..] = four.octets();
            is_local(address) || four.is_broadcast() || (a == 100 && b & 0xC0 == 64)
        }
        IpAddr::V6(six) => {
            is_local(address) || u16::from_be_bytes([six.octets()[0], six.octets()[1]]) & 0xFFC0 == 0xFEC0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_lead_inside() {
        for inside in [
            "10.0.0.1",
            "::ffff:192.168.1.1",
            "64:ff9b::a00:1",
            "2002:a00:1::1",
            "::10.0.0.1",
            "100.64.0.1",
            "fec0::1",
            "fd00::1",
            "fe80::1",
            "127.0.0.1",
            "169.254.1.1",
            "255.255.255.255",
        ] {
            assert!(is_inside(unwrapped(inside.parse().unwrap())), "{inside}");
        }
        for outside in
            ["192.0.2.1", "2001:db8::1", "64:ff9b::c000:201", "100.128.0.1", "9.9.9.9", "2002:c000:201::1"]
        {
            assert!(!is_inside(unwrapped(outside.parse().unwrap())), "{outside}");
        }
    }
}
