//! Lists, read line by line in parts of any size, and made to a set of rules.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::engine::{Engine, Rule, Subject};
use super::hash::Key;
use super::names::{Effect, Entry, Names, Said, Scope, Short, Weight};
use super::parse::{self, Hosts, Kind, Line, Modifiers, Role, Why};
use super::pattern::{Shape, is_digits};
use super::regex::MAX_ALL_BYTES;
use super::{ListId, ListSet, Purpose, Rules};

/// The largest list, in bytes; the largest that people use have 40 MiB.
pub const MAX_LIST: u64 = 64 << 20;
/// The longest line of a list, in bytes.
const MAX_LINE: usize = 1024;
/// The most names of all lists together: twice as many as the largest lists together have.
const MAX_NAMES: usize = 4_000_000;
/// The most rules that are more than a name, of all lists together.
const MAX_RULES: usize = 200_000;
/// How far from its beginning a list is looked at for what no text has.
const LOOKED_AT: usize = 4096;

/// What came of the lines of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rules that are followed; of a line of a hosts file, its names.
    pub rules: usize,
    /// Lines about the looks of pages.
    #[serde(default)]
    pub cosmetic: usize,
    /// Lines that are not followed.
    pub others: BTreeMap<Kind, usize>,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rules", self.rules)?;
        for (at, (kind, count)) in self.others.iter().enumerate() {
            write!(f, "{} {count} {kind}", if at == 0 { "; not followed:" } else { "," })?;
        }
        Ok(())
    }
}

/// Why a whole list is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is HTML.
    #[error("it is a web page and not a list")]
    WebPage,
    /// It has bytes that no text has.
    #[error("it is not text: lists that are packed have to be unpacked")]
    Binary,
    /// It is larger than a list may be.
    #[error("it is larger than 64 MiB")]
    TooLarge,
    /// There are too many names.
    #[error("all lists together have more than {MAX_NAMES} names")]
    TooMany,
    /// There are too many rules.
    #[error("all lists together have more than {MAX_RULES} rules that are more than a name")]
    TooManyRules,
}

/// Takes lists, and makes the set of them.
#[derive(Debug)]
pub struct Compiler {
    key: Key,
    entries: Vec<Entry>,
    rules: Vec<Rule>,
    allow_lists: ListSet,
    /// Whether a name is like an address.
    has_digits: bool,
    expression_bytes: usize,
    /// A name being read, in lower case.
    name: String,
}

impl Default for Compiler {
    fn default() -> Self {
        Self::new()
    }
}

impl Compiler {
    /// With no list.
    pub fn new() -> Self {
        Self {
            key: Key::get(),
            entries: Vec::new(),
            rules: Vec::new(),
            allow_lists: ListSet::default(),
            has_digits: false,
            expression_bytes: 0,
            name: String::new(),
        }
    }

    /// With no list, and with room for so many names: what need not grow is not copied while it grows, which would take
    /// half as much memory again. Room that nobody needs takes none.
    pub fn with_room(names: usize) -> Self {
        Self { entries: Vec::with_capacity(names.min(MAX_NAMES)), ..Self::new() }
    }

