//! Any bytes as a DNS message, from a client in a zone and from one outside: the reply, if there is one, is a
//! reply, is not longer than it may be, and is itself not answered. The same bytes as what an upstream says:
//! what a client is told of it is a reply that says the same when it is read again.
#![no_main]

use std::net::IpAddr;
use std::sync::LazyLock;

use runtime::Given;

use dns::{Blocks, Compiler, Plan, Reply, Transport, pass_on, plan, reply};

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
    plan(&Given { lab, follows: &checked.follows, machine: naxos, overlay: &[], listen: None }).expect("naxos runs dns")
});

static BLOCKS: LazyLock<Blocks> = LazyLock::new(|| {
    let mut compiler = Compiler::default();
    let mut rules = compiler.list();
    rules.feed(b"||a^\n||example.org^\n@@||b.example.org^\n").expect("it is a list");
    rules.finish().expect("it is a list");
    compiler.finish()
});

/// A question for an address of `a.b`, without and with an OPT record.
const PLAIN: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01A\x01b\0\0\x01\0\x01";
const EDNS: &[u8] =
    b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x01a\x01B\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\x80\0\0\0";
const QUESTION: std::ops::Range<usize> = 12..21;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for (client, over) in
        [("10.0.0.9", Transport::Udp), ("fd00::9", Transport::Tcp), ("192.0.2.1", Transport::Udp)]
    {
        let client: IpAddr = client.parse().expect("an address");
        let Reply::Say(_, said) = reply(&PLAN, &BLOCKS, bytes, client, over) else { continue };
        assert!(said.len() >= 12 && said[2] & 0x80 != 0, "no reply: {said:?}");
        assert_eq!(said[..2], bytes[..2]);
        assert!(over == Transport::Tcp || said.len() <= 1232, "{} bytes over UDP", said.len());
        assert_eq!(reply(&PLAN, &BLOCKS, &said, client, over), Reply::Silent);
    }
    // The header's codes and counts, and records; the number and the question are right, or nobody would read on.
    let Some((header, records)) = bytes.split_at_checked(10) else { return };
    let heard = [b"\x12\x34", header, &PLAIN[QUESTION], records].concat();
    for (message, over) in [(PLAIN, Transport::Udp), (EDNS, Transport::Udp), (EDNS, Transport::Tcp)] {
        let Some(said) = pass_on(message, &heard, u32::from(bytes[0]), over) else { continue };
        assert_eq!((&said[..2], &said[QUESTION]), (&message[..2], &message[QUESTION]));
        assert!(said[2] & 0x84 == 0x80, "no reply, or one with authority: {said:?}");
        assert!(over == Transport::Tcp || said.len() <= 1232, "{} bytes over UDP", said.len());
        if said[2] & 0x02 == 0 {
            assert_eq!(pass_on(message, &said, 0, over), Some(said));
        }
    }
});
