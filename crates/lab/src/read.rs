//! From a tree to types: how a value of the lab file is read, printed and described.
//!
//! A type that may stand in the lab file implements [`Value`]. Tables are written once, with
//! [`table!`](macro@crate::read::table): the struct, its reader, its printer, its JSON schema, its page in the
//! reference and `polis explain` all come from that one declaration.

mod map;
mod shape;
mod tables;

pub use map::{Map, OneOrMany};
pub(crate) use map::{MapKey, text_keys};
pub(crate) use shape::key_of;
pub use shape::{ChoiceInfo, FieldInfo, Need, Shape, TableInfo, TextInfo};
pub(crate) use tables::{Fields, choice, listed, table};

use std::collections::BTreeSet;
use std::ops::Deref;

use crate::fault::{Code, Fault, Faults, nearest};
use crate::names::{Names, Noun};
use crate::print::Toml;
use crate::source::Span;
use crate::tree::{Kind, Node};

/// A value and where the lab file says it.
///
/// Two of them are equal if their values are: the same lab in other files is the same lab.
#[derive(Clone, Debug)]
pub struct At<T> {
    value: T,
    span: Span,
    origin: Origin,
}

/// Whether the file says a value or leaves it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It stands in the file.
    Written,
    /// It is the default; the span is that of the table that leaves it out.
    Default,
    /// It stands in for a value that the table at the span can not do without and that is missing or could not
    /// be read. Nothing is concluded from it.
    StandIn,
}

impl<T> At<T> {
    /// A value that stands at `span`.
    pub fn written(value: T, span: Span) -> Self {
        Self { value, span, origin: Origin::Written }
    }

    /// The default of a key that the table at `span` leaves out.
    pub fn default_of(value: T, span: Span) -> Self {
        Self { value, span, origin: Origin::Default }
    }

    /// What stands in for a value that the table at `span` lacks.
    pub(crate) fn stand_in(value: T, span: Span) -> Self {
        Self { value, span, origin: Origin::StandIn }
    }

    /// Where it stands, or the table that leaves it out.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Whether the file says it.
    pub fn is_written(&self) -> bool {
        self.origin == Origin::Written
    }

    /// Whether it is what the lab says; otherwise it only stands in for a value that could not be had, and
    /// nothing may be concluded from it.
    pub fn is_known(&self) -> bool {
        self.origin != Origin::StandIn
    }

    /// The value itself.
    pub fn value(&self) -> &T {
        &self.value
    }
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: std::fmt::Display> std::fmt::Display for At<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.value.fmt(f)
    }
}

/// A type that may stand in the lab file.
pub(crate) trait Value: Sized {
    /// Reads it. What is wrong goes to the reader; `None` if nothing can be made of it.
    fn read(node: &Node, reader: &mut Reader) -> Option<Self>;

    /// As TOML that reads back as the same value.
    fn print(&self) -> Toml;

    /// What may stand there.
    fn shape() -> Shape;

    /// A value that says nothing: the name of nothing, a list of nothing. It stands in for one that a table can
    /// not do without, so that what else is wrong with the table is found at once. `None` if every value of the
    /// type says something: then the table goes unread.
    fn stand_in() -> Option<Self> {
        None
    }
}

/// What a name or a text is that stands in for one that could not be had: it is the name of nothing, as none may
/// have this character, and where it is shown a person sees that nobody knows.
pub(crate) const UNKNOWN: &str = "?";

/// A name that the file uses for something that has to be there.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) nouns: &'static [Noun],
    pub(crate) name: String,
    pub(crate) span: Span,
    /// The table of the lab that it stands in.
    pub(crate) table: &'static str,
}

/// What is collected while a lab is read.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) faults: Faults,
    pub(crate) references: Vec<Reference>,
    /// The names that the lab gives, to say which may stand where one is missing.
    pub(crate) names: Names,
    /// A table has been opened.
    has_begun: bool,
    /// The table of the lab that is being read; empty before the first.
    pub(crate) table: &'static str,
    /// The tables that have a fault: what seems to be missing in them may only be unread.
    pub(crate) faulty: BTreeSet<&'static str>,
    /// The tables and lists, at any depth, that are there without something that could not be read.
    pub(crate) broken: BTreeSet<Span>,
    /// For each key that this version does not know, the table of the lab that it stands in. A table of the
    /// lab counts only if it is like none that there is: a misspelt `[dns]` is no newer version's.
    pub(crate) unknown: Vec<&'static str>,
}

impl Reader {
    /// For a lab that gives these names.
    pub(crate) fn of(names: Names) -> Self {
        Self { names, ..Self::default() }
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faulty.insert(self.table);
        self.faults.push(fault);
    }

    /// "this is a whole number where a size belongs"; says nothing of what is broken already.
    pub(crate) fn wrong_kind(&mut self, node: &Node, expected: &str, example: &str) {
        if !matches!(node.kind, Kind::Broken) {
            let title = format!("this is {} where {expected} belongs", node.what());
            self.fault(
                Fault::new(Code::WrongKind, node.span, title).help(format!("write it like {example}")),
            );
        }
    }
}

