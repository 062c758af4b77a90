//! Who asks: what a client may, and which policy is followed for it.
//!
//! Pure: the plan, the address, what the network says of it and the time of the week go in.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use lab::value::Window;

use crate::plan::{Match, Plan, is_local};

/// A MAC address.
pub(crate) type Mac = [u8; 6];

/// What is known of who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'s> {
    /// Where the question comes from.
    pub(crate) address: IpAddr,
    /// The MAC address that the neighbour table has for it.
    pub(crate) mac: Option<Mac>,
    /// What it says its name is, over TLS or HTTPS.
    pub(crate) id: Option<&'s str>,
}

/// A time of the week in the lab's zone: the day, Monday is 0, and the minute of the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WeekTime {
    /// The day.
    pub(crate) day: usize,
    /// The minute.
    pub(crate) minute: u16,
}

/// A client as the name server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// Its address.
    pub(crate) address: IpAddr,
    /// The number of its zone in the plan.
    pub(crate) zone: Option<usize>,
    /// Whether it is answered.
    pub(crate) may: May,
    /// The number of its policy in the plan; 0 is that of everybody.
    pub(crate) policy: usize,
    /// What rules may call it, the most exact name first.
    pub(crate) names: Vec<String>,
    /// The most exact of them, as the log writes it.
    pub(crate) who: Option<Arc<str>>,
    /// Whether there is a limit to how much it may ask.
    pub(crate) has_limit: bool,
}

/// Whether somebody is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum May {
    /// Yes.
    Ask,
    /// It is no part of the lab: it is refused.
    Stranger,
    /// The lab says that it gets no answer.
    Denied,
}

/// What the plan says of somebody.
pub(crate) fn client(plan: &Plan, seen: Seen<'_>, now: WeekTime) -> Client {
    // Where a server listens for both, clients of IPv4 come with an address of IPv6 around theirs.
    let address = seen.address.to_canonical();
    let seen = Seen { address, ..seen };
    let zone = plan.zone_of(address);
    let inside = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
    let may = if inside(&plan.clients.deny) {
        May::Denied
    } else if zone.is_some() || is_local(address) || inside(&plan.clients.allow) {
        May::Ask
    } else {
        May::Stranger
    };
    let mut names: Vec<(u16, String)> = plan
        .called
        .iter()
        .filter_map(|called| {
            let exact = called.who.iter().filter_map(|who| exactness(who, seen)).min()?;
            Some((exact, called.name.clone()))
        })
        .collect();
    names.sort();
    let mut names: Vec<String> = names.into_iter().map(|(_, name)| name).collect();
    names.extend(seen.id.map(str::to_owned).filter(|id| !names.contains(id)));
    names.dedup();
    Client {
        address,
        zone,
        may,
        policy: policy(plan, seen, now),
        who: names.first().map(|name| name.as_str().into()),
        names,
        has_limit: !address.is_loopback() && !inside(&plan.clients.without_limit),
    }
}

/// The number of the policy that says the client most exactly, now. One with times comes before one without.
fn policy(plan: &Plan, seen: Seen<'_>, now: WeekTime) -> usize {
    let holds =
        |when: &[Window]| when.is_empty() || when.iter().any(|window| window.holds(now.day, now.minute));
    let policies = plan.policies.iter().enumerate().filter(|(_, policy)| holds(&policy.when));
    let exact = policies.filter_map(|(number, policy)| {
        let exact = policy.who.iter().filter_map(|who| exactness(who, seen)).min()?;
        Some((exact, policy.when.is_empty(), number))
    });
    exact.min().map_or(0, |(_, _, number)| number)
}

