//! Explanations: what a key means, and what follows for an app, a machine, a name or a pair of zones, each
//! with the lines of the lab file that it came from.

mod keys;
mod page;
mod things;

pub use keys::explain_key;
pub use things::{explain_app, explain_machine, explain_name, explain_zones};

/// What there is nothing to explain about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct NothingThere {
    /// What was asked for.
    pub what: String,
    /// What may have been meant.
    pub help: Option<String>,
}

impl NothingThere {
    fn named(noun: &str, name: &str, names: &[&str]) -> Self {
        let near = crate::fault::nearest(name, names.iter().copied());
        let help = match (near, names) {
            (Some(near), _) => Some(format!("did you mean `{near}`?")),
            (None, []) => Some(format!("the lab has no {noun}")),
            (None, names) if names.len() <= 30 => Some(format!("the lab has {}", names.join(", "))),
            _ => None,
        };
        Self { what: format!("there is no {noun} `{name}`"), help }
    }
}
