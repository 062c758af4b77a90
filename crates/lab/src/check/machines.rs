//! Machines: guests and hosts, memory, power.

use std::collections::BTreeMap;

use super::Unread;
use crate::fault::{Code, Fault, Faults};
use crate::model::Lab;
use crate::names::MachineName;
use crate::read::At;
use crate::source::Span;
use crate::value::{Power, Size};

pub(super) fn check(lab: &Lab, unread: &Unread, faults: &mut Faults) {
    guests(lab, unread, faults);
    memory(lab, faults);
    power(lab, unread, faults);
}

fn guests(lab: &Lab, unread: &Unread, faults: &mut Faults) {
    for (name, machine) in &lab.machines {
        let Some(host) = &machine.guest_of else { continue };
        if lab.metal_of(name.as_str()).is_none() {
            let title = match host.value() == name {
                true => format!("{name} is a guest of itself"),
                false => format!("{name} is a guest of {host}, which is in the end a guest of {name}"),
            };
            // Of a ring of guests only the first is named: mending one mends all.
            if is_first_of_ring(lab, name) {
                let fault = Fault::new(Code::GuestOfItself, host.span(), title);
                faults.push(fault.help("name the machine that it runs on"));
            }
            continue;
        }
        let Some(machine) = lab.machines.get(host.value()) else { continue };
        if machine.hypervisor.is_none() && !unread.is_part_of(machine.span()) {
            let title = format!("{host} runs no guests");
            faults.push(
                Fault::new(Code::GuestWithoutHypervisor, host.span(), title)
                    .label(format!("{name} is its guest"))
                    .also(machine.span(), "there is no `hypervisor` here")
                    .help("write what runs guests on it, such as `hypervisor = \"proxmox\"`"),
            );
        }
    }
}

fn is_first_of_ring(lab: &Lab, name: &MachineName) -> bool {
    let mut at = name;
    for _ in 0..=lab.machines.len() {
        match lab.machines.get(at).and_then(|machine| machine.guest_of.as_ref()) {
            Some(host) if host.value() == name => return true,
            Some(host) if host.value() < name => return false,
            Some(host) => at = host.value(),
            None => return false,
        }
    }
    false
}

fn memory(lab: &Lab, faults: &mut Faults) {
    let mut given: BTreeMap<&str, Vec<(&MachineName, &At<Size>)>> = BTreeMap::new();
    for (name, machine) in &lab.machines {
        if let (Some(host), Some(memory)) = (&machine.guest_of, &machine.memory) {
            given.entry(host.as_str()).or_default().push((name, memory));
        }
    }
    for (host, guests) in given {
        let Some(own) = lab.machines.get(host).and_then(|machine| machine.memory.as_ref()) else { continue };
        let sum: u64 = guests.iter().fold(0, |sum, (_, memory)| sum.saturating_add(memory.0));
        if sum <= own.0 {
            continue;
        }
        let title = format!("the guests of {host} are given {}, and it has {own}", in_words(Size(sum)));
        let fault = Fault::new(Code::MemoryOvercommitted, own.span(), title);
        let with_guests = guests
            .iter()
            .fold(fault, |fault, (name, memory)| fault.also(memory.span(), format!("{name}: {memory}")));
        faults.push(with_guests.help("leave some for the host itself, and for the cache of its file system"));
    }
}

/// In whole megabytes or gigabytes, rounded: sums of the two kinds of units are odd numbers.
fn in_words(size: Size) -> String {
    match size.0 {
        bytes @ 10_000_000_000.. => format!("{} GB", bytes / 1_000_000_000),
        bytes => format!("{} MB", bytes / 1_000_000),
    }
}

fn power(lab: &Lab, unread: &Unread, faults: &mut Faults) {
    let Some(limit) = &lab.lab.power else { return };
    // A machine that may be elsewhere is not counted: its zone or its site could not be read.
    let counts = |machine: &str| match (lab.site_of_machine(machine), &limit.sites) {
        (None, _) => !unread.is_in(&["zones"]),
        (Some(site), Some(sites)) => sites.iter().any(|own| own.as_str() == site),
        (Some(site), None) => match lab.sites.get(site) {
            Some(site) => site.provider.is_none(),
            None => !unread.is_in(&["sites"]),
        },
    };
    let mut users: Vec<(&MachineName, Power, Span)> = Vec::new();
    for (name, machine) in &lab.machines {
        let power = machine.hardware.as_ref().and_then(|hardware| hardware.power.as_ref());
        if let Some(power) = power
            && counts(name.as_str())
        {
            users.push((name, **power, power.span()));
        }
    }
    let sum = Power(users.iter().fold(0, |sum, (_, power, _)| sum.saturating_add(power.0)));
    if sum <= *limit.budget.value() {
        return;
    }
    users.sort_by_key(|(name, power, _)| (std::cmp::Reverse(*power), *name));
    let each: Vec<String> =
        users.iter().map(|(name, power, _)| format!("{name} {}", power.watts())).collect();
    let over = Power(sum.0 - limit.budget.0);
    let title = format!(
        "the machines use {}, {} more than the budget of {}",
        sum.watts(),
        over.watts(),
        limit.budget.watts()
    );
    let mut places = Vec::new();
    let mut spans: Vec<Span> = Vec::new();
    for (name, power, span) in &users {
        if !spans.contains(span) {
            spans.push(*span);
            let sharing = users.iter().filter(|(_, _, other)| other == span).count();
            places.push((
                *span,
                match sharing {
                    1 => format!("{name}: {}", power.watts()),
                    count => format!("{count} machines, {} each", power.watts()),
                },
            ));
        }
    }
    let mut fault = Fault::new(Code::PowerOverBudget, limit.budget.span(), title).label("the budget");
    for (span, label) in places {
        fault = fault.also(span, label);
    }
    faults.push(fault.help(format!("they are: {}", each.join(", "))));
}
