//! Answers of upstreams, kept for as long as they say, in a bounded number of bytes.
//!
//! Only what was asked of an upstream is ever here, under exactly what was asked, and it is only looked at for a
//! question that the lab itself has no answer to: what the lab says is decided first, for every question.
//!
//! What goes when there is no more room is what came first, unless it has been asked for since: it gets
//! another round. That is a queue and a flag, and as good here as anything that counts.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::view::CacheView;
use crate::wire::{Answered, Query};

/// The most bytes and answers that are kept, and the largest answer.
const MAX_BYTES: usize = 4 << 20;
const MAX_ENTRIES: usize = 16_384;
const MAX_ANSWER: usize = 16 << 10;
/// What an answer takes besides its own bytes and twice its key: the tables, and what the allocator adds.
const OVERHEAD: usize = 200;
/// The most answers that get another round before one has to go, so that making room takes a bounded time.
const MAX_ROUNDS: usize = 8;

/// What an answer is kept under: the name, its type and class, and whether signatures and unchecked answers
/// are wanted, as these change what an upstream says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(Arc<[u8]>);

impl Key {
    pub(crate) fn of(query: &Query) -> Self {
        let mut key = Vec::with_capacity(query.name.wire().len() + 5);
        key.extend_from_slice(query.name.wire());
        key.extend_from_slice(&query.kind.to_be_bytes());
        key.extend_from_slice(&query.class.to_be_bytes());
        key.push(u8::from(query.wants_signatures()) | u8::from(query.checking_disabled) << 1);
        Self(key.into())
    }
}

#[derive(Debug)]
struct Entry {
    answered: Arc<Answered>,
    at: Instant,
    was_asked: bool,
}

/// The answers.
#[derive(Debug)]
pub(crate) struct Cache {
    entries: HashMap<Key, Entry>,
    /// The key of every entry, in the order in which they go.
    order: VecDeque<Key>,
    bytes: usize,
    max_bytes: usize,
    hits: u64,
    misses: u64,
}

impl Default for Cache {
    fn default() -> Self {
        Self::with_bytes(MAX_BYTES)
    }
}

impl Cache {
    pub(crate) fn with_bytes(max_bytes: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), bytes: 0, max_bytes, hits: 0, misses: 0 }
    }

    /// The answer that is kept, if it may still be given, and how many seconds ago it came.
    pub(crate) fn get(&mut self, key: &Key, now: Instant) -> Option<(Arc<Answered>, u32)> {
        let found = self.peek(key, now);
        match &found {
            Some(_) => self.hits += 1,
            None => self.misses += 1,
        }
        found
    }

    /// The same, and it is not counted.
    pub(crate) fn peek(&mut self, key: &Key, now: Instant) -> Option<(Arc<Answered>, u32)> {
        let entry = self.entries.get_mut(key)?;
        let seconds = now.saturating_duration_since(entry.at).as_secs();
        let seconds = u32::try_from(seconds).ok().filter(|seconds| *seconds < entry.answered.life())?;
        entry.was_asked = true;
        Some((Arc::clone(&entry.answered), seconds))
    }

    /// Keeps an answer that has just come, in the place of an older one to the same question.
    pub(crate) fn put(&mut self, key: Key, answered: Arc<Answered>, now: Instant) {
        let bytes = size(&key, &answered);
        if answered.life() == 0 || bytes > MAX_ANSWER.min(self.max_bytes) {
            return;
        }
        let entry = Entry { answered, at: now, was_asked: false };
        self.bytes += bytes;
        match self.entries.insert(key.clone(), entry) {
            Some(old) => self.bytes = self.bytes.saturating_sub(size(&key, &old.answered)),
            None => self.order.push_back(key),
        }
        while self.bytes > self.max_bytes || self.entries.len() > MAX_ENTRIES {
            if self.make_room().is_none() {
                return;
            }
        }
    }

    /// Lets one answer go.
    fn make_room(&mut self) -> Option<()> {
        for round in 0.. {
            let key = self.order.pop_front()?;
            match self.entries.get_mut(&key) {
                Some(entry) if entry.was_asked && round < MAX_ROUNDS => {
                    entry.was_asked = false;
                    self.order.push_back(key);
                }
                _ => {
                    let old = self.entries.remove(&key)?;
                    self.bytes = self.bytes.saturating_sub(size(&key, &old.answered));
                    break;
                }
            }
        }
        Some(())
    }

    /// Forgets everything: others are asked from now on.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
        self.bytes = 0;
    }

    pub(crate) fn view(&self) -> CacheView {
        CacheView { entries: self.entries.len(), bytes: self.bytes, hits: self.hits, misses: self.misses }
    }
}

