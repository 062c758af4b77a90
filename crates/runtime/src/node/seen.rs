//! What a machine knows at one moment, as plain data: what its pages are made of.

use std::sync::Arc;

use lab::Checked;
use lab::names::MachineName;

use crate::clock::Millis;
use crate::link::{Known, Status};
use crate::overlay::Entry;

/// What a machine knows at one moment.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The moment.
    pub now: Millis,
    /// This machine.
    pub machine: MachineName,
    /// The lab that it follows, with everything that is known of it.
    pub lab: Arc<Checked>,
    /// The lab folder as it was last read, if it can not be followed.
    pub refused: Option<Arc<Checked>>,
    /// How this machine stands.
    pub status: Status,
    /// The other machines that have an agent.
    pub others: Vec<Known>,
    /// What was changed by a click or a command and is not in the file.
    pub overlay: Vec<Entry>,
    /// Whether all machines of the lab run on this one, for a demonstration.
    pub is_demo: bool,
}
