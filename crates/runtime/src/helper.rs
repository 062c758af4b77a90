//! The privileged process: keeps the capabilities, starts the worker, and does what its list permits.
//!
//! It reads nothing from the network and no lab file. `run` is the process, `wire` carries lines and descriptors over
//! the socket pair, `address` adds an address to an interface, `cage` gives up what a process does not need.

pub(crate) mod address;
pub(crate) mod cage;
mod prepare;
pub(crate) mod run;
pub(crate) mod wire;

use std::time::Duration;

pub use cage::worker as cage_worker;
pub use prepare::prepare;
pub use run::{Errand, Helper, Unhelped, run};

/// How long the worker may be silent before it is ended and started anew.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);
/// The shortest and the longest wait before a worker that ended is started again.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LAST_WAIT: Duration = Duration::from_secs(10);
/// How long a worker has to live for its end to count as a new misfortune.
const GOOD_LIFE: Duration = Duration::from_secs(60);

/// How long to wait before the worker starts again: longer each time that it did not live long.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    next: Duration,
}

impl Waits {
    /// The worker ended after it had lived so long.
    pub(crate) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= GOOD_LIFE || self.next.is_zero() {
            self.next = FIRST_WAIT;
        }
        let wait = self.next;
        self.next = (self.next * 2).min(LAST_WAIT);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_a_good_life_ends_that() {
        let mut waits = Waits::default();
        let short = Duration::from_secs(1);
        let seen: Vec<u128> = (0..10).map(|_| waits.after(short).as_millis()).collect();
        assert_eq!(seen, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000]);
        assert_eq!(waits.after(GOOD_LIFE), FIRST_WAIT);
    }
}