    /// Begins a list, which is either finished or given up. One list may come in several pieces, all under its
    /// number and for the same purpose.
    pub fn list(&mut self, list: ListId, purpose: Purpose) -> Reader<'_> {
        if purpose == Purpose::Allow {
            self.allow_lists.insert(list);
        }
        let start = (self.entries.len(), self.rules.len(), self.expression_bytes);
        let counts = Counts::default();
        Reader { compiler: self, list, start, counts, line: Vec::new(), seen: 0, is_cut: false }
    }

    /// The set of all lists.
    pub fn finish(self) -> Rules {
        let has_removers = self.rules.iter().any(|rule| rule.modifiers.role == Role::Remover);
        let names = Names::new(self.entries);
        let engine = Engine::new(self.rules);
        let may_be_address = self.has_digits || engine.may_be_address();
        Rules { names, engine, allow_lists: self.allow_lists, has_removers, may_be_address }
    }

    /// The hash of a name in text, and how many labels it has.
    fn hash(&mut self, name: &str) -> (u64, usize) {
        let labels = name.bytes().filter(|byte| *byte == b'.').count() + 1;
        self.has_digits |= is_digits(name);
        if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return (self.key.name(name), labels);
        }
        self.name.clear();
        self.name.push_str(name);
        self.name.make_ascii_lowercase();
        (self.key.name(&self.name), labels)
    }

    fn short(&mut self, list: ListId, short: Short, name: &str) {
        let (hash, labels) = self.hash(name);
        self.entries.push(Entry::new(hash, Said::new(list, short), labels));
    }

    /// A rule about a name that is more than it: the table of names leads to it.
    fn named(&mut self, list: ListId, scope: Scope, name: &str) -> Subject {
        let (hash, labels) = self.hash(name);
        self.entries.push(Entry::new(hash, Said::more(list), labels));
        Subject::Named(scope, hash)
    }

    fn rule(&mut self, list: ListId, rule: parse::Rule<'_>, text: &str) -> Result<(), Why> {
        let subject = match rule.subject {
            parse::Subject::Shape(Shape::Named(scope, name)) => self.named(list, scope, &name),
            parse::Subject::Shape(Shape::Wild(pattern)) => Subject::Wild(pattern),
            parse::Subject::Shape(Shape::Never) => return Err(Why::Never),
            parse::Subject::Expression(expression) => {
                let bytes = self.expression_bytes + expression.bytes();
                if bytes > MAX_ALL_BYTES {
                    return Err(Why::RegexRoom);
                }
                self.expression_bytes = bytes;
                Subject::Expression(expression)
            }
        };
        self.rules.push(Rule { list, subject, modifiers: rule.modifiers, address: None, text: text.into() });
        Ok(())
    }

    fn hosts(&mut self, list: ListId, hosts: &Hosts<'_>, counts: &mut Counts) {
        let (effect, weight) = (Effect::Block, Weight::Plain);
        for name in hosts.names() {
            let name = match name {
                Ok(name) => name,
                Err(why) => {
                    *counts.others.entry(why.kind()).or_default() += 1;
                    continue;
                }
            };
            counts.rules += 1;
            let Some(address) = hosts.answer() else {
                self.short(list, Short { scope: Scope::Hosts, effect, weight }, name);
                continue;
            };
            let subject = self.named(list, Scope::Hosts, name);
            let (conditions, rewrite, role) = (None, None, Role::Rule);
            let modifiers = Modifiers { effect, weight, role, conditions, rewrite };
            let text = Arc::from(format!("{address} {name}"));
            self.rules.push(Rule { list, subject, modifiers, address: Some(address), text });
        }
    }
}

/// A list being read, in parts of any size.
#[derive(Debug)]
pub struct Reader<'c> {
    compiler: &'c mut Compiler,
    list: ListId,
    /// How much there was before: names, rules, bytes of expressions.
    start: (usize, usize, usize),
    counts: Counts,
    /// The beginning of a line whose end has not come yet, and whether a part of it was left out.
    line: Vec<u8>,
    is_cut: bool,
    seen: usize,
}

