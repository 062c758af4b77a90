//! What a connection reads of the messages that it carries, and adds to them: how long an answer may be kept (RFC 8484
//! section 5.1), how long the connection may be quiet (RFC 7828), and padding that hides how long an answer is (RFC 7830).

use std::time::Duration;

use super::{HEADER, kind, name::skip_name, number};

/// Options of an OPT record (RFC 7828 section 3.1, RFC 7830 section 3).
const KEEPALIVE: u16 = 11;
const PADDING: u16 = 12;
/// Answers are padded to a multiple of this (RFC 8467 section 4.1).
const BLOCK: usize = 468;
/// The longest message.
const LONGEST: usize = u16::MAX as usize;

/// What a client asks of the connection, by options of its question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// To be told how long it may be quiet.
    pub keepalive: bool,
    /// That the answer is padded.
    pub padding: bool,
}

/// A record: where it begins, its type, and where its data begins and ends.
struct Record {
    kind: u16,
    ttl: u32,
    data: std::ops::Range<usize>,
}

fn record(message: &[u8], at: usize) -> Option<Record> {
    let fixed = skip_name(message, at)?;
    let ttl = message.get(fixed + 4..fixed + 8)?.first_chunk().copied()?;
    let data = fixed + 10..fixed + 10 + usize::from(number(message, fixed + 8)?);
    message.get(data.clone())?;
    Some(Record { kind: number(message, fixed)?, ttl: u32::from_be_bytes(ttl), data })
}

/// Where the records begin, behind the questions.
fn records(message: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    for _ in 0..number(message, 4)? {
        at = skip_name(message, at)? + 4;
    }
    Some(at)
}

/// The data of the OPT record, if it is the last one, as most programs have it, and nothing is behind it.
fn last_opt(message: &[u8]) -> Option<std::ops::Range<usize>> {
    let mut at = records(message)?;
    let mut last = None;
    for count in [6, 8, 10] {
        for _ in 0..number(message, count)? {
            let record = record(message, at)?;
            at = record.data.end;
            last = Some(record);
        }
    }
    let last = last.filter(|last| last.kind == kind::OPT && at == message.len())?;
    Some(last.data)
}

impl Wants {
    /// Of a question; nothing if it can not be read, or says something behind its options.
    pub fn of(question: &[u8]) -> Self {
        let mut wants = Self::default();
        // Most have no OPT record, and most of the rest no options.
        let Some(data) = last_opt(question).filter(|data| !data.is_empty()) else { return wants };
        let mut options = question.get(data).unwrap_or_default();
        while let Some((&[high, low, long, short], rest)) = options.split_first_chunk() {
            match u16::from_be_bytes([high, low]) {
                KEEPALIVE => wants.keepalive = true,
                PADDING => wants.padding = true,
                _ => {}
            }
            options = rest.get(usize::from(u16::from_be_bytes([long, short]))..).unwrap_or_default();
        }
        wants
    }
}

/// Puts into an answer what the client wants of the connection: how long that may be quiet, and padding. Only where the
/// answer has an OPT record, at its end, and stays a message.
pub fn dress(answer: &mut Vec<u8>, wants: Wants, idle: Duration) {
    if wants.keepalive {
        // In units of 100 milliseconds.
        let tenths = u16::try_from(idle.as_millis() / 100).unwrap_or(u16::MAX);
        add_option(answer, KEEPALIVE, &tenths.to_be_bytes());
    }
    if wants.padding {
        let without = answer.len() + 4;
        let padded = without.next_multiple_of(BLOCK).min(LONGEST);
        if let Some(missing) = padded.checked_sub(without) {
            add_option(answer, PADDING, &vec![0; missing]);
        }
    }
}

fn add_option(message: &mut Vec<u8>, option: u16, value: &[u8]) {
    let Some(data) = last_opt(message) else { return };
    let (Ok(length), Ok(all)) = (u16::try_from(value.len()), u16::try_from(data.len() + 4 + value.len()))
    else {
        return;
    };
    if message.len() + 4 + value.len() > LONGEST {
        return;
    }
    let Some(place) = message.get_mut(data.start - 2..data.start) else { return };
    place.copy_from_slice(&all.to_be_bytes());
    message.extend_from_slice(&option.to_be_bytes());
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(value);
}

/// How long an answer may be kept, in seconds: the shortest time of the records that answer; where there are none, what
/// the SOA record says of that (RFC 2308 section 5). 0 for failures and for what can not be read.
pub fn life(answer: &[u8]) -> u32 {
    read_life(answer).unwrap_or(0)
}

