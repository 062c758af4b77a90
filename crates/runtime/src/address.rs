//! The addresses of services that move between machines, and who has which now.
//!
//! The first machine of an order has the address; that the next one takes over by itself is not here yet. Before an
//! address is taken for the first time it is looked whether another machine has it.

pub(crate) mod run;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lab::model::Lab;
use lab::names::MachineName;

use crate::permit::Permit;

/// An address that a machine has, or may come to have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moving {
    /// The address.
    pub address: IpAddr,
    /// The machine's own address in that network.
    pub beside: IpAddr,
    /// Its place in the order: 0 is the one that has the address.
    pub place: usize,
}

impl Moving {
    /// What it takes to have it.
    pub fn permit(&self) -> Permit {
        Permit::Hold { address: self.address, beside: self.beside }
    }
}

/// The addresses of services that a machine has to do with, besides its own.
pub fn moving(lab: &Lab, machine: &MachineName) -> Vec<Moving> {
    let own = lab.machines.get(machine).and_then(|machine| machine.address.as_ref());
    let own: Vec<IpAddr> = own.into_iter().flat_map(|own| own.iter()).map(|own| own.0).collect();
    let mut all: Vec<Moving> = Vec::new();
    for placed in lab.placed() {
        let Some(place) = placed.on.iter().position(|on| on.value() == machine) else { continue };
        let Some(address) = placed.address.map(|address| address.0).filter(|address| !own.contains(address))
        else {
            continue;
        };
        let network = lab
            .zone_at(address)
            .and_then(|(_, zone)| zone.cidr.iter().find(|cidr| cidr.holds(address)).map(|cidr| cidr.0));
        let Some(network) = network else { continue };
        let Some(beside) = own.iter().copied().find(|own| network.contains(own)) else { continue };
        all.push(Moving { address, beside, place });
    }
    all.sort();
    all.dedup_by_key(|moving| moving.address);
    all
}

/// The link-layer address that a machine nearby has for an IPv4 address, in the table of neighbours
/// (`/proc/net/arp`, proc(5)): only what was answered counts.
pub(crate) fn neighbour(table: &str, address: Ipv4Addr) -> Option<&str> {
    table.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace();
        let (ip, _kind, flags, mac) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let is_complete =
            flags.strip_prefix("0x").and_then(|flags| u32::from_str_radix(flags, 16).ok())? & 0x2 != 0;
        (ip.parse() == Ok(address) && is_complete && mac != "00:00:00:00:00:00").then_some(mac)
    })
}

/// Whether the kernel found that another machine has an IPv6 address (`/proc/net/if_inet6`, IFA_F_DADFAILED in the fifth
/// column).
pub(crate) fn is_duplicate(table: &str, address: Ipv6Addr) -> bool {
    let wanted = format!("{:032x}", u128::from(address));
    table.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let flags = words.get(4).and_then(|flags| u32::from_str_radix(flags, 16).ok()).unwrap_or(0);
        words.first() == Some(&wanted.as_str()) && flags & 0x08 != 0
    })
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
lan = { site = "here", cidr = ["10.0.0.0/23", "fd00::/64"] }
[machines]
naxos = { address = ["10.0.0.2", "fd00::2"] }
anafi = { address = "10.0.1.3" }
[dns]
on = ["naxos", "anafi"]
address = "10.0.0.53"
upstreams = ["9.9.9.9"]
[proxy]
on = "naxos"
address = "10.0.0.2"
"#;

    #[test]
    fn an_address_moves_between_the_machines_of_its_order() {
        let checked =
            lab::check(lab::Folder::from_texts([("lab.toml", LAB)]), &lab::Options::at("2026-11-01"));
        let lab = checked.lab.unwrap();
        let of = |name: &str| {
            let machine = lab.machines.keys().find(|machine| machine.as_str() == name).unwrap();
            moving(&lab, machine)
                .iter()
                .map(|moving| (moving.permit().to_string(), moving.place))
                .collect::<Vec<_>>()
        };
        assert_eq!(of("naxos"), [("hold 10.0.0.53 beside 10.0.0.2".to_owned(), 0)]);
        assert_eq!(of("anafi"), [("hold 10.0.0.53 beside 10.0.1.3".to_owned(), 1)]);
    }

    #[test]
    fn only_neighbours_that_answered_are_there() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device\n\
                     10.0.0.1         0x1         0x2         02:00:00:00:00:01     *        eth0\n\
                     10.0.0.53        0x1         0x0         00:00:00:00:00:00     *        eth0\n";
        assert_eq!(neighbour(table, Ipv4Addr::new(10, 0, 0, 1)), Some("02:00:00:00:00:01"));
        assert_eq!(neighbour(table, Ipv4Addr::new(10, 0, 0, 53)), None);
        assert_eq!(neighbour("", Ipv4Addr::new(10, 0, 0, 53)), None);
    }

    #[test]
    fn an_ipv6_address_that_another_machine_has_is_marked_by_the_kernel() {
        let table = "fd000000000000000000000000000053 02 80 00 88     eth0\n\
                     fd000000000000000000000000000002 02 40 00 80     eth0\n";
        assert!(is_duplicate(table, "fd00::53".parse().unwrap()));
        assert!(!is_duplicate(table, "fd00::2".parse().unwrap()));
        assert!(!is_duplicate("", "fd00::53".parse().unwrap()));
    }
}
