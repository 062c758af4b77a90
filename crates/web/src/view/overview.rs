//! What needs somebody now, and everything at a glance.

use std::collections::BTreeMap;

use lab::model::{Placed, ServiceName};
use runtime::link::Status;
use runtime::{Condition, Millis, Phase, Seen};
use schemars::JsonSchema;
use serde::Serialize;

use super::machine::{MachineRow, rows};
use super::{Eye, Health, Line, counted, health_of, is_run, lines_in, phase_on, words};

/// The overview.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Overview {
    /// The name of the lab.
    pub lab: String,
    /// What its machines compare it by.
    pub fingerprint: String,
    /// The machine that shows this.
    pub machine: String,
    /// What needs somebody, the worst first.
    pub attention: Vec<Attention>,
    /// The services, as the lab places them.
    pub services: Vec<ServiceRow>,
    /// The machines.
    pub machines: Vec<MachineRow>,
    /// What the apps and machines have of everything that can follow.
    pub coverage: Vec<CoverageCount>,
    /// The power that the machines are said to use.
    pub power: Option<Power>,
}

/// Something that needs somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Attention {
    /// How bad it is.
    pub health: Health,
    /// What it is about.
    pub about: String,
    /// The page of that.
    pub url: String,
    /// What is wrong.
    pub what: String,
    /// Why, as far as it is known.
    pub why: Option<String>,
    /// What follows from it.
    pub then: Vec<String>,
    /// What to do.
    pub next: Option<String>,
    /// Since when, in milliseconds since 1970.
    pub since: Option<Millis>,
    /// The lines of the lab file that it is about.
    pub lines: Vec<Line>,
}

/// A service of the lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ServiceRow {
    /// Its name: that of its table in the lab file.
    pub name: String,
    /// How it is.
    pub health: Health,
    /// Why it is not up, or what it does.
    pub words: String,
    /// The address that moves between its machines.
    pub address: Option<String>,
    /// Its machines, the first serves.
    pub on: Vec<Holder>,
    /// Where the lab file says so.
    pub lines: Vec<Line>,
}

/// A machine in the order of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Holder {
    /// The machine.
    pub machine: String,
    /// How it is there, in words.
    pub phase: String,
    /// Whether it is the one that serves now.
    pub serves: bool,
}

/// How many apps and machines have one thing of all that can follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CoverageCount {
    /// The thing: `name`, `certificate`, `copy`.
    pub column: String,
    /// How many have it.
    pub follows: usize,
    /// For how many it was chosen that they do not.
    pub chosen: usize,
    /// How many lack it.
    pub missing: usize,
}

/// The power of the machines, as the lab file states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Power {
    /// What they use together, in milliwatts.
    pub used_milliwatts: u64,
    /// What they may use, in milliwatts.
    pub budget_milliwatts: Option<u64>,
    /// The machines that are counted.
    pub machines: usize,
    /// Where the budget stands.
    pub lines: Vec<Line>,
}

/// The overview of what is seen; none while no lab is followed.
pub fn overview(seen: &Seen) -> Option<Overview> {
    let eye = Eye::of(seen)?;
    Some(Overview {
        lab: eye.lab.lab.name.to_string(),
        fingerprint: seen.status.lab.clone(),
        machine: seen.machine.to_string(),
        attention: attention(eye),
        services: eye.lab.placed().iter().map(|placed| service(eye, placed)).collect(),
        machines: rows(eye),
        coverage: counts(seen),
        power: power(eye),
    })
}

/// How a service stands, over all its machines.
pub(crate) fn service(eye: Eye<'_>, placed: &Placed<'_>) -> ServiceRow {
    let mut on: Vec<Holder> = Vec::new();
    for (place, machine) in placed.on.iter().enumerate() {
        let standing = eye.standing(machine.as_str());
        let phase = standing.status.map(|status| phase_on(status, placed.service));
        let may_serve = on.iter().all(|holder| !holder.serves);
        let word = match (phase, standing.health) {
            _ if !is_run(placed.service) => "planned",
            (Some(phase), _) => phase.word(),
            (None, Health::Down) => "down",
            (None, _) => "unknown",
        };
        let serves = may_serve && standing.status.is_some_and(|status| serves(eye, placed, place, status));
        on.push(Holder { machine: machine.to_string(), phase: word.to_owned(), serves });
    }
    let (health, words) = service_health(eye, placed, &on);
    let address = placed.address.map(|address| address.0.to_string());
    let lines = eye.lines(&[placed.span]);
    ServiceRow { name: placed.service.word().to_owned(), health, words, address, on, lines }
}

