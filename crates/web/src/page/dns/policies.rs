//! What is done for whom, when, and whether that holds now.

use maud::{Markup, html};
use runtime::Seen;

use super::super::{Head, Made, made};
use super::{Tab, head, silent};
use crate::layout::Nav;
use crate::route::Page;
use crate::ui;
use crate::view::{DnsPolicy, DnsView, Health};

pub(crate) fn dns_policies(seen: &Seen, view: &DnsView) -> Made {
    let page =
        Head { title: "DNS policies", here: Nav::Dns, topics: Page::DnsPolicies.topics(), mixes_looks: true };
    let main = html! {
        (head(Tab::Policies, "Policies"))
        p.lead { "Of those that hold now, the policy that says a client most exactly is followed: a device before its network, one with times before one without." }
        (silent(view))
        @match view.machines.first() {
            Some(own) => section.card #policies {
                h2 { "As " a href={ "/machines/" (own.machine) } { (own.machine) } " follows them" }
                (table(&own.policies))
            },
            None => (ui::empty("No name server says what it follows.")),
        }
        @if let Some(own) = view.machines.first() {
            @if own.policies.len() <= 1 {
                p.muted { "There is one policy, for everybody. Others stand in the lab file: " code { "[dns.policies.NAME]" } " with " code { "who" } " and " code { "lists" } "." }
            }
        }
    };
    made(seen, &page, main)
}

fn table(policies: &[DnsPolicy]) -> Markup {
    let columns = ["Policy", "For", "-When", "Now", "What it does"];
    // That of everybody is what is left: it stands at the end.
    let (everybody, own): (Vec<&DnsPolicy>, Vec<&DnsPolicy>) =
        policies.iter().partition(|policy| policy.name.is_empty());
    let rows = own.into_iter().chain(everybody).map(|policy| {
        let is_everybody = policy.name.is_empty();
        vec![
            html! { (if is_everybody { "everybody else" } else { policy.name.as_str() }) },
            html! { @if is_everybody { "who has no policy" } @else { (ui::follows(html! { (policy.who.join(", ")) })) } },
            html! { (ui::follows(html! { @if policy.when.is_empty() { "always" } @else { (policy.when.join("; ")) } })) },
            html! {
                @if policy.holds_now { (ui::running(html! { "holds" })) }
                @else { (ui::state_with(Health::Pending, "not now")) }
            },
            does(policy),
        ]
    });
    ui::stacked(ui::table("Policies", &columns, rows.collect(), "The name server has no policy."))
}

fn does(policy: &DnsPolicy) -> Markup {
    let mut lines = Vec::new();
    if !policy.follows.is_empty() {
        lines.push(policy.follows.join(", "));
    }
    if !policy.safe_search.is_empty() {
        lines.push(format!("safe search: {}", policy.safe_search.join(", ")));
    }
    if !policy.upstreams.is_empty() {
        lines.push(format!("asks {}", policy.upstreams.join(", ")));
    }
    html! {
        @for line in &lines { div { (ui::follows(html! { (line) })) } }
        @if lines.is_empty() { span.muted { "blocks nothing" } }
        @if !policy.is_logged { div.muted { "its questions are not in the log" } }
    }
}
