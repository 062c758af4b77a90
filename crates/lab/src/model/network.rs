//! Zones, the things between them, and the policy.

use crate::names::{Known, Noun, PartyName, PersonName, RouterName, SiteName, ZoneName};
use crate::print::Toml;
use crate::read::{
    At, FromText, Map, MapKey, Number, OneOrMany, Reader, Shape, TextInfo, Value, Wrong, choice, table,
    text_keys,
};
use crate::source::Span;
use crate::tree::Node;
use crate::value::{Address, Cidr, Date, Duration, Port, SecretRef, SwitchPorts, Text, Version};

table! {
    /// A network: everything in it may talk to everything in it, and to other zones as the policy says.
    pub struct Zone {
        /// The site that it is at.
        site: SiteName = required;
        /// Its VLAN number (IEEE 802.1Q).
        vlan: Number<1, 4094> = optional("it is no VLAN");
        /// Its network; one of IPv4 and one of IPv6 for both.
        cidr: OneOrMany<Cidr> = required;
        /// The address of the site's router in it; one for each network.
        gateway: OneOrMany<Address> = optional("the first address of each network");
        /// Whether what is in it is kept apart from each other, by access points and switches.
        isolate: bool = default(false);
        /// Who may be in it.
        people: Vec<At<PersonName>> = default(Vec::new());
        /// For people who come in by VPN: the zone that each of them counts as.
        members: Map<Known<PersonName>, ZoneName> = default(Map::default());
    }
}

table! {
    /// A router.
    pub struct Router {
        /// The site whose zones it joins.
        site: SiteName = required;
        /// What runs on it.
        kind: RouterKind = required;
        /// The make and model.
        model: Text = optional("nothing depends on the model");
        /// The version of its system.
        version: Version = optional("the newest that Polis knows");
        /// Its number in BGP: a private one, and its own, so that the length of a path counts the routers.
        asn: Number<1, 4294967295> = optional("it takes no part in BGP");
        /// The zone that it may be managed from.
        managed_from: ZoneName = optional("the zones whose policy row reaches everything");
    }
}

choice! {
    /// What runs on a router.
    pub enum RouterKind {
        /// MikroTik RouterOS, 6 or 7.
        Routeros = "routeros",
        /// Linux with nftables, BIRD and WireGuard.
        Linux = "linux",
    }
}

table! {
    /// A switch.
    pub struct Switch {
        /// What runs on it.
        kind: SwitchKind = required;
        /// The make and model: it decides how VLANs are set up.
        model: Text = optional("VLANs are set up on its bridge");
        /// The address that it is managed at.
        address: Address = optional("it is not managed");
        /// Ports that carry every VLAN, and what is at their other end.
        trunks: Map<SwitchPort, CableEnd> = default(Map::default());
        /// Ports that carry one zone, by zone.
        access: Map<Known<ZoneName>, Vec<At<SwitchPorts>>> = default(Map::default());
    }
}

choice! {
    /// What runs on a switch.
    pub enum SwitchKind {
        /// MikroTik RouterOS.
        Routeros = "routeros",
        /// A switch that is not managed by Polis.
        Other = "other",
    }
}

table! {
    /// An access point.
    pub struct AccessPoint {
        /// What manages it.
        kind: AccessPointKind = required;
        /// The make and model.
        model: Text = optional("nothing depends on the model");
        /// The address that it is managed at.
        address: Address = optional("it is not managed");
        /// The wireless networks, and the zone that each is in.
        ssids: Map<Ssid, ZoneName> = default(Map::default());
    }
}

choice! {
    /// What manages an access point.
    pub enum AccessPointKind {
        /// A UniFi controller.
        Unifi = "unifi",
        /// An access point that is not managed by Polis.
        Other = "other",
    }
}

table! {
    /// A tunnel between two routers.
    pub struct Tunnel {
        /// The two routers.
        between: Vec<At<RouterName>> = required;
        /// How it is built.
        kind: TunnelKind = required;
        /// The network inside it: two addresses, one for each end.
        net: Cidr = required;
        /// What both ends know.
        secret: SecretRef = optional("none, which only WireGuard can do without");
    }
}

