//! What the proxy does with which name, and the certificates that it needs.

use std::net::IpAddr;

use super::Stacks;
use super::names::{app_domain, machine_addresses, service_addresses};
use crate::model::{App, CertificateSource, Challenge, Lab, Login, ServiceName};
use crate::names::{AppName, Label, MachineName};
use crate::read::At;
use crate::source::Span;
use crate::value::Domain;

/// What the proxy does with a name.
#[derive(Clone, Debug)]
pub struct Route {
    /// The name.
    pub host: Domain,
    /// What it leads to.
    pub to: RouteTo,
    /// Where that is.
    pub backend: Backend,
    /// Who asks people who they are.
    pub login: Login,
    /// The groups that may pass; none means everyone who may log in.
    pub groups: Vec<Label>,
    /// Whether the internet may use it.
    pub is_published: bool,
    /// The machines that the proxy runs on, in their order.
    pub proxies: Vec<MachineName>,
    /// The places that it came from.
    pub from: Vec<Span>,
}

/// What a route leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteTo {
    /// An app.
    App(AppName),
    /// The login page.
    Auth,
    /// The start page.
    Portal,
}

/// Where requests are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The machine.
    pub machine: MachineName,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// What answers there.
    pub port: BackendPort,
}

/// What answers on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendPort {
    /// A port of a container, which takes none of the machine.
    Container {
        /// The service of the compose file.
        service: String,
        /// The port inside.
        port: u16,
    },
    /// A port of the machine.
    Machine(u16),
    /// Polis itself.
    Polis,
    /// Nobody knows: a fault has said so.
    Unknown,
}

/// A certificate that the proxy needs.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The names in it; a wildcard begins with `*.`.
    pub names: Vec<String>,
    /// The authority.
    pub source: CertificateSource,
    /// How it is shown that the names are ours.
    pub challenge: Challenge,
    /// The places that it came from.
    pub from: Vec<Span>,
}

/// All routes, in the order of their names; none without a proxy.
pub(super) fn routes(lab: &Lab, stacks: &Stacks) -> Vec<Route> {
    let Some(proxy) = &lab.proxy else { return Vec::new() };
    let proxies: Vec<MachineName> = proxy.on.iter().map(|machine| machine.value().clone()).collect();
    let mut routes: Vec<Route> =
        lab.apps.iter().filter_map(|(name, app)| app_route(lab, stacks, name, app, &proxies)).collect();
    let placed = lab.placed();
    if let (Some(auth), Some(on)) =
        (&lab.auth, placed.iter().find(|placed| placed.service == ServiceName::Auth))
    {
        let machine = on.on.first().map(|machine| machine.value().clone());
        routes.extend(machine.map(|machine| Route {
            host: lab.name_of(auth.host.as_str()),
            to: RouteTo::Auth,
            backend: Backend { machine, addresses: service_addresses(lab, on), port: BackendPort::Polis },
            login: Login::None,
            groups: Vec::new(),
            is_published: routes_need_login_outside(lab),
            proxies: proxies.clone(),
            from: vec![auth.span()],
        }));
    }
    if let Some(machine) = proxies.first() {
        let host = lab.portal.as_ref().and_then(|portal| portal.host.as_ref());
        routes.push(Route {
            host: lab.name_of(host.map_or("", |host| host.as_str())),
            to: RouteTo::Portal,
            backend: Backend {
                machine: machine.clone(),
                addresses: machine_addresses(lab, machine.as_str()),
                port: BackendPort::Polis,
            },
            login: if lab.auth.is_some() { Login::Lab } else { Login::None },
            groups: Vec::new(),
            is_published: false,
            proxies: proxies.clone(),
            from: vec![lab.portal.as_ref().map_or(lab.lab.domain.span(), At::span), proxy.span()],
        });
    }
    routes.sort_by(|a, b| a.host.cmp(&b.host));
    routes
}

/// Whether somebody outside can be sent to the login page.
fn routes_need_login_outside(lab: &Lab) -> bool {
    let serves = lab.apps.iter().filter_map(|(_, app)| app.serve.as_ref());
    serves.into_iter().any(|serve| *serve.published && serve.login.needs_auth())
}

fn app_route(
    lab: &Lab,
    stacks: &Stacks,
    name: &AppName,
    app: &At<App>,
    proxies: &[MachineName],
) -> Option<Route> {
    let serve = app.serve.as_ref()?;
    let mut from = vec![serve.span(), app.on.span()];
    from.extend(lab.proxy.as_ref().map(At::span));
    Some(Route {
        host: app_domain(lab, name, app)?,
        to: RouteTo::App(name.clone()),
        backend: Backend {
            machine: app.on.value().clone(),
            addresses: machine_addresses(lab, app.on.as_str()),
            port: backend_port(stacks, name, app),
        },
        login: *serve.login,
        groups: serve
            .r#for
            .iter()
            .flat_map(|groups| groups.iter().map(|group| group.value().clone()))
            .collect(),
        is_published: *serve.published,
        proxies: proxies.to_vec(),
        from,
    })
}

fn backend_port(stacks: &Stacks, name: &AppName, app: &App) -> BackendPort {
    let port = app.serve.as_ref().and_then(|serve| serve.port.as_ref());
    let port = port.and_then(|port| u16::try_from(port.0).ok());
    match (&app.stack, port) {
        (None, Some(port)) => BackendPort::Machine(port),
        (None, None) => BackendPort::Unknown,
        (Some(_), port) => {
            let Some((service, found)) = stacks.get(name).and_then(|compose| compose.serving(app)) else {
                return BackendPort::Unknown;
            };
            let only = match found.inside.as_slice() {
                [only] => Some(*only),
                _ => None,
            };
            match port.or(only) {
                Some(port) => BackendPort::Container { service: service.to_owned(), port },
                None => BackendPort::Unknown,
            }
        }
    }
}

/// One wildcard for the lab's domain where the challenge allows it, and one certificate for each name beside.
pub(super) fn certificates(lab: &Lab, routes: &[Route]) -> Vec<Certificate> {
    let Some(proxy) = &lab.proxy else { return Vec::new() };
    let own = proxy.certificates.as_ref();
    let source = own.map_or(CertificateSource::Lab, |own| *own.from);
    let challenge = own.map_or(Challenge::Http, |own| *own.challenge);
    let from = own.map_or(proxy.span(), At::span);
    let wildcard_allowed = challenge == Challenge::Dns || source == CertificateSource::Lab;
    let certificate = |names: Vec<String>, from: Vec<Span>| Certificate { names, source, challenge, from };
    let domain = lab.lab.domain.value();
    let under_wildcard = |host: &Domain| host == domain || is_one_label_under(host, domain);
    let mut certificates = Vec::new();
    if wildcard_allowed && routes.iter().any(|route| under_wildcard(&route.host)) {
        certificates.push(certificate(
            vec![domain.to_string(), format!("*.{domain}")],
            vec![from, lab.lab.domain.span()],
        ));
    }
    for route in routes.iter().filter(|route| !(wildcard_allowed && under_wildcard(&route.host))) {
        let place = route.from.first().copied().unwrap_or(from);
        certificates.push(certificate(vec![route.host.to_string()], vec![from, place]));
    }
    certificates
}

fn is_one_label_under(host: &Domain, domain: &Domain) -> bool {
    host.as_str()
        .strip_suffix(domain.as_str())
        .and_then(|rest| rest.strip_suffix('.'))
        .is_some_and(|label| !label.contains('.'))
}
