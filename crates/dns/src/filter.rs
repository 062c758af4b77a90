//! The filter: lines of lists and rules in AdGuard's DNS language, compiled, and what they say of a name.
//!
//! Nearly all rules are a name and no more; they are 12 bytes each in a table of hashes, whatever the length of
//! the name. All others are found by what they have in them. Several sets are decided over together, so that
//! a rule more is a small set made anew beside the large one of the lists.
//!
//! ```
//! use dns::filter::{Client, Compiler, ListId, ListSet, Purpose, Question, Verdict, decide};
//!
//! let mut compiler = Compiler::new();
//! let mut list = compiler.list(ListId(0), Purpose::Block);
//! list.feed(b"||example.org^\n@@||good.example.org^\n")?;
//! assert_eq!(list.finish()?.rules, 2);
//! let rules = compiler.finish();
//! let question = Question {
//!     name: b"\x03ads\x07example\x03org\0",
//!     kind: 1,
//!     client: &Client::default(),
//!     lists: &ListSet::all(),
//! };
//! assert!(matches!(decide(&[&rules], &question), Verdict::Blocked(_)));
//! # Ok::<(), dns::filter::Refused>(())
//! ```
//!
//! It never asks for the time, and never waits. What differs from AdGuard Home on purpose: lists in capitals are
//! followed; `*.example.org` is what is under that name, and nothing that has it in its middle; a name with `_`
//! or with digits at its end is a name; names in other letters are written as the DNS has them; a line that is
//! an address is that address alone; what no name can be like is not followed, and counted.

mod compile;
mod decide;
mod engine;
mod hash;
mod modifier;
mod names;
mod parse;
mod pattern;
mod punycode;
mod regex;
mod rewrite;
mod service;
mod why;

use std::net::IpAddr;
use std::sync::Arc;

pub use compile::{Compiler, Counts, MAX_LIST, Reader, Refused, check_rule};
pub use names::{Effect, Scope, Short, Weight};
pub use parse::{Hosts, Kind, Line, Rule, Why, parse};
pub use rewrite::{Record, Rewrite};
pub(crate) use service::service;

use crate::wire::Name;
use decide::Asked;
use engine::Engine;
use names::Names;

/// The number of a list, by which rules are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListId(pub u8);

/// A set of lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ListSet([u128; 2]);

impl ListSet {
    /// All that there can be.
    pub fn all() -> Self {
        Self([u128::MAX; 2])
    }

    fn place(list: ListId) -> (usize, u128) {
        (usize::from(list.0 >> 7), 1 << (list.0 & 127))
    }

    /// Adds a list.
    pub fn insert(&mut self, list: ListId) {
        let (half, bit) = Self::place(list);
        if let Some(half) = self.0.get_mut(half) {
            *half |= bit;
        }
    }

    /// Takes a list out.
    pub fn remove(&mut self, list: ListId) {
        let (half, bit) = Self::place(list);
        if let Some(half) = self.0.get_mut(half) {
            *half &= !bit;
        }
    }

    /// Whether a list is in it.
    pub fn contains(&self, list: ListId) -> bool {
        let (half, bit) = Self::place(list);
        self.0.get(half).is_some_and(|half| half & bit != 0)
    }
}

impl FromIterator<ListId> for ListSet {
    fn from_iter<I: IntoIterator<Item = ListId>>(lists: I) -> Self {
        let mut set = Self::default();
        lists.into_iter().for_each(|list| set.insert(list));
        set
    }
}

/// What a list is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Its rules block, but for its exceptions.
    Block,
    /// What its rules are about is never blocked, whatever others say.
    Allow,
}

/// Tags of a client, out of those that AdGuard has: what it is, what runs on it, and who uses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tags(u32);

impl Tags {
    /// All tags that there are.
    pub const NAMES: [&str; 21] = [
        "device_audio",
        "device_camera",
        "device_gameconsole",
        "device_laptop",
        "device_nas",
        "device_pc",
        "device_phone",
        "device_printer",
        "device_securityalarm",
        "device_tablet",
        "device_tv",
        "device_other",
        "os_android",
        "os_ios",
        "os_linux",
        "os_macos",
        "os_windows",
        "os_other",
        "user_admin",
        "user_regular",
        "user_child",
    ];

    /// The set of these; none if one of them does not exist.
    pub fn of(names: &[&str]) -> Option<Self> {
        let number = |name: &&str| (0_u32..).zip(Self::NAMES).find(|(_, own)| own == name);
        names.iter().try_fold(Self(0), |set, name| Some(Self(set.0 | 1 << number(name)?.0)))
    }

