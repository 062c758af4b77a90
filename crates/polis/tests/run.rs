//! `polis run` with real programs on the other side: dig asks, dnsmasq is asked.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod common;

use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Running, Scratch, Server, ask, has, polis, program, run, wait_for};
use lab::{Answer, Checked, Folder, Options};

fn check(folder: &Path) -> Checked {
    lab::check(Folder::open(folder).unwrap(), &Options::at("2026-11-01"))
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn dig_gets_every_name_and_reverse_name_of_the_example() {
    if !has("dig_gets_every_name_and_reverse_name_of_the_example", &["dig"]) {
        return;
    }
    let example = common::root().join("examples/aegean");
    let server = Server::start(example.to_str().unwrap(), "naxos");
    let checked = check(&example);
    assert!(checked.follows.names.len() > 35 && checked.follows.reverses.len() > 30);
    for name in &checked.follows.names {
        let Answer::Addresses(addresses) = &name.answer else { panic!("{} is an alias", name.name) };
        let mut expected: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        expected.sort_unstable();
        assert_eq!(sorted(&server.dig(&["+short", &name.name])), expected, "{} over UDP", name.name);
        assert_eq!(sorted(&server.dig(&["+short", "+tcp", &name.name])), expected, "{} over TCP", name.name);
    }
    for reverse in &checked.follows.reverses {
        let said = server.dig(&["+short", "-x", &reverse.address.to_string()]);
        assert_eq!(said, format!("{}.", reverse.name), "{}", reverse.address);
    }
}

#[test]
fn a_client_is_told_what_holds_in_its_zone() {
    if !has("a_client_is_told_what_holds_in_its_zone", &["dig"]) {
        return;
    }
    let lab = Scratch::with(&[(
        "lab.toml",
        "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n[sites]\nhere = {}\n[zones]\none = { site = \"here\", vlan = 1, \
         cidr = \"127.0.1.0/24\" }\ntwo = { site = \"here\", vlan = 2, cidr = \"127.0.2.0/24\" }\n[routers]\ngateway = { site = \
         \"here\", kind = \"linux\" }\n[machines]\nnaxos = { address = \"127.0.1.9\" }\n[dns]\non = \"naxos\"\nupstreams = \
         [\"127.0.0.1:9\"]\n",
    )]);
    let server = Server::start(lab.path(), "naxos");
    let ask = |from: &str| server.dig(&["+short", "-b", from, "gateway.lab.example.net"]);
    assert_eq!((ask("127.0.1.7"), ask("127.0.2.7")), ("127.0.1.1".to_owned(), "127.0.2.1".to_owned()));
}

/// A name server of Debian's that says 192.0.2.99 to every name for 100 seconds, has one name with a long
/// text, and says what it is asked.
fn dnsmasq() -> (Running, u16) {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let long: Vec<String> = (0..8).map(|part| format!("{part}{}", "x".repeat(200))).collect();
    let mut command = program("dnsmasq");
    command.args([
        "--keep-in-foreground",
        "--no-resolv",
        "--no-hosts",
        "--conf-file=/dev/null",
        "--pid-file=",
    ]);
    command.args(["--listen-address=127.0.0.1", "--bind-interfaces", "--user=root", "--log-facility=-"]);
    command.arg(format!("--port={port}")).args([
        "--address=/#/192.0.2.99",
        "--local-ttl=100",
        "--log-queries",
    ]);
    command.arg(format!("--txt-record=long.example.org,{}", long.join(",")));
    let running = Running::start(&mut command);
    running.wait_for_line("started");
    (running, port)
}

fn forwarding_lab(upstreams: &str) -> Scratch {
    let lab = Scratch::example();
    // Who answers everything has no signatures, not even of the root.
    let unsigned = format!("upstreams = [{upstreams}]\ndnssec    = \"off\"");
    lab.replace("services.toml", "upstreams = [\"9.9.9.9\", \"1.1.1.1\"]", &unsigned);
    lab
}

#[test]
fn what_is_not_the_labs_is_asked_of_the_upstreams_and_what_is_never() {
    if !has("what_is_not_the_labs_is_asked_of_the_upstreams_and_what_is_never", &["dig", "dnsmasq"]) {
        return;
    }
    let (_upstream, port) = dnsmasq();
    let lab = forwarding_lab(&format!("\"127.0.0.1:{port}\""));
    let server = Server::start(lab.path(), "naxos");
    assert_eq!(server.dig(&["+short", "www.example.org"]), "192.0.2.99");
    assert_eq!(server.dig(&["+short", "+tcp", "www.example.org"]), "192.0.2.99");
    for own in ["nobody.lab.example.net", "-x 10.99.99.99", "-x 192.168.7.7"] {
        let said = server.dig(&own.split(' ').collect::<Vec<_>>());
        assert!(
            said.contains("status: NXDOMAIN") && said.contains(" aa ") && said.contains("SOA"),
            "{own}: {said}"
        );
    }
    let said = server.dig(&["naxos.lab.example.net", "AAAA"]);
    assert!(said.contains("status: NOERROR") && said.contains("ANSWER: 0") && said.contains("SOA"), "{said}");

    let cut = server.dig(&["+ignore", "+noedns", "long.example.org", "TXT"]);
    assert!(cut.contains(" tc ") && cut.contains("ANSWER: 0"), "a long answer is cut over UDP: {cut}");
    let whole = server.dig(&["+short", "long.example.org", "TXT"]);
    assert!(whole.len() > 1600, "and whole over TCP: {whole}");
}

#[test]
fn the_next_upstream_answers_when_the_first_is_silent() {
    if !has("the_next_upstream_answers_when_the_first_is_silent", &["dig", "dnsmasq"]) {
        return;
    }
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let (_upstream, port) = dnsmasq();
    let lab = forwarding_lab(&format!("\"127.0.0.1:{silent_port}\", \"127.0.0.1:{port}\""));
    let server = Server::start(lab.path(), "naxos");
    assert_eq!(server.dig(&["+short", "www.example.org"]), "192.0.2.99");

    let lab = forwarding_lab(&format!("\"127.0.0.1:{silent_port}\""));
    let server = Server::start(lab.path(), "naxos");
    assert!(server.dig(&["www.example.org"]).contains("status: SERVFAIL"));
    assert_eq!(
        server.dig(&["+short", "naxos.lab.example.net"]),
        "10.10.50.10",
        "the lab goes on without the internet"
    );
}

#[test]
fn an_answer_is_kept_and_its_time_counted_down() {
    if !has("an_answer_is_kept_and_its_time_counted_down", &["dig", "dnsmasq"]) {
        return;
    }
    let (upstream, port) = dnsmasq();
    let lab = forwarding_lab(&format!("\"127.0.0.1:{port}\""));
    let server = Server::start(lab.path(), "naxos");
    let time = || -> u32 {
        let said = server.dig(&["+noall", "+answer", "kept.example.org"]);
        said.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    assert_eq!(time(), 100);
    wait_for("a second has gone by", || time() < 100);
    assert!(time() > 80);
    // Letters are in either case, so that forgers have to guess them.
    let asked = |name: &str| upstream.said().to_lowercase().matches(&format!("query[a] {name} from")).count();
    assert_eq!(asked("kept.example.org"), 1, "{}", upstream.said());
    assert_eq!(server.dig(&["+short", "+dnssec", "kept.example.org"]), "192.0.2.99");
    wait_for("with signatures it is another question", || asked("kept.example.org") == 2);
}

#[test]
fn names_of_lists_and_rules_are_blocked_and_the_rest_is_not() {
    if !has("names_of_lists_and_rules_are_blocked_and_the_rest_is_not", &["dig", "dnsmasq"]) {
        return;
    }
    let (upstream, port) = dnsmasq();
    let lab = forwarding_lab(&format!("\"127.0.0.1:{port}\""));
    lab.replace(
        "services.toml",
        "\"@@||metrics.example.org^\"",
        "\"@@||fine.ads.example.org^\", \"||lab.example.net^\", \"important.example.org$important\"",
    );
    let server = Server::start(lab.path(), "naxos");
    let reply = ask(&server.socket(), r#"{"verb":"view","service":"dns"}"#).unwrap();
    let (view, list) = (&reply["view"], &reply["view"]["lists"][0]);
    assert_eq!((&list["name"], &list["rules"]), (&"example".into(), &2.into()), "{reply}");
    assert_eq!((&list["state"]["is"], &view["own_rules"]), (&"followed".into(), &3.into()), "{reply}");
    assert_eq!(view["refused_rules"], serde_json::json!([]), "{reply}");
    assert_eq!(server.dig(&["+short", "ads.example.org"]), "0.0.0.0");
    assert_eq!(server.dig(&["+short", "+tcp", "x.ads.example.org", "AAAA"]), "::");
    let said = server.dig(&["x.tracker.example.org", "HTTPS"]);
    let parts = ["status: NOERROR", "ANSWER: 0, AUTHORITY: 0", "EDE: 15 (Blocked)"];
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    let said = server.dig(&["x.tracker.example.org", "MX"]);
    let parts = ["status: NOERROR", "ANSWER: 0, AUTHORITY: 1", "EDE: 15 (Blocked)", "\t10\tIN\tSOA"];
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    assert_eq!(server.dig(&["+short", "fine.ads.example.org"]), "192.0.2.99");
    assert_eq!(
        server.dig(&["+short", "naxos.lab.example.net"]),
        "10.10.50.10",
        "what the lab says comes first"
    );
    assert!(!upstream.said().to_lowercase().contains("tracker.example.org"), "{}", upstream.said());

    lab.write("lists/example.txt", "0.0.0.0 other.example.org\n");
    wait_for("the changed list is followed", || server.dig(&["+short", "other.example.org"]) == "0.0.0.0");
}

/// Asks for naxos, one question after the other, until told to stop; counts those that nobody answered.
fn load(port: u16, stop: Arc<AtomicBool>, asked: Arc<AtomicUsize>) -> std::thread::JoinHandle<usize> {
    std::thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut question = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in ["naxos", "lab", "example", "net"] {
            question.push(u8::try_from(label.len()).unwrap());
            question.extend_from_slice(label.as_bytes());
        }
        question.extend_from_slice(&[0, 0, 1, 0, 1]);
        let (mut lost, mut reply) = (0, [0; 512]);
        while !stop.load(Ordering::Relaxed) {
            socket.send_to(&question, ("127.0.0.1", port)).unwrap();
            let answered =
                socket.recv(&mut reply).is_ok_and(|length| length > question.len() && reply[3] & 0x0F == 0);
            lost += usize::from(!answered);
            asked.fetch_add(1, Ordering::Relaxed);
        }
        lost
    })
}

#[test]
fn a_changed_folder_is_taken_up_without_a_lost_question_and_a_faulty_one_never() {
    if !has("a_changed_folder_is_taken_up_without_a_lost_question_and_a_faulty_one_never", &["dig"]) {
        return;
    }
    let lab = Scratch::example();
    let server = Server::start(lab.path(), "naxos");
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load = load(server.port, Arc::clone(&stop), Arc::clone(&asked));
    let ask = || server.dig(&["+short", "naxos.lab.example.net"]);
    assert_eq!(ask(), "10.10.50.10");

    lab.replace("machines.toml", "\"10.10.50.10\"", "\"10.10.50.99\"");
    wait_for("the new address is answered", || ask() == "10.10.50.99");
    server.running.wait_for_line("took up the changed lab");

    lab.replace("machines.toml", "\"10.10.50.99\"", "\"10.10.50.2\"");
    let line = server.running.wait_for_line("the changed lab is not taken up");
    assert!(line.contains("1 error, the first is") && line.contains("what ran before runs on"), "{line}");
    server.running.wait_for_line("error[address-taken]");
    assert_eq!(ask(), "10.10.50.99");

    lab.replace("machines.toml", "address = \"10.10.50.2\"\ncores", "address = \"10.10.50.98\"\ncores");
    wait_for("the mended file is taken up", || ask() == "10.10.50.98");

    std::fs::rename(lab.0.join("machines.toml"), lab.0.join("machines.away")).unwrap();
    server.running.signal("-HUP");
    wait_for("the torn folder is seen", || server.running.said().matches("is not taken up").count() == 2);
    assert_eq!(ask(), "10.10.50.98", "half a folder replaces nothing");

    stop.store(true, Ordering::Relaxed);
    assert_eq!(load.join().unwrap(), 0, "of {} questions", asked.load(Ordering::Relaxed));
    assert!(asked.load(Ordering::Relaxed) > 100);
}

#[test]
fn a_folder_that_is_replaced_is_followed_and_what_is_beside_the_lab_is_not() {
    if !has("a_folder_that_is_replaced_is_followed_and_what_is_beside_the_lab_is_not", &["dig"]) {
        return;
    }
    let text = |number: usize| {
        format!(
            "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n[machines]\nnaxos = {{ address = \"10.0.0.{number}\" }}\n\
             [dns]\non = \"naxos\"\nupstreams = [\"127.0.0.1:9\"]\n"
        )
    };
    let scratch = Scratch::with(&[("lab/lab.toml", &text(1))]);
    let server = Server::start(scratch.0.join("lab").to_str().unwrap(), "naxos");
    let answers =
        |number: usize| server.dig(&["+short", "naxos.lab.example.net"]) == format!("10.0.0.{number}");
    assert!(answers(1));
    for number in [2, 4] {
        scratch.write("next/lab.toml", &text(number));
        std::fs::rename(scratch.0.join("lab"), scratch.0.join(format!("old-{number}"))).unwrap();
        std::fs::rename(scratch.0.join("next"), scratch.0.join("lab")).unwrap();
        wait_for("the new folder is followed", || answers(number));
        scratch.write("lab/lab.toml.new", &text(number + 1));
        std::fs::rename(scratch.0.join("lab/lab.toml.new"), scratch.0.join("lab/lab.toml")).unwrap();
        wait_for("the new file in it is", || answers(number + 1));
    }
    let taken_up = || server.running.said().matches("took up the changed lab").count();
    wait_for("all four are said", || taken_up() == 4);
    for number in 0..200 {
        scratch.write(&format!("lab/{number}.log"), "busy");
    }
    scratch.write("lab/lab.toml", &text(6));
    wait_for("a change is followed all the same", || answers(6));
    wait_for("and said", || taken_up() >= 5);
    assert_eq!(taken_up(), 5, "{}", server.running.said());
}

#[test]
fn a_key_of_a_newer_version_does_not_stop_an_older_machine() {
    let lab = Scratch::example();
    lab.replace("services.toml", "[metrics]\n", "[metrics]\nretention-by-size = \"1 GB\"\n");
    lab.replace("apps.toml", "[apps.nextcloud]", "[photo-frames]\nhall = \"anafi\"\n[apps.nextcloud]");
    let server = Server::start(lab.path(), "naxos");
    let said = server.running.said();
    assert_eq!(said.matches("error[unknown-key]").count(), 2, "{said}");
    assert!(said.contains("the lab is used all the same"), "{said}");

    for (file, from, to) in [
        ("services.toml", "[dns]\n", "[dns]\nprefetch = true\n"),
        ("services.toml", "[dns]\n", "[dnss]\n"),
        ("apps.toml", "[apps.jellyfin]\n", "[apps.jellyfin]\nmood = \"blue\"\n"),
    ] {
        let (lab, state) = (Scratch::example(), Scratch::short());
        lab.replace(file, from, to);
        let said = run(polis(&["run", "--lab", lab.path(), "--machine", "naxos", "--listen", "127.0.0.1:0"])
            .args(["--state", state.path()]));
        assert_eq!(said.code, 1, "{to}: {}", said.err);
    }
}

#[test]
fn garbage_and_idle_clients_do_not_stop_it() {
    if !has("garbage_and_idle_clients_do_not_stop_it", &["dig"]) {
        return;
    }
    let example = common::root().join("examples/aegean");
    let server = Server::start(example.to_str().unwrap(), "naxos");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in 0..200_usize {
        let garbage: Vec<u8> =
            (0..length).map(|at| u8::try_from((at * 37 + length * 11) % 256).unwrap()).collect();
        socket.send_to(&garbage, ("127.0.0.1", server.port)).unwrap();
    }
    let idle: Vec<TcpStream> =
        (0..300).map_while(|_| TcpStream::connect(("127.0.0.1", server.port)).ok()).collect();
    assert!(idle.len() > 200);
    assert_eq!(server.dig(&["+short", "naxos.lab.example.net"]), "10.10.50.10");
    drop(idle);
    assert_eq!(server.dig(&["+short", "+tcp", "naxos.lab.example.net"]), "10.10.50.10");
}

#[test]
fn what_can_not_run_says_why() {
    let broken = Scratch::example();
    broken.replace("lab.toml", "name     = \"aegean\"", "name     = \"Aegean\"");
    let cases: [(&[&str], i32, &str); 3] = [
        (&["--lab", "examples/aegean", "--machine", "naxso"], 2, "there is no machine `naxso`"),
        (&["--lab", broken.path(), "--machine", "naxos"], 1, "error[bad-name]"),
        (&["--lab", "examples/aegean"], 2, "`--machine NAME`"),
    ];
    for (words, code, part) in cases {
        let state = Scratch::short();
        let said = run(polis(&["run", "--state", state.path()]).args(words));
        assert_eq!(said.code, code, "polis run {words:?}: {}", said.err);
        assert!(said.err.contains(part), "polis run {words:?}: {}", said.err);
    }
}

#[test]
fn it_ends_when_it_is_told_to() {
    let example = common::root().join("examples/aegean");
    for signal in ["-TERM", "-INT"] {
        let mut server = Server::start(example.to_str().unwrap(), "naxos");
        server.running.signal(signal);
        let start = Instant::now();
        let status = server.running.child.wait().unwrap();
        assert!(status.success() && start.elapsed() < Duration::from_secs(5), "{signal}: {status}");
    }
}

#[test]
fn a_machine_without_a_service_waits_for_one() {
    let (example, state) = (Scratch::example(), Scratch::short());
    let mut command = polis(&["run", "--lab", example.path(), "--machine", "thebes"]);
    let running = Running::start(command.args(["--listen", "127.0.0.1:0", "--state", state.path()]));
    running.wait_for_line("thebes: polis 0.1.0 started");
    let status = || run(&mut polis(&["status", "--state", state.path()])).out;
    // Its pages it has all the same, or waits for their port.
    wait_for("it has taken up the lab", || status().contains("\n  portal "));
    assert!(!status().contains("\n  dns "), "{}", status());
    example.replace(
        "services.toml",
        "on        = [\"naxos\", \"anafi\"]",
        "on        = [\"naxos\", \"thebes\"]",
    );
    running.wait_for_line("thebes: dns listens at 127.0.0.1:");
}
