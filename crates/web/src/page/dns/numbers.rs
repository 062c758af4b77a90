//! What came of the questions of the last day, in numbers that lead to the rows behind them.

use maud::{Markup, html};
use runtime::Seen;

use super::super::{Head, Made, made, picture};
use super::{Tab, head, only_there, percent};
use crate::layout::Nav;
use crate::request::encoded;
use crate::route::Page;
use crate::ui;
use crate::view::{DnsNumbers, HourRow, Most};

pub(crate) fn dns_numbers(seen: &Seen, view: &DnsNumbers) -> Made {
    let page =
        Head { title: "DNS numbers", here: Nav::Dns, topics: Page::DnsNumbers.topics(), mixes_looks: false };
    let main = html! {
        (head(Tab::Numbers, "Numbers of the last day"))
        @if !crate::view::is_here(seen) {
            (only_there(seen))
        } @else if let Some(trouble) = &view.trouble {
            (ui::notice("note", html! { "There are no numbers: " (ui::code_words(&trouble.what)) ". " (ui::code_words(&trouble.help)) "." }))
        } @else {
            section.card #hours { h2 { "Questions per hour" } (hours(&view.hours, seen.now)) }
            div.columns {
                (most("clients", "Who asked most", "Client", "client", &view.clients))
                (most("asked", "Asked for most", "Name", "name", &view.names))
                (most("blocked", "Blocked most", "Name", "outcome=blocked&name", &view.blocked))
                (most("lists", "Lists that blocked most", "List", "outcome=blocked&reason", &view.lists))
                (most("upstreams", "Who answered most", "Server", "reason", &view.upstreams))
            }
        }
    };
    made(seen, &page, main)
}

fn hours(all: &[HourRow], now: runtime::Millis) -> Markup {
    let sum = |of: fn(&HourRow) -> u64| all.iter().map(of).sum::<u64>();
    let (questions, blocked, failed) =
        (sum(|hour| hour.questions), sum(|hour| hour.blocked), sum(|hour| hour.failed));
    let columns = ["The hour from", "#Questions", "#Blocked", "#No answer", "-#Takes"];
    let rows = all.iter().rev().map(|hour| {
        vec![
            ui::since(hour.at, now),
            html! { (ui::thousands(hour.questions)) },
            html! { (ui::thousands(hour.blocked)) },
            html! { (ui::thousands(hour.failed)) },
            html! { (format!("{:.0}\u{202F}ms", hour.mean_millis)) },
        ]
    });
    html! {
        @if questions == 0 {
            (ui::empty("Nobody has asked anything in the last day."))
        } @else {
            p.headline {
                (ui::thousands(questions)) " questions; " (ui::thousands(blocked)) " blocked (" (percent(blocked, questions)) "), "
                (ui::thousands(failed)) " without an answer"
            }
            (picture::hours(all))
            details { summary { "The same as a table" } (ui::table("Questions per hour, newest first", &columns, rows.collect(), "")) }
        }
    }
}

/// What is at the top of a count; the number leads to the questions behind it.
fn most(id: &str, title: &str, column: &str, field: &str, all: &[Most]) -> Markup {
    let first = all.first().map_or(0, |first| first.count);
    let rows = all.iter().map(|one| {
        let url = format!("/dns/log?{field}={}", encoded(&one.what));
        let name = one.called.as_ref().unwrap_or(&one.what);
        vec![
            html! { a href=(url) { (ui::breakable(name)) } @if one.called.is_some() { div.muted { (one.what) } } },
            ui::meter(name, ui::part_of(one.count, first), &ui::thousands(one.count)),
        ]
    });
    html! {
        section.card #(id) { h2 { (title) } (ui::table(title, &[column, "Questions"], rows.collect(), "None in the last day.")) }
    }
}