fn size(key: &Key, answered: &Answered) -> usize {
    answered.bytes() + key.0.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        Key::of(&Query::parse(&question(name, kind::A)).unwrap())
    }

    #[test]
    fn an_answer_is_given_until_its_time_is_over() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        cache.put(key("a.example"), answer(1, 60), now);
        assert_eq!(cache.get(&key("A.example"), after(59)).map(|(_, seconds)| seconds), Some(59));
        assert!(cache.get(&key("b.example"), now).is_none());
        assert!(cache.get(&key("a.example"), after(60)).is_none());
        let CacheView { entries, hits, misses, .. } = cache.view();
        assert_eq!((entries, hits, misses), (1, 1, 2));
        cache.put(key("a.example"), answer(2, 60), after(60));
        assert_eq!(cache.get(&key("a.example"), after(61)), Some((answer(2, 60), 1)));
        cache.put(key("c.example"), answer(1, 0), now);
        assert_eq!(cache.view().entries, 1, "what is only for now is not kept");
        cache.clear();
        assert_eq!((cache.view().entries, cache.view().bytes), (0, 0));
    }

    #[test]
    fn whether_signatures_are_wanted_makes_another_question() {
        let mut message = question("a.example", kind::A);
        let plain = Key::of(&Query::parse(&message).unwrap());
        message[3] |= 0x10;
        let unchecked = Key::of(&Query::parse(&message).unwrap());
        message[11] = 1;
        message.extend_from_slice(&[0, 0, 41, 4, 0, 0, 0, 0x80, 0, 0, 0]);
        let signed = Key::of(&Query::parse(&message).unwrap());
        assert!(plain != unchecked && unchecked != signed && plain != signed);
        assert_ne!(plain, Key::of(&Query::parse(&question("a.example", kind::AAAA)).unwrap()));
    }

    #[test]
    fn what_is_asked_for_stays_longer() {
        let now = Instant::now();
        let one = size(&key("00.example"), &answer(0, 60));
        let mut cache = Cache::with_bytes(one * 10);
        let name = |number: u8| key(&format!("{number:02}.example"));
        for number in 0..10 {
            cache.put(name(number), answer(number, 60), now);
        }
        assert!(cache.get(&name(0), now).is_some());
        for number in 10..19 {
            cache.put(name(number), answer(number, 60), now);
        }
        assert!(cache.get(&name(0), now).is_some() && cache.get(&name(1), now).is_none());
        assert_eq!(cache.view().bytes, one * 10);
    }

    proptest! {
        /// Any order of asking and keeping: never more than the limit, and never an answer that is not the
        /// last one to that question, or whose time is over.
        #[test]
        fn the_cache_is_bounded_and_right(
            steps in proptest::collection::vec((0_u8..30, 0_u32..100, 0_u64..50, any::<bool>()), 0..300),
            limit in 0_usize..4000,
        ) {
            let mut cache = Cache::with_bytes(limit);
            let mut last = HashMap::new();
            let mut now = Instant::now();
            for (number, seconds, later, is_put) in steps {
                now += Duration::from_secs(later);
                let key = key(&format!("{number}.example"));
                if is_put {
                    cache.put(key, answer(number, seconds), now);
                    if seconds > 0 {
                        last.insert(number, (now, seconds));
                    }
                } else if let Some((answered, ago)) = cache.get(&key, now) {
                    let (at, life) = last[&number];
                    prop_assert_eq!(answered, answer(number, life));
                    prop_assert!(ago < life && now == at + Duration::from_secs(ago.into()));
                }
                prop_assert!(cache.bytes <= limit && cache.order.len() == cache.entries.len());
                let sum: usize = cache.entries.iter().map(|(key, entry)| size(key, &entry.answered)).sum();
                prop_assert_eq!(cache.bytes, sum);
            }
        }
    }
}
