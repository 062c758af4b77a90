//! Who listens at a port. Texts of `/proc` in, sockets and their owners out; `look` reads them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::permit::Transport;

/// A port that something listens at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listening {
    pub(crate) transport: Transport,
    pub(crate) at: SocketAddr,
    /// The number of the user who opened it.
    pub(crate) user: u32,
    /// The number of the socket, which the descriptors of its process name.
    pub(crate) inode: u64,
}

/// Whether a port can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seat {
    /// Nothing listens there.
    Free,
    /// This process does.
    Own,
    /// Something else does: what it is, in words.
    Taken(String),
}

/// The states of a socket in the tables of the kernel: one that listens, and one that is bound and not connected.
const TCP_LISTEN: &str = "0A";
const UDP_BOUND: &str = "07";

/// What listens, of a table such as `/proc/net/tcp6` (proc(5)).
pub(crate) fn listening(table: &str, transport: Transport) -> Vec<Listening> {
    let wanted = match transport {
        Transport::Tcp => TCP_LISTEN,
        Transport::Udp => UDP_BOUND,
    };
    let socket = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, state, _, _, _, user, _, inode, ..] = words.as_slice() else { return None };
        let (at, user, inode) = (place(local)?, user.parse().ok()?, inode.parse().ok()?);
        (*state == wanted).then_some(Listening { transport, at, user, inode })
    };
    table.lines().skip(1).filter_map(socket).collect()
}

/// `0100007F:0035`: each 32 bits of the address are a number as this processor has it in memory.
fn place(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| Some(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: Vec<u8> = words.concat();
            IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

/// What listens where something else wants to: at the same port, and at the same address or at all of them.
pub(crate) fn in_the_way(all: &[Listening], transport: Transport, at: SocketAddr) -> Vec<&Listening> {
    let meets = |own: &Listening| match own.at.ip().to_canonical() {
        IpAddr::V4(four) if four.is_unspecified() => at.is_ipv4(),
        // It takes IPv4 as well, unless its program has said otherwise.
        IpAddr::V6(six) if six.is_unspecified() => true,
        address => address == at.ip() || at.ip().is_unspecified(),
    };
    all.iter().filter(|own| own.transport == transport && own.at.port() == at.port() && meets(own)).collect()
}

/// The number of a socket, of the link that a descriptor is in `/proc/PID/fd`: `socket:[4711]`.
pub(crate) fn inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The name of a user (passwd(5)).
pub(crate) fn user(passwd: &str, number: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, own) = (fields.next()?, fields.next()?, fields.next()?);
        (own.parse() == Ok(number)).then_some(name)
    })
}

/// Who listens, in words: by the name of its program, or at least by its user.
pub(crate) fn owner(program: Option<(&str, u32)>, user: Option<&str>) -> String {
    match (program, user) {
        (Some((name, process)), _) => format!("{} (process {process})", clean(name)),
        (None, Some(user)) => format!("a program of the user {}", clean(user)),
        (None, None) => "a program".to_owned(),
    }
}

/// Names of programs may hold anything.
fn clean(name: &str) -> String {
    name.trim().chars().map(|c| if c.is_control() { '?' } else { c }).take(40).collect()
}

/// What to do about a program that has a port that the lab needs.
pub(crate) fn help(who: &str, port: u16) -> String {
    let name = who.split(" (process").next().unwrap_or_default();
    match name {
        "docker-proxy" => format!(
            "a container has published it: `docker ps --filter publish={port}` says which; stop it or publish it elsewhere"
        ),
        "systemd-resolve" => "it listens at more than its own address: take `DNSStubListenerExtra` out of \
                              /etc/systemd/resolved.conf, then `systemctl restart systemd-resolved`"
            .to_owned(),
        "pihole-FTL" | "AdGuardHome" | "dnsmasq" | "named" | "unbound" | "coredns" if port == 53 => format!(
            "there is a name server already: stop {name}, or let it listen at other addresses only; what it knows can go \
             into [dns] as `rewrites`, `rules` and `lists`"
        ),
        name if name.starts_with("a program") => {
            format!(
                "as root, `ss -lnp 'sport = :{port}'` says what it is; stop it, or let it listen elsewhere"
            )
        }
        name => format!("stop {name}, or let it listen elsewhere"),
    }
}
