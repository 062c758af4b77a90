//! The name servers of a lab: its names and reverse names, answered with authority, and the rest forwarded.
//!
//! Invariants: a name under the lab's domain or in its networks is never asked of anyone else; what a client
//! is told depends on nothing but the plan, the question and the address that it asks from; clients outside
//! the lab are refused. Filtering, a cache and encrypted transports are not here yet.
//!
//! The rooms: [`plan`] is what follows from the lab file for one machine, `answer` decides what to say to one
//! message, `wire` reads and writes messages, `run` has the sockets that clients
//! ask at, `upstream` those that others are asked from.

mod answer;
mod fault;
mod plan;
mod run;
mod upstream;
mod wire;

pub use answer::{Reply, Transport, reply};
pub use fault::Fault;
pub use plan::{Plan, plan};
pub use run::{Server, Swap};

/// The service's name: its crate, its table in the lab file, its page.
pub const SERVICE: lab::model::ServiceName = lab::model::ServiceName::Dns;
