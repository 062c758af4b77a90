//! A table of the file from which keys are taken one by one, so that at the end nothing is left unsaid.
//!
//! What was not taken when a section is closed is reported as unknown, by its name and never by its value.

use super::report::Report;
use super::yaml::Yaml;

/// A table of the file, and where it stands.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name in reports: `dns`, `clients.persistent[2]`; empty for the whole file.
    path: String,
    entries: Vec<(String, Yaml)>,
}

/// A key that does not carry over: its name, what AdGuard Home writes where nobody changed it, and what to say
/// where somebody did.
pub(super) type Dropped<'d> = (&'d str, &'d [&'d str], &'d str);

impl Section {
    /// The table that a value is; an empty one if it is something else, which is reported.
    pub(super) fn new(path: impl Into<String>, value: Yaml, report: &mut Report) -> Self {
        let path = path.into();
        let entries = match value {
            Yaml::Map(entries) => entries,
            Yaml::Empty => Vec::new(),
            Yaml::Text(_) | Yaml::List(_) => {
                report.left(&path, "it is not read: a table of keys should stand here");
                Vec::new()
            }
        };
        Self { path, entries }
    }

    /// The name of a key in reports.
    pub(super) fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Whether a key is there and has something in it.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, value)| name == key && !value.is_empty())
    }

    /// Takes a key out; none if it is not there or nothing stands in it.
    pub(super) fn take(&mut self, key: &str) -> Option<Yaml> {
        let at = self.entries.iter().position(|(name, _)| name == key)?;
        let (_, value) = self.entries.remove(at);
        (!value.is_empty()).then_some(value)
    }

    /// Moves a key to another section under another name, unless it is there already: files of older schemas have
    /// some keys elsewhere.
    pub(super) fn hand(&mut self, key: &str, to: &mut Section, name: &str) {
        if let Some(at) = self.entries.iter().position(|(known, _)| known == key)
            && to.entries.iter().all(|(known, _)| known != name)
        {
            let (_, value) = self.entries.remove(at);
            to.entries.push((name.to_owned(), value));
        }
    }

    /// A text, a number or a word.
    pub(super) fn text(&mut self, key: &str, report: &mut Report) -> Option<String> {
        match self.take(key)? {
            Yaml::Text(text) => Some(text.trim().to_owned()),
            _ => {
                report.left(&self.name(key), "it is not read: a single value should stand here");
                None
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &str, report: &mut Report) -> Option<bool> {
        match self.text(key, report)?.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                report.left(&self.name(key), "it is not read: `true` or `false` should stand here");
                None
            }
        }
    }

    /// A whole number that is not negative.
    pub(super) fn number(&mut self, key: &str, report: &mut Report) -> Option<u64> {
        let number = self.text(key, report)?.parse().ok();
        if number.is_none() {
            report.left(&self.name(key), "it is not read: a number should stand here");
        }
        number
    }

    /// A list of single values; a single value stands for a list of one.
    pub(super) fn texts(&mut self, key: &str, report: &mut Report) -> Vec<String> {
        let values = match self.take(key) {
            None => return Vec::new(),
            Some(Yaml::List(values)) => values,
            Some(single) => vec![single],
        };
        let mut texts = Vec::new();
        let mut others = 0;
        for value in values {
            match value {
                Yaml::Text(text) => texts.push(text),
                Yaml::Empty => {}
                Yaml::List(_) | Yaml::Map(_) => others += 1,
            }
        }
        if others > 0 {
            let why = format!("{others} of its entries are not read: each should be a single value");
            report.left(&self.name(key), why);
        }
        texts
    }

    /// A table in this one; an empty one if it is not there.
    pub(super) fn section(&mut self, key: &str, report: &mut Report) -> Section {
        let value = self.take(key).unwrap_or(Yaml::Empty);
        Section::new(self.name(key), value, report)
    }

    /// A list of tables in this one.
    pub(super) fn sections(&mut self, key: &str, report: &mut Report) -> Vec<Section> {
        let path = self.name(key);
        match self.take(key) {
            None => Vec::new(),
            Some(Yaml::List(values)) => {
                let numbered = values.into_iter().enumerate();
                numbered.map(|(at, value)| Section::new(format!("{path}[{at}]"), value, report)).collect()
            }
            Some(_) => {
                report.left(&path, "it is not read: a list should stand here");
                Vec::new()
            }
        }
    }

    /// Takes out keys that do not carry over, and says why where they are not as they are in a fresh installation.
    pub(super) fn drop(&mut self, keys: &[Dropped<'_>], report: &mut Report) {
        for (key, usual, why) in keys {
            let name = self.name(key);
            if let Some(value) = self.take(key)
                && !is_usual(&value, usual)
            {
                report.left(&name, *why);
            }
        }
    }

    /// Takes everything out without a word: for tables that are switched off.
    pub(super) fn forget(self) {
        drop(self.entries);
    }

    /// Says of every key that is still there that it is not known.
    pub(super) fn close(self, report: &mut Report) {
        for (key, value) in &self.entries {
            // Names of keys are by no means all known: a long one is cut, for it is not one of ours.
            let key: String = key.chars().filter(|c| !c.is_control()).take(64).collect();
            if !value.is_empty() {
                report
                    .left(&self.name(&key), "this version does not know the key, so nothing was made of it");
            }
        }
    }
}

/// Whether a value is that of a fresh installation: the texts in it, in their order.
fn is_usual(value: &Yaml, usual: &[&str]) -> bool {
    let mut texts = Vec::new();
    collect(value, &mut texts);
    texts == usual
}

fn collect<'y>(value: &'y Yaml, texts: &mut Vec<&'y str>) {
    match value {
        Yaml::Empty => {}
        Yaml::Text(text) => texts.push(text.trim()),
        Yaml::List(values) => values.iter().for_each(|value| collect(value, texts)),
        Yaml::Map(entries) => entries.iter().for_each(|(_, value)| collect(value, texts)),
    }
}
