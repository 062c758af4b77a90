//! Names as text, one a line, each with a number: what a segment's dictionary of names is, in memory and on disk.

use std::hash::{BuildHasher as _, RandomState};

/// The most names of a segment, so that a number has 16 bits, and about the most bytes that they take.
pub(crate) const MAX_NAMES: usize = 1 << 16;
const MAX_BYTES: usize = 4 << 20;
/// How many slots there are at first: a power of two.
const FIRST_SLOTS: usize = 1 << 10;
const EMPTY: u32 = u32::MAX;

/// Writes a name of a message as text; what is not printable as its number, and a point in a label behind `\` (RFC 1035
/// section 5.1).
pub(crate) fn write_text(text: &mut Vec<u8>, mut wire: &[u8]) {
    let begin = text.len();
    while let Some((length, rest)) = wire.split_first() {
        let Some((label, rest)) = rest.split_at_checked(usize::from(*length)).filter(|_| *length > 0) else {
            break;
        };
        if text.len() > begin {
            text.push(b'.');
        }
        if label.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'.' | b'\\')) {
            text.extend_from_slice(label);
        } else {
            label.iter().for_each(|byte| write_byte(text, *byte));
        }
        wire = rest;
    }
    if text.len() == begin {
        text.push(b'.');
    }
}

fn write_byte(text: &mut Vec<u8>, byte: u8) {
    match byte {
        b'.' | b'\\' => text.extend([b'\\', byte]),
        b'!'..=b'~' => text.push(byte),
        _ => text.extend([b'\\', b'0' + byte / 100, b'0' + byte / 10 % 10, b'0' + byte % 10]),
    }
}

/// What is left of a name without its first labels.
pub(crate) fn without_labels(name: &str, labels: u8) -> &str {
    let mut rest = name;
    for _ in 0..labels {
        let mut is_escaped = false;
        let point = rest.bytes().position(|byte| {
            let is_point = byte == b'.' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_point
        });
        rest = point.and_then(|point| rest.get(point + 1..)).unwrap_or_default();
    }
    rest
}

/// Names that are found again.
#[derive(Debug)]
pub(crate) struct Texts {
    /// All of them, each with the end of its line.
    lines: Vec<u8>,
    /// Where each begins.
    begins: Vec<u32>,
    /// For a hash: 16 bits of it, and a number.
    slots: Vec<u32>,
    hasher: RandomState,
}

impl Default for Texts {
    fn default() -> Self {
        let slots = vec![EMPTY; FIRST_SLOTS];
        Self { lines: Vec::new(), begins: Vec::new(), slots, hasher: RandomState::new() }
    }
}

impl Texts {
    /// The number of a name, which is taken up if it is new; none if there is no room.
    pub(crate) fn number(&mut self, name: &[u8]) -> Option<u16> {
        let hash = self.hasher.hash_one(name);
        let tag = u32::try_from(hash >> 48).unwrap_or(0) << 16;
        let mask = self.slots.len() - 1;
        let mut place = usize::try_from(hash & 0xFFFF_FFFF).unwrap_or(0) & mask;
        loop {
            // Half of the slots are empty at least: the search ends.
            let slot = self.slots.get(place).copied()?;
            if slot == EMPTY {
                break;
            }
            let number = u16::try_from(slot & 0xFFFF).unwrap_or(0);
            if slot & 0xFFFF_0000 == tag && self.is(number, name) {
                return Some(number);
            }
            place = (place + 1) & mask;
        }
        // The last number with a tag of ones would be an empty slot: it is not given.
        if self.begins.len() + 1 >= MAX_NAMES || self.lines.len() + name.len() >= MAX_BYTES {
            return None;
        }
        let number = u16::try_from(self.begins.len()).ok()?;
        self.begins.push(u32::try_from(self.lines.len()).ok()?);
        self.lines.extend_from_slice(name);
        self.lines.push(b'\n');
        *self.slots.get_mut(place)? = tag | u32::from(number);
        if self.begins.len() * 2 > self.slots.len() {
            self.grow();
        }
        Some(number)
    }

