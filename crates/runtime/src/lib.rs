//! What every service stands on: the two processes, the supervisor, machine to machine, state, events, the clock.
//!
//! Services know this crate and not each other. Modules that wait are called `run`; everything else is data and
//! decisions. What is wrong with a running machine is a [`Condition`], what happens is an [`Event`], and time is
//! [`Clock`]'s: nobody asks the system for it.

pub mod address;
pub mod authority;
pub mod clock;
pub mod compare;
mod condition;
pub mod demo;
mod event;
mod fault;
pub mod helper;
pub mod link;
pub mod node;
mod notify;
pub mod overlay;
mod permit;
mod record;
pub mod secret;
mod service;
pub mod setup;
mod state;
mod store;
mod supervisor;
mod ticket;

pub use clock::{Clock, Millis};
pub use condition::{Condition, Conditions};
pub use event::{Event, Happened};
pub use fault::Fault;
pub use helper::{Helper, Unhelped};
pub use node::Seen;
pub use node::run::{Here, News, Refusal, run};
pub use permit::{Answer, Meaningless, Permit, Request, Transport};
pub use record::Record;
pub use service::{Context, Given, LabFolder, Service};
pub use state::{Lock, LockFault, State, replace};
pub use store::{Store, StoreFault};
pub use supervisor::{Phase, Row, Settling, Slot, Supervisor, row};
pub use ticket::Tickets;
