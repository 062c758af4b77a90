//! What can go wrong with the name servers.

use std::net::SocketAddr;

/// Why the name servers can not run.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The address can not be listened at. The other one keeps running.
    #[error("can not listen at {address} over {transport}: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// UDP or TCP.
        transport: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The plan has no address to listen at.
    #[error("the machine has no address to listen at: give it one, or `[dns]` an `address`")]
    NoAddress,
}
