//! The segment that is being filled: its dictionaries, and the rows that are not in its file yet. Pure: what it
//! makes of them is bytes.

use std::collections::HashMap;
use std::sync::Arc;

use runtime::Millis;

use super::dictionary::{Client, Dictionary, LOST, Shape, kept};
use super::row::{Packed, anonymous};
use super::text::{Texts, write_text};
use super::wire::{self, Head, Sizes};
use super::{BLOCK_ROWS, Rows};

/// The most clients and strings of a segment. Of shapes there are as many as have a number.
const MAX_CLIENTS: usize = 1 << 14;
const MAX_STRINGS: usize = 1 << 13;
const MAX_SHAPES: usize = u16::MAX as usize;
/// How many clients, and shapes, are found again at once: as many as 8 bits tell apart.
const LASTS: usize = 256;

/// Rows as columns. Clients, names and shapes are numbers in the dictionaries.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub(crate) at: Vec<Millis>,
    pub(crate) client: Vec<u16>,
    pub(crate) name: Vec<u16>,
    pub(crate) shape: Vec<u16>,
    pub(crate) micros: Vec<u32>,
}

impl Columns {
    fn forget(&mut self, count: usize) {
        let count = count.min(self.at.len());
        self.at.drain(..count);
        self.client.drain(..count);
        self.name.drain(..count);
        self.shape.drain(..count);
        self.micros.drain(..count);
    }

    pub(crate) fn earliest(&self) -> Millis {
        self.at.iter().copied().min().unwrap_or(0)
    }

    pub(crate) fn latest(&self) -> Millis {
        self.at.iter().copied().max().unwrap_or(0)
    }
}

/// Why a row is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// There are as many as a block may have.
    Rows,
    /// A dictionary has as many entries as it may: another segment has to be begun.
    Dictionary,
}

/// The numbers that the strings of a batch have here; 0 is not known yet. It is for one batch and one segment.
#[derive(Debug, Default)]
pub(crate) struct Known(Vec<u16>);

/// A number for each of some slots. A wrong one is seen by what it stands for.
#[derive(Debug)]
struct Lasts([u16; LASTS]);

impl Default for Lasts {
    fn default() -> Self {
        Self([0; LASTS])
    }
}

impl Lasts {
    fn place(bits: u128) -> usize {
        let [low, high] =
            [bits, bits >> 64].map(|bits| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0));
        let mixed = (low ^ high.rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        usize::try_from(mixed >> 56).unwrap_or(0)
    }

    fn at(&self, place: usize) -> usize {
        self.0.get(place).map_or(usize::MAX, |number| usize::from(*number))
    }

    fn set(&mut self, place: usize, number: u16) -> u16 {
        if let Some(slot) = self.0.get_mut(place) {
            *slot = number;
        }
        number
    }
}

/// The segment.
#[derive(Debug, Default)]
pub(crate) struct Open {
    pub(crate) dictionary: Dictionary,
    pub(crate) names: Texts,
    pub(crate) columns: Columns,
    client_numbers: HashMap<Client, u16>,
    string_numbers: HashMap<Box<str>, u16>,
    shape_numbers: HashMap<u128, u16>,
    /// The clients and shapes of the last rows, which are most often those of the next: a number for some bits.
    last_clients: Lasts,
    last_shapes: Lasts,
    /// How much of the dictionaries is in the file.
    written: Sizes,
    /// The number of the first row that is not.
    pub(crate) first: u64,
    /// The name that is looked at, as text.
    text: Vec<u8>,
}

impl Open {
    /// An empty one, whose first row will have this number.
    pub(crate) fn new(first: u64) -> Self {
        Self { first, ..Self::default() }
    }

    /// How many rows wait.
    pub(crate) fn len(&self) -> usize {
        self.columns.at.len()
    }

    /// The number of the next row.
    pub(crate) fn next(&self) -> u64 {
        self.first.saturating_add(u64::try_from(self.len()).unwrap_or(0))
    }

