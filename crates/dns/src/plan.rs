//! What a machine's name server must know: what follows from the lab file, ready to be looked up.

mod discovery;
mod group;
mod local;
mod policy;
mod words;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use lab::model::{BlockingMode, Dns, Dnssec, Encrypted, ServiceName};
use lab::names::ZoneName;
use lab::value::ListSource;
use runtime::Given;

pub(crate) use group::Group;
use group::group;
pub(crate) use local::{Record, Records, is_local};
pub(crate) use policy::{Called, Match, Policy, list_id};
pub(crate) use words::source;

use crate::wire::{Code, Name};

/// Where the name server listens unless it is told otherwise.
const PORT: u16 = 53;
/// Everything that a name server of the lab needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Where it listens, over UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// Where it listens over TLS, and over HTTPS.
    pub tls: Vec<SocketAddr>,
    /// See there.
    pub https: Vec<SocketAddr>,
    /// The machine that it is for.
    pub machine: String,
    /// The name that clients know it by, for its certificate.
    pub server_name: String,
    /// Whom it asks: the first group for everybody, others for policies with upstreams of their own.
    pub groups: Vec<Group>,
    /// Everything that rules come from. A rule's list is its number here.
    pub sources: Vec<Source>,
    /// What is done for whom: the first is for everybody that no other one says.
    pub(crate) policies: Vec<Policy>,
    /// Names for clients, as rules may say them.
    pub(crate) called: Vec<Called>,
    /// Who may ask.
    pub(crate) clients: Clients,
    /// What blocked names answer.
    pub(crate) blocking: Blocking,
    /// How answers are kept.
    pub(crate) cache: CacheRules,
    /// Whether answers are checked against signatures.
    pub validates: bool,
    /// Domains that are not checked.
    pub(crate) insecure: Vec<Name>,
    /// Domains whose answers may have private addresses; none if all may.
    pub(crate) rebinding: Option<Vec<Name>>,
    /// How often lists are fetched.
    pub refresh: Duration,
    /// What is written down of questions.
    pub log: LogRules,
    /// The lab's time zone, for policies with times.
    pub timezone: String,
    /// The lab's domain.
    pub(crate) domain: Name,
    pub(crate) names: HashMap<Name, Records>,
    /// Names with another answer than upstreams have.
    pub(crate) rewrites: HashMap<Name, Rewrite>,
    /// The same for everything under a name.
    pub(crate) wild_rewrites: HashMap<Name, Rewrite>,
    /// More records: type and what stands in each, in wire form.
    pub(crate) records: HashMap<Name, Vec<(u16, Vec<u8>)>>,
    /// The same for everything under a name.
    pub(crate) wild_records: HashMap<Name, Vec<(u16, Vec<u8>)>>,
    pub(crate) reverses: HashMap<IpAddr, Vec<Name>>,
    /// The lab's networks, and the number of the zone that each belongs to.
    pub(crate) networks: Vec<(IpNet, usize)>,
    /// The names of the zones, by number.
    zones: Vec<String>,
}

/// Where rules come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// What people call it.
    pub name: String,
    /// What it is.
    pub of: SourceKind,
}

/// What rules come from.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceKind {
    /// A list of names to block.
    Block(ListSource),
    /// A list of names that nothing blocks.
    Allow(ListSource),
    /// Rules of the lab file or of a click.
    Rules(Vec<String>),
    /// The domains of a service.
    Service(String),
}

/// Who may ask, besides zones and private networks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Clients {
    pub(crate) allow: Vec<IpNet>,
    pub(crate) deny: Vec<IpNet>,
    pub(crate) without_limit: Vec<IpNet>,
    /// Questions a second.
    pub(crate) per_second: u32,
}

/// What blocked names answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Blocking {
    pub(crate) mode: BlockingMode,
    pub(crate) addresses: Vec<IpAddr>,
    /// How long it may be kept, in seconds.
    pub(crate) ttl: u32,
}

impl Default for Blocking {
    fn default() -> Self {
        Self { mode: BlockingMode::Default, addresses: Vec::new(), ttl: 10 }
    }
}

