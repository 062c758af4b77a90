//! What may stand where, as data: the source of the JSON schema, the reference and `polis explain`.

use std::borrow::Cow;

use crate::names::Noun;
use crate::print::Toml;

/// What may stand at a place of the lab file.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A text of a certain form.
    Text(TextInfo),
    /// One of some words.
    Choice(&'static [ChoiceInfo]),
    /// A whole number between two bounds, both allowed.
    Integer {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// `true` or `false`.
    Bool,
    /// A TOML date.
    Date,
    /// The name of something that the lab has.
    Name(&'static [Noun]),
    /// A list.
    List(Box<Shape>),
    /// One, or a list of them.
    OneOrMany(Box<Shape>),
    /// A table whose keys are names that the owner chooses.
    Map {
        /// What its keys are.
        key: TextInfo,
        /// What stands behind each.
        value: Box<Shape>,
    },
    /// A table with known keys.
    Table(&'static TableInfo),
    /// A table, or just the value of one of its keys.
    Short(&'static TableInfo, Box<Shape>),
}

/// A text of a certain form.
#[derive(Clone, Copy, Debug)]
pub struct TextInfo {
    /// What it is, with its article: "a duration".
    pub what: &'static str,
    /// One that is right.
    pub example: &'static str,
    /// A regular expression that editors check; right texts always match it.
    pub pattern: Option<&'static str>,
    /// Whether a wrong one may be a secret, and is not shown.
    pub secret: bool,
}

impl TextInfo {
    /// A text that is not secret.
    pub const fn new(what: &'static str, example: &'static str, pattern: Option<&'static str>) -> Self {
        Self { what, example, pattern, secret: false }
    }
}

/// One of the words of a choice.
#[derive(Clone, Copy, Debug)]
pub struct ChoiceInfo {
    /// The word.
    pub word: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// A table with known keys.
#[derive(Debug)]
pub struct TableInfo {
    /// What it says.
    pub doc: &'static str,
    /// The key that may stand alone for the whole table.
    pub short: Option<&'static str>,
    /// Its keys.
    pub fields: &'static [FieldInfo],
}

/// A key of a table.
#[derive(Debug)]
pub struct FieldInfo {
    /// The name of the field in Rust; see [`FieldInfo::key`].
    pub ident: &'static str,
    /// Another name for the same key.
    pub alias: Option<&'static str>,
    /// What it says.
    pub doc: &'static str,
    /// What happens without it.
    pub need: Need,
    /// What may stand there.
    pub shape: fn() -> Shape,
}

/// What happens when a key is not there.
#[derive(Clone, Copy, Debug)]
pub enum Need {
    /// It is a fault.
    Required,
    /// This happens.
    Optional(&'static str),
    /// This value is taken.
    Default(fn() -> Toml),
}

impl FieldInfo {
    /// The key in the file: words are joined with hyphens.
    pub fn key(&self) -> Cow<'static, str> {
        key_of(self.ident)
    }

    /// Whether this is the key `key`.
    pub fn is(&self, key: &str) -> bool {
        let ident = self.ident.trim_start_matches("r#");
        let same = |(a, b): (u8, u8)| if a == b'_' { b == b'-' } else { a == b };
        self.alias == Some(key) || (ident.len() == key.len() && ident.bytes().zip(key.bytes()).all(same))
    }
}

/// The key in the file that a field of a struct is for.
pub(crate) fn key_of(ident: &'static str) -> Cow<'static, str> {
    let ident = ident.trim_start_matches("r#");
    if ident.contains('_') { Cow::Owned(ident.replace('_', "-")) } else { Cow::Borrowed(ident) }
}

impl TableInfo {
    /// The key `key`, if the table has it.
    pub fn field(&self, key: &str) -> Option<&'static FieldInfo> {
        self.fields.iter().find(|field| field.is(key))
    }
}

impl Shape {
    /// In words, for people: "a duration", "a zone or a list of zones".
    pub fn words(&self) -> String {
        match self {
            Self::Text(info) => info.what.to_owned(),
            Self::Choice(choices) => {
                choices.iter().map(|choice| format!("`\"{}\"`", choice.word)).collect::<Vec<_>>().join(", ")
            }
            Self::Integer { min, max } if *max >= i64::from(u32::MAX) => format!("a whole number from {min}"),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Bool => "`true` or `false`".to_owned(),
            Self::Date => "a date, without quotes".to_owned(),
            Self::Name(nouns) => format!("the name of {}", Noun::any_of(nouns)),
            Self::List(shape) => format!("a list, each {}", shape.words()),
            Self::OneOrMany(shape) => format!("{}; or a list of them", shape.words()),
            Self::Map { key, value } => match &**value {
                Self::Table(_) | Self::Short(..) => format!("a table each, by {}", key.what),
                value => format!("by {}: {}", key.what, value.words()),
            },
            Self::Table(_) => "a table".to_owned(),
            Self::Short(_, short) => format!("{}; or a table", short.words()),
        }
    }

    /// What a name in it may be the name of; empty if no name belongs there.
    pub(crate) fn nouns(&self) -> &'static [Noun] {
        match self {
            Self::Name(nouns) => nouns,
            Self::List(shape) | Self::OneOrMany(shape) => shape.nouns(),
            _ => &[],
        }
    }

    /// The table in it, if there is one: of a list or map, that of its values.
    pub fn table(&self) -> Option<&'static TableInfo> {
        match self {
            Self::Table(table) | Self::Short(table, _) => Some(table),
            Self::List(shape) | Self::OneOrMany(shape) => shape.table(),
            Self::Map { value, .. } => value.table(),
            _ => None,
        }
    }
}
