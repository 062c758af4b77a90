//! What holds for every lab: parts of the example, in any order and in any files, are read without a panic,
//! in the same way, and print as what they are.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::BTreeMap;

use lab::{Checked, Code, Folder, Options, Style};
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

const FILES: [&str; 5] = ["apps.toml", "lab.toml", "machines.toml", "network.toml", "services.toml"];

fn example(file: &str) -> String {
    let path = format!("{}/../../examples/aegean/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// The tables of the example, each with its header; the keys of `[zones]`, `[policy]` and the like one by one.
fn tables() -> Vec<String> {
    let mut tables: Vec<String> = Vec::new();
    for file in FILES {
        for line in example(file).lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            match (line.starts_with('['), tables.last_mut()) {
                (false, Some(table)) => {
                    table.push_str(line);
                    table.push('\n');
                }
                _ => tables.push(format!("{line}\n")),
            }
        }
    }
    tables
}

fn stacks() -> Vec<(String, String)> {
    let stacks = ["nextcloud", "jellyfin", "wikijs", "code-server", "blog"];
    let path = |stack: &str| format!("stacks/{stack}/compose.yaml");
    stacks.iter().map(|stack| (path(stack), example(&path(stack)))).collect()
}

fn check(files: BTreeMap<String, String>) -> Checked {
    let list = ("lists/example.txt".to_owned(), String::new());
    lab::check(
        Folder::from_texts(files.into_iter().chain(stacks()).chain([list])),
        &Options::at("2026-11-01"),
    )
}

fn one_file(tables: &[String]) -> Checked {
    check(BTreeMap::from([("lab.toml".to_owned(), tables.concat())]))
}

/// What is said, without the places.
fn said(checked: &Checked) -> Vec<(Code, String)> {
    let mut said: Vec<_> = checked.faults.iter().map(|fault| (fault.code, fault.title.clone())).collect();
    said.sort();
    said
}

fn explain_all(checked: &Checked) {
    lab::render_text(&checked.faults, &checked.folder, Style::Plain);
    lab::render_json(&checked.faults, &checked.folder);
    lab::coverage_text(&lab::coverage(checked), &checked.folder);
    let Some(lab) = &checked.lab else { return };
    for name in lab.apps.keys() {
        assert!(lab::explain_app(checked, name.as_str()).unwrap().contains(name.as_str()));
    }
    for name in lab.machines.keys() {
        assert!(lab::explain_machine(checked, name.as_str()).unwrap().contains(name.as_str()));
    }
    for name in &checked.follows.names {
        assert!(lab::explain_name(checked, &name.name).unwrap().contains(&name.name));
    }
    for (from, to) in lab.zones.keys().zip(lab.zones.keys().skip(1)) {
        lab::explain_zones(checked, from.as_str(), to.as_str()).unwrap();
    }
}

#[test]
fn the_example_has_tables_to_choose_from() {
    let tables = tables();
    assert!(tables.len() > 40, "{}", tables.len());
    assert_eq!(one_file(&tables).faults.errors(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_tables_of_the_example_check_and_explain_themselves(
        tables in Just(tables()).prop_flat_map(|tables| { let all = tables.len(); subsequence(tables, 0..=all) }),
    ) {
        let checked = one_file(&tables);
        for fault in checked.faults.iter() {
            let place = fault.places.first().unwrap();
            let text = checked.folder.file(place.span.file).unwrap().text();
            prop_assert!(place.span.range().end <= text.len());
        }
        explain_all(&checked);
    }

    #[test]
    fn the_order_of_tables_and_files_does_not_matter(
        tables in Just(tables()).prop_shuffle(),
        into in prop::collection::vec(any::<Index>(), 100),
    ) {
        let names = ["a.toml", "b.toml", "lab.toml", "z.toml"];
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for (table, index) in tables.iter().zip(&into) {
            files.entry((*index.get(&names)).to_owned()).or_default().push_str(table);
        }
        let (mixed, plain) = (check(files), one_file(&self::tables()));
        prop_assert_eq!(said(&mixed), said(&plain));
        prop_assert!(mixed.lab == plain.lab);
    }

    #[test]
    fn what_is_printed_reads_back(
        tables in Just(tables()).prop_flat_map(|tables| { let all = tables.len(); subsequence(tables, 0..=all) }),
    ) {
        let checked = one_file(&tables);
        if let Some(lab) = &checked.lab {
            let again = check(BTreeMap::from([("lab.toml".to_owned(), lab.to_toml())]));
            prop_assert!(again.lab.as_ref() == Some(lab), "{}", lab.to_toml());
        }
    }

    #[test]
    fn a_broken_line_never_panics(at in any::<Index>(), with in "[\\[\\]{}=\"'#,.\n a-z0-9]{0,6}", cut in 0..40usize) {
        let mut text = tables().concat();
        let start = at.index(text.len());
        if text.is_char_boundary(start) {
            let end = (start + cut..text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
            text.replace_range(start..end, &with);
        }
        explain_all(&check(BTreeMap::from([("lab.toml".to_owned(), text)])));
    }
}
