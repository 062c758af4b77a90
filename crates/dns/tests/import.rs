//! Whole files of AdGuard Home: what becomes of them, and that it is a lab. `INSTA_UPDATE=always cargo test -p dns
//! --test import` writes the expectations anew: then read the difference.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::fmt::Write as _;

use dns::import::{Imported, Refused, adguard};

const FRESH: &str = include_str!("import/fresh.yaml");
const HOUSE: &str = include_str!("import/house.yaml");
const LEASES: &str = include_str!("import/house-leases.json");
const OLD: &str = include_str!("import/old.yaml");

/// Stands in for the engine, which is not what is tested here.
fn rule(line: &str) -> Result<(), String> {
    if line.contains("$nonsense") { Err("there is no modifier `nonsense`".to_owned()) } else { Ok(()) }
}

fn import(yaml: &str, leases: Option<&str>) -> Imported {
    adguard(yaml, leases, rule).unwrap()
}

/// All that is said, as one text that a person can read.
fn told(imported: &Imported) -> String {
    let mut text = imported.toml.clone();
    text.push_str("\n--- carried over\n");
    imported.carried.iter().for_each(|(what, count)| writeln!(text, "{count} {what}").unwrap());
    text.push_str("\n--- not carried over\n");
    imported.left.iter().for_each(|left| writeln!(text, "{left}").unwrap());
    text
}

/// The faults of a lab that has these tables.
fn faults(imported: &Imported) -> Vec<String> {
    let dns = imported.toml.replace("# on = \"MACHINE\"  says", "on = \"box\" #");
    assert_ne!(dns, imported.toml, "the place for `on` is not marked");
    let lab = "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\ntimezone = \"Europe/Berlin\"\n[sites]\nhome = {}\n\
               [zones]\nlan = { site = \"home\", cidr = \"192.168.178.0/24\" }\n\
               [routers]\ngateway = { site = \"home\", kind = \"linux\" }\n\
               [machines.box]\naddress = \"192.168.178.2\"\n";
    let folder = lab::Folder::from_texts([("lab.toml", lab), ("dns.toml", &dns)]);
    let checked = lab::check(folder, &lab::Options::at("2026-11-23"));
    checked.faults.iter().map(|fault| fault.title.clone()).collect()
}

#[test]
fn a_fresh_installation() {
    let imported = import(FRESH, None);
    insta::assert_snapshot!("fresh", told(&imported));
    assert_eq!(faults(&imported), Vec::<String>::new());
}

#[test]
fn a_house_with_everything() {
    let imported = import(HOUSE, Some(LEASES));
    insta::assert_snapshot!("house", told(&imported));
    assert_eq!(faults(&imported), Vec::<String>::new());
}

#[test]
fn a_file_of_an_old_schema() {
    let imported = import(OLD, None);
    insta::assert_snapshot!("old", told(&imported));
    assert_eq!(faults(&imported), Vec::<String>::new());
}

#[test]
fn nothing_that_is_secret_is_said() {
    for (yaml, leases) in [(FRESH, None), (HOUSE, Some(LEASES)), (OLD, None)] {
        assert!(yaml.contains("SECRET"));
        let text = told(&import(yaml, leases));
        let line = text.lines().find(|line| line.contains("SECRET"));
        assert_eq!(line, None);
        // The same where the file breaks off in the middle of it.
        for end in (0..yaml.len()).step_by(97) {
            let Some(part) = yaml.get(..end) else { continue };
            let said = match adguard(part, None, rule) {
                Ok(imported) => told(&imported),
                Err(refused) => refused.to_string(),
            };
            assert!(!said.contains("SECRET"), "{said}");
        }
    }
}

