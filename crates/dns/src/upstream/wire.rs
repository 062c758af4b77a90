//! What is sent to an upstream, and whether what comes back is the reply to it (RFC 1035, RFC 5452, RFC 6891).
//!
//! `fuzz/upstream_reply` feeds it. It never indexes what it has not measured, and knows nothing of sockets.

use crate::wire::{HEADER, Name};

/// The bytes of a record behind its name, up to its data.
const FIXED: usize = 10;
/// What we take over UDP: what passes every network without being cut up (RFC 9715).
const PAYLOAD: u16 = 1232;
/// Encrypted questions are of these lengths, so that the length does not say the name (RFC 8467 section 4.1).
const BLOCK: usize = 128;
/// An OPT record without options, and the head of its padding.
const OPT: usize = 11;
const PADDING_HEAD: usize = 4;

const KIND_NS: u16 = 2;
const KIND_SOA: u16 = 6;
const KIND_OPT: u16 = 41;

/// What of a question may differ besides its name and type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Want {
    /// Signatures are wanted with the answer (RFC 3225, DO).
    pub dnssec_ok: bool,
    /// An answer that the upstream finds bogus is wanted all the same (RFC 4035 section 3.2.2, CD).
    pub checking_disabled: bool,
}

/// What stands behind the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Nothing: for servers from before 1999.
    Nothing,
    /// An OPT record.
    Opt,
    /// An OPT record that is padded.
    Padded,
}

/// A question as it is sent, under the number 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) message: Vec<u8>,
    /// Where the question ends.
    end: usize,
}

impl Sent {
    /// A question for a name in its wire form. Nothing of it is a client's but what it asks for.
    pub(crate) fn new(name: &[u8], kind: u16, class: u16, want: Want, behind: Behind) -> Self {
        let mut message = Vec::with_capacity(if behind == Behind::Padded {
            2 * BLOCK
        } else {
            HEADER + name.len() + 4 + OPT
        });
        let checking = if want.checking_disabled { 0x10 } else { 0 };
        message.extend_from_slice(&[
            0,
            0,
            0x01,
            checking,
            0,
            1,
            0,
            0,
            0,
            0,
            0,
            u8::from(behind != Behind::Nothing),
        ]);
        message.extend_from_slice(name);
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&class.to_be_bytes());
        let end = message.len();
        if behind != Behind::Nothing {
            let padding = match behind {
                Behind::Padded => {
                    Some((end + OPT + PADDING_HEAD).next_multiple_of(BLOCK) - end - OPT - PADDING_HEAD)
                }
                _ => None,
            };
            push_opt(&mut message, want, padding);
        }
        Self { message, end }
    }

    /// Under another number.
    pub(crate) fn set_number(&mut self, number: u16) {
        if let Some(place) = self.message.get_mut(..2) {
            place.copy_from_slice(&number.to_be_bytes());
        }
    }

    /// Turns the case of letters of the name, each by a bit of `bits`: whoever answers without having seen
    /// the question has to guess those too (draft-vixie-dnsext-dns0x20).
    pub(crate) fn mix(&mut self, mut bits: impl FnMut() -> u64) {
        let (mut left, mut count) = (0, 0);
        for byte in self.message.get_mut(HEADER..self.end.saturating_sub(4)).unwrap_or_default() {
            // Lengths of labels are below 64, no letters.
            if byte.is_ascii_alphabetic() {
                if count == 0 {
                    (left, count) = (bits(), u64::BITS);
                }
                if left & 1 == 1 {
                    *byte ^= 0x20;
                }
                left >>= 1;
                count -= 1;
            }
        }
    }

    /// What a message is to this question, whatever its number.
    pub(crate) fn echo(&self, reply: &[u8]) -> Echo {
        let Some(&[_, _, flags, code, high, low, ..]) = reply.get(..HEADER) else { return Echo::Other };
        let question = self.message.get(HEADER..self.end).unwrap_or_default();
        match (reply.get(HEADER..self.end), [high, low]) {
            // No reply, or one to something else than a question.
            _ if flags & 0xF8 != 0x80 => Echo::Other,
            // Who can not read a question may leave it out.
            (_, [0, 0]) if matches!(code & 0x0F, 1 | 4) => Echo::Unread,
            (Some(own), [0, 1]) if own == question => Echo::Same,
            (Some(own), [0, 1]) if own.eq_ignore_ascii_case(question) => Echo::OtherCase,
            _ => Echo::Other,
        }
    }

    /// What the reply to this question comes to.
    pub(crate) fn hear(&self, reply: &[u8]) -> Heard {
        let Some(&[_, _, flags, lower, ..]) = reply.get(..HEADER) else { return Heard::Unreadable };
        if is_cut(reply) {
            return Heard::Cut;
        }
        let has_opt = self.message.get(HEADER - 1) == Some(&1);
        let is_old = has_opt && matches!(lower & 0x0F, 1 | 4);
        let Some(walked) = walk(reply) else {
            return if is_old { Heard::NotUnderstood } else { Heard::Unreadable };
        };
        let code = u16::from(walked.upper_code) << 4 | u16::from(lower & 0x0F);
        let is_authority = flags & 0x04 != 0;
        let recurses = lower & 0x80 != 0;
        match code {
            0 if walked.answers > 0 || is_authority || walked.has_soa => Heard::Answer,
            0 if walked.has_ns || !recurses => Heard::Lame,
            0 | 3 => Heard::Answer,
            1 | 4 | 16 if has_opt => Heard::NotUnderstood,
            code => Heard::Code(code),
        }
    }
}

