//! What is said to clients, for one lab.

use super::*;
use crate::client;
use crate::plan::tests::a_plan;

const LAB: &str = r#"
[lab]
name = "home"
domain = "lab.example.net"
[sites]
here = {}
[zones]
lan = { site = "here", vlan = 10, cidr = ["10.0.0.0/24", "fd00::/64"] }
far = { site = "here", vlan = 20, cidr = "192.0.2.0/25" }
[routers]
gateway = { site = "here", kind = "linux" }
[machines]
naxos = { address = ["10.0.0.2", "fd00::2"] }
[apps.deep]
on = "naxos"
serve = { host = "a.b", port = 80, login = "own" }
[dns]
on = "naxos"
upstreams = ["9.9.9.9"]
rewrites = { "*.wild.example" = "10.0.0.9", "*.x.lab.example.net" = "10.0.0.9", "alias.example" = "naxos.lab.example.net" }
"#;

fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(Name::parse(name).unwrap().wire());
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&INTERNET.to_be_bytes());
    message
}

const RULES: &str =
    "||ads.example^\n||lab.example.net^\n||wild.example^\n||in-addr.arpa^\n@@||good.ads.example^";

fn said(message: &[u8], client: &str) -> Decision {
    with(LAB, message, client, Transport::Udp)
}

/// What is decided in a lab with the rules of the tests.
fn with(lab: &str, message: &[u8], address: &str, over: Transport) -> Decision {
    let rules = RULES.lines().map(|rule| format!("\"{rule}\"")).collect::<Vec<_>>().join(", ");
    let plan = a_plan(&lab.replacen("[dns]\n", &format!("[dns]\nrules = [{rules}]\n"), 1));
    let filters = Filters::of_rules(&plan);
    let seen = client::Seen { address: address.parse().unwrap(), mac: None, id: None };
    let client = client::client(&plan, seen, client::WeekTime::default());
    decide(From { plan: &plan, filters: &filters, is_paused: false }, message, &client, over)
}

/// What is said, as "code, authoritative, answers, beside", and the last bytes of the message.
fn ask(name: &str, kind: u16, client: &str) -> (String, Vec<u8>) {
    let said = match said(&question(name, kind), client) {
        Decision::Say(said, _) => said,
        Decision::Ask(ask) => return (format!("asks {} for {}", ask.group, ask.name().text()), Vec::new()),
        Decision::Silent(_) => return ("silent".to_owned(), Vec::new()),
    };
    let authority = if said[2] & 0x04 != 0 { "ours" } else { "others" };
    let counts = (said[7], said[9]);
    (format!("{} {authority} {} {}", said[3] & 0x0F, counts.0, counts.1), said)
}

#[track_caller]
fn check(name: &str, kind: u16, client: &str, expected: &str, end: &[u8]) {
    let (said, message) = ask(name, kind, client);
    assert!(said.starts_with(expected), "{name}: {said}");
    assert!(message.ends_with(end), "{name}: {message:?}");
}

#[test]
fn own_names_are_answered_with_authority() {
    check("naxos.lab.example.net", kind::A, "10.0.0.9", "0 ours 1 0", &[10, 0, 0, 2]);
    check("NAXOS.lab.example.net", kind::AAAA, "10.0.0.9", "0 ours 1 0", &[0, 0, 0, 0, 0, 0, 0, 2]);
    check("naxos.lab.example.net", kind::ANY, "10.0.0.9", "0 ours 2 0", &[]);
    check("naxos.lab.example.net", 16, "10.0.0.9", "0 ours 0 1", &[0, 0, 0, 60]);
    check("nobody.lab.example.net", kind::A, "10.0.0.9", "3 ours 0 1", &[0, 0, 0, 60]);
    check("lab.example.net", kind::SOA, "10.0.0.9", "0 ours 1 0", &[0, 0, 0, 60]);
    check("b.lab.example.net", kind::A, "10.0.0.9", "0 ours 0 1", &[]);
    check("a.b.lab.example.net", kind::A, "10.0.0.9", "0 ours 1 0", &[10, 0, 0, 2]);
}

