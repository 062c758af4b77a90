//! Zones, switches, routers and tunnels.

use std::collections::BTreeMap;

use super::Unread;
use crate::fault::{Code, Fault, Faults};
use crate::model::{Lab, RouterKind, Tunnel, TunnelKind};
use crate::names::TunnelName;
use crate::read::At;
use crate::source::Span;

pub(super) fn check(lab: &Lab, unread: &Unread, faults: &mut Faults) {
    zones_overlap(lab, faults);
    vlans(lab, faults);
    gateways(lab, unread, faults);
    members(lab, faults);
    switch_ports(lab, faults);
    asns(lab, unread, faults);
    for (name, tunnel) in &lab.tunnels {
        tunnel_ends(name, tunnel, unread, faults);
        tunnel_kind(lab, tunnel, unread, faults);
    }
    tunnel_nets(lab, faults);
}

fn zones_overlap(lab: &Lab, faults: &mut Faults) {
    let mut nets: Vec<_> =
        lab.zones.iter().flat_map(|(name, zone)| zone.cidr.iter().map(move |cidr| (cidr, name))).collect();
    nets.sort_by_key(|(cidr, _)| cidr.span());
    for (at, (cidr, name)) in nets.iter().enumerate() {
        for (first, other) in nets.iter().take(at).filter(|(first, _)| first.overlaps(cidr)) {
            let title = format!("`{cidr}` of {name} and `{first}` of {other} share addresses");
            faults.push(
                Fault::new(Code::ZonesOverlap, cidr.span(), title)
                    .label(format!("{name} here"))
                    .also(first.span(), format!("{other} here"))
                    .help("give each zone a network of its own"),
            );
        }
    }
}

fn vlans(lab: &Lab, faults: &mut Faults) {
    let mut taken: BTreeMap<(&str, i64), (&str, Span)> = BTreeMap::new();
    for (name, zone) in &lab.zones {
        let Some(vlan) = zone.vlan.as_ref().filter(|_| zone.site.is_known()) else { continue };
        let here = (name.as_str(), vlan.span());
        let Some(there) = taken.insert((zone.site.as_str(), vlan.0), here) else { continue };
        let (second, first) = if here.1 > there.1 { (here, there) } else { (there, here) };
        let title = format!("VLAN {vlan} is given to {} and to {}", first.0, second.0);
        faults.push(
            Fault::new(Code::VlanTaken, second.1, title)
                .label(format!("{} here", second.0))
                .also(first.1, format!("{} here", first.0))
                .help("within a site each zone has a VLAN number of its own"),
        );
    }
}

fn gateways(lab: &Lab, unread: &Unread, faults: &mut Faults) {
    for (name, zone) in &lab.zones {
        for gateway in zone.gateway.iter().flat_map(|gateways| gateways.iter()) {
            if !zone.holds(gateway.0) && zone.cidr.is_known() && !unread.is_part_of(zone.cidr.span()) {
                let title = format!("the gateway {gateway} is outside {name}");
                let cidrs: Vec<String> = zone.cidr.iter().map(ToString::to_string).collect();
                faults.push(
                    Fault::new(Code::AddressOutsideZone, gateway.span(), title)
                        .also(zone.cidr.span(), format!("{name} is {}", cidrs.join(" and ")))
                        .help(format!("write an address of {name}, or leave it out: then it is the first")),
                );
            }
        }
    }
}

fn members(lab: &Lab, faults: &mut Faults) {
    for (name, zone) in &lab.zones {
        for (person, counts_as) in &zone.members {
            let target = lab.zones.get(counts_as.value());
            let why = match target {
                _ if counts_as.value() == name => "a zone can not count as itself",
                Some(target) if !target.members.is_empty() => "this zone has members of its own",
                _ => continue,
            };
            let title = format!("{person} can not count as `{counts_as}`");
            let fault = Fault::new(Code::MembersLoop, counts_as.span(), title).label(why);
            faults.push(fault.help("name the zone that the person is in when at home"));
        }
    }
}

fn switch_ports(lab: &Lab, faults: &mut Faults) {
    for (name, switch) in &lab.switches {
        let mut taken: BTreeMap<String, (String, Span)> = BTreeMap::new();
        let trunks = switch.trunks.iter().map(|(port, to)| {
            (crate::read::FromText::to_text(port), format!("the trunk to {}", to.as_str()), to.span())
        });
        let access = switch.access.iter().flat_map(|(zone, ports)| {
            let each = ports.iter().flat_map(|ports| ports.names().map(move |port| (port, ports.span())));
            each.map(move |(port, span)| (port, format!("zone {zone}"), span))
        });
        for (port, what, span) in trunks.chain(access) {
            let Some((other, there)) = taken.insert(port.clone(), (what.clone(), span)) else { continue };
            let title = format!("port {port} of {name} is given to {other} and to {what}");
            faults.push(
                Fault::new(Code::SwitchPortTaken, span.max(there), title)
                    .also(span.min(there), "given first here")
                    .help("a port carries one zone, or it is a trunk"),
            );
        }
    }
}

