//! The records of a message one by one, with every name whole (RFC 1035 section 4.1.4).

use std::net::IpAddr;

use super::name::Name;
use super::{HEADER, MAX_NAME, kind, number};

/// The most records that are read of a message.
const MAX_RECORDS: usize = 4096;
/// The most pointers that a name may have: each leads further back, so that none leads in a circle.
const MAX_POINTERS: usize = 64;

/// A record with whole names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// 0 for an answer, 1 for authority, 2 for additional.
    pub(crate) section: usize,
    pub(crate) owner: Name,
    pub(crate) kind: u16,
    pub(crate) class: u16,
    /// How long it may be kept, in seconds.
    pub(crate) time: u32,
    pub(crate) data: Vec<u8>,
}

impl Record {
    /// The address that it says, if that is what it is for.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self.kind {
            kind::A => Some(IpAddr::from(<[u8; 4]>::try_from(self.data.as_slice()).ok()?)),
            kind::AAAA => Some(IpAddr::from(<[u8; 16]>::try_from(self.data.as_slice()).ok()?)),
            _ => None,
        }
    }
}

/// The records of a message; none if it can not be read, or has too many.
pub(crate) fn expand(message: &[u8]) -> Option<Vec<Record>> {
    let mut at = HEADER;
    for _ in 0..number(message, 4)? {
        at = whole_name(message, at)?.1 + 4;
    }
    let mut records = Vec::new();
    for section in 0..3 {
        for _ in 0..number(message, 6 + 2 * section)? {
            let (owner, fixed) = whole_name(message, at)?;
            let bytes = message.get(fixed..fixed + 10)?;
            let kind = u16::from_be_bytes([bytes[0], bytes[1]]);
            let class = u16::from_be_bytes([bytes[2], bytes[3]]);
            let time = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
            let data = fixed + 10;
            let end = data + usize::from(u16::from_be_bytes([bytes[8], bytes[9]]));
            let data = whole_data(message, kind, data, end)?;
            at = end;
            records.push(Record { section, owner, kind, class, time, data });
            if records.len() > MAX_RECORDS {
                return None;
            }
        }
    }
    Some(records)
}

/// What stands in a record, with whole names in those types whose names may be compressed (RFC 3597 section 4).
fn whole_data(message: &[u8], kind: u16, at: usize, end: usize) -> Option<Vec<u8>> {
    let data = message.get(at..end)?;
    // How many bytes stand before the names, and how many names there are.
    let (before, names) = match kind {
        kind::NS | kind::CNAME | kind::PTR | kind::DNAME => (0, 1),
        kind::MX => (2, 1),
        kind::SRV => (6, 1),
        kind::SOA => (0, 2),
        _ => return Some(data.to_vec()),
    };
    let mut whole = data.get(..before)?.to_vec();
    let mut at = at + before;
    for _ in 0..names {
        let (name, next) = whole_name(message, at).filter(|(_, next)| *next <= end)?;
        whole.extend_from_slice(name.wire());
        at = next;
    }
    whole.extend_from_slice(message.get(at..end)?);
    Some(whole)
}

/// A name with what its pointers lead to, in lower case; and where it ends.
pub(super) fn whole_name(message: &[u8], start: usize) -> Option<(Name, usize)> {
    let mut wire = Vec::with_capacity(64);
    let (mut at, mut end, mut pointers) = (start, None, 0);
    loop {
        let length = usize::from(*message.get(at)?);
        if length >= 0xC0 {
            let target = (length & 0x3F) << 8 | usize::from(*message.get(at + 1)?);
            end = end.or(Some(at + 2));
            pointers += 1;
            if target >= at || pointers > MAX_POINTERS {
                return None;
            }
            at = target;
            continue;
        }
        let label = message.get(at..at + 1 + length).filter(|_| length < 0x40)?;
        wire.extend(label.iter().map(u8::to_ascii_lowercase));
        if wire.len() > MAX_NAME {
            return None;
        }
        at += 1 + length;
        if length == 0 {
            return Some((Name::of_wire(&wire)?, end.unwrap_or(at)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::question;

    #[test]
    fn pointers_are_followed_backwards_only() {
        let mut message = question("a.example", kind::A);
        let end = message.len();
        message.extend_from_slice(&[1, b'B', 0xC0, 14]);
        let (name, next) = whole_name(&message, end).unwrap();
        assert_eq!((name.text().as_str(), next), ("b.example", end + 4));
        for pointer in [[0xC0, u8::try_from(end).unwrap()], [0xC0, 0xFF], [0x80, 1]] {
            message.truncate(end);
            message.extend_from_slice(&pointer);
            assert_eq!(whole_name(&message, end), None);
        }
    }

    #[test]
    fn a_name_that_grows_too_long_is_none() {
        let mut message = vec![0; HEADER];
        message.push(0);
        let mut last = HEADER;
        for _ in 0..5 {
            let at = message.len();
            message.push(60);
            message.extend([b'a'; 60]);
            let pointer = u16::try_from(last).unwrap() | 0xC000;
            message.extend_from_slice(&pointer.to_be_bytes());
            last = at;
        }
        assert_eq!(whole_name(&message, last), None);
    }
}
