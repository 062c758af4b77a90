//! Secrets: what `polis` encrypts the age program opens, for those who need it and nobody else.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod common;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Said, Scratch, has, polis, program, run};

/// A copy of the example with an owner who has a key, and a home.
struct House {
    lab: Scratch,
    home: Scratch,
}

impl House {
    fn new() -> Self {
        let house = Self { lab: Scratch::example(), home: Scratch::new() };
        let said = run(&mut house.polis(&["secret", "key"]));
        assert_eq!(said.code, 0, "{}", said.err);
        house.lab.replace("lab.toml", "owner   = { ", &format!("owner   = {{ {}, ", said.out.trim()));
        house
    }

    fn polis(&self, words: &[&str]) -> Command {
        let mut command = polis(words);
        command.env("HOME", self.home.path()).env("POLIS_LAB", self.lab.path());
        command
    }

    fn set(&self, name: &str, value: &str) -> Said {
        let mut command = self.polis(&["secret", "set", name]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    }

    fn owner_key(&self) -> String {
        self.home.0.join(".config/polis/owner.key").to_str().unwrap().to_owned()
    }

    /// Enrols a machine: makes its key pair and writes its line.
    fn enrol(&self, machine: &str) -> String {
        let state = self.home.0.join(machine);
        let said = run(&mut self.polis(&["machine", "key", "--state", state.to_str().unwrap()]));
        assert_eq!(said.code, 0, "{}", said.err);
        let header = format!("[machines.{machine}]");
        self.lab.replace("machines.toml", &header, &format!("{header}\n{}\n#", said.out.trim()));
        state.join("machine.key").to_str().unwrap().to_owned()
    }

    /// What the age program makes of a secret with a private key.
    fn open(&self, name: &str, key: &str) -> Said {
        run(program("age")
            .args(["--decrypt", "--identity", key])
            .arg(self.lab.0.join(format!("secrets/{name}.age"))))
    }
}

fn mode(path: &str) -> u32 {
    std::fs::metadata(Path::new(path)).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_secret_opens_for_its_owner_and_for_the_machine_that_needs_it() {
    if !has("a_secret_opens_for_its_owner_and_for_the_machine_that_needs_it", &["age"]) {
        return;
    }
    let house = House::new();
    let naxos = house.enrol("naxos");
    let said = house.set("cloudflare", "hunter2\n");
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("encrypted for owner, naxos"), "{}", said.err);
    assert_eq!(house.set("b2", "id:key").code, 0);
    assert_eq!(house.open("cloudflare", &house.owner_key()).out, "hunter2");
    assert_eq!(house.open("cloudflare", &naxos).out, "hunter2");
    assert_eq!(house.open("b2", &house.owner_key()).out, "id:key");
    assert_ne!(house.open("b2", &naxos).code, 0, "naxos does not need b2");
    assert_eq!((mode(&house.owner_key()), mode(&naxos)), (0o600, 0o600));
}

#[test]
fn rekey_gives_it_to_who_came_later_and_takes_it_from_who_left() {
    if !has("rekey_gives_it_to_who_came_later_and_takes_it_from_who_left", &["age"]) {
        return;
    }
    let house = House::new();
    let said = house.set("cloudflare", "hunter2");
    assert!(said.err.contains("naxos needs it and has no `key`"), "{}", said.err);
    let naxos = house.enrol("naxos");
    let check = |house: &House| run(&mut house.polis(&["check"])).out;
    assert!(check(&house).contains("the secret cloudflare can not be read by naxos"));
    assert!(run(&mut house.polis(&["secret", "list"])).out.contains("cloudflare   stale: rekey"));

    let said = run(&mut house.polis(&["secret", "rekey"]));
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(!check(&house).contains("secret-stale"));
    assert_eq!(house.open("cloudflare", &naxos).out, "hunter2");

    house.lab.replace("services.toml", "[proxy]\non = \"naxos\"", "[proxy]\non = \"paros\"");
    assert!(check(&house).contains("the secret cloudflare is encrypted to 1 more than need it"));
    assert_eq!(run(&mut house.polis(&["secret", "rekey"])).code, 0);
    assert_ne!(house.open("cloudflare", &naxos).code, 0);
}

#[test]
fn rekey_with_the_wrong_key_changes_nothing() {
    let house = House::new();
    assert_eq!(house.set("cloudflare", "hunter2").code, 0);
    assert_eq!(house.set("restic", "swordfish").code, 0);
    let before = house.lab.read("secrets/cloudflare.age");
    let stranger = House::new();
    let said = run(&mut house.polis(&["secret", "rekey", "--identity", &stranger.owner_key()]));
    assert_eq!(said.code, 1);
    assert!(said.err.contains("can not be opened with this key"), "{}", said.err);
    assert_eq!(house.lab.read("secrets/cloudflare.age"), before);
}

#[test]
fn rekey_never_locks_out_who_does_it() {
    let house = House::new();
    assert_eq!(house.set("cloudflare", "hunter2").code, 0);
    assert_eq!(house.set("restic", "swordfish").code, 0);
    let files = ["secrets/cloudflare.age", "secrets/cloudflare.recipients", "secrets/restic.age"];
    let read = |house: &House| files.map(|file| house.lab.read(file));
    let before = read(&house);
    let other = House::new();
    let new = run(&mut other.polis(&["secret", "key"])).out;
    let old = run(&mut house.polis(&["secret", "key"])).out;

    // The key of the lab is another one now, and the one that opens the secrets is in nobody's hands any more.
    house.lab.replace("lab.toml", old.trim(), new.trim());
    let said = run(&mut house.polis(&["secret", "rekey"]));
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.err.contains("your key opens `cloudflare` and would not open it any more"), "{}", said.err);
    assert!(said.err.contains("encrypted for owner only"), "{}", said.err);
    assert!(said.err.contains("write the public half of your key at yourself in [people]"), "{}", said.err);
    assert_eq!(read(&house), before);