/// AS numbers for private use: RFC 6996.
fn is_private(asn: i64) -> bool {
    (64_512..=65_534).contains(&asn) || (4_200_000_000..=4_294_967_294).contains(&asn)
}

fn asns(lab: &Lab, unread: &Unread, faults: &mut Faults) {
    let mut taken: BTreeMap<i64, (&str, Span)> = BTreeMap::new();
    for (name, router) in &lab.routers {
        let Some(asn) = &router.asn else {
            let tunnel =
                lab.tunnels.iter().find(|(_, tunnel)| tunnel.between.iter().any(|end| end.value() == name));
            if let (Some(bgp), Some((tunnel, _)), false) =
                (&lab.bgp, tunnel, unread.is_part_of(router.span()))
            {
                let title = format!("{name} has no AS number");
                faults.push(
                    Fault::new(Code::AsnMissing, router.span(), title)
                        .label(format!("it shares routes over {tunnel}"))
                        .also(bgp.span(), "because of this")
                        .help("give it a private number of its own, such as `asn = 64601`"),
                );
            }
            continue;
        };
        if !is_private(asn.0) {
            let title = format!("AS {asn} belongs to somebody on the internet");
            let fault = Fault::new(Code::AsnPublic, asn.span(), title);
            faults.push(fault.help("private numbers are 64512 to 65534 (RFC 6996)"));
        }
        if let Some((other, there)) = taken.insert(asn.0, (name.as_str(), asn.span())) {
            let here = asn.span();
            let title = format!("AS {asn} is given to {other} and to {name}");
            faults.push(
                Fault::new(Code::AsnTaken, here.max(there), title)
                    .also(here.min(there), "given first here")
                    .help(
                        "each router has a number of its own: then the length of a path counts the routers",
                    ),
            );
        }
    }
}

fn tunnel_ends(name: &TunnelName, tunnel: &At<Tunnel>, unread: &Unread, faults: &mut Faults) {
    match tunnel.between.as_slice() {
        [one, other] if one.value() == other.value() => {
            let title = format!("{name} begins and ends at `{one}`");
            let fault = Fault::new(Code::TunnelEnd, other.span(), title);
            faults.push(fault.also(one.span(), "it begins here").help("a tunnel joins two routers"));
        }
        [_, _] => {}
        _ if !tunnel.between.is_known() || unread.is_part_of(tunnel.between.span()) => {}
        ends => {
            let title = format!("{name} has {} end{}", ends.len(), if ends.len() == 1 { "" } else { "s" });
            let fault = Fault::new(Code::TunnelEnd, tunnel.between.span(), title);
            faults.push(fault.help("a tunnel joins two routers: write both of them"));
        }
    }
}

fn tunnel_kind(lab: &Lab, tunnel: &At<Tunnel>, unread: &Unread, faults: &mut Faults) {
    match *tunnel.kind {
        TunnelKind::L2tpIpsec if tunnel.secret.is_none() && !unread.is_part_of(tunnel.span()) => {
            let fault = Fault::new(Code::TunnelSecret, tunnel.span(), "an IPsec tunnel needs a secret");
            faults.push(
                fault.help(
                    "write `secret = \"secret:NAME\"`, and give its value with `polis secret set NAME`",
                ),
            );
        }
        TunnelKind::L2tpIpsec => {}
        TunnelKind::Wireguard => {
            for end in tunnel.between.iter() {
                let Some(router) = lab.routers.get(end.value()) else { continue };
                let Some(version) = &router.version else { continue };
                if *router.kind == RouterKind::Routeros && version.major() < 7 {
                    let title = format!("{end} runs RouterOS {version}, which has no WireGuard");
                    faults.push(
                        Fault::new(Code::WireguardRouteros6, tunnel.kind.span(), title)
                            .label("RouterOS has it from version 7 on")
                            .also(version.span(), "its version")
                            .help("from RouterOS 7; keep `l2tp-ipsec` or set `version`"),
                    );
                }
            }
        }
    }
}

fn tunnel_nets(lab: &Lab, faults: &mut Faults) {
    let mut tunnels: Vec<_> = lab.tunnels.iter().collect();
    tunnels.sort_by_key(|(_, tunnel)| tunnel.net.span());
    for (at, (name, tunnel)) in tunnels.iter().enumerate() {
        let net = &tunnel.net;
        if net.hosts() < 2 {
            let title = format!("`{net}` has no two addresses");
            let fault = Fault::new(Code::TunnelNet, net.span(), title);
            faults.push(fault.help("a tunnel needs one for each end: a /30 or a /31"));
        }
        let zones = lab
            .zones
            .iter()
            .flat_map(|(name, zone)| zone.cidr.iter().map(move |cidr| (name.to_string(), cidr)));
        let others = tunnels.iter().take(at).map(|(name, other)| (name.to_string(), &other.net));
        for (other, cidr) in zones.chain(others).filter(|(_, cidr)| cidr.overlaps(net)) {
            let title = format!("`{net}` of {name} shares addresses with {other}");
            faults.push(
                Fault::new(Code::TunnelNet, net.span(), title)
                    .also(cidr.span(), format!("{other} is {cidr}"))
                    .help("give the tunnel a small network that is part of no other"),
            );
        }
    }
}