    /// The tags in it.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        (0_u32..).zip(Self::NAMES).filter(move |(number, _)| self.0 >> number & 1 == 1).map(|(_, name)| name)
    }

    /// With those of another set.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether one is in both.
    fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Client<'c> {
    /// The address that the question came from.
    pub address: Option<IpAddr>,
    /// The names that `$client` may call it by, as they are written.
    pub names: &'c [&'c str],
    /// What `$ctag` may say of it.
    pub tags: Tags,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// The name in its wire form, in lower case (RFC 1035 section 3.1).
    pub name: &'q [u8],
    /// The type of record (RFC 1035 section 3.2.2).
    pub kind: u16,
    /// Who asks.
    pub client: &'q Client<'q>,
    /// The lists that hold for this client.
    pub lists: &'q ListSet,
}

/// What is said of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Unlisted,
    /// A rule keeps it open.
    Allowed(Matched),
    /// It is blocked.
    Blocked(Matched),
    /// A hosts file gives it these addresses, of the type that was asked for.
    BlockedWith(Vec<IpAddr>, Matched),
    /// A rule answers itself.
    Rewritten(Rewrite, Matched),
}

/// The rule that decided, cheap to copy: no text is made until it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The list that it is of.
    pub list: ListId,
    origin: Origin,
}

/// Where the text of a rule comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// From the part of the name that begins there.
    Name(Short, u8),
    /// It is kept.
    Text(Arc<str>),
}

impl Matched {
    /// If the rule is no more than a name: how it is written, and where in the name that was decided over its own begins.
    pub fn short(&self) -> Option<(Short, u8)> {
        match &self.origin {
            Origin::Name(short, start) => Some((*short, *start)),
            Origin::Text(_) => None,
        }
    }

    /// The text of a rule that is more than a name.
    pub fn kept_text(&self) -> Option<&Arc<str>> {
        match &self.origin {
            Origin::Name(..) => None,
            Origin::Text(text) => Some(text),
        }
    }

    /// The rule as text. That of a rule which is no more than a name is made from the name that was decided
    /// over, in its wire form, and is in the plainest form of such rules.
    pub fn text(&self, name: &[u8]) -> String {
        match &self.origin {
            Origin::Text(text) => text.as_ref().to_owned(),
            Origin::Name(short, start) => {
                let name = name.get(usize::from(*start)..).unwrap_or_default();
                short.text(&String::from_utf8_lossy(pattern::Text::of(name).name()))
            }
        }
    }
}

/// A compiled set of rules: not changed any more, and shared between threads.
#[derive(Debug, Default)]
pub struct Rules {
    names: Names,
    engine: Engine,
    allow_lists: ListSet,
    /// Whether there is a `$badfilter`.
    has_removers: bool,
    may_be_address: bool,
}

impl Rules {
    /// How many names are listed, and rules that are more than a name.
    pub fn len(&self) -> usize {
        self.names.len() + self.engine.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes they take, nearly.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.names.bytes() + self.engine.bytes()
    }

    /// Whether there is a rule that may be about an address in an answer: if not, addresses need not be asked
    /// about.
    pub fn has_address_rules(&self) -> bool {
        self.may_be_address
    }
}

/// What all sets together say of a question. Of rules that are equal, the one of the first set goes first.
pub fn decide(sets: &[&Rules], question: &Question) -> Verdict {
    decide::decide(sets, question, Asked::Name)
}

/// What all sets together say of a record of an answer that says a name (the target of a CNAME): `question` has
/// that name, and the type of the record. It is never rewritten.
pub fn decide_record(sets: &[&Rules], question: &Question) -> Verdict {
    decide::decide(sets, question, Asked::Record)
}

/// What all sets together say of an address in an answer: of an A or AAAA record, or a hint of an HTTPS record.
/// The name of `question` is not looked at, its type is that of the record. `Matched::text` needs no name.
pub fn decide_address(sets: &[&Rules], address: IpAddr, question: &Question) -> Verdict {
    let name = address_name(address);
    let verdict = decide::decide(sets, &Question { name: name.wire(), ..*question }, Asked::Address);
    let keep = |matched: Matched| {
        let text = matched.text(name.wire());
        Matched { list: matched.list, origin: Origin::Text(text.into()) }
    };
    match verdict {
        Verdict::Allowed(matched) => Verdict::Allowed(keep(matched)),
        Verdict::Blocked(matched) => Verdict::Blocked(keep(matched)),
        other => other,
    }
}

/// An address in text, as a name whose labels are what stands between points.
fn address_name(address: IpAddr) -> Name {
    Name::parse(&address.to_canonical().to_string()).unwrap_or_default()
}