#[test]
fn every_key_is_spoken_of() {
    // Each key of a fresh installation, with what can be switched on switched on, gets a value that nobody expects. The
    // import has to do something about it: carry it over, or say a word.
    let yaml = FRESH.replace("tls:\n  enabled: false", "tls:\n  enabled: true");
    let yaml = yaml.replace("dhcp:\n  enabled: false", "dhcp:\n  enabled: true");
    let yaml =
        yaml.replace("optimistic: false", "optimistic: true").replace("    ids: []", "    ids: [tiktok]");
    assert_ne!(yaml, FRESH);
    let before = told(&import(&yaml, None));
    let mut silent = Vec::new();
    for (at, line) in yaml.lines().enumerate() {
        let Some((key, value)) = line.split_once(": ").filter(|_| !line.contains("https://")) else {
            continue;
        };
        let odd = match value {
            "true" => "false",
            "false" => "true",
            "[]" => "[4711]",
            value if value.ends_with(['s', 'h']) => "4711h",
            _ => "4711",
        };
        let lines = yaml.lines().enumerate();
        let lines =
            lines.map(|(other, text)| if at == other { format!("{key}: {odd}") } else { text.to_owned() });
        let after = match adguard(&lines.collect::<Vec<_>>().join("\n"), None, rule) {
            Ok(imported) => told(&imported),
            Err(refused) => refused.to_string(),
        };
        if after == before {
            silent.push(line.trim().to_owned());
        }
    }
    // Nothing is said of the names and hashes of people, of which it is said how many there are; of the numbers of lists;
    // of the settings of a DHCP server, of which it is said that there is none here; of keys that only matter beside
    // others; and of ports of which the same is said whatever they are.
    insta::assert_snapshot!("silent", silent.join("\n"));
}

#[test]
fn schemas() {
    let of = |schema: &str| adguard(&FRESH.replace("schema_version: 34", schema), None, rule);
    assert_eq!(of("schema_version: 19"), Err(Refused::TooOld(19)));
    assert_eq!(of("schema_version: soon"), Err(Refused::TooOld(0)));
    assert_eq!(of(""), Err(Refused::TooOld(0)));
    assert!(Refused::TooOld(19).to_string().contains("schema 19"));
    let newer = of("schema_version: 40").unwrap();
    assert_eq!(newer.left.first().map(|left| left.key.as_str()), Some("schema_version"));
}

#[test]
fn what_is_no_file_of_adguard_home() {
    for text in ["", "hello", "- a\n- b", "a: 1", "null", "\u{feff}", "{}", "\u{1b}[2J: x"] {
        assert_eq!(adguard(text, None, rule), Err(Refused::SomethingElse), "{text:?}");
    }
    for text in [
        "a: b: c",
        "dns: {",
        "dns: [1, 2",
        "\0",
        "dns: &a [*a]",
        "dns: &a {b: 1}\nx: *a",
        "dns: 1\ndns: 2",
        "? [a]\n: b",
        &"[".repeat(100_000),
        &"a:\n ".repeat(3000),
        &"- ".repeat(100_000),
        &format!("dns: [{}]", "1, ".repeat(600_000)),
        &"x".repeat(5 << 20),
    ] {
        let start: String = text.chars().take(20).collect();
        let refused = adguard(text, None, rule).unwrap_err();
        assert!(matches!(refused, Refused::NotYaml(_)), "{start:?}: {refused:?}");
    }
}

#[test]
fn a_hostile_file_is_still_toml_and_short() {
    let keys: String = (0..100_000).map(|number| format!("key{number}: 1\n")).collect();
    let text = format!(
        "{keys}schema_version: 34\ndns: {{upstream_dns: [9.9.9.9, \"a\\nb\", [1], {{a: b}}], ratelimit: -1, cache_size: yes}}\n\
         user_rules: [\"\\\"\\\\\\u0007\", \"# \\u0001\\n[evil]\", \"||a^\\r\\n[evil]\"]\n\
         filters: [{{url: \"https://x.example/\\n]\", name: \"]\\n[evil]\"}}, 5, {{name: only}}]\n\
         clients: {{persistent: [{{name: \"\\n[evil]\", ids: [1.2.3.4, \"`x`\"], tags: [\"\\\"]\"]}}, x]}}\n\
         filtering: {{rewrites: [{{domain: \"a\\nb\", answer: 1.1.1.1}}], blocked_services: {{ids: [[a], 1], schedule: \
         {{mon: {{start: 25h, end: 99999999999999999999h}}, fri: x}}}}}}\n"
    );
    let imported =
        import(&text, Some("{\"leases\": [{\"static\": true}, 1, {\"static\": true, \"mac\": \"x\"}]}"));
    assert!(imported.toml.lines().all(|line| !line.starts_with("[evil")), "{}", imported.toml);
    assert!(imported.left.len() <= 501 && imported.toml.len() < 10_000);
    assert_eq!(faults(&imported), Vec::<String>::new(), "{}", imported.toml);
    let broken = import(FRESH, Some("{\"leases\": ["));
    assert!(broken.left.iter().any(|left| left.key == "leases.json"));
}
