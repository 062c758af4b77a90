//! Any bytes as a DNS message, from a client in a zone and from one outside: the reply, if there is one, is a
//! reply, is not longer than it may be, and is itself not answered.
#![no_main]

use std::net::IpAddr;
use std::sync::LazyLock;

use dns::{Plan, Reply, Transport, plan, reply};

const LAB: &str = r#"
[lab]
name = "home"
domain = "lab.example.net"
[sites]
here = {}
[zones]
lan = { site = "here", cidr = ["10.0.0.0/24", "fd00::/64"] }
[routers]
gateway = { site = "here", kind = "linux" }
[machines]
naxos = { address = ["10.0.0.2", "fd00::2"] }
[dns]
on = "naxos"
upstreams = ["9.9.9.9"]
rewrites = { "*.wild.example" = "10.0.0.2", "alias.example" = "naxos.lab.example.net" }
"#;

static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let checked = lab::check(lab::Folder::from_texts([("lab.toml", LAB)]), &lab::Options::at("2026-11-01"));
    let lab = checked.usable().expect("the lab is right");
    let naxos = lab.machines.keys().next().expect("it has a machine");
    plan(lab, &checked.follows, naxos).expect("naxos runs dns")
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for (client, over) in [("10.0.0.9", Transport::Udp), ("fd00::9", Transport::Tcp), ("192.0.2.1", Transport::Udp)] {
        let client: IpAddr = client.parse().expect("an address");
        let Reply::Say(said) = reply(&PLAN, bytes, client, over) else { continue };
        assert!(said.len() >= 12 && said[2] & 0x80 != 0, "no reply: {said:?}");
        assert_eq!(said[..2], bytes[..2]);
        assert!(over == Transport::Tcp || said.len() <= 1232, "{} bytes over UDP", said.len());
        assert_eq!(reply(&PLAN, &said, client, over), Reply::Silent);
    }
});
