//! TOML 1.1 as a tree, with everything that is wrong with the text and not only the first of it.
//!
//! The grammar is `toml_parser`'s, which goes on after a fault; the tree is built from its events by the
//! rules of the TOML specification on tables that are defined twice.

use std::borrow::Cow;

use toml_parser::decoder::{Encoding, ScalarKind};
use toml_parser::parser::{EventReceiver, RecursionGuard, ValidateWhitespace, parse_document};
use toml_parser::{ErrorSink, ParseError, Source, Span as Bytes};

use super::{Entry, Kind, Node, Style, Table, twice};
use crate::fault::{Code, Fault, Faults};
use crate::source::{FileId, Span};

/// How deep values may be nested.
const MAX_DEPTH: u32 = 32;

/// The table of a whole file. What is wrong goes to `faults`; the rest of the file is still read.
pub(crate) fn parse_toml(file: FileId, text: &str, faults: &mut Faults) -> Table {
    let source = Source::new(text);
    let tokens = source.lex().into_vec();
    let mut builder = Builder {
        file,
        source,
        root: Table::default(),
        at: Vec::new(),
        lost: false,
        keys: Vec::new(),
        header: None,
        open: Vec::new(),
        faults: Faults::default(),
    };
    let mut errors: Vec<ParseError> = Vec::new();
    {
        let mut checked = ValidateWhitespace::new(&mut builder, source);
        let mut guarded = RecursionGuard::new(&mut checked, MAX_DEPTH);
        parse_document(&tokens, &mut guarded, &mut errors);
    }
    let mut last_line = None;
    for error in errors {
        let fault = syntax_fault(file, text, &error);
        let line = fault.places.first().map(|place| line_of(text, place.span));
        if line != last_line {
            faults.push(fault);
        }
        last_line = line;
    }
    faults.extend(builder.faults.iter().cloned());
    builder.root
}

fn line_of(text: &str, span: Span) -> usize {
    text.bytes().take(span.range().start).filter(|byte| *byte == b'\n').count()
}

/// What the parser says, what we say, and what to do. The parser's other messages are shown as they are.
const PLAINLY: [(&str, &str, &str); 16] = [
    ("unclosed table", "the name of this table is not closed", "close it: `[table.name]`"),
    ("unclosed inline table", "these braces are not closed", "close them: `{ key = \"value\" }`"),
    ("unclosed array", "this list is not closed", "close it: `[\"one\", \"two\"]`"),
    (
        "invalid basic string",
        "this text has no closing quote, or a line break in it",
        "close it on the same line",
    ),
    (
        "invalid literal string",
        "this text has no closing quote, or a line break in it",
        "close it on the same line",
    ),
    ("string values must be quoted", "a value is missing, or is a text without quotes", TEXTS),
    ("invalid float", "this is neither a number nor a text", TEXTS),
    ("invalid integer", "this is neither a number nor a text", TEXTS),
    ("invalid date-time", "this is neither a date nor a text", TEXTS),
    ("invalid boolean", "this is neither `true` nor `false`", TEXTS),
    (
        "unexpected leading zero",
        "a number does not begin with a zero",
        "leave the zero out, or put a text in quotes",
    ),
    (
        "unexpected key or value",
        "there is more on this line than a key and its value",
        "several values are a list: `[\"one\", \"two\"]`",
    ),
    ("key with no value", "this key has no value", "write `key = value`"),
    ("missing value", "this key has no value", "write `key = value`"),
    (
        "missing escaped value",
        "a backslash means something in this text",
        "write it twice, or put the text in single quotes",
    ),
    (
        "invalid unquoted key",
        "this is no key",
        "keys with other characters than letters, digits, `-` and `_` stand in quotes",
    ),
];
const TEXTS: &str = "texts, addresses, durations and sizes stand in quotes";

