//! Answers of upstreams, kept for as long as they say, in a bounded number of bytes.
//!
//! Only what was asked of an upstream is ever here, under exactly what was asked, and it is only looked at for a
//! question that the lab itself has no answer to: what the lab says is decided first, for every question.
//!
//! An answer whose time is over stays for a while, to be given when no upstream answers (RFC 8767). What goes when
//! there is no more room is what a hand that goes around finds not asked for since it last came by.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;

use crate::client::Client;
use crate::plan::CacheRules;
use crate::view::CacheView;
use crate::wire::{Answered, MAX_NAME, Name, Query};

/// In how many parts it is, each with a lock of its own.
const SHARDS: usize = 8;
/// The largest answer, in bytes.
const MAX_ANSWER: usize = 16 << 10;
/// What an answer takes besides its own bytes and its key: its place, a number in the table, and what the allocator adds.
const OVERHEAD: usize = size_of::<Option<Slot>>() + 40;
/// How often an answer has to be asked for to be asked for again before its time is over, and the shortest life, in
/// seconds, that this is done for.
const PREFETCH_ASKED: u8 = 2;
const PREFETCH_LIFE: u32 = 10;
/// How long nobody is asked again after nobody answered, in seconds (RFC 8767 section 5).
const RETRY: u32 = 30;
/// The bytes of a key in front of the name.
const BEFORE_NAME: usize = 7;

/// What an answer is kept under: the name, its type and class, whether signatures and unchecked answers are wanted, as
/// these change what an upstream says, and whom it is asked of.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    bytes: [u8; MAX_NAME + BEFORE_NAME],
    length: usize,
}

impl Key {
    /// The key of a question that is asked for this name of these upstreams, of which there are at most 255; `epoch` is another
    /// number once they are others.
    pub(crate) fn of(query: &Query, name: &Name, group: usize, epoch: u8) -> Self {
        let mut bytes = [0; MAX_NAME + BEFORE_NAME];
        let group = [epoch, u8::try_from(group).unwrap_or(u8::MAX)];
        let (kind, class) = (query.kind.to_be_bytes(), query.class.to_be_bytes());
        let flags = u8::from(query.wants_signatures()) | u8::from(query.checking_disabled) << 1;
        let before = [group[0], group[1], flags, kind[0], kind[1], class[0], class[1]];
        let all = before.iter().chain(name.wire());
        let mut length = 0;
        for (place, byte) in bytes.iter_mut().zip(all) {
            *place = *byte;
            length += 1;
        }
        Self { bytes, length }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// What is found under a key.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) answered: Answered,
    /// How many seconds ago it came.
    pub(crate) seconds: u32,
    pub(crate) age: Age,
    /// Whether it was found fine for this state of the filters and this policy before.
    pub(crate) is_clean: bool,
}

/// Whether the time of an answer is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// It is not.
    Fresh,
    /// It is not yet, and it is asked for often: it is time to ask again.
    Refresh,
    /// It is; the upstreams are to be asked first.
    Stale,
    /// It is, and the upstreams did not answer a moment ago.
    Unreachable,
}

/// Which filters an answer was found fine by, and for whom: a rule may be about one client only. A number that nobody
/// outside can aim at; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filtered(u64);

#[derive(Debug)]
struct Slot {
    hash: u64,
    /// With the key beside it.
    answered: Answered,
    at: u32,
    /// When the upstreams may be asked again, if they did not answer.
    retry_at: u32,
    filtered: Filtered,
    asked: u8,
    is_refreshing: bool,
}

/// The answers. The time is given in seconds since any moment that stays the same.
#[derive(Debug)]
pub(crate) struct Cache {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    /// The numbers of slots, by their hashes.
    places: HashTable<u32>,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    hand: usize,
    bytes: usize,
    rules: CacheRules,
    hits: u64,
    misses: u64,
}

