//! Every page, of several moments of the example's lab: what is on it, what it must not have, and that its links lead somewhere.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use lab::{Checked, Demo, Folder, Options};
use runtime::link::{Answering, Known, Peer, Running, ServiceRuns, Status};
use runtime::overlay::Entry;
use runtime::{Condition, Phase, Seen};

use super::status as status_page;
use super::*;
use crate::route::{Route, change, route};
use crate::view::{self, Attention, Filter};

const NOW: i64 = 1_800_000_000_000;

fn checked(folder: Folder) -> Arc<Checked> {
    let options = Options { runs: crate::RUNS, ..Options::at("2026-11-24") };
    Arc::new(lab::check(folder, &options))
}

/// The example, with keys for all machines.
fn example() -> Arc<Checked> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/aegean");
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPK1QzPk2S3Zv0uCj1U3SP5IOaB4W6OlLrMYYRrWB9rR";
    let known = checked(Folder::open(&root).unwrap());
    let names = known.lab.as_ref().unwrap().machines.keys().map(ToString::to_string);
    let demo = Demo { keys: names.map(|name| (name, key.to_owned())).collect() };
    let options = Options { runs: crate::RUNS, demo: Some(demo), ..Options::at("2026-11-24") };
    Arc::new(lab::check(Folder::open(&root).unwrap(), &options))
}

fn status(machine: &str, services: &[(&str, Phase)]) -> Status {
    let services = services.iter().map(|(name, phase)| ServiceRuns {
        name: (*name).to_owned(),
        phase: *phase,
        trouble: None,
        running: Some(Running { does: format!("does {name}"), lines: Vec::new() }),
    });
    Status {
        machine: machine.to_owned(),
        polis: "0.1.0".to_owned(),
        now: NOW,
        since: NOW - 3_600_000,
        lab: "c0ffee".to_owned(),
        services: services.collect(),
        ..Status::default()
    }
}

/// All machines answer; this one is thebes.
fn all_is_well() -> Seen {
    let lab = example();
    let agents = lab.lab.as_ref().unwrap().machines.iter().filter(|(_, machine)| *machine.agent);
    let others = agents.filter(|(name, _)| name.as_str() != "thebes").map(|(name, _)| {
        let services: &[(&str, Phase)] = match name.as_str() {
            "naxos" => &[("dns", Phase::Running), ("portal", Phase::Running)],
            "anafi" => &[("dns", Phase::StandsBy), ("portal", Phase::Running)],
            _ => &[("portal", Phase::Running)],
        };
        Known {
            peer: Peer {
                machine: name.to_string(),
                answering: Answering::Up,
                since: NOW - 3_000_000,
                why: None,
                polis: Some("0.1.0".to_owned()),
            },
            status: Some(Arc::new(status(name.as_str(), services))),
            history: vec![(NOW - 3_000_000, Answering::Up)],
        }
    });
    Seen {
        now: NOW,
        machine: lab
            .lab
            .as_ref()
            .unwrap()
            .machines
            .keys()
            .find(|name| name.as_str() == "thebes")
            .unwrap()
            .clone(),
        others: others.collect(),
        lab: Arc::clone(&lab),
        refused: None,
        status: status("thebes", &[("portal", Phase::Running)]),
        overlay: Vec::new(),
        is_demo: false,
    }
}

fn other<'s>(seen: &'s mut Seen, machine: &str) -> &'s mut Known {
    seen.others.iter_mut().find(|known| known.peer.machine == machine).unwrap()
}

fn die(seen: &mut Seen, machine: &str) {
    let known = other(seen, machine);
    known.peer.answering = Answering::Down;
    known.peer.since = NOW - 60_000;
    known.peer.why = Some("Connection refused".to_owned());
    known.history.push((NOW - 60_000, Answering::Down));
}

/// larissa and with it naxos are dead, and anafi answers names; milos was never asked; a machine is out of step, another ill.
fn much_is_wrong() -> Seen {
    let mut seen = all_is_well();
    for machine in ["larissa", "naxos", "paros"] {
        die(&mut seen, machine);
    }
    let services = [("dns", Phase::Running), ("portal", Phase::Running)];
    other(&mut seen, "anafi").status = Some(Arc::new(status("anafi", &services)));
    let mut ill = status("arta", &[("portal", Phase::Running)]);
    ill.lab = "another".to_owned();
    ill.conditions = vec![Condition {
        about: "state".to_owned(),
        what: "the disk is <full>".to_owned(),
        help: "make room".to_owned(),
        since: NOW - 120_000,
    }];
    other(&mut seen, "arta").status = Some(Arc::new(ill));
    seen.overlay = vec![Entry {
        number: 3,
        key: "dns.rules".to_owned(),
        value: "||<script>.example^".to_owned(),
        who: "\"me\"".to_owned(),
        at: NOW - 5_000,
    }];
    let texts = seen.lab.folder.toml_files().map(|(_, file)| {
        let text = file.text().replace("zone = \"mother\"", "zone = \"mothr\"");
        (
            file.path().to_owned(),
            text.replace("secret:b2", "hunter2").replace("https://s3.", "https://me:hunter2@s3."),
        )
    });
    seen.refused = Some(checked(Folder::from_texts(texts.collect::<Vec<_>>())));
    seen.status.conditions = vec![Condition {
        about: "lab".to_owned(),
        what: "the changed lab is not taken up".to_owned(),
        help: "mend it".to_owned(),
        since: NOW - 1_000,
    }];
    seen
}

/// The smallest lab, on a machine that nobody knows.
fn smallest() -> Seen {
    let text = "[lab]\nname = \"home\"\ndomain = \"home.arpa\"\n[machines.pi]\naddress = \"192.168.1.2\"\n";
    let lab = checked(Folder::from_texts([("lab.toml", text)]));
    let machine = lab.lab.as_ref().unwrap().machines.keys().next().unwrap().clone();
    Seen {
        machine,
        lab,
        others: Vec::new(),
        status: status("pi", &[("portal", Phase::Running)]),
        ..all_is_well()
    }
}

fn lookups() -> view::NameServersAsked {
    let last = ::dns::Last {
        at: NOW - 1_000,
        client: "127.10.20.9".parse().unwrap(),
        name: "ads.<b>.example.".to_owned(),
        kind: "A".to_owned(),
        outcome: ::dns::Outcome::Blocked,
    };
    let view = ::dns::View {
        listen: vec!["127.10.50.53:53".parse().unwrap()],
        names: 38,
        upstreams: vec!["9.9.9.9:53".parse().unwrap()],
        lists: Vec::new(),
        rules: ::dns::Counts::default(),
        blocked_names: 3,
        blocked_bytes: 0,
        cache: ::dns::CacheView::default(),
        metrics: ::dns::Queries { blocked: 1, ..::dns::Queries::default() },
        last: vec![last],
    };
    vec![("naxos".to_owned(), Ok(view)), ("anafi".to_owned(), Err("it does not answer".to_owned()))]
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
        let pages = pages(&seen);
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
    if whole == "/nothing" {
        return;
    }
    let is_form = change(path, "rule=x").is_some();
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
