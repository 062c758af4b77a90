//! What `polis run` keeps, and what it does when that can not be kept: kills, full and read-only disks, damage, versions.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod common;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Instant;

use common::{Home, Member, Running, Scratch, Server, has, polis, program, run, signal, wait_for};
use rustix::process::Signal;

/// Whether this is root with these programs; a test that goes without is counted.
fn has_root(test: &str, programs: &[&str]) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    let more: Vec<&str> =
        programs.iter().copied().chain((!is_root).then_some("root (run it as root)")).collect();
    has(test, &more)
}

/// What SQLite says of a database, looked at by its own program.
fn integrity(database: &Path) -> String {
    run(program("sqlite3").arg(database).arg("PRAGMA integrity_check")).out.trim().to_owned()
}

/// How often the processes are killed: more by hand, `POLIS_KILLS=1000`.
fn kills() -> usize {
    std::env::var("POLIS_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(40)
}

#[test]
fn nothing_acknowledged_is_lost_when_processes_are_killed() {
    if !has("nothing_acknowledged_is_lost_when_processes_are_killed", &["sqlite3"]) {
        return;
    }
    let home = Home::of(&["naxos"]);
    let mut naxos = home.start("naxos");
    let (mut acknowledged, mut count) = (BTreeSet::new(), 0_usize);
    let began = Instant::now();
    for round in 0..kills() {
        // A few are acknowledged, and then it is killed at any moment: of the next one, of starting, of idling.
        let end = Instant::now() + std::time::Duration::from_millis(u64::try_from(round * 37 % 90).unwrap());
        let worker = naxos.worker();
        let killer = std::thread::spawn(move || {
            while Instant::now() < end {
                std::thread::yield_now();
            }
            signal(worker, Signal::KILL);
        });
        loop {
            let value = format!("||{count}.example^");
            if naxos.add(&value)["reply"] != "done" {
                break;
            }
            acknowledged.insert(value);
            count += 1;
            if acknowledged.len() % 50 == 0 {
                // Few stay, so that a thousand rounds fit.
                let kept =
                    naxos.ask(r#"{"verb":"overlay"}"#)["entries"].as_array().cloned().unwrap_or_default();
                for entry in kept {
                    let question =
                        format!(r#"{{"verb":"overlay-remove","number":{},"who":"test"}}"#, entry["number"]);
                    let removed = naxos.ask(&question)["reply"] == "done";
                    let value = entry["value"].as_str().unwrap().to_owned();
                    // One whose removal was not acknowledged may be there or not.
                    acknowledged.remove(&value);
                    if !removed {
                        break;
                    }
                }
            }
        }
        killer.join().unwrap();
        if round % 5 == 4 {
            signal(naxos.helper(), Signal::KILL);
            naxos = home.start("naxos");
        }
        naxos.worker_after(Some(worker));
        let kept: BTreeSet<String> = naxos.overlay().into_iter().collect();
        let lost: Vec<_> = acknowledged.difference(&kept).collect();
        assert!(lost.is_empty(), "after {round} rounds and {count} changes these are lost: {lost:?}");
    }
    println!("{} kills, {count} changes, {:?}", kills(), began.elapsed());
    assert!(count > kills() / 4, "{count} changes");
    wait_for("it answers", || naxos.answers("naxos"));
    naxos.running.end();
    for name in ["ground.db", "record.db"] {
        assert_eq!(integrity(&naxos.state.join(name)), "ok", "{name}");
    }
}

/// A small disk of its own.
struct Disk(Scratch);

impl Disk {
    fn of(size: &str) -> Self {
        let folder = Scratch::short();
        let options = format!("size={size},mode=0700");
        let said = run(program("mount").args(["-t", "tmpfs", "-o", &options, "polis-test"]).arg(&folder.0));
        assert_eq!(said.code, 0, "{}", said.err);
        Self(folder)
    }

    fn fill(&self) {
        let mut filler = File::options().create(true).append(true).open(self.0.0.join("filler")).unwrap();
        let full = std::io::copy(&mut std::io::repeat(0), &mut filler).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::StorageFull);
    }

    fn free(&self) {
        std::fs::remove_file(self.0.0.join("filler")).unwrap();
    }

    fn remount(&self, how: &str) -> bool {
        run(program("mount").args(["-o", &format!("remount,{how}")]).arg(&self.0.0)).code == 0
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = program("umount").arg("--lazy").arg(&self.0.0).status();
    }
}

/// A machine whose state is on a disk of its own, and whose control socket is not.
fn start_on(home: &Home, state: &Path, more: &[(&str, &str)]) -> Member {
    let socket = home.states.0.join("own.sock");
    let (lab, keys) = (home.lab.0.join("lab.toml"), home.lab.0.join("keys"));
    let mut command = polis(&["run", "--machine", "naxos"]);
    command
        .arg("--lab")
        .arg(lab)
        .arg("--demo")
        .arg(keys)
        .arg("--state")
        .arg(state)
        .arg("--socket")
        .arg(&socket);
    let running = Running::start(command.envs(more.iter().copied()));
    running.wait_for_line("took up the lab");
    Member { running, state: state.to_owned(), socket, address: home.address("naxos") }
}

fn events(member: &Member) -> String {
    let said = run(&mut polis(&["events", "--socket", member.socket.to_str().unwrap()]));
    format!("{}{}", said.out, said.err)
}

#[test]
fn a_full_disk_refuses_changes_and_goes_on_by_itself() {
    if !has_root("a_full_disk_refuses_changes_and_goes_on_by_itself", &["mount", "umount"]) {
        return;
    }
    let (home, disk) = (Home::of(&["naxos"]), Disk::of("1m"));
    let naxos = start_on(&home, &disk.0.0, &[]);
    assert_eq!(naxos.add("||before.example^")["reply"], "done");
    disk.fill();
    let mut refused = serde_json::Value::Null;
    wait_for("there is no room for a change", || {
        refused = naxos.add(&format!("||{}.example^", "x".repeat(900)));
        refused["reply"] == "fault"
    });
    let words = refused.to_string();
    assert!(words.contains("full") && words.contains("make room"), "{words}");
    let status = naxos.wait_for_status("state, for");
    assert!(status.contains("the disk is full: make room, it goes on by itself"), "{status}");
    assert!(naxos.answers("naxos"));
    assert!(naxos.overlay().contains(&"||before.example^".to_owned()), "{:?}", naxos.overlay());
    // What happens meanwhile waits.
    home.lab.replace("lab.toml", "name = \"home\"", "name = \"house\"");
    naxos.running.wait_for_line("took up the changed lab");

    disk.free();
    wait_for("it is well again by itself", || !naxos.status().contains("state, for"));
    assert_eq!(naxos.add("||after.example^")["reply"], "done");
    wait_for("what waited is written", || events(&naxos).contains("took up the changed lab"));
    assert!(events(&naxos).contains("state: well again"), "{}", events(&naxos));
}

#[test]
fn a_state_that_is_full_from_the_start_is_taken_up_once_there_is_room() {
    if !has_root("a_state_that_is_full_from_the_start_is_taken_up_once_there_is_room", &["mount", "umount"]) {
        return;
    }
    let (home, disk) = (Home::of(&["naxos"]), Disk::of("1m"));
    let mut first = start_on(&home, &disk.0.0, &[]);
    assert_eq!(first.add("||kept.example^")["reply"], "done");
    first.running.end();
    // As after a loss of power: what was being written is gone, and there is no room for it.
    disk.fill();
    let naxos = start_on(&home, &disk.0.0, &[]);
    assert!(naxos.answers("naxos"));
    let plan = |naxos: &Member| naxos.ask(r#"{"verb":"runs"}"#).to_string();
    naxos.wait_for_status("state, for");
    disk.free();
    wait_for("what was kept is in force", || plan(&naxos).contains("kept.example"));
    wait_for("it is well", || !naxos.status().contains("state, for"));
}

#[test]
fn a_state_that_can_not_be_written_to_refuses_changes_and_answers_names() {
    if !has_root("a_state_that_can_not_be_written_to_refuses_changes_and_answers_names", &["mount", "umount"])
    {
        return;
    }
    let (home, disk) = (Home::of(&["naxos"]), Disk::of("1m"));
    // A disk with files that are open for writing can not be made so: it is, when the machine starts.
    assert!(disk.remount("ro"));
    let naxos = start_on(&home, &disk.0.0, &[]);
    let refused = naxos.add("||one.example^").to_string();
    assert!(refused.contains("has to be there and writable"), "{refused}");
    let status = naxos.wait_for_status("state folder, for");
    assert!(status.contains("state, for") && status.contains("names are answered without it"), "{status}");
    assert!(naxos.answers("naxos"));
    assert!(disk.remount("rw"));
    wait_for("it goes on by itself", || !naxos.status().contains("state, for"));
    assert_eq!(naxos.add("||one.example^")["reply"], "done");
}

#[test]
fn a_state_folder_that_can_not_be_made_does_not_keep_names_from_being_answered() {
    let home = Home::of(&["naxos"]);
    home.states.write("file", "");
    let naxos = start_on(&home, &home.states.0.join("file/state"), &[]);
    let status = naxos.wait_for_status("state folder, for");
    assert!(status.contains("has to be there and writable for who runs Polis"), "{status}");
    assert!(naxos.answers("naxos"));
    assert_eq!(naxos.add("||one.example^")["reply"], "fault");
}

#[test]
fn a_damaged_database_is_shown_and_left_alone() {
    let home = Home::of(&["naxos"]);
    let garbage = "this is no database, but long enough to be looked at ".repeat(100);
    for name in ["ground.db", "record.db"] {
        home.states.write(&format!("naxos/{name}"), &garbage);
    }
    let naxos = home.start("naxos");
    let status = naxos.wait_for_status("state, for");
    assert!(status.contains("it is damaged: put back a copy, or move it away to begin anew"), "{status}");
    assert!(naxos.answers("naxos"));
    assert_eq!(naxos.add("||one.example^")["reply"], "fault");
    assert_eq!(std::fs::read_to_string(naxos.state.join("ground.db")).unwrap(), garbage);
    for name in ["ground.db", "record.db"] {
        std::fs::rename(naxos.state.join(name), naxos.state.join("away")).unwrap();
    }
    wait_for("it begins anew by itself", || !naxos.status().contains("state, for"));
    assert_eq!(naxos.add("||one.example^")["reply"], "done");
}

#[test]
fn a_state_of_a_newer_polis_is_refused_and_a_copy_was_made_before() {
    let home = Home::of(&["naxos"]);
    let mut old = home.start("naxos");
    assert_eq!(old.add("||one.example^")["reply"], "done");
    old.running.end();
    let mut new = home.start_as("naxos", home.command("naxos").env("POLIS_TEST_NEXT", "1"));
    assert_eq!(new.overlay(), ["||one.example^"], "{}", new.status());
    assert_eq!(new.add("||two.example^")["reply"], "done");
    new.running.end();
    assert!(home.state("naxos").join("ground.before-2.db").is_file());

    let naxos = home.start("naxos");
    let status = naxos.wait_for_status("state, for");
    let parts = ["is of version 2, this Polis knows 1", "run the newer Polis again, or put back the copy"];
    assert!(parts.iter().all(|part| status.contains(part)), "{status}");
    assert!(naxos.answers("naxos"));
    let refused = naxos.add("||three.example^").to_string();
    assert!(refused.contains("is of version 2"), "{refused}");

    // The way back that it names.
    std::fs::rename(naxos.state.join("ground.before-2.db"), naxos.state.join("ground.db")).unwrap();
    for left in ["ground.db-wal", "ground.db-shm"] {
        let _ = std::fs::remove_file(naxos.state.join(left));
    }
    wait_for("it goes on with the copy", || naxos.overlay() == ["||one.example^"]);
}

#[test]
fn a_faulty_lab_at_the_start_is_replaced_by_the_last_good_copy() {
    let lab = Scratch::example();
    let server = Server::start(lab.path(), "naxos");
    wait_for("a copy is kept", || server.state.0.join("lab/lab.toml").is_file());
    lab.replace("lab.toml", "name     = \"aegean\"", "name     = \"Aegean\"");
    server.running.wait_for_line("the changed lab is not taken up");
    let start = |state: &Scratch| {
        let mut command =
            polis(&["run", "--lab", lab.path(), "--machine", "naxos", "--listen", "127.0.0.1:0"]);
        command.args(["--state", state.path()]);
        command
    };
    // Without a copy it does not start, and says why.
    let none = Scratch::short();
    let said = run(&mut start(&none));
    assert_eq!(said.code, 1);
    assert!(said.err.contains("error[bad-name]") && said.err.contains("the lab has errors"), "{}", said.err);

    let mut server = server;
    server.running.end();
    let mut again = start(&server.state);
    server.running = Running::start(&mut again);
    server.running.wait_for_line("took up the lab");
    let status = server.status();
    let part = "the lab folder can not be used, the last good copy is: 1 error, the first is";
    assert!(status.contains(part), "{status}");
    lab.replace("lab.toml", "name     = \"Aegean\"", "name     = \"aegean\"");
    wait_for("the mended folder is taken up", || !server.status().contains("lab, for"));
}

#[test]
fn a_lab_folder_that_is_removed_changes_nothing_and_is_shown() {
    let lab = Scratch::example();
    let server = Server::start(lab.path(), "naxos");
    let away = lab.0.with_extension("away");
    std::fs::rename(&lab.0, &away).unwrap();
    wait_for("it is shown", || server.status().contains("lab, for"));
    let status = server.status();
    assert!(status.contains("it can not be read: there is no lab at"), "{status}");
    assert!(status.contains("dns       running"), "{status}");
    std::fs::rename(&away, &lab.0).unwrap();
    wait_for("it is well again", || !server.status().contains("lab, for"));
    assert!(!server.running.said().contains("took up the changed lab"), "nothing has changed");
}

#[test]
fn what_is_kept_is_nobody_elses_to_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::of(&["naxos"]);
    let naxos = home.start("naxos");
    assert_eq!(naxos.add("||one.example^")["reply"], "done");
    wait_for("events are written", || events(&naxos).contains("took up the lab"));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&naxos.state), 0o700);
    for name in ["ground.db", "record.db", "lock"] {
        assert_eq!(mode(&naxos.state.join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&naxos.socket), 0o660);
}
