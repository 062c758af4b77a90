//! What a machine says of itself, and what of it is proposed for its first lab. Texts in, facts out; `look` reads them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use lab::begin;

/// A machine, as it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Host {
    /// Its host name, as it is set.
    pub(crate) name: String,
    /// Its addresses.
    pub(crate) own: Vec<Own>,
    /// Its ways to everywhere else.
    pub(crate) ways: Vec<Way>,
    /// The text of `/etc/resolv.conf`.
    pub(crate) resolver: String,
    /// The text of `/etc/timezone`.
    pub(crate) timezone: String,
    /// Where `/etc/localtime` leads.
    pub(crate) localtime: String,
}

/// An address of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) interface: String,
    pub(crate) address: IpAddr,
    /// The length of its network's prefix.
    pub(crate) length: u8,
    /// There is only one other machine at the other end, and no network.
    pub(crate) has_one_peer: bool,
}

/// A default route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) interface: String,
    /// The router; unspecified if there is none in between.
    pub(crate) gateway: IpAddr,
    /// The smaller one goes first.
    pub(crate) metric: u32,
}

const ROUTE_IS_UP: u32 = 0x0001;
const ROUTE_REJECTS: u32 = 0x0200;
/// Temporary, not unique, on its way out, not settled yet (`IFA_F_*` of rtnetlink(7)).
const PASSING: u32 = 0x01 | 0x08 | 0x20 | 0x40;

/// The default routes in `/proc/net/route` (proc(5)): addresses are numbers as this processor has them in memory.
pub(crate) fn ways_of_ipv4(table: &str) -> Vec<Way> {
    let way = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [interface, to, gateway, flags, _, _, metric, mask, ..] = words.as_slice() else { return None };
        let flags = u32::from_str_radix(flags, 16).ok()?;
        let gateway = IpAddr::V4(u32::from_str_radix(gateway, 16).ok()?.to_ne_bytes().into());
        let is_default = *to == "00000000" && *mask == "00000000";
        let way = Way { interface: (*interface).to_owned(), gateway, metric: metric.parse().ok()? };
        (is_default && flags & ROUTE_IS_UP != 0 && flags & ROUTE_REJECTS == 0).then_some(way)
    };
    table.lines().skip(1).filter_map(way).collect()
}

/// The default routes in `/proc/net/ipv6_route`.
pub(crate) fn ways_of_ipv6(table: &str) -> Vec<Way> {
    let way = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [to, length, _, _, gateway, metric, _, _, flags, interface] = words.as_slice() else {
            return None;
        };
        let flags = u32::from_str_radix(flags, 16).ok()?;
        let gateway = IpAddr::V6(Ipv6Addr::from(u128::from_str_radix(gateway, 16).ok()?));
        let is_default = *length == "00" && u128::from_str_radix(to, 16) == Ok(0);
        let metric = u32::from_str_radix(metric, 16).ok()?;
        let way = Way { interface: (*interface).to_owned(), gateway, metric };
        (is_default && flags & ROUTE_IS_UP != 0 && flags & ROUTE_REJECTS == 0).then_some(way)
    };
    table.lines().filter_map(way).collect()
}

/// The addresses in `/proc/net/if_inet6` that reach further than one cable and are there to stay.
pub(crate) fn own_of_ipv6(table: &str) -> Vec<Own> {
    let own = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [address, _, length, scope, flags, interface] = words.as_slice() else { return None };
        let address = IpAddr::V6(Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?));
        let flags = u32::from_str_radix(flags, 16).ok()?;
        let length = u8::from_str_radix(length, 16).ok()?;
        let own = Own { interface: (*interface).to_owned(), address, length, has_one_peer: false };
        (*scope == "00" && flags & PASSING == 0).then_some(own)
    };
    table.lines().filter_map(own).collect()
}

/// Whether an interface leads to a network of the house: not one of containers, of guests or of a tunnel.
fn leads_home(interface: &str) -> bool {
    const OTHERS: [&str; 20] = [
        "docker",
        "veth",
        "virbr",
        "lxcbr",
        "lxdbr",
        "incusbr",
        "cni",
        "flannel",
        "cali",
        "podman",
        "kube-",
        "vmnet",
        "vboxnet",
        "tailscale",
        "wg",
        "tun",
        "tap",
        "zt",
        "nebula",
        "fwpr",
    ];
    // Docker names the bridges of its networks by the first twelve digits of their number.
    let is_bridge_of_docker = interface
        .strip_prefix("br-")
        .is_some_and(|number| number.len() == 12 && number.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let is_other = interface == "lo" || OTHERS.iter().any(|other| interface.starts_with(other));
    !is_bridge_of_docker && !is_other
}

/// Whether an address is one that a machine is known by: nobody else's, and not only for one cable.
fn is_an_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => !four.is_loopback() && !four.is_link_local() && !four.is_unspecified(),
        IpAddr::V6(six) => !six.is_loopback() && !six.is_unicast_link_local() && !six.is_unspecified(),
    }
}

/// Whether an address of IPv4 is one that strangers can not have next to it: a private one (RFC 1918), or one between a
/// provider and its customers (RFC 6598).
fn is_at_home(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_private() || matches!(four.octets(), [100, 64..=127, _, _]),
        IpAddr::V6(_) => true,
    }
}

fn is_for_this_house(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(six) if six.is_unique_local())
}

/// What a network is, or why it is none of the lab's.
pub(crate) type Net = Result<IpNet, String>;

