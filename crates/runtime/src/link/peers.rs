//! What is known of the other machines. Pure: what was heard and the time go in.
//!
//! Who answers is up. Who has just stopped answering is unknown, because nobody can know; silent for long, it is shown as
//! down. What an unknown machine does is unknown too.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// How often a machine is asked whether it is there.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How often one is asked that does not answer, until it is taken to be down: most of those are just starting.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How long an answer may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
/// How long a machine is silent until it is shown as down.
const DOWN_AFTER: Duration = Duration::from_secs(15);

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

/// What was heard of a machine, and when.
#[derive(Debug)]
pub(crate) struct Hearing {
    peer: Peer,
    /// Steady time of the last answer, or of when it was first to be asked.
    heard: Duration,
}

impl Hearing {
    /// A machine that has not been asked yet.
    pub(crate) fn of(machine: &str, steady: Duration) -> Self {
        Self { peer: Peer { machine: machine.to_owned(), ..Peer::default() }, heard: steady }
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
