//! A reply as sets of records with their signatures, in the form in which they are signed (RFC 4034 section 6).
//!
//! Never believes a length, a pointer or a count: what does not hold together is no message. It is fuzzed by
//! `fuzz/dns_signed`.

use super::name;
use super::records::Signature;

/// The most records of a reply that are looked at, and the most sets; the longest message has room for 5,956.
const MAX_RECORDS: usize = 4096;
const MAX_SETS: usize = 256;
/// The most bytes of all records, names written out. A hostile message of 64 KiB could be a megabyte.
const MAX_BYTES: usize = 512 * 1024;
const HEADER: usize = 12;
/// The longest name (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 255;

/// Types of records.
pub(super) mod kind {
    pub(in crate::dnssec) const NS: u16 = 2;
    pub(in crate::dnssec) const CNAME: u16 = 5;
    pub(in crate::dnssec) const SOA: u16 = 6;
    pub(in crate::dnssec) const SIG: u16 = 24;
    pub(in crate::dnssec) const DNAME: u16 = 39;
    pub(in crate::dnssec) const DS: u16 = 43;
    pub(in crate::dnssec) const RRSIG: u16 = 46;
    pub(in crate::dnssec) const NSEC: u16 = 47;
    pub(in crate::dnssec) const DNSKEY: u16 = 48;
    pub(in crate::dnssec) const NSEC3: u16 = 50;
    /// Says that the name is not there, in a record that says which types it has (RFC 9824 section 2).
    pub(in crate::dnssec) const NXNAME: u16 = 128;
    pub(in crate::dnssec) const ANY: u16 = 255;
}

/// The class of the internet.
pub(super) const IN: u16 = 1;

/// A part of a message (RFC 1035 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Answer,
    Authority,
    Additional,
}

pub(super) const SECTIONS: [Section; 3] = [Section::Answer, Section::Authority, Section::Additional];

/// Records with one name and type, and their signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) section: Section,
    pub(super) name: Box<[u8]>,
    pub(super) kind: u16,
    /// The shortest time of the records, in seconds.
    pub(super) time: u32,
    /// The data, in the form in which it is signed; not sorted.
    pub(super) data: Vec<Box<[u8]>>,
    pub(super) signatures: Vec<Signature>,
}

/// A reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// The lower four bits of its code: all that there is in replies to a question.
    pub(super) code: u8,
    pub(super) sets: Vec<Set>,
    /// Whether there is a signature anywhere in it.
    pub(super) is_signed: bool,
    /// Whether the answer has records of other classes, or signatures of nothing.
    pub(super) has_stray: bool,
}

impl Message {
    /// Reads a reply; none if it is malformed or beyond every measure.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader { bytes, at: 2 };
        let flags = reader.short()?;
        let questions = reader.short()?;
        let counts = [reader.short()?, reader.short()?, reader.short()?];
        debug_assert!(reader.at == HEADER, "a header has twelve bytes");
        for _ in 0..questions {
            reader.name()?;
            reader.take(4)?;
        }
        let code = flags.to_be_bytes()[1] & 0x0F;
        let mut message = Self { code, sets: Vec::new(), is_signed: false, has_stray: false };
        let mut signatures = Vec::new();
        let mut room = MAX_BYTES;
        if counts.iter().map(|count| usize::from(*count)).sum::<usize>() > MAX_RECORDS {
            return None;
        }
        for (section, count) in SECTIONS.into_iter().zip(counts) {
            for _ in 0..count {
                let record = reader.record()?;
                room = room.checked_sub(record.name.len() + record.data.len())?;
                message.add(section, record, &mut signatures)?;
            }
        }
        message.is_signed = !signatures.is_empty();
        for (section, owner, signature) in signatures {
            let set = message
                .sets
                .iter_mut()
                .find(|set| set.section == section && set.kind == signature.covered && set.name == owner);
            match set {
                Some(set) => set.signatures.push(signature),
                None => message.has_stray |= section == Section::Answer,
            }
        }
        Some(message)
    }

    fn add(
        &mut self,
        section: Section,
        record: Record,
        signatures: &mut Vec<(Section, Box<[u8]>, Signature)>,
    ) -> Option<()> {
        match (record.kind, record.class) {
            (kind::RRSIG, IN) => {
                signatures.push((section, record.name, Signature::read(&record.data)?));
                return Some(());
            }
            (_, IN) => {}
            _ => {
                self.has_stray |= section == Section::Answer;
                return Some(());
            }
        }
        let same =
            |set: &&mut Set| set.kind == record.kind && set.section == section && set.name == record.name;
        match self.sets.iter_mut().rev().find(same) {
            Some(set) => {
                set.time = set.time.min(record.time);
                set.data.push(record.data);
            }
            None => self.sets.push(Set {
                section,
                name: record.name,
                kind: record.kind,
                time: record.time,
                data: vec![record.data],
                signatures: Vec::new(),
            }),
        }
        (self.sets.len() <= MAX_SETS).then_some(())
    }

    /// The set with this name and type in a section.
    pub(super) fn find(&self, section: Section, name: &[u8], kind: u16) -> Option<&Set> {
        self.sets.iter().find(|set| set.section == section && set.kind == kind && *set.name == *name)
    }

    /// The sets of a section.
    pub(super) fn section(&self, section: Section) -> impl Iterator<Item = &Set> {
        self.sets.iter().filter(move |set| set.section == section)
    }
}

/// A record as it is signed.
struct Record {
    name: Box<[u8]>,
    kind: u16,
    class: u16,
    time: u32,
    data: Box<[u8]>,
}

