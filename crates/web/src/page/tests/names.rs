//! What name servers say of themselves, for the pages of names.

use super::*;

/// A question that was blocked, with what must be escaped in all its texts.
pub(super) fn looked() -> ::dns::Looked {
    ::dns::Looked {
        at: NOW - 1_000,
        client: "127.10.20.9".parse().unwrap(),
        who: String::new(),
        name: "ads.<b>.example".to_owned(),
        kind: "A".to_owned(),
        outcome: ::dns::Outcome::Blocked,
        code: "NOERROR".to_owned(),
        reason: "||<b>.example^".to_owned(),
        list: "<b>.example".to_owned(),
        policy: "<b>.example".to_owned(),
        upstream: String::new(),
        security: String::new(),
        over: "udp".to_owned(),
        micros: 40,
    }
}

/// Questions with each outcome.
pub(super) fn looked_at() -> Vec<::dns::Looked> {
    let other = |outcome: &::dns::Outcome| ::dns::Looked {
        name: format!("{}.example.", outcome.word()),
        outcome: *outcome,
        upstream: "tls://9.9.9.9".to_owned(),
        security: "secure".to_owned(),
        over: "https".to_owned(),
        micros: 12_345,
        ..looked()
    };
    std::iter::once(looked()).chain(::dns::Outcome::ALL.iter().map(other)).collect()
}

pub(super) fn lists() -> Vec<::dns::ListShown> {
    let list = |name: &str, state| ::dns::ListShown {
        name: name.to_owned(),
        allows: false,
        source: "https://me:hunter2@lists.example/<b>.example.txt".to_owned(),
        state,
        rules: 123_456,
        not_followed: [("<b>.example of a regular expression".to_owned(), 12)].into(),
        fetched_at: Some(NOW - 86_400_000),
        checked_at: Some(NOW - 3_600_000),
        next_at: Some(NOW + 3_600_000),
        fetching: None,
        trouble: None,
        notes: vec!["<b>.example".to_owned()],
    };
    let trouble = Some(("<b>.example says 404".to_owned(), "look at `<b>.example`".to_owned()));
    vec![
        list("ads", ::dns::ListState::Followed),
        ::dns::ListShown { trouble, ..list("old", ::dns::ListState::Followed) },
        ::dns::ListShown { rules: 0, ..list("page", ::dns::ListState::Out("it is a web page".to_owned())) },
        ::dns::ListShown {
            fetched_at: None,
            checked_at: None,
            fetching: Some(1_500_000),
            ..list("new", ::dns::ListState::Waiting)
        },
        ::dns::ListShown {
            allows: true,
            source: "file:lists/allow.txt".to_owned(),
            fetched_at: None,
            checked_at: None,
            next_at: None,
            ..list("allow", ::dns::ListState::Followed)
        },
    ]
}

pub(super) fn policies() -> Vec<::dns::PolicyShown> {
    let everybody = ::dns::PolicyShown {
        name: String::new(),
        who: Vec::new(),
        when: Vec::new(),
        holds_now: true,
        follows: vec!["list ads".to_owned()],
        safe_search: Vec::new(),
        upstreams: Vec::new(),
        is_logged: true,
    };
    let children = ::dns::PolicyShown {
        name: "children".to_owned(),
        who: vec!["<b>.example".to_owned(), "10.10.30.0/24".to_owned()],
        when: vec!["mon-fri 21:00-07:00".to_owned()],
        holds_now: false,
        follows: vec!["list ads".to_owned(), "service tiktok".to_owned()],
        safe_search: vec!["google".to_owned()],
        upstreams: vec!["https://me:hunter2@dns.example/".to_owned()],
        is_logged: false,
    };
    vec![everybody, children]
}

