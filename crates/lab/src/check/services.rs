//! Services: where they run, what they need, and what this version can do.

use std::collections::BTreeSet;

use super::{Options, Unread, at_places};
use crate::fault::{Code, Fault, Faults};
use crate::model::{Challenge, Lab, Placed, ServiceName};
use crate::names::MachineName;
use crate::read::At;
use crate::source::Span;

pub(super) fn check(lab: &Lab, options: &Options, unread: &Unread, faults: &mut Faults) {
    for placed in lab.placed() {
        order(lab, &placed, unread, faults);
    }
    for machine in lab.watch.iter().flat_map(|watch| watch.from.iter()) {
        agent(lab, machine, "watches from it", faults);
    }
    certificates(lab, unread, faults);
    watch(lab, unread, faults);
    not_run_yet(lab, options, faults);
}

fn order(lab: &Lab, placed: &Placed<'_>, unread: &Unread, faults: &mut Faults) {
    for (at, machine) in placed.on.iter().enumerate() {
        if let Some(first) = placed.on.iter().take(at).find(|first| first.value() == machine.value()) {
            let title = format!("{machine} stands twice in the order of {}", placed.service);
            let fault = Fault::new(Code::OrderRepeats, machine.span(), title)
                .also(first.span(), "it stands first here");
            faults.push(fault.help("the first serves and the next takes over: write each machine once"));
        }
        agent(lab, machine, &format!("runs {}", placed.service), faults);
    }
    let by_address = [ServiceName::Dns, ServiceName::Proxy, ServiceName::Vpn, ServiceName::Bastion];
    if let ([first, second, ..], None) = (placed.on, placed.address)
        && by_address.contains(&placed.service)
        && !unread.is_part_of(placed.span)
    {
        let title = format!("nothing moves from {first} to {second} when {first} dies");
        let fault = Fault::new(Code::OrderWithoutAddress, second.span(), title);
        faults.push(fault.label(format!("clients of {} would still ask {first}", placed.service)).help(
            "give the service an address of its own: `address = \"…\"`, free and in the zone of its machines",
        ));
    }
}

fn agent(lab: &Lab, machine: &At<MachineName>, what: &str, faults: &mut Faults) {
    let Some(table) = lab.machines.get(machine.value()) else { return };
    if !*table.agent {
        let title = format!("{machine} has no agent of Polis, and the lab {what}");
        let fault = Fault::new(Code::MachineWithoutAgent, machine.span(), title);
        faults.push(
            fault
                .also(table.agent.span(), "said here")
                .help("name another machine, or let Polis run on this one"),
        );
    }
}

fn certificates(lab: &Lab, unread: &Unread, faults: &mut Faults) {
    let Some(certificates) = lab.proxy.as_ref().and_then(|proxy| proxy.certificates.as_ref()) else { return };
    if *certificates.challenge != Challenge::Dns || unread.is_part_of(certificates.span()) {
        return;
    }
    for (key, there) in
        [("provider", certificates.provider.is_some()), ("token", certificates.token.is_some())]
    {
        if !there {
            let title = format!("`challenge = \"dns\"` needs `{key}`");
            let fault = Fault::new(Code::MissingKey, certificates.span(), title)
                .also(certificates.challenge.span(), "because of this");
            faults.push(fault.help(match key {
                "token" => "write `token = \"secret:NAME\"`, and give its value with `polis secret set NAME`",
                _ => "write who runs your public DNS, such as `provider = \"cloudflare\"`",
            }));
        }
    }
}

/// A table of which exactly one of some keys says what it is.
fn one_of(what: &str, span: Span, keys: &[(&str, Option<Span>)], faults: &mut Faults) {
    let given: Vec<(&str, Span)> = keys.iter().filter_map(|(key, span)| Some((*key, (*span)?))).collect();
    let names: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
    match given.as_slice() {
        [_] => {}
        [] => {
            let fault = Fault::new(Code::EitherOr, span, format!("{what} is of no kind"));
            faults.push(fault.help(format!("write one of {}", crate::read::listed(&names))));
        }
        [(first, there), (second, here), ..] => {
            let fault =
                Fault::new(Code::EitherOr, *here, format!("{what} is `{first}` and `{second}` at once"));
            faults.push(fault.also(*there, "given first here").help("make two of it"));
        }
    }
}