/// Whether the rest of a reply is told over TCP (RFC 1035 section 4.1.1, TC).
pub(crate) fn is_cut(reply: &[u8]) -> bool {
    reply.get(2).is_some_and(|flags| flags & 0x02 != 0)
}

fn push_opt(message: &mut Vec<u8>, want: Want, padding: Option<usize>) {
    let [high, low] = PAYLOAD.to_be_bytes();
    let flags = if want.dnssec_ok { 0x80 } else { 0 };
    message.extend_from_slice(&[0, 0, 41, high, low, 0, 0, flags, 0]);
    match padding.and_then(|length| u16::try_from(length).ok()) {
        None => message.extend_from_slice(&[0, 0]),
        Some(length) => {
            message.extend_from_slice(&(length + 4).to_be_bytes());
            message.extend_from_slice(&[0, 12]);
            message.extend_from_slice(&length.to_be_bytes());
            message.resize(message.len() + usize::from(length), 0);
        }
    }
}

/// What a message is to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    /// The reply to it.
    Same,
    /// The reply to it, with letters in another case: from a server that does not keep it, or a guess.
    OtherCase,
    /// That the question can not be read, without saying which.
    Unread,
    /// Something else.
    Other,
}

/// What a reply comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The name has these records, or is not there.
    Answer,
    /// The rest is told over TCP.
    Cut,
    /// It could not read the question: perhaps because of the OPT record (RFC 6891 section 7).
    NotUnderstood,
    /// This code, with which somebody else is asked.
    Code(u16),
    /// It sends elsewhere instead of asking there itself.
    Lame,
    /// Its records end early.
    Unreadable,
}

struct Walked {
    answers: u16,
    has_ns: bool,
    has_soa: bool,
    upper_code: u8,
}

/// Goes through all records; none if they end early.
fn walk(reply: &[u8]) -> Option<Walked> {
    let questions = number(reply, 4)?;
    let (answers, authority, additional) = (number(reply, 6)?, number(reply, 8)?, number(reply, 10)?);
    let mut at = HEADER;
    for _ in 0..questions {
        at = skip_name(reply, at)? + 4;
    }
    reply.get(..at)?;
    let mut walked = Walked { answers, has_ns: false, has_soa: false, upper_code: 0 };
    let sections = [(answers, 0), (authority, 1), (additional, 2)];
    for section in sections.into_iter().flat_map(|(count, section)| (0..count).map(move |_| section)) {
        let fixed = skip_name(reply, at)?;
        let kind = number(reply, fixed)?;
        match (section, kind) {
            (1, KIND_NS) => walked.has_ns = true,
            (1, KIND_SOA) => walked.has_soa = true,
            (2, KIND_OPT) => walked.upper_code = *reply.get(fixed + 4)?,
            _ => {}
        }
        at = fixed + FIXED + usize::from(number(reply, fixed + 8)?);
        reply.get(..at)?;
    }
    Some(walked)
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    message.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

/// Where a name ends that may be compressed (RFC 1035 section 4.1.4).
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            0xC0.. => return message.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
    }
}

/// The number of a message (RFC 1035 section 4.1.1).
pub(crate) fn number_of(message: &[u8]) -> Option<u16> {
    number(message, 0)
}

