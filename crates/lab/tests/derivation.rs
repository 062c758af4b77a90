//! Everything that follows from the example, as one text that a person can read: a change of the derivation
//! shows here as a change of lines. `INSTA_UPDATE=always cargo test -p lab --test derivation` writes it anew.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::fmt::Write as _;
use std::path::Path;

use lab::policy::Target;
use lab::{Checked, Folder, Kept, Options, Span};

fn example() -> Checked {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/aegean");
    lab::check(Folder::open(&folder).unwrap(), &Options::at("2026-11-01"))
}

fn lines(checked: &Checked, from: &[Span]) -> String {
    let mut lines: Vec<String> = from.iter().map(|span| checked.folder.line(*span)).collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| !line.is_empty()), "a fact without a line");
    lines.dedup();
    lines.join(", ")
}

fn listed<T: std::fmt::Display>(values: &[T]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[test]
fn names() {
    let checked = example();
    let mut text = String::new();
    for name in &checked.follows.names {
        writeln!(text, "{} = {} ({}; {})", name.name, name.answer, name.owner, lines(&checked, &name.from))
            .unwrap();
        for (zone, answer) in &name.by_zone {
            writeln!(text, "  to {zone}: {answer}").unwrap();
        }
    }
    text.push_str("\nreverse\n");
    for reverse in &checked.follows.reverses {
        writeln!(text, "{} = {} ({})", reverse.address, reverse.name, lines(&checked, &reverse.from))
            .unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn routes_and_certificates() {
    let checked = example();
    let mut text = String::new();
    for route in &checked.follows.routes {
        let who = if route.groups.is_empty() { "everyone".to_owned() } else { listed(&route.groups) };
        let from_outside = if route.is_published { ", published" } else { "" };
        writeln!(text, "{} -> {}: {}", route.host, route.to, route.backend).unwrap();
        writeln!(
            text,
            "  login {}, for {who}{from_outside}, by {}",
            route.login.word(),
            listed(&route.proxies)
        )
        .unwrap();
        writeln!(text, "  {}", lines(&checked, &route.from)).unwrap();
    }
    text.push_str("\ncertificates\n");
    for certificate in &checked.follows.certificates {
        let (source, challenge) = (certificate.source.word(), certificate.challenge.word());
        let names = certificate.names.join(", ");
        writeln!(text, "{names}: {source} by {challenge} ({})", lines(&checked, &certificate.from)).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn policy() {
    let checked = example();
    let mut text = String::new();
    let matrix = &checked.follows.matrix;
    for from in matrix.rows() {
        writeln!(text, "{from}").unwrap();
        for (target, cell) in matrix.row(from).filter(|(_, cell)| cell.is_open()) {
            let why: Vec<String> = cell
                .reasons()
                .iter()
                .map(|because| format!("{} ({})", because.why, checked.folder.line(because.span)))
                .collect();
            writeln!(text, "  {target}: {}", why.join("; ")).unwrap();
        }
        let closed: Vec<&Target> =
            matrix.row(from).filter(|(_, cell)| !cell.is_open()).map(|(target, _)| target).collect();
        writeln!(text, "  not: {}", listed(&closed)).unwrap();
    }
    text.push_str("exceptions\n");
    for opening in checked.follows.matrix.openings() {
        let words = opening.words(checked.lab.as_ref().unwrap());
        writeln!(text, "  {}: {words} ({})", opening.name, checked.folder.line(opening.span)).unwrap();
    }
    text.push_str("assertions\n");
    for (name, outcome) in &checked.assertions {
        writeln!(text, "  {name}: {outcome:?}").unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_looked_at() {
    let checked = example();
    let mut text = String::from("probes\n");
    for probe in &checked.follows.probes {
        let (by, from) = (listed(&probe.by), lines(&checked, &probe.from));
        writeln!(text, "  {}: {}, every {}, by {by} ({from})", probe.of, probe.how, probe.every).unwrap();
    }
    text.push_str("logs\n");
    for source in &checked.follows.logs {
        writeln!(text, "  {} to {} ({})", source.of, listed(&source.to), lines(&checked, &source.from))
            .unwrap();
    }
    text.push_str("metrics\n");
    for source in &checked.follows.metrics {
        writeln!(text, "  {} to {} ({})", source.of, listed(&source.to), lines(&checked, &source.from))
            .unwrap();
    }
    text.push_str("tiles\n");
    for tile in &checked.follows.tiles {
        let who = if tile.groups.is_empty() { "everyone".to_owned() } else { listed(&tile.groups) };
        let from = lines(&checked, &tile.from);
        writeln!(text, "  {}: {} at {}, for {who} ({from})", tile.group, tile.title, tile.url).unwrap();
    }
    insta::assert_snapshot!(text);
}

fn kept<T>(checked: &Checked, kept: &Kept<T>, words: impl Fn(&T) -> String) -> String {
    match kept {
        Kept::Follows(value, from) => format!("{} ({})", words(value), lines(checked, from)),
        Kept::ChosenNot(at) => format!("chosen not to ({})", checked.folder.line(*at)),
        Kept::Missing(what) => format!("missing: {what}"),
    }
}

#[test]
fn what_is_kept() {
    let checked = example();
    let mut text = String::new();
    for holding in &checked.follows.holdings {
        let from = lines(&checked, &holding.from);
        writeln!(text, "{} on {} ({from})", holding.of, holding.machine).unwrap();
        let snapshot =
            kept(&checked, &holding.snapshot, |(every, keep)| format!("every {every}, kept for {keep}"));
        writeln!(text, "  snapshot {snapshot}").unwrap();
        writeln!(text, "  copy {}", kept(&checked, &holding.copy, Clone::clone)).unwrap();
        writeln!(text, "  offsite {}", kept(&checked, &holding.offsite, |to| listed(to))).unwrap();
        writeln!(text, "  drill {}", kept(&checked, &holding.drill, |every| format!("every {every}")))
            .unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_each_machine_does() {
    let checked = example();
    let mut text = String::new();
    for (machine, duties) in &checked.follows.duties {
        writeln!(text, "{machine}").unwrap();
        for duty in duties {
            writeln!(text, "  {} ({})", duty.what, checked.folder.line(duty.from)).unwrap();
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn coverage() {
    let checked = example();
    insta::assert_snapshot!(lab::coverage_text(&lab::coverage(&checked), &checked.folder));
}

#[test]
fn what_is_in_ones_own_zone_needs_no_opening() {
    let text = "[lab]\nname = \"h\"\ndomain = \"lab.example.net\"\n[sites]\nhome = {}\n[zones]\ndmz = { site = \"home\", cidr = \
                \"10.0.0.0/24\" }\n[machines]\npatra = { address = \"10.0.0.5\" }\n[dns]\non = \"patra\"\nupstreams = \
                [\"9.9.9.9\"]\n[policy]\ndmz = { internet = true }\n[apps.shop]\non = \"patra\"\nbackup = \"none\"\nserve = { \
                url = \"https://www.example.com/shop\", login = \"none\" }\n[assert]\nonly-out = \"dmz reach only internet\"\n";
    let checked = lab::check(Folder::from_texts([("lab.toml", text)]), &Options::at("2026-11-23"));
    assert_eq!(checked.faults.iter().filter(|fault| fault.is_error()).count(), 0, "{:?}", checked.faults);
}
