//! The log of questions: who asked for what, what came of it and why, and what to do about one.

use ::dns::Outcome;
use maud::{Markup, html};
use runtime::Seen;

use super::super::{Head, Made, made};
use super::change::{self, press};
use super::{Tab, head, only_there};
use crate::layout::Nav;
use crate::request::encoded;
use crate::route::Page;
use crate::ui;
use crate::view::{DnsLog, DnsMachine, Health, LogFilter, Lookup};

pub(crate) fn dns_log(seen: &Seen, view: &DnsLog, filter: &LogFilter, may_change: bool) -> Made {
    let topics = Page::DnsLog(filter.clone()).topics();
    let page = Head { title: "DNS log", here: Nav::Dns, topics, mixes_looks: false };
    let own = LogFilter { before: None, ..filter.clone() };
    let is_filtered = own != LogFilter::default();
    let here = format!("/dns/log?{}", query(filter).trim_end_matches('&'));
    let nothing = if is_filtered { "No question fits." } else { "Nobody has asked anything yet." };
    let main = html! {
        (head(Tab::Log, "Log of questions"))
        @if !crate::view::is_here(seen) {
            (only_there(seen))
        } @else {
            (filters(seen, filter, is_filtered))
            @if let Some(trouble) = &view.trouble {
                (ui::notice("note", html! { "The log is not shown: " (ui::code_words(&trouble.what)) ". " (ui::code_words(&trouble.help)) "." }))
            } @else {
                @if let Some(note) = &view.note { (ui::notice("note", html! { (ui::code_words(note)) })) }
                section.card #last { h2.hidden { "Questions" } (rows(seen, &view.rows, may_change, &here, nothing)) }
            }
            p.pages {
                @if let Some(next) = view.next { a href={ "/dns/log?" (query(&own)) "before=" (next) } { "Older" } }
                @if filter.before.is_some() { a href={ "/dns/log?" (query(&own).trim_end_matches('&')) } { "Newest" } }
            }
        }
    };
    made(seen, &page, main)
}

/// The outcomes that are looked for most, beside each other.
const OFTEN: [(&str, &str); 3] = [("", "All"), ("blocked", "Blocked"), ("failed", "No answer")];

fn filters(seen: &Seen, filter: &LogFilter, is_filtered: bool) -> Markup {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    html! {
        p.chips {
            @for (word, label) in OFTEN {
                @let outcome = Some(word.to_owned()).filter(|word| !word.is_empty());
                @let own = LogFilter { outcome: outcome.clone(), before: None, ..filter.clone() };
                a href={ "/dns/log?" (query(&own).trim_end_matches('&')) } aria-current=[(filter.outcome == outcome).then_some("true")] { (label) }
            }
        }
        form.filters action="/dns/log" method="get" role="search" aria-label="Filter" {
            label for="log-client" { "Client" }
            input id="log-client" name="client" list="log-clients" value=(text(&filter.client)) placeholder="phone or 10.0." autocomplete="off" spellcheck="false";
            (super::why::clients(seen, "log-clients"))
            label for="log-name" { "Name" }
            input id="log-name" name="name" type="search" value=(text(&filter.name)) autocomplete="off" spellcheck="false";
            label for="log-outcome" { "Outcome" }
            select id="log-outcome" name="outcome" {
                option value="" { "all" }
                @for outcome in Outcome::ALL {
                    option value=(outcome.word()) selected[filter.outcome.as_deref() == Some(outcome.word())] { (label(outcome.word())) }
                }
            }
            label for="log-reason" { "Reason" }
            input id="log-reason" name="reason" value=(text(&filter.reason)) placeholder="rule, list, policy" autocomplete="off" spellcheck="false";
            button { "Show" }
            @if is_filtered { a href="/dns/log" { "All" } }
        }
    }
}

/// The filter as the beginning of a query, without where it goes on.
fn query(filter: &LogFilter) -> String {
    let fields = [
        ("client", &filter.client),
        ("name", &filter.name),
        ("outcome", &filter.outcome),
        ("reason", &filter.reason),
    ];
    fields
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={}&", encoded(value))))
        .collect()
}

