//! Names in messages, and the addresses that reverse names are of.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest name in its wire form, in bytes, and the longest label (RFC 1035 section 2.3.4).
pub(crate) const MAX_NAME: usize = 255;
pub(crate) const MAX_LABEL: usize = 63;

/// A name in its wire form without compression, in lower case, with the empty label at its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name(Box<[u8]>);

impl Default for Name {
    fn default() -> Self {
        Self(Box::new([0]))
    }
}

impl Name {
    /// From text: labels with points between them.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in text.trim_end_matches('.').split('.') {
            let length = u8::try_from(label.len())
                .ok()
                .filter(|length| (1..=MAX_LABEL).contains(&usize::from(*length)))?;
            wire.push(length);
            wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        wire.push(0);
        (wire.len() <= MAX_NAME).then(|| Self(wire.into_boxed_slice()))
    }

    /// From its wire form, which has to be whole and in lower case.
    pub(crate) fn of_wire(wire: &[u8]) -> Option<Self> {
        let mut rest = wire;
        while let Some((&length, after)) = rest.split_first() {
            if length == 0 {
                return (after.is_empty() && wire.len() <= MAX_NAME).then(|| Self(wire.into()));
            }
            rest = after.get(usize::from(length)..).filter(|_| usize::from(length) <= MAX_LABEL)?;
        }
        None
    }

    pub(crate) fn wire(&self) -> &[u8] {
        &self.0
    }

    /// As text; what is not printable as its number, and a point in a label behind `\` (RFC 1035 section 5.1).
    pub(crate) fn text(&self) -> String {
        let label = |label: &[u8]| -> String {
            let byte = |byte: &u8| match byte {
                b'.' | b'\\' => format!("\\{}", char::from(*byte)),
                b'!'..=b'~' => char::from(*byte).to_string(),
                other => format!("\\{other:03}"),
            };
            label.iter().map(byte).collect()
        };
        self.labels().into_iter().map(label).collect::<Vec<_>>().join(".")
    }

    /// The name without its first label; none above the root.
    pub(crate) fn parent(&self) -> Option<Self> {
        let first = usize::from(*self.0.first()?);
        if first == 0 {
            return None;
        }
        Some(Self(self.0.get(first + 1..)?.into()))
    }

    /// Whether it is `other` or under it.
    pub(crate) fn is_in(&self, other: &Self) -> bool {
        let mut rest: &[u8] = &self.0;
        loop {
            if *rest == *other.0 {
                return true;
            }
            let first = usize::from(rest.first().copied().unwrap_or(0));
            match rest.get(first + 1..) {
                Some(parent) if first > 0 => rest = parent,
                _ => return false,
            }
        }
    }

    /// Its labels, the first one first.
    fn labels(&self) -> Vec<&[u8]> {
        let mut labels = Vec::new();
        let mut rest: &[u8] = &self.0;
        while let Some((&length, after)) = rest.split_first() {
            let length = usize::from(length);
            if length == 0 || after.len() < length {
                break;
            }
            let (label, next) = after.split_at(length);
            labels.push(label);
            rest = next;
        }
        labels
    }

    /// The address, or the block of addresses, that a name under `in-addr.arpa` or `ip6.arpa` is of or lies
    /// under (RFC 1035 section 3.5, RFC 3596 section 2.5).
    pub(crate) fn reverse_of(&self) -> Option<ReverseName> {
        if !self.0.ends_with(b"\x04arpa\x00") {
            return None;
        }
        let labels = self.labels();
        let (rest, is_four) = match labels.as_slice() {
            [rest @ .., b"in-addr", b"arpa"] => (rest, true),
            [rest @ .., b"ip6", b"arpa"] => (rest, false),
            _ => return None,
        };
        let (mut bits, mut count): (u128, usize) = (0, 0);
        let (most, step) = if is_four { (4, 8) } else { (32, 4) };
        for label in rest.iter().rev().take(most) {
            let Some(part) = reverse_label(label, is_four) else { break };
            count += 1;
            bits |= u128::from(part) << (128 - step * count);
        }
        let six = Ipv6Addr::from(bits);
        let [a, b, c, d, ..] = six.octets();
        let address = if is_four { IpAddr::V4(Ipv4Addr::new(a, b, c, d)) } else { IpAddr::V6(six) };
        let is_deeper = rest.len() > count;
        (count > 0 || !is_deeper).then_some(ReverseName { address, labels: count, is_deeper })
    }
}

