//! The names of a lab and what they answer.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{App, Lab, Placed, ServiceName};
use crate::names::{AppName, DeviceName, MachineName, RouterName, ZoneName};
use crate::read::At;
use crate::source::Span;
use crate::value::{Address, Domain};

/// The tables of the lab that its names, and what they answer, follow from.
pub const NAMES_FOLLOW_FROM: &[&str] = &[
    "lab",
    "sites",
    "zones",
    "routers",
    "switches",
    "access_points",
    "machines",
    "devices",
    "portal",
    "dns",
    "proxy",
    "auth",
    "vpn",
    "bastion",
    "apps",
];

/// A name that the lab's name servers answer.
#[derive(Clone, Debug)]
pub struct Name {
    /// The whole name; a rewrite may begin with `*.`.
    pub name: String,
    /// What it is the name of.
    pub owner: Owner,
    /// What everyone is told.
    pub answer: Answer,
    /// What clients in these zones are told instead.
    pub by_zone: BTreeMap<ZoneName, Answer>,
    /// The places that it came from.
    pub from: Vec<Span>,
}

/// What a name is the name of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A machine.
    Machine(MachineName),
    /// A device.
    Device(DeviceName),
    /// A router.
    Router(RouterName),
    /// A switch or an access point.
    Gear(String),
    /// An app.
    App(AppName),
    /// A service of the lab.
    Service(ServiceName),
    /// A rewrite of `[dns]`.
    Rewrite,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These addresses.
    Addresses(Vec<IpAddr>),
    /// What another name answers.
    Alias(Domain),
}

/// The name of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverse {
    /// The address.
    pub address: IpAddr,
    /// Its name.
    pub name: Domain,
    /// The places that it came from.
    pub from: Vec<Span>,
}

/// Where clients reach a service: its address, or that of its first machine.
pub(super) fn service_addresses(lab: &Lab, placed: &Placed<'_>) -> Vec<IpAddr> {
    match (placed.address, placed.on.first()) {
        (Some(address), _) => vec![address.0],
        (None, Some(machine)) => machine_addresses(lab, machine.as_str()),
        (None, None) => Vec::new(),
    }
}

pub(super) fn machine_addresses(lab: &Lab, machine: &str) -> Vec<IpAddr> {
    lab.machines.get(machine).map(|machine| addresses(machine.address.as_deref())).unwrap_or_default()
}

fn addresses(addresses: Option<&crate::read::OneOrMany<Address>>) -> Vec<IpAddr> {
    addresses.into_iter().flat_map(|addresses| addresses.iter()).map(|address| address.0).collect()
}

/// All names, in the order of the names.
pub(super) fn names(lab: &Lab) -> Vec<Name> {
    let mut names = Vec::new();
    things(lab, &mut names);
    services(lab, &mut names);
    for (name, app) in &lab.apps {
        names.extend(app_name(lab, name, app));
    }
    if let Some(dns) = &lab.dns {
        for (pattern, targets) in &dns.rewrites {
            let addresses: Vec<IpAddr> =
                targets.iter().filter_map(|target| target.as_str().parse().ok()).collect();
            let alias = targets.iter().find_map(|target| Domain::parse(target.as_str()));
            let answer = match (addresses.is_empty(), alias) {
                (false, _) => Answer::Addresses(addresses),
                // Its own name, and the types that stay with upstreams, answer nothing of the lab's.
                (true, Some(alias)) if alias.to_string() != pattern.as_str() => Answer::Alias(alias),
                (true, _) => continue,
            };
            let target = targets;
            names.push(everywhere(pattern.as_str().to_owned(), Owner::Rewrite, answer, vec![target.span()]));
        }
    }
    names.sort_by(|a, b| (&a.name, &a.owner).cmp(&(&b.name, &b.owner)));
    names
}

fn everywhere(name: String, owner: Owner, answer: Answer, from: Vec<Span>) -> Name {
    Name { name, owner, answer, by_zone: BTreeMap::new(), from }
}

/// Machines, devices, routers, switches and access points.
fn things(lab: &Lab, names: &mut Vec<Name>) {
    let mut add = |host: &str, owner: Owner, addresses: Vec<IpAddr>, from: Vec<Span>| {
        if !addresses.is_empty() {
            names.push(everywhere(lab.name_of(host).to_string(), owner, Answer::Addresses(addresses), from));
        }
    };
    for (name, machine) in &lab.machines {
        let from = machine.address.iter().map(At::span).collect();
        add(name.as_str(), Owner::Machine(name.clone()), addresses(machine.address.as_deref()), from);
    }
    for (name, device) in &lab.devices {
        let from = device.address.iter().map(At::span).collect();
        add(name.as_str(), Owner::Device(name.clone()), addresses(device.address.as_deref()), from);
    }
    let switches = lab.switches.iter().map(|(name, switch)| (name.as_str(), &switch.address));
    let access_points = lab.access_points.iter().map(|(name, point)| (name.as_str(), &point.address));
    for (name, address) in switches.chain(access_points) {
        if let Some(address) = address {
            add(name, Owner::Gear(name.to_owned()), vec![address.0], vec![address.span()]);
        }
    }
    for (name, router) in &lab.routers {
        names.extend(router_name(lab, name, router));
    }
}

