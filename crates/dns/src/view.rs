//! What the name server shows of itself.

use std::net::SocketAddr;

use serde::Serialize;

/// The name server as it runs.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// How many names it answers.
    pub names: usize,
}
