//! The bytes of a segment: its begin, the heads of blocks, and the columns. All numbers have their lowest byte
//! first.
//!
//! A segment is outside input, whatever is torn or changed: `fuzz/query_log` reads any bytes as one. Nothing
//! here panics, and nothing is believed of a length before it is compared with what there is.
//!
//! ```text
//! segment   begin (16 bytes: "polisqry", u16 version, 6 zeros), blocks
//! block     head (140 bytes), parts in the order of the head
//! head      "BLK1", u64 number of the first row, u32 rows, i64 earliest, i64 latest time,
//!           9 × (u32 length, u32 CRC-32), 4 × u32 what the dictionaries had before, 4 × u32 what is new in them,
//!           u32 CRC-32 of all this
//! names     one a line, as text
//! clients   18 bytes each: address of IPv6, u16 string
//! strings   u16 length and as many bytes
//! shapes    16 bytes each
//! times     the first is a distance from the earliest, the others from the one before: zigzag, 7 bits a byte
//! client, name, shape of each row: 1 byte each if all fit, or 2
//! latency   microseconds, 7 bits a byte
//! ```
#![allow(
    clippy::indexing_slicing,
    reason = "places are those of a head, whose length is known, and are fuzzed"
)]

use runtime::Millis;

/// The begin of a segment.
pub(crate) const BEGIN: usize = 16;
const MAGIC: [u8; 8] = *b"polisqry";
/// What this binary writes and reads.
const VERSION: u16 = 1;

/// The head of a block.
pub(crate) const HEAD: usize = 140;
/// What every head begins with.
pub(crate) const BLOCK: [u8; 4] = *b"BLK1";
/// The most bytes of a part, and rows of a block, that are believed.
const MAX_PART: u32 = 8 << 20;
const MAX_ROWS: u32 = 1 << 16;

/// The parts of a block.
pub(crate) const PARTS: usize = 9;

/// A part of a block, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Names,
    Clients,
    Strings,
    Shapes,
    Times,
    Client,
    Name,
    Shape,
    Micros,
}

/// The dictionaries of a segment, by their place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) names: u32,
    pub(crate) clients: u32,
    pub(crate) strings: u32,
    pub(crate) shapes: u32,
}

/// What stands at the begin of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The number of its first row.
    pub(crate) first: u64,
    pub(crate) rows: u32,
    /// The times of the earliest and the latest row, wherever they stand.
    pub(crate) earliest: Millis,
    pub(crate) latest: Millis,
    /// Length and checksum.
    pub(crate) parts: [(u32, u32); PARTS],
    /// How many entries the dictionaries had before this block.
    pub(crate) before: Sizes,
    /// How many it adds.
    pub(crate) new: Sizes,
}

/// What a file is, by its begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A segment that can be read.
    Segment,
    /// One of a newer version, which is left alone.
    Newer(u16),
    /// Something else, or torn before it was begun.
    Unknown,
}

/// The begin of a segment.
pub(crate) fn begin() -> [u8; BEGIN] {
    let mut begin = [0; BEGIN];
    begin[..8].copy_from_slice(&MAGIC);
    begin[8..10].copy_from_slice(&VERSION.to_le_bytes());
    begin
}

/// What begins with this.
pub(crate) fn kind(begin: &[u8]) -> Kind {
    match begin.strip_prefix(&MAGIC) {
        Some([low, high, ..]) => match u16::from_le_bytes([*low, *high]) {
            VERSION => Kind::Segment,
            version if version > VERSION => Kind::Newer(version),
            _ => Kind::Unknown,
        },
        _ => Kind::Unknown,
    }
}

/// The checksum of a part (CRC-32 as in gzip, RFC 1952 section 8).
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Whether bytes have a checksum. Chance makes none that is right, so while chance makes the bytes all are.
fn has_checksum(bytes: &[u8], sum: u32) -> bool {
    cfg!(fuzzing) || checksum(bytes) == sum
}

impl Sizes {
    fn each(self) -> [u32; 4] {
        [self.names, self.clients, self.strings, self.shapes]
    }

    fn of([names, clients, strings, shapes]: [u32; 4]) -> Self {
        Self { names, clients, strings, shapes }
    }
}

impl Head {
    /// Where a part is, counted from the begin of the block, and how long it is.
    pub(crate) fn part(&self, part: Part) -> (u64, usize) {
        let before: u64 = self.parts[..part as usize].iter().map(|(length, _)| u64::from(*length)).sum();
        let length = usize::try_from(self.parts[part as usize].0).unwrap_or(0);
        (before + HEAD as u64, length)
    }

