//! Which machine nearby has which address: the neighbour table of the kernel, as rtnetlink(7) tells it.
//!
//! It is how a phone is known on all its addresses, also those of IPv6 that it draws anew every day.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::client::Mac;

/// MAC addresses by address.
pub(crate) type Neighbours = HashMap<IpAddr, Mac>;

/// The most that are kept.
const MAX: usize = 16_384;

const NLMSG_DONE: u16 = 3;
const NLMSG_ERROR: u16 = 2;
const RTM_NEWNEIGH: u16 = 28;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
/// An entry whose machine did not answer says nothing.
const NUD_UNUSABLE: u16 = 0x20 | 0x01;
/// `struct nlmsghdr` and `struct ndmsg`.
const HEADER: usize = 16;
const NEIGHBOUR: usize = 12;

/// What comes of a part of the kernel's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum More {
    /// More parts come.
    Yes,
    /// It was the last one.
    No,
}

/// The question for the whole table.
pub(crate) fn question() -> Vec<u8> {
    const RTM_GETNEIGH: u16 = 30;
    const REQUEST_DUMP: u16 = 0x1 | 0x300;
    let mut message = Vec::with_capacity(HEADER + NEIGHBOUR);
    message.extend_from_slice(&28_u32.to_ne_bytes());
    message.extend_from_slice(&RTM_GETNEIGH.to_ne_bytes());
    message.extend_from_slice(&REQUEST_DUMP.to_ne_bytes());
    message.resize(HEADER + NEIGHBOUR, 0);
    message
}

/// Adds what a part of the answer says.
pub(crate) fn read(mut part: &[u8], neighbours: &mut Neighbours) -> More {
    while let Some((length, kind)) = header(part) {
        if kind == NLMSG_DONE || kind == NLMSG_ERROR {
            return More::No;
        }
        let Some(message) = part.get(HEADER..length).filter(|_| kind == RTM_NEWNEIGH) else {
            part = part.get(length.next_multiple_of(4)..).unwrap_or_default();
            continue;
        };
        if let Some((address, mac)) = neighbour(message)
            && neighbours.len() < MAX
        {
            neighbours.insert(address, mac);
        }
        part = part.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    More::Yes
}

fn header(part: &[u8]) -> Option<(usize, u16)> {
    let length = u32::from_ne_bytes(part.get(..4)?.try_into().ok()?);
    let kind = u16::from_ne_bytes(part.get(4..6)?.try_into().ok()?);
    let length = usize::try_from(length).ok().filter(|length| *length >= HEADER && *length <= part.len())?;
    Some((length, kind))
}

fn neighbour(message: &[u8]) -> Option<(IpAddr, Mac)> {
    let state = u16::from_ne_bytes(message.get(8..10)?.try_into().ok()?);
    if state & NUD_UNUSABLE != 0 {
        return None;
    }
    let (mut address, mut mac) = (None, None);
    let mut attributes = message.get(NEIGHBOUR..)?;
    while let Some(length) =
        attributes.get(..2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes)
    {
        let length = usize::from(length);
        let kind = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?);
        let value = attributes.get(4..length)?;
        match kind {
            NDA_DST => {
                let four = || <[u8; 4]>::try_from(value).ok().map(|four| IpAddr::from(Ipv4Addr::from(four)));
                let six = || <[u8; 16]>::try_from(value).ok().map(|six| IpAddr::from(Ipv6Addr::from(six)));
                address = four().or_else(six);
            }
            NDA_LLADDR => mac = Mac::try_from(value).ok(),
            _ => {}
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    // The loopback has the address of nothing.
    Some((address?, mac.filter(|mac| *mac != [0; 6])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(state: u16, address: &[u8], mac: &[u8]) -> Vec<u8> {
        let mut message = vec![0; HEADER + NEIGHBOUR];
        message[4..6].copy_from_slice(&RTM_NEWNEIGH.to_ne_bytes());
        message[24..26].copy_from_slice(&state.to_ne_bytes());
        for (kind, value) in [(NDA_DST, address), (NDA_LLADDR, mac)] {
            message.extend_from_slice(&u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
            message.extend_from_slice(&kind.to_ne_bytes());
            message.extend_from_slice(value);
            message.resize(message.len().next_multiple_of(4), 0);
        }
        let length = u32::try_from(message.len()).unwrap();
        message[..4].copy_from_slice(&length.to_ne_bytes());
        message
    }

    #[test]
    fn usable_entries_are_read() {
        let (reachable, failed, mac) = (0x02, 0x20, [0, 0, 0x5e, 0, 0x53, 1]);
        let six: Ipv6Addr = "fd00::7".parse().unwrap();
        let mut part = entry(reachable, &[10, 0, 0, 7], &mac);
        part.extend(entry(reachable, &six.octets(), &mac));
        part.extend(entry(failed, &[10, 0, 0, 8], &mac));
        part.extend(entry(reachable, &[10, 0, 0, 9], &[0; 6]));
        let mut neighbours = Neighbours::new();
        assert_eq!(read(&part, &mut neighbours), More::Yes);
        let expected = [("10.0.0.7", mac), ("fd00::7", mac)];
        assert_eq!(neighbours, expected.map(|(address, mac)| (address.parse().unwrap(), mac)).into());
        part.splice(4..6, NLMSG_DONE.to_ne_bytes());
        assert_eq!(read(&part, &mut neighbours), More::No);
        for length in 0..part.len() {
            read(&part[..length], &mut neighbours);
        }
    }
}
