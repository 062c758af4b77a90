//! DNS messages (RFC 1035, RFC 6891): reading a question, writing a reply.
//!
//! Everything that comes from outside is read here and nowhere else; `fuzz/dns_message` feeds it. Indexing is
//! allowed in this file only, behind checks of the length.
#![allow(clippy::indexing_slicing, reason = "parsers of messages check lengths first and are fuzzed")]

pub(crate) mod carried;
pub(crate) mod expand;
mod name;
pub(crate) mod records;
mod text;

use std::net::IpAddr;

pub(crate) use name::{MAX_LABEL, MAX_NAME, Name, ReverseName, reverse_name};
pub use records::Security;
pub(crate) use records::{Answered, Heard, Lives, Telling};

use name::{question_name, skip_name};

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
    pub(crate) const NS: u16 = 2;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const PTR: u16 = 12;
    pub(crate) const HINFO: u16 = 13;
    pub(crate) const MX: u16 = 15;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const SRV: u16 = 33;
    pub(crate) const DNAME: u16 = 39;
    pub(crate) const OPT: u16 = 41;
    pub(crate) const DS: u16 = 43;
    pub(crate) const SVCB: u16 = 64;
    pub(crate) const HTTPS: u16 = 65;
    pub(crate) const IXFR: u16 = 251;
    pub(crate) const AXFR: u16 = 252;
    pub(crate) const ANY: u16 = 255;

    /// The kinds that clients ask for most, by their names.
    const NAMES: [(u16, &str); 14] = [
        (A, "A"),
        (NS, "NS"),
        (CNAME, "CNAME"),
        (SOA, "SOA"),
        (PTR, "PTR"),
        (MX, "MX"),
        (TXT, "TXT"),
        (AAAA, "AAAA"),
        (SRV, "SRV"),
        (DS, "DS"),
        (48, "DNSKEY"),
        (SVCB, "SVCB"),
        (HTTPS, "HTTPS"),
        (ANY, "ANY"),
    ];

    /// The kind of a text, as [`text`] writes it, letters in either case.
    pub(crate) fn parse(text: &str) -> Option<u16> {
        let upper = text.to_ascii_uppercase();
        let known = NAMES.iter().find(|(_, name)| *name == upper);
        known.map(|(number, _)| *number).or_else(|| upper.strip_prefix("TYPE")?.parse().ok())
    }

    /// A kind as text; one without a name as RFC 3597 section 5 writes it.
    pub(crate) fn text(kind: u16) -> String {
        let known = NAMES.iter().find(|(number, _)| *number == kind);
        known.map_or_else(|| format!("TYPE{kind}"), |(_, name)| (*name).to_owned())
    }
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

impl Code {
    /// The code of a number; a failure if it is none of these.
    pub(crate) fn of(number: u8) -> Self {
        match number {
            0 => Self::NoError,
            1 => Self::FormErr,
            3 => Self::NxDomain,
            4 => Self::NotImp,
            5 => Self::Refused,
            16 => Self::BadVers,
            _ => Self::ServFail,
        }
    }
}

/// What a client says it can do (RFC 6891).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edns {
    pub(crate) payload: u16,
    pub(crate) version: u8,
    /// Whether signatures are wanted (RFC 3225, DO).
    pub(crate) dnssec_ok: bool,
}

/// A message with one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) id: u16,
    pub(crate) recursion_desired: bool,
    pub(crate) checking_disabled: bool,
    /// Whether it wants to be told that an answer is authentic (RFC 6840 section 5.7, AD).
    authentic: bool,
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
            let payload = u16::from_be_bytes([fixed[2], fixed[3]]);
            let own = Edns { payload, version: fixed[5], dnssec_ok: fixed[6] & 0x80 != 0 };
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

