//! Reads what a machine says of itself: files of `/proc` and `/etc`, and whether a port can be had. No decisions. Nothing stays
//! changed: a port is given back, and a file that is written is removed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::net::if_::InterfaceFlags;

use super::host::{Host, Own, own_of_ipv4, own_of_ipv6, ways_of_ipv4, ways_of_ipv6};
use super::judge::{ClockSigns, Room};
use super::ports::{self, Listening, Seat};
use crate::address::is_duplicate;
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

/// All addresses that this machine has, also those of one cable and those that pass; not one of IPv6 that the kernel found
/// on another machine.
pub(crate) fn addresses() -> Vec<IpAddr> {
    let table = read("/proc/net/if_inet6");
    let own = |at: nix::ifaddrs::InterfaceAddress| {
        let address = at.address?;
        let four = address.as_sockaddr_in().map(|at| IpAddr::V4(at.ip()));
        let own = four.or_else(|| address.as_sockaddr_in6().map(|at| IpAddr::V6(at.ip())))?;
        let is_another_ones = matches!(own, IpAddr::V6(six) if is_duplicate(&table, six));
        (at.flags.contains(InterfaceFlags::IFF_UP) && !is_another_ones).then_some(own)
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

/// The port that a socket of this process listens at, with an address.
pub(crate) fn own_port(transport: Transport, address: IpAddr) -> Option<SocketAddr> {
    let own: Vec<u64> = sockets(Path::new("/proc/self")).collect();
    let is_it = |socket: &Listening| socket.transport == transport && socket.at.ip() == address;
    listening()
        .into_iter()
        .find(|socket| is_it(socket) && own.contains(&socket.inode))
        .map(|socket| socket.at)
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

/// What there is to see of who sets the clock.
pub(crate) fn clock_signs(is_set: bool) -> ClockSigns {
    const KEEPERS: [(&str, &str, &str); 5] = [
        ("/run/chrony/chronyd.pid", "chrony", "chronyc tracking"),
        ("/run/chronyd.pid", "chrony", "chronyc tracking"),
        ("/run/ntpd.pid", "ntpd", "ntpq -p"),
        ("/run/openntpd.pid", "openntpd", "ntpctl -s status"),
        ("/run/systemd/timesync", "systemd-timesyncd", "timedatectl timesync-status"),
    ];
    let is_there = |path: &str| Path::new(path).exists();
    ClockSigns {
        is_set,
        is_synchronised: is_there("/run/systemd/timesync/synchronized"),
        is_contained: is_there("/run/systemd/container")
            || is_there("/.dockerenv")
            || is_there("/run/.containerenv"),
        keeper: KEEPERS.iter().find(|(path, ..)| is_there(path)).map(|(_, name, how)| (*name, *how)),
    }
}

/// The room in the file system of a folder.
pub(crate) fn room(folder: &Path) -> Result<Room, String> {
    let told = rustix::fs::statvfs(folder).map_err(|error| std::io::Error::from(error).to_string())?;
    let bytes = |blocks: u64| blocks.saturating_mul(told.f_frsize);
    Ok(Room {
        free: bytes(told.f_bavail),
        whole: bytes(told.f_blocks),
        // Some file systems make room for files as they need it, and count none.
        is_out_of_files: told.f_files > 0 && told.f_favail == 0,
    })
}

/// A path that no other look of this process has.
pub(crate) fn probe(folder: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!("probe.{}.{count}", std::process::id()))
}

/// Writes a few bytes to a file of a folder, and removes it. Several may do so at once.
pub(crate) fn written(folder: &Path) -> Result<(), String> {
    let path = probe(folder);
    // One that ended in the middle may have left it, and had the same number.
    let _ = std::fs::remove_file(&path);
    let done = File::create_new(&path).and_then(|mut file| {
        file.write_all(&[0; 4096])?;
        file.sync_all()
    });
    let _ = std::fs::remove_file(&path);
    done.map_err(|error| error.to_string())
}

/// Who this process is: the name of its user, or the number.
pub(crate) fn user() -> String {
    let number = rustix::process::geteuid().as_raw();
    ports::user(&read("/etc/passwd"), number).map_or_else(|| number.to_string(), str::to_owned)
}