    // With both of them the secrets move on, and the old key can go.
    house.lab.replace("lab.toml", "partner = { ", &format!("partner = {{ {}, ", old.trim()));
    assert_eq!(run(&mut house.polis(&["secret", "rekey"])).code, 0);
    house.lab.replace("lab.toml", &format!("{}, ", old.trim()), "");
    let said = run(&mut house.polis(&["secret", "rekey", "--identity", &other.owner_key()]));
    assert_eq!(said.code, 0, "{}", said.err);
    let said = run(&mut house.polis(&["secret", "rekey"]));
    assert!(said.code == 1 && said.err.contains("can not be opened with this key"), "{}", said.err);
}

#[test]
fn a_page_that_would_not_help_is_not_printed() {
    let house = House::new();
    let said = run(&mut house.polis(&["secret", "sheet"]));
    assert!(said.code == 0 && said.out.contains("The lab keeps no secret yet. Checked:"), "{}", said.out);
    let naxos = house.enrol("naxos");
    let stranger = House::new();
    let sheet = |key: &str| run(&mut house.polis(&["secret", "sheet", "--identity", key]));
    let said = sheet(&stranger.owner_key());
    assert!(said.code == 1 && said.out.is_empty() && said.err.contains("would open nothing"), "{}", said.err);

    assert_eq!(house.set("cloudflare", "hunter2").code, 0);
    let said = run(&mut house.polis(&["secret", "sheet"]));
    assert!(said.out.contains("the key above opens the one secret: cloudflare."), "{}", said.out);
    for name in ["b2", "restic"] {
        assert_eq!(house.set(name, "id:key").code, 0);
    }
    let said = run(&mut house.polis(&["secret", "sheet"]));
    assert!(said.out.contains("the key above opens all 3 secrets: b2, cloudflare, restic."), "{}", said.out);
    let said = sheet(&naxos);
    assert!(said.code == 1 && said.out.is_empty(), "{}", said.out);
    assert!(said.err.contains("this key does not open 2 of 3 secrets: b2, restic"), "{}", said.err);
    let said = sheet(&stranger.owner_key());
    assert!(said.err.contains("3 of 3 secrets: b2, cloudflare, restic"), "{}", said.err);
    house.lab.write("secrets/left.age", "torn");
    let said = run(&mut house.polis(&["secret", "sheet"]));
    assert!(said.code == 1 && said.err.contains("1 of 4 secrets: left"), "{}", said.err);
}

#[test]
fn the_sheet_is_enough_without_polis() {
    let house = House::new();
    house.set("restic", "it's a pass");
    house.set("b2", "id:key");
    let said = run(&mut house.polis(&["secret", "sheet"]));
    assert_eq!(said.code, 0, "{}", said.err);
    let key = std::fs::read_to_string(house.owner_key()).unwrap();
    assert!(said.out.contains(key.lines().last().unwrap()), "{}", said.out);
    let lines = [
        "export RESTIC_REPOSITORY='s3:https://s3.eu-central-003.backblazeb2.com/aegean'",
        "export RESTIC_PASSWORD='it'\\''s a pass'",
        "export AWS_ACCESS_KEY_ID='id'",
        "export AWS_SECRET_ACCESS_KEY='key'",
    ];
    for line in lines {
        assert!(said.out.contains(line), "{line} is not in\n{}", said.out);
    }
}

#[test]
fn wrong_uses_are_refused_and_nothing_is_written() {
    let house = House::new();
    let said = house.set("cloudfare", "x");
    assert!(said.code == 2 && said.err.contains("did you mean `cloudflare`?"), "{}", said.err);
    let said = house.set("../../etc/passwd", "x");
    assert_eq!(said.code, 2, "{}", said.err);
    let said = house.set("cloudflare", "\n");
    assert!(said.code == 1 && said.err.contains("the value is empty"), "{}", said.err);
    let said = run(&mut house.polis(&["secret", "rm", "cloudflare"]));
    assert!(said.code == 2 && said.err.contains("there is no secret"), "{}", said.err);
    assert!(!house.lab.0.join("secrets").exists());

    let keyless = House { lab: Scratch::example(), home: Scratch::new() };
    let said = keyless.set("cloudflare", "x");
    assert!(said.code == 1 && said.err.contains("no person in the lab file has a `key`"), "{}", said.err);
    house.lab.write("broken.toml", "[machine.x]\n");
    let said = house.set("cloudflare", "x");
    assert!(said.code == 1 && said.err.contains("the lab has errors"), "{}", said.err);
}

#[test]
fn a_secret_can_be_removed_and_says_who_still_needs_it() {
    let house = House::new();
    house.set("cloudflare", "hunter2");
    let said = run(&mut house.polis(&["secret", "rm", "cloudflare"]));
    assert_eq!(said.code, 0);
    assert!(said.err.contains("services.toml:13:92 still needs it"), "{}", said.err);
    assert_eq!(std::fs::read_dir(house.lab.0.join("secrets")).unwrap().count(), 0);
}

#[test]
fn keys_are_made_once() {
    let house = House::new();
    let again = || run(&mut house.polis(&["secret", "key"])).out;
    assert_eq!(again(), again());
    let state = house.home.0.join("state");
    let key = || run(&mut house.polis(&["machine", "key", "--state", state.to_str().unwrap()])).out;
    let first = key();
    assert!(first.starts_with("key = \"ssh-ed25519 AAAA") && first == key(), "{first}");
}
