//! What each machine must do.

use std::collections::{BTreeMap, BTreeSet};

use super::backup::{Holding, Kept};
use crate::model::{Lab, ServiceName};
use crate::names::MachineName;
use crate::source::Span;

/// One thing that a machine must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duty {
    /// The service that does it.
    pub service: ServiceName,
    /// What it is, in words.
    pub what: String,
    /// The place that it came from.
    pub from: Span,
}

/// The duties of every machine that has an agent, and of no other.
pub(super) fn duties(lab: &Lab, holdings: &[Holding]) -> BTreeMap<MachineName, Vec<Duty>> {
    let agents = lab.machines.iter().filter(|(_, machine)| *machine.agent);
    let mut duties: BTreeMap<MachineName, Vec<Duty>> =
        agents.map(|(name, _)| (name.clone(), Vec::new())).collect();
    let mut add = |machine: &str, service: ServiceName, what: String, from: Span| {
        if let Some(own) = duties.get_mut(machine) {
            own.push(Duty { service, what, from });
        }
    };
    for placed in lab.placed() {
        for (at, machine) in placed.on.iter().enumerate() {
            let what = match (at, placed.on.len()) {
                (_, 1) => placed.service.word().to_owned(),
                (0, _) => format!("{}, serving", placed.service),
                (at, _) => format!("{}, standby {at}", placed.service),
            };
            add(machine.as_str(), placed.service, what, machine.span());
        }
    }
    for (name, app) in lab.apps.iter().filter(|(_, app)| app.stack.is_some()) {
        add(app.on.as_str(), ServiceName::Apps, format!("app {name}"), app.on.span());
    }
    for machine in lab.watch.iter().flat_map(|watch| watch.from.iter()) {
        add(machine.as_str(), ServiceName::Watch, "watch, from outside".to_owned(), machine.span());
    }
    for (machine, span) in snapshot_takers(lab, holdings) {
        add(&machine, ServiceName::Backup, "snapshots of its own data".to_owned(), span);
    }
    for (name, mirror) in &lab.git_mirrors {
        let what = format!("git mirror {name}");
        add(mirror.into.machine(), ServiceName::GitMirrors, what, mirror.into.span());
    }
    for (name, machine) in lab.machines.iter().filter(|(_, machine)| *machine.agent) {
        add(name.as_str(), ServiceName::Portal, "start page and pages of Polis".to_owned(), machine.span());
        if let Some(metrics) = &lab.metrics {
            add(name.as_str(), ServiceName::Metrics, "measurements of itself".to_owned(), metrics.span());
        }
        if let Some(logs) = &lab.logs {
            add(name.as_str(), ServiceName::Logs, "logs of itself".to_owned(), logs.span());
        }
    }
    duties
}

/// The machines that take snapshots, with the place that says so.
fn snapshot_takers(lab: &Lab, holdings: &[Holding]) -> BTreeSet<(String, Span)> {
    holdings
        .iter()
        .filter(|holding| matches!(holding.snapshot, Kept::Follows(..)))
        .filter_map(|holding| {
            let taken = super::backup::taken(lab, holding.machine.as_str())?;
            Some((holding.machine.to_string(), taken.span()))
        })
        .collect()
}
