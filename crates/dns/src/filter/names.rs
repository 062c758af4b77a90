//! The rules that are no more than a name, of which lists are made up to more than 99 of 100: a table of hashes.
//!
//! A slot has 64 bits: 48 of the hash of the name, and a number that says what is said of it: which kinds of
//! rules of which lists. The place in the table is from other bits of the hash, so that 64 of them are compared
//! in all. A table of a million names has some dozens of numbers. Should they ever run out, a name takes a slot
//! for each thing that is said of it, and nothing is lost.
//!
//! Most names that are asked for are not listed. A filter of 10 bits a name, small enough for the processor's
//! caches, says so of 96 of 100 of them before the table is looked at.

use std::collections::HashMap;

use super::ListId;

/// What a rule that is a name covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// `example.org`: that name, as a line of a hosts file with no address would.
    Name,
    /// `0.0.0.0 example.org`: that name.
    Hosts,
    /// `|example.org^`: that name.
    Alone,
    /// `||example.org^`: that name and all under it.
    Below,
    /// `*.example.org`: all under that name.
    Under,
}

/// Whether a rule blocks or keeps open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// It blocks.
    Block,
    /// `@@`: it keeps open.
    Allow,
}

/// Whether a rule is stronger than others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Weight {
    /// It is like others.
    Plain,
    /// `$important`.
    Important,
}

/// What is said of a name by a rule that is no more than a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Short {
    /// What it covers.
    pub scope: Scope,
    /// Whether it blocks.
    pub effect: Effect,
    /// Whether it is `$important`.
    pub weight: Weight,
}

impl Short {
    /// Its number, below 32, which stays what it is.
    pub fn number(self) -> u8 {
        u8::try_from(self.code()).unwrap_or(0)
    }

    /// The one of a number.
    pub fn of_number(number: u8) -> Option<Self> {
        Self::from_code(u16::from(number))
    }

    fn code(self) -> u16 {
        let effect = if self.effect == Effect::Allow { 8 } else { 0 };
        let weight = if self.weight == Weight::Important { 16 } else { 0 };
        self.scope as u16 | effect | weight
    }

    fn from_code(code: u16) -> Option<Self> {
        let scope = match code & 7 {
            0 => Scope::Name,
            1 => Scope::Hosts,
            2 => Scope::Alone,
            3 => Scope::Below,
            4 => Scope::Under,
            _ => return None,
        };
        Some(Self {
            scope,
            effect: if code & 8 == 0 { Effect::Block } else { Effect::Allow },
            weight: if code & 16 == 0 { Weight::Plain } else { Weight::Important },
        })
    }

    /// The rule as text, about a name in text.
    pub(crate) fn text(self, name: &str) -> String {
        let mark = if self.effect == Effect::Allow { "@@" } else { "" };
        let weight = if self.weight == Weight::Important { "$important" } else { "" };
        match self.scope {
            Scope::Name => format!("{mark}{name}{weight}"),
            Scope::Hosts => format!("{mark}0.0.0.0 {name}{weight}"),
            Scope::Alone => format!("{mark}|{name}^{weight}"),
            Scope::Below => format!("{mark}||{name}^{weight}"),
            Scope::Under => format!("{mark}*.{name}{weight}"),
        }
    }
}

/// One thing that is said of a name: by which list, and what. In one number, as tables of it are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Said(u16);

impl Said {
    pub(super) fn new(list: ListId, short: Short) -> Self {
        Self(short.code() << 8 | u16::from(list.0))
    }

    /// There are rules about the name that are more than a name.
    pub(super) fn more(list: ListId) -> Self {
        Self(7 << 8 | u16::from(list.0))
    }

    pub(super) fn list(self) -> ListId {
        let [_, list] = self.0.to_be_bytes();
        ListId(list)
    }

    /// What is said; nothing if there are rules that are more than a name.
    pub(super) fn short(self) -> Option<Short> {
        Short::from_code(self.0 >> 8)
    }
}

/// What is said of a name, before the table is made of it. Twelve bytes, as there are millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    high: u32,
    low: u32,
    said: Said,
    labels: u16,
}

impl Entry {
    pub(super) fn new(hash: u64, said: Said, labels: usize) -> Self {
        let half = |part: u64| u32::try_from(part & u64::from(u32::MAX)).unwrap_or(0);
        let labels = u16::try_from(labels).unwrap_or(u16::MAX);
        Self { high: half(hash >> 32), low: half(hash), said, labels }
    }

