//! Wrong lab files as data: what stands in `tests/faults` is read as a lab, and what `polis check` says of it
//! stands beside it.
//!
//! `one/NAME.toml` (or a folder `one/NAME`) has exactly one fault and is named after its code; `many/` has
//! labs with many. `UPDATE_EXPECTED=1 cargo test -p lab --test faults` writes the expectations anew: read
//! what changed.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lab::{Code, Folder, Options, Style};

fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults").join(kind);
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() || path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.sort();
    cases
}

fn name(case: &Path) -> String {
    case.file_stem().unwrap().to_string_lossy().into_owned()
}

/// Paths are shown from the folder of the case, so that the expectation is the same everywhere.
fn folder(case: &Path) -> Folder {
    if !case.is_dir() {
        return Folder::from_texts([("lab.toml", std::fs::read_to_string(case).unwrap())]);
    }
    fn add(root: &Path, folder: &Path, texts: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                add(root, &path, texts);
            } else {
                let inside = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                texts.push((inside, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut texts = Vec::new();
    add(case, case, &mut texts);
    Folder::from_texts(texts)
}

fn options(case: &Path) -> Options {
    let all = Options::at("2026-11-01");
    if name(case).starts_with("not-run-yet") {
        Options { runs: &[lab::model::ServiceName::Dns], ..all }
    } else {
        all
    }
}

/// Compares with what stands beside the case, or writes it there.
fn expect(case: &Path, said: &str, wrong: &mut Vec<String>) {
    let beside = case.with_extension("txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&beside, said).unwrap();
    }
    let expected = std::fs::read_to_string(&beside).unwrap_or_default();
    if expected != said {
        wrong.push(format!("{}: expected\n{expected}\nand it says\n{said}", name(case)));
    }
}

fn said(checked: &lab::Checked) -> String {
    lab::render_text(&checked.faults, &checked.folder, Style::Plain).trim_end().to_owned() + "\n"
}

#[test]
fn each_fault_is_found_alone() {
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    let cases = cases("one");
    assert!(cases.len() >= 120, "{} cases", cases.len());
    for case in &cases {
        let checked = lab::check(folder(case), &options(case));
        let faults: Vec<_> = checked.faults.iter().collect();
        let codes: Vec<&str> = faults.iter().map(|fault| fault.code.slug()).collect();
        if codes.len() != 1 || !name(case).starts_with(codes[0]) {
            wrong.push(format!("{} has the faults {codes:?}\n{}", name(case), said(&checked)));
        }
        for fault in faults {
            let place = fault.places.first().unwrap();
            assert!(checked.folder.file(place.span.file).is_some(), "{} points nowhere", name(case));
            if fault.help.is_empty() && fault.places.len() == 1 && place.label.is_empty() {
                wrong.push(format!("{} does not help", name(case)));
            }
            seen.insert(fault.code);
        }
        expect(case, &said(&checked), &mut wrong);
    }
    let unseen: Vec<&str> =
        Code::ALL.iter().filter(|code| !seen.contains(code)).map(|code| code.slug()).collect();
    assert!(unseen.is_empty(), "no wrong file shows {unseen:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n----\n"));
}

#[test]
fn many_faults_are_found_at_once() {
    let mut wrong = Vec::new();
    let cases = cases("many");
    assert!(cases.len() >= 10, "{} cases", cases.len());
    for case in &cases {
        let checked = lab::check(folder(case), &options(case));
        assert!(checked.faults.iter().count() >= 3, "{} has few faults:\n{}", name(case), said(&checked));
        expect(case, &said(&checked), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n----\n"));
}

#[test]
fn a_secret_is_never_shown() {
    for case in cases("one").iter().chain(&cases("many")) {
        let said = said(&lab::check(folder(case), &options(case)));
        assert!(!said.contains("hunter2"), "{} shows a secret:\n{said}", name(case));
        assert!(!said.contains("AGE-SECRET-KEY-1Q"), "{} shows a secret:\n{said}", name(case));
    }
}
