//! What is kept of the lab's data, and how.

use std::collections::BTreeMap;

use crate::model::{App, Backup, BackupClass, Dataset, DatasetName, Lab};
use crate::names::{AppName, Label, MachineName};
use crate::read::At;
use crate::source::Span;
use crate::value::Duration;

/// When snapshots are taken and how long they are kept, if the lab file says nothing.
const SNAPSHOTS: (Duration, Duration) = (Duration::seconds(3600), Duration::seconds(14 * 86_400));

/// Data that is kept, or could be.
#[derive(Clone, Debug)]
pub struct Holding {
    /// What it is.
    pub of: HoldingOf,
    /// The machine that it is on.
    pub machine: MachineName,
    /// Snapshots where it is: how often, and how long they are kept.
    pub snapshot: Kept<(Duration, Duration)>,
    /// The copy: where it is.
    pub copy: Kept<String>,
    /// Copies outside the house: their names.
    pub offsite: Kept<Vec<Label>>,
    /// Restore drills: how often.
    pub drill: Kept<Duration>,
    /// The places that it came from.
    pub from: Vec<Span>,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HoldingOf {
    /// A dataset and what is in it.
    Dataset(DatasetName),
    /// The disks of a guest.
    Guest(MachineName),
}

/// Whether something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept<T> {
    /// It is done in this way, because of these places.
    Follows(T, Vec<Span>),
    /// Somebody chose that it is not.
    ChosenNot(Span),
    /// It is not, and this would have to be written.
    Missing(String),
}

impl<T> Kept<T> {
    fn or_not<U>(self, done: impl FnOnce() -> Kept<U>) -> Kept<U> {
        match self {
            Self::Follows(..) => done(),
            Self::ChosenNot(span) => Kept::ChosenNot(span),
            Self::Missing(what) => Kept::Missing(what),
        }
    }
}

/// All data that the lab file knows of, by name.
pub(super) fn holdings(lab: &Lab) -> Vec<Holding> {
    let mut known: BTreeMap<HoldingOf, (MachineName, Vec<Span>)> = BTreeMap::new();
    let mut add = |of: HoldingOf, machine: &MachineName, span: Span| {
        known.entry(of).or_insert_with(|| (machine.clone(), Vec::new())).1.push(span);
    };
    for machine in lab.backup.iter().flat_map(|backup| backup.take.iter()) {
        let Some(pools) = lab.machines.get(machine.value()).map(|machine| &machine.pools) else { continue };
        for pool in pools.keys() {
            add(HoldingOf::Dataset(DatasetName::of_pool(machine, pool)), machine, machine.span());
        }
    }
    for (name, machine) in &lab.machines {
        if let Some(host) = &machine.guest_of
            && taken(lab, host.as_str()).is_some()
        {
            add(HoldingOf::Guest(name.clone()), host, host.span());
        }
    }
    let machine_of =
        |dataset: &DatasetName| lab.machines.keys().find(|name| name.as_str() == dataset.machine());
    for (dataset, entry) in &lab.datasets {
        if let Some(machine) = machine_of(dataset) {
            add(HoldingOf::Dataset(dataset.clone()), machine, entry.span());
        }
    }
    for dataset in lab.apps.iter().flat_map(|(_, app)| app.data.iter()) {
        if let Some(machine) = machine_of(dataset) {
            add(HoldingOf::Dataset(dataset.value().clone()), machine, dataset.span());
        }
    }
    for (_, mirror) in &lab.git_mirrors {
        if let Some(machine) = machine_of(&mirror.into) {
            add(HoldingOf::Dataset(mirror.into.value().clone()), machine, mirror.into.span());
        }
    }
    known.into_iter().map(|(of, (machine, from))| holding(lab, of, machine, from)).collect()
}

/// Where `[backup]` says that a machine is taken.
pub(crate) fn taken<'l>(lab: &'l Lab, machine: &str) -> Option<&'l At<MachineName>> {
    lab.backup.as_ref()?.take.iter().find(|taken| taken.as_str() == machine)
}

