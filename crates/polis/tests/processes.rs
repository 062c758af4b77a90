//! The two processes of `polis run`, and what becomes of each when the other dies, freezes, or is misused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod common;

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use common::{Home, Member, Scratch, has, lives, program, run, signal, wait_for, worker_of};
use rustix::process::Signal;

/// A line of `/proc/PID/status`.
fn status_of(process: u32, key: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key}:")));
    line.unwrap_or_default().trim().to_owned()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether this is root; a test that goes without is counted.
fn has_root(test: &str, programs: &[&str]) -> bool {
    let more: Vec<&str> =
        programs.iter().copied().chain((!is_root()).then_some("root (run it as root)")).collect();
    has(test, &more)
}

#[test]
fn the_worker_has_no_privileges_and_the_helper_only_those_of_its_list() {
    let home = Home::of(&["naxos"]);
    let naxos = home.start("naxos");
    let worker = naxos.worker();
    for key in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(u64::from_str_radix(&status_of(worker, key), 16), Ok(0), "{key}");
    }
    for process in [worker, naxos.helper()] {
        assert_eq!(status_of(process, "NoNewPrivs"), "1");
        assert_eq!(status_of(process, "Seccomp"), "2", "system calls are filtered");
    }
    // NET_BIND_SERVICE, NET_ADMIN, NET_RAW, SETUID, SETGID, KILL (capabilities(7)).
    let allowed: u64 = [10, 12, 13, 7, 6, 5].into_iter().map(|number| 1_u64 << number).sum();
    for key in ["CapPrm", "CapEff"] {
        let has = u64::from_str_radix(&status_of(naxos.helper(), key), 16).unwrap();
        assert_eq!(has & !allowed, 0, "{key}: {has:x}");
        assert!(!is_root() || has == allowed, "{key}: {has:x}");
    }
    if is_root() {
        for process in [worker, naxos.helper()] {
            let bound = u64::from_str_radix(&status_of(process, "CapBnd"), 16).unwrap();
            assert_eq!(bound & !allowed, 0, "no way back to more: {bound:x}");
        }
    }
}

/// With a user `polis` in a file of users of this test's own, which only its processes see.
#[test]
fn with_a_user_polis_the_worker_is_that_user_and_keeps_what_root_left() {
    let test = "with_a_user_polis_the_worker_is_that_user_and_keeps_what_root_left";
    if !has_root(test, &["unshare", "mount", "setpriv"]) {
        return;
    }
    let (lab, state) = (Scratch::short(), Scratch::short());
    let home = Home::of(&["naxos"]);
    // The user has to get to its files.
    std::fs::copy(home.lab.0.join("lab.toml"), lab.0.join("lab.toml")).unwrap();
    lab.write("passwd", "root:x:0:0:root:/root:/bin/sh\npolis:x:4998:4997::/:/usr/sbin/nologin\n");
    // With the capabilities that the unit of systemd leaves it.
    let unit = std::fs::read_to_string(common::root().join("dist/systemd/polis.service")).unwrap();
    let allowed = unit
        .lines()
        .filter_map(|line| line.strip_prefix("CapabilityBoundingSet="))
        .flat_map(str::split_whitespace);
    let allowed: String = allowed.map(|name| name.replace("CAP_", ",+").to_lowercase()).collect();
    assert!(allowed.contains(",+net_bind_service"), "{allowed}");
    lab.write(
        "run.sh",
        &format!("mount --bind \"$1\" /etc/passwd\nshift\nexec setpriv --bounding-set=-all{allowed} --no-new-privs \"$@\"\n"),
    );
    let binary = lab.0.join("polis");
    std::fs::copy(env!("CARGO_BIN_EXE_polis"), &binary).unwrap();
    let arguments = |command: &mut std::process::Command| {
        command.args(["run", "--machine", "naxos", "--listen", "127.0.0.1:0"]);
        command.arg("--lab").arg(lab.0.join("lab.toml")).arg("--state").arg(&state.0);
    };
    let mut as_root = program(binary.to_str().unwrap());
    arguments(&mut as_root);
    let member = |command: &mut std::process::Command| {
        let running = common::Running::start(command);
        running.wait_for_line("took up the lab");
        let socket = state.0.join("polis.sock");
        Member { running, state: state.0.clone(), socket, address: "127.0.0.1".to_owned() }
    };
    let first = member(&mut as_root);
    assert_eq!(status_of(first.worker(), "Uid").split_whitespace().next(), Some("0"));
    assert_eq!(first.add("||one.example^")["reply"], "done");
    drop(first);

    let mut as_polis = program("unshare");
    as_polis.arg("--mount").arg("sh").arg(lab.0.join("run.sh")).arg(lab.0.join("passwd")).arg(&binary);
    arguments(&mut as_polis);
    let second = member(&mut as_polis);
    let worker = second.worker();
    assert_eq!(status_of(worker, "Uid"), "4998\t4998\t4998\t4998");
    assert_eq!(status_of(worker, "Gid"), "4997\t4997\t4997\t4997");
    assert_eq!(status_of(worker, "Groups"), "");
    assert_eq!(second.overlay(), ["||one.example^"]);
    assert_eq!(second.add("||two.example^")["reply"], "done");
    let status = second.status();
    let forbidden = ["user, for", "state, for", "state folder", "lab copy"];
    assert!(forbidden.iter().all(|about| !status.contains(about)), "{status}");
    signal(worker, Signal::KILL);
    second.worker_after(Some(worker));
    assert_eq!(second.overlay().len(), 2);
}

