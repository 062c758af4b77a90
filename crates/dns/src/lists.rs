//! How lists get here: fetched or read, judged, kept, compiled, and shown.
//!
//! A list is a file of the lab folder or what stands at a URL. What is fetched is judged before it takes the place
//! of the copy that is there: a page of HTML, something packed, nothing, or a tenth of what it was stays out, the last
//! good copy goes on, and the reason is shown. Copies are kept in the state folder, so a machine that starts without
//! the internet blocks what it blocked before, from the first question on.
//!
//! Never here: what a rule means (that is the compiler's), and looking up names by the system's resolver: this machine
//! may itself be the one that the system asks.
//!
//! The rooms: `schedule` says when which list is fetched, `http` what an answer over HTTP means, `judge` whether what
//! came is a list, `meta` what is known of a copy, `shelf` keeps copies, `compile` makes sets of them, `view` is what
//! is shown; [`run`] waits for all of them, `run/fetch` for servers.

pub mod compile;
pub mod http;
pub mod judge;
pub mod meta;
pub mod run;
pub mod schedule;
pub mod settle;
pub mod shelf;
pub mod state;
pub mod view;

use std::path::PathBuf;
use std::time::Duration;

use lab::value::ListSource;
use runtime::{Clock, Conditions, Context, LabFolder};
use serde::{Deserialize, Serialize};

/// What a list is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Its names are blocked.
    Block,
    /// Its names are never blocked.
    Allow,
}

/// Which list: there may be one to block and one to allow of the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// What it is for.
    pub purpose: Purpose,
    /// Its name in the lab file.
    pub name: String,
}

impl Key {
    /// What its files are called in the folder of copies, without an ending: only letters, digits and `-_.%`.
    pub fn file(&self) -> String {
        let purpose = match self.purpose {
            Purpose::Block => "block",
            Purpose::Allow => "allow",
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let mut file = format!("{purpose}.");
        for c in self.name.chars() {
            match is_plain(c) {
                true => file.push(c),
                false => file.push_str(&format!("%{:x}", u32::from(c))),
            }
        }
        file
    }

    /// The name of its condition: `dns list ads`.
    pub fn condition(&self) -> String {
        match self.purpose {
            Purpose::Block => format!("dns list {}", self.name),
            Purpose::Allow => format!("dns allow-list {}", self.name),
        }
    }
}

/// A list that the lab wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Which.
    pub key: Key,
    /// A file of the lab folder, or a URL.
    pub source: ListSource,
}

impl Wish {
    /// Its URL; none if it is a file.
    pub fn url(&self) -> Option<&str> {
        match &self.source {
            ListSource::Url(url) => Some(url.as_str()),
            ListSource::File(_) => None,
        }
    }
}

/// The lists that are to be filtered with, as it follows from the lab file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The lists. Their order is the order of their numbers in the compiled set.
    pub lists: Vec<Wish>,
    /// How often a list is fetched.
    pub refresh: Duration,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { lists: Vec::new(), refresh: Duration::from_secs(86_400) }
    }
}

/// What lists need of the machine.
#[derive(Clone, Debug)]
pub struct Given {
    /// Where copies are kept; it is made if it is not there, and may be deleted at any time.
    pub folder: PathBuf,
    /// The lab folder, for lists that are files of it.
    pub lab: LabFolder,
    /// Time.
    pub clock: Clock,
    /// What is wrong.
    pub conditions: Conditions,
}

impl Given {
    /// Of a running service.
    pub fn of(context: &Context) -> Self {
        Self {
            folder: context.state.folder().join("derived").join("lists"),
            lab: context.folder.clone(),
            clock: context.clock.clone(),
            conditions: context.conditions.clone(),
        }
    }
}

/// What went wrong with a list, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Whether it may go away by itself.
    pub kind: TroubleKind,
    /// What is wrong, as a sentence without a point.
    pub what: String,
    /// What to do.
    pub help: String,
}

/// Whether a trouble may go away by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// A server that does not answer, a name that is not found. While there is a good copy, nobody has to do anything
    /// for a while.
    Passing,
    /// Somebody has to do something: the URL leads nowhere, what is there is no list, the disk is full.
    Standing,
}

impl Trouble {
    /// That is tried again by itself.
    pub fn passing(what: impl Into<String>) -> Self {
        let help = "it is tried again by itself";
        Self { kind: TroubleKind::Passing, what: what.into(), help: help.to_owned() }
    }

    /// That somebody has to do something about.
    pub fn standing(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { kind: TroubleKind::Standing, what: what.into(), help: help.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_list_leads_out_of_the_folder() {
        let key = |name: &str| Key { purpose: Purpose::Allow, name: name.to_owned() };
        assert_eq!(key("ads-2").file(), "allow.ads-2");
        assert_eq!(key("../é.txt").file(), "allow.%2e%2e%2f%e9%2etxt");
    }
}
