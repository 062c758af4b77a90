//! Addresses, networks and ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::read::{FromText, TextInfo, Wrong, text_values};

text_values!(Address, Cidr, Mac, Port, SwitchPorts);

/// An IPv4 or IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub IpAddr);

fn parse_ip(text: &str) -> Result<IpAddr, Wrong> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let parts: Vec<&str> = text.split('.').collect();
    let numbers: Option<Vec<u32>> = parts.iter().map(|part| part.parse().ok()).collect();
    let why = match numbers.as_deref() {
        _ if text.contains('/') => "this is a network: leave out the part from `/` on".to_owned(),
        Some(numbers) if numbers.iter().any(|number| *number > 255) => {
            let large = numbers.iter().find(|number| **number > 255).copied().unwrap_or(256);
            format!("{large} is above 255")
        }
        Some([_, _, _, _]) => "a number in it begins with a zero".to_owned(),
        Some(numbers) => format!("it has {} numbers, an IPv4 address has 4", numbers.len()),
        None if text.contains(':') => "this is no IPv6 address".to_owned(),
        None => "an address has four numbers with points between them".to_owned(),
    };
    Err(Wrong::new(why))
}

impl FromText for Address {
    const INFO: TextInfo = TextInfo::new("an address", "10.10.50.2", Some("^[0-9a-fA-F:.]+$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        parse_ip(text).map(Self)
    }

    fn to_text(&self) -> String {
        self.0.to_string()
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A network: an address and the length of its prefix, with no bit set after the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr(pub IpNet);

impl FromText for Cidr {
    const INFO: TextInfo = TextInfo::new("a network", "10.10.50.0/24", Some("^[0-9a-fA-F:.]+/[0-9]{1,3}$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let Some((address, length)) = text.split_once('/') else {
            return Err(
                Wrong::new("the length of the prefix is missing").help("write it like \"10.10.50.0/24\"")
            );
        };
        let address = parse_ip(address)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let net = length.parse().ok().and_then(|length: u8| IpNet::new(address, length).ok());
        let Some(net) = net else {
            return Err(Wrong::new(format!("`{length}` is not a length from 0 to {longest}")));
        };
        if net.network() != net.addr() {
            let wrong = Wrong::new("this is an address in a network, not a network");
            return Err(wrong.help(format!("the network is \"{}\"", net.trunc())));
        }
        Ok(Self(net))
    }

    fn to_text(&self) -> String {
        self.0.to_string()
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Cidr {
    /// Whether the address is in the network.
    pub fn holds(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// Whether the two networks share an address.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.contains(&other.0) || other.0.contains(&self.0)
    }

    /// The first address that a host may have: a zone's gateway, unless the file says otherwise.
    pub fn first_host(&self) -> IpAddr {
        match (self.0.network(), self.0.prefix_len()) {
            (IpAddr::V4(net), 31 | 32) => IpAddr::V4(net),
            (IpAddr::V4(net), _) => IpAddr::V4(Ipv4Addr::from(u32::from(net).saturating_add(1))),
            (IpAddr::V6(net), 127 | 128) => IpAddr::V6(net),
            (IpAddr::V6(net), _) => IpAddr::V6(Ipv6Addr::from(u128::from(net).saturating_add(1))),
        }
    }

    /// How many hosts can have an address in it, counted up to 2³².
    pub fn hosts(&self) -> u64 {
        let bits = self.0.max_prefix_len() - self.0.prefix_len();
        match (self.0, bits) {
            (_, 0) => 1,
            (_, 1) => 2,
            (_, 32..) => 1 << 32,
            (IpNet::V4(_), bits) => (1 << bits) - 2,
            (IpNet::V6(_), bits) => (1 << bits) - 1,
        }
    }

    /// What an address means in this network besides a host: the network itself, or everyone in it.
    pub fn reserved(&self, address: IpAddr) -> Option<&'static str> {
        let is_small = self.0.max_prefix_len() - self.0.prefix_len() < 2;
        match (self.0, address) {
            _ if is_small || !self.holds(address) => None,
            (net, address) if net.network() == address => Some("the network itself"),
            (IpNet::V4(net), IpAddr::V4(address)) if net.broadcast() == address => {
                Some("everyone in it (broadcast)")
            }
            _ => None,
        }
    }
}

/// A MAC address (IEEE 802 EUI-48).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address, if the text is one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_text(text).ok()
    }
}

impl FromText for Mac {
    const INFO: TextInfo =
        TextInfo::new("a MAC address", "00:00:5e:00:53:09", Some("^([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let parts: Vec<&str> = text.split([':', '-']).collect();
        let bytes: Option<Vec<u8>> = parts
            .iter()
            .map(|part| {
                u8::from_str_radix(part, 16).ok().filter(|_| part.len() == 2 && !part.starts_with('+'))
            })
            .collect();
        match bytes.map(<[u8; 6]>::try_from) {
            Some(Ok(bytes)) => Ok(Self(bytes)),
            Some(Err(bytes)) => Err(Wrong::new(format!("it has {} parts instead of 6", bytes.len()))),
            None => Err(Wrong::new("it has six pairs of hexadecimal digits with colons between them")),
        }
    }

    fn to_text(&self) -> String {
        self.0.map(|byte| format!("{byte:02x}")).join(":")
    }
}

impl std::fmt::Display for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::Tcp { "tcp" } else { "udp" })
    }
}

