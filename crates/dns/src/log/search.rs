//! Finding rows, newest first. Pure, but for the bytes that a segment is read from.
//!
//! What a row refers to is looked at once for a segment: which of its clients, shapes and names could be meant.
//! Then the columns of numbers are gone through, block by block, and only rows that could be meant are put
//! together.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;

use runtime::Millis;

use super::dictionary::{Dictionary, LOST};
use super::row::{Entry, Outcome, RuleForm, address};
use super::segment::{Held, Names, Reader, index};

/// The most rows that are found at once.
pub const MAX_FOUND: usize = 1_000;

/// Which rows are looked for. What is none is any; texts are compared without regard to upper and lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Who asked.
    pub client: Option<ClientIs>,
    /// What for.
    pub name: Option<NameIs>,
    /// The types of records; none at all are any.
    pub kinds: Vec<u16>,
    /// What came of it; none at all are any.
    pub outcomes: Vec<Outcome>,
    /// A part of the reason: of the rule, or the name of the list, the policy or the upstream.
    pub reason: Option<String>,
    /// A part of the rule.
    pub rule: Option<String>,
    /// The whole name of the list.
    pub list: Option<String>,
    /// The whole name of the policy.
    pub policy: Option<String>,
    /// The whole name of the upstream.
    pub upstream: Option<String>,
    /// Asked at this time or later.
    pub from: Option<Millis>,
    /// Asked before this time.
    pub until: Option<Millis>,
    /// With a number below this: where [`Found::next`] says that more are.
    pub before: Option<u64>,
    /// How many, [`MAX_FOUND`] at most.
    pub limit: usize,
}

/// Which client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientIs {
    /// The one with this address.
    Address(IpAddr),
    /// One with this in its address or in what it is called.
    Part(String),
}

/// Which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameIs {
    /// This one.
    Exactly(String),
    /// This one, or one under it.
    Under(String),
    /// One with this in it.
    Part(String),
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The rows, newest first.
    pub rows: Vec<Entry>,
    /// Where to go on with [`Search::before`]; none if there are no more.
    pub next: Option<u64>,
    /// The time was over before as many were found as were wanted: there may be more from `next` on.
    pub is_cut: bool,
    /// How many rows could not be read, as their file is broken or can not be opened.
    pub unreadable: u64,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Go {
    On,
    Stop,
}

impl Search {
    /// With texts as they are compared.
    pub(crate) fn prepared(mut self) -> Self {
        let texts = [&mut self.reason, &mut self.rule, &mut self.list, &mut self.policy, &mut self.upstream];
        let name = match &mut self.name {
            Some(NameIs::Exactly(name) | NameIs::Under(name)) => {
                if name.len() > 1 && name.ends_with('.') {
                    name.pop();
                }
                Some(name)
            }
            Some(NameIs::Part(name)) => Some(name),
            None => None,
        };
        let client = match &mut self.client {
            Some(ClientIs::Part(part)) => Some(part),
            Some(ClientIs::Address(address)) => {
                *address = address.to_canonical();
                None
            }
            None => None,
        };
        for text in texts.into_iter().filter_map(Option::as_mut).chain(name).chain(client) {
            *text = text.to_lowercase();
        }
        self.limit = self.limit.min(MAX_FOUND);
        self
    }

    fn means_client(&self, client: IpAddr, who: Option<&str>) -> bool {
        match &self.client {
            None => true,
            Some(ClientIs::Address(wanted)) => *wanted == client,
            Some(ClientIs::Part(part)) => {
                client.to_string().contains(part) || who.is_some_and(|who| who.to_lowercase().contains(part))
            }
        }
    }

    /// All that depends on nothing but the shape, unless the rule is one of the name.
    fn means_shape(&self, row: &Entry) -> bool {
        let has = |part: &str, text: &Option<String>| {
            text.as_ref().is_some_and(|text| text.to_lowercase().contains(part))
        };
        let is = |wanted: &Option<String>, text: &Option<String>| {
            wanted.is_none() || text.as_ref().map(|text| text.to_lowercase()) == *wanted
        };
        let reasons = [&row.rule, &row.list, &row.policy, &row.upstream];
        (self.kinds.is_empty() || self.kinds.contains(&row.kind))
            && (self.outcomes.is_empty() || self.outcomes.contains(&row.outcome))
            && self.reason.as_ref().is_none_or(|part| reasons.iter().any(|text| has(part, text)))
            && self.rule.as_ref().is_none_or(|part| has(part, &row.rule))
            && is(&self.list, &row.list)
            && is(&self.policy, &row.policy)
            && is(&self.upstream, &row.upstream)
    }

