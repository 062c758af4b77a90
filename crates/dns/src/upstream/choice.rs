//! Which upstreams a question goes to, and in which order. Pure: their health and a random number in, an
//! order out.

use std::time::{Duration, Instant};

use super::group::{Mode, Set};
use super::health::Health;

/// The most upstreams that one question is sent to, and to how many at once.
const MAX_ASKED: usize = 8;
const MAX_AT_ONCE: usize = 4;
/// One question in so many is also sent to the one that was measured longest ago, where the fastest is asked.
const MEASURE_EVERY: u64 = 32;
/// What an upstream takes if none has been measured, where each is asked as often as it is fast. One that has
/// not been, while others have, counts as the fastest of them.
const UNMEASURED: Duration = Duration::from_millis(20);

/// Who is asked at once, and who is when those have no answer or take long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Asked at once; empty only if nobody is named at all.
    pub(crate) first: Vec<usize>,
    /// Asked beside those, to see how they do: nobody waits for them, though their answer counts.
    pub(crate) probes: Vec<usize>,
    /// Asked one after the other.
    pub(crate) then: Vec<usize>,
    /// How many of `then` come before those that fall back, which are asked only when nobody else is left.
    pub(crate) before_fallback: usize,
    /// Those that fail and are not due to be tried: asked when all others have no answer, and not for long.
    pub(crate) last: Vec<usize>,
}

/// What counts of an upstream's health.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Looked {
    is_failing: bool,
    takes_probe: bool,
    mean: Option<Duration>,
    measured: Option<Instant>,
}

impl Looked {
    /// Looks, and takes the probe of one that is to be tried again.
    pub(crate) fn at(health: &mut Health, now: Instant) -> Self {
        Self {
            is_failing: health.failing_since().is_some(),
            takes_probe: health.takes_probe(now),
            mean: health.mean(),
            measured: health.measured(),
        }
    }
}

type Seen = (usize, Looked);

/// Chooses from a set. `look` says how an upstream is doing, `random` is any number.
pub(crate) fn choose(set: &Set, mode: Mode, random: u64, mut look: impl FnMut(usize) -> Looked) -> Choice {
    if let ([only], []) = (set.main.as_slice(), set.fallback.as_slice()) {
        return Choice { first: vec![*only], ..Choice::default() };
    }
    let mut see = |indices: &[usize]| -> (Vec<Seen>, Vec<Seen>) {
        indices.iter().map(|index| (*index, look(*index))).partition(|(_, looked)| !looked.is_failing)
    };
    let (mut up, failing) = see(&set.main);
    let (spare, failing_spare) = see(&set.fallback);
    let failing: Vec<Seen> = failing.into_iter().chain(failing_spare).collect();
    if up.is_empty() && spare.is_empty() {
        // Nobody is well: every question tries, so that the first that comes through says that it is over.
        let mut first: Vec<usize> = failing.iter().map(|(index, _)| *index).take(MAX_ASKED).collect();
        let then = first.split_off(first.len().min(MAX_AT_ONCE));
        return Choice { first, before_fallback: then.len(), then, ..Choice::default() };
    }
    sort(&mut up, mode, random);
    let at_once = if mode == Mode::Parallel { MAX_ASKED } else { 1 };
    let at_once = if up.is_empty() { 1 } else { at_once.min(up.len()) };
    let all: Vec<usize> = up.iter().chain(&spare).map(|(index, _)| *index).collect();
    let (first, rest) = all.split_at(at_once);
    let tried = failing.iter().filter(|(_, looked)| looked.takes_probe).map(|(index, _)| *index);
    let mut probes: Vec<usize> = tried.take(MAX_AT_ONCE).collect();
    if mode == Mode::Fastest && random.is_multiple_of(MEASURE_EVERY) {
        let oldest = up.iter().skip(1).min_by_key(|(_, looked)| looked.measured);
        probes.extend(oldest.map(|(index, _)| *index));
    }
    let mut then: Vec<usize> = rest.iter().filter(|index| !probes.contains(index)).copied().collect();
    then.truncate(MAX_ASKED);
    let before_fallback = then.iter().take_while(|index| up.iter().any(|(one, _)| one == *index)).count();
    let last = failing.iter().map(|(index, _)| *index).filter(|index| !probes.contains(index));
    let last = last.take(MAX_AT_ONCE).collect();
    Choice { first: first.to_vec(), probes, then, before_fallback, last }
}

/// Puts those that are well into the order of the mode.
fn sort(up: &mut [Seen], mode: Mode, random: u64) {
    match mode {
        Mode::Order | Mode::Parallel => {}
        // One that was never measured is, first of all.
        Mode::Fastest => up.sort_by_key(|(_, looked)| looked.mean.unwrap_or_default()),
        Mode::LoadBalance => {
            let best = up.iter().filter_map(|(_, looked)| looked.mean).min().unwrap_or(UNMEASURED);
            up.sort_by_key(|(_, looked)| looked.mean.unwrap_or(best));
            let chosen = weighted(up, best, random);
            if let Some(front) = up.get_mut(..=chosen) {
                front.rotate_right(1);
            }
        }
    }
}