/// Only the first fault of a line is kept: what follows on it is mostly its echo.
fn syntax_fault(file: FileId, text: &str, error: &ParseError) -> Fault {
    let at = error.unexpected().or(error.context()).map_or(0..text.len().min(1), |at| at.start()..at.end());
    let at = at.start.min(text.len())..at.end.min(text.len());
    if let Some((_, title, help)) = PLAINLY.iter().find(|(said, ..)| error.description().starts_with(said)) {
        return Fault::new(Code::Syntax, Span::new(file, at), *title).help(*help);
    }
    let expected: Vec<String> = error
        .expected()
        .unwrap_or_default()
        .iter()
        .filter_map(|expected| match expected {
            toml_parser::Expected::Literal(literal) if !literal.is_empty() => Some(match *literal {
                "\n" => "the end of the line".to_owned(),
                literal => format!("`{literal}`"),
            }),
            toml_parser::Expected::Description(description) => Some((*description).to_owned()),
            _ => None,
        })
        .collect();
    let fault = Fault::new(Code::Syntax, Span::new(file, at), error.description().to_owned());
    match expected.split_last() {
        None => fault,
        Some((only, [])) => fault.label(format!("expected {only}")),
        Some((last, first)) => fault.label(format!("expected {} or {last}", first.join(", "))),
    }
}

struct Key {
    name: String,
    span: Span,
}

/// A list or an inline table that is not closed yet, with what it will be the value of.
enum Open {
    List { start: Span, nodes: Vec<Node> },
    Table { start: Span, table: Table, lost: bool, outer: Vec<Key> },
}

struct Builder<'a> {
    file: FileId,
    source: Source<'a>,
    root: Table,
    /// The table of the last header, as a path from the root.
    at: Vec<String>,
    /// The last header was faulty: what follows it has no place.
    lost: bool,
    keys: Vec<Key>,
    header: Option<Span>,
    open: Vec<Open>,
    faults: Faults,
}

impl Builder<'_> {
    fn span(&self, bytes: Bytes) -> Span {
        Span::new(self.file, bytes.start()..bytes.end())
    }

    fn value(&mut self, node: Node) {
        if let Some(Open::List { nodes, .. }) = self.open.last_mut() {
            nodes.push(node);
            return;
        }
        let keys = std::mem::take(&mut self.keys);
        let faults = &mut self.faults;
        match self.open.last_mut() {
            Some(Open::Table { table, .. }) => insert_dotted(table, keys, node, faults),
            _ if self.lost => {}
            _ => {
                if let Some(table) = descend(&mut self.root, &self.at) {
                    insert_dotted(table, keys, node, faults);
                }
            }
        }
    }

    fn open_header(&mut self) {
        let header = self.header.take();
        let keys = std::mem::take(&mut self.keys);
        self.at = keys.iter().map(|key| key.name.clone()).collect();
        self.lost = keys.is_empty();
        let Some(header) = header else { return };
        let mut table = &mut self.root;
        for (depth, key) in keys.iter().enumerate() {
            let is_last = depth + 1 == keys.len();
            let style = if is_last { Style::Header } else { Style::Implied };
            let known = table.entries.entry(key.name.clone()).or_insert_with(|| Entry {
                key: key.span,
                node: Node {
                    span: header,
                    kind: Kind::Table(Table { style: Style::Implied, ..Table::default() }),
                },
            });
            let first = known.key;
            let Kind::Table(inner) = &mut known.node.kind else {
                self.faults.push(twice(&key.name, key.span, first));
                self.lost = true;
                return;
            };
            let given_before = matches!(inner.style, Style::Header | Style::Dotted | Style::Inline);
            if (is_last && given_before) || inner.style == Style::Inline {
                self.faults.push(twice(&key.name, key.span, first));
                self.lost = !is_last || inner.style == Style::Inline;
                return;
            }
            if is_last {
                inner.style = style;
                known.node.span = header;
                known.key = key.span;
            }
            table = inner;
        }
    }
}

fn descend<'t>(root: &'t mut Table, path: &[String]) -> Option<&'t mut Table> {
    let mut table = root;
    for key in path {
        match &mut table.entries.get_mut(key)?.node.kind {
            Kind::Table(inner) => table = inner,
            _ => return None,
        }
    }
    Some(table)
}

fn insert_dotted(table: &mut Table, mut keys: Vec<Key>, node: Node, faults: &mut Faults) {
    let Some(last) = keys.pop() else { return };
    let mut table = table;
    for key in keys {
        let known = table.entries.entry(key.name.clone()).or_insert_with(|| Entry {
            key: key.span,
            node: Node {
                span: key.span,
                kind: Kind::Table(Table { style: Style::Dotted, ..Table::default() }),
            },
        });
        match &mut known.node.kind {
            Kind::Table(inner) if inner.style == Style::Dotted => table = inner,
            _ => {
                faults.push(twice(&key.name, key.span, known.key));
                return;
            }
        }
    }
    match table.entries.get(&last.name) {
        Some(known) => faults.push(twice(&last.name, last.span, known.key)),
        None => {
            table.entries.insert(last.name, Entry { key: last.span, node });
        }
    }
}

