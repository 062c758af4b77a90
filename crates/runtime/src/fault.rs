//! What can go wrong with a service, for the supervisor and for people: what, and what to do.

use crate::helper::Unhelped;

/// Why a service can not do what is planned: what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Fault {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: String,
}

impl From<Unhelped> for Fault {
    fn from(unhelped: Unhelped) -> Self {
        Self { what: unhelped.to_string(), help: unhelped.help() }
    }
}

/// What the system said, without its number, which says nothing to people.
pub(crate) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
