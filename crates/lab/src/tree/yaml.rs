//! The YAML of compose files as the same tree: scalars are texts, mappings are tables, `<<` merges.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Marks};

use super::{Entry, Kind, Node, Style, Table};
use crate::fault::{Code, Fault, Faults};
use crate::source::{FileId, Span};

/// The most values of one file, aliases resolved: an alias of an alias can not fill the memory.
const MAX_NODES: usize = 50_000;
/// How deep values may be nested.
const MAX_DEPTH: usize = 64;

/// The first document of a file; `None` if it is empty or no YAML, which then is in `faults`.
pub(crate) fn parse_yaml(file: FileId, text: &str, faults: &mut Faults) -> Option<Node> {
    let mut reader = Reader::new(file, text);
    match reader.document() {
        Ok(node) => node,
        Err(Stop { span, why }) => {
            let span = span.unwrap_or(Span::new(file, 0..0));
            faults.push(
                Fault::new(Code::ComposeSyntax, span, format!("this is not YAML: {why}"))
                    .help("`docker compose config` reads the file in the same way"),
            );
            None
        }
    }
}

struct Stop {
    span: Option<Span>,
    why: String,
}

struct Reader<'t> {
    file: FileId,
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    /// The byte that each character begins at; empty for texts in which they are the same.
    byte_of: Vec<usize>,
    /// Where the text ends, but for empty lines: what is wrong with the end is shown there.
    end: usize,
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
}

impl<'t> Reader<'t> {
    fn new(file: FileId, text: &'t str) -> Self {
        let byte_of =
            if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| at).collect() };
        let end = text.trim_end().len();
        Self { file, parser: Parser::new_from_str(text), byte_of, end, anchors: BTreeMap::new(), nodes: 0 }
    }

    fn byte(&self, character: usize) -> usize {
        let byte =
            if self.byte_of.is_empty() { Some(character) } else { self.byte_of.get(character).copied() };
        byte.unwrap_or(self.end).min(self.end)
    }

    fn span(&self, marks: Marks) -> Span {
        Span::new(self.file, self.byte(marks.start.index())..self.byte(marks.end.index()))
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok((event, marks))) => Ok((event, self.span(marks))),
            Some(Err(error)) => {
                let at = self.byte(error.marker().index()).min(self.end);
                Err(Stop { span: Some(Span::new(self.file, at..at)), why: error.info().to_owned() })
            }
            None => Ok((Event::StreamEnd, Span::new(self.file, 0..0))),
        }
    }

    fn document(&mut self) -> Result<Option<Node>, Stop> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (Event::StreamEnd | Event::DocumentEnd, _) => return Ok(None),
                (event, span) => return self.node(event, span, 0).map(Some),
            }
        }
    }

    fn count(&mut self, more: usize, span: Span) -> Result<(), Stop> {
        self.nodes += more;
        if self.nodes > MAX_NODES {
            return Err(Stop { span: Some(span), why: format!("it has more than {MAX_NODES} values") });
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Stop> {
        if depth > MAX_DEPTH {
            return Err(Stop {
                span: Some(span),
                why: format!("it is nested deeper than {MAX_DEPTH} levels"),
            });
        }
        let before = self.nodes;
        self.count(1, span)?;
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
                let kind = match &*text {
                    "" | "~" | "null" if !quoted => Kind::Text(String::new()),
                    "true" | "false" if !quoted => Kind::Bool(text == "true"),
                    _ => Kind::Text(text.into_owned()),
                };
                (Node { span, kind }, anchor)
            }
            Event::SequenceStart(anchor, _) => (self.list(span, depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.mapping(span, depth)?, anchor),
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    return Err(Stop { span: Some(span), why: "an alias has no anchor".to_owned() });
                };
                self.count(size, span)?;
                (node, 0)
            }
            _ => return Err(Stop { span: Some(span), why: "a value is missing".to_owned() }),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<Node, Stop> {
        let mut nodes = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Node { span: start.to(span), kind: Kind::List(nodes) });
            }
            nodes.push(self.node(event, span, depth + 1)?);
        }
    }

    fn mapping(&mut self, start: Span, depth: usize) -> Result<Node, Stop> {
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        let mut inherited: Vec<Table> = Vec::new();
        loop {
            let (event, key) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let name = self.node(event, key, depth + 1)?;
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            let name = match name.kind {
                Kind::Text(name) => name,
                Kind::Bool(name) => name.to_string(),
                _ => return Err(Stop { span: Some(key), why: "a key is no text".to_owned() }),
            };
            if name == "<<" {
                inherited.extend(merged_tables(node));
            } else if let Some(known) = entries.insert(name, Entry { key, node }) {
                return Err(Stop { span: Some(key.max(known.key)), why: "a key is given twice".to_owned() });
            }
        }
        for table in inherited {
            for (name, entry) in table.entries {
                entries.entry(name).or_insert(entry);
            }
        }
        let table = Table { entries, style: Style::Inline };
        Ok(Node { span: start, kind: Kind::Table(table) })
    }
}

fn merged_tables(node: Node) -> Vec<Table> {
    match node.kind {
        Kind::Table(table) => vec![table],
        Kind::List(nodes) => nodes.into_iter().flat_map(merged_tables).collect(),
        _ => Vec::new(),
    }
}