/// A router answers to its name with the address that it has in the zone of who asks.
fn router_name(lab: &Lab, name: &RouterName, router: &At<crate::model::Router>) -> Option<Name> {
    let zones = lab.addresses_of_router(router);
    let managed = router.managed_from.as_ref();
    let main = zones.iter().find(|(zone, _)| managed.is_some_and(|managed| managed.value() == *zone));
    let (_, addresses) = main.or(zones.first())?;
    let answer = Answer::Addresses(addresses.clone());
    let by_zone =
        zones.iter().map(|(zone, addresses)| ((*zone).clone(), Answer::Addresses(addresses.clone())));
    let by_zone = by_zone.filter(|(_, own)| *own != answer).collect();
    let spans =
        zones.iter().filter_map(|(zone, _)| lab.zones.get(zone.as_str())).map(|zone| zone.cidr.span());
    let from = std::iter::once(router.span()).chain(spans).collect();
    let owner = Owner::Router(name.clone());
    Some(Name { name: lab.name_of(name.as_str()).to_string(), owner, answer, by_zone, from })
}

/// The start page, the login page, the way in from outside, and services with an address of their own.
fn services(lab: &Lab, names: &mut Vec<Name>) {
    let placed = lab.placed();
    let mut add = |name: String, service: ServiceName, addresses: Vec<IpAddr>, from: Vec<Span>| {
        if !addresses.is_empty() {
            names.push(everywhere(name, Owner::Service(service), Answer::Addresses(addresses), from));
        }
    };
    for service in &placed {
        if let Some(address) = service.address {
            let name = lab.name_of(service.service.word()).to_string();
            add(name, service.service, vec![address.0], vec![address.span()]);
        }
    }
    let find = |name: ServiceName| placed.iter().find(|placed| placed.service == name);
    if let Some(proxy) = find(ServiceName::Proxy) {
        let to = service_addresses(lab, proxy);
        let portal = lab.portal.as_ref().and_then(|portal| portal.host.as_ref());
        let host = portal.map_or("", |host| host.as_str());
        let from = vec![portal.map_or(lab.lab.domain.span(), At::span), proxy.span];
        add(lab.name_of(host).to_string(), ServiceName::Portal, to.clone(), from);
        if let Some(auth) = &lab.auth {
            add(
                lab.name_of(auth.host.as_str()).to_string(),
                ServiceName::Auth,
                to,
                vec![auth.span(), proxy.span],
            );
        }
    }
    if let (Some(vpn), Some(placed)) = (&lab.vpn, find(ServiceName::Vpn)) {
        let endpoint = Domain::parse(&vpn.endpoint.host).filter(|host| host.is_in(&lab.lab.domain));
        let is_own =
            endpoint.as_ref().is_some_and(|host| placed.address.is_some() && *host == lab.name_of("vpn"));
        if let (Some(host), false) = (endpoint, is_own) {
            let from = vec![vpn.endpoint.span(), vpn.on.span()];
            add(host.to_string(), ServiceName::Vpn, service_addresses(lab, placed), from);
        }
    }
}

/// The whole name of an app under the lab's domain; none for an app that is reached elsewhere or not at all.
pub(crate) fn app_domain(lab: &Lab, name: &AppName, app: &App) -> Option<Domain> {
    let serve = app.serve.as_ref()?;
    match (&serve.url, &serve.host) {
        (Some(_), _) => None,
        (None, Some(host)) => Some(lab.name_of(host.as_str())),
        (None, None) => Some(lab.name_of(name.as_str())),
    }
}

fn app_name(lab: &Lab, name: &AppName, app: &At<App>) -> Option<Name> {
    let domain = app_domain(lab, name, app)?;
    let serve = app.serve.as_ref()?;
    let host = serve.host.as_ref().map_or(serve.span(), At::span);
    let placed = lab.placed();
    let (to, why) = match placed.iter().find(|placed| placed.service == ServiceName::Proxy) {
        Some(proxy) => (service_addresses(lab, proxy), proxy.span),
        None => (machine_addresses(lab, app.on.as_str()), app.on.span()),
    };
    let owner = Owner::App(name.clone());
    (!to.is_empty()).then(|| everywhere(domain.to_string(), owner, Answer::Addresses(to), vec![host, why]))
}

/// The names of addresses: of what has one of its own, not of what shares it.
pub(super) fn reverses(lab: &Lab) -> Vec<Reverse> {
    let mut reverses = Vec::new();
    let mut add = |host: &str, address: IpAddr, from: Span| {
        reverses.push(Reverse { address, name: lab.name_of(host), from: vec![from] });
    };
    for (name, machine) in &lab.machines {
        for address in machine.address.iter().flat_map(|addresses| addresses.iter()) {
            add(name.as_str(), address.0, address.span());
        }
    }
    for (name, device) in &lab.devices {
        for address in device.address.iter().flat_map(|addresses| addresses.iter()) {
            add(name.as_str(), address.0, address.span());
        }
    }
    for (name, router) in &lab.routers {
        for (zone, addresses) in lab.addresses_of_router(router) {
            let Some(zone) = lab.zones.get(zone.as_str()) else { continue };
            let from = zone.gateway.as_ref().map_or(zone.cidr.span(), At::span);
            for address in addresses {
                add(name.as_str(), address, from);
            }
        }
    }
    let switches = lab.switches.iter().map(|(name, switch)| (name.as_str(), &switch.address));
    let access_points = lab.access_points.iter().map(|(name, point)| (name.as_str(), &point.address));
    for (name, address) in switches.chain(access_points) {
        if let Some(address) = address {
            add(name, address.0, address.span());
        }
    }
    for placed in lab.placed() {
        if let Some(address) = placed.address {
            add(placed.service.word(), address.0, address.span());
        }
    }
    reverses.sort_by(|a, b| (a.address, &a.name).cmp(&(b.address, &b.name)));
    reverses.dedup_by(|a, b| a.address == b.address && a.name == b.name);
    reverses
}
