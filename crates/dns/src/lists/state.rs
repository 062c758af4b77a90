//! What is known of each list while the name server runs: pure. It makes what is shown of them, and what is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use runtime::clock::{Millis, in_words};

use super::compile::{Compiled, Input, Large};
use super::meta::Meta;
use super::schedule::{Outcome, Schedule};
use super::shelf::Kept;
use super::view::{CopyView, ListState, ListView, TroubleView};
use super::{Given, Key, Trouble, TroubleKind, Wanted, Wish};

/// After so many intervals without a good answer somebody should know.
const STALE: u32 = 2;

/// A trouble, and when it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub at: Millis,
    /// What.
    pub trouble: Trouble,
}

/// A list that comes from a URL.
#[derive(Debug, Default)]
pub struct Entry {
    /// Its copy.
    pub kept: Option<Kept>,
    /// What went wrong when it was fetched last.
    pub told: Option<Told>,
    /// How many bytes have come, while it is being fetched.
    pub came: Option<Arc<AtomicU64>>,
}

impl Entry {
    /// It is not being fetched any more.
    pub fn ended(&mut self, meta: Option<Meta>, told: Option<Told>) {
        (self.came, self.told) = (None, told);
        if let Some(meta) = meta {
            self.kept = Some(Kept { bytes: meta.bytes, meta: Some(meta) });
        }
    }
}

/// Of all lists.
#[derive(Debug)]
pub struct State {
    /// What the lab wants.
    pub wanted: Arc<Wanted>,
    /// Whether that has changed since it was looked at.
    pub is_changed: bool,
    /// When what is fetched.
    pub schedule: Schedule,
    /// What is known of each list that is fetched.
    pub entries: BTreeMap<Key, Entry>,
    /// What the compiled set was made of.
    pub made_of: Vec<Input>,
    /// The lists that something was said about.
    told_of: BTreeSet<Key>,
}

impl State {
    /// Of no list yet.
    pub fn new(schedule: Schedule) -> Self {
        Self {
            wanted: Arc::default(),
            is_changed: false,
            schedule,
            entries: BTreeMap::new(),
            made_of: Vec::new(),
            told_of: BTreeSet::new(),
        }
    }

    /// From now on this is wanted.
    pub fn want(&mut self, wanted: Wanted) {
        self.is_changed |= self.wanted.lists != wanted.lists || self.wanted.refresh != wanted.refresh;
        self.wanted = Arc::new(wanted);
    }

    /// What is on disk of the lists that are wanted.
    pub fn take(&mut self, wishes: &[Wish], mut copies: BTreeMap<Key, Kept>) {
        let schedule = &self.schedule;
        self.entries.retain(|key, _| wishes.iter().any(|wish| wish.key == *key && wish.url().is_some()));
        for wish in wishes.iter().filter(|wish| wish.url().is_some()) {
            let entry = self.entries.entry(wish.key.clone()).or_default();
            entry.kept = copies.remove(&wish.key);
            // What is planned and was being fetched from somewhere else is not any more.
            if schedule.due(&wish.key).is_some() && entry.came.take().is_some() {
                entry.told = None;
            }
        }
    }

    /// Something was being fetched that has come to a bad end, and it is not known what.
    pub fn forget_running(&mut self, given: &Given) {
        let (now, steady) = (given.clock.now(), given.clock.steady());
        for (key, entry) in &mut self.entries {
            if entry.came.as_ref().is_some_and(|came| Arc::strong_count(came) == 1) {
                let trouble = Trouble::passing("fetching it has panicked: this is a mistake in Polis");
                entry.ended(None, Some(Told { at: now, trouble }));
                self.schedule.ended(key, Outcome::Failed, steady);
            }
        }
    }

    /// What is shown of each list.
    pub fn views(&self, large: &Large, now: Millis, steady: Duration) -> Vec<ListView> {
        self.wanted.lists.iter().map(|wish| self.view(wish, large, now, steady)).collect()
    }

