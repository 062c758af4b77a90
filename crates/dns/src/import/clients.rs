//! Clients with settings of their own become policies; those that only have a name become devices, as do the
//! addresses that the DHCP server has promised.

use std::net::IpAddr;

use ipnet::IpNet;
use lab::counted;
use lab::print::Toml;
use lab::value::Mac;

use super::filters::{Services, blocked_services, put_words, safe_search};
use super::names::Names;
use super::print::{Table, one_or_many, texts};
use super::report::Report;
use super::schedule::Hours;
use super::section::{Dropped, Section};
use super::{shown, upstreams, yaml};

/// The most clients and the most leases that are carried over.
const MAX_CLIENTS: usize = 10_000;

/// What holds for everybody, as far as clients may differ from it.
#[derive(Debug)]
pub(super) struct Everybody {
    pub(super) services: Services,
    pub(super) safe_search: Vec<String>,
}

/// Policies and devices on their way to the lab file.
#[derive(Debug, Default)]
pub(super) struct People {
    pub(super) policies: Vec<Table>,
    devices: Vec<Device>,
    policy_names: Names,
    device_names: Names,
}

#[derive(Debug)]
struct Device {
    name: String,
    title: String,
    mac: Option<Mac>,
    addresses: Vec<IpAddr>,
}

impl People {
    /// The policy for services that are blocked for everybody at certain hours.
    pub(super) fn everybody(&mut self, everybody: &Everybody) {
        let Hours::Within(windows) = &everybody.services.hours else { return };
        if everybody.services.ids.is_empty() {
            return;
        }
        let mut table = Table::new(["dns", "policies", &self.policy_names.name("everybody", "policy")]);
        table.put("who", texts(["0.0.0.0/0", "::/0"]));
        put_words(&mut table, "services", &everybody.services.ids);
        table.put("when", one_or_many(windows.clone()));
        self.policies.push(table);
    }

    /// The tables of devices, in the order of their names.
    pub(super) fn devices(&mut self, report: &mut Report) -> Vec<Table> {
        self.devices.sort_by(|one, other| one.name.cmp(&other.name));
        report.carried("devices", self.devices.len());
        self.devices.iter().map(Device::table).collect()
    }

    fn device(&mut self, title: &str, mac: Option<Mac>, addresses: Vec<IpAddr>) {
        let known = |device: &&mut Device| {
            (mac.is_some() && device.mac == mac)
                || device.addresses.iter().any(|known| addresses.contains(known))
        };
        if let Some(device) = self.devices.iter_mut().find(known) {
            device.mac = device.mac.or(mac);
            let more = addresses.into_iter().filter(|address| !device.addresses.contains(address));
            let more: Vec<IpAddr> = more.collect();
            device.addresses.extend(more);
            return;
        }
        let name = self.device_names.name(title, "device");
        self.devices.push(Device { name, title: shown(title), mac, addresses });
    }
}

impl Device {
    fn table(&self) -> Table {
        let mut table = Table::new(["devices", &self.name]);
        if self.title != self.name && !self.title.is_empty() {
            table.above(&self.title);
        }
        if let Some(mac) = &self.mac {
            table.put("mac", Toml::Text(mac.to_string()));
        }
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        match addresses.len() {
            0 => {}
            1 => table.put("address", one_or_many(addresses)),
            _ => table.put("addresses", texts(addresses)),
        }
        table
    }
}

/// What a client is known by.
#[derive(Debug, Default)]
struct Ids {
    who: Vec<String>,
    macs: Vec<Mac>,
    addresses: Vec<IpAddr>,
}

fn ids(client: &mut Section, report: &mut Report) -> Ids {
    let place = client.name("ids");
    let mut ids = Ids::default();
    for text in client.texts("ids", report) {
        let text = text.trim();
        if let Ok(address) = text.parse::<IpAddr>() {
            ids.addresses.push(address);
            ids.who.push(address.to_string());
        } else if let Ok(network) = text.parse::<IpNet>() {
            ids.who.push(network.trunc().to_string());
        } else if let Some(mac) = Mac::parse(text) {
            ids.macs.push(mac);
            ids.who.push(mac.to_string());
        } else if lab::names::why_no_label(text).is_none() {
            ids.who.push(format!("id:{text}"));
        } else {
            let why = format!(
                "`{}` is left out: it is no address, no network, no MAC address and no name of a client",
                shown(text)
            );
            report.left(&place, why);
        }
    }
    ids
}

