//! The house of the example, with real packets: what its people would notice.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use std::path::PathBuf;

use testlab::{House, Place, has_houses, root, wait_for};

const POLIS: &str = env!("CARGO_BIN_EXE_polis");

fn example() -> PathBuf {
    root().join("examples/aegean")
}

/// What a name server says to a laptop.
fn dig(laptop: &Place, name: &str) -> String {
    let output =
        laptop.command("dig").args(["@10.10.50.53", "+short", "+tries=1", "+time=8", name]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn a_laptop_at_home_finds_an_app_and_the_rest_of_the_world() {
    if !has_houses("a_laptop_at_home_finds_an_app_and_the_rest_of_the_world", &["dig", "dnsmasq"]) {
        return;
    }
    let house = House::open(&example()).unwrap();
    let _upstreams = house.answer_the_world("192.0.2.99".parse().unwrap());
    let (naxos, laptop) = (house.machine("naxos"), house.laptop("private"));
    naxos.add_address("10.10.50.53/24");
    let polis = naxos.start_polis(POLIS, &example(), &[]);
    polis.wait_for_line("listens at 10.10.50.53:53");

    assert_eq!(dig(&laptop, "cloud.lab.example.net"), "10.10.50.10");
    assert_eq!(dig(&laptop, "www.example.org"), "192.0.2.99", "asked of an upstream through the gateway");
    assert_eq!(
        dig(&house.laptop("mother"), "volos.lab.example.net"),
        "10.20.0.11",
        "the other house asks here too"
    );

    polis.crash();
    wait_for("it answers again", || dig(&laptop, "cloud.lab.example.net") == "10.10.50.10");
    assert_eq!(polis.starts(), 2);
    assert!(polis.stop(), "it ends when it is told to: {}", polis.said());
}
