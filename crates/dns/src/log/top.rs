//! Who asked most, and what for: counted from the columns of the segments, which takes about as long as searching
//! them for what is not there.
//!
//! Memory is limited whatever was asked for: of each segment only the most frequent names are taken over, so
//! that a count may be less than it was if a segment has more different ones than that. How much less is known.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use runtime::Millis;
use serde::{Deserialize, Serialize};

use super::dictionary::{Dictionary, LOST, Shape};
use super::row::{Outcome, address};
use super::search::Go;
use super::segment::{Held, Names, Reader, index};

/// The most of a kind that one segment adds.
const OF_SEGMENT: usize = 1_000;
/// The most of a kind that are counted at once.
const MOST: usize = 20_000;

/// The most of a kind that are shown.
pub const MAX_TOPS: usize = 500;

/// How often something was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Top {
    /// What it is.
    pub what: String,
    /// What a client is called, if it is one and has a name.
    pub who: Option<String>,
    /// How many questions there were.
    pub count: u64,
}

/// How often somebody was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamTop {
    /// Who, as the log has it.
    pub upstream: String,
    /// How many questions.
    pub count: u64,
    /// How long one took on average, in microseconds.
    pub mean_micros: u64,
}

/// What was most of a time, most first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tops {
    /// How many rows the time has.
    pub questions: u64,
    /// How many of them were blocked.
    pub blocked: u64,
    /// Who asked.
    pub clients: Vec<Top>,
    /// What for.
    pub names: Vec<Top>,
    /// What for, and it was blocked.
    pub blocked_names: Vec<Top>,
    /// The rules that decided.
    pub rules: Vec<Top>,
    /// The lists that they are in.
    pub lists: Vec<Top>,
    /// The policies that were followed.
    pub policies: Vec<Top>,
    /// Who was asked.
    pub upstreams: Vec<UpstreamTop>,
    /// By how much a count may be too low at most, as there were too many different things to count all of them. Those of
    /// lists, policies, upstreams, and of all rows, never are.
    pub short_by: u64,
    /// The time was over before all was counted.
    pub is_cut: bool,
    /// How many rows could not be read.
    pub unreadable: u64,
}

/// What is counted of the rows of a time.
#[derive(Debug)]
pub(crate) struct Tally {
    from: Millis,
    until: Millis,
    questions: u64,
    blocked: u64,
    clients: HashMap<(IpAddr, Option<String>), u64>,
    names: HashMap<String, u64>,
    blocked_names: HashMap<String, u64>,
    rules: HashMap<String, u64>,
    lists: HashMap<String, u64>,
    policies: HashMap<String, u64>,
    upstreams: HashMap<String, (u64, u64)>,
    short_by: u64,
    is_cut: bool,
    unreadable: u64,
}

/// The counts of one segment, by number.
#[derive(Default)]
struct Counts {
    clients: Vec<u32>,
    names: Vec<u32>,
    blocked: Vec<u32>,
    shapes: Vec<(u32, u64)>,
    /// Rules that are made of the name: by name, the number of the first form that it had, and how often. Few names
    /// have another one.
    rules: Vec<(u16, u32)>,
    other_rules: HashMap<(u16, u16), u32>,
}

/// What matters of a shape.
#[derive(Clone, Copy, Default)]
struct Matters {
    is_blocked: bool,
    /// If its rule is made of the name: which form it has, as a number from 1 on.
    form: u16,
}

/// What matters of each shape, and a shape of each form.
fn matters(dictionary: &Dictionary) -> (Vec<Matters>, Vec<Shape>) {
    let (mut numbers, mut forms) = (HashMap::new(), Vec::new());
    let mut number = |shape: &Shape| {
        if shape.form == 0 {
            return 0;
        }
        *numbers.entry((shape.form, shape.labels)).or_insert_with(|| {
            forms.push(*shape);
            // Two bytes tell them apart, so there are fewer than that many shapes.
            u16::try_from(forms.len()).unwrap_or(0)
        })
    };
    let of = |shape: &Shape| Matters { is_blocked: Outcome(shape.outcome).is_blocked(), form: number(shape) };
    let matters = dictionary.shapes.iter().map(of).collect();
    (matters, forms)
}

impl Counts {
    fn add_rule(&mut self, form: u16, name: u16) {
        let place = usize::from(name);
        if self.rules.len() <= place {
            self.rules.resize(place + 1, (0, 0));
        }
        match self.rules.get_mut(place) {
            Some((known, count)) if *known == form || *count == 0 => (*known, *count) = (form, *count + 1),
            _ => *self.other_rules.entry((form, name)).or_default() += 1,
        }
    }

