//! What an upstream says: read with every bound checked, kept without what was only for us, and written again
//! for each client, with its times counted down.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::name::{question_name, skip_name};
use super::{Authority, Code, Explanation, HEADER, Name, OwnedBy, Query, Reply, Section, kind, number};
use crate::wire::expand::{Record as Whole, expand};

/// The fixed part of a record behind its name: type, class, time, length (RFC 1035 section 4.1.3).
const FIXED: usize = 10;
/// The numbers at the end of a start of authority (RFC 1035 section 3.3.13).
const SOA_NUMBERS: usize = 20;
/// The longest that anything is kept, and that something is remembered not to be there, in seconds (RFC 8767
/// section 4, RFC 2308 section 5).
const MAX_LIFE: u32 = 86_400;
const MAX_NEGATIVE_LIFE: u32 = 3_600;
/// How long it is remembered that nobody had an answer, in seconds (RFC 9520 section 3.2): as short as may be,
/// so that a house that is online again notices.
const FAILURE_LIFE: u32 = 1;

/// What a reply of an upstream comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The name has these records, or is not there.
    Answer(Answered),
    /// The rest is told over TCP.
    Cut,
    /// It could not read the question: perhaps because of the OPT record (RFC 6891 section 7).
    NotUnderstood,
    /// It does not know, does not want to, or can not be read: somebody else may.
    Nothing,
}

/// An answer, ready to be given to everybody who asks the same. Clones share what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    /// The records as they came; where in them the time of each stands, in two bytes; and what is kept beside it.
    /// Names in records point into the question, which every client sends in the same length, and into each other, so
    /// they stay true behind the question of any client.
    bytes: Arc<[u8]>,
    /// Where the records end, and where the additional ones begin, which a client can do without.
    records_end: u16,
    additional_at: u16,
    /// How many there are: answers, of authority, additional.
    counts: [u16; 3],
    code: Code,
    /// How many seconds it may be kept; 0 for not at all.
    life: u32,
    /// Times below this are told as this, in seconds.
    floor: u32,
    security: Security,
    why: Option<Explanation>,
    /// Whether an answer is a name for something else, or says where a service is: what it leads to is looked at.
    has_more_names: bool,
}

/// What is known of an answer from the signatures of its zone (RFC 4033 section 5). The log on disk has the place in this
/// order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Security {
    /// Nobody looked.
    #[default]
    Unchecked,
    /// It is signed, and the signatures are right.
    Secure,
    /// Its zone is not signed.
    Insecure,
    /// It is forged, or its zone is broken.
    Bogus,
}

impl Security {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unchecked, Self::Secure, Self::Insecure, Self::Bogus];

    /// In a word; empty if nobody looked.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unchecked => "",
            Self::Secure => "secure",
            Self::Insecure => "insecure",
            Self::Bogus => "bogus",
        }
    }
}

/// How long answers may live whatever they say, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lives {
    pub(crate) shortest: u32,
    pub(crate) longest: u32,
    /// How long they lay elsewhere already.
    pub(crate) age: u32,
}

impl Default for Lives {
    fn default() -> Self {
        Self { shortest: 0, longest: MAX_LIFE, age: 0 }
    }
}

/// How an answer is told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Telling<'t> {
    /// How many seconds ago it came.
    pub(crate) seconds: u32,
    /// It is of this name, which the question's stands for.
    pub(crate) alias: Option<(&'t Name, u32)>,
    /// What the client is told about it.
    pub(crate) explanation: Option<Explanation>,
}

/// How long an answer whose time is over may be kept by a client, in seconds (RFC 8767 section 4).
const STALE_LIFE: u32 = 30;

impl Answered {
    /// That nobody had an answer.
    pub(crate) fn failure() -> Self {
        Self {
            bytes: Arc::default(),
            records_end: 0,
            additional_at: 0,
            counts: [0; 3],
            code: Code::ServFail,
            life: FAILURE_LIFE,
            floor: 0,
            security: Security::Unchecked,
            why: None,
            has_more_names: false,
        }
    }

