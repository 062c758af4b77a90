//! Units run as systemd would run them, and can be hurt in every way that a test needs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use std::time::Duration;

use nix::sys::signal::Signal;
use testlab::{House, Place, Service, Unit, has_houses, wait_for};

/// A house of one machine: these tests are not about its network.
fn house() -> (House, Place) {
    let text = "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n[sites]\nhome = {}\n[zones]\nlan = { site = \"home\", cidr = \
                \"10.0.0.0/24\" }\n[routers]\ngateway = { site = \"home\", kind = \"linux\" }\n[machines]\nnaxos = { address = \
                \"10.0.0.2\" }\n";
    let checked = lab::check(lab::Folder::from_texts([("lab.toml", text)]), &lab::Options::at("2026-11-01"));
    let house = House::build(checked.usable().unwrap()).unwrap();
    let naxos = house.machine("naxos");
    (house, naxos)
}

fn shell(script: &str) -> Service {
    Service::new("/bin/sh").args(["-c", script])
}

/// A stand-in for a service: ready at once, alive ten times a second, with a child.
fn service() -> Service {
    let notify = "import os, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ['NOTIFY_SOCKET'])
s.send(b'READY=1\\nSTATUS=serves')
while os.path.isdir(os.environ['RUNTIME_DIRECTORY']):
    s.send(b'WATCHDOG=1')
    time.sleep(0.1)
";
    let python = testlab::find("python3").unwrap();
    Service::new("/bin/sh")
        .args(["-c", "sleep 1000 & exec \"$0\" -c \"$1\""])
        .args([python.into_os_string(), notify.into()])
        .watchdog(Duration::from_secs(1))
}

fn started_again(unit: &Unit, before: u32) {
    wait_for("it runs again", || unit.pid().is_some_and(|pid| pid != before) && unit.is_ready());
}

/// Whether a process runs; one that nobody has asked for its exit status does not.
fn is_alive(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|state| !state.is_empty() && !state.starts_with('Z'))
}

#[test]
fn a_unit_is_started_again_however_it_ends_and_leaves_no_children() {
    if !has_houses("a_unit_is_started_again_however_it_ends_and_leaves_no_children", &["python3"]) {
        return;
    }
    let (_house, naxos) = house();
    let unit = naxos.start(service());
    unit.wait_ready();
    assert_eq!(unit.status(), "serves");
    let (first, children) = (unit.pid().unwrap(), unit.child_pids());
    assert_eq!(children.len(), 1, "{children:?}");

    unit.crash();
    started_again(&unit, first);
    assert_eq!(unit.starts(), 2);
    wait_for("the new one has a child of its own", || unit.child_pids().len() == 1);
    assert!(!is_alive(children[0]), "its child went with it");

    unit.kill_child("sleep");
    wait_for("the child is gone", || unit.child_pids().is_empty());
    assert_eq!(unit.starts(), 2, "the main process may live without");

    unit.kill();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!((unit.pid(), unit.starts()), (None, 2), "a machine without power starts nothing");
    unit.up();
    unit.wait_ready();
    assert_eq!(unit.starts(), 3);
    assert!(!unit.stop(), "python ends by the signal, not with 0");
    assert_eq!(unit.pid(), None);
}

