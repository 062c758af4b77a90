//! For whom what is done: policies, and the numbers of the lists that hold for each.

use std::net::IpAddr;

use ipnet::IpNet;
use lab::model::{Dns, DnsPolicy, Lab, SafeSearch, Who};
use lab::names::{DeviceName, MachineName, PersonName};
use lab::read::{At, Map};
use lab::value::{ListSource, Text, Window};
use runtime::overlay::Entry;

use super::{Plan, Source, SourceKind, group};
use crate::client::Mac;
use crate::filter::{ListId, ListSet, Tags};
use crate::safe_search::Engines;

/// What is done for some clients.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Policy {
    /// Its name in the lab file; empty for that of everybody.
    pub(crate) name: String,
    /// For whom; nobody in particular for that of everybody.
    pub(crate) who: Vec<Match>,
    /// When; always if there is none.
    pub(crate) when: Vec<Window>,
    /// Which lists hold.
    pub(crate) lists: ListSet,
    /// Whom to ask: a number in the plan's groups.
    pub(crate) group: usize,
    pub(crate) safe_search: Engines,
    /// What `$ctag` calls these clients.
    pub(crate) tags: Tags,
    /// Whether their questions stand in the log.
    pub(crate) is_logged: bool,
}

/// A client, as a word of the lab file says it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Match {
    /// By the name that it says.
    Id(String),
    Mac(Mac),
    Address(IpAddr),
    /// By something that is a person's.
    OfPerson(Box<Match>),
    Network(IpNet),
}

impl Match {
    pub(super) fn is_by_mac(&self) -> bool {
        match self {
            Self::Mac(_) => true,
            Self::OfPerson(of) => of.is_by_mac(),
            Self::Id(_) | Self::Address(_) | Self::Network(_) => false,
        }
    }

    /// The address, if it says one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::OfPerson(of) => of.address(),
            Self::Id(_) | Self::Mac(_) | Self::Network(_) => None,
        }
    }

    pub(crate) fn words(&self) -> String {
        match self {
            Self::Id(id) => format!("id:{id}"),
            Self::Mac(mac) => mac.map(|byte| format!("{byte:02x}")).join(":"),
            Self::Address(address) => address.to_string(),
            Self::OfPerson(of) => of.words(),
            Self::Network(network) => network.to_string(),
        }
    }
}

/// A name that rules may say clients by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Called {
    pub(crate) name: String,
    pub(crate) who: Vec<Match>,
}

/// Adds policies, what they hold for, and where their rules come from.
pub(super) fn add(plan: &mut Plan, lab: &Lab, dns: &Dns, overlay: &[Entry]) {
    let mut sources = Sources(Vec::new());
    let lists =
        |map: &Map<lab::names::Label, ListSource>, kind: fn(ListSource) -> SourceKind| -> Vec<Source> {
            let source = |(name, source): (&lab::names::Label, &At<ListSource>)| Source {
                name: name.as_str().to_owned(),
                of: kind(source.value().clone()),
            };
            map.iter().map(source).collect()
        };
    let all: Vec<ListId> = lists(&dns.lists, SourceKind::Block)
        .into_iter()
        .chain(lists(&dns.allow_lists, SourceKind::Allow))
        .filter_map(|source| sources.add(source))
        .collect();
    let clicked = overlay.iter().filter(|entry| entry.key == "dns.rules");
    let clicked: Vec<String> = clicked.map(|entry| entry.value.clone()).collect();
    let own = [sources.rules("own rules", texts(&dns.rules)), sources.rules("rules by click", clicked)];
    let own: Vec<ListId> = own.into_iter().flatten().collect();
    let services = sources.services(&dns.services);
    plan.policies.push(Policy {
        lists: all.iter().chain(&own).chain(&services).copied().collect(),
        safe_search: engines(&dns.safe_search),
        is_logged: true,
        ..Policy::default()
    });
    for (name, policy) in &dns.policies {
        let named: Option<Vec<ListId>> = policy
            .lists
            .as_ref()
            .map(|lists| lists.iter().filter_map(|list| sources.find(list.as_str())).collect());
        let of_rules = sources.rules(&format!("rules of {name}"), texts(&policy.rules));
        let services = match &policy.services {
            Some(own) => sources.services(own),
            None => services.clone(),
        };
        let lists = named.unwrap_or_else(|| all.clone());
        let lists = lists.iter().chain(&own).chain(&of_rules).chain(&services).copied();
        let made = Policy {
            name: name.as_str().to_owned(),
            who: policy.who.iter().flat_map(|who| matches(lab, who.as_str())).collect(),
            when: policy.when.iter().flat_map(|when| when.iter()).map(|when| when.value().clone()).collect(),
            lists: lists.collect(),
            group: own_group(plan, name.as_str(), policy, dns),
            safe_search: policy
                .safe_search
                .as_ref()
                .map_or_else(|| engines(&dns.safe_search), |own| engines(own)),
            tags: tags(&policy.tags),
            is_logged: *policy.log,
        };
        plan.policies.push(made);
    }
    plan.sources = sources.0;
    let devices = lab.devices.keys().map(DeviceName::as_str);
    let people = lab.people.keys().map(PersonName::as_str);
    let names = devices.chain(lab.machines.keys().map(MachineName::as_str)).chain(people);
    plan.called = names.map(|name| Called { name: name.to_owned(), who: matches(lab, name) }).collect();
    plan.called.retain(|called| !called.who.is_empty());
}

