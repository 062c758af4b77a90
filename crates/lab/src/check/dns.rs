//! Name servers: whom they ask, what they filter, and for whom.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Options, Unread};
use crate::fault::{Code, Fault, Faults, nearest};
use crate::model::{BlockingMode, Dns, Encrypted, Lab};
use crate::names::{DeviceName, Label, MachineName, PersonName, ZoneName};
use crate::read::At;
use crate::source::{Folder, Span};
use crate::value::{Domain, ListSource, OwnRecord, Text, UpstreamLine};

pub(super) fn check(lab: &Lab, folder: &Folder, options: &Options, unread: &Unread, faults: &mut Faults) {
    let Some(dns) = &lab.dns else { return };
    let policies = dns.policies.iter().flat_map(|(_, policy)| &policy.upstreams);
    let lines = dns.upstreams.iter().chain(policies.flat_map(|lines| lines.iter()));
    asks_itself(lab, dns, lines, faults);
    let has_default = dns.upstreams.iter().any(|line| line.domains.is_empty());
    if !has_default && dns.upstreams.is_known() && !unread.is_part_of(dns.upstreams.span()) {
        let title = match dns.upstreams.is_empty() {
            true => "there is no upstream to ask",
            false => "there is no upstream for what no line names",
        };
        let fault = Fault::new(Code::MissingKey, dns.upstreams.span(), title);
        faults.push(fault.help("name at least one server, such as \"9.9.9.9\""));
    }
    lists(dns, folder, faults);
    rewrites(dns, faults);
    records(dns, faults);
    blocking(dns, faults);
    encrypted(dns, faults);
    words(dns, options, faults);
    let is_whole = !unread.is_in(&["zones", "machines", "devices", "people"]);
    for (name, policy) in &dns.policies {
        for who in policy.who.iter().filter(|who| is_whole && lab.who(who.as_str()).is_none()) {
            nobody(lab, who, faults);
        }
        for list in policy.lists.iter().flat_map(|lists| lists.iter()) {
            no_list(dns, name, list, faults);
        }
    }
    equally_exact(dns, faults);
}

/// Servers that the name server must not ask, as it would ask itself.
fn asks_itself<'l>(
    lab: &Lab,
    dns: &Dns,
    lines: impl Iterator<Item = &'l At<UpstreamLine>>,
    faults: &mut Faults,
) {
    let mut own: Vec<(IpAddr, Span, String)> = Vec::new();
    own.extend(
        dns.address.iter().map(|address| (address.0, address.span(), "the address of [dns]".to_owned())),
    );
    for machine in dns.on.iter() {
        let Some(table) = lab.machines.get(machine.value()) else { continue };
        let addresses = table.address.iter().flat_map(|addresses| addresses.iter());
        own.extend(addresses.map(|address| (address.0, address.span(), format!("the address of {machine}"))));
    }
    let servers = lines.flat_map(|line| line.servers.iter().map(move |server| (line.span(), server)));
    let more = dns.bootstrap.iter().flat_map(|servers| servers.iter()).chain(dns.fallback.iter());
    for (place, upstream) in servers.chain(more.map(|server| (server.span(), server.value()))) {
        let server = upstream.kind.address();
        if let Some((_, span, what)) = own.iter().find(|(address, ..)| Some(*address) == server) {
            let title = format!("the name server would ask itself: {upstream} is {what}");
            let fault = Fault::new(Code::UpstreamIsSelf, place, title).also(*span, "this is it");
            faults.push(fault.help("name a server on the internet, such as \"9.9.9.9\""));
        }
    }
    for server in dns.bootstrap.iter().flat_map(|servers| servers.iter()) {
        if server.kind.plain().is_none() {
            let fault =
                Fault::new(Code::BadValue, server.span(), format!("{server} is asked under encryption"));
            faults.push(fault.help("the servers of `bootstrap` are plain ones, such as \"9.9.9.9\": they look up the names of the others"));
        }
    }
}

