//! Texts as trees of values that remember where they stand.
//!
//! TOML files (and the YAML of compose files) become the same [`Node`]s; the files of a lab are merged into
//! one table here. Nothing in a tree is interpreted yet.

mod toml;
mod yaml;

pub(crate) use toml::parse_toml;
pub(crate) use yaml::parse_yaml;

use std::collections::BTreeMap;

use crate::fault::{Code, Fault, Faults};
use crate::source::Span;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Text(String),
    Integer(i64),
    Float,
    Bool(bool),
    /// A date or time, as written.
    Date(String),
    List(Vec<Node>),
    Table(Table),
    /// A value that could not be read; the fault has been said.
    Broken,
}

/// A table: its keys in the order of their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) entries: BTreeMap<String, Entry>,
    style: Style,
}

/// How a table was written, which decides what may be added to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Style {
    /// Only named on the way to another: `a` in `[a.b]`.
    #[default]
    Implied,
    /// By a header of its own.
    Header,
    /// By a dotted key: `a` in `a.b = 1`.
    Dotted,
    /// In braces.
    Inline,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Where the key stands.
    pub(crate) key: Span,
    pub(crate) node: Node,
}

impl Node {
    pub(crate) fn table(&self) -> Option<&Table> {
        match &self.kind {
            Kind::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::List(nodes) => Some(nodes),
            _ => None,
        }
    }

    /// What it is, with its article: "a text".
    pub(crate) fn what(&self) -> &'static str {
        match &self.kind {
            Kind::Text(_) => "a text",
            Kind::Integer(_) => "a whole number",
            Kind::Float => "a number with a fraction",
            Kind::Bool(_) => "true or false",
            Kind::Date(_) => "a date",
            Kind::List(_) => "a list",
            Kind::Table(_) => "a table",
            Kind::Broken => "something unreadable",
        }
    }

    /// The place of `range` of a text's characters, for texts without escapes; else the whole text.
    pub(crate) fn part(&self, range: std::ops::Range<usize>) -> Span {
        let Some(text) = self.text() else { return self.span };
        let quotes = self.span.range().len().saturating_sub(text.len());
        if quotes != 2 || range.end > text.len() {
            return self.span;
        }
        let start = self.span.range().start + 1;
        Span::new(self.span.file, start + range.start..start + range.end)
    }
}

impl Table {
    pub(crate) fn of(entries: impl IntoIterator<Item = (String, Entry)>) -> Self {
        Self { entries: entries.into_iter().collect(), style: Style::default() }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries.get(key).map(|entry| &entry.node)
    }
}

pub(crate) fn twice(key: &str, second: Span, first: Span) -> Fault {
    Fault::new(Code::KeyTwice, second, format!("`{key}` is given twice"))
        .label("given again here")
        .also(first, "given first here")
        .help("keep one of the two")
}

/// Adds the tables of another file of the same lab. A key that both have is a fault, unless both are tables
/// written with headers, which are merged in turn.
pub(crate) fn merge(into: &mut Table, from: Table, faults: &mut Faults) {
    for (key, entry) in from.entries {
        let Some(known) = into.entries.get_mut(&key) else {
            into.entries.insert(key, entry);
            continue;
        };
        match (&mut known.node.kind, entry.node.kind) {
            (Kind::Table(known), Kind::Table(more))
                if known.style != Style::Inline && more.style != Style::Inline =>
            {
                merge(known, more, faults);
            }
            _ => faults.push(twice(&key, entry.key.max(known.key), entry.key.min(known.key))),
        }
    }
}
