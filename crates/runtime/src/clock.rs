//! The time: civil time that never runs below what is known to have passed, and a steady one for waiting.
//!
//! A Raspberry Pi boots without a clock, in 1970. Civil time here begins at the last time that was saved, or
//! that of the build, and [`Clock::is_set`] says whether it could be right: what depends on dates asks, and
//! says so instead of failing.
//!
//! ```
//! use std::time::Duration;
//! let clock = runtime::Clock::stopped_at(1_000_000);
//! clock.advance(Duration::from_secs(60));
//! assert_eq!(clock.now(), 1_000_060_000);
//! ```

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment of civil time: milliseconds since 1970 in UTC.
pub type Millis = i64;

/// How far civil and steady time may drift apart between two looks before it is a jump, in milliseconds.
const JUMP: i64 = 5_000;

/// When this binary was built, in seconds since 1970.
pub fn built() -> i64 {
    env!("POLIS_BUILT").parse().unwrap_or(0)
}

/// The time of a machine, or of a test.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
enum Source {
    System { floor: Millis, began: Instant },
    Stopped(Mutex<Hands>),
}

#[derive(Debug)]
struct Hands {
    civil: Millis,
    steady: Duration,
}

impl Clock {
    /// The clock of the system, which is never taken to be before `floor` or before the build.
    pub fn system(floor: Millis) -> Self {
        let floor = floor.max(built().saturating_mul(1000));
        Self(Arc::new(Source::System { floor, began: Instant::now() }))
    }

    /// A clock that only moves when it is told to, from a number of seconds since 1970 on.
    pub fn stopped_at(seconds: i64) -> Self {
        let hands = Hands { civil: seconds.saturating_mul(1000), steady: Duration::ZERO };
        Self(Arc::new(Source::Stopped(Mutex::new(hands))))
    }

    /// Civil time.
    pub fn now(&self) -> Millis {
        match &*self.0 {
            Source::System { floor, began } => {
                system_millis().max(floor.saturating_add(millis(began.elapsed())))
            }
            Source::Stopped(hands) => lock(hands).civil,
        }
    }

    /// The time since the clock was made, which never jumps.
    pub fn steady(&self) -> Duration {
        match &*self.0 {
            Source::System { began, .. } => began.elapsed(),
            Source::Stopped(hands) => lock(hands).steady,
        }
    }

    /// Whether the system's own time could be right: it is not before what is known to have passed.
    pub fn is_set(&self) -> bool {
        match &*self.0 {
            Source::System { floor, .. } => system_millis() >= *floor,
            Source::Stopped(_) => true,
        }
    }

    /// Moves a stopped clock on.
    pub fn advance(&self, by: Duration) {
        if let Source::Stopped(hands) = &*self.0 {
            let mut hands = lock(hands);
            hands.steady = hands.steady.saturating_add(by);
            hands.civil = hands.civil.saturating_add(millis(by));
        }
    }

    /// Sets a stopped clock to another civil time, as people and time servers do.
    pub fn jump(&self, by: Millis) {
        if let Source::Stopped(hands) = &*self.0 {
            let mut hands = lock(hands);
            hands.civil = hands.civil.saturating_add(by);
        }
    }
}

fn lock(hands: &Mutex<Hands>) -> std::sync::MutexGuard<'_, Hands> {
    hands.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

fn system_millis() -> Millis {
    let system = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    };
    system.saturating_add(offset_for_tests())
}

#[cfg(not(feature = "testlab"))]
fn offset_for_tests() -> Millis {
    0
}

/// The seconds in the file that `POLIS_TEST_CLOCK` names.
#[cfg(feature = "testlab")]
fn offset_for_tests() -> Millis {
    let Some(path) = std::env::var_os("POLIS_TEST_CLOCK") else { return 0 };
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.trim().parse::<Millis>().map_or(0, |seconds| seconds.saturating_mul(1000))
}

/// Notices when civil time jumps.
#[derive(Debug)]
pub struct Jumps {
    civil: Millis,
    steady: Duration,
}

impl Jumps {
    /// From this look on.
    pub fn of(clock: &Clock) -> Self {
        Self { civil: clock.now(), steady: clock.steady() }
    }

    /// By how much civil time has jumped since the last look, if it has: milliseconds, negative if it was set back.
    pub fn look(&mut self, clock: &Clock) -> Option<Millis> {
        let (civil, steady) = (clock.now(), clock.steady());
        let jumped = (civil - self.civil) - millis(steady.saturating_sub(self.steady));
        (self.civil, self.steady) = (civil, steady);
        (jumped.abs() >= JUMP).then_some(jumped)
    }
}

/// A moment in words, in UTC: `2026-11-24 15:04:41`.
pub fn in_words(moment: Millis) -> String {
    match jiff::Timestamp::from_millisecond(moment) {
        Ok(timestamp) => timestamp.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => "at no time".to_owned(),
    }
}

/// A length of time in words, one unit: `42 s`, `3 h`.
pub fn long_in_words(millis: Millis) -> String {
    let seconds = millis.max(0) / 1000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_clock_is_below_its_floor() {
        let tomorrow = system_millis() + 86_400_000;
        let clock = Clock::system(tomorrow);
        assert!(!clock.is_set() && clock.now() >= tomorrow);
        let clock = Clock::system(0);
        assert!(clock.is_set() && clock.now() >= built() * 1000);
    }

    #[test]
    fn jumps_are_seen_and_the_passing_of_time_is_none() {
        let clock = Clock::stopped_at(1_000);
        let mut jumps = Jumps::of(&clock);
        clock.advance(Duration::from_secs(3600));
        assert_eq!(jumps.look(&clock), None);
        clock.jump(-7_200_000);
        assert_eq!(jumps.look(&clock), Some(-7_200_000));
        assert_eq!(jumps.look(&clock), None);
    }

    #[test]
    fn lengths_have_one_unit() {
        let said: Vec<String> = [0, 119_000, 120_000, 7_200_000, 172_800_000].map(long_in_words).into();
        assert_eq!(said, ["0 s", "119 s", "2 min", "2 h", "2 days"]);
    }
}