    fn hash(self) -> u64 {
        u64::from(self.high) << 32 | u64::from(self.low)
    }
}

/// The bits of a slot that are the number of what is said.
const NUMBER_BITS: u32 = 16;
/// The bits of the filter for each name.
const FILTER_BITS: usize = 10;
const NUMBER: u64 = (1 << NUMBER_BITS) - 1;
/// How many numbers stand for several things that are said together; the others are kept for one thing each,
/// of which there can be 32 by 256.
const MAX_SEVERAL: usize = (1 << NUMBER_BITS) - 32 * 256 - 2;

/// The table.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Two bits for each name, in a word that its hash says.
    filter: Box<[u64]>,
    slots: Box<[u64]>,
    /// Of how many slots a hash says one to begin at; behind them is room for those that had no place.
    places: usize,
    /// Where in `said` that of each number ends; it begins where that of the number before ends.
    ends: Box<[u32]>,
    said: Box<[Said]>,
    /// Of names of how many labels something is said, a bit for each number of them.
    depths: u128,
    names: usize,
}

impl Names {
    /// Of all that is said.
    pub(super) fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_unstable();
        entries.dedup();
        let mut numbers = Numbers::default();
        let (mut names, mut taken) = (0_usize, 0_usize);
        for same in entries.chunk_by(|one, other| one.hash() == other.hash()) {
            names += 1;
            taken += if numbers.of(same).is_some() { 1 } else { same.len() };
        }
        let places = taken.saturating_mul(10) / 7;
        let mut slots = Vec::with_capacity(places + 64);
        let mut filter = vec![0; names.saturating_mul(FILTER_BITS).div_ceil(64)].into_boxed_slice();
        let words = filter.len();
        let mut depths = 0;
        // As the hashes come in their order, the first free slot for each is behind that of the one before.
        for same in entries.chunk_by(|one, other| one.hash() == other.hash()) {
            let Some(first) = same.first() else { continue };
            depths |= 1_u128.checked_shl(u32::from(first.labels)).unwrap_or(0);
            if let Some(word) = filter.get_mut(place(first.hash(), words)) {
                *word |= mask(first.hash());
            }
            let mut put = |number: u16| {
                let at = place(first.hash(), places).max(slots.len());
                slots.resize(at, 0);
                slots.push(first.hash() << NUMBER_BITS | u64::from(number));
            };
            match numbers.of(same) {
                Some(number) => put(number),
                None => same.iter().for_each(|entry| put(numbers.one(entry.said))),
            }
        }
        drop(entries);
        // Where the last ones are looked for is always a free slot in the end.
        slots.resize(slots.len().max(places) + 1, 0);
        let (ends, said) = numbers.finish();
        Self { filter, slots: slots.into_boxed_slice(), places, ends, said, depths, names }
    }

    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.names
    }

    /// How many bytes are taken.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.filter)
            + size_of_val(&*self.slots)
            + size_of_val(&*self.ends)
            + size_of_val(&*self.said)
    }

    /// Whether something may be said of names of so many labels.
    pub(super) fn has_depth(&self, labels: usize) -> bool {
        self.depths >> labels.min(127) & 1 == 1
    }

    /// All that is said of the name with this hash.
    pub(super) fn said(&self, hash: u64) -> impl Iterator<Item = Said> + '_ {
        let mask = mask(hash);
        let word = self.filter.get(place(hash, self.filter.len()));
        let slots = match word.filter(|word| **word & mask == mask) {
            Some(_) => self.slots.get(place(hash, self.places)..).unwrap_or_default(),
            None => &[],
        };
        let tag = hash << NUMBER_BITS;
        let found = slots.iter().take_while(|slot| **slot != 0);
        found
            .filter(move |slot| **slot & !NUMBER == tag)
            .flat_map(|slot| self.number(*slot & NUMBER).iter().copied())
    }

    fn number(&self, number: u64) -> &[Said] {
        let number = usize::try_from(number).unwrap_or(0);
        let end = |at: usize| self.ends.get(at).map_or(0, |end| usize::try_from(*end).unwrap_or(0));
        let begin = number.checked_sub(1).map_or(0, end);
        self.said.get(begin..end(number)).unwrap_or_default()
    }
}

