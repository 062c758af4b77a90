//! What the rules of AdGuard's language do, a test for each thing that its documentation says.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where it fails"
)]

use std::net::IpAddr;

use dns::filter::{
    Client, Compiler, Kind, ListId, ListSet, Purpose, Question, Record, Refused, Rewrite, Rules, Tags,
    Verdict, check_rule, decide, decide_address, decide_record,
};

/// The number that lists of these tests begin with.
const LIST: ListId = ListId(0);

fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.') {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend(label.bytes());
    }
    wire.push(0);
    wire
}

fn compile(lists: &[(u8, Purpose, &str)]) -> Rules {
    let mut compiler = Compiler::new();
    for (list, purpose, text) in lists {
        let mut reader = compiler.list(ListId(*list), *purpose);
        reader.feed(text.as_bytes()).unwrap();
        let counts = reader.finish().unwrap();
        assert!(counts.others.is_empty(), "{counts}: {text}");
    }
    compiler.finish()
}

fn rules(text: &str) -> Rules {
    compile(&[(0, Purpose::Block, text)])
}

fn ask_as(rules: &Rules, name: &str, kind: u16, client: &Client) -> Verdict {
    decide(&[rules], &Question { name: &wire(name), kind, client, lists: &ListSet::all() })
}

fn ask(rules: &Rules, name: &str, kind: u16) -> Verdict {
    ask_as(rules, name, kind, &Client::default())
}

fn is_blocked(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Blocked(_) | Verdict::BlockedWith(..))
}

/// That a list blocks some names, and others not.
#[track_caller]
fn check(text: &str, blocked: &[&str], open: &[&str]) {
    let rules = rules(text);
    for name in blocked {
        assert!(is_blocked(&ask(&rules, name, 1)), "{name} is open");
    }
    for name in open {
        assert!(!is_blocked(&ask(&rules, name, 1)), "{name} is blocked");
    }
}

/// The rule that decides on a name.
#[track_caller]
fn by(rules: &Rules, name: &str) -> String {
    match ask(rules, name, 1) {
        Verdict::Unlisted => "-".to_owned(),
        Verdict::Allowed(matched)
        | Verdict::Blocked(matched)
        | Verdict::BlockedWith(_, matched)
        | Verdict::Rewritten(_, matched) => matched.text(&wire(name)),
    }
}

#[test]
fn names_and_lines_of_hosts_files_are_one_name() {
    check(
        "ads.example.org\n  Tracker.Example.ORG  \r\nodd_name.example.org # why\n0.0.0.0 a.example\n\
         127.0.0.1\tb.example  c.example # d.example\n:: e.example\n::1 f.example ## really",
        &[
            "ads.example.org",
            "tracker.example.org",
            "odd_name.example.org",
            "a.example",
            "b.example",
            "c.example",
            "e.example",
            "f.example",
        ],
        &["x.ads.example.org", "example.org", "org", "d.example", "x.a.example"],
    );
}

#[test]
fn wildcards_of_lists_are_what_is_under_a_name() {
    check(
        "*.example.org\n*.Ads.test",
        &["a.example.org", "a.b.example.org", "x.ads.test"],
        &["example.org", "ads.test"],
    );
}

#[test]
fn marks_say_where_a_pattern_is() {
    check(
        "||example.org^",
        &["example.org", "a.b.example.org"],
        &["notexample.org", "org", "example.org.com"],
    );
    check("|alone.example^\n|too.example|", &["alone.example", "too.example"], &["x.alone.example"]);
    check("||d.example", &["d.example", "x.d.example", "d.examplexyz"], &["bad.example"]);
    check("-ads.", &["x-ads.example", "a.b-ads.c"], &["ads.example"]);
    check("ample.org|", &["example.org"], &["example.org.com"]);
    check("|exam", &["example.org"], &["test.example"]);
    check("||ads*.example.org^", &["ads7.example.org", "x.ads.example.org"], &["bads.example.org"]);
    check("||*.example.org^", &["a.example.org"], &["example.org"]);
    check("://ads.test\n/track.", &["ads.test", "track.example"], &["x.ads.test", "x.track.example"]);
    check("||d.example/*", &["d.example", "x.d.example"], &["d.examples"]);
    check("ADS.ex^*", &["x.ads.ex"], &["ads.example"]);
}

#[test]
fn regular_expressions_are_held_against_the_name() {
    check(r"/^ads?[0-9]*\.(com|net)$/", &["ad.com", "ADS12.net"], &["x.ad.com", "ads.org"]);
    check("/example.*/", &["example.org", "x.example"], &["exam.ple"]);
    check("/^[a-z]{4}$/\n/^[0-9]+\\.x$/", &["abcd", "12.x"], &["abc", "a.x"]);
    check("/ads$/\n@@/^good/", &["x.ads"], &["goods.ads", "x.ads.y"]);
    check("/./\n@@/fine/$important", &["any.thing"], &["x.fine"]);
}

