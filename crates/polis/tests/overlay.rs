//! `polis overlay`: what was changed by a command and is not in the lab file.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod common;

use common::{Home, Member, Said, polis, run, wait_for};

fn overlay(member: &Member, words: &[&str]) -> Said {
    let mut command = polis(&["overlay"]);
    run(command.args(words).arg("--socket").arg(&member.socket).env("SUDO_USER", "owner"))
}

#[test]
fn what_is_added_is_in_force_listed_printed_and_removed() {
    let home = Home::of(&["naxos"]);
    let naxos = home.start("naxos");
    let said = overlay(&naxos, &["list"]);
    assert_eq!(said.out, "the overlay is empty: everything that is in force is in the lab file\n");
    assert_eq!(overlay(&naxos, &["print"]).out, "");
    for rule in ["||one.example^", "@@||two.example^", "||one.example^"] {
        let said = overlay(&naxos, &["add", "dns.rules", rule]);
        assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
    }
    let said = overlay(&naxos, &["list"]);
    let lines: Vec<Vec<&str>> = said.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 2, "{}", said.out);
    assert_eq!(lines[0][3..], ["owner", "dns.rules", "||one.example^"]);
    assert!(naxos.ask(r#"{"verb":"runs"}"#).to_string().contains("one.example"), "it is in force");
    let said = overlay(&naxos, &["list", "--json"]);
    let entries: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(entries[1]["value"], "@@||two.example^");

    let printed = overlay(&naxos, &["print", "--lab", home.lab.0.join("lab.toml").to_str().unwrap()]).out;
    assert_eq!(printed, "[dns]\nrules = [\n  \"||one.example^\",\n  \"@@||two.example^\",\n]\n");

    let said = overlay(&naxos, &["rm", lines[0][0]]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(naxos.overlay(), ["@@||two.example^"]);
    assert!(!naxos.ask(r#"{"verb":"runs"}"#).to_string().contains("one.example"));
    let said = overlay(&naxos, &["rm", lines[0][0]]);
    assert!(said.code == 1 && said.err.contains("the overlay has no entry 1"), "{}", said.err);
    naxos.running.wait_for_line("owner added to dns.rules: ||one.example^");
    naxos.running.wait_for_line("dns.rules lost what was added, ||one.example^: owner removed it");
}

#[test]
fn what_the_lab_file_has_by_now_goes_by_itself() {
    let home = Home::of(&["naxos"]);
    let naxos = home.start("naxos");
    for rule in ["||one.example^", "||two.example^"] {
        assert_eq!(overlay(&naxos, &["add", "dns.rules", rule]).code, 0);
    }
    let lab = home.lab.read("lab.toml");
    home.lab.write("lab.toml", &format!("{lab}rules = [\"||one.example^\"]\n"));
    wait_for("it goes", || naxos.overlay() == ["||two.example^"]);
    naxos.running.wait_for_line("dns.rules lost what was added, ||one.example^: the lab file has it now");
    let said = overlay(&naxos, &["add", "dns.rules", "||one.example^"]);
    assert!(said.code == 1 && said.err.contains("the lab file has it already"), "{}", said.err);
    let said = run(polis(&["plan", "--json"])
        .arg("--lab")
        .arg(home.lab.0.join("lab.toml"))
        .arg("--socket")
        .arg(&naxos.socket));
    assert!(said.out.contains("naxos"), "{}{}", said.out, said.err);
}

#[test]
fn what_can_not_be_added_says_why() {
    let home = Home::of(&["naxos"]);
    let naxos = home.start("naxos");
    let long = "x".repeat(1025);
    for (key, value, part) in [
        ("dns.upstreams", "9.9.9.9", "nothing can be added to `dns.upstreams`"),
        ("", "x", "nothing can be added to ``"),
        ("dns.rules", "", "this is no single line of text"),
        ("dns.rules", "   ", "this is no single line of text"),
        ("dns.rules", "two\nlines", "this is no single line of text"),
        ("dns.rules", "colour \u{1b}[31m", "this is no single line of text"),
        ("dns.rules", &long, "at most 1024 bytes"),
    ] {
        let said = overlay(&naxos, &["add", key, value]);
        assert!(said.code == 1 && said.err.contains(part), "{key} {value:?}: {}", said.err);
    }
    assert!(naxos.overlay().is_empty());
    for (words, code) in
        [(&["add", "dns.rules"][..], 2), (&["rm", "x"], 2), (&["rm", "999"], 1), (&["sing"], 2)]
    {
        assert_eq!(overlay(&naxos, words).code, code, "{words:?}");
    }
    // What is odd to TOML is a rule all the same, and comes back as it was.
    let odd = r#"/"a\b".*\.example/"#;
    assert_eq!(overlay(&naxos, &["add", "dns.rules", odd]).code, 0);
    assert_eq!(naxos.overlay(), [odd]);
}

#[test]
fn many_at_once_are_all_kept_and_in_force() {
    let home = Home::of(&["naxos"]);
    let naxos = home.start("naxos");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let naxos = &naxos;
            scope.spawn(move || {
                for number in 0..10 {
                    assert_eq!(naxos.add(&format!("||{thread}-{number}.example^"))["reply"], "done");
                }
            });
        }
    });
    assert_eq!(naxos.overlay().len(), 80);
    let runs = naxos.ask(r#"{"verb":"runs"}"#).to_string();
    for thread in 0..8 {
        for number in 0..10 {
            assert!(
                runs.contains(&format!("{thread}-{number}.example")),
                "{thread}-{number} is not in force"
            );
        }
    }
}

#[test]
fn without_a_running_polis_there_is_nobody_to_ask() {
    for words in [&["status"][..], &["events"], &["overlay", "list"], &["overlay", "add", "dns.rules", "x"]] {
        let said = run(polis(words).args(["--socket", "/nowhere/polis.sock"]));
        assert_eq!(said.code, 1, "{words:?}");
        assert!(
            said.err.contains("no Polis answers at `/nowhere/polis.sock`")
                && said.err.contains("start it: `polis run`")
        );
    }
}
