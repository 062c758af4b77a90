//! The pages of a machine, and the JSON API: what is known, shown.
//!
//! A request is answered in three steps, of which only the first waits: `run` asks what is known, [`view`](crate) makes plain
//! structs of it, and `page` makes HTML of those; the API is the same structs as JSON.
//!
//! Invariants: nothing is shown that another way to ask does not know; a page of somebody else's reaches nothing; what
//! stands in a lab file as a secret is masked; without scripts and without assets every page still reads.

pub mod api;
mod asset;
mod layout;
mod page;
mod plan;
mod request;
mod response;
mod route;
mod run;
mod ui;
mod view;

pub use plan::{Plan, plan};
pub use request::{decoded, encoded};
pub use route::is_known;
pub use run::{Metrics, Pages, View};
pub use view::*;

/// The service's name: its table in the lab file.
pub const SERVICE: lab::model::ServiceName = lab::model::ServiceName::Portal;

/// The services that this version runs; others are only planned.
pub const RUNS: &[lab::model::ServiceName] = &[dns::SERVICE, SERVICE];
