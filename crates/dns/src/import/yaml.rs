//! The YAML of AdGuard Home as plain values: what stands in the file, in its order, and nothing of what it means.
//!
//! JSON is read in the same way, because it is YAML. Files with aliases are refused: AdGuard Home writes none, and
//! an alias of an alias can fill the memory.

use std::collections::BTreeSet;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

/// The largest file, in bytes; one with ten thousand rules has less than one.
pub(super) const MAX_BYTES: usize = 4 << 20;
/// How deep values may be nested; AdGuard Home has them six deep.
const MAX_DEPTH: usize = 32;
/// The most values of one file.
const MAX_VALUES: usize = 500_000;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Yaml {
    /// `null`, or nothing at all.
    Empty,
    /// A text, a number, `true` or `false`, as written.
    Text(String),
    /// A list.
    List(Vec<Yaml>),
    /// Keys and their values, in the order of the file.
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    /// Whether nothing stands in it.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::List(values) => values.iter().all(Self::is_empty),
            Self::Map(entries) => entries.iter().all(|(_, value)| value.is_empty()),
        }
    }
}

/// The first document of a text.
///
/// # Errors
/// In words what is wrong with it and where, without a word of what stands in it: that may be a secret.
pub(super) fn parse(text: &str) -> Result<Yaml, String> {
    if text.len() > MAX_BYTES {
        return Err("it is larger than 4 MiB".to_owned());
    }
    // The mark of a text in UTF-8, which some editors put first.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { parser: Parser::new_from_str(text), values: 0, line: 1 };
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd | Event::DocumentEnd => return Ok(Yaml::Empty),
            event => return reader.value(event, 0),
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    values: usize,
    /// The line of the last event, from 1.
    line: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Event<'t>, String> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.line = span.start.line();
                Ok(event)
            }
            Some(Err(fault)) => {
                Err(format!("it is not YAML: line {} can not be read", fault.marker().line()))
            }
            None => Ok(Event::StreamEnd),
        }
    }

    fn wrong(&self, what: &str) -> String {
        format!("{what}, at line {}", self.line)
    }

    fn value(&mut self, event: Event<'t>, depth: usize) -> Result<Yaml, String> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(self.wrong("it has more than 500,000 values"));
        }
        if depth > MAX_DEPTH {
            return Err(self.wrong("it is nested deeper than 32 levels"));
        }
        match event {
            Event::Scalar(text, style, ..) => {
                let is_plain = style == ScalarStyle::Plain;
                let is_empty = is_plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                Ok(if is_empty { Yaml::Empty } else { Yaml::Text(text.into_owned()) })
            }
            Event::SequenceStart(..) => self.list(depth),
            Event::MappingStart(..) => self.map(depth),
            Event::Alias(_) => Err(self.wrong("it has an alias, which AdGuard Home never writes")),
            _ => Err(self.wrong("a value is missing")),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Yaml, String> {
        let mut values = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Yaml::List(values)),
                event => values.push(self.value(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Yaml, String> {
        let mut entries: Vec<(String, Yaml)> = Vec::new();
        let mut keys = BTreeSet::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(Yaml::Map(entries)),
                event => self.value(event, depth + 1)?,
            };
            let Yaml::Text(key) = key else { return Err(self.wrong("a key is no text")) };
            if !keys.insert(key.clone()) {
                return Err(self.wrong("a key is there twice"));
            }
            let event = self.next()?;
            entries.push((key, self.value(event, depth + 1)?));
        }
    }
}
