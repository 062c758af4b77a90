//! `[clusters.NAME]` is a shorter way to write several machines: it is written out before anything is read.
//!
//! The keys of the cluster are those of its machines; what stands behind the name of one machine (an address,
//! or a table) is its own and goes before what it has from the cluster.

use crate::fault::{Code, Fault, Faults};
use crate::tree::{Entry, Kind, Node, Table, twice};

/// The key that a machine's cluster is kept under.
const CLUSTER: &str = "cluster";

/// Turns the clusters of a lab into machines.
pub(crate) fn write_out(root: &mut Table, faults: &mut Faults) {
    let Some(clusters) = root.entries.remove("clusters") else { return };
    let Kind::Table(clusters) = clusters.node.kind else {
        let title = format!("this is {} where a table belongs", clusters.node.what());
        faults.push(Fault::new(Code::WrongKind, clusters.node.span, title).help("write `[clusters.NAME]`"));
        return;
    };
    for (name, entry) in clusters.entries {
        for (machine, member) in members(&name, entry, faults) {
            add_machine(root, machine, member, faults);
        }
    }
}

fn members(name: &str, cluster: Entry, faults: &mut Faults) -> Vec<(String, Entry)> {
    let span = cluster.node.span;
    let Kind::Table(mut shared) = cluster.node.kind else {
        let title = format!("this is {} where a table belongs", cluster.node.what());
        faults.push(Fault::new(Code::WrongKind, span, title));
        return Vec::new();
    };
    let machines = match shared.entries.remove("machines") {
        Some(Entry { node: Node { kind: Kind::Table(machines), .. }, .. }) => machines,
        Some(other) => {
            let title = format!("this is {} where a table of machines belongs", other.node.what());
            let fault = Fault::new(Code::WrongKind, other.node.span, title);
            faults.push(fault.help("write names and addresses: `machines = { arta = \"10.10.50.21\" }`"));
            return Vec::new();
        }
        None => {
            let fault =
                Fault::new(Code::MissingKey, span, "`machines` is missing").label("this cluster needs it");
            faults.push(fault.help("write names and addresses: `machines = { arta = \"10.10.50.21\" }`"));
            return Vec::new();
        }
    };
    let cluster_name =
        Entry { key: cluster.key, node: Node { span: cluster.key, kind: Kind::Text(name.to_owned()) } };
    shared.entries.insert(CLUSTER.to_owned(), cluster_name);
    let member = |(machine, entry): (String, Entry)| {
        let mut table = shared.clone();
        match entry.node.kind {
            Kind::Table(own) => table.entries.extend(own.entries),
            kind => {
                let address = Entry { key: entry.key, node: Node { span: entry.node.span, kind } };
                table.entries.insert("address".to_owned(), address);
            }
        }
        (machine, Entry { key: entry.key, node: Node { span: entry.key, kind: Kind::Table(table) } })
    };
    machines.entries.into_iter().map(member).collect()
}

fn add_machine(root: &mut Table, name: String, machine: Entry, faults: &mut Faults) {
    let machines = root.entries.entry("machines".to_owned()).or_insert_with(|| Entry {
        key: machine.key,
        node: Node { span: machine.key, kind: Kind::Table(Table::default()) },
    });
    let Kind::Table(machines) = &mut machines.node.kind else { return };
    match machines.entries.get(&name) {
        Some(known) => faults.push(twice(&name, machine.key.max(known.key), machine.key.min(known.key))),
        None => {
            machines.entries.insert(name, machine);
        }
    }
}
