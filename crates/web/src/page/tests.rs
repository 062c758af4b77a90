//! Every page, of several moments of the example's lab: what is on it, what it must not have, and that its links lead somewhere.

mod moments;
mod names;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use lab::{Checked, Demo, Folder, Options};
use runtime::link::{Answering, Known, Peer, Running, ServiceRuns, Status};
use runtime::overlay::Entry;
use runtime::{Condition, Phase, Seen};

use super::status as status_page;
use super::*;
use crate::route::{Route, Telling, WhyAsked, change, route};
use crate::view::{self, Attention, Filter, LogFilter};
use moments::{all_is_well, checked, much_is_wrong, other, smallest, status};
use names::*;

const NOW: i64 = 1_800_000_000_000;

/// The pages about names: on a name server with much to show, with nothing to show, and on one that does not answer; with
/// a session and without one.
fn name_pages(seen: &Seen, may_change: bool) -> Vec<(String, Made)> {
    let mut all = Vec::new();
    let naxos = on_naxos(seen);
    let asked = WhyAsked {
        name: Some("<x>".to_owned()),
        client: Some("<x>".to_owned()),
        kind: Some("<x>".to_owned()),
    };
    let filter = LogFilter {
        client: Some("<x>".to_owned()),
        reason: Some("<x>".to_owned()),
        before: Some(3),
        ..LogFilter::default()
    };
    let none = ::dns::Said::Log { rows: Vec::new(), next: None, note: None };
    let quiet = vec![("naxos".to_owned(), Ok(::dns::View::default()))];
    for (number, seen) in [seen, &naxos].into_iter().enumerate() {
        let mut add = |address: &str, made: Made| {
            let more = if address.contains('?') { '&' } else { '?' };
            all.push((format!("{address}{more}of={number}{may_change}"), made));
        };
        for (which, said) in [lookups(), quiet.clone(), Vec::new()].into_iter().enumerate() {
            let view = view::dns(seen, said, None).unwrap();
            add(&format!("/dns?{which}"), dns(seen, &view, None, may_change));
            add(&format!("/dns/lists?{which}"), dns_lists(seen, &view, may_change));
            add(&format!("/dns/policies?{which}"), dns_policies(seen, &view));
        }
        for (which, told) in [log_told(), Ok(none.clone()), silence(), why_told()].into_iter().enumerate() {
            let log = view::log(seen, told).unwrap();
            add(&format!("/dns/log?{which}"), dns_log(seen, &log, &LogFilter::default(), may_change));
            add(&format!("/dns/log?f{which}"), dns_log(seen, &log, &filter, may_change));
        }
        for (which, told) in [numbers_told(), Ok(::dns::Said::Statistics(Default::default())), silence()]
            .into_iter()
            .enumerate()
        {
            add(&format!("/dns/numbers?{which}"), dns_numbers(seen, &view::numbers(seen, told).unwrap()));
        }
        for (which, told) in
            [why_told(), Ok(::dns::Said::Why(Default::default())), silence()].into_iter().enumerate()
        {
            add(&format!("/dns/why?{which}"), dns_why(seen, Some(&view::why(told)), &asked, may_change));
        }
        add("/dns/why", dns_why(seen, None, &WhyAsked::default(), may_change));
        for what in [
            Telling::Pause(0),
            Telling::Pause(300),
            Telling::Flush(Some("<x>".to_owned())),
            Telling::Flush(None),
            Telling::Fetch(Some("<x>".to_owned())),
            Telling::Fetch(None),
            Telling::ForgetLog,
        ] {
            add("/dns/tell", tell(seen, &what, may_change));
        }
    }
    all
}

