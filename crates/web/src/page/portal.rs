//! The start page of the family, and finding things by typing.

use maud::{Markup, html};
use runtime::Seen;

use super::{Head, Made, made};
use crate::layout::{self, Frame, Nav};
use crate::route::Page;
use crate::ui;
use crate::view::{Health, Index, Portal, Tile};

pub(crate) fn portal(seen: &Seen, view: &Portal, text: Option<&str>) -> Made {
    let lab = seen.lab.lab.as_ref();
    let zone = lab.map(|lab| lab.lab.timezone.as_str().to_owned()).unwrap_or_default();
    let frame = Frame {
        title: &view.title,
        lab: &view.title,
        machine: seen.machine.as_str(),
        here: Nav::Portal,
        topics: Page::Portal { text: None }.topics(),
        mixes_looks: false,
        notice: (!seen.is_demo).then(|| html! { (super::ONLY_HERE) }),
        zone: &zone,
        version: &seen.status.polis,
        now: seen.now,
    };
    let main = html! {
        h1 { (view.title) }
        form.find action="/" method="get" role="search" {
            label.hidden for="find" { "Find" }
            input id="find" name="q" type="search" placeholder="Find" value=(text.unwrap_or_default()) autocomplete="off";
            (layout::submit("Find"))
        }
        @if view.groups.is_empty() { (nothing_to_open(text)) }
        @for group in &view.groups {
            section.tiles aria-label=(group.name) {
                h2 { (group.name) }
                ul { @for tile in &group.tiles { li { (drawn(tile)) } } }
            }
        }
    };
    let html = layout::page_plain(&frame, main).into_string();
    Made { status: hyper::StatusCode::OK, html }
}

fn nothing_to_open(text: Option<&str>) -> Markup {
    match text {
        Some(text) => ui::empty(&format!("Nothing is called “{text}”.")),
        None => ui::empty("Apps appear here once the lab file has some."),
    }
}

fn drawn(tile: &Tile) -> Markup {
    html! {
        a.tile href=(tile.url) rel="noreferrer" data-find={ (tile.title) " " (tile.app) } {
            span.letters aria-hidden="true" { (tile.letters) }
            span.title { (tile.title) }
            @if tile.health == Health::Down {
                span.words { (ui::mark(Health::Down)) " " (tile.words.as_deref().unwrap_or_default()) }
            }
        }
    }
}

/// What has a text in its name, without a script.
pub(crate) fn jump(seen: &Seen, view: &Index, text: &str) -> Made {
    let head = Head { title: "Find", here: Nav::None, topics: &[], mixes_looks: false };
    let main = html! {
        h1 { "Find" }
        form.search action="/jump" method="get" role="search" {
            label for="jump-q" { "Page, app, machine, name or address" }
            input id="jump-q" name="q" type="search" value=(text) autocomplete="off";
            button { "Find" }
        }
        section.card {
            @let rows = view.things.iter().map(|thing| vec![
                html! { a href=(thing.url) { (ui::breakable(&thing.name)) } },
                html! { (thing.kind) },
                html! { (thing.words) },
            ]);
            (ui::table("What was found", &["Name", "Is a", "-"], rows.collect(), "Nothing is called that."))
        }
    };
    made(seen, &head, main)
}