/// A port, or a range of them, of a protocol: `tcp/22`, `udp/6000-6010`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// The protocol.
    pub protocol: Protocol,
    /// The first port.
    pub first: u16,
    /// The last port; the same for one.
    pub last: u16,
}

impl Port {
    /// A single port.
    pub const fn one(protocol: Protocol, port: u16) -> Self {
        Self { protocol, first: port, last: port }
    }

    /// Whether the two share a port.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.protocol == other.protocol && self.first <= other.last && other.first <= self.last
    }
}

pub(crate) fn parse_port(text: &str) -> Result<u16, Wrong> {
    match text.parse::<u32>() {
        Ok(0) => Err(Wrong::new("there is no port 0")),
        Ok(port) => u16::try_from(port).map_err(|_| Wrong::new(format!("port {port} is above 65535"))),
        Err(_) => Err(Wrong::new(format!("`{text}` is not a port number"))),
    }
}

impl FromText for Port {
    const INFO: TextInfo = TextInfo::new("a port", "tcp/22", Some("^(tcp|udp)/[0-9]{1,5}(-[0-9]{1,5})?$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let Some((protocol, ports)) = text.split_once('/') else {
            return Err(Wrong::new("the protocol is missing")
                .help("write \"tcp/\" or \"udp/\" in front of the number"));
        };
        let protocol = match (protocol, parse_port(protocol)) {
            ("tcp", _) => Protocol::Tcp,
            ("udp", _) => Protocol::Udp,
            (number, Ok(_)) => {
                let wrong = Wrong::new("the protocol comes first");
                return Err(wrong.help(format!("write \"{ports}/{number}\"")));
            }
            (other, Err(_)) => {
                return Err(Wrong::new(format!("there is no protocol `{other}`: it is tcp or udp")));
            }
        };
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let (first, last) = (parse_port(first)?, parse_port(last)?);
        if first > last {
            return Err(Wrong::new("the range ends before it begins"));
        }
        Ok(Self { protocol, first, last })
    }

    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}/{}", self.protocol, self.first),
            false => write!(f, "{}/{}-{}", self.protocol, self.first, self.last),
        }
    }
}

/// Ports of a switch, as the switch names them: `ether20`, `ether1-8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchPorts {
    prefix: String,
    first: u16,
    last: u16,
}

impl SwitchPorts {
    /// The name of every port.
    pub fn names(&self) -> impl Iterator<Item = String> {
        (self.first..=self.last).map(|number| format!("{}{number}", self.prefix))
    }
}