    /// Whether these bytes are the part.
    pub(crate) fn is_whole(&self, part: Part, bytes: &[u8]) -> bool {
        let (length, sum) = self.parts[part as usize];
        u32::try_from(bytes.len()) == Ok(length) && has_checksum(bytes, sum)
    }

    /// The bytes of the whole block.
    pub(crate) fn bytes(&self) -> u64 {
        let parts: u64 = self.parts.iter().map(|(length, _)| u64::from(*length)).sum();
        parts + HEAD as u64
    }

    /// The number behind the last row.
    pub(crate) fn end(&self) -> u64 {
        self.first.saturating_add(u64::from(self.rows))
    }

    /// A block: this head, with the lengths and checksums of these parts, and the parts. None if one is too long
    /// to be read again.
    pub(crate) fn block(mut self, parts: &[Vec<u8>; PARTS]) -> Option<(Self, Vec<u8>)> {
        for (slot, part) in self.parts.iter_mut().zip(parts) {
            let length = u32::try_from(part.len()).ok().filter(|length| *length <= MAX_PART)?;
            *slot = (length, checksum(part));
        }
        let mut bytes = Vec::with_capacity(HEAD + parts.iter().map(Vec::len).sum::<usize>());
        bytes.extend(BLOCK);
        bytes.extend(self.first.to_le_bytes());
        bytes.extend(self.rows.to_le_bytes());
        bytes.extend(self.earliest.to_le_bytes());
        bytes.extend(self.latest.to_le_bytes());
        for (length, sum) in self.parts {
            bytes.extend(length.to_le_bytes());
            bytes.extend(sum.to_le_bytes());
        }
        for size in self.before.each().into_iter().chain(self.new.each()) {
            bytes.extend(size.to_le_bytes());
        }
        let sum = checksum(&bytes);
        bytes.extend(sum.to_le_bytes());
        parts.iter().for_each(|part| bytes.extend(part));
        Some((self, bytes))
    }