    fn rules(&self) -> Vec<(u32, (u16, u16))> {
        let firsts = (0..=u16::MAX).zip(&self.rules).filter(|(_, (_, count))| *count > 0);
        let firsts = firsts.map(|(name, (form, count))| (*count, (*form, name)));
        firsts.chain(self.other_rules.iter().map(|(pair, count)| (*count, *pair))).collect()
    }
}

impl Tally {
    /// Of rows from a time on and before another one.
    pub(crate) fn new(from: Millis, until: Millis) -> Self {
        Self {
            from,
            until,
            questions: 0,
            blocked: 0,
            clients: HashMap::new(),
            names: HashMap::new(),
            blocked_names: HashMap::new(),
            rules: HashMap::new(),
            lists: HashMap::new(),
            policies: HashMap::new(),
            upstreams: HashMap::new(),
            short_by: 0,
            is_cut: false,
            unreadable: 0,
        }
    }

    /// Whether any row of a block could be of the time.
    pub(crate) fn has(&self, earliest: Millis, latest: Millis) -> bool {
        latest >= self.from && earliest < self.until
    }

    /// Counts the rows of blocks that have the same dictionaries.
    pub(crate) fn add<H: Held>(
        &mut self,
        dictionary: &Dictionary,
        names: &dyn Names,
        blocks: impl Iterator<Item = H>,
        go: &dyn Fn() -> Go,
    ) {
        let (matters, forms) = matters(dictionary);
        let mut counts = Counts {
            clients: vec![0; dictionary.clients.len()],
            shapes: vec![(0, 0); dictionary.shapes.len()],
            ..Counts::default()
        };
        for block in blocks {
            if !self.has(block.head().earliest, block.head().latest) {
                continue;
            }
            if go() == Go::Stop {
                self.is_cut = true;
                break;
            }
            match self.count(&mut counts, &matters, &block) {
                Some(rows) => self.questions += rows,
                None => self.unreadable += u64::from(block.head().rows),
            }
        }
        self.take_over(&counts, &forms, dictionary, names);
    }

    fn count(&self, counts: &mut Counts, matters: &[Matters], block: &impl Held) -> Option<u64> {
        let (clients, names) = (block.clients()?, block.names()?);
        let (shapes, micros) = (block.shapes()?, block.micros()?);
        let head = block.head();
        let is_within = head.earliest >= self.from && head.latest < self.until;
        let times = if is_within { None } else { Some(block.times()?) };
        let mut rows = 0;
        for (row, (((client, name), shape), micros)) in
            clients.iter().zip(names).zip(shapes).zip(micros).enumerate()
        {
            let at = times.map(|times| times.get(row).copied().unwrap_or(Millis::MIN));
            if at.is_some_and(|at| at < self.from || at >= self.until) {
                continue;
            }
            rows += 1;
            add(&mut counts.clients, *client);
            add(&mut counts.names, *name);
            let Matters { is_blocked, form } = matters.get(usize::from(*shape)).copied().unwrap_or_default();
            if let Some((count, sum)) = counts.shapes.get_mut(usize::from(*shape)) {
                *count += 1;
                *sum += u64::from(*micros);
            }
            if is_blocked {
                add(&mut counts.blocked, *name);
            }
            if form > 0 {
                counts.add_rule(form, *name);
            }
        }
        Some(rows)
    }

    fn take_over(&mut self, counts: &Counts, forms: &[Shape], dictionary: &Dictionary, names: &dyn Names) {
        let name = |number| names.one(number).unwrap_or_else(|| LOST.to_owned());
        let (all, short_names) = most(numbered(&counts.names));
        for (count, number) in all {
            *self.names.entry(name(number)).or_default() += u64::from(count);
        }
        let (blocked, short_blocked) = most(numbered(&counts.blocked));
        for (count, number) in blocked {
            *self.blocked_names.entry(name(number)).or_default() += u64::from(count);
        }
        let (clients, short_clients) = most(numbered(&counts.clients));
        for (count, number) in clients {
            let Some(client) = dictionary.clients.get(usize::from(number)) else { continue };
            let who = dictionary.string(client.who).map(str::to_owned);
            *self.clients.entry((address(client.octets), who)).or_default() += u64::from(count);
        }
        self.take_over_shapes(counts, dictionary);
        let (rules, short_rules) = most(counts.rules());
        for (count, (form, number)) in rules {
            let Some(shape) = forms.get(usize::from(form).wrapping_sub(1)) else { continue };
            if let Some(rule) = dictionary.rule(*shape, &name(number)) {
                *self.rules.entry(rule).or_default() += u64::from(count);
            }
        }
        let cut = [short_names, short_blocked, short_clients, short_rules].into_iter().max().unwrap_or(0);
        let pruned = [
            prune(&mut self.names),
            prune(&mut self.blocked_names),
            prune(&mut self.rules),
            prune(&mut self.clients),
        ];
        self.short_by += u64::from(cut) + pruned.into_iter().max().unwrap_or(0);
    }