#[test]
fn exceptions_and_important_have_their_order() {
    for (text, expected) in [
        ("||d.test^\n@@||d.test^", "@@||d.test^"),
        ("@@||d.test^\n||d.test^$important", "||d.test^$important"),
        ("@@||d.test^$important\n||d.test^$important\n||d.test^", "@@||d.test^$important"),
        ("||x.d.test^\n@@||d.test^", "@@||d.test^"),
        ("@@||x.d.test^\n||test^$important", "||test^$important"),
        ("/x.*/$important\n@@|x.d.test^", "/x.*/$important"),
        ("@@-d.\n@@||x.d.\n||d.test^", "@@||x.d."),
    ] {
        assert_eq!(by(&rules(text), "x.d.test").replace("||x.d.test^", "||d.test^"), expected, "{text}");
    }
}

#[test]
fn of_rules_that_are_equal_the_one_with_more_modifiers_goes_first() {
    let more =
        rules("||d.test^\n||d.test^$dnstype=A\n||d.test^$dnstype=A,denyallow=x.test\n||d.test^$dnstype=A");
    assert_eq!(by(&more, "d.test"), "||d.test^$dnstype=A,denyallow=x.test");
    let first = rules("||d.test^$dnstype=A\n||test^$dnstype=A|TXT");
    assert_eq!(by(&first, "d.test"), "||d.test^$dnstype=A");
    // A rule goes before lines of hosts files.
    assert_eq!(by(&rules("d.test\n0.0.0.0 d.test\n||test^"), "d.test"), "||test^");
    assert!(matches!(ask(&rules("10.0.0.1 d.test\n||test^"), "d.test", 1), Verdict::Blocked(_)));
    assert!(matches!(ask(&rules("10.0.0.1 d.test\n@@||test^"), "d.test", 1), Verdict::Allowed(_)));
}

