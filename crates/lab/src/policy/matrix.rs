//! The policy as a matrix of zones against everything that can be opened.

use std::collections::BTreeMap;

use crate::model::{App, Lab, Party, PolicyRow, PolicyService, Reach, Zone};
use crate::names::{AppName, DeviceName, Label, ZoneName};
use crate::read::At;
use crate::source::Span;
use crate::value::{Date, Port};

/// Where a connection comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum From {
    /// A zone of the lab.
    Zone(ZoneName),
    /// Outside.
    Internet,
}

/// What can be opened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Everything outside the lab.
    Internet,
    /// Every address and port of a zone.
    Zone(ZoneName),
    /// A service of the lab.
    Service(&'static str),
    /// The administrative ports of the machines in a zone.
    Panels(ZoneName),
    /// What a device offers.
    Offer(DeviceName),
    /// An app.
    App(AppName),
}

/// Why a cell is as it is: a place of the lab file, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Because {
    /// The place.
    pub span: Span,
    /// What it says.
    pub why: String,
}

/// Whether one may open the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// It may, for each of these reasons.
    Open(Vec<Because>),
    /// It may not: no row says so.
    Closed,
}

impl Cell {
    /// Whether it may.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// Why it may; empty if it may not.
    pub fn reasons(&self) -> &[Because] {
        match self {
            Self::Open(reasons) => reasons,
            Self::Closed => &[],
        }
    }
}

/// A single opening beside the matrix: an exception that holds.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The name of the exception.
    pub name: Label,
    /// Where it stands.
    pub span: Span,
    /// Who may open it.
    pub from: Party,
    /// The zone of that; none for the internet.
    pub from_zone: Option<ZoneName>,
    /// What may be opened.
    pub to: Party,
    /// The zone of that; none for the internet.
    pub to_zone: Option<ZoneName>,
    /// At which ports; none means at all.
    pub ports: Vec<Port>,
}

/// Who may open what.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    /// What can be opened, in its order.
    columns: Vec<Column>,
    /// The cells of each origin, in the order of the columns.
    rows: BTreeMap<From, Vec<Cell>>,
    openings: Vec<Opening>,
}

/// Something that can be opened, and what its cells depend on.
#[derive(Clone, Debug)]
struct Column {
    target: Target,
    /// The zone that a connection to it ends in.
    entry: Option<ZoneName>,
    is_published: bool,
    is_behind_proxy: bool,
}

impl Matrix {
    /// The matrix of a lab as it is on a day: exceptions that have expired are not in it.
    pub fn of(lab: &Lab, at: Date) -> Self {
        let columns: Vec<Column> = targets(lab).into_iter().map(|target| Column::of(lab, target)).collect();
        let froms = lab.zones.keys().cloned().map(From::Zone).chain([From::Internet]);
        let rows = froms.map(|from| {
            let row = Row::of(lab, &from);
            let cells = columns.iter().map(|column| row.cell(column)).collect();
            (from, cells)
        });
        Self { rows: rows.collect(), openings: openings(lab, at), columns }
    }

    /// Its rows: where connections come from.
    pub fn rows(&self) -> impl Iterator<Item = &From> {
        self.rows.keys()
    }

    /// One cell; closed if there is none.
    pub fn cell(&self, from: &From, target: &Target) -> &Cell {
        let column = self.columns.binary_search_by(|column| column.target.cmp(target)).ok();
        column.and_then(|column| self.rows.get(from)?.get(column)).unwrap_or(&Cell::Closed)
    }

    /// The cells of one row.
    pub fn row(&self, from: &From) -> impl Iterator<Item = (&Target, &Cell)> {
        let cells = self.rows.get(from).into_iter().flatten();
        self.columns.iter().map(|column| &column.target).zip(cells)
    }

    /// The exceptions that hold.
    pub fn openings(&self) -> &[Opening] {
        &self.openings
    }

    /// The zone that a connection to the target ends in: for an app behind the proxy, that of the proxy.
    pub fn entry_zone(&self, target: &Target) -> Option<&ZoneName> {
        let column = self.columns.binary_search_by(|column| column.target.cmp(target)).ok()?;
        self.columns.get(column)?.entry.as_ref()
    }

