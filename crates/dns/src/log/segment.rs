//! Reading a segment: where its blocks are, and their parts, as far as they are whole.

use std::cell::{OnceCell, RefCell};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use runtime::Millis;

use super::dictionary::Dictionary;
use super::open::Columns;
use super::wire::{self, BLOCK, Head, Kind, Part};

/// How much of a broken file is looked at at once for the next block, and how often in one file.
const PIECE: usize = 64 << 10;
const MAX_BROKEN: usize = 256;

/// What a segment is read from.
pub(crate) trait Bytes {
    /// How many there are.
    fn length(&self) -> io::Result<u64>;
    /// Fills `into` with those from `at` on.
    fn fill(&self, into: &mut [u8], at: u64) -> io::Result<()>;

    /// So many from there on.
    fn bytes(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes, at)?;
        Ok(bytes)
    }
}

impl Bytes for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn fill(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.read_exact_at(into, at)
    }
}

impl Bytes for &[u8] {
    fn length(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.len()).unwrap_or(u64::MAX))
    }

    fn fill(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        let rest = usize::try_from(at).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let bytes = rest.get(..into.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(bytes);
        Ok(())
    }
}

/// A block of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// Where it begins.
    pub(crate) at: u64,
    pub(crate) head: Head,
}

/// What is in a file.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) kind: Kind,
    pub(crate) blocks: Vec<Block>,
    /// How many bytes belong to no block that is whole.
    pub(crate) broken: u64,
}

/// Finds the blocks of a file. Where there is none the next one is looked for.
pub(crate) fn index(bytes: &impl Bytes) -> io::Result<Index> {
    let length = bytes.length()?;
    let begin = bytes.bytes(0, wire::BEGIN.min(usize::try_from(length).unwrap_or(wire::BEGIN)))?;
    let kind = wire::kind(&begin);
    let mut index = Index { kind, blocks: Vec::new(), broken: 0 };
    if kind != Kind::Segment {
        return Ok(index);
    }
    let (mut at, mut tries) = (wire::BEGIN as u64, 0);
    while at < length {
        let head = bytes.bytes(at, wire::HEAD).ok().and_then(|bytes| Head::read(&bytes));
        // Numbers of rows go up: anything else is a block that was written twice, or made up.
        let whole = head.filter(|head| {
            at.saturating_add(head.bytes()) <= length
                && index.blocks.last().is_none_or(|last| last.head.end() <= head.first)
        });
        if let Some(head) = whole {
            index.blocks.push(Block { at, head });
            at += head.bytes();
        } else {
            tries += 1;
            let next = if tries < MAX_BROKEN { next_block(bytes, at + 1, length)? } else { length };
            index.broken += next - at;
            at = next;
        }
    }
    Ok(index)
}

/// Where the next block could begin.
fn next_block(bytes: &impl Bytes, mut at: u64, length: u64) -> io::Result<u64> {
    while at < length {
        let piece = usize::try_from(length - at).unwrap_or(PIECE).min(PIECE);
        let read = bytes.bytes(at, piece)?;
        if let Some(place) = memchr::memmem::find(&read, &BLOCK) {
            return Ok(at + u64::try_from(place).unwrap_or(0));
        }
        if piece < PIECE {
            break;
        }
        at += u64::try_from(piece - (BLOCK.len() - 1)).unwrap_or(1);
    }
    Ok(length)
}

/// Names by number.
pub(crate) trait Names {
    /// Shows the lines of all names: from which number on, and the lines.
    fn all(&self, see: &mut dyn FnMut(usize, &[u8]));
    /// One name; none if it is lost.
    fn one(&self, number: u16) -> Option<String>;
}

/// Rows with consecutive numbers. A column that can not be read is none.
pub(crate) trait Held {
    fn head(&self) -> &Head;
    fn times(&self) -> Option<&[Millis]>;
    fn clients(&self) -> Option<&[u16]>;
    fn names(&self) -> Option<&[u16]>;
    fn shapes(&self) -> Option<&[u16]>;
    fn micros(&self) -> Option<&[u32]>;
}

/// A segment's blocks, and the names in them once they were needed.
#[derive(Debug)]
pub(crate) struct Reader<'a, B> {
    bytes: &'a B,
    blocks: &'a [Block],
    lines: RefCell<Vec<Option<Lines>>>,
}

/// The names that a block adds.
#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    /// Where each begins, once it was needed.
    begins: OnceCell<Vec<u32>>,
}

impl<'a, B: Bytes> Reader<'a, B> {
    pub(crate) fn new(bytes: &'a B, blocks: &'a [Block]) -> Self {
        let lines = RefCell::new(std::iter::repeat_with(|| None).take(blocks.len()).collect());
        Self { bytes, blocks, lines }
    }

    /// What rows refer to, besides names.
    pub(crate) fn dictionary(&self) -> Dictionary {
        let mut dictionary = Dictionary::default();
        for block in self.blocks {
            let [clients, strings, shapes] = [Part::Clients, Part::Strings, Part::Shapes]
                .map(|part| self.part(block, part).unwrap_or_default());
            dictionary.read(&block.head, &clients, &strings, &shapes);
        }
        dictionary
    }

