//! Copies: that there are some, elsewhere, and long enough.

use std::collections::BTreeMap;

use super::{Unread, at_places};
use crate::fault::{Code, Fault, Faults, nearest};
use crate::follow::{Follows, HoldingOf, Kept};
use crate::model::{Backup, BackupClass, Lab};
use crate::names::Label;
use crate::read::{At, listed};
use crate::source::Span;

pub(super) fn check(lab: &Lab, unread: &Unread, faults: &mut Faults) {
    let Some(backup) = &lab.backup else { return };
    on_itself(lab, backup, faults);
    pool(lab, backup, unread, faults);
    too_short(backup, unread, faults);
}

/// What concludes from what is not there.
pub(super) fn check_coverage(lab: &Lab, follows: &Follows, faults: &mut Faults) {
    uncovered(lab, follows, faults);
    if let Some(backup) = &lab.backup {
        drill(lab, backup, follows, faults);
    }
}

/// Data that no backup covers, one fault for each machine and each way to mend it.
fn uncovered(lab: &Lab, follows: &Follows, faults: &mut Faults) {
    let mut places: BTreeMap<(String, &str), Vec<(Span, String)>> = BTreeMap::new();
    for holding in &follows.holdings {
        if let (Kept::Missing(what), HoldingOf::Dataset(dataset), Some(span)) =
            (&holding.copy, &holding.of, holding.from.first())
        {
            places
                .entry((what.clone(), holding.machine.as_str()))
                .or_default()
                .push((*span, dataset.to_string()));
        }
    }
    for (name, app) in lab.apps.iter().filter(|(_, app)| app.stack.is_some() && app.data.is_empty()) {
        let covered = covers_machine(lab, app.on.as_str());
        if let (Some(what), true) = (covered, *app.backup == BackupClass::Full) {
            places
                .entry((what, app.on.as_str()))
                .or_default()
                .push((app.span(), format!("what {name} keeps")));
        }
    }
    for ((what, machine), places) in places {
        let title = format!("no backup covers data on {machine}");
        let fault = at_places(Code::DataWithoutBackup, title, places);
        faults.extend(fault.map(|fault| {
            fault
                .help(what)
                .help("or say that it may be lost: `backup = \"none\"`, at the dataset or the app")
        }));
    }
}

/// What would have to be written so that the disks of a machine are copied; none if they are.
fn covers_machine(lab: &Lab, machine: &str) -> Option<String> {
    let Some(backup) = &lab.backup else { return Some("write `[backup]`".to_owned()) };
    let metal = lab.metal_of(machine).unwrap_or(machine);
    let is_taken = |name: &str| backup.take.iter().any(|taken| taken.as_str() == name);
    let own_host = lab.machines.get(machine).and_then(|machine| machine.guest_of.as_ref());
    let taken = is_taken(machine) || is_taken(metal) || own_host.is_some_and(|host| is_taken(host.as_str()));
    (!taken).then(|| format!("add \"{metal}\" to `take` of `[backup]`"))
}

fn on_itself(lab: &Lab, backup: &At<Backup>, faults: &mut Faults) {
    let target = lab.metal_of(backup.on.as_str());
    for taken in backup.take.iter() {
        let same = taken.value() == backup.on.value();
        let title = match (same, lab.metal_of(taken.as_str()) == target && target.is_some()) {
            (true, _) => format!("{taken} would be copied onto itself"),
            (false, true) => {
                format!("{taken} would be copied onto the disks it is on: {} is on the same metal", backup.on)
            }
            (false, false) => continue,
        };
        let fault =
            Fault::new(Code::CopyOnItself, taken.span(), title).also(backup.on.span(), "the copies are here");
        faults.push(
            fault.help("a copy is of use on another machine: name one, or take the machine out of `take`"),
        );
    }
}

fn pool(lab: &Lab, backup: &At<Backup>, unread: &Unread, faults: &mut Faults) {
    let Some(machine) = lab.machines.get(backup.on.value()).filter(|_| backup.pool.is_known()) else {
        return;
    };
    if machine.pools.contains(backup.pool.as_str()) || unread.is_part_of(machine.pools.span()) {
        return;
    }
    let pools: Vec<&str> = machine.pools.keys().map(Label::as_str).collect();
    let title = format!("{} has no pool `{}`", backup.on, backup.pool.as_str());
    let fault = Fault::new(Code::NoSuchPool, backup.pool.span(), title);
    let near = nearest(backup.pool.as_str(), pools.iter().copied());
    faults.push(fault.did_you_mean(near).help(match pools.as_slice() {
        [] => format!("write `pools` of {}", backup.on),
        pools => format!("its pools are {}", listed(pools)),
    }));
}

fn too_short(backup: &At<Backup>, unread: &Unread, faults: &mut Faults) {
    let Some(snapshots) = &backup.snapshots else { return };
    if *snapshots.keep < *snapshots.every && !unread.is_part_of(snapshots.span()) {
        let title =
            format!("a snapshot is taken every {} and kept for {}", *snapshots.every, *snapshots.keep);
        let fault = Fault::new(Code::KeptTooShort, snapshots.keep.span(), title);
        faults.push(
            fault.also(snapshots.every.span(), "taken").help("keep them longer than until the next one"),
        );
    }
}

/// What a drill shows is in a copy.
fn drill(lab: &Lab, backup: &At<Backup>, follows: &Follows, faults: &mut Faults) {
    let Some(show) = backup.drill.as_ref().and_then(|drill| drill.show.as_ref()) else { return };
    let holding = follows
        .holdings
        .iter()
        .filter_map(|holding| match &holding.of {
            HoldingOf::Dataset(dataset) if dataset.holds(show) => Some((dataset, holding)),
            _ => None,
        })
        .max_by_key(|(dataset, _)| dataset.path().len());
    let why = match holding.map(|(_, holding)| &holding.copy) {
        Some(Kept::Follows(..)) => return,
        Some(Kept::ChosenNot(span)) => Some(*span),
        Some(Kept::Missing(_)) | None => None,
    };
    if !lab.machines.contains(show.machine()) {
        return;
    }
    let fault = Fault::new(
        Code::DrillWithoutCopy,
        show.span(),
        format!("there is no copy of `{}` to restore", show.value()),
    );
    let fault = match why {
        Some(span) => fault.also(span, "it is not copied"),
        None => fault,
    };
    faults.push(fault.help("name a dataset of a machine in `take`"));
}
