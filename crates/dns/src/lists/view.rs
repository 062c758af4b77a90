//! What is shown of lists: plain facts, for pages and for the command line.

use runtime::clock::{Millis, in_words, long_in_words};
use serde::{Deserialize, Serialize};

use super::Purpose;
use crate::filter::Counts;

/// A list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListView {
    /// Its name in the lab file.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Where it comes from, as it is written there.
    pub source: String,
    /// Whether it is followed.
    pub state: ListState,
    /// The copy that is kept of it, if it comes from a URL.
    pub copy: Option<CopyView>,
    /// When it is fetched next; none for a file, and while it is being fetched.
    pub next_at: Option<Millis>,
    /// How many bytes have come, while it is being fetched.
    pub fetching: Option<u64>,
    /// What went wrong the last time, if anything did.
    pub trouble: Option<TroubleView>,
    /// What somebody should know who reads this: that it comes over plain HTTP, that the copy is of another URL.
    pub notes: Vec<String>,
}

/// Whether a list is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", content = "with", rename_all = "kebab-case")]
pub enum ListState {
    /// It is, with what came of its lines.
    Followed(Counts),
    /// It is not, for this reason.
    Out(String),
    /// It has not been fetched yet.
    NotFetched,
}

/// The copy of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyView {
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was fetched, in milliseconds since 1970; none if that is not known any more, or in the future.
    pub fetched_at: Option<Millis>,
    /// When its server last said that there is nothing newer.
    pub checked_at: Option<Millis>,
    /// The SHA-256 of its bytes, in hexadecimal; none if it is not known any more.
    pub sha256: Option<String>,
}

/// What went wrong with a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TroubleView {
    /// When, in milliseconds since 1970.
    pub at: Millis,
    /// What.
    pub what: String,
    /// What to do.
    pub help: String,
}

impl ListView {
    /// In one line: `list ads: 122680 rules, fetched 3 h ago`.
    pub fn line(&self, now: Millis) -> String {
        let noun = match self.purpose {
            Purpose::Block => "list",
            Purpose::Allow => "allow-list",
        };
        let state = match &self.state {
            ListState::Followed(counts) => counts.to_string(),
            ListState::Out(why) => format!("not followed: {}: {why}", self.source),
            ListState::NotFetched => format!("not fetched yet: {}", self.source),
        };
        let fetched = self.copy.as_ref().map(|copy| match copy.fetched_at {
            Some(at) => format!(", fetched {} ago", long_in_words(now.saturating_sub(at))),
            None => ", fetched at an unknown time".to_owned(),
        });
        let fetching = self.fetching.map(|bytes| format!(", being fetched: {} KiB", bytes >> 10));
        let trouble =
            self.trouble.as_ref().map(|trouble| format!("; at {}: {}", in_words(trouble.at), trouble.what));
        let parts: String = [fetched, fetching, trouble].into_iter().flatten().collect();
        format!("{noun} {}: {state}{parts}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_a_line() {
        let view = ListView {
            name: "ads".to_owned(),
            purpose: Purpose::Block,
            source: "https://lists.example/ads.txt".to_owned(),
            state: ListState::Followed(Counts { rules: 7, ..Counts::default() }),
            copy: Some(CopyView { bytes: 70, fetched_at: Some(0), checked_at: None, sha256: None }),
            next_at: None,
            fetching: Some(2048),
            trouble: Some(TroubleView { at: 0, what: "it breaks off".to_owned(), help: String::new() }),
            notes: Vec::new(),
        };
        assert_eq!(
            view.line(3 * 3_600_000),
            "list ads: 7 rules, fetched 3 h ago, being fetched: 2 KiB; at 1970-01-01 00:00:00: it breaks off"
        );
        let view =
            ListView { state: ListState::NotFetched, copy: None, fetching: None, trouble: None, ..view };
        assert_eq!(view.line(0), "list ads: not fetched yet: https://lists.example/ads.txt");
    }
}
