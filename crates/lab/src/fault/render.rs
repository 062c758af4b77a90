//! Faults as text for people and as JSON for editors and scripts.
//!
//! The lines of the lab file are shown with every plain secret masked: [`mask_secrets`] is the last thing
//! that happens to a text before it is shown, whatever the fault is about.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::{Fault, Faults, Place, Severity};
use crate::source::{FileId, Folder};

/// A fault with more places shows the line of the first, and only says where the others are.
const MAX_EXCERPTS: usize = 4;

/// How to show faults on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Plain text.
    Plain,
    /// With colours, for a terminal.
    Coloured,
}

/// The faults as a person reads them, one block each, errors first; empty if there are none.
pub fn render_text(faults: &Faults, folder: &Folder, style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    let mut text = String::new();
    for fault in faults.iter() {
        let excerpts = excerpts(fault, folder);
        text.push_str(&renderer.render(&[report(fault, folder, &excerpts)]));
        text.push_str("\n\n");
    }
    text
}

/// The lines of a file that a fault is about, with every plain secret masked.
struct Excerpt<'f> {
    path: String,
    text: String,
    /// The number of the first line, and the byte of the file that it begins at.
    line: usize,
    start: usize,
    places: Vec<(usize, &'f Place)>,
}

fn excerpts<'f>(fault: &'f Fault, folder: &Folder) -> Vec<Excerpt<'f>> {
    let (shown, _) = fault.places.split_at(shown_places(fault));
    let excerpt = |(file, places): (FileId, Vec<(usize, &'f Place)>)| {
        let file = folder.file(file)?;
        let first = places.iter().map(|(_, place)| place.span.range().start).min()?;
        let last = places.iter().map(|(_, place)| place.span.range().end).max()?;
        let (line, start) = file.line_at(first);
        let text = mask_secrets(file.text().get(start..file.line_end(last))?);
        Some(Excerpt { path: folder.shown_path(file), text, line, start, places })
    };
    by_file(shown).into_iter().filter_map(excerpt).collect()
}

fn shown_places(fault: &Fault) -> usize {
    if fault.places.len() > MAX_EXCERPTS { 1 } else { fault.places.len() }
}

fn report<'a>(fault: &'a Fault, folder: &'a Folder, excerpts: &'a [Excerpt<'a>]) -> Group<'a> {
    let level = match fault.code.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(fault.title.as_str()).id(fault.code.slug()));
    for excerpt in excerpts {
        let mut snippet =
            Snippet::source(excerpt.text.as_str()).path(excerpt.path.as_str()).line_start(excerpt.line);
        for (at, place) in &excerpt.places {
            let kind = if *at == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let inside = |byte: usize| excerpt.text.floor_char_boundary(byte.saturating_sub(excerpt.start));
            let range = place.span.range();
            let range = inside(range.start)..inside(range.end);
            snippet = snippet.annotation(kind.span(range).label(place.label.as_str()));
        }
        group = group.element(snippet);
    }
    for place in fault.places.iter().skip(shown_places(fault)) {
        let text = format!("{}: {}", folder.place(place.span), place.label);
        group = group.element(Level::NOTE.message(text));
    }
    for help in &fault.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    group
}

/// The places of a fault by file, the file of the main place first; with each its number in the fault.
fn by_file(places: &[Place]) -> Vec<(FileId, Vec<(usize, &Place)>)> {
    let mut files: Vec<(FileId, Vec<(usize, &Place)>)> = Vec::new();
    for (at, place) in places.iter().enumerate() {
        match files.iter_mut().find(|(file, _)| *file == place.span.file) {
            Some((_, places)) => places.push((at, place)),
            None => files.push((place.span.file, vec![(at, place)])),
        }
    }
    files
}

/// The faults as JSON: `{"errors", "warnings", "faults": [{"code", "severity", "message", "places", "help"}]}`.
///
/// Every place has `file`, `line`, `column`, `end_line`, `end_column` (from 1, columns in characters, the end
/// is one past the last character) and `label`; the first place is the main one.
pub fn render_json(faults: &Faults, folder: &Folder) -> Value {
    let fault_json = |fault: &Fault| {
        let places: Vec<Value> = fault.places.iter().map(|place| place_json(place, folder)).collect();
        json!({
            "code": fault.code.slug(),
            "severity": fault.code.severity().word(),
            "message": fault.title,
            "places": places,
            "help": fault.help,
        })
    };
    json!({
        "errors": faults.errors(),
        "warnings": faults.warnings(),
        "faults": faults.iter().map(fault_json).collect::<Vec<_>>(),
    })
}

