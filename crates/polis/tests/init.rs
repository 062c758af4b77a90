//! `polis init`: the first lab of a machine, from nothing to a name that is answered.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod common;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Running, Said, Scratch, Server, has, polis, program, run, wait_for};
use testlab::{House, Place, has_houses};

/// Everything that is needed, said outright, so that it is the same on every machine.
const SAID: [&str; 11] = [
    "--yes",
    "--name",
    "attic",
    "--domain",
    "lab.example.net",
    "--machine",
    "naxos",
    "--address",
    "192.168.77.10",
    "--timezone",
    "Europe/Athens",
];

fn init(folder: &Path, words: &[&str]) -> Said {
    run(polis(&["init"]).arg(folder).args(words))
}

#[test]
fn the_lab_that_is_written_checks_and_answers_and_is_never_written_over() {
    if !has("the_lab_that_is_written_checks_and_answers_and_is_never_written_over", &["dig"]) {
        return;
    }
    let scratch = Scratch::new();
    let (folder, state) = (scratch.0.join("deep/lab"), scratch.0.join("state"));
    let mut words = SAID.to_vec();
    words.extend(["--upstream", "127.0.0.1:9", "--state", state.to_str().unwrap()]);
    let said = init(&folder, &words);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    for part in [
        "wrote ",
        "zone      lan, 192.168.77.0/24 behind 192.168.77.1",
        "1. look at the file",
        "2. start it: polis run --lab ",
        "3. see how it is: polis setup",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    let lab = folder.join("lab.toml");
    let text = std::fs::read_to_string(&lab).unwrap();
    assert!(text.contains("\n[dns]\non = \"naxos\"\nupstreams = [\"127.0.0.1:9\"]\n"), "{text}");
    let key = run(polis(&["machine", "key", "--state"]).arg(&state)).out;
    assert!(key.starts_with("key = \"ssh-ed25519 ") && text.contains(&key), "it is enrolled: {text}");

    let check = run(polis(&["check"]).arg(&folder));
    let summary = "attic: no errors, no warnings (1 zone, 1 machine, no apps, 1 name)\n";
    assert_eq!((check.code, check.out.as_str()), (0, summary));

    let again = init(&folder, &SAID);
    assert_eq!((again.code, again.out.as_str()), (1, ""));
    assert!(
        again.err.contains("there is a lab already") && again.err.contains("nothing was changed"),
        "{}",
        again.err
    );
    assert_eq!(std::fs::read_to_string(&lab).unwrap(), text);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");

    let server = Server::start(folder.to_str().unwrap(), "naxos");
    assert_eq!(server.dig(&["+short", "naxos.lab.example.net"]), "192.168.77.10");
    assert_eq!(server.dig(&["+short", "-x", "192.168.77.10"]), "naxos.lab.example.net.");
}

#[test]
fn a_lab_of_any_kind_is_left_alone() {
    let scratch = Scratch::with(&[("services.toml", "# mine\n")]);
    let said = init(&scratch.0, &SAID);
    assert!(said.code == 1 && said.err.contains("services.toml"), "{}", said.err);
    assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 1);
    let said = init(&scratch.0.join("services.toml"), &SAID);
    assert!(said.code == 2 && said.err.contains("is called like a file"), "{}", said.err);
    scratch.write("plain", "");
    let said = init(&scratch.0.join("plain"), &SAID);
    assert!(said.code == 1 && said.err.contains("can not read"), "{}", said.err);
    assert_eq!(scratch.read("services.toml"), "# mine\n");
}

#[test]
fn every_wrong_answer_is_one_clear_error_and_nothing_is_written() {
    let cases = [
        ("--name", "My Lab", "`My Lab` can not be a name"),
        ("--domain", "nas.local", "belongs to multicast DNS"),
        ("--domain", "lab..net", "there are two points in a row"),
        ("--machine", "dns", "rules and sentences keep this word for themselves"),
        ("--address", "192.168.77.300", "300 is above 255"),
        ("--address", "0.0.0.0", "no machine's address"),
        ("--cidr", "10.0.0.0/24", "is in no zone"),
        ("--cidr", "192.168.77.1/24", "this is an address in a network, not a network"),
        ("--zone", "naxos", "is also the name of"),
        ("--gateway", "192.168.1.1", "is outside lan"),
        ("--gateway", "192.168.77.10", "is the gateway of lan"),
        ("--upstream", "dns.quad9.net", "is given by its address"),
        ("--upstream", "192.168.77.10", "would ask itself"),
        ("--timezone", "Athens", "it is not in the IANA time zone database"),
    ];
    let scratch = Scratch::new();
    let folder = scratch.0.join("lab");
    for (flag, value, part) in cases {
        let mut words: Vec<&str> = SAID.to_vec();
        match words.iter().position(|word| *word == flag) {
            Some(at) => words[at + 1] = value,
            None => words.extend([flag, value]),
        }
        let said = init(&folder, &words);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{flag} {value}: {}", said.err);
        assert!(
            said.err.contains(part) && said.err.matches("error: ").count() == 1,
            "{flag} {value}: {}",
            said.err
        );
        assert!(said.err.contains("help: "), "{flag} {value}: {}", said.err);
        assert!(!folder.exists(), "{flag} {value}");
    }
}

