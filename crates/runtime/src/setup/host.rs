//! What a machine says of itself, and what of it is proposed for its first lab. Texts in, facts out; `look` reads them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use lab::begin;

use super::ask::Consent;

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

    /// The domain that the machine looks for names in, if it could be the lab's own. It comes from the network, which may
    /// be an employer's: a name server of the lab would deny every name of theirs. So only a person takes it, except
    /// where it can be nobody else's (RFC 8375).
    pub(crate) fn domain(&self, consent: Consent) -> Option<String> {
        let words = self.resolver.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            matches!(words.next(), Some("search" | "domain")).then_some(words)
        });
        words
            .flatten()
            .map(|word| word.trim_end_matches('.').to_ascii_lowercase())
            .filter(|domain| consent == Consent::Asked || domain.ends_with(".home.arpa"))
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn four(interface: &str, address: &str, length: u8) -> Own {
        Own { interface: interface.into(), address: address.parse().unwrap(), length, has_one_peer: false }
    }

    pub(crate) fn way(interface: &str, gateway: &str, metric: u32) -> Way {
        Way { interface: interface.into(), gateway: gateway.parse().unwrap(), metric }
    }

    /// A machine with one cable, in a house of the usual kind.
    pub(crate) fn usual() -> Host {
        Host {
            name: "naxos\n".into(),
            own: vec![four("lo", "127.0.0.1", 8), four("eth0", "192.168.1.10", 24)],
            ways: vec![way("eth0", "192.168.1.1", 100)],
            resolver: "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n".into(),
            timezone: "Europe/Athens\n".into(),
            localtime: "/usr/share/zoneinfo/Europe/Athens".into(),
        }
    }

    const ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\tFE01A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
