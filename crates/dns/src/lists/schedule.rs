//! When which list is fetched: pure, the time is given and is one that never jumps.
//!
//! A list that is new is fetched at once, one that is there when its time comes, which is a little different for each
//! so that they do not all come at once. After a failure it is tried again after a minute, five, thirty, and so on up
//! to the interval. At most two are fetched at a time.
//!
//! ```
//! use std::time::Duration;
//! use dns::lists::schedule::{Known, Outcome, Schedule};
//! use dns::lists::{Key, Purpose};
//! let key = Key { purpose: Purpose::Block, name: "ads".to_owned() };
//! let known = Known { key: key.clone(), url: "https://lists.example/ads.txt".to_owned(), age: None, has_copy: false };
//! let mut schedule = Schedule::new(7);
//! schedule.want(&[known], Duration::from_secs(86_400), Duration::ZERO);
//! assert_eq!(schedule.next(Duration::ZERO).unwrap().key, key);
//! schedule.ended(&key, Outcome::Failed, Duration::from_secs(2));
//! assert_eq!(schedule.next(Duration::from_secs(30)), None);
//! assert!(schedule.next(Duration::from_secs(70)).is_some());
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::Key;

/// The most that are fetched at a time.
pub const MAX_AT_ONCE: usize = 2;
/// How long after so many failures it is tried again; behind the last, as often as lists are fetched.
const BACK_OFF: [Duration; 5] = [
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(6 * 3600),
];
/// A list with a copy of unknown age is asked for within this time: nothing is urgent about it.
const UNKNOWN_WITHIN: Duration = Duration::from_secs(5 * 60);
/// Lists are never fetched more often than this, whatever the lab says.
const SHORTEST: Duration = Duration::from_secs(5 * 60);

/// A list that is to be fetched, with what is known of its copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Which.
    pub key: Key,
    /// Where it is.
    pub url: String,
    /// How long ago the server said what it is; unknown if it never did for this URL, or if the clock says that it was
    /// in the future.
    pub age: Option<Duration>,
    /// Whether there is a copy of this URL at all.
    pub has_copy: bool,
}

/// A list that is to be fetched now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Which.
    pub key: Key,
    /// Where it is.
    pub url: String,
    /// Who wants it now.
    pub because: Because,
}

/// Why a list is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// Its time has come.
    Due,
    /// Somebody asked for it.
    Asked,
}

/// What came of fetching a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is here, or has not changed.
    Good,
    /// It could not be fetched, or is none.
    Failed,
}

/// What is to be fetched, and when.
#[derive(Clone, Debug)]
pub struct Schedule {
    lists: BTreeMap<Key, Entry>,
    interval: Duration,
    salt: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    url: String,
    due: Duration,
    /// When it was last fetched well; none if not since the start and its age is unknown.
    good_at: Option<Duration>,
    failures: usize,
    /// Since when it fails.
    failing_since: Option<Duration>,
    is_running: bool,
    because: Because,
    /// How often its time was drawn, so that it is another each time.
    draws: u64,
}

impl Schedule {
    /// Of no list yet. The salt makes its times others than those of another machine with the same lists.
    pub fn new(salt: u64) -> Self {
        Self { lists: BTreeMap::new(), interval: Duration::from_secs(86_400), salt }
    }

