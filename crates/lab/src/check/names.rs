//! Names on the network, and the naming schemes of sites.

use std::collections::BTreeMap;

use crate::fault::{Code, Fault, Faults, nearest};
use crate::follow::{Follows, Name, Owner};
use crate::model::Lab;
use crate::naming;
use crate::value::Version;

/// The longest domain: names of machines (63) and of apps (100) have room under it.
const MAX_DOMAIN: usize = 150;

pub(super) fn check(lab: &Lab, follows: &Follows, faults: &mut Faults) {
    taken(follows, faults);
    schemes(lab, faults);
    domain(lab, faults);
}

/// Two things that make one DNS name.
fn taken(follows: &Follows, faults: &mut Faults) {
    let mut owners: BTreeMap<&str, &Name> = BTreeMap::new();
    for name in &follows.names {
        let Some(first) = owners.get(name.name.as_str()) else {
            owners.insert(&name.name, name);
            continue;
        };
        let (Some(here), Some(there)) = (name.from.first(), first.from.first()) else { continue };
        let (here, owner, there, other) = match here >= there {
            true => (here, &name.owner, there, &first.owner),
            false => (there, &first.owner, here, &name.owner),
        };
        let title = format!("two things would be `{}`", name.name);
        faults.push(
            Fault::new(Code::DnsNameTaken, *here, title)
                .label(format!("{} here", words(owner)))
                .also(*there, format!("{} here", words(other)))
                .help("rename one of them, or give the app another `host`"),
        );
    }
}

fn words(owner: &Owner) -> String {
    match owner {
        Owner::Machine(name) => format!("the machine {name}"),
        Owner::Device(name) => format!("the device {name}"),
        Owner::Router(name) => format!("the router {name}"),
        Owner::Gear(name) => name.clone(),
        Owner::App(name) => format!("the app {name}"),
        Owner::Service(name) => format!("the service {name}"),
        Owner::Rewrite => "a rewrite".to_owned(),
    }
}

/// Machines whose names are not in the list of their site.
fn schemes(lab: &Lab, faults: &mut Faults) {
    for (name, machine) in &lab.machines {
        let Some((site, scheme)) = lab.site_of_machine(name.as_str()).and_then(|site| {
            let scheme = lab.sites.get(site)?.naming.as_ref()?;
            Some((site, scheme))
        }) else {
            continue;
        };
        let places = naming::places(**scheme);
        if places.iter().any(|place| place.name == name.as_str()) {
            continue;
        }
        let title = format!("`{name}` is not in the list `{}`", scheme.word());
        let near = nearest(name.as_str(), places.iter().map(|place| place.name));
        let mut fault = Fault::new(Code::NamingScheme, machine.span(), title)
            .also(scheme.span(), format!("machines of {site} are named after this list"))
            .did_you_mean(near);
        fault = fault.help(match naming::suggest(lab, site, machine.memory.as_ref().map(|size| **size), 3) {
            names if names.is_empty() => "no name of the list is free".to_owned(),
            names => {
                let names: Vec<String> = names.iter().map(|place| format!("`{}`", place.name)).collect();
                format!("free names of about its size are {}", names.join(", "))
            }
        });
        faults.push(fault);
    }
}

fn domain(lab: &Lab, faults: &mut Faults) {
    let domain = &lab.lab.domain;
    if domain.as_str() == "local" || domain.as_str().ends_with(".local") {
        let title = format!("`{domain}` belongs to multicast DNS");
        faults.push(
            Fault::new(Code::DomainLocal, domain.span(), title)
                .label("phones and laptops look up `.local` without asking a name server (RFC 6762)")
                .help("take a domain that you own, or one under `home.arpa` (RFC 8375)"),
        );
    }
    if domain.as_str().len() > MAX_DOMAIN {
        let title = format!("the domain is longer than {MAX_DOMAIN} characters");
        let fault = Fault::new(Code::BadValue, domain.span(), title);
        faults.push(fault.help("a whole DNS name has at most 253: leave room for the names under it"));
    }
    if let (Some(needs), Some(own)) = (&lab.lab.needs, own_version())
        && **needs > own
    {
        let title = format!("this lab needs Polis {needs}, and this is {own}");
        faults.push(Fault::new(Code::NeedsNewer, needs.span(), title).help("update Polis on this machine"));
    }
}

fn own_version() -> Option<Version> {
    use crate::read::FromText as _;
    Version::from_text(env!("CARGO_PKG_VERSION")).ok()
}
