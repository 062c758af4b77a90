//! What is built for a lab: which namespaces, which cables, which addresses, which routes. Pure.
//!
//! A site is one switch with a bridge for each zone. Its router is joined to every bridge, and holds the
//! zone's gateway address there. Machines, devices, switches and access points hang on the bridge of their
//! zone. A tunnel is a cable between two routers, and each router has one to the internet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use anyhow::{Context as _, bail};
use ipnet::IpNet;
use lab::model::Lab;

/// Of ways to a network, each further router costs this much.
const METRIC: u32 = 100;

#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    pub(crate) sites: Vec<String>,
    pub(crate) zones: Vec<Zone>,
    pub(crate) routers: Vec<Router>,
    pub(crate) tunnels: Vec<Tunnel>,
    pub(crate) hosts: Vec<Host>,
    /// Name servers on the internet that the lab asks.
    pub(crate) upstreams: Vec<IpAddr>,
}

#[derive(Clone, Debug)]
pub(crate) struct Zone {
    pub(crate) name: String,
    pub(crate) site: String,
    /// What its bridge is called, and the router's end in it.
    pub(crate) interface: String,
    pub(crate) networks: Vec<IpNet>,
    pub(crate) gateways: Vec<IpAddr>,
    /// Whether what is in it only sees the router.
    pub(crate) isolate: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Router {
    pub(crate) name: String,
    pub(crate) site: String,
    /// Whether it is the one that the zones of its site have as their gateway.
    pub(crate) is_gateway: bool,
    pub(crate) routes: Vec<Route>,
    /// Networks of other sites: they are reached through tunnels or not at all, never by the internet.
    pub(crate) elsewhere: Vec<IpNet>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) to: IpNet,
    pub(crate) via: IpAddr,
    pub(crate) interface: String,
    pub(crate) metric: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Tunnel {
    pub(crate) name: String,
    pub(crate) interface: String,
    pub(crate) ends: [End; 2],
}

#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) router: String,
    pub(crate) address: IpNet,
}

#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) zone: String,
    pub(crate) addresses: Vec<IpNet>,
    pub(crate) mac: Option<String>,
    /// The machine that it is a guest of.
    pub(crate) guest_of: Option<String>,
}

/// A name for an interface that says what it is: the kernel takes 15 letters.
pub(crate) fn interface(number: usize, name: &str) -> String {
    format!("{number}-{name}").chars().take(15).collect()
}

impl Layout {
    pub(crate) fn of(lab: &Lab) -> anyhow::Result<Self> {
        let mut layout = Self {
            sites: lab.sites.keys().map(|site| site.as_str().to_owned()).collect(),
            zones: zones(lab),
            tunnels: tunnels(lab)?,
            ..Self::default()
        };
        layout.hosts = hosts(lab, &layout)?;
        layout.routers = routers(lab, &layout);
        if let Some(dns) = &lab.dns {
            let servers = dns.upstreams.iter().flat_map(|line| &line.servers);
            layout.upstreams = servers.filter_map(|server| Some(server.kind.plain()?.ip())).collect();
        }
        Ok(layout)
    }

    pub(crate) fn zone(&self, name: &str) -> anyhow::Result<&Zone> {
        self.zones.iter().find(|zone| zone.name == name).with_context(|| format!("there is no zone `{name}`"))
    }

    /// The router that is a site's way out.
    pub(crate) fn gateway(&self, site: &str) -> Option<&Router> {
        self.routers.iter().find(|router| router.site == site && router.is_gateway)
    }

    /// An address of a zone that nothing in the lab file has: from the end, where people seldom put things.
    pub(crate) fn free(&self, zone: &Zone, taken: &BTreeSet<IpAddr>) -> anyhow::Result<IpNet> {
        let network = zone.networks.first().context("a zone without a network")?;
        let used: BTreeSet<IpAddr> = self
            .hosts
            .iter()
            .flat_map(|host| host.addresses.iter().map(IpNet::addr))
            .chain(zone.gateways.iter().copied())
            .collect();
        let mut hosts: VecDeque<IpAddr> = network.hosts().take(4096).collect();
        while let Some(address) = hosts.pop_back() {
            if !used.contains(&address) && !taken.contains(&address) {
                return Ok(IpNet::new(address, network.prefix_len())?);
            }
        }
        bail!("{} has no free address", zone.name)
    }
}

fn zones(lab: &Lab) -> Vec<Zone> {
    lab.zones
        .iter()
        .enumerate()
        .map(|(number, (name, zone))| Zone {
            name: name.as_str().to_owned(),
            site: zone.site.as_str().to_owned(),
            interface: interface(number, name.as_str()),
            networks: zone.cidr.iter().map(|cidr| cidr.0).collect(),
            gateways: zone.gateways(),
            isolate: *zone.isolate,
        })
        .collect()
}

