//! What all threads of a server have together: what is answered from, and what changes while it runs.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use runtime::{Clock, Conditions};

use super::journal::Words;
use super::outside::Outside;
use crate::answer::{Outcome, Transport};
use crate::cache::Cache;
use crate::client::WeekTime;
use crate::dnssec::{self, Validator};
use crate::filter::Rules;
use crate::filters::Filters;
use crate::limits::Limits;
use crate::log::Logger;
use crate::neighbours::Neighbours;
use crate::plan::Plan;

/// How long a client waits before it is told an answer whose time is over (RFC 8767 section 5), and how long where the
/// upstreams were silent a moment ago.
const STALE_AFTER: Duration = Duration::from_millis(1800);
const STALE_WHILE_SILENT: Duration = Duration::from_millis(200);
/// How long upstreams are held for silent, in seconds.
const SILENT_FOR: u32 = 30;

/// What is answered from. It is replaced as a whole.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) plan: Arc<Plan>,
    pub(crate) filters: Arc<Filters>,
    pub(crate) zone: TimeZone,
    pub(crate) words: Words,
    /// Whether it depends on the time of the week, and on MAC addresses, what is done for whom.
    pub(crate) has_times: bool,
    pub(crate) asks_neighbours: bool,
    /// Another number once upstreams, or what is believed of them, are others: what was kept before is not theirs.
    pub(crate) epoch: u8,
    /// Judge answers by the signatures of their zones, one for each group: what the servers of one break, others may
    /// have right.
    pub(crate) validators: Arc<[Validator]>,
}

/// Everything that the threads have together.
#[derive(Debug)]
pub(crate) struct Shared {
    serving: RwLock<Arc<Serving>>,
    changing: Mutex<()>,
    /// Another number after everything that changes what is said to whom.
    pub(super) state: AtomicU32,
    pub(crate) neighbours: RwLock<Arc<Neighbours>>,
    /// Until when the filters rest, in seconds since `started`; 0 if they do not.
    paused_until: AtomicU32,
    pub(crate) cache: Arc<Cache>,
    pub(crate) limits: Limits,
    pub(crate) outside: Outside,
    pub(crate) logger: Arc<Logger>,
    pub(crate) counts: Counts,
    pub(crate) clock: Clock,
    pub(crate) conditions: Conditions,
    pub(super) started: Instant,
    /// Until which second the upstreams are held for silent, since they did not answer a moment ago.
    silent_until: AtomicU32,
    /// Who asked more than may be asked, since it was last looked at.
    pub(crate) limited: Mutex<HashMap<IpAddr, u64>>,
}

