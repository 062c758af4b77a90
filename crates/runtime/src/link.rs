//! Machine to machine, and the control socket: the same closed set of verbs in the same frames.
//!
//! `wire` has the verbs, `tls` the keys, `peers` what is known of the other machines, `run` the sockets. The link is
//! read-only; what changes a machine is asked on its own control socket.

pub(crate) mod peers;
pub(crate) mod run;
pub(crate) mod tls;
mod wire;
mod words;

pub use peers::{Answering, Known, Peer};
pub use run::{AskFault, ask_all, ask_socket, each_connection};
pub use wire::{
    MAX_REPLY, MAX_REQUEST, NEWEST, OLDEST, Question, Reply, Running, ServiceRuns, Status, read_frame,
};

pub use words::status_text;

/// The port of the link.
pub const PORT: u16 = 8420;
