//! Answers of upstreams, kept for as long as they say, in a bounded number of bytes.
//!
//! Only what was asked of an upstream is ever here, under exactly what was asked, and it is only looked at for a
//! question that the lab itself has no answer to: what the lab says is decided first, for every question.
//!
//! An answer whose time is over stays for a while, to be given when no upstream answers (RFC 8767). What goes when
//! there is no more room is what a hand that goes around finds not asked for since it last came by.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::plan::CacheRules;
use crate::view::CacheView;
use crate::wire::{Answered, MAX_NAME, Name, Query};

/// In how many parts it is, each with a lock of its own.
const SHARDS: usize = 8;
/// The largest answer, in bytes.
const MAX_ANSWER: usize = 16 << 10;
/// What an answer takes besides its own bytes and its key: its place, and what the allocator adds.
const OVERHEAD: usize = 150;
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
    pub(crate) answered: Arc<Answered>,
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

/// Which filters an answer was found fine by, and for whom: a rule may be about one client only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filtered {
    pub(crate) state: u32,
    pub(crate) client: IpAddr,
}

impl Default for Filtered {
    fn default() -> Self {
        Self { state: 0, client: IpAddr::V4(Ipv4Addr::UNSPECIFIED) }
    }
}

#[derive(Debug)]
struct Slot {
    hash: u64,
    key: Box<[u8]>,
    answered: Arc<Answered>,
    at: u32,
    /// When the upstreams may be asked again, if they did not answer.
    retry_at: u32,
    filtered: Option<Filtered>,
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
    /// The slot of each hash. A second key of the same hash takes the place of the first.
    places: HashMap<u64, u32, BuildHasherDefault<AsItIs>>,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    hand: usize,
    bytes: usize,
    rules: CacheRules,
    hits: u64,
    misses: u64,
}

/// The hash of a hash.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
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
        // The map takes the low bits.
        let number = usize::try_from(hash >> 61).unwrap_or(0);
        let shard = self.shards.get(number).unwrap_or(&self.shards[0]);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer that is kept, if it may still be given.
    pub(crate) fn get(&self, key: &Key, filtered: Filtered, now: u32) -> Option<Found> {
        let hash = self.hasher.hash_one(key.bytes());
        self.shard(hash).get(hash, key.bytes(), filtered, now)
    }

    /// Keeps an answer that has just come, in the place of an older one to the same question.
    pub(crate) fn put(&self, key: &Key, answered: Arc<Answered>, now: u32) {
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

    /// The filters of this state and policy have nothing against the answer.
    pub(crate) fn found_clean(&self, key: &Key, filtered: Filtered) {
        let hash = self.hasher.hash_one(key.bytes());
        if let Some(slot) = self.shard(hash).slot(hash, key.bytes()) {
            slot.filtered = Some(filtered);
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
            let is_meant = |slot: &Slot| match (name, slot.key.get(BEFORE_NAME..).and_then(Name::of_wire)) {
                (Some(name), Some(own)) => own.is_in(name),
                _ => true,
            };
            let meant: Vec<u64> =
                shard.slots.iter().flatten().filter(|slot| is_meant(slot)).map(|slot| slot.hash).collect();
            for hash in &meant {
                shard.remove(*hash);
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

impl Shard {
    fn slot(&mut self, hash: u64, key: &[u8]) -> Option<&mut Slot> {
        let place = usize::try_from(*self.places.get(&hash)?).ok()?;
        self.slots.get_mut(place)?.as_mut().filter(|slot| *slot.key == *key)
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
            let is_clean = slot.filtered == Some(filtered);
            Some(Found { answered: Arc::clone(&slot.answered), seconds, age, is_clean })
        });
        match &found {
            Some(found) if found.age != Age::Stale => self.hits += 1,
            _ => self.misses += 1,
        }
        found
    }

    fn put(&mut self, hash: u64, key: &[u8], answered: Arc<Answered>, now: u32) {
        let bytes = size(key, &answered);
        if answered.life() == 0 || bytes > MAX_ANSWER.min(self.rules.bytes) {
            return;
        }
        self.remove(hash);
        let slot = Slot {
            hash,
            key: key.into(),
            answered,
            at: now,
            retry_at: 0,
            filtered: None,
            asked: 0,
            is_refreshing: false,
        };
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                let Ok(place) = u32::try_from(self.slots.len()) else { return };
                self.slots.push(None);
                place
            }
        };
        if let Some(free) = self.slots.get_mut(usize::try_from(place).unwrap_or(usize::MAX)) {
            *free = Some(slot);
            self.places.insert(hash, place);
            self.bytes += bytes;
        }
        self.shrink();
    }

    fn remove(&mut self, hash: u64) {
        let Some(place) = self.places.remove(&hash) else { return };
        let slot = self.slots.get_mut(usize::try_from(place).unwrap_or(usize::MAX)).and_then(Option::take);
        if let Some(slot) = slot {
            self.bytes = self.bytes.saturating_sub(size(&slot.key, &slot.answered));
            self.free.push(place);
        }
    }

    /// Lets answers go until the others have room.
    fn shrink(&mut self) {
        while self.bytes > self.rules.bytes && !self.places.is_empty() {
            let hand = self.hand;
            self.hand = (hand + 1) % self.slots.len().max(1);
            match self.slots.get_mut(hand) {
                Some(Some(slot)) if slot.asked > 0 => slot.asked = 0,
                Some(Some(slot)) => {
                    let hash = slot.hash;
                    self.remove(hash);
                }
                _ => {}
            }
        }
    }
}

