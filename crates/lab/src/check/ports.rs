//! Ports of machines that two things want.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Unread;
use crate::fault::{Code, Fault, Faults};
use crate::follow::Stacks;
use crate::model::{Lab, ServiceName};
use crate::source::Span;
use crate::value::{Port, Protocol};

/// A port that something wants.
struct Want {
    /// Only at this address; none means at every address of the machine.
    address: Option<IpAddr>,
    port: Port,
    what: String,
    span: Span,
}

pub(super) fn check(lab: &Lab, stacks: &Stacks, unread: &Unread, faults: &mut Faults) {
    let mut wants: BTreeMap<&str, Vec<Want>> = BTreeMap::new();
    services(lab, &mut wants);
    panels(lab, &mut wants);
    apps(lab, stacks, unread, &mut wants);
    for (machine, mut wants) in wants {
        wants.sort_by_key(|want| want.span);
        for (at, want) in wants.iter().enumerate() {
            let clash = wants.iter().take(at).find(|first| clash(first, want));
            let Some(first) = clash else { continue };
            let title =
                format!("{} and {} both want {} of {machine}", first.what, want.what, shared(first, want));
            faults.push(
                Fault::new(Code::PortTaken, want.span, title)
                    .label(format!("{} here", want.what))
                    .also(first.span, format!("{} here", first.what))
                    .help("give one of them another port, another address or another machine"),
            );
        }
    }
}

fn clash(one: &Want, other: &Want) -> bool {
    let same_place = match (one.address, other.address) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    one.what != other.what && same_place && one.port.overlaps(&other.port)
}

fn shared(one: &Want, other: &Want) -> Port {
    Port { first: one.port.first.max(other.port.first), last: one.port.last.min(other.port.last), ..one.port }
}

/// The ports of Polis's own services, on each machine of their orders.
fn services<'l>(lab: &'l Lab, wants: &mut BTreeMap<&'l str, Vec<Want>>) {
    use Protocol::{Tcp, Udp};
    for placed in lab.placed() {
        let ports = match placed.service {
            ServiceName::Dns => {
                let ways = lab.dns.iter().flat_map(|dns| dns.encrypted.iter());
                let encrypted = ways.map(|way| Port::one(Tcp, way.port()));
                [Port::one(Udp, 53), Port::one(Tcp, 53)].into_iter().chain(encrypted).collect()
            }
            ServiceName::Proxy => vec![Port::one(Tcp, 80), Port::one(Tcp, 443), Port::one(Udp, 443)],
            ServiceName::Vpn => lab.vpn.iter().map(|vpn| Port::one(Udp, vpn.endpoint.port)).collect(),
            ServiceName::Bastion => vec![Port::one(Tcp, 22)],
            ServiceName::Logs if lab.logs.as_ref().is_some_and(|logs| *logs.syslog) => {
                vec![Port::one(Udp, 514), Port::one(Tcp, 514)]
            }
            _ => Vec::new(),
        };
        for machine in placed.on {
            let own = wants.entry(machine.as_str()).or_default();
            own.extend(ports.iter().map(|port| Want {
                address: placed.address.map(|address| address.0),
                port: *port,
                what: format!("the service {}", placed.service),
                span: machine.span(),
            }));
        }
    }
}

fn panels<'l>(lab: &'l Lab, wants: &mut BTreeMap<&'l str, Vec<Want>>) {
    for (name, machine) in &lab.machines {
        let addresses = machine.address.iter().flat_map(|addresses| addresses.iter());
        let addresses: Vec<Option<IpAddr>> = addresses.map(|address| Some(address.0)).collect();
        let own = wants.entry(name.as_str()).or_default();
        for port in machine.panels.iter() {
            let what = format!("the panel {port}");
            let each = if addresses.is_empty() { vec![None] } else { addresses.clone() };
            own.extend(each.into_iter().map(|address| Want {
                address,
                port: **port,
                what: what.clone(),
                span: port.span(),
            }));
        }
    }
}

fn apps<'l>(lab: &'l Lab, stacks: &Stacks, unread: &Unread, wants: &mut BTreeMap<&'l str, Vec<Want>>) {
    for (name, app) in lab.apps.iter().filter(|(_, app)| app.on.is_known()) {
        let own = wants.entry(app.on.as_str()).or_default();
        if let Some(compose) = stacks.get(name) {
            for (service, found) in &compose.services {
                own.extend(found.published.iter().map(|published| Want {
                    address: published.address.filter(|address| !address.is_unspecified()),
                    port: published.port,
                    what: format!("`{service}` of the app {name}"),
                    span: published.span,
                }));
            }
            continue;
        }
        // The port of an app with a stack is one of its container.
        let is_bare = app.stack.is_none() && !unread.is_part_of(app.span());
        let port = app.serve.as_ref().and_then(|serve| serve.port.as_ref()).filter(|_| is_bare);
        own.extend(port.and_then(|port| {
            let number = u16::try_from(port.0).ok()?;
            let what = format!("the app {name}");
            Some(Want { address: None, port: Port::one(Protocol::Tcp, number), what, span: port.span() })
        }));
    }
}