#[test]
fn a_person_at_a_terminal_is_asked() {
    if !has("a_person_at_a_terminal_is_asked", &["script"]) {
        return;
    }
    let scratch = Scratch::new();
    let ask = |folder: &Path, lines: &str| {
        let line = format!("{} init {} --timezone UTC", env!("CARGO_BIN_EXE_polis"), folder.display());
        let mut command = program("script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .env_remove("POLIS_STATE")
            .env_remove("POLIS_LAB");
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        Said::from(child.wait_with_output().unwrap())
    };
    let folder = scratch.0.join("lab");
    let said =
        ask(&folder, "Attic\nattic\nlab.example.net\nnaxos\n192.168.77.10\n192.168.77.0/24\n9.9.9.9\n");
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(said.out.contains("What is the lab called? [home]"), "{}", said.out);
    assert!(said.out.contains("`Attic` can not be a name: names are written in lower case"), "{}", said.out);
    assert!(!said.out.contains("time zone is it"), "what was said is not asked: {}", said.out);
    let text = std::fs::read_to_string(folder.join("lab.toml")).unwrap();
    assert!(text.contains("name = \"attic\"") && text.contains("address = \"192.168.77.10\""), "{text}");
    assert_eq!(run(polis(&["check"]).arg(&folder)).code, 0);

    let other = scratch.0.join("other");
    // Ctrl-D.
    let said = ask(&other, "attic\n\u{4}");
    assert!(said.code == 1 && said.out.contains("nothing was written"), "{}", said.out);
    assert!(!other.exists());
}

#[test]
fn without_a_terminal_nothing_is_written_unless_everything_is_taken() {
    let scratch = Scratch::new();
    let (folder, state) = (scratch.0.join("lab"), scratch.0.join("state"));
    let mut command = polis(&["init"]);
    command.arg(&folder).args(&SAID[1..]).arg("--state").arg(&state);
    let said = run(command.stdin(Stdio::null()));
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{}", said.err);
    assert!(
        said.err.contains("standard input is no terminal") && said.err.contains("`--yes`"),
        "{}",
        said.err
    );
    assert!(!folder.exists() && !state.exists());
    assert_eq!(run(command.arg("--yes").stdin(Stdio::null())).code, 0);
    assert!(folder.join("lab.toml").exists() && state.join("machine.key").exists());
}

#[test]
fn where_the_lab_can_not_be_written_no_key_is_left() {
    let scratch = Scratch::with(&[("plain", "")]);
    let state = scratch.0.join("state");
    let mut command = polis(&["init"]);
    command.arg(scratch.0.join("plain/deeper")).args(SAID).arg("--state").arg(&state);
    let said = run(&mut command);
    assert!(said.code == 1 && said.err.contains("nothing was written"), "{}", said.err);
    assert!(!state.exists());
}

/// A house with one machine, whose interface and way out `polis init` finds by itself.
fn house() -> (Scratch, House) {
    let lab = Scratch::with(&[(
        "lab.toml",
        "[lab]\nname = \"house\"\ndomain = \"house.example.net\"\n[sites]\nhome = {}\n[zones]\nlan = { site = \"home\", \
         vlan = 7, cidr = \"192.168.77.0/24\" }\n[routers]\ngateway = { site = \"home\", kind = \"linux\" }\n[machines]\n\
         naxos = { address = \"192.168.77.10\" }\n",
    )]);
    let house = House::open(Path::new(lab.path())).unwrap();
    (lab, house)
}

fn init_in(place: &Place, folder: &Path) -> Said {
    let mut command = place.command(env!("CARGO_BIN_EXE_polis"));
    command.arg("init").arg(folder).args(["--yes", "--machine", "naxos", "--domain", "lab.example.net"]);
    run(command.env_remove("POLIS_STATE").env_remove("POLIS_LAB"))
}

fn dnsmasq(place: &Place, at: &str) -> Running {
    let mut command: Command = place.command("dnsmasq");
    command.args([
        "--keep-in-foreground",
        "--no-resolv",
        "--no-hosts",
        "--conf-file=/dev/null",
        "--pid-file=",
    ]);
    command.args(["--bind-interfaces", "--user=root", "--log-facility=-", &format!("--listen-address={at}")]);
    let running = Running::start(&mut command);
    running.wait_for_line("started");
    running
}

#[test]
fn it_finds_the_address_and_the_network_and_who_has_the_port_of_names() {
    let test = "it_finds_the_address_and_the_network_and_who_has_the_port_of_names";
    if !has_houses(test, &["dnsmasq", "dig"]) {
        return;
    }
    let (_lab, house) = house();
    let (naxos, scratch) = (house.machine("naxos"), Scratch::new());
    let folder = scratch.0.join("lab");
    let read = |folder: &Path| std::fs::read_to_string(folder.join("lab.toml")).unwrap();

    let taken = dnsmasq(&naxos, "192.168.77.10");
    let said = init_in(&naxos, &folder);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("names     left out: dnsmasq (process "), "{}", said.out);
    let text = read(&folder);
    assert!(
        text.contains("address = \"192.168.77.10\"") && text.contains("cidr = \"192.168.77.0/24\""),
        "{text}"
    );
    assert!(text.contains("\n#[dns]\n") && !text.contains("\n[dns]\n"), "{text}");
    assert!(text.contains("# Left out, because dnsmasq (process "), "{text}");
    assert!(text.contains("192.168.77.10:53 (udp) and 192.168.77.10:53 (tcp)"), "{text}");
    assert_eq!(run(polis(&["check"]).arg(&folder)).code, 0);
    drop(taken);

    // The stub of systemd-resolved, and whoever else is at another address, is not in the way.
    let stub = dnsmasq(&naxos, "127.0.0.53");
    let folder = scratch.0.join("second");
    let said = init_in(&naxos, &folder);
    assert!(said.code == 0 && said.out.contains("names     port 53 is free"), "{}{}", said.out, said.err);
    assert!(read(&folder).contains("\n[dns]\n"));

    let state = Scratch::short();
    let mut command = naxos.command(env!("CARGO_BIN_EXE_polis"));
    command.args(["run", "--machine", "naxos", "--state", state.path(), "--lab"]).arg(&folder);
    let running = Running::start(&mut command);
    running.wait_for_line("dns listens at 192.168.77.10:53");
    let laptop = house.laptop("lan");
    let ask = |name: &str| {
        let said = run(laptop.command("dig").args(["@192.168.77.10", "+short", "+tries=1", "+time=3", name]));
        said.out.trim_end().to_owned()
    };
    wait_for("the network asks it", || ask("naxos.lab.example.net") == "192.168.77.10");
    drop((running, stub));
}

