//! What is known of the other machines. Pure: what was heard and the time go in.
//!
//! Who answers is up. Who has just stopped answering is unknown, because nobody can know; silent for long, it is shown as
//! down. What an unknown machine does is unknown too.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::link::wire::Status;

/// How often a machine is asked whether it is there.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How often one is asked that does not answer, until it is taken to be down: most of those are just starting.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How long an answer may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
/// How long a machine is silent until it is shown as down.
const DOWN_AFTER: Duration = Duration::from_secs(15);

/// How many changes between up, unknown and down are remembered of a machine.
const REMEMBERED: usize = 64;
/// How much of what a machine says of itself is kept: services, conditions, and bytes of a text.
const MOST_SERVICES: usize = 32;
const MOST_CONDITIONS: usize = 64;
const MOST_BYTES: usize = 1_024;

/// Whether a machine answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answering {
    /// It answers.
    Up,
    /// It has not answered for long.
    Down,
    /// It does not answer, or has not been asked yet: nobody knows.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Answering {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Unknown => "unknown",
            Self::Down => "down",
        }
    }
}

/// Another machine, as it is seen from here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Peer {
    /// Its name.
    pub machine: String,
    /// Whether it answers.
    pub answering: Answering,
    /// Since when that is so; 0 if it was never otherwise.
    pub since: Millis,
    /// Why it is not up.
    pub why: Option<String>,
    /// The version of its Polis, when it was last heard.
    pub polis: Option<String>,
}

/// What is known of another machine.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// How it is seen from here.
    pub peer: Peer,
    /// How it stood when it last said so, without what it knows of others and without the lines of its plans.
    pub status: Option<Arc<Status>>,
    /// Since when it was up, unknown or down, oldest first; the last ones only.
    pub history: Vec<(Millis, Answering)>,
}

/// What was heard of a machine, and when.
#[derive(Debug)]
pub(crate) struct Hearing {
    peer: Peer,
    /// What it said of itself, and the revision that this was.
    status: Option<(u64, Arc<Status>)>,
    history: VecDeque<(Millis, Answering)>,
    /// Steady time of the last answer, or of when it was first to be asked.
    heard: Duration,
}

impl Hearing {
    /// A machine that has not been asked yet.
    pub(crate) fn of(machine: &str, steady: Duration) -> Self {
        let peer = Peer { machine: machine.to_owned(), ..Peer::default() };
        Self { peer, status: None, history: VecDeque::new(), heard: steady }
    }

    /// It answered. Says whether that is news.
    pub(crate) fn answered(&mut self, polis: Option<String>, now: Millis, steady: Duration) -> bool {
        self.heard = steady;
        self.peer.why = None;
        self.peer.polis = polis.or_else(|| self.peer.polis.take());
        self.become_(Answering::Up, now)
    }

    /// It did not answer. Says whether it is now something else than before.
    pub(crate) fn silent(&mut self, why: String, now: Millis, steady: Duration) -> bool {
        self.peer.why = Some(why);
        let long = steady.saturating_sub(self.heard) >= DOWN_AFTER;
        self.become_(if long { Answering::Down } else { Answering::Unknown }, now)
    }

    /// It can not be asked, so nobody knows how it is. Says whether it is now something else than before.
    pub(crate) fn unasked(&mut self, why: String, now: Millis) -> bool {
        self.peer.why = Some(why);
        self.become_(Answering::Unknown, now)
    }

    fn become_(&mut self, answering: Answering, now: Millis) -> bool {
        let is_news = self.peer.answering != answering;
        if is_news {
            self.peer.answering = answering;
            self.peer.since = now;
            if self.history.len() == REMEMBERED {
                self.history.pop_front();
            }
            self.history.push_back((now, answering));
        }
        is_news
    }

    /// How long to wait until it is asked again.
    pub(crate) fn wait(&self) -> Duration {
        if self.peer.answering == Answering::Unknown { ASK_AGAIN } else { ASK_EVERY }
    }

    /// How it is seen.
    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether its status is another one than what is known.
    pub(crate) fn has_news(&self, revision: u64) -> bool {
        revision == 0 || self.status.as_ref().is_none_or(|(known, _)| *known != revision)
    }

    /// Its status is asked for anew, whatever its revision is.
    pub(crate) fn forget_revision(&mut self) {
        if let Some((revision, _)) = &mut self.status {
            *revision = 0;
        }
    }

    /// It said how it stands. Says whether that is something else than before.
    pub(crate) fn told(&mut self, revision: u64, status: Status) -> bool {
        let status = kept(status);
        let is_news = self.status.as_ref().is_none_or(|(_, known)| !same(known, &status));
        self.status = Some((revision, Arc::new(status)));
        is_news
    }

