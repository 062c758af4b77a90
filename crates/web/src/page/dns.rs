//! The name servers. What is looked for first stands first: why a name is not answered, whether all is well, the last
//! questions; then the rest, each on a page of its own.

mod change;
mod lists;
mod log;
mod numbers;
mod policies;
mod why;

use maud::{Markup, html};
use runtime::Seen;

use super::{Head, Made, made};
use crate::layout::Nav;
use crate::route::Page;
use crate::ui;
use crate::view::{DnsMachine, DnsName, DnsView, Health, ServiceRow};
use ::dns::Outcome;

pub(crate) use change::{add_rule, tell};
pub(crate) use lists::dns_lists;
pub(crate) use log::dns_log;
pub(crate) use numbers::dns_numbers;
pub(crate) use policies::dns_policies;
pub(crate) use why::dns_why;

use change::press;

/// The pages about names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tab {
    Now,
    Log,
    Why,
    Numbers,
    Lists,
    Policies,
}

const TABS: [(Tab, &str, &str); 6] = [
    (Tab::Now, "/dns", "Now"),
    (Tab::Log, "/dns/log", "Log"),
    (Tab::Why, "/dns/why", "Why"),
    (Tab::Numbers, "/dns/numbers", "Numbers"),
    (Tab::Lists, "/dns/lists", "Lists"),
    (Tab::Policies, "/dns/policies", "Policies"),
];

/// The head of each of these pages: what it is, and where the others are.
fn head(here: Tab, title: &str) -> Markup {
    html! {
        h1 { (title) }
        nav.tabs aria-label="Pages about names" {
            @for (tab, url, name) in TABS { a href=(url) aria-current=[(tab == here).then_some("page")] { (name) } }
        }
    }
}

pub(crate) fn dns(seen: &Seen, view: &DnsView, text: Option<&str>, may_change: bool) -> Made {
    let topics = Page::Dns { text: None }.topics();
    let page = Head { title: "DNS", here: Nav::Dns, topics, mixes_looks: true };
    let main = html! {
        (head(Tab::Now, "DNS"))
        @match &view.service {
            Some(service) => (headline(service)),
            None => (ui::notice("note", html! { "The lab has no name server: write " code { "[dns]" } "." })),
        }
        (silent(view))
        @for own in &view.machines { (paused(own, may_change)) }
        section.card #why {
            h2 { "Why is a name blocked, or what is it answered with?" }
            (why::form(seen, &crate::route::WhyAsked::default()))
        }
        @if !view.machines.is_empty() {
            section.card #counters { h2 { "What came of questions" } (counters(&view.machines)) (pauses(view, may_change)) }
        }
        section.card #last {
            h2 { a href="/dns/log" { "Last questions" } }
            @if view.is_here {
                (log::rows(seen, &view.lookups, may_change, "/dns#last", nothing_yet(view)))
                @if !view.lookups.is_empty() { p.muted { a href="/dns/log" { "All of the log" } } }
            } @else {
                (only_there(seen))
            }
        }
        @if !view.machines.is_empty() {
            section.card #upstreams { h2 { "Who is asked" } (upstreams(view)) }
        }
        @if let Some(own) = view.own() {
            div.columns {
                section.card #cache { h2 { "Answers that are kept" } (cache(own, may_change)) }
                section.card #log { h2 { "The log of questions" } (log::facts(own, may_change)) }
            }
        }
        @for own in &view.machines { (encrypted(own)) }
        section.card #names {
            h2 { "Names of " (view.domain) }
            form.search action="/dns#names" method="get" role="search" aria-label="Names" {
                label for="names-q" { "Name, address or thing" }
                input id="names-q" name="q" type="search" value=(text.unwrap_or_default()) autocomplete="off";
                button { "Show" }
                @if text.is_some() { a href="/dns#names" { "All " (view.names_in_all) } }
            }
            (names(&view.names))
        }
    };
    made(seen, &page, main)
}

/// What is said while nobody has asked anything.
fn nothing_yet(view: &DnsView) -> &'static str {
    match view.own() {
        None => "The name server of this machine does not serve now: the one that does has the questions.",
        Some(own) if own.log.is_off => "The log is off: `[dns].log` in the lab file says so.",
        Some(_) => "Nobody has asked anything yet.",
    }
}