/// In file systems of its own, so that the machine's are left alone.
#[test]
fn root_gets_a_lab_in_its_place_with_a_key_and_is_told_of_the_unit() {
    let test = "root_gets_a_lab_in_its_place_with_a_key_and_is_told_of_the_unit";
    if !has_houses(test, &["unshare", "mount"]) {
        return;
    }
    let script = "set -e; umask 077; mount -t tmpfs none /etc; mount -t tmpfs none /var/lib; \
                  mkdir -p /etc/systemd/system; touch /etc/systemd/system/polis.service; \
                  \"$0\" init --yes --machine naxos --address 192.168.77.10; cat /etc/polis/lab/lab.toml; \
                  stat -c 'mode %a' /etc/polis /etc/polis/lab /etc/polis/lab/lab.toml /var/lib/polis/machine.key; \
                  \"$0\" check";
    let mut command = program("unshare");
    command.args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_polis")]).current_dir("/");
    let said = run(command.env_remove("POLIS_STATE").env_remove("POLIS_LAB"));
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    for part in [
        "wrote /etc/polis/lab/lab.toml",
        "key       its private half is in /var/lib/polis/machine.key",
        "2. start it: systemctl enable --now polis\n",
        "3. see how it is: polis setup prints",
        "\nkey = \"ssh-ed25519 ",
        "mode 755\nmode 755\nmode 644\nmode 600\n",
        "home: no errors, no warnings",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
}
