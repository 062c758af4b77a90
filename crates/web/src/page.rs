//! The pages: a view in, HTML out. Pure; what is decided was decided in the view.
#![expect(clippy::needless_pass_by_value, reason = "a piece of a page is made to be put into one other")]

mod app;
mod config;
mod dns;
mod event;
mod machine;
mod network;
mod overview;
mod picture;
mod portal;
mod setup;
mod status;
#[cfg(test)]
mod tests;

use hyper::StatusCode;
use maud::{Markup, html};
use runtime::Seen;

use crate::layout::{self, Frame, Nav};
use crate::ui;

pub(crate) use app::{app, apps};
pub(crate) use config::{config, remove_overlay};
pub(crate) use dns::{add_rule, dns, dns_lists, dns_log, dns_numbers, dns_policies, dns_why, tell};
pub(crate) use event::events;
pub(crate) use machine::{machine, machines};
pub(crate) use network::network;
pub(crate) use overview::{coverage, overview};
pub(crate) use portal::{jump, portal};
pub(crate) use setup::setup;
pub(crate) use status::{status, status_file};

/// A page that is made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) status: StatusCode,
    pub(crate) html: String,
}

/// What is said on every page until there is a login.
const ONLY_HERE: &str = "These pages are shown on this machine only, until there is a login.";

/// What is said instead in a demonstration.
const DEMO: &str =
    "A demonstration: all machines of the lab run on this one, and their pages are for it only.";

/// Which page it is.
struct Head<'h> {
    title: &'h str,
    here: Nav,
    topics: &'h [&'h str],
    /// Whether what follows, what runs and what is proved stand beside each other.
    mixes_looks: bool,
}

/// A page of what is seen.
fn made(seen: &Seen, head: &Head<'_>, main: Markup) -> Made {
    let lab = seen.lab.lab.as_ref();
    let name = lab.map(|lab| lab.lab.name.to_string()).unwrap_or_default();
    let zone = lab.map(|lab| lab.lab.timezone.as_str().to_owned()).unwrap_or_default();
    let frame = Frame {
        title: head.title,
        lab: &name,
        machine: seen.machine.as_str(),
        here: head.here,
        topics: head.topics,
        mixes_looks: head.mixes_looks,
        notice: Some(html! { (if seen.is_demo { DEMO } else { ONLY_HERE }) }),
        zone: &zone,
        version: &seen.status.polis,
        now: seen.now,
    };
    Made { status: StatusCode::OK, html: layout::page(&frame, main).into_string() }
}

/// A page of a few words.
fn plain(seen: &Seen, status: StatusCode, title: &str, main: Markup) -> Made {
    let head = Head { title, here: Nav::None, topics: &[], mixes_looks: false };
    Made { status, ..made(seen, &head, html! { h1 { (title) } (main) }) }
}

/// There is no such page.
pub(crate) fn nothing(seen: &Seen) -> Made {
    let main = html! {
        p { "There is no page at this address. It may be about something that is no longer in the lab file." }
        p { a href="/overview" { "Overview" } " · " a href="/" { "Start page" } }
        form.search action="/jump" method="get" role="search" {
            label for="q" { "Look for it" }
            input id="q" name="q" type="search" autocomplete="off";
            button { "Search" }
        }
    };
    plain(seen, StatusCode::NOT_FOUND, "Nothing here", main)
}

/// A one-time link that holds no longer.
pub(crate) fn link_is_used(seen: &Seen) -> Made {
    let main = html! {
        p { "A link opens the pages for changes once, and within an hour. This one was used, or is older." }
        p { "Another one: " code { "polis setup" } " on this machine prints it." }
    };
    plain(seen, StatusCode::FORBIDDEN, "This link holds no longer", main)
}

/// What could not be changed.
pub(crate) fn fault(seen: &Seen, what: &str, help: &str) -> Made {
    let main = html! { p { (what) } p { (help) } p { a href="/overview" { "Overview" } } };
    plain(seen, StatusCode::CONFLICT, "That was not changed", main)
}

/// Before a lab is followed.
pub(crate) fn not_yet() -> Made {
    let frame = Frame {
        title: "Starting",
        lab: "Polis",
        machine: "",
        here: Nav::None,
        topics: &["lab"],
        mixes_looks: false,
        notice: None,
        zone: "",
        version: "",
        now: 0,
    };
    let main = html! {
        h1 { "Starting" }
        p { "This machine has not taken up a lab yet. Load this page again in a moment." }
    };
    let html = layout::page(&frame, main).into_string();
    Made { status: StatusCode::SERVICE_UNAVAILABLE, html }
}

/// A form that asks once more before something is changed; without a session, how to get one.
fn confirm(may_change: bool, action: &str, fields: &[(&str, &str)], button: &str, back: &str) -> Markup {
    html! {
        @if may_change {
            form action=(action) method="post" {
                @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
                button.primary { (button) } " "
                a href=(back) { "Leave it as it is" }
            }
        } @else {
            (who_may_change())
            p { a href=(back) { "Back" } }
        }
    }
}

/// How to be somebody who may change something.
fn who_may_change() -> Markup {
    ui::notice(
        "note",
        html! {
            "To change something from here, open these pages with a link: "
            code { "polis setup" } " on this machine prints one, for root and the group polis."
        },
    )
}
