//! From a message to what is said to it: what can be said at once, what has to be asked for, and the account of both.
//!
//! The decisions are in `answer`; here they meet what changes while the server runs: the plan, the filters, the cache, the
//! neighbours, the clock.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::journal::{Row, Rows};
use super::outside::Failure;
use super::shared::{Serving, Shared};
use crate::answer::{Account, Ask, Decision, From, Outcome, Reason, Transport, account, decide, heard};
use crate::cache::{Age, Filtered, Key};
use crate::client::{Client, Seen, WeekTime, client};
use crate::limits::Turn;
use crate::wire::{Answered, Explanation, Security};

/// The most clients that a thread remembers what is said of.
const MAX_CLIENTS: usize = 4096;
/// The most clients that are remembered to have asked too much.
const MAX_LIMITED: usize = 1024;

/// Who sends a message, and how.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) address: SocketAddr,
    pub(crate) id: Option<Arc<str>>,
    pub(crate) over: Transport,
}

/// What happens to a message.
pub(crate) enum Step {
    /// Nothing is said.
    Silent,
    /// This is said at once.
    Say(Vec<u8>),
    /// Others have to be asked.
    Later(Box<Later>),
}

/// A question that others are asked.
pub(crate) struct Later {
    ask: Ask,
    key: Key,
    client: Arc<Client>,
    /// An answer whose time is over, for when nobody has another one.
    stale: Option<(Answered, u32)>,
    began: Instant,
    over: Transport,
}

impl Later {
    /// What is said when too many wait already. An answer of before is not given: it would have to be judged first.
    pub(crate) fn too_many(&self, message: &[u8]) -> Vec<u8> {
        self.ask.tell_failure(message, Explanation::UNREACHABLE)
    }
}

/// A client, and by what an answer is found fine for it.
type Known = (Arc<Client>, Filtered);

