//! What a machine's name server must know: what follows from the lab file, ready to be looked up.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use lab::Answer;
use lab::model::ServiceName;
use lab::names::ZoneName;
use lab::value::{ListSource, UpstreamKind};
use runtime::Given;

use crate::wire::{self, Name, ReverseName};

/// Where the name server listens unless it is told otherwise.
const PORT: u16 = 53;

/// A list of names to block: what it is called and where it comes from. What stands in it is loaded when the
/// plan is taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Its name in the lab file.
    pub name: String,
    /// A file of the lab folder, or a URL.
    pub source: ListSource,
}

/// Everything that a name server of the lab needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// The servers that the rest is asked of, in this order.
    pub upstreams: Vec<SocketAddr>,
    /// The lists whose names are blocked.
    pub lists: Vec<List>,
    /// The lab's own rules, as they are written.
    pub rules: Vec<String>,
    /// Rules that were added by a click or a command.
    pub overlay: Vec<String>,
    /// The lab's domain.
    pub(crate) domain: Name,
    pub(crate) names: HashMap<Name, Records>,
    pub(crate) wildcards: HashMap<Name, Records>,
    pub(crate) reverses: HashMap<IpAddr, Vec<Name>>,
    /// The lab's networks, and the number of the zone that each belongs to.
    pub(crate) networks: Vec<(IpNet, usize)>,
    /// The names of the zones, by number.
    zones: Vec<String>,
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
    let (lab, follows) = (given.lab, given.follows);
    let dns = lab.dns.as_ref()?;
    dns.on.iter().find(|on| on.value() == given.machine)?;
    let zones: HashMap<&ZoneName, usize> =
        lab.zones.keys().enumerate().map(|(at, name)| (name, at)).collect();
    let networks = lab.zones.iter().flat_map(|(name, zone)| {
        let number = zones.get(name).copied().unwrap_or(usize::MAX);
        zone.cidr.iter().map(move |cidr| (cidr.0, number))
    });
    let lists = dns.lists.iter();
    let lists =
        lists.map(|(name, source)| List { name: name.as_str().to_owned(), source: source.value().clone() });
    let overlay = given.overlay.iter().filter(|entry| entry.key == "dns.rules");
    let mut plan = Plan {
        listen: given.listen.map_or_else(|| listen(given), |at| vec![at]),
        upstreams: dns.upstreams.iter().filter_map(|upstream| plain(&upstream.kind)).collect(),
        lists: lists.collect(),
        rules: dns.rules.iter().map(|rule| rule.as_str().to_owned()).collect(),
        overlay: overlay.map(|entry| entry.value.clone()).collect(),
        domain: Name::parse(lab.lab.domain.as_str())?,
        networks: networks.collect(),
        zones: lab.zones.keys().map(|name| name.as_str().to_owned()).collect(),
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
    let lab = given.lab;
    let port = given.follows.ports.shifted(PORT);
    let placed = lab.placed();
    let own =
        placed.iter().find(|placed| placed.service == ServiceName::Dns).and_then(|placed| placed.address);
    if let Some(address) = own {
        return vec![SocketAddr::new(address.0, port)];
    }
    let addresses = lab.machines.get(given.machine).and_then(|machine| machine.address.as_ref());
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

    /// Names between the domain and a name of several labels, and those that a wildcard is under: they are
    /// there and have no records (RFC 8020, RFC 4592 section 2.2.2).
    fn add_empty_names(&mut self) {
        let above = self.names.keys().filter_map(Name::parent);
        let first: Vec<Name> = above.chain(self.wildcards.keys().cloned()).collect();
        for name in first {
            let mut name = Some(name);
            while let Some(empty) = name.filter(|name| name.is_in(&self.domain)) {
                name = empty.parent();
                self.names.entry(empty).or_default();
            }
        }
        let domain = self.domain.clone();
        self.names.entry(domain).or_default();
    }

    /// The zone that a reverse name lies in, if nobody else can know it: the block of private addresses, or
    /// the octet or nibble boundary at or below the lab's network.
    pub(crate) fn reverse_zone(&self, name: &ReverseName) -> Option<Name> {
        let (whole, step) = if name.address.is_ipv4() { (32, 8) } else { (128, 4) };
        let lab = || self.networks.iter().find(|(network, _)| network.contains(&name.address));
        let bits = private_block(name.address)
            .or_else(|| lab().map(|(network, _)| network.prefix_len().div_ceil(step) * step))?;
        // A block of which only a part is ours is somebody else's.
        if name.bits() < bits {
            return None;
        }
        let mut zone = Name::parse(&wire::reverse_name(name.address))?;
        for _ in 0..(whole - bits) / step {
            zone = zone.parent()?;
        }
        Some(zone)
    }

    /// Whether an address with a name lies in the block that a reverse name is of.
    pub(crate) fn has_reverse_in(&self, name: &ReverseName) -> bool {
        let Ok(block) = IpNet::new(name.address, name.bits()) else { return false };
        !name.is_deeper && !name.is_whole() && self.reverses.keys().any(|address| block.contains(address))
    }

    /// The plan in words, one fact a line, in the order of the words: what two plans differ in is what the
    /// lines differ in.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("domain {}", self.domain.text())];
        lines.extend(self.listen.iter().map(|address| format!("listen {address}")));
        let before = std::iter::once(None).chain(self.upstreams.iter().map(Some));
        lines.extend(self.upstreams.iter().zip(before).map(|(upstream, before)| match before {
            Some(before) => format!("upstream {upstream} after {before}"),
            None => format!("upstream {upstream}"),
        }));
        lines.extend(self.lists.iter().map(|list| format!("list {} {}", list.name, source(&list.source))));
        lines.extend(self.rules.iter().map(|rule| format!("rule {rule}")));
        lines.extend(self.overlay.iter().map(|rule| format!("overlay rule {rule}")));
        let zone = |number: usize| self.zones.get(number).map_or("?", String::as_str);
        for (network, number) in &self.networks {
            lines.push(format!("zone {} {network}", zone(*number)));
        }
        let wildcards = self.wildcards.iter().map(|(name, records)| (format!("*.{}", name.text()), records));
        let names = self.names.iter().map(|(name, records)| (name.text(), records)).chain(wildcards);
        for (name, records) in names {
            lines.extend(records.everywhere.words().map(|words| format!("name {name} {words}")));
            for (number, record) in &records.by_zone {
                let words = record.words().unwrap_or_else(|| "nothing".to_owned());
                lines.push(format!("name {name} {words} for {}", zone(*number)));
            }
        }
        for (address, names) in &self.reverses {
            lines.extend(names.iter().map(|name| format!("reverse {address} {}", name.text())));
        }
        lines.sort();
        lines
    }
}