    fn has_shape(&self) -> bool {
        let texts = [&self.reason, &self.rule, &self.list, &self.policy, &self.upstream];
        !self.kinds.is_empty() || !self.outcomes.is_empty() || texts.iter().any(|text| text.is_some())
    }
}

/// A set of numbers.
#[derive(Debug, Default)]
struct Numbers(Vec<u64>);

impl Numbers {
    fn add(&mut self, number: usize) {
        if self.0.len() <= number / 64 {
            self.0.resize(number / 64 + 1, 0);
        }
        if let Some(word) = self.0.get_mut(number / 64) {
            *word |= 1 << (number % 64);
        }
    }

    fn has(&self, number: u16) -> bool {
        self.0.get(usize::from(number / 64)).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What rows of one segment have to have; none is anything.
#[derive(Debug, Default)]
struct Wanted {
    clients: Option<Numbers>,
    shapes: Option<Numbers>,
    names: Option<Numbers>,
    /// Of those shapes, the ones that are meant with some names only.
    perhaps: Option<Perhaps>,
}

impl Wanted {
    /// None if no row can be meant.
    fn new(search: &Search, dictionary: &Dictionary, names: &dyn Names) -> Option<Self> {
        let mut wanted = Self::default();
        if search.client.is_some() {
            let is_meant = dictionary
                .clients
                .iter()
                .map(|client| search.means_client(address(client.octets), dictionary.string(client.who)));
            wanted.clients = Some(numbers(is_meant).filter(|clients| !clients.is_empty())?);
        }
        if search.has_shape() {
            wanted.shapes(search, dictionary, names)?;
        }
        if let Some(name) = &search.name {
            wanted.names = Some(names_with(names, name)).filter(|names| !names.is_empty());
            wanted.names.as_ref()?;
        }
        Some(wanted)
    }

    fn shapes(&mut self, search: &Search, dictionary: &Dictionary, names: &dyn Names) -> Option<()> {
        let (mut meant, mut perhaps) = (Numbers::default(), Numbers::default());
        let any_rule = Search { reason: None, rule: None, ..search.clone() };
        for (number, shape) in dictionary.shapes.iter().enumerate() {
            let entry = dictionary.entry(0, u16::try_from(number).unwrap_or(0), LOST);
            let is_meant = match shape.form {
                0 => search.means_shape(&entry),
                // Without its rule, which is known when the name is.
                _ => search.means_shape(&Entry { rule: None, ..entry.clone() }),
            };
            let is_perhaps = !is_meant && shape.form != 0 && any_rule.means_shape(&entry);
            if is_perhaps {
                perhaps.add(number);
            }
            if is_perhaps || is_meant {
                meant.add(number);
            }
        }
        if meant.is_empty() {
            return None;
        }
        if !perhaps.is_empty() {
            let part = search.rule.as_deref().or(search.reason.as_deref());
            let could_be =
                part.and_then(certain).map(|part| names_with(names, &NameIs::Part(part.to_owned())));
            self.perhaps = Some(Perhaps { shapes: perhaps, names: could_be, known: RefCell::default() });
        }
        self.shapes = Some(meant);
        Some(())
    }
}

/// Shapes whose rule is one of the name, so that it depends on that whether a row is meant.
#[derive(Debug)]
struct Perhaps {
    shapes: Numbers,
    /// The names that it could be; none if it could be any.
    names: Option<Numbers>,
    /// What is known already of a shape with a name.
    known: RefCell<HashMap<(u16, u16), bool>>,
}

impl Perhaps {
    fn means(
        &self,
        search: &Search,
        dictionary: &Dictionary,
        names: &dyn Names,
        shape: u16,
        name: u16,
    ) -> bool {
        if !self.shapes.has(shape) {
            return true;
        }
        if self.names.as_ref().is_some_and(|names| !names.has(name)) {
            return false;
        }
        *self.known.borrow_mut().entry((shape, name)).or_insert_with(|| {
            let name = names.one(name).unwrap_or_else(|| LOST.to_owned());
            search.means_shape(&dictionary.entry(0, shape, &name))
        })
    }
}

fn numbers(is_meant: impl Iterator<Item = bool>) -> Option<Numbers> {
    let mut numbers = Numbers::default();
    is_meant.enumerate().filter(|(_, is_meant)| *is_meant).for_each(|(number, _)| numbers.add(number));
    Some(numbers)
}

/// The longest piece of a part of a rule that can be nowhere but in the name, whatever the form of the rule. What
/// forms put around a name neither ends in a letter of a piece nor begins with one, but for a point in front.
fn certain(part: &str) -> Option<&str> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let pieces = part.split(|letter| !is_of_name(letter)).map(|piece| piece.trim_start_matches('.'));
    let is_around = |piece: &str| (1..=u8::MAX).any(|form| RuleForm(form).text("").contains(piece));
    pieces.filter(|piece| !piece.is_empty() && !is_around(piece)).max_by_key(|piece| piece.len())
}

/// The numbers of the names that are meant.
fn names_with(names: &dyn Names, wanted: &NameIs) -> Numbers {
    let mut found = Numbers::default();
    let text = match wanted {
        NameIs::Exactly(text) | NameIs::Under(text) => format!("{text}\n"),
        NameIs::Part(text) => text.clone(),
    };
    let finder = memchr::memmem::Finder::new(text.as_bytes());
    let is_any = text.is_empty() || matches!(wanted, NameIs::Under(name) if name == ".");
    names.all(&mut |first, lines| {
        let (mut at, mut number) = (0, first);
        while let Some(rest) = lines.get(at..).filter(|rest| !rest.is_empty()) {
            let Some(place) = (if is_any { Some(0) } else { finder.find(rest) }) else { break };
            let (before, from) = rest.split_at_checked(place).unwrap_or((rest, &[]));
            number += memchr::memchr_iter(b'\n', before).count();
            let before = before.last().copied().or_else(|| lines.get(at.wrapping_sub(1)).copied());
            let is_begin = before.is_none_or(|byte| byte == b'\n');
            let is_meant = match wanted {
                NameIs::Part(_) => true,
                NameIs::Exactly(_) => is_begin,
                NameIs::Under(_) => is_any || is_begin || before == Some(b'.'),
            };
            if is_meant {
                found.add(number);
            }
            // On with the next line.
            let end = memchr::memchr(b'\n', from).unwrap_or(from.len());
            at += place + end + 1;
            number += 1;
        }
    });
    found
}

/// Finds rows of blocks, whose order is that of their numbers.
pub(crate) fn search<'a, H: Held>(
    search: &Search,
    dictionary: &Dictionary,
    names: &dyn Names,
    blocks: impl DoubleEndedIterator<Item = H> + 'a,
    go: &dyn Fn() -> Go,
    found: &mut Found,
) {
    let Some(wanted) = Wanted::new(search, dictionary, names) else { return };
    for block in blocks.rev() {
        if found.rows.len() >= search.limit {
            return;
        }
        if go() == Go::Stop {
            found.is_cut = true;
            found.next = Some(block.head().end());
            return;
        }
        search_block(search, &wanted, dictionary, names, &block, found);
    }
}