#[test]
fn a_worker_that_is_killed_is_back_and_answers() {
    let home = Home::of(&["naxos"]);
    let naxos = home.start("naxos");
    let worker = naxos.worker();
    assert!(naxos.answers("naxos"));
    let began = Instant::now();
    signal(worker, Signal::KILL);
    naxos.worker_after(Some(worker));
    wait_for("it answers again", || naxos.answers("naxos"));
    assert!(began.elapsed() < Duration::from_secs(5), "after {:?}", began.elapsed());
    assert!(lives(naxos.helper()));
}

#[test]
fn a_worker_that_is_frozen_is_ended_and_started_anew() {
    let home = Home::of(&["naxos"]);
    let naxos = home.start("naxos");
    let worker = naxos.worker();
    let began = Instant::now();
    signal(worker, Signal::STOP);
    wait_for("it is ended", || !lives(worker));
    let took = began.elapsed();
    assert!((4..=9).contains(&took.as_secs()), "after {took:?}");
    naxos.worker_after(Some(worker));
    wait_for("it answers again", || naxos.answers("naxos"));
}

#[test]
fn without_its_helper_a_worker_answers_on_and_makes_way_for_the_next() {
    let home = Home::of(&["naxos"]);
    let naxos = home.start("naxos");
    let worker = naxos.worker();
    signal(naxos.helper(), Signal::KILL);
    let status = naxos.wait_for_status("helper, for");
    assert!(status.contains("the helper is gone") && status.contains("systemctl restart polis"), "{status}");
    assert!(naxos.answers("naxos") && lives(worker));

    let next = home.start("naxos");
    assert!(!lives(worker));
    next.worker_after(Some(worker));
    wait_for("it answers", || next.answers("naxos"));
    assert!(!next.status().contains("helper, for"), "{}", next.status());
}

#[test]
fn a_second_polis_on_a_state_is_refused() {
    let home = Home::of(&["naxos"]);
    let naxos = home.start("naxos");
    let worker = naxos.worker();
    let said = run(&mut home.command("naxos"));
    assert_eq!(said.code, 1, "{}", said.err);
    let parts = ["another polis runs with the state in", &format!("process {worker}"), "--state FOLDER"];
    assert!(parts.iter().all(|part| said.err.contains(part)), "{}", said.err);
    assert_eq!(naxos.worker(), worker);
    assert!(naxos.answers("naxos"));
}

#[test]
fn a_worker_alone_does_not_start() {
    let home = Home::of(&["naxos"]);
    let mut command = home.command("naxos");
    let said = run(command.arg("--worker").stdin(std::process::Stdio::null()));
    assert_eq!(said.code, 1);
    assert!(said.err.contains("the worker is started by `polis run`"), "{}", said.err);
}

