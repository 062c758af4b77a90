//! What happens on a machine, as data: recorded, shown as it happens, and what alerts and the time line hang on.
//!
//! The enum is closed. What only a developer would want to know is no event.

use serde::{Deserialize, Serialize};

use crate::clock::{self, Millis};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// Polis started on this machine.
    Started {
        /// Its version.
        version: String,
    },
    /// Polis was told to end.
    Ended,
    /// A lab folder was taken up.
    Adopted {
        /// Its fingerprint.
        lab: String,
        /// Whether it is the one that this process began with.
        #[serde(default)]
        is_first: bool,
    },
    /// A service began to run.
    Running {
        /// Which.
        service: String,
        /// What it does, in words.
        does: String,
    },
    /// A running service was given a changed plan.
    Swapped {
        /// Which.
        service: String,
        /// What it does now.
        does: String,
    },
    /// A service ended: it has nothing more to do here.
    Stopped {
        /// Which.
        service: String,
    },
    /// A service failed; it starts again by itself.
    Failed {
        /// Which.
        service: String,
        /// How.
        why: String,
    },
    /// Something is wrong.
    Raised {
        /// With what.
        about: String,
        /// What is wrong.
        what: String,
        /// What to do.
        help: String,
    },
    /// It is well again.
    Cleared {
        /// What was wrong with what.
        about: String,
    },
    /// The clock was set to another time.
    Jumped {
        /// By how much: milliseconds, negative if it was set back.
        by: Millis,
    },
    /// Another machine answers, does not, or is taken to be down.
    Machine {
        /// Which.
        machine: String,
        /// `up`, `unknown` or `down`.
        state: String,
    },
    /// Something was changed by a click or a command and not in the lab file.
    Overlaid {
        /// The key of the lab file that it is a part of.
        key: String,
        /// The value.
        value: String,
        /// Who did it.
        who: String,
    },
    /// Such a change went: it was removed, or the lab file has it now.
    Uncovered {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// Why it went.
        why: String,
    },
    /// Somebody told a service to do something that no file says.
    Told {
        /// Which service.
        service: String,
        /// What it did.
        what: String,
        /// Who told it.
        who: String,
    },
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Event {
    /// Whether it says something of the machine that it happened on, and not only of another.
    pub fn is_of_this_machine(&self) -> bool {
        !matches!(self, Self::Machine { .. })
    }

    /// Its kind, as it is written.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Ended => "ended",
            Self::Adopted { .. } => "adopted",
            Self::Running { .. } => "running",
            Self::Swapped { .. } => "swapped",
            Self::Stopped { .. } => "stopped",
            Self::Failed { .. } => "failed",
            Self::Raised { .. } => "raised",
            Self::Cleared { .. } => "cleared",
            Self::Jumped { .. } => "jumped",
            Self::Machine { .. } => "machine",
            Self::Overlaid { .. } => "overlaid",
            Self::Uncovered { .. } => "uncovered",
            Self::Told { .. } => "told",
            Self::Unknown => "unknown",
        }
    }

    /// In words, for people.
    pub fn words(&self) -> String {
        match self {
            Self::Started { version } => format!("polis {version} started"),
            Self::Ended => "polis was told to end".to_owned(),
            Self::Adopted { lab, is_first: true } => format!("took up the lab, {lab}"),
            Self::Adopted { lab, is_first: false } => format!("took up the changed lab, {lab}"),
            Self::Running { service, does } | Self::Swapped { service, does } => format!("{service} {does}"),
            Self::Stopped { service } => format!("{service} has nothing more to do here"),
            Self::Failed { service, why } => format!("{service} failed and starts again: {why}"),
            Self::Raised { about, what, help } => format!("{about}: {what}; {help}"),
            Self::Cleared { about } => format!("{about}: well again"),
            Self::Jumped { by } => {
                let way = if *by > 0 { "forward" } else { "back" };
                format!("the clock jumped {way} by {}", clock::long_in_words(by.saturating_abs()))
            }
            Self::Machine { machine, state } => format!("{machine} is {state}"),
            Self::Overlaid { key, value, who } => format!("{who} added to {key}: {value}"),
            Self::Uncovered { key, value, why } => format!("{key} lost what was added, {value}: {why}"),
            Self::Told { service, what, who } => format!("{service} {what}, as {who} wanted"),
            Self::Unknown => "something that this version does not know".to_owned(),
        }
    }
}

/// An event, when it happened, and its number on its machine: they only grow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// Its number.
    pub number: i64,
    /// When.
    pub at: Millis,
    /// What.
    pub event: Event,
}

impl Happened {
    /// As a line: when and what.
    pub fn line(&self) -> String {
        format!("{}  {}", clock::in_words(self.at), self.event.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_survive_being_written_and_newer_ones_are_read_as_unknown() {
        let event = Event::Raised { about: "dns".into(), what: "no".into(), help: "do".into() };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(text, r#"{"kind":"raised","about":"dns","what":"no","help":"do"}"#);
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
        assert!(text.contains(event.kind()));
        let newer = r#"{"kind":"sung","song":"la"}"#;
        assert_eq!(serde_json::from_str::<Event>(newer).unwrap(), Event::Unknown);
    }
}