/// A name server that has much to show.
pub(super) fn shown() -> ::dns::View {
    let upstream = |name: &str, state, trouble: Option<&str>| ::dns::UpstreamShown {
        name: name.to_owned(),
        is_encrypted: name.contains("://"),
        state,
        questions: 1_200,
        failures: 3,
        wrong_replies: 0,
        mean_millis: Some(14.2),
        trouble: trouble.map(str::to_owned),
    };
    ::dns::View {
        listen: vec!["127.10.50.53:53".parse().unwrap()],
        tls: vec!["127.10.50.53:853".parse().unwrap()],
        names: 38,
        validates: true,
        upstreams: vec![
            upstream("tls://dns.quad9.net", ::dns::UpstreamState::Up, None),
            upstream(
                "https://me:hunter2@dns.example/",
                ::dns::UpstreamState::Failing,
                Some("<b>.example: no answer"),
            ),
        ],
        policies: policies(),
        lists: lists(),
        refused_rules: vec![::dns::RefusedRule {
            from: "own rules".to_owned(),
            rule: "||<b>.example^$x".to_owned(),
            why: "`x` is no modifier".to_owned(),
        }],
        own_rules: 3,
        rules: 370_371,
        rules_bytes: 9 << 20,
        cache: ::dns::CacheView { entries: 1_234, bytes: 2 << 20, most: 16 << 20, hits: 300, misses: 100 },
        metrics: ::dns::Metrics {
            counts: ::dns::Outcome::ALL
                .iter()
                .zip(100..)
                .map(|(own, count)| (::dns::Metrics::key(*own), count))
                .collect(),
        },
        paused_until: Some(NOW + 600_000),
        authority: Some(::dns::AuthorityShown {
            fingerprint: "AB:CD:<b>.example".to_owned(),
            certificate: "-----BEGIN CERTIFICATE-----\n<b>.example\n".to_owned(),
        }),
        log: ::dns::LogShown { rows: 12_345, bytes: 5 << 20, lost: 2, ..Default::default() },
        own: ::dns::Own { last: looked_at() },
        ..::dns::View::default()
    }
}

/// Who sees the pages, and whether this is a name server.
pub(super) fn lookups() -> view::NameServersAsked {
    vec![("naxos".to_owned(), Ok(shown())), ("anafi".to_owned(), Err("it does not answer".to_owned()))]
}

/// The same moment as seen on the machine that answers names.
pub(super) fn on_naxos(seen: &Seen) -> Seen {
    let lab = seen.lab.lab.as_ref().unwrap();
    let naxos = lab.machines.keys().find(|name| name.as_str() == "naxos");
    Seen { machine: naxos.unwrap_or(&seen.machine).clone(), ..seen.clone() }
}

pub(super) fn log_told() -> view::Told {
    Ok(::dns::Said::Log {
        rows: looked_at(),
        next: Some(77),
        note: Some("only `<b>.example` was looked at".to_owned()),
    })
}

pub(super) fn numbers_told() -> view::Told {
    let hours = (0..24).map(|hour: u32| ::dns::Hour {
        at: NOW - i64::from(24 - hour) * 3_600_000,
        questions: u64::from(hour * 50),
        blocked: u64::from(hour * 7),
        failed: u64::from(hour % 3),
        mean_millis: 12.5,
    });
    let some = |what: &str| vec![(what.to_owned(), 1_000), ("other".to_owned(), 1)];
    Ok(::dns::Said::Statistics(::dns::Statistics {
        hours: hours.collect(),
        clients: vec![("127.10.50.10".parse().unwrap(), 3_000), ("10.9.9.9".parse().unwrap(), 1)],
        names: some("ads.<b>.example"),
        blocked: some("ads.<b>.example"),
        lists: some("<b>.example"),
        upstreams: some("https://me:hunter2@dns.example/"),
    }))
}

pub(super) fn why_told() -> view::Told {
    Ok(::dns::Said::Why(::dns::Why {
        name: "ads.<b>.example.".to_owned(),
        kind: "A".to_owned(),
        client: ::dns::Whose { address: "10.10.20.9".parse().ok(), names: vec!["phone".to_owned()] },
        steps: vec![("The policy".to_owned(), "<b>.example".to_owned())],
        outcome: "blocked".to_owned(),
        answer: vec!["ads.<b>.example. 10 IN A 0.0.0.0".to_owned()],
        changes: vec![
            ("Allow for everybody".to_owned(), "@@||ads.<b>.example^".to_owned()),
            ("Allow for phone".to_owned(), "@@||ads.<b>.example^$client='phone'".to_owned()),
        ],
    }))
}

pub(super) fn silence() -> view::Told {
    Err(view::Trouble {
        what: "`<b>.example` does not run".to_owned(),
        help: "look at `polis status`".to_owned(),
    })
}