choice! {
    /// How a tunnel is built.
    pub enum TunnelKind {
        /// L2TP inside IPsec: what RouterOS 6 has.
        L2tpIpsec = "l2tp-ipsec",
        /// WireGuard: from RouterOS 7 on.
        Wireguard = "wireguard",
    }
}

table! {
    /// How routers tell each other the way.
    pub struct Bgp {
        /// Where they speak.
        over: Over = default(Over::Tunnels);
        /// What they tell.
        advertise: Advertise = default(Advertise::Zones);
        /// Which of several ways they take.
        prefer: Prefer = default(Prefer::FewestRouters);
        /// How fast they notice that a way is gone (RFC 5880).
        bfd: Bfd = optional("they notice when BGP's own timers run out");
    }
}

choice! {
    /// Where routers speak BGP.
    pub enum Over {
        /// Through the lab's tunnels.
        Tunnels = "tunnels",
    }
}

choice! {
    /// What routers tell each other.
    pub enum Advertise {
        /// The networks of the zones at their site.
        Zones = "zones",
    }
}

choice! {
    /// Which of several ways routers take.
    pub enum Prefer {
        /// The one with the fewest routers.
        FewestRouters = "fewest-routers",
    }
}

table! {
    /// How fast routers notice that a way is gone.
    pub struct Bfd {
        /// Between two packets.
        interval: Duration = required;
        /// How many may be missing.
        multiplier: Number<1, 50> = default(Number(3));
    }
}

table! {
    /// What the zone of that name may open. Rows add up; what no row allows is refused.
    pub struct PolicyRow {
        /// Everything.
        reach: Reach = optional("only what the other keys say");
        /// Whether the row stands before all rules, so that nothing can take it away.
        first: bool = default(false);
        /// Services and apps: `users` are all apps, `published` those that the internet may use, `panels` the
        /// administrative ports of machines; or the name of a service or an app.
        services: Vec<At<PolicyService>> = default(Vec::new());
        /// Zones, with all that is in them.
        zones: Vec<At<ZoneName>> = default(Vec::new());
        /// Whether it may open the internet.
        internet: bool = default(false);
    }
}

choice! {
    /// A row that needs no list.
    pub enum Reach {
        /// Every zone, service, app and panel, and the internet.
        Everything = "everything",
    }
}

table! {
    /// A single opening in the policy.
    pub struct Exception {
        /// Who may open it.
        from: PartyName = required;
        /// What may be opened.
        to: PartyName = required;
        /// At which ports.
        ports: Vec<At<Port>> = optional("at all ports");
        /// The last day it holds.
        until: Date = optional("it holds until it is taken out");
        /// The reason, for the reader who wonders in two years.
        why: Text = required;
    }
}

/// The name of a policy row: a zone, `internet`, or `every` for all zones but not the internet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyRowName(String);

impl PolicyRowName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for PolicyRowName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl MapKey for PolicyRowName {
    const INFO: TextInfo = TextInfo::new("the name of a zone, `internet` or `every`", "servers", None);

    fn read_key(key: &str, span: Span, reader: &mut Reader) -> Option<Self> {
        if key != "every" {
            reader.refer(&[Noun::Zone, Noun::Internet], key, span);
        }
        Some(Self(key.to_owned()))
    }

    fn to_key(&self) -> String {
        self.0.clone()
    }
}

/// What a policy row may name besides zones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyService {
    /// All apps.
    Users,
    /// The apps that the internet may use.
    Published,
    /// The administrative ports of machines.
    Panels,
    /// A service of the lab, such as `dns`.
    Service(&'static str),
    /// One app.
    App(String),
}

/// The services that a policy may name, with what they are.
pub(crate) const SERVICES: [(&str, &str); 7] = [
    ("dns", "the name servers"),
    ("dhcp", "addresses, from the router of the zone"),
    ("ntp", "the time, from the router of the zone"),
    ("vpn", "the way in from outside"),
    ("bastion", "audited SSH"),
    ("metrics", "queries of measurements"),
    ("logs", "queries of logs"),
];

