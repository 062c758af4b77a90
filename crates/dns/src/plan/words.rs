//! A plan in words: what two plans differ in is what their lines differ in.

use lab::value::ListSource;

use super::{Plan, Rewrite, SourceKind};
use crate::wire::{Name, kind};

impl Plan {
    /// The plan in words, one fact a line, in the order of the words.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("domain {}", self.domain.text())];
        for (over, places) in [("", &self.listen), (" over TLS", &self.tls), (" over HTTPS", &self.https)] {
            lines.extend(places.iter().map(|address| format!("listen {address}{over}")));
        }
        lines.extend(self.groups.iter().flat_map(|group| {
            let whose = if group.name.is_empty() { String::new() } else { format!(" for {}", group.name) };
            let first = group.lines.iter().enumerate();
            let asked = first.map(move |(number, line)| format!("upstream {}: {line}{whose}", number + 1));
            asked.chain(group.fallback.iter().map(|server| format!("upstream at last: {server}")))
        }));
        if let Some(group) = self.groups.first() {
            lines.push(format!("upstreams in the mode {}", group.mode.word()));
        }
        lines.extend(self.sources.iter().flat_map(|from| match &from.of {
            SourceKind::Block(of) => vec![format!("list {} {}", from.name, source(of))],
            SourceKind::Allow(of) => vec![format!("allow list {} {}", from.name, source(of))],
            SourceKind::Service(id) => vec![format!("service {id} blocked")],
            SourceKind::Rules(rules) => {
                rules.iter().map(|rule| format!("rule {rule} ({})", from.name)).collect()
            }
        }));
        for policy in &self.policies {
            lines.extend(policy.words(&self.groups));
            let name = if policy.name.is_empty() { "everybody" } else { &policy.name };
            let numbers = self.sources.iter().enumerate().filter(|(number, _)| policy.follows(*number));
            lines.extend(numbers.map(|(_, from)| format!("policy {name} follows {}", from.name)));
        }
        lines.extend(self.settings());
        let zone = |number: usize| self.zones.get(number).map_or("?", String::as_str);
        for (network, number) in &self.networks {
            lines.push(format!("zone {} {network}", zone(*number)));
        }
        for (name, records) in &self.names {
            let name = name.text();
            lines.extend(records.everywhere.words().map(|words| format!("name {name} {words}")));
            for (number, record) in &records.by_zone {
                let words = record.words().unwrap_or_else(|| "nothing".to_owned());
                lines.push(format!("name {name} {words} for {}", zone(*number)));
            }
        }
        for (address, names) in &self.reverses {
            lines.extend(names.iter().map(|name| format!("reverse {address} {}", name.text())));
        }
        self.more_names(&mut lines);
        lines.sort();
        lines
    }

    fn more_names(&self, lines: &mut Vec<String>) {
        let star = |wild: bool, name: &Name| format!("{}{}", if wild { "*." } else { "" }, name.text());
        for (wild, map) in [(false, &self.rewrites), (true, &self.wild_rewrites)] {
            lines.extend(
                map.iter().map(|(name, own)| format!("rewrite {} {}", star(wild, name), own.words())),
            );
        }
        for (wild, map) in [(false, &self.records), (true, &self.wild_records)] {
            for (name, records) in map {
                let name = star(wild, name);
                let hex = |data: &[u8]| data.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
                lines.extend(
                    records
                        .iter()
                        .map(|(of, data)| format!("record {name} {} {}", kind::text(*of), hex(data))),
                );
            }
        }
    }

    fn settings(&self) -> Vec<String> {
        let Self { blocking, cache, clients, log, .. } = self;
        let mut lines = vec![
            format!("dnssec {}", if self.validates { "validated" } else { "off" }),
            format!("blocked names answer {} for {} s", blocking.mode.word(), blocking.ttl),
            format!(
                "cache {} bytes, {} s to {} s, stale {} s, prefetch {}",
                cache.bytes, cache.shortest, cache.longest, cache.stale, cache.prefetch
            ),
            format!("limit {} questions a second", clients.per_second),
            format!("lists fetched every {} s", self.refresh.as_secs()),
            format!("time zone {}", self.timezone),
        ];
        lines.push(match log.is_off {
            true => "log off".to_owned(),
            false => {
                let who = if log.is_anonymous { ", without clients" } else { "" };
                format!("log {} s, {} bytes{who}", log.keep.as_secs(), log.bytes)
            }
        });
        lines.push(match &self.rebinding {
            Some(_) => "private addresses from outside refused".to_owned(),
            None => "private addresses from outside passed on".to_owned(),
        });
        let names = |words: &str, names: &[Name]| {
            names.iter().map(|name| format!("{words} {}", name.text())).collect::<Vec<_>>()
        };
        lines.extend(names("private addresses allowed in", self.rebinding.as_deref().unwrap_or_default()));
        lines.extend(names("not validated", &self.insecure));
        let nets = |words: &str, nets: &[ipnet::IpNet]| {
            nets.iter().map(|net| format!("{words} {net}")).collect::<Vec<_>>()
        };
        lines.extend(nets("clients allowed", &clients.allow));
        lines.extend(nets("clients denied", &clients.deny));
        lines.extend(nets("no limit for", &clients.without_limit));
        lines.extend(blocking.addresses.iter().map(|address| format!("blocked names answer {address}")));
        lines
    }
}

impl Rewrite {
    fn words(&self) -> String {
        let addresses = self.addresses.iter().map(ToString::to_string);
        let alias = self.alias.iter().map(|alias| format!("as {}", alias.text()));
        let keeps = self.keeps.iter().map(|of| format!("upstream's {}", kind::text(*of)));
        let all: Vec<String> = addresses.chain(alias).chain(keeps).collect();
        if all.is_empty() { "as it is".to_owned() } else { all.join(" ") }
    }
}

/// A list's source as it is written in the lab file.
pub(crate) fn source(source: &ListSource) -> String {
    match source {
        ListSource::Url(url) => url.as_str().to_owned(),
        ListSource::File(path) => format!("file:{path}"),
    }
}
