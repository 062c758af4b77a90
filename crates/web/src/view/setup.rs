//! What stands between a machine and a working lab.

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
