//! What a key of the lab file means: `machines.memory`, `apps.nextcloud.serve.login`.

use super::NothingThere;
use super::page::Page;
use crate::check::Checked;
use crate::fault::{Code, nearest};
use crate::model::Lab;
use crate::names::Noun;
use crate::read::{FieldInfo, Need, Shape, TableInfo, Value};
use crate::source::Folder;
use crate::tree::{Node, Table};

/// What a key means, what may stand there, what happens without it, and where this lab says it.
///
/// Parts of the path that the owner chooses may be there or left out: `machines.memory` and
/// `machines.naxos.memory` are the same key. The name of a fault is explained too.
///
/// # Errors
/// If there is no such key; says which are near.
pub fn explain_key(path: &str, checked: Option<&Checked>) -> Result<String, NothingThere> {
    if let Some(code) = Code::ALL.iter().find(|code| code.slug() == path) {
        return Ok(explain_fault(*code));
    }
    let nothing = Folder::from_texts::<String, String>([]);
    let folder = checked.map_or(&nothing, |checked| &checked.folder);
    let walk = Walk::along(path, checked).map_err(|nothing| named_thing(path, checked).unwrap_or(nothing))?;
    let mut page = Page::new(folder, &walk.title());
    match walk.last {
        None => describe_table(&mut page, Lab::INFO.doc, Lab::INFO),
        Some(field) => describe_field(&mut page, field),
    }
    if let Some(checked) = checked.filter(|_| walk.last.is_some()) {
        let written = places(checked, &walk.keys);
        if !written.is_empty() {
            page.heading("in this lab");
        }
        for (key, node) in written {
            page.row(key, shown(checked, node, walk.last), &[node.span]);
        }
    }
    Ok(page.finish())
}

/// What is no key may be the name of something.
fn named_thing(name: &str, checked: Option<&Checked>) -> Option<NothingThere> {
    let noun = checked?.names.nouns(name).next()?;
    let how = match noun {
        Noun::App => format!("app {name}"),
        Noun::Machine => format!("machine {name}"),
        Noun::Zone => format!("zone {name} to internet"),
        Noun::Router | Noun::Switch | Noun::AccessPoint | Noun::Device => format!("name {name}"),
        noun => format!("{}.{name}", noun.table()),
    };
    let what = format!("there is no key `{name}`, but {} of that name", noun.with_article());
    Some(NothingThere { what, help: Some(format!("write `polis explain {how}`")) })
}

/// The value as written; of a table nothing, and of what may be a plain secret only that it is there.
fn shown(checked: &Checked, node: &Node, field: Option<&'static FieldInfo>) -> String {
    let text = checked.folder.text(node.span);
    let may_be_secret = matches!(field.map(|field| (field.shape)()), Some(Shape::Text(info)) if info.secret);
    let is_reference = ["secret:", "env:", "file:", "age1", "ssh-ed25519 "];
    match node.text() {
        Some(value) if may_be_secret && !is_reference.iter().any(|start| value.starts_with(start)) => {
            "***".to_owned()
        }
        _ if node.table().is_some() || text.contains('\n') => String::new(),
        _ => text.to_owned(),
    }
}

fn explain_fault(code: Code) -> String {
    let meaning: Vec<&str> = code.meaning().lines().map(str::trim).collect();
    format!("{}[{}]\n\n  {}\n", code.severity().word(), code.slug(), meaning.join("\n  "))
}

/// A path of keys, followed through the tables that the lab file has.
struct Walk {
    /// The keys, names that the owner chooses as `NAME`.
    keys: Vec<String>,
    last: Option<&'static FieldInfo>,
}

impl Walk {
    fn along(path: &str, checked: Option<&Checked>) -> Result<Self, NothingThere> {
        let mut walk = Self { keys: Vec::new(), last: None };
        let mut shape = <Lab as Value>::shape();
        let parts: Vec<&str> = path.split('.').filter(|part| !part.is_empty()).collect();
        // A cluster has the keys of a machine, and its name stands for none.
        let parts = match parts.as_slice() {
            ["clusters", _, rest @ ..] | ["clusters", rest @ ..] => [&["machines"], rest].concat(),
            _ => parts,
        };
        for (at, part) in parts.iter().copied().enumerate() {
            if let Shape::Map { value, .. } = &shape {
                shape = (**value).clone();
                walk.keys.push("NAME".to_owned());
                let is_key = shape.table().is_some_and(|table| table.field(part).is_some());
                let before = parts.get(..=at).unwrap_or_default();
                if !is_key && (before.len() < parts.len() || is_there(checked, before)) {
                    continue;
                }
            }
            let table = shape.table();
            let Some(field) = table.and_then(|table| table.field(part)) else {
                return Err(no_key(path, part, table));
            };
            walk.keys.push(field.key().into_owned());
            walk.last = Some(field);
            shape = (field.shape)();
        }
        Ok(walk)
    }

