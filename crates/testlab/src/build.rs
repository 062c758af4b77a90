//! From a layout to namespaces: one `ip -batch` for each, many at a time.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::Mutex;

use anyhow::{Context as _, ensure};
use ipnet::IpNet;

use crate::layout::{Host, Layout, Router, Zone, interface};
use crate::place::{Shared, inside, ip};

/// What the internet is called among the places of a house.
pub(crate) const INTERNET: &str = "internet";
/// A router's cable to the internet.
pub(crate) const UPLINK: &str = "uplink";
/// The one cable of a machine, a device or a laptop.
pub(crate) const CABLE: &str = "eth0";
/// The network of the routers' uplinks: of those that are for tests (RFC 2544).
const INTERNET_ADDRESS: &str = "198.18.0.1";

/// The name of a site's switch among the places: a name of the lab file has no dot.
pub(crate) fn switch(site: &str) -> String {
    format!("switch.{site}")
}

/// Where a cable is plugged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) place: String,
    pub(crate) interface: String,
}

/// The port of a site's switch that a host is plugged into. Numbers are unique in a house.
pub(crate) fn port(layout: &Layout, host: &Host, number: usize) -> anyhow::Result<Port> {
    let place = switch(&layout.zone(&host.zone)?.site);
    Ok(Port { place, interface: interface(number, &host.name) })
}

/// Builds everything of a layout, the hosts at the ports in the same order.
pub(crate) fn build(shared: &Shared, layout: &Layout, ports: &[Port]) -> anyhow::Result<()> {
    let hosts: Vec<(&Host, &Port)> = layout.hosts.iter().zip(ports).collect();
    let names = layout
        .sites
        .iter()
        .map(|site| switch(site))
        .chain(layout.routers.iter().map(|router| router.name.clone()))
        .chain(hosts.iter().map(|(host, _)| host.name.clone()))
        .chain([INTERNET.to_owned()]);
    let make: String = names.map(|name| format!("netns add {}\n", shared.namespace(&name))).collect();
    batch(None, &make)?;

    let mut cables: Vec<(String, String)> = Vec::new();
    for site in &layout.sites {
        cables.push((switch(site), switch_batch(shared, layout, site, &hosts)?));
    }
    cables.push((INTERNET.to_owned(), internet_batch(shared, layout)));
    each(&cables, |(name, text)| {
        let namespace = shared.namespace(name);
        // A switch has no addresses, not even those that IPv6 gives itself.
        let quiet = if name == INTERNET { "0" } else { "1" };
        kernel(
            &namespace,
            &[("ipv6/conf/all/disable_ipv6", quiet), ("ipv6/conf/default/disable_ipv6", quiet)],
        )?;
        batch(Some(&namespace), text)
    })?;

    let mut ends: Vec<(String, String, bool)> = Vec::new();
    for (number, router) in layout.routers.iter().enumerate() {
        ends.push((router.name.clone(), router_batch(layout, router, number), true));
    }
    for (host, _) in &hosts {
        ends.push((host.name.clone(), host_batch(layout.zone(&host.zone)?, host), false));
    }
    each(&ends, |(name, text, is_router)| finish(&shared.namespace(name), text, *is_router))
}

/// Adds a host to a house that stands.
pub(crate) fn plug_in(shared: &Shared, layout: &Layout, host: &Host, port: &Port) -> anyhow::Result<()> {
    let zone = layout.zone(&host.zone)?;
    let namespace = shared.namespace(&host.name);
    batch(None, &format!("netns add {namespace}\n"))?;
    batch(Some(&shared.namespace(&port.place)), &port_batch(shared, zone, host, port))?;
    finish(&namespace, &host_batch(zone, host), false)
}

