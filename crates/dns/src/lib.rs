//! The name servers of a lab: its names and reverse names, answered with authority, and the rest forwarded,
//! without the names that lists and rules block.
//!
//! Invariants: a name under the lab's domain or in its networks is never asked of anyone else, and never
//! blocked; what a client is told of it depends on nothing but the plan, the question and the address that it
//! asks from; clients outside the lab are refused. Encrypted transports are not here yet.
//!
//! The rooms: [`plan`] is what follows from the lab file for one machine, `answer` decides what to say to one
//! message, `block` what is blocked, `cache` keeps what upstreams said, `last` the last questions, `wire` reads and writes messages, `run`
//! has the sockets that clients ask at, `run/upstream` those that others are asked from, `load` reads lists, and
//! [`View`] is what a running server shows.

mod answer;
mod block;
mod cache;
mod fault;
mod last;
mod load;
mod plan;
mod run;
mod view;
mod wire;

pub use answer::{Outcome, Reply, Transport, pass_on, reply};
pub use block::{Blocks, Compiler, Counts, Kind, MAX_LIST, Reader, Refused, Verdict};
pub use plan::{List, Plan, plan};
pub use run::Server;
pub use view::{CacheView, Last, ListState, ListView, Queries, View};

/// The service's name: its crate, its table in the lab file, its page.
pub const SERVICE: lab::model::ServiceName = lab::model::ServiceName::Dns;