/// What is wrong with a text, and where in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) why: String,
    pub(crate) part: Option<std::ops::Range<usize>>,
    pub(crate) help: Option<String>,
    /// The text is a secret that must not stand there: the fault is another one, and does not repeat it.
    pub(crate) is_secret: bool,
}

impl Wrong {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), ..Self::default() }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A type that is written as a text.
pub(crate) trait FromText: Sized {
    /// What it is and how it looks.
    const INFO: TextInfo;

    /// Parses it, or says what is wrong to the person who wrote it.
    fn from_text(text: &str) -> Result<Self, Wrong>;

    /// The text that parses to it.
    fn to_text(&self) -> String;

    /// See [`Value::stand_in`].
    fn stand_in() -> Option<Self> {
        None
    }
}

pub(crate) fn read_text<T: FromText>(node: &Node, reader: &mut Reader) -> Option<T> {
    let Some(text) = node.text() else {
        reader.wrong_kind(node, T::INFO.what, &format!("\"{}\"", T::INFO.example));
        return None;
    };
    match T::from_text(text) {
        Ok(value) => Some(value),
        Err(wrong) => {
            reader.fault(bad_text::<T>(node, text, wrong));
            None
        }
    }
}

fn bad_text<T: FromText>(node: &Node, text: &str, wrong: Wrong) -> Fault {
    let span = wrong.part.map_or(node.span, |part| node.part(part));
    let fault = match (wrong.is_secret, T::INFO.secret) {
        (true, _) => Fault::new(Code::SecretInTheOpen, span, format!("this is not {}", T::INFO.what)),
        (false, true) => Fault::new(Code::BadValue, span, format!("this is not {}", T::INFO.what)),
        _ if text.is_empty() => {
            Fault::new(Code::BadValue, span, format!("an empty text is not {}", T::INFO.what))
        }
        _ => Fault::new(Code::BadValue, span, format!("`{}` is not {}", shortened(text), T::INFO.what)),
    };
    let fault = fault.label(wrong.why);
    match wrong.help {
        Some(help) => fault.help(help),
        None => fault.help(format!("write it like \"{}\"", T::INFO.example)),
    }
}

pub(crate) fn read_text_key<T: FromText>(key: &str, span: Span, reader: &mut Reader) -> Option<T> {
    read_text(&Node { span, kind: Kind::Text(key.to_owned()) }, reader)
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(60).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}

/// Makes types that are written as texts into values.
macro_rules! text_values {
    ($($type:ty),+ $(,)?) => { $(
        impl $crate::read::Value for $type {
            fn read(node: &$crate::tree::Node, reader: &mut $crate::read::Reader) -> Option<Self> {
                $crate::read::read_text(node, reader)
            }

            fn print(&self) -> $crate::print::Toml {
                $crate::print::Toml::Text($crate::read::FromText::to_text(self))
            }

            fn shape() -> $crate::read::Shape {
                $crate::read::Shape::Text(<$type as $crate::read::FromText>::INFO)
            }

            fn stand_in() -> Option<Self> {
                <$type as $crate::read::FromText>::stand_in()
            }
        }
    )+ };
}
pub(crate) use text_values;

impl Value for bool {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.kind {
            Kind::Bool(value) => Some(value),
            _ => {
                reader.wrong_kind(node, "`true` or `false`", "true, without quotes");
                None
            }
        }
    }

    fn print(&self) -> Toml {
        Toml::Raw(self.to_string())
    }

    fn shape() -> Shape {
        Shape::Bool
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number<const MIN: i64, const MAX: i64>(pub i64);

impl<const MIN: i64, const MAX: i64> Value for Number<MIN, MAX> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Kind::Integer(value) = node.kind else {
            let own = node.text().filter(|text| text.parse::<i64>().is_ok());
            let example = own.map_or_else(|| MIN.max(1).to_string(), str::to_owned);
            reader.wrong_kind(node, "a whole number", &format!("{example}, without quotes"));
            return None;
        };
        if (MIN..=MAX).contains(&value) {
            return Some(Self(value));
        }
        let title = format!("{value} is not between {MIN} and {MAX}");
        let expected = format!("expected {MIN} to {MAX}");
        reader.fault(Fault::new(Code::BadValue, node.span, title).label(expected));
        None
    }

    fn print(&self) -> Toml {
        Toml::Raw(self.0.to_string())
    }

    fn shape() -> Shape {
        Shape::Integer { min: MIN, max: MAX }
    }
}

impl<const MIN: i64, const MAX: i64> std::fmt::Display for Number<MIN, MAX> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

pub(crate) fn read_choice<'n>(
    node: &'n Node,
    choices: &[ChoiceInfo],
    reader: &mut Reader,
) -> Option<&'n str> {
    let Some(word) = node.text() else {
        let first = choices.first().map_or("", |choice| choice.word);
        reader.wrong_kind(node, "a word", &format!("\"{first}\""));
        return None;
    };
    if choices.iter().any(|choice| choice.word == word) {
        return Some(word);
    }
    let words: Vec<&str> = choices.iter().map(|choice| choice.word).collect();
    let fault = Fault::new(
        Code::BadValue,
        node.span,
        format!("`{}` is none of the words that fit here", shortened(word)),
    )
    .did_you_mean(nearest(word, words.iter().copied()))
    .help(format!("the words are {}", listed(&words)));
    reader.fault(fault);
    None
}