/// How exactly words of the lab file say a client: less is more exact; none if they do not.
fn exactness(who: &Match, seen: Seen<'_>) -> Option<u16> {
    match who {
        Match::Id(id) => (seen.id == Some(id)).then_some(0),
        Match::Mac(mac) => (seen.mac == Some(*mac)).then_some(1),
        Match::Address(address) => (seen.address == *address).then_some(2),
        Match::OfPerson(who) => exactness(who, seen).map(|_| 3),
        Match::Network(network) => network
            .contains(&seen.address)
            .then(|| 4 + u16::from(network.max_prefix_len() - network.prefix_len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::a_plan;

    const LAB: &str = r#"
[lab]
name = "home"
domain = "lab.example.net"
[sites]
here = {}
[people]
child = {}
[zones]
lan = { site = "here", vlan = 10, cidr = ["10.0.0.0/24", "fd00::/64"] }
guests = { site = "here", vlan = 20, cidr = "10.0.1.0/24" }
[routers]
gateway = { site = "here", kind = "linux" }
[machines]
naxos = { address = ["10.0.0.2", "fd00::2"] }
[devices]
phone = { zone = "lan", mac = "00:00:5e:00:53:01", of = "child" }
tablet = { address = "10.0.0.20", of = "child" }
television = { address = "10.0.0.30" }
[dns]
on = "naxos"
upstreams = ["9.9.9.9"]
limit = { exempt = ["10.0.0.2/32"] }
clients = { allow = ["192.0.2.0/24"], deny = ["10.0.0.66/32"] }
[dns.policies.guests]
who = "guests"
[dns.policies.child]
who = "child"
[dns.policies.evening]
who = ["child", "id:game"]
when = "daily 21:00-07:00"
[dns.policies.half]
who = "10.0.0.128/25"
[dns.policies.television]
who = "television"
"#;

    fn of(seen: Seen<'_>, minute: u16) -> (String, Vec<String>) {
        let plan = a_plan(LAB);
        let client = client(&plan, seen, WeekTime { day: 2, minute });
        (plan.policies[client.policy].name.clone(), client.names)
    }

    #[track_caller]
    fn check(address: &str, mac: Option<Mac>, id: Option<&str>, minute: u16, policy: &str, names: &[&str]) {
        let seen = Seen { address: address.parse().unwrap(), mac, id };
        let (is, called) = of(seen, minute);
        assert_eq!(is, policy);
        assert_eq!(called, names);
    }

    #[test]
    fn the_most_exact_policy_is_followed() {
        let phone = Some([0, 0, 0x5e, 0, 0x53, 1]);
        let noon = 12 * 60;
        check("10.0.0.9", None, None, noon, "", &[]);
        check("10.0.1.9", None, None, noon, "guests", &[]);
        check("10.0.0.200", None, None, noon, "half", &[]);
        check("10.0.0.20", None, None, noon, "child", &["tablet", "child"]);
        check("10.0.0.20", None, None, 23 * 60, "evening", &["tablet", "child"]);
        check("10.0.0.30", None, None, noon, "television", &["television"]);
        // A phone that is found by its MAC address keeps its policy on IPv6, and in another zone.
        check("fd00::77", phone, None, noon, "child", &["phone", "child"]);
        check("10.0.1.9", phone, None, noon, "child", &["phone", "child"]);
        check("10.0.0.9", None, Some("game"), noon, "", &["game"]);
        check("10.0.0.9", None, Some("game"), 22 * 60, "evening", &["game"]);
        check("::ffff:10.0.1.9", None, None, noon, "guests", &[]);
    }

    #[test]
    fn who_may_ask() {
        let plan = a_plan(LAB);
        let may = |address: &str| {
            let seen = Seen { address: address.parse().unwrap(), mac: None, id: None };
            let client = client(&plan, seen, WeekTime::default());
            (client.may, client.has_limit)
        };
        assert_eq!(may("10.0.0.9"), (May::Ask, true));
        assert_eq!(may("10.0.0.2"), (May::Ask, false));
        assert_eq!(may("127.0.0.1"), (May::Ask, false));
        assert_eq!(may("192.0.2.1"), (May::Ask, true));
        assert_eq!(may("10.0.0.66"), (May::Denied, true));
        assert_eq!(may("198.51.100.1"), (May::Stranger, true));
    }
}