    /// From now on it is these lists, each as often as `interval`. What is fetched at the moment goes on, unless it is
    /// not wanted any more or is somewhere else now: then its end is not waited for.
    pub fn want(&mut self, lists: &[Known], interval: Duration, now: Duration) {
        let interval = interval.max(SHORTEST);
        let is_new_interval = interval != self.interval;
        self.interval = interval;
        self.lists.retain(|key, entry| lists.iter().any(|list| list.key == *key && list.url == entry.url));
        for list in lists {
            if let Some(entry) = self.lists.get_mut(&list.key) {
                if is_new_interval && entry.failures == 0 {
                    let from = entry.good_at.unwrap_or(now);
                    entry.due =
                        from.saturating_add(drawn(interval, &list.key, self.salt, &mut entry.draws)).max(now);
                }
                continue;
            }
            let mut draws = 0;
            let due = match list.age {
                Some(age) => drawn(interval, &list.key, self.salt, &mut draws).saturating_sub(age),
                None if list.has_copy => share(UNKNOWN_WITHIN, &list.key, self.salt, 0),
                None => Duration::ZERO,
            };
            let entry = Entry {
                url: list.url.clone(),
                due: now.saturating_add(due),
                good_at: list.age.and_then(|age| now.checked_sub(age)),
                failures: 0,
                failing_since: None,
                is_running: false,
                because: Because::Due,
                draws,
            };
            self.lists.insert(list.key.clone(), entry);
        }
    }

    /// Somebody wants a list now, or all of them.
    pub fn refresh(&mut self, key: Option<&Key>, now: Duration) {
        for (_, entry) in
            self.lists.iter_mut().filter(|(at, entry)| key.is_none_or(|key| key == *at) && !entry.is_running)
        {
            entry.due = entry.due.min(now);
            entry.because = Because::Asked;
        }
    }

    /// The next list that is to be fetched now, which from then on is being fetched until [`Schedule::ended`].
    pub fn next(&mut self, now: Duration) -> Option<Start> {
        if self.running() >= MAX_AT_ONCE {
            return None;
        }
        let due = self.lists.iter_mut().filter(|(_, entry)| !entry.is_running && entry.due <= now);
        let (key, entry) = due.min_by_key(|(_, entry)| entry.due)?;
        entry.is_running = true;
        let because = std::mem::replace(&mut entry.because, Because::Due);
        Some(Start { key: key.clone(), url: entry.url.clone(), because })
    }

    /// Fetching a list has ended. Of one that is not wanted any more nothing is kept.
    pub fn ended(&mut self, key: &Key, outcome: Outcome, now: Duration) {
        let (interval, salt) = (self.interval, self.salt);
        let Some(entry) = self.lists.get_mut(key) else { return };
        entry.is_running = false;
        let wait = match outcome {
            Outcome::Good => {
                (entry.failures, entry.failing_since, entry.good_at) = (0, None, Some(now));
                interval
            }
            Outcome::Failed => {
                let wait = BACK_OFF.get(entry.failures).map_or(interval, |wait| interval.min(*wait));
                entry.failures = entry.failures.saturating_add(1);
                entry.failing_since.get_or_insert(now);
                wait
            }
        };
        entry.due = now.saturating_add(drawn(wait, key, salt, &mut entry.draws));
    }

    /// How long until there is something to do; none if that depends on something else.
    pub fn wait(&self, now: Duration) -> Option<Duration> {
        if self.running() >= MAX_AT_ONCE {
            return None;
        }
        let waiting = self.lists.values().filter(|entry| !entry.is_running);
        waiting.map(|entry| entry.due.saturating_sub(now)).min()
    }

    /// Whether a list is being fetched, or has to be now.
    pub fn is_busy(&self, now: Duration) -> bool {
        self.lists.values().any(|entry| entry.is_running || entry.due <= now)
    }

    /// When a list is fetched next; none while it is.
    pub fn due(&self, key: &Key) -> Option<Duration> {
        self.lists.get(key).filter(|entry| !entry.is_running).map(|entry| entry.due)
    }

    /// For how long a list has not been fetched well although it was tried.
    pub fn failing_for(&self, key: &Key, now: Duration) -> Option<Duration> {
        self.lists.get(key)?.failing_since.map(|since| now.saturating_sub(since))
    }

    /// Where a list is fetched from, if it is one that is wanted.
    pub fn url(&self, key: &Key) -> Option<&str> {
        self.lists.get(key).map(|entry| entry.url.as_str())
    }

