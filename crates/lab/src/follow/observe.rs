//! What is looked at: probes, logs, measurements, and the tiles of the start page.

use std::net::IpAddr;

use super::names::{app_domain, machine_addresses, service_addresses};
use crate::model::{App, Lab, ServiceName};
use crate::names::{AppName, Label, MachineName};
use crate::read::At;
use crate::source::Span;
use crate::value::Duration;

/// How often things are probed for which the lab file says nothing.
const PROBE_EVERY: Duration = Duration::seconds(60);

/// A look at something, time and again.
#[derive(Clone, Debug)]
pub struct Probe {
    /// What it is of.
    pub of: ProbeOf,
    /// What is done.
    pub how: Probing,
    /// How often.
    pub every: Duration,
    /// The machines that look.
    pub by: Vec<MachineName>,
    /// The places that it came from.
    pub from: Vec<Span>,
}

/// What a probe is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeOf {
    /// A machine.
    Machine(MachineName),
    /// A router, a switch or an access point.
    Gear(String),
    /// An app.
    App(AppName),
    /// A service of the lab.
    Service(ServiceName),
    /// An entry of `[watch.probes]`.
    Entry(Label),
    /// An entry of `[watch.pushes]`.
    Push(Label),
}

/// What a probe does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probing {
    /// It asks these addresses for an echo.
    Ping(Vec<IpAddr>),
    /// It asks a host for an echo, by its name.
    PingName(String),
    /// It fetches a page, which may have to hold a text.
    Http {
        /// The page.
        url: String,
        /// The text.
        expect: Option<String>,
    },
    /// It opens a port.
    Tcp(String),
    /// It asks these name servers for a name.
    Dns {
        /// The name servers; none means the lab's own.
        servers: Vec<IpAddr>,
        /// The name.
        name: String,
    },
    /// It waits to be told, at most this much longer than the interval.
    Wait(Duration),
}

/// Where logs come from.
#[derive(Clone, Debug)]
pub struct LogSource {
    /// What writes them.
    pub of: LogFrom,
    /// The machines that they go to, in their order.
    pub to: Vec<MachineName>,
    /// The places that it came from.
    pub from: Vec<Span>,
}

/// What writes logs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogFrom {
    /// The journal of a machine.
    Journal(MachineName),
    /// The containers of an app.
    App(AppName),
    /// A router, a switch or an access point, by syslog.
    Syslog(String),
}