/// The bits of a word of the filter that a hash says; which word is said by its other end.
fn mask(hash: u64) -> u64 {
    1 << (hash & 63) | 1 << (hash >> 6 & 63)
}

/// The slot at which a hash is looked for first: the order of places is that of hashes.
fn place(hash: u64, places: usize) -> usize {
    let share = (u128::from(hash) * places as u128) >> 64;
    usize::try_from(share).unwrap_or(0)
}

/// Gives numbers to what is said. The number 0 stands for nothing.
#[derive(Debug)]
struct Numbers {
    ends: Vec<u32>,
    said: Vec<Said>,
    singles: HashMap<Said, u16>,
    several: HashMap<Box<[Said]>, u16>,
    /// How many numbers may stand for several.
    most: usize,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            ends: vec![0],
            said: Vec::new(),
            singles: HashMap::new(),
            several: HashMap::new(),
            most: MAX_SEVERAL,
        }
    }
}

impl Numbers {
    fn next(&mut self, said: impl IntoIterator<Item = Said>) -> u16 {
        let number = u16::try_from(self.ends.len()).unwrap_or(0);
        self.said.extend(said);
        self.ends.push(u32::try_from(self.said.len()).unwrap_or(u32::MAX));
        number
    }

    /// The number of one thing.
    fn one(&mut self, said: Said) -> u16 {
        if let Some(number) = self.singles.get(&said) {
            return *number;
        }
        let number = self.next([said]);
        self.singles.insert(said, number);
        number
    }

    /// The number of all that is said together; none if there are too many numbers.
    fn of(&mut self, same: &[Entry]) -> Option<u16> {
        if let [one] = same {
            return Some(self.one(one.said));
        }
        let said: Box<[Said]> = same.iter().map(|entry| entry.said).collect();
        if let Some(number) = self.several.get(&said) {
            return Some(*number);
        }
        if self.several.len() >= self.most {
            return None;
        }
        let number = self.next(said.iter().copied());
        self.several.insert(said, number);
        Some(number)
    }

    fn finish(self) -> (Box<[u32]>, Box<[Said]>) {
        (self.ends.into_boxed_slice(), self.said.into_boxed_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(list: u64) -> Said {
        Said::new(
            ListId(u8::try_from(list).unwrap()),
            Short { scope: Scope::Below, effect: Effect::Block, weight: Weight::Plain },
        )
    }

    #[test]
    fn what_is_said_is_found_again() {
        let mut entries = Vec::new();
        for hash in 0..10_000_u64 {
            let hash = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            entries.extend((0..hash % 3 + 1).map(|list| Entry::new(hash, below(list), 2)));
        }
        // One hash at each end of the table, so that places behind the end are taken.
        entries.extend((0..20).map(|at| Entry::new(u64::MAX - at, below(7), 2)));
        let names = Names::new(entries);
        assert_eq!(names.len(), 10_020);
        for hash in 0..10_000_u64 {
            let hash = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let expected: Vec<_> = (0..hash % 3 + 1).map(below).collect();
            assert_eq!(names.said(hash).collect::<Vec<_>>(), expected);
            assert_eq!(names.said(hash ^ 1 << 20).count(), 0);
        }
        for at in 0..20 {
            assert_eq!(names.said(u64::MAX - at).collect::<Vec<_>>(), [below(7)]);
        }
        assert!(names.has_depth(2) && !names.has_depth(1));
        assert_eq!(Names::default().said(5).count(), 0);
        assert_eq!(Names::new(Vec::new()).said(u64::MAX).count(), 0);
    }

    #[test]
    fn more_combinations_than_numbers_lose_nothing() {
        // Every name is in three of 256 lists, and most of them in three that no other is in.
        let of = |name: u64| [name % 256, name / 256 % 256, name / 7 % 256];
        let hash = |name: u64| name.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut entries = Vec::new();
        for name in 0..62_000 {
            entries.extend(of(name).map(|list| Entry::new(hash(name), below(list), 2)));
        }
        let names = Names::new(entries);
        for name in 0..62_000 {
            let mut expected = of(name).map(below).to_vec();
            expected.sort_unstable();
            expected.dedup();
            assert_eq!(names.said(hash(name)).collect::<Vec<_>>(), expected, "{name}");
        }
        assert!(names.ends.len() > MAX_SEVERAL && names.ends.len() <= 1 << NUMBER_BITS);
    }
}
