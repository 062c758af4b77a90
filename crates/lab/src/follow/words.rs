//! What follows, in words: for explanations, tables and snapshots.

use std::fmt::{Display, Formatter, Result};

use super::{Answer, Backend, BackendPort, LogFrom, MetricFrom, Owner, ProbeOf, Probing, RouteTo};

fn listed<T: Display>(values: &[T]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Addresses(addresses) => f.write_str(&listed(addresses)),
            Self::Alias(name) => write!(f, "what {name} is"),
        }
    }
}

impl Display for Owner {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Machine(name) => write!(f, "machine {name}"),
            Self::Device(name) => write!(f, "device {name}"),
            Self::Router(name) => write!(f, "router {name}"),
            Self::Gear(name) => f.write_str(name),
            Self::App(name) => write!(f, "app {name}"),
            Self::Service(name) => write!(f, "service {name}"),
            Self::Rewrite => f.write_str("rewrite"),
        }
    }
}

impl Display for RouteTo {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::App(name) => write!(f, "app {name}"),
            Self::Auth => f.write_str("login page"),
            Self::Portal => f.write_str("start page"),
        }
    }
}

impl Display for Backend {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.port {
            BackendPort::Container { service, port } => {
                write!(f, "port {port} of the container `{service}` on {}", self.machine)
            }
            BackendPort::Machine(port) => write!(f, "port {port} of {}", self.machine),
            BackendPort::Polis => write!(f, "Polis on {}", self.machine),
            BackendPort::Unknown => write!(f, "an unknown port of {}", self.machine),
        }
    }
}

impl Display for ProbeOf {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Machine(name) => write!(f, "machine {name}"),
            Self::Gear(name) => f.write_str(name),
            Self::App(name) => write!(f, "app {name}"),
            Self::Service(name) => write!(f, "service {name}"),
            Self::Entry(name) => write!(f, "probe {}", name.as_str()),
            Self::Push(name) => write!(f, "push {}", name.as_str()),
        }
    }
}

impl Display for Probing {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Ping(addresses) => write!(f, "ping {}", listed(addresses)),
            Self::PingName(name) => write!(f, "ping {name}"),
            Self::Http { url, expect: None } => write!(f, "fetch {url}"),
            Self::Http { url, expect: Some(text) } => write!(f, "fetch {url} and find “{text}”"),
            Self::Tcp(endpoint) => write!(f, "connect to {endpoint}"),
            Self::Dns { servers, name } if servers.is_empty() => write!(f, "look up {name}"),
            Self::Dns { servers, name } => write!(f, "ask {} for {name}", listed(servers)),
            Self::Wait(grace) => write!(f, "wait to be told, {grace} of grace"),
        }
    }
}

impl Display for LogFrom {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Journal(name) => write!(f, "journal of {name}"),
            Self::App(name) => write!(f, "containers of {name}"),
            Self::Syslog(name) => write!(f, "syslog of {name}"),
        }
    }
}

impl Display for MetricFrom {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Machine(name) => write!(f, "machine {name}"),
            Self::App(name) => write!(f, "containers of {name}"),
            Self::Scrape(name, target) => write!(f, "{} at {target}", name.as_str()),
        }
    }
}
