//! Machines: the table of all, and the page of one.

use maud::{Markup, html};
use runtime::{Millis, Seen};

use super::app::app_table;
use super::overview::{attention_list, watts};
use super::{Head, Made, made};
use crate::layout::Nav;
use crate::route::Page;
use crate::ui;
use crate::view::{Cell, CellIs, Duty, Fact, Health, MachineRow, MachineView, Machines, Runs};

pub(crate) fn machines(seen: &Seen, view: &Machines) -> Made {
    let head =
        Head { title: "Machines", here: Nav::Machines, topics: Page::Machines.topics(), mixes_looks: true };
    let main = html! {
        h1 { "Machines" }
        section.card { (machine_table(&view.machines, seen.now, "Machines of the lab")) }
    };
    made(seen, &head, main)
}

/// A dense table of machines.
pub(super) fn machine_table(machines: &[MachineRow], now: Millis, caption: &str) -> Markup {
    let columns = ["Machine", "State", "Last hour", "-Site, zone", "-Address", "-Duties", "-#Power", "-Lab"];
    let rows = machines.iter().map(|row| {
        vec![
            html! { a href={ "/machines/" (row.name) } { (row.name) } },
            html! {
                (ui::state(row.health))
                @if let Some(since) = row.since { " " span.muted { (ui::since(since, now)) } }
                @if let Some(why) = &row.why { div.why { (why) } }
            },
            ui::beats(&row.beats, &format!("{} in the last hour", row.name)),
            html! { (row.place) @if let Some(host) = &row.guest_of { span.muted { " on " (host) } } },
            html! { (row.address.as_deref().unwrap_or_default()) },
            html! { (row.duties.join(", ")) },
            html! { @if let Some(power) = row.power_milliwatts { (watts(power)) } },
            in_step(row),
        ]
    });
    ui::table(caption, &columns, rows.collect(), "The lab has no machines.")
}

fn in_step(row: &MachineRow) -> Markup {
    html! {
        @match row.in_step {
            Some(true) => "same",
            Some(false) => a href="/config#machines" { "another" },
            None => span.muted { "unknown" },
        }
    }
}

pub(crate) fn machine(seen: &Seen, view: &MachineView) -> Made {
    let row = &view.row;
    let topics = Page::Machine(String::new()).topics();
    let head = Head { title: &row.name, here: Nav::Machines, topics, mixes_looks: true };
    let main = html! {
        p.crumb { a href="/machines" { "Machines" } }
        h1 { (row.name) }
        p.headline {
            (ui::state(row.health))
            @if let Some(since) = row.since { " " (ui::since(since, seen.now)) }
            @if let Some(why) = &row.why { " · " (why) }
        }
        (ui::beats(&row.beats, &format!("{} in the last hour", row.name)))
        @if !view.wrong.is_empty() { div #wrong { (attention_list(seen, &view.wrong)) } }
        div.columns {
            section.card { h2 { "What it is" } (facts(&view.facts)) }
            section.card { h2 { "What runs on it" } (runs(&view.running, row)) }
        }
        section.card { h2 { "What it has to do" } (duties(&view.duties)) }
        @if !view.apps.is_empty() { section.card { h2 { "Apps on it" } (app_table(&view.apps)) } }
        @if !view.guests.is_empty() {
            section.card { h2 { "Guests" } (machine_table(&view.guests, seen.now, "Guests of this machine")) }
        }
        section.card { h2 { "What follows for it" } (coverage_list(&view.coverage)) }
        p { a href={ "/events?machine=" (row.name) } { "What happened on " (row.name) } }
    };
    made(seen, &head, main)
}

/// Facts of the lab file, each with its line.
pub(super) fn facts(facts: &[Fact]) -> Markup {
    let rows: Vec<(&str, Markup)> = facts
        .iter()
        .map(|fact| (fact.key.as_str(), html! { (fact.value) " " (ui::lines(&fact.lines)) }))
        .collect();
    ui::facts(&rows)
}

fn runs(all: &[Runs], row: &MachineRow) -> Markup {
    html! {
        @if all.is_empty() {
            (ui::empty(if row.health == Health::Up { "Nothing that this version can do." } else { "Nobody knows: it does not say." }))
        } @else {
            ul.plain {
                @for one in all {
                    li {
                        (ui::running(html! { b { (one.service) } " " (ui::state_with(one.health, &one.phase)) }))
                        @if !one.does.is_empty() { div.why { (one.does) } }
                        @if let Some(trouble) = &one.trouble { div.trouble { (trouble) } }
                        @if let Some(help) = &one.help { div.next { (help) } }
                    }
                }
            }
        }
    }
}

fn duties(duties: &[Duty]) -> Markup {
    let rows = duties.iter().map(|duty| {
        vec![
            html! { (duty.service) },
            ui::follows(html! { (duty.what) }),
            ui::state_with(duty.health, &duty.words),
            ui::lines(&duty.lines),
        ]
    });
    let empty = "No agent of Polis runs on it, so it has nothing to do.";
    ui::table("What the lab has it do", &["Service", "What", "State", "-"], rows.collect(), empty)
}

/// What a thing has of everything that can follow.
pub(super) fn coverage_list(cells: &[Cell]) -> Markup {
    let rows = cells.iter().map(|cell| {
        vec![
            html! { (cell.column) },
            html! { span.state { (ui::cell_mark(cell.is)) span aria-hidden="true" { (ui::cell_word(cell.is)) } } },
            html! {
                span.long {
                    @if cell.is == CellIs::Follows { (ui::follows(ui::code_words(&cell.what))) } @else { (ui::code_words(&cell.what)) }
                }
            },
            ui::lines(&cell.lines),
        ]
    });
    ui::table("What follows from the lab file", &["", "Is", "What", "-"], rows.collect(), "Nothing follows.")
}