fn tunnels(lab: &Lab) -> anyhow::Result<Vec<Tunnel>> {
    let tunnel = |(number, (name, tunnel)): (usize, (_, &lab::read::At<lab::model::Tunnel>))| {
        let name: &lab::names::TunnelName = name;
        let (one, other) = tunnel.ends().with_context(|| format!("the tunnel {name} has no two ends"))?;
        let network = tunnel.net.0;
        let mut addresses = network.hosts().map(|address| IpNet::new(address, network.prefix_len()));
        let mut end = |router: &str| {
            let address = addresses.next().with_context(|| format!("the tunnel {name} is too small"))??;
            anyhow::Ok(End { router: router.to_owned(), address })
        };
        anyhow::Ok(Tunnel {
            name: name.as_str().to_owned(),
            interface: format!("t{}", interface(number, name.as_str())).chars().take(15).collect(),
            ends: [end(one.as_str())?, end(other.as_str())?],
        })
    };
    lab.tunnels.iter().enumerate().map(tunnel).collect()
}

/// All that hangs on a zone. What the lab file gives no address has a cable and nothing else.
fn hosts(lab: &Lab, layout: &Layout) -> anyhow::Result<Vec<Host>> {
    let mut hosts = Vec::new();
    for (name, machine) in &lab.machines {
        let zone = lab.zone_of(machine).with_context(|| format!("{name} is in no zone"))?;
        hosts.push(Host {
            name: name.as_str().to_owned(),
            zone: zone.as_str().to_owned(),
            addresses: addresses(layout, zone.as_str(), machine.address.as_deref().map(|all| &**all))?,
            mac: None,
            guest_of: machine.guest_of.as_ref().map(|host| host.as_str().to_owned()),
        });
    }
    for (name, device) in &lab.devices {
        let zone = lab.zone_of_device(device).with_context(|| format!("{name} is in no zone"))?;
        hosts.push(Host {
            name: name.as_str().to_owned(),
            zone: zone.as_str().to_owned(),
            addresses: addresses(layout, zone.as_str(), device.address.as_deref().map(|all| &**all))?,
            mac: device.mac.as_ref().map(ToString::to_string),
            guest_of: None,
        });
    }
    let switches = lab.switches.iter().map(|(name, switch)| (name.as_str(), switch.address.as_ref()));
    let points = lab.access_points.iter().map(|(name, point)| (name.as_str(), point.address.as_ref()));
    for (name, address) in switches.chain(points) {
        // What is not managed has no address, and is nothing to a network.
        let Some(address) = address else { continue };
        let Some((zone, _)) = lab.zone_at(address.0) else { continue };
        hosts.push(Host {
            name: name.to_owned(),
            zone: zone.as_str().to_owned(),
            addresses: addresses(layout, zone.as_str(), Some(std::slice::from_ref(address)))?,
            mac: None,
            guest_of: None,
        });
    }
    Ok(hosts)
}

/// Addresses with the length of the network that they are in.
fn addresses(
    layout: &Layout,
    zone: &str,
    addresses: Option<&[lab::read::At<lab::value::Address>]>,
) -> anyhow::Result<Vec<IpNet>> {
    let zone = layout.zone(zone)?;
    let in_network = |address: IpAddr| {
        let network = zone.networks.iter().find(|network| network.contains(&address));
        let network = network.with_context(|| format!("{address} is not in {}", zone.name))?;
        Ok(IpNet::new(address, network.prefix_len())?)
    };
    addresses.unwrap_or_default().iter().map(|address| in_network(address.0)).collect()
}

fn routers(lab: &Lab, layout: &Layout) -> Vec<Router> {
    let gateway_of = |site: &str| lab.router_of_site(site).map(|(name, _)| name.as_str().to_owned());
    lab.routers
        .iter()
        .map(|(name, router)| {
            let (name, site) = (name.as_str().to_owned(), router.site.as_str().to_owned());
            let elsewhere: Vec<(&Zone, IpNet)> = layout
                .zones
                .iter()
                .filter(|zone| zone.site != site)
                .flat_map(|zone| zone.networks.iter().map(move |network| (zone, *network)))
                .collect();
            let routes = elsewhere
                .iter()
                .filter_map(|(zone, network)| Some((gateway_of(&zone.site)?, *network)))
                .flat_map(|(gateway, network)| ways(&layout.tunnels, &name, &gateway, network))
                .collect();
            let elsewhere = elsewhere.into_iter().map(|(_, network)| network).collect();
            let is_gateway = gateway_of(&site).as_ref() == Some(&name);
            Router { name, site, is_gateway, routes, elsewhere }
        })
        .collect()
}

