//! Addresses: in their zone, nobody else's, and none of those that mean something else.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Unread;
use crate::fault::{Code, Fault, Faults};
use crate::model::{Lab, Placed, Zone};
use crate::names::ZoneName;
use crate::read::At;
use crate::source::Span;
use crate::value::Address;

/// An address that something has.
struct Claim<'l> {
    address: IpAddr,
    span: Span,
    owner: String,
    /// The zone that it says it is in.
    zone: Option<&'l At<ZoneName>>,
}

pub(super) fn check(lab: &Lab, unread: &Unread, faults: &mut Faults) {
    let mut claims = claims(lab);
    claims.sort_by_key(|claim| claim.span);
    let mut taken: BTreeMap<IpAddr, &Claim<'_>> = BTreeMap::new();
    for claim in &claims {
        in_its_zone(lab, claim, unread, faults);
        if let Some(first) = taken.get(&claim.address) {
            let title = format!("{} is the address of {} and of {}", claim.address, first.owner, claim.owner);
            faults.push(
                Fault::new(Code::AddressTaken, claim.span, title)
                    .label(format!("{} here", claim.owner))
                    .also(first.span, format!("{} here", first.owner))
                    .help("give one of them another address"),
            );
        } else {
            taken.insert(claim.address, claim);
        }
    }
    services(lab, &taken, unread, faults);
    macs(lab, faults);
}

fn claims(lab: &Lab) -> Vec<Claim<'_>> {
    let mut claims = Vec::new();
    let mut add = |addresses: &[At<Address>], owner: String, zone| {
        for address in addresses {
            claims.push(Claim { address: address.0, span: address.span(), owner: owner.clone(), zone });
        }
    };
    for (name, machine) in &lab.machines {
        if let Some(addresses) = &machine.address {
            add(addresses, name.to_string(), machine.zone.as_ref());
        }
    }
    for (name, device) in &lab.devices {
        if let Some(addresses) = &device.address {
            add(addresses, name.to_string(), device.zone.as_ref());
        }
    }
    for (name, switch) in &lab.switches {
        add(switch.address.as_slice(), name.to_string(), None);
    }
    for (name, point) in &lab.access_points {
        add(point.address.as_slice(), name.to_string(), None);
    }
    claims
}

/// Whether a network of the zone may be unread, so that nobody knows what is outside it.
fn is_vague(zone: &Zone, unread: &Unread) -> bool {
    !zone.cidr.is_known() || unread.is_part_of(zone.cidr.span())
}

fn in_its_zone(lab: &Lab, claim: &Claim<'_>, unread: &Unread, faults: &mut Faults) {
    if lab.zones.is_empty() {
        return;
    }
    let Claim { address, span, owner, .. } = claim;
    let (name, zone) = match claim.zone {
        Some(name) => match lab.zones.get(name.value()) {
            Some(zone) => (name.value(), zone),
            None => return,
        },
        None => match lab.zone_at(*address) {
            Some(found) => found,
            None if unread.is_in(&["zones"]) => return,
            None => {
                let title = format!("{address} of {owner} is in no zone");
                let fault = Fault::new(Code::AddressOutsideZone, *span, title);
                faults.push(fault.help(format!("the zones are {}", zones_in_words(lab))));
                return;
            }
        },
    };
    if !zone.holds(*address) {
        faults.extend((!is_vague(zone, unread)).then(|| outside(lab, claim, name, zone)));
        return;
    }
    meaning(address, *span, owner, name, zone, faults);
}

fn outside(lab: &Lab, claim: &Claim<'_>, name: &ZoneName, zone: &At<Zone>) -> Fault {
    let Claim { address, span, owner, .. } = claim;
    let cidrs: Vec<String> = zone.cidr.iter().map(ToString::to_string).collect();
    let fault =
        Fault::new(Code::AddressOutsideZone, *span, format!("{address} of {owner} is outside {name}"))
            .also(zone.cidr.span(), format!("{name} is {}", cidrs.join(" and ")));
    match lab.zone_at(*address) {
        Some((other, _)) => fault.help(format!(
            "it is in `{other}`: write `zone = \"{other}\"`, or give {owner} an address of {name}"
        )),
        None => fault.help(format!("give {owner} an address of {name}")),
    }
}