fn own_group(plan: &mut Plan, name: &str, policy: &DnsPolicy, dns: &Dns) -> usize {
    let Some(lines) = &policy.upstreams else { return 0 };
    plan.groups.push(group(name, lines, dns));
    plan.groups.len() - 1
}

fn texts(texts: &[At<Text>]) -> Vec<String> {
    texts.iter().map(|text| text.as_str().to_owned()).collect()
}

/// The tags that there are; the check of a lab says which are none.
fn tags(words: &[At<Text>]) -> Tags {
    words.iter().filter_map(|word| Tags::of(&[word.as_str()])).fold(Tags::default(), Tags::and)
}

/// The number of a source as rules know it; none beyond the most that there may be.
pub(crate) fn list_id(number: usize) -> Option<ListId> {
    u8::try_from(number).ok().map(ListId)
}

fn engines(words: &[At<SafeSearch>]) -> Engines {
    words.iter().fold(Engines::default(), |engines, word| engines.with(word.word()).unwrap_or(engines))
}

/// The sources of rules so far. There is a limit to how many: what is beyond it is left out by the check of the lab.
struct Sources(Vec<Source>);

impl Sources {
    fn add(&mut self, source: Source) -> Option<ListId> {
        let id = list_id(self.0.len())?;
        self.0.push(source);
        Some(id)
    }

    fn find(&self, name: &str) -> Option<ListId> {
        let is = |source: &Source| {
            matches!(source.of, SourceKind::Block(_) | SourceKind::Allow(_)) && source.name == name
        };
        list_id(self.0.iter().position(is)?)
    }

    fn rules(&mut self, name: &str, rules: Vec<String>) -> Option<ListId> {
        if rules.is_empty() {
            return None;
        }
        self.add(Source { name: name.to_owned(), of: SourceKind::Rules(rules) })
    }

    /// The numbers of services; each has one, whoever it is blocked for.
    fn services(&mut self, ids: &[At<Text>]) -> Vec<ListId> {
        let mut numbers = Vec::new();
        for id in texts(ids) {
            let known = self.0.iter().position(|source| source.of == SourceKind::Service(id.clone()));
            numbers.extend(match known {
                Some(known) => list_id(known),
                None => self.add(Source {
                    name: crate::services::find(&id)
                        .map_or_else(|| id.clone(), |service| service.name.to_owned()),
                    of: SourceKind::Service(id),
                }),
            });
        }
        numbers
    }
}

/// The clients that a word of the lab file means.
fn matches(lab: &Lab, word: &str) -> Vec<Match> {
    let of_device = |name: &str| -> Vec<Match> {
        let Some(device) = lab.devices.get(name) else { return Vec::new() };
        let addresses =
            device.address.iter().flat_map(|all| all.iter()).map(|address| Match::Address(address.0));
        addresses.chain(device.mac.iter().map(|mac| Match::Mac(mac.0))).collect()
    };
    let of_zone = |name: &lab::names::ZoneName| -> Vec<Match> {
        let networks = lab.zones.get(name).into_iter().flat_map(|zone| zone.cidr.iter());
        networks.map(|cidr| Match::Network(cidr.0)).collect()
    };
    match lab.who(word) {
        None => Vec::new(),
        Some(Who::Id(id)) => vec![Match::Id(id)],
        Some(Who::Address(address)) => vec![Match::Address(address)],
        Some(Who::Network(network)) => vec![Match::Network(network)],
        Some(Who::Mac(mac)) => vec![Match::Mac(mac.0)],
        Some(Who::Device(name)) => of_device(name.as_str()),
        Some(Who::Zone(name)) => of_zone(name),
        Some(Who::Machine(name)) => {
            let machine = lab.machines.get(name);
            let addresses =
                machine.into_iter().flat_map(|machine| &machine.address).flat_map(|all| all.iter());
            addresses.map(|address| Match::Address(address.0)).collect()
        }
        Some(Who::Person(name)) => {
            let is_theirs = |of: &Option<At<PersonName>>| of.as_ref().is_some_and(|of| of.value() == name);
            let devices = lab.devices.iter().filter(|(_, device)| is_theirs(&device.of));
            let devices = devices.flat_map(|(device, _)| of_device(device.as_str()));
            let alone = lab
                .zones
                .iter()
                .filter(|(_, zone)| matches!(zone.people.as_slice(), [one] if one.value() == name));
            let zones = alone.flat_map(|(zone, _)| of_zone(zone));
            let id = Match::Id(name.as_str().to_owned());
            devices.chain(zones).chain([id]).map(|of| Match::OfPerson(Box::new(of))).collect()
        }
    }
}

impl Policy {
    /// Whether what comes from the source of that number holds.
    pub(crate) fn follows(&self, number: usize) -> bool {
        list_id(number).is_some_and(|list| self.lists.contains(list))
    }

    /// In words, one fact a line, for everything that it says beside its lists.
    pub(super) fn words(&self, groups: &[super::Group]) -> Vec<String> {
        let name = if self.name.is_empty() { "everybody" } else { &self.name };
        let mut lines: Vec<String> =
            self.who.iter().map(|who| format!("policy {name} for {}", who.words())).collect();
        lines.extend(self.when.iter().map(|when| format!("policy {name} {when}")));
        lines.extend(self.tags.names().map(|tag| format!("policy {name} tag {tag}")));
        if !self.safe_search.is_empty() {
            lines.push(format!("policy {name} safe search {}", self.safe_search.words()));
        }
        if self.group > 0 && groups.get(self.group).is_some() {
            lines.push(format!("policy {name} asks its own upstreams"));
        }
        if !self.is_logged {
            lines.push(format!("policy {name} is not logged"));
        }
        lines
    }
}