impl PolicyService {
    /// The word in the lab file.
    pub fn word(&self) -> &str {
        match self {
            Self::Users => "users",
            Self::Published => "published",
            Self::Panels => "panels",
            Self::Service(name) => name,
            Self::App(name) => name,
        }
    }

    /// The words that are no app.
    pub(crate) fn words() -> impl Iterator<Item = &'static str> {
        ["users", "published", "panels"].into_iter().chain(SERVICES.iter().map(|(name, _)| *name))
    }

    /// The service of that word, if it is none of an app.
    pub(crate) fn known(word: &str) -> Option<Self> {
        match word {
            "users" => Some(Self::Users),
            "published" => Some(Self::Published),
            "panels" => Some(Self::Panels),
            _ => SERVICES.iter().find(|(name, _)| *name == word).map(|(name, _)| Self::Service(name)),
        }
    }
}

impl Value for PolicyService {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Some(word) = node.text() else {
            reader.wrong_kind(node, "a service", "\"users\"");
            return None;
        };
        Some(Self::known(word).unwrap_or_else(|| {
            reader.refer(&[Noun::App, Noun::Service], word, node.span);
            Self::App(word.to_owned())
        }))
    }

    fn print(&self) -> Toml {
        Toml::Text(self.word().to_owned())
    }

    fn shape() -> Shape {
        Shape::Text(TextInfo::new("`users`, `published`, `panels`, a service or an app", "users", None))
    }
}

/// The name of a wireless network: 1 to 32 bytes (IEEE 802.11).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ssid(String);

impl FromText for Ssid {
    const INFO: TextInfo = TextInfo::new("the name of a wireless network", "Home", Some("^.{1,32}$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        match text.len() {
            0 => Err(Wrong::new("it is empty")),
            1..=32 => Ok(Self(text.to_owned())),
            length => Err(Wrong::new(format!("it has {length} bytes, 32 is the most"))),
        }
    }

    fn to_text(&self) -> String {
        self.0.clone()
    }
}

/// One port of a switch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SwitchPort(String);

impl FromText for SwitchPort {
    const INFO: TextInfo = TextInfo::new("a port of the switch", "ether24", Some("^[a-z-]*[0-9]+$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let ports = SwitchPorts::from_text(text)?;
        match ports.names().count() {
            1 => Ok(Self(text.to_owned())),
            _ => Err(Wrong::new("a trunk is one port")),
        }
    }

    fn to_text(&self) -> String {
        self.0.clone()
    }
}

text_keys!(Ssid, SwitchPort);

/// What may be at the other end of a cable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CableEnd(String);

impl CableEnd {
    const NOUNS: [Noun; 4] = [Noun::Router, Noun::Switch, Noun::AccessPoint, Noun::Machine];

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for CableEnd {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Some(name) = node.text() else {
            reader.wrong_kind(
                node,
                "the name of a router, a switch, an access point or a machine",
                "\"gateway\"",
            );
            return None;
        };
        reader.refer(&Self::NOUNS, name, node.span);
        Some(Self(name.to_owned()))
    }

    fn print(&self) -> Toml {
        Toml::Text(self.0.clone())
    }

    fn shape() -> Shape {
        Shape::Name(&Self::NOUNS)
    }
}

impl Zone {
    /// The zone's gateways, one for each of its networks.
    pub fn gateways(&self) -> Vec<std::net::IpAddr> {
        match &self.gateway {
            Some(gateways) => gateways.iter().map(|gateway| gateway.0).collect(),
            None => self.cidr.iter().map(|cidr| cidr.first_host()).collect(),
        }
    }

    /// Whether the address is in one of its networks.
    pub fn holds(&self, address: std::net::IpAddr) -> bool {
        self.cidr.iter().any(|cidr| cidr.holds(address))
    }
}

impl Tunnel {
    /// Its two ends, if it has two.
    pub fn ends(&self) -> Option<(&At<RouterName>, &At<RouterName>)> {
        match self.between.as_slice() {
            [one, other] => Some((one, other)),
            _ => None,
        }
    }
}
