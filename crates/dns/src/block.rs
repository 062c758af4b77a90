//! What is blocked: lines of lists and rules, compiled to a set of names.
//!
//! Followed are plain names (`ads.example.org`: that name alone), lines of hosts files (`0.0.0.0
//! ads.example.org`), and those rules of AdGuard's language that say a name: `||example.org^` (it and all under
//! it), `|example.org^` (it alone), and the same behind `@@` as exceptions, which win over everything. Lines of
//! other kinds are counted by kind and never guessed: half a rule followed is a page that does not load.
//!
//! The set holds a keyed hash of 60 bits of each name and not the name: about 11 bytes a name. That a name of
//! nobody's list has the hash of one that is there has a chance of 1 in 10^12 for a list of a million, and
//! who writes lists can not bring it about, because the key is drawn when the set is made.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::wire::{MAX_LABEL, MAX_NAME};

/// The largest list, in bytes; the largest that people use have 40 MiB.
pub const MAX_LIST: u64 = 64 << 20;
/// The longest line of a list, in bytes.
const MAX_LINE: usize = 1024;
/// The most names of all lists together: twice as many as the largest lists together have.
const MAX_NAMES: usize = 4_000_000;
/// How far from its beginning a list is looked at for what no text has.
const LOOKED_AT: usize = 4096;

/// What stands in the lowest bits of a slot, beside the hash: several may hold of one name.
const BLOCKED: u64 = 1;
const BLOCKED_BELOW: u64 = 2;
const ALLOWED: u64 = 4;
const ALLOWED_BELOW: u64 = 8;
const FLAGS: u64 = 15;

/// Why a line is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It has modifiers behind a `$`.
    Modifier,
    /// It is a regular expression.
    Regex,
    /// It has a `*`.
    Wildcard,
    /// It is a part of names, or nothing that is known.
    Pattern,
    /// It is about an address, or gives a name another one than that of nothing.
    Address,
    /// A hosts file says the names of the machine itself, such as `localhost`.
    OwnName,
    /// A name with letters that are not of ASCII.
    Foreign,
    /// It is longer than 1 KiB.
    TooLong,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Modifier => "with modifiers",
            Self::Regex => "regular expressions",
            Self::Wildcard => "with a `*`",
            Self::Pattern => "parts of names",
            Self::Address => "about addresses",
            Self::OwnName => "names of the machine itself",
            Self::Foreign => "not in ASCII",
            Self::TooLong => "longer than 1 KiB",
        })
    }
}

/// What came of the lines of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Names that are blocked or excepted, each time that a line says one.
    pub rules: usize,
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
}

/// What the lists and rules say of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Unlisted,
    /// It is blocked.
    Blocked,
    /// An exception keeps it open.
    Allowed,
}

/// The names that are blocked and excepted.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    key: RandomState,
    /// Hashes in the order of their size, as near as the others let them to the place that their size is of
    /// the whole; 0 is a free slot.
    slots: Box<[u64]>,
    names: usize,
}

impl Blocks {
    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names == 0
    }

    /// How many bytes they take.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.slots)
    }

    /// What is said of a name in its wire form, in lower case (RFC 1035 section 3.1).
    pub fn verdict(&self, name: &[u8]) -> Verdict {
        if self.is_empty() {
            return Verdict::Unlisted;
        }
        let mut verdict = Verdict::Unlisted;
        let mut rest = name;
        let mut asked = FLAGS;
        while let Some((&length, after)) = rest.split_first().filter(|(length, _)| **length > 0) {
            let flags = self.flags(rest) & asked;
            if flags & (ALLOWED | ALLOWED_BELOW) != 0 {
                return Verdict::Allowed;
            }
            if flags != 0 {
                verdict = Verdict::Blocked;
            }
            asked = BLOCKED_BELOW | ALLOWED_BELOW;
            rest = after.get(usize::from(length)..).unwrap_or_default();
        }
        verdict
    }

    fn flags(&self, name: &[u8]) -> u64 {
        let hash = self.key.hash_one(name);
        let from = place(hash, self.slots.len());
        let (before, after) = self.slots.split_at_checked(from).unwrap_or_default();
        let slots = after.iter().chain(before).take_while(|slot| **slot != 0);
        slots.filter(|slot| (**slot ^ hash) & !FLAGS == 0).fold(0, |flags, slot| flags | slot & FLAGS)
    }
}

/// The slot at which a hash is looked for first.
fn place(hash: u64, slots: usize) -> usize {
    let share = (u128::from(hash) * slots as u128) >> 64;
    usize::try_from(share).unwrap_or(0)
}

