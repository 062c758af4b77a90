//! What happened, newest first, with filters that stand in the address.

use maud::{Markup, html};
use runtime::Seen;

use super::{Head, Made, made};
use crate::layout::Nav;
use crate::request::encoded;
use crate::route::Page;
use crate::ui;
use crate::view::{EventRow, Events, Filter, Health};

pub(crate) fn events(seen: &Seen, view: &Events, filter: &Filter) -> Made {
    let topics = Page::Events(Filter::default()).topics();
    // What is long ago does not change.
    let topics = if filter.before.is_some() { &[] } else { topics };
    let head = Head { title: "Events", here: Nav::Events, topics, mixes_looks: false };
    let main = html! {
        h1 { "Events" }
        (filters(seen, view, filter))
        @if !view.silent.is_empty() {
            (ui::notice("note", html! {
                "Not in this list, because they do not answer: "
                @for (at, (machine, _)) in view.silent.iter().enumerate() {
                    @if at > 0 { ", " } a href={ "/machines/" (machine) } { (machine) }
                }
                "."
            }))
        }
        section.card { (rows(seen, view)) }
        @if let Some(older) = view.older {
            p { a href={ "/events?" (query(filter)) "before=" (older) } { "Older" } }
        }
        @if let Some(most) = view.looked_through {
            p.muted { "Of each machine its last " (most) " events were looked through; " code { "polis events" } " there goes further back." }
        }
        @if filter.before.is_some() { p { a href={ "/events?" (query(filter)) } { "Newest" } } }
    };
    made(seen, &head, main)
}

fn filters(seen: &Seen, view: &Events, filter: &Filter) -> Markup {
    let agents =
        seen.lab.lab.iter().flat_map(|lab| lab.machines.iter()).filter(|(_, machine)| *machine.agent);
    let machines: Vec<&str> = agents.map(|(name, _)| name.as_str()).collect();
    let kinds: Vec<&str> = view.kinds.iter().map(String::as_str).collect();
    html! {
        form.filters action="/events" method="get" role="search" aria-label="Filter" {
            (choice("machine", "Machine", &machines, filter.machine.as_deref()))
            (choice("kind", "Kind", &kinds, filter.kind.as_deref()))
            label for="events-q" { "Text" }
            input id="events-q" name="q" type="search" value=(filter.text.as_deref().unwrap_or_default()) autocomplete="off";
            button { "Show" }
            @if *filter != Filter::default() { a href="/events" { "All" } }
        }
    }
}

fn choice(name: &str, label: &str, all: &[&str], chosen: Option<&str>) -> Markup {
    html! {
        label for={ "events-" (name) } { (label) }
        select id={ "events-" (name) } name=(name) {
            option value="" { "all" }
            @for one in all { option value=(one) selected[chosen == Some(*one)] { (one) } }
        }
    }
}

/// The filter as the beginning of a query.
fn query(filter: &Filter) -> String {
    let fields = [("machine", &filter.machine), ("kind", &filter.kind), ("q", &filter.text)];
    fields
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={}&", encoded(value))))
        .collect()
}

fn rows(seen: &Seen, view: &Events) -> Markup {
    let columns = ["When", "Machine", "-Kind", "What"];
    let rows = view.events.iter().map(|event| {
        vec![
            ui::since(event.at, seen.now),
            html! {
                a href={ "/machines/" (event.machine) } { (event.machine) }
                @if event.seen_by > 1 { " " span.muted.whole { "and " (event.seen_by - 1) " more" } }
            },
            html! { (event.kind) },
            what(event),
        ]
    });
    ui::table("What happened, newest first", &columns, rows.collect(), "Nothing happened that fits.")
}

fn what(event: &EventRow) -> Markup {
    html! {
        span.long {
            @if event.is_bad { (ui::mark(Health::Degraded)) " " }
            @match &event.url {
                Some(url) => a href=(url) { (event.words) },
                None => (ui::code_words(&event.words)),
            }
        }
    }
}