/// Whether a machine at this place of an order answers for a service. What listens at an address that is elsewhere serves
/// nobody: outside a demonstration only the first machine takes the address, and not if another one has it.
fn serves(eye: Eye<'_>, placed: &Placed<'_>, place: usize, status: &Status) -> bool {
    let does = matches!(phase_on(status, placed.service), Phase::Running | Phase::HeldBack);
    let has_address = match placed.address {
        Some(address) if !eye.seen.is_demo => {
            let about = format!("address {}", address.0);
            place == 0 && status.conditions.iter().all(|condition| condition.about != about)
        }
        _ => true,
    };
    does && has_address
}

fn service_health(eye: Eye<'_>, placed: &Placed<'_>, on: &[Holder]) -> (Health, String) {
    if !is_run(placed.service) {
        return (Health::Pending, String::new());
    }
    let Some(first) = on.first() else { return (Health::Down, "it is on no machine".to_owned()) };
    let name = first.machine.as_str();
    let standing = eye.standing(name);
    let phase = standing.status.map(|status| phase_on(status, placed.service));
    match (on.iter().find(|holder| holder.serves), phase) {
        (Some(holder), Some(Phase::HeldBack)) if holder.machine == name => (
            Health::Degraded,
            format!("{name} does what was planned before: the new plan can not be carried out"),
        ),
        (Some(holder), _) if holder.machine == name => (Health::Up, does(eye, placed.service, name)),
        (Some(holder), _) => {
            (Health::Degraded, format!("{} serves; {name} goes first and is {}", holder.machine, first.phase))
        }
        (None, None) if standing.health == Health::Down => {
            let more = match placed.address {
                Some(_) if on.len() > 1 => ", and this version does not move the address",
                _ => "",
            };
            (Health::Down, format!("{name} does not answer{more}"))
        }
        (None, None) => (Health::Unknown, format!("nobody knows: {name} does not say")),
        (None, Some(Phase::Running)) => (Health::Down, format!("{name} does not have the address")),
        (None, Some(phase)) => {
            (health_of(phase).min(Health::Pending), format!("it is {} on {name}", phase.word()))
        }
    }
}

fn does(eye: Eye<'_>, service: ServiceName, machine: &str) -> String {
    let status = eye.standing(machine).status;
    let runs = status.and_then(|status| status.services.iter().find(|runs| runs.name == service.word()));
    runs.and_then(|runs| runs.running.as_ref()).map(|running| running.does.clone()).unwrap_or_default()
}

/// What needs somebody, the worst first.
fn attention(eye: Eye<'_>) -> Vec<Attention> {
    let mut all = Vec::new();
    all.extend(refused(eye));
    all.extend(silent(eye));
    conditions(eye, &mut all);
    out_of_step(eye, &mut all);
    all.extend(overlay(eye));
    all.sort_by(|a, b| (a.health, &a.about).cmp(&(b.health, &b.about)));
    all
}

/// The lab folder has errors.
fn refused(eye: Eye<'_>) -> Option<Attention> {
    let checked = eye.seen.refused.as_ref()?;
    let since = condition_since(eye, "lab");
    let refuse = |status: &Status| status.conditions.iter().any(|condition| is_refusal(eye, condition));
    let others = statuses(eye).skip(1).filter(|(_, status)| refuse(status)).count();
    let alike =
        (others > 0).then(|| format!("the same on {}", counted(others, "other machine", "other machines")));
    let errors = checked.faults.errors();
    let first = checked.faults.iter().find(|fault| fault.is_error());
    let lines = first.map(|first| first.places.iter().map(|place| place.span).collect::<Vec<_>>());
    Some(Attention {
        health: Health::Degraded,
        about: "lab".to_owned(),
        url: "/config#faults".to_owned(),
        what: "the changed lab file is not taken up".to_owned(),
        why: Some(match first {
            Some(first) => {
                let title = lab::mask_secrets(&first.title);
                format!("{}; the first: {title}", counted(errors, "error", "errors"))
            }
            None => "it does not have this machine".to_owned(),
        }),
        then: std::iter::once("what ran before runs on".to_owned()).chain(alike).collect(),
        next: Some(match first.and_then(|first| first.help.first()) {
            Some(help) => format!("{}; a mended file is taken up by itself", lab::mask_secrets(help)),
            None => "a mended file is taken up by itself".to_owned(),
        }),
        since,
        lines: lines_in(&checked.folder, &lines.unwrap_or_default()),
    })
}

fn condition_since(eye: Eye<'_>, about: &str) -> Option<Millis> {
    eye.seen.status.conditions.iter().find(|condition| condition.about == about).map(|own| own.since)
}

