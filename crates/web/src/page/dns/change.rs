//! What can be changed about names: a press for who opened the pages with a link, else a page that says how.

use maud::{Markup, html};
use runtime::Seen;

use super::super::{Made, confirm, plain};
use crate::request::encoded;
use crate::route::Telling;

/// Something to press. Who may not change anything is led to the page that says how to.
pub(super) fn press(may_change: bool, action: &str, fields: &[(&str, &str)], label: Markup) -> Markup {
    let query: Vec<String> = fields
        .iter()
        // Where to go back to matters once something is changed.
        .filter(|(name, _)| *name != "back")
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    html! {
        @if may_change {
            form.press action=(action) method="post" {
                @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
                button { (label) }
            }
        } @else if query.is_empty() {
            a.action href=(action) { (label) }
        } @else {
            a.action href={ (action) "?" (query.join("&")) } { (label) }
        }
    }
}

/// The number of a rule that was added by a click.
pub(super) fn by_click(seen: &Seen, rule: &str) -> Option<i64> {
    let entry = seen.overlay.iter().find(|entry| entry.key == "dns.rules" && entry.value == rule);
    entry.map(|entry| entry.number)
}

/// A rule to add, or that it was added and how to undo that.
pub(super) fn rule(
    seen: &Seen,
    may_change: bool,
    rule: &str,
    back: &str,
    label: Markup,
    done: &str,
) -> Markup {
    match by_click(seen, rule) {
        Some(number) => html! {
            span.whole { span.muted { (done) } " " a.action href={ "/config/overlay/" (number) "/delete" } { "Undo" span.hidden { ": " (rule) } } }
        },
        None => press(may_change, "/dns/rule", &[("rule", rule), ("back", back)], label),
    }
}

/// Forgets the answers about a name, or all.
pub(super) fn flush(may_change: bool) -> Markup {
    html! {
        form.search.below action="/dns/flush" method=(if may_change { "post" } else { "get" }) {
            label for="flush-name" { "Forget those about" }
            input id="flush-name" name="name" placeholder="all names" autocomplete="off" spellcheck="false";
            button { "Forget" }
        }
    }
}

/// Whether a rule is really to be added.
pub(crate) fn add_rule(seen: &Seen, rule: &str, may_change: bool) -> Made {
    let allows = rule.starts_with("@@");
    let title = if allows { "Allow this name" } else { "Block this name" };
    let main = html! {
        p { "The rule " code { (rule) } " is added to " code { "dns.rules" } " of this machine, " b { "beside" } " the lab file, and holds at once." }
        p { "It stands in " a href="/config#overlay" { "what is not in the file" } " with the line to paste, and goes from there once the file has it." }
        (confirm(may_change, "/dns/rule", &[("rule", rule)], if allows { "Allow" } else { "Block" }, "/dns#last"))
    };
    plain(seen, hyper::StatusCode::OK, title, main)
}

/// Whether the name server of this machine is really to do something.
pub(crate) fn tell(seen: &Seen, what: &Telling, may_change: bool) -> Made {
    let (mut action, mut fields, mut back) = ("/dns/pause", Vec::new(), "/dns");
    let (title, words, button) = match what {
        Telling::Pause(0) => {
            fields.push(("seconds", "0".to_owned()));
            ("Block again", "What lists and rules block is blocked again at once.".to_owned(), "Block again")
        }
        Telling::Pause(seconds) => {
            fields.push(("seconds", seconds.to_string()));
            let long = runtime::clock::long_in_words(i64::from(*seconds) * 1000);
            let words = format!(
                "For {long} this machine blocks nothing, for nobody: no list, no rule, no service. Names of the lab are answered as before. \
                 A day is the longest."
            );
            ("Let the filters rest", words, "Pause")
        }
        Telling::Flush(name) => {
            (action, back) = ("/dns/flush", "/dns");
            fields.extend(name.iter().map(|name| ("name", name.clone())));
            let whose = name
                .as_ref()
                .map_or("all names".to_owned(), |name| format!("`{name}` and every name under it"));
            let words = format!(
                "The answers about {whose} are forgotten. Who asks for one of them next waits for an upstream."
            );
            ("Forget answers", words, "Forget")
        }
        Telling::Fetch(list) => {
            (action, back) = ("/dns/fetch", "/dns/lists");
            fields.extend(list.iter().map(|list| ("list", list.clone())));
            let which =
                list.as_ref().map_or("All lists are".to_owned(), |list| format!("The list `{list}` is"));
            (
                "Fetch lists now",
                format!("{which} fetched now. Until a new one is here the old one is followed."),
                "Fetch",
            )
        }
        Telling::ForgetLog => {
            (action, back) = ("/dns/forget", "/dns/log");
            let words = "Everything in the log of questions of this machine is removed, and the numbers of past hours with it. It can not be had \
                         again."
                .to_owned();
            ("Empty the log", words, "Remove everything")
        }
    };
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let main =
        html! { p { (crate::ui::code_words(&words)) } (confirm(may_change, action, &fields, button, back)) };
    plain(seen, hyper::StatusCode::OK, title, main)
}