fn search_block(
    search: &Search,
    wanted: &Wanted,
    dictionary: &Dictionary,
    names: &dyn Names,
    block: &impl Held,
    found: &mut Found,
) {
    let head = block.head();
    let is_outside = search.before.is_some_and(|before| head.first >= before)
        || search.from.is_some_and(|from| head.latest < from)
        || search.until.is_some_and(|until| head.earliest >= until);
    if is_outside {
        return;
    }
    let Some(rows) = rows(search, wanted, block) else {
        found.unreadable += u64::from(head.rows);
        return;
    };
    for row in rows.into_iter().rev() {
        if let Some(perhaps) = &wanted.perhaps {
            let place = usize::try_from(row).unwrap_or(usize::MAX);
            let number = |column: Option<&[u16]>| column.and_then(|column| column.get(place)).copied();
            let (Some(shape), Some(name)) = (number(block.shapes()), number(block.names())) else {
                found.unreadable += 1;
                continue;
            };
            if !perhaps.means(search, dictionary, names, shape, name) {
                continue;
            }
        }
        let Some(entry) = entry(dictionary, names, block, row) else {
            found.unreadable += 1;
            continue;
        };
        found.next = Some(entry.number);
        found.rows.push(entry);
        if found.rows.len() >= search.limit {
            return;
        }
    }
}