    /// Whether it is an app that only the proxy opens.
    pub(super) fn is_behind_proxy(&self, target: &Target) -> bool {
        let column = self.columns.binary_search_by(|column| column.target.cmp(target));
        column.is_ok_and(|column| self.columns.get(column).is_some_and(|column| column.is_behind_proxy))
    }
}

impl Column {
    fn of(lab: &Lab, target: Target) -> Self {
        let app = match &target {
            Target::App(app) => lab.apps.get(app),
            _ => None,
        };
        Self {
            entry: entry_zone(lab, &target),
            is_published: matches!(&target, Target::App(app) if is_published(lab, app)),
            is_behind_proxy: app.is_some_and(|app| behind_proxy(lab, app).is_some()),
            target,
        }
    }
}

fn targets(lab: &Lab) -> Vec<Target> {
    let mut targets = vec![Target::Internet];
    targets.extend(lab.zones.keys().cloned().map(Target::Zone));
    let services = [
        ("dns", lab.dns.is_some()),
        ("dhcp", true),
        ("ntp", true),
        ("vpn", lab.vpn.is_some()),
        ("bastion", lab.bastion.is_some()),
        ("metrics", lab.metrics.is_some()),
        ("logs", lab.logs.is_some()),
    ];
    targets.extend(services.iter().filter(|(_, there)| *there).map(|(name, _)| Target::Service(name)));
    let panels = lab.machines.iter().filter(|(_, machine)| !machine.panels.is_empty());
    targets.extend(panels.filter_map(|(_, machine)| lab.zone_of(machine)).cloned().map(Target::Panels));
    let offers = lab.devices.iter().filter(|(_, device)| !device.offers.is_empty());
    targets.extend(offers.map(|(name, _)| Target::Offer(name.clone())));
    let served = lab.apps.iter().filter(|(_, app)| app.serve.is_some());
    targets.extend(served.map(|(name, _)| Target::App(name.clone())));
    targets.sort();
    targets.dedup();
    targets
}

fn entry_zone(lab: &Lab, target: &Target) -> Option<ZoneName> {
    let of_machines = |on: &[At<crate::names::MachineName>]| {
        on.iter().find_map(|machine| lab.zone_of_machine(machine.as_str())).cloned()
    };
    match target {
        Target::Internet => None,
        Target::Zone(zone) | Target::Panels(zone) => Some(zone.clone()),
        Target::Service(name) => {
            let placed = lab.placed();
            let service = placed.iter().find(|placed| placed.service.word() == *name)?;
            let by_address =
                service.address.and_then(|address| lab.zone_at(address.0)).map(|(zone, _)| zone.clone());
            by_address.or_else(|| of_machines(service.on))
        }
        Target::Offer(device) => lab.zone_of_device(lab.devices.get(device)?).cloned(),
        Target::App(name) => {
            let app = lab.apps.get(name)?;
            match behind_proxy(lab, app) {
                Some(proxy) => proxy
                    .address
                    .as_ref()
                    .and_then(|address| lab.zone_at(address.0))
                    .map(|(zone, _)| zone.clone())
                    .or_else(|| of_machines(&proxy.on)),
                None => lab.zone_of_machine(app.on.as_str()).cloned(),
            }
        }
    }
}

/// The proxy, if the app is reached through it.
fn behind_proxy<'l>(lab: &'l Lab, app: &App) -> Option<&'l crate::model::Proxy> {
    let elsewhere = app.serve.as_ref().is_none_or(|serve| serve.url.is_some());
    if elsewhere { None } else { lab.proxy.as_deref() }
}

fn openings(lab: &Lab, at: Date) -> Vec<Opening> {
    let holds =
        |exception: &crate::model::Exception| exception.until.as_ref().is_none_or(|until| **until >= at);
    let mut openings = Vec::new();
    for (name, exception) in lab.exceptions.iter().filter(|(_, exception)| holds(exception)) {
        let (Some(from), Some(to)) = (lab.party(&exception.from), lab.party(&exception.to)) else { continue };
        openings.push(Opening {
            name: name.clone(),
            span: exception.span(),
            from_zone: lab.zone_of_party(&from).cloned(),
            to_zone: lab.zone_of_party(&to).cloned(),
            from,
            to,
            ports: exception.ports.iter().flat_map(|ports| ports.iter().map(|port| **port)).collect(),
        });
    }
    openings
}

