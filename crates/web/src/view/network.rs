//! Zones, who may open what, what joins them, and what is on them.

use std::collections::BTreeMap;

use lab::policy::{Outcome, Target};
use runtime::Seen;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Eye, Line, words};

/// The network of the lab, as it follows from the file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Network {
    /// The networks.
    pub zones: Vec<ZoneView>,
    /// What can be opened: the columns of the matrix.
    pub columns: Vec<MatrixColumn>,
    /// Who may open what.
    pub matrix: Vec<MatrixRow>,
    /// Single openings beside the matrix.
    pub exceptions: Vec<super::Fact>,
    /// The sentences that must stay true.
    pub assertions: Vec<AssertionView>,
    /// Things on the network that run nothing of Polis.
    pub devices: Vec<DeviceView>,
    /// Routers, switches and access points.
    pub gear: Vec<Gear>,
    /// What joins the sites.
    pub tunnels: Vec<TunnelView>,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ZoneView {
    /// Its name.
    pub name: String,
    /// Its site.
    pub site: String,
    /// Its number as a VLAN.
    pub vlan: Option<i64>,
    /// Its networks.
    pub cidr: String,
    /// Its gateways.
    pub gateway: String,
    /// Whether what is in it may not reach each other.
    pub isolate: bool,
    /// How many machines and devices the file has in it.
    pub things: usize,
    /// Where the lab file has it.
    pub lines: Vec<Line>,
}

/// Something that can be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MatrixColumn {
    /// `zones`, `services`, `panels`, `devices` or `apps`.
    pub group: String,
    /// What it is.
    pub name: String,
}

/// What one zone may open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MatrixRow {
    /// The zone, or `internet`.
    pub from: String,
    /// In the order of the columns.
    pub cells: Vec<MatrixCell>,
}

/// Whether one may open the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MatrixCell {
    /// Whether it may.
    pub open: bool,
    /// Why, in words.
    pub why: String,
    /// The lines that say so.
    pub lines: Vec<Line>,
}

/// A sentence that must stay true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AssertionView {
    /// Its name.
    pub name: String,
    /// As it is written.
    pub text: String,
    /// `holds`, `fails` or `unknown`.
    pub is: String,
    /// Where it stands.
    pub lines: Vec<Line>,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DeviceView {
    /// Its name.
    pub name: String,
    /// Its zone.
    pub zone: String,
    /// Its addresses.
    pub address: String,
    /// What it offers.
    pub offers: String,
    /// Where the lab file has it.
    pub lines: Vec<Line>,
}

/// A router, a switch or an access point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Gear {
    /// Its name.
    pub name: String,
    /// `router`, `switch` or `access point`.
    pub kind: String,
    /// Its site, if it has one.
    pub site: Option<String>,
    /// What it is.
    pub model: String,
    /// Where the lab file has it.
    pub lines: Vec<Line>,
}

/// What joins two routers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TunnelView {
    /// Its name.
    pub name: String,
    /// The routers.
    pub between: Vec<String>,
    /// What kind it is.
    pub kind: String,
    /// Its network.
    pub net: String,
    /// Where the lab file has it.
    pub lines: Vec<Line>,
}

/// The network; none while no lab is followed.
pub fn network(seen: &Seen) -> Option<Network> {
    let eye = Eye::of(seen)?;
    let matrix = &eye.follows.matrix;
    let columns =
        matrix.rows().next().map(|from| matrix.row(from).map(|(target, _)| column(target)).collect());
    Some(Network {
        zones: zones(eye),
        columns: columns.unwrap_or_default(),
        matrix: rows(eye),
        exceptions: exceptions(eye),
        assertions: assertions(eye),
        devices: devices(eye),
        gear: gear(eye),
        tunnels: tunnels(eye),
    })
}

fn column(target: &Target) -> MatrixColumn {
    let (group, name) = match target {
        Target::Internet => ("internet", "internet".to_owned()),
        Target::Zone(zone) => ("zones", zone.to_string()),
        Target::Service(name) => ("services", (*name).to_owned()),
        Target::Panels(zone) => ("panels", zone.to_string()),
        Target::Offer(device) => ("devices", device.to_string()),
        Target::App(app) => ("apps", app.to_string()),
    };
    MatrixColumn { group: group.to_owned(), name }
}

fn rows(eye: Eye<'_>) -> Vec<MatrixRow> {
    let matrix = &eye.follows.matrix;
    let cell = |cell: &lab::policy::Cell| {
        let reasons = cell.reasons();
        let places: Vec<_> = reasons.iter().map(|reason| reason.span).collect();
        let why = match reasons {
            [] => "no row of the policy says so".to_owned(),
            reasons => reasons.iter().map(|reason| reason.why.as_str()).collect::<Vec<_>>().join("; "),
        };
        MatrixCell { open: cell.is_open(), why, lines: eye.lines(&places) }
    };
    let row = |from| MatrixRow {
        from: format!("{from}"),
        cells: matrix.row(from).map(|(_, own)| cell(own)).collect(),
    };
    matrix.rows().map(row).collect()
}

