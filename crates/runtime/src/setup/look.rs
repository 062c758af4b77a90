//! Reads what a machine says of itself: files of `/proc` and `/etc`, and whether a port can be had. No decisions.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

use nix::net::if_::InterfaceFlags;

use super::host::{Host, Own, own_of_ipv4, own_of_ipv6, ways_of_ipv4, ways_of_ipv6};
use super::ports::{self, Listening, Seat};
use crate::permit::Transport;

/// A file, or nothing: what is not there says nothing.
fn read(path: &str) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// This machine.
pub(crate) fn host() -> Host {
    let mut ways = ways_of_ipv4(&read("/proc/net/route"));
    ways.extend(ways_of_ipv6(&read("/proc/net/ipv6_route")));
    let mut own = ipv4();
    own.extend(own_of_ipv6(&read("/proc/net/if_inet6")));
    Host {
        name: read("/proc/sys/kernel/hostname"),
        own,
        ways,
        resolver: read("/etc/resolv.conf"),
        timezone: read("/etc/timezone"),
        localtime: std::fs::read_link("/etc/localtime")
            .map(|link| link.to_string_lossy().into_owned())
            .unwrap_or_default(),
    }
}

fn ipv4() -> Vec<Own> {
    let own = |at: nix::ifaddrs::InterfaceAddress| {
        let address = at.address?.as_sockaddr_in()?.ip();
        let mask = at.netmask?.as_sockaddr_in()?.ip();
        let has_one_peer = at.flags.contains(InterfaceFlags::IFF_POINTOPOINT);
        at.flags
            .contains(InterfaceFlags::IFF_UP)
            .then(|| own_of_ipv4(&at.interface_name, address, mask, has_one_peer))
    };
    nix::ifaddrs::getifaddrs().into_iter().flatten().filter_map(own).collect()
}

/// Everything that listens on this machine, or in its part of one: a container sees its own.
pub(crate) fn listening() -> Vec<Listening> {
    let tables = [
        ("tcp", Transport::Tcp),
        ("tcp6", Transport::Tcp),
        ("udp", Transport::Udp),
        ("udp6", Transport::Udp),
    ];
    tables
        .iter()
        .flat_map(|(name, transport)| ports::listening(&read(&format!("/proc/net/{name}")), *transport))
        .collect()
}

/// Whether a port can be had: by trying it, and where that is not allowed, by what is known to listen.
pub(crate) fn seat(transport: Transport, at: SocketAddr) -> Seat {
    let tried = match transport {
        Transport::Udp => UdpSocket::bind(at).map(drop),
        Transport::Tcp => TcpListener::bind(at).map(drop),
    };
    let known = listening();
    let holders = ports::in_the_way(&known, transport, at);
    match tried {
        Err(error) if error.kind() == ErrorKind::AddrInUse || !holders.is_empty() => held(&holders),
        Ok(()) | Err(_) => Seat::Free,
    }
}

/// Who has a port, without trying to have it.
pub(crate) fn holder(known: &[Listening], transport: Transport, at: SocketAddr) -> Seat {
    match ports::in_the_way(known, transport, at) {
        none if none.is_empty() => Seat::Free,
        holders => held(&holders),
    }
}

fn held(holders: &[&Listening]) -> Seat {
    if holders.iter().any(|holder| is_own(holder.inode)) {
        return Seat::Own;
    }
    let programs = programs(holders);
    let passwd = read("/etc/passwd");
    let mut who: Vec<String> = holders
        .iter()
        .map(|holder| {
            let program = programs.get(&holder.inode).map(|(name, process)| (name.as_str(), *process));
            ports::owner(program, ports::user(&passwd, holder.user))
        })
        .collect();
    who.dedup();
    Seat::Taken(if who.is_empty() { ports::owner(None, None) } else { who.join(" and ") })
}

/// The numbers of the sockets of a process; none if its descriptors may not be seen.
fn sockets(process: &Path) -> impl Iterator<Item = u64> {
    let links = std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    links.filter_map(|link| ports::inode(&std::fs::read_link(link.path()).ok()?.to_string_lossy()))
}

fn is_own(inode: u64) -> bool {
    sockets(Path::new("/proc/self")).any(|own| own == inode)
}

/// The programs that have these sockets, with their numbers, as far as they may be seen.
fn programs(holders: &[&Listening]) -> BTreeMap<u64, (String, u32)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        for inode in
            sockets(&entry.path()).filter(|inode| holders.iter().any(|holder| holder.inode == *inode))
        {
            let name = read(&format!("/proc/{process}/comm"));
            found.entry(inode).or_insert((name, process));
        }
        if found.len() == holders.len() {
            break;
        }
    }
    found
}