    /// Takes a row of a batch with these strings.
    pub(crate) fn take(
        &mut self,
        row: &Packed,
        name: &[u8],
        strings: &[Arc<str>],
        known: &mut Known,
        rows: Rows,
    ) -> Result<(), Full> {
        if self.len() >= BLOCK_ROWS {
            return Err(Full::Rows);
        }
        let (octets, who) = match rows {
            Rows::Full => (row.client, self.batched(row.who, strings, known)?),
            Rows::Anonymous | Rows::Off => (anonymous(row.client), 0),
        };
        let shape = Shape {
            kind: row.kind,
            outcome: row.outcome,
            code: row.code,
            security: row.security,
            transport: row.transport,
            form: row.form,
            labels: row.labels,
            rule: self.batched(row.rule, strings, known)?,
            list: self.batched(row.list, strings, known)?,
            policy: self.batched(row.policy, strings, known)?,
            upstream: self.batched(row.upstream, strings, known)?,
        };
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        write_text(&mut text, name);
        let added = self.add(row.at, Client { octets, who }, &text, shape, row.micros);
        self.text = text;
        added
    }

    /// Takes a row of another dictionary: one that is to be written alone, or has been.
    pub(crate) fn copy(
        &mut self,
        from: &Dictionary,
        columns: &Columns,
        row: usize,
        name: &str,
    ) -> Result<(), Full> {
        if self.len() >= BLOCK_ROWS {
            return Err(Full::Rows);
        }
        let number = |column: &[u16]| column.get(row).map_or(usize::MAX, |number| usize::from(*number));
        let client = from.clients.get(number(&columns.client)).copied().unwrap_or_default();
        let shape = from.shapes.get(number(&columns.shape)).copied().unwrap_or_default();
        let mut string = |number| from.string(number).map_or(Ok(0), |string| self.string(string));
        let client = Client { who: string(client.who)?, ..client };
        let shape = Shape {
            rule: string(shape.rule)?,
            list: string(shape.list)?,
            policy: string(shape.policy)?,
            upstream: string(shape.upstream)?,
            ..shape
        };
        let at = columns.at.get(row).copied().unwrap_or(0);
        let micros = columns.micros.get(row).copied().unwrap_or(0);
        self.add(at, client, name.as_bytes(), shape, micros)
    }

    /// Takes a row of another dictionary with nothing of it but when it was and what came of it.
    pub(crate) fn blank(&mut self, from: &Dictionary, columns: &Columns, row: usize) -> Result<(), Full> {
        let shape = columns.shape.get(row).and_then(|shape| from.shapes.get(usize::from(*shape)));
        let shape = Shape { outcome: shape.map_or(0, |shape| shape.outcome), ..Shape::default() };
        let at = columns.at.get(row).copied().unwrap_or(0);
        self.add(at, Client::default(), LOST.as_bytes(), shape, 0)
    }

    fn add(
        &mut self,
        at: Millis,
        client: Client,
        name: &[u8],
        shape: Shape,
        micros: u32,
    ) -> Result<(), Full> {
        let client = self.client(client)?;
        let shape = self.shape(shape)?;
        let name = self.names.number(name).ok_or(Full::Dictionary)?;
        self.columns.at.push(at);
        self.columns.client.push(client);
        self.columns.name.push(name);
        self.columns.shape.push(shape);
        self.columns.micros.push(micros);
        Ok(())
    }

    fn client(&mut self, client: Client) -> Result<u16, Full> {
        let place = Lasts::place(u128::from_le_bytes(client.octets));
        let last = self.last_clients.at(place);
        if self.dictionary.clients.get(last) == Some(&client) {
            return Ok(self.last_clients.set(place, u16::try_from(last).unwrap_or(0)));
        }
        if let Some(number) = self.client_numbers.get(&client) {
            return Ok(self.last_clients.set(place, *number));
        }
        let number = next_number(self.dictionary.clients.len(), MAX_CLIENTS)?;
        self.client_numbers.insert(client, number);
        self.dictionary.clients.push(client);
        Ok(number)
    }

