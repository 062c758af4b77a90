//! Who may change something: whoever opened a one-time link, until the browser or Polis ends. Pure: the time is given.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// How long a session holds, and how many there are at once: the last ones hold.
const HOLDS: Duration = Duration::from_secs(12 * 3_600);
const MOST: usize = 32;

/// The sessions that hold. Only digests of their secrets are kept.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Vec<(Duration, [u8; 32])>);

impl Sessions {
    /// A new session, at a moment of steady time: its secret; none if the system gives no random numbers.
    pub(crate) fn begin(&mut self, now: Duration) -> Option<String> {
        let mut bytes = [0; 16];
        getrandom::getrandom(&mut bytes).ok()?;
        let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        if self.0.len() == MOST {
            self.0.remove(0);
        }
        self.0.push((now, digest(&secret)));
        Some(secret)
    }

    /// Whether a secret is that of a session that holds.
    pub(crate) fn holds(&mut self, secret: Option<&str>, now: Duration) -> bool {
        self.0.retain(|(began, _)| now.saturating_sub(*began) < HOLDS);
        secret.is_some_and(|secret| self.0.iter().any(|(_, own)| *own == digest(secret)))
    }
}

/// Secrets are compared by their digests, so that how long it takes says nothing of them.
fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_holds_for_half_a_day() {
        let mut sessions = Sessions::default();
        let at = Duration::from_secs;
        let secret = sessions.begin(at(0)).unwrap();
        assert!(sessions.holds(Some(&secret), at(60)));
        assert!(!sessions.holds(secret.get(1..), at(60)) && !sessions.holds(None, at(60)));
        assert!(!sessions.holds(Some(&secret), HOLDS));
        for _ in 0..40 {
            sessions.begin(HOLDS);
        }
        assert_eq!(sessions.0.len(), MOST);
    }
}
