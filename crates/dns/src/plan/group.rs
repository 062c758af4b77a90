//! Servers that are asked together, as the lab file names them, and who of them is asked for which name.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use lab::model::{Dns, UpstreamMode};
use lab::read::At;
use lab::value::{Upstream, UpstreamLine};

use super::{PORT, is_local};
use crate::upstream::{self, Asked, Host, Line};
use crate::wire::{Name, kind};

/// Who looks up the names of encrypted upstreams where the lab names no plain server.
const BOOTSTRAP: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9)), IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1))];

/// Servers that are asked together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The policy that it is for; empty for everybody.
    pub name: String,
    /// Whom to ask for what.
    pub lines: Vec<UpstreamLine>,
    /// Which of several.
    pub mode: UpstreamMode,
    /// Who is asked when nobody had an answer.
    pub fallback: Vec<Upstream>,
    /// How long a question may take.
    pub timeout: Duration,
    /// Who is asked for which name, or why that can not be followed.
    pub(crate) asks: Result<upstream::Group, String>,
}

impl Group {
    /// Those that are asked for a name.
    fn asked(&self, name: &Name, kind: u16) -> Option<upstream::Chosen<'_>> {
        self.asks.as_ref().ok().map(|group| group.chosen(name.wire(), kind))
    }

    /// Whether they are named for just this name, or a domain that it is in.
    pub(super) fn is_named_for(&self, name: &Name) -> bool {
        self.asked(name, kind::A).is_some_and(|asked| asked.is_named)
    }

    /// Whether a name is asked only of servers inside that are named for it: what these say of it may be private, and is
    /// nowhere signed.
    pub(crate) fn is_inner_for(&self, name: &Name, kind: u16) -> bool {
        let is_inner = |host: &Host| matches!(host, Host::Address(address) if is_local(*address));
        self.asked(name, kind)
            .is_some_and(|asked| asked.is_named && asked.servers().all(|server| is_inner(&server.host)))
    }

    /// The servers that are asked for a name, as they are written.
    pub(crate) fn words_for(&self, name: &Name, kind: u16) -> Vec<String> {
        let asked = self.asked(name, kind);
        asked.iter().flat_map(upstream::Chosen::servers).map(|server| server.written.to_string()).collect()
    }
}

/// The upstreams of everybody, or of one policy.
pub(super) fn group(name: &str, lines: &[At<UpstreamLine>], dns: &Dns) -> Group {
    let own: Vec<SocketAddr> = match &dns.bootstrap {
        Some(servers) => servers.iter().filter_map(|server| server.kind.plain()).collect(),
        None => {
            let lines = dns.upstreams.iter().filter(|line| line.domains.is_empty());
            lines.flat_map(|line| line.servers.iter()).filter_map(|server| server.kind.plain()).collect()
        }
    };
    let bootstrap = match own.is_empty() {
        true => BOOTSTRAP.iter().map(|address| SocketAddr::new(*address, PORT)).collect(),
        false => own,
    };
    Group {
        name: name.to_owned(),
        lines: lines.iter().map(|line| line.value().clone()).collect(),
        mode: *dns.mode,
        fallback: dns.fallback.iter().map(|server| server.value().clone()).collect(),
        timeout: Duration::from_millis(dns.timeout.approximate_millis()),
        asks: asks(lines, dns, &bootstrap),
    }
}

fn asks(lines: &[At<UpstreamLine>], dns: &Dns, bootstrap: &[SocketAddr]) -> Result<upstream::Group, String> {
    let lines: Result<Vec<Option<Line>>, _> =
        lines.iter().map(|line| Line::parse(&line.value().to_string())).collect();
    let servers = |texts: Vec<String>| -> Result<Vec<upstream::Upstream>, String> {
        texts.iter().map(|text| upstream::Upstream::parse(text).map_err(|fault| fault.to_string())).collect()
    };
    let asked = Asked {
        lines: lines.map_err(|fault| fault.to_string())?.into_iter().flatten().collect(),
        mode: match *dns.mode {
            UpstreamMode::Order => upstream::Mode::Order,
            UpstreamMode::Parallel => upstream::Mode::Parallel,
            UpstreamMode::Fastest => upstream::Mode::Fastest,
            UpstreamMode::LoadBalance => upstream::Mode::LoadBalance,
        },
        fallback: servers(dns.fallback.iter().map(|server| server.value().to_string()).collect())?,
        bootstrap: servers(bootstrap.iter().map(ToString::to_string).collect())?,
        timeout: Some(Duration::from_millis(dns.timeout.approximate_millis())),
    };
    upstream::Group::new(&asked).map_err(|fault| fault.to_string())
}