/// Who asks for what is private to the machine that is asked.
fn only_there(seen: &Seen) -> Markup {
    let on = crate::view::on(seen);
    html! {
        p.empty {
            "Who asks for what is shown on the machine that is asked only: open the pages there."
            @if !on.is_empty() {
                " It is " @for (at, machine) in on.iter().enumerate() {
                    @if at > 0 { " or " } a href={ "/machines/" (machine) } { (machine) }
                } "."
            }
        }
    }
}

/// Machines that do not say what they do.
fn silent(view: &DnsView) -> Markup {
    html! {
        @for (machine, why) in &view.silent {
            (ui::notice("note", html! { a href={ "/machines/" (machine) } { (machine) } " does not say what it does: " (ui::code_words(why)) }))
        }
    }
}

fn headline(service: &ServiceRow) -> Markup {
    html! {
        p.headline {
            (ui::state(service.health)) " · " (service.words)
            @if let Some(address) = &service.address {
                " · " (ui::follows(html! { (address) }))
                @for holder in service.on.iter().filter(|holder| holder.serves) {
                    " held by " a href={ "/machines/" (holder.machine) } { (holder.machine) }
                }
            }
            " " (ui::lines(&service.lines))
        }
    }
}

/// That filters rest, which nobody is to forget.
fn paused(own: &DnsMachine, may_change: bool) -> Markup {
    html! {
        @if let Some(until) = own.paused_until {
            div.notice.warn {
                span { (ui::state(Health::Paused)) " · Filters of " (own.machine) " rest until " (ui::moment(until)) ": nothing is blocked." }
                @if own.is_here { " " (press(may_change, "/dns/pause", &[("seconds", "0")], html! { "Block again now" })) }
            }
        }
    }
}

/// How long filters can be paused.
const PAUSES: [(&str, &str); 3] = [("300", "5 min"), ("1800", "30 min"), ("7200", "2 h")];

fn pauses(view: &DnsView, may_change: bool) -> Markup {
    html! {
        @if let Some(own) = view.own().filter(|own| own.paused_until.is_none()) {
            div.presses {
                span.muted { "Filters of " (own.machine) " are on. Let them rest for" }
                @for (seconds, words) in PAUSES { (press(may_change, "/dns/pause", &[("seconds", seconds)], html! { (words) })) }
            }
        }
    }
}

/// How each server is: whether it does what it should, and in numbers since it was started.
fn counters(machines: &[DnsMachine]) -> Markup {
    let columns = [
        "Machine",
        "State",
        "#Questions",
        "#Blocked",
        "-#Own names",
        "-#Kept",
        "-#Asked",
        "-#Refused",
        "#No answer",
    ];
    let rows = machines.iter().map(|own| {
        let blocked = own.of(&[Outcome::Blocked, Outcome::Service]);
        let number = |outcomes: &[Outcome]| html! { (ui::thousands(own.of(outcomes))) };
        vec![
            html! { a href={ "/machines/" (own.machine) } { (own.machine) } },
            how(own),
            html! { (ui::thousands(own.questions)) },
            html! { (ui::thousands(blocked)) @if blocked > 0 { div.muted { (percent(blocked, own.questions)) } } },
            number(&[Outcome::Local, Outcome::Rewritten, Outcome::SafeSearch]),
            number(&[Outcome::Cached, Outcome::Stale]),
            number(&[Outcome::Forwarded]),
            number(&[Outcome::Refused, Outcome::Limited, Outcome::Rebinding]),
            number(&[Outcome::Failed, Outcome::Bogus]),
        ]
    });
    let table = ui::table(
        "How name servers are, and what came of questions since each was started",
        &columns,
        rows.collect(),
        "",
    );
    html! { div.counters { (ui::stacked(table)) } }
}