/// The addresses that a reply has for a name, whatever names lie between, and the shortest time among them in
/// seconds. What else the reply has is not looked at.
pub(crate) fn addresses(reply: &[u8]) -> Option<(Vec<std::net::IpAddr>, u32)> {
    let answers = number(reply, 6)?;
    let mut at = HEADER;
    for _ in 0..number(reply, 4)? {
        at = skip_name(reply, at)? + 4;
    }
    let (mut found, mut shortest) = (Vec::new(), u32::MAX);
    for _ in 0..answers {
        let fixed = skip_name(reply, at)?;
        let time = u32::from_be_bytes(reply.get(fixed + 4..fixed + 8)?.try_into().ok()?);
        let data = fixed + FIXED;
        at = data + usize::from(number(reply, fixed + 8)?);
        let data = reply.get(data..at)?;
        shortest = shortest.min(time);
        match number(reply, fixed)? {
            1 => found.extend(<[u8; 4]>::try_from(data).ok().map(std::net::IpAddr::from)),
            28 => found.extend(<[u8; 16]>::try_from(data).ok().map(std::net::IpAddr::from)),
            _ => {}
        }
    }
    Some((found, shortest))
}

/// A name of a name server as it is asked for.
pub(crate) fn name_of(text: &str) -> Option<Box<[u8]>> {
    Name::parse(text).map(|name| name.wire().into())
}

