//! From a folder to a checked lab: reads it, finds every fault, derives what follows.

mod addresses;
mod apps;
mod assertions;
mod backup;
mod disks;
mod dns;
mod machines;
mod names;
mod networks;
mod ports;
mod proxy;
mod secrets;
mod services;
mod summary;

use std::collections::{BTreeMap, BTreeSet};

use crate::clusters;
use crate::compose;
use crate::demo::{self, Demo, Ports};
use crate::fault::{Code, Fault, Faults};
use crate::follow::{Follows, Stacks};
use crate::model::{Lab, ServiceName};
use crate::names::{Label, Names};
use crate::policy::Outcome;
use crate::read::{Reader, Value};
use crate::source::{FileId, Folder, Span};
use crate::tree::{Entry, Kind, Node, Table, merge, parse_toml};
use crate::value::Date;

pub use secrets::{SecretUse, recipients, recipients_path, secret_path, secret_uses};
pub use summary::{counted, summary};

/// What a check depends on besides the folder.
#[derive(Clone, Debug)]
pub struct Options {
    /// The day that exceptions are looked at.
    pub at: Date,
    /// The services that this version runs; the others are checked and planned, and a warning says so.
    pub runs: &'static [ServiceName],
    /// What the name servers say of words that only they understand.
    pub dns: DnsWords,
    /// All machines are this one, for a demonstration.
    pub demo: Option<Demo>,
}

/// Judges words of `[dns]`: each says why one can not be followed, and what to do.
#[derive(Clone, Copy, Debug)]
pub struct DnsWords {
    /// A rule of a filter.
    pub rule: fn(&str) -> Result<(), String>,
    /// A line of upstreams.
    pub upstream: fn(&str) -> Result<(), String>,
    /// The name of a service that can be blocked.
    pub service: fn(&str) -> Result<(), String>,
    /// What rules call a kind of client.
    pub tag: fn(&str) -> Result<(), String>,
}

impl Default for DnsWords {
    /// Everything is fine.
    fn default() -> Self {
        Self { rule: |_| Ok(()), upstream: |_| Ok(()), service: |_| Ok(()), tag: |_| Ok(()) }
    }
}

impl Options {
    /// A check on a day by a version that runs everything.
    ///
    /// A text that is no date stands for the first day of 1970: for tests and examples.
    pub fn at(day: &str) -> Self {
        let epoch = || Date::parse("1970-01-01");
        let at = Date::parse(day).or_else(epoch).unwrap_or_else(Date::today);
        Self { at, runs: ServiceName::ALL, dns: DnsWords::default(), demo: None }
    }
}

/// What could not be read: nothing is concluded from what seems to be missing there.
struct Unread {
    /// Tables and lists, at any depth, of which a part is missing.
    broken: BTreeSet<Span>,
    /// The tables of the lab that have a fault.
    faulty: BTreeSet<&'static str>,
    /// Nobody knows which tables are whole: a text is no TOML, or a table has a name that no table has.
    everything: bool,
}

impl Unread {
    /// Whether a part of the table or list at this place is missing.
    fn is_part_of(&self, span: Span) -> bool {
        self.broken.contains(&span)
    }

    /// Whether something of these tables of the lab may be missing.
    fn is_in(&self, tables: &[&str]) -> bool {
        self.everything || tables.iter().any(|table| self.faulty.contains(table))
    }
}

/// A lab folder and everything that is known of it.
#[derive(Debug)]
pub struct Checked {
    /// The folder, with all files that belong to the lab.
    pub folder: Folder,
    /// The lab. There may be one although there are faults: then it is what could be read.
    pub lab: Option<Lab>,
    /// The compose files of its apps.
    pub stacks: Stacks,
    /// What is wrong.
    pub faults: Faults,
    /// What follows; empty if there is no lab.
    pub follows: Follows,
    /// What became of each assertion.
    pub assertions: BTreeMap<Label, Outcome>,
    /// The names that the lab gives.
    pub names: Names,
    /// The lab files as one tree: a table.
    pub(crate) root: Node,
    /// For each unknown key, the table of the lab that it stands in; empty for an unknown table.
    unknown: Vec<&'static str>,
}

impl Checked {
    /// The lab, if it has no errors and may be used.
    pub fn usable(&self) -> Option<&Lab> {
        self.usable_for(&[])
    }

    /// The lab, for a machine that does only what follows from these tables of it: it has no errors, or none
    /// but keys that this version does not know, in other tables. So a key of a newer version does not stop
    /// an older machine.
    pub fn usable_for(&self, tables: &[&str]) -> Option<&Lab> {
        let passed_over = match tables {
            [] => 0,
            _ => self.unknown.iter().filter(|table| !tables.contains(table)).count(),
        };
        self.lab.as_ref().filter(|_| self.faults.errors() == passed_over)
    }
}