impl Host {
    /// The addresses that can be proposed, the best one first.
    pub(crate) fn candidates(&self) -> Vec<&Own> {
        let rank = |own: &Own| {
            let ways = self.ways.iter().filter(|way| way.interface == own.interface);
            let metric =
                ways.filter(|way| way.gateway.is_ipv4() == own.address.is_ipv4()).map(|way| way.metric).min();
            // Where there are both, an address of IPv4 is what a person knows the machine by; of IPv6 the one that stays
            // when the provider changes.
            (
                own.address.is_ipv6(),
                own.has_one_peer,
                metric.is_none(),
                metric,
                !is_for_this_house(own.address),
            )
        };
        let mut all: Vec<&Own> =
            self.own.iter().filter(|own| leads_home(&own.interface) && is_an_address(own.address)).collect();
        all.sort_by_key(|own| rank(own));
        all
    }

    /// The addresses that are proposed: one, and beside one of IPv4 that of IPv6 which its interface keeps.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let all = self.candidates();
        let Some(first) = all.first() else { return Vec::new() };
        let second = all.iter().find(|own| {
            first.address.is_ipv4() && own.interface == first.interface && is_for_this_house(own.address)
        });
        [Some(first), second].into_iter().flatten().map(|own| own.address).collect()
    }

    /// The network that an address is in.
    pub(crate) fn network(&self, address: IpAddr) -> Net {
        let none = |why: &str| Err(format!("{address} {why}"));
        let own = self.own.iter().find(|own| own.address == address);
        if own.is_some_and(|own| own.has_one_peer) {
            return none("leads to one other machine and not to a network");
        }
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let length = own.map_or(if address.is_ipv4() { 24 } else { 64 }, |own| own.length);
        if length + 1 >= whole {
            return none("is alone in its network");
        }
        if !is_at_home(address) {
            return none("is a public address, and strangers are next to it");
        }
        let near = self.own.iter().filter(|own| own.address.is_ipv4() == address.is_ipv4());
        let mut near = near.filter_map(|own| IpNet::new(own.address, own.length).ok().map(|net| net.trunc()));
        // An address that is not here yet is in the network of one that is, if it fits.
        let held = if own.is_none() { near.find(|net| net.contains(&address)) } else { None };
        let Some(net) = held.or_else(|| IpNet::new(address, length).ok().map(|net| net.trunc())) else {
            return none("is in no network");
        };
        match self.gateway(net) == address {
            true => none("is the first of its network, which a zone has for its router"),
            false => Ok(net),
        }
    }

    /// The router of a network: the one on the way to everywhere else, or the first address.
    pub(crate) fn gateway(&self, net: IpNet) -> IpAddr {
        let known = self.ways.iter().map(|way| way.gateway).find(|gateway| net.contains(gateway));
        known.unwrap_or_else(|| lab::value::Cidr(net).first_host())
    }

    /// A name for the machine: its host name, made to fit.
    pub(crate) fn machine(&self) -> Option<String> {
        let first = self.name.trim().split('.').next().unwrap_or_default();
        if first.is_empty() || first == "localhost" || first == "(none)" {
            return None;
        }
        let fit = |c: char| match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => Some(c),
            '-' | '_' | ' ' => Some('-'),
            _ => None,
        };
        let name: String = first.chars().filter_map(fit).take(60).collect();
        let name = name.trim_matches('-');
        // A number is no name, and some words are kept for rules.
        [name.to_owned(), format!("host-{name}")].into_iter().find(|name| begin::machine(name).is_ok())
    }

    /// The domain that the machine looks for names in, if it could be the lab's own.
    pub(crate) fn domain(&self) -> Option<String> {
        let words = self.resolver.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            matches!(words.next(), Some("search" | "domain")).then_some(words)
        });
        words
            .flatten()
            .map(|word| word.trim_end_matches('.').to_ascii_lowercase())
            .find(|domain| is_own_domain(domain))
    }

    /// Where its clock is.
    pub(crate) fn timezone(&self) -> Option<String> {
        let link = self.localtime.split_once("zoneinfo/").map_or("", |(_, zone)| zone);
        let link = ["posix/", "right/"].iter().find_map(|kind| link.strip_prefix(kind)).unwrap_or(link);
        let file =
            self.timezone.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        [Some(link), file].into_iter().flatten().find(|zone| begin::timezone(zone).is_ok()).map(str::to_owned)
    }
}

/// Whether a search domain is likely a domain of the house: with a name of its own in front, and not one that a router, a
/// cloud or a VPN gives everyone.
fn is_own_domain(domain: &str) -> bool {
    const OTHERS: [&str; 14] = [
        "local",
        "localdomain",
        "internal",
        "ts.net",
        "fritz.box",
        "speedport.ip",
        "invalid",
        "test",
        "example",
        "localhost",
        "cloudapp.net",
        "amazonaws.com",
        "in-addr.arpa",
        "ip6.arpa",
    ];
    let is_in = |parent: &str| domain == parent || domain.ends_with(&format!(".{parent}"));
    // A name server of the lab answers for the whole domain: of `example.net` that would be the web pages too.
    let is_deep = domain.split('.').count() > 2;
    is_deep && !OTHERS.iter().any(|parent| is_in(parent)) && begin::domain(domain).is_ok()
}

/// An address of IPv4 with its network, as getifaddrs(3) has it.
pub(crate) fn own_of_ipv4(interface: &str, address: Ipv4Addr, mask: Ipv4Addr, has_one_peer: bool) -> Own {
    let length = u8::try_from(u32::from(mask).leading_ones()).unwrap_or(32);
    Own { interface: interface.to_owned(), address: address.into(), length, has_one_peer }
}