/// The name and the kind of record that a message asks for, if that much can be read.
pub(crate) fn asked(message: &[u8]) -> Option<(Name, u16)> {
    let (name, at) = question_name(message, HEADER)?;
    Some((name, number(message, at)?))
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
            authentic: message[3] & 0x20 != 0,
            name,
            kind,
            class,
            edns,
            question_end,
        })
    }

    /// Whether the client wants signatures with the answer (RFC 3225).
    pub(crate) fn wants_signatures(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    /// Whether the client understands that an answer is authentic (RFC 6840 section 5.8).
    pub(crate) fn wants_authentic(&self) -> bool {
        self.authentic || self.wants_signatures()
    }

    /// The most that a UDP reply to this may have.
    pub(crate) fn udp_limit(&self) -> usize {
        match self.edns {
            Some(edns) => usize::from(edns.payload.min(MAX_UDP)).max(PLAIN_UDP),
            None => PLAIN_UDP,
        }
    }
}

/// A question of our own for a name.
pub(crate) fn question(name: &Name, kind: u16) -> Vec<u8> {
    let mut message = vec![0, 0, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(name.wire());
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&1_u16.to_be_bytes());
    message
}

/// The code in the header of a reply.
pub(crate) fn code_of(reply: &[u8]) -> u8 {
    reply.get(3).map_or(0, |flags| flags & 0x0F)
}