/// Machines that do not answer. A guest of one that is down is said with it; those that were never enrolled are said once.
pub(super) fn silent(eye: Eye<'_>) -> Vec<Attention> {
    let mut all = Vec::new();
    let silent: BTreeMap<&str, Health> = eye
        .lab
        .machines
        .iter()
        .filter(|(_, machine)| *machine.agent)
        .map(|(name, _)| (name.as_str(), eye.standing(name.as_str()).health))
        .filter(|(_, health)| matches!(health, Health::Down | Health::Unknown))
        .collect();
    let own = eye.seen.machine.as_str();
    let has_own = eye.is_enrolled(own);
    let is_strange = |name: &str| !eye.is_enrolled(name) || !has_own;
    let strange: Vec<&str> = silent.keys().copied().filter(|name| !eye.is_enrolled(name)).collect();
    if !has_own && !silent.is_empty() {
        all.push(Attention {
            health: Health::Unknown,
            about: own.to_owned(),
            url: format!("/machines/{own}"),
            what: "this machine is not enrolled yet".to_owned(),
            why: Some("its key is not in the lab file, so no other machine speaks to it".to_owned()),
            then: vec!["nothing is known of the others".to_owned()],
            next: Some("`polis machine key` here prints the line for the lab file".to_owned()),
            since: None,
            lines: Vec::new(),
        });
    }
    if !strange.is_empty() {
        all.push(Attention {
            health: Health::Unknown,
            about: "machines".to_owned(),
            url: "/machines".to_owned(),
            what: format!("{} not enrolled yet", counted(strange.len(), "machine is", "machines are")),
            why: Some(format!("their keys are not in the lab file: {}", words(&strange))),
            then: vec!["nothing is known of them".to_owned()],
            next: Some("on each: `polis machine key` prints the line for the lab file".to_owned()),
            since: None,
            lines: Vec::new(),
        });
    }
    let host = |name: &str| eye.lab.machines.get(name).and_then(|machine| machine.guest_of.as_ref());
    for (name, health) in silent.iter().filter(|(name, _)| !is_strange(name)) {
        if host(name).is_some_and(|host| silent.contains_key(host.as_str())) {
            continue;
        }
        let guests: Vec<&str> = silent
            .keys()
            .copied()
            .filter(|guest| host(guest).is_some_and(|host| host.as_str() == *name))
            .collect();
        all.push(silent_machine(eye, name, *health, &guests));
    }
    all
}

fn silent_machine(eye: Eye<'_>, name: &str, health: Health, guests: &[&str]) -> Attention {
    let standing = eye.standing(name);
    let mut gone = vec![name];
    gone.extend(guests);
    let what = match guests {
        [] => format!("{name} does not answer"),
        [guest] => format!("{name} does not answer, and with it its guest {guest}"),
        guests => format!("{name} does not answer, and with it its guests {}", words(guests)),
    };
    let next = match eye.seen.is_demo {
        true => format!("`polis demo start {name}` starts it again"),
        false => format!("does it have power and network? then `ssh {name}` and `journalctl -u polis`"),
    };
    Attention {
        health,
        about: name.to_owned(),
        url: format!("/machines/{name}"),
        what,
        why: standing.why,
        then: consequences(eye, &gone),
        next: Some(next),
        since: standing.since,
        lines: eye.lab.machines.get(name).map(|machine| eye.lines(&[machine.span()])).unwrap_or_default(),
    }
}

/// What does not work while these machines are gone.
fn consequences(eye: Eye<'_>, gone: &[&str]) -> Vec<String> {
    let mut then = Vec::new();
    for placed in eye.lab.placed() {
        if !placed.on.iter().any(|machine| gone.contains(&machine.as_str())) || !is_run(placed.service) {
            continue;
        }
        let row = service(eye, &placed);
        let is_first = placed.on.first().is_some_and(|first| gone.contains(&first.as_str()));
        then.push(match row.on.iter().find(|holder| holder.serves) {
            Some(holder) if is_first => format!("{} answers {} instead", holder.machine, row.name),
            Some(_) => format!("{} has one standby less", row.name),
            None => format!("{} is not served", row.name),
        });
    }
    let apps = eye.lab.apps.iter().filter(|(_, app)| gone.contains(&app.on.as_str()));
    let apps: Vec<String> = apps.map(|(name, _)| name.to_string()).collect();
    if !apps.is_empty() {
        then.push(format!("apps on it: {}", words(apps)));
    }
    then
}

/// What machines that answer say is wrong with them; what several say alike is said once.
fn conditions(eye: Eye<'_>, all: &mut Vec<Attention>) {
    type Said<'s> = (&'s str, &'s Condition);
    let mut alike: BTreeMap<[&str; 3], Vec<Said<'_>>> = BTreeMap::new();
    for (machine, status) in statuses(eye) {
        for condition in status.conditions.iter().filter(|condition| !is_refusal(eye, condition)) {
            let key = [condition.about.as_str(), condition.what.as_str(), condition.help.as_str()];
            alike.entry(key).or_default().push((machine, condition));
        }
    }
    for machines in alike.values() {
        let Some((machine, condition)) = machines.iter().min_by_key(|(_, condition)| condition.since) else {
            continue;
        };
        let mut attention = wrong(machine, condition);
        if machines.len() > 1 {
            attention.about = format!("{} machines: {}", machines.len(), condition.about);
            attention.url = "/machines".to_owned();
            attention.why = Some(words(machines.iter().map(|(machine, _)| *machine)));
        }
        all.push(attention);
    }
}