/// What the data of a record consists of, as far as names stand in it that may be compressed, or that are
/// signed in lower case (RFC 3597 section 4, RFC 4034 section 6.2, RFC 6840 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Bytes(usize),
    /// A byte with a length, and so many bytes.
    Text,
    Name,
    /// Everything else.
    Rest,
}

/// The parts of the data of a type.
pub(super) fn parts(kind: u16) -> &'static [Part] {
    use Part::{Bytes, Name, Rest, Text};
    match kind {
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME.
        2..=5 | 7..=9 | 12 | 39 => &[Name],
        // SOA.
        6 => &[Name, Name, Bytes(20)],
        // MINFO, RP.
        14 | 17 => &[Name, Name],
        // MX, AFSDB, RT, KX.
        15 | 18 | 21 | 36 => &[Bytes(2), Name],
        // PX.
        26 => &[Bytes(2), Name, Name],
        // SRV.
        33 => &[Bytes(6), Name],
        // NAPTR.
        35 => &[Bytes(4), Text, Text, Text, Name],
        // SIG, RRSIG.
        24 | 46 => &[Bytes(18), Name, Rest],
        _ => &[Rest],
    }
}

/// Where in a message one is reading.
#[derive(Clone, Copy)]
pub(super) struct Reader<'m> {
    pub(super) bytes: &'m [u8],
    pub(super) at: usize,
}

impl<'m> Reader<'m> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'m [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn short(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    pub(super) fn long(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// A name, which may be compressed (RFC 1035 section 4.1.4), written out in lower case. A pointer has to
    /// point before everything that was read of the name, so that reading ends.
    pub(super) fn name(&mut self) -> Option<Vec<u8>> {
        let mut name = Vec::with_capacity(32);
        let mut before = self.at;
        let mut reader = *self;
        let mut end = None;
        loop {
            let length = reader.byte()?;
            match length {
                0..=63 => {
                    let label = reader.take(usize::from(length))?;
                    name.push(length);
                    name.extend(label.iter().map(u8::to_ascii_lowercase));
                    if name.len() > MAX_NAME {
                        return None;
                    }
                    if length == 0 {
                        self.at = end.unwrap_or(reader.at);
                        return Some(name);
                    }
                }
                0xC0.. => {
                    let to = usize::from(length & 0x3F) << 8 | usize::from(reader.byte()?);
                    end.get_or_insert(reader.at);
                    if to >= before || to < HEADER {
                        return None;
                    }
                    (before, reader.at) = (to, to);
                }
                _ => return None,
            }
        }
    }

    fn record(&mut self) -> Option<Record> {
        let name = self.name()?.into_boxed_slice();
        let (kind, class, time) = (self.short()?, self.short()?, self.long()?);
        let length = usize::from(self.short()?);
        let end = self.at.checked_add(length)?;
        // Names in the data may point to what is before, but nothing of it is behind its end.
        let mut inner = Reader { bytes: self.bytes.get(..end)?, at: self.at };
        let data = inner.data(kind)?.into_boxed_slice();
        self.at = end;
        let time = if time > i32::MAX.unsigned_abs() { 0 } else { time };
        Some(Record { name, kind, class, time, data })
    }

    /// The data of a record up to the end, as it is signed.
    fn data(&mut self, kind: u16) -> Option<Vec<u8>> {
        let mut data = Vec::with_capacity(self.bytes.len() - self.at);
        for part in parts(kind) {
            match part {
                Part::Bytes(count) => data.extend_from_slice(self.take(*count)?),
                Part::Text => {
                    let length = self.byte()?;
                    data.push(length);
                    data.extend_from_slice(self.take(usize::from(length))?);
                }
                Part::Name => data.extend(self.name()?),
                Part::Rest => data.extend_from_slice(self.take(self.bytes.len() - self.at)?),
            }
        }
        (self.at == self.bytes.len()).then_some(data)
    }
}

/// Whether a message has a signature, told without reading more than where its records are. A message that is
/// malformed has none.
pub fn has_signatures(message: &[u8]) -> bool {
    records(message).is_some_and(|mut records| records.any(|record| record.kind == kind::RRSIG))
}

/// Where a record stands in a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) section: Section,
    pub(super) kind: u16,
    /// Where it begins and where it ends.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The places of the records of a message, up to the first one that is malformed.
pub(super) fn records(message: &[u8]) -> Option<impl Iterator<Item = Place>> {
    let mut reader = Reader { bytes: message, at: 4 };
    let questions = reader.short()?;
    let counts = [reader.short()?, reader.short()?, reader.short()?];
    for _ in 0..questions {
        skip_name(&mut reader)?;
        reader.take(4)?;
    }
    let sections = SECTIONS.into_iter().zip(counts);
    let mut sections = sections.flat_map(|(section, count)| std::iter::repeat_n(section, usize::from(count)));
    Some(std::iter::from_fn(move || {
        let section = sections.next()?;
        let start = reader.at;
        skip_name(&mut reader)?;
        let kind = reader.short()?;
        reader.take(6)?;
        let length = reader.short()?;
        reader.take(usize::from(length))?;
        Some(Place { section, kind, start, end: reader.at })
    }))
}

fn skip_name(reader: &mut Reader<'_>) -> Option<()> {
    loop {
        match reader.byte()? {
            0 => return Some(()),
            length @ 1..=63 => reader.take(usize::from(length)).map(|_| ())?,
            0xC0.. => return reader.byte().map(|_| ()),
            _ => return None,
        }
    }
}

/// Whether a name is one: labels of at most 63 bytes, with the empty one at its end and nowhere else.
pub(super) fn is_name(wire: &[u8]) -> bool {
    let labels: usize = name::labels(wire).map(|label| label.len() + 1).sum();
    wire.len() <= MAX_NAME && wire.len() == labels + 1 && name::labels(wire).all(|label| label.len() < 64)
}
