//! The frame around a page.
#![expect(clippy::needless_pass_by_value, reason = "a piece of a page is made to be put into one other")]

use maud::{DOCTYPE, Markup, PreEscaped, html};
use runtime::Millis;

use crate::{asset, ui};

/// The pages that the navigation leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nav {
    Portal,
    Overview,
    Machines,
    Apps,
    Network,
    Dns,
    Config,
    Events,
    Status,
    /// None of them.
    None,
}

/// What a frame says.
pub(crate) struct Frame<'f> {
    pub(crate) title: &'f str,
    pub(crate) lab: &'f str,
    /// The machine that answers.
    pub(crate) machine: &'f str,
    pub(crate) here: Nav,
    /// The names of what the page changes with.
    pub(crate) topics: &'f [&'f str],
    /// Whether what follows, what runs and what is proved stand beside each other.
    pub(crate) mixes_looks: bool,
    pub(crate) notice: Option<Markup>,
    /// The zone of the lab's civil times.
    pub(crate) zone: &'f str,
    pub(crate) version: &'f str,
    /// When it was made; 0 if it says no time.
    pub(crate) now: Millis,
}

/// Each page with its address, and the letter that follows `g`.
const PAGES: [(Nav, &str, &str, &str); 8] = [
    (Nav::Overview, "/overview", "Overview", "o"),
    (Nav::Machines, "/machines", "Machines", "m"),
    (Nav::Apps, "/apps", "Apps", "a"),
    (Nav::Network, "/network", "Network", "n"),
    (Nav::Dns, "/dns", "DNS", "d"),
    (Nav::Events, "/events", "Events", "e"),
    (Nav::Config, "/config", "Config", "c"),
    (Nav::Portal, "/", "Start page", "s"),
];

const NO_ASSETS: &str =
    "This build has no style sheet and no scripts; everything is here all the same. `make` builds them.";

/// A page for the owner.
pub(crate) fn page(frame: &Frame<'_>, main: Markup) -> Markup {
    let body = html! {
        (skip())
        header.top {
            a.lab href="/overview" { (mark()) (frame.lab) }
            nav aria-label="Pages" {
                @for (nav, url, name, key) in PAGES {
                    a href=(url) data-key=(key) aria-current=[(nav == frame.here).then_some("page")] { (name) }
                }
            }
            (jump())
            (theme())
        }
        @if let Some(notice) = &frame.notice { aside.strip aria-label="Where this is" { (notice) } }
        (content(frame, main))
        footer.foot {
            @if frame.mixes_looks { (ui::three_looks()) }
            p {
                @if !frame.machine.is_empty() { "Answered by " a href={ "/machines/" (frame.machine) } { (frame.machine) } ", polis " (frame.version) ". " }
                "Times are in " span data-zone { "UTC" } "; the lab's own are in " (frame.zone) ". "
                a href="/status" { "Public status" } " · " a href="/coverage" { "Coverage" } " · " a href="/setup" { "Diagnosis" } " · " a href="/api/v1/openapi.json" { "API" }
                span data-keys hidden { " · " button type="button" { "Keys" } }
            }
        }
    };
    document(frame, "owner", body)
}

/// A page for the family, or for strangers.
pub(crate) fn page_plain(frame: &Frame<'_>, main: Markup) -> Markup {
    let body = html! {
        (skip())
        (content(frame, main))
        footer.foot {
            @if let Some(notice) = &frame.notice { p { (notice) } }
            p {
                @if frame.here == Nav::Portal { a href="/overview" data-key="o" { "For the owner: overview" } " " }
                (theme())
                @if frame.here == Nav::Portal { span data-keys hidden { button type="button" { "Keys" } } }
            }
        }
    };
    document(frame, "plain", body)
}

fn document(frame: &Frame<'_>, class: &str, body: Markup) -> Markup {
    let title = if frame.title == frame.lab {
        frame.title.to_owned()
    } else {
        format!("{} · {}", frame.title, frame.lab)
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                @if let Some(url) = asset::url("favicon.svg") { link rel="icon" href=(url) type="image/svg+xml"; }
                @if let Some(url) = asset::url("app.css") { link rel="stylesheet" href=(url); }
                @if let Some(url) = asset::url("app.js") { script src=(url) type="module" {} }
            }
            body class=(class) {
                @if asset::url("app.css").is_none() { p { (ui::code_words(NO_ASSETS)) } }
                (body)
            }
        }
    }
}

fn content(frame: &Frame<'_>, main: Markup) -> Markup {
    let topics = (!frame.topics.is_empty()).then(|| frame.topics.join(" "));
    // What goes on by the clock of who looks begins at this one. Where nothing does, the page stays the same, and who has it
    // need not get it again.
    let now = (frame.now != 0
        && ["since", "until"].iter().any(|class| main.0.contains(&format!("<time class=\"{class}\""))))
    .then_some(frame.now);
    html! { main #main tabindex="-1" data-topics=[topics] data-machine=(frame.machine) data-now=[now] { (main) } }
}

/// A page as one file that needs nothing else: no script, and its style inside.
pub(crate) fn file(title: &str, main: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(asset::style())) }
            }
            body.plain { main { (main) } }
        }
    }
}

fn skip() -> Markup {
    html! { a.skip href="#main" { "Skip to content" } }
}

/// Sends a form with one field, which Enter does as well: nothing to see, and so nothing to stop at with Tab.
pub(crate) fn submit(what: &str) -> Markup {
    html! { button.hidden tabindex="-1" { (what) } }
}

fn jump() -> Markup {
    html! {
        form.jump action="/jump" method="get" role="search" aria-label="Jump" {
            label.hidden for="jump" { "Jump to" }
            input #jump name="q" type="search" placeholder="Jump to …" autocomplete="off";
            (submit("Go"))
        }
    }
}

/// Light, dark or as the system has it; there is nothing to switch without a script.
fn theme() -> Markup {
    html! { button.theme type="button" data-theme-switch hidden { "Theme" } }
}

/// A column and what it carries.
fn mark() -> Markup {
    html! {
        svg.logo viewBox="0 0 20 20" aria-hidden="true" {
            path d="M2 5.5 10 2l8 3.5M4 8.2h12M5.5 8.2V15M10 8.2V15M14.5 8.2V15M3.5 17.5h13" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_page_stands_on_it_where_times_go_on() {
        let with = |now, main| {
            let frame = Frame {
                title: "",
                lab: "",
                machine: "",
                here: Nav::None,
                topics: &[],
                mixes_looks: false,
                notice: None,
                zone: "",
                version: "",
                now,
            };
            page(&frame, main).into_string()
        };
        let at = 1_800_000_000_000;
        assert!(with(at, ui::since(at - 1, at)).contains(" data-now=\"1800000000000\""));
        // The page of another moment is the same, and has the same tag.
        assert!(!with(at, ui::moment(at)).contains("data-now"));
        assert!(!with(0, ui::since(0, 1)).contains("data-now"));
    }
}
