//! A house with a name server and real packets: whose policy holds for whom, what happens without the internet, who asks
//! too much, and asking under encryption.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use common::{Scratch, ask};
use testlab::{House, Place, Service, Unit, has_houses, wait_for};

const POLIS: &str = env!("CARGO_BIN_EXE_polis");
/// Where the name server of these labs is.
const SERVER: &str = "10.0.20.2";
const SERVER_SIX: &str = "fd00:20::2";

/// A lab whose name server stands among the family's things, so that it sees their MAC addresses.
fn lab(dns: &str) -> Scratch {
    let text = r#"
[lab]
name = "home"
domain = "lab.example.net"
[sites]
here = {}
[zones]
private = { site = "here", vlan = 20, cidr = ["10.0.20.0/24", "fd00:20::/64"] }
guests = { site = "here", vlan = 30, cidr = "10.0.30.0/24" }
[routers]
gateway = { site = "here", kind = "linux" }
[machines]
naxos = { address = ["10.0.20.2", "fd00:20::2"] }
[devices]
phone = { zone = "private", mac = "02:00:00:00:77:01" }
[dns]
on = "naxos"
dnssec = "off"
upstreams = ["9.9.9.9"]
"#;
    Scratch::with(&[("lab.toml", &format!("{text}{dns}"))])
}

/// A name server on the internet that knows one answer to every question, for so many seconds.
fn upstream(house: &House, at: &str, with: &str, seconds: u32) -> Unit {
    let service = Service::new(testlab::find("dnsmasq").unwrap())
        .args(["--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file="])
        .args(["--user=root", "--log-facility=-", "--log-queries", "--bind-interfaces"])
        .args([
            format!("--address=/#/{with}"),
            format!("--local-ttl={seconds}"),
            format!("--listen-address={at}"),
        ]);
    let unit = house.internet().start(service);
    unit.wait_for_line("started, version");
    unit
}

fn start(house: &House, lab: &Scratch) -> Unit {
    let unit = house.machine("naxos").start(Service::polis(POLIS, Path::new(lab.path()), "naxos"));
    unit.wait_ready();
    unit.wait_for_line("dns listens");
    unit
}

/// What a place is told: the answers, line by line; nothing if nobody said anything.
fn dig(place: &Place, words: &[&str]) -> String {
    dig_at(place, SERVER, words)
}

fn dig_at(place: &Place, server: &str, words: &[&str]) -> String {
    let mut dig = place.command("dig");
    dig.arg(format!("@{server}")).args(["+short", "+tries=1", "+time=8"]).args(words);
    text(&dig.output().unwrap())
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| !line.starts_with(';'))
        .collect::<Vec<_>>()
        .join("\n")
}

