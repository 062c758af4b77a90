//! Tables of the lab file with comments in them, as TOML.

use lab::print::{Toml, write_key};

/// A table under a header of its own.
#[derive(Debug)]
pub(super) struct Table {
    /// Its path: `dns`, `policies`, `kids`.
    path: Vec<String>,
    /// What stands above the header.
    head: Vec<String>,
    lines: Vec<Line>,
}

#[derive(Debug)]
enum Line {
    Comment(String),
    Pair(String, Toml),
    Items(String, Vec<Item>),
}

/// An entry of a list that is printed line by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// An entry.
    Text(String),
    /// What only stands there to be read.
    Comment(String),
}

/// A list of texts.
pub(super) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Toml {
    Toml::List(texts.into_iter().map(|text| Toml::Text(text.into())).collect())
}

/// One text alone, or a list of them.
pub(super) fn one_or_many(mut several: Vec<String>) -> Toml {
    match (several.len(), several.pop()) {
        (1, Some(only)) => Toml::Text(only),
        (_, last) => {
            several.extend(last);
            texts(several)
        }
    }
}

impl Table {
    /// An empty table.
    pub(super) fn new<T: Into<String>>(path: impl IntoIterator<Item = T>) -> Self {
        Self { path: path.into_iter().map(Into::into).collect(), head: Vec::new(), lines: Vec::new() }
    }

    /// Whether there is no line in it.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// A comment above the header.
    pub(super) fn above(&mut self, text: impl Into<String>) {
        self.head.push(text.into());
    }

    /// A comment.
    pub(super) fn comment(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Comment(text.into()));
    }

    /// A key and its value.
    pub(super) fn put(&mut self, key: &str, value: Toml) {
        self.lines.push(Line::Pair(key.to_owned(), value));
    }

    /// A key and its value as a comment: as it would stand there if it were to hold.
    pub(super) fn put_off(&mut self, key: &str, value: &Toml) {
        self.comment(format!("{} = {}", key_text(key), value.inline()));
    }

    /// A key and a list with a line for each entry; nothing if there is no line.
    pub(super) fn items(&mut self, key: &str, items: Vec<Item>) {
        if !items.is_empty() {
            self.lines.push(Line::Items(key.to_owned(), items));
        }
    }

    /// As TOML.
    pub(super) fn print(&self, out: &mut String) {
        for text in &self.head {
            comment(text, "", out);
        }
        let path: Vec<String> = self.path.iter().map(|part| key_text(part)).collect();
        out.push_str(&format!("[{}]\n", path.join(".")));
        for line in &self.lines {
            match line {
                Line::Comment(text) => comment(text, "", out),
                Line::Pair(key, value) => {
                    out.push_str(&format!("{} = {}\n", key_text(key), value.inline()));
                }
                Line::Items(key, items) => {
                    out.push_str(&format!("{} = [\n", key_text(key)));
                    for item in items {
                        match item {
                            Item::Text(text) => {
                                out.push_str(&format!("  {},\n", Toml::Text(text.clone()).inline()));
                            }
                            Item::Comment(text) => comment(text, "  ", out),
                        }
                    }
                    out.push_str("]\n");
                }
            }
        }
    }
}

/// A comment of one line: TOML allows no control characters in it.
fn comment(text: &str, indent: &str, out: &mut String) {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    out.push_str(format!("{indent}# {}", text.trim()).trim_end());
    out.push('\n');
}

fn key_text(key: &str) -> String {
    let mut text = String::new();
    write_key(key, &mut text);
    text
}