    fn shape(&mut self, shape: Shape) -> Result<u16, Full> {
        let packed = shape.packed();
        let place = Lasts::place(packed);
        let last = self.last_shapes.at(place);
        if self.dictionary.shapes.get(last) == Some(&shape) {
            return Ok(self.last_shapes.set(place, u16::try_from(last).unwrap_or(0)));
        }
        if let Some(number) = self.shape_numbers.get(&packed) {
            return Ok(self.last_shapes.set(place, *number));
        }
        let number = next_number(self.dictionary.shapes.len(), MAX_SHAPES)?;
        self.shape_numbers.insert(packed, number);
        self.dictionary.shapes.push(shape);
        Ok(number)
    }

    fn batched(&mut self, number: u16, strings: &[Arc<str>], known: &mut Known) -> Result<u16, Full> {
        let Some(place) = usize::from(number).checked_sub(1) else { return Ok(0) };
        if let Some(number) = known.0.get(place).copied().filter(|number| *number > 0) {
            return Ok(number);
        }
        let Some(string) = strings.get(place) else { return Ok(0) };
        let number = self.string(string)?;
        known.0.resize(strings.len(), 0);
        if let Some(slot) = known.0.get_mut(place) {
            *slot = number;
        }
        Ok(number)
    }

    fn string(&mut self, string: &str) -> Result<u16, Full> {
        let string = kept(string);
        if let Some(number) = self.string_numbers.get(string) {
            return Ok(*number);
        }
        let number = next_number(self.dictionary.strings.len(), MAX_STRINGS)? + 1;
        self.string_numbers.insert(string.into(), number);
        self.dictionary.strings.push(string.into());
        Ok(number)
    }

    /// The rows that wait, as a block, with what is new in the dictionaries; none if there are none.
    pub(crate) fn block(&self) -> Option<(Head, Vec<u8>)> {
        let columns = &self.columns;
        let sizes = self.sizes();
        let since = self.written;
        let earliest = columns.earliest();
        let head = Head {
            first: self.first,
            rows: u32::try_from(self.len()).ok().filter(|rows| *rows > 0)?,
            earliest,
            latest: columns.latest(),
            before: since,
            new: Sizes {
                names: sizes.names - since.names,
                clients: sizes.clients - since.clients,
                strings: sizes.strings - since.strings,
                shapes: sizes.shapes - since.shapes,
            },
            ..Head::default()
        };
        let [clients, strings, shapes] = self.dictionary.write(since);
        let names = self.names.lines_from(usize::try_from(since.names).unwrap_or(usize::MAX));
        head.block(&[
            names.to_vec(),
            clients,
            strings,
            shapes,
            wire::write_times(&columns.at, earliest),
            wire::write_numbers(&columns.client),
            wire::write_numbers(&columns.name),
            wire::write_numbers(&columns.shape),
            wire::write_micros(&columns.micros),
        ])
    }

    /// The block is in the file.
    pub(crate) fn written(&mut self) {
        self.written = self.sizes();
        self.forget(self.len());
    }

    /// Forgets the oldest rows.
    pub(crate) fn forget(&mut self, count: usize) {
        self.first = self.first.saturating_add(u64::try_from(count.min(self.len())).unwrap_or(0));
        self.columns.forget(count);
    }

    /// The rows from a number on as a block of their own, with all that they refer to.
    pub(crate) fn alone(&self, from: u64) -> Option<Vec<u8>> {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let mut alone = Self::new(from.max(self.first));
        for row in skip..self.len() {
            let name = self.columns.name.get(row).and_then(|name| self.names.name(*name)).unwrap_or_default();
            // It has no more of anything than this one has.
            alone.copy(&self.dictionary, &self.columns, row, name).ok()?;
        }
        alone.block().map(|(_, bytes)| bytes)
    }

    fn sizes(&self) -> Sizes {
        let size = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        Sizes {
            names: size(self.names.len()),
            clients: size(self.dictionary.clients.len()),
            strings: size(self.dictionary.strings.len()),
            shapes: size(self.dictionary.shapes.len()),
        }
    }
}

fn next_number(size: usize, most: usize) -> Result<u16, Full> {
    u16::try_from(size).ok().filter(|_| size < most).ok_or(Full::Dictionary)
}