/// Every first step from a router towards another, the one with the fewest routers first.
fn ways(tunnels: &[Tunnel], from: &str, to: &str, network: IpNet) -> Vec<Route> {
    let steps = tunnels.iter().filter_map(|tunnel| {
        let [one, other] = &tunnel.ends;
        let there = match (one.router == from, other.router == from) {
            (true, _) => other,
            (_, true) => one,
            _ => return None,
        };
        let far = distance(tunnels, from, &there.router, to)?;
        Some((far, there.address.addr(), &tunnel.interface))
    });
    let mut steps: Vec<_> = steps.filter(|(_, via, _)| via.is_ipv4() == network.addr().is_ipv4()).collect();
    steps.sort();
    (0..)
        .zip(steps)
        .map(|(number, (far, via, interface))| Route {
            to: network,
            via,
            interface: interface.clone(),
            // Two routes to a network may not have one metric.
            metric: METRIC * (far + 1) + number,
        })
        .collect()
}

/// How many tunnels lie between two routers, on ways that do not go through `without`.
fn distance(tunnels: &[Tunnel], without: &str, from: &str, to: &str) -> Option<u32> {
    let mut far = BTreeMap::from([(from, 0)]);
    let mut next = VecDeque::from([from]);
    while let Some(at) = next.pop_front() {
        let here = *far.get(at)?;
        if at == to {
            return Some(here);
        }
        for [one, other] in tunnels.iter().map(|tunnel| &tunnel.ends) {
            for (near, there) in [(&one.router, &other.router), (&other.router, &one.router)] {
                if near == at && there != without && !far.contains_key(there.as_str()) {
                    far.insert(there, here + 1);
                    next.push_back(there);
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{End, Layout, Tunnel, interface, ways};

    fn tunnel(name: &str, one: &str, other: &str, third: u8) -> Tunnel {
        let end = |router: &str, last: u8| End {
            router: router.to_owned(),
            address: format!("172.31.{third}.{last}/30").parse().unwrap(),
        };
        Tunnel { name: name.to_owned(), interface: name.to_owned(), ends: [end(one, 1), end(other, 2)] }
    }

    fn steps(tunnels: &[Tunnel], from: &str, to: &str) -> Vec<(String, u32)> {
        let routes = ways(tunnels, from, to, "10.20.0.0/24".parse().unwrap());
        routes.into_iter().map(|route| (route.via.to_string(), route.metric)).collect()
    }

    #[test]
    fn the_way_with_the_fewest_routers_is_first_and_none_comes_back() {
        let triangle = [tunnel("ab", "a", "b", 1), tunnel("ac", "a", "c", 2), tunnel("bc", "b", "c", 3)];
        let (direct, around) = (("172.31.1.2".to_owned(), 100), ("172.31.2.2".to_owned(), 201));
        assert_eq!(steps(&triangle, "a", "b"), [direct, around]);
        assert_eq!(steps(&triangle[1..], "a", "b"), [("172.31.2.2".to_owned(), 200)]);
        assert_eq!(steps(&triangle[..2], "b", "c"), [("172.31.1.1".to_owned(), 200)]);
        assert_eq!(steps(&triangle[..1], "a", "c"), [], "b knows no other way than back");
    }

    #[test]
    fn an_interface_has_a_name_that_the_kernel_takes() {
        assert_eq!(interface(7, "naxos"), "7-naxos");
        assert_eq!(interface(12, "gateway-of-the-summer-house").len(), 15);
    }

    fn laid_out(text: &str) -> anyhow::Result<Layout> {
        let checked =
            lab::check(lab::Folder::from_texts([("lab.toml", text)]), &lab::Options::at("2026-11-01"));
        Layout::of(checked.usable().unwrap())
    }

    const TWO_ADDRESSES: &str = "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n[sites]\nhome = {}\n[zones]\nlan = { site = \
        \"home\", cidr = [\"10.0.0.0/24\", \"fd00:1::/64\"] }\n[routers]\ngateway = { site = \"home\", kind = \"linux\" }\n\
        [machines]\nnaxos = { addresses = [\"10.0.0.2\", \"fd00:1::2\"] }\n";

    #[test]
    fn a_machine_has_its_addresses_with_the_length_of_their_networks() {
        let layout = laid_out(TWO_ADDRESSES).unwrap();
        let addresses: Vec<String> = layout.hosts[0].addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["10.0.0.2/24", "fd00:1::2/64"]);
        let gateways: Vec<String> = layout.zones[0].gateways.iter().map(ToString::to_string).collect();
        assert_eq!(gateways, ["10.0.0.1", "fd00:1::1"]);
    }

    #[test]
    fn a_laptop_gets_the_last_address_that_is_free() {
        let layout = laid_out(TWO_ADDRESSES).unwrap();
        let taken = ["10.0.0.254".parse().unwrap()].into();
        assert_eq!(layout.free(&layout.zones[0], &taken).unwrap().to_string(), "10.0.0.253/24");
    }

    #[test]
    fn a_machine_without_a_network_can_not_be_built() {
        let alone = "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n[machines.naxos]\naddress = \"10.0.0.2\"\n";
        assert_eq!(laid_out(alone).unwrap_err().to_string(), "naxos is in no zone");
    }
}