    /// That it is not given because it is forged.
    pub(crate) fn bogus(life: u32, why: Explanation) -> Self {
        Self { life, security: Security::Bogus, why: Some(why), ..Self::failure() }
    }

    pub(crate) fn with_security(self, security: Security) -> Self {
        Self { security, ..self }
    }

    /// The same with these bytes beside it, which are no part of what is told.
    pub(crate) fn with(&self, beside: &[u8]) -> Self {
        let own = self.bytes.get(..self.times_end()).unwrap_or_default();
        Self { bytes: [own, beside].concat().into(), ..self.clone() }
    }

    /// What is kept beside it.
    pub(crate) fn beside(&self) -> &[u8] {
        self.bytes.get(self.times_end()..).unwrap_or_default()
    }

    fn records(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.records_end)).unwrap_or_default()
    }

    /// Where in the records the time of each stands.
    fn times(&self) -> impl Iterator<Item = usize> {
        let times = self.bytes.get(usize::from(self.records_end)..self.times_end()).unwrap_or_default();
        times.as_chunks::<2>().0.iter().map(|at| usize::from(u16::from_be_bytes(*at)))
    }

    fn times_end(&self) -> usize {
        let records: usize = self.counts.into_iter().map(usize::from).sum();
        usize::from(self.records_end) + 2 * records
    }

    pub(crate) fn security(&self) -> Security {
        self.security
    }

    /// What a client is told about it, if there is something.
    pub(crate) fn why(&self) -> Option<Explanation> {
        self.why
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// Whether there are names in it that lead somewhere else.
    pub(crate) fn has_more_names(&self) -> bool {
        self.has_more_names
    }

    /// The records one by one, as those of an answer to a question for this name; none if they can not be read.
    pub(crate) fn whole(&self, name: &Name, kind: u16) -> Option<Vec<Whole>> {
        let mut message = vec![0, 0, 0x80, 0, 0, 1];
        for count in self.counts {
            message.extend_from_slice(&count.to_be_bytes());
        }
        message.extend_from_slice(name.wire());
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&1_u16.to_be_bytes());
        message.extend_from_slice(self.records());
        expand(&message)
    }

    /// Whether nobody had an answer.
    pub(crate) fn is_failure(&self) -> bool {
        self.code == Code::ServFail
    }

    /// How many seconds it may be kept; 0 for not at all.
    pub(crate) fn life(&self) -> u32 {
        self.life
    }

    /// How many bytes it takes, besides itself.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Reads a reply to a question for records of this type.
    pub(crate) fn read(reply: &[u8], asked: u16, lives: Lives) -> Heard {
        let Some(&[.., flags, lower]) = reply.get(..4) else { return Heard::Nothing };
        if flags & 0x02 != 0 {
            return Heard::Cut;
        }
        let Some(read) = Read::all(reply, asked) else {
            return if lower & 0x0F == Code::FormErr as u8 { Heard::NotUnderstood } else { Heard::Nothing };
        };
        let code = match (read.upper_code, lower & 0x0F) {
            (0, 0) => Code::NoError,
            (0, 3) => Code::NxDomain,
            (0, 1 | 4) => return Heard::NotUnderstood,
            _ => return Heard::Nothing,
        };
        Heard::Answer(read.answered(code, lives))
    }

    /// The answer for a client. Records that the client can do without are left out if they do not fit; if the others
    /// do not fit either, the reply is cut (RFC 2181 section 9).
    pub(crate) fn reply_to(
        &self,
        query: &Query,
        message: &[u8],
        telling: Telling<'_>,
        limit: usize,
    ) -> Vec<u8> {
        let mut reply = Reply::to(query, message, self.code, Authority::Others);
        if let Some(why) = telling.explanation {
            reply.explain(why);
        }
        // What we add ourselves is not signed, and what is past its time may be past that of its signatures.
        let is_as_signed = telling.alias.is_none() && telling.seconds < self.life;
        if self.security == Security::Secure && is_as_signed && query.wants_authentic() {
            reply.authentic();
        }
        if let Some((target, life)) = telling.alias {
            reply.name(OwnedBy::Question, kind::CNAME, life, target);
            let records = self.whole(target, query.kind).unwrap_or_default();
            for record in records.into_iter().filter(|record| record.section < 2) {
                let section = if record.section == 0 { Section::Answer } else { Section::Beside };
                reply.raw(
                    OwnedBy::Name(&record.owner),
                    record.kind,
                    self.left(record.time, telling.seconds),
                    &record.data,
                    section,
                );
            }
            return reply.finish(limit);
        }
        let records = self.records();
        let fits = reply.size() + records.len() <= limit;
        let end = if fits { records.len() } else { usize::from(self.additional_at) };
        let begin = reply.message.len();
        reply.message.extend_from_slice(records.get(..end).unwrap_or_default());
        for at in self.times().filter(|at| at + 4 <= end) {
            let Some(place) = reply.message.get_mut(begin + at..begin + at + 4) else { continue };
            let time = place.try_into().map_or(0, u32::from_be_bytes);
            place.copy_from_slice(&self.left(time, telling.seconds).to_be_bytes());
        }
        let [answers, authority, additional] = self.counts;
        for (at, count) in [(6, answers), (8, authority), (10, if fits { additional } else { 0 })] {
            if let Some(place) = reply.message.get_mut(at..at + 2) {
                place.copy_from_slice(&count.to_be_bytes());
            }
        }
        reply.finish(limit)
    }

    /// What is left of a record's time. None is told to live longer than the whole, so that nobody keeps a
    /// part of it when we would ask again.
    fn left(&self, time: u32, seconds: u32) -> u32 {
        let time = sane(time).max(self.floor);
        match self.life {
            0 => time,
            life if seconds >= life => STALE_LIFE,
            life => time.min(life).saturating_sub(seconds),
        }
    }
}

