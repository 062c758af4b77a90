//! Any bytes as a DNS message, from a client in a zone and from one outside: the reply, if there is one, is a
//! reply, is not longer than it may be, and is itself not answered. The same bytes as what an upstream says:
//! what a client is told of it is a reply that says the same when it is read again.
#![no_main]

use std::net::IpAddr;
use std::sync::LazyLock;

use runtime::Given;

use dns::{Alone, Transport, pass_on, plan};

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
rules = ["||a^", "||example.org^", "@@||b.example.org^", "||c^$dnsrewrite=NOERROR;A;192.0.2.1", "/^d[0-9]+/"]
safe-search = ["all"]
records = { "t.example" = ["TXT hello", "MX 10 mail.example"] }
rewrites = { "*.wild.example" = "10.0.0.2", "alias.example" = "naxos.lab.example.net" }
"#;

static SERVER: LazyLock<Alone> = LazyLock::new(|| {
    let checked = lab::check(lab::Folder::from_texts([("lab.toml", LAB)]), &lab::Options::at("2026-11-01"));
    let lab = checked.usable().expect("the lab is right");
    let naxos = lab.machines.keys().next().expect("it has a machine");
    let given = Given { lab, follows: &checked.follows, machine: naxos, overlay: &[], listen: None };
    Alone::new(plan(&given).expect("naxos runs dns"))
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
        let Some(said) = SERVER.reply(bytes, client, over) else { continue };
        assert!(said.len() >= 12 && said[2] & 0x80 != 0, "no reply: {said:?}");
        assert_eq!(said[..2], bytes[..2]);
        let has_question = said[5] == 1;
        assert!(!has_question || bytes[12..].starts_with(question(&said)), "another question: {said:?}");
        assert!(over == Transport::Tcp || said.len() <= 1232, "{} bytes over UDP", said.len());
        assert_eq!(SERVER.reply(&said, client, over), None);
    }
    // The header's codes and counts, and records; the number and the question are right, or nobody would read on.
    let Some((header, records)) = bytes.split_at_checked(10) else { return };
    let heard = [b"\x12\x34", header, &PLAIN[QUESTION], records].concat();
    for (message, over) in [(PLAIN, Transport::Udp), (EDNS, Transport::Udp), (EDNS, Transport::Tcp)] {
        let Some(said) = pass_on(message, &heard, u32::from(bytes[0]), over) else { continue };
        assert_eq!((&said[..2], &said[QUESTION]), (&message[..2], &message[QUESTION]));
        assert!(said[2] & 0x84 == 0x80, "no reply, or one with authority: {said:?}");
        assert!(over == Transport::Tcp || said.len() <= 1232, "{} bytes over UDP", said.len());
        if said[2] & 0x02 != 0 {
            continue;
        }
        // Of an answer whose time is over another time is told, which the start of authority in it may cut short again.
        let again = pass_on(message, &said, 0, over).expect("what was told can be read");
        assert_eq!(pass_on(message, &again, 0, over).as_ref(), Some(&again));
        let at_once = pass_on(message, &heard, 0, over).expect("it was read before");
        assert_eq!(pass_on(message, &at_once, 0, over), Some(at_once));
    }
});

/// The question of a reply: what stands behind its header up to the end of the class.
fn question(said: &[u8]) -> &[u8] {
    let mut at = 12;
    while said[at] > 0 {
        at += 1 + usize::from(said[at]);
    }
    &said[12..at + 5]
}
