//! Questions to a lab that need more than one table.

use std::net::IpAddr;

use super::{Device, Lab, Machine, Order, Router, Zone};
use crate::names::{
    AppName, DeviceName, MachineName, PartyName, PersonName, RouterName, ZoneName, why_no_label,
};
use crate::read::At;
use crate::source::Span;
use crate::value::{Address, Domain, Mac, Power};

/// What a name on either side of a rule stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// Everything outside the lab.
    Internet,
    /// A network and all that is in it.
    Zone(ZoneName),
    /// A machine.
    Machine(MachineName),
    /// A device.
    Device(DeviceName),
    /// A router, a switch or an access point.
    Gear(String),
    /// An app.
    App(AppName),
}

/// A service of the lab: its name is that of its table, its crate and its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceName {
    /// Name servers.
    Dns,
    /// The reverse proxy.
    Proxy,
    /// The login page.
    Auth,
    /// Measurements.
    Metrics,
    /// Logs.
    Logs,
    /// Probes.
    Watch,
    /// Copies.
    Backup,
    /// Access from outside.
    Vpn,
    /// Audited SSH.
    Bastion,
    /// Copies of git repositories.
    GitMirrors,
    /// Routers, switches, tunnels and policy.
    Network,
    /// Compose stacks.
    Apps,
    /// The start page.
    Portal,
}

impl ServiceName {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Dns,
        Self::Proxy,
        Self::Auth,
        Self::Metrics,
        Self::Logs,
        Self::Watch,
        Self::Backup,
        Self::Vpn,
        Self::Bastion,
        Self::GitMirrors,
        Self::Network,
        Self::Apps,
        Self::Portal,
    ];

    /// Its name in the lab file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Proxy => "proxy",
            Self::Auth => "auth",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::Watch => "watch",
            Self::Backup => "backup",
            Self::Vpn => "vpn",
            Self::Bastion => "bastion",
            Self::GitMirrors => "git-mirrors",
            Self::Network => "network",
            Self::Apps => "apps",
            Self::Portal => "portal",
        }
    }
}

impl std::fmt::Display for ServiceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// A service that runs on an order of machines.
#[derive(Clone, Debug)]
pub struct Placed<'l> {
    /// Which service.
    pub service: ServiceName,
    /// Where its table stands.
    pub span: Span,
    /// Its machines, the first serves.
    pub on: &'l [At<MachineName>],
    /// The address that moves between them.
    pub address: Option<&'l At<Address>>,
}

