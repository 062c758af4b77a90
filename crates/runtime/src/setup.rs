//! Setting a machine up: what there is to find before a lab is written, and what is wrong once it runs.
//!
//! [`init`] writes the first lab: `look` reads what the machine says of itself, `host` and `ports` make sense of it, and `ask`
//! has the questions and what is proposed. It never writes over a lab that is there.
//!
//! [`diagnose`] looks at a running machine the way a person would who wonders why nothing works: names, ports, clock,
//! disk, internet, Docker, the lab folder. Each is a [`Check`] with a mark, and where the mark is bad, with what to do.
//! What is found is judged in `judge`. It changes nothing, and never starts a program or takes longer than a few seconds.

mod ask;
mod host;
mod init;
mod judge;
mod look;
mod ports;
mod question;
mod report;
pub mod run;

use serde::Serialize;

pub use ask::{Said, Talk};
pub use init::{Init, Unbegun, asks, init};
pub use run::diagnose;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is about: `names`, `ports`, `clock`, `disk`, `internet`, `docker`, `lab`, in this order. Of ports there may be
    /// several, one for each that can not be had.
    pub about: &'static str,
    /// How it is.
    pub mark: Mark,
    /// What was found, in words.
    pub what: String,
    /// What to do, where something is to be done.
    pub help: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// It is well.
    Good,
    /// Something has to be done.
    Bad,
    /// It can not be found out from here.
    Unknown,
    /// The lab does not ask for it on this machine.
    NotNeeded,
}