    fn view(&self, wish: &Wish, large: &Large, now: Millis, steady: Duration) -> ListView {
        let entry = self.entries.get(&wish.key).filter(|_| wish.url().is_some());
        let kept = entry.and_then(|entry| entry.kept.as_ref());
        let meta = kept.and_then(|kept| kept.meta.as_ref());
        let moment = |at: Millis| Some(at).filter(|at| *at <= now);
        let mut notes = Vec::new();
        if let Some(url) = wish.url() {
            if url.starts_with("http://") {
                notes.push("it comes over plain HTTP: whoever is between can change it".to_owned());
            }
            if let Some(meta) = meta.filter(|meta| meta.url != url) {
                notes.push(format!("what is followed was fetched from {}", meta.url));
            }
        }
        let next = self.schedule.due(&wish.key).filter(|_| wish.url().is_some());
        let wait =
            next.map(|due| Millis::try_from(due.saturating_sub(steady).as_millis()).unwrap_or(Millis::MAX));
        ListView {
            name: wish.key.name.clone(),
            purpose: wish.key.purpose,
            source: source(wish),
            state: match large.list(&wish.key) {
                Some(Compiled::Followed(counts)) => ListState::Followed(counts.clone()),
                Some(Compiled::Out(why)) => ListState::Out(why.clone()),
                Some(Compiled::Absent) | None => ListState::NotFetched,
            },
            copy: kept.map(|kept| CopyView {
                bytes: kept.bytes,
                fetched_at: meta.and_then(|meta| moment(meta.fetched_at)),
                checked_at: meta.and_then(|meta| moment(meta.checked_at)),
                sha256: meta.map(|meta| meta.sha256.clone()),
            }),
            next_at: wait.map(|wait| now.saturating_add(wait)),
            fetching: entry.and_then(|entry| entry.came.as_ref()).map(|came| came.load(Ordering::Relaxed)),
            trouble: entry.and_then(|entry| entry.told.as_ref()).map(|told| TroubleView {
                at: told.at,
                what: told.trouble.what.clone(),
                help: told.trouble.help.clone(),
            }),
            notes,
        }
    }

    /// For every list of now and before: the name of its condition, and what is wrong and what to do, if anything is.
    pub fn conditions(
        &mut self,
        large: &Large,
        now: Millis,
        steady: Duration,
    ) -> Vec<(String, Option<(String, String)>)> {
        let wanted = Arc::clone(&self.wanted);
        let before = std::mem::take(&mut self.told_of);
        let is_wanted = |key: &Key| wanted.lists.iter().any(|wish| wish.key == *key);
        let mut all: Vec<_> =
            before.into_iter().filter(|key| !is_wanted(key)).map(|key| (key.condition(), None)).collect();
        for wish in &wanted.lists {
            self.told_of.insert(wish.key.clone());
            all.push((wish.key.condition(), self.trouble(wish, large, now, steady)));
        }
        all
    }

    fn trouble(&self, wish: &Wish, large: &Large, now: Millis, steady: Duration) -> Option<(String, String)> {
        let source = source(wish);
        if let Some(Compiled::Out(why)) = large.list(&wish.key) {
            let help = match wish.url() {
                None => "mend the file, or take it out of `[dns]`; it is loaded again by itself",
                Some(_) => "take it out of `[dns]`, or other lists",
            };
            return Some((format!("{source} is not followed: {why}"), help.to_owned()));
        }
        let url = wish.url()?;
        let entry = self.entries.get(&wish.key)?;
        let Told { at, trouble } = entry.told.as_ref()?;
        let Some(kept) = &entry.kept else {
            return Some((format!("{url} is not followed: {}", trouble.what), trouble.help.clone()));
        };
        let too_long = self.schedule.interval().saturating_mul(STALE);
        let meta = kept.meta.as_ref();
        let is_stale = meta.and_then(|meta| meta.age(now)).is_some_and(|age| age > too_long)
            || self.schedule.failing_for(&wish.key, steady).is_some_and(|time| time > too_long);
        if trouble.kind == TroubleKind::Passing && !is_stale {
            return None;
        }
        // The moment of the last try is left out where it changes with each.
        let of = match meta.map(|meta| meta.fetched_at).filter(|fetched| fetched <= at) {
            Some(fetched) => format!("the copy of {} is followed", in_words(fetched)),
            None => "the last good copy is followed".to_owned(),
        };
        Some((format!("{url} is not renewed, {of}: {}", trouble.what), trouble.help.clone()))
    }
}

fn source(wish: &Wish) -> String {
    crate::plan::source(&wish.source)
}
