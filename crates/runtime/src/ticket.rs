//! Secrets that open something for a while: a link that is taken once, a session that holds. Pure: the time is given.
//!
//! Only digests of them are kept, and secrets are compared by those, so that how long it takes says nothing of them.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// The bytes of a secret.
const SECRET: usize = 16;

/// Secrets of one kind that are open.
#[derive(Debug)]
pub struct Tickets {
    /// How long each holds.
    holds: Duration,
    /// How many there are at once: the last ones hold.
    most: usize,
    /// When each was made, in steady time, and its digest.
    open: Vec<(Duration, [u8; 32])>,
}

impl Tickets {
    /// None, to begin with; each will hold so long, and the last `most` of them.
    pub fn new(holds: Duration, most: usize) -> Self {
        Self { holds, most, open: Vec::new() }
    }

    /// A new one, at a moment of steady time; none if the system gives no random numbers.
    pub fn make(&mut self, now: Duration) -> Option<String> {
        let mut bytes = [0; SECRET];
        getrandom::getrandom(&mut bytes).ok()?;
        let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        if self.open.len() == self.most {
            self.open.remove(0);
        }
        self.open.push((now, digest(&secret)));
        Some(secret)
    }

    /// Whether it is one that holds.
    pub fn holds(&mut self, secret: &str, now: Duration) -> bool {
        self.open.retain(|(made, _)| now.saturating_sub(*made) < self.holds);
        let wanted = digest(secret);
        self.open.iter().any(|(_, own)| *own == wanted)
    }

    /// Takes one that holds: true once for each.
    pub fn take(&mut self, secret: &str, now: Duration) -> bool {
        let is_one = self.holds(secret, now);
        let wanted = digest(secret);
        self.open.retain(|(_, own)| *own != wanted);
        is_one
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_taken_once_and_not_too_late() {
        let at = Duration::from_secs;
        let mut all = Tickets::new(at(3_600), 8);
        let (one, other) = (all.make(at(0)).unwrap(), all.make(at(10)).unwrap());
        assert!(one.len() == 32 && one != other);
        assert!(!all.take("", at(11)) && !all.take(one.get(1..).unwrap(), at(11)));
        assert!(all.take(&one, at(11)) && !all.take(&one, at(11)));
        assert!(!all.take(&other, at(3_700)));
        let first = all.make(at(4_000)).unwrap();
        let codes: Vec<String> = (0..8).map(|_| all.make(at(4_000)).unwrap()).collect();
        assert!(!all.take(&first, at(4_001)), "only the last ones hold");
        assert!(codes.iter().all(|code| all.take(code, at(4_001))));
    }

    #[test]
    fn one_that_is_not_taken_holds_until_its_time() {
        let at = Duration::from_secs;
        let mut all = Tickets::new(at(43_200), 32);
        let secret = all.make(at(0)).unwrap();
        assert!(all.holds(&secret, at(60)) && all.holds(&secret, at(61)));
        assert!(!all.holds(secret.get(1..).unwrap(), at(60)) && !all.holds("", at(60)));
        assert!(!all.holds(&secret, at(43_200)));
        for _ in 0..40 {
            all.make(at(43_200));
        }
        assert_eq!(all.open.len(), 32);
    }
}
