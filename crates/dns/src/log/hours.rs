//! How many questions each of the last hours had, what came of them, and how long they took.
//!
//! Hours are those of civil time in UTC. What is kept is limited by count, not by age, so that a clock that jumps
//! takes nothing away. On disk it is a line of numbers for an hour each time that it is written; the last
//! one of an hour holds.

use std::collections::BTreeMap;

use runtime::Millis;
use serde::{Deserialize, Serialize};

use super::row::Outcome;
use super::wire::{checksum, read_number, write_number};

/// An hour, in milliseconds.
pub const HOUR: Millis = 3_600_000;
/// The most hours that are kept: 30 days, and some that a wrong clock may have made.
const MOST: usize = 30 * 24 + 48;
/// What the file begins with: a name and a version.
pub(crate) const BEGIN: [u8; 8] = *b"polishr1";

/// An hour's questions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hour {
    /// When it begins, in milliseconds since 1970.
    pub begin: Millis,
    /// How many had each outcome, by the outcome's number.
    pub outcomes: Vec<u64>,
    /// How long all took together, in microseconds.
    pub micros: u64,
}

impl Hour {
    /// How many questions there were.
    pub fn questions(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// How many had this outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(usize::from(outcome.0)).copied().unwrap_or(0)
    }

    /// How many were blocked.
    pub fn blocked(&self) -> u64 {
        Outcome::all().filter(|outcome| outcome.is_blocked()).map(|outcome| self.of(outcome)).sum()
    }

    /// How long one took on average, in microseconds; 0 if there was none.
    pub fn mean_micros(&self) -> u64 {
        self.micros.checked_div(self.questions()).unwrap_or(0)
    }

    fn add(&mut self, outcome: Outcome, micros: u32) {
        let place = usize::from(outcome.0).min(Outcome::MOST - 1);
        if self.outcomes.len() <= place {
            self.outcomes.resize(place + 1, 0);
        }
        if let Some(count) = self.outcomes.get_mut(place) {
            *count += 1;
        }
        self.micros = self.micros.saturating_add(u64::from(micros));
    }

    fn add_hour(&mut self, more: &Self) {
        self.outcomes.resize(self.outcomes.len().max(more.outcomes.len()), 0);
        for (count, more) in self.outcomes.iter_mut().zip(&more.outcomes) {
            *count = count.saturating_add(*more);
        }
        self.micros = self.micros.saturating_add(more.micros);
    }
}

/// The hours.
#[derive(Debug, Default)]
pub(crate) struct Hours {
    hours: BTreeMap<i64, Hour>,
    /// Those that have changed since they were written.
    changed: Vec<i64>,
}

impl Hours {
    /// Counts many questions, most of which are of the same hour.
    pub(crate) fn add_all(&mut self, questions: impl Iterator<Item = (Millis, Outcome, u32)>) {
        let mut hour = Hour::default();
        for (at, outcome, micros) in questions {
            if at.saturating_sub(hour.begin) >= HOUR || at < hour.begin {
                self.add_hour(&hour);
                hour = Hour { begin: at.div_euclid(HOUR) * HOUR, ..Hour::default() };
            }
            hour.add(outcome, micros);
        }
        self.add_hour(&hour);
    }

    fn add_hour(&mut self, more: &Hour) {
        if more.outcomes.is_empty() {
            return;
        }
        let number = more.begin.div_euclid(HOUR);
        let hour = self.hours.entry(number).or_insert_with(|| Hour { begin: more.begin, ..Hour::default() });
        hour.add_hour(more);
        if !self.changed.contains(&number) {
            self.changed.push(number);
        }
        if self.hours.len() > MOST {
            self.forget_farthest(number);
        }
    }

    /// Forgets the hour that is farthest from this one.
    fn forget_farthest(&mut self, from: i64) {
        let ends = [self.hours.keys().next().copied(), self.hours.keys().next_back().copied()];
        if let Some(farthest) = ends.into_iter().flatten().max_by_key(|hour| hour.abs_diff(from)) {
            self.hours.remove(&farthest);
            self.changed.retain(|hour| *hour != farthest);
        }
    }

    /// The hours with any questions that begin in a time, oldest first.
    pub(crate) fn between(&self, from: Millis, until: Millis) -> Vec<Hour> {
        let hours = self.hours.values();
        hours.filter(|hour| hour.begin > from.saturating_sub(HOUR) && hour.begin < until).cloned().collect()
    }

