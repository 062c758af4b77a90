//! Machine to machine, with two of them on this one: keys that are wrong, versions that differ, and everything that is no
//! machine of the lab and speaks to the port all the same.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{Home, Member, wait_for};

/// The port of the link in a demonstration.
const PORT: u16 = 18_420;

fn connect(member: &Member) -> TcpStream {
    TcpStream::connect((member.address.as_str(), PORT)).unwrap()
}

/// How a machine sees another.
fn seen(member: &Member, machine: &str) -> String {
    let status = member.status();
    let line = status.lines().find(|line| line.trim_start().starts_with(&format!("{machine} ")));
    line.unwrap_or_default().to_owned()
}

#[track_caller]
fn wait_to_see(member: &Member, machine: &str, part: &str) -> String {
    let begin = Instant::now();
    loop {
        let line = seen(member, machine);
        if line.contains(part) {
            return line;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(25),
            "{machine} was never `{part}`:\n{}",
            member.status()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn memory(process: u32) -> usize {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn machines_see_each_other_and_one_tells_of_the_other() {
    let home = Home::of(&["naxos", "anafi"]).enrol(&["naxos", "anafi"]);
    let (naxos, anafi) = (home.start("naxos"), home.start("anafi"));
    wait_to_see(&naxos, "anafi", " up ");
    wait_to_see(&anafi, "naxos", " up ");
    let told = anafi.ask(r#"{"verb":"ask","machine":"naxos","question":{"verb":"runs"}}"#);
    assert_eq!(told["services"][0]["name"], "dns", "{told}");
    let told = anafi.ask(r#"{"verb":"ask","machine":"naxos","question":{"verb":"overlay-add","key":"dns.rules","value":"x","who":"y"}}"#);
    assert_eq!(told["reply"], "unsupported", "over the link nothing is changed: {told}");
    for verb in ["metrics", "yield", "sing"] {
        let told =
            anafi.ask(&format!(r#"{{"verb":"ask","machine":"naxos","question":{{"verb":"{verb}"}}}}"#));
        assert_eq!(told["reply"], "unsupported", "{verb}: {told}");
    }
    let deep = anafi.ask(r#"{"verb":"ask","machine":"naxos","question":{"verb":"ask","machine":"anafi","question":{"verb":"ping"}}}"#);
    assert_eq!(deep["reply"], "unsupported", "nobody is asked by way of another: {deep}");
}

#[test]
fn a_machine_with_a_wrong_key_is_refused_and_both_say_so() {
    let home = Home::of(&["naxos", "anafi"]).enrol(&["naxos", "anafi"]);
    let naxos = home.start("naxos");
    std::fs::remove_file(home.state("anafi").join("machine.key")).unwrap();
    home.make_key("anafi");
    let anafi = home.start("anafi");
    let line =
        wait_to_see(&naxos, "anafi", "its key is not the one in the lab file: `polis machine key` there");
    assert!(!line.contains(" up "), "{line}");
    wait_to_see(&anafi, "naxos", "it does not know this machine's key: its lab file has to have what");
    for member in [&naxos, &anafi] {
        let status = member.wait_for_status("link, for");
        assert!(status.contains("has to be what `polis machine key` prints there"), "{status}");
    }
    assert!(naxos.answers("naxos"));
}

#[test]
fn a_machine_without_a_key_is_unknown_and_says_what_to_do() {
    let home = Home::of(&["naxos", "anafi"]).enrol(&["naxos"]);
    let (naxos, anafi) = (home.start("naxos"), home.start("anafi"));
    wait_to_see(&naxos, "anafi", "unknown");
    assert!(
        seen(&naxos, "anafi")
            .contains("it has no key in the lab file: `polis machine key` there prints the line")
    );
    assert!(seen(&anafi, "naxos").contains("this machine has no key: `polis machine key` makes one"));
    let status = anafi.status();
    assert!(status.contains("machine key, for") && status.contains("then start Polis again"), "{status}");
    assert!(
        TcpStream::connect((anafi.address.as_str(), PORT)).is_err(),
        "without a key nobody is listened to"
    );
}

#[test]
fn a_machine_that_speaks_a_newer_version_is_understood() {
    let home = Home::of(&["naxos", "anafi"]).enrol(&["naxos", "anafi"]);
    let naxos = home.start("naxos");
    let anafi = home.start_as("anafi", home.command("anafi").env("POLIS_TEST_NEXT", "1"));
    wait_to_see(&naxos, "anafi", " up ");
    wait_to_see(&anafi, "naxos", " up ");
    let told = naxos.ask(r#"{"verb":"ask","machine":"anafi","question":{"verb":"status"}}"#);
    assert_eq!(told["machine"], "anafi", "{told}");
}

#[test]
fn a_machine_that_leaves_the_lab_is_not_answered_any_more() {
    let home = Home::of(&["naxos", "anafi"]).enrol(&["naxos", "anafi"]);
    let (naxos, anafi) = (home.start("naxos"), home.start("anafi"));
    wait_to_see(&anafi, "naxos", " up ");
    let (lab, address) = (home.lab.read("lab.toml"), home.address("anafi"));
    let without = lab.replace(&format!("anafi = {{ address = \"{address}\" }}\n"), "");
    // Only naxos knows yet; anafi follows the folder as it was.
    home.lab.write("lab.toml", &without);
    naxos.running.wait_for_line("took up the changed lab");
    wait_to_see(&anafi, "naxos", "unknown");
    let status = naxos.wait_for_status("link, for");
    assert!(status.contains("its key is not in the lab file"), "{status}");
}

#[test]
fn what_is_no_machine_is_refused_within_bounds_while_names_are_answered() {
    let home = Home::of(&["naxos", "anafi"]).enrol(&["naxos", "anafi"]);
    let (naxos, anafi) = (home.start("naxos"), home.start("anafi"));
    wait_to_see(&naxos, "anafi", " up ");
    let worker = naxos.worker();
    let before = memory(worker);

    // Garbage, and a frame of 4 GiB announced without a handshake.
    for bytes in
        [vec![0x80; 5_000], vec![0xFF; 4], b"GET / HTTP/1.1\r\nHost: naxos\r\n\r\n".to_vec(), Vec::new()]
    {
        let mut stream = connect(&naxos);
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut said = Vec::new();
        let ended = stream.read_to_end(&mut said);
        assert!(ended.is_ok() || ended.unwrap_err().kind() == std::io::ErrorKind::ConnectionReset);
        assert!(said.len() < 64, "no more than an alert: {} bytes", said.len());
    }
    let status = naxos.wait_for_status("link, for");
    assert!(status.contains("refused "), "{status}");

    // Two hundred at once: some say nothing, some a byte now and then.
    let idle: Vec<TcpStream> = (0..200).map(|_| connect(&naxos)).collect();
    let began = Instant::now();
    let (mut slow, mut at) = (connect(&naxos), 0_u8);
    slow.set_nonblocking(true).unwrap();
    wait_for("one that says a byte at a time is refused", || {
        assert!(naxos.answers("naxos"), "names are answered meanwhile");
        at = at.wrapping_add(1);
        let mut said = [0; 64];
        let is_open = match slow.read(&mut said) {
            Ok(length) => length > 0,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        };
        !is_open || slow.write_all(&[22]).is_err()
    });
    assert!(at > 3);
    drop(idle);
    assert!(began.elapsed() < Duration::from_secs(20));
    wait_to_see(&naxos, "anafi", " up ");
    wait_to_see(&anafi, "naxos", " up ");

    // A flood grows nothing.
    for _ in 0..2_000 {
        let _ = connect(&naxos).write_all(&[0x80; 64]);
    }
    wait_for("it still answers", || naxos.answers("naxos"));
    let after = memory(worker);
    assert!(after < before + 16 * 1024, "{before} kB became {after} kB");
    assert_eq!(naxos.worker(), worker);
    let said = naxos.running.said();
    assert!(
        said.matches("link: refused").count() < 12,
        "a flood of connections is no flood of events:\n{said}"
    );
    wait_to_see(&naxos, "anafi", " up ");
}