    /// Reads a head; none if it is not whole, or says what can not be.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEAD] = bytes.get(..HEAD)?.try_into().ok()?;
        let (said, sum) = bytes.split_at(HEAD - 4);
        if !said.starts_with(&BLOCK) || !has_checksum(said, u32_at(sum, 0)) {
            return None;
        }
        let mut head = Self {
            first: u64_at(said, 4),
            rows: u32_at(said, 12),
            earliest: u64_at(said, 16).cast_signed(),
            latest: u64_at(said, 24).cast_signed(),
            ..Self::default()
        };
        for (place, part) in head.parts.iter_mut().enumerate() {
            *part = (u32_at(said, 32 + place * 8), u32_at(said, 36 + place * 8));
        }
        let sizes = |at: usize| Sizes::of([0, 4, 8, 12].map(|place| u32_at(said, at + place)));
        (head.before, head.new) = (sizes(32 + PARTS * 8), sizes(48 + PARTS * 8));
        let entries = head.before.each().into_iter().chain(head.new.each());
        let is_possible = head.parts.iter().all(|(length, _)| *length <= MAX_PART)
            && head.rows <= MAX_ROWS
            && head.first.checked_add(u64::from(head.rows)).is_some()
            && entries.max().is_none_or(|most| most <= MAX_ROWS);
        is_possible.then_some(head)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// Numbers of rows in a dictionary, in one byte each if that is enough.
pub(crate) fn write_numbers(numbers: &[u16]) -> Vec<u8> {
    let narrow: Option<Vec<u8>> = numbers.iter().map(|number| u8::try_from(*number).ok()).collect();
    narrow.unwrap_or_else(|| numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
}

/// Reads as many numbers; none if there are more or fewer.
pub(crate) fn read_numbers(bytes: &[u8], rows: usize) -> Option<Vec<u16>> {
    if bytes.len() == rows {
        return Some(bytes.iter().copied().map(u16::from).collect());
    }
    let (pairs, rest) = bytes.as_chunks::<2>();
    (pairs.len() == rows && rest.is_empty())
        .then(|| pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect())
}

/// Times as distances.
pub(crate) fn write_times(times: &[Millis], earliest: Millis) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(times.len() * 2);
    let mut before = earliest;
    for time in times {
        let distance = time.wrapping_sub(before);
        write_number(&mut bytes, (distance.cast_unsigned() << 1) ^ (distance >> 63).cast_unsigned());
        before = *time;
    }
    bytes
}

/// Reads as many times; none if there are more or fewer.
pub(crate) fn read_times(mut bytes: &[u8], rows: usize, earliest: Millis) -> Option<Vec<Millis>> {
    if bytes.len() < rows {
        return None;
    }
    let mut times = Vec::with_capacity(rows);
    let mut before = earliest;
    for _ in 0..rows {
        let number = read_number(&mut bytes)?;
        before = before.wrapping_add((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
        times.push(before);
    }
    bytes.is_empty().then_some(times)
}

/// Latencies.
pub(crate) fn write_micros(micros: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(micros.len() * 2);
    micros.iter().for_each(|micros| write_number(&mut bytes, u64::from(*micros)));
    bytes
}

/// Reads as many latencies; none if there are more or fewer.
pub(crate) fn read_micros(mut bytes: &[u8], rows: usize) -> Option<Vec<u32>> {
    if bytes.len() < rows {
        return None;
    }
    let mut micros = Vec::with_capacity(rows);
    for _ in 0..rows {
        micros.push(u32::try_from(read_number(&mut bytes)?).ok()?);
    }
    bytes.is_empty().then_some(micros)
}

/// Writes a number in 7 bits a byte, the lowest first.
pub(crate) fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7F {
        let [low, ..] = number.to_le_bytes();
        bytes.push(low | 0x80);
        number >>= 7;
    }
    let [low, ..] = number.to_le_bytes();
    bytes.push(low);
}

/// Reads a number and goes on behind it.
pub(crate) fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(first & 0x7F);
        if place == 9 && bits > 1 {
            return None;
        }
        number |= bits << (place * 7);
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn columns_read_as_they_were_written(
            numbers in proptest::collection::vec(any::<u16>(), 0..300),
            times in proptest::collection::vec(any::<Millis>(), 0..300),
            micros in proptest::collection::vec(any::<u32>(), 0..300),
            earliest in any::<Millis>(),
        ) {
            prop_assert_eq!(read_numbers(&write_numbers(&numbers), numbers.len()), Some(numbers));
            let written = write_times(&times, earliest);
            prop_assert_eq!(read_times(&written, times.len(), earliest), Some(times));
            prop_assert_eq!(read_micros(&write_micros(&micros), micros.len()), Some(micros));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400), rows in 0_usize..400) {
            let _ = (read_numbers(&bytes, rows), read_times(&bytes, rows, 0), read_micros(&bytes, rows));
            prop_assert_eq!(Head::read(&bytes), None);
        }

        #[test]
        fn a_head_reads_as_it_was_written_and_not_with_a_changed_bit(
            first in any::<u64>(), rows in 0..MAX_ROWS, earliest in any::<Millis>(), bit in 0..HEAD * 8,
        ) {
            let sizes = Sizes { names: 1, clients: 2, strings: 3, shapes: 4 };
            let head = Head { first, rows, earliest, latest: 7, before: sizes, new: sizes, ..Head::default() };
            let parts = std::array::from_fn(|place| vec![7; place]);
            let (head, mut bytes) = head.block(&parts).unwrap();
            prop_assert_eq!(Head::read(&bytes), Some(head));
            prop_assert_eq!(head.part(Part::Client), (HEAD as u64 + 10, 5));
            prop_assert_eq!(bytes.len() as u64, head.bytes());
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Head::read(&bytes), None);
        }
    }

    #[test]
    fn rows_have_numbers_that_there_are() {
        let of = |first: u64| {
            let head = Head { first, rows: 3, ..Head::default() };
            Head::read(&head.block(&std::array::from_fn(|_| Vec::new())).unwrap().1)
        };
        assert!(of(u64::MAX - 3).is_some());
        assert_eq!(of(u64::MAX - 2), None, "there is no number behind the last row");
    }

    #[test]
    fn a_number_that_is_too_large_is_none() {
        let mut bytes = &[0xFF; 12][..];
        assert_eq!(read_number(&mut bytes), None);
        let mut written = Vec::new();
        write_number(&mut written, u64::MAX);
        assert_eq!(read_number(&mut &*written), Some(u64::MAX));
    }

    #[test]
    fn a_newer_version_is_known_as_such() {
        assert_eq!(kind(&begin()), Kind::Segment);
        let mut newer = begin();
        newer[8] = 2;
        assert_eq!(kind(&newer), Kind::Newer(2));
        assert_eq!(kind(b"polisqry"), Kind::Unknown);
        assert_eq!(kind(b""), Kind::Unknown);
    }
}