    /// Everything that is known of it.
    pub(crate) fn known(&self) -> Known {
        Known {
            peer: self.peer.clone(),
            status: self.status.as_ref().map(|(_, status)| Arc::clone(status)),
            history: self.history.iter().copied().collect(),
        }
    }
}

/// What is kept of a status: nothing of what it knows of others, and no more of anything than a house has.
fn kept(mut status: Status) -> Status {
    status.peers = Vec::new();
    status.services.truncate(MOST_SERVICES);
    status.services.shrink_to_fit();
    status.conditions.truncate(MOST_CONDITIONS);
    status.conditions.shrink_to_fit();
    let mut texts = vec![&mut status.machine, &mut status.polis, &mut status.lab];
    for condition in &mut status.conditions {
        texts.extend([&mut condition.about, &mut condition.what, &mut condition.help]);
    }
    for service in &mut status.services {
        texts.push(&mut service.name);
        texts.extend(service.trouble.iter_mut().flat_map(|(what, help)| [what, help]));
        if let Some(running) = &mut service.running {
            running.lines = Vec::new();
            texts.push(&mut running.does);
        }
    }
    for text in texts {
        text.truncate(text.floor_char_boundary(MOST_BYTES));
        text.shrink_to_fit();
    }
    status
}

/// Whether two statuses say the same, whenever they were said.
fn same(known: &Status, status: &Status) -> bool {
    Status { now: status.now, ..known.clone() } == *status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_dies_is_unknown_then_down_and_then_up_again() {
        let at = Duration::from_secs;
        let mut hearing = Hearing::of("naxos", at(0));
        assert_eq!(hearing.peer().answering, Answering::Unknown);
        assert!(hearing.answered(Some("0.1.0".into()), 1_000, at(1)));
        assert!(!hearing.answered(None, 6_000, at(6)));
        assert_eq!(hearing.peer().polis.as_deref(), Some("0.1.0"));
        assert!(hearing.silent("no answer".into(), 9_000, at(9)));
        assert_eq!((hearing.peer().answering, hearing.peer().since), (Answering::Unknown, 9_000));
        assert!(!hearing.silent("no answer".into(), 14_000, at(14)));
        assert!(hearing.silent("no answer".into(), 21_000, at(21)));
        assert_eq!(hearing.peer().answering, Answering::Down);
        assert!(hearing.answered(None, 30_000, at(30)));
        assert_eq!((hearing.peer().answering, hearing.peer().why.as_deref()), (Answering::Up, None));
    }

    #[test]
    fn of_what_a_machine_says_only_so_much_is_kept_and_only_what_differs_is_news() {
        let mut hearing = Hearing::of("naxos", Duration::ZERO);
        assert!(hearing.has_news(7));
        let mut status =
            Status { machine: "naxos".into(), lab: "ä".repeat(10_000), now: 1, ..Status::default() };
        status.services = vec![Default::default(); 100_000];
        status.peers = vec![Peer::default(); 1_000];
        assert!(hearing.told(7, status.clone()));
        assert!(!hearing.has_news(7) && hearing.has_news(8) && hearing.has_news(0));
        let kept = hearing.known().status.unwrap();
        assert_eq!((kept.services.len(), kept.services.capacity(), kept.peers.len()), (32, 32, 0));
        assert_eq!(kept.lab.len(), 1_024);
        status.now = 2;
        assert!(!hearing.told(8, status.clone()), "only its clock went on");
        status.machine = "anafi".into();
        assert!(hearing.told(9, status));
        for number in 0..200 {
            hearing.silent("no".into(), number, Duration::from_secs(1));
            hearing.answered(None, number, Duration::from_secs(1));
        }
        assert_eq!(hearing.known().history.len(), REMEMBERED);
    }

    #[test]
    fn one_that_can_not_be_asked_stays_unknown() {
        let mut hearing = Hearing::of("naxos", Duration::ZERO);
        assert!(!hearing.unasked("it has no key".into(), 60_000));
        assert_eq!((hearing.peer().answering, hearing.peer().since), (Answering::Unknown, 0));
        assert_eq!(hearing.peer().why.as_deref(), Some("it has no key"));
    }

    #[test]
    fn one_that_never_answered_is_down_in_the_end() {
        let mut hearing = Hearing::of("naxos", Duration::ZERO);
        assert!(!hearing.silent("refused".into(), 1, Duration::from_secs(1)));
        assert!(hearing.silent("refused".into(), 2, Duration::from_secs(15)));
    }
}