/// Whom a policy of the name servers is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Who<'l> {
    /// All of a zone.
    Zone(&'l ZoneName),
    /// A network.
    Network(ipnet::IpNet),
    /// An address.
    Address(IpAddr),
    /// Whatever has this MAC address.
    Mac(Mac),
    /// A device, by its addresses and its MAC address.
    Device(&'l DeviceName),
    /// A machine, by its addresses.
    Machine(&'l MachineName),
    /// A person: their devices, the zones that are theirs alone, and what they are known by.
    Person(&'l PersonName),
    /// A client that says this name over TLS or HTTPS.
    Id(String),
}

impl Lab {
    /// Whom a word in the `who` of a policy means.
    pub fn who<'l>(&'l self, word: &str) -> Option<Who<'l>> {
        if let Some(id) = word.strip_prefix("id:") {
            return why_no_label(id).is_none().then(|| Who::Id(id.to_owned()));
        }
        let named = self.zones.key(word).map(Who::Zone);
        let named = named.or_else(|| self.devices.key(word).map(Who::Device));
        let named = named.or_else(|| self.machines.key(word).map(Who::Machine));
        let named = named.or_else(|| self.people.key(word).map(Who::Person));
        let address = || word.parse().ok().map(Who::Address);
        let network = || word.parse::<ipnet::IpNet>().ok().map(|net| Who::Network(net.trunc()));
        named.or_else(address).or_else(network).or_else(|| Mac::parse(word).map(Who::Mac))
    }

    /// The full name of `host` in the lab's domain; of an empty host, the domain.
    pub fn name_of(&self, host: &str) -> Domain {
        self.lab.domain.under(host)
    }

    /// The zone whose network holds the address.
    pub fn zone_at(&self, address: IpAddr) -> Option<(&ZoneName, &At<Zone>)> {
        self.zones.iter().find(|(_, zone)| zone.holds(address))
    }

    /// The zone of a machine: the one that it names, or the one that holds its address.
    pub fn zone_of<'l>(&'l self, machine: &'l Machine) -> Option<&'l ZoneName> {
        self.named_or_holding(
            machine.zone.as_ref(),
            machine.address.as_deref().map(|addresses| &addresses[..]),
        )
    }

    /// The zone of a device, likewise.
    pub fn zone_of_device<'l>(&'l self, device: &'l Device) -> Option<&'l ZoneName> {
        self.named_or_holding(device.zone.as_ref(), device.address.as_deref().map(|addresses| &addresses[..]))
    }

    fn named_or_holding<'l>(
        &'l self,
        zone: Option<&'l At<ZoneName>>,
        addresses: Option<&'l [At<Address>]>,
    ) -> Option<&'l ZoneName> {
        match zone {
            Some(zone) => Some(zone),
            None => addresses?.iter().find_map(|address| self.zone_at(address.0)).map(|(name, _)| name),
        }
    }

    /// The zone of a machine, by its name.
    pub fn zone_of_machine(&self, machine: &str) -> Option<&ZoneName> {
        self.machines.get(machine).and_then(|machine| self.zone_of(machine))
    }

    /// The site of a machine: that of its zone, or of the zone of what it is a guest of.
    pub fn site_of_machine(&self, machine: &str) -> Option<&str> {
        let zone = self.zones.get(self.zone_of_machine(machine)?)?;
        Some(zone.site.as_str()).filter(|_| zone.site.is_known())
    }

    /// The machine of metal that a machine is in the end: itself, its host, the host of its host.
    /// `None` if it is a guest of itself.
    pub fn metal_of<'l>(&'l self, machine: &'l str) -> Option<&'l str> {
        let mut at = machine;
        for _ in 0..=self.machines.len() {
            match self.machines.get(at).and_then(|machine| machine.guest_of.as_ref()) {
                Some(host) => at = host.as_str(),
                None => return Some(at),
            }
        }
        None
    }

    /// The zones that a router joins: those of its site that are behind no tunnel of their own.
    pub fn zones_of_router<'l>(
        &'l self,
        router: &'l Router,
    ) -> impl Iterator<Item = (&'l ZoneName, &'l At<Zone>)> {
        self.zones.iter().filter(|(_, zone)| zone.site.is_known() && zone.site == router.site)
    }

    /// What a name in a rule stands for; `None` if it is nothing that could be read.
    pub fn party(&self, name: &PartyName) -> Option<Party> {
        self.party_named(name.as_str())
    }

    /// What a name in a rule stands for; `None` if it is nothing that could be read.
    pub fn party_named(&self, name: &str) -> Option<Party> {
        let own = |found: bool| found.then(|| name.to_owned());
        if name == "internet" {
            return Some(Party::Internet);
        }
        let zone = self.zones.key(name).map(|zone| Party::Zone(zone.clone()));
        let machine = || self.machines.key(name).map(|machine| Party::Machine(machine.clone()));
        let device = || self.devices.key(name).map(|device| Party::Device(device.clone()));
        let app = || self.apps.key(name).map(|app| Party::App(app.clone()));
        if let Some(party) = zone.or_else(machine).or_else(device).or_else(app) {
            return Some(party);
        }
        own(self.routers.contains(name) || self.switches.contains(name) || self.access_points.contains(name))
            .map(Party::Gear)
    }

    /// The zone that a party is in; of an app, that of its machine. `None` for the internet and for gear.
    pub fn zone_of_party(&self, party: &Party) -> Option<&ZoneName> {
        match party {
            Party::Zone(zone) => self.zones.key(zone),
            Party::Machine(machine) => self.zone_of_machine(machine.as_str()),
            Party::Device(device) => self.devices.get(device).and_then(|device| self.zone_of_device(device)),
            Party::App(app) => self.zone_of_machine(self.apps.get(app)?.on.as_str()),
            Party::Internet | Party::Gear(_) => None,
        }
    }

    /// The addresses of a router: its gateway in every zone of its site, in the order of the zones' VLANs.
    pub fn addresses_of_router<'l>(&'l self, router: &'l Router) -> Vec<(&'l ZoneName, Vec<IpAddr>)> {
        let mut zones: Vec<_> =
            self.zones_of_router(router).filter(|(_, zone)| zone.members.is_empty()).collect();
        zones.sort_by_key(|(name, zone)| (zone.vlan.as_ref().map_or(i64::MAX, |vlan| vlan.0), *name));
        zones.into_iter().map(|(name, zone)| (name, zone.gateways())).collect()
    }

    /// The router of a site, the first if there are several.
    pub fn router_of_site(&self, site: &str) -> Option<(&RouterName, &At<Router>)> {
        self.routers.iter().find(|(_, router)| router.site.as_str() == site)
    }

    /// The machines whose power counts towards the lab's, and what each uses: those of the sites that the budget names,
    /// or of all that no provider has.
    pub fn powered(&self) -> Vec<(&MachineName, Power)> {
        let sites = self.lab.power.as_ref().and_then(|limit| limit.sites.as_ref());
        let counts = |machine: &MachineName| match (self.site_of_machine(machine.as_str()), sites) {
            (None, _) => true,
            (Some(site), Some(sites)) => sites.iter().any(|own| own.as_str() == site),
            (Some(site), None) => self.sites.get(site).is_none_or(|site| site.provider.is_none()),
        };
        let power = |machine: &Machine| machine.hardware.as_ref()?.power.as_ref().map(|power| **power);
        let machines = self.machines.iter().filter(|(name, _)| counts(name));
        machines.filter_map(|(name, machine)| Some((name, power(machine)?))).collect()
    }

    /// Every service that runs on an order of machines, in the order of the lab file's documentation.
    pub fn placed(&self) -> Vec<Placed<'_>> {
        fn row<'l>(
            service: ServiceName,
            span: Span,
            on: &'l Order,
            address: Option<&'l At<Address>>,
        ) -> Placed<'l> {
            Placed { service, span, on, address }
        }
        let mut placed = Vec::new();
        macro_rules! orders {
            ($($field:ident => $service:ident),+ $(,)?) => { $(
                if let Some(table) = &self.$field {
                    placed.push(row(ServiceName::$service, table.span(), &table.on, table.address.as_ref()));
                }
            )+ };
        }
        orders!(dns => Dns, proxy => Proxy, auth => Auth, metrics => Metrics, logs => Logs, watch => Watch, vpn => Vpn, bastion => Bastion);
        if let Some(backup) = &self.backup {
            let on = std::slice::from_ref(&backup.on);
            placed.push(Placed { service: ServiceName::Backup, span: backup.span(), on, address: None });
        }
        placed
    }
}
