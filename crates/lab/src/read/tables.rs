//! `table!` and `choice!`: one declaration for each table and each set of words of the lab file.

use std::borrow::Cow;

use super::{At, Reader, TableInfo, Value};
use crate::fault::{Code, Fault, nearest};
use crate::names::Names;
use crate::source::Span;
use crate::tree::{Entry, Kind, Node, Table};

/// Declares a table of the lab file.
///
/// Each key is `name: Type = need;`, where `need` is `required`, `optional("what happens without it")` or
/// `default(value)`. `struct X or key` lets the value of `key` stand for the whole table.
macro_rules! table {
    (
        $(#[doc = $doc:literal])+
        pub struct $name:ident $(or $short:ident)? {
            $(
                $(#[doc = $field_doc:literal])+
                $field:ident $(| $alias:literal)? : $type:ty = $need:ident $(($arg:expr))? ;
            )*
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[doc = $field_doc])+ pub $field: $crate::read::table!(@type $need $type), )*
        }

        impl $name {
            /// What the table says and which keys it has.
            pub const INFO: &'static $crate::read::TableInfo = &$crate::read::TableInfo {
                doc: concat!($($doc, "\n"),+).trim_ascii(),
                short: $crate::read::table!(@short $($short)?),
                fields: &[ $( $crate::read::FieldInfo {
                    ident: stringify!($field),
                    alias: $crate::read::table!(@alias $($alias)?),
                    doc: concat!($($field_doc, "\n"),+).trim_ascii(),
                    need: $crate::read::table!(@need $need $type $(, $arg)?),
                    shape: <$type as $crate::read::Value>::shape,
                }, )* ],
            };
        }

        impl $crate::read::Value for $name {
            fn read(node: &$crate::tree::Node, reader: &mut $crate::read::Reader) -> Option<Self> {
                let fields = $crate::read::Fields::open(Self::INFO, node, reader)?;
                $( let $field = $crate::read::table!(@read $need, fields, reader, stringify!($field) $(, $arg)?); )*
                Some(Self { $( $field: $crate::read::table!(@take $need $field), )* })
            }

            fn print(&self) -> $crate::print::Toml {
                let mut entries = Vec::new();
                $( $crate::read::table!(@print $need, entries, self, $field); )*
                $crate::print::Toml::Table(entries)
            }

            fn shape() -> $crate::read::Shape {
                match Self::INFO.short.and_then(|short| Self::INFO.field(&$crate::read::key_of(short))) {
                    Some(short) => $crate::read::Shape::Short(Self::INFO, Box::new((short.shape)())),
                    None => $crate::read::Shape::Table(Self::INFO),
                }
            }
        }
    };

    (@type optional $type:ty) => { Option<$crate::read::At<$type>> };
    (@type $need:ident $type:ty) => { $crate::read::At<$type> };

    (@short) => { None };
    (@short $short:ident) => { Some(stringify!($short)) };
    (@alias) => { None };
    (@alias $alias:literal) => { Some($alias) };

    (@need required $type:ty) => { $crate::read::Need::Required };
    (@need optional $type:ty, $otherwise:expr) => { $crate::read::Need::Optional($otherwise) };
    (@need default $type:ty, $value:expr) => {
        $crate::read::Need::Default(|| { let value: $type = $value; $crate::read::Value::print(&value) })
    };

    (@read required, $fields:ident, $reader:ident, $key:expr) => { $fields.required($key, $reader) };
    (@read optional, $fields:ident, $reader:ident, $key:expr, $otherwise:expr) => {
        $fields.optional($key, $reader)
    };
    (@read default, $fields:ident, $reader:ident, $key:expr, $value:expr) => {
        $fields.optional($key, $reader).unwrap_or_else(|| $crate::read::At::default_of($value, $fields.span()))
    };

    (@take required $field:ident) => { $field? };
    (@take $need:ident $field:ident) => { $field };

    (@print optional, $entries:ident, $self:ident, $field:ident) => {
        if let Some(value) = &$self.$field {
            $entries.push(($crate::read::key_of(stringify!($field)).into_owned(), value.print()));
        }
    };
    (@print $need:ident, $entries:ident, $self:ident, $field:ident) => {
        if $self.$field.is_written() {
            $entries.push(($crate::read::key_of(stringify!($field)).into_owned(), $self.$field.print()));
        }
    };
}
pub(crate) use table;

/// Declares a set of words, one of which stands in the lab file.
macro_rules! choice {
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident { $( $(#[doc = $word_doc:literal])+ $variant:ident = $word:literal, )+ }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $( $(#[doc = $word_doc])+ $variant, )+ }

        impl $name {
            /// The words and what they mean.
            pub const CHOICES: &'static [$crate::read::ChoiceInfo] = &[ $( $crate::read::ChoiceInfo {
                word: $word,
                doc: concat!($($word_doc, "\n"),+).trim_ascii(),
            }, )+ ];

            /// The word in the lab file.
            pub fn word(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }
        }

        impl $crate::read::Value for $name {
            fn read(node: &$crate::tree::Node, reader: &mut $crate::read::Reader) -> Option<Self> {
                match $crate::read::read_choice(node, Self::CHOICES, reader)? {
                    $( $word => Some(Self::$variant), )+
                    _ => None,
                }
            }

            fn print(&self) -> $crate::print::Toml {
                $crate::print::Toml::Text(self.word().to_owned())
            }

            fn shape() -> $crate::read::Shape {
                $crate::read::Shape::Choice(Self::CHOICES)
            }
        }
    };
}
pub(crate) use choice;

