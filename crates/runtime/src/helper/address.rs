//! Adding an address to an interface, and taking it away, as rtnetlink(7) has it.
//!
//! An address is added for a short time only: who does not renew it has it no longer, whatever became of him.

use std::net::IpAddr;
use std::os::fd::AsFd;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, sendto, socket_with,
};

/// How long an address stays without being renewed, in seconds.
const LIFETIME: u32 = 2;

const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_DELNEIGH: u16 = 29;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const NDA_DST: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_CACHEINFO: u16 = 6;
/// No duplicate detection by the kernel, which has none for IPv4: whoever asks has looked.
const IFA_F_NODAD: u8 = 0x02;

/// What to do with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Have it for two seconds from now.
    Renew,
    /// Have it no longer.
    Remove,
    /// Forget which machine nearby has it.
    Forget,
}

/// Does it, at the interface that has the address `beside`.
pub(crate) fn change(change: Change, address: IpAddr, beside: IpAddr) -> std::io::Result<()> {
    let interface = interface_of(beside)?;
    let message = message(change, address, interface);
    // NETLINK_ROUTE is protocol 0, the default.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let kernel = netlink::SocketAddrNetlink::new(0, 0);
    sendto(socket.as_fd(), &message, SendFlags::empty(), &kernel)?;
    let mut reply = [0; 1024];
    let (length, _) = recv(socket.as_fd(), &mut reply, RecvFlags::empty())?;
    match error_in(reply.get(..length).unwrap_or_default()) {
        Some(0) => Ok(()),
        // It is gone already, or nobody was known to have it.
        Some(number) if change == Change::Remove && number == -libc::EADDRNOTAVAIL => Ok(()),
        Some(number) if change == Change::Forget && number == -libc::ENOENT => Ok(()),
        Some(number) => Err(std::io::Error::from_raw_os_error(-number)),
        None => Err(std::io::ErrorKind::InvalidData.into()),
    }
}

fn interface_of(address: IpAddr) -> std::io::Result<u32> {
    let own = |at: &nix::ifaddrs::InterfaceAddress| {
        let storage = at.address.as_ref()?;
        let four = storage.as_sockaddr_in().map(|at| IpAddr::V4(at.ip()));
        four.or_else(|| storage.as_sockaddr_in6().map(|at| IpAddr::V6(at.ip())))
    };
    let mut all = nix::ifaddrs::getifaddrs()?;
    let found = all
        .find(|at| own(at) == Some(address))
        .ok_or_else(|| std::io::Error::from_raw_os_error(libc::EADDRNOTAVAIL))?;
    Ok(nix::net::if_::if_nametoindex(found.interface_name.as_str())?)
}

/// A message with its header (`struct nlmsghdr`, `struct ifaddrmsg` or `struct ndmsg`, attributes), in the byte order of the machine.
fn message(change: Change, address: IpAddr, interface: u32) -> Vec<u8> {
    // Alone, without its network: whatever comes and goes, no other address hangs on it.
    let (family, bytes, prefix, flags_of_address) = match address {
        IpAddr::V4(v4) => (AddressFamily::INET, v4.octets().to_vec(), 32, IFA_F_NODAD),
        IpAddr::V6(v6) => (AddressFamily::INET6, v6.octets().to_vec(), 128, 0),
    };
    let (kind, flags) = match change {
        Change::Renew => (RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE),
        Change::Remove => (RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK),
        Change::Forget => (RTM_DELNEIGH, NLM_F_REQUEST | NLM_F_ACK),
    };
    let family = u8::try_from(family.as_raw()).unwrap_or_default();
    let mut body = Vec::new();
    if change == Change::Forget {
        body.extend([family, 0, 0, 0]);
        body.extend(interface.to_ne_bytes());
        body.extend([0; 4]);
        attribute(&mut body, NDA_DST, &bytes);
    } else {
        body.extend([family, prefix, flags_of_address, 0]);
        body.extend(interface.to_ne_bytes());
        attribute(&mut body, IFA_LOCAL, &bytes);
        attribute(&mut body, IFA_ADDRESS, &bytes);
    }
    if change == Change::Renew {
        let times: Vec<u8> = [LIFETIME, LIFETIME, 0, 0].into_iter().flat_map(u32::to_ne_bytes).collect();
        attribute(&mut body, IFA_CACHEINFO, &times);
    }
    let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
    let mut message = Vec::with_capacity(16 + body.len());
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// Adds an attribute; all that are used here have a length that is a multiple of four.
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
}

/// The number in a message of the kernel's that says how it went: 0, or an error below.
fn error_in(reply: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(reply.get(4..6)?.try_into().ok()?);
    let number = i32::from_ne_bytes(reply.get(16..20)?.try_into().ok()?);
    (kind == NLMSG_ERROR).then_some(number)
}