/// How answers are kept; times in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CacheRules {
    pub(crate) bytes: usize,
    pub(crate) shortest: u32,
    pub(crate) longest: u32,
    pub(crate) stale: u32,
    pub(crate) prefetch: bool,
}

impl Default for CacheRules {
    fn default() -> Self {
        Self { bytes: 16 << 20, shortest: 0, longest: 86_400, stale: 86_400, prefetch: true }
    }
}

/// What is written down of questions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogRules {
    /// For how long.
    pub keep: Duration,
    /// The most bytes.
    pub bytes: u64,
    /// Whether clients stand in it by their network only.
    pub is_anonymous: bool,
    /// Whether nothing is written.
    pub is_off: bool,
}

impl Default for LogRules {
    fn default() -> Self {
        Self { keep: Duration::from_secs(30 * 86_400), bytes: 256 << 20, is_anonymous: false, is_off: false }
    }
}

/// What a name answers instead of what upstreams say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rewrite {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) alias: Option<Name>,
    /// Types that are asked of upstreams all the same.
    pub(crate) keeps: Vec<u16>,
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
    let mut plan = Plan {
        listen: given.listen.map_or_else(|| listen(given, PORT), |at| vec![at]),
        machine: given.machine.to_string(),
        server_name: lab.name_of("dns").to_string(),
        domain: Name::parse(lab.lab.domain.as_str())?,
        networks: networks.collect(),
        zones: lab.zones.keys().map(|name| name.as_str().to_owned()).collect(),
        refresh: Duration::from_millis(dns.refresh.approximate_millis()),
        timezone: lab.lab.timezone.as_str().to_owned(),
        validates: *dns.dnssec == Dnssec::Validate,
        insecure: dns.insecure.iter().filter_map(|name| Name::parse(name.as_str())).collect(),
        ..Plan::default()
    };
    if given.listen.is_none() {
        for way in dns.encrypted.iter() {
            let at = listen(given, way.port());
            match **way {
                Encrypted::Tls => plan.tls = at,
                Encrypted::Https => plan.https = at,
            }
        }
    }
    settings(&mut plan, dns);
    names(&mut plan, given, &zones);
    own_records(&mut plan, dns);
    discovery::designate(&mut plan);
    for reverse in &follows.reverses {
        if let Some(name) = Name::parse(reverse.name.as_str()) {
            plan.reverses.entry(reverse.address).or_default().push(name);
        }
    }
    policy::add(&mut plan, lab, dns, given.overlay);
    Some(plan)
}

fn whole_seconds(duration: lab::value::Duration) -> u32 {
    u32::try_from(duration.approximate_millis() / 1000).unwrap_or(u32::MAX)
}

fn settings(plan: &mut Plan, dns: &Dns) {
    let nets = |list: &[lab::read::At<lab::value::Cidr>]| list.iter().map(|cidr| cidr.0).collect::<Vec<_>>();
    plan.clients.per_second = 1000;
    if let Some(limit) = &dns.limit {
        plan.clients.per_second = u32::try_from(limit.per_second.0).unwrap_or(u32::MAX);
        plan.clients.without_limit = nets(&limit.exempt);
    }
    if let Some(clients) = &dns.clients {
        (plan.clients.allow, plan.clients.deny) = (nets(&clients.allow), nets(&clients.deny));
    }
    if let Some(blocking) = &dns.blocking {
        let addresses = blocking.addresses.iter().flat_map(|all| all.iter()).map(|address| address.0);
        plan.blocking = Blocking {
            mode: *blocking.mode,
            addresses: addresses.collect(),
            ttl: whole_seconds(*blocking.ttl),
        };
    }
    if let Some(cache) = &dns.cache {
        plan.cache = CacheRules {
            bytes: usize::try_from(cache.size.0).unwrap_or(usize::MAX),
            shortest: cache.shortest.as_ref().map_or(0, |time| whole_seconds(**time)),
            longest: whole_seconds(*cache.longest),
            stale: whole_seconds(*cache.stale),
            prefetch: *cache.prefetch,
        };
    }
    plan.rebinding = match &dns.rebinding {
        Some(rebinding) if !*rebinding.protect => None,
        Some(rebinding) => {
            Some(rebinding.allow.iter().filter_map(|name| Name::parse(name.as_str())).collect())
        }
        None => Some(Vec::new()),
    };
    if let Some(log) = &dns.log {
        plan.log = LogRules {
            keep: Duration::from_millis(log.keep.approximate_millis()),
            bytes: log.size.0,
            is_anonymous: *log.clients == lab::model::QueryLogClients::Anonymous,
            is_off: *log.off,
        };
    }
    plan.groups.push(group("", &dns.upstreams, dns));
}

