//! What is known of the names that a chain of trust goes through, bounded in bytes.
//!
//! When there is no room, names that nobody asked for since the last round go first, so that a flood of names that
//! are not there does not push out the zones that everybody needs.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::verify::Keys;
use super::{Clock, Moment, Reason, Why};

/// The longest that anything is remembered, in seconds.
const MAX_LIFE: u32 = 86_400;
/// What an entry takes beside its name, twice, and its keys, in bytes.
const ENTRY: usize = 160;

/// What a name is to the zone above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// A zone with these keys.
    Zone(Arc<Keys>),
    /// A delegation to a zone that is not signed, or not in a way that we understand.
    Insecure(Reason),
    /// It lies in the same zone.
    SameZone,
    /// Neither it nor anything under it is there.
    Nothing,
    /// What was said of it is wrong.
    Broken(Why),
}

/// A name that is remembered.
#[derive(Clone, Debug)]
struct Entry {
    cut: Cut,
    /// From when until when it may be used, in seconds since 1970.
    from: i64,
    until: i64,
    /// Whether the dates of signatures were looked at.
    clock: Clock,
    /// When the time of the signature begins.
    inception: i64,
    was_used: bool,
}

/// The names.
#[derive(Debug)]
pub(super) struct Cache {
    entries: HashMap<Box<[u8]>, Entry>,
    /// The names in the order in which they came, or were last spared.
    order: VecDeque<Box<[u8]>>,
    bytes: usize,
    most: usize,
}

impl Cache {
    /// An empty one that takes so many bytes at most.
    pub(super) fn of(most: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), bytes: 0, most }
    }

    /// How many names there are, and how many bytes they take.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.entries.len(), self.bytes)
    }

    /// What is known of a name. What was learnt without the time counts for as long as that is not known.
    pub(super) fn get(&mut self, name: &[u8], moment: Moment) -> Option<Cut> {
        let entry = self.entries.get_mut(name)?;
        let is_timely = (entry.from..=entry.until).contains(&moment.now);
        if !is_timely || (entry.clock == Clock::Unknown && moment.clock == Clock::Trusted) {
            return None;
        }
        entry.was_used = true;
        Some(entry.cut.clone())
    }

    /// When the time of the signature of a zone's keys begins, if its dates were not looked at.
    pub(super) fn inception(&self, name: &[u8]) -> Option<i64> {
        self.entries.get(name).filter(|entry| entry.clock == Clock::Unknown).map(|entry| entry.inception)
    }

    /// Remembers what a name is for so many seconds.
    pub(super) fn put(&mut self, name: &[u8], cut: Cut, seconds: u32, moment: Moment, inception: i64) {
        self.remove(name);
        let cost = cost(name, &cut);
        if seconds == 0 || cost > self.most {
            return;
        }
        while self.bytes + cost > self.most && self.make_room() {}
        let until = moment.now.saturating_add(i64::from(seconds.min(MAX_LIFE)));
        let Moment { now: from, clock } = moment;
        self.bytes += cost;
        self.order.push_back(name.into());
        let entry = Entry { cut, from, until, clock, inception, was_used: false };
        self.entries.insert(name.into(), entry);
    }

    fn remove(&mut self, name: &[u8]) {
        if let Some(entry) = self.entries.remove(name) {
            self.bytes = self.bytes.saturating_sub(cost(name, &entry.cut));
            // Rare: a name that is remembered is put again when its time is over.
            self.order.retain(|other| **other != *name);
        }
    }

    /// Lets go of one name, or spares one that was used; whether there was any.
    fn make_room(&mut self) -> bool {
        let Some(name) = self.order.pop_front() else { return false };
        match self.entries.get_mut(&name) {
            Some(entry) if entry.was_used => {
                entry.was_used = false;
                self.order.push_back(name);
            }
            Some(entry) => {
                self.bytes = self.bytes.saturating_sub(cost(&name, &entry.cut));
                self.entries.remove(&name);
            }
            None => {}
        }
        true
    }
}

fn cost(name: &[u8], cut: &Cut) -> usize {
    let keys = match cut {
        Cut::Zone(keys) => keys.keys.iter().map(|key| key.public.len() + 48).sum(),
        Cut::Broken(why) => why.name.len(),
        _ => 0,
    };
    ENTRY + 2 * name.len() + keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dnssec::name::name;

    const AT: Moment = Moment { now: 1000, clock: Clock::Trusted };

    #[test]
    fn a_name_is_known_for_its_time() {
        let mut cache = Cache::of(10_000);
        cache.put(b"\x01a\0", Cut::SameZone, 60, AT, 0);
        let get = |cache: &mut Cache, now| cache.get(b"\x01a\0", Moment { now, ..AT });
        assert_eq!(get(&mut cache, 1060), Some(Cut::SameZone));
        assert_eq!((get(&mut cache, 1061), get(&mut cache, 999)), (None, None));
        cache.put(b"\x01a\0", Cut::Nothing, u32::MAX, AT, 0);
        assert_eq!(get(&mut cache, 1000 + 86_400), Some(Cut::Nothing));
        assert_eq!(get(&mut cache, 1001 + 86_400), None);
        assert_eq!(cache.size().0, 1);
        cache.put(b"\x01a\0", Cut::Nothing, 0, AT, 0);
        assert_eq!(cache.size(), (0, 0));
    }

    #[test]
    fn what_was_learnt_without_the_time_counts_only_without_it() {
        let mut cache = Cache::of(10_000);
        let unknown = Moment { clock: Clock::Unknown, ..AT };
        cache.put(b"\x01a\0", Cut::SameZone, 60, unknown, 5000);
        assert_eq!(cache.get(b"\x01a\0", unknown), Some(Cut::SameZone));
        assert_eq!((cache.get(b"\x01a\0", AT), cache.inception(b"\x01a\0")), (None, Some(5000)));
        cache.put(b"\x01a\0", Cut::SameZone, 60, AT, 5000);
        assert_eq!(cache.get(b"\x01a\0", unknown), Some(Cut::SameZone));
        assert_eq!(cache.inception(b"\x01a\0"), None);
    }

    #[test]
    fn what_is_used_stays_when_there_is_no_room() {
        let mut cache = Cache::of(20 * ENTRY);
        cache.put(&name("org"), Cut::SameZone, 60, AT, 0);
        for number in 0..10_000 {
            cache.put(&name(&format!("{number}.org")), Cut::Nothing, 60, AT, 0);
            assert!(cache.get(&name("org"), AT).is_some(), "{number}");
            assert!(cache.bytes <= cache.most && cache.order.len() == cache.entries.len());
        }
        assert!(cache.size().0 > 15);
    }
}
