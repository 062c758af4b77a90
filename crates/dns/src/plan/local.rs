//! The lab's own names in a plan: what they answer, and to whom.

use std::net::IpAddr;

use ipnet::IpNet;
use lab::Answer;

use super::Plan;
use crate::wire::{self, Name, ReverseName};

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

pub(super) fn record(answer: &Answer) -> Option<Record> {
    match answer {
        Answer::Addresses(addresses) => Some(Record::Addresses(addresses.clone())),
        Answer::Alias(name) => Name::parse(name.as_str()).map(Record::Alias),
    }
}

impl Plan {
    /// How many names are answered, reverse names not counted.
    pub fn name_count(&self) -> usize {
        let own = self.names.values().filter(|records| records.everywhere != Record::default());
        own.count() + self.rewrites.len() + self.wild_rewrites.len()
    }

    /// The number of the zone that an address is in.
    pub(crate) fn zone_of(&self, address: IpAddr) -> Option<usize> {
        self.networks.iter().find(|(network, _)| network.contains(&address)).map(|(_, zone)| *zone)
    }

    /// What the name answers to a client in the zone.
    pub(crate) fn find(&self, name: &Name, zone: Option<usize>) -> Option<&Record> {
        let records = self.names.get(name)?;
        let own = records.by_zone.iter().find(|(number, _)| Some(*number) == zone);
        Some(own.map_or(&records.everywhere, |(_, record)| record))
    }

    /// Names between the domain and a name of several labels, and those that a wildcard is under: they are
    /// there and have no records (RFC 8020, RFC 4592 section 2.2.2).
    pub(super) fn add_empty_names(&mut self) {
        let first = self.names.keys().chain(self.records.keys()).filter_map(Name::parent);
        let wild = self.wild_rewrites.keys().chain(self.wild_records.keys()).cloned();
        let first: Vec<Name> = first.chain(wild).chain(self.records.keys().cloned()).collect();
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
}

impl Record {
    /// What it answers; none for a name that only has others under it.
    pub(super) fn words(&self) -> Option<String> {
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