#[test]
fn each_signal_does_what_it_is_for_and_a_worker_that_ends_is_back() {
    let home = Home::of(&["naxos"]);
    let mut naxos = home.start("naxos");
    let worker = naxos.worker();
    home.lab.replace("lab.toml", "home", "house");
    naxos.running.signal("-HUP");
    naxos.running.wait_for_line("took up the changed lab");
    assert_eq!(naxos.worker(), worker, "it reads the lab again and goes on");
    // The worker alone is not what is told to end: it is started anew.
    signal(worker, Signal::TERM);
    naxos.worker_after(Some(worker));
    for name in [Signal::TERM, Signal::INT] {
        signal(naxos.helper(), name);
        assert!(naxos.running.child.wait().unwrap().success(), "{name:?}");
        naxos.running.wait_for_line("naxos: polis was told to end");
        assert!(worker_of(&naxos.state).is_none() && !naxos.state.join("polis.sock").exists());
        naxos = home.start("naxos");
    }
}

/// A socket in the place of systemd's, and what was said to it.
struct Listener {
    socket: UnixDatagram,
    folder: Scratch,
}

impl Listener {
    fn new() -> Self {
        let folder = Scratch::short();
        let socket = UnixDatagram::bind(folder.0.join("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, folder }
    }

    /// What came since it was last asked.
    fn heard(&self) -> Vec<String> {
        let mut heard = Vec::new();
        let mut buffer = [0; 512];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            heard.push(String::from_utf8_lossy(buffer.get(..length).unwrap()).into_owned());
        }
        heard
    }
}

#[test]
fn systemd_is_told_when_it_is_ready_alive_and_ending() {
    let (home, systemd) = (Home::of(&["naxos"]), Listener::new());
    let mut command = home.command("naxos");
    let mut naxos = home.start_as("naxos", command.env("NOTIFY_SOCKET", systemd.folder.0.join("notify")));
    let mut heard = Vec::new();
    wait_for("it is ready", || {
        heard.extend(systemd.heard());
        heard.iter().any(|line| line == "READY=1")
    });
    let worker = naxos.worker();
    let began = Instant::now();
    let (mut beats, mut count) = (Vec::new(), 0);
    wait_for("it says that it is alive", || {
        beats.extend(systemd.heard());
        count = beats.iter().filter(|line| *line == "WATCHDOG=1").count();
        count >= 4
    });
    let took = began.elapsed().as_secs_f64();
    assert!((2.0..8.0).contains(&took), "{count} times in {took} s");

    signal(worker, Signal::STOP);
    wait_for("the frozen worker is ended", || !lives(worker));
    let frozen = systemd.heard().iter().filter(|line| *line == "WATCHDOG=1").count();
    assert!(frozen >= 3, "the helper is well, and mends it itself: {frozen} times");
    naxos.worker_after(Some(worker));
    wait_for("it is alive again", || systemd.heard().iter().any(|line| line == "WATCHDOG=1"));

    naxos.running.signal("-TERM");
    assert!(naxos.running.child.wait().unwrap().success());
    assert!(systemd.heard().iter().any(|line| line == "STOPPING=1"));
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit_and_little_that_it_leaves_open() {
    if !has("systemd_finds_nothing_wrong_with_the_unit_and_little_that_it_leaves_open", &["systemd-analyze"])
    {
        return;
    }
    let folder = Scratch::new();
    let unit = std::fs::read_to_string(common::root().join("dist/systemd/polis.service")).unwrap();
    folder.write("polis.service", &unit.replace("/usr/bin/polis", env!("CARGO_BIN_EXE_polis")));
    let path = folder.0.join("polis.service");
    let said = run(program("systemd-analyze").arg("verify").arg(&path));
    let own: Vec<&str> = said.err.lines().filter(|line| line.contains("polis")).collect();
    assert!(said.code == 0 && own.is_empty(), "{}", said.err);
    // Ten times its figure for what is open: of a main process that is root and speaks to the internet.
    let threshold = ["security", "--offline=true", "--threshold=28", "--no-pager"];
    let said = run(program("systemd-analyze").args(threshold).arg(&path));
    assert_eq!(said.code, 0, "{}", said.out);
}