/// The rows of a block that could be meant, oldest first; none if a column is broken.
fn rows(search: &Search, wanted: &Wanted, block: &impl Held) -> Option<Vec<u32>> {
    let head = block.head();
    let below = search.before.map_or(u64::MAX, |before| before.saturating_sub(head.first));
    let mut rows = Rows::All(head.rows.min(u32::try_from(below).unwrap_or(u32::MAX)));
    if let Some(clients) = &wanted.clients {
        rows.keep(block.clients()?, |client| clients.has(client));
    }
    if let Some(shapes) = wanted.shapes.as_ref().filter(|_| !rows.is_empty()) {
        rows.keep(block.shapes()?, |shape| shapes.has(shape));
    }
    if let Some(names) = wanted.names.as_ref().filter(|_| !rows.is_empty()) {
        rows.keep(block.names()?, |name| names.has(name));
    }
    let is_within = search.from.is_none_or(|from| head.earliest >= from)
        && search.until.is_none_or(|until| head.latest < until);
    if !is_within && !rows.is_empty() {
        let times = block.times()?;
        rows.keep_rows(|row| {
            times.get(row).is_some_and(|at| {
                search.from.is_none_or(|from| *at >= from) && search.until.is_none_or(|until| *at < until)
            })
        });
    }
    Some(rows.into_vec())
}

/// Rows of a block by their places.
enum Rows {
    /// The first so many.
    All(u32),
    These(Vec<u32>),
}

impl Rows {
    fn is_empty(&self) -> bool {
        match self {
            Self::All(count) => *count == 0,
            Self::These(rows) => rows.is_empty(),
        }
    }

    fn keep(&mut self, column: &[u16], is_meant: impl Fn(u16) -> bool) {
        match self {
            Self::All(count) => {
                let numbered = (0..*count).zip(column);
                *self = Self::These(
                    numbered.filter(|(_, number)| is_meant(**number)).map(|(row, _)| row).collect(),
                );
            }
            Self::These(_) => self.keep_rows(|row| column.get(row).is_some_and(|number| is_meant(*number))),
        }
    }

    fn keep_rows(&mut self, is_meant: impl Fn(usize) -> bool) {
        let mut rows = std::mem::replace(self, Self::All(0)).into_vec();
        rows.retain(|row| usize::try_from(*row).is_ok_and(&is_meant));
        *self = Self::These(rows);
    }

    fn into_vec(self) -> Vec<u32> {
        match self {
            Self::All(count) => (0..count).collect(),
            Self::These(rows) => rows,
        }
    }
}

fn entry(dictionary: &Dictionary, names: &dyn Names, block: &impl Held, row: u32) -> Option<Entry> {
    let place = usize::try_from(row).ok()?;
    let number = |column: &[u16]| column.get(place).copied();
    let name = names.one(number(block.names()?)?).unwrap_or_else(|| LOST.to_owned());
    let mut entry = dictionary.entry(number(block.clients()?)?, number(block.shapes()?)?, &name);
    entry.number = block.head().first.saturating_add(u64::from(row));
    entry.at = *block.times()?.get(place)?;
    entry.micros = *block.micros()?.get(place)?;
    Some(entry)
}

/// All that can be read of the bytes of a segment, newest first: what a search finds in a file.
pub fn read_bytes(bytes: &[u8], wanted: Search) -> Found {
    let mut found = Found::default();
    let Ok(index) = index(&bytes) else { return found };
    let reader = Reader::new(&bytes, &index.blocks);
    let wanted = wanted.prepared();
    let blocks = index.blocks.iter().map(|block| reader.held(block));
    search(&wanted, &reader.dictionary(), &reader, blocks, &|| Go::On, &mut found);
    found
}
