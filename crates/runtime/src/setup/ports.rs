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

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 3500007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 4711 1 0000000000000000 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 100 0 0 10 0
   2: 0A01A8C0:0016 0201A8C0:D431 01 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000000000000000 100 0 0 10 0
   3: 0A01A8C0:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 4714 1 0000000000000000 100 0 0 10 0
";
    const UDP6: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
   0: 00000000000000000000000000000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000   999        0 4715 2 0000000000000000 0
   1: 000000FD000000000000000010000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000   999        0 4716 2 0000000000000000 0
   2: 000000FD000000000000000010000000:D000 000000FD000000000000000001000000:0035 01 00000000:00000000 00:00000000 00000000   999        0 4717 2 0000000000000000 0
";

    #[cfg(target_endian = "little")]
    #[test]
    fn what_listens_is_found_at_its_port_and_address() {
        let mut all = listening(TCP, Transport::Tcp);
        all.extend(listening(UDP6, Transport::Udp));
        let places: Vec<String> = all.iter().map(|own| own.at.to_string()).collect();
        assert_eq!(
            places,
            ["127.0.0.53:53", "0.0.0.0:22", "192.168.1.10:80", "[::]:53", "[fd00::10]:53"],
            "connections are not listening"
        );
        let found = |transport, at: &str| {
            let found = in_the_way(&all, transport, at.parse().unwrap());
            found.iter().map(|own| own.inode).collect::<Vec<_>>()
        };
        let tcp = Transport::Tcp;
        assert_eq!(found(tcp, "192.168.1.10:53"), [0; 0], "the stub of systemd-resolved is not in the way");
        assert_eq!(found(tcp, "127.0.0.53:53"), [4711]);
        assert_eq!(found(tcp, "192.168.1.10:22"), [4712]);
        assert_eq!(found(tcp, "[fd00::10]:22"), [0; 0]);
        assert_eq!((found(tcp, "192.168.1.10:80"), found(tcp, "192.168.1.11:80")), (vec![4714], vec![]));
        assert_eq!(found(tcp, "0.0.0.0:80"), [4714]);
        assert_eq!(found(Transport::Udp, "192.168.1.10:53"), [4715]);
        assert_eq!(found(Transport::Udp, "[fd00::10]:53"), [4715, 4716]);
        for garbage in ["", "x\n", "x\n 0: zz:zz 0 0A 0 0 0 0 0 0\n", "x\n 0: ééééé:0035 0 0A 0 0 0 0 0 0\n"]
        {
            assert!(listening(garbage, tcp).is_empty());
        }
    }

    #[test]
    fn owners_are_said_as_far_as_they_are_known() {
        assert_eq!(inode("socket:[4711]"), Some(4711));
        assert_eq!((inode("/dev/null"), inode("socket:[x]")), (None, None));
        let passwd = "root:x:0:0:root:/root:/bin/sh\nsystemd-resolve:x:101:103::/:/usr/sbin/nologin\n";
        assert_eq!((user(passwd, 101), user(passwd, 7)), (Some("systemd-resolve"), None));
        assert_eq!(owner(Some(("dns\u{7}masq\n", 812)), None), "dns?masq (process 812)");
        assert_eq!(owner(None, user(passwd, 101)), "a program of the user systemd-resolve");
        assert_eq!(owner(None, None), "a program");
        assert!(help("dnsmasq (process 812)", 53).contains("stop dnsmasq"));
        assert!(help("docker-proxy (process 9)", 53).contains("docker ps --filter publish=53"));
        assert!(help("a program of the user x", 80).contains("ss -lnp 'sport = :80'"));
        assert_eq!(help("nginx (process 7)", 80), "stop nginx, or let it listen elsewhere");
    }
}