impl EventReceiver for Builder<'_> {
    fn std_table_open(&mut self, span: Bytes, _: &mut dyn ErrorSink) {
        self.keys.clear();
        self.header = Some(self.span(span));
    }

    fn std_table_close(&mut self, span: Bytes, _: &mut dyn ErrorSink) {
        let end = self.span(span);
        self.header = self.header.map(|start| start.to(end));
        self.open_header();
    }

    fn array_table_open(&mut self, span: Bytes, _: &mut dyn ErrorSink) {
        self.keys.clear();
        self.header = Some(self.span(span));
    }

    fn array_table_close(&mut self, span: Bytes, _: &mut dyn ErrorSink) {
        let span = self.header.take().unwrap_or(self.span(span)).to(self.span(span));
        self.keys.clear();
        self.lost = true;
        self.faults.push(
            Fault::new(Code::Syntax, span, "a lab file has no lists of tables")
                .help("write one pair of brackets and a name: `[table.name]`"),
        );
    }

    fn inline_table_open(&mut self, span: Bytes, _: &mut dyn ErrorSink) -> bool {
        let outer = std::mem::take(&mut self.keys);
        let table = Table { style: Style::Inline, ..Table::default() };
        self.open.push(Open::Table { start: self.span(span), table, lost: self.lost, outer });
        true
    }

    fn inline_table_close(&mut self, span: Bytes, _: &mut dyn ErrorSink) {
        if let Some(Open::Table { start, table, lost, outer }) = self.open.pop() {
            self.lost = lost;
            self.keys = outer;
            let span = start.to(self.span(span));
            self.value(Node { span, kind: Kind::Table(table) });
        }
    }

    fn array_open(&mut self, span: Bytes, _: &mut dyn ErrorSink) -> bool {
        self.open.push(Open::List { start: self.span(span), nodes: Vec::new() });
        true
    }

    fn array_close(&mut self, span: Bytes, _: &mut dyn ErrorSink) {
        if let Some(Open::List { start, nodes }) = self.open.pop() {
            let span = start.to(self.span(span));
            self.value(Node { span, kind: Kind::List(nodes) });
        }
    }

    fn simple_key(&mut self, span: Bytes, kind: Option<Encoding>, errors: &mut dyn ErrorSink) {
        let text = self.source.input().get(span.start()..span.end()).unwrap_or("");
        let mut name = Cow::Borrowed("");
        toml_parser::Raw::new_unchecked(text, kind, span).decode_key(&mut name, errors);
        let span = self.span(span);
        self.keys.push(Key { name: name.into_owned(), span });
    }

    fn scalar(&mut self, span: Bytes, kind: Option<Encoding>, errors: &mut dyn ErrorSink) {
        let text = self.source.input().get(span.start()..span.end()).unwrap_or("");
        let mut decoded = Cow::Borrowed("");
        let mut broken = false;
        let mut sink = |error: ParseError| {
            broken = true;
            errors.report_error(error);
        };
        let scalar = toml_parser::Raw::new_unchecked(text, kind, span).decode_scalar(&mut decoded, &mut sink);
        let kind = match scalar {
            _ if broken => Kind::Broken,
            ScalarKind::String => Kind::Text(decoded.into_owned()),
            ScalarKind::Boolean(value) => Kind::Bool(value),
            ScalarKind::DateTime => Kind::Date(decoded.into_owned()),
            ScalarKind::Float => Kind::Float,
            ScalarKind::Integer(radix) => match i64::from_str_radix(&decoded, radix.value()) {
                Ok(value) => Kind::Integer(value),
                Err(_) => Kind::Float,
            },
        };
        let span = self.span(span);
        self.value(Node { span, kind });
    }

    fn newline(&mut self, _: Bytes, _: &mut dyn ErrorSink) {
        if self.header.is_some() {
            // A header without its closing bracket: the fault has been said, the name still counts.
            self.open_header();
        } else if self.open.is_empty() {
            self.keys.clear();
        }
    }
}