    /// The rows of a block.
    pub(crate) fn held(&self, block: &'a Block) -> FileBlock<'_, B> {
        FileBlock { reader: self, block, columns: Cells::default() }
    }

    fn part(&self, block: &Block, part: Part) -> Option<Vec<u8>> {
        let (at, length) = block.head.part(part);
        if length == 0 {
            return Some(Vec::new());
        }
        let bytes = self.bytes.bytes(block.at + at, length).ok()?;
        block.head.is_whole(part, &bytes).then_some(bytes)
    }

    /// Reads the names of a block, if they were not read before, and looks at them.
    fn with_lines<T>(&self, place: usize, look: impl FnOnce(&Lines) -> T) -> Option<T> {
        let block = self.blocks.get(place)?;
        let mut lines = self.lines.borrow_mut();
        let lines = lines.get_mut(place)?.get_or_insert_with(|| Lines {
            bytes: self.part(block, Part::Names).unwrap_or_default(),
            begins: OnceCell::new(),
        });
        Some(look(lines))
    }
}

impl<B: Bytes> Names for Reader<'_, B> {
    fn all(&self, see: &mut dyn FnMut(usize, &[u8])) {
        for (place, block) in self.blocks.iter().enumerate() {
            let first = usize::try_from(block.head.before.names).unwrap_or(usize::MAX);
            self.with_lines(place, |lines| see(first, &lines.bytes));
        }
    }

    fn one(&self, number: u16) -> Option<String> {
        let number = u32::from(number);
        let after = self.blocks.partition_point(|block| block.head.before.names <= number);
        let place = after.checked_sub(1)?;
        let within = usize::try_from(number - self.blocks.get(place)?.head.before.names).ok()?;
        self.with_lines(place, |lines| lines.line(within))?
    }
}

impl Lines {
    fn line(&self, number: usize) -> Option<String> {
        let begins = self.begins.get_or_init(|| {
            let ends = memchr::memchr_iter(b'\n', &self.bytes).map(|end| end + 1);
            std::iter::once(0).chain(ends).map_while(|begin| u32::try_from(begin).ok()).collect()
        });
        let [begin, end] =
            [begins.get(number)?, begins.get(number + 1)?].map(|place| usize::try_from(*place).ok());
        let line = self.bytes.get(begin?..end?.checked_sub(1)?)?;
        Some(String::from_utf8_lossy(line).into_owned())
    }
}

/// The rows of a block of a file; a column is read when it is needed.
#[derive(Debug)]
pub(crate) struct FileBlock<'a, B> {
    reader: &'a Reader<'a, B>,
    block: &'a Block,
    columns: Cells,
}

#[derive(Debug, Default)]
struct Cells {
    times: OnceCell<Option<Vec<Millis>>>,
    clients: OnceCell<Option<Vec<u16>>>,
    names: OnceCell<Option<Vec<u16>>>,
    shapes: OnceCell<Option<Vec<u16>>>,
    micros: OnceCell<Option<Vec<u32>>>,
}

impl<B: Bytes> FileBlock<'_, B> {
    fn rows(&self) -> usize {
        usize::try_from(self.block.head.rows).unwrap_or(0)
    }

    /// All columns; none if one is broken.
    pub(crate) fn columns(&self) -> Option<Columns> {
        Some(Columns {
            at: self.times()?.to_vec(),
            client: self.clients()?.to_vec(),
            name: self.names()?.to_vec(),
            shape: self.shapes()?.to_vec(),
            micros: self.micros()?.to_vec(),
        })
    }

    fn numbers<'a>(&self, cell: &'a OnceCell<Option<Vec<u16>>>, part: Part) -> Option<&'a [u16]> {
        let read = || wire::read_numbers(&self.reader.part(self.block, part)?, self.rows());
        cell.get_or_init(read).as_deref()
    }
}

impl<B: Bytes> Held for FileBlock<'_, B> {
    fn head(&self) -> &Head {
        &self.block.head
    }

    fn times(&self) -> Option<&[Millis]> {
        let earliest = self.block.head.earliest;
        let read = || wire::read_times(&self.reader.part(self.block, Part::Times)?, self.rows(), earliest);
        self.columns.times.get_or_init(read).as_deref()
    }

    fn clients(&self) -> Option<&[u16]> {
        self.numbers(&self.columns.clients, Part::Client)
    }

    fn names(&self) -> Option<&[u16]> {
        self.numbers(&self.columns.names, Part::Name)
    }

    fn shapes(&self) -> Option<&[u16]> {
        self.numbers(&self.columns.shapes, Part::Shape)
    }

    fn micros(&self) -> Option<&[u32]> {
        let read = || wire::read_micros(&self.reader.part(self.block, Part::Micros)?, self.rows());
        self.columns.micros.get_or_init(read).as_deref()
    }
}