    fn take_over_shapes(&mut self, counts: &Counts, dictionary: &Dictionary) {
        for (shape, (count, micros)) in dictionary.shapes.iter().zip(&counts.shapes) {
            let count = u64::from(*count);
            if count == 0 {
                continue;
            }
            if Outcome(shape.outcome).is_blocked() {
                self.blocked += count;
            }
            let strings = [
                (&mut self.lists, shape.list),
                (&mut self.policies, shape.policy),
                (&mut self.rules, if shape.form == 0 { shape.rule } else { 0 }),
            ];
            for (counts, number) in strings {
                let Some(string) = dictionary.string(number) else { continue };
                *counts.entry(string.to_owned()).or_default() += count;
            }
            if let Some(upstream) = dictionary.string(shape.upstream) {
                let (asked, sum) = self.upstreams.entry(upstream.to_owned()).or_default();
                (*asked, *sum) = (*asked + count, sum.saturating_add(*micros));
            }
        }
    }

    /// The first so many of everything.
    pub(crate) fn tops(self, limit: usize) -> Tops {
        let limit = limit.min(MAX_TOPS);
        let clients: HashMap<_, _> = self
            .clients
            .into_iter()
            .map(|((client, who), count)| ((client.to_string(), who), count))
            .collect();
        let of = |counts: HashMap<String, u64>| {
            tops(counts.into_iter().map(|(what, count)| ((what, None), count)), limit)
        };
        let mut upstreams: Vec<UpstreamTop> = self
            .upstreams
            .into_iter()
            .map(|(upstream, (count, sum))| {
                let mean_micros = sum.checked_div(count).unwrap_or(0);
                UpstreamTop { upstream, count, mean_micros }
            })
            .collect();
        upstreams.sort_by(|one, other| {
            other.count.cmp(&one.count).then_with(|| one.upstream.cmp(&other.upstream))
        });
        upstreams.truncate(limit);
        Tops {
            questions: self.questions,
            blocked: self.blocked,
            clients: tops(clients.into_iter(), limit),
            names: of(self.names),
            blocked_names: of(self.blocked_names),
            rules: of(self.rules),
            lists: of(self.lists),
            policies: of(self.policies),
            upstreams,
            short_by: self.short_by,
            is_cut: self.is_cut,
            unreadable: self.unreadable,
        }
    }
}

/// Counts all rows of the bytes of a segment.
pub fn count_bytes(bytes: &[u8]) -> Tops {
    let mut tally = Tally::new(Millis::MIN, Millis::MAX);
    if let Ok(index) = index(&bytes) {
        let reader = Reader::new(&bytes, &index.blocks);
        let blocks = index.blocks.iter().map(|block| reader.held(block));
        tally.add(&reader.dictionary(), &reader, blocks, &|| Go::On);
    }
    tally.tops(MAX_TOPS)
}

fn tops(counts: impl Iterator<Item = ((String, Option<String>), u64)>, limit: usize) -> Vec<Top> {
    let mut tops: Vec<Top> = counts.map(|((what, who), count)| Top { what, who, count }).collect();
    tops.sort_by(|one, other| {
        other.count.cmp(&one.count).then_with(|| (&one.what, &one.who).cmp(&(&other.what, &other.who)))
    });
    tops.truncate(limit);
    tops
}

fn add(counts: &mut Vec<u32>, number: u16) {
    let place = usize::from(number);
    if counts.len() <= place {
        counts.resize(place + 1, 0);
    }
    if let Some(count) = counts.get_mut(place) {
        *count += 1;
    }
}

fn numbered(counts: &[u32]) -> Vec<(u32, u16)> {
    let counted = (0..=u16::MAX).zip(counts).filter(|(_, count)| **count > 0);
    counted.map(|(number, count)| (*count, number)).collect()
}

/// Those with the highest counts; and the highest count of the others.
fn most<T: Ord>(mut counts: Vec<(u32, T)>) -> (Vec<(u32, T)>, u32) {
    if counts.len() <= OF_SEGMENT {
        return (counts, 0);
    }
    let (_, (short, _), _) = counts.select_nth_unstable_by(OF_SEGMENT, |one, other| other.cmp(one));
    let short = *short;
    counts.truncate(OF_SEGMENT);
    (counts, short)
}

/// Leaves half of what may be counted at once, if there is more; the highest count of what goes.
fn prune<K: Hash + Eq>(counts: &mut HashMap<K, u64>) -> u64 {
    if counts.len() <= MOST {
        return 0;
    }
    let mut all: Vec<u64> = counts.values().copied().collect();
    let (_, least, _) = all.select_nth_unstable_by(MOST / 2, |one, other| other.cmp(one));
    let least = *least;
    counts.retain(|_, count| *count > least);
    least
}
