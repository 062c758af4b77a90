//! Ports and addresses that can not be had, at the start and later; and what is shown at the local one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use common::{Home, Member, find, wait_for};

/// What the local port says to a request.
fn http(member: &Member, request: &str) -> String {
    let mut stream = TcpStream::connect((member.address.as_str(), 18_421)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said);
    said
}

fn get(member: &Member, path: &str, host: &str) -> String {
    http(member, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
}

#[test]
fn a_service_whose_port_is_taken_is_blocked_and_runs_by_itself_once_it_is_free() {
    let home = Home::of(&["naxos"]);
    let taken = UdpSocket::bind((home.address("naxos"), 10_053)).unwrap();
    let naxos = home.start("naxos");
    let status = naxos.wait_for_status("dns       blocked");
    assert!(
        status.contains("something else listens there: `ss -lnp 'sport = :10053'` says what"),
        "{status}"
    );
    assert!(!naxos.answers("naxos"));
    drop(taken);
    wait_for("it answers", || naxos.answers("naxos"));
    naxos.wait_for_status("dns       running");
    assert!(!naxos.status().contains("dns, for"), "{}", naxos.status());
    naxos.running.wait_for_line("naxos: dns: well again");
}

#[test]
fn its_own_ports_that_are_taken_are_opened_once_they_are_free() {
    let home = Home::of(&["naxos"]).enrol(&["naxos"]);
    let (link, local) = ((home.address("naxos"), 18_420), (home.address("naxos"), 18_421));
    let taken = (TcpListener::bind(&link).unwrap(), TcpListener::bind(&local).unwrap());
    let naxos = home.start("naxos");
    let about = |port: u16| format!("port {}:{port}, for", naxos.address);
    naxos.wait_for_status(&about(18_420));
    naxos.wait_for_status("portal    blocked");
    assert!(naxos.answers("naxos"));
    drop(taken);
    wait_for("both are open", || {
        let status = naxos.status();
        !status.contains("port 127.") && status.contains("portal    running")
    });
    assert!(get(&naxos, "/metrics", "localhost").contains("polis_build_info"));
    // Many changes at once do not make them ask for a port twice.
    std::thread::scope(|scope| {
        for number in 0..8 {
            let naxos = &naxos;
            scope.spawn(move || naxos.add(&format!("||{number}.example^")));
        }
    });
    assert_eq!(
        naxos.running.said().matches(&about(18_420).replace(", for", ":")).count(),
        2,
        "{}",
        naxos.running.said()
    );
}

#[test]
fn a_plan_that_can_not_be_carried_out_is_held_back_and_the_old_one_answers_on() {
    let home = Home::of(&["naxos"]);
    let naxos = home.start("naxos");
    let lab = home.lab.read("lab.toml");
    let taken = UdpSocket::bind((home.address("naxos").replace(".10", ".77"), 10_053)).unwrap();
    let other = home.address("naxos").replace(".10", ".77");
    let changed = lab.replace("[dns]\n", &format!("[dns]\naddress = \"{other}\"\n"));
    home.lab.write("lab.toml", &changed);
    let status = naxos.wait_for_status("dns       held back");
    assert!(status.contains("held back: ") && status.contains(&format!("{other}:10053")), "{status}");
    assert!(naxos.answers("naxos"), "what was planned before answers on");
    // Two changes, one after the other, the second of which is right.
    home.lab.write("lab.toml", &changed.replace("home", "house"));
    naxos.running.wait_for_line("took up the changed lab");
    home.lab.write("lab.toml", &lab);
    naxos.wait_for_status("dns       running");
    assert!(naxos.answers("naxos") && !naxos.status().contains("dns, for"), "{}", naxos.status());
    home.lab.write("lab.toml", &changed);
    naxos.wait_for_status("dns       held back");
    drop(taken);
    naxos.wait_for_status(&format!("listens at {other}:10053"));
    assert!(!naxos.answers("naxos"), "and the old place is given up");
}

#[test]
fn its_measurements_are_there_for_this_machine() {
    let home = Home::of(&["naxos", "anafi"]);
    let naxos = home.start("naxos");
    let said = get(&naxos, "/metrics", "localhost:18421");
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.contains("text/plain; version=0.0.4"), "{said}");
    for line in [
        "polis_service_running{service=\"dns\"} 1",
        "polis_machine_up{machine=\"anafi\"} 0",
        "polis_clock_set 1",
        "polis_events_lost_total 0",
        "polis_link_refused_total 0",
    ] {
        assert!(said.lines().any(|other| other == line), "{line}: {said}");
    }
    assert!(get(&naxos, "/metrics", &naxos.address).starts_with("HTTP/1.1 200"));
    assert!(get(&naxos, "/metrics", "[::1]:18421").starts_with("HTTP/1.1 200"));
    for host in ["evil.example", "evil.example:18421", "localhost.evil.example", "127.0.0.1.evil.example", ""]
    {
        assert!(get(&naxos, "/metrics", host).starts_with("HTTP/1.1 421"), "{host}");
    }
    assert!(get(&naxos, "/nothing", "localhost").starts_with("HTTP/1.1 404"));
    assert!(
        http(
            &naxos,
            "PUT /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .starts_with("HTTP/1.1 405")
    );
    for garbage in [
        "\0\0\0\0\r\n\r\n",
        &format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(100_000)),
        "GET\r\n\r\n",
    ] {
        assert!(!http(&naxos, garbage).starts_with("HTTP/1.1 200"));
    }
    assert!(naxos.answers("naxos"));
}