/// Whether a server does what it should, in a few words.
fn how(own: &DnsMachine) -> Markup {
    let (failing, all) = (own.failing(), own.upstreams.len());
    let health = match () {
        () if all > 0 && failing == all => Health::Down,
        () if own.paused_until.is_some() => Health::Paused,
        () if failing > 0 => Health::Degraded,
        () => Health::Up,
    };
    let over = [("UDP and TCP", &own.listen), ("TLS", &own.tls), ("HTTPS", &own.https)];
    let over: Vec<&str> =
        over.iter().filter(|(_, places)| !places.is_empty()).map(|(over, _)| *over).collect();
    html! {
        (ui::state(health))
        div.why {
            (if own.paused_until.is_some() { "filters rest" } else { "filters are on" })
            @if failing > 0 { "; " (failing) " of " (all) " upstreams do not answer" }
            (if own.validates { "; signatures are checked" } else { "; signatures are not checked" })
            "; over " (over.join(", "))
        }
    }
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.0}\u{202F}%", ui::part_of(part, whole) * 100.0)
}

/// Whom name servers ask. Lines of the same server on several machines stand below each other.
fn upstreams(view: &DnsView) -> Markup {
    let columns = ["Server", "State", "#Takes", "-#Asked", "-#No answer", "-#Other replies", "-Asked by"];
    let rows = view.machines.iter().flat_map(|own| own.upstreams.iter().map(move |upstream| (own, upstream)));
    let rows = rows.map(|(own, upstream)| {
        let takes = upstream.mean_millis.map_or_else(String::new, |mean| format!("{mean:.0}\u{202F}ms"));
        vec![
            html! {
                (ui::breakable(&upstream.name))
                div.muted { (if upstream.is_encrypted { "encrypted" } else { "not encrypted" }) }
            },
            html! {
                (ui::state(upstream.health))
                @if upstream.questions == 0 { div.why { "not asked yet" } }
                @if let Some(trouble) = &upstream.trouble { div.why { (ui::code_words(trouble)) } }
            },
            html! { (takes) },
            html! { (ui::thousands(upstream.questions)) },
            html! { (ui::thousands(upstream.failures)) },
            html! { (ui::thousands(upstream.wrong_replies)) },
            html! { a href={ "/machines/" (own.machine) } { (own.machine) } },
        ]
    });
    ui::table(
        "Whom name servers ask",
        &columns,
        rows.collect(),
        "Nobody is asked: names of outside have no answer.",
    )
}

fn cache(own: &DnsMachine, may_change: bool) -> Markup {
    let cache = own.cache;
    let all = cache.hits.saturating_add(cache.misses);
    let (bytes, most) =
        (u64::try_from(cache.bytes).unwrap_or(u64::MAX), u64::try_from(cache.most).unwrap_or(u64::MAX));
    let text = format!("{} of {}", ui::size(bytes), ui::size(most));
    html! {
        (ui::facts(&[
            ("Answers", html! { (ui::thousands(u64::try_from(cache.entries).unwrap_or(u64::MAX))) }),
            ("Memory", ui::meter("Memory of kept answers", ui::part_of(bytes, most), &text)),
            ("Of use for", html! {
                @if all == 0 { "no question yet" }
                @else { (percent(cache.hits, all)) " of " (ui::thousands(all)) " questions about names of outside" }
            }),
        ]))
        (change::flush(may_change))
    }
}

/// What a device needs to ask under encryption.
fn encrypted(own: &DnsMachine) -> Markup {
    html! {
        @if let Some((fingerprint, certificate)) = &own.authority {
            section.card id={ "encrypted-" (own.machine) } {
                h2 { "Asking " (own.machine) " under encryption" }
                p { "A device that is to ask over TLS or HTTPS trusts this authority first. It is the right one if the device shows the same SHA-256:" }
                p { code { (fingerprint) } }
                details { summary { "The certificate to install" } pre { code { (certificate) } } }
            }
        }
    }
}

fn names(names: &[DnsName]) -> Markup {
    let columns = ["Name", "Is", "-Of", "-"];
    let rows = names.iter().map(|own| {
        vec![
            ui::breakable(&own.name),
            html! {
                (ui::follows(html! { (own.answer) }))
                @for (zone, answer) in &own.by_zone { div.muted { "for " (zone) ": " (answer) } }
            },
            html! { @match &own.url { Some(url) => a href=(url) { (own.owner) }, None => (own.owner) } },
            ui::lines(&own.lines),
        ]
    });
    ui::table("Names that the lab answers", &columns, rows.collect(), "No name has that in it.")
}