/// A time with its first bit set is none (RFC 2181 section 8).
fn sane(time: u32) -> u32 {
    if time > i32::MAX.unsigned_abs() { 0 } else { time }
}

/// A reply while it is read.
struct Read<'m> {
    reply: &'m [u8],
    asked: u16,
    question_end: usize,
    end: usize,
    additional_at: u16,
    /// In two bytes each.
    times: Vec<u8>,
    counts: [u16; 3],
    upper_code: u8,
    /// The shortest time among the answers, and whether one is of the type that was asked for.
    shortest: Option<u32>,
    is_there: bool,
    /// How long it may be remembered that something is not there, if the reply says it (RFC 2308 section 5).
    negative: Option<u32>,
    has_more_names: bool,
}

/// A record: where it begins, where its fixed part does, and what it says.
struct Record {
    start: usize,
    fixed: usize,
    kind: u16,
    time: u32,
    data: usize,
    end: usize,
}

impl<'m> Read<'m> {
    /// All records up to the OPT record, which is between the upstream and us. What stands behind it (a
    /// signature of the message) is as well.
    fn all(reply: &'m [u8], asked: u16) -> Option<Self> {
        let (_, name_end) = question_name(reply, HEADER)?;
        let question_end = name_end + 4;
        let counts = [number(reply, 6)?, number(reply, 8)?, number(reply, 10)?];
        reply.get(..question_end)?;
        let mut read = Self {
            reply,
            asked,
            question_end,
            end: question_end,
            additional_at: 0,
            times: Vec::new(),
            counts,
            upper_code: 0,
            shortest: None,
            is_there: false,
            negative: None,
            has_more_names: false,
        };
        for (section, count) in counts.into_iter().enumerate() {
            if section == 2 {
                read.additional_at = u16::try_from(read.end - question_end).ok()?;
            }
            for at in 0..count {
                let record = read.record()?;
                if record.kind == kind::OPT {
                    if section != 2 {
                        return None;
                    }
                    read.upper_code = record.time.to_be_bytes()[0];
                    read.counts[2] = at;
                    return Some(read);
                }
                read.keep(&record, section)?;
            }
        }
        Some(read)
    }