*\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0
";
    const ROUTES_OF_IPV6: &str = "\
fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe80000000000000021122fffe334455 00000064 00000001 00000000 00000003     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
";
    const OWN_OF_IPV6: &str = "\
00000000000000000000000000000001 01 80 10 80       lo
fe80000000000000021122fffe334455 02 40 20 80     eth0
fd000000000000000000000000000010 02 40 00 80     eth0
20010db8000000000000000000000010 02 40 00 00     eth0
20010db8000000001234567812345678 02 40 00 01     eth0
20010db8000000000000000000000099 02 40 00 20     eth0
";

    #[cfg(target_endian = "little")]
    #[test]
    fn the_tables_of_the_kernel_are_read() {
        let ways = ways_of_ipv4(ROUTES);
        assert_eq!(ways, [way("wlan0", "192.168.1.1", 600), way("eth0", "192.168.1.254", 100)]);
        assert_eq!(ways_of_ipv6(ROUTES_OF_IPV6), [way("eth0", "fe80::211:22ff:fe33:4455", 100)]);
        let own: Vec<String> =
            own_of_ipv6(OWN_OF_IPV6).iter().map(|own| format!("{}/{}", own.address, own.length)).collect();
        assert_eq!(own, ["fd00::10/64", "2001:db8::10/64"], "what passes is left out");
        for garbage in ["", "\n", "a b c", "eth0\tx\ty\tz\t0\t0\t0\t0\n", "\u{0}\u{0}"] {
            assert!(
                ways_of_ipv4(garbage).is_empty()
                    && ways_of_ipv6(garbage).is_empty()
                    && own_of_ipv6(garbage).is_empty()
            );
        }
        let own = own_of_ipv4("eth0", Ipv4Addr::new(10, 0, 0, 5), Ipv4Addr::new(255, 255, 252, 0), false);
        assert_eq!(own.length, 22);
    }

    fn proposed(own: Vec<Own>, ways: Vec<Way>) -> (String, String) {
        let host = Host { own, ways, ..usual() };
        let words = |all: Vec<String>| all.join(" ");
        let addresses = host.addresses();
        let nets =
            addresses.iter().map(|own| host.network(*own).map_or_else(|why| why, |net| net.to_string()));
        (words(addresses.iter().map(ToString::to_string).collect()), words(nets.collect()))
    }

    fn pair(addresses: &str, nets: &str) -> (String, String) {
        (addresses.to_owned(), nets.to_owned())
    }

    #[test]
    fn the_address_on_the_way_to_everywhere_else_is_proposed() {
        let host = usual();
        assert_eq!(proposed(host.own.clone(), host.ways.clone()), pair("192.168.1.10", "192.168.1.0/24"));
        let both = vec![four("wlan0", "192.168.1.11", 24), four("eth0", "192.168.1.10", 24)];
        let ways = vec![way("wlan0", "192.168.1.1", 600), way("eth0", "192.168.1.1", 100)];
        assert_eq!(proposed(both.clone(), ways), pair("192.168.1.10", "192.168.1.0/24"));
        assert_eq!(
            proposed(both, Vec::new()),
            pair("192.168.1.11", "192.168.1.0/24"),
            "no way out: the first"
        );
    }

    #[test]
    fn networks_of_containers_guests_and_tunnels_are_not_proposed() {
        let others = [
            "docker0",
            "veth12ab",
            "br-0123456789ab",
            "virbr0",
            "tailscale0",
            "wg0",
            "tun0",
            "cni0",
            "podman0",
            "lxdbr0",
        ];
        let mut own: Vec<Own> = others.iter().map(|name| four(name, "172.17.0.1", 16)).collect();
        own.push(four("lo", "127.0.0.1", 8));
        own.push(four("eth1", "169.254.7.7", 16));
        assert_eq!(
            proposed(own.clone(), vec![way("wg0", "172.17.0.2", 1)]),
            pair("", ""),
            "no network at all"
        );
        for home in [
            "eth0",
            "enp3s0",
            "wlan0",
            "br0",
            "br-lan",
            "vmbr0",
            "bond0",
            "end0",
            "eno1",
            "lan0",
            "losangeles0",
        ] {
            let mut own = own.clone();
            own.push(four(home, "10.0.0.5", 22));
            assert_eq!(proposed(own, Vec::new()), pair("10.0.0.5", "10.0.0.0/22"), "{home}");
        }
    }

    #[test]
    fn with_ipv6_that_of_the_house_is_proposed_beside_ipv4_and_any_alone() {
        let six = own_of_ipv6(OWN_OF_IPV6);
        let mut both = six.clone();
        both.push(four("eth0", "192.168.1.10", 24));
        let ways = vec![way("eth0", "192.168.1.1", 100)];
        assert_eq!(proposed(both, ways.clone()), pair("192.168.1.10 fd00::10", "192.168.1.0/24 fd00::/64"));
        assert_eq!(proposed(six.clone(), Vec::new()), pair("fd00::10", "fd00::/64"));
        let global = vec![four("eth0", "2001:db8::10", 64)];
        assert_eq!(proposed(global.clone(), Vec::new()), pair("2001:db8::10", "2001:db8::/64"));
        let mut both = global;
        both.push(four("eth0", "192.168.1.10", 24));
        assert_eq!(
            proposed(both, ways),
            pair("192.168.1.10", "192.168.1.0/24"),
            "it changes with the provider"
        );
    }

    #[test]
    fn an_address_without_a_network_of_the_house_has_no_zone() {
        let net = |own: Own| proposed(vec![own], vec![way("eth0", "172.31.1.1", 0)]).1;
        assert_eq!(net(four("eth0", "10.9.9.9", 32)), "10.9.9.9 is alone in its network");
        assert_eq!(net(four("eth0", "10.9.9.9", 31)), "10.9.9.9 is alone in its network");
        assert_eq!(net(four("eth0", "fd00::9", 128)), "fd00::9 is alone in its network");
        assert!(net(four("eth0", "203.0.113.7", 24)).contains("strangers are next to it"));
        assert!(
            net(Own { has_one_peer: true, ..four("ppp0", "10.9.9.9", 24) }).contains("one other machine")
        );
        assert!(net(four("eth0", "10.9.9.1", 24)).contains("which a zone has for its router"));
        let host = Host {
            ways: vec![way("eth0", "10.9.9.254", 0)],
            own: vec![four("eth0", "10.9.9.1", 24)],
            ..usual()
        };
        assert_eq!(host.network("10.9.9.1".parse().unwrap()).unwrap().to_string(), "10.9.9.0/24");
        assert_eq!(net(four("eth0", "100.64.3.9", 10)), "100.64.0.0/10");
    }

    #[test]
    fn an_address_that_is_not_here_yet_is_in_a_network_that_is_or_in_one_of_the_usual_size() {
        let host = Host { own: vec![four("eth0", "10.9.9.9", 20)], ..usual() };
        let net = |address: &str| {
            host.network(address.parse().unwrap()).map_or_else(|why| why, |net| net.to_string())
        };
        assert_eq!(net("10.9.1.1"), "10.9.0.0/20");
        assert_eq!(net("192.168.7.7"), "192.168.7.0/24");
        assert_eq!(net("fd00:7::7"), "fd00:7::/64");
        assert!(net("9.9.9.9").contains("public"));
    }

    #[test]
    fn a_host_name_is_made_a_name() {
        let named = |name: &str| Host { name: name.into(), ..usual() }.machine().unwrap_or_default();
        let cases = [
            ("naxos\n", "naxos"),
            ("Naxos.lab.example.net", "naxos"),
            ("My_Server 2", "my-server-2"),
            ("DESKTOP-4711", "desktop-4711"),
            ("-box-", "box"),
            ("3d-printer", "3d-printer"),
            ("42", "host-42"),
            ("dns", "host-dns"),
            ("büro", "bro"),
            ("localhost.localdomain", ""),
            ("(none)", ""),
            ("", ""),
            ("___", ""),
        ];
        for (name, expected) in cases {
            assert_eq!(named(name), expected, "{name}");
        }
        assert_eq!(named(&"x".repeat(90)).len(), 60);
    }

    #[test]
    fn a_search_domain_is_taken_if_it_is_likely_of_the_house() {
        let domain =
            |text: &str| Host { resolver: text.into(), ..usual() }.domain(Consent::Asked).unwrap_or_default();
        let cases = [
            ("search lab.example.net\nnameserver 127.0.0.1\n", "lab.example.net"),
            ("# written by NetworkManager\nnameserver 127.0.0.1\n", ""),
            ("domain Home.Example.Net.\n", "home.example.net"),
            ("search fritz.box lab.home.arpa\n", "lab.home.arpa"),
            ("search example.net\n", ""),
            ("search lan\n", ""),
            ("search .\n", ""),
            ("search a.b.local default.svc.cluster.local\n", ""),
            ("search tail1234.ts.net eu-west-1.compute.internal\n", ""),
            ("search bad_name.x.y\n", ""),
            ("searching lab.example.net\n", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(domain(text), expected, "{text}");
        }
        // Nobody is asked: the network may be an employer's.
        let alone = |text: &str| Host { resolver: text.into(), ..usual() }.domain(Consent::Assumed);
        assert_eq!(alone("search eu.corp.example.net\n"), None);
        assert_eq!(alone("search corp.nothome.arpa\n"), None);
        assert_eq!(alone("search eu.corp.example.net attic.home.arpa\n").as_deref(), Some("attic.home.arpa"));
    }

    #[test]
    fn the_time_zone_is_the_link_or_the_file() {
        let zone = |timezone: &str, localtime: &str| {
            let host = Host { timezone: timezone.into(), localtime: localtime.into(), ..usual() };
            host.timezone().unwrap_or_default()
        };
        assert_eq!(zone("Europe/Athens\n", ""), "Europe/Athens");
        assert_eq!(zone("Europe/Athens\n", "../usr/share/zoneinfo/Europe/Vienna"), "Europe/Vienna");
        assert_eq!(zone("", "/usr/share/zoneinfo/posix/Europe/Vienna"), "Europe/Vienna");
        assert_eq!(zone("# none\nEtc/UTC\n", "/etc/somewhere"), "Etc/UTC");
        assert_eq!(zone("Mars/Olympus", ""), "");
    }
}
