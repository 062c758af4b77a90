//! Which segments are to go: those that are too old, and the oldest as long as all together are too large.

use std::time::Duration;

use runtime::Millis;

use super::Keeping;

/// How long a segment has to be too old before it goes: a clock that jumps, and is set right, costs nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);
/// A segment ends after this part of what is kept, by age and by size, so that about that much more or less is.
const PARTS: u8 = 8;
/// The longest and the shortest time that a segment is filled.
const LONGEST: Millis = 24 * super::HOUR;
const SHORTEST: Millis = 60_000;
/// The least size of a segment that is ended because of its size.
const SMALLEST: u64 = 64 << 10;

/// What matters of a segment here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) bytes: u64,
    /// The time of its latest row.
    pub(crate) latest: Millis,
    /// For how long it has been too old, if it was when it was last looked at.
    pub(crate) old_since: Option<Duration>,
}

/// Looks at segments, oldest first, at a civil and a steady time; `others` is the size of what is none. Marks those
/// that are too old. Which ones are to go, by their places.
pub(crate) fn gone(
    segments: &mut [Held],
    others: u64,
    keeping: &Keeping,
    now: Millis,
    steady: Duration,
) -> Vec<usize> {
    let total: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let mut above = total.saturating_add(others).saturating_sub(keeping.bytes);
    let mut gone = Vec::new();
    for (place, segment) in segments.iter_mut().enumerate() {
        let is_old = segment.latest < now.saturating_sub(keeping.age);
        segment.old_since = is_old.then(|| segment.old_since.unwrap_or(steady));
        let is_ripe = segment.old_since.is_some_and(|since| steady.saturating_sub(since) >= PATIENCE);
        if is_ripe || above > 0 {
            above = above.saturating_sub(segment.bytes);
            gone.push(place);
        }
    }
    gone
}

/// Whether a segment has enough, so that another one is to be begun.
pub(crate) fn is_enough(keeping: &Keeping, bytes: u64, since: Millis, now: Millis) -> bool {
    let age = (keeping.age / Millis::from(PARTS)).clamp(SHORTEST, LONGEST);
    let size = (keeping.bytes / u64::from(PARTS)).max(SMALLEST);
    // A clock that is behind the begin was set back: the segment may as well end.
    bytes >= size || now < since.saturating_sub(LONGEST) || now.saturating_sub(since) >= age
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{HOUR, Rows};

    const KEEPING: Keeping = Keeping { rows: Rows::Full, age: 10 * HOUR, bytes: 1_000 };
    const SOON: Duration = Duration::from_secs(60);

    fn held(bytes: u64, latest: Millis) -> Held {
        Held { bytes, latest, old_since: None }
    }

    #[test]
    fn the_oldest_go_until_the_rest_is_small_enough() {
        let mut segments = [held(400, 100 * HOUR), held(400, 100 * HOUR), held(400, 100 * HOUR)];
        assert_eq!(gone(&mut segments, 0, &KEEPING, 100 * HOUR, SOON), [0]);
        assert_eq!(gone(&mut segments, 201, &KEEPING, 100 * HOUR, SOON), [0, 1]);
        assert_eq!(gone(&mut segments[1..], 0, &KEEPING, 100 * HOUR, SOON), [0_usize; 0]);
    }

    #[test]
    fn what_is_too_old_goes_when_it_has_been_so_for_a_while() {
        let mut segments = [held(1, 80 * HOUR), held(1, 100 * HOUR)];
        assert_eq!(gone(&mut segments, 0, &KEEPING, 100 * HOUR, SOON), [0_usize; 0]);
        assert_eq!(gone(&mut segments, 0, &KEEPING, 100 * HOUR, SOON + PATIENCE), [0]);
    }

    #[test]
    fn a_clock_that_jumps_and_comes_back_costs_nothing() {
        let mut segments = [held(1, 99 * HOUR), held(1, 100 * HOUR)];
        assert_eq!(gone(&mut segments, 0, &KEEPING, 10_000 * HOUR, SOON), [0_usize; 0]);
        assert_eq!(gone(&mut segments, 0, &KEEPING, 100 * HOUR, SOON * 2), [0_usize; 0]);
        assert_eq!(gone(&mut segments, 0, &KEEPING, 10_000 * HOUR, SOON + PATIENCE), [0_usize; 0]);
        assert_eq!(gone(&mut segments, 0, &KEEPING, 10_000 * HOUR, SOON + PATIENCE * 2), [0, 1]);
    }

    #[test]
    fn a_segment_ends_after_a_part_of_what_is_kept() {
        assert!(!is_enough(&KEEPING, 1_000, 0, HOUR));
        assert!(is_enough(&KEEPING, 1_000, 0, 2 * HOUR));
        assert!(is_enough(&KEEPING, SMALLEST, 0, 0));
        assert!(is_enough(&KEEPING, 1_000, 100 * HOUR, 0), "the clock was set back");
        let long = Keeping { age: 365 * 24 * HOUR, bytes: 1 << 30, ..KEEPING };
        assert!(!is_enough(&long, 1 << 20, 0, 23 * HOUR) && is_enough(&long, 1 << 20, 0, 24 * HOUR));
    }
}