/// Takes lists, and makes the set of them.
#[derive(Debug, Default)]
pub struct Compiler {
    key: RandomState,
    hashes: Vec<u64>,
    /// A name being read, in its wire form.
    name: Vec<u8>,
}

impl Compiler {
    /// Begins a list, which is either finished or given up.
    pub fn list(&mut self) -> Reader<'_> {
        let start = self.hashes.len();
        Reader { compiler: self, start, counts: Counts::default(), line: Vec::new(), seen: 0, is_cut: false }
    }

    /// The set of all lists.
    pub fn finish(self) -> Blocks {
        let mut hashes = self.hashes;
        hashes.sort_unstable();
        hashes.dedup_by(|next, kept| {
            let is_same = (*next ^ *kept) & !FLAGS == 0;
            *kept |= if is_same { *next & FLAGS } else { 0 };
            is_same
        });
        let names = hashes.len();
        let mut slots = vec![0; names + names.div_ceil(3)].into_boxed_slice();
        let count = slots.len();
        let mut free = 0;
        let mut left_over = Vec::new();
        // As the hashes come in their order, the first free slot for each is behind that of the one before.
        for hash in hashes {
            let at = place(hash, count).max(free);
            match slots.get_mut(at) {
                Some(slot) => *slot = hash,
                None => left_over.push(hash),
            }
            free = at + 1;
        }
        // The few that the end has no place for are looked for from the beginning on.
        for (hash, slot) in left_over.into_iter().zip(slots.iter_mut().filter(|slot| **slot == 0)) {
            *slot = hash;
        }
        Blocks { key: self.key, slots, names }
    }

    /// Takes a name in text, if it is one that can be asked for.
    fn add(&mut self, text: &str, flag: u64) -> Result<(), Kind> {
        self.name.clear();
        let mut last = "";
        for label in text.split('.') {
            let length = u8::try_from(label.len()).unwrap_or(u8::MAX);
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            if length == 0 || usize::from(length) > MAX_LABEL || !label.bytes().all(is_name) {
                return Err(Kind::Pattern);
            }
            self.name.push(length);
            self.name.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
            last = label;
        }
        if last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Kind::Address);
        }
        self.name.push(0);
        if self.name.len() > MAX_NAME {
            return Err(Kind::Pattern);
        }
        self.hashes.push(self.key.hash_one(self.name.as_slice()) & !FLAGS | flag);
        Ok(())
    }
}

