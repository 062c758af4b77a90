//! What came of a question, and why.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::filter::Matched;

/// What came of a question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The lab's own answer.
    Local,
    /// A list or a rule blocks the name, or what it leads to.
    Blocked,
    /// It belongs to a blocked service.
    Service,
    /// A rule gives it another answer.
    Rewritten,
    /// A search that leaves out what is not for children.
    SafeSearch,
    /// What an upstream said before.
    Cached,
    /// What an upstream said before, whose time is over: nobody answers now.
    Stale,
    /// What an upstream said to this question.
    Forwarded,
    /// A name of outside leads into the lab.
    Rebinding,
    /// The answer is forged, or its zone's signatures are broken.
    Bogus,
    /// From a stranger, or of a kind that is not answered.
    #[default]
    Refused,
    /// The client asked too much.
    Limited,
    /// No upstream had an answer.
    Failed,
}

impl Outcome {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::Local,
        Self::Blocked,
        Self::Service,
        Self::Rewritten,
        Self::SafeSearch,
        Self::Cached,
        Self::Stale,
        Self::Forwarded,
        Self::Rebinding,
        Self::Bogus,
        Self::Refused,
        Self::Limited,
        Self::Failed,
    ];

    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Blocked => "blocked",
            Self::Service => "service",
            Self::Rewritten => "rewritten",
            Self::SafeSearch => "safe-search",
            Self::Cached => "cached",
            Self::Stale => "stale",
            Self::Forwarded => "forwarded",
            Self::Rebinding => "rebinding",
            Self::Bogus => "bogus",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::Failed => "failed",
        }
    }

    /// Whether the owner of the lab wanted that the client does not get what there is.
    pub fn is_blocked(self) -> bool {
        matches!(self, Self::Blocked | Self::Service)
    }

    /// Its number in [`Outcome::ALL`], which the log keeps.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The outcome of a number.
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// Why a question had its outcome.
#[derive(Clone, Debug, Default)]
pub enum Reason {
    /// Nothing in particular.
    #[default]
    None,
    /// A rule of a list.
    Rule(Matched),
    /// In words.
    Text(Arc<str>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_numbered() {
        for (number, outcome) in (0..).zip(Outcome::ALL) {
            assert_eq!((outcome.number(), Outcome::of_number(number)), (number, Some(outcome)));
        }
        assert_eq!(Outcome::of_number(13), None);
    }
}