    /// Adds what was counted before, and written.
    pub(crate) fn before(&mut self, hours: Self) {
        for (number, before) in hours.hours {
            let hour =
                self.hours.entry(number).or_insert_with(|| Hour { begin: before.begin, ..Hour::default() });
            hour.add_hour(&before);
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The lines for the hours that have changed since they were last written.
    pub(crate) fn changes(&self) -> Vec<u8> {
        self.changed.iter().filter_map(|number| self.hours.get(number)).flat_map(line).collect()
    }

    /// They are written.
    pub(crate) fn written(&mut self) {
        self.changed.clear();
    }

    /// The whole file.
    pub(crate) fn file(&self) -> Vec<u8> {
        BEGIN.into_iter().chain(self.hours.values().flat_map(line)).collect()
    }

    /// What can be read of a file; none if it is of another version. What is torn is left out.
    pub(crate) fn read(file: &[u8]) -> Option<Self> {
        let mut rest = file.strip_prefix(&BEGIN).or_else(|| file.is_empty().then_some(file))?;
        let mut hours = Self::default();
        while let Some(hour) = read_line(&mut rest) {
            hours.hours.insert(hour.begin.div_euclid(HOUR), hour);
            if hours.hours.len() > MOST {
                // Of a file that is too long the latest hours are kept.
                hours.hours.pop_first();
            }
        }
        Some(hours)
    }
}

/// A length, a checksum, and as many bytes: the hour, microseconds, the counts of the outcomes.
fn line(hour: &Hour) -> Vec<u8> {
    let mut numbers = Vec::new();
    write_number(&mut numbers, hour.begin.div_euclid(HOUR).cast_unsigned());
    write_number(&mut numbers, hour.micros);
    hour.outcomes.iter().for_each(|count| write_number(&mut numbers, *count));
    let mut line = Vec::new();
    write_number(&mut line, u64::try_from(numbers.len()).unwrap_or(0));
    line.extend(checksum(&numbers).to_le_bytes());
    line.extend(numbers);
    line
}

fn read_line(rest: &mut &[u8]) -> Option<Hour> {
    let length = usize::try_from(read_number(rest)?).ok()?;
    let (sum, behind) = rest.split_first_chunk()?;
    let (mut numbers, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    if checksum(numbers) != u32::from_le_bytes(*sum) {
        return None;
    }
    let begin = read_number(&mut numbers)?.cast_signed().checked_mul(HOUR)?;
    let mut hour = Hour { begin, micros: read_number(&mut numbers)?, outcomes: Vec::new() };
    while !numbers.is_empty() && hour.outcomes.len() < Outcome::MOST {
        hour.outcomes.push(read_number(&mut numbers)?);
    }
    Some(hour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_counted_and_read_as_they_were_written() {
        let mut hours = Hours::default();
        hours.add_all([(HOUR * 5 + 1, Outcome(1), 10)].into_iter());
        hours.add_all([(HOUR * 5 + 2, Outcome(5), 20)].into_iter());
        hours.add_all([(HOUR * 4 - 1, Outcome(2), 5)].into_iter());
        hours.add_all([(-1, Outcome(200), u32::MAX)].into_iter());
        let mut file = hours.file();
        let read = Hours::read(&file).unwrap();
        assert_eq!(read.between(Millis::MIN, Millis::MAX), hours.between(Millis::MIN, Millis::MAX));
        let fifth = read.between(HOUR * 5, HOUR * 6).pop().unwrap();
        assert_eq!((fifth.questions(), fifth.blocked(), fifth.mean_micros()), (2, 1, 15));
        assert_eq!(fifth.of(Outcome(5)), 1);
        hours.written();
        hours.add_all([(HOUR * 5 + 3, Outcome(0), 30)].into_iter());
        file.extend(hours.changes());
        let read = Hours::read(&file).unwrap().between(HOUR * 5, HOUR * 6);
        assert_eq!(read[0].questions(), 3);
        for length in 8..file.len() {
            Hours::read(&file[..length]).unwrap();
        }
        assert!(Hours::read(b"polishr2").is_none(), "of a newer version");
    }

    #[test]
    fn a_clock_that_jumps_takes_no_hours_away() {
        let mut hours = Hours::default();
        for hour in 0..720 {
            hours.add_all([(hour * HOUR, Outcome(0), 1)].into_iter());
        }
        hours.add_all([(1_000_000 * HOUR, Outcome(0), 1)].into_iter());
        assert_eq!(hours.between(0, 720 * HOUR).len(), 720);
        for hour in 720..2_000 {
            hours.add_all([(hour * HOUR, Outcome(0), 1)].into_iter());
        }
        assert_eq!(hours.hours.len(), MOST);
        assert!(!hours.hours.contains_key(&1_000_000) && hours.hours.contains_key(&1_999));
    }
}