/// What one thread knows, so that it asks the others as little as possible.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    state: u32,
    serving: Arc<Serving>,
    /// The minute that what is known of clients is of, where it depends on the time.
    minute: u64,
    /// By their address, and the name that they say of themselves.
    clients: HashMap<(IpAddr, Option<Arc<str>>), Known>,
    asker: Rc<super::outside::OfThread>,
    rows: Rc<RefCell<Rows>>,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let serving = shared.serving();
        let asker = Rc::new(shared.outside.of_this_thread());
        let rows = Rc::new(RefCell::new(Rows::new(Arc::clone(&shared.logger))));
        Self { shared, state: 0, serving, minute: 0, clients: HashMap::new(), asker, rows }
    }

    /// The rows that wait to be written.
    pub(crate) fn rows(&self) -> Rc<RefCell<Rows>> {
        Rc::clone(&self.rows)
    }

    /// Takes up what has changed since the last messages.
    pub(crate) fn refresh(&mut self) {
        let state = self.shared.state.load(Ordering::Acquire);
        let minute = match self.serving.has_times {
            true => u64::try_from(self.shared.clock.now()).unwrap_or(0) / 60_000,
            false => 0,
        };
        if state != self.state || minute != self.minute {
            self.serving = self.shared.serving();
            self.clients.clear();
            (self.state, self.minute) = (state, minute);
        }
    }

    fn client(&mut self, sender: &Sender) -> Known {
        let address = sender.address.ip();
        let key = (address, sender.id.clone());
        if let Some(known) = self.clients.get(&key) {
            return known.clone();
        }
        let serving = &self.serving;
        let mac = if serving.asks_neighbours { self.shared.mac_of(address) } else { None };
        let now = if serving.has_times { self.shared.week_time(&serving.zone) } else { WeekTime::default() };
        let made = client(&serving.plan, Seen { address, mac, id: sender.id.as_deref() }, now);
        let filtered = self.shared.cache.filtered(serving.filters.state, &made);
        let made = (Arc::new(made), filtered);
        if self.clients.len() >= MAX_CLIENTS {
            self.clients.clear();
        }
        self.clients.insert(key, made.clone());
        made
    }

    /// What can be said at once: also what upstreams said before.
    pub(crate) fn at_once(&mut self, message: &[u8], sender: &Sender) -> Step {
        let began = Instant::now();
        let (client, filtered) = self.client(sender);
        let (shared, serving, over) = (&*self.shared, &*self.serving, sender.over);
        if client.has_limit {
            let now = u64::try_from(began.duration_since(shared.started).as_millis()).unwrap_or(u64::MAX);
            if shared.limits.ask(client.address, serving.plan.clients.per_second, now) == Turn::TooMany {
                // Only counted: a flood is not to push everything else out of the log.
                shared.count(Outcome::Limited, over);
                let mut limited = shared.limited.lock().unwrap_or_else(PoisonError::into_inner);
                let is_told = limited.len() < MAX_LIMITED || limited.contains_key(&client.address);
                if is_told {
                    *limited.entry(client.address).or_default() += 1;
                }
                return Step::Silent;
            }
        }
        let from = From { plan: &serving.plan, filters: &serving.filters, is_paused: shared.is_paused() };
        match decide(from, message, &client, over) {
            Decision::Silent(account) => {
                shared.count(account.outcome, over);
                Step::Silent
            }
            Decision::Say(reply, account) => {
                self.note(Row::of(message, &client, over, &account, began));
                Step::Say(reply)
            }
            Decision::Ask(ask) => self.known(from, message, (client, filtered), ask, began, over),
        }
    }

    /// What upstreams said before, or that they have to be asked.
    fn known(
        &self,
        from: From<'_>,
        message: &[u8],
        (client, filtered): Known,
        ask: Ask,
        began: Instant,
        over: Transport,
    ) -> Step {
        let shared = &self.shared;
        let key = Key::of(&ask.query, ask.name(), ask.group, self.serving.epoch);
        let found = shared.cache.get(&key, filtered, shared.seconds_at(began));
        let Some(found) = found else {
            return Step::Later(Box::new(Later { ask, key, client, stale: None, began, over }));
        };
        if found.age == Age::Stale {
            let stale = Some((found.answered, found.seconds));
            return Step::Later(Box::new(Later { ask, key, client, stale, began, over }));
        }
        if found.age == Age::Refresh {
            let asked = self.outside(&ask, &key);
            tokio::task::spawn_local(async move { drop(asked.await) });
        }
        let (outcome, why) = match (found.age, found.answered.security()) {
            (_, Security::Bogus) => (Outcome::Bogus, found.answered.why()),
            (Age::Unreachable, _) => (Outcome::Stale, Some(Explanation::STALE)),
            _ if found.answered.is_failure() => (Outcome::Failed, Some(Explanation::UNREACHABLE)),
            _ => (Outcome::Cached, None),
        };
        let filtered_out = match found.is_clean {
            true => None,
            false => heard(from, &ask, message, &client, &found.answered),
        };
        let (reply, account, security) = match filtered_out {
            Some((reply, account)) => (reply, account, Security::Unchecked),
            None => {
                if !found.is_clean && ask.is_filtered {
                    shared.cache.found_clean(&key, filtered);
                }
                let reply = ask.tell(message, &found.answered, found.seconds, why);
                (reply, account(&ask, &found.answered, outcome), found.answered.security())
            }
        };
        let row = Row::of(message, &client, over, &account, began);
        self.note(Row { query: Some(&ask.query), security, ..row });
        Step::Say(reply)
    }

    fn outside(
        &self,
        ask: &Ask,
        key: &Key,
    ) -> impl Future<Output = Result<super::outside::Heard, Failure>> + use<> {
        let (asker, shared, serving) =
            (Rc::clone(&self.asker), Arc::clone(&self.shared), Arc::clone(&self.serving));
        let (ask, key) = (ask.clone(), key.clone());
        async move { asker.ask(&shared, &serving, &ask, &key).await }
    }

    /// What upstreams say now, or said before if they do not answer.
    pub(crate) fn later(&self, later: Box<Later>, message: Vec<u8>) -> impl Future<Output = Vec<u8>> + use<> {
        let asked = self.outside(&later.ask, &later.key);
        let (shared, serving, rows) =
            (Arc::clone(&self.shared), Arc::clone(&self.serving), Rc::clone(&self.rows));
        async move {
            let heard_now = match &later.stale {
                None => asked.await,
                Some(_) => {
                    let patience = shared.patience();
                    // Asking goes on, also if the client is told something before.
                    let going_on = tokio::task::spawn_local(asked);
                    let in_time = tokio::time::timeout(patience, going_on).await;
                    let heard = in_time.ok().and_then(Result::ok).unwrap_or(Err(Failure::late()));
                    if heard.as_ref().is_err_and(|failure| failure.why == Explanation::UNREACHABLE) {
                        shared.upstreams_are_silent(patience);
                    }
                    heard
                }
            };
            let from = From { plan: &serving.plan, filters: &serving.filters, is_paused: shared.is_paused() };
            let said = match heard_now {
                Ok(said) => {
                    shared.upstreams_answer();
                    said
                }
                Err(failure) => {
                    shared.cache.unreachable(&later.key, shared.now());
                    return finish_without(&shared, &rows, &serving, *later, failure, &message);
                }
            };
            let Later { ask, client, began, over, .. } = *later;
            let security = said.answered.security();
            let (reply, account) = match (security, heard(from, &ask, &message, &client, &said.answered)) {
                (Security::Bogus, _) => {
                    let reason = Reason::Text(said.why.clone().unwrap_or_default());
                    let account = Account { outcome: Outcome::Bogus, reason, code: 2 };
                    (ask.tell(&message, &said.answered, 0, said.answered.why()), account)
                }
                (_, Some((reply, account))) => (reply, account),
                (_, None) => {
                    let account = account(&ask, &said.answered, Outcome::Forwarded);
                    (ask.tell(&message, &said.answered, 0, None), account)
                }
            };
            let row = Row::of(&message, &client, over, &account, began);
            let row = Row { query: Some(&ask.query), upstream: Some(&said.by), security, ..row };
            note(&shared, &rows, &serving, row);
            reply
        }
    }

    fn note(&self, row: Row<'_>) {
        note(&self.shared, &self.rows, &self.serving, row);
    }
}