    fn title(&self) -> String {
        if self.keys.is_empty() { "the lab file".to_owned() } else { self.keys.join(".") }
    }
}

/// Whether the lab file has something at a path.
fn is_there(checked: Option<&Checked>, path: &[&str]) -> bool {
    let mut node = checked.map(|checked| &checked.root);
    for key in path {
        node = node.and_then(|node| node.table()?.get(key));
    }
    node.is_some()
}

fn no_key(path: &str, part: &str, table: Option<&'static TableInfo>) -> NothingThere {
    let keys: Vec<String> =
        table.iter().flat_map(|table| table.fields).map(|field| field.key().into_owned()).collect();
    let near = nearest(part, keys.iter().map(String::as_str));
    let everywhere = all_keys();
    let elsewhere: Vec<&str> = everywhere
        .iter()
        .filter(|key| key.rsplit('.').next() == Some(part))
        .map(String::as_str)
        .take(8)
        .collect();
    let help = match (near, elsewhere.as_slice()) {
        (Some(near), _) => Some(format!("did you mean `{near}`?")),
        (None, []) if keys.is_empty() => None,
        (None, []) => Some(format!("the keys are {}", keys.join(", "))),
        (None, elsewhere) => Some(format!("there is {}", elsewhere.join(", "))),
    };
    NothingThere { what: format!("there is no key `{path}`"), help }
}

/// Every key of the lab file by its path.
fn all_keys() -> Vec<String> {
    fn add(prefix: &str, table: &'static TableInfo, keys: &mut Vec<String>, depth: usize) {
        for field in table.fields {
            let shape = (field.shape)();
            let name = if matches!(shape, Shape::Map { .. }) { ".NAME" } else { "" };
            let path = format!("{prefix}{}", field.key());
            keys.push(path.clone());
            if let (Some(inner), true) = (shape.table(), depth < 6) {
                add(&format!("{path}{name}."), inner, keys, depth + 1);
            }
        }
    }
    let mut keys = Vec::new();
    add("", Lab::INFO, &mut keys, 0);
    keys
}

fn one_line(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn describe_field(page: &mut Page<'_>, field: &'static FieldInfo) {
    let shape = (field.shape)();
    page.row("means", one_line(field.doc), &[]);
    page.row("is", shape.words().replace('`', ""), &[]);
    match field.need {
        Need::Required => page.row("without it", "the lab is refused: it is needed", &[]),
        Need::Optional(otherwise) => page.row("without it", otherwise, &[]),
        Need::Default(value) => match value().inline() {
            empty if empty == "{}" || empty == "[]" => page.row("without it", "there are none", &[]),
            value => page.row("without it", value, &[]),
        },
    }
    if let Some(alias) = field.alias {
        page.row("also as", alias, &[]);
    }
    if let Shape::Text(info) = &shape {
        page.row("such as", format!("{} = \"{}\"", field.key(), info.example), &[]);
    }
    if let Shape::Choice(choices) = &shape {
        page.heading("the words");
        for choice in *choices {
            page.row(choice.word, one_line(choice.doc), &[]);
        }
    }
    if let Some(table) = shape.table() {
        page.heading("its keys");
        for field in table.fields {
            page.row(field.key(), first_sentence(field.doc), &[]);
        }
    }
}

fn describe_table(page: &mut Page<'_>, doc: &str, table: &'static TableInfo) {
    page.row("", one_line(doc), &[]);
    page.heading("its tables");
    for field in table.fields {
        page.row(field.key(), first_sentence(field.doc), &[]);
    }
}

fn first_sentence(doc: &str) -> String {
    let doc = one_line(doc);
    match doc.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => doc,
    }
}

/// Where the lab file says a key, for every thing that has it.
fn places<'c>(checked: &'c Checked, keys: &[String]) -> Vec<(String, &'c Node)> {
    let mut found = Vec::new();
    if let Some(root) = checked.root.table() {
        find(root, keys, "", &mut found);
    }
    found
}

fn find<'c>(table: &'c Table, keys: &[String], path: &str, found: &mut Vec<(String, &'c Node)>) {
    let Some((key, rest)) = keys.split_first() else { return };
    let own = table.entries.iter().filter(|(name, _)| key == "NAME" || *name == key);
    for (name, entry) in own {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (rest, entry.node.table()) {
            ([], _) => found.push((path, &entry.node)),
            (rest, Some(inner)) => find(inner, rest, &path, found),
            (_, None) => {}
        }
    }
}