/// The service's own address, or else the machine's.
fn listen(given: &Given<'_>, port: u16) -> Vec<SocketAddr> {
    let lab = given.lab;
    let port = given.follows.ports.shifted(port);
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

/// The lab's own names. Rewrites are no names of the lab: they are answered another way.
fn names(plan: &mut Plan, given: &Given<'_>, zones: &HashMap<&ZoneName, usize>) {
    for name in given.follows.names.iter().filter(|name| name.owner != lab::Owner::Rewrite) {
        let by_zone = name
            .by_zone
            .iter()
            .filter_map(|(zone, answer)| Some((*zones.get(zone)?, local::record(answer)?)));
        let Some(everywhere) = local::record(&name.answer) else { continue };
        let records = Records { everywhere, by_zone: by_zone.collect() };
        plan.names.extend(Name::parse(&name.name).map(|name| (name, records)));
    }
}

fn own_records(plan: &mut Plan, dns: &Dns) {
    for (name, targets) in &dns.rewrites {
        let mut rewrite = Rewrite::default();
        for target in targets.iter().map(|target| target.as_str()) {
            match target.parse() {
                Ok(address) => rewrite.addresses.push(address),
                Err(_) if target == "A" => rewrite.keeps.push(crate::wire::kind::A),
                Err(_) if target == "AAAA" => rewrite.keeps.push(crate::wire::kind::AAAA),
                // A rewrite to itself is an exception from a wider one.
                Err(_) if target == name.as_str() => {}
                Err(_) => rewrite.alias = Name::parse(target),
            }
        }
        put(name.as_str(), rewrite, &mut plan.rewrites, &mut plan.wild_rewrites);
    }
    for (name, texts) in &dns.records {
        let records = texts.iter().filter_map(|text| crate::wire::own_record(&text.record));
        put(name.as_str(), records.collect(), &mut plan.records, &mut plan.wild_records);
    }
    plan.add_empty_names();
}

fn put<T>(name: &str, value: T, exact: &mut HashMap<Name, T>, wild: &mut HashMap<Name, T>) {
    match name.strip_prefix("*.") {
        Some(parent) => wild.extend(Name::parse(parent).map(|parent| (parent, value))),
        None => exact.extend(Name::parse(name).map(|name| (name, value))),
    }
}

impl Plan {
    /// The code of a blocked name where it is not an address.
    pub(crate) fn blocked_code(&self) -> Code {
        match self.blocking.mode {
            BlockingMode::Nxdomain => Code::NxDomain,
            BlockingMode::Refused => Code::Refused,
            BlockingMode::Default | BlockingMode::Null | BlockingMode::Nodata | BlockingMode::Address => {
                Code::NoError
            }
        }
    }

    /// Whether it depends on the time of the week what is done for whom.
    pub(crate) fn has_times(&self) -> bool {
        self.policies.iter().any(|policy| !policy.when.is_empty())
    }

    /// Whether it depends on MAC addresses.
    pub(crate) fn asks_neighbours(&self) -> bool {
        let policies = self.policies.iter().flat_map(|policy| &policy.who);
        policies.chain(self.called.iter().flat_map(|called| &called.who)).any(Match::is_by_mac)
    }

    /// Whether the lab names an upstream for just this name, or a domain that it is in.
    pub(crate) fn has_upstream_for(&self, name: &Name) -> bool {
        self.groups.iter().any(|group| group.is_named_for(name))
    }

    /// The rewrite that holds for a name: its own, or the longest one that it is under.
    pub(crate) fn rewrite(&self, name: &Name) -> Option<&Rewrite> {
        if self.rewrites.is_empty() && self.wild_rewrites.is_empty() {
            return None;
        }
        self.rewrites.get(name).or_else(|| above(name, &self.wild_rewrites))
    }

    /// The records of the lab file that a name has: its own, or those of the longest one that it is under.
    pub(crate) fn own_records(&self, name: &Name) -> Option<&[(u16, Vec<u8>)]> {
        if self.records.is_empty() && self.wild_records.is_empty() {
            return None;
        }
        let own = self.records.get(name);
        own.or_else(|| above(name, &self.wild_records).filter(|_| !self.names.contains_key(name)))
            .map(Vec::as_slice)
    }
}

/// What the nearest name above has.
fn above<'m, T>(name: &Name, wild: &'m HashMap<Name, T>) -> Option<&'m T> {
    let mut name = name.parent().filter(|_| !wild.is_empty());
    while let Some(parent) = name {
        if let Some(found) = wild.get(&parent) {
            return Some(found);
        }
        name = parent.parent();
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
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
upstreams = ["9.9.9.9", "1.1.1.1:5353", "[/corp.example/]10.0.0.7"]
lists = { example = "file:lists/example.txt", far = "https://lists.example.org/all.txt" }
rules = ["@@||metrics.example.org^"]
services = ["tiktok"]
rewrites = { "*.a.lab.example.net" = "10.0.0.9", "old.example" = "naxos.lab.example.net" }
records = { "_sip._udp.lab.example.net" = "SRV 0 5 5060 naxos.lab.example.net" }
policies = { guests = { who = "guests", lists = ["far"], services = [], upstreams = ["1.0.0.1"], when = "daily 08:00-20:00", log = false } }
"#;

    /// The plan of the first machine of a lab whose text has no fault.
    pub(crate) fn a_plan(text: &str) -> Plan {
        let folder = lab::Folder::from_texts([
            ("lab.toml".to_owned(), text.to_owned()),
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
        insta::assert_snapshot!(a_plan(LAB).lines().join("\n"));
    }

    #[test]
    fn plans_are_equal_when_what_they_say_is() {
        let plan = a_plan(LAB);
        assert_eq!(plan, a_plan(&format!("# a comment\n{LAB}")));
        for (from, to) in [
            ("10.0.0.9", "10.0.0.8"),
            ("\"9.9.9.9\", \"1.1.1.1:5353\"", "\"1.1.1.1:5353\", \"9.9.9.9\""),
            ("metrics", "tracks"),
            ("all.txt", "some.txt"),
            ("10.0.1.0/24", "10.0.1.0/25"),
            ("tiktok", "youtube"),
            ("08:00", "07:00"),
            ("1.0.0.1", "1.0.0.2"),
            ("5060", "5061"),
            ("log = false", "log = true"),
            ("rules = ", "blocking = \"nxdomain\"\nrules = "),
            ("rules = ", "cache = \"4 MiB\"\nrules = "),
            ("rules = ", "dnssec = \"off\"\nrules = "),
            ("rules = ", "rebinding = false\nrules = "),
            ("rules = ", "limit = 10\nrules = "),
            ("rules = ", "safe-search = [\"all\"]\nrules = "),
        ] {
            let other = a_plan(&LAB.replacen(from, to, 1));
            assert!(other != plan && other.lines() != plan.lines(), "{to}");
        }
    }

    #[test]
    fn rewrites_hold_for_everything_under_a_name_the_longest_first() {
        let text = LAB.replace("[dns]", "[dns]\nmode = \"order\"").replace(
            "rewrites = {",
            "rewrites = { \"*.example\" = \"10.0.0.1\", \"*.b.example\" = \"10.0.0.2\", \"keep.b.example\" = \"keep.b.example\",",
        );
        let plan = a_plan(&text);
        let rewrite = |name: &str| plan.rewrite(&Name::parse(name).unwrap());
        assert_eq!(rewrite("x.y.example").unwrap().addresses, ["10.0.0.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(rewrite("x.y.b.example").unwrap().addresses, ["10.0.0.2".parse::<IpAddr>().unwrap()]);
        assert_eq!(rewrite("keep.b.example"), Some(&Rewrite::default()));
        assert_eq!(rewrite("example"), None);
        assert_eq!(rewrite("old.example").unwrap().alias, Name::parse("naxos.lab.example.net"));
    }
}