/// The gateway's address, and those that mean the network or everyone in it.
fn meaning(address: &IpAddr, span: Span, owner: &str, name: &ZoneName, zone: &At<Zone>, faults: &mut Faults) {
    if zone.gateways().contains(address) {
        let place = zone.gateway.as_ref().map_or(zone.cidr.span(), At::span);
        let label = match &zone.gateway {
            Some(_) => "the gateway is given here".to_owned(),
            None => "the gateway of a zone is its first address, unless `gateway` says otherwise".to_owned(),
        };
        let title = format!("{address} is the gateway of {name}, {owner} can not have it");
        let fault = Fault::new(Code::AddressIsGateway, span, title).also(place, label);
        faults.push(fault.help(format!("give {owner} another address")));
    }
    if let Some(meaning) = zone.cidr.iter().find_map(|cidr| cidr.reserved(*address)) {
        let title = format!("{address} means {meaning}, {owner} can not have it");
        let fault = Fault::new(Code::AddressReserved, span, title)
            .also(zone.cidr.span(), format!("{name} is this network"));
        faults.push(fault.help(format!("give {owner} an address between the first and the last")));
    }
}

fn zones_in_words(lab: &Lab) -> String {
    let zones = lab.zones.iter().map(|(name, zone)| {
        let cidrs: Vec<String> = zone.cidr.iter().map(ToString::to_string).collect();
        format!("{name} ({})", cidrs.join(", "))
    });
    zones.collect::<Vec<_>>().join(", ")
}

/// The addresses that move between machines: nobody's own, in a zone that all their machines are in.
fn services(lab: &Lab, taken: &BTreeMap<IpAddr, &Claim<'_>>, unread: &Unread, faults: &mut Faults) {
    let placed = lab.placed();
    for (at, service) in placed.iter().enumerate() {
        let Some(address) = service.address else { continue };
        // One that says no machine yet may run on the one that has the address.
        let own = |claim: &&Claim<'_>| match service.on {
            [] => true,
            [only] => only.as_str() == claim.owner,
            _ => false,
        };
        if let Some(claim) = taken.get(&address.0).filter(|claim| !own(claim)) {
            let title =
                format!("{address} is the address of {} and of the service {}", claim.owner, service.service);
            faults.push(
                Fault::new(Code::AddressTaken, address.span(), title)
                    .also(claim.span, format!("{} here", claim.owner))
                    .help("the address of a service moves between its machines: it is none of theirs"),
            );
        }
        let others =
            placed.iter().take(at).filter(|other| other.address.is_some_and(|other| other.0 == address.0));
        for other in others.filter(|other| !may_be_same_order(other, service)) {
            let title = format!(
                "{address} is the address of {} and of {}, on other machines",
                other.service, service.service
            );
            let there = other.address.map_or(other.span, At::span);
            let fault = Fault::new(Code::AddressTaken, address.span(), title)
                .also(there, format!("{} here", other.service));
            faults
                .push(fault.help("services share an address only if they share the order of their machines"));
        }
        shared_zone(lab, service, address, unread, faults);
    }
}

fn may_be_same_order(one: &Placed<'_>, other: &Placed<'_>) -> bool {
    let is_unknown = one.on.is_empty() || other.on.is_empty();
    is_unknown || one.on.iter().map(At::value).eq(other.on.iter().map(At::value))
}

fn shared_zone(lab: &Lab, service: &Placed<'_>, address: &At<Address>, unread: &Unread, faults: &mut Faults) {
    if lab.zones.is_empty() {
        return;
    }
    let Some((zone, table)) = lab.zone_at(address.0) else {
        if unread.is_in(&["zones"]) {
            return;
        }
        let title = format!("{address} of {} is in no zone", service.service);
        let fault = Fault::new(Code::AddressOutsideZone, address.span(), title);
        faults.push(fault.help(format!("the zones are {}", zones_in_words(lab))));
        return;
    };
    meaning(&address.0, address.span(), service.service.word(), zone, table, faults);
    for machine in service.on {
        let Some(own) = lab.zone_of_machine(machine.as_str()) else { continue };
        if own != zone {
            let title =
                format!("{address} can not move to {machine}: it is in {zone}, and {machine} in {own}");
            faults.push(
                Fault::new(Code::AddressNotShared, machine.span(), title)
                    .label(format!("in {own}"))
                    .also(address.span(), format!("in {zone}"))
                    .help("the machines of an order and their address share one zone"),
            );
        }
    }
}

fn macs(lab: &Lab, faults: &mut Faults) {
    let mut taken = BTreeMap::new();
    for (name, device) in &lab.devices {
        let Some(mac) = &device.mac else { continue };
        if let Some((other, there)) = taken.insert(**mac, (name, mac.span())) {
            let here = mac.span();
            let title = format!("{other} and {name} have the same MAC address");
            let fault = Fault::new(Code::MacTaken, here.max(there), title);
            faults.push(
                fault
                    .also(here.min(there), "given first here")
                    .help("look at the label of one of them again"),
            );
        }
    }
}
