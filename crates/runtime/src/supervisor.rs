//! Keeps services running: provisions what is planned, swaps what has changed, restarts what fails.
//!
//! Each service has a [`Slot`]: a task of its own with what is wanted of it and what became of that. The state
//! machine of restarts is here, the tasks are in `run`. A service that fails touches no other.

mod run;

use std::collections::VecDeque;
use std::time::Duration;

use lab::model::ServiceName;
use serde::{Deserialize, Serialize};

use crate::permit::Permit;
use crate::service::{Given, Service};

pub use run::{Settling, Slot, Supervisor};

/// A service in the table of the binary.
#[derive(Clone, Copy)]
pub struct Row {
    /// Its name.
    pub name: ServiceName,
    /// What its plan needs privileges for.
    pub permits: fn(&Given<'_>) -> Vec<Permit>,
    /// Its plan as lines; none if there is nothing to do.
    pub lines: fn(&Given<'_>) -> Option<Vec<String>>,
    pub(crate) slot: fn() -> Slot,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({})", self.name)
    }
}

/// What became of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It has nothing to do here.
    #[default]
    Off,
    /// It is being made ready.
    Starting,
    /// It does what is planned.
    Running,
    /// It does what was planned before: the new plan can not be provisioned.
    HeldBack,
    /// It can not be provisioned, and is tried again.
    Blocked,
    /// It failed, and starts again in a moment.
    Restarting,
    /// It failed too often, and is tried once a minute.
    Degraded,
    /// It would do something, and another machine goes first.
    StandsBy,
    /// A phase that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Phase {
    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::HeldBack => "held back",
            Self::Blocked => "blocked",
            Self::Restarting => "restarting",
            Self::Degraded => "degraded",
            Self::StandsBy => "stands by",
            Self::Unknown => "unknown",
        }
    }
}

/// The row of a service in the table of the binary.
pub fn row<S: Service>() -> Row {
    Row { name: S::NAME, permits: permits::<S>, lines: lines::<S>, slot: Slot::of::<S> }
}

fn permits<S: Service>(given: &Given<'_>) -> Vec<Permit> {
    S::plan(given).map(|plan| S::permits(&plan)).unwrap_or_default()
}

fn lines<S: Service>(given: &Given<'_>) -> Option<Vec<String>> {
    S::plan(given).map(|plan| S::lines(&plan))
}

/// How many failures in how long make a service degraded.
const MANY: usize = 5;
const WITHIN: Duration = Duration::from_secs(600);
/// The first and the longest wait before it starts again, and that of a degraded one.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);
/// The waits before something that can not be provisioned is tried again.
const FIRST_TRY: Duration = Duration::from_millis(500);
const LONGEST_TRY: Duration = Duration::from_secs(2);

/// The failures of a service, and what follows from them.
#[derive(Debug, Default)]
pub(crate) struct Failures(VecDeque<Duration>);

impl Failures {
    /// It failed, at a moment of steady time: how it stands now, and how long to wait.
    pub(crate) fn add(&mut self, now: Duration) -> (Phase, Duration) {
        while self.0.front().is_some_and(|first| now.saturating_sub(*first) > WITHIN) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        if self.0.len() >= MANY {
            while self.0.len() > MANY {
                self.0.pop_front();
            }
            return (Phase::Degraded, LONGEST);
        }
        let doublings = u32::try_from(self.0.len().saturating_sub(1)).unwrap_or(u32::MAX);
        (Phase::Restarting, FIRST.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST))
    }
}

/// The waits before something that can not be provisioned is tried again: half a second, doubled up to two.
#[derive(Debug)]
pub(crate) struct Tries(Duration);

impl Default for Tries {
    fn default() -> Self {
        Self(FIRST_TRY)
    }
}

impl Tries {
    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (self.0 * 2).min(LONGEST_TRY);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_ten_minutes_degrade() {
        let mut failures = Failures::default();
        let seconds = Duration::from_secs;
        let seen: Vec<(Phase, u128)> = (0..6)
            .map(|at| failures.add(seconds(at)))
            .map(|(phase, wait)| (phase, wait.as_millis()))
            .collect();
        let restarting = |wait| (Phase::Restarting, wait);
        assert_eq!(
            seen,
            [
                restarting(100),
                restarting(200),
                restarting(400),
                restarting(800),
                (Phase::Degraded, 60_000),
                (Phase::Degraded, 60_000)
            ]
        );
        assert_eq!(failures.add(seconds(3_600)), (Phase::Restarting, FIRST), "long ago is forgotten");
    }
}