/// A list's source as it is written in the lab file.
pub(crate) fn source(source: &ListSource) -> String {
    match source {
        ListSource::Url(url) => url.as_str().to_owned(),
        ListSource::File(path) => format!("file:{path}"),
    }
}

impl Record {
    /// What it answers; none for a name that only has others under it.
    fn words(&self) -> Option<String> {
        match self {
            Self::Addresses(addresses) if addresses.is_empty() => None,
            Self::Addresses(addresses) => {
                Some(addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" "))
            }
            Self::Alias(name) => Some(format!("as {}", name.text())),
        }
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

/// How many bits say the private block that an address is in; none for an address of the internet. The blocks
/// are those of [`is_local`], each a zone of its own (RFC 6303 section 4).
fn private_block(address: IpAddr) -> Option<u8> {
    let bits = match address {
        IpAddr::V4(v4) => match v4.octets() {
            [172 | 192 | 169, ..] => 16,
            _ => 8,
        },
        IpAddr::V6(v6) if v6.is_loopback() || v6.is_unspecified() => 128,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => 12,
        IpAddr::V6(_) => 8,
    };
    is_local(address).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAB: &str = r#"
[lab]
name = "home"
domain = "lab.example.net"
[sites]
here = {}
[zones]
lan = { site = "here", vlan = 10, cidr = ["10.0.0.0/24", "fd00::/64"] }
guests = { site = "here", vlan = 20, cidr = "10.0.1.0/24" }
[routers]
gateway = { site = "here", kind = "linux" }
[machines]
naxos = { address = ["10.0.0.2", "fd00::2"] }
[dns]
on = "naxos"
upstreams = ["9.9.9.9", "1.1.1.1:5353"]
lists = { example = "file:lists/example.txt", far = "https://lists.example.org/all.txt" }
rules = ["@@||metrics.example.org^"]
rewrites = { "*.a.lab.example.net" = "10.0.0.9", "old.example" = "naxos.lab.example.net" }
"#;

    fn a_plan(text: String) -> Plan {
        let folder = lab::Folder::from_texts([
            ("lab.toml".to_owned(), text),
            ("lists/example.txt".to_owned(), String::new()),
        ]);
        let checked = lab::check(folder, &lab::Options::at("2026-11-01"));
        assert_eq!(checked.faults.errors(), 0, "{:?}", checked.faults);
        let lab = checked.usable().unwrap();
        let machine = lab.machines.keys().next().unwrap();
        plan(&Given { lab, follows: &checked.follows, machine, overlay: &[], listen: None }).unwrap()
    }

    #[test]
    fn a_plan_in_words() {
        let expected = "domain lab.example.net
list example file:lists/example.txt
list far https://lists.example.org/all.txt
listen 10.0.0.2:53
listen [fd00::2]:53
name *.a.lab.example.net 10.0.0.9
name gateway.lab.example.net 10.0.0.1 fd00::1
name gateway.lab.example.net 10.0.1.1 for guests
name naxos.lab.example.net 10.0.0.2 fd00::2
name old.example as naxos.lab.example.net
reverse 10.0.0.1 gateway.lab.example.net
reverse 10.0.0.2 naxos.lab.example.net
reverse 10.0.1.1 gateway.lab.example.net
reverse fd00::1 gateway.lab.example.net
reverse fd00::2 naxos.lab.example.net
rule @@||metrics.example.org^
upstream 1.1.1.1:5353 after 9.9.9.9:53
upstream 9.9.9.9:53
zone guests 10.0.1.0/24
zone lan 10.0.0.0/24
zone lan fd00::/64";
        assert_eq!(a_plan(LAB.to_owned()).lines().join("\n"), expected);
    }

    #[test]
    fn plans_are_equal_when_what_they_say_is() {
        let plan = a_plan(LAB.to_owned());
        assert_eq!(plan, a_plan(format!("# a comment\n{LAB}")));
        for (from, to) in [
            ("10.0.0.9", "10.0.0.8"),
            ("\"9.9.9.9\", \"1.1.1.1:5353\"", "\"1.1.1.1:5353\", \"9.9.9.9\""),
            ("metrics", "tracks"),
            ("all.txt", "some.txt"),
            ("10.0.1.0/24", "10.0.1.0/25"),
        ] {
            let other = a_plan(LAB.replacen(from, to, 1));
            assert!(other != plan && other.lines() != plan.lines(), "{to}");
        }
    }
}