    /// How often lists are fetched.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    fn running(&self) -> usize {
        self.lists.values().filter(|entry| entry.is_running).count()
    }
}

/// Up to a tenth less than a time, another one at each draw.
fn drawn(time: Duration, key: &Key, salt: u64, draws: &mut u64) -> Duration {
    *draws += 1;
    time.saturating_sub(share(time / 10, key, salt, *draws))
}

/// A part of a time, which only depends on the list, the salt and the draw.
fn share(time: Duration, key: &Key, salt: u64, draw: u64) -> Duration {
    let mut hasher = Sha256::new();
    hasher.update(salt.to_le_bytes());
    hasher.update(draw.to_le_bytes());
    hasher.update(key.file());
    let part = hasher.finalize().first().copied().unwrap_or(0);
    time.saturating_mul(u32::from(part)) / 256
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::Purpose;

    const DAY: Duration = Duration::from_secs(86_400);
    const MINUTE: Duration = Duration::from_secs(60);

    fn key(name: &str) -> Key {
        Key { purpose: Purpose::Block, name: name.to_owned() }
    }

    fn known(name: &str, age: Option<Duration>, has_copy: bool) -> Known {
        Known { key: key(name), url: format!("https://{name}.example/"), age, has_copy }
    }

    fn schedule(lists: &[Known]) -> Schedule {
        let mut schedule = Schedule::new(1);
        schedule.want(lists, DAY, Duration::ZERO);
        schedule
    }

    /// Everything that is fetched within a time, with when: each takes a second, and ends as it is told.
    fn played(schedule: &mut Schedule, outcome: Outcome, until: Duration) -> Vec<(String, Duration)> {
        let (mut now, mut played) = (Duration::ZERO, Vec::new());
        while now <= until {
            while let Some(start) = schedule.next(now) {
                played.push((start.key.name.clone(), now));
                schedule.ended(&start.key, outcome, now + Duration::from_secs(1));
            }
            let Some(wait) = schedule.wait(now) else { break };
            now += wait.max(Duration::from_secs(1));
        }
        played
    }

    #[test]
    fn two_at_a_time_and_the_rest_when_one_has_ended() {
        let mut schedule = schedule(&["a", "b", "c"].map(|name| known(name, None, false)));
        let first: Vec<String> =
            std::iter::from_fn(|| schedule.next(Duration::ZERO)).map(|start| start.key.name).collect();
        assert_eq!((first, schedule.wait(Duration::ZERO)), (vec!["a".to_owned(), "b".to_owned()], None));
        schedule.ended(&key("a"), Outcome::Good, MINUTE);
        assert_eq!(schedule.next(MINUTE).map(|start| start.key), Some(key("c")));
        assert!(schedule.is_busy(MINUTE));
        schedule.ended(&key("b"), Outcome::Good, MINUTE);
        schedule.ended(&key("c"), Outcome::Failed, MINUTE);
        assert!(!schedule.is_busy(MINUTE));
    }

    #[test]
    fn each_comes_once_an_interval_and_not_all_at_once() {
        let names: Vec<String> = (0..40).map(|number| format!("list-{number}")).collect();
        let lists: Vec<Known> =
            names.iter().map(|name| known(name, Some(Duration::from_secs(3600)), true)).collect();
        let mut schedule = schedule(&lists);
        let played = played(&mut schedule, Outcome::Good, DAY * 4);
        for name in &names {
            let times: Vec<Duration> =
                played.iter().filter(|(of, _)| of == name).map(|(_, at)| *at).collect();
            assert!((4..=5).contains(&times.len()), "{name}: {times:?}");
            assert!(times[0] <= DAY - Duration::from_secs(3600));
            for pair in times.windows(2) {
                assert!((DAY * 9 / 10..=DAY + MINUTE).contains(&(pair[1] - pair[0])), "{name}: {times:?}");
            }
        }
        let first: std::collections::BTreeSet<u64> =
            played.iter().take(40).map(|(_, at)| at.as_secs() / 60).collect();
        assert!(first.len() > 20, "they are at {} different minutes", first.len());
    }

    #[test]
    fn failures_are_tried_again_less_and_less_often_up_to_the_interval() {
        let mut schedule = schedule(&[known("a", None, false)]);
        let times = played(&mut schedule, Outcome::Failed, DAY * 4);
        let waits: Vec<u64> = times.windows(2).map(|pair| (pair[1].1 - pair[0].1).as_secs() / 60).collect();
        for (wait, most) in waits.iter().zip([1, 5, 30, 120, 360, 1440, 1440]) {
            assert!((most * 9 / 10..=most + 1).contains(wait), "{waits:?}");
        }
        assert!(waits.len() >= 7, "{waits:?}");
        assert!(schedule.failing_for(&key("a"), DAY * 4).unwrap() >= DAY * 3);
        let now = DAY * 5;
        assert!(schedule.next(now).is_some());
        schedule.ended(&key("a"), Outcome::Good, now);
        assert_eq!(schedule.failing_for(&key("a"), now), None);
        assert!(schedule.due(&key("a")).unwrap() >= now + DAY * 9 / 10);
    }

    #[test]
    fn a_short_interval_is_also_the_longest_wait() {
        let mut schedule = Schedule::new(1);
        schedule.want(&[known("a", None, false)], MINUTE, Duration::ZERO);
        assert_eq!(schedule.interval(), SHORTEST);
        let played = played(&mut schedule, Outcome::Failed, Duration::from_secs(3600));
        assert!((12..=15).contains(&played.len()), "{played:?}");
    }

    #[test]
    fn what_is_asked_for_comes_at_once_and_says_so() {
        let mut schedule = schedule(&[known("a", Some(MINUTE), true), known("b", Some(MINUTE), true)]);
        assert_eq!(schedule.next(MINUTE), None);
        schedule.refresh(Some(&key("b")), MINUTE);
        let start = schedule.next(MINUTE).unwrap();
        assert_eq!((start.key, start.because), (key("b"), Because::Asked));
        schedule.refresh(None, MINUTE);
        assert_eq!(schedule.next(MINUTE).map(|start| start.key), Some(key("a")));
        schedule.ended(&key("b"), Outcome::Good, MINUTE);
        assert_eq!(schedule.next(MINUTE), None, "asking while it is fetched is not asking twice");
    }

    #[test]
    fn an_unknown_age_is_no_hurry_and_a_new_url_is() {
        let mut schedule = schedule(&[known("a", None, true), known("b", None, false)]);
        assert_eq!(schedule.next(Duration::ZERO).map(|start| start.key), Some(key("b")));
        assert!(schedule.due(&key("a")).unwrap() <= UNKNOWN_WITHIN);
        schedule.ended(&key("b"), Outcome::Good, MINUTE);
        let moved = Known { url: "https://elsewhere.example/".to_owned(), ..known("b", None, false) };
        schedule.want(&[moved], DAY, MINUTE);
        let start = schedule.next(MINUTE).unwrap();
        assert_eq!((start.key, start.url.as_str()), (key("b"), "https://elsewhere.example/"));
        assert_eq!(schedule.due(&key("a")), None);
        schedule.ended(&key("a"), Outcome::Good, MINUTE);
        assert_eq!(schedule.url(&key("a")), None);
    }

    #[test]
    fn a_changed_interval_counts_from_the_last_time() {
        let mut schedule = schedule(&[known("a", Some(Duration::from_secs(7200)), true)]);
        let now = Duration::from_secs(10_800);
        schedule.want(
            &[known("a", Some(Duration::from_secs(18_000)), true)],
            Duration::from_secs(14_400),
            now,
        );
        assert!(schedule.due(&key("a")).unwrap() <= now + Duration::from_secs(14_400));
    }
}