#[test]
fn answers_depend_on_the_zone_of_who_asks() {
    check("gateway.lab.example.net", kind::A, "10.0.0.9", "0 ours 1 0", &[10, 0, 0, 1]);
    check("gateway.lab.example.net", kind::A, "192.0.2.9", "0 ours 1 0", &[192, 0, 2, 1]);
    check("gateway.lab.example.net", kind::A, "127.0.0.1", "0 ours 1 0", &[10, 0, 0, 1]);
}

#[test]
fn rewrites_and_aliases() {
    check("any.wild.example", kind::A, "10.0.0.9", "0 ours 1 0", &[10, 0, 0, 9]);
    check("wild.example", kind::A, "10.0.0.9", "0 others 1 0", &[0; 4]);
    check("alias.example", kind::A, "10.0.0.9", "0 ours 2 0", &[10, 0, 0, 2]);
    check("alias.example", kind::CNAME, "10.0.0.9", "0 ours 1 0", &[0]);
}

#[test]
fn reverse_names_of_the_lab_and_of_private_networks_stay_here() {
    check(
        "2.0.0.10.in-addr.arpa",
        kind::PTR,
        "10.0.0.9",
        "0 ours 1 0",
        b"\x05naxos\x03lab\x07example\x03net\0",
    );
    check("3.0.0.10.in-addr.arpa", kind::PTR, "10.0.0.9", "3 ours 0 1", &[]);
    check("9.9.168.192.in-addr.arpa", kind::PTR, "10.0.0.9", "3 ours 0 1", &[]);
    check("10.in-addr.arpa", kind::SOA, "10.0.0.9", "0 ours 1 0", &[0, 0, 0, 60]);
    check("10.in-addr.arpa", kind::PTR, "10.0.0.9", "0 ours 0 1", &[]);
    check("0.0.10.in-addr.arpa", kind::PTR, "10.0.0.9", "0 ours 0 1", &[]);
    check("1.0.10.in-addr.arpa", kind::PTR, "10.0.0.9", "3 ours 0 1", &[]);
    for deep in ["x.2.0.0.10.in-addr.arpa", "1.2.0.0.10.in-addr.arpa", "lb._dns-sd._udp.0.0.10.in-addr.arpa"]
    {
        check(deep, kind::PTR, "10.0.0.9", "3 ours 0 1", &[]);
    }
    let six = wire::reverse_name("fd00::2".parse().unwrap());
    check(&six, kind::PTR, "10.0.0.9", "0 ours 1 0", &[]);
}

