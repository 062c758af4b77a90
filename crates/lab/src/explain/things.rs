//! What follows for one thing.

use std::net::IpAddr;

use super::NothingThere;
use super::page::Page;
use crate::check::Checked;
use crate::coverage::{Covered, Row, coverage};
use crate::follow::Name;
use crate::model::{Lab, Machine, Party};
use crate::policy::{From, Target};
use crate::read::At;
use crate::value::Power;

fn lab(checked: &Checked) -> Result<&Lab, NothingThere> {
    let nothing = || NothingThere {
        what: "the lab could not be read".to_owned(),
        help: Some("`polis check` says why".to_owned()),
    };
    checked.lab.as_ref().ok_or_else(nothing)
}

fn covered(page: &mut Page<'_>, row: &Row) {
    for (column, cell) in &row.cells {
        match cell {
            Covered::Follows { what, from } => page.row(column.word(), what.clone(), from),
            Covered::ChosenNot { what, at } => {
                page.row(column.word(), format!("chosen not to: {what}"), &[*at]);
            }
            Covered::Missing(what) => page.row(column.word(), format!("missing: {what}"), &[]),
            Covered::NotApplicable => {}
        }
    }
}

fn where_it_is(lab: &Lab, name: &str) -> String {
    let mut parts = Vec::new();
    if let Some(host) = lab.machines.get(name).and_then(|machine| machine.guest_of.as_ref()) {
        parts.push(format!("a guest of {host}"));
    }
    if let Some(zone) = lab.zone_of_machine(name) {
        parts.push(format!("in zone {zone}"));
    }
    if let Some(site) = lab.site_of_machine(name) {
        parts.push(format!("at site {site}"));
    }
    parts.join(", ")
}

/// Everything that follows for an app.
///
/// # Errors
/// If there is no such app.
pub fn explain_app(checked: &Checked, name: &str) -> Result<String, NothingThere> {
    let lab = lab(checked)?;
    let Some(app) = lab.apps.get(name) else {
        let names: Vec<&str> = lab.apps.keys().map(super::super::names::AppName::as_str).collect();
        return Err(NothingThere::named("app", name, &names));
    };
    let mut page = Page::new(&checked.folder, &format!("app {name}"));
    page.row("runs on", format!("{}, {}", app.on, where_it_is(lab, app.on.as_str())), &[app.on.span()]);
    if let Some(stack) = &app.stack {
        let services =
            checked.stacks.get(name).map(|compose| compose.services.keys().cloned().collect::<Vec<_>>());
        let services = services.map(|services| format!(" with {}", services.join(", "))).unwrap_or_default();
        page.row("stack", format!("{stack}{services}"), &[stack.span()]);
    }
    for data in app.data.iter() {
        page.row("data", format!("{}, at {}", data.value(), data.mount_point()), &[data.span()]);
    }
    page.heading("what follows");
    for row in coverage(checked).iter().filter(|row| row.kind == "app" && row.name == name) {
        covered(&mut page, row);
    }
    Ok(page.finish())
}

/// Everything that follows for a machine, and what it must do.
///
/// # Errors
/// If there is no such machine.
pub fn explain_machine(checked: &Checked, name: &str) -> Result<String, NothingThere> {
    let lab = lab(checked)?;
    let Some(machine) = lab.machines.get(name) else {
        let names: Vec<&str> = lab.machines.keys().map(super::super::names::MachineName::as_str).collect();
        return Err(NothingThere::named("machine", name, &names));
    };
    let mut page = Page::new(&checked.folder, &format!("machine {name}"));
    facts(&mut page, lab, name, machine);
    page.heading("must do");
    let duties = checked.follows.duties.get(name).map(Vec::as_slice).unwrap_or_default();
    for duty in duties {
        page.row(duty.service.word(), duty.what.clone(), &[duty.from]);
    }
    if duties.is_empty() {
        page.row("nothing", "no agent of Polis runs on it", &[machine.agent.span()]);
    }
    page.heading("what follows");
    for row in coverage(checked).iter().filter(|row| row.kind == "machine" && row.name == name) {
        covered(&mut page, row);
    }
    Ok(page.finish())
}