/// What is at the end of a cable: its addresses and routes, and the settings of its kernel.
fn finish(namespace: &str, text: &str, is_router: bool) -> anyhow::Result<()> {
    // As systemd sets it on Debian: a ping needs no privilege.
    let mut settings = vec![("ipv4/ping_group_range", "0 2147483647")];
    if is_router {
        settings.extend([
            ("ipv4/ip_forward", "1"),
            ("ipv6/conf/all/forwarding", "1"),
            // A route through a cut tunnel does not count, so that the next one does: what BGP would do.
            ("ipv4/conf/all/ignore_routes_with_linkdown", "1"),
            ("ipv4/conf/default/ignore_routes_with_linkdown", "1"),
            ("ipv6/conf/all/ignore_routes_with_linkdown", "1"),
            ("ipv6/conf/default/ignore_routes_with_linkdown", "1"),
        ]);
    }
    kernel(namespace, &settings)?;
    batch(Some(namespace), text)?;
    if is_router { masquerade(namespace) } else { Ok(()) }
}

/// One switch: a bridge for each zone, a cable to the router's end in it, a port for each host.
fn switch_batch(
    shared: &Shared,
    layout: &Layout,
    site: &str,
    hosts: &[(&Host, &Port)],
) -> anyhow::Result<String> {
    let mut text = "link set lo up\n".to_owned();
    for zone in layout.zones.iter().filter(|zone| zone.site == site) {
        let bridge = &zone.interface;
        text += &format!("link add {bridge} type bridge mcast_snooping 0\nlink set {bridge} up\n");
        if let Some(router) = layout.gateway(site) {
            let there = shared.namespace(&router.name);
            let own = format!("r{bridge}").chars().take(15).collect::<String>();
            text += &format!("link add {own} type veth peer name {bridge} netns {there}\n");
            text += &format!("link set {own} master {bridge} up\n");
        }
    }
    for (host, port) in hosts.iter().filter(|(_, port)| port.place == switch(site)) {
        text += &port_batch(shared, layout.zone(&host.zone)?, host, port);
    }
    Ok(text)
}

fn port_batch(shared: &Shared, zone: &Zone, host: &Host, port: &Port) -> String {
    let (there, port) = (shared.namespace(&host.name), &port.interface);
    let mac = host.mac.as_ref().map(|mac| format!(" address {mac}")).unwrap_or_default();
    let mut text = format!("link add {port} type veth peer name {CABLE}{mac} netns {there}\n");
    text += &format!("link set {port} master {} up\n", zone.interface);
    if zone.isolate {
        // The kernel lets isolated ports talk to the router's port only.
        text += &format!("link set {port} type bridge_slave isolated on\n");
    }
    text
}

/// The internet: uplinks of all routers, the lab's upstreams, and tunnels as cables with a middle that can be
/// cut without touching their ends.
fn internet_batch(shared: &Shared, layout: &Layout) -> String {
    let mut text = format!("link set lo up\nlink add {UPLINK} type bridge mcast_snooping 0\n");
    text += &format!("address add {INTERNET_ADDRESS}/24 dev {UPLINK}\nlink set {UPLINK} up\n");
    for (number, router) in layout.routers.iter().enumerate() {
        let (own, there) = (format!("r{number}"), shared.namespace(&router.name));
        text += &format!("link add {own} type veth peer name {UPLINK} netns {there}\n");
        text += &format!("link set {own} master {UPLINK} up\n");
    }
    for tunnel in &layout.tunnels {
        let bridge = &tunnel.interface;
        text += &format!("link add {bridge} type bridge mcast_snooping 0\nlink set {bridge} up\n");
        for (port, end) in tunnel_ports(bridge).iter().zip(&tunnel.ends) {
            let there = shared.namespace(&end.router);
            text += &format!("link add {port} type veth peer name {bridge} netns {there}\n");
            text += &format!("link set {port} master {bridge} up\n");
        }
    }
    for upstream in &layout.upstreams {
        text += &format!("address add {} dev lo\n", IpNet::from(*upstream));
    }
    text
}

/// The two ports on the internet that a tunnel hangs on.
pub(crate) fn tunnel_ports(tunnel: &str) -> [String; 2] {
    ["a", "b"].map(|end| format!("{end}{tunnel}").chars().take(15).collect())
}