/// For `fuzz/fuzz_targets/upstream_reply.rs`: whether any bytes are taken for an answer to a question for `a.example`,
/// and whether their addresses can be read, which has to be so then.
#[doc(hidden)]
pub fn is_answer(reply: &[u8]) -> (bool, bool) {
    let is_answer = [Behind::Nothing, Behind::Opt, Behind::Padded].into_iter().any(|behind| {
        let sent = Sent::new(b"\x01a\x07example\0", 1, 1, Want::default(), behind);
        sent.echo(reply) == Echo::Same && sent.hear(reply) == Heard::Answer
    });
    (is_answer, addresses(reply).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &[u8] = b"\x03www\x07example\x03org\0";
    const OPT_REPLY: &[u8] = &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
    const A: &[u8] = &[0xC0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1];
    const NS: &[u8] = &[0xC0, 12, 0, 2, 0, 1, 0, 0, 1, 44, 0, 2, 0xC0, 12];

    fn sent(behind: Behind) -> Sent {
        Sent::new(NAME, 1, 1, Want::default(), behind)
    }

    /// A reply with these flags, counts and records.
    fn reply(flags: [u8; 2], counts: [u8; 3], records: &[&[u8]]) -> Vec<u8> {
        let mut reply = vec![0, 0, flags[0], flags[1], 0, 1, 0, counts[0], 0, counts[1], 0, counts[2]];
        reply.extend_from_slice(NAME);
        reply.extend_from_slice(&[0, 1, 0, 1]);
        reply.extend(records.concat());
        reply
    }

    #[test]
    fn questions_are_padded_to_blocks() {
        for length in 0..=60 {
            let name = [&[63][..], &[b'a'; 63], &[length], &vec![b'b'; usize::from(length)], &[0]].concat();
            let name = if length == 0 { b"\x01a\0".to_vec() } else { name };
            let want = Want { dnssec_ok: true, checking_disabled: true };
            let padded = Sent::new(&name, 1, 1, want, Behind::Padded).message;
            assert_eq!(padded.len() % BLOCK, 0, "{length}");
            assert_eq!(walk(&padded).map(|walked| walked.upper_code), Some(0));
            assert_eq!((padded[2], padded[3], padded[11]), (1, 0x10, 1));
        }
        assert_eq!(sent(Behind::Nothing).message.len(), HEADER + NAME.len() + 4);
        assert!(sent(Behind::Opt).message.ends_with(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn letters_are_turned_and_nothing_else() {
        let (plain, mut mixed) = (sent(Behind::Opt), sent(Behind::Opt));
        let mut asked = 0;
        mixed.mix(|| {
            asked += 1;
            0b1_0010
        });
        assert_eq!(asked, 1);
        assert_eq!(&mixed.message[HEADER..HEADER + NAME.len()], b"\x03wWw\x07eXample\x03org\0");
        mixed.mix(|| 0b1_0010);
        assert_eq!(mixed, plain);
        let mut other = plain.clone();
        other.mix(|| u64::MAX);
        assert_eq!(&other.message[HEADER..HEADER + NAME.len()], b"\x03WWW\x07EXAMPLE\x03ORG\0");
        assert_eq!(other.message[HEADER + NAME.len()..], plain.message[HEADER + NAME.len()..]);
    }

    #[test]
    fn only_the_reply_to_a_question_is_taken() {
        let mut sent = sent(Behind::Opt);
        let good = reply([0x81, 0x80], [1, 0, 0], &[A]);
        assert_eq!(sent.echo(&good), Echo::Same);
        sent.mix(|| 1);
        assert_eq!(sent.echo(&good), Echo::OtherCase);
        let with = |at: usize, byte: u8| {
            let mut own = good.clone();
            own[at] = byte;
            own
        };
        for (at, byte, what) in [
            (2, 0x01, "a question"),
            (2, 0xA1, "an update"),
            (13, b'x', "another name"),
            (30, 28, "another type"),
            (32, 3, "another class"),
            (5, 2, "two questions"),
            (5, 0, "no question"),
        ] {
            assert_eq!(sent.echo(&with(at, byte)), Echo::Other, "{what}");
        }
        assert_eq!(sent.echo(&good[..11]), Echo::Other);
        assert_eq!(sent.echo(&good[..20]), Echo::Other);
        assert_eq!(sent.echo(&[0, 0, 0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]), Echo::Unread);
    }

    #[test]
    fn replies_are_what_they_come_to() {
        let check = |flags, counts, records: &[&[u8]], expected| {
            assert_eq!(
                sent(Behind::Opt).hear(&reply(flags, counts, records)),
                expected,
                "{flags:?} {counts:?}"
            );
        };
        check([0x81, 0x80], [1, 0, 1], &[A, OPT_REPLY], Heard::Answer);
        check([0x81, 0x83], [0, 0, 0], &[], Heard::Answer);
        check([0x81, 0x80], [0, 0, 0], &[], Heard::Answer);
        check([0x85, 0x00], [0, 0, 0], &[], Heard::Answer);
        check([0x81, 0x80], [0, 1, 0], &[NS], Heard::Lame);
        check([0x81, 0x00], [0, 0, 0], &[], Heard::Lame);
        check([0x83, 0x80], [1, 0, 0], &[], Heard::Cut);
        check([0x81, 0x80], [1, 0, 0], &[], Heard::Unreadable);
        check([0x81, 0x80], [1, 0, 0], &[&A[..15]], Heard::Unreadable);
        check([0x81, 0x82], [0, 0, 0], &[], Heard::Code(2));
        check([0x81, 0x85], [0, 0, 0], &[], Heard::Code(5));
        check([0x81, 0x81], [0, 0, 0], &[], Heard::NotUnderstood);
        check([0x81, 0x84], [0, 0, 0], &[], Heard::NotUnderstood);
        check([0x81, 0x80], [0, 0, 1], &[&[0, 0, 41, 4, 208, 1, 0, 0, 0, 0, 0]], Heard::NotUnderstood);
        let without = sent(Behind::Nothing).hear(&reply([0x81, 0x81], [0, 0, 0], &[]));
        assert_eq!(without, Heard::Code(1));
    }

    #[test]
    fn addresses_are_found_behind_other_names() {
        let cname = [0xC0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 2, 0xC0, 16];
        let six = [&[0xC0, 16, 0, 28, 0, 1, 0, 0, 0, 90, 0, 16, 0x20, 1][..], &[0; 13], &[1]].concat();
        let reply = reply([0x81, 0x80], [3, 0, 0], &[&cname, A, &six]);
        let expected = vec!["192.0.2.1".parse().unwrap(), "2001::1".parse().unwrap()];
        assert_eq!(addresses(&reply), Some((expected, 60)));
        assert_eq!(addresses(&reply[..reply.len() - 1]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(0u8.., 0..120)) {
            let name = b"\x01a\x07example\0";
            let head = [0, 0, 0x81, 0x80, 0, 1, 0, 1, 0, 1, 0, 1];
            for message in [bytes.clone(), [&head[..], name, &[0, 1, 0, 1], &bytes].concat()] {
                let (is_answer, has_addresses) = is_answer(&message);
                proptest::prop_assert!(has_addresses || !is_answer);
            }
        }
    }
}