/// Checks a lab.
pub fn check(mut folder: Folder, options: &Options) -> Checked {
    let mut faults = Faults::default();
    let mut root = read_tree(&folder, &mut faults);
    if let Some(demo) = &options.demo {
        demo::rewrite(&mut root, demo);
    }
    let names = Names::of(&root);
    let mut reader = Reader::of(names);
    let read = Lab::read(&root, &mut reader);
    let names = std::mem::take(&mut reader.names);
    let stands_in = read.is_none();
    let lab = read.or_else(|| Lab::read(&with_stand_in(&root), &mut Reader::default()));
    let everything = stands_in || !faults.is_empty() || reader.faulty.contains("");
    faults.extend(reader.faults.iter().cloned());
    reader.faulty.extend(names.resolve(&reader.references, &mut faults));
    names.taken_twice(&mut faults);
    let mut checked = Checked {
        folder: Folder::from_texts::<String, String>([]),
        lab: None,
        stacks: Stacks::new(),
        faults,
        follows: Follows::default(),
        assertions: BTreeMap::new(),
        names,
        root,
        unknown: reader.unknown,
    };
    if let Some(lab) = lab {
        let unread = Unread { broken: reader.broken, faulty: reader.faulty, everything };
        check_lab(&lab, &mut folder, options, &unread, &mut checked);
        checked.lab = Some(lab).filter(|_| !stands_in);
    }
    checked.faults.settle();
    checked.folder = folder;
    checked
}

/// All lab files as one tree.
fn read_tree(folder: &Folder, faults: &mut Faults) -> Node {
    let mut root = Table::default();
    let mut first = None;
    for (id, file) in folder.toml_files() {
        let table = parse_toml(id, file.text(), faults);
        merge(&mut root, table, faults);
        first = first.or(Some(id));
    }
    clusters::write_out(&mut root, faults);
    let span = first.map_or_else(no_place, |file| Span::new(file, 0..0));
    Node { span, kind: Kind::Table(root) }
}

fn no_place() -> Span {
    Span::new(FileId::FIRST, 0..0)
}

/// The tree with a domain that can be read in the place of one that can not, so that the rest is still checked.
/// No domain says nothing, so that the lab is not shown to anybody: its names would be wrong.
fn with_stand_in(root: &Node) -> Node {
    let entry = |span: Span, kind: Kind| Entry { key: span, node: Node { span, kind } };
    let mut table = root.table().cloned().unwrap_or_default();
    let own = table.get("lab").filter(|lab| lab.table().is_some()).cloned();
    let (span, mut lab) = match own {
        Some(Node { span, kind: Kind::Table(lab) }) => (span, lab),
        _ => (root.span, Table::default()),
    };
    lab.entries.insert("domain".to_owned(), entry(span, Kind::Text("lab.invalid".to_owned())));
    table.entries.insert("lab".to_owned(), entry(span, Kind::Table(lab)));
    Node { span: root.span, kind: Kind::Table(table) }
}

/// Every check that needs the model. Those that conclude from something being absent are left out where it
/// may only be unread.
fn check_lab(lab: &Lab, folder: &mut Folder, options: &Options, unread: &Unread, checked: &mut Checked) {
    let faults = &mut checked.faults;
    for (name, app) in &lab.apps {
        if let Some(compose) = app.stack.as_ref().and_then(|stack| compose::read(folder, stack, faults)) {
            checked.stacks.insert(name.clone(), compose);
        }
    }
    checked.follows = Follows::from(lab, &checked.stacks, options.at);
    if options.demo.is_some() {
        checked.follows.ports = Ports::DEMO;
    }
    let (stacks, follows) = (&checked.stacks, &checked.follows);

    names::check(lab, follows, unread, faults);
    networks::check(lab, unread, faults);
    addresses::check(lab, unread, faults);
    machines::check(lab, unread, faults);
    disks::check(lab, unread, faults);
    services::check(lab, options, unread, faults);
    dns::check(lab, folder, options, unread, faults);
    ports::check(lab, stacks, unread, faults);
    apps::check(lab, stacks, unread, faults);
    proxy::check(lab, stacks, unread, faults);
    secrets::check(lab, folder, unread, faults);
    backup::check(lab, unread, faults);
    if !unread.is_in(&["backup", "machines", "datasets", "apps"]) {
        backup::check_coverage(lab, follows, faults);
    }
    if !unread.is_in(&["people"]) {
        apps::check_groups(lab, faults);
    }
    if !unread.is_in(&["machines", "dns", "auth", "watch"]) {
        services::check_together(lab, faults);
    }
    assertions::check_exceptions(lab, &follows.matrix, options.at, faults);
    checked.assertions = assertions::check(lab, &follows.matrix, unread, faults);
}

