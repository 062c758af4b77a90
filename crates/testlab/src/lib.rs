//! A whole lab on one computer, for tests: sites, zones, routers and machines as network namespaces, with
//! the addresses of the lab file, and real packets between them.
//!
//! [`House::build`] makes it of a lab, and dropping it removes it, also after a panic. In it, [`Unit`]s run as
//! systemd would run them, and everything that goes wrong in a house can be made to go wrong: cables, packets,
//! processes, disks, clocks. Nothing leaves the namespaces, and only processes that it started are ended.
//!
//! ```no_run
//! let house = testlab::House::open("examples/aegean".as_ref()).unwrap();
//! let laptop = house.laptop("private");
//! assert!(laptop.reaches("10.20.0.11"), "volos is at the other end of a tunnel");
//! house.cut_tunnel("home-mother");
//! assert!(laptop.reaches("10.20.0.11"), "and by way of the cloud");
//! ```
//!
//! It is for tests: what can not be done panics where it was asked for. A test that uses it should panic too
//! (`unwrap`) and not return an error, because the house tells what it saw when it is dropped in a panic.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "only tests use it, and a test stops where it fails"
)]

mod able;
mod build;
mod clock;
mod disk;
mod group;
mod house;
mod layout;
mod leftovers;
mod log;
mod place;
mod report;
mod supervise;
mod unit;

pub use able::{find, has, has_houses, root, wait_for};
pub use house::House;
pub use place::{Neighbour, Place};
pub use unit::{Service, Unit};
