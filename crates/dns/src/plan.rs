//! What a machine's name server must know: what follows from the lab file, ready to be looked up.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use lab::Answer;
use lab::model::ServiceName;
use lab::names::ZoneName;
use lab::value::UpstreamKind;
use runtime::Given;

use crate::wire::{self, Name};

/// Where the name server listens unless it is told otherwise.
const PORT: u16 = 53;

/// Everything that a name server of the lab needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// The servers that the rest is asked of, in this order.
    pub upstreams: Vec<SocketAddr>,
    /// The lab's domain.
    pub(crate) domain: Name,
    pub(crate) names: HashMap<Name, Records>,
    pub(crate) wildcards: HashMap<Name, Records>,
    pub(crate) reverses: HashMap<IpAddr, Vec<Name>>,
    /// The lab's networks, and the number of the zone that each belongs to.
    pub(crate) networks: Vec<(IpNet, usize)>,
}

/// What one name answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    pub(crate) everywhere: Record,
    /// Instead of it, for clients in the zone of that number.
    pub(crate) by_zone: Vec<(usize, Record)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// These addresses; none for a name that only has others under it.
    Addresses(Vec<IpAddr>),
    Alias(Name),
}

impl Default for Record {
    fn default() -> Self {
        Self::Addresses(Vec::new())
    }
}

/// The plan of a machine; none if the lab does not say that it runs a name server.
pub fn plan(given: &Given<'_>) -> Option<Plan> {
    let (lab, follows, machine) = (given.lab, given.follows, given.machine);
    let dns = lab.dns.as_ref()?;
    dns.on.iter().find(|on| on.value() == machine)?;
    let zones: HashMap<&ZoneName, usize> =
        lab.zones.keys().enumerate().map(|(at, name)| (name, at)).collect();
    let networks = lab.zones.iter().flat_map(|(name, zone)| {
        let number = zones.get(name).copied().unwrap_or(usize::MAX);
        zone.cidr.iter().map(move |cidr| (cidr.0, number))
    });
    let mut plan = Plan {
        listen: given.listen.map_or_else(|| listen(given), |at| vec![at]),
        upstreams: dns.upstreams.iter().filter_map(|upstream| plain(&upstream.kind)).collect(),
        domain: Name::parse(lab.lab.domain.as_str())?,
        networks: networks.collect(),
        ..Plan::default()
    };
    for name in &follows.names {
        let by_zone =
            name.by_zone.iter().filter_map(|(zone, answer)| Some((*zones.get(zone)?, record(answer)?)));
        let Some(everywhere) = record(&name.answer) else { continue };
        let records = Records { everywhere, by_zone: by_zone.collect() };
        match name.name.strip_prefix("*.") {
            Some(parent) => plan.wildcards.extend(Name::parse(parent).map(|parent| (parent, records))),
            None => plan.names.extend(Name::parse(&name.name).map(|name| (name, records))),
        }
    }
    plan.add_empty_names();
    for reverse in &follows.reverses {
        if let Some(name) = Name::parse(reverse.name.as_str()) {
            plan.reverses.entry(reverse.address).or_default().push(name);
        }
    }
    Some(plan)
}

/// The service's own address, or else the machine's.
fn listen(given: &Given<'_>) -> Vec<SocketAddr> {
    let (lab, machine) = (given.lab, given.machine);
    let port = given.follows.ports.shifted(PORT);
    let placed = lab.placed();
    let own =
        placed.iter().find(|placed| placed.service == ServiceName::Dns).and_then(|placed| placed.address);
    if let Some(address) = own {
        return vec![SocketAddr::new(address.0, port)];
    }
    let addresses = lab.machines.get(machine).and_then(|machine| machine.address.as_ref());
    addresses
        .into_iter()
        .flat_map(|addresses| addresses.iter())
        .map(|address| SocketAddr::new(address.0, port))
        .collect()
}

fn plain(kind: &UpstreamKind) -> Option<SocketAddr> {
    match kind {
        UpstreamKind::Plain(address) => Some(*address),
        UpstreamKind::Tls(_) | UpstreamKind::Https(_) => None,
    }
}

fn record(answer: &Answer) -> Option<Record> {
    match answer {
        Answer::Addresses(addresses) => Some(Record::Addresses(addresses.clone())),
        Answer::Alias(name) => Name::parse(name.as_str()).map(Record::Alias),
    }
}

impl Plan {
    /// How many names are answered, reverse names not counted.
    pub fn name_count(&self) -> usize {
        self.names.values().filter(|records| records.everywhere != Record::default()).count()
            + self.wildcards.len()
    }

    /// The plan in words, one fact a line.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.listen.iter().map(|at| format!("listen {at}")).collect();
        lines.extend(self.upstreams.iter().map(|at| format!("upstream {at}")));
        lines.extend(self.names.iter().map(|(name, records)| format!("name {name:?} {records:?}")));
        lines.sort();
        lines
    }

    /// The number of the zone that an address is in.
    pub(crate) fn zone_of(&self, address: IpAddr) -> Option<usize> {
        self.networks.iter().find(|(network, _)| network.contains(&address)).map(|(_, zone)| *zone)
    }

    /// What the name answers to a client in the zone: its own records, or those of a wildcard above it.
    pub(crate) fn find(&self, name: &Name, zone: Option<usize>) -> Option<&Record> {
        let records = self.names.get(name).or_else(|| self.wildcards.get(&name.parent()?))?;
        let own = records.by_zone.iter().find(|(number, _)| Some(*number) == zone);
        Some(own.map_or(&records.everywhere, |(_, record)| record))
    }

    /// Names between the domain and a name of several labels: they are there and have no records (RFC 8020).
    fn add_empty_names(&mut self) {
        let all: Vec<Name> = self.names.keys().cloned().collect();
        for name in all {
            let mut above = name.parent();
            while let Some(name) = above.filter(|name| name.is_in(&self.domain)) {
                self.names.entry(name.clone()).or_default();
                above = name.parent();
            }
        }
        let domain = self.domain.clone();
        self.names.entry(domain).or_default();
    }
}

/// The networks whose reverse names nobody on the internet knows: they are never asked for there
/// (RFC 6303 section 4, RFC 1918, RFC 4193, RFC 4291).
pub(crate) fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.octets().first() == Some(&0)
        }
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()
        }
    }
}

/// The name that a zone of reverse names begins at, for the SOA record: the octet or nibble boundary at or
/// above the lab's network, or the block of private addresses.
pub(crate) fn reverse_apex(plan: &Plan, address: IpAddr) -> Option<Name> {
    let network =
        plan.networks.iter().find(|(network, _)| network.contains(&address)).map(|(network, _)| *network);
    let (bits, step) = match address {
        IpAddr::V4(_) => (network.map_or(8, |network| network.prefix_len()), 8),
        IpAddr::V6(_) => (network.map_or(8, |network| network.prefix_len()), 4),
    };
    let labels = usize::from((bits / step).max(1));
    let full = wire::reverse_name(address);
    let total = if address.is_ipv4() { 4 } else { 32 };
    let mut name = Name::parse(&full)?;
    for _ in labels..total {
        name = name.parent()?;
    }
    Some(name)
}
