//! Apps: the table of all, and the page of one.

use maud::{Markup, html};
use runtime::Seen;

use super::machine::coverage_list;
use super::{Head, Made, made};
use crate::layout::Nav;
use crate::route::Page;
use crate::ui;
use crate::view::{AppRow, AppView, Apps, Holding, Step};

pub(crate) fn apps(seen: &Seen, view: &Apps) -> Made {
    let head = Head { title: "Apps", here: Nav::Apps, topics: Page::Apps.topics(), mixes_looks: true };
    let main = html! {
        h1 { "Apps" }
        section.card { (app_table(&view.apps)) }
    };
    made(seen, &head, main)
}

pub(super) fn app_table(apps: &[AppRow]) -> Markup {
    let columns = ["App", "State", "On", "-Opened at", "-For", "-#Missing", "-"];
    let rows = apps.iter().map(|row| {
        vec![
            html! { a href={ "/apps/" (row.name) } { (row.name) } },
            html! { (ui::state(row.health)) div.why { (row.why) } },
            html! { a href={ "/machines/" (row.on) } { (row.on) } },
            html! { @if let Some(url) = &row.url { a href=(url) rel="noreferrer" { (short(url)) } } },
            html! { (row.who) @if row.is_published { div.muted { "and the internet" } } },
            html! { @if row.missing > 0 { a href={ "/apps/" (row.name) "#coverage" } { (row.missing) } } @else { "0" } },
            ui::lines(&row.lines),
        ]
    });
    ui::table("Apps of the lab", &columns, rows.collect(), "The lab has no apps.")
}

fn short(url: &str) -> &str {
    url.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/')
}

pub(crate) fn app(seen: &Seen, view: &AppView) -> Made {
    let row = &view.row;
    let topics = Page::App(String::new()).topics();
    let head = Head { title: &row.name, here: Nav::Apps, topics, mixes_looks: true };
    let main = html! {
        p.crumb { a href="/apps" { "Apps" } }
        h1 { (view.title) }
        p.headline {
            (ui::state(row.health)) " · " (row.why)
            @if let Some(url) = &row.url { " · " a href=(url) rel="noreferrer" { (short(url)) } }
        }
        section.card #way {
            h2 { "The way of a request" }
            (ui::flow(&view.flow))
        }
        div.columns {
            section.card {
                h2 { "What it is" }
                (facts(view))
            }
            section.card {
                h2 { "Who may open it" }
                (opened_by(&view.opened_by))
            }
        }
        @if !view.data.is_empty() { section.card { h2 { "Its data" } (data(&view.data)) } }
        section.card #coverage { h2 { "What follows for it" } (coverage_list(&view.coverage)) }
    };
    made(seen, &head, main)
}

fn facts(view: &AppView) -> Markup {
    let row = &view.row;
    let mut facts: Vec<(&str, Markup)> = vec![
        ("name", html! { (row.name) " " (ui::lines(&row.lines)) }),
        ("runs on", html! { a href={ "/machines/" (row.on) } { (row.on) } }),
        ("for", html! { (row.who) @if row.is_published { ", and the internet" } }),
    ];
    if !view.containers.is_empty() {
        facts.push(("containers", html! { (view.containers.join(", ")) }));
    }
    ui::facts(&facts)
}

fn opened_by(steps: &[Step]) -> Markup {
    let rows = steps.iter().map(|step| {
        vec![
            html! { a href={ "/network#from-" (step.key) } { (step.key) } },
            ui::follows(html! { (ui::code_words(&step.value)) }),
            ui::lines(&step.lines),
        ]
    });
    ui::table("Zones that may open it", &["From", "Because", "-"], rows.collect(), "No zone may open it.")
}

fn data(all: &[Holding]) -> Markup {
    let rows = all.iter().map(|held| {
        vec![
            html! { (ui::breakable(&held.dataset)) " " (ui::lines(&held.lines)) },
            html! { span.long { (ui::code_words(&held.snapshot)) } },
            html! { span.long { (ui::code_words(&held.copy)) } },
            html! { span.long { (ui::code_words(&held.offsite)) } },
            html! { span.long { (ui::code_words(&held.drill)) } },
        ]
    });
    let columns = ["Dataset", "Snapshots", "Copy", "-Offsite", "-Drill"];
    ui::table("How its data is kept, as it follows from the file", &columns, rows.collect(), "")
}
