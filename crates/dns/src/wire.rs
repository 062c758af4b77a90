//! DNS messages (RFC 1035, RFC 6891): reading a question, writing a reply.
//!
//! Everything that comes from outside is read here and nowhere else; `fuzz/dns_message` feeds it. Indexing is
//! allowed in this file only, behind checks of the length.
#![allow(clippy::indexing_slicing, reason = "parsers of messages check lengths first and are fuzzed")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest name in its wire form, in bytes (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 255;
/// The longest label (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;
/// The header of a message (RFC 1035 section 4.1.1).
pub(crate) const HEADER: usize = 12;
/// A name that is the one of the question, which begins behind the header (RFC 1035 section 4.1.4).
const POINTER_TO_QUESTION: [u8; 2] = [0xC0, 12];
/// The size of UDP replies to clients that do not say what they take (RFC 1035 section 2.3.4).
pub(crate) const PLAIN_UDP: usize = 512;
/// The most that is sent over UDP: what passes every network without being cut up (RFC 9715).
pub(crate) const MAX_UDP: u16 = 1232;

/// Types of records, and of questions.
pub(crate) mod kind {
    pub(crate) const A: u16 = 1;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const PTR: u16 = 12;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const OPT: u16 = 41;
    pub(crate) const IXFR: u16 = 251;
    pub(crate) const AXFR: u16 = 252;
    pub(crate) const ANY: u16 = 255;
}

/// Codes of replies (RFC 1035 section 4.1.1, RFC 6891 section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
    BadVers = 16,
}

/// A name in its wire form without compression, in lower case, with the empty label at its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name(Box<[u8]>);