/// The name of the start of authority beside the answer, which has no other record.
fn zone(name: &str) -> String {
    let (_, message) = ask(name, kind::PTR, "10.0.0.9");
    let begin = wire::HEADER + Name::parse(name).unwrap().wire().len() + 4;
    let rest = message.get(begin..).unwrap_or_default();
    let mut at = 0;
    while rest[at] > 0 {
        at += 1 + usize::from(rest[at]);
    }
    let text: Vec<u8> = rest[..at].iter().map(|byte| if *byte < 32 { b'.' } else { *byte }).collect();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_reverse_name_lies_in_the_zone_that_nobody_else_knows() {
    for (name, expected) in [
        ("7.7.168.192.in-addr.arpa", ".168.192.in-addr.arpa"),
        ("7.7.20.172.in-addr.arpa", ".20.172.in-addr.arpa"),
        ("7.7.254.169.in-addr.arpa", ".254.169.in-addr.arpa"),
        ("7.0.0.10.in-addr.arpa", ".10.in-addr.arpa"),
        ("1.0.0.127.in-addr.arpa", ".127.in-addr.arpa"),
        ("x.7.2.0.192.in-addr.arpa", ".7.2.0.192.in-addr.arpa"),
        ("1.0.8.e.f.ip6.arpa", ".8.e.f.ip6.arpa"),
        ("1.0.d.f.ip6.arpa", ".d.f.ip6.arpa"),
    ] {
        assert_eq!(zone(name), expected, "{name}");
    }
}

#[test]
fn a_block_of_which_only_a_part_is_ours_is_asked_for() {
    let plan = a_plan(LAB);
    for (name, ours) in [
        ("192.in-addr.arpa", false),
        ("2.0.192.in-addr.arpa", false),
        ("9.2.0.192.in-addr.arpa", true),
        ("200.2.0.192.in-addr.arpa", false),
        ("172.in-addr.arpa", false),
        ("16.172.in-addr.arpa", true),
        ("0.ip6.arpa", false),
        ("9.9.9.9.in-addr.arpa", false),
    ] {
        let name = Name::parse(name).unwrap().reverse_of().unwrap();
        assert_eq!(plan.reverse_zone(&name).is_some(), ours, "{name:?}");
    }
}

#[test]
fn blocked_names_have_the_address_of_nothing() {
    check("ads.example", kind::A, "10.0.0.9", "0 others 1 0", &[0, 0, 0, 10, 0, 4, 0, 0, 0, 0]);
    check("x.ads.example", kind::AAAA, "10.0.0.9", "0 others 1 0", &[0; 16]);
    check("ads.example", kind::HTTPS, "10.0.0.9", "0 others 0 0", &[]);
    check("ads.example", kind::TXT, "10.0.0.9", "0 others 0 1", &[0, 0, 0, 10]);
    check("good.ads.example", kind::A, "10.0.0.9", "asks", &[]);
    let mut message = question("ads.example", kind::A);
    message[11] = 1;
    message.extend_from_slice(&[0, 0, 41, 4, 0xD0, 0, 0, 0x80, 0, 0, 0]);
    let Decision::Say(said, account) = said(&message, "10.0.0.9") else { panic!("nothing is said") };
    assert_eq!(account.outcome, Outcome::Blocked);
    // The OPT record says that signatures are understood, and why there is no other answer.
    assert!(said.ends_with(&[0, 0, 41, 4, 0xD0, 0, 0, 0x80, 0, 0, 6, 0, 15, 0, 2, 0, 15]), "{said:?}");
}

#[test]
fn what_the_lab_says_is_never_blocked() {
    check("naxos.lab.example.net", kind::A, "10.0.0.9", "0 ours 1 0", &[10, 0, 0, 2]);
    check("nobody.lab.example.net", kind::A, "10.0.0.9", "3 ours 0 1", &[]);
    check("any.wild.example", kind::A, "10.0.0.9", "0 ours 1 0", &[10, 0, 0, 9]);
    check("2.0.0.10.in-addr.arpa", kind::PTR, "10.0.0.9", "0 ours 1 0", &[]);
}

#[test]
fn a_client_of_ipv4_may_come_with_an_address_of_ipv6() {
    check("gateway.lab.example.net", kind::A, "::ffff:192.0.2.9", "0 ours 1 0", &[192, 0, 2, 1]);
    check("naxos.lab.example.net", kind::A, "::ffff:198.51.100.1", "5 others 0 0", &[]);
}

#[test]
fn above_a_wildcard_is_a_name_without_records() {
    check("y.x.lab.example.net", kind::A, "10.0.0.9", "0 ours 1 0", &[10, 0, 0, 9]);
    check("x.lab.example.net", kind::A, "10.0.0.9", "0 ours 0 1", &[]);
    check("z.y.x.lab.example.net", kind::A, "10.0.0.9", "0 ours 1 0", &[10, 0, 0, 9]);
}

#[test]
fn what_is_not_ours_is_forwarded_and_strangers_are_refused() {
    check("example.org", kind::A, "10.0.0.9", "asks", &[]);
    check("example.org", kind::A, "198.51.100.1", "5 others 0 0", &[]);
    check("naxos.lab.example.net", kind::A, "2001:db8::1", "5 others 0 0", &[]);
    check("example.org", kind::AXFR, "10.0.0.9", "5 others 0 0", &[]);
}

#[test]
fn a_newer_edns_is_told_so() {
    let mut message = question("naxos.lab.example.net", kind::A);
    message[11] = 1;
    message.extend_from_slice(&[0, 0, 41, 4, 0xD0, 0, 1, 0, 0, 0, 0]);
    let Decision::Say(said, account) = said(&message, "10.0.0.9") else { panic!("nothing is said") };
    assert_eq!(account.outcome, Outcome::Refused);
    // BADVERS is 16: its upper bits stand in the OPT record, its lower ones in the header.
    assert_eq!((said[3] & 0x0F, said[said.len() - 6]), (0, 1));
}

#[test]
fn records_of_the_lab_file() {
    let lab = LAB.replace(
        "rewrites = {",
        r#"records = { "_sip._udp.lab.example.net" = "SRV 0 5 5060 naxos.lab.example.net", "naxos.lab.example.net" = ["TXT hello", "MX 10 mail.example"], "*.t.example" = "TXT wild", "www.example" = "CNAME naxos.lab.example.net" }
rewrites = {"#,
    );
    let ask = |name: &str, kind: u16| match with(&lab, &question(name, kind), "10.0.0.9", Transport::Udp) {
        Decision::Say(said, _) => (said[3] & 0x0F, said[7], said[9]),
        other => panic!("{other:?}"),
    };
    assert_eq!(ask("_sip._udp.lab.example.net", kind::SRV), (0, 1, 0));
    assert_eq!(ask("_udp.lab.example.net", kind::SRV), (0, 0, 1), "above a name is a name without records");
    assert_eq!(ask("naxos.lab.example.net", kind::TXT), (0, 1, 0));
    assert_eq!(ask("naxos.lab.example.net", kind::A), (0, 1, 0), "its address stands beside its records");
    assert_eq!(ask("x.y.t.example", kind::TXT), (0, 1, 0));
    assert_eq!(ask("x.y.t.example", kind::A), (0, 0, 1));
    assert_eq!(ask("www.example", kind::A), (0, 2, 0));
}

#[test]
fn rewrites_lead_outside_keep_types_and_have_exceptions() {
    let lab = LAB.replace(
        "rewrites = {",
        r#"rewrites = { "search.example" = "safe.example.org", "six.example" = ["10.0.0.9", "AAAA"], "*.all.example" = "10.0.0.9", "not.all.example" = "not.all.example", "#,
    );
    let decide = |name: &str, kind: u16| match with(&lab, &question(name, kind), "10.0.0.9", Transport::Udp) {
        Decision::Say(said, account) => (account.outcome.word().to_owned(), said[7]),
        Decision::Ask(ask) => (ask.name().text(), 0),
        Decision::Silent(_) => ("silent".to_owned(), 0),
    };
    assert_eq!(decide("search.example", kind::A), ("safe.example.org".to_owned(), 0));
    assert_eq!(decide("six.example", kind::A), ("local".to_owned(), 1));
    assert_eq!(decide("six.example", kind::AAAA), ("six.example".to_owned(), 0));
    assert_eq!(
        decide("six.example", kind::TXT),
        ("local".to_owned(), 0),
        "a match without a record is no question for others"
    );
    assert_eq!(decide("a.b.all.example", kind::A), ("local".to_owned(), 1));
    assert_eq!(decide("not.all.example", kind::A), ("not.all.example".to_owned(), 0));
}

#[test]
fn names_of_nowhere_stay_here() {
    check("localhost", kind::A, "10.0.0.9", "0 ours 1 0", &[127, 0, 0, 1]);
    check("a.localhost", kind::AAAA, "10.0.0.9", "0 ours 1 0", &[1]);
    check("printer.local", kind::A, "10.0.0.9", "3 ours 0 1", &[]);
    check("x.onion", kind::A, "10.0.0.9", "3 ours 0 1", &[]);
    check("use-application-dns.net", kind::A, "10.0.0.9", "3 ours 0 1", &[]);
    check("mask.icloud.com", kind::A, "10.0.0.9", "3 ours 0 1", &[]);
    check("notlocalhost", kind::A, "10.0.0.9", "asks", &[]);
    let lab = LAB.replace(
        "upstreams = [\"9.9.9.9\"]",
        "upstreams = [\"9.9.9.9\", \"[/local/]10.0.0.7\", \"[/1.168.192.in-addr.arpa/]10.0.0.7\"]",
    );
    for name in ["printer.local", "7.1.168.192.in-addr.arpa"] {
        let decision = with(&lab, &question(name, kind::A), "10.0.0.9", Transport::Udp);
        let is_ours = matches!(&decision, Decision::Say(_, account) if account.outcome == Outcome::Local);
        assert!(!is_ours, "the lab names an upstream for it: {decision:?}");
    }
}

#[test]
fn everything_of_a_name_is_not_said() {
    check("example.org", kind::ANY, "10.0.0.9", "0 others 1 0", b"\x07RFC8482\0");
}

#[test]
fn blocked_names_answer_as_the_lab_file_wants() {
    for (mode, kind, expected) in [
        ("\"null\"", kind::TXT, (0, 0, 0)),
        ("\"nxdomain\"", kind::A, (3, 0, 1)),
        ("\"nodata\"", kind::A, (0, 0, 1)),
        ("\"refused\"", kind::A, (5, 0, 0)),
        ("{ mode = \"address\", addresses = \"10.0.0.5\" }", kind::A, (0, 1, 0)),
        ("{ mode = \"address\", addresses = \"10.0.0.5\" }", kind::AAAA, (0, 0, 0)),
        ("{ mode = \"address\", addresses = \"10.0.0.5\" }", kind::TXT, (0, 0, 1)),
    ] {
        let lab = LAB.replace("rewrites = {", &format!("blocking = {mode}\nrewrites = {{"));
        let Decision::Say(said, account) =
            with(&lab, &question("ads.example", kind), "10.0.0.9", Transport::Udp)
        else {
            panic!("nothing is said")
        };
        assert_eq!((said[3] & 0x0F, said[7], said[9]), expected, "{mode}");
        assert_eq!(account.outcome, Outcome::Blocked);
    }
}

#[test]
fn who_is_denied_hears_nothing_over_udp() {
    let lab = LAB.replace("rewrites = {", "clients = { deny = [\"10.0.0.66/32\"] }\nrewrites = {");
    let message = question("naxos.lab.example.net", kind::A);
    assert!(matches!(with(&lab, &message, "10.0.0.66", Transport::Udp), Decision::Silent(_)));
    let Decision::Say(said, _) = with(&lab, &message, "10.0.0.66", Transport::Tcp) else {
        panic!("nothing is said")
    };
    assert_eq!(said[3] & 0x0F, 5);
}

#[test]
fn searches_are_made_safe_where_the_lab_says_so() {
    let lab = LAB.replace("rewrites = {", "safe-search = [\"google\"]\nrewrites = {");
    let decide = |name: &str, kind: u16| match with(&lab, &question(name, kind), "10.0.0.9", Transport::Udp) {
        Decision::Say(said, account) => (account.outcome.word().to_owned(), said[7]),
        Decision::Ask(ask) => (ask.name().text(), 0),
        Decision::Silent(_) => ("silent".to_owned(), 0),
    };
    assert_eq!(decide("www.google.com", kind::A), ("forcesafesearch.google.com".to_owned(), 0));
    assert_eq!(decide("www.google.com", kind::HTTPS), ("safe-search".to_owned(), 0));
    assert_eq!(decide("www.bing.com", kind::A), ("www.bing.com".to_owned(), 0));
}