#[test]
fn a_unit_that_is_told_to_end_may_end_well() {
    if !has_houses("a_unit_that_is_told_to_end_may_end_well", &[]) {
        return;
    }
    let (_house, naxos) = house();
    let unit = naxos.start(shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"));
    unit.wait_for_line("up");
    assert!(unit.stop());
    assert!(unit.said().contains("bye"), "{}", unit.said());

    let deaf = naxos.start(
        shell("trap '' TERM; echo deaf; while :; do sleep 0.05; done").stop_within(Duration::from_secs(1)),
    );
    deaf.wait_for_line("deaf");
    assert!(!deaf.stop(), "it had to be made to");
    assert_eq!(deaf.pid(), None);
}

#[test]
fn a_silent_unit_is_ended_by_its_watchdog() {
    if !has_houses("a_silent_unit_is_ended_by_its_watchdog", &["python3"]) {
        return;
    }
    let (_house, naxos) = house();
    let unit = naxos.start(service());
    unit.wait_ready();
    let first = unit.pid().unwrap();
    wait_for("it lives longer than it may be silent", || unit.heartbeats() > 15);

    unit.freeze();
    std::thread::sleep(Duration::from_millis(400));
    unit.thaw();
    let heartbeats = unit.heartbeats();
    wait_for("it goes on after a short stop", || unit.heartbeats() > heartbeats + 5);
    assert_eq!((unit.pid(), unit.watchdog_ends()), (Some(first), 0));

    unit.freeze();
    wait_for("the watchdog ends it", || unit.watchdog_ends() == 1);
    started_again(&unit, first);
    assert!(unit.said().contains("-- watchdog: silent for"), "{}", unit.said());
}

#[test]
fn a_disk_is_full_and_has_room_again() {
    if !has_houses("a_disk_is_full_and_has_room_again", &[]) {
        return;
    }
    let (_house, naxos) = house();
    let write = "cd \"$STATE_DIRECTORY\"; while :; do if echo more >> file; then echo wrote; else echo full; fi; sleep 0.05; done";
    let unit = naxos.start(shell(write).disk(1 << 20));
    unit.wait_for_line("wrote");
    std::fs::write(unit.state().join("file"), [b'x'; 4096]).unwrap();
    unit.fill_disk();
    unit.wait_for_line("full");
    unit.free_disk();
    let count = unit.said().matches("wrote").count();
    wait_for("it writes again", || unit.said().matches("wrote").count() > count);

    unit.stop();
    unit.set_read_only(true);
    unit.up();
    unit.wait_for_line("Read-only file system");
    unit.stop();
    unit.set_read_only(false);
}

#[test]
fn the_clock_of_a_machine_jumps() {
    if !has_houses("the_clock_of_a_machine_jumps", &["python3"]) {
        return;
    }
    let (_house, naxos) = house();
    let script = "import time\nwhile True:\n    print(int(time.time()), flush=True)\n    time.sleep(0.05)\n";
    let unit = naxos.start(Service::new(testlab::find("python3").unwrap()).args(["-c", script]).clock());
    let off_by = |seconds: i64| {
        wait_for(&format!("its clock is off by {seconds} s"), || {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            let said = unit.said();
            let said: Option<i64> = said.lines().last().and_then(|line| line.parse().ok());
            said.is_some_and(|said| (said - i64::try_from(now).unwrap() - seconds).abs() < 30)
        });
    };
    off_by(0);
    naxos.jump_clock(600_000_000);
    off_by(600_000_000);
    naxos.jump_clock(-700_000_000);
    off_by(-100_000_000);
}

#[test]
fn a_unit_has_the_user_and_the_capabilities_that_it_was_given() {
    if !has_houses("a_unit_has_the_user_and_the_capabilities_that_it_was_given", &[]) {
        return;
    }
    let (_house, naxos) = house();
    let say = "echo $(id -u):$(id -g) $(grep CapEff /proc/self/status); touch \"$STATE_DIRECTORY/own\" \"$STATE_DIRECTORY/hostname\" \"$RUNTIME_DIRECTORY/own\" \
               && echo wrote; ls /root 2>&1 | tail -1; echo $PWD $WATCHDOG_USEC $WATCHDOG_PID $$ $HOME; echo $0 $1; exec sleep 1000";
    let service = shell(say)
        .state_file("/etc/hostname")
        .args(["--state=${STATE_DIRECTORY}", "${RUNTIME_DIRECTORY}/polis.sock"]);
    let unit = naxos.start(service.user(65534, "net_bind_service").watchdog(Duration::from_secs(30)));
    unit.wait_for_line(&format!(
        "--state={} {}/polis.sock",
        unit.state().display(),
        unit.runtime().display()
    ));
    unit.wait_for_line("65534:65534 CapEff: 0000000000000400");
    unit.wait_for_line("wrote");
    let pid = unit.pid().unwrap();
    unit.wait_for_line(&format!("/ 30000000 {pid} {pid}"));
    unit.signal(Signal::SIGHUP);
    wait_for("a hang-up ends what does not know it", || unit.starts() == 2);
}