    fn record(&self) -> Option<Record> {
        let start = self.end;
        let fixed = skip_name(self.reply, start)?;
        let bytes = self.reply.get(fixed..fixed + FIXED)?;
        let time = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        let data = fixed + FIXED;
        let end = data + usize::from(u16::from_be_bytes([bytes[8], bytes[9]]));
        self.reply.get(data..end)?;
        Some(Record { start, fixed, kind: u16::from_be_bytes([bytes[0], bytes[1]]), time, data, end })
    }

    fn keep(&mut self, record: &Record, section: usize) -> Option<()> {
        debug_assert!(record.start == self.end, "records follow each other");
        self.times.extend(u16::try_from(record.fixed + 4 - self.question_end).ok()?.to_be_bytes());
        let time = sane(record.time);
        match section {
            0 => {
                self.shortest = Some(self.shortest.map_or(time, |shortest| shortest.min(time)));
                self.is_there |= record.kind == self.asked || self.asked == kind::ANY;
                self.has_more_names |= matches!(record.kind, kind::CNAME | kind::HTTPS | kind::SVCB);
            }
            1 if record.kind == kind::SOA => {
                let names = skip_name(self.reply, record.data).and_then(|at| skip_name(self.reply, at))?;
                let numbers = self.reply.get(names..record.end).filter(|left| left.len() == SOA_NUMBERS)?;
                let minimum = u32::from_be_bytes([numbers[16], numbers[17], numbers[18], numbers[19]]);
                self.negative = Some(time.min(minimum).min(MAX_NEGATIVE_LIFE));
            }
            _ => {}
        }
        self.end = record.end;
        Some(())
    }