impl Reader<'_> {
    /// The next part.
    ///
    /// # Errors
    /// If the list is refused as a whole: then nothing of it counts, and it is not to be gone on with.
    pub fn feed(&mut self, part: &[u8]) -> Result<(), Refused> {
        let taken = self.take(part);
        taken.inspect_err(|_| self.undo())
    }

    fn undo(&mut self) {
        let (names, rules, bytes) = self.start;
        self.compiler.entries.truncate(names);
        self.compiler.rules.truncate(rules);
        self.compiler.expression_bytes = bytes;
    }

    fn take(&mut self, part: &[u8]) -> Result<(), Refused> {
        let is_control = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C);
        let early = part.get(..LOOKED_AT.saturating_sub(self.seen)).unwrap_or(part);
        if early.iter().any(is_control) || part.contains(&0) {
            return Err(Refused::Binary);
        }
        self.seen = self.seen.saturating_add(part.len());
        if self.seen as u64 > MAX_LIST {
            return Err(Refused::TooLarge);
        }
        let mut rest = part;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at_checked(end).unwrap_or_default();
            if self.line.is_empty() && !self.is_cut && line.len() <= MAX_LINE {
                self.line(line)?;
            } else {
                self.keep(line);
                self.end_line()?;
            }
            rest = after.get(1..).unwrap_or_default();
        }
        self.keep(rest);
        Ok(())
    }

    /// Keeps what a line begins with, as far as it may be long.
    fn keep(&mut self, part: &[u8]) {
        let room = MAX_LINE.saturating_sub(self.line.len());
        self.is_cut |= part.len() > room;
        self.line.extend_from_slice(part.get(..room).unwrap_or(part));
    }

    fn end_line(&mut self) -> Result<(), Refused> {
        let line = std::mem::take(&mut self.line);
        // What is long and begins as a comment is a comment.
        let is_comment = matches!(line.first(), Some(b'!' | b'#'));
        match std::mem::take(&mut self.is_cut) {
            true if is_comment => {}
            true => self.refuse(&Why::TooLong),
            false => self.line(&line)?,
        }
        self.line = line;
        self.line.clear();
        Ok(())
    }

    /// The end of the list: what came of its lines.
    ///
    /// # Errors
    /// As [`Reader::feed`].
    pub fn finish(mut self) -> Result<Counts, Refused> {
        let ended = self.end_line();
        ended.inspect_err(|_| self.undo())?;
        Ok(self.counts)
    }

    /// The list can not be read to its end: nothing of it counts.
    pub fn give_up(mut self) {
        self.undo();
    }

    fn refuse(&mut self, why: &Why) {
        *self.counts.others.entry(why.kind()).or_default() += 1;
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Refused> {
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii();
        let Some(first) = line.first() else { return Ok(()) };
        if *first == b'<' && self.counts == Counts::default() {
            return Err(Refused::WebPage);
        }
        if matches!(first, b'!' | b'[') {
            return Ok(());
        }
        let Ok(text) = std::str::from_utf8(line) else {
            self.refuse(&Why::Foreign);
            return Ok(());
        };
        match read(text, |text| self.rule(text)) {
            Ok(()) => {}
            Err(why) => self.refuse(&why),
        }
        match (self.compiler.entries.len(), self.compiler.rules.len()) {
            (MAX_NAMES.., _) => Err(Refused::TooMany),
            (_, MAX_RULES..) => Err(Refused::TooManyRules),
            _ => Ok(()),
        }
    }

    fn rule(&mut self, text: &str) -> Result<(), Why> {
        match parse::parse(text) {
            Line::Comment => return Ok(()),
            Line::Cosmetic => {
                self.counts.cosmetic += 1;
                return Ok(());
            }
            Line::Refused(why) => return Err(why),
            Line::Short(short, name) => self.compiler.short(self.list, short, &name),
            Line::Hosts(hosts) => {
                self.compiler.hosts(self.list, &hosts, &mut self.counts);
                return Ok(());
            }
            Line::Rule(rule) => self.compiler.rule(self.list, *rule, text)?,
        }
        self.counts.rules += 1;
        Ok(())
    }
}

/// Reads a line in any letters as one in ASCII.
fn read<T>(line: &str, rule: impl FnOnce(&str) -> Result<T, Why>) -> Result<T, Why> {
    if line.is_ascii() || matches!(parse::parse(line), Line::Comment | Line::Cosmetic) {
        return rule(line);
    }
    match parse::ascii(line) {
        Some(Cow::Borrowed(line)) => rule(line),
        Some(Cow::Owned(line)) => rule(&line),
        None => Err(Why::Foreign),
    }
}

/// Whether a line is a rule that is followed, or a comment.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check_rule(line: &str) -> Result<(), String> {
    if line.len() > MAX_LINE {
        return Err(Why::TooLong.to_string());
    }
    let checked = read(line.trim_ascii(), |line| match parse::parse(line) {
        Line::Comment | Line::Short(..) | Line::Rule(_) => Ok(()),
        Line::Cosmetic => Err(Why::Cosmetic),
        Line::Refused(why) => Err(why),
        Line::Hosts(hosts) => hosts.names().try_for_each(|name| name.map(|_| ())),
    });
    checked.map_err(|why| why.to_string())
}