/// Questions as rows; `here` is the page to come back to when something about one is changed.
pub(super) fn rows(seen: &Seen, all: &[Lookup], may_change: bool, here: &str, nothing: &str) -> Markup {
    let columns = ["When", "Name", "What came of it", "Client", "-Asked", "-#Took", ""];
    let rows = all.iter().map(|one| {
        let why = format!("/dns/why?name={}&client={}&kind={}", encoded(one.bare()), one.client, encoded(&one.kind));
        vec![
            ui::since(one.at, seen.now),
            html! { a href=(why) title="Why" { (ui::breakable(one.bare())) } " " span.muted.whole { (one.kind) } },
            outcome(one),
            client(one),
            asked(one),
            html! { span.whole { (took(one.micros)) } },
            action(seen, one, may_change, here),
        ]
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    html! {
        div.log { (ui::stacked(ui::table("Questions, newest first", &columns, rows, nothing))) }
        @if !may_change && !all.is_empty() { p.muted { "Allow and block take a link that opens these pages for changes: " code { "polis setup" } " on this machine prints it." } }
    }
}

fn client(one: &Lookup) -> Markup {
    let url = format!("/dns/log?client={}", encoded(&one.client));
    html! {
        @match &one.client_name {
            Some(name) => { a href=(url) { (ui::breakable(name)) } div.muted { (ui::address(&one.client)) } }
            None => { a href=(url) { (ui::address(&one.client)) } }
        }
    }
}

/// What came of it and why: the rule, its list, the policy.
fn outcome(one: &Lookup) -> Markup {
    html! {
        (ui::state_with(health(&one.outcome), label(&one.outcome)))
        @if one.code != "NOERROR" && !one.code.is_empty() { " " span.muted.whole { (one.code) } }
        @if !one.reason.is_empty() { div.why { (one.reason) } }
        @if !one.list.is_empty() || !one.policy.is_empty() {
            div.why {
                @if !one.list.is_empty() { "list " a href={ "/dns/log?reason=" (encoded(&one.list)) } { (one.list) } }
                @if !one.list.is_empty() && !one.policy.is_empty() { ", " }
                @if !one.policy.is_empty() { "policy " a href="/dns/policies" { (one.policy) } }
            }
        }
    }
}

/// Who was asked, how it came, and whether it is signed.
fn asked(one: &Lookup) -> Markup {
    let security = match one.security.as_str() {
        "secure" => "signed",
        "insecure" => "not signed",
        "bogus" => "forged",
        other => other,
    };
    html! {
        @if !one.upstream.is_empty() { div { (ui::breakable(&one.upstream)) } }
        @if !security.is_empty() { div.muted { (security) } }
        @if one.over != "udp" && !one.over.is_empty() { div.muted { "came over " (one.over.to_uppercase()) } }
    }
}

/// Microseconds in words.
fn took(micros: u32) -> String {
    let millis = f64::from(micros) / 1000.0;
    if millis < 10.0 { format!("{millis:.1}\u{202F}ms") } else { format!("{millis:.0}\u{202F}ms") }
}

/// What an outcome is called.
pub(super) fn label(word: &str) -> &str {
    match word {
        "service" => "blocked service",
        "safe-search" => "safe search",
        "bogus" => "forged",
        "limited" => "asked too much",
        "rebinding" => "leads inside",
        "failed" => "no answer",
        other => other,
    }
}

pub(super) fn health(word: &str) -> Health {
    match word {
        "failed" | "bogus" => Health::Down,
        "refused" | "limited" | "rebinding" | "stale" => Health::Degraded,
        "blocked" | "service" => Health::Paused,
        _ => Health::Up,
    }
}

/// A blocked name can be allowed, one of outside that is not can be blocked; what was added by a click can be undone.
fn action(seen: &Seen, one: &Lookup, may_change: bool, here: &str) -> Markup {
    let name = one.bare();
    let (allow, block) = (format!("@@||{name}^"), format!("||{name}^"));
    let is_blocked = matches!(one.outcome.as_str(), "blocked" | "service");
    let is_outside = matches!(one.outcome.as_str(), "cached" | "forwarded" | "stale");
    let hidden = html! { span.hidden { " " (name) } };
    html! {
        @if change::by_click(seen, &block).is_some() || is_outside && change::by_click(seen, &allow).is_none() {
            (change::rule(seen, may_change, &block, here, html! { "Block" (hidden) }, "blocked now"))
        } @else if is_blocked || change::by_click(seen, &allow).is_some() {
            (change::rule(seen, may_change, &allow, here, html! { "Allow" (hidden) }, "allowed now"))
        }
    }
}

/// How much there is in the log.
pub(super) fn facts(own: &DnsMachine, may_change: bool) -> Markup {
    let log = own.log;
    html! {
        @if log.is_off {
            (ui::empty("It is off: `[dns].log` in the lab file says so."))
        } @else {
            (ui::facts(&[
                ("Questions", html! { a href="/dns/log" { (ui::thousands(log.rows)) } }),
                ("On disk", html! { (ui::size(log.bytes)) }),
                ("Clients", html! { (if log.is_anonymous { "by their network only" } else { "by their address" }) }),
            ]))
            @if log.lost > 0 {
                (ui::notice("note", html! { (ui::thousands(log.lost)) " questions could not be written." }))
            }
            // What can not be had again is asked for once more, also with a session.
            div.presses.below { (press(false, "/dns/forget", &[], html! { "Empty it" })) }
            @if !may_change { span.hidden { "It takes a link that opens these pages for changes." } }
        }
    }
}
