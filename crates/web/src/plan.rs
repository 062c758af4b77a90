//! Where the pages of a machine are.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use lab::Ports;
use runtime::Given;
use runtime::node::PAGES_PORT;

/// Where the pages of a machine are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where they are served.
    pub listen: SocketAddr,
}

/// The plan of a machine: every machine has pages. They are for this machine only until there is a login; in a
/// demonstration each machine has its own address of the loopback.
pub fn plan(given: &Given<'_>) -> Plan {
    let ports = given.follows.ports;
    let addresses = given.lab.machines.get(given.machine).and_then(|machine| machine.address.as_ref());
    let own = addresses.into_iter().flat_map(|all| all.iter()).map(|own| own.0);
    let own = own.into_iter().find(IpAddr::is_loopback).filter(|_| ports != Ports::default());
    let listen = SocketAddr::new(own.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), ports.shifted(PAGES_PORT));
    Plan { listen }
}