impl Default for Name {
    fn default() -> Self {
        Self(Box::new([0]))
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let labels: Vec<_> = self.labels().iter().map(|label| String::from_utf8_lossy(label)).collect();
        f.write_str(&labels.join("."))
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

    pub(crate) fn wire(&self) -> &[u8] {
        &self.0
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

    /// The address, or the block of addresses, that a name under `in-addr.arpa` or `ip6.arpa` is of, with the
    /// number of labels it has (RFC 1035 section 3.5, RFC 3596 section 2.5).
    pub(crate) fn reverse_of(&self) -> Option<(IpAddr, usize)> {
        let labels: Vec<&str> =
            self.labels().iter().map(|label| std::str::from_utf8(label).ok()).collect::<Option<_>>()?;
        match labels.as_slice() {
            [rest @ .., "in-addr", "arpa"] if rest.len() <= 4 => {
                let mut octets = [0; 4];
                for (at, label) in rest.iter().rev().enumerate() {
                    octets[at] =
                        label.parse().ok().filter(|_| label.len() == 1 || !label.starts_with('0'))?;
                }
                Some((IpAddr::V4(Ipv4Addr::from(octets)), rest.len()))
            }
            [rest @ .., "ip6", "arpa"] if rest.len() <= 32 => {
                let mut bits: u128 = 0;
                for (at, label) in rest.iter().rev().enumerate() {
                    let nibble = u128::from_str_radix(label, 16).ok().filter(|_| label.len() == 1)?;
                    bits |= nibble << (124 - 4 * at);
                }
                Some((IpAddr::V6(Ipv6Addr::from(bits)), rest.len()))
            }
            _ => None,
        }
    }
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

/// What a client says it can do (RFC 6891).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edns {
    pub(crate) payload: u16,
    pub(crate) version: u8,
}

/// A message with one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) id: u16,
    pub(crate) recursion_desired: bool,
    pub(crate) checking_disabled: bool,
    pub(crate) name: Name,
    pub(crate) kind: u16,
    pub(crate) class: u16,
    pub(crate) edns: Option<Edns>,
    /// Where the question ends.
    question_end: usize,
}

/// Why a message has no question that could be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Too short, or a reply: nothing is said to it.
    Silent,
    /// It gets a reply with this code.
    Say(Code),
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    let bytes = message.get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// A name without compression, which a question has no use for, in lower case; and where it ends.
fn question_name(message: &[u8], start: usize) -> Option<(Name, usize)> {
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
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
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

/// The OPT record among the records from `at` on (RFC 6891 section 6.1); an error if there are two, or if the
/// records end early.
fn edns(message: &[u8], mut at: usize, records: usize) -> Result<Option<Edns>, ()> {
    let mut found = None;
    for _ in 0..records {
        at = skip_name(message, at).ok_or(())?;
        let fixed = message.get(at..at + 10).ok_or(())?;
        let kind = u16::from_be_bytes([fixed[0], fixed[1]]);
        let length = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        if kind == kind::OPT {
            let own = Edns { payload: u16::from_be_bytes([fixed[2], fixed[3]]), version: fixed[5] };
            if found.replace(own).is_some() {
                return Err(());
            }
        }
        at = at + 10 + length;
        if at > message.len() {
            return Err(());
        }
    }
    Ok(found)
}

impl Query {
    /// Reads the question of a message.
    pub(crate) fn parse(message: &[u8]) -> Result<Self, Unreadable> {
        if message.len() < HEADER || message[2] & 0x80 != 0 {
            return Err(Unreadable::Silent);
        }
        if message[2] >> 3 & 0x0F != 0 {
            return Err(Unreadable::Say(Code::NotImp));
        }
        let malformed = Unreadable::Say(Code::FormErr);
        let count = |at: usize| number(message, at).map(usize::from).ok_or(malformed);
        if count(4)? != 1 {
            return Err(malformed);
        }
        let (name, at) = question_name(message, HEADER).ok_or(malformed)?;
        let kind = number(message, at).ok_or(malformed)?;
        let class = number(message, at + 2).ok_or(malformed)?;
        let question_end = at + 4;
        let records = count(6)? + count(8)? + count(10)?;
        let edns = edns(message, question_end, records).map_err(|()| malformed)?;
        Ok(Self {
            id: u16::from_be_bytes([message[0], message[1]]),
            recursion_desired: message[2] & 0x01 != 0,
            checking_disabled: message[3] & 0x10 != 0,
            name,
            kind,
            class,
            edns,
            question_end,
        })
    }

    /// The most that a UDP reply to this may have.
    pub(crate) fn udp_limit(&self) -> usize {
        match self.edns {
            Some(edns) => usize::from(edns.payload.min(MAX_UDP)).max(PLAIN_UDP),
            None => PLAIN_UDP,
        }
    }
}

/// Whether the question of a reply is that of the query, letters in either case.
pub(crate) fn answers(reply: &[u8], query: &[u8]) -> bool {
    let Ok(parsed) = Query::parse(query) else { return false };
    let question = &query[HEADER..parsed.question_end];
    let is_reply = reply.len() >= HEADER && reply[2] & 0x80 != 0 && reply[..2] == query[..2];
    is_reply
        && number(reply, 4) == Some(1)
        && reply.get(HEADER..parsed.question_end).is_some_and(|own| own.eq_ignore_ascii_case(question))
}

/// Whether a reply says that it has been cut (RFC 1035 section 4.1.1, TC).
pub(crate) fn is_truncated(reply: &[u8]) -> bool {
    reply.len() >= HEADER && reply[2] & 0x02 != 0
}

/// The same message under another number.
pub(crate) fn set_id(message: &mut [u8], id: u16) {
    if let Some(bytes) = message.get_mut(..2) {
        bytes.copy_from_slice(&id.to_be_bytes());
    }
}

/// A reply that only has a header: for messages whose question can not be read.
pub(crate) fn bare_reply(message: &[u8], code: Code) -> Vec<u8> {
    let mut reply = vec![0; HEADER];
    reply[..2].copy_from_slice(&message[..2]);
    reply[2] = 0x80 | (message[2] & 0x79);
    reply[3] = code as u8 & 0x0F;
    reply
}

/// A reply that is cut because it is too long for UDP: the client asks again over TCP.
pub(crate) fn cut(reply: &mut Vec<u8>, query: &[u8]) {
    let Ok(parsed) = Query::parse(query) else { return };
    reply.truncate(parsed.question_end);
    if reply.len() >= HEADER {
        reply[2] |= 0x02;
        reply[6..HEADER].fill(0);
    }
}

/// Who owns a record of a reply.
#[derive(Clone, Copy)]
pub(crate) enum OwnedBy<'n> {
    /// The name that was asked for.
    Question,
    Name(&'n Name),
}

/// A reply being written.
pub(crate) struct Reply {
    message: Vec<u8>,
    question_end: usize,
    edns: bool,
    code: Code,
}

impl Reply {
    /// A reply with the question of `query` and nothing else.
    pub(crate) fn to(query: &Query, message: &[u8], code: Code, authority: Authority) -> Self {
        let mut reply = Vec::with_capacity(128);
        reply.extend_from_slice(message.get(..query.question_end).unwrap_or(message));
        let authoritative = if authority == Authority::Ours { 0x04 } else { 0 };
        reply[2] = 0x80 | authoritative | u8::from(query.recursion_desired);
        reply[3] = 0x80 | if query.checking_disabled { 0x10 } else { 0 };
        reply[4..HEADER].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
        Self { message: reply, question_end: query.question_end, edns: query.edns.is_some(), code }
    }

    fn count(&mut self, at: usize) {
        let count = u16::from_be_bytes([self.message[at], self.message[at + 1]]).saturating_add(1);
        self.message[at..at + 2].copy_from_slice(&count.to_be_bytes());
    }

    fn record(&mut self, owner: OwnedBy<'_>, kind: u16, ttl: u32, data: &[u8]) {
        match owner {
            OwnedBy::Question => self.message.extend_from_slice(&POINTER_TO_QUESTION),
            OwnedBy::Name(name) => self.message.extend_from_slice(name.wire()),
        }
        self.message.extend_from_slice(&kind.to_be_bytes());
        self.message.extend_from_slice(&1u16.to_be_bytes());
        self.message.extend_from_slice(&ttl.to_be_bytes());
        let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
        self.message.extend_from_slice(&length.to_be_bytes());
        self.message.extend_from_slice(data);
    }

    /// Adds an answer: an address.
    pub(crate) fn address(&mut self, owner: OwnedBy<'_>, ttl: u32, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => self.record(owner, kind::A, ttl, &v4.octets()),
            IpAddr::V6(v6) => self.record(owner, kind::AAAA, ttl, &v6.octets()),
        }
        self.count(6);
    }

    /// Adds an answer: a name.
    pub(crate) fn name(&mut self, owner: OwnedBy<'_>, kind: u16, ttl: u32, name: &Name) {
        self.record(owner, kind, ttl, name.wire());
        self.count(6);
    }

    /// Adds a start of authority (RFC 1035 section 3.3.13): to the answers, or beside them (RFC 2308).
    pub(crate) fn soa(&mut self, apex: &Name, domain: &Name, ttl: u32, section: Section) {
        let mut data = Vec::with_capacity(64);
        for host in [&b"\x03dns"[..], b"\x0ahostmaster"] {
            data.extend_from_slice(host);
            data.extend_from_slice(domain.wire());
        }
        for number in [1u32, 3600, 600, 86_400, ttl] {
            data.extend_from_slice(&number.to_be_bytes());
        }
        self.record(OwnedBy::Name(apex), kind::SOA, ttl, &data);
        self.count(if section == Section::Answer { 6 } else { 8 });
    }

    /// The finished message. Over UDP, one longer than `limit` is cut.
    pub(crate) fn finish(mut self, limit: usize) -> Vec<u8> {
        let opt = if self.edns { 11 } else { 0 };
        if self.message.len() + opt > limit {
            self.message.truncate(self.question_end);
            self.message[2] |= 0x02;
            self.message[6..HEADER].fill(0);
        }
        let code = self.code as u8;
        self.message[3] |= code & 0x0F;
        if self.edns {
            let (opt, size) = (kind::OPT.to_be_bytes(), MAX_UDP.to_be_bytes());
            self.message.push(0);
            self.message.extend_from_slice(&[opt[0], opt[1], size[0], size[1], code >> 4, 0, 0, 0, 0, 0]);
            self.count(10);
        }
        self.message
    }
}

/// Whose name it is that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authority {
    Ours,
    Others,
}