fn watch(lab: &Lab, unread: &Unread, faults: &mut Faults) {
    let Some(watch) = &lab.watch else { return };
    for (name, probe) in watch.probes.iter().filter(|(_, probe)| !unread.is_part_of(probe.span())) {
        let keys = [
            ("http", probe.http.as_ref().map(At::span)),
            ("ping", probe.ping.as_ref().map(At::span)),
            ("tcp", probe.tcp.as_ref().map(At::span)),
            ("dns", probe.dns.as_ref().map(At::span)),
        ];
        one_of(&format!("the probe {name}"), probe.span(), &keys, faults);
        if let (Some(expect), None) = (&probe.expect, &probe.http) {
            let fault = Fault::new(Code::EitherOr, expect.span(), "only a page can hold a text");
            faults.push(fault.help("`expect` belongs to `http`"));
        }
    }
    for (name, notify) in watch.notify.iter().filter(|(_, notify)| !unread.is_part_of(notify.span())) {
        let keys = [
            ("ntfy", notify.ntfy.as_ref().map(At::span)),
            ("email", notify.email.as_ref().map(At::span)),
            ("webhook", notify.webhook.as_ref().map(At::span)),
        ];
        one_of(&format!("the notification {name}"), notify.span(), &keys, faults);
        if let (Some(ntfy), None) = (&notify.ntfy, &notify.topic) {
            let fault = Fault::new(Code::MissingKey, ntfy.span(), "`ntfy` needs `topic`");
            faults.push(fault.help("write `topic = \"secret:NAME\"`: who knows the topic can read it"));
        }
    }
}

/// The services that the lab has, with the places of their tables.
fn written(lab: &Lab) -> Vec<(ServiceName, Span)> {
    let mut written: Vec<(ServiceName, Span)> =
        lab.placed().iter().map(|placed| (placed.service, placed.span)).collect();
    let first = |spans: &mut dyn Iterator<Item = Span>| spans.min();
    let stacks = &mut lab.apps.iter().filter(|(_, app)| app.stack.is_some()).map(|(_, app)| app.span());
    written.extend(first(stacks).map(|span| (ServiceName::Apps, span)));
    let mirrors = &mut lab.git_mirrors.iter().map(|(_, mirror)| mirror.span());
    written.extend(first(mirrors).map(|span| (ServiceName::GitMirrors, span)));
    let gear = lab.routers.iter().map(|(_, router)| router.span());
    let gear = gear.chain(lab.switches.iter().map(|(_, switch)| switch.span()));
    let gear = &mut gear.chain(lab.access_points.iter().map(|(_, point)| point.span()));
    written.extend(first(gear).map(|span| (ServiceName::Network, span)));
    written.extend(lab.portal.as_ref().map(|portal| (ServiceName::Portal, portal.span())));
    written.sort_by_key(|(_, span)| *span);
    written
}

fn not_run_yet(lab: &Lab, options: &Options, faults: &mut Faults) {
    let missing = written(lab).into_iter().filter(|(service, _)| !options.runs.contains(service));
    let places: Vec<(Span, String)> = missing.map(|(service, span)| (span, service.to_string())).collect();
    let words: Vec<String> = places.iter().map(|(_, word)| word.clone()).collect();
    let title = format!("this version checks and plans, and does not run yet: {}", words.join(", "));
    let fault = at_places(Code::NotRunYet, title, places);
    faults
        .extend(fault.map(|fault| fault.help("leave it as it is: it starts with the version that runs it")));
}

/// Login, names and monitoring that all die with one machine of metal.
pub(super) fn check_together(lab: &Lab, faults: &mut Faults) {
    let placed = lab.placed();
    let hosts = |service: ServiceName| -> Option<(Vec<&str>, Span)> {
        let placed = placed.iter().find(|placed| placed.service == service)?;
        let hosts: BTreeSet<&str> =
            placed.on.iter().filter_map(|machine| lab.metal_of(machine.as_str())).collect();
        Some((hosts.into_iter().collect(), placed.span))
    };
    let (Some((dns, dns_span)), Some((auth, auth_span)), Some((watch, watch_span))) =
        (hosts(ServiceName::Dns), hosts(ServiceName::Auth), hosts(ServiceName::Watch))
    else {
        return;
    };
    let ([host], [same], [also]) = (dns.as_slice(), auth.as_slice(), watch.as_slice()) else { return };
    if host != same || host != also {
        return;
    }
    let title = format!("names, login and monitoring all die with {host}");
    faults.push(
        Fault::new(Code::DiesTogether, watch_span, title)
            .label("who tells you that it is down?")
            .also(dns_span, "names")
            .also(auth_span, "login")
            .help(format!(
                "let another machine than {host} watch, and add a second one to the order of `dns`"
            )),
    );
}