/// The most special entry of `[datasets]` that holds a dataset.
pub(crate) fn entry_for<'l>(lab: &'l Lab, dataset: &DatasetName) -> Option<&'l At<Dataset>> {
    let holding = lab.datasets.iter().filter(|(name, _)| name.holds(dataset));
    holding.max_by_key(|(name, _)| name.path().len()).map(|(_, entry)| entry)
}

/// Where an app says that its data may be lost.
pub(crate) fn given_up(app: &App) -> Option<Span> {
    (*app.backup == BackupClass::None).then(|| app.backup.span())
}

fn apps_of<'l>(lab: &'l Lab, dataset: &'l DatasetName) -> impl Iterator<Item = (&'l AppName, &'l At<App>)> {
    lab.apps.iter().filter(move |(_, app)| app.data.iter().any(|data| data.value() == dataset))
}

fn holding(lab: &Lab, of: HoldingOf, machine: MachineName, from: Vec<Span>) -> Holding {
    let entry = match &of {
        HoldingOf::Dataset(dataset) => entry_for(lab, dataset),
        HoldingOf::Guest(_) => None,
    };
    let given_up = match &of {
        HoldingOf::Dataset(dataset) => {
            let by_app = apps_of(lab, dataset).find_map(|(_, app)| given_up(app));
            let by_entry =
                entry.filter(|entry| *entry.backup == BackupClass::None).map(|entry| entry.backup.span());
            by_entry.or(by_app)
        }
        HoldingOf::Guest(_) => None,
    };
    let base: Kept<(&At<Backup>, Span)> = match (&lab.backup, taken(lab, machine.as_str())) {
        _ if given_up.is_some() => Kept::ChosenNot(given_up.unwrap_or(lab.lab.span())),
        (None, _) => Kept::Missing("write `[backup]`".to_owned()),
        (Some(_), None) => Kept::Missing(format!("add \"{machine}\" to `take` of `[backup]`")),
        (Some(backup), Some(taken)) => Kept::Follows((backup, taken.span()), Vec::new()),
    };
    let Kept::Follows((backup, place), _) = base else {
        return Holding {
            snapshot: base.clone().or_not(|| Kept::Missing(String::new())),
            copy: base.clone().or_not(|| Kept::Missing(String::new())),
            offsite: base.clone().or_not(|| Kept::Missing(String::new())),
            drill: base.or_not(|| Kept::Missing(String::new())),
            of,
            machine,
            from,
        };
    };
    let snapshots = backup.snapshots.as_ref();
    let rhythm = snapshots.map_or(SNAPSHOTS, |snapshots| (*snapshots.every, *snapshots.keep));
    let why = |more: Option<Span>| std::iter::once(place).chain(more).collect::<Vec<_>>();
    Holding {
        snapshot: Kept::Follows(rhythm, why(snapshots.map(At::span))),
        copy: Kept::Follows(copy_name(backup, &of, &machine), why(Some(backup.pool.span()))),
        offsite: offsite(backup, entry),
        drill: match &backup.drill {
            Some(drill) => Kept::Follows(*drill.every, vec![drill.span()]),
            None => Kept::Missing("write `drill` in `[backup]`".to_owned()),
        },
        of,
        machine,
        from,
    }
}

fn offsite(backup: &Backup, entry: Option<&At<Dataset>>) -> Kept<Vec<Label>> {
    match entry {
        Some(entry) if !*entry.offsite => Kept::ChosenNot(entry.offsite.span()),
        _ if backup.offsite.is_empty() => Kept::Missing("write `offsite` in `[backup]`".to_owned()),
        _ => Kept::Follows(
            backup.offsite.keys().cloned().collect(),
            backup.offsite.iter().map(|(_, to)| to.span()).collect(),
        ),
    }
}

/// Where the copy is: under the name of the machine that it came from.
fn copy_name(backup: &Backup, of: &HoldingOf, machine: &MachineName) -> String {
    let path = match of {
        HoldingOf::Dataset(dataset) => dataset.path().to_owned(),
        HoldingOf::Guest(guest) => format!("guests/{guest}"),
    };
    format!("{}:{}/{machine}/{path}", backup.on, backup.pool)
}

impl std::fmt::Display for HoldingOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dataset(dataset) => dataset.fmt(f),
            Self::Guest(guest) => write!(f, "disks of {guest}"),
        }
    }
}
