//! Asks the name servers what pages about names show, and tells that of this machine what somebody wants of it.

use std::time::Duration;

use runtime::link::{Question, Reply};
use runtime::{Here, Seen};
use tokio::time::timeout;

use super::answer::ask_each;
use crate::page::{self, Made};
use crate::route::{Page, Telling, WhyAsked};
use crate::view::{self, LogFilter, Told, Trouble};

/// How long the name server of this machine may take: a little longer than it looks through its log.
const PATIENCE: Duration = Duration::from_secs(6);

/// A page about names.
pub(super) async fn page(here: &Here, seen: &Seen, page: &Page, may_change: bool) -> Option<Made> {
    match page {
        Page::Dns { text } => {
            let view = view::dns(seen, servers(here, seen).await, text.as_deref())?;
            Some(page::dns(seen, &view, text.as_deref(), may_change))
        }
        Page::DnsLog(filter) => {
            let view = log(here, seen, filter).await?;
            Some(page::dns_log(seen, &view, filter, may_change))
        }
        Page::DnsNumbers => Some(page::dns_numbers(seen, &numbers(here, seen).await?)),
        Page::DnsWhy(asked) => Some(page::dns_why(seen, why(here, asked).await.as_ref(), asked, may_change)),
        Page::DnsLists => {
            let view = view::dns(seen, servers(here, seen).await, None)?;
            Some(page::dns_lists(seen, &view, may_change))
        }
        Page::DnsPolicies => {
            let view = view::dns(seen, servers(here, seen).await, None)?;
            Some(page::dns_policies(seen, &view))
        }
        _ => None,
    }
}

/// The questions that the name server of this machine was asked.
pub(super) async fn log(here: &Here, seen: &Seen, filter: &LogFilter) -> Option<view::DnsLog> {
    view::log(seen, ask(here, &dns::Question::Log(filter.search(seen))).await)
}

/// What came of those of the last day.
pub(super) async fn numbers(here: &Here, seen: &Seen) -> Option<view::DnsNumbers> {
    view::numbers(seen, ask(here, &dns::Question::Statistics { hours: view::HOURS }).await)
}

/// What would be said about a name; none if no name is asked for.
pub(super) async fn why(here: &Here, asked: &WhyAsked) -> Option<view::DnsWhy> {
    let WhyAsked { name, client, kind } = asked.clone();
    Some(view::why(ask(here, &dns::Question::Why { name: name?, kind, client }).await))
}

/// What the name server is told, and the page to go to then.
pub(super) fn told(what: Telling, who: String) -> (dns::Question, &'static str) {
    match what {
        Telling::Pause(seconds) => (dns::Question::Pause { seconds, who }, "/dns"),
        Telling::Flush(name) => (dns::Question::Flush { name }, "/dns#cache"),
        Telling::Fetch(list) => (dns::Question::Refresh { list }, "/dns/lists"),
        Telling::ForgetLog => (dns::Question::ForgetLog { who }, "/dns/log"),
    }
}

/// A question to the name server of this machine.
pub(super) fn question(question: &dns::Question) -> Question {
    let question = serde_json::to_value(question).unwrap_or_default();
    Question::Service { service: dns::SERVICE.word().to_owned(), question }
}

async fn ask(here: &Here, own: &dns::Question) -> Told {
    let late = || Trouble {
        what: "the name server of this machine took too long".to_owned(),
        help: "look for less, or load the page again".to_owned(),
    };
    match timeout(PATIENCE, here.ask(question(own))).await.map_err(|_| late())? {
        Reply::Service { answer } => serde_json::from_value(answer).map_err(|_| Trouble::odd()),
        Reply::Fault { what, help } => Err(Trouble { what, help }),
        Reply::Unknown { why } => Err(Trouble { what: why, help: "load the page again".to_owned() }),
        _ => Err(Trouble::odd()),
    }
}

/// What the name servers of the lab show of themselves.
pub(super) async fn servers(here: &Here, seen: &Seen) -> view::NameServersAsked {
    let question = Question::View { service: dns::SERVICE.word().to_owned() };
    let said = ask_each(here, seen, &view::on(seen), &question).await;
    let read = |reply: Reply| match reply {
        // One that stands by has nothing to show.
        Reply::View { view } if view.is_null() => None,
        Reply::View { view } => {
            Some(serde_json::from_value(view).map_err(|_| "it runs another version".to_owned()))
        }
        _ => Some(Err("it said something else".to_owned())),
    };
    let read = |(machine, reply): (String, Result<Reply, String>)| match reply {
        Ok(reply) => Some((machine, read(reply)?)),
        Err(why) => Some((machine, Err(why))),
    };
    said.into_iter().filter_map(read).collect()
}