fn size(key: &[u8], answered: &Answered) -> usize {
    key.len() + answered.bytes() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::wire::kind;
    use crate::wire::records::tests as records;
    use crate::wire::tests::question;

    /// The answer 192.0.2.LAST, for so many seconds.
    fn answer(last: u8, seconds: u32) -> Arc<Answered> {
        let record = records::record(kind::A, seconds, &[192, 0, 2, last]);
        Arc::new(records::answered(&records::reply(0, [&[record], &[], &[]])))
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
        cache.put(&key("a.example"), answer(1, 60), 1000);
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
            cache.put(&key(name), answer(1, 60), 0);
        }
        assert_eq!(cache.forget(Name::parse("example").as_ref()), 3);
        assert!(get(&cache, "aexample", 1).is_some() && get(&cache, "a.example", 1).is_none());
        assert_eq!(cache.forget(None), 2);
        assert_eq!((cache.view().entries, cache.view().bytes), (0, 0));
    }

    #[test]
    fn that_an_answer_is_clean_holds_for_one_state_of_the_filters() {
        let cache = Cache::new(rules(10_000));
        let (name, one) = (key("a.example"), Filtered { state: 1, ..Filtered::default() });
        cache.put(&name, answer(1, 60), 0);
        assert!(!cache.get(&name, one, 1).unwrap().is_clean);
        cache.found_clean(&name, one);
        assert!(cache.get(&name, one, 1).unwrap().is_clean);
        assert!(!cache.get(&name, Filtered { state: 2, ..Filtered::default() }, 1).unwrap().is_clean);
        cache.put(&name, answer(2, 60), 2);
        assert!(!cache.get(&name, one, 3).unwrap().is_clean, "another answer");
    }

    #[test]
    fn what_is_asked_for_stays_longer() {
        let one = size(key("00.example").bytes(), &answer(0, 60));
        let mut shard =
            Shard { rules: CacheRules { bytes: one * 10, ..CacheRules::default() }, ..Shard::default() };
        let key = |number: u64| key(&format!("{number:02}.example"));
        for number in 0..10 {
            shard.put(number, key(number).bytes(), answer(0, 60), 0);
        }
        assert!(shard.get(0, key(0).bytes(), Filtered::default(), 1).is_some());
        for number in 10..19 {
            shard.put(number, key(number).bytes(), answer(0, 60), 0);
        }
        assert!(shard.places.contains_key(&0) && !shard.places.contains_key(&1));
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
                    cache.put(&key(&name), answer(number, seconds), now);
                    if seconds > 0 {
                        last.insert(number, (now, seconds));
                    }
                } else if let Some(found) = get(&cache, &name, now) {
                    let (at, life) = last[&number];
                    prop_assert_eq!(&found.answered, &answer(number, life));
                    prop_assert!(found.seconds == now - at && found.seconds < life + 100);
                    prop_assert_eq!(found.age == Age::Stale, found.seconds >= life);
                }
                for shard in &cache.shards {
                    let shard = shard.lock().unwrap();
                    let sizes = shard.slots.iter().flatten().map(|slot| size(&slot.key, &slot.answered));
                    prop_assert_eq!(shard.bytes, sizes.sum::<usize>());
                    prop_assert!(shard.bytes <= limit && shard.slots.iter().flatten().count() == shard.places.len());
                }
            }
        }
    }
}
