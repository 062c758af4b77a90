//! The lab of a demonstration, in which all machines are one: a rewrite of the text before anything is read.
//!
//! The first number of every IPv4 address becomes 127, so that this machine has it; ports are shifted, so that
//! nobody needs privileges. Two addresses that become one are found as any two are. IPv6 addresses stay: there is only one on the
//! loopback, so nothing listens at them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::tree::{Entry, Kind, Node};

/// How far ports are shifted in a demonstration.
const SHIFT: u16 = 10_000;

/// What a demonstration adds to a lab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demo {
    /// The public keys of machines, which stand there instead of those in the file.
    pub keys: BTreeMap<String, String>,
}

/// Where services listen instead of at their usual ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    shift: u16,
}

impl Ports {
    pub(crate) const DEMO: Self = Self { shift: SHIFT };

    /// The port that stands for a usual one.
    pub fn shifted(self, port: u16) -> u16 {
        port.saturating_add(self.shift)
    }
}

/// Rewrites the lab.
pub(crate) fn rewrite(root: &mut Node, demo: &Demo) {
    readdress(root);
    let Kind::Table(root) = &mut root.kind else { return };
    let Some(Kind::Table(machines)) =
        root.entries.get_mut("machines").map(|machines| &mut machines.node.kind)
    else {
        return;
    };
    for (name, key) in &demo.keys {
        let Some(machine) = machines.entries.get_mut(name) else { continue };
        let span = machine.key;
        if let Kind::Table(table) = &mut machine.node.kind {
            let node = Node { span, kind: Kind::Text(key.clone()) };
            table.entries.insert("key".to_owned(), Entry { key: span, node });
        }
    }
}

fn readdress(node: &mut Node) {
    match &mut node.kind {
        Kind::Text(text) => {
            if let Some(other) = readdressed(text) {
                *text = other;
            }
        }
        Kind::List(nodes) => nodes.iter_mut().for_each(readdress),
        Kind::Table(table) => table.entries.values_mut().for_each(|entry| readdress(&mut entry.node)),
        _ => {}
    }
}

/// The text with its address rewritten: an address, a network, an address with a port, or one in a URL.
fn readdressed(text: &str) -> Option<String> {
    let start = text.find("://").map_or(0, |at| at + 3);
    let (before, rest) = text.split_at_checked(start)?;
    let end = rest.find(['/', ':']).unwrap_or(rest.len());
    let (host, after) = rest.split_at_checked(end)?;
    let [_, b, c, d] = host.parse::<Ipv4Addr>().ok()?.octets();
    Some(format!("{before}127.{b}.{c}.{d}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_rewritten_wherever_they_stand() {
        for (text, expected) in [
            ("10.10.50.53", Some("127.10.50.53")),
            ("10.10.20.0/23", Some("127.10.20.0/23")),
            ("10.10.50.1:9436", Some("127.10.50.1:9436")),
            ("tls://9.9.9.9", Some("tls://127.9.9.9")),
            ("https://9.9.9.9/dns-query", Some("https://127.9.9.9/dns-query")),
            ("fd00::1", None),
            ("10.10.50", None),
            ("||10.0.0.1^", None),
            ("naxos", None),
        ] {
            assert_eq!(readdressed(text).as_deref(), expected, "{text}");
        }
    }
}
