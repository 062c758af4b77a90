//! This machine, for what shows it in the same process: its questions, its lab, its news.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::sync::{broadcast, watch};

use super::Node;
use crate::clock::Millis;
use crate::event::Event;
use crate::link::{Question, Reply};
use crate::node::Seen;
use crate::setup::Check;

/// How long the disk may take for a page.
const PATIENCE: Duration = Duration::from_millis(250);
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
        self.node().is_some_and(|node| node.invitations().take(code, node.context.clock.steady()))
    }
}
