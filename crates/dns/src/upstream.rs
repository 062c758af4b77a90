//! Asking other name servers: over datagrams, connections, TLS and HTTPS, per domain, each question once.
//!
//! `line` is the grammar in which they are written, [`Group`] who is asked for what, `health` how each is doing,
//! `choice` in which order they are asked, `known` at
//! which addresses, `guard` what
//! protects them against guesses, `failure` what went wrong in words, `wire` what is sent and whether what
//! comes back is the reply; all of that is pure. `run` has the sockets.
//!
//! Never: an encrypted upstream is never replaced by a plain one, nothing of a client is told but what it asks
//! for, and nothing is kept: an answer goes to whoever waits for it, and what becomes of it is not decided here.

mod choice;
mod failure;
mod group;
mod guard;
mod health;
mod known;
mod line;
pub mod run;
mod view;
mod wire;

pub use failure::{Nobody, Why};
pub(crate) use group::Chosen;
pub use group::{Asked, Group, GroupFault, Mode, TIMEOUT};
pub use line::{Domain, Host, Line, LineFault, Target, Transport, Upstream};
pub use view::{State, UpstreamView, UpstreamsView};
pub use wire::{Want, is_answer};
