//! The public page: nothing on it that a stranger may not know.

use maud::{Markup, html};
use runtime::Seen;

use super::Made;
use crate::layout::{self, Frame, Nav};
use crate::route::Page;
use crate::ui;
use crate::view::PublicStatus;

pub(crate) fn status(seen: &Seen, view: &PublicStatus) -> Made {
    let frame = Frame {
        title: "Status",
        lab: &view.title,
        machine: "",
        here: Nav::Status,
        topics: Page::Status.topics(),
        mixes_looks: false,
        notice: None,
        zone: "",
        version: "",
        now: seen.now,
    };
    let main = html! {
        (body(view))
        p.muted { a href="/status.html" download="status.html" { "Save this page" } " to show it from elsewhere." }
    };
    let html = layout::page_plain(&frame, main).into_string();
    Made { status: hyper::StatusCode::OK, html }
}

fn body(view: &PublicStatus) -> Markup {
    let rows = view.rows.iter().map(|row| vec![html! { (row.name) }, ui::state(row.health)]);
    html! {
        h1 { (view.title) ": status" }
        p.headline { (ui::state(view.health)) " · " (view.words) }
        section.card { (ui::table("What people use", &["What", "State"], rows.collect(), "Nothing is published.")) }
        p.muted { "As of " (ui::moment(view.at)) "." }
    }
}

/// The page as one file that needs nothing else.
pub(crate) fn status_file(view: &PublicStatus) -> String {
    layout::file(&format!("{}: status", view.title), body(view)).into_string()
}
