//! What would be said to a client about a name, step by step, and the rules that would change it.

use maud::{Markup, html};
use runtime::Seen;

use super::super::{Head, Made, made};
use super::change;
use super::log::{health, label};
use super::{Tab, head, only_there};
use crate::layout::Nav;
use crate::request::encoded;
use crate::route::{Page, WhyAsked};
use crate::ui;
use crate::view::{DnsWhy, Health};

/// The kinds of record that are asked for most.
const KINDS: [&str; 9] = ["A", "AAAA", "HTTPS", "CNAME", "MX", "NS", "PTR", "SRV", "TXT"];
/// How many names are offered as clients.
const OFFERED: usize = 200;

pub(crate) fn dns_why(seen: &Seen, view: Option<&DnsWhy>, asked: &WhyAsked, may_change: bool) -> Made {
    let topics = Page::DnsWhy(asked.clone()).topics();
    let page = Head { title: "Why", here: Nav::Dns, topics, mixes_looks: false };
    let main = html! {
        (head(Tab::Why, "Why is a name blocked?"))
        @if !crate::view::is_here(seen) {
            (only_there(seen))
        } @else {
            (form(seen, asked))
            @match view {
                Some(DnsWhy { trouble: Some(trouble), .. }) => {
                    (ui::notice("note", html! { "That can not be said: " (ui::code_words(&trouble.what)) ". " (ui::code_words(&trouble.help)) "." }))
                }
                Some(view) => (answer(seen, view, asked, may_change)),
                None => {
                    p.lead { "Write the name that does not load, and who looks at it: what is answered, and each rule and setting that has a say. Nobody outside is asked for it." }
                    p { a href="/dns/log?outcome=blocked" { "What was blocked lately" } }
                }
            }
        }
    };
    made(seen, &page, main)
}

/// Asks for a name.
pub(super) fn form(seen: &Seen, asked: &WhyAsked) -> Markup {
    let kind = asked.kind.as_deref().unwrap_or("A");
    html! {
        form.filters action="/dns/why" method="get" role="search" aria-label="Why" {
            label for="why-name" { "Name" }
            input id="why-name" name="name" required value=(asked.name.as_deref().unwrap_or_default()) placeholder="shop.example.com" autocomplete="off" autocapitalize="none" spellcheck="false";
            label for="why-client" { "for" }
            input id="why-client" name="client" list="why-clients" value=(asked.client.as_deref().unwrap_or_default()) placeholder="this machine" autocomplete="off" autocapitalize="none" spellcheck="false";
            (clients(seen, "why-clients"))
            label for="why-kind" { "Type" }
            select id="why-kind" name="kind" {
                @if !KINDS.contains(&kind) { option value=(kind) selected { (kind) } }
                @for own in KINDS { option value=(own) selected[own == kind] { (own) } }
            }
            button { "Explain" }
        }
    }
}

/// What the lab calls those who may ask.
pub(super) fn clients(seen: &Seen, id: &str) -> Markup {
    let lab = seen.lab.lab.iter();
    let devices = lab.clone().flat_map(|lab| lab.devices.keys()).map(ToString::to_string);
    let machines = lab.flat_map(|lab| lab.machines.keys()).map(ToString::to_string);
    html! {
        datalist id=(id) { @for name in devices.chain(machines).take(OFFERED) { option value=(name) {} } }
    }
}

fn answer(seen: &Seen, view: &DnsWhy, asked: &WhyAsked, may_change: bool) -> Markup {
    html! {
        section.card #answer aria-live="polite" {
            h2.verdict { (verdict(view)) }
            @if view.answer.is_empty() && view.outcome == "asked" {
                p { "Nothing here blocks it: others are asked. What they say is not known yet, since nobody has asked for it lately." }
            } @else if view.answer.is_empty() {
                p { (meaning(&view.outcome)) }
            } @else {
                p { (meaning(&view.outcome)) }
                pre { code { @for line in &view.answer { (line) "\n" } } }
            }
            (changes(seen, view, asked, may_change))
        }
        section.card #steps {
            h2 { "What was looked at, in this order" }
            ol.steps { @for step in &view.steps { li { span.key { (step.what) } span.value { (step.says) } } } }
        }
    }
}

/// What comes of it, in a word, and for whom.
fn verdict(view: &DnsWhy) -> Markup {
    let client = view.client_names.first().or(view.client.as_ref()).map_or("this machine", String::as_str);
    let (health, word) = match view.outcome.as_str() {
        "" => (Health::Unknown, "no answer at all"),
        "asked" => (Health::Up, "let through"),
        other => (health(other), label(other)),
    };
    html! {
        (ui::state_with(health, word))
        span { " · " (ui::breakable(view.name.trim_end_matches('.'))) " " span.muted { (view.kind) } " for " (client) }
    }
}

/// What that means.
fn meaning(outcome: &str) -> &'static str {
    match outcome {
        "blocked" => "A list or a rule blocks it. This is answered:",
        "service" => "It belongs to a service that is blocked. This is answered:",
        "rewritten" => "A rule or a rewrite gives it this answer:",
        "safe-search" => "It is a search, and leads to the one for children:",
        "local" => "The lab answers it itself:",
        "refused" => "This client, or such a question, is refused:",
        "limited" => "Too much was asked:",
        "" => "It gets no reply.",
        _ => "Nothing here blocks it: others are asked. They said before:",
    }
}

/// The rules that would change it, to press.
fn changes(seen: &Seen, view: &DnsWhy, asked: &WhyAsked, may_change: bool) -> Markup {
    let fields = [("name", &asked.name), ("client", &asked.client), ("kind", &asked.kind)];
    let fields =
        fields.iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded(value.as_deref()?))));
    let here = format!("/dns/why?{}", fields.collect::<Vec<_>>().join("&"));
    html! {
        @if !view.changes.is_empty() {
            ul.changes {
                @for own in &view.changes {
                    li { (change::rule(seen, may_change, &own.rule, &here, html! { (own.label) }, &own.label)) " " code { (own.rule) } }
                }
            }
        }
        @for (rule, number) in undone(seen, view) {
            p { "A click added " code { (rule) } ". " a.action href={ "/config/overlay/" (number) "/delete" } { "Undo" span.hidden { ": " (rule) } } }
        }
    }
}

/// Rules about this very name that were added by a click, and are not among what can be added.
fn undone<'s>(seen: &'s Seen, view: &DnsWhy) -> Vec<(&'s str, i64)> {
    let about = format!("||{}^", view.name.trim_end_matches('.'));
    let own = seen.overlay.iter().filter(|entry| entry.key == "dns.rules");
    let own = own.filter(|entry| {
        let rule = entry.value.trim_start_matches("@@");
        rule.strip_prefix(about.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('$'))
    });
    let own = own.filter(|entry| view.changes.iter().all(|change| change.rule != entry.value));
    own.map(|entry| (entry.value.as_str(), entry.number)).collect()
}