/// A list being read, in parts of any size.
#[derive(Debug)]
pub struct Reader<'c> {
    compiler: &'c mut Compiler,
    /// How many names there were before.
    start: usize,
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
        self.take(part).inspect_err(|_| self.compiler.hashes.truncate(self.start))
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
        if std::mem::take(&mut self.is_cut) {
            self.count(Kind::TooLong);
        } else {
            self.line(&line)?;
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
        ended.inspect_err(|_| self.compiler.hashes.truncate(self.start))?;
        Ok(self.counts)
    }

    /// The list can not be read to its end: nothing of it counts.
    pub fn give_up(self) {
        self.compiler.hashes.truncate(self.start);
    }

    fn count(&mut self, kind: Kind) {
        *self.counts.others.entry(kind).or_default() += 1;
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Refused> {
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii();
        // Comments, the head of a list, and rules about the looks of pages, which DNS knows nothing of.
        let Some(first) = line.first() else { return Ok(()) };
        if matches!(first, b'!' | b'#' | b'[') {
            return Ok(());
        }
        if *first == b'<' && self.counts == Counts::default() {
            return Err(Refused::WebPage);
        }
        let line = match line.iter().position(|byte| *byte == b'#') {
            Some(at) => match (line.get(at.saturating_sub(1)), line.get(at + 1)) {
                (Some(b' ' | b'\t'), _) => line.get(..at).unwrap_or(line).trim_ascii_end(),
                (_, Some(b'#' | b'@' | b'?' | b'$' | b'%')) => return Ok(()),
                _ => line,
            },
            None => line,
        };
        match std::str::from_utf8(line).ok().filter(|line| line.is_ascii()) {
            Some(text) => self.rule(text),
            None => self.count(Kind::Foreign),
        }
        if self.compiler.hashes.len() > MAX_NAMES { Err(Refused::TooMany) } else { Ok(()) }
    }

    /// A line that may be a rule. What it is is decided in the order that AdGuard's filters have.
    fn rule(&mut self, text: &str) {
        let (rest, is_exception) = match text.strip_prefix("@@") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (alone, below) = if is_exception { (ALLOWED, ALLOWED_BELOW) } else { (BLOCKED, BLOCKED_BELOW) };
        if !is_exception && text.contains([' ', '\t']) {
            return self.hosts(text);
        }
        let added = if rest.starts_with('/') && rest.len() > 1 {
            Err(Kind::Regex)
        } else if rest.contains("$$") {
            return;
        } else if rest.contains('$') {
            Err(Kind::Modifier)
        } else if rest.contains('*') {
            Err(Kind::Wildcard)
        } else if let Some(name) = rest.strip_prefix("||") {
            match name.strip_suffix('^') {
                Some(name) => self.compiler.add(name, below),
                None => Err(Kind::Pattern),
            }
        } else if let Some(name) = rest.strip_prefix('|') {
            match name.strip_suffix(['^', '|']) {
                Some(name) => self.compiler.add(name, alone),
                None => Err(Kind::Pattern),
            }
        } else if is_exception || !rest.contains('.') {
            // In that language a word without marks is a part of names, and so is an exception without them.
            Err(Kind::Pattern)
        } else {
            self.compiler.add(rest, alone)
        };
        self.add(added);
    }

    /// A line of a hosts file: an address and names.
    fn hosts(&mut self, text: &str) {
        let mut words = text.split_ascii_whitespace();
        let address = words.next().unwrap_or_default();
        let address = address.split_once('%').map_or(address, |(address, _)| address);
        match address.parse::<IpAddr>() {
            Err(_) => self.count(Kind::Pattern),
            Ok(address) if !address.is_unspecified() && !address.is_loopback() => self.count(Kind::Address),
            Ok(_) => {
                for name in words {
                    let is_own = !name.contains('.') || name.eq_ignore_ascii_case("localhost.localdomain");
                    let added = if is_own { Err(Kind::OwnName) } else { self.compiler.add(name, BLOCKED) };
                    self.add(added);
                }
            }
        }
    }

    fn add(&mut self, added: Result<(), Kind>) {
        match added {
            Ok(()) => self.counts.rules += 1,
            Err(kind) => self.count(kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::wire::Name;

    fn compile(text: &str) -> (Blocks, Counts) {
        let mut compiler = Compiler::default();
        let mut list = compiler.list();
        list.feed(text.as_bytes()).unwrap();
        let counts = list.finish().unwrap();
        (compiler.finish(), counts)
    }

    fn verdict(blocks: &Blocks, name: &str) -> Verdict {
        blocks.verdict(Name::parse(name).unwrap().wire())
    }

    #[track_caller]
    fn check(list: &str, blocked: &[&str], open: &[&str]) {
        let (blocks, counts) = compile(list);
        assert!(counts.others.is_empty(), "{counts}");
        for name in blocked {
            assert_eq!(verdict(&blocks, name), Verdict::Blocked, "{name}");
        }
        for name in open {
            assert_ne!(verdict(&blocks, name), Verdict::Blocked, "{name}");
        }
    }

    #[test]
    fn a_plain_name_is_that_name_alone() {
        check(
            "ads.example.org\n  Tracker.Example.ORG  \r\nodd_name.example.org # why",
            &["ads.example.org", "tracker.example.org", "odd_name.example.org"],
            &["x.ads.example.org", "example.org", "org"],
        );
    }

    #[test]
    fn hosts_lines_name_several() {
        check(
            "0.0.0.0 a.example\n127.0.0.1\tb.example  c.example # d.example\n:: e.example\n::1 f.example ## really",
            &["a.example", "b.example", "c.example", "e.example", "f.example"],
            &["d.example", "x.a.example"],
        );
    }

    #[test]
    fn rules_with_two_bars_are_a_name_and_all_under_it() {
        check(
            "||example.org^\n|alone.example^\n|too.example|\n||com^",
            &["example.org", "a.b.example.org", "alone.example", "too.example", "any.com", "com"],
            &["notexample.org", "org", "x.alone.example"],
        );
    }

    #[test]
    fn exceptions_win_wherever_they_stand() {
        check(
            "@@||good.example.org^\n||example.org^\ngood.example.org\nx.good.example.org\n@@|one.example.org^",
            &["example.org", "bad.example.org", "x.one.example.org"],
            &["good.example.org", "x.good.example.org", "one.example.org"],
        );
        let (blocks, _) = compile("||a.example^\n@@||b.a.example^\n||c.b.a.example^");
        assert_eq!(verdict(&blocks, "c.b.a.example"), Verdict::Allowed);
        assert_eq!(verdict(&blocks, "b.example"), Verdict::Unlisted);
    }

    #[test]
    fn comments_and_rules_of_looks_are_no_rules() {
        check(
            "! a\n# b.example\n\n   \n[Adblock Plus 2.0]\nexample.org##.ad\nexample.org#@#.ad\n##.ad\nx.example#?#a\n\
             example.org$$script\n\u{feff}! c",
            &[],
            &["example.org", "b.example"],
        );
    }

    #[test]
    fn other_lines_are_counted_by_kind_and_never_guessed() {
        let long = "a".repeat(MAX_LINE + 1);
        let text = format!(
            "||a.example^$important\nb.example$dnstype=A\n/^ads/\n@@/^ads/\n||*.c.example^\n*.d.example\n||e.example\n\
             f.\nword\n@@g.example\nbad..example\n10.0.0.5 h.example\n||1.2.3.4^\n1.2.3.4\n127.0.0.1 localhost\n\
             ::1 ip6-loopback localhost.localdomain\nб.example\n{long}\nnot a host\naddress=/i.example/\n.j.example"
        );
        let (blocks, counts) = compile(&text);
        assert!(blocks.is_empty() && counts.rules == 0);
        let expected = [
            (Kind::Modifier, 2),
            (Kind::Regex, 2),
            (Kind::Wildcard, 2),
            (Kind::Pattern, 8),
            (Kind::Address, 3),
            (Kind::OwnName, 3),
            (Kind::Foreign, 1),
            (Kind::TooLong, 1),
        ];
        assert_eq!(counts.others.into_iter().collect::<Vec<_>>(), expected);
        let (_, counts) = compile("a.example\n||b.example^$x\n*c");
        assert_eq!(counts.to_string(), "1 rules; not followed: 1 with modifiers, 1 with a `*`");
    }

    #[test]
    fn what_is_no_list_is_refused_as_a_whole() {
        for (text, why) in [
            (&b"\n\n  <!DOCTYPE html>\n"[..], Refused::WebPage),
            (b"<html>", Refused::WebPage),
            (b"a.example\nb.example\0\n", Refused::Binary),
            (b"\x1f\x8b\x08\x04", Refused::Binary),
        ] {
            let mut compiler = Compiler::default();
            let mut first = compiler.list();
            first.feed(b"kept.example\n").unwrap();
            first.finish().unwrap();
            let mut list = compiler.list();
            let said = match list.feed(text) {
                Ok(()) => list.finish().map(|_| ()),
                Err(why) => Err(why),
            };
            assert_eq!(said, Err(why));
            let blocks = compiler.finish();
            assert_eq!((blocks.len(), verdict(&blocks, "kept.example")), (1, Verdict::Blocked));
        }
        let mut compiler = Compiler::default();
        let mut list = compiler.list();
        let part = vec![b'\n'; 1 << 20];
        let said: Vec<_> = (0..65).map(|_| list.feed(&part)).collect();
        assert!(said[63].is_ok() && said[64] == Err(Refused::TooLarge));
    }

    /// Names of few labels of few letters, so that they meet.
    fn name() -> impl Strategy<Value = String> {
        proptest::collection::vec("[a-c]{1,2}", 2..5).prop_map(|labels| labels.join("."))
    }

    fn is_under(name: &str, set: &HashSet<String>) -> bool {
        let above = |name: &String| name.split_once('.').map(|(_, above)| above.to_owned());
        std::iter::successors(Some(name.to_owned()), above).any(|name| set.contains(&name))
    }

    proptest! {
        #[test]
        fn the_set_says_what_the_lines_say(
            alone in proptest::collection::hash_set(name(), 0..40),
            below in proptest::collection::hash_set(name(), 0..10),
            allowed in proptest::collection::hash_set(name(), 0..5),
            asked in proptest::collection::vec(name(), 50),
            part in 1_usize..50,
        ) {
            let mut text = String::new();
            for name in &alone { text.push_str(&format!("{name}\n")); }
            for name in &below { text.push_str(&format!("||{}^\n", name.to_uppercase())); }
            for name in &allowed { text.push_str(&format!("@@||{name}^\n")); }
            let mut compiler = Compiler::default();
            let mut list = compiler.list();
            for part in text.as_bytes().chunks(part) { list.feed(part).unwrap(); }
            prop_assert_eq!(list.finish().unwrap().rules, alone.len() + below.len() + allowed.len());
            let blocks = compiler.finish();
            for name in asked.iter().chain(&alone).chain(&below).chain(&allowed) {
                let expected = if is_under(name, &allowed) {
                    Verdict::Allowed
                } else if alone.contains(name) || is_under(name, &below) {
                    Verdict::Blocked
                } else {
                    Verdict::Unlisted
                };
                prop_assert_eq!(verdict(&blocks, name), expected, "{}", name);
            }
        }
    }
}
