//! The commands that read a lab and say something about it: what they say, and how they exit.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod common;

use common::{Scratch, has, polis, program, root, run};

const SMALL: &str =
    "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n\n[machines.naxos]\naddress = \"10.0.0.2\"\n";

#[test]
fn the_example_has_no_errors_and_warns_of_two_things() {
    let said = run(&mut polis(&["check", "examples/aegean", "--at", "2026-11-23", "--json"]));
    assert_eq!(said.code, 0, "{}", said.err);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["errors"], 0);
    let codes: Vec<&str> =
        json["faults"].as_array().unwrap().iter().map(|fault| fault["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["not-run-yet", "secret-not-there"]);
    let place = &json["faults"][1]["places"][0];
    assert_eq!(
        (place["file"].as_str(), place["line"].as_u64()),
        (Some("examples/aegean/network.toml"), Some(32))
    );
    assert!(place["column"].as_u64() < place["end_column"].as_u64());
}

#[test]
fn a_small_lab_is_small() {
    let lab = Scratch::with(&[("lab.toml", SMALL)]);
    let said = run(&mut polis(&["check", lab.path()]));
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "home: no errors, no warnings (no zones, 1 machine, no apps, 1 name)\n")
    );
    let said = run(polis(&["check"]).current_dir(&lab.0));
    assert_eq!(said.code, 0, "the folder one stands in is taken: {}", said.err);
    let said = run(&mut polis(&["check", lab.0.join("lab.toml").to_str().unwrap()]));
    assert_eq!(said.code, 0, "one file is a lab too: {}", said.err);
}

#[test]
fn what_could_not_be_evaluated_is_not_said_to_be_false() {
    let network = "[zones]\nlan = { cidr = \"10.0.0.0/24\" }\n[policy]\nlan = { internet = true }\n[assert]\nout = \"lan reaches \
                   internet\"\nin = \"internet reaches lan\"\nclosed = \"lan never reaches internet\"\nopen = \"lan reach only \
                   internet\"\n";
    let lab = Scratch::with(&[("lab.toml", &format!("{SMALL}{network}"))]);
    let said = run(&mut polis(&["check", lab.path()]));
    let last = "refused: 2 errors, no warnings (1 zone, 1 machine, no apps, 1 name, 0 of 4 assertions hold, 3 not evaluated)\n";
    assert!(said.out.ends_with(last), "{}", said.out);
}

#[test]
fn exit_status_tells_faults_from_misuse() {
    let broken = Scratch::with(&[("lab.toml", "[lab]\nname = \"home\"\n")]);
    let cases: [(&[&str], i32, &str); 10] = [
        (&["check", broken.path()], 1, ""),
        (&["check", "no/such/folder"], 2, "there is no lab at `no/such/folder`"),
        (&["check", "docs/adr"], 2, "there is no `*.toml` file in `docs/adr`"),
        (&["check", "--at", "tomorrow"], 2, "write year, month and day"),
        (&["frobnicate"], 2, "unrecognized subcommand"),
        (&["explain", "app", "nextclod", "--lab", "examples/aegean"], 2, "did you mean `nextcloud`?"),
        (&["explain", "machines.memry", "--lab", "examples/aegean"], 2, "did you mean `memory`?"),
        (
            &["explain", "zone", "guests", "to", "nowhere", "--lab", "examples/aegean"],
            2,
            "there is no zone `nowhere`",
        ),
        (&["explain", "this", "that", "--lab", "examples/aegean"], 2, "nothing that can be explained"),
        (&["coverage", "--lab", "Cargo.lock"], 1, "the lab has errors"),
    ];
    for (words, code, part) in cases {
        let said = run(&mut polis(words));
        assert_eq!(said.code, code, "polis {words:?}: {}{}", said.out, said.err);
        assert!(said.err.contains(part), "polis {words:?}: {}", said.err);
    }
}

/// One wrong line of a key of `[dns]`: one fault, at that line, with a way out.
#[track_caller]
fn check_dns(line: &str, part: &str) {
    let small = "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n[sites]\nhere = {}\n[zones]\nlan = { site = \"here\", cidr = \
                 \"10.0.0.0/24\" }\n[machines]\nnaxos = { address = \"10.0.0.2\" }\n[dns]\non = \"naxos\"\n";
    let lab = Scratch::with(&[("lab.toml", &format!("{small}{line}\n"))]);
    let said = run(&mut polis(&["check", lab.path()]));
    assert_eq!((said.code, said.out.matches("error[").count()), (1, 1), "{line}: {}{}", said.out, said.err);
    assert!(said.out.contains(part) && said.out.contains("help:"), "{line}: {}", said.out);
}

#[test]
fn what_name_servers_can_not_do_is_a_fault_of_the_line() {
    let others = "upstreams = [\"9.9.9.9\"]\n";
    check_dns("upstreams = [\"tsl://dns.example\"]", "no way to ask a name server over `tsl`");
    check_dns("upstreams = [\"[/home.arpa/10.0.0.1\"]", "the domains do not end with `/]`");
    check_dns(&format!("{others}fallback = [\"https://\"]"), "`https://` is not a name server");
    check_dns(&format!("{others}bootstrap = [\"tls://dns.example\"]"), "is asked under encryption");
    check_dns(&format!("{others}rules = [\"||ads.example^$nonsense\"]"), "nonsense");
    check_dns(&format!("{others}services = [\"youtub\"]"), "no service is called `youtub`");
    let policy = "[dns.policies.kids]\nwho = [\"lan\"]\nupstreams = [\"quic:/x\"]";
    check_dns(&format!("{others}{policy}"), "`quic:/x` is not a name server");
}