/// What the name server shows of itself.
fn view(unit: &Unit) -> serde_json::Value {
    ask(&unit.runtime().join("polis.sock"), r#"{"verb":"view","service":"dns"}"#)
        .unwrap()
        .get_mut("view")
        .unwrap()
        .take()
}

#[test]
fn the_guests_policy_differs_from_the_familys() {
    if !has_houses("the_guests_policy_differs_from_the_familys", &["dig", "dnsmasq"]) {
        return;
    }
    let lab = lab("lists = { ads = \"file:lists/ads.txt\", games = \"file:lists/games.txt\" }\n\
         [dns.policies.guests]\nwho = [\"guests\"]\nlists = [\"games\"]\nservices = [\"tiktok\"]\n\
         safe-search = [\"duckduckgo\"]\nupstreams = [\"9.9.9.8\"]\n\
         [dns.policies.family]\nwho = [\"private\"]\nlists = [\"ads\"]\n");
    lab.write("lists/ads.txt", "||ads.example^\n");
    lab.write("lists/games.txt", "||games.example^\n");
    let house = House::open(Path::new(lab.path())).unwrap();
    house.internet().add_address("9.9.9.8/32");
    let _one = upstream(&house, "9.9.9.9", "192.0.2.99", 60);
    let _other = upstream(&house, "9.9.9.8", "192.0.2.88", 60);
    let _polis = start(&house, &lab);
    let (guest, family) = (house.laptop("guests"), house.laptop("private"));
    wait_for("it answers", || dig(&guest, &["naxos.lab.example.net"]) == SERVER);

    for over in ["+notcp", "+tcp"] {
        let both = |name: &str| (dig(&family, &[over, name]), dig(&guest, &[over, name]));
        let says = |family: &str, guest: &str| (family.to_owned(), guest.to_owned());
        // Twice: what one of them was told before is not told to the other.
        for _ in 0..2 {
            assert_eq!(both("www.example"), says("192.0.2.99", "192.0.2.88"), "{over}");
            assert_eq!(both("x.ads.example"), says("0.0.0.0", "192.0.2.88"), "{over}");
            assert_eq!(both("x.games.example"), says("192.0.2.99", "0.0.0.0"), "{over}");
            assert_eq!(both("www.tiktok.com"), says("192.0.2.99", "0.0.0.0"), "{over}");
            assert_eq!(
                both("duckduckgo.com"),
                says("192.0.2.99", "safe.duckduckgo.com.\n192.0.2.88"),
                "{over}"
            );
            assert_eq!(both("naxos.lab.example.net"), says(SERVER, SERVER), "{over}");
        }
    }
}

#[test]
fn a_phone_found_by_its_mac_keeps_its_policy_on_ipv6() {
    if !has_houses("a_phone_found_by_its_mac_keeps_its_policy_on_ipv6", &["dig", "dnsmasq"]) {
        return;
    }
    let lab = lab("[dns.policies.phones]\nwho = [\"phone\"]\nrules = [\"||games.example^\"]\n");
    let house = House::open(Path::new(lab.path())).unwrap();
    let _upstream = upstream(&house, "9.9.9.9", "192.0.2.99", 60);
    let polis = start(&house, &lab);
    let (phone, other) = (house.machine("phone"), house.laptop("private"));
    phone.add_address("10.0.20.77/24");
    phone.add_address("fd00:20::77/64 nodad");
    other.add_address("fd00:20::88/64 nodad");
    let is_blocked = |place: &Place, at: &str, words: &[&str]| {
        let words: Vec<&str> = words.iter().copied().chain(["games.example"]).collect();
        dig_at(place, at, &words) == "0.0.0.0"
    };
    // A newcomer is found in the table of neighbours within seconds.
    wait_for("the phone has its policy over IPv4", || is_blocked(&phone, SERVER, &[]));
    wait_for("and over IPv6", || is_blocked(&phone, SERVER_SIX, &["-b", "fd00:20::77"]));
    let random = "fd00:20::a1b2:c3d4:e5f6:1";
    phone.add_address(&format!("{random}/64 nodad"));
    wait_for("and with an address that it made up", || is_blocked(&phone, SERVER_SIX, &["-b", random]));
    assert!(is_blocked(&phone, SERVER_SIX, &["-b", random, "+tcp"]), "over TCP too");
    for (at, words) in [(SERVER, ["+notcp"]), (SERVER_SIX, ["+notcp"]), (SERVER_SIX, ["+tcp"])] {
        assert!(!is_blocked(&other, at, &words), "the other one is not the phone, at {at}");
    }
    let mut last = serde_json::Value::Null;
    wait_for("the log says who asked", || {
        last = view(&polis)["private"]["last"].take();
        let rows = last.as_array().unwrap();
        rows.iter().any(|row| row["client"] == random && row["who"] == "phone" && row["policy"] == "phones")
    });
}

#[test]
fn the_internet_is_cut_and_the_house_goes_on() {
    if !has_houses("the_internet_is_cut_and_the_house_goes_on", &["dig", "dnsmasq"]) {
        return;
    }
    let lab = lab("");
    let house = House::open(Path::new(lab.path())).unwrap();
    let before = upstream(&house, "9.9.9.9", "192.0.2.99", 1);
    let polis = start(&house, &lab);
    let laptop = house.laptop("private");
    wait_for("it answers", || dig(&laptop, &["naxos.lab.example.net"]) == SERVER);
    let names: Vec<String> = (0..8).map(|number| format!("known-{number}.example")).collect();
    for name in &names {
        assert_eq!(dig(&laptop, &[name]), "192.0.2.99");
    }
    // As when the line is dead behind a modem: no cable says so, packets are lost.
    house.internet().ip("link set uplink down");
    wait_for("the time of the answers is over", || {
        dig(&laptop, &["+noshort", "+noall", "+comments", &names[0]]).is_empty()
            && view(&polis)["metrics"]["queries_stale_total"].as_u64() > Some(0)
    });
    // One of them waited for the internet; the others do not each wait again.
    for name in names.iter().map(String::as_str).chain(["naxos.lab.example.net"]) {
        let asked = Instant::now();
        let told = if name.starts_with("known") { "192.0.2.99" } else { SERVER };
        assert_eq!(dig(&laptop, &[name]), told, "{name} was known");
        assert!(asked.elapsed() < Duration::from_secs(1), "{name} took {:?}", asked.elapsed());
    }
    let asked = Instant::now();
    assert_eq!(dig(&laptop, &["never-heard-of.example"]), "");
    assert!(asked.elapsed() < Duration::from_secs(8), "that there is no answer took {:?}", asked.elapsed());

    drop(before);
    let _after = upstream(&house, "9.9.9.9", "192.0.2.77", 1);
    house.internet().ip("link set uplink up");
    let back = Instant::now();
    wait_for("what was never known is found", || dig(&laptop, &["another.example"]) == "192.0.2.77");
    eprintln!("a new name after {:?}", back.elapsed());
    while dig(&laptop, &[&names[1]]) != "192.0.2.77" {
        assert!(back.elapsed() < Duration::from_secs(45), "the old answer is told for ever");
        std::thread::sleep(Duration::from_millis(50));
    }
    eprintln!("a fresh answer after {:?}", back.elapsed());
}

#[test]
fn a_client_that_floods_is_limited_and_the_others_are_not() {
    if !has_houses("a_client_that_floods_is_limited_and_the_others_are_not", &["dig"]) {
        return;
    }
    let lab = lab("limit = { per-second = 50 }\n");
    let house = House::open(Path::new(lab.path())).unwrap();
    let polis = start(&house, &lab);
    let (flood, other) = (house.laptop("guests"), house.laptop("private"));
    wait_for("it answers", || dig(&other, &["naxos.lab.example.net"]) == SERVER);

    let question = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x05naxos\x03lab\x07example\x03net\0\0\x01\0\x01";
    let socket = flood.inside(|| std::net::UdpSocket::bind("0.0.0.0:0").unwrap());
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let flooding = std::thread::spawn(move || {
        let mut reply = [0; 512];
        let mut answered = 0;
        for number in 0..5000 {
            socket.send_to(question, (SERVER, 53)).unwrap();
            if number % 50 == 0 {
                std::thread::sleep(Duration::from_millis(10));
            }
            socket.set_nonblocking(true).unwrap();
            while socket.recv(&mut reply).is_ok() {
                answered += 1;
            }
        }
        socket.set_nonblocking(false).unwrap();
        while socket.recv(&mut reply).is_ok() {
            answered += 1;
        }
        answered
    });
    let mut asked = 0;
    while !flooding.is_finished() {
        assert_eq!(
            dig(&other, &["naxos.lab.example.net"]),
            SERVER,
            "who asks little is answered, after {asked} questions"
        );
        asked += 1;
    }
    let answered = flooding.join().unwrap();
    assert!((50..2000).contains(&answered), "{answered} of 5000");
    assert!(asked > 5, "{asked}");
    let limited = || view(&polis)["metrics"]["queries_limited_total"].as_u64().unwrap();
    assert!(limited() > 2000, "{}", limited());
    // Who asked too much is told once a minute.
    let socket = polis.runtime().join("polis.sock");
    let said = || common::run(&mut common::polis(&["status", "--socket", socket.to_str().unwrap()])).out;
    let begun = Instant::now();
    while !said().contains(&format!("{} asked too much", flood.address())) {
        assert!(begun.elapsed() < Duration::from_secs(70), "nobody is told:\n{}", said());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(!said().contains(&format!("{} asked too much", other.address())), "{}", said());
}

/// The certificate of the name server's authority, in a file.
fn authority(polis: &Unit, folder: &Scratch) -> PathBuf {
    let mut shown = serde_json::Value::Null;
    wait_for("it shows its authority", || {
        shown = view(polis)
            .pointer_mut("/authority/certificate")
            .map(serde_json::Value::take)
            .unwrap_or_default();
        shown.is_string()
    });
    folder.write("authority.pem", shown.as_str().unwrap());
    folder.0.join("authority.pem")
}

/// A client that knows no more than the address is told of both (RFC 9462).
#[track_caller]
fn finds_encrypted_ways(laptop: &Place, name: &str) {
    let found = dig_at(laptop, "10.0.20.53", &["_dns.resolver.arpa", "SVCB"]);
    for said in [format!("1 {name}. alpn=\"h2,http/1.1\""), format!("2 {name}. alpn=\"dot\"")] {
        assert!(found.contains(&said), "{found}");
    }
}

#[test]
fn a_laptop_asks_over_tls_and_https_and_says_who_it_is() {
    if !has_houses("a_laptop_asks_over_tls_and_https_and_says_who_it_is", &["dig", "kdig", "curl", "dnsmasq"])
    {
        return;
    }
    let lab = lab("address = \"10.0.20.53\"\nencrypted = [\"tls\", \"https\"]\n\
         [dns.policies.phone]\nwho = [\"id:phone\"]\nrules = [\"||games.example^\"]\n");
    let house = House::open(Path::new(lab.path())).unwrap();
    let _upstream = upstream(&house, "9.9.9.9", "192.0.2.99", 60);
    let polis = start(&house, &lab);
    let laptop = house.laptop("guests");
    wait_for("it answers", || dig_at(&laptop, "10.0.20.53", &["naxos.lab.example.net"]) == SERVER);
    let mut shown = view(&polis);
    wait_for("it listens", || {
        shown = view(&polis);
        ["tls", "https"].iter().all(|over| shown[over].as_array().is_some_and(|all| !all.is_empty()))
    });
    let folder = Scratch::new();
    let trusted = authority(&polis, &folder);
    let trusted = trusted.to_str().unwrap();
    let name = "dns.lab.example.net";
    let kdig = |words: &[&str]| {
        let mut kdig = laptop.command("kdig");
        kdig.args(["@10.0.20.53", "+short", "+retry=0", "+time=8", &format!("+tls-ca={trusted}")])
            .args(words);
        let output = kdig.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        (
            said,
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        )
    };
    finds_encrypted_ways(&laptop, name);
    for over in ["+tls", "+https"] {
        let host = format!("+tls-hostname={name}");
        let (said, all) = kdig(&[over, &host, "games.example"]);
        assert_eq!(said, "192.0.2.99", "{over}: {all}");
    }
    let (said, all) = kdig(&["+tls", &format!("+tls-hostname=phone.{name}"), "games.example"]);
    assert_eq!(said, "0.0.0.0", "the name says who asks: {all}");
    let (said, all) = kdig(&["+https=/dns-query/phone", &format!("+tls-hostname={name}"), "games.example"]);
    assert_eq!(said, "0.0.0.0", "the path says who asks: {all}");
    let (said, all) = kdig(&["+tls", "+tls-hostname=wrong.example.org", "games.example"]);
    assert!(
        !said.contains("192.0.2.99") && !said.contains("0.0.0.0"),
        "for another name it has no certificate: {all}"
    );

    let doh = |path: &str| {
        let mut curl = laptop.command("curl");
        curl.args([
            "-sS",
            "--max-time",
            "10",
            "--cacert",
            trusted,
            "--resolve",
            &format!("{name}:443:10.0.20.53"),
        ]);
        curl.args(["-H", "accept: application/dns-message", "-o", "-"]);
        // games.example, A (RFC 8484 section 4.1.1).
        curl.arg(format!("https://{name}{path}?dns=AAABAAABAAAAAAAABWdhbWVzB2V4YW1wbGUAAAEAAQ"));
        let output = curl.output().unwrap();
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    assert!(doh("/dns-query").ends_with(&[192, 0, 2, 99]));
    let blocked = doh("/dns-query/phone");
    assert!(blocked.windows(6).any(|window| window == [0, 4, 0, 0, 0, 0]), "{blocked:?}");
}
