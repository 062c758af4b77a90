//! What pages and commands ask a running server.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use runtime::{Fault, Millis, clock};

use super::Server;
use crate::answer::{self, From, Outcome};
use crate::client::{Seen, client};
use crate::fault;
use crate::lists::Key;
use crate::log::{self, ClientIs, Logger, NameIs};
use crate::plan::{Match, Plan, Record};
use crate::question::{Hour, Question, Said, Search, Statistics};
use crate::wire::{Name, kind};

/// The longest that filters may be paused, in seconds: a day.
const LONGEST_PAUSE: u32 = 86_400;

pub(super) async fn answer(server: &Server, question: Question) -> Result<Said, Fault> {
    match question {
        Question::Flush { name } => flush(server, name.as_deref()),
        Question::Pause { seconds, who } => Ok(pause(server, seconds, who)),
        Question::Why { name, kind, client } => why(server, &name, kind.as_deref(), client.as_deref()),
        Question::Refresh { list } => refresh(server, list.as_deref()),
        Question::Log(search) => aside(server, move |logger| log_search(logger, search)).await,
        Question::Statistics { hours } => {
            let now = server.shared.clock.now();
            aside(server, move |logger| Ok(Said::Statistics(statistics(logger, now, hours)))).await
        }
        Question::ForgetLog { who } => {
            let clear = |logger: &Logger| logger.clear().map_err(|error| fault::log_stays(&error));
            aside(server, move |logger| clear(logger).map(|()| Said::Done)).await.inspect(|_| {
                server.told("removed everything from its log".to_owned(), who);
            })
        }
    }
}

fn flush(server: &Server, name: Option<&str>) -> Result<Said, Fault> {
    let parsed = name.map(|name| Name::parse(name).ok_or_else(|| fault::no_name(name))).transpose()?;
    Ok(Said::Flushed { answers: server.shared.cache.forget(parsed.as_ref()) })
}

fn refresh(server: &Server, list: Option<&str>) -> Result<Said, Fault> {
    let wanted = super::wanted(&server.shared.serving().plan);
    let keys: Vec<Key> =
        wanted.lists.iter().filter(|wish| wish.url().is_some()).map(|wish| wish.key.clone()).collect();
    match list {
        None => server.lists.refresh(None),
        Some(name) => {
            let key = keys.iter().find(|key| key.name == name).ok_or_else(|| {
                let near = lab::nearest(name, keys.iter().map(|key| key.name.as_str()));
                fault::no_list(name, near)
            })?;
            server.lists.refresh(Some(key));
        }
    }
    Ok(Said::Done)
}

fn pause(server: &Server, seconds: u32, who: String) -> Said {
    let seconds = seconds.min(LONGEST_PAUSE);
    server.shared.pause(seconds);
    let what = match seconds {
        0 => "filters again".to_owned(),
        _ => format!("lets its filters rest for {}", clock::long_in_words(Millis::from(seconds) * 1000)),
    };
    server.told(what, who);
    Said::Done
}

fn why(server: &Server, name: &str, of: Option<&str>, who: Option<&str>) -> Result<Said, Fault> {
    let shared = &server.shared;
    let serving = shared.serving();
    let name = Name::parse(name.trim()).ok_or_else(|| fault::no_name(name))?;
    let of = match of.map(str::trim).filter(|of| !of.is_empty()) {
        Some(text) => kind::parse(text).ok_or_else(|| fault::no_kind(text))?,
        None => kind::A,
    };
    let who = who.map(str::trim).filter(|who| !who.is_empty());
    let address =
        who.map(|who| address_of(&serving.plan, who).ok_or_else(|| fault::no_client(who))).transpose()?;
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let mac = shared.mac_of(address);
    let now = shared.week_time(&serving.zone);
    let client = client(&serving.plan, Seen { address, mac, id: None }, now);
    let from = From { plan: &serving.plan, filters: &serving.filters, is_paused: shared.is_paused() };
    Ok(Said::Why(answer::why(from, (&shared.cache, serving.epoch, shared.now()), &name, of, &client)))
}

/// The address of a client that is given by it, or by the name of something in the lab.
fn address_of(plan: &Plan, who: &str) -> Option<IpAddr> {
    let called = || plan.called.iter().find(|called| called.name == who)?.who.iter().find_map(Match::address);
    let named = || {
        let full = Name::parse(who).filter(|name| name.is_in(&plan.domain));
        let name = full.or_else(|| Name::parse(&format!("{who}.{}", plan.domain.text())))?;
        match plan.find(&name, None)? {
            Record::Addresses(addresses) => addresses.first().copied(),
            Record::Alias(_) => None,
        }
    };
    who.parse().ok().or_else(called).or_else(named)
}

/// Work with the log, which waits for the disk.
async fn aside(
    server: &Server,
    work: impl FnOnce(&Logger) -> Result<Said, Fault> + Send + 'static,
) -> Result<Said, Fault> {
    let logger = Arc::clone(&server.shared.logger);
    tokio::task::spawn_blocking(move || work(&logger)).await.unwrap_or_else(|_| Err(fault::ended()))
}

fn log_search(logger: &Logger, search: Search) -> Result<Said, Fault> {
    let some = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let outcomes = match some(search.outcome) {
        None => Vec::new(),
        Some(word) => vec![log::Outcome::of(&word).ok_or_else(|| fault::no_outcome(&word))?],
    };
    let client = some(search.client).map(|text| match text.parse() {
        Ok(address) => ClientIs::Address(address),
        Err(_) => ClientIs::Part(text),
    });
    let found = logger.search(log::Search {
        client,
        name: some(search.name).map(NameIs::Part),
        outcomes,
        reason: some(search.reason),
        before: search.before,
        limit: if search.most == 0 { 100 } else { usize::try_from(search.most).unwrap_or(usize::MAX) },
        ..log::Search::default()
    });
    let note = match (found.is_cut, found.unreadable) {
        (true, _) => Some("this took too long: there may be more further back".to_owned()),
        (false, 0) => None,
        (false, rows) => Some(format!("{rows} rows can not be read: their file is damaged")),
    };
    Ok(Said::Log { rows: found.rows.into_iter().map(super::shown::looked).collect(), next: found.next, note })
}

/// How many of everything that is most.
const TOP: usize = 10;

fn statistics(logger: &Logger, now: Millis, hours: u32) -> Statistics {
    let from = now.saturating_sub(i64::from(hours.clamp(1, 24 * 30)) * log::HOUR);
    let tops = logger.tops(from, now.saturating_add(1), TOP);
    let pairs = |tops: Vec<log::Top>| tops.into_iter().map(|top| (top.what, top.count)).collect::<Vec<_>>();
    let hour = |hour: log::Hour| Hour {
        at: hour.begin,
        questions: hour.questions(),
        blocked: hour.blocked(),
        failed: hour.of(Outcome::Failed.into()),
        mean_millis: f64::from(u32::try_from(hour.mean_micros()).unwrap_or(u32::MAX)) / 1000.0,
    };
    Statistics {
        hours: logger.hours(from, now.saturating_add(1)).into_iter().map(hour).collect(),
        clients: tops
            .clients
            .into_iter()
            .filter_map(|top| Some((top.what.parse().ok()?, top.count)))
            .collect(),
        names: pairs(tops.names),
        blocked: pairs(tops.blocked_names),
        lists: pairs(tops.lists),
        upstreams: tops.upstreams.into_iter().map(|top| (top.upstream, top.count)).collect(),
    }
}