/// Whether a text is what Prometheus reads (exposition format 0.0.4): each family once, its samples behind its head.
fn is_exposition(text: &str) -> Result<(), String> {
    let mut families: Vec<&str> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let name = rest.split(' ').next().unwrap_or_default();
            if families.contains(&name) || !rest.ends_with('.') {
                return Err(format!("twice, or no sentence: {line}"));
            }
            families.push(name);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let kind = rest.strip_prefix(families.last().copied().unwrap_or_default()).unwrap_or_default();
            let is_total = families.last().is_some_and(|name| name.ends_with("_total"));
            if !matches!((kind, is_total), (" counter", true) | (" gauge", false)) {
                return Err(format!("no kind, or not that of its name: {line}"));
            }
        } else {
            let (sample, value) = line.rsplit_once(' ').ok_or_else(|| format!("no sample: {line}"))?;
            let name = sample.split('{').next().unwrap_or_default();
            if families.last() != Some(&name) || value.parse::<f64>().is_err() {
                return Err(format!("not of its family, or no number: {line}"));
            }
        }
    }
    if text.ends_with('\n') && families.len() > 6 { Ok(()) } else { Err("it is not whole".to_owned()) }
}

#[test]
fn nothing_is_wrong_with_the_format_of_the_measurements() {
    let home = Home::of(&["naxos", "anafi"]);
    let naxos = home.start("naxos");
    let said = get(&naxos, "/metrics", "localhost");
    let (_, text) = said.split_once("\r\n\r\n").unwrap();
    assert_eq!(is_exposition(text), Ok(()), "{text}");
    // What Prometheus itself says, where it is.
    let Some(promtool) = find("promtool") else { return };
    let mut command = std::process::Command::new(promtool);
    command
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn idle_clients_of_the_local_port_are_bounded() {
    let home = Home::of(&["naxos"]);
    let naxos = home.start("naxos");
    let idle: Vec<TcpStream> =
        (0..100).map(|_| TcpStream::connect((naxos.address.as_str(), 18_421)).unwrap()).collect();
    assert!(naxos.answers("naxos"));
    drop(idle);
    wait_for("it answers", || get(&naxos, "/metrics", "localhost").contains("polis_build_info"));
}