/// What is said to a question that nobody had an answer to.
fn finish_without(
    shared: &Shared,
    rows: &RefCell<Rows>,
    serving: &Serving,
    later: Later,
    failure: Failure,
    message: &[u8],
) -> Vec<u8> {
    let Later { ask, key, client, stale, began, over } = later;
    let from = From { plan: &serving.plan, filters: &serving.filters, is_paused: shared.is_paused() };
    let (reply, account) = match stale {
        Some((answered, seconds)) => match heard(from, &ask, message, &client, &answered) {
            Some(said) => said,
            None => (
                ask.tell(message, &answered, seconds, Some(Explanation::STALE)),
                account(&ask, &answered, Outcome::Stale),
            ),
        },
        None => {
            // For a moment nobody is asked again (RFC 9520 section 3.2).
            shared.cache.put(&key, &Answered::failure(), shared.now());
            let reason = Reason::Text(failure.words);
            (ask.tell_failure(message, failure.why), Account { outcome: Outcome::Failed, reason, code: 2 })
        }
    };
    let row = Row::of(message, &client, over, &account, began);
    note(shared, rows, serving, Row { query: Some(&ask.query), ..row });
    reply
}

/// Counts a question, and writes it down if that is wanted.
fn note(shared: &Shared, rows: &RefCell<Rows>, serving: &Serving, row: Row<'_>) {
    shared.count(row.account.outcome, row.over);
    let micros = u32::try_from(row.began.elapsed().as_micros()).unwrap_or(u32::MAX);
    if row.upstream.is_some() {
        shared.counts.micros.fetch_add(u64::from(micros), Ordering::Relaxed);
    }
    let is_logged = serving.plan.policies.get(row.client.policy).is_none_or(|policy| policy.is_logged);
    rows.borrow_mut().add(&row, (shared.clock.now(), micros), &serving.words, is_logged);
}
