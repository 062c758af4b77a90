//! What a running server shows of itself.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use runtime::Millis;

use super::Server;
use crate::answer::Outcome;
use crate::filter::Counts;
use crate::lists;
use crate::log::Entry;
use crate::plan::SourceKind;
use crate::upstream::State;
use crate::view::{
    ListShown, ListState, LogShown, Looked, Metrics, Own, PolicyShown, UpstreamShown, UpstreamState, View,
};
use crate::wire::{code_word, kind};

pub(super) fn view(server: &Server) -> View {
    let serving = server.shared.serving();
    let plan = &serving.plan;
    let until = |left: Duration| {
        server.shared.clock.now().saturating_add(Millis::try_from(left.as_millis()).unwrap_or(Millis::MAX))
    };
    View {
        listen: server.listens(),
        tls: plan.tls.clone(),
        https: plan.https.clone(),
        authority: server.encrypted.authority(),
        names: plan.name_count(),
        validates: plan.validates,
        upstreams: upstreams(server),
        policies: policies(server),
        lists: server.lists.views().into_iter().map(list).collect(),
        refused_rules: server.refused.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        own_rules: serving.filters.own.len(),
        rules: serving.filters.own.len() + serving.filters.lists.len(),
        rules_bytes: serving.filters.own.bytes() + serving.filters.lists.bytes(),
        cache: crate::view::CacheView { most: plan.cache.bytes, ..server.shared.cache.view() },
        metrics: metrics(server),
        paused_until: server.shared.pause_left().map(until),
        log: log(server),
        own: Own { last: server.shared.logger.tail(LAST).rows.into_iter().map(looked).collect() },
    }
}

/// How many of the last questions are shown.
const LAST: usize = 50;

fn log(server: &Server) -> LogShown {
    let (logger, serving) = (&server.shared.logger, server.shared.serving());
    let (rows, bytes) = logger.size();
    LogShown {
        is_off: serving.plan.log.is_off,
        is_anonymous: serving.plan.log.is_anonymous,
        rows,
        bytes,
        lost: logger.lost(),
        revision: logger.revision(),
    }
}

/// A row of the log as it is shown.
pub(super) fn looked(row: Entry) -> Looked {
    Looked {
        at: row.at,
        client: row.client,
        who: row.who.unwrap_or_default(),
        name: row.name,
        kind: kind::text(row.kind),
        outcome: row.outcome.known().unwrap_or_default(),
        code: code_word(row.code.0),
        reason: row.rule.unwrap_or_default(),
        list: row.list.unwrap_or_default(),
        policy: row.policy.unwrap_or_default(),
        upstream: row.upstream.unwrap_or_default(),
        security: row.security.word().to_owned(),
        over: row.transport.word().to_owned(),
        micros: row.micros,
    }
}

fn list(view: lists::view::ListView) -> ListShown {
    let (state, counts) = match view.state {
        lists::view::ListState::Followed(counts) => (ListState::Followed, counts),
        lists::view::ListState::Out(why) => (ListState::Out(why), Counts::default()),
        lists::view::ListState::NotFetched => (ListState::Waiting, Counts::default()),
    };
    ListShown {
        name: view.name,
        allows: view.purpose == lists::Purpose::Allow,
        source: view.source,
        state,
        rules: counts.rules,
        not_followed: counts.others.iter().map(|(kind, count)| (kind.to_string(), *count)).collect(),
        fetched_at: view.copy.as_ref().and_then(|copy| copy.fetched_at),
        checked_at: view.copy.as_ref().and_then(|copy| copy.checked_at),
        next_at: view.next_at,
        fetching: view.fetching,
        trouble: view.trouble.map(|trouble| (trouble.what, trouble.help)),
        notes: view.notes,
    }
}

fn upstreams(server: &Server) -> Vec<UpstreamShown> {
    let shown = |upstream: crate::upstream::UpstreamView| UpstreamShown {
        name: upstream.written.to_string(),
        is_encrypted: upstream.is_encrypted,
        state: match upstream.state {
            State::Unknown => UpstreamState::Unknown,
            State::Up => UpstreamState::Up,
            State::Failing(_) => UpstreamState::Failing,
        },
        questions: upstream.questions,
        failures: upstream.failures,
        wrong_replies: upstream.wrong_replies,
        mean_millis: upstream.mean.map(|mean| mean.as_secs_f64() * 1000.0),
        trouble: upstream.last_error.map(|(words, _)| words.to_string()),
    };
    server.shared.outside.view().upstreams.into_iter().map(shown).collect()
}

fn policies(server: &Server) -> Vec<PolicyShown> {
    let serving = server.shared.serving();
    let plan = &serving.plan;
    let now = server.shared.week_time(&serving.zone);
    let shown = |policy: &crate::plan::Policy| {
        let sources = plan.sources.iter().enumerate().filter(|(number, _)| policy.follows(*number));
        let name = |source: &crate::plan::Source| match &source.of {
            SourceKind::Service(_) => format!("service {}", source.name),
            SourceKind::Block(_) | SourceKind::Allow(_) => format!("list {}", source.name),
            SourceKind::Rules(_) => source.name.clone(),
        };
        let group = plan.groups.get(policy.group).filter(|_| policy.group > 0);
        PolicyShown {
            name: policy.name.clone(),
            who: policy.who.iter().map(crate::plan::Match::words).collect(),
            when: policy.when.iter().map(ToString::to_string).collect(),
            holds_now: policy.when.is_empty()
                || policy.when.iter().any(|window| window.holds(now.day, now.minute)),
            follows: sources.map(|(_, source)| name(source)).collect(),
            safe_search: policy.safe_search.words().split_whitespace().map(str::to_owned).collect(),
            upstreams: group.iter().flat_map(|group| &group.lines).map(ToString::to_string).collect(),
            is_logged: policy.is_logged,
        }
    };
    plan.policies.iter().map(shown).collect()
}

fn metrics(server: &Server) -> Metrics {
    let counts = &server.shared.counts;
    let outcomes = Outcome::ALL.iter().zip(&counts.outcomes);
    let mut metrics = Metrics::default();
    for (outcome, count) in outcomes {
        metrics.counts.insert(Metrics::key(*outcome), count.load(Ordering::Relaxed));
    }
    for (over, count) in ["udp", "tcp", "tls", "https"].iter().zip(&counts.over) {
        metrics.counts.insert(format!("queries_over_{over}_total"), count.load(Ordering::Relaxed));
    }
    let cache = server.shared.cache.view();
    let more = [
        ("upstream_microseconds_total", counts.micros.load(Ordering::Relaxed)),
        ("cache_entries", u64::try_from(cache.entries).unwrap_or(u64::MAX)),
        ("cache_bytes", u64::try_from(cache.bytes).unwrap_or(u64::MAX)),
        ("cache_hits_total", cache.hits),
        ("cache_misses_total", cache.misses),
        ("log_lost_total", server.shared.logger.lost()),
    ];
    metrics.counts.extend(more.map(|(name, count)| (name.to_owned(), count)));
    metrics
}
