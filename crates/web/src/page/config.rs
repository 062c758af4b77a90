//! The lab file with its faults, who follows it, and what is not in it.

use maud::{Markup, html};
use runtime::Seen;
use runtime::overlay::Entry;

use super::{Head, Made, confirm, made, plain, who_may_change};
use crate::layout::Nav;
use crate::route::Page;
use crate::ui;
use crate::view::{Config, ConfigFile, FaultView, Health, MachineLab, OverlayEntry};

pub(crate) fn config(seen: &Seen, view: &Config, may_change: bool) -> Made {
    let topics = Page::Config { followed: false }.topics();
    let head = Head { title: "Config", here: Nav::Config, topics, mixes_looks: false };
    let main = html! {
        h1 { "Config" }
        p.headline {
            @match &view.trouble {
                None => { (ui::state_with(Health::Up, "Followed")) " · lab " code { (view.fingerprint) } },
                Some(trouble) => { (ui::state_with(Health::Degraded, "Not taken up")) " · " (trouble) "; what ran before, lab " code { (view.fingerprint) } ", runs on" },
            }
        }
        @if view.trouble.is_some() {
            p {
                @if view.is_followed { "The files below are what is followed. " a href="/config" { "As they are now" } }
                @else { "The files below are as they are now. " a href="/config?lab=followed" { "What is followed" } }
            }
        }
        p.lead { "The lab file is written in the lab folder, with the editor that you like. No page changes it." }
        section.card #faults { h2 { "What is wrong with it" } (faults(&view.faults)) }
        section.card #overlay { h2 { "What is not in the file, on this machine" } (overlay(seen, view, may_change)) }
        section.card #machines { h2 { "Who follows it" } (machines(&view.machines)) }
        @for own in &view.files { (file(own, &view.faults)) }
    };
    made(seen, &head, main)
}

fn faults(faults: &[FaultView]) -> Markup {
    html! {
        @if faults.is_empty() {
            p.calm { (ui::state_with(Health::Up, "Nothing")) }
        } @else {
            ol.faults {
                @for (at, fault) in faults.iter().enumerate() {
                    li id={ "fault-" (at) } { (said(fault)) }
                }
            }
        }
    }
}

fn said(fault: &FaultView) -> Markup {
    let health = if fault.severity == "error" { Health::Down } else { Health::Degraded };
    html! {
        (ui::state_with(health, &fault.severity)) " " b { (ui::code_words(&fault.message)) } " " (ui::lines(&fault.lines))
        @for help in &fault.help { div.next { (ui::code_words(help)) } }
        div.muted { (fault.code) }
    }
}

fn machines(machines: &[MachineLab]) -> Markup {
    let columns = ["Machine", "State", "Lab", "", "-Polis"];
    let rows = machines.iter().map(|own| {
        vec![
            html! { a href={ "/machines/" (own.machine) } { (own.machine) } },
            ui::state(own.health),
            html! { @if let Some(lab) = &own.fingerprint { code { (lab) } } },
            html! {
                @match own.in_step { Some(true) => "same", Some(false) => b { "another" }, None => span.muted { "unknown" } }
            },
            html! { (own.polis.as_deref().unwrap_or_default()) },
        ]
    });
    ui::table("Which lab each machine follows", &columns, rows.collect(), "No machine has an agent.")
}

fn overlay(seen: &Seen, view: &Config, may_change: bool) -> Markup {
    let columns = ["Key", "Value", "Who", "When", ""];
    let rows = view.overlay.iter().map(|entry| {
        vec![
            html! { code { (entry.key) } },
            html! { code { (entry.value) } },
            html! { (entry.who) },
            ui::since(entry.at, seen.now),
            remove(entry),
        ]
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    html! {
        (ui::table("Changes by a click or a command", &columns, rows, "Nothing: everything that is in force on this machine is in the lab file."))
        @if !view.overlay.is_empty() {
            p { "The lines to paste; what the file has then goes from here by itself:" }
            pre tabindex="0" { code { (view.overlay_toml) } }
        }
        @if !may_change && !view.overlay.is_empty() { (who_may_change()) }
    }
}

fn remove(entry: &OverlayEntry) -> Markup {
    html! {
        a.action href={ "/config/overlay/" (entry.number) "/delete" } {
            "Remove" span.hidden { " " (entry.value) }
        }
    }
}

fn file(file: &ConfigFile, faults: &[FaultView]) -> Markup {
    html! {
        section.card.file aria-label=(file.path) {
            h2 { (file.path) }
            div.scroll tabindex="0" role="region" aria-label={ "Lines of " (file.path) } {
                ol.source {
                    @for line in &file.lines {
                        li.faulty[!line.faults.is_empty()] id={ (file.path) ":" (line.number) } {
                            span.number { (line.number) }
                            code { (line.text) }
                            @for at in &line.faults {
                                @if let Some(fault) = faults.get(*at) {
                                    a.fault href={ "#fault-" (at) } { (fault.severity) ": " (fault.message) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether an entry of the overlay is really to be removed.
pub(crate) fn remove_overlay(seen: &Seen, entry: &Entry, may_change: bool) -> Made {
    let main = html! {
        p { code { (entry.value) } " was added to " code { (entry.key) } " by " (entry.who) " " (ui::since(entry.at, seen.now)) "." }
        p { "When it is removed, only what the lab file says holds, at once." }
        (confirm(may_change, &format!("/config/overlay/{}/delete", entry.number), &[], "Remove", "/config#overlay"))
    };
    plain(seen, hyper::StatusCode::OK, "Remove this change", main)
}