/// "and 2 more" for what a fault does not list. Where there is that much, not all of it has been looked for.
fn and_more(shown: usize, all: usize) -> Option<String> {
    match all.saturating_sub(shown) {
        0 => None,
        1 => Some("and 1 more".to_owned()),
        _ if all >= crate::policy::MAX_OUTAGES => Some("and many more".to_owned()),
        more => Some(format!("and {more} more")),
    }
}

/// A fault that points at several places of one kind.
fn at_places(code: Code, title: String, mut places: Vec<(Span, String)>) -> Option<Fault> {
    places.sort_by_key(|(span, _)| *span);
    let mut places = places.into_iter();
    let (span, label) = places.next()?;
    let fault = Fault::new(code, span, title).label(label);
    Some(places.fold(fault, |fault, (span, label)| fault.also(span, label)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Vec<(String, String)> {
        let folder = Folder::open(std::path::Path::new("../../examples/aegean")).unwrap();
        let mut checked = check(folder, &Options::at("2026-11-01"));
        checked.folder.load("lists/example.txt");
        checked.folder.files().map(|(_, file)| (file.path().to_owned(), file.text().to_owned())).collect()
    }

    /// Every key of the lab and its value, and every value of a list: where they stand.
    fn entries(table: &Table, found: &mut Vec<(Span, Span)>) {
        for entry in table.entries.values() {
            found.push((entry.key, entry.node.span));
            found.extend(
                entry.node.list().unwrap_or_default().iter().map(|node| (entry.node.span, node.span)),
            );
            if let Some(inner) = entry.node.table() {
                entries(inner, found);
            }
        }
    }

    /// The example with the bytes of one file replaced: the faults beyond those that it has anyway.
    fn mutated(texts: &[(String, String)], file: &str, at: std::ops::Range<usize>, with: &str) -> Vec<Fault> {
        let mut texts = texts.to_vec();
        let text = &mut texts.iter_mut().find(|(path, _)| path == file).unwrap().1;
        text.replace_range(at, with);
        let checked = check(Folder::from_texts(texts), &Options::at("2026-11-01"));
        checked.faults.iter().filter(|fault| fault.code != Code::SecretNotThere).cloned().collect()
    }

    /// Each value of the example once as one that can not be read, and each key that is needed once left out:
    /// nothing else is said to be wrong because of it.
    #[test]
    fn one_mistake_is_one_fault() {
        let texts = example();
        let folder = Folder::from_texts(texts.clone());
        let mut faults = Faults::default();
        let mut found = Vec::new();
        entries(read_tree(&folder, &mut faults).table().unwrap(), &mut found);
        found.sort();
        found.dedup();
        let (mut unreadable, mut missing) = (0, 0);
        let mut wrong = Vec::new();
        let is_header = |key: Span, value: Span| value.start <= key.start;
        for (key, value) in found.into_iter().filter(|(key, value)| !is_header(*key, *value)) {
            let file = folder.file(key.file).unwrap();
            let text = file.text();
            unreadable += 1;
            let said = mutated(&texts, file.path(), value.range(), "1.5");
            if said.len() != 1 {
                wrong.push((folder.place(key), "unreadable", said));
            }
            if value.start < key.end {
                continue;
            }
            let (before, rest) = (text.split_at(key.range().start).0, text.split_at(value.range().end).1);
            let (before, after) = match (rest.strip_prefix(", "), before.strip_suffix(", ")) {
                (Some(_), _) => (0, 2),
                (None, Some(_)) => (2, 0),
                (None, None) => (0, 0),
            };
            let cut = key.range().start - before..value.range().end + after;
            let said = mutated(&texts, file.path(), cut, "");
            if said.iter().any(|fault| fault.code == Code::MissingKey && fault.title.ends_with("is missing"))
            {
                missing += 1;
                if said.len() != 1 {
                    wrong.push((folder.place(key), "missing", said));
                }
            }
        }
        for (place, how, said) in &wrong {
            let titles: Vec<&str> = said.iter().map(|fault| fault.title.as_str()).collect();
            eprintln!("{place} {how}: {titles:#?}");
        }
        assert!(wrong.is_empty());
        assert!(unreadable > 300 && missing > 40, "{unreadable} unreadable, {missing} missing");
    }
}