fn facts(page: &mut Page<'_>, lab: &Lab, name: &str, machine: &At<Machine>) {
    page.row("is", where_it_is(lab, name), &[machine.span()]);
    for address in machine.address.iter().flat_map(|addresses| addresses.iter()) {
        page.row("address", address.to_string(), &[address.span()]);
    }
    if let Some(memory) = &machine.memory {
        page.row("memory", memory.to_string(), &[memory.span()]);
    }
    if let Some(power) = machine.hardware.as_ref().and_then(|hardware| hardware.power.as_ref()) {
        page.row("power", Power::watts(**power), &[power.span()]);
    }
    let guests: Vec<_> = lab
        .machines
        .iter()
        .filter_map(|(guest, table)| {
            Some((guest, table.guest_of.as_ref().filter(|host| host.as_str() == name)?))
        })
        .collect();
    if !guests.is_empty() {
        let names: Vec<&str> = guests.iter().map(|(guest, _)| guest.as_str()).collect();
        let from: Vec<_> = guests.iter().map(|(_, host)| host.span()).collect();
        page.row("guests", names.join(", "), &from);
    }
    for (pool, table) in &machine.pools {
        let disks: Vec<String> = table.disks.iter().map(ToString::to_string).collect();
        let text = format!("{pool}: {} {} of {}", table.kind.word(), table.layout.word(), disks.join(", "));
        page.row("pool", text, &[table.span()]);
    }
    let panels: Vec<String> = machine.panels.iter().map(ToString::to_string).collect();
    if !panels.is_empty() {
        page.row("panels", panels.join(", "), &[machine.panels.span()]);
    }
}

/// What a name answers, to whom, and why; or that the lab does not answer it.
///
/// # Errors
/// If the name is under the lab's domain and nothing has it.
pub fn explain_name(checked: &Checked, name: &str) -> Result<String, NothingThere> {
    let lab = lab(checked)?;
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if let Ok(address) = name.parse::<IpAddr>() {
        return explain_address(checked, lab, address);
    }
    let full = format!("{name}.{}", lab.lab.domain.value());
    let names = &checked.follows.names;
    let find = |wanted: &str| names.iter().find(|own| own.name == wanted);
    let wildcard = name.split_once('.').and_then(|(_, rest)| find(&format!("*.{rest}")));
    let Some(own) = find(&name).or_else(|| find(&full)).or(wildcard) else {
        if name == lab.lab.domain.as_str()
            || name.ends_with(&format!(".{}", lab.lab.domain.value()))
            || !name.contains('.')
        {
            let known: Vec<&str> = names.iter().map(|own| own.name.as_str()).collect();
            let hosts: Vec<&str> = known.iter().filter_map(|known| known.split('.').next()).collect();
            let wanted = name.split('.').next().unwrap_or(&name);
            let near = crate::fault::nearest(wanted, hosts);
            let help = near.map(|near| format!("did you mean `{near}`?"));
            return Err(NothingThere { what: format!("the lab has no name `{name}`"), help });
        }
        let mut page = Page::new(&checked.folder, &name);
        match &lab.dns {
            Some(dns) => {
                let servers: Vec<String> = dns.upstreams.iter().map(ToString::to_string).collect();
                page.row(
                    "is",
                    format!("no name of the lab: it is asked of {}", servers.join(", ")),
                    &[dns.upstreams.span()],
                );
            }
            None => page.row("is", "no name of the lab", &[]),
        }
        return Ok(page.finish());
    };
    Ok(name_page(checked, lab, own))
}