/// Keys of a client that have nothing to carry over to.
const DROPPED: [Dropped<'static>; 5] = [
    (
        "parental_enabled",
        &["false"],
        "nobody outside is asked about names: give the policy a list that blocks pages for adults",
    ),
    (
        "safebrowsing_enabled",
        &["false"],
        "nobody outside is asked about names: give the policy a list of what is dangerous",
    ),
    ("upstreams_cache_size", &["0"], "answers of a policy's own servers are kept with all the others"),
    ("upstreams_cache_enabled", &["false"], "answers of a policy's own servers are kept with all the others"),
    (
        "ignore_statistics",
        &["false"],
        "figures are made from the log: `log = false` leaves the client out of both",
    ),
];

/// Clients with names.
pub(super) fn clients(
    clients: &mut Section,
    everybody: &Everybody,
    people: &mut People,
    report: &mut Report,
) {
    let mut persistent = clients.sections("persistent", report);
    if persistent.len() > MAX_CLIENTS {
        report.left("clients.persistent", format!("only the first {MAX_CLIENTS} are carried over"));
        persistent.truncate(MAX_CLIENTS);
    }
    for mut client in persistent {
        one_client(&mut client, everybody, people, report);
        client.close(report);
    }
    let mut sources = clients.section("runtime_sources", report);
    let why = "names of clients come from the lab file, and addresses from the machine's neighbours";
    let keys = ["whois", "arp", "rdns", "dhcp", "hosts"].map(|key| (key, ["true"], why));
    for (key, usual, why) in &keys {
        sources.drop(&[(key, usual, why)], report);
    }
    sources.close(report);
}