fn zones(eye: Eye<'_>) -> Vec<ZoneView> {
    let mut things: BTreeMap<&str, usize> = BTreeMap::new();
    let machines = eye.lab.machines.iter().filter_map(|(_, machine)| eye.lab.zone_of(machine));
    let devices = eye.lab.devices.iter().filter_map(|(_, device)| eye.lab.zone_of_device(device));
    for zone in machines.chain(devices) {
        *things.entry(zone.as_str()).or_default() += 1;
    }
    let zone = |(name, zone): (&lab::names::ZoneName, &lab::read::At<lab::model::Zone>)| ZoneView {
        name: name.to_string(),
        site: zone.site.to_string(),
        vlan: zone.vlan.as_ref().map(|vlan| vlan.0),
        cidr: words(zone.cidr.iter()),
        gateway: words(zone.gateways()),
        isolate: *zone.isolate,
        things: things.get(name.as_str()).copied().unwrap_or(0),
        lines: eye.lines(&[zone.span()]),
    };
    eye.lab.zones.iter().map(zone).collect()
}

fn exceptions(eye: Eye<'_>) -> Vec<super::Fact> {
    let opening = |opening: &lab::policy::Opening| {
        let exception = eye.lab.exceptions.get(&opening.name);
        let why = exception.map(|exception| exception.why.to_string()).unwrap_or_default();
        let until = exception.and_then(|exception| exception.until.as_ref());
        let until = until.map(|until| format!(", until {}", **until)).unwrap_or_default();
        super::Fact {
            key: opening.name.to_string(),
            value: format!("{}: {why}{until}", opening.words(eye.lab)),
            lines: eye.lines(&[opening.span]),
        }
    };
    eye.follows.matrix.openings().iter().map(opening).collect()
}

fn assertions(eye: Eye<'_>) -> Vec<AssertionView> {
    let assertion = |(name, sentence): (&lab::names::Label, &lab::read::At<lab::policy::Sentence>)| {
        let is = match eye.seen.lab.assertions.get(name) {
            Some(Outcome::Holds) => "holds",
            Some(Outcome::Fails(_)) => "fails",
            Some(Outcome::Unknown) | None => "unknown",
        };
        AssertionView {
            name: name.to_string(),
            text: sentence.text.clone(),
            is: is.to_owned(),
            lines: eye.lines(&[sentence.span()]),
        }
    };
    eye.lab.assert.iter().map(assertion).collect()
}

fn devices(eye: Eye<'_>) -> Vec<DeviceView> {
    let device = |(name, device): (&lab::names::DeviceName, &lab::read::At<lab::model::Device>)| DeviceView {
        name: name.to_string(),
        zone: eye.lab.zone_of_device(device).map(ToString::to_string).unwrap_or_default(),
        address: words(device.address.iter().flat_map(|all| all.iter()).map(|own| own.0)),
        offers: words(device.offers.iter()),
        lines: eye.lines(&[device.span()]),
    };
    eye.lab.devices.iter().map(device).collect()
}

fn gear(eye: Eye<'_>) -> Vec<Gear> {
    let mut all = Vec::new();
    let mut add =
        |name: String, kind: &str, site: Option<String>, model: Option<String>, system: &str, place| {
            let model = model.map_or(system.to_owned(), |model| format!("{model}, {system}"));
            all.push(Gear { name, kind: kind.to_owned(), site, model, lines: eye.lines(&[place]) });
        };
    for (name, router) in &eye.lab.routers {
        let model = router.model.as_ref().map(ToString::to_string);
        let version = router.version.as_ref().map(|version| format!(" {}", **version)).unwrap_or_default();
        let system = format!("{}{version}", router.kind.word());
        add(name.to_string(), "router", Some(router.site.to_string()), model, &system, router.span());
    }
    for (name, switch) in &eye.lab.switches {
        let model = switch.model.as_ref().map(ToString::to_string);
        add(name.to_string(), "switch", None, model, switch.kind.word(), switch.span());
    }
    for (name, point) in &eye.lab.access_points {
        let model = point.model.as_ref().map(ToString::to_string);
        add(name.to_string(), "access point", None, model, point.kind.word(), point.span());
    }
    all
}

fn tunnels(eye: Eye<'_>) -> Vec<TunnelView> {
    let tunnel = |(name, tunnel): (&lab::names::TunnelName, &lab::read::At<lab::model::Tunnel>)| TunnelView {
        name: name.to_string(),
        between: tunnel.between.iter().map(ToString::to_string).collect(),
        kind: tunnel.kind.word().to_owned(),
        net: tunnel.net.to_string(),
        lines: eye.lines(&[tunnel.span()]),
    };
    eye.lab.tunnels.iter().map(tunnel).collect()
}