fn name_page(checked: &Checked, lab: &Lab, own: &Name) -> String {
    let mut page = Page::new(&checked.folder, &own.name);
    page.row("is the", own.owner.to_string(), &[]);
    page.row("answers", own.answer.to_string(), &own.from);
    for (zone, answer) in &own.by_zone {
        let from = lab.zones.get(zone).map(|zone| zone.cidr.span());
        page.row(format!("to {zone}"), answer.to_string(), from.as_slice());
    }
    let routes = checked.follows.routes.iter().filter(|route| route.host.as_str() == own.name);
    for route in routes {
        page.row("leads to", format!("the {}: {}", route.to, route.backend), &route.from);
    }
    page.finish()
}

fn explain_address(checked: &Checked, lab: &Lab, address: IpAddr) -> Result<String, NothingThere> {
    let mut page = Page::new(&checked.folder, &address.to_string());
    let mut found = false;
    for reverse in checked.follows.reverses.iter().filter(|reverse| reverse.address == address) {
        page.row("is", reverse.name.to_string(), &reverse.from);
        found = true;
    }
    if let Some((zone, table)) = lab.zone_at(address) {
        page.row("in zone", zone.to_string(), &[table.cidr.span()]);
        found = true;
    }
    match found {
        true => Ok(page.finish()),
        false => Err(NothingThere { what: format!("{address} is in no zone of the lab"), help: None }),
    }
}

/// What one zone may open in another, and why.
///
/// # Errors
/// If one of them is neither a zone nor `internet`.
pub fn explain_zones(checked: &Checked, from: &str, to: &str) -> Result<String, NothingThere> {
    let lab = lab(checked)?;
    let names: Vec<&str> =
        lab.zones.keys().map(super::super::names::ZoneName::as_str).chain(["internet"]).collect();
    for name in [from, to] {
        if !names.contains(&name) {
            return Err(NothingThere::named("zone", name, &names));
        }
    }
    let origin = lab
        .zones
        .keys()
        .find(|zone| zone.as_str() == from)
        .map_or(From::Internet, |zone| From::Zone(zone.clone()));
    let ends_there = |target: &Target| match target {
        Target::Internet => to == "internet",
        target => checked.follows.matrix.entry_zone(target).is_some_and(|zone| zone.as_str() == to),
    };
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    for (target, cell) in checked.follows.matrix.row(&origin).filter(|(target, _)| ends_there(target)) {
        if cell.is_open() { open.push((target, cell)) } else { closed.push(target.to_string()) }
    }
    let mut page = Page::new(&checked.folder, &format!("{from} to {to}"));
    page.heading("may open");
    for (target, cell) in &open {
        let reasons: Vec<&str> = cell.reasons().iter().map(|because| because.why.as_str()).collect();
        let from: Vec<_> = cell.reasons().iter().map(|because| because.span).collect();
        page.row(target.to_string(), reasons.join("; "), &from);
    }
    let openings = checked.follows.matrix.openings().iter().filter(|opening| {
        let own = |zone: &Option<crate::names::ZoneName>, party: &Party, name: &str| match zone {
            Some(zone) => zone.as_str() == name,
            None => *party == Party::Internet && name == "internet",
        };
        own(&opening.from_zone, &opening.from, from) && own(&opening.to_zone, &opening.to, to)
    });
    let mut exceptions = 0;
    for opening in openings {
        page.row(format!("exception {}", opening.name), opening.words(lab), &[opening.span]);
        exceptions += 1;
    }
    if open.is_empty() && exceptions == 0 {
        page.row("nothing", "no row of the policy says so", &[]);
    }
    if !closed.is_empty() {
        page.heading("may not open");
        page.row("", closed.join(", "), &[]);
    }
    members(&mut page, lab, from);
    Ok(page.finish())
}

fn members(page: &mut Page<'_>, lab: &Lab, from: &str) {
    let Some(zone) = lab.zones.get(from).filter(|zone| !zone.members.is_empty()) else { return };
    page.heading("its members count as another zone");
    for (person, counts_as) in &zone.members {
        page.row(person.to_string(), counts_as.to_string(), &[counts_as.span()]);
    }
}
