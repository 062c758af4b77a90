//! What stands between a machine and a working lab.

use runtime::setup::{Check, Mark};
use schemars::JsonSchema;
use serde::Serialize;

/// What was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Diagnosis {
    /// One after the other.
    pub checks: Vec<CheckView>,
}

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CheckView {
    /// What it is about.
    pub about: String,
    /// `good`, `bad`, `unknown` or `not-needed`.
    pub mark: String,
    /// What was found, in words.
    pub what: String,
    /// What to do.
    pub help: Option<String>,
}

/// What was looked at, as it is shown.
pub(crate) fn diagnosis(checks: Vec<Check>) -> Diagnosis {
    let mark = |mark| match mark {
        Mark::Good => "good",
        Mark::Bad => "bad",
        Mark::Unknown => "unknown",
        Mark::NotNeeded => "not-needed",
    };
    let check = |check: Check| CheckView {
        about: check.about.to_owned(),
        mark: mark(check.mark).to_owned(),
        what: check.what,
        help: check.help,
    };
    Diagnosis { checks: checks.into_iter().map(check).collect() }
}
