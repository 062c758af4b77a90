//! Machines: the table of all, and everything of one.

use lab::model::Machine;
use lab::read::At;
use runtime::link::{Answering, ServiceRuns};
use runtime::{Millis, Seen};
use schemars::JsonSchema;
use serde::Serialize;

use super::coverage::{Cell, cells};
use super::{Eye, Health, Line, health_of, is_run, words};

/// How many beats a row has, and how long each is.
const BEATS: i64 = 30;
const BEAT: Millis = 120_000;

/// All machines.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Machines {
    /// In the order of their names.
    pub machines: Vec<MachineRow>,
}

/// A machine in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MachineRow {
    /// Its name.
    pub name: String,
    /// How it is, as seen from the machine that shows this.
    pub health: Health,
    /// Why it is not up.
    pub why: Option<String>,
    /// Since when it answers or does not.
    pub since: Option<Millis>,
    /// Where it is: its site and zone.
    pub place: String,
    /// What it is a guest of.
    pub guest_of: Option<String>,
    /// Its first address.
    pub address: Option<String>,
    /// What the lab has it do.
    pub duties: Vec<String>,
    /// The version of its Polis.
    pub polis: Option<String>,
    /// Whether it follows the same lab as the machine that shows this; none if nobody knows.
    pub in_step: Option<bool>,
    /// How it was in the last hour, two minutes each, the newest last.
    pub beats: Vec<Health>,
    /// What it is said to use, in milliwatts.
    pub power_milliwatts: Option<u64>,
    /// Where the lab file has it.
    pub lines: Vec<Line>,
}

/// Everything of one machine.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct MachineView {
    /// Its row in the table.
    pub row: MachineRow,
    /// What the lab file says of it.
    pub facts: Vec<Fact>,
    /// What the lab has it do, and what of it runs.
    pub duties: Vec<Duty>,
    /// What it says that is wrong with it.
    pub wrong: Vec<super::Attention>,
    /// Its guests.
    pub guests: Vec<MachineRow>,
    /// The apps on it.
    pub apps: Vec<super::AppRow>,
    /// What it has of everything that can follow.
    pub coverage: Vec<Cell>,
    /// How it stands, in words, if it answers.
    pub running: Vec<Runs>,
}

/// Something that the lab file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fact {
    /// Of what.
    pub key: String,
    /// What.
    pub value: String,
    /// Where.
    pub lines: Vec<Line>,
}

/// Something that a machine does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Duty {
    /// The service.
    pub service: String,
    /// What of it.
    pub what: String,
    /// How that is there.
    pub health: Health,
    /// In words.
    pub words: String,
    /// Where the lab file says so.
    pub lines: Vec<Line>,
}

/// A service that runs on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Runs {
    /// The service.
    pub service: String,
    /// How it is.
    pub health: Health,
    /// How it stands, in a word.
    pub phase: String,
    /// What it does, in words.
    pub does: String,
    /// What is wrong with it.
    pub trouble: Option<String>,
    /// What to do about that.
    pub help: Option<String>,
}

/// All machines; none while no lab is followed.
pub fn machines(seen: &Seen) -> Option<Machines> {
    Some(Machines { machines: rows(Eye::of(seen)?) })
}

pub(super) fn rows(eye: Eye<'_>) -> Vec<MachineRow> {
    eye.lab.machines.iter().map(|(name, machine)| row(eye, name.as_str(), machine)).collect()
}

fn row(eye: Eye<'_>, name: &str, machine: &At<Machine>) -> MachineRow {
    let standing = eye.standing(name);
    let site = eye.lab.site_of_machine(name);
    let zone = eye.lab.zone_of(machine).map(lab::names::ZoneName::as_str);
    let duties = eye.follows.duties.get(name).map(Vec::as_slice).unwrap_or_default();
    let mut roles: Vec<String> =
        duties.iter().filter(|duty| !is_everywhere(duty)).map(|duty| duty.what.clone()).collect();
    roles.dedup();
    MachineRow {
        name: name.to_owned(),
        health: standing.health,
        why: standing.why,
        since: standing.since,
        place: words(site.into_iter().chain(zone.filter(|zone| site != Some(zone)))),
        guest_of: machine.guest_of.as_ref().map(ToString::to_string),
        address: machine.address.iter().flat_map(|all| all.iter()).map(|own| own.0.to_string()).next(),
        duties: roles,
        polis: standing.status.map(|status| status.polis.clone()),
        in_step: standing.status.map(|status| status.lab == eye.seen.status.lab),
        beats: beats(eye, name),
        power_milliwatts: machine
            .hardware
            .as_ref()
            .and_then(|hardware| hardware.power.as_ref())
            .map(|own| own.0),
        lines: eye.lines(&[machine.span()]),
    }
}

/// Duties that every machine has say nothing of one.
fn is_everywhere(duty: &lab::Duty) -> bool {
    use lab::model::ServiceName as S;
    duty.service == S::Portal
        || (matches!(duty.service, S::Metrics | S::Logs) && duty.what.contains("itself"))
}

/// How a machine answered, newest last.
fn beats(eye: Eye<'_>, name: &str) -> Vec<Health> {
    let now = eye.seen.now;
    let began = eye.seen.status.since;
    let history = eye.known(name).map(|known| known.history.as_slice()).unwrap_or_default();
    let is_own = name == eye.seen.machine.as_str();
    let mut beats = Vec::new();
    for back in (0..BEATS).rev() {
        let (from, to) = (now - (back + 1) * BEAT, now - back * BEAT);
        beats.push(match is_own {
            true if to > began => Health::Up,
            true => Health::Unknown,
            false => worst_between(history, from, to),
        });
    }
    beats
}