/// The settings of a client that a policy has; what is as for everybody is left out.
#[derive(Debug, Default)]
struct Settings {
    lines: Vec<(&'static str, Toml)>,
    /// None if services are as `[dns]` says for everybody.
    services: Option<Services>,
}

fn one_client(client: &mut Section, everybody: &Everybody, people: &mut People, report: &mut Report) {
    let title = client.text("name", report).unwrap_or_default();
    drop(client.take("uid"));
    let place = client.name("ids");
    let ids = ids(client, report);
    let settings = settings(client, everybody, report);
    if ids.who.is_empty() {
        report.left(
            &place,
            format!("the client `{}` is left out: nothing is left that it is known by", shown(&title)),
        );
        return;
    }
    if settings.lines.is_empty() && settings.services.is_none() {
        only_a_name(&title, ids, &place, people, report);
        return;
    }
    let name = people.policy_names.name(&title, "client");
    let table = |name: &str| {
        let mut table = Table::new(["dns", "policies", name]);
        if shown(&title) != *name && !title.is_empty() {
            table.above(shown(&title));
        }
        table.put("who", one_or_many(ids.who.clone()));
        settings.lines.iter().for_each(|(key, value)| table.put(key, value.clone()));
        table
    };
    // A client that follows the hours of everybody but has a policy needs them in its own.
    let services = settings.services.as_ref();
    let mut always = table(&name);
    let timed = services.and_then(|services| match &services.hours {
        Hours::Within(windows) if !services.ids.is_empty() => Some((services, windows)),
        _ => None,
    });
    match (services, timed) {
        (_, Some((services, windows))) => {
            // Outside the hours nothing is blocked, whatever `[dns]` says.
            if !everybody_at_all_hours(everybody).is_empty() {
                put_words(&mut always, "services", &[]);
            }
            people.policies.push(always);
            let mut hours = table(&people.policy_names.name(&format!("{name}-hours"), "client"));
            put_words(&mut hours, "services", &services.ids);
            hours.put("when", one_or_many(windows.clone()));
            people.policies.push(hours);
        }
        (Some(services), None) => {
            put_words(&mut always, "services", &services.ids);
            people.policies.push(always);
        }
        (None, None) => people.policies.push(always),
    }
}

/// The services that stand in `[dns]`, because they are blocked at every hour.
pub(super) fn everybody_at_all_hours(everybody: &Everybody) -> &[String] {
    match everybody.services.hours {
        Hours::Always => &everybody.services.ids,
        Hours::Within(_) | Hours::Never => &[],
    }
}

fn settings(client: &mut Section, everybody: &Everybody, report: &mut Report) -> Settings {
    let mut settings = Settings::default();
    let tags = client.texts("tags", report);
    let own_settings = client.flag("use_global_settings", report) == Some(false);
    let own_services = client.flag("use_global_blocked_services", report) == Some(false);
    let place = client.name("filtering_enabled");
    let filtering = client.flag("filtering_enabled", report).unwrap_or(own_settings);
    // A client that follows everybody has these all the same, without a meaning.
    let said = &mut Report::default();
    let search = safe_search(client, if own_settings { report } else { said });
    let services = blocked_services(client, if own_services { report } else { said });
    client.drop(&DROPPED, if own_settings { report } else { said });
    if own_settings && !filtering {
        settings.lines.push(("lists", Toml::List(Vec::new())));
        report.left(&place, "no list holds for the client; rules of `[dns]` do");
    }
    if own_settings && search != everybody.safe_search {
        settings.lines.push(("safe-search", texts(search)));
    }
    let lines = client.texts("upstreams", report);
    let lines = upstreams::lines(lines, &client.name("upstreams"), report);
    let lines: Vec<String> = lines
        .into_iter()
        .filter_map(|item| match item {
            super::print::Item::Text(line) => Some(line),
            super::print::Item::Comment(_) => None,
        })
        .collect();
    if !lines.is_empty() {
        settings.lines.push(("upstreams", texts(lines)));
    }
    if !tags.is_empty() {
        settings.lines.push(("tags", texts(tags)));
    }
    if client.flag("ignore_querylog", report) == Some(true) {
        settings.lines.push(("log", Toml::Raw("false".to_owned())));
    }
    settings.services = match own_services {
        true if services.ids.is_empty() && everybody.services.ids.is_empty() => None,
        true => Some(services),
        false if settings.lines.is_empty() => None,
        false => Some(everybody.services.clone())
            .filter(|services| matches!(services.hours, Hours::Within(_)) && !services.ids.is_empty()),
    };
    settings
}

/// A client that is as everybody: a device, if it is known by what devices have.
fn only_a_name(title: &str, ids: Ids, place: &str, people: &mut People, report: &mut Report) {
    if ids.macs.len() > 1 {
        report.left(place, format!("the device `{}` keeps the first of its MAC addresses", shown(title)));
    }
    match ids.macs.first().copied() {
        mac if mac.is_some() || !ids.addresses.is_empty() => people.device(title, mac, ids.addresses),
        _ => {
            let why = format!(
                "the client `{}` has a name and no settings, and is known by nothing that a device has",
                shown(title)
            );
            report.left(place, why);
        }
    }
}

/// The addresses that the DHCP server has promised, from `data/leases.json`.
///
/// # Errors
/// In words what is wrong with the file.
pub(super) fn leases(text: &str, people: &mut People, report: &mut Report) -> Result<(), String> {
    const PLACE: &str = "leases.json";
    let mut file = Section::new(PLACE, yaml::parse(text)?, report);
    let mut others = 0;
    let mut leases = file.sections("leases", report);
    if leases.len() > MAX_CLIENTS {
        report.left(PLACE, format!("only the first {MAX_CLIENTS} are carried over"));
        leases.truncate(MAX_CLIENTS);
    }
    for mut lease in leases {
        if lease.flag("static", report) != Some(true) {
            others += 1;
            lease.forget();
            continue;
        }
        let host = lease.text("hostname", report).unwrap_or_default();
        let mac = lease.text("mac", report).and_then(|text| Mac::parse(&text));
        let address = lease.text("ip", report).and_then(|text| text.parse::<IpAddr>().ok());
        let place = lease.name("mac");
        lease.forget();
        match (mac, address) {
            (Some(mac), Some(address)) => people.device(&host, Some(mac), vec![address]),
            _ => report.left(&place, format!("the address promised to `{}` is left out: it has no MAC address of six parts, or no address", shown(&host))),
        }
    }
    if others > 0 {
        report.left(
            PLACE,
            format!(
                "{} for a time: what is not promised is not carried over",
                counted(others, "address was given", "addresses were given")
            ),
        );
    }
    Ok(())
}
