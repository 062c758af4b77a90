//! A machine of the lab, running: reads the lab, makes what follows from it run, and answers questions about that.
//!
//! `folder` reads the lab and keeps the last good copy, `identity` finds which machine this is, `metrics` shows Polis's own
//! measurements, `seen` is what pages are made of, `run` is the worker process.

mod folder;
mod identity;
mod metrics;
pub(crate) mod run;
mod seen;

use std::net::SocketAddr;
use std::path::PathBuf;

use lab::Checked;

use crate::permit::Permit;
use crate::service::Given;
use crate::supervisor::Row;

pub use identity::{Unidentified, identify};
pub use seen::Seen;

/// Where the control socket is when nobody says otherwise.
pub const SOCKET: &str = "/run/polis/polis.sock";
/// The port of the pages, for this machine only until there is a login.
pub const PAGES_PORT: u16 = 8421;

/// What a worker is.
#[derive(Clone, Debug)]
pub struct Worker {
    /// The services of this Polis.
    pub rows: Vec<Row>,
    /// The tables of the lab that they follow from: an unknown key elsewhere stops nothing.
    pub tables: &'static [&'static str],
    /// The lab folder, or file.
    pub lab: PathBuf,
    /// How a lab is read and checked.
    pub check: fn(&Worker, &std::path::Path) -> Result<Checked, lab::OpenError>,
    /// What is wrong with a lab that was read, in words for a person; empty if nothing is.
    pub show: fn(&Worker, &Checked) -> String,
    /// Says such words to whoever started it, or to the journal.
    pub tell: fn(&str),
    /// Says a line to whoever started it, or to the journal.
    pub print: fn(&str),
    /// The machine to be; otherwise it is found by host name or address.
    pub machine: Option<String>,
    /// Where sockets are bound instead of at the addresses of the lab.
    pub listen: Option<SocketAddr>,
    /// The state folder.
    pub state: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// The version of this Polis.
    pub version: String,
    /// All machines of the lab run on this one, for a demonstration: addresses are loopback, and ports shifted.
    pub demo: Option<lab::Demo>,
    /// The day for exceptions and due dates, if it is not today.
    pub at: Option<lab::value::Date>,
}

impl Worker {
    /// The time, for what depends on dates: never before what is known to have passed.
    pub fn now(&self) -> crate::Millis {
        crate::Clock::system(crate::State::at(self.state.clone()).saved_time()).now()
    }

    /// What a machine needs privileges for, as the helper asks it before anything runs.
    ///
    /// # Errors
    /// If it is not known which machine this is. A lab that can not be used permits nothing.
    pub fn permits(&self, checked: &Checked) -> Result<Vec<Permit>, Unidentified> {
        let Some(lab) = checked.usable_for(self.tables) else { return Ok(Vec::new()) };
        let machine = identify(lab, self.machine.as_deref())?;
        let given =
            Given { lab, follows: &checked.follows, machine: &machine, overlay: &[], listen: self.listen };
        let mut permits: Vec<Permit> = self.rows.iter().flat_map(|row| (row.permits)(&given)).collect();
        permits.extend(
            run::own_ports(&given, self.demo.is_some())
                .iter()
                .map(|at| Permit::Bind(crate::Transport::Tcp, *at)),
        );
        if self.demo.is_none() && self.listen.is_none() {
            permits.extend(crate::address::moving(lab, &machine).iter().map(crate::address::Moving::permit));
        }
        permits.sort();
        permits.dedup();
        Ok(permits)
    }
}
