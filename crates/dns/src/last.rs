//! The last questions: a ring of a fixed size, so that remembering one costs no memory and almost no time.

use std::net::{IpAddr, Ipv4Addr};

use runtime::Millis;

use crate::answer::Outcome;
use crate::view;
use crate::wire;

/// How many questions are remembered.
const REMEMBERED: usize = 128;
/// How much of a message is: the header, the longest name, its type and its class.
const QUESTION: usize = wire::HEADER + wire::MAX_NAME + 4;

/// The last questions.
#[derive(Debug)]
pub(crate) struct Lasts {
    ring: Vec<Asked>,
    /// The place of the next one.
    next: usize,
}

#[derive(Clone, Debug)]
struct Asked {
    at: Millis,
    client: IpAddr,
    outcome: Outcome,
    question: Vec<u8>,
}

impl Default for Lasts {
    fn default() -> Self {
        let none = Asked {
            at: 0,
            client: Ipv4Addr::UNSPECIFIED.into(),
            outcome: Outcome::default(),
            question: Vec::new(),
        };
        Self { ring: vec![none; REMEMBERED], next: 0 }
    }
}

impl Lasts {
    /// Remembers a question instead of the oldest one.
    pub(crate) fn add(&mut self, at: Millis, client: IpAddr, outcome: Outcome, message: &[u8]) {
        let Some(asked) = self.ring.get_mut(self.next) else { return };
        (asked.at, asked.client, asked.outcome) = (at, client, outcome);
        asked.question.clear();
        asked.question.extend(message.iter().take(QUESTION));
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// What can be read of them, oldest first.
    pub(crate) fn view(&self) -> Vec<view::Last> {
        let (newer, older) = self.ring.split_at(self.next);
        let read = |asked: &Asked| {
            let (name, kind) = wire::asked(&asked.question)?;
            let (at, client, outcome) = (asked.at, asked.client, asked.outcome);
            Some(view::Last { at, client, name: name.text(), kind: wire::kind::text(kind), outcome })
        };
        older.iter().chain(newer).filter_map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str) -> Vec<u8> {
        let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend(label.as_bytes());
        }
        message.extend([0, 0, 65, 0, 1]);
        message
    }

    #[test]
    fn the_last_ones_are_remembered_oldest_first() {
        let mut lasts = Lasts::default();
        assert!(lasts.view().is_empty());
        let client = "10.0.0.9".parse().unwrap();
        for number in 0..130 {
            lasts.add(number, client, Outcome::Blocked, &question(&format!("n{number}.example")));
        }
        lasts.add(130, client, Outcome::Refused, b"short");
        let view = lasts.view();
        assert_eq!(view.len(), 127, "one of the ring could not be read");
        assert_eq!((view[0].at, view[0].name.as_str()), (3, "n3.example"));
        let last = view.last().unwrap();
        assert_eq!((last.at, last.kind.as_str(), last.outcome), (129, "HTTPS", Outcome::Blocked));
    }
}
