//! This machine, for what shows it in the same process: its questions, its lab, its news.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::{broadcast, watch};

use super::Node;
use crate::clock::Millis;
use crate::event::Event;
use crate::link::{Question, Reply};
use crate::node::Seen;
use crate::setup::Check;

/// How long the disk may take for a page.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long an invitation holds, and how many may be open at once: the last ones hold.
const HOLDS: Duration = Duration::from_secs(3_600);
const OPEN: usize = 8;
/// The bytes of a code.
const CODE: usize = 16;

/// This machine. Before it runs, and in tests of a service, it knows nothing.
#[derive(Clone, Default)]
pub struct Here(Arc<OnceLock<Weak<Node>>>);

/// What changes.
#[derive(Debug)]
pub struct News {
    /// What happens on this machine, and when.
    pub events: broadcast::Receiver<(Millis, Event)>,
    /// Changes whenever another machine said something new of itself.
    pub told: watch::Receiver<u64>,
}

impl std::fmt::Debug for Here {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Here")
    }
}

impl Here {
    pub(super) fn is(&self, node: &Arc<Node>) {
        let _ = self.0.set(Arc::downgrade(node));
    }

    fn node(&self) -> Option<Arc<Node>> {
        self.0.get()?.upgrade()
    }

    /// Asks what could be asked at the control socket; who passes on what others ask decides whether they may.
    pub async fn ask(&self, question: Question) -> Reply {
        match self.node() {
            Some(node) => node.obey(question).await,
            None => Reply::Unknown { why: "it does not run yet".to_owned() },
        }
    }

    /// What it knows now; none before it follows a lab.
    pub async fn seen(&self) -> Option<Seen> {
        let node = self.node()?;
        // A disk that hangs is a reason to look at a page, not one to wait for it.
        let overlay = match tokio::time::timeout(PATIENCE, node.read_overlay()).await {
            Ok(overlay) => overlay,
            Err(_) => node.last_overlay(),
        };
        let followed = node.followed()?;
        Some(Seen {
            now: node.context.clock.now(),
            machine: node.machine.clone(),
            lab: Arc::clone(&followed.checked),
            refused: node.refused(),
            status: node.status(),
            others: node.peers.known(),
            overlay,
            is_demo: node.worker.demo.is_some(),
        })
    }

    /// How everything around this machine is; empty before it follows a lab. It takes three seconds at most.
    pub async fn diagnose(&self) -> Vec<Check> {
        match self.node() {
            Some(node) => node.diagnose().await.unwrap_or_default(),
            None => Vec::new(),
        }
    }

    /// What changes from now on; none before it runs.
    pub fn news(&self) -> Option<News> {
        let node = self.node()?;
        Some(News { events: node.context.record.listen(), told: node.peers.told() })
    }

    /// Takes an invitation: true once for each that was made, if it is not too old.
    pub fn redeem(&self, code: &str) -> bool {
        self.node().is_some_and(|node| node.invitations.take(code, node.context.clock.steady()))
    }
}

/// The codes that open the pages for changes, each once. Only their digests are kept.
#[derive(Debug, Default)]
pub(super) struct Invitations(Mutex<Vec<(Duration, [u8; 32])>>);

impl Invitations {
    /// A new code, at a moment of steady time; none without random numbers.
    pub(super) fn make(&self, now: Duration) -> Option<String> {
        let mut bytes = [0; CODE];
        getrandom::getrandom(&mut bytes).ok()?;
        let code: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() == OPEN {
            open.remove(0);
        }
        open.push((now, digest(&code)));
        Some(code)
    }

    fn take(&self, code: &str, now: Duration) -> bool {
        let wanted = digest(code);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(made, _)| now.saturating_sub(*made) < HOLDS);
        let before = open.len();
        open.retain(|(_, code)| *code != wanted);
        open.len() < before
    }
}

/// Codes are compared by their digests, so that how long it takes says nothing of the code.
fn digest(code: &str) -> [u8; 32] {
    Sha256::digest(code.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_taken_once_and_not_too_late() {
        let at = Duration::from_secs;
        let all = Invitations::default();
        let (one, other) = (all.make(at(0)).unwrap(), all.make(at(10)).unwrap());
        assert!(one.len() == 32 && one != other);
        assert!(!all.take("", at(11)) && !all.take(one.trim_start_matches(char::is_alphanumeric), at(11)));
        assert!(all.take(&one, at(11)) && !all.take(&one, at(11)));
        assert!(!all.take(&other, at(3_700)));
        let first = all.make(at(4_000)).unwrap();
        let codes: Vec<String> = (0..8).map(|_| all.make(at(4_000)).unwrap()).collect();
        assert!(!all.take(&first, at(4_001)), "only the last ones hold");
        assert!(codes.iter().all(|code| all.take(code, at(4_001))));
    }
}