impl FromText for SwitchPorts {
    const INFO: TextInfo =
        TextInfo::new("a port or a range of ports", "ether1-8", Some("^[a-z-]*[0-9]+(-[0-9]+)?$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let Some(at) = text.find(|c: char| c.is_ascii_digit()) else {
            return Err(Wrong::new("it has no number"));
        };
        let (prefix, numbers) = text.split_at(at);
        if prefix.chars().any(|c| !(c.is_ascii_lowercase() || c == '-')) {
            return Err(Wrong::new("a port is a word in lower case and a number"));
        }
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let number = |text: &str| text.parse::<u16>().ok().filter(|number| *number <= 999);
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { prefix: prefix.to_owned(), first, last }),
            (Some(_), Some(_)) => Err(Wrong::new("the range ends before it begins")),
            _ => Err(Wrong::new(format!("`{numbers}` is not a number or a range up to 999"))),
        }
    }

    fn to_text(&self) -> String {
        match self.first == self.last {
            true => format!("{}{}", self.prefix, self.first),
            false => format!("{}{}-{}", self.prefix, self.first, self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromText>(right: &[&str], wrong: &[(&str, &str)]) {
        for text in right {
            let value = T::from_text(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
            assert_eq!(value.to_text(), *text);
        }
        for (text, why) in wrong {
            let wrong = T::from_text(text).err().unwrap_or_else(|| panic!("{text} is taken"));
            assert_eq!(wrong.why, *why, "{text}");
        }
    }

    #[test]
    fn addresses_and_networks() {
        check::<Address>(
            &["10.10.50.2", "fd00::1"],
            &[
                ("10.10.50", "it has 3 numbers, an IPv4 address has 4"),
                ("10.10.50.256", "256 is above 255"),
                ("10.10.50.02", "a number in it begins with a zero"),
                ("10.10.50.2/24", "this is a network: leave out the part from `/` on"),
                ("naxos", "an address has four numbers with points between them"),
                ("fd00::1::2", "this is no IPv6 address"),
            ],
        );
        check::<Cidr>(
            &["10.10.50.0/24", "fd00:50::/64"],
            &[
                ("10.10.50.0", "the length of the prefix is missing"),
                ("10.10.50.1/24", "this is an address in a network, not a network"),
                ("10.10.50.0/33", "`33` is not a length from 0 to 32"),
            ],
        );
    }

    #[test]
    fn networks_count_and_reserve() {
        let net = |text| Cidr::from_text(text).unwrap();
        assert_eq!(net("10.10.10.0/28").first_host(), "10.10.10.1".parse::<IpAddr>().unwrap());
        assert_eq!(net("172.31.0.0/30").hosts(), 2);
        assert_eq!(net("172.31.0.0/31").hosts(), 2);
        assert_eq!(net("172.31.0.0/32").hosts(), 1);
        assert_eq!(net("fd00::/64").hosts(), 1 << 32);
        let reserved = |address: &str| net("10.10.50.0/24").reserved(address.parse().unwrap());
        assert_eq!(reserved("10.10.50.0"), Some("the network itself"));
        assert_eq!(reserved("10.10.50.255"), Some("everyone in it (broadcast)"));
        assert_eq!(reserved("10.10.50.2"), None);
    }

    #[test]
    fn ports_and_macs() {
        check::<Port>(
            &["tcp/22", "udp/6000-6010"],
            &[
                ("22", "the protocol is missing"),
                ("22/tcp", "the protocol comes first"),
                ("icmp/1", "there is no protocol `icmp`: it is tcp or udp"),
                ("tcp/0", "there is no port 0"),
                ("tcp/70000", "port 70000 is above 65535"),
                ("tcp/9-8", "the range ends before it begins"),
            ],
        );
        check::<Mac>(&["00:00:5e:00:53:09"], &[("00:00:5e:00:53", "it has 5 parts instead of 6")]);
        check::<SwitchPorts>(
            &["ether1-8", "ether20", "sfp-sfpplus1"],
            &[("ether8-1", "the range ends before it begins"), ("ether", "it has no number")],
        );
        assert_eq!(
            SwitchPorts::from_text("ether1-3").unwrap().names().collect::<Vec<_>>(),
            ["ether1", "ether2", "ether3"]
        );
    }
}
