//! How an upstream is doing: how long it takes, whether it has failed, and when it is tried again. Pure: what
//! happens and when goes in, what to do comes out.
//!
//! One that fails is not waited for any more, but a single question is sent to it as well, soon at first and then
//! ever more rarely: nobody waits for that, and a first answer brings it back at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many questions in a row may stay without an answer in time before an upstream counts as failing: one
/// lost datagram says nothing.
const MAX_STRIKES: u32 = 3;
/// How many answers in a row may be of no use until then: a name that nobody can answer says nothing either.
const MAX_USELESS: u32 = 10;
/// When a failing one is tried again for the first time, and how long that may become.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long an answer may take before somebody else is asked as well: this many times the mean, within bounds.
const PATIENCE: u32 = 4;
const LEAST_PATIENCE: Duration = Duration::from_millis(300);
const MOST_PATIENCE: Duration = Duration::from_secs(1);
/// The weight of a new measurement in the mean is one part in so many.
const WEIGHT: u32 = 8;

/// What a failure says of the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// It is not there: nothing listens, or it shows the wrong certificate.
    Gone,
    /// It did not answer this one.
    Silent,
    /// It answers, though not this question: that says little of the next.
    Useless,
    /// Nothing: it was not asked.
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Failing {
    since: Instant,
    pause: Duration,
    next: Instant,
}

/// The health of one upstream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    mean: Option<Duration>,
    measured: Option<Instant>,
    strikes: u32,
    useless: u32,
    failing: Option<Failing>,
    /// The last error in words, and when it was.
    pub(crate) last: Option<(Arc<str>, Instant)>,
    pub(crate) questions: u64,
    pub(crate) failures: u64,
}

impl Health {
    /// It is asked.
    pub(crate) fn asked(&mut self) {
        self.questions += 1;
    }

    /// It has answered, after so long.
    pub(crate) fn answered(&mut self, took: Duration, now: Instant) {
        let mean = self.mean.map_or(took, |mean| (mean * (WEIGHT - 1) + took) / WEIGHT);
        (self.mean, self.measured) = (Some(mean), Some(now));
        (self.strikes, self.useless, self.failing) = (0, 0, None);
    }

    /// It has failed to answer a question, for a reason in words.
    pub(crate) fn failed(&mut self, weight: Weight, words: &str, now: Instant) {
        self.failures += 1;
        if self.last.as_ref().is_none_or(|(last, _)| **last != *words) {
            self.last = Some((words.into(), now));
        } else if let Some((_, at)) = &mut self.last {
            *at = now;
        }
        match weight {
            Weight::Gone => self.strike(MAX_STRIKES, now),
            Weight::Silent => self.strike(1, now),
            Weight::Useless => {
                self.useless = self.useless.saturating_add(1);
                if self.useless < MAX_USELESS {
                    (self.strikes, self.failing) = (0, None);
                } else {
                    self.strike(MAX_STRIKES, now);
                }
            }
            Weight::Nothing => {}
        }
    }

    /// It takes so long that somebody else is asked as well.
    pub(crate) fn is_late(&mut self, now: Instant) {
        if self.failing.is_none() {
            self.strike(1, now);
        }
    }

    fn strike(&mut self, strikes: u32, now: Instant) {
        self.strikes = self.strikes.saturating_add(strikes);
        if self.failing.is_none() && self.strikes >= MAX_STRIKES {
            self.failing = Some(Failing { since: now, pause: FIRST_PAUSE, next: now + FIRST_PAUSE });
        }
    }

    /// Since when it fails; none if it is well.
    pub(crate) fn failing_since(&self) -> Option<Instant> {
        self.failing.as_ref().map(|failing| failing.since)
    }

    /// Whether a failing one is to be tried now. Who asks tries: it is somebody else's turn only later.
    pub(crate) fn takes_probe(&mut self, now: Instant) -> bool {
        match &mut self.failing {
            Some(failing) if failing.next <= now => {
                failing.pause = (failing.pause * 2).min(LONGEST_PAUSE);
                failing.next = now + failing.pause;
                true
            }
            _ => false,
        }
    }

    /// How long it takes, on average of late.
    pub(crate) fn mean(&self) -> Option<Duration> {
        self.mean
    }

    /// When that was measured last.
    pub(crate) fn measured(&self) -> Option<Instant> {
        self.measured
    }

    /// How long it is waited for alone.
    pub(crate) fn patience(&self) -> Duration {
        self.mean.map_or(MOST_PATIENCE, |mean| (mean * PATIENCE).clamp(LEAST_PATIENCE, MOST_PATIENCE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn one_lost_datagram_is_no_failure() {
        let (mut health, now) = (Health::default(), Instant::now());
        health.failed(Weight::Silent, "no answer", now);
        health.is_late(now);
        assert_eq!(health.failing_since(), None);
        health.answered(20 * MS, now);
        health.failed(Weight::Silent, "no answer", now);
        health.failed(Weight::Silent, "no answer", now);
        assert_eq!(health.failing_since(), None);
        health.is_late(now + MS);
        assert_eq!(health.failing_since(), Some(now + MS));
    }

    #[test]
    fn one_that_is_not_there_fails_at_once_and_is_tried_ever_more_rarely() {
        let (mut health, began) = (Health::default(), Instant::now());
        health.failed(Weight::Gone, "nothing listens", began);
        assert_eq!(health.failing_since(), Some(began));
        let mut tries = Vec::new();
        for ms in 0..60_000 {
            if health.takes_probe(began + ms * MS) {
                tries.push(ms);
                health.failed(Weight::Gone, "nothing listens", began + ms * MS);
            }
        }
        assert_eq!(tries, [250, 750, 1750, 3750, 7750, 15_750, 25_750, 35_750, 45_750, 55_750]);
        assert_eq!(health.failing_since(), Some(began), "it is the same failure all the time");
        health.answered(5 * MS, began + 60_000 * MS);
        assert_eq!(health.failing_since(), None);
        health.failed(Weight::Gone, "nothing listens", began + 70_000 * MS);
        assert!(health.takes_probe(began + 70_250 * MS), "it begins anew");
    }

    #[test]
    fn an_answer_that_does_not_help_is_a_sign_of_life() {
        let (mut health, now) = (Health::default(), Instant::now());
        health.failed(Weight::Gone, "nothing listens", now);
        health.failed(Weight::Nothing, "too much is asked", now);
        assert_eq!(health.failing_since(), Some(now));
        health.failed(Weight::Useless, "it says REFUSED", now);
        assert_eq!((health.failing_since(), health.failures), (None, 3));
        assert_eq!(health.last.as_ref().unwrap().0.as_ref(), "it says REFUSED");
        for _ in 0..8 {
            health.failed(Weight::Useless, "it says REFUSED", now);
        }
        assert_eq!(health.failing_since(), None);
        health.failed(Weight::Useless, "it says REFUSED", now);
        assert_eq!(health.failing_since(), Some(now), "it never says anything else");
        health.answered(MS, now);
        health.failed(Weight::Useless, "it says REFUSED", now);
        assert_eq!(health.failing_since(), None);
    }

    #[test]
    fn patience_goes_with_the_mean() {
        let (mut health, now) = (Health::default(), Instant::now());
        assert_eq!(health.patience(), MOST_PATIENCE);
        health.answered(200 * MS, now);
        assert_eq!(health.patience(), 800 * MS);
        for _ in 0..100 {
            health.answered(10 * MS, now);
        }
        assert_eq!(health.patience(), LEAST_PATIENCE);
        assert!(health.mean().unwrap() < 11 * MS);
    }
}