/// Where measurements come from.
#[derive(Clone, Debug)]
pub struct MetricSource {
    /// What is measured.
    pub of: MetricFrom,
    /// The machines that collect them, in their order.
    pub to: Vec<MachineName>,
    /// The places that it came from.
    pub from: Vec<Span>,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricFrom {
    /// A machine: processor, memory, disks, network.
    Machine(MachineName),
    /// The containers of an app.
    App(AppName),
    /// An entry of `[metrics.scrape]`, and its target.
    Scrape(Label, String),
}

/// A tile of the start page.
#[derive(Clone, Debug)]
pub struct Tile {
    /// The app.
    pub app: AppName,
    /// The heading that it stands under.
    pub group: String,
    /// What it is called.
    pub title: String,
    /// Where it leads.
    pub url: String,
    /// Its picture.
    pub icon: Option<String>,
    /// Who sees it; none means everyone.
    pub groups: Vec<Label>,
    /// The places that it came from.
    pub from: Vec<Span>,
}

fn owned(on: &[At<MachineName>]) -> Vec<MachineName> {
    on.iter().map(|machine| machine.value().clone()).collect()
}

/// All probes; none without `[watch]`.
pub(super) fn probes(lab: &Lab) -> Vec<Probe> {
    let Some(watch) = &lab.watch else { return Vec::new() };
    let by = owned(&watch.on);
    let mut probes = Vec::new();
    let mut add = |of: ProbeOf, how: Probing, from: Vec<Span>| {
        probes.push(Probe { of, how, every: PROBE_EVERY, by: by.clone(), from });
    };
    for (name, machine) in &lab.machines {
        let addresses = machine_addresses(lab, name.as_str());
        if !addresses.is_empty() {
            add(ProbeOf::Machine(name.clone()), Probing::Ping(addresses), vec![machine.span()]);
        }
    }
    for (name, router) in &lab.routers {
        let addresses = lab.addresses_of_router(router).into_iter().next().map(|(_, addresses)| addresses);
        if let Some(addresses) = addresses {
            add(ProbeOf::Gear(name.to_string()), Probing::Ping(addresses), vec![router.span()]);
        }
    }
    let switches = lab.switches.iter().map(|(name, switch)| (name.to_string(), &switch.address));
    let access_points = lab.access_points.iter().map(|(name, point)| (name.to_string(), &point.address));
    for (name, address) in switches.chain(access_points) {
        if let Some(address) = address {
            add(ProbeOf::Gear(name), Probing::Ping(vec![address.0]), vec![address.span()]);
        }
    }
    if let Some(dns) = lab.placed().iter().find(|placed| placed.service == ServiceName::Dns) {
        let how = Probing::Dns { servers: service_addresses(lab, dns), name: lab.lab.domain.to_string() };
        add(ProbeOf::Service(ServiceName::Dns), how, vec![dns.span]);
    }
    for (name, app) in &lab.apps {
        let Some((url, from)) = app_url(lab, name, app) else { continue };
        let of = ProbeOf::App(name.clone());
        add(of, Probing::Http { url, expect: None }, vec![from]);
    }
    outside(lab, &mut probes);
    entries(lab, &mut probes);
    probes
}

/// What is published is also looked at by the machines outside.
fn outside(lab: &Lab, probes: &mut [Probe]) {
    let Some(watch) = &lab.watch else { return };
    for probe in probes {
        if let ProbeOf::App(app) = &probe.of
            && lab.apps.get(app).and_then(|app| app.serve.as_ref()).is_some_and(|serve| *serve.published)
        {
            probe.by.extend(owned(&watch.from));
        }
    }
}

fn entries(lab: &Lab, probes: &mut Vec<Probe>) {
    let Some(watch) = &lab.watch else { return };
    let by = owned(&watch.on);
    for (name, entry) in &watch.probes {
        let how = if let Some(url) = &entry.http {
            let expect = entry.expect.as_ref().map(ToString::to_string);
            Probing::Http { url: url.to_string(), expect }
        } else if let Some(host) = &entry.ping {
            match host.as_str().parse() {
                Ok(address) => Probing::Ping(vec![address]),
                Err(_) => Probing::PingName(host.to_string()),
            }
        } else if let Some(endpoint) = &entry.tcp {
            Probing::Tcp(endpoint.to_string())
        } else if let Some(name) = &entry.dns {
            Probing::Dns { servers: Vec::new(), name: name.to_string() }
        } else {
            continue;
        };
        let of = ProbeOf::Entry(name.clone());
        probes.push(Probe { of, how, every: *entry.every, by: by.clone(), from: vec![entry.span()] });
    }
    for (name, push) in &watch.pushes {
        let of = ProbeOf::Push(name.clone());
        let how = Probing::Wait(*push.grace);
        probes.push(Probe { of, how, every: *push.every, by: by.clone(), from: vec![push.span()] });
    }
}

/// Where an app is reached, and the place that says so.
pub(crate) fn app_url(lab: &Lab, name: &AppName, app: &App) -> Option<(String, Span)> {
    let serve = app.serve.as_ref()?;
    if let Some(url) = &serve.url {
        return Some((url.to_string(), url.span()));
    }
    let host = app_domain(lab, name, app)?;
    match (&lab.proxy, &serve.port) {
        (Some(_), _) => Some((format!("https://{host}"), serve.span())),
        (None, Some(port)) => Some((format!("http://{host}:{port}"), serve.span())),
        (None, None) => None,
    }
}

/// All sources of logs; none without `[logs]`.
pub(super) fn logs(lab: &Lab) -> Vec<LogSource> {
    let Some(logs) = &lab.logs else { return Vec::new() };
    let to = owned(&logs.on);
    let mut sources = Vec::new();
    let mut add = |of: LogFrom, span: Span| {
        sources.push(LogSource { of, to: to.clone(), from: vec![span, logs.span()] });
    };
    for (name, machine) in lab.machines.iter().filter(|(_, machine)| *machine.agent) {
        add(LogFrom::Journal(name.clone()), machine.span());
    }
    for (name, app) in &lab.apps {
        if let Some(stack) = &app.stack {
            add(LogFrom::App(name.clone()), stack.span());
        }
    }
    if *logs.syslog {
        let gear = lab.routers.iter().map(|(name, router)| (name.to_string(), router.span()));
        let gear = gear.chain(lab.switches.iter().map(|(name, switch)| (name.to_string(), switch.span())));
        let gear = gear.chain(lab.access_points.iter().map(|(name, point)| (name.to_string(), point.span())));
        for (name, span) in gear {
            add(LogFrom::Syslog(name), span);
        }
    }
    sources
}

/// All sources of measurements; none without `[metrics]`.
pub(super) fn metrics(lab: &Lab) -> Vec<MetricSource> {
    let Some(metrics) = &lab.metrics else { return Vec::new() };
    let to = owned(&metrics.on);
    let mut sources = Vec::new();
    let mut add = |of: MetricFrom, span: Span| {
        sources.push(MetricSource { of, to: to.clone(), from: vec![span, metrics.span()] });
    };
    for (name, machine) in lab.machines.iter().filter(|(_, machine)| *machine.agent) {
        add(MetricFrom::Machine(name.clone()), machine.span());
    }
    for (name, app) in &lab.apps {
        if let Some(stack) = &app.stack {
            add(MetricFrom::App(name.clone()), stack.span());
        }
    }
    for (name, scrape) in &metrics.scrape {
        add(MetricFrom::Scrape(name.clone(), scrape.target.to_string()), scrape.span());
    }
    sources
}

/// All tiles, by group and title.
pub(super) fn tiles(lab: &Lab) -> Vec<Tile> {
    let mut tiles = Vec::new();
    for (name, app) in &lab.apps {
        let (Some((url, place)), Some(serve)) = (app_url(lab, name, app), &app.serve) else { continue };
        let tile = app.tile.as_ref();
        let title = tile.and_then(|tile| tile.title.as_ref()).map(ToString::to_string);
        tiles.push(Tile {
            app: name.clone(),
            group: tile.map_or("Apps".to_owned(), |tile| tile.group.to_string()),
            title: title.unwrap_or_else(|| title_of(name.as_str())),
            url,
            icon: tile.and_then(|tile| tile.icon.as_ref()).map(ToString::to_string),
            groups: serve
                .r#for
                .iter()
                .flat_map(|groups| groups.iter().map(|group| group.value().clone()))
                .collect(),
            from: std::iter::once(place).chain(tile.map(At::span)).collect(),
        });
    }
    tiles.sort_by(|a, b| (&a.group, &a.title).cmp(&(&b.group, &b.title)));
    tiles
}

/// "home-assistant" as people write it: "Home assistant".
fn title_of(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).map(|c| if c == '-' { ' ' } else { c }).collect()
}