fn router_batch(layout: &Layout, router: &Router, number: usize) -> String {
    let mut text = format!("link set lo up\nlink set {UPLINK} up\n");
    text += &format!("address add 198.18.0.{}/24 dev {UPLINK}\n", number + 10);
    text += &format!("route add default via {INTERNET_ADDRESS}\n");
    for zone in layout.zones.iter().filter(|zone| router.is_gateway && zone.site == router.site) {
        text += &format!("link set {} up\n", zone.interface);
        for (gateway, network) in zone.gateways.iter().zip(&zone.networks) {
            let duplicates = nodad(network);
            text += &format!(
                "address add {gateway}/{} dev {}{duplicates}\n",
                network.prefix_len(),
                zone.interface
            );
        }
    }
    for tunnel in &layout.tunnels {
        for end in tunnel.ends.iter().filter(|end| end.router == router.name) {
            text += &format!("link set {} up\n", tunnel.interface);
            text += &format!("address add {} dev {}{}\n", end.address, tunnel.interface, nodad(&end.address));
        }
    }
    for route in &router.routes {
        text += &format!(
            "route add {} via {} dev {} metric {}\n",
            route.to, route.via, route.interface, route.metric
        );
    }
    for network in &router.elsewhere {
        text += &format!("route add unreachable {network} metric 1000000\n");
    }
    text
}

fn host_batch(zone: &Zone, host: &Host) -> String {
    let mut text = format!("link set lo up\nlink set {CABLE} up\n");
    for address in &host.addresses {
        text += &format!("address add {address} dev {CABLE}{}\n", nodad(address));
    }
    for gateway in &zone.gateways {
        if host.addresses.iter().any(|address| address.contains(gateway)) {
            text += &format!("route add default via {gateway}\n");
        }
    }
    text
}

/// IPv6 looks for a second or two whether somebody has the address already; here nobody has.
fn nodad(network: &IpNet) -> &'static str {
    if network.addr().is_ipv6() { " nodad" } else { "" }
}

/// The internet knows no way back to private addresses: a router lends them its own.
fn masquerade(namespace: &str) -> anyhow::Result<()> {
    let rules = format!(
        "table ip testlab {{\nchain out {{ type nat hook postrouting priority 100; oifname \"{UPLINK}\" masquerade; }}\n}}\n"
    );
    nft(namespace, &rules)
}

/// Settings of a namespace's kernel, below `/proc/sys/net`.
fn kernel(namespace: &str, settings: &[(&str, &str)]) -> anyhow::Result<()> {
    inside(namespace, || {
        for (name, value) in settings {
            let path = format!("/proc/sys/net/{name}");
            match std::fs::write(&path, value) {
                // A kernel without IPv6 has nothing to set there.
                Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {}
                other => other.with_context(|| path.clone())?,
            }
        }
        Ok(())
    })?
}

/// Gives rules to the packet filter of a namespace.
pub(crate) fn nft(namespace: &str, rules: &str) -> anyhow::Result<()> {
    feed(ip().args(["netns", "exec", namespace, "nft", "-f", "-"]), rules)
}

/// Runs lines of `ip`, all of them or the first that fails and what it said.
pub(crate) fn batch(namespace: Option<&str>, lines: &str) -> anyhow::Result<()> {
    let mut command = ip();
    if let Some(namespace) = namespace {
        command.args(["-n", namespace]);
    }
    feed(command.args(["-batch", "-"]), lines)
}

fn feed(command: &mut std::process::Command, text: &str) -> anyhow::Result<()> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends early says itself why.
        let _ = stdin.write_all(text.as_bytes());
    }
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{text}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// Does something for each, several at a time: most of it is waiting for the kernel.
fn each<T: Sync>(items: &[T], work: impl Fn(&T) -> anyhow::Result<()> + Sync) -> anyhow::Result<()> {
    let (next, first) = (Mutex::new(items.iter()), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let item = next.lock().ok().and_then(|mut items| items.next());
                    let Some(item) = item else { return };
                    if let (Err(fault), Ok(mut first)) = (work(item), first.lock()) {
                        first.get_or_insert(fault);
                    }
                }
            });
        }
    });
    match first.into_inner() {
        Ok(None) => Ok(()),
        Ok(Some(fault)) => Err(fault),
        Err(_) => anyhow::bail!("a thread that built the house panicked"),
    }
}
