//! The values of the lab file: quantities, addresses, names on the network, dates, secrets.
//!
//! Each is parsed once into a type of its own, says exactly what is wrong with a text that is none, and
//! prints as a text that parses to the same value.

mod address;
mod dns;
mod moment;
mod quantity;
mod secret;
mod web;

pub use address::{Address, Cidr, Mac, Port, Protocol, SwitchPorts};
pub use dns::{ForDomain, OwnRecord, RecordName, RecordText, Upstream, UpstreamKind, UpstreamLine, Window};
pub use moment::{Date, TimeZoneName};
pub use quantity::{Duration, Power, Rate, Size};
pub use secret::{PublicKey, SecretRef};
pub use web::{Domain, Endpoint, HostName, ListSource, Pattern, StorageUrl, Text, Url, Version};