/// What a machine says is wrong with it.
pub(super) fn wrong(machine: &str, condition: &Condition) -> Attention {
    Attention {
        health: Health::Degraded,
        about: format!("{machine}: {}", condition.about),
        url: format!("/machines/{machine}#wrong"),
        what: condition.what.clone(),
        why: None,
        then: Vec::new(),
        next: Some(condition.help.clone()),
        since: Some(condition.since),
        lines: Vec::new(),
    }
}

/// This machine and the others that answer, as they say that they stand.
fn statuses<'s>(eye: Eye<'s>) -> impl Iterator<Item = (&'s str, &'s Status)> {
    let own = std::iter::once((eye.seen.machine.as_str(), &eye.seen.status));
    let others = eye.seen.others.iter().map(|known| known.peer.machine.as_str());
    own.chain(others.filter_map(move |machine| Some((machine, eye.standing(machine).status?))))
}

/// Whether a condition is that of the lab file that is not taken up, which is said with its lines.
fn is_refusal(eye: Eye<'_>, condition: &Condition) -> bool {
    let own = eye.seen.status.conditions.iter().find(|own| own.about == "lab");
    eye.seen.refused.is_some()
        && own.is_some_and(|own| own.about == condition.about && own.what == condition.what)
}

/// Machines that answer and follow another lab than this one.
fn out_of_step(eye: Eye<'_>, all: &mut Vec<Attention>) {
    let own = eye.seen.status.lab.as_str();
    let other: Vec<&str> = eye
        .seen
        .others
        .iter()
        .filter(|known| eye.standing(&known.peer.machine).status.is_some_and(|status| status.lab != own))
        .map(|known| known.peer.machine.as_str())
        .collect();
    if other.is_empty() {
        return;
    }
    all.push(Attention {
        health: Health::Degraded,
        about: "lab".to_owned(),
        url: "/config#machines".to_owned(),
        what: format!(
            "{} another lab file than this machine",
            counted(other.len(), "machine follows", "machines follow")
        ),
        why: Some(words(&other)),
        then: Vec::new(),
        next: Some("bring the same lab folder to each; it is taken up by itself".to_owned()),
        since: None,
        lines: Vec::new(),
    });
}

/// Changes that are not in the file.
fn overlay(eye: Eye<'_>) -> Option<Attention> {
    let entries = &eye.seen.overlay;
    let first = entries.first()?;
    Some(Attention {
        health: Health::Pending,
        about: "overlay".to_owned(),
        url: "/config#overlay".to_owned(),
        what: format!("{} not in the lab file", counted(entries.len(), "change is", "changes are")),
        why: Some(format!("the oldest: {} added to {}: {}", first.who, first.key, first.value)),
        then: Vec::new(),
        next: Some("`polis overlay print` gives the lines to paste".to_owned()),
        since: Some(first.at),
        lines: Vec::new(),
    })
}

fn counts(seen: &Seen) -> Vec<CoverageCount> {
    let rows = lab::coverage(&seen.lab);
    let of = |column: lab::Column| {
        let cells = rows.iter().flat_map(|row| &row.cells).filter(|(own, _)| *own == column);
        let mut count = CoverageCount { column: column.word().to_owned(), follows: 0, chosen: 0, missing: 0 };
        for (_, cell) in cells {
            match cell {
                lab::Covered::Follows { .. } => count.follows += 1,
                lab::Covered::ChosenNot { .. } => count.chosen += 1,
                lab::Covered::Missing(_) => count.missing += 1,
                lab::Covered::NotApplicable => {}
            }
        }
        count
    };
    let all = lab::Column::ALL.map(of).into_iter();
    all.filter(|count| count.follows + count.chosen + count.missing > 0).collect()
}

fn power(eye: Eye<'_>) -> Option<Power> {
    let powered = eye.lab.powered();
    let limit = eye.lab.lab.power.as_ref();
    if powered.is_empty() && limit.is_none() {
        return None;
    }
    Some(Power {
        used_milliwatts: powered.iter().fold(0, |sum, (_, power)| sum.saturating_add(power.0)),
        budget_milliwatts: limit.map(|limit| limit.budget.0),
        machines: powered.len(),
        lines: limit.map(|limit| eye.lines(&[limit.budget.span()])).unwrap_or_default(),
    })
}
