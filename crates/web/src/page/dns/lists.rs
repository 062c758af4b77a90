//! The lists and rules that name servers follow: how old, how many, what is wrong with one and what to do.

use maud::{Markup, html};
use runtime::Seen;

use super::super::{Head, Made, made};
use super::change::press;
use super::{Tab, head, silent};
use crate::layout::Nav;
use crate::route::Page;
use crate::ui;
use crate::view::{DnsList, DnsMachine, DnsView, Health};

pub(crate) fn dns_lists(seen: &Seen, view: &DnsView, may_change: bool) -> Made {
    let page =
        Head { title: "DNS lists", here: Nav::Dns, topics: Page::DnsLists.topics(), mixes_looks: false };
    let main = html! {
        (head(Tab::Lists, "Lists and rules"))
        (silent(view))
        @for own in &view.machines {
            section.card id={ "lists-" (own.machine) } { (server(seen, own, may_change)) }
            @if !own.refused_rules.is_empty() {
                section.card id={ "refused-" (own.machine) } { h2 { "Own rules that " (own.machine) " does not follow" } (refused(own)) }
            }
        }
        @if view.machines.is_empty() { (ui::empty("No name server says which lists it follows.")) }
        p.muted {
            "Lists and own rules stand in the lab file, " code { "[dns]" } "; rules that were added by a click stand in "
            a href="/config#overlay" { "what is not in the file" } "."
        }
    };
    made(seen, &page, main)
}

fn server(seen: &Seen, own: &DnsMachine, may_change: bool) -> Markup {
    let count = |count: usize| ui::thousands(u64::try_from(count).unwrap_or(u64::MAX));
    let can_fetch = own.is_here && own.lists.iter().any(|list| list.is_fetched);
    let columns = ["List", "State", "#Rules", "-Age", "-Fetched next", ""];
    let rows = own.lists.iter().map(|list| {
        vec![
            html! {
                (list.name) @if list.allows { " " span.muted { "allows" } }
                div.muted { (ui::breakable(&list.source)) }
            },
            state(list),
            html! { (count(list.rules)) @if !list.not_followed.is_empty() { (not_followed(list)) } },
            age(list, seen.now),
            html! { @if let Some(at) = list.next_at { (ui::until(at, seen.now)) } },
            html! {
                @if can_fetch && list.is_fetched && list.fetching.is_none() {
                    (press(may_change, "/dns/fetch", &[("list", &list.name)], html! { "Fetch" span.hidden { " " (list.name) } }))
                }
            },
        ]
    });
    html! {
        h2 { "Lists of " a href={ "/machines/" (own.machine) } { (own.machine) } }
        div.presses {
            span {
                (count(own.rules)) " rules in " (ui::size(u64::try_from(own.rules_bytes).unwrap_or(u64::MAX))) " of memory, "
            (count(own.own_rules)) " of them your own"
            }
            @if can_fetch { (press(may_change, "/dns/fetch", &[], html! { "Fetch all now" })) }
        }
        (ui::table(
            &format!("Lists that {} follows", own.machine),
            &columns,
            rows.collect(),
            "There are no lists: write some in `[dns.lists]`.",
        ))
    }
}

fn state(list: &DnsList) -> Markup {
    let word = match list.health {
        Health::Down => "left out",
        Health::Pending => "not here yet",
        _ => "followed",
    };
    html! {
        (ui::state_with(list.health, word))
        @if let Some(bytes) = list.fetching { div.why { "being fetched: " (ui::size(bytes)) " so far" } }
        @if let Some(why) = &list.out { div.why { (ui::code_words(why)) } }
        @if let Some(trouble) = &list.trouble {
            div.why { (ui::code_words(&trouble.what)) }
            div.next { (ui::code_words(&trouble.help)) }
        }
        @for note in &list.notes { div.why { (ui::code_words(note)) } }
    }
}

fn not_followed(list: &DnsList) -> Markup {
    let all: usize = list.not_followed.values().sum();
    html! {
        details.small {
            summary { (all) " not followed" }
            ul { @for (why, count) in &list.not_followed { li { (count) " " (why) } } }
        }
    }
}

/// How old it is, and when it was last known to be the newest.
fn age(list: &DnsList, now: runtime::Millis) -> Markup {
    html! {
        @match list.fetched_at {
            Some(at) => (ui::since(at, now)),
            None if list.is_fetched => span.muted { "never fetched" },
            None => span.muted { "a file" },
        }
        @if let Some(at) = list.checked_at.filter(|at| list.fetched_at.is_none_or(|fetched| *at > fetched)) {
            div.muted { "nothing newer " (ui::since(at, now)) }
        }
    }
}

fn refused(own: &DnsMachine) -> Markup {
    let rows = own.refused_rules.iter().map(|(from, rule, why)| {
        vec![html! { code { (rule) } }, html! { span.long { (ui::code_words(why)) } }, html! { (from) }]
    });
    ui::table("Own rules that are not followed", &["Rule", "Why", "-Where"], rows.collect(), "")
}