/// Every page of a moment, with its address.
fn pages(seen: &Seen) -> Vec<(String, Made)> {
    let mut all = Vec::new();
    let mut add = |address: &str, made: Made| all.push((address.to_owned(), made));
    add("/", portal(seen, &view::portal(seen, None).unwrap(), None));
    add("/?q=x", portal(seen, &view::portal(seen, Some("<x>")).unwrap(), Some("<x>")));
    add("/overview", overview(seen, &view::overview(seen).unwrap()));
    add("/machines", machines(seen, &view::machines(seen).unwrap()));
    add("/apps", apps(seen, &view::apps(seen).unwrap()));
    add("/network", network(seen, &view::network(seen).unwrap()));
    add("/dns", dns(seen, &view::dns(seen, lookups(), None).unwrap(), None, true));
    add("/coverage", coverage(seen, &view::coverage(seen).unwrap()));
    add("/config", config(seen, &view::config(seen, false).unwrap(), false));
    add("/config?lab=followed", config(seen, &view::config(seen, true).unwrap(), false));
    let filter = Filter { text: Some("<x>".to_owned()), ..Filter::default() };
    add(
        "/events",
        events(
            seen,
            &view::events(
                view::EventsAsked { most: 1, machines: vec![("naxos".to_owned(), Err("<x>".to_owned()))] },
                &filter,
            ),
            &filter,
        ),
    );
    add("/status", status_page(seen, &view::status(seen).unwrap()));
    let check = view::CheckView {
        about: "clock".into(),
        mark: "bad".into(),
        what: "<x>".into(),
        help: Some("set it".into()),
    };
    add("/setup", setup(seen, &view::Diagnosis { checks: vec![check] }, false));
    add("/jump", jump(seen, &view::index(seen, Some("<x>")).unwrap(), "<x>"));
    add("/dns/rule?rule=x", add_rule(seen, "||<x>^", true));
    add("/nothing", nothing(seen));
    if let Some(entry) = seen.overlay.first() {
        add("/config/overlay/3/delete", remove_overlay(seen, entry, true));
    }
    let lab = seen.lab.lab.as_ref().unwrap();
    for name in lab.machines.keys() {
        let address = format!("/machines/{name}");
        all.push((address, machine(seen, &view::machine(seen, name.as_str()).unwrap())));
    }
    for name in lab.apps.keys() {
        all.push((format!("/apps/{name}"), app(seen, &view::app(seen, name.as_str()).unwrap())));
    }
    all
}