fn lists(dns: &Dns, folder: &Folder, faults: &mut Faults) {
    for (name, source) in dns.lists.iter().chain(dns.allow_lists.iter()) {
        if let ListSource::File(path) = source.value()
            && !folder.holds(path)
        {
            let title = format!("the file of the list {name} is not in the lab folder: `{path}`");
            let fault = Fault::new(Code::NoSuchFile, source.span(), title);
            faults.push(fault.help("put it there, or write the URL of a list"));
        }
    }
    for (name, source) in &dns.allow_lists {
        if let Some(other) = dns.lists.get(name) {
            let title = format!("a list to block and a list to allow are both called {name}");
            let fault =
                Fault::new(Code::NameTaken, source.span(), title).also(other.span(), "the list to block");
            faults.push(fault.help("give one of them another name"));
        }
    }
}

fn rewrites(dns: &Dns, faults: &mut Faults) {
    for (name, targets) in &dns.rewrites {
        for target in targets.iter() {
            let text = target.as_str();
            let is_address = text.parse::<IpAddr>().is_ok();
            if !is_address && !matches!(text, "A" | "AAAA") && Domain::parse(text).is_none() {
                let title = format!("`{target}` is neither an address nor a name");
                let fault = Fault::new(Code::BadValue, target.span(), title);
                faults.push(fault.help("a rewrite answers an address, such as \"10.10.50.4\", or another name; `A` or `AAAA` keeps what upstreams say"));
            }
        }
        let is_alias = |text: &str| Domain::parse(text).is_some() && text.parse::<IpAddr>().is_err();
        let alias = targets.iter().find(|target| is_alias(target.as_str()));
        if let (Some(alias), true) = (alias, targets.len() > 1) {
            let title = format!("{name} is rewritten to the name {alias} and to something else");
            let fault = Fault::new(Code::BadValue, alias.span(), title);
            faults.push(
                fault.help("a name that stands for another one has nothing of its own: keep one of them"),
            );
        }
    }
}

fn records(dns: &Dns, faults: &mut Faults) {
    for (name, records) in &dns.records {
        let alias = records.iter().find(|text| matches!(text.record, OwnRecord::Alias(_)));
        if let (Some(alias), true) = (alias, records.len() > 1) {
            let title = format!("{name} is another name for something and has records of its own");
            let fault = Fault::new(Code::BadValue, alias.span(), title);
            faults.push(
                fault.help(
                    "a name with a CNAME has no other record (RFC 1034 section 3.6.2): keep one of them",
                ),
            );
        }
    }
}

fn blocking(dns: &Dns, faults: &mut Faults) {
    let Some(blocking) = &dns.blocking else { return };
    match (*blocking.mode, &blocking.addresses) {
        (BlockingMode::Address, None) => {
            let fault = Fault::new(Code::MissingKey, blocking.span(), "`addresses` is missing");
            faults.push(
                fault.help("write the address that blocked names answer: `addresses = \"10.10.50.10\"`"),
            );
        }
        (BlockingMode::Address, Some(_)) | (_, None) => {}
        (_, Some(addresses)) => {
            let fault = Fault::new(Code::EitherOr, addresses.span(), "these addresses are never answered");
            faults.push(fault.help("write `mode = \"address\"`, or leave them out"));
        }
    }
}

fn encrypted(dns: &Dns, faults: &mut Faults) {
    let https = dns.encrypted.iter().find(|way| *way.value() == Encrypted::Https);
    if let (Some(https), None) = (https, &dns.address) {
        let fault = Fault::new(
            Code::MissingKey,
            https.span(),
            "asking over HTTPS needs an address of its own: port 443 of the machine is the proxy's",
        );
        faults.push(fault.help("give `[dns]` an `address`, or leave \"https\" out"));
    }
}

