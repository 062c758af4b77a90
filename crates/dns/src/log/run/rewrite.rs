//! Rows that are read to be written again: those of the tail, and segments without what some clients asked for.

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use super::files::Segment;
use crate::log::dictionary::LOST;
use crate::log::open::Open;
use crate::log::row::address;
use crate::log::segment::{Held as _, Index, Names as _, Reader, index};
use crate::log::wire;

/// The most bytes of a tail that are read.
const MAX_TAIL: u64 = 64 << 20;

/// The rows of the tail that are in no segment, whose rows end before `end`; and where the tail goes on.
pub(super) fn read_tail(path: &Path, end: u64) -> io::Result<(Open, u64)> {
    let file = match File::open(path) {
        Ok(file) if file.metadata()?.len() <= MAX_TAIL => file,
        Ok(_) => return Ok((Open::new(end), 0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Open::new(end), 0)),
        Err(error) => return Err(error),
    };
    let Index { blocks, .. } = index(&file)?;
    let mut rows = Open::new(0);
    let mut next = end;
    for block in &blocks {
        // Every block of a tail has all that it refers to.
        let alone = std::slice::from_ref(block);
        let reader = Reader::new(&file, alone);
        let held = reader.held(block);
        let dictionary = reader.dictionary();
        let Some(columns) = held.columns() else { continue };
        let skip = usize::try_from(end.saturating_sub(block.head.first)).unwrap_or(usize::MAX);
        for row in skip..columns.at.len() {
            let name = columns.name.get(row).and_then(|name| reader.one(*name));
            // More than have room are in no tail that was written here.
            let _ = rows.copy(&dictionary, &columns, row, name.as_deref().unwrap_or(LOST));
        }
        next = next.max(held.head().end());
    }
    // Rows between that were lost leave no gap: the last one keeps its number.
    rows.first = next.saturating_sub(u64::try_from(rows.len()).unwrap_or(0));
    Ok((rows, blocks.last().map_or(0, |block| block.at + block.head.bytes())))
}

/// The bytes of a segment in which rows of these clients have nothing but time and outcome left, and how many
/// rows that are; none if there are none. Rows keep their numbers. What is broken is left out.
pub(super) fn without_clients(segment: &Segment, clients: &[IpAddr]) -> io::Result<Option<(Vec<u8>, u64)>> {
    let file = segment.open()?;
    let reader = Reader::new(&file, &segment.blocks);
    let dictionary = reader.dictionary();
    let is_gone = |number: usize| {
        dictionary.clients.get(number).is_some_and(|client| clients.contains(&address(client.octets)))
    };
    if !(0..dictionary.clients.len()).any(is_gone) {
        return Ok(None);
    }
    let mut anew = wire::begin().to_vec();
    let (mut open, mut gone) = (Open::new(0), 0);
    for block in &segment.blocks {
        let held = reader.held(block);
        let Some(columns) = held.columns() else { continue };
        for (row, client) in columns.client.iter().enumerate() {
            let added = if is_gone(usize::from(*client)) {
                gone += 1;
                open.blank(&dictionary, &columns, row)
            } else {
                let name = columns.name.get(row).and_then(|name| reader.one(*name));
                open.copy(&dictionary, &columns, row, name.as_deref().unwrap_or(LOST))
            };
            let why = "a segment has too many different things to be written again";
            added.map_err(|_| io::Error::other(why))?;
        }
        open.first = held.head().first;
        if let Some((_, bytes)) = open.block() {
            anew.extend(bytes);
        }
        open.written();
    }
    Ok(Some((anew, gone)))
}