#[test]
fn lines_of_hosts_files_may_give_addresses() {
    let rules = rules("10.0.0.1 nas d.test\n10.0.0.2 d.test\nfe80::1%eth0 d.test\n0.0.0.0 d.test");
    let addresses = |name: &str, kind| match ask(&rules, name, kind) {
        Verdict::BlockedWith(addresses, _) => addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        Verdict::Blocked(_) => vec!["blocked".to_owned()],
        other => panic!("{other:?}"),
    };
    assert_eq!(addresses("d.test", 1), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(addresses("d.test", 28), ["fe80::1"]);
    assert_eq!(addresses("d.test", 16), ["blocked"]);
    assert_eq!(addresses("nas", 1), ["10.0.0.1"]);
    assert_eq!(addresses("nas", 28), ["blocked"]);
    assert_eq!(ask(&rules, "x.d.test", 1), Verdict::Unlisted);
    assert_eq!(by(&rules, "d.test"), "10.0.0.1 d.test");
}

#[test]
fn rules_may_be_for_some_clients_types_and_names_only() {
    let text = "||a.test^$client=10.0.0.0/8|'Frank\\'s laptop'\n||b.test^$ctag=user_child\n||c.test^$dnstype=AAAA\n\
                *$denyallow=test|org,dnstype=TXT\n@@||a.test^$client=10.0.0.7";
    let rules = rules(text);
    let from = |address: &str| Client { address: address.parse().ok(), ..Client::default() };
    let blocked = |name, kind, client: &Client| is_blocked(&ask_as(&rules, name, kind, client));
    assert!(blocked("x.a.test", 1, &from("10.1.1.1")) && !blocked("a.test", 1, &from("11.1.1.1")));
    assert!(!blocked("a.test", 1, &from("10.0.0.7")));
    let frank = Client { names: &["Frank's laptop"], ..Client::default() };
    assert!(blocked("a.test", 1, &frank) && !blocked("b.test", 1, &frank));
    let child = Client { tags: Tags::of(&["user_child", "device_tv"]).unwrap(), ..Client::default() };
    assert!(blocked("b.test", 1, &child));
    assert!(blocked("c.test", 28, &frank) && !blocked("c.test", 1, &frank));
    assert!(blocked("x.com", 16, &frank) && !blocked("x.com", 1, &frank));
    assert!(!blocked("x.org", 16, &frank) && !blocked("test", 16, &frank));
}

#[test]
fn badfilter_takes_rules_away_that_are_alike() {
    for (text, expected) in [
        ("||d.test^\n||d.test^$badfilter", "-"),
        ("||d.test^$badfilter\n||d.test^", "-"),
        ("@@||d.test^\n@@||d.test^$badfilter\n||d.test^", "||d.test^"),
        ("||d.test^$important\n||d.test^$badfilter", "||d.test^$important"),
        ("||d.test^$important\n||d.test^$important,badfilter", "-"),
        ("||d.test^$dnstype=A\n||d.test^$badfilter,dnstype=A", "-"),
        ("||d.test^$dnstype=A\n||d.test^$badfilter", "||d.test^$dnstype=A"),
        ("||d.te\n||d.te$badfilter", "-"),
        ("/d.test/\n/d.test/$badfilter", "-"),
        ("/d.test/\n/d.tes/$badfilter", "/d.test/"),
        ("||test^\n||d.test^$badfilter", "||test^"),
        ("||d.test^$dnsrewrite=1.2.3.4\n||d.test^$dnsrewrite=1.2.3.4,badfilter", "-"),
        // Lines of hosts files stay.
        ("d.test\n0.0.0.0 d.test\n||d.test^$badfilter", "d.test"),
        ("1.2.3.4 d.test\n|d.test^$badfilter", "1.2.3.4 d.test"),
        // By itself it blocks nothing.
        ("||d.test^$badfilter", "-"),
    ] {
        assert_eq!(by(&rules(text), "d.test"), expected, "{text}");
    }
}

#[test]
fn rules_may_answer_themselves() {
    let record = |kind: u16, data: &[u8]| Rewrite::Records(vec![Record { kind, data: data.into() }]);
    for (text, kind, expected) in [
        ("||d.test^$dnsrewrite=1.2.3.4", 1, record(1, &[1, 2, 3, 4])),
        ("||d.test^$dnsrewrite=1.2.3.4", 28, Rewrite::Code(0)),
        ("||d.test^$dnsrewrite=NOERROR;MX;10 m.test", 15, record(15, b"\0\x0a\x01m\x04test\0")),
        ("||d.test^$dnsrewrite=other.test", 16, Rewrite::Alias(b"\x05other\x04test\0"[..].into())),
        ("||d.test^$dnsrewrite=NXDOMAIN", 1, Rewrite::Code(3)),
        ("||d.test^$dnsrewrite=NOERROR;;", 1, Rewrite::Code(0)),
        ("||d.test^$dnsrewrite=REFUSED;;\n||d.test^$dnsrewrite=1.2.3.4", 1, Rewrite::Code(5)),
        (
            "||d.test^$dnsrewrite=REFUSED\n||d.test^$dnsrewrite=a.test",
            1,
            Rewrite::Alias(b"\x01a\x04test\0"[..].into()),
        ),
        ("||d.test^$dnsrewrite=NOERROR;TXT;one\\, two three", 16, record(16, b"\x0eone, two three")),
        // They go before rules that block, and before exceptions that are not of their kind.
        ("||d.test^$important\n@@||d.test^\n||d.test^$dnsrewrite=1.2.3.4", 1, record(1, &[1, 2, 3, 4])),
        ("||d.test^$dnsrewrite=1.2.3.4,dnstype=A", 1, record(1, &[1, 2, 3, 4])),
    ] {
        let Verdict::Rewritten(rewrite, _) = ask(&rules(text), "d.test", kind) else {
            panic!("{text}: {:?}", ask(&rules(text), "d.test", kind))
        };
        assert_eq!(rewrite, expected, "{text}");
    }
    let two =
        rules("||d.test^$dnsrewrite=NOERROR;A;1.2.3.4\n||test^$dnsrewrite=1.2.3.5\n||d.test^$dnsrewrite=::1");
    let Verdict::Rewritten(Rewrite::Records(records), _) = ask(&two, "d.test", 1) else { panic!() };
    assert_eq!(records.len(), 2);
    assert_eq!(ask(&rules("||d.test^$dnsrewrite=1.2.3.4,dnstype=A"), "d.test", 28), Verdict::Unlisted);
    // To itself is to be left alone.
    assert!(matches!(ask(&rules("||d.test^$dnsrewrite=d.test"), "d.test", 1), Verdict::Allowed(_)));
}

#[test]
fn exceptions_take_answers_away() {
    for (text, expected) in [
        ("||d.test^$dnsrewrite=1.2.3.4\n@@||d.test^$dnsrewrite", "-"),
        ("||d.test^$dnsrewrite=1.2.3.4\n@@||d.test^$dnsrewrite\n||d.test^", "||d.test^"),
        ("||d.test^$dnsrewrite=1.2.3.4\n@@||d.test^$dnsrewrite=1.2.3.4", "-"),
        ("||d.test^$dnsrewrite=1.2.3.4\n@@||d.test^$dnsrewrite=1.2.3.5", "||d.test^$dnsrewrite=1.2.3.4"),
        ("||d.test^$dnsrewrite=1.2.3.4\n@@||d.test^$dnsrewrite=NOERROR;A;1.2.3.4", "-"),
        (
            "||d.test^$important,dnsrewrite=1.2.3.4\n@@||d.test^$dnsrewrite",
            "||d.test^$important,dnsrewrite=1.2.3.4",
        ),
        ("||d.test^$important,dnsrewrite=1.2.3.4\n@@||d.test^$dnsrewrite,important", "-"),
        ("||d.test^$dnsrewrite=1.2.3.4\n@@||d.test^$dnsrewrite,important", "-"),
    ] {
        assert_eq!(by(&rules(text), "d.test"), expected, "{text}");
    }
}

#[test]
fn lists_of_what_is_never_blocked_go_before_everything() {
    let rules = compile(&[
        (1, Purpose::Block, "||d.test^$important\n||e.test^$dnsrewrite=1.2.3.4\n||f.test^"),
        (2, Purpose::Allow, "||d.test^\ne.test\n/^f/\n||g.test^$badfilter"),
        (3, Purpose::Block, "||d.test^$badfilter"),
    ]);
    for name in ["d.test", "x.d.test", "e.test", "f.test"] {
        let Verdict::Allowed(matched) = ask(&rules, name, 1) else { panic!("{name}") };
        assert_eq!(matched.list, ListId(2));
    }
    assert!(matches!(ask(&rules, "x.e.test", 1), Verdict::Rewritten(..)));
}

#[test]
fn every_list_is_told_apart() {
    let rules = compile(&[
        (0, Purpose::Block, "||d.test^\nonly.test\n/^rx/"),
        (7, Purpose::Block, "||d.test^\nd.test\n||e.test^$dnstype=A"),
        (255, Purpose::Block, "@@||d.test^"),
    ]);
    let ask = |name: &str, lists: &[u8]| {
        let lists: ListSet = lists.iter().map(|list| ListId(*list)).collect();
        let question = Question { name: &wire(name), kind: 1, client: &Client::default(), lists: &lists };
        match decide(&[&rules], &question) {
            Verdict::Blocked(matched) => Some((matched.list.0, true)),
            Verdict::Allowed(matched) => Some((matched.list.0, false)),
            Verdict::Unlisted => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ask("d.test", &[0]), Some((0, true)));
    assert_eq!(ask("d.test", &[7]), Some((7, true)));
    assert_eq!(ask("d.test", &[7, 0]), Some((0, true)));
    assert_eq!(ask("d.test", &[7, 0, 255]), Some((255, false)));
    assert_eq!(ask("d.test", &[3, 9]), None);
    assert_eq!(ask("only.test", &[7]), None);
    assert_eq!((ask("e.test", &[0]), ask("e.test", &[7])), (None, Some((7, true))));
    assert_eq!((ask("rx.test", &[0]), ask("rx.test", &[7])), (Some((0, true)), None));
    let mut all = ListSet::all();
    all.remove(ListId(200));
    assert!(!all.contains(ListId(200)) && all.contains(ListId(199)));
}

#[test]
fn sets_are_decided_over_together() {
    let lists =
        compile(&[(1, Purpose::Block, "||d.test^\n||e.test^$important\n@@||f.test^\n/^g/\n||h.test^")]);
    let own = compile(&[(
        0,
        Purpose::Block,
        "@@||d.test^\n@@||e.test^\n||f.test^\n@@/^g/\n||h.test^$badfilter\n||i.test^$dnsrewrite=1.2.3.4",
    )]);
    let empty = compile(&[]);
    let ask = |name: &str| {
        let question =
            Question { name: &wire(name), kind: 1, client: &Client::default(), lists: &ListSet::all() };
        let verdict = decide(&[&own, &empty, &lists], &question);
        assert_eq!(
            std::mem::discriminant(&verdict),
            std::mem::discriminant(&decide(&[&lists, &own], &question))
        );
        verdict
    };
    assert!(matches!(ask("d.test"), Verdict::Allowed(matched) if matched.list == LIST));
    assert!(matches!(ask("e.test"), Verdict::Blocked(matched) if matched.list == ListId(1)));
    assert!(matches!(ask("f.test"), Verdict::Allowed(matched) if matched.list == ListId(1)));
    assert!(matches!(ask("g.test"), Verdict::Allowed(matched) if matched.list == LIST));
    assert_eq!(ask("h.test"), Verdict::Unlisted);
    assert!(matches!(ask("i.test"), Verdict::Rewritten(..)));
}

#[test]
fn records_of_answers_are_decided_over_by_their_own_type() {
    let rules = rules(
        "||canon.test^$dnstype=~CNAME\n||track.test^\n||1.2.3.4^\n||35.188.\n||2001:db8:1:\n*$denyallow=org,dnstype=AAAA\n\
         ||alias.test^$dnsrewrite=1.1.1.1\n5.6.7.8\n/^9\\.9\\./",
    );
    assert!(rules.has_address_rules());
    let ask = |name: &str, kind| {
        let question =
            Question { name: &wire(name), kind, client: &Client::default(), lists: &ListSet::all() };
        decide_record(&[&rules], &question)
    };
    assert_eq!(ask("canon.test", 5), Verdict::Unlisted);
    assert!(is_blocked(&ask("x.track.test", 5)) && is_blocked(&ask("canon.test", 1)));
    assert_eq!(ask("alias.test", 5), Verdict::Unlisted);
    let address = |address: &str| {
        let address: IpAddr = address.parse().unwrap();
        let kind = if address.is_ipv4() { 1 } else { 28 };
        let question = Question { name: b"\0", kind, client: &Client::default(), lists: &ListSet::all() };
        match decide_address(&[&rules], address, &question) {
            Verdict::Blocked(matched) => matched.text(b""),
            other => format!("{other:?}"),
        }
    };
    assert_eq!(address("1.2.3.4"), "||1.2.3.4^");
    assert_eq!(address("35.188.7.7"), "||35.188.");
    assert_eq!(address("2001:db8:1:2::3"), "||2001:db8:1:");
    assert_eq!(address("5.6.7.8"), "|5.6.7.8^");
    assert_eq!(address("9.9.1.1"), "/^9\\.9\\./");
    for open in ["1.2.3.5", "135.188.7.7", "2001:db8:2::1", "15.6.7.8", "5.6.7.80"] {
        assert_eq!(address(open), "Unlisted");
    }
}

#[test]
fn it_is_known_whether_addresses_matter() {
    for (text, expected) in [
        ("||a.test^\nb.test\n||c*.test^\n/^ads/\n10.0.0.1 x.test", false),
        ("||1.2.3.4^", true),
        ("||1.2.", true),
        ("/^[0-9.]+$/", true),
        ("1.2.3.4", true),
        ("||*^$dnstype=AAAA", true),
    ] {
        assert_eq!(rules(text).has_address_rules(), expected, "{text}");
    }
}

#[test]
fn the_text_of_a_rule_is_made_again() {
    for (rule, name) in [
        ("d.test", "d.test"),
        ("0.0.0.0 d.test", "d.test"),
        ("||test^", "a.d.test"),
        ("@@||d.test^", "x.d.test"),
        ("|d.test^$important", "d.test"),
        ("@@|d.test^", "d.test"),
        ("*.d.test", "x.d.test"),
        ("||D.test^$dnstype=A", "x.d.test"),
        ("||d.t*", "d.test"),
        ("10.0.0.1 d.test", "d.test"),
        ("/^d/", "d.test"),
    ] {
        assert_eq!(by(&rules(rule), name), rule);
    }
}

#[test]
fn rules_that_are_fine_are_said_to_be() {
    for fine in [
        "||d.test^",
        "d.test",
        "0.0.0.0 d.test",
        "! comment",
        "",
        "||ü.test^",
        "||x.y^$client='Frank M'",
        "*$ctag=os_ios",
    ] {
        assert_eq!(check_rule(fine), Ok(()), "{fine}");
    }
}

#[test]
fn what_is_wrong_with_a_rule_is_said() {
    for (rule, why) in [
        ("||d.test^$foo", "the modifier `$foo` is not known"),
        (
            "||d.test^$third-party",
            "the modifier `$third-party` is for browsers: a name server sees names, not pages",
        ),
        (
            "||d.test^$~third-party",
            "the modifier `$~third-party` is for browsers: a name server sees names, not pages",
        ),
        (
            "||d.test^$respgeo=de",
            "the modifier `$respgeo` is of AdGuard's own public service, and not known here",
        ),
        (
            "||d.test^$dnstype=FOO",
            "the modifier `$dnstype` can not be followed: there is no record type `FOO`",
        ),
        ("||d.test^$ctag=car", "the modifier `$ctag` can not be followed: there is no tag `car`"),
        ("||d.test^$client", "the modifier `$client` can not be followed: it has no value"),
        ("||d.test^$important=1", "the modifier `$important` can not be followed: it takes no value"),
        ("||d.test^$important,important", "the modifier `$important` is there twice"),
        (
            "||d.test^$dnsrewrite=1.2.3.4;A",
            "the modifier `$dnsrewrite` can not be followed: it is an address, a name, a code, or `CODE;TYPE;VALUE`",
        ),
        (
            "||d.test^$dnsrewrite",
            "the modifier `$dnsrewrite` can not be followed: it does not say what to answer",
        ),
        ("||d.test^$", "there is nothing behind the `$`"),
        (
            "*",
            "the pattern `*` is too wide: it needs three letters at least, or a modifier that says for whom",
        ),
        (
            "||",
            "the pattern `||` is too wide: it needs three letters at least, or a modifier that says for whom",
        ),
        (
            "ab$important",
            "the pattern `ab` is too wide: it needs three letters at least, or a modifier that says for whom",
        ),
        (
            "||d.test/path",
            "the pattern has something that no name has, such as `/` or `?`: it would never hold",
        ),
        ("/(/", "the regular expression can not be followed: unclosed group"),
        (
            "/(?=x)/",
            "the regular expression can not be followed: look-around, including look-ahead and look-behind, is not supported",
        ),
        ("not a rule", "it has several words, and does not begin with an address"),
        ("127.0.0.1 localhost", "it is a name of the machine itself"),
        ("127.0.0.1 a..b", "behind the address is something that is no name"),
        ("d.test##.ad", "it is about the looks of pages, which a name server knows nothing of"),
        (&"a".repeat(1025), "it is longer than 1 KiB"),
    ] {
        assert_eq!(check_rule(rule), Err(why.to_owned()), "{rule}");
    }
}

#[test]
fn narrow_modifiers_let_wide_patterns_be() {
    for rule in [
        "*$client=10.0.0.1",
        "*$ctag=os_ios",
        "$dnstype=AAAA",
        "*$denyallow=com|net",
        "$dnstype=A,denyallow=x.org,dnsrewrite=NOERROR;;",
    ] {
        assert_eq!(check_rule(rule), Ok(()), "{rule}");
    }
    for rule in ["*$important", "$important", "*$dnsrewrite=1.2.3.4", "|", "a"] {
        assert!(check_rule(rule).is_err(), "{rule}");
    }
    let rules = rules("$dnstype=AAAA,denyallow=example.org,dnsrewrite=NOERROR;;");
    assert!(matches!(ask(&rules, "any.test", 28), Verdict::Rewritten(Rewrite::Code(0), _)));
    assert_eq!(ask(&rules, "x.example.org", 28), Verdict::Unlisted);
}

#[test]
fn comments_and_rules_of_looks_are_no_rules() {
    let mut compiler = Compiler::new();
    let mut list = compiler.list(LIST, Purpose::Block);
    let text = "! a\n# b.example\n\n   \n[Adblock Plus 2.0]\nexample.org##.ad\nexample.org#@#.ad\n##.ad\nx.example#?#a\n\
                example.org$$script\nexample.org#%#x\nexample.org#$#a\nexample.org$@$s\n\u{feff}! c\n#";
    list.feed(text.as_bytes()).unwrap();
    let counts = list.finish().unwrap();
    assert_eq!((counts.rules, counts.cosmetic, counts.others.len()), (0, 8, 0));
    assert!(compiler.finish().is_empty());
}

#[test]
fn names_in_other_letters_are_followed() {
    check(
        "||bücher.example^\nДОМ.рф\n@@||x.bücher.example^",
        &["xn--bcher-kva.example", "xn--d1aqf.xn--p1ai"],
        &["x.xn--bcher-kva.example"],
    );
    let client = Client { names: &["Büro"], ..Client::default() };
    assert!(is_blocked(&ask_as(&rules("||d.test^$client=Büro"), "d.test", 1, &client)));
}

#[test]
fn lines_that_are_not_followed_are_counted_by_kind() {
    let long = "a".repeat(1025);
    let text = format!(
        "||a.example^$third-party\n||b.example^$foo\n/(/\n||d.example/x\n*\n127.0.0.1 localhost\n\
         ::1 ip6-loopback localhost.localdomain\n255.255.255.255 broadcasthost\nff02::1 ip6-allnodes\n{long}\nnot a host\n\
         /ü/\n0.0.0.0 bad..name\n#{long}\n"
    );
    for part in [1, 7, 64, text.len()] {
        let mut compiler = Compiler::new();
        let mut list = compiler.list(LIST, Purpose::Block);
        for part in text.as_bytes().chunks(part) {
            list.feed(part).unwrap();
        }
        let counts = list.finish().unwrap();
        let expected = [
            (Kind::Browser, 1),
            (Kind::Modifier, 1),
            (Kind::Page, 1),
            (Kind::Wide, 1),
            (Kind::Regex, 1),
            (Kind::OwnName, 5),
            (Kind::Foreign, 1),
            (Kind::TooLong, 1),
            (Kind::Other, 2),
        ];
        assert_eq!(counts.others.into_iter().collect::<Vec<_>>(), expected);
        assert!(compiler.finish().is_empty());
    }
    let mut compiler = Compiler::new();
    let mut list = compiler.list(LIST, Purpose::Block);
    list.feed(b"a.example\n||b.example^$x\n*").unwrap();
    let counts = list.finish().unwrap();
    assert_eq!(
        counts.to_string(),
        "1 rules; not followed: 1 with modifiers that are not known, 1 about nearly everything"
    );
}

#[test]
fn what_is_no_list_is_refused_as_a_whole() {
    for (text, why) in [
        (&b"\n\n  <!DOCTYPE html>\n"[..], Refused::WebPage),
        (b"<html>", Refused::WebPage),
        (b"||a.example^$dnstype=A\nb.example\0\n", Refused::Binary),
        (b"\x1f\x8b\x08\x04", Refused::Binary),
    ] {
        let mut compiler = Compiler::new();
        let mut first = compiler.list(LIST, Purpose::Block);
        first.feed(b"kept.example\n").unwrap();
        first.finish().unwrap();
        let mut list = compiler.list(ListId(1), Purpose::Block);
        let said = match list.feed(text) {
            Ok(()) => list.finish().map(|_| ()),
            Err(why) => Err(why),
        };
        assert_eq!(said, Err(why));
        let mut left = compiler.list(ListId(2), Purpose::Block);
        left.feed(b"left.example\n/left/\n").unwrap();
        left.give_up();
        let rules = compiler.finish();
        assert_eq!((rules.len(), by(&rules, "kept.example")), (1, "kept.example".to_owned()));
    }
    let mut compiler = Compiler::new();
    let mut list = compiler.list(LIST, Purpose::Block);
    let part = vec![b'\n'; 1 << 20];
    let said: Vec<_> = (0..65).map(|_| list.feed(&part)).collect();
    assert!(said[63].is_ok() && said[64] == Err(Refused::TooLarge));
}

#[test]
fn expressions_have_a_limit_together() {
    let mut compiler = Compiler::new();
    let mut list = compiler.list(LIST, Purpose::Block);
    for at in 0..300 {
        list.feed(format!("/^x{at}[a-z]{{3000}}y$/\n").as_bytes()).unwrap();
    }
    let counts = list.finish().unwrap();
    assert!(counts.rules > 50 && counts.others[&Kind::Regex] > 50, "{counts}");
    assert!(compiler.finish().bytes() < 20 << 20);
}

/// A matcher that looks at every rule, one after the other, and takes its time.
mod naive {
    use dns::filter::Verdict;

    fn glob(pattern: &str, text: &str, is_end: bool) -> bool {
        let Some(first) = pattern.chars().next() else { return !is_end || text.is_empty() };
        let rest = pattern.get(1..).unwrap_or_default();
        match first {
            '*' => (0..=text.len()).any(|at| glob(rest, text.get(at..).unwrap_or_default(), is_end)),
            '^' => text.is_empty() && glob(rest, text, is_end),
            letter => text.strip_prefix(letter).is_some_and(|text| glob(rest, text, is_end)),
        }
    }

    fn is_like(pattern: &str, name: &str) -> bool {
        let (rest, starts): (&str, Vec<usize>) = if let Some(rest) = pattern.strip_prefix("||") {
            let points = name.match_indices('.').map(|(at, _)| at + 1);
            (rest, std::iter::once(0).chain(points).collect())
        } else if let Some(rest) = pattern.strip_prefix('|') {
            (rest, vec![0])
        } else {
            (pattern, (0..=name.len()).collect())
        };
        let (rest, is_end) = rest.strip_suffix('|').map_or((rest, false), |rest| (rest, true));
        starts.into_iter().any(|start| glob(rest, name.get(start..).unwrap_or_default(), is_end))
    }

    /// 4, 3, 2, 1 for `@@` with `$important`, `$important`, `@@` and others that are about a name; else 0.
    fn class(rule: &str, name: &str, kind: u16) -> u8 {
        if let Some(host) = rule.strip_prefix("0.0.0.0 ") {
            return u8::from(host == name);
        }
        let (pattern, modifiers) = rule.split_once('$').unwrap_or((rule, ""));
        let (pattern, is_exception) =
            pattern.strip_prefix("@@").map_or((pattern, false), |rest| (rest, true));
        let is_plain = !is_exception && modifiers.is_empty() && !pattern.contains(['|', '^', '*']);
        let is_about = match pattern.strip_prefix("*.") {
            _ if is_plain
                && pattern.contains('.')
                && !pattern.starts_with('-')
                && !pattern.ends_with('.') =>
            {
                pattern == name
            }
            Some(above) if !above.contains(['|', '^', '*']) && above.contains('.') => {
                name.ends_with(&format!(".{above}"))
            }
            _ => is_like(pattern, name),
        };
        let holds = is_about && (!modifiers.contains("dnstype=A") || kind == 1);
        let is_important = modifiers.contains("important");
        u8::from(holds) * (1 + u8::from(is_exception) + 2 * u8::from(is_important))
    }

    pub(super) fn is_as(rules: &[String], name: &str, kind: u16, verdict: &Verdict) -> bool {
        let class = rules.iter().map(|rule| class(rule, name, kind)).max().unwrap_or(0);
        match verdict {
            Verdict::Unlisted => class == 0,
            Verdict::Allowed(_) => class == 2 || class == 4,
            Verdict::Blocked(_) => class == 1 || class == 3,
            _ => false,
        }
    }
}

mod property {
    use proptest::prelude::*;

    use super::*;

    /// Names of few labels of few letters, so that they meet.
    fn name() -> impl Strategy<Value = String> {
        proptest::collection::vec("[a-c]{1,2}", 2..5).prop_map(|labels| labels.join("."))
    }

    fn rule() -> impl Strategy<Value = String> {
        let pattern = prop_oneof![
            4 => name().prop_map(|name| format!("||{name}^")),
            2 => name().prop_map(|name| format!("|{name}^")),
            1 => name().prop_map(|name| format!("|{name}|")),
            2 => name().prop_map(|name| format!("||{name}")),
            1 => name().prop_map(|name| format!("*.{name}")),
            1 => name().prop_map(|name| format!("||*.{name}^")),
            1 => "[a-c]{2}\\*\\.[a-c]\\^",
            1 => "\\|\\|[a-c]\\*[a-c]\\.[a-c]\\^",
            1 => "-[a-c]{2}",
            1 => "[a-c]{2}\\.",
            1 => "\\.[a-c]{1,2}\\.[a-c]\\|",
            1 => "\\|[a-c]{2}\\*[a-c]",
            1 => "\\|\\|[a-c]\\.\\*\\^\\*",
        ];
        let behind = prop_oneof![
            5 => Just(""),
            1 => Just("$important"),
            1 => Just("$dnstype=A"),
            1 => Just("$dnstype=A,important"),
        ];
        let network = (prop_oneof![3 => Just(""), 1 => Just("@@")], pattern, behind)
            .prop_map(|(mark, pattern, behind)| format!("{mark}{pattern}{behind}"));
        prop_oneof![
            1 => name(),
            1 => name().prop_map(|name| format!("0.0.0.0 {name}")),
            4 => network,
        ]
    }

    proptest! {
        #[test]
        fn the_engine_says_what_every_rule_alone_says(
            rules in proptest::collection::vec(rule(), 0..12),
            asked in proptest::collection::vec(name(), 20),
            split in 0_usize..12,
            part in 1_usize..50,
        ) {
            let (one, two) = rules.split_at(split.min(rules.len()));
            let sets: Vec<Rules> = [one, two].iter().map(|rules| {
                let mut compiler = Compiler::new();
                let mut list = compiler.list(LIST, Purpose::Block);
                for part in rules.join("\n").as_bytes().chunks(part) { list.feed(part).unwrap(); }
                let counts = list.finish().unwrap();
                assert_eq!(counts.rules, rules.len(), "{counts}");
                compiler.finish()
            }).collect();
            for name in &asked {
                for kind in [1, 28] {
                    let question = Question {
                        name: &wire(name), kind, client: &Client::default(), lists: &ListSet::all(),
                    };
                    let verdict = decide(&[&sets[0], &sets[1]], &question);
                    prop_assert!(naive::is_as(&rules, name, kind, &verdict), "{} {} {:?}", name, kind, verdict);
                }
            }
        }

        #[test]
        fn any_line_is_read(line in "\\PC{0,60}", rest in "[@|*^$/.,=~a-c;\\\\'0-9 -]{0,40}") {
            for line in [&line, &rest] {
                let _ = check_rule(line);
                let mut compiler = Compiler::new();
                let mut list = compiler.list(LIST, Purpose::Block);
                if list.feed(line.as_bytes()).is_ok() && list.finish().is_ok() {
                    let _ = ask(&compiler.finish(), "a.b.c", 1);
                }
            }
        }
    }
}