    fn answered(self, code: Code, lives: Lives) -> Answered {
        let positive = self
            .shortest
            .unwrap_or(MAX_LIFE)
            .saturating_sub(lives.age)
            .max(lives.shortest)
            .min(lives.longest);
        // A name that is not there, or has nothing of the type: without a start of authority nobody says for
        // how long, and then it is not kept.
        let life = match (code, self.is_there) {
            (Code::NoError, true) => positive,
            _ => self.negative.map_or(0, |negative| negative.max(lives.shortest).min(positive)),
        };
        let records = self.reply.get(self.question_end..self.end).unwrap_or_default();
        Answered {
            bytes: [records, &self.times].concat().into(),
            // A message is no longer than 65,535 bytes.
            records_end: u16::try_from(records.len()).unwrap_or(0),
            additional_at: self.additional_at,
            counts: self.counts,
            code,
            life,
            floor: lives.shortest,
            security: Security::Unchecked,
            why: None,
            has_more_names: self.has_more_names,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::wire::Name;
    use crate::wire::tests::question;

    /// A record with the question's name.
    pub(crate) fn record(kind: u16, time: u32, data: &[u8]) -> Vec<u8> {
        let mut record = vec![0xC0, 12];
        record.extend_from_slice(&kind.to_be_bytes());
        record.extend_from_slice(&[0, 1]);
        record.extend_from_slice(&time.to_be_bytes());
        record.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
        record.extend_from_slice(data);
        record
    }

    fn soa(time: u32, minimum: u32) -> Vec<u8> {
        let mut data = vec![1, b'a', 0xC0, 12, 0];
        data.extend_from_slice(&[0; 16]);
        data.extend_from_slice(&minimum.to_be_bytes());
        record(kind::SOA, time, &data)
    }

    /// A reply to a question for an address of `example.org`.
    pub(crate) fn reply(code: u8, sections: [&[Vec<u8>]; 3]) -> Vec<u8> {
        let mut reply = question("example.org", kind::A);
        reply[2..4].copy_from_slice(&[0x81, 0x80 | code]);
        for (at, section) in [7, 9, 11].into_iter().zip(sections) {
            reply[at] = u8::try_from(section.len()).unwrap();
            reply.extend(section.concat());
        }
        reply
    }

    pub(crate) fn answered(reply: &[u8]) -> Answered {
        match Answered::read(reply, kind::A, Lives::default()) {
            Heard::Answer(answered) => answered,
            other => panic!("{other:?}"),
        }
    }

    const OPT: [u8; 11] = [0, 0, 41, 4, 0xD0, 0, 0, 0, 0, 0, 0];

    #[track_caller]
    fn check_life(code: u8, sections: [&[Vec<u8>]; 3], expected: u32) {
        assert_eq!(answered(&reply(code, sections)).life(), expected);
    }

    #[test]
    fn an_answer_lives_as_long_as_its_shortest_record() {
        let a = |time| record(kind::A, time, &[192, 0, 2, 1]);
        let alias = |time| record(kind::CNAME, time, &[1, b'a', 0]);
        check_life(0, [&[a(300), a(200)], &[], &[a(1)]], 200);
        check_life(0, [&[alias(100), a(200)], &[], &[]], 100);
        check_life(0, [&[a(1_000_000)], &[], &[]], MAX_LIFE);
        check_life(0, [&[a(0x8000_0000)], &[], &[]], 0);
    }

    #[test]
    fn what_is_not_there_lives_as_long_as_the_start_of_authority_says() {
        let alias = |time| record(kind::CNAME, time, &[1, b'a', 0]);
        check_life(3, [&[], &[soa(300, 60)], &[]], 60);
        check_life(3, [&[], &[soa(30, 60)], &[]], 30);
        check_life(0, [&[], &[soa(100_000, 100_000)], &[]], MAX_NEGATIVE_LIFE);
        check_life(0, [&[alias(20)], &[soa(300, 60)], &[]], 20);
        check_life(0, [&[alias(20)], &[], &[]], 0);
        check_life(3, [&[], &[], &[]], 0);
    }

    #[test]
    fn other_codes_and_broken_replies_are_no_answers() {
        let a = record(kind::A, 300, &[192, 0, 2, 1]);
        let read = |reply: &[u8]| Answered::read(reply, kind::A, Lives::default());
        for code in [2, 5, 9] {
            assert_eq!(read(&reply(code, [&[], &[], &[]])), Heard::Nothing);
        }
        for code in [1, 4] {
            assert_eq!(read(&reply(code, [&[], &[], &[]])), Heard::NotUnderstood);
        }
        assert_eq!(read(&[0, 0, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0]), Heard::NotUnderstood);
        let mut cut = reply(0, [&[], &[], &[]]);
        cut[2] |= 2;
        assert_eq!(read(&cut), Heard::Cut);
        let mut bad_version = OPT.to_vec();
        bad_version[5] = 1;
        assert_eq!(read(&reply(0, [&[], &[], &[bad_version]])), Heard::Nothing);
        assert_eq!(read(&reply(0, [&[OPT.to_vec()], &[], &[]])), Heard::Nothing);
        let whole = reply(0, [std::slice::from_ref(&a), &[soa(3, 3)], std::slice::from_ref(&a)]);
        assert!(matches!(read(&whole), Heard::Answer(_)));
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), Heard::Nothing, "{length} bytes");
        }
    }

    #[test]
    fn a_client_gets_its_own_letters_number_and_options_and_what_is_left_of_the_times() {
        let a = record(kind::A, 300, &[192, 0, 2, 1]);
        let mut with_cookie = OPT.to_vec();
        with_cookie[10] = 4;
        with_cookie.extend_from_slice(&[0, 10, 0, 0]);
        let answered = answered(&reply(0, [&[a], &[], &[with_cookie, record(250, 0, &[1])]]));
        let mut message = question("eXample.ORG", kind::A);
        message[13] = b'E';
        message[..2].copy_from_slice(&[0xAB, 0xCD]);
        let query = Query::parse(&message).unwrap();
        let said = answered.reply_to(&query, &message, Telling { seconds: 40, ..Telling::default() }, 512);
        let mut expected = message.clone();
        expected[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        expected.extend(record(kind::A, 260, &[192, 0, 2, 1]));
        assert_eq!(said, expected);

        message[11] = 1;
        message.extend_from_slice(&[0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0]);
        let query = Query::parse(&message).unwrap();
        let said = answered.reply_to(&query, &message, Telling { seconds: 500, ..Telling::default() }, 512);
        expected[11] = 1;
        let length = expected.len();
        expected.truncate(length - 16);
        expected.extend(record(kind::A, STALE_LIFE, &[192, 0, 2, 1]));
        expected.extend_from_slice(&OPT);
        assert_eq!(said, expected);
    }

    #[test]
    fn lives_have_bounds() {
        let a = |time| record(kind::A, time, &[192, 0, 2, 1]);
        let lives = Lives { shortest: 60, longest: 600, age: 0 };
        let read = |time| match Answered::read(&reply(0, [&[a(time)], &[], &[]]), kind::A, lives) {
            Heard::Answer(answered) => answered,
            other => panic!("{other:?}"),
        };
        assert_eq!([read(5).life(), read(100).life(), read(10_000).life()], [60, 100, 600]);
        let message = question("example.org", kind::A);
        let query = Query::parse(&message).unwrap();
        let said = read(5).reply_to(&query, &message, Telling::default(), 512);
        assert_eq!(said[said.len() - 10..said.len() - 6], 60_u32.to_be_bytes());
    }

    #[test]
    fn an_answer_can_be_told_of_a_name_that_stands_for_its_own() {
        let alias = record(kind::CNAME, 300, &[1, b'a', 0xC0, 12]);
        let mut a = record(kind::A, 300, &[192, 0, 2, 1]);
        // Its owner is the alias's target: the data of the first record, 12 behind the question.
        a.splice(..2, [0xC0, 29 + 12]);
        let answered = answered(&reply(0, [&[alias, a], &[], &[]]));
        assert!(answered.has_more_names());
        let target = Name::parse("example.org").unwrap();
        let message = question("search.example", kind::A);
        let query = Query::parse(&message).unwrap();
        let telling = Telling { seconds: 10, alias: Some((&target, 60)), explanation: None };
        let said = answered.reply_to(&query, &message, telling, 512);
        let records = expand(&said).unwrap();
        let seen: Vec<(String, u16, u32)> =
            records.iter().map(|record| (record.owner.text(), record.kind, record.time)).collect();
        let expected = [
            ("search.example", kind::CNAME, 60),
            ("example.org", kind::CNAME, 290),
            ("a.example.org", kind::A, 290),
        ];
        assert_eq!(seen, expected.map(|(name, kind, time)| (name.to_owned(), kind, time)));
        assert_eq!(records[1].data, Name::parse("a.example.org").unwrap().wire());
    }

    #[test]
    fn what_does_not_fit_is_left_out_or_the_reply_is_cut() {
        let a = |last| record(kind::A, 300, &[192, 0, 2, last]);
        let many: Vec<Vec<u8>> = (0..40).map(a).collect();
        let message = question("example.org", kind::A);
        let query = Query::parse(&message).unwrap();
        let said =
            answered(&reply(0, [&many[..2], &[], &many])).reply_to(&query, &message, Telling::default(), 512);
        assert_eq!((said[2] & 2, said[7], said[11], said.len()), (0, 2, 0, message.len() + 2 * 16));
        let said = answered(&reply(0, [&many, &[], &[]])).reply_to(&query, &message, Telling::default(), 512);
        assert_eq!((said[2] & 2, said[7], said.len()), (2, 0, message.len()));
    }
}