impl Cache {
    pub(crate) fn new(rules: CacheRules) -> Self {
        let shard = || {
            Mutex::new(Shard {
                rules: CacheRules { bytes: rules.bytes / SHARDS, ..rules },
                ..Shard::default()
            })
        };
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| shard()) }
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // The table takes the low bits.
        let number = usize::try_from(hash >> 54).unwrap_or(0) % SHARDS;
        let shard = self.shards.get(number).unwrap_or(&self.shards[0]);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What answers are found fine by in this state of the filters, for this client.
    pub(crate) fn filtered(&self, state: u32, client: &Client) -> Filtered {
        Filtered(self.hasher.hash_one((state, client.policy, client.address, &client.names)))
    }

    /// The answer that is kept, if it may still be given.
    pub(crate) fn get(&self, key: &Key, filtered: Filtered, now: u32) -> Option<Found> {
        let hash = self.hasher.hash_one(key.bytes());
        self.shard(hash).get(hash, key.bytes(), filtered, now)
    }

    /// Keeps an answer that has just come, in the place of an older one to the same question.
    pub(crate) fn put(&self, key: &Key, answered: &Answered, now: u32) {
        let hash = self.hasher.hash_one(key.bytes());
        self.shard(hash).put(hash, key.bytes(), answered, now);
    }

    /// No upstream had an answer: what is kept is given for a while before they are asked again.
    pub(crate) fn unreachable(&self, key: &Key, now: u32) {
        let hash = self.hasher.hash_one(key.bytes());
        if let Some(slot) = self.shard(hash).slot(hash, key.bytes()) {
            slot.retry_at = now.saturating_add(RETRY);
            slot.is_refreshing = false;
        }
    }

    /// The filters have nothing against the answer.
    pub(crate) fn found_clean(&self, key: &Key, filtered: Filtered) {
        let hash = self.hasher.hash_one(key.bytes());
        if let Some(slot) = self.shard(hash).slot(hash, key.bytes()) {
            slot.filtered = filtered;
        }
    }

    /// Follows other rules from now on.
    pub(crate) fn follow(&self, rules: CacheRules) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.rules = CacheRules { bytes: rules.bytes / SHARDS, ..rules };
            shard.shrink();
        }
    }

    /// Forgets a name and all under it, or everything. Says how many answers that were.
    pub(crate) fn forget(&self, name: Option<&Name>) -> usize {
        let shards = self.shards.iter().map(|shard| {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let is_meant = |slot: &Slot| match (name, slot.key().get(BEFORE_NAME..).and_then(Name::of_wire)) {
                (Some(name), Some(own)) => own.is_in(name),
                _ => true,
            };
            let slots = (0..).zip(&shard.slots);
            let meant = slots.filter(|(_, slot)| slot.as_ref().is_some_and(is_meant));
            let meant: Vec<u32> = meant.map(|(place, _)| place).collect();
            for place in &meant {
                shard.remove(*place);
            }
            meant.len()
        });
        shards.sum()
    }

    pub(crate) fn view(&self) -> CacheView {
        let mut view = CacheView::default();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            view.entries += shard.places.len();
            view.bytes += shard.bytes;
            view.hits += shard.hits;
            view.misses += shard.misses;
        }
        view
    }
}

impl Slot {
    fn key(&self) -> &[u8] {
        self.answered.beside()
    }

    fn bytes(&self) -> usize {
        self.answered.bytes() + OVERHEAD
    }
}