/// The place of one, each as likely as it is fast.
fn weighted(up: &[Seen], best: Duration, random: u64) -> usize {
    let weight = |(_, looked): &Seen| {
        let micros = looked.mean.unwrap_or(best).as_micros().clamp(1, 60_000_000);
        u64::try_from(1_000_000_000 / micros).unwrap_or(1).max(1)
    };
    let all: u64 = up.iter().map(weight).sum();
    let mut left = random.checked_rem(all).unwrap_or(0);
    for (at, seen) in up.iter().enumerate() {
        match left.checked_sub(weight(seen)) {
            Some(rest) => left = rest,
            None => return at,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::super::health::Weight;
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Upstreams that take so many milliseconds on average; 0 for one that fails.
    struct Case {
        set: Set,
        health: Vec<Health>,
        now: Instant,
    }

    impl Case {
        fn new(main: &[u32], fallback: &[u32]) -> Self {
            let now = Instant::now();
            let health = main.iter().chain(fallback).map(|ms| {
                let mut health = Health::default();
                if *ms == 0 {
                    health.failed(Weight::Gone, "gone", now);
                } else {
                    health.answered(*ms * MS, now);
                }
                health
            });
            let health = health.collect();
            let set = Set {
                main: (0..main.len()).collect(),
                fallback: (main.len()..main.len() + fallback.len()).collect(),
                ..Set::default()
            };
            Self { set, health, now }
        }

        fn choose(&mut self, mode: Mode, random: u64) -> Choice {
            let (health, now) = (&mut self.health, self.now);
            choose(&self.set, mode, random, |index| Looked::at(&mut health[index], now))
        }

        fn check(&mut self, mode: Mode, random: u64, first: &[usize], then: &[usize], before: usize) {
            self.check_all(mode, random, [first, &[], then, &[]], before);
        }

        /// Who is first, is tried, comes then, and last.
        fn check_all(&mut self, mode: Mode, random: u64, expected: [&[usize]; 4], before_fallback: usize) {
            let [first, probes, then, last] = expected.map(<[usize]>::to_vec);
            assert_eq!(self.choose(mode, random), Choice { first, probes, then, before_fallback, last });
        }
    }

    #[test]
    fn the_first_that_is_well_is_asked() {
        Case::new(&[9, 5, 7], &[]).check(Mode::Order, 1, &[0], &[1, 2], 2);
        Case::new(&[0, 5, 7], &[]).check_all(Mode::Order, 1, [&[1], &[], &[2], &[0]], 1);
        Case::new(&[9, 5], &[3, 0]).check_all(Mode::Order, 1, [&[0], &[], &[1, 2], &[3]], 1);
        Case::new(&[0, 0], &[3]).check_all(Mode::Order, 1, [&[2], &[], &[], &[0, 1]], 0);
        Case::new(&[9], &[]).check(Mode::Order, 1, &[0], &[], 0);
        Case::new(&[], &[]).check(Mode::Order, 1, &[], &[], 0);
    }

    #[test]
    fn one_that_fails_is_tried_by_a_single_question() {
        let mut case = Case::new(&[0, 5], &[]);
        case.now += 300 * MS;
        case.check_all(Mode::Order, 1, [&[1], &[0], &[], &[]], 0);
        case.check_all(Mode::Order, 1, [&[1], &[], &[], &[0]], 0);
        case.now += 600 * MS;
        case.check_all(Mode::Order, 1, [&[1], &[0], &[], &[]], 0);
    }

    #[test]
    fn where_nobody_is_well_every_question_tries() {
        let mut case = Case::new(&[0, 0, 0], &[0, 0]);
        case.check(Mode::Order, 1, &[0, 1, 2, 3], &[4], 1);
        case.check(Mode::Fastest, 1, &[0, 1, 2, 3], &[4], 1);
    }

    #[test]
    fn all_are_asked_at_once() {
        Case::new(&[9, 0, 7], &[3]).check_all(Mode::Parallel, 1, [&[0, 2], &[], &[3], &[1]], 0);
    }

    #[test]
    fn the_fastest_is_asked_and_the_others_measured_now_and_then() {
        let mut case = Case::new(&[9, 5, 7], &[]);
        case.check(Mode::Fastest, 1, &[1], &[2, 0], 2);
        case.health[0].answered(9 * MS, case.now + MS);
        case.check_all(Mode::Fastest, MEASURE_EVERY, [&[1], &[2], &[0], &[]], 1);
        case.health[2] = Health::default();
        case.check(Mode::Fastest, 1, &[2], &[1, 0], 2);
    }

    #[test]
    fn each_is_asked_as_often_as_it_is_fast() {
        let mut case = Case::new(&[30, 10], &[]);
        let mut asked = [0, 0];
        for random in 0..4_000 {
            asked[case.choose(Mode::LoadBalance, random * 7919).first[0]] += 1;
        }
        assert!(asked[1] > 2 * asked[0] && asked[0] > 500, "{asked:?}");
        case.health[0] = Health::default();
        let asked = (0..1_000).filter(|random| case.choose(Mode::LoadBalance, random * 7919).first[0] == 0);
        assert!((300..700).contains(&asked.count()), "one that was not measured yet");
    }
}