/// How many questions had which outcome, in the order of [`Outcome::ALL`], and how long those took that others were
/// asked, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) outcomes: [AtomicU64; Outcome::ALL.len()],
    pub(crate) over: [AtomicU64; 4],
    pub(crate) micros: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        cache: Arc<Cache>,
        outside: Outside,
        logger: Arc<Logger>,
        clock: Clock,
        conditions: Conditions,
    ) -> Self {
        let serving = Serving {
            plan: Arc::default(),
            filters: Arc::default(),
            zone: TimeZone::UTC,
            words: Words::default(),
            has_times: false,
            asks_neighbours: false,
            epoch: 0,
            validators: Arc::default(),
        };
        Self {
            serving: RwLock::new(Arc::new(serving)),
            changing: Mutex::default(),
            state: AtomicU32::new(0),
            neighbours: RwLock::default(),
            paused_until: AtomicU32::new(0),
            cache,
            limits: Limits::default(),
            outside,
            logger,
            counts: Counts::default(),
            clock,
            conditions,
            started: Instant::now(),
            silent_until: AtomicU32::new(0),
            limited: Mutex::default(),
        }
    }

    /// Held while something else is put in the place of what is served, so that nothing older takes the place of what is newer.
    pub(crate) fn serving_changes(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn serving(&self) -> Arc<Serving> {
        Arc::clone(&self.serving.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Answers from this from now on.
    pub(crate) fn serve(&self, plan: Arc<Plan>, own: Arc<Rules>, lists: Arc<Rules>) {
        let zone = TimeZone::get(&plan.timezone).unwrap_or(TimeZone::UTC);
        let mut serving = self.serving.write().unwrap_or_else(PoisonError::into_inner);
        let filters = Filters::new(serving.filters.state.wrapping_add(1), own, lists, &plan);
        let words = Words::of(&plan);
        let is_asked_alike = serving.plan.groups == plan.groups
            && serving.plan.validates == plan.validates
            && serving.plan.insecure == plan.insecure;
        let epoch = serving.epoch.wrapping_add(u8::from(!is_asked_alike));
        let validators = match is_asked_alike {
            true => Arc::clone(&serving.validators),
            false => validators(&plan),
        };
        *serving = Arc::new(Serving {
            has_times: plan.has_times(),
            asks_neighbours: plan.asks_neighbours(),
            plan,
            filters: Arc::new(filters),
            zone,
            words,
            epoch,
            validators,
        });
        drop(serving);
        self.changed();
    }

    /// What is known of clients is looked up anew.
    pub(crate) fn changed(&self) {
        self.state.fetch_add(1, Ordering::Release);
    }

    /// How long somebody waits who can be told an old answer: not long if nobody answered a moment ago, or a house that
    /// is cut off would wait for every name.
    pub(super) fn patience(&self) -> Duration {
        let is_silent = self.now() < self.silent_until.load(Ordering::Relaxed);
        if is_silent { STALE_WHILE_SILENT } else { STALE_AFTER }
    }

    /// Takes note that the upstreams answer.
    pub(super) fn upstreams_answer(&self) {
        self.silent_until.store(0, Ordering::Relaxed);
    }

    /// Takes note that the upstreams did not answer in so long. From not answering at once nothing follows.
    pub(super) fn upstreams_are_silent(&self, waited: Duration) {
        if waited == STALE_AFTER {
            self.silent_until.store(self.now().saturating_add(SILENT_FOR), Ordering::Relaxed);
        }
    }

    /// Seconds since the server was made, by a clock that nobody sets.
    pub(crate) fn now(&self) -> u32 {
        self.seconds_at(Instant::now())
    }

    /// The same at another moment.
    pub(crate) fn seconds_at(&self, moment: Instant) -> u32 {
        u32::try_from(moment.duration_since(self.started).as_secs()).unwrap_or(u32::MAX)
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.pause_left().is_some()
    }

    /// How long the filters rest yet.
    pub(crate) fn pause_left(&self) -> Option<Duration> {
        let until = match self.paused_until.load(Ordering::Relaxed) {
            0 => return None,
            until => Duration::from_secs(until.into()),
        };
        until.checked_sub(self.started.elapsed()).filter(|left| !left.is_zero())
    }

    /// Lets the filters rest for so many seconds; for 0 they do not.
    pub(crate) fn pause(&self, seconds: u32) {
        let until = if seconds == 0 { 0 } else { self.now().saturating_add(seconds) };
        self.paused_until.store(until, Ordering::Relaxed);
    }

    /// The time of the week in the lab's zone.
    pub(crate) fn week_time(&self, zone: &TimeZone) -> WeekTime {
        let now = jiff::Timestamp::from_millisecond(self.clock.now()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let now = now.to_zoned(zone.clone());
        let day = usize::try_from(now.weekday().to_monday_zero_offset()).unwrap_or(0);
        let minute = i16::from(now.hour()) * 60 + i16::from(now.minute());
        WeekTime { day, minute: u16::try_from(minute).unwrap_or(0) }
    }

    /// The MAC address that the neighbour table has for an address.
    pub(super) fn mac_of(&self, address: IpAddr) -> Option<crate::client::Mac> {
        let neighbours = self.neighbours.read().unwrap_or_else(PoisonError::into_inner);
        neighbours.get(&address.to_canonical()).copied()
    }

    /// Counts what came of a question.
    pub(super) fn count(&self, outcome: Outcome, over: Transport) {
        if let Some(count) = self.counts.outcomes.get(outcome as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(count) = self.counts.over.get(over as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn validators(plan: &Plan) -> Arc<[Validator]> {
    let insecure: Vec<Box<[u8]>> = plan.insecure.iter().map(|name| name.wire().into()).collect();
    let config = dnssec::Config { insecure, ..dnssec::Config::default() };
    plan.groups.iter().map(|_| Validator::new(config.clone())).collect()
}