/// What the language of rules and the table of services say: both belong to the name server.
fn words(dns: &Dns, options: &Options, faults: &mut Faults) {
    let policies = || dns.policies.iter().map(|(_, policy)| policy);
    let rules = dns.rules.iter().chain(policies().flat_map(|policy| policy.rules.iter()));
    for rule in rules {
        if let Err(why) = (options.dns.rule)(rule.as_str()) {
            let fault = Fault::new(Code::BadValue, rule.span(), format!("this rule is not followed: {why}"));
            faults
                .push(fault.help("mend it or leave it out: half a rule would be a page that does not load"));
        }
    }
    let own = policies().flat_map(|policy| policy.upstreams.iter().flat_map(|lines| lines.iter()));
    let lines = dns.upstreams.iter().chain(own).map(|line| (line.span(), line.to_string()));
    let servers = dns.fallback.iter().chain(dns.bootstrap.iter().flat_map(|servers| servers.iter()));
    for (place, line) in lines.chain(servers.map(|server| (server.span(), server.to_string()))) {
        if let Err(why) = (options.dns.upstream)(&line) {
            let fault = Fault::new(Code::BadValue, place, format!("`{line}` can not be asked: {why}"));
            faults.push(fault.help("write an address, `tls://NAME` or `https://NAME/dns-query`"));
        }
    }
    let services = policies().flat_map(|policy| policy.services.iter().flat_map(|services| services.iter()));
    for service in dns.services.iter().chain(services) {
        if let Err(help) = (options.dns.service)(service.as_str()) {
            let fault =
                Fault::new(Code::BadValue, service.span(), format!("no service is called `{service}`"));
            faults.push(fault.help(help));
        }
    }
    for tag in policies().flat_map(|policy| policy.tags.iter()) {
        if let Err(help) = (options.dns.tag)(tag.as_str()) {
            let fault = Fault::new(Code::BadValue, tag.span(), format!("there is no tag `{tag}`"));
            faults.push(fault.help(help));
        }
    }
}

fn nobody(lab: &Lab, who: &At<Text>, faults: &mut Faults) {
    let fault =
        Fault::new(Code::NoSuchClient, who.span(), format!("nothing that could ask is called `{who}`"));
    let names = lab.zones.keys().map(ZoneName::as_str).chain(lab.machines.keys().map(MachineName::as_str));
    let names = names.chain(lab.devices.keys().map(DeviceName::as_str));
    let names = names.chain(lab.people.keys().map(PersonName::as_str));
    faults.push(match nearest(who.as_str(), names) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault.help(
            "write a zone, a network, an address, a MAC address, a device, a machine, a person, or `id:NAME`",
        ),
    });
}

fn no_list(dns: &Dns, policy: &Label, list: &At<Label>, faults: &mut Faults) {
    if dns.lists.contains(list.value()) || dns.allow_lists.contains(list.value()) {
        return;
    }
    let names = dns.lists.keys().chain(dns.allow_lists.keys()).map(Label::as_str);
    let fault = Fault::new(
        Code::NoSuchList,
        list.span(),
        format!("the policy {policy} names a list that is not there: {list}"),
    );
    faults.push(match nearest(list.as_str(), names) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault.help("give it a source in `[dns.lists]`"),
    });
}

/// Two policies that say the same client with nothing that decides between them.
fn equally_exact(dns: &Dns, faults: &mut Faults) {
    let mut seen: BTreeMap<String, (&Label, Span)> = BTreeMap::new();
    for (name, policy) in dns.policies.iter().filter(|(_, policy)| policy.when.is_none()) {
        for who in policy.who.iter() {
            if let Some((first, span)) = seen.insert(who.as_str().to_ascii_lowercase(), (name, who.span())) {
                let title = format!("the policies {first} and {name} are both for {who}, always");
                let fault = Fault::new(Code::PolicyUnclear, who.span(), title).also(span, "first here");
                faults.push(fault.help("put them together, or say with `when` at which time each holds"));
            }
        }
    }
}
