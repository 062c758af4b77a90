//! The name servers: names, counters, and the last questions with what to do about one.

use maud::{Markup, html};
use runtime::Seen;

use super::{Head, Made, confirm, made, plain};
use crate::layout::Nav;
use crate::request::encoded;
use crate::route::Page;
use crate::ui;
use crate::view::{DnsMachine, DnsName, DnsView, Health, Lookup, ServiceRow};

pub(crate) fn dns(seen: &Seen, view: &DnsView, text: Option<&str>, may_change: bool) -> Made {
    let topics = Page::Dns { text: None }.topics();
    let head = Head { title: "DNS", here: Nav::Dns, topics, mixes_looks: true };
    let main = html! {
        h1 { "DNS" }
        @match &view.service {
            Some(service) => (headline(service)),
            None => (ui::notice("note", html! { "The lab has no name server: write " code { "[dns]" } "." })),
        }
        @for (machine, why) in &view.silent {
            (ui::notice("note", html! { a href={ "/machines/" (machine) } { (machine) } " does not say what it did: " (why) }))
        }
        @if !view.machines.is_empty() { section.card #counters { h2 { "What came of questions" } (counters(&view.machines)) } }
        section.card #last {
            h2 { "Last questions" }
            @if is_asked(seen, view) {
                (lookups(seen, &view.lookups, may_change))
            } @else {
                (ui::empty("Who asks for what is shown on the machine that is asked only: open the pages there."))
            }
        }
        section.card #names {
            h2 { "Names of " (view.domain) }
            form.search action="/dns#names" method="get" role="search" {
                label for="names-q" { "Name, address or thing" }
                input id="names-q" name="q" type="search" value=(text.unwrap_or_default()) autocomplete="off";
                button { "Show" }
                @if text.is_some() { a href="/dns#names" { "All " (view.names_in_all) } }
            }
            (names(&view.names))
        }
    };
    made(seen, &head, main)
}

/// Whether this machine is a name server.
fn is_asked(seen: &Seen, view: &DnsView) -> bool {
    let on = view.service.iter().flat_map(|service| &service.on);
    on.into_iter().any(|holder| holder.machine == seen.machine.as_str())
}

fn headline(service: &ServiceRow) -> Markup {
    html! {
        p.headline {
            (ui::state(service.health)) " · " (service.words)
            @if let Some(address) = &service.address {
                " · " (ui::follows(html! { (address) }))
                @for holder in service.on.iter().filter(|holder| holder.serves) {
                    " held by " a href={ "/machines/" (holder.machine) } { (holder.machine) }
                }
            }
            " " (ui::lines(&service.lines))
        }
    }
}

fn counters(machines: &[DnsMachine]) -> Markup {
    let columns = [
        "Machine",
        "#Local",
        "#Blocked",
        "-#Cached",
        "#Forwarded",
        "-#Refused",
        "#Failed",
        "-#Names blocked",
        "-Lists",
        "-Asks",
    ];
    let rows = machines.iter().map(|own| {
        vec![
            html! { a href={ "/machines/" (own.machine) } { (own.machine) } },
            html! { (own.local) },
            html! { (own.blocked) },
            html! { (own.cached) },
            html! { (own.forwarded) },
            html! { (own.refused) },
            html! { (own.failed) },
            html! { (own.blocked_names) },
            html! { @for list in &own.lists { div { (list) } } },
            html! { (own.upstreams.join(", ")) },
        ]
    });
    ui::table("What came of questions since each was started", &columns, rows.collect(), "")
}

fn lookups(seen: &Seen, all: &[Lookup], may_change: bool) -> Markup {
    let columns = ["When", "Name", "-Type", "What came of it", "Client", ""];
    let rows = all.iter().map(|one| {
        vec![
            ui::since(one.at, seen.now),
            ui::breakable(&one.name),
            html! { (one.kind) },
            outcome(&one.outcome),
            html! { @match &one.client_name { Some(name) => { (name) div.muted { (one.client) } }, None => (one.client) } },
            action(one),
        ]
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    html! {
        (ui::table("The last questions, newest first", &columns, rows, "Nobody has asked anything yet."))
        @if !may_change && !all.is_empty() { p.muted { "Allow and block ask once more before they change anything." } }
    }
}

fn outcome(word: &str) -> Markup {
    let health = match word {
        "failed" => Health::Down,
        "refused" => Health::Degraded,
        "blocked" => Health::Paused,
        _ => Health::Up,
    };
    ui::state_with(health, word)
}

/// A blocked name can be allowed, one of outside that is not can be blocked.
fn action(one: &Lookup) -> Markup {
    let name = one.name.trim_end_matches('.');
    let rule = match one.outcome.as_str() {
        "blocked" => Some(("Allow", format!("@@||{name}^"))),
        "cached" | "forwarded" => Some(("Block", format!("||{name}^"))),
        _ => None,
    };
    html! {
        @if let Some((word, rule)) = rule {
            a.action href={ "/dns/rule?rule=" (encoded(&rule)) } { (word) span.hidden { " " (name) } }
        }
    }
}

fn names(names: &[DnsName]) -> Markup {
    let columns = ["Name", "Is", "-Of", "-"];
    let rows = names.iter().map(|own| {
        vec![
            ui::breakable(&own.name),
            html! {
                (ui::follows(html! { (own.answer) }))
                @for (zone, answer) in &own.by_zone { div.muted { "for " (zone) ": " (answer) } }
            },
            html! { @match &own.url { Some(url) => a href=(url) { (own.owner) }, None => (own.owner) } },
            ui::lines(&own.lines),
        ]
    });
    ui::table("Names that the lab answers", &columns, rows.collect(), "No name has that in it.")
}

/// Whether a rule is really to be added.
pub(crate) fn add_rule(seen: &Seen, rule: &str, may_change: bool) -> Made {
    let allows = rule.starts_with("@@");
    let title = if allows { "Allow this name" } else { "Block this name" };
    let main = html! {
        p { "The rule " code { (rule) } " is added to " code { "dns.rules" } " of this machine, " b { "beside" } " the lab file, and holds at once." }
        p { "It stands in " a href="/config#overlay" { "what is not in the file" } " with the line to paste, and goes from there once the file has it." }
        (confirm(may_change, "/dns/rule", &[("rule", rule)], if allows { "Allow" } else { "Block" }, "/dns#last"))
    };
    plain(seen, hyper::StatusCode::OK, title, main)
}