/// What a name under `in-addr.arpa` or `ip6.arpa` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReverseName {
    /// The address, or the first one of the block.
    pub(crate) address: IpAddr,
    /// How many labels say which: all 4 or 32 for an address.
    pub(crate) labels: usize,
    /// Whether there are other labels in front of those.
    pub(crate) is_deeper: bool,
}

impl ReverseName {
    /// How many bits of the address the name says.
    pub(crate) fn bits(&self) -> u8 {
        let step = if self.address.is_ipv4() { 8 } else { 4 };
        u8::try_from(self.labels * step).unwrap_or(128)
    }

    /// Whether it is the name of one address.
    pub(crate) fn is_whole(&self) -> bool {
        !self.is_deeper && self.labels == if self.address.is_ipv4() { 4 } else { 32 }
    }
}

/// The octet or nibble that a label of a reverse name is.
fn reverse_label(label: &[u8], is_four: bool) -> Option<u8> {
    let text = std::str::from_utf8(label).ok()?;
    let is_plain = text.len() == 1 || (is_four && !text.starts_with(['0', '+']));
    if is_four { text.parse().ok() } else { u8::from_str_radix(text, 16).ok() }
        .filter(|_| is_plain && text != "+")
}

/// The name that the name of an address is kept under.
pub(crate) fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let digits = format!("{:032x}", u128::from(v6));
            let reversed: Vec<String> = digits.chars().rev().map(String::from).collect();
            format!("{}.ip6.arpa", reversed.join("."))
        }
    }
}

/// A name without compression, which a question has no use for, in lower case; and where it ends.
pub(super) fn question_name(message: &[u8], start: usize) -> Option<(Name, usize)> {
    let mut at = start;
    loop {
        let length = usize::from(*message.get(at)?);
        if length > MAX_LABEL || at + 1 + length - start > MAX_NAME {
            return None;
        }
        at += 1 + length;
        if length == 0 {
            let wire = message.get(start..at)?;
            return Some((Name(wire.to_ascii_lowercase().into_boxed_slice()), at));
        }
    }
}

/// Where a name ends that may be compressed (RFC 1035 section 4.1.4).
pub(super) fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = *message.get(at)?;
        match length {
            0 => return Some(at + 1),
            1..=63 => at += 1 + usize::from(length),
            0xC0.. => return message.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reverse_names_are_addresses() {
        let of = |name: &str| {
            let ReverseName { address, labels, is_deeper } = Name::parse(name).unwrap().reverse_of()?;
            Some((address, labels, is_deeper))
        };
        let four: IpAddr = "10.10.50.10".parse().unwrap();
        assert_eq!(of("10.50.10.10.in-addr.arpa"), Some((four, 4, false)));
        assert_eq!(of("x.10.50.10.10.in-addr.arpa"), Some((four, 4, true)));
        assert_eq!(of("1.10.50.10.10.in-addr.arpa"), Some((four, 4, true)));
        assert_eq!(of("10.in-addr.arpa"), Some(("10.0.0.0".parse().unwrap(), 1, false)));
        assert_eq!(of("_udp.10.10.in-addr.arpa"), Some(("10.10.0.0".parse().unwrap(), 2, true)));
        assert_eq!(of("+1.10.in-addr.arpa"), Some(("10.0.0.0".parse().unwrap(), 1, true)));
        assert_eq!(of("256.in-addr.arpa"), None);
        assert_eq!(of("01.in-addr.arpa"), None);
        let six: IpAddr = "fd00::1".parse().unwrap();
        assert_eq!(of(&reverse_name(six)), Some((six, 32, false)));
        assert_eq!(of(&format!("x.{}", reverse_name(six))), Some((six, 32, true)));
        assert_eq!(of("naxos.lab"), None);
    }
}
