//! `polis demo`: a whole lab on this machine, as somebody who tries it out sees it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod common;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::{Running, Said, Scratch, has, polis, program, run, wait_for};

/// The example has addresses outside of this house too, and they are there once.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A demonstration of the example, in a scratch folder of its own, at addresses of this process.
struct Demo {
    running: Running,
    lab: Scratch,
    runs: Scratch,
    net: String,
    _alone: MutexGuard<'static, ()>,
}

impl Demo {
    fn start() -> Self {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let (lab, runs) = (Scratch::example(), Scratch::short());
        let second = 100 + std::process::id() % 100;
        for entry in std::fs::read_dir(&lab.0).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".toml") {
                lab.write(&name, &lab.read(&name).replace("10.10.", &format!("10.{second}.")));
            }
        }
        let mut command = polis(&["demo", lab.path()]);
        let running = Running::start(command.env("XDG_RUNTIME_DIR", runs.path()));
        Self { running, lab, runs, net: format!("127.{second}"), _alone: alone }
    }

    /// From another terminal.
    fn say(&self, words: &[&str]) -> Said {
        run(polis(words).env("XDG_RUNTIME_DIR", self.runs.path()))
    }

    fn folder(&self) -> PathBuf {
        std::fs::read_dir(&self.runs.0).unwrap().next().unwrap().unwrap().path()
    }

    fn status(&self, machine: &str) -> String {
        let said = self.say(&["status", "--state", self.folder().join(machine).to_str().unwrap()]);
        format!("{}{}", said.out, said.err)
    }

    /// What the name server of the lab says of a name.
    fn dig(&self, name: &str) -> String {
        let server = format!("@{}.50.53", self.net);
        let words = [&server, "-p", "10053", "+short", "+tries=1", "+time=1", name];
        run(program("dig").args(words)).out.trim_end().to_owned()
    }

    /// The processes of the demonstration.
    fn processes(&self) -> usize {
        let said = run(program("pgrep").arg("-f").arg(self.runs.path()));
        said.out.lines().count()
    }
}

#[test]
fn a_demonstration_answers_and_goes_on_when_a_machine_stops() {
    if !has("a_demonstration_answers_and_goes_on_when_a_machine_stops", &["dig", "pgrep"]) {
        return;
    }
    let mut demo = Demo::start();
    let line = demo.running.wait_for_line("the lab aegean runs here, after");
    let command = demo.running.wait_for_line("cloud.lab.example.net +short");
    assert_eq!(
        run(std::process::Command::new("sh").args(["-c", command.trim()])).out,
        format!("{}.50.10\n", demo.net),
        "{line}"
    );
    assert_eq!(demo.dig("cloud.lab.example.net"), format!("{}.50.10", demo.net));
    wait_for("naxos sees the others", || demo.status("naxos").matches(" up ").count() == 14);
    wait_for("anafi stands by", || demo.status("anafi").contains("naxos goes first"));

    let said = demo.say(&["demo", "stop", "naxos"]);
    assert_eq!((said.code, said.out.as_str()), (0, "naxos: stopped\n"), "{}", said.err);
    let began = Instant::now();
    wait_for("anafi answers at the same address", || demo.dig("cloud.lab.example.net").starts_with("127."));
    assert!(began.elapsed() < Duration::from_secs(6), "after {:?}", began.elapsed());
    wait_for("the others see it", || {
        demo.status("anafi").lines().any(|line| line.contains(" naxos ") && !line.contains(" up "))
    });

    assert_eq!(demo.say(&["demo", "start", "naxos"]).out, "naxos: started\n");
    wait_for("naxos is back", || {
        demo.status("anafi").lines().any(|line| line.contains(" naxos ") && line.contains(" up "))
    });

    let said = demo.say(&["demo", "stop", "larissa"]);
    for name in ["larissa", "naxos", "paros"] {
        assert!(said.out.contains(&format!("{name}: stopped\n")), "{name} is on larissa: {}", said.out);
        assert!(demo.status(name).contains("no Polis answers"));
    }
    let said = demo.say(&["demo", "stop", "naxso"]);
    assert!(said.code == 2 && said.err.contains("the demonstration has no machine `naxso`"), "{}", said.err);

    let second = demo.say(&["demo", demo.lab.path()]);
    assert!(second.code == 2 && second.err.contains("a demonstration runs already"), "{}", second.err);

    assert!(demo.processes() > 20);
    demo.running.signal("-INT");
    assert!(demo.running.child.wait().unwrap().success());
    demo.running.wait_for_line("ended; nothing is left");
    assert_eq!(demo.processes(), 0);
    assert_eq!(std::fs::read_dir(&demo.runs.0).unwrap().count(), 0);
    let said = demo.say(&["demo", "stop", "naxos"]);
    assert!(said.code == 2 && said.err.contains("no demonstration runs"), "{}", said.err);
}

#[test]
fn a_demonstration_whose_terminal_is_closed_leaves_nothing() {
    if !has("a_demonstration_whose_terminal_is_closed_leaves_nothing", &["pgrep"]) {
        return;
    }
    let mut demo = Demo::start();
    wait_for("some machines run", || demo.processes() > 5);
    demo.running.signal("-HUP");
    assert!(demo.running.child.wait().unwrap().success());
    assert_eq!(demo.processes(), 0);
    assert_eq!(std::fs::read_dir(&demo.runs.0).unwrap().count(), 0);
}

#[test]
fn a_lab_that_can_not_be_demonstrated_says_why() {
    let runs = Scratch::short();
    let lab = Scratch::with(&[(
        "lab.toml",
        "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n[machines]\nnaxos = { address = \"10.0.0.2\" }\nanafi = { address = \
         \"172.0.0.2\" }\n",
    )]);
    let said = run(polis(&["demo", lab.path()]).env("XDG_RUNTIME_DIR", runs.path()));
    assert_eq!(said.code, 1, "{}", said.err);
    let part = "in a demonstration the first number of every address is 127, which may make two of them one";
    assert!(said.err.contains(part) && said.err.contains("error[address-taken]"), "{}", said.err);
    assert_eq!(std::fs::read_dir(&runs.0).unwrap().count(), 0);
    let said = run(polis(&["demo", "/nowhere"]).env("XDG_RUNTIME_DIR", runs.path()));
    assert_eq!(said.code, 2, "{}", said.err);
}
