//! The verbs of the link and of the control socket, and their frames: four bytes of length, then JSON.
//!
//! Fields may be added, and are passed over by who does not know them; a verb may be added, and is answered
//! `unsupported`. `fuzz/link_frame` feeds what is read here.
#![allow(
    clippy::indexing_slicing,
    reason = "frames are cut behind checks of their length and fuzzed: fuzz/link_frame"
)]

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::condition::Condition;
use crate::event::Happened;
use crate::link::Peer;
use crate::overlay::Entry;
use crate::supervisor::Phase;

/// The versions of the link that this Polis speaks.
pub const OLDEST: u16 = 1;
/// The newest one.
pub const NEWEST: u16 = 1;
/// The longest question and the longest reply, in bytes.
pub const MAX_REQUEST: usize = 64 << 10;
/// The longest reply.
pub const MAX_REPLY: usize = 4 << 20;
/// The length in front of a frame.
const HEAD: usize = 4;

/// What one side asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case")]
pub enum Question {
    /// Which versions do you speak? The first question of a connection between machines.
    Hello {
        /// The oldest version that the asker speaks.
        oldest: u16,
        /// The newest.
        newest: u16,
        /// The version of its Polis.
        polis: String,
    },
    /// Are you there?
    Ping,
    /// How are you?
    Status,
    /// What runs?
    Runs,
    /// What happened?
    Events {
        /// Only those with a higher number.
        after: i64,
        /// At most so many, the last ones.
        most: u32,
    },
    /// What does a service show of itself?
    View {
        /// Which.
        service: String,
    },
    /// Ask another machine. On the control socket only, as are those below.
    Ask {
        /// Which.
        machine: String,
        /// What.
        question: Box<Question>,
    },
    /// What is in the overlay?
    Overlay,
    /// Add to it.
    OverlayAdd {
        /// The key of the lab file.
        key: String,
        /// What to add to its list.
        value: String,
        /// Who adds it.
        who: String,
    },
    /// Remove from it.
    OverlayRemove {
        /// The number of the entry.
        number: i64,
        /// Who removes it.
        who: String,
    },
    /// Ask one of your services what only it understands.
    Service {
        /// Which.
        service: String,
        /// What, in its own words.
        question: serde_json::Value,
    },
    /// Your measurements, as Prometheus reads them.
    Metrics,
    /// Make a code that opens the pages for changes once, for whoever may use the control socket.
    Invite,
    /// Make way for another process, if your helper is gone.
    Yield,
    /// A verb that this version does not know.
    #[serde(other)]
    Unknown,
}

/// What the other side says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// To `hello`: the version that is spoken from now on.
    Hello {
        /// The version; none if there is no common one, and the connection ends.
        version: Option<u16>,
        /// The version of this side's Polis.
        polis: String,
    },
    /// To `ping`.
    Pong {
        /// A number that is another one once the asked machine's status is; 0 if it does not say.
        #[serde(default)]
        revision: u64,
    },
    /// To `status`.
    Status(Box<Status>),
    /// To `runs`.
    Runs {
        /// The fingerprint of the lab.
        lab: String,
        /// What runs.
        services: Vec<ServiceRuns>,
        /// Whether this is a demonstration, with addresses of its own.
        #[serde(default)]
        is_demo: bool,
    },
    /// To `events`.
    Events {
        /// Oldest first.
        events: Vec<Happened>,
    },
    /// To `view`; null if there is no such service here.
    View {
        /// What it shows.
        view: serde_json::Value,
    },
    /// To `overlay`.
    Overlay {
        /// Oldest first.
        entries: Vec<Entry>,
    },
    /// To `service`.
    Service {
        /// What the service says.
        answer: serde_json::Value,
    },
    /// To `metrics`, and the code to `invite`.
    Text {
        /// The text.
        text: String,
    },
    /// It is done, and on disk if it is something to keep.
    Done,
    /// It can not be done.
    Fault {
        /// Why not.
        what: String,
        /// What to do.
        help: String,
    },
    /// The other machine did not answer: nobody knows.
    Unknown {
        /// Why it was not asked, or what became of asking.
        why: String,
    },
    /// This version does not know the verb, or it is not asked here.
    Unsupported,
}

/// How a machine is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Its name.
    pub machine: String,
    /// The version of its Polis.
    pub polis: String,
    /// Its time.
    pub now: Millis,
    /// Since when Polis runs.
    pub since: Millis,
    /// The fingerprint of the lab that it follows.
    pub lab: String,
    /// What runs.
    pub services: Vec<ServiceRuns>,
    /// What is wrong.
    pub conditions: Vec<Condition>,
    /// What it knows of the others.
    pub peers: Vec<Peer>,
}