#[test]
fn a_folder_without_a_lab_says_where_to_look() {
    let empty = Scratch::new();
    let said = run(polis(&["check"]).current_dir(&empty.0));
    assert_eq!(said.code, 2);
    assert!(said.err.contains("there is no lab here") && said.err.contains("--lab PATH"), "{}", said.err);
}

#[test]
fn expired_exceptions_depend_on_the_day() {
    let check = |day: &str| run(&mut polis(&["check", "examples/aegean", "--at", day])).out;
    assert!(!check("2099-01-01").contains("exception-expired"));
    assert!(check("2099-01-02").contains("warning[exception-expired]"));
}

#[test]
fn everything_of_the_example_can_be_explained() {
    let explain = |words: &[&str]| {
        let said = run(polis(&["explain"]).args(words).args(["--lab", "examples/aegean"]));
        assert_eq!(said.code, 0, "explain {words:?}: {}", said.err);
        said.out
    };
    assert!(explain(&["app", "nextcloud"]).contains("copy         larissa:tank/nextcloud to amorgos:vault"));
    assert!(explain(&["machine", "naxos"]).contains("dns, serving   (services.toml:4)"));
    assert!(explain(&["name", "gateway"]).contains("to guests   10.10.30.1"));
    assert!(explain(&["name", "10.10.50.10"]).contains("naxos.lab.example.net"));
    assert!(explain(&["name", "www.example.org"]).contains("asked of 9.9.9.9, 1.1.1.1"));
    assert!(explain(&["zone", "guests", "to", "servers"]).contains("nextcloud  the row names `published`"));
    assert!(explain(&["zone", "vpn", "to", "internet"]).contains("owner    admin"));
    assert!(explain(&["machines.memory"]).contains("machines.larissa.memory"));
    assert!(explain(&["address-taken"]).starts_with("error[address-taken]"));
}

#[test]
fn a_plain_secret_is_not_explained() {
    let lab = Scratch::with(&[(
        "lab.toml",
        "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n[machines]\nnaxos = { address = \"10.0.0.2\" }\n[proxy]\non = \
         \"naxos\"\ncertificates = { challenge = \"dns\", provider = \"x\", token = \"hunter2\" }\n",
    )]);
    for words in [
        &["check"][..],
        &["check", "--json"],
        &["explain", "proxy.certificates.token"],
        &["explain", "proxy"],
    ] {
        let said = run(polis(words).args(["--lab", lab.path()]));
        assert!(
            !said.out.contains("hunter2") && !said.err.contains("hunter2"),
            "{words:?}: {}{}",
            said.out,
            said.err
        );
    }
}

#[test]
fn coverage_is_a_table_and_json() {
    let said = run(&mut polis(&["coverage", "--lab", "examples/aegean", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let rows = json.as_array().unwrap();
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    assert_eq!(row("nextcloud")["cells"]["drill"]["is"], "follows");
    assert_eq!(row("blog")["cells"]["copy"]["is"], "chosen not");
    assert_eq!(row("blog")["cells"]["copy"]["from"][0], "apps.toml:43");
    assert_eq!(row("volos")["cells"]["copy"]["is"], "missing");
    assert!(row("volos")["cells"]["copy"]["what"].as_str().unwrap().contains("add \"volos\" to `take`"));
    assert_eq!(row("volos")["cells"]["route"]["is"], "not applicable");
}

#[test]
fn names_are_suggested_by_size() {
    let suggest = |words: &[&str]| run(polis(&["name", "suggest", "--lab", "examples/aegean"]).args(words));
    let people = |words: &[&str]| -> u32 {
        let said = suggest(words);
        assert_eq!(said.code, 0, "{}", said.err);
        said.out.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let (small, large) =
        (people(&["--site", "home", "--memory", "512 MB"]), people(&["--site", "home", "--memory", "64 GB"]));
    assert!(small < 1_000 && large > 50_000, "{small} {large}");
    let many = suggest(&["--site", "cloud", "--count", "100"]);
    assert_eq!(many.out.lines().count(), 100);
    let names: Vec<&str> = many.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(!names.contains(&"vienna") && !names.contains(&"porto"), "these are taken");
    let said = suggest(&[]);
    assert!(said.code == 2 && said.err.contains("which site?"), "{}", said.err);
    let said = suggest(&["--site", "home", "--memory", "8 gb"]);
    assert!(said.code == 2 && said.err.contains("there is no unit `gb`"), "{}", said.err);
}

/// The validator of the TOML extension that most editors use.
#[test]
fn an_editor_takes_the_schema() {
    if !has("an_editor_takes_the_schema", &["taplo"]) {
        return;
    }
    let scratch = Scratch::example();
    scratch.write("lab.schema.json", &run(&mut polis(&["schema"])).out);
    let schema = format!("file://{}", scratch.0.join("lab.schema.json").display());
    let lint =
        |file: &str| run(program("taplo").args(["lint", "--schema", &schema]).arg(scratch.0.join(file)));
    for file in ["lab.toml", "network.toml", "machines.toml", "services.toml", "apps.toml"] {
        let said = lint(file);
        assert_eq!(said.code, 0, "{file}: {}", said.err);
    }
    let wrong = [
        ("unknown-key.toml", "adress"),
        ("bad-value-choice.toml", "routerso"),
        ("missing-key-cidr.toml", "cidr"),
        ("bad-value-duration-unit.toml", "1 fortnight"),
        ("wrong-kind-number.toml", "16"),
    ];
    for (file, part) in wrong {
        let text = std::fs::read_to_string(root().join("crates/lab/tests/faults/one").join(file)).unwrap();
        scratch.write(file, &text);
        let said = lint(file);
        assert!(said.code != 0 && said.err.contains(part), "{file}: {}", said.err);
    }
}