/// The worst that a machine was between two moments.
fn worst_between(history: &[(Millis, Answering)], from: Millis, to: Millis) -> Health {
    let before = history.iter().rev().find(|(at, _)| *at <= from).map(|(_, was)| *was);
    let within = history.iter().filter(|(at, _)| *at > from && *at <= to).map(|(_, was)| *was);
    let health = |answering| match answering {
        Answering::Up => Health::Up,
        Answering::Down => Health::Down,
        Answering::Unknown => Health::Unknown,
    };
    let first_up_only = before.is_none();
    let all: Vec<Health> = before.into_iter().chain(within).map(health).collect();
    // A machine that is heard for the first time was not unknown before that to anybody who asked.
    if first_up_only && all.last() == Some(&Health::Up) && !all.contains(&Health::Down) {
        return Health::Up;
    }
    all.into_iter().min().unwrap_or(Health::Unknown)
}

/// Everything of one machine; none if the lab has no such machine.
pub fn machine(seen: &Seen, name: &str) -> Option<MachineView> {
    let eye = Eye::of(seen)?;
    let own = eye.lab.machines.get(name)?;
    let standing = eye.standing(name);
    let silent = super::overview::silent(eye).into_iter().filter(|own| own.about == name);
    let conditions = standing.status.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let wrong = silent.chain(conditions.iter().map(|condition| super::overview::wrong(name, condition)));
    let guests = eye
        .lab
        .machines
        .iter()
        .filter(|(_, guest)| guest.guest_of.as_ref().is_some_and(|host| host.as_str() == name));
    Some(MachineView {
        row: row(eye, name, own),
        facts: facts(eye, name, own),
        duties: duties(eye, name),
        wrong: wrong.collect(),
        guests: guests.map(|(guest, machine)| row(eye, guest.as_str(), machine)).collect(),
        apps: super::apps(seen)?.apps.into_iter().filter(|app| app.on == name).collect(),
        coverage: cells(eye, "machine", name),
        running: standing.status.map(|status| status.services.iter().map(runs).collect()).unwrap_or_default(),
    })
}

fn runs(service: &ServiceRuns) -> Runs {
    Runs {
        service: service.name.clone(),
        health: health_of(service.phase),
        phase: service.phase.word().to_owned(),
        does: service.running.as_ref().map(|running| running.does.clone()).unwrap_or_default(),
        trouble: service.trouble.as_ref().map(|(what, _)| what.clone()),
        help: service.trouble.as_ref().map(|(_, help)| help.clone()),
    }
}

fn facts(eye: Eye<'_>, name: &str, machine: &At<Machine>) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |key: &str, value: String, places: &[lab::Span]| {
        facts.push(Fact { key: key.to_owned(), value, lines: eye.lines(places) });
    };
    if let Some(host) = &machine.guest_of {
        add("guest of", host.to_string(), &[host.span()]);
    }
    if let Some(zone) = eye.lab.zone_of(machine) {
        let place = machine.zone.as_ref().map_or(machine.span(), At::span);
        add("zone", zone.to_string(), &[place]);
    }
    if let Some(site) = eye.lab.site_of_machine(name) {
        add("site", site.to_owned(), &[]);
    }
    for address in machine.address.iter().flat_map(|all| all.iter()) {
        add("address", address.0.to_string(), &[address.span()]);
    }
    for own in eye.follows.names.iter().filter(|own| own.owner == lab::Owner::Machine(lab_name(eye, name))) {
        add("name", own.name.clone(), &own.from);
    }
    if let Some(hardware) = &machine.hardware {
        if let Some(cpu) = &hardware.cpu {
            add("processor", cpu.to_string(), &[cpu.span()]);
        }
        if let Some(power) = &hardware.power {
            add("power", power.watts(), &[power.span()]);
        }
    }
    if let Some(cores) = &machine.cores {
        add("cores", cores.0.to_string(), &[cores.span()]);
    }
    if let Some(memory) = &machine.memory {
        add("memory", memory.to_string(), &[memory.span()]);
    }
    for (pool, table) in &machine.pools {
        let text =
            format!("{pool}: {} {} of {}", table.kind.word(), table.layout.word(), words(table.disks.iter()));
        add("pool", text, &[table.span()]);
    }
    if !machine.panels.is_empty() {
        add("panels", words(machine.panels.iter()), &[machine.panels.span()]);
    }
    facts
}

fn lab_name(eye: Eye<'_>, name: &str) -> lab::names::MachineName {
    let known = eye.lab.machines.keys().find(|own| own.as_str() == name);
    known.unwrap_or(&eye.seen.machine).clone()
}

/// What the lab has a machine do, and how that is there.
fn duties(eye: Eye<'_>, name: &str) -> Vec<Duty> {
    let standing = eye.standing(name);
    let duties = eye.follows.duties.get(name).map(Vec::as_slice).unwrap_or_default();
    let duty = |duty: &lab::Duty| {
        let runs = standing
            .status
            .and_then(|status| status.services.iter().find(|runs| runs.name == duty.service.word()));
        let (health, words) = match (is_run(duty.service), standing.status, runs) {
            (false, ..) => (Health::Pending, "planned"),
            (true, None, _) if standing.health == Health::Down => {
                (Health::Down, "the machine does not answer")
            }
            (true, None, _) => (Health::Unknown, "nobody knows"),
            (true, Some(_), Some(runs)) => (health_of(runs.phase), runs.phase.word()),
            (true, Some(_), None) => (Health::Down, "it does not run"),
        };
        Duty {
            service: duty.service.word().to_owned(),
            what: duty.what.clone(),
            health,
            words: words.to_owned(),
            lines: eye.lines(&[duty.from]),
        }
    };
    duties.iter().map(duty).collect()
}
