//! What came of an import: what carried over, counted, and what did not, in words.

use super::Left;

/// The most lines of what did not carry over; a file that is no AdGuardHome.yaml could have any number.
const MAX_LEFT: usize = 500;

/// What is written down while a file is read.
#[derive(Debug, Default)]
pub(super) struct Report {
    left: Vec<Left>,
    more: usize,
    carried: Vec<(&'static str, usize)>,
}

impl Report {
    /// A key did not carry over, or not wholly. `why` has no value of it that could be a secret.
    pub(super) fn left(&mut self, key: &str, why: impl Into<String>) {
        if self.left.len() < MAX_LEFT {
            self.left.push(Left { key: key.to_owned(), why: why.into() });
        } else {
            self.more += 1;
        }
    }

    /// The same, but said once however many keys it is true of.
    pub(super) fn left_once(&mut self, key: &str, why: String) {
        if self.left.iter().all(|left| left.why != why) {
            self.left(key, why);
        }
    }

    /// So many things of a kind carried over.
    pub(super) fn carried(&mut self, what: &'static str, count: usize) {
        match self.carried.iter_mut().find(|(known, _)| *known == what) {
            Some((_, known)) => *known += count,
            None => self.carried.push((what, count)),
        }
    }

    /// What was written down, in the order of the file as far as it was read in that order.
    pub(super) fn finish(mut self) -> (Vec<Left>, Vec<(String, usize)>) {
        if self.more > 0 {
            let why = format!("{} more things did not carry over", self.more);
            self.left.push(Left { key: "…".to_owned(), why });
        }
        let carried = self.carried.into_iter().filter(|(_, count)| *count > 0);
        (self.left, carried.map(|(what, count)| (what.to_owned(), count)).collect())
    }
}