fn read_life(answer: &[u8]) -> Option<u32> {
    let code = answer.get(3)? & 0x0F;
    if code != 0 && code != 3 {
        return Some(0);
    }
    // RFC 2181 section 8: with the highest bit it is none.
    let time = |ttl: u32| if ttl > i32::MAX.unsigned_abs() { 0 } else { ttl };
    let mut at = records(answer)?;
    let mut shortest = None;
    for _ in 0..number(answer, 6)? {
        let record = record(answer, at)?;
        at = record.data.end;
        shortest = Some(shortest.unwrap_or(u32::MAX).min(time(record.ttl)));
    }
    // A name that leads to nothing is kept no longer than the nothing.
    for _ in 0..number(answer, 8)? {
        let record = record(answer, at)?;
        at = record.data.end;
        if record.kind == kind::SOA {
            let minimum = answer.get(record.data)?.last_chunk().copied().map(u32::from_be_bytes)?;
            shortest = Some(shortest.unwrap_or(u32::MAX).min(time(record.ttl)).min(time(minimum)));
        }
    }
    shortest
}

#[cfg(test)]
mod tests {
    use super::super::records::tests::{record, reply};
    use super::super::tests::question;
    use super::*;
    use proptest::prelude::*;

    fn with_opt(mut message: Vec<u8>, options: &[u8]) -> Vec<u8> {
        message[11] += 1;
        message.extend_from_slice(&[
            0,
            0,
            41,
            4,
            0xD0,
            0,
            0,
            0x80,
            0,
            0,
            u8::try_from(options.len()).unwrap(),
        ]);
        message.extend_from_slice(options);
        message
    }

    #[test]
    fn what_a_client_wants_is_in_its_options() {
        let plain = question("a.example", kind::A);
        let wants = |options: &[u8]| Wants::of(&with_opt(plain.clone(), options));
        assert_eq!(Wants::of(&plain), Wants::default());
        assert_eq!(wants(&[]), Wants::default());
        assert_eq!(wants(&[0, 11, 0, 0]), Wants { keepalive: true, padding: false });
        assert_eq!(
            wants(&[0, 10, 0, 2, 1, 2, 0, 12, 0, 1, 0, 0, 11, 0, 0]),
            Wants { keepalive: true, padding: true }
        );
        assert_eq!(wants(&[0, 10, 0, 9, 0, 12, 0, 0]), Wants::default(), "an option that is too long");
    }

    #[test]
    fn answers_are_dressed_as_wanted() {
        let both = Wants { keepalive: true, padding: true };
        let bare = reply(0, [&[record(kind::A, 60, &[192, 0, 2, 1])], &[], &[]]);
        let mut answer = bare.clone();
        dress(&mut answer, both, Duration::from_secs(10));
        assert_eq!(answer, bare, "without an OPT record nothing can be said");
        let mut answer = with_opt(bare.clone(), &[0, 15, 0, 2, 0, 15]);
        dress(&mut answer, both, Duration::from_millis(7500));
        assert_eq!(answer.len(), BLOCK);
        let options = answer.get(last_opt(&answer).unwrap()).unwrap();
        assert_eq!(options[..12], [0, 15, 0, 2, 0, 15, 0, 11, 0, 2, 0, 75]);
        assert_eq!(Wants::of(&answer), both, "it can still be read");
        let mut long = with_opt(bare, &[]);
        let place = long.len() - 2;
        long[place..].copy_from_slice(&65_000_u16.to_be_bytes());
        long.resize(place + 2 + 65_000, 0);
        dress(&mut long, both, Duration::from_secs(10));
        assert!(long.len() <= LONGEST && last_opt(&long).is_some());
    }

    #[test]
    fn an_answer_is_kept_as_long_as_its_shortest_record() {
        let soa = |ttl: u32, minimum: u8| {
            record(kind::SOA, ttl, &[&[0, 0][..], &[0; 16], &[0, 0, 0, minimum]].concat())
        };
        let a = |ttl| record(kind::A, ttl, &[192, 0, 2, 1]);
        assert_eq!(life(&reply(0, [&[a(300), a(60)], &[], &[a(1)]])), 60);
        assert_eq!(life(&reply(0, [&[a(300), a(1 << 31)], &[], &[]])), 0);
        assert_eq!(life(&reply(3, [&[], &[soa(900, 30)], &[]])), 30);
        assert_eq!(life(&reply(3, [&[], &[soa(20, 30)], &[]])), 20);
        assert_eq!(life(&reply(0, [&[a(5)], &[soa(900, 30)], &[]])), 5);
        assert_eq!(life(&reply(0, [&[], &[], &[]])), 0);
        assert_eq!(life(&reply(2, [&[a(300)], &[], &[]])), 0, "a failure");
        assert_eq!(life(&reply(0, [&[a(300)], &[], &[]])[..40]), 0, "cut off");
        assert_eq!(life(b""), 0);
    }

    proptest! {
        #[test]
        fn nothing_is_too_odd(message in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = life(&message);
            let wants = Wants { keepalive: true, padding: Wants::of(&message).keepalive };
            let mut dressed = message.clone();
            dress(&mut dressed, wants, Duration::from_secs(10));
            prop_assert!(dressed.len() >= message.len() && dressed.len() <= LONGEST);
        }
    }
}
