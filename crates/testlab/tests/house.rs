//! The house of the example stands, its packets go where they should, and nothing of it stays behind.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use testlab::{House, has_houses, root, wait_for};

fn example() -> House {
    House::open(&root().join("examples/aegean")).unwrap()
}

/// What has the marks of a house of this process, of all that a house is made of.
fn traces(mark: &str) -> Vec<String> {
    let folders = ["/run/netns", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
    let temporary = std::env::temp_dir();
    let mut traces: Vec<String> = folders
        .into_iter()
        .chain([temporary.as_path()])
        .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten())
        .map(|entry| entry.path().display().to_string())
        .filter(|path| path.contains(mark))
        .collect();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    traces.extend(mounts.lines().filter(|line| line.contains(mark)).map(str::to_owned));
    traces
}

#[test]
fn the_example_stands_within_two_seconds_and_nothing_of_it_stays() {
    if !has_houses("the_example_stands_within_two_seconds_and_nothing_of_it_stays", &[]) {
        return;
    }
    let interfaces = || -> BTreeSet<_> {
        std::fs::read_dir("/sys/class/net").unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    let before = interfaces();
    let start = Instant::now();
    let house = example();
    let built = start.elapsed();
    println!("the house stands after {} ms", built.as_millis());
    // Twice what it may take: somebody else may be building too.
    assert!(built < Duration::from_secs(4), "it took {built:?}");
    assert_eq!(interfaces(), before, "it has nothing outside its namespaces");

    let naxos = house.machine("naxos");
    assert_eq!(naxos.address().to_string(), "10.10.50.10");
    assert!(naxos.ip("-brief address show dev eth0").contains("10.10.50.10/24"));
    assert!(naxos.ip("route show default").contains("via 10.10.50.1 dev eth0"));
    assert!(house.machine("printer").ip("link show dev eth0").contains("00:00:5e:00:53:09"));
    let cameras = house.machine("cameras").ip("-brief address show dev eth0");
    assert!(["10.10.40.100/24", "10.10.40.102/24"].iter().all(|address| cameras.contains(address)));

    let mark = house.prefix().to_owned();
    assert!(traces(&mark).len() > 25);
    let unit = naxos.start(testlab::Service::new("/bin/sleep").args(["1000"]));
    let process = unit.pid().unwrap();
    // A test that panics: its house is dropped before its units are, and both while unwinding.
    let panicked = std::thread::spawn(move || {
        let (_unit, _house) = (unit, house);
        std::panic::resume_unwind(Box::new("a test that fails"));
    });
    assert!(panicked.join().is_err());
    assert_eq!(traces(&mark), Vec::<String>::new());
    assert!(!Path::new("/proc").join(process.to_string()).exists(), "its process is gone too");
    let log = root().join("target/testlab").join(&mark).join("naxos.log");
    assert!(std::fs::read_to_string(log).unwrap().contains("started, process"), "logs are kept");
    std::fs::remove_dir_all(root().join("target/testlab").join(&mark)).unwrap();
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next() {
    if !has_houses("what_a_killed_run_left_is_removed_by_the_next", &[]) {
        return;
    }
    // No process has this number: it is one more than the highest.
    let ip = testlab::find("ip").unwrap();
    let run =
        |words: &[&str]| assert!(std::process::Command::new(&ip).args(words).status().unwrap().success());
    run(&["netns", "add", "testlab-4194305-0.naxos"]);
    std::fs::create_dir_all(std::env::temp_dir().join("testlab-4194305-0/naxos")).unwrap();
    let _house = example();
    assert_eq!(traces("testlab-4194305-"), Vec::<String>::new());
}

#[test]
fn a_laptop_reaches_machines_of_every_site_through_their_routers() {
    if !has_houses("a_laptop_reaches_machines_of_every_site_through_their_routers", &[]) {
        return;
    }
    let house = example();
    let (laptop, gateway) = (house.laptop("private"), house.router("gateway"));
    assert_eq!(laptop.address().to_string(), "10.10.21.254", "the last address that nobody has");
    assert_ne!(house.laptop("private").address(), laptop.address());
    for (name, address) in [("naxos", "10.10.50.10"), ("volos", "10.20.0.11"), ("porto", "10.30.0.11")] {
        assert!(laptop.reaches(address), "{name}");
    }
    assert!(house.machine("volos").reaches("10.10.20.9"), "and back: the printer, from the other house");

    let neighbours = gateway.neighbours();
    let naxos = neighbours.iter().find(|neighbour| neighbour.address.to_string() == "10.10.50.10").unwrap();
    let own = house.machine("naxos").ip("link show dev eth0");
    assert!(own.contains(naxos.mac.as_ref().unwrap()), "the gateway has its true MAC: {naxos:?} {own}");

    // A socket that is opened on a machine belongs there.
    let listener = house.machine("naxos").inside(|| TcpListener::bind("10.10.50.10:8080").unwrap());
    let server = std::thread::spawn(move || listener.accept().unwrap().1);
    laptop.inside(|| {
        TcpStream::connect_timeout(&"10.10.50.10:8080".parse().unwrap(), Duration::from_secs(5)).unwrap()
    });
    assert_eq!(server.join().unwrap().ip(), laptop.address());
}

#[test]
fn an_address_that_moves_is_found_again_when_the_gateway_is_told() {
    if !has_houses("an_address_that_moves_is_found_again_when_the_gateway_is_told", &[]) {
        return;
    }
    let house = example();
    let (laptop, gateway) = (house.laptop("private"), house.router("gateway"));
    let (naxos, anafi) = (house.machine("naxos"), house.machine("anafi"));
    naxos.add_address("10.10.50.53/24");
    assert!(laptop.reaches("10.10.50.53"));
    naxos.remove_address("10.10.50.53/24");
    anafi.add_address("10.10.50.53/24");
    assert!(!laptop.reaches("10.10.50.53"), "the gateway's cache still knows naxos");
    gateway.ip("neighbour flush to 10.10.50.53");
    assert!(laptop.reaches("10.10.50.53"));
}

#[test]
fn a_house_may_have_both_kinds_of_addresses() {
    if !has_houses("a_house_may_have_both_kinds_of_addresses", &[]) {
        return;
    }
    let text = "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n[sites]\nhome = {}\n[zones]\nlan = { site = \"home\", vlan = 1, \
                cidr = [\"10.0.0.0/24\", \"fd00:1::/64\"] }\nlab = { site = \"home\", vlan = 2, cidr = [\"10.0.1.0/24\", \
                \"fd00:2::/64\"] }\n[routers]\ngateway = { site = \"home\", kind = \"linux\" }\n[machines]\nnaxos = { addresses = \
                [\"10.0.0.2\", \"fd00:1::2\"] }\nparos = { addresses = [\"10.0.1.2\", \"fd00:2::2\"] }\n";
    let checked = lab::check(lab::Folder::from_texts([("lab.toml", text)]), &lab::Options::at("2026-11-01"));
    let house = House::build(checked.usable().unwrap()).unwrap();
    let naxos = house.machine("naxos");
    assert!(naxos.reaches("10.0.1.2"));
    // The router's own link has to settle in IPv6's way before it forwards.
    wait_for("paros is reached over IPv6", || naxos.reaches("fd00:2::2"));
    let neighbours = house.router("gateway").neighbours();
    assert!(neighbours.iter().any(|neighbour| neighbour.address.is_ipv6() && neighbour.mac.is_some()));
}

#[test]
fn a_house_can_be_handed_to_another_thread() {
    fn can_be_handed_over<T: Send + Sync>() {}
    can_be_handed_over::<(House, testlab::Place, testlab::Unit)>();
}

#[test]
fn things_are_kept_apart_from_each_other_and_not_from_their_router() {
    if !has_houses("things_are_kept_apart_from_each_other_and_not_from_their_router", &[]) {
        return;
    }
    let house = example();
    let (guest, other) = (house.laptop("guests"), house.laptop("guests"));
    assert!(guest.reaches("10.10.30.1"));
    assert!(!guest.reaches(&other.address().to_string()));
    assert!(house.laptop("private").reaches(&house.laptop("private").address().to_string()));
}

#[test]
fn a_pulled_cable_takes_a_machine_and_its_guests_away() {
    if !has_houses("a_pulled_cable_takes_a_machine_and_its_guests_away", &[]) {
        return;
    }
    let house = example();
    let laptop = house.laptop("private");
    house.cut("naxos");
    assert!(!laptop.reaches("10.10.50.10") && laptop.reaches("10.10.50.2"));
    assert!(
        house.machine("naxos").ip("-brief address show dev eth0").contains("10.10.50.10"),
        "it keeps its address"
    );
    house.join("naxos");
    // Not at once: the gateway asked for it in vain, and asks again a second later.
    wait_for("naxos is found again", || laptop.reaches("10.10.50.10"));

    house.cut("larissa");
    assert!(!laptop.reaches("10.10.50.10") && laptop.reaches("10.10.50.13"), "thebes is a guest of patra");
    house.join("larissa");
    wait_for("a guest is found again", || laptop.reaches("10.10.50.10"));
}

#[test]
fn one_tunnel_may_fail_and_two_may_not() {
    if !has_houses("one_tunnel_may_fail_and_two_may_not", &[]) {
        return;
    }
    let house = example();
    let laptop = house.laptop("private");
    house.cut_tunnel("home-mother");
    wait_for("by way of the cloud", || laptop.reaches("10.20.0.11"));
    house.cut_tunnel("home-cloud");
    let start = Instant::now();
    assert!(!laptop.reaches("10.20.0.11"), "and not by way of the internet");
    assert!(start.elapsed() < Duration::from_secs(2));
    house.join_tunnel("home-mother");
    wait_for("mother's house is back", || laptop.reaches("10.20.0.11"));
    wait_for("the cloud by way of mother's house", || laptop.reaches("10.30.0.11"));
}

#[test]
fn packets_are_lost_in_about_the_share_that_was_asked_for() {
    if !has_houses("packets_are_lost_in_about_the_share_that_was_asked_for", &[]) {
        return;
    }
    let house = example();
    let (laptop, naxos) = (house.laptop("private"), house.machine("naxos"));
    assert_eq!(laptop.pings("10.10.50.10", 20), 20);
    house.lose("naxos", 100);
    assert_eq!(laptop.pings("10.10.50.10", 4), 0);
    assert!(naxos.ip("link show dev eth0").contains("LOWER_UP"), "its cable looks fine");
    house.lose("naxos", 30);
    // Questions and answers are lost: 49 of a hundred pings should come back, and it is a matter of luck.
    let answered = laptop.pings("10.10.50.10", 100);
    assert!((20..=78).contains(&answered), "{answered} of 100");
    house.lose("naxos", 0);
    wait_for("it is found again", || laptop.reaches("10.10.50.10"));
    assert_eq!(laptop.pings("10.10.50.10", 20), 20);
}

#[test]
fn the_internet_answers_and_can_not_come_in() {
    if !has_houses("the_internet_answers_and_can_not_come_in", &["dig", "dnsmasq"]) {
        return;
    }
    let house = example();
    let (guest, internet) = (house.laptop("guests"), house.internet());
    let _upstream = house.answer_the_world("192.0.2.99".parse().unwrap());
    let dig =
        guest.command("dig").args(["+short", "+tries=1", "@9.9.9.9", "www.example.org"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&dig.stdout).trim(), "192.0.2.99");
    assert!(!internet.reaches("10.10.50.10"), "private addresses are nothing to the internet");

    let receiver = internet.inside(|| UdpSocket::bind("198.18.0.1:7000").unwrap());
    receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    guest.inside(|| UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"hello", "198.18.0.1:7000").unwrap());
    let (_, from) = receiver.recv_from(&mut [0; 16]).unwrap();
    assert_eq!(from.ip().to_string(), "198.18.0.10", "it sees the address of the router");
    let nobody = house.laptop("cloud");
    wait_for("a second site has the internet too", || nobody.reaches("9.9.9.9"));
}