fn at(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

impl Shard {
    fn place(&self, hash: u64, key: &[u8]) -> Option<u32> {
        let is_it = |place: &u32| {
            self.slots.get(at(*place)).and_then(Option::as_ref).is_some_and(|slot| slot.key() == key)
        };
        self.places.find(hash, is_it).copied()
    }

    fn slot(&mut self, hash: u64, key: &[u8]) -> Option<&mut Slot> {
        let place = self.place(hash, key)?;
        self.slots.get_mut(at(place))?.as_mut()
    }

    fn get(&mut self, hash: u64, key: &[u8], filtered: Filtered, now: u32) -> Option<Found> {
        let (stale, prefetch) = (self.rules.stale, self.rules.prefetch);
        let found = self.slot(hash, key).and_then(|slot| {
            let seconds = now.saturating_sub(slot.at);
            let life = slot.answered.life();
            let left = life.saturating_sub(seconds);
            slot.asked = slot.asked.saturating_add(1);
            let is_wanted = slot.asked > PREFETCH_ASKED && life >= PREFETCH_LIFE && left <= life / 10;
            let age = match left {
                0 if seconds >= life.saturating_add(stale) || slot.answered.is_failure() => return None,
                0 if now < slot.retry_at => Age::Unreachable,
                0 => Age::Stale,
                _ if prefetch && is_wanted && !slot.is_refreshing => {
                    slot.is_refreshing = true;
                    Age::Refresh
                }
                _ => Age::Fresh,
            };
            let is_clean = slot.filtered == filtered && filtered != Filtered::default();
            Some(Found { answered: slot.answered.clone(), seconds, age, is_clean })
        });
        match &found {
            Some(found) if found.age != Age::Stale => self.hits += 1,
            _ => self.misses += 1,
        }
        found
    }

    fn put(&mut self, hash: u64, key: &[u8], answered: &Answered, now: u32) {
        if answered.life() == 0 {
            return;
        }
        let slot = Slot {
            hash,
            answered: answered.with(key),
            at: now,
            retry_at: 0,
            filtered: Filtered::default(),
            asked: 0,
            is_refreshing: false,
        };
        let bytes = slot.bytes();
        if bytes > MAX_ANSWER.min(self.rules.bytes) {
            return;
        }
        if let Some(place) = self.place(hash, key) {
            self.remove(place);
        }
        let Some(place) = self.free.pop().or_else(|| self.room()) else { return };
        if let Some(free) = self.slots.get_mut(at(place)) {
            *free = Some(slot);
            let slots = &self.slots;
            let hash_of =
                |place: &u32| slots.get(at(*place)).and_then(Option::as_ref).map_or(0, |slot| slot.hash);
            self.places.insert_unique(hash, place, hash_of);
            self.bytes += bytes;
        }
        self.shrink();
    }

    /// The number of one slot more. There is never much more memory for slots than there are.
    fn room(&mut self) -> Option<u32> {
        let place = u32::try_from(self.slots.len()).ok()?;
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact(self.slots.len() / 8 + 64);
        }
        self.slots.push(None);
        Some(place)
    }

    fn remove(&mut self, place: u32) {
        let Some(slot) = self.slots.get_mut(at(place)).and_then(Option::take) else { return };
        if let Ok(entry) = self.places.find_entry(slot.hash, |other| *other == place) {
            entry.remove();
        }
        self.bytes = self.bytes.saturating_sub(slot.bytes());
        self.free.push(place);
    }

    /// Lets answers go until the others have room.
    fn shrink(&mut self) {
        while self.bytes > self.rules.bytes && !self.places.is_empty() {
            let hand = self.hand;
            self.hand = (hand + 1) % self.slots.len().max(1);
            match self.slots.get_mut(hand) {
                Some(Some(slot)) if slot.asked > 0 => slot.asked = 0,
                Some(Some(_)) => self.remove(u32::try_from(hand).unwrap_or(u32::MAX)),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::client::{Seen, WeekTime, client};
    use crate::plan::Plan;
    use crate::wire::kind;
    use crate::wire::records::tests as records;
    use crate::wire::tests::question;

    /// The answer 192.0.2.LAST, for so many seconds.
    fn answer(last: u8, seconds: u32) -> Answered {
        let record = records::record(kind::A, seconds, &[192, 0, 2, last]);
        records::answered(&records::reply(0, [&[record], &[], &[]]))
    }

    fn key(name: &str) -> Key {
        let query = Query::parse(&question(name, kind::A)).unwrap();
        Key::of(&query, &query.name, 0, 0)
    }

    fn rules(bytes: usize) -> CacheRules {
        CacheRules { bytes: bytes * SHARDS, stale: 100, ..CacheRules::default() }
    }

    fn get(cache: &Cache, name: &str, now: u32) -> Option<Found> {
        cache.get(&key(name), Filtered::default(), now)
    }

    #[test]
    fn what_was_asked_is_the_key() {
        let mut message = question("a.example", kind::A);
        let plain = Query::parse(&message).unwrap();
        let of = |query: &Query, group| Key::of(query, &query.name, group, 0).bytes().to_vec();
        message[3] |= 0x10;
        let unchecked = Query::parse(&message).unwrap();
        let other = Query::parse(&question("a.example", kind::AAAA)).unwrap();
        let keys = [of(&plain, 0), of(&plain, 1), of(&unchecked, 0), of(&other, 0)];
        for (at, one) in keys.iter().enumerate() {
            assert!(keys.iter().skip(at + 1).all(|next| next != one));
        }
        let long = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
        assert_eq!(key(&long).bytes().len(), MAX_NAME + BEFORE_NAME);
    }

    #[test]
    fn an_answer_grows_old() {
        let cache = Cache::new(rules(10_000));
        cache.put(&key("a.example"), &answer(1, 60), 1000);
        let age = |now| get(&cache, "a.example", now).map(|found| (found.age, found.seconds));
        assert_eq!(age(1000), Some((Age::Fresh, 0)));
        assert_eq!(age(1053), Some((Age::Fresh, 53)));
        assert_eq!(age(1055), Some((Age::Refresh, 55)), "asked for often, and nearly over");
        assert_eq!(age(1056), Some((Age::Fresh, 56)), "it is being asked for");
        assert_eq!(age(1060), Some((Age::Stale, 60)));
        cache.unreachable(&key("a.example"), 1061);
        assert_eq!(age(1062), Some((Age::Unreachable, 62)));
        assert_eq!(age(1091), Some((Age::Stale, 91)));
        assert_eq!(age(1160), None);
    }

    #[test]
    fn names_are_forgotten_with_what_is_under_them() {
        let cache = Cache::new(rules(10_000));
        for name in ["example", "a.example", "b.a.example", "aexample", "other"] {
            cache.put(&key(name), &answer(1, 60), 0);
        }
        assert_eq!(cache.forget(Name::parse("example").as_ref()), 3);
        assert!(get(&cache, "aexample", 1).is_some() && get(&cache, "a.example", 1).is_none());
        assert_eq!(cache.forget(None), 2);
        assert_eq!((cache.view().entries, cache.view().bytes), (0, 0));
    }

    #[test]
    fn that_an_answer_is_clean_holds_for_one_state_of_the_filters() {
        let cache = Cache::new(rules(10_000));
        let (name, one) = (key("a.example"), Filtered(1));
        cache.put(&name, &answer(1, 60), 0);
        assert!(!cache.get(&name, one, 1).unwrap().is_clean);
        cache.found_clean(&name, one);
        assert!(cache.get(&name, one, 1).unwrap().is_clean);
        assert!(!cache.get(&name, Filtered(2), 1).unwrap().is_clean);
        cache.put(&name, &answer(2, 60), 2);
        assert!(!cache.get(&name, one, 3).unwrap().is_clean, "another answer");
    }

    #[test]
    fn that_an_answer_is_clean_holds_for_who_asks_and_the_policy_of_the_hour() {
        let cache = Cache::new(rules(10_000));
        let child = client(
            &Plan::default(),
            Seen { address: [10, 0, 0, 5].into(), mac: None, id: None },
            WeekTime::default(),
        );
        let at_night = Client { policy: 1, ..child.clone() };
        let on_tls = Client { names: vec!["phone".to_owned()], ..child.clone() };
        let other = Client { address: [10, 0, 0, 6].into(), ..child.clone() };
        let of = |client: &Client| cache.filtered(1, client);
        assert_eq!(of(&child), of(&child.clone()));
        assert!([at_night, on_tls, other].iter().all(|client| of(client) != of(&child)));
        assert_ne!(of(&child), cache.filtered(2, &child));
    }

    #[test]
    fn what_is_asked_for_stays_longer() {
        let one = answer(0, 60).with(key("00.example").bytes()).bytes() + OVERHEAD;
        let mut shard =
            Shard { rules: CacheRules { bytes: one * 10, ..CacheRules::default() }, ..Shard::default() };
        let key = |number: u64| key(&format!("{number:02}.example"));
        for number in 0..10 {
            shard.put(number, key(number).bytes(), &answer(0, 60), 0);
        }
        assert!(shard.get(0, key(0).bytes(), Filtered::default(), 1).is_some());
        for number in 10..19 {
            shard.put(number, key(number).bytes(), &answer(0, 60), 0);
        }
        assert!(shard.place(0, key(0).bytes()).is_some() && shard.place(1, key(1).bytes()).is_none());
        assert_eq!((shard.places.len(), shard.bytes), (10, one * 10));
    }

    proptest! {
        /// Any order of asking and keeping: never more than the limit, and never an answer that is not the
        /// last one to that question, or that is older than it may be.
        #[test]
        fn the_cache_is_bounded_and_right(
            steps in proptest::collection::vec((0_u8..30, 0_u32..100, 0_u32..50, any::<bool>()), 0..300),
            limit in 0_usize..4000,
        ) {
            let cache = Cache::new(rules(limit));
            let mut last = HashMap::new();
            let mut now = 0;
            for (number, seconds, later, is_put) in steps {
                now += later;
                let name = format!("{number}.example");
                if is_put {
                    cache.put(&key(&name), &answer(number, seconds), now);
                    if seconds > 0 {
                        last.insert(number, (now, seconds));
                    }
                } else if let Some(found) = get(&cache, &name, now) {
                    let (at, life) = last[&number];
                    prop_assert_eq!(found.answered.with(&[]), answer(number, life));
                    prop_assert!(found.seconds == now - at && found.seconds < life + 100);
                    prop_assert_eq!(found.age == Age::Stale, found.seconds >= life);
                }
                for shard in &cache.shards {
                    let shard = shard.lock().unwrap();
                    let sizes = shard.slots.iter().flatten().map(Slot::bytes);
                    prop_assert_eq!(shard.bytes, sizes.sum::<usize>());
                    prop_assert!(shard.bytes <= limit && shard.slots.iter().flatten().count() == shard.places.len());
                }
            }
        }
    }
}
