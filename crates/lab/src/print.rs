//! A model as TOML again: what is printed reads back as the same model.

use std::fmt::Write as _;

/// A value on its way to TOML.
#[derive(Clone, Debug, PartialEq)]
pub enum Toml {
    /// A text, to be quoted.
    Text(String),
    /// A number, a date, `true` or `false`: printed as it is.
    Raw(String),
    /// A list.
    List(Vec<Toml>),
    /// A table.
    Table(Vec<(String, Toml)>),
}

impl Toml {
    /// The value on one line.
    pub fn inline(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => quote(text, out),
            Self::Raw(raw) => out.push_str(raw),
            Self::List(values) => {
                out.push('[');
                for (at, value) in values.iter().enumerate() {
                    out.push_str(if at > 0 { ", " } else { "" });
                    value.write(out);
                }
                out.push(']');
            }
            Self::Table(entries) if entries.is_empty() => out.push_str("{}"),
            Self::Table(entries) => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if at > 0 { ", " } else { "{ " });
                    write_key(key, out);
                    out.push_str(" = ");
                    value.write(out);
                }
                out.push_str(" }");
            }
        }
    }

    /// A whole document: every table of the top gets its header, what is deeper stands on one line.
    pub fn document(&self) -> String {
        let mut out = String::new();
        let Self::Table(tables) = self else { return out };
        for (name, value) in tables {
            let Self::Table(entries) = value else { continue };
            out.push_str(if out.is_empty() { "[" } else { "\n[" });
            write_key(name, &mut out);
            out.push_str("]\n");
            for (key, value) in entries {
                write_key(key, &mut out);
                let _ = writeln!(out, " = {}", value.inline());
            }
        }
        out
    }
}

/// A key, in quotes where it can not stand without.
pub fn write_key(key: &str, out: &mut String) {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(bare) {
        out.push_str(key);
    } else {
        quote(key, out);
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
