//! Takes out of a reply what only clients that check signatures themselves want (RFC 3225 section 3).

use std::borrow::Cow;

use super::wire::{Part, Place, Reader, kind, parts, records};

/// The first part of a message, before its question.
const HEADER: usize = 12;
/// The longest message, and the end of what a pointer can point to (RFC 1035 section 4.1.4).
const MAX_MESSAGE: usize = 65_535;
const MAX_POINTER: u16 = 0x3FFF;
/// The most places of names that are remembered; what points elsewhere is written out.
const MAX_PLACES: usize = 512;

/// A reply that can not be taken apart, or would be longer than a message may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unstrippable;

/// The reply without signatures and without proofs of what is not there, except where they were asked for by
/// their type. A reply that has none is given back as it is.
pub fn strip(reply: &[u8], asked: u16) -> Result<Cow<'_, [u8]>, Unstrippable> {
    let mut kept = Vec::new();
    let (mut count, mut end) = (0, 0);
    for place in records(reply).ok_or(Unstrippable)? {
        (count, end) = (count + 1, place.end);
        let is_extra = matches!(place.kind, kind::RRSIG | kind::NSEC | kind::NSEC3);
        if !is_extra || place.kind == asked || asked == kind::ANY {
            kept.push(place);
        }
    }
    if kept.len() == count {
        return Ok(Cow::Borrowed(reply));
    }
    debug_assert!(end <= reply.len(), "records lie in the message");
    write(reply, &kept).map(Cow::Owned).ok_or(Unstrippable)
}

/// A message with these records of another one.
fn write(reply: &[u8], kept: &[Place]) -> Option<Vec<u8>> {
    let mut writer = Writer { old: reply, new: Vec::with_capacity(reply.len()), places: Vec::new() };
    let mut reader = Reader { bytes: reply, at: 4 };
    let questions = reader.short()?;
    writer.new.extend_from_slice(reply.get(..6)?);
    for section in super::wire::SECTIONS {
        let count = kept.iter().filter(|place| place.section == section).count();
        writer.new.extend_from_slice(&u16::try_from(count).ok()?.to_be_bytes());
    }
    reader.at = HEADER;
    for _ in 0..questions {
        writer.name(&mut reader)?;
        writer.new.extend_from_slice(reader.take(4)?);
    }
    for place in kept {
        reader.at = place.start;
        writer.name(&mut reader)?;
        writer.new.extend_from_slice(reader.take(8)?);
        reader.take(2)?;
        let length_at = writer.new.len();
        writer.new.extend_from_slice(&[0, 0]);
        let mut data = Reader { bytes: reply.get(..place.end)?, at: reader.at };
        writer.data(&mut data, place.kind)?;
        let length = u16::try_from(writer.new.len() - length_at - 2).ok()?;
        writer.new.get_mut(length_at..length_at + 2)?.copy_from_slice(&length.to_be_bytes());
    }
    (writer.new.len() <= MAX_MESSAGE).then_some(writer.new)
}

/// A message being written anew, and where in it the names of the old one are.
struct Writer<'m> {
    old: &'m [u8],
    new: Vec<u8>,
    /// Where a name began, or the rest of one behind a label, and where it begins now.
    places: Vec<(usize, u16)>,
}

impl Writer<'_> {
    /// Copies a name. What it points to is pointed to where it is now, or written out if it is not there.
    fn name(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let mut from = *reader;
        let mut end = None;
        let mut before = reader.at;
        loop {
            let at = from.at;
            if end.is_some()
                && let Some((_, place)) = self.places.iter().find(|(old, _)| *old == at)
            {
                self.new.extend_from_slice(&(0xC000 | place).to_be_bytes());
                break;
            }
            match from.byte()? {
                0 => {
                    self.new.push(0);
                    break;
                }
                length @ 1..=63 => {
                    let label = from.take(usize::from(length))?;
                    let place = u16::try_from(self.new.len()).ok().filter(|place| *place <= MAX_POINTER);
                    if let Some(place) = place.filter(|_| self.places.len() < MAX_PLACES) {
                        self.places.push((at, place));
                    }
                    self.new.push(length);
                    self.new.extend_from_slice(label);
                }
                high @ 0xC0.. => {
                    let to = usize::from(high & 0x3F) << 8 | usize::from(from.byte()?);
                    end.get_or_insert(from.at);
                    if to >= before || to < HEADER {
                        return None;
                    }
                    before = to;
                    from = Reader { bytes: self.old, at: to };
                }
                _ => return None,
            }
            // Names that point through each other are shorter than a message in any case.
            if self.new.len() > MAX_MESSAGE {
                return None;
            }
        }
        reader.at = end.unwrap_or(from.at);
        Some(())
    }

    fn data(&mut self, reader: &mut Reader<'_>, kind: u16) -> Option<()> {
        for part in parts(kind) {
            match part {
                Part::Bytes(count) => self.new.extend_from_slice(reader.take(*count)?),
                Part::Text => {
                    let length = reader.byte()?;
                    self.new.push(length);
                    self.new.extend_from_slice(reader.take(usize::from(length))?);
                }
                Part::Name => self.name(reader)?,
                Part::Rest => {
                    let rest = reader.bytes.len() - reader.at;
                    self.new.extend_from_slice(reader.take(rest)?);
                }
            }
        }
        (reader.at == reader.bytes.len()).then_some(())
    }
}
