//! One question to a name server and what its answer amounts to: enough to see whether it answers (RFC 1035 section 4).

use std::hash::{BuildHasher as _, Hasher as _};

/// The bytes before the question.
const HEAD: usize = 12;
/// Who has the root: every name server of the internet knows it, and asking tells nobody anything.
const NS: u8 = 2;
const A: u8 = 1;

/// What a name server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// An answer.
    Answer,
    /// That it does not answer this one who asks.
    Refused,
    /// That something is wrong, by its number.
    Failure(u8),
}

/// A question for the name servers of the root, as one asks who knows the internet.
pub(crate) fn about_the_root() -> Vec<u8> {
    question(number(), "", NS)
}

/// A question for a name's address.
pub(crate) fn about(name: &str) -> Vec<u8> {
    question(number(), name, A)
}

/// A number that nobody can guess; the keys of hash maps are drawn so.
fn number() -> [u8; 2] {
    let [high, low, ..] = std::hash::RandomState::new().build_hasher().finish().to_be_bytes();
    [high, low]
}

fn question(number: [u8; 2], name: &str, kind: u8) -> Vec<u8> {
    let mut message = number.to_vec();
    // It is asked to ask others; there is one question.
    message.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        // Longer ones are in no domain that was read.
        message.push(u8::try_from(label.len()).unwrap_or(0));
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, kind, 0, 1]);
    message
}

/// What a message says to the question; none if it is something else.
pub(crate) fn heard(question: &[u8], message: &[u8]) -> Option<Heard> {
    let [high, low, flags, code, ..] = message else { return None };
    let is_reply = flags & 0x80 != 0 && question.get(..2) == Some(&[*high, *low]);
    let same = question.get(HEAD..) == message.get(HEAD..question.len());
    // A server that refuses may leave the question out.
    match (is_reply, code & 0x0F) {
        (true, 0) if same => Some(Heard::Answer),
        (false, _) | (true, 0) => None,
        (true, 5) => Some(Heard::Refused),
        (true, code) => Some(Heard::Failure(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_question_is_what_the_standard_says() {
        let expected = b"\x01\x02\x01\0\0\x01\0\0\0\0\0\0\x03lab\x07example\x03net\0\0\x01\0\x01";
        assert_eq!(question([1, 2], "lab.example.net", A), expected);
        assert_eq!(question([1, 2], "", NS), b"\x01\x02\x01\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01");
        assert_ne!((number(), number()), (number(), number()), "nobody guesses them");
    }

    #[test]
    fn only_an_answer_to_it_is_one() {
        let asked = about("lab.example.net");
        let with = |change: fn(&mut Vec<u8>)| {
            let mut said = asked.clone();
            said[2] |= 0x80;
            change(&mut said);
            heard(&asked, &said)
        };
        assert_eq!(with(|_| {}), Some(Heard::Answer));
        assert_eq!(with(|said| said.extend([0; 40])), Some(Heard::Answer));
        assert_eq!(with(|said| said[2] &= 0x7F), None);
        assert_eq!(with(|said| said[0] ^= 1), None);
        assert_eq!(with(|said| said[14] ^= 1), None);
        assert_eq!(with(|said| said[3] = 5), Some(Heard::Refused));
        assert_eq!(with(|said| said[3] = 2), Some(Heard::Failure(2)));
        assert_eq!(with(|said| said.truncate(12)), None);
        assert_eq!(with(Vec::clear), None);
    }

    proptest! {
        #[test]
        fn nothing_that_is_said_panics(asked in any::<Vec<u8>>(), said in any::<Vec<u8>>()) {
            let _ = heard(&asked, &said);
        }
    }
}