/// The values of an attribute, in their order.
fn attributes<'h>(html: &'h str, name: &str) -> Vec<&'h str> {
    let key = format!(" {name}=\"");
    html.split(key.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_page_of_every_moment_is_whole_and_its_links_lead_somewhere() {
    for seen in [all_is_well(), much_is_wrong(), smallest()] {
        let mut pages = pages(&seen);
        pages.extend(name_pages(&seen, true));
        pages.extend(name_pages(&seen, false));
        let ids: Vec<(&str, BTreeSet<&str>)> = pages
            .iter()
            .map(|(address, made)| (address.as_str(), attributes(&made.html, "id").into_iter().collect()))
            .collect();
        for (address, made) in &pages {
            let html = made.html.as_str();
            assert_eq!(html.matches("<h1").count(), 1, "{address}");
            assert!(
                !html.contains(" style=") && !html.contains(" onclick=") && !html.contains("<style"),
                "{address}"
            );
            assert!(
                !html.contains("<x>") && !html.contains("<b>.example") && !html.contains("<script>"),
                "{address}"
            );
            assert!(!html.contains("hunter2"), "{address} shows a secret");
            let own = attributes(html, "id");
            assert_eq!(
                own.iter().collect::<BTreeSet<_>>().len(),
                own.len(),
                "{address}: an id twice: {own:?}"
            );
            for label in attributes(html, "for") {
                assert!(own.contains(&label), "{address}: a label for {label}");
            }
            for link in attributes(html, "href").into_iter().chain(attributes(html, "action")) {
                leads(address, link, &ids);
            }
        }
    }
}

/// A link leads to a page that there is, and to a place on it.
fn leads(address: &str, link: &str, ids: &[(&str, BTreeSet<&str>)]) {
    if link.starts_with("http://") || link.starts_with("https://") {
        return;
    }
    let (whole, place) = link.split_once('#').unwrap_or((link, ""));
    let whole = if whole.is_empty() { address } else { whole };
    let (path, query) = whole.split_once('?').unwrap_or((whole, ""));
    if whole == "/nothing" || path == "/dns/tell" {
        return;
    }
    let is_form = change(path, "rule=x&seconds=3").is_some();
    assert!(is_form || route(path, query) != Route::Nothing, "{address} leads to {link}");
    let there = ids.iter().find(|(other, _)| *other == whole);
    if let Some((_, there)) = there.filter(|_| !place.is_empty()) {
        assert!(there.contains(place), "{address}: there is no {place} on {path}");
    }
}

/// What an attention says, in lines.
fn said(all: &[Attention]) -> String {
    let mut text = String::new();
    for one in all {
        text.push_str(&format!("{} {}: {}\n", one.health.word(), one.about, one.what));
        let more = one.why.iter().map(|why| format!("  why: {why}\n"));
        let more = more.chain(one.then.iter().map(|then| format!("  then: {then}\n")));
        text.extend(more.chain(one.next.iter().map(|next| format!("  next: {next}\n"))));
        let lines: Vec<String> =
            one.lines.iter().map(|line| format!("{}:{}", line.file, line.line)).collect();
        if !lines.is_empty() {
            text.push_str(&format!("  at: {}\n", lines.join(" ")));
        }
    }
    text
}

#[test]
fn the_overview_says_what_needs_somebody_and_why_and_what_to_do() {
    assert_eq!(said(&view::overview(&all_is_well()).unwrap().attention), "");
    let overview = view::overview(&much_is_wrong()).unwrap();
    insta::assert_snapshot!(said(&overview.attention));
    assert_eq!(
        dns_of(&much_is_wrong()),
        ("Down", "naxos does not answer, and this version does not move the address".to_owned(), None)
    );
}

/// How the name servers are: in a word, in words, and who serves.
fn dns_of(seen: &Seen) -> (&'static str, String, Option<String>) {
    let overview = view::overview(seen).unwrap();
    let dns = overview.services.iter().find(|row| row.name == "dns").unwrap();
    let serves = dns.on.iter().find(|holder| holder.serves).map(|holder| holder.machine.clone());
    (dns.health.word(), dns.words.clone(), serves)
}

#[test]
fn who_serves_is_who_has_the_address() {
    let serves = |machine: &str| Some(machine.to_owned());
    assert_eq!(dns_of(&all_is_well()), ("Up", "does dns".to_owned(), serves("naxos")));
    // In a demonstration the next one has the address at once.
    let mut seen = much_is_wrong();
    seen.is_demo = true;
    assert_eq!(
        dns_of(&seen),
        ("Degraded", "anafi serves; naxos goes first and is down".to_owned(), serves("anafi"))
    );
    // One whose address another machine has listens in vain.
    let mut seen = all_is_well();
    let mut own = status("naxos", &[("dns", Phase::Running)]);
    own.conditions = vec![Condition {
        about: "address 127.10.50.53".to_owned(),
        what: "another machine has it".to_owned(),
        help: "find it".to_owned(),
        since: NOW,
    }];
    other(&mut seen, "naxos").status = Some(Arc::new(own));
    assert_eq!(dns_of(&seen), ("Down", "naxos does not have the address".to_owned(), None));
    let html = dns(&seen, &view::dns(&seen, lookups(), None).unwrap(), None, true).html;
    assert!(!html.contains("held by"));
    // A new plan that can not be carried out leaves the old one in force.
    let held = status("naxos", &[("dns", Phase::HeldBack)]);
    other(&mut seen, "naxos").status = Some(Arc::new(held));
    assert_eq!(dns_of(&seen).0, "Degraded");
    assert_eq!(dns_of(&seen).2, serves("naxos"));
    // Nobody knows of one that has not said how it stands, and of one that has just stopped to answer.
    other(&mut seen, "naxos").status = None;
    assert_eq!((dns_of(&seen).0, dns_of(&seen).2), ("Unknown", None));
}

#[test]
fn what_many_machines_say_alike_is_said_once() {
    let mut seen = all_is_well();
    let condition = |since| Condition {
        about: "user".to_owned(),
        what: "the worker is root".to_owned(),
        help: "make a user".to_owned(),
        since,
    };
    for (machine, since) in [("anafi", NOW - 5_000), ("arta", NOW - 9_000)] {
        let mut own = status(machine, &[]);
        own.conditions = vec![condition(since)];
        other(&mut seen, machine).status = Some(Arc::new(own));
    }
    let all = view::overview(&seen).unwrap().attention;
    assert_eq!(
        said(&all),
        "Degraded 2 machines: user: the worker is root\n  why: anafi, arta\n  next: make a user\n"
    );
    assert_eq!(all[0].since, Some(NOW - 9_000));
    let wrong = view::machine(&seen, "anafi").unwrap().wrong;
    assert_eq!((wrong.len(), wrong[0].about.as_str()), (1, "anafi: user"));
}

#[test]
fn machines_that_were_never_enrolled_are_said_once() {
    let mut seen = all_is_well();
    let folder = Folder::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/aegean")).unwrap();
    seen.lab = checked(folder);
    for known in &mut seen.others {
        known.peer.answering = Answering::Unknown;
        known.peer.why = Some("it has no key in the lab file".to_owned());
        known.status = None;
    }
    let attention = view::overview(&seen).unwrap().attention;
    assert_eq!(attention.len(), 2, "{}", said(&attention));
    assert!(attention[0].what.contains("14 machines are not enrolled yet"), "{}", attention[0].what);
}

#[test]
fn a_secret_in_the_first_fault_is_on_no_page() {
    let mut seen = smallest();
    let text = "[lab]\nname = \"home\"\ndomain = \"home.arpa\"\n[machines.pi]\naddress = \"192.168.1.2\"\n[bastion]\non = \"pi\"\n\
                record = { to = \"s3://KEY:hunter2@bucket\", key = \"secret:a\", keep = \"1 year\" }\n";
    let refused = checked(Folder::from_texts([("lab.toml", text)]));
    let first = refused.faults.iter().next().unwrap();
    assert!(
        first.title.contains("hunter2") || first.help.iter().any(|help| help.contains("hunter2")),
        "{first:?}"
    );
    seen.refused = Some(refused);
    let overview = view::overview(&seen).unwrap();
    assert!(said(&overview.attention).contains("the changed lab file is not taken up"));
    assert!(!serde_json::to_string(&overview).unwrap().contains("hunter2"));
    assert!(!serde_json::to_string(&view::config(&seen, false)).unwrap().contains("hunter2"));
}

#[test]
fn beats_show_the_worst_of_each_two_minutes() {
    let seen = much_is_wrong();
    let machines = view::machines(&seen).unwrap().machines;
    let of = |name: &str| machines.iter().find(|row| row.name == name).unwrap();
    let naxos = &of("naxos").beats;
    assert_eq!((naxos.len(), naxos.last()), (30, Some(&view::Health::Down)));
    assert_eq!(naxos.first(), Some(&view::Health::Unknown), "nobody was asked then");
    assert!(naxos.iter().rev().skip(1).take(20).all(|beat| *beat == view::Health::Up));
    assert_eq!(of("milos").health, view::Health::Unknown);
}

#[test]
fn the_public_page_has_no_names_and_addresses_of_the_house() {
    let seen = much_is_wrong();
    let shown = view::status(&seen).unwrap();
    let html = status_page(&seen, &shown).html + &status_file(&shown);
    let lab = seen.lab.lab.as_ref().unwrap();
    for name in lab.machines.keys().map(ToString::to_string).chain(lab.zones.keys().map(ToString::to_string))
    {
        let words: BTreeSet<&str> = html.split(|letter: char| !letter.is_alphanumeric()).collect();
        assert!(!words.contains(name.as_str()), "{name}");
    }
    assert!(!html.contains("127.") && !html.contains("Jellyfin") && html.contains("Nextcloud"));
    assert_eq!(shown.health, view::Health::Down, "Nextcloud is on a machine that is down");
}

#[test]
fn pages_say_that_they_are_for_this_machine_only() {
    let html = overview(&all_is_well(), &view::overview(&all_is_well()).unwrap()).html;
    assert!(html.contains(ONLY_HERE));
}

fn text_of(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        rest = after.split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_row_says_why_and_is_changed_by_one_press_with_a_session_only() {
    let mut seen = on_naxos(&all_is_well());
    let log = view::log(&seen, log_told()).unwrap();
    let filter = LogFilter { outcome: Some("blocked".to_owned()), ..LogFilter::default() };
    let html = dns_log(&seen, &log, &filter, true).html;
    assert!(html.contains("<form class=\"press\" action=\"/dns/rule\" method=\"post\">"));
    assert!(html.contains("name=\"back\" value=\"/dns/log?outcome=blocked\""), "{html}");
    assert!(
        html.contains("value=\"||forwarded.example^\"") && html.contains("value=\"@@||blocked.example^\"")
    );
    // Names of the lab, and what is refused, are nobody's to block.
    assert!(!html.contains("local.example^") && !html.contains("refused.example^"));
    let without = dns_log(&seen, &log, &filter, false).html;
    assert!(
        !without.contains("method=\"post\"")
            && without.contains("/dns/rule?rule=%40%40%7C%7Cblocked.example%5E")
    );
    // What was added by a click says so, and how to undo it.
    seen.overlay = vec![Entry {
        number: 7,
        key: "dns.rules".to_owned(),
        value: "@@||blocked.example^".to_owned(),
        who: "me".to_owned(),
        at: NOW,
    }];
    let html = dns_log(&seen, &log, &filter, true).html;
    assert!(html.contains("allowed now") && html.contains("/config/overlay/7/delete"));
    assert!(!html.contains("value=\"@@||blocked.example^\""));
}

#[test]
fn who_asked_is_said_on_the_machine_that_was_asked_only() {
    let seen = all_is_well();
    let mut view = view::dns(&seen, lookups(), None).unwrap();
    view.lookups.clear();
    let log = view::log(&seen, silence()).unwrap();
    for made in [
        dns(&seen, &view, None, true),
        dns_log(&seen, &log, &LogFilter::default(), true),
        dns_numbers(&seen, &view::numbers(&seen, silence()).unwrap()),
        dns_why(&seen, None, &WhyAsked::default(), true),
    ] {
        assert!(made.html.contains("on the machine that is asked only"), "{}", made.html);
        assert!(!made.html.contains("action=\"/dns/pause\""), "{}", made.html);
    }
}

#[test]
fn a_server_that_rests_says_until_when_and_how_to_end_that() {
    let seen = on_naxos(&all_is_well());
    let view = view::dns(&seen, lookups(), None).unwrap();
    let html = dns(&seen, &view, None, true).html;
    let text = text_of(&html);
    assert!(
        text.contains(
            "Filters of naxos rest until 2027-01-15 08:10:00 UTC : nothing is blocked. Block again now"
        ),
        "{text}"
    );
    assert!(
        text.contains("1 of 2 upstreams do not answer; signatures are checked; over UDP and TCP, TLS"),
        "{text}"
    );
    assert!(!text.contains("Let them rest for"));
    let awake = ::dns::View { paused_until: None, ..shown() };
    let view = view::dns(&seen, vec![("naxos".to_owned(), Ok(awake))], None).unwrap();
    let text = text_of(&dns(&seen, &view, None, true).html);
    assert!(text.contains("Filters of naxos are on. Let them rest for 5 min 30 min 2 h"), "{text}");
}

#[test]
fn an_explanation_says_what_comes_of_it_and_offers_rules() {
    let seen = on_naxos(&all_is_well());
    let asked =
        WhyAsked { name: Some("ads.example".to_owned()), client: Some("phone".to_owned()), kind: None };
    let html = dns_why(&seen, Some(&view::why(why_told())), &asked, true).html;
    let text = text_of(&html);
    assert!(
        text.contains("blocked · ads. &lt;b&gt;. example A for phone A list or a rule blocks it"),
        "{text}"
    );
    assert!(html.contains("name=\"back\" value=\"/dns/why?name=ads.example&amp;client=phone\""), "{html}");
    assert!(text.contains("Allow for phone"));
    let silent = text_of(&dns_why(&seen, Some(&view::why(silence())), &asked, true).html);
    assert!(silent.contains("That can not be said") && silent.contains("polis status"), "{silent}");
}

#[test]
fn lists_say_how_old_they_are_and_what_is_wrong() {
    let seen = on_naxos(&all_is_well());
    let view = view::dns(&seen, lookups(), None).unwrap();
    let text = text_of(&dns_lists(&seen, &view, true).html);
    for words in [
        "123 456",
        "12 not followed",
        "24 h ago",
        "in 60 min",
        "left out it is a web page",
        "being fetched: 1.4 MiB so far",
        "never fetched",
        "Fetch all now",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // The lists of another machine are fetched there.
    let elsewhere = all_is_well();
    let view = view::dns(&elsewhere, lookups(), None).unwrap();
    assert!(!dns_lists(&elsewhere, &view, true).html.contains("/dns/fetch"));
}

#[test]
fn a_client_of_the_log_is_found_by_its_name() {
    let seen = all_is_well();
    let search = |client: &str| {
        let filter = LogFilter { client: Some(client.to_owned()), ..LogFilter::default() };
        filter.search(&seen).client
    };
    let address = search("naxos").unwrap();
    assert!(address.parse::<std::net::IpAddr>().is_ok(), "{address}");
    assert_eq!(search("naxos.lab.example.net."), Some(address));
    assert_eq!(search("10.0.0.").as_deref(), Some("10.0.0."));
}
