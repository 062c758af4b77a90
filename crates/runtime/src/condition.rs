//! What is wrong with a running machine: about what, what is wrong, and what to do.
//!
//! Whoever finds something wrong raises it under the name of what is ill, whoever finds it well again clears it;
//! both are events, and what stands is shown by `polis status`. There is no second way to be ill.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Millis};
use crate::event::Event;
use crate::record::Record;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// What it is about: `dns`, `state`, `clock`, `helper`.
    pub about: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: String,
    /// Since when.
    pub since: Millis,
}

/// Everything that is wrong with this machine now.
#[derive(Clone, Debug)]
pub struct Conditions {
    standing: Arc<Mutex<BTreeMap<String, Condition>>>,
    record: Record,
    clock: Clock,
}

impl Conditions {
    /// None, to begin with.
    pub fn new(record: Record, clock: Clock) -> Self {
        Self { standing: Arc::default(), record, clock }
    }

    /// Something is wrong. Saying the same again changes nothing.
    pub fn raise(&self, about: &str, what: impl Into<String>, help: impl Into<String>) {
        let (what, help) = (what.into(), help.into());
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = standing.get(about);
        if known.is_some_and(|known| known.what == what && known.help == help) {
            return;
        }
        let since = known.map_or_else(|| self.clock.now(), |known| known.since);
        let condition = Condition { about: about.to_owned(), what: what.clone(), help: help.clone(), since };
        standing.insert(about.to_owned(), condition);
        self.record.add(Event::Raised { about: about.to_owned(), what, help });
    }

    /// It is well, whether or not it was ill.
    pub fn clear(&self, about: &str) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if standing.remove(about).is_some() {
            self.record.add(Event::Cleared { about: about.to_owned() });
        }
    }

    /// Everything that was raised about parts of something is well: those whose name begins with its own.
    pub fn clear_of(&self, whole: &str) {
        let part = format!("{whole} ");
        let parts: Vec<String> = {
            let standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
            standing.keys().filter(|about| about.starts_with(&part)).cloned().collect()
        };
        parts.iter().for_each(|about| self.clear(about));
    }

    /// Raises or clears, as there is something wrong or not.
    pub fn set(&self, about: &str, trouble: Option<(String, String)>) {
        match trouble {
            Some((what, help)) => self.raise(about, what, help),
            None => self.clear(about),
        }
    }

    /// What stands now.
    pub fn all(&self) -> Vec<Condition> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::Scratch;
    use std::time::Duration;

    #[tokio::test]
    async fn a_condition_stands_from_when_it_was_first_raised_until_it_is_cleared() {
        let scratch = Scratch::new();
        let clock = Clock::stopped_at(100);
        let record = Record::in_folder(scratch.path(), clock.clone());
        let conditions = Conditions::new(record.clone(), clock.clone());
        conditions.raise("disk", "full", "make room");
        clock.advance(Duration::from_secs(5));
        conditions.raise("disk", "full", "make room");
        conditions.raise("disk", "fuller", "make room");
        let all = conditions.all();
        assert_eq!((all.len(), all[0].since, all[0].what.as_str()), (1, 100_000, "fuller"));
        conditions.clear("disk");
        conditions.clear("disk");
        assert!(conditions.all().is_empty());
        assert!(record.flush().await);
        assert_eq!(record.last(0, 10).unwrap().len(), 3);
    }
}