/// The keys of a table while it is read. Keys that it does not have are faults at once.
pub(crate) struct Fields<'n> {
    info: &'static TableInfo,
    table: Cow<'n, Table>,
    span: Span,
    /// It is the first that was opened: the one that all others stand in.
    is_whole_lab: bool,
}

impl<'n> Fields<'n> {
    pub(crate) fn open(info: &'static TableInfo, node: &'n Node, reader: &mut Reader) -> Option<Self> {
        let table = match (&node.kind, info.short) {
            (Kind::Table(table), _) => Cow::Borrowed(table),
            (Kind::Broken, _) => return None,
            (_, Some(short)) => {
                let entry = Entry { key: node.span, node: node.clone() };
                Cow::Owned(Table::of([(super::key_of(short).into_owned(), entry)]))
            }
            (_, None) => {
                let key = info.fields.first().map(super::FieldInfo::key).unwrap_or_default();
                reader.wrong_kind(node, "a table", &format!("{{ {key} = … }}, or with a header of its own"));
                return None;
            }
        };
        let is_whole_lab = !std::mem::replace(&mut reader.has_begun, true);
        for (key, entry) in &table.entries {
            if info.field(key).is_none() {
                unknown_key(info, key, entry.key, reader);
            }
        }
        Some(Self { info, table, span: node.span, is_whole_lab })
    }

    /// Where the table begins: its header, or its braces.
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    fn find(&self, ident: &str, reader: &mut Reader) -> Option<&Entry> {
        let field = self.info.fields.iter().find(|field| field.ident == ident)?;
        let own = self.table.entries.get(&*field.key());
        let alias = field.alias.and_then(|alias| Some((alias, self.table.entries.get(alias)?)));
        if let (Some(own), Some((alias, other))) = (own, alias) {
            let title = format!("`{}` and `{alias}` are the same key", field.key());
            reader.fault(
                Fault::new(Code::EitherOr, other.key, title)
                    .also(own.key, "given first here")
                    .help("keep one of the two"),
            );
        }
        own.or(alias.map(|(_, entry)| entry))
    }

    pub(crate) fn optional<T: Value>(&self, ident: &'static str, reader: &mut Reader) -> Option<At<T>> {
        if self.is_whole_lab {
            reader.table = ident;
        }
        let entry = self.find(ident, reader)?;
        let value = T::read(&entry.node, reader);
        if value.is_none() {
            reader.broken.insert(self.span);
        }
        Some(At::written(value?, entry.node.span))
    }

    pub(crate) fn required<T: Value>(&self, ident: &'static str, reader: &mut Reader) -> Option<At<T>> {
        if self.find(ident, reader).is_none()
            && let Some(field) = self.info.fields.iter().find(|field| field.ident == ident)
        {
            reader.fault(missing_key(field, self.span, &reader.names));
        }
        self.optional(ident, reader).or_else(|| Some(At::stand_in(T::stand_in()?, self.span)))
    }
}

fn missing_key(field: &'static super::FieldInfo, table: Span, names: &Names) -> Fault {
    let key = field.key();
    let summary = field.doc.split_once(". ").map_or(field.doc, |(first, _)| first).trim_end_matches('.');
    let mut letters = summary.chars();
    let lower = letters.next().map(|first| first.to_ascii_lowercase());
    let summary: String = lower.into_iter().chain(letters).collect();
    let is_whole_file = table.range().is_empty();
    if is_whole_file {
        return Fault::new(Code::MissingKey, table, format!("the lab file has no `[{key}]`"))
            .help(format!("it says {summary}"));
    }
    let shape = (field.shape)();
    let fault = Fault::new(Code::MissingKey, table, format!("`{key}` is missing"))
        .label("this table needs it")
        .help(format!("`{key}` is {summary}: {}", shape.words()));
    match shape.nouns() {
        [] => fault,
        nouns => names.to_choose_from(nouns).into_iter().fold(fault, Fault::help),
    }
}

/// Words that people bring along from other programs, and the key that they mean.
const HABITS: [(&str, &str); 10] = [
    ("ip", "address"),
    ("ips", "addresses"),
    ("ram", "memory"),
    ("subnet", "cidr"),
    ("network", "cidr"),
    ("tz", "timezone"),
    ("mail", "email"),
    ("parent", "guest-of"),
    ("members", "groups"),
    ("volumes", "data"),
];

fn unknown_key(info: &'static TableInfo, key: &str, span: Span, reader: &mut Reader) {
    let keys: Vec<Cow<'_, str>> = info.fields.iter().map(super::FieldInfo::key).collect();
    let habit = HABITS.iter().find(|(written, meant)| *written == key && info.field(meant).is_some());
    let near = habit.map(|(_, meant)| *meant).or_else(|| nearest(key, keys.iter().map(AsRef::as_ref)));
    let fault = Fault::new(Code::UnknownKey, span, format!("there is no key `{key}` here"));
    if near.is_none() || !reader.table.is_empty() {
        reader.unknown.push(reader.table);
    }
    reader.fault(match near {
        Some(_) => fault.did_you_mean(near),
        None => fault.help(format!("the keys here are {}", listed(&keys))),
    });
}

/// "`a`, `b` and `c`".
pub(crate) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match quoted.split_last() {
        None => "none".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
    }
}