/// A service of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceRuns {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub phase: Phase,
    /// What is wrong with it and what to do.
    pub trouble: Option<(String, String)>,
    /// What runs of it.
    pub running: Option<Running>,
}

/// What runs of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Running {
    /// In words.
    pub does: String,
    /// Its plan, as lines.
    pub lines: Vec<String>,
}

/// A frame of a message.
pub(crate) fn frame(message: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![0; HEAD];
    // Closed enums of texts, numbers and lists can always be written.
    if serde_json::to_writer(&mut bytes, message).is_err() {
        bytes.truncate(HEAD);
        bytes.extend_from_slice(b"null");
    }
    let length = u32::try_from(bytes.len() - HEAD).unwrap_or(u32::MAX);
    bytes[..HEAD].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// What stands at the beginning of bytes that came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// A frame that takes so many bytes.
    Whole(usize),
    /// More has to come.
    Part,
    /// A frame that is longer than may be.
    TooLong,
}

/// Looks for a whole frame of at most `most` bytes at the beginning.
pub(crate) fn cut(bytes: &[u8], most: usize) -> Cut {
    let Some(head) = bytes.first_chunk::<HEAD>() else { return Cut::Part };
    let length = u32::from_be_bytes(*head) as usize;
    if length > most {
        return Cut::TooLong;
    }
    if bytes.len() < HEAD + length { Cut::Part } else { Cut::Whole(HEAD + length) }
}

/// Reads the frame at the beginning of bytes, if there is a whole one of at most `most` bytes: the message, and
/// how many bytes it took; an error if it is none.
///
/// # Errors
/// If the frame is too long, or is no message.
pub fn read_frame<T: for<'de> Deserialize<'de>>(
    bytes: &[u8],
    most: usize,
) -> Result<Option<(T, usize)>, String> {
    match cut(bytes, most) {
        Cut::Part => Ok(None),
        Cut::TooLong => Err(format!("a message is longer than {most} bytes")),
        Cut::Whole(length) => {
            let message = serde_json::from_slice(&bytes[HEAD..length]).map_err(|error| error.to_string())?;
            Ok(Some((message, length)))
        }
    }
}

/// The version that two sides speak: the highest that both know.
pub(crate) fn common(own: (u16, u16), other: (u16, u16)) -> Option<u16> {
    let highest = own.1.min(other.1);
    (highest >= own.0.max(other.0)).then_some(highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_whole_or_not_at_all() {
        let question = Question::Events { after: 7, most: 20 };
        let bytes = frame(&question);
        for end in 0..bytes.len() {
            assert_eq!(read_frame::<Question>(&bytes[..end], MAX_REQUEST), Ok(None));
        }
        let two: Vec<u8> = bytes.iter().chain(&frame(&Question::Ping)).copied().collect();
        assert_eq!(read_frame(&two, MAX_REQUEST), Ok(Some((question, bytes.len()))));
        assert!(read_frame::<Question>(&[0xFF; 8], MAX_REQUEST).unwrap_err().contains("longer than"));
        assert!(read_frame::<Question>(b"\0\0\0\x02{}", MAX_REQUEST).is_err());
    }

    #[test]
    fn newer_verbs_and_fields_are_understood_as_far_as_they_can_be() {
        let read = |text: &str| serde_json::from_str::<Question>(text).unwrap();
        assert_eq!(read(r#"{"verb":"sing","song":"la"}"#), Question::Unknown);
        assert_eq!(
            read(r#"{"verb":"events","after":1,"most":2,"of":"dns"}"#),
            Question::Events { after: 1, most: 2 }
        );
        let status: Status = serde_json::from_str(r#"{"machine":"naxos","mood":"good"}"#).unwrap();
        assert_eq!(status.machine, "naxos");
        let runs: ServiceRuns = serde_json::from_str(r#"{"name":"dns","phase":"humming"}"#).unwrap();
        assert_eq!(runs.phase, Phase::Unknown);
    }

    #[test]
    fn the_highest_common_version_is_spoken() {
        assert_eq!(common((1, 1), (1, 1)), Some(1));
        assert_eq!(common((1, 2), (1, 1)), Some(1));
        assert_eq!(common((2, 3), (1, 2)), Some(2));
        assert_eq!(common((2, 3), (1, 1)), None);
        assert_eq!(common((1, 1), (2, 3)), None);
    }
}