fn place_json(place: &Place, folder: &Folder) -> Value {
    let Some(file) = folder.file(place.span.file) else { return Value::Null };
    let start = file.position(place.span.start as usize);
    let end = file.position(place.span.end as usize);
    json!({
        "file": folder.shown_path(file),
        "line": start.line,
        "column": start.column,
        "end_line": end.line,
        "end_column": end.column,
        "label": place.label,
    })
}

/// Words that make the value of a key a secret: `api-key`, `POSTGRES_PASSWORD`.
const SECRET_WORDS: [&str; 9] =
    ["secret", "token", "password", "passwd", "passphrase", "pass", "key", "apikey", "topic"];
/// What such a value may begin with and still be shown: a reference, a public key, a list or a table.
const SHOWN: [&str; 10] = ["secret:", "env:", "file:", "age1", "ssh-", "http://", "https://", "[", "{", "$"];

/// The text with what looks like a plain secret replaced by asterisks, byte for byte, so that places stay.
///
/// A value is what follows `=` or `:` up to its closing quote, a comma or the end of the line; it is taken for
/// a secret if its key holds one of [`SECRET_WORDS`] and it does not begin with one of [`SHOWN`].
pub fn mask_secrets(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        mask_line(line, &mut masked);
    }
    masked
}

fn mask_line(line: &str, masked: &mut String) {
    let without_logins = mask_logins(line);
    let mut rest = without_logins.as_str();
    while let Some(at) = rest.find(['=', ':']) {
        let (before, after) = rest.split_at(at + 1);
        masked.push_str(before);
        rest = after;
        if !names_a_secret(before) {
            continue;
        }
        let value = rest.trim_start_matches([' ', '\t', '"', '\'']);
        let (gap, value) = rest.split_at(rest.len() - value.len());
        masked.push_str(gap);
        let end = value.find(['"', '\'', '\n', ',', '}']).unwrap_or(value.len());
        let end = value.get(..end).map_or(end, |value| value.trim_end().len());
        let (value, after) = value.split_at(end);
        rest = after;
        if SHOWN.iter().any(|shown| value.starts_with(shown)) {
            masked.push_str(value);
        } else {
            masked.extend(std::iter::repeat_n('*', value.len()));
        }
    }
    masked.push_str(rest);
}

/// `https://NAME:PASSWORD@host` with the name and the password replaced.
fn mask_logins(line: &str) -> String {
    let mut masked = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        masked.push_str(before);
        let end = after.find(['/', '"', '\'', ' ', '\n']).unwrap_or(after.len());
        let (authority, after) = after.split_at(end);
        let login = authority.rfind('@').unwrap_or(0);
        masked.extend(std::iter::repeat_n('*', login));
        masked.push_str(authority.get(login..).unwrap_or(""));
        rest = after;
    }
    masked.push_str(rest);
    masked
}

fn names_a_secret(before: &str) -> bool {
    let before = before.trim_end_matches(['=', ':', ' ', '\t', '"', '\'']);
    let key = before.rsplit(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_')).next().unwrap_or("");
    key.split(['-', '_']).any(|word| SECRET_WORDS.iter().any(|secret| word.eq_ignore_ascii_case(secret)))
}

#[cfg(test)]
mod tests {
    use super::mask_secrets;

    #[test]
    fn plain_secrets_are_masked_and_nothing_else_is() {
        let cases = [
            ("token = \"hunter2\"\n", "token = \"*******\"\n"),
            ("a = { from = \"x\", token = 'hunter2' }", "a = { from = \"x\", token = '*******' }"),
            ("api-key = \"half\n", "api-key = \"****\n"),
            ("token = \"secret:cloudflare\"", "token = \"secret:cloudflare\""),
            ("key = \"age1xyz\"", "key = \"age1xyz\""),
            ("name = \"x\"", "name = \"x\""),
            ("u = \"https://me:pw@x.net/@\"", "u = \"https://*****@x.net/@\""),
            ("monkey = \"10.0.0.1\"", "monkey = \"10.0.0.1\""),
            ("    POSTGRES_PASSWORD: hunter2", "    POSTGRES_PASSWORD: *******"),
            ("  - DB_PASS=hunter2", "  - DB_PASS=*******"),
            ("  DB_PASS: ${DB_PASS}", "  DB_PASS: ${DB_PASS}"),
            ("topic = \"πῶς\"", "topic = \"*******\""),
        ];
        for (text, expected) in cases {
            assert_eq!(mask_secrets(text), expected);
            assert_eq!(mask_secrets(text).len(), text.len());
        }
    }
}