/// A code as its registry writes it (RFC 6895 section 2.3).
pub(crate) fn code_word(code: u8) -> String {
    const WORDS: [&str; 6] = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
    match (WORDS.get(usize::from(code)), code) {
        (Some(word), _) => (*word).to_owned(),
        (None, 16) => "BADVERS".to_owned(),
        (None, code) => format!("code {code}"),
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

/// The bytes of an OPT record without options (RFC 6891 section 6.1.2), and those of an explanation.
const OPT_LENGTH: usize = 11;
const EXPLANATION_LENGTH: usize = 6;

fn push_opt(message: &mut Vec<u8>, upper_code: u8, dnssec_ok: bool, explanation: Option<Explanation>) {
    let (opt, size) = (kind::OPT.to_be_bytes(), MAX_UDP.to_be_bytes());
    let flags = if dnssec_ok { 0x80 } else { 0 };
    message.extend_from_slice(&[0, opt[0], opt[1], size[0], size[1], upper_code, 0, flags, 0, 0]);
    match explanation {
        None => message.push(0),
        // The length of the options, then one: its number, its length, and the reason (RFC 8914 section 2).
        Some(Explanation(why)) => {
            let [high, low] = why.to_be_bytes();
            message.extend_from_slice(&[6, 0, 15, 0, 2, high, low]);
        }
    }
}

/// Why a reply says what it says: a number of RFC 8914 section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Explanation(pub(crate) u16);

impl Explanation {
    /// The time of the answer is over, and nobody has a newer one.
    pub(crate) const STALE: Self = Self(3);
    /// The answer is ours and not that of its zone.
    pub(crate) const FORGED: Self = Self(4);
    /// A list or a rule of the lab blocks the name.
    pub(crate) const BLOCKED: Self = Self(15);
    /// The client may not ask.
    pub(crate) const PROHIBITED: Self = Self(18);
    /// No upstream could be reached.
    pub(crate) const UNREACHABLE: Self = Self(22);
    /// An upstream answered with an error.
    pub(crate) const NETWORK: Self = Self(23);
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
    edns: Option<Edns>,
    code: Code,
    explanation: Option<Explanation>,
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
        let (question_end, edns) = (query.question_end, query.edns);
        Self { message: reply, question_end, edns, code, explanation: None }
    }

    fn count(&mut self, at: usize) {
        let count = u16::from_be_bytes([self.message[at], self.message[at + 1]]).saturating_add(1);
        self.message[at..at + 2].copy_from_slice(&count.to_be_bytes());
    }

    /// Says that the answer is authentic (RFC 4035 section 3.2.3).
    pub(crate) fn authentic(&mut self) {
        self.message[3] |= 0x20;
    }

    /// Adds a record of any type.
    pub(crate) fn raw(&mut self, owner: OwnedBy<'_>, kind: u16, ttl: u32, data: &[u8], section: Section) {
        self.record(owner, kind, ttl, data);
        self.count(if section == Section::Answer { 6 } else { 8 });
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

    /// Says why, to clients that understand it.
    pub(crate) fn explain(&mut self, explanation: Explanation) {
        self.explanation = Some(explanation);
    }

    /// The code so far.
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// How long the finished message would be.
    fn size(&self) -> usize {
        let explanation = if self.explanation.is_some() { EXPLANATION_LENGTH } else { 0 };
        self.message.len() + if self.edns.is_some() { OPT_LENGTH + explanation } else { 0 }
    }

    /// The finished message. Over UDP, one longer than `limit` is cut.
    pub(crate) fn finish(mut self, limit: usize) -> Vec<u8> {
        if self.size() > limit {
            self.message.truncate(self.question_end);
            self.message[2] |= 0x02;
            self.message[6..HEADER].fill(0);
        }
        let code = self.code as u8;
        self.message[3] |= code & 0x0F;
        if let Some(edns) = self.edns {
            push_opt(&mut self.message, code >> 4, edns.dnssec_ok, self.explanation);
            self.count(10);
        }
        self.message
    }
}

/// A record of the lab file: its type and what stands in it.
pub(crate) fn own_record(record: &lab::value::OwnRecord) -> Option<(u16, Vec<u8>)> {
    use lab::value::OwnRecord;
    let name = |name: &lab::value::Domain| Name::parse(name.as_str());
    let numbers =
        |numbers: &[u16]| numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
    Some(match record {
        OwnRecord::Address(IpAddr::V4(v4)) => (kind::A, v4.octets().to_vec()),
        OwnRecord::Address(IpAddr::V6(v6)) => (kind::AAAA, v6.octets().to_vec()),
        OwnRecord::Alias(target) => (kind::CNAME, name(target)?.wire().to_vec()),
        OwnRecord::Pointer(target) => (kind::PTR, name(target)?.wire().to_vec()),
        OwnRecord::Texts(texts) => {
            let mut data = Vec::new();
            for text in texts {
                data.push(u8::try_from(text.len()).ok()?);
                data.extend_from_slice(text.as_bytes());
            }
            (kind::TXT, data)
        }
        OwnRecord::Mail(preference, host) => {
            (kind::MX, [numbers(&[*preference]), name(host)?.wire().to_vec()].concat())
        }
        OwnRecord::Service(priority, weight, port, host) => {
            (kind::SRV, [numbers(&[*priority, *weight, *port]), name(host)?.wire().to_vec()].concat())
        }
    })
}

/// The name that some bytes begin with, which is not compressed.
pub(crate) fn first_name(bytes: &[u8]) -> Option<Name> {
    question_name(bytes, 0).map(|(name, _)| name)
}

/// The addresses that the parameters of a service say (RFC 9460 sections 2.2 and 7.3).
pub(crate) fn service_hints(data: &[u8]) -> Vec<IpAddr> {
    const HINTS: [(u16, usize); 2] = [(4, 4), (6, 16)];
    let mut found = Vec::new();
    let Some((_, mut at)) =
        data.get(2..).and_then(|rest| question_name(rest, 0)).map(|(name, end)| (name, end + 2))
    else {
        return found;
    };
    while let (Some(key), Some(length)) = (number(data, at), number(data, at + 2)) {
        let Some(value) = data.get(at + 4..at + 4 + usize::from(length)) else { break };
        if let Some((_, size)) = HINTS.iter().find(|(hint, _)| *hint == key) {
            found.extend(value.chunks_exact(*size).filter_map(|bytes| match size {
                4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
                _ => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
            }));
        }
        at += 4 + usize::from(length);
    }
    found
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
pub(crate) mod tests {
    use super::*;

    pub(crate) fn question(name: &str, kind: u16) -> Vec<u8> {
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
}