/// The rows of the policy that hold for one origin, and what it takes to decide its cells.
struct Row<'l> {
    lab: &'l Lab,
    zone: Option<(&'l ZoneName, &'l At<Zone>)>,
    rows: Vec<&'l At<PolicyRow>>,
}

impl<'l> Row<'l> {
    fn of(lab: &'l Lab, from: &From) -> Self {
        let (zone, names) = match from {
            From::Internet => (None, vec!["internet"]),
            From::Zone(name) => {
                let zone = lab.zones.iter().find(|(zone, _)| *zone == name);
                (zone, vec![name.as_str(), "every"])
            }
        };
        let rows = names.into_iter().filter_map(|name| lab.policy.get(name)).collect();
        Self { lab, zone, rows }
    }

    fn cell(&self, column: &Column) -> Cell {
        let mut reasons = Vec::new();
        for row in &self.rows {
            by_row(row, column, &mut reasons);
        }
        self.without_row(column, &mut reasons);
        if reasons.is_empty() { Cell::Closed } else { Cell::Open(reasons) }
    }

    /// What is open without a row: what never meets a router, and the way in that `[vpn]` is.
    fn without_row(&self, column: &Column, reasons: &mut Vec<Because>) {
        match (self.zone, &column.target) {
            (None, Target::Service("vpn")) => {
                if let Some(vpn) = &self.lab.vpn {
                    reasons.push(because(vpn.endpoint.span(), "it is the way in from outside"));
                }
            }
            (Some((name, zone)), _)
                if column.entry.as_ref() == Some(name) && !*zone.isolate && !column.is_behind_proxy =>
            {
                reasons.push(because(zone.span(), "in one zone no router is between them"));
            }
            _ => {}
        }
    }
}

fn by_row(row: &At<PolicyRow>, column: &Column, reasons: &mut Vec<Because>) {
    if let Some(reach) = &row.reach {
        match **reach {
            Reach::Everything => reasons.push(because(reach.span(), "the row says `reach = \"everything\"`")),
        }
    }
    if column.target == Target::Internet && *row.internet {
        reasons.push(because(row.internet.span(), "the row says `internet = true`"));
    }
    for service in row.services.iter().filter(|service| names(service, column)) {
        reasons.push(because(service.span(), format!("the row names `{}`", service.word())));
    }
    for zone in row.zones.iter().filter(|zone| Some(zone.value()) == column.entry.as_ref()) {
        reasons.push(because(zone.span(), format!("the row names the zone `{zone}`")));
    }
}

/// Whether a service of a row is the column, or one of those that it stands for.
fn names(service: &PolicyService, column: &Column) -> bool {
    match (service, &column.target) {
        (PolicyService::Users, Target::App(_) | Target::Offer(_))
        | (PolicyService::Panels, Target::Panels(_)) => true,
        (PolicyService::Published, Target::App(_)) => column.is_published,
        (PolicyService::Service(name), Target::Service(target)) => name == target,
        (PolicyService::App(name), Target::App(app)) => name == app.as_str(),
        _ => false,
    }
}

fn because(span: Span, why: impl Into<String>) -> Because {
    Because { span, why: why.into() }
}

pub(super) fn is_published(lab: &Lab, app: &AppName) -> bool {
    lab.apps.get(app).and_then(|app| app.serve.as_ref()).is_some_and(|serve| *serve.published)
}

impl std::fmt::Display for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Zone(zone) => zone.fmt(f),
            Self::Internet => f.write_str("internet"),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Internet => f.write_str("internet"),
            Self::Zone(zone) => write!(f, "all of {zone}"),
            Self::Service(name) => f.write_str(name),
            Self::Panels(zone) => write!(f, "panels in {zone}"),
            Self::Offer(device) => write!(f, "what {device} offers"),
            Self::App(app) => app.fmt(f),
        }
    }
}

impl Opening {
    /// In words: "cameras to milos at tcp/8554".
    pub fn words(&self, lab: &Lab) -> String {
        let exception = lab.exceptions.get(&self.name);
        let parties =
            exception.map(|exception| format!("{} to {}", exception.from, exception.to)).unwrap_or_default();
        match self.ports.as_slice() {
            [] => parties,
            ports => format!(
                "{parties} at {}",
                ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
        }
    }
}
