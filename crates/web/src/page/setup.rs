//! What stands between this machine and a working lab.

use maud::html;
use runtime::Seen;

use super::{Head, Made, made, who_may_change};
use crate::layout::Nav;
use crate::ui;
use crate::view::{CheckView, Diagnosis, Health};

pub(crate) fn setup(seen: &Seen, view: &Diagnosis, may_change: bool) -> Made {
    let head = Head { title: "Diagnosis", here: Nav::None, topics: &[], mixes_looks: false };
    let count = |mark: &str| view.checks.iter().filter(|check| check.mark == mark).count();
    // What the machine itself says that is wrong is a reason too.
    let (bad, unknown) = (count("bad") + seen.status.conditions.len(), count("unknown"));
    let main = html! {
        h1 { "Diagnosis of " (seen.machine) }
        p.headline {
            @match bad {
                0 if view.checks.is_empty() => { (ui::state_with(Health::Unknown, "Unknown")) " · nothing could be looked at" },
                0 if unknown > 0 => { (ui::state_with(Health::Unknown, "Unknown")) " · nothing bad was found, and " (unknown) " could not be looked at" },
                0 => { (ui::state_with(Health::Up, "Well")) " · nothing stands in the way on this machine" },
                1 => { (ui::state_with(Health::Down, "1 thing")) " · has to be done first" },
                bad => { (ui::state_with(Health::Down, &format!("{bad} things"))) " · have to be done first" },
            }
        }
        ul.checks {
            @for condition in &seen.status.conditions {
                li.card {
                    h2 { (condition.about) " " (ui::state_with(Health::Down, "To do")) }
                    p { (ui::code_words(&condition.what)) }
                    p.next { (ui::code_words(&condition.help)) }
                }
            }
            @for check in &view.checks { (drawn(check)) }
        }
        p { a href="/setup" { "Look again" } " · " a href="/overview" { "Overview" } }
        @if may_change {
            (ui::notice("good", html! { "This browser may change things for twelve hours." }))
        } @else {
            (who_may_change())
        }
    };
    made(seen, &head, main)
}

fn drawn(check: &CheckView) -> maud::Markup {
    let (health, word) = match check.mark.as_str() {
        "good" => (Health::Up, "Well"),
        "bad" => (Health::Down, "To do"),
        "not-needed" => (Health::Paused, "Not needed"),
        _ => (Health::Unknown, "Unknown"),
    };
    html! {
        li.card {
            h2 { (check.about) " " (ui::state_with(health, word)) }
            p { (ui::code_words(&check.what)) }
            @if let Some(help) = &check.help { p.next { (ui::code_words(help)) } }
        }
    }
}