/// Where a record stands in a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Answer,
    Beside,
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend_from_slice(Name::parse(name).unwrap().wire());
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&1u16.to_be_bytes());
        message
    }

    #[test]
    fn questions_are_read() {
        let mut message = question("Naxos.lab", kind::A);
        message[13] = b'N';
        let query = Query::parse(&message).unwrap();
        assert_eq!((query.id, query.kind, query.class), (0x1234, kind::A, 1));
        assert_eq!(query.name, Name::parse("naxos.lab").unwrap());
        assert_eq!(query.udp_limit(), PLAIN_UDP);
        message[11] = 1;
        message.extend_from_slice(&[0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Query::parse(&message).unwrap().udp_limit(), usize::from(MAX_UDP));
    }

    #[test]
    fn what_is_no_question_is_refused() {
        let good = question("naxos.lab", kind::A);
        let say = |code| Err(Unreadable::Say(code));
        let with = |at: usize, byte: u8| {
            let mut message = good.clone();
            message[at] = byte;
            Query::parse(&message)
        };
        assert_eq!(Query::parse(&good[..11]), Err(Unreadable::Silent));
        assert_eq!(with(2, 0x80), Err(Unreadable::Silent));
        assert_eq!(with(2, 0x28), say(Code::NotImp));
        assert_eq!(with(5, 2), say(Code::FormErr));
        assert_eq!(with(12, 0xC0), say(Code::FormErr));
        assert_eq!(with(11, 1), say(Code::FormErr));
        assert_eq!(Query::parse(&good[..good.len() - 1]), say(Code::FormErr));
    }

    #[test]
    fn reverse_names_are_addresses() {
        let of = |name: &str| Name::parse(name).unwrap().reverse_of();
        assert_eq!(of("10.50.10.10.in-addr.arpa"), Some(("10.10.50.10".parse().unwrap(), 4)));
        assert_eq!(of("10.in-addr.arpa"), Some(("10.0.0.0".parse().unwrap(), 1)));
        assert_eq!(of("256.in-addr.arpa"), None);
        assert_eq!(of("01.in-addr.arpa"), None);
        let six: IpAddr = "fd00::1".parse().unwrap();
        assert_eq!(of(&reverse_name(six)), Some((six, 32)));
        assert_eq!(of("naxos.lab"), None);
    }
}