    /// The lines of the names from a number on.
    pub(crate) fn lines_from(&self, number: usize) -> &[u8] {
        let begin = self.begins.get(number).map_or(self.lines.len(), |begin| begin_of(*begin));
        self.lines.get(begin..).unwrap_or_default()
    }

    /// The name with a number.
    pub(crate) fn name(&self, number: u16) -> Option<&str> {
        std::str::from_utf8(self.bytes(number)?).ok()
    }

    pub(crate) fn len(&self) -> usize {
        self.begins.len()
    }

    fn bytes(&self, number: u16) -> Option<&[u8]> {
        let begin = begin_of(*self.begins.get(usize::from(number))?);
        let next = self.begins.get(usize::from(number) + 1);
        let end = next.map_or(self.lines.len(), |next| begin_of(*next));
        self.lines.get(begin..end.checked_sub(1)?)
    }

    fn is(&self, number: u16, name: &[u8]) -> bool {
        self.bytes(number) == Some(name)
    }

    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        let mut slots = vec![EMPTY; mask + 1];
        for number in 0..self.begins.len() {
            let Some(name) = u16::try_from(number).ok().and_then(|number| self.bytes(number)) else { break };
            let hash = self.hasher.hash_one(name);
            let tag = u32::try_from(hash >> 48).unwrap_or(0) << 16;
            let mut place = usize::try_from(hash & 0xFFFF_FFFF).unwrap_or(0) & mask;
            while slots.get(place).is_some_and(|slot| *slot != EMPTY) {
                place = (place + 1) & mask;
            }
            if let Some(slot) = slots.get_mut(place) {
                *slot = tag | u32::try_from(number).unwrap_or(0);
            }
        }
        self.slots = slots;
    }
}

fn begin_of(begin: u32) -> usize {
    usize::try_from(begin).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wire: &[u8], expected: &str) {
        let mut text = Vec::new();
        write_text(&mut text, wire);
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn names_become_text_that_has_no_end_of_a_line() {
        check(b"\x03www\x07example\0", "www.example");
        check(b"\0", ".");
        check(b"", ".");
        check(b"\x04a.\\\n\x01b\0", "a\\.\\\\\\010.b");
        check(b"\x02\xff \0", "\\255\\032");
        check(b"\x05ab", ".");
    }

    #[test]
    fn labels_are_taken_away_at_points_that_part_labels() {
        assert_eq!(without_labels("a.b.example", 0), "a.b.example");
        assert_eq!(without_labels("a.b.example", 2), "example");
        assert_eq!(without_labels("a\\.b.example", 1), "example");
        assert_eq!(without_labels("a\\\\.example", 1), "example");
        assert_eq!(without_labels("a", 3), "");
    }

    #[test]
    fn names_are_found_again_until_there_are_too_many() {
        let mut texts = Texts::default();
        for number in 0..MAX_NAMES - 1 {
            assert_eq!(texts.number(format!("n{number}").as_bytes()), u16::try_from(number).ok());
        }
        assert_eq!(texts.number(b"one.more"), None);
        assert_eq!(texts.number(b"n40000"), Some(40_000));
        assert_eq!(
            (texts.name(0), texts.name(65_534), texts.name(65_535)),
            (Some("n0"), Some("n65534"), None)
        );
        assert_eq!(texts.lines_from(65_533), b"n65533\nn65534\n");
        assert_eq!(texts.lines_from(65_535), b"");
    }

    #[test]
    fn long_names_take_up_a_limited_memory() {
        let mut texts = Texts::default();
        let long = "x".repeat(1_000);
        let count =
            (0..MAX_NAMES).take_while(|number| texts.number(format!("{long}{number}").as_bytes()).is_some());
        assert_eq!(count.count(), 4_174);
    }
}
