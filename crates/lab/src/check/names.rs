//! Names on the network, and the naming schemes of sites.

use std::collections::BTreeMap;

use super::Unread;
use crate::fault::{Code, Fault, Faults, nearest};
use crate::follow::{Follows, Name, Owner};
use crate::model::Lab;
use crate::names::AppName;
use crate::naming;
use crate::source::Span;
use crate::value::Version;

/// The longest domain: names of machines (63) and of apps (100) have room under it.
const MAX_DOMAIN: usize = 150;

pub(super) fn check(lab: &Lab, follows: &Follows, unread: &Unread, faults: &mut Faults) {
    let owners = taken(follows, faults);
    urls(lab, &owners, unread, faults);
    schemes(lab, faults);
    domain(lab, faults);
}

/// Two things that make one DNS name. Says who has each.
fn taken<'f>(follows: &'f Follows, faults: &mut Faults) -> BTreeMap<&'f str, &'f Name> {
    let mut owners: BTreeMap<&str, &Name> = BTreeMap::new();
    for name in &follows.names {
        let Some(first) = owners.get(name.name.as_str()) else {
            owners.insert(&name.name, name);
            continue;
        };
        // Two things of one name are one mistake, which `name-taken` has said.
        if thing(&name.owner).is_some_and(|own| thing(&first.owner) == Some(own)) {
            continue;
        }
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
    owners
}

/// The name of what shares its space of names with everything that rules may name.
fn thing(owner: &Owner) -> Option<&str> {
    match owner {
        Owner::Machine(name) => Some(name.as_str()),
        Owner::Device(name) => Some(name.as_str()),
        Owner::Router(name) => Some(name.as_str()),
        Owner::Gear(name) => Some(name),
        Owner::App(name) => Some(name.as_str()),
        Owner::Service(_) | Owner::Rewrite => None,
    }
}

/// Apps with a `url` whose host is a name of the lab that leads elsewhere, or that is another app's as well. The
/// name of the app's own machine (or of its host) leads to it, and a rewrite may lead anywhere.
fn urls(lab: &Lab, owners: &BTreeMap<&str, &Name>, unread: &Unread, faults: &mut Faults) {
    let mut given: BTreeMap<(&str, u16, &str), (&AppName, Span)> = BTreeMap::new();
    let urls = lab.apps.iter().filter_map(|(name, app)| Some((name, app, app.serve.as_ref()?.url.as_ref()?)));
    let mut urls: Vec<_> = urls.collect();
    urls.sort_by_key(|(_, _, url)| url.span());
    for (name, app, url) in urls {
        let leads_to_it = |owner: &Owner| match owner {
            Owner::Rewrite => true,
            Owner::Machine(machine) => {
                unread.is_in(&["machines"])
                    || !app.on.is_known()
                    || machine == app.on.value()
                    || lab.metal_of(app.on.as_str()) == Some(machine.as_str())
            }
            _ => false,
        };
        if let Some(owner) = owners.get(url.host.as_str()).filter(|owner| !leads_to_it(&owner.owner))
            && let Some(there) = owner.from.first()
        {
            faults.push(
                Fault::new(Code::DnsNameTaken, url.span(), format!("two things would be `{}`", url.host))
                    .label(format!("the app {name} here"))
                    .also(*there, format!("{} here", words(&owner.owner)))
                    .help("give the app another name in its `url`, or rename the other"),
            );
            continue;
        }
        let Some((other, there)) = given.insert((&url.host, url.port, url.path()), (name, url.span())) else {
            continue;
        };
        faults.push(
            Fault::new(
                Code::DnsNameTaken,
                url.span(),
                format!("{other} and {name} are both at `{}`", url.value()),
            )
            .also(there, "given first here")
            .help("each app has an address of its own"),
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
