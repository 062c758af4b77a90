//! What is shown, as plain structs: pages and the JSON API are made of the same. Pure: what is known goes in.

mod app;
mod config;
mod coverage;
mod dns;
mod event;
mod index;
mod machine;
mod network;
mod overview;
mod portal;
mod setup;
mod status;

use lab::model::{Lab, ServiceName};
use lab::{Folder, Follows, Span};
use runtime::link::{Answering, Known, Status};
use runtime::{Millis, Phase, Seen};
use schemars::JsonSchema;
use serde::Serialize;

pub use app::{AppRow, AppView, Apps, Holding, Step, Steps, app, apps};
pub use config::{Config, ConfigFile, ConfigLine, FaultView, MachineLab, OverlayEntry, config};
pub use coverage::{Cell, CellIs, Coverage, CoverageRow, coverage};
pub use dns::{
    DnsCache, DnsList, DnsLog, DnsLogShown, DnsMachine, DnsName, DnsNumbers, DnsPolicy, DnsUpstream, DnsView,
    DnsWhy, HourRow, LogFilter, Lookup, Most, Trouble, WhyChange, WhyStep,
};
pub(crate) use dns::{HOURS, NameServersAsked, Told, dns, is_here, log, numbers, on, why};
pub use event::{EventRow, Events, EventsAsked, Filter, events};
pub use index::{Index, Thing, index};
pub use machine::{Duty, Fact, MachineRow, MachineView, Machines, Runs, machine, machines};
pub use network::{
    AssertionView, DeviceView, Gear, MatrixCell, MatrixColumn, MatrixRow, Network, TunnelView, ZoneView,
    network,
};
pub use overview::{Attention, CoverageCount, Holder, Overview, Power, ServiceRow, overview};
pub use portal::{Portal, Tile, TileGroup, portal};
pub(crate) use setup::diagnosis;
pub use setup::{CheckView, Diagnosis};
pub use status::{PublicRow, PublicStatus, status};

/// How something is. Unknown is not up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It does not do what it should.
    Down,
    /// It does, and something is wrong with it.
    Degraded,
    /// Nobody knows.
    Unknown,
    /// Somebody said that it is not to.
    Paused,
    /// It is not there yet.
    Pending,
    /// It does what it should.
    Up,
}

impl Health {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "Up",
            Self::Degraded => "Degraded",
            Self::Down => "Down",
            Self::Unknown => "Unknown",
            Self::Paused => "Paused",
            Self::Pending => "Pending",
        }
    }
}

/// A line of the lab file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Line {
    /// The file, as it is called in the lab folder.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// It is of the lab that is followed, while the page of the file shows a changed one that is not taken up.
    #[serde(skip)]
    pub of_followed: bool,
}

/// What is known, where it is looked at from.
#[derive(Clone, Copy)]
pub(crate) struct Eye<'s> {
    pub(crate) seen: &'s Seen,
    pub(crate) lab: &'s Lab,
    pub(crate) follows: &'s Follows,
}

/// How a machine stands.
pub(crate) struct Standing<'s> {
    pub(crate) health: Health,
    /// Since when it answers or does not; none if it was never otherwise.
    pub(crate) since: Option<Millis>,
    /// Why it is not up.
    pub(crate) why: Option<String>,
    /// What it last said of itself, if it answers.
    pub(crate) status: Option<&'s Status>,
}

impl<'s> Eye<'s> {
    /// None while no lab is followed, which is never long.
    pub(crate) fn of(seen: &'s Seen) -> Option<Self> {
        Some(Self { seen, lab: seen.lab.lab.as_ref()?, follows: &seen.lab.follows })
    }

    pub(crate) fn folder(&self) -> &'s Folder {
        &self.seen.lab.folder
    }

    /// The lines of places, each once.
    pub(crate) fn lines(&self, places: &[Span]) -> Vec<Line> {
        let mut lines = lines_in(self.folder(), places);
        lines.iter_mut().for_each(|line| line.of_followed = self.seen.refused.is_some());
        lines
    }

    fn known(&self, machine: &str) -> Option<&'s Known> {
        self.seen.others.iter().find(|known| known.peer.machine == machine)
    }

    /// How a machine of the lab stands, as seen from here.
    pub(crate) fn standing(&self, machine: &str) -> Standing<'s> {
        if machine == self.seen.machine.as_str() {
            let status = &self.seen.status;
            return Standing { since: Some(status.since), ..by_status(status) };
        }
        let Some(known) = self.known(machine) else {
            let why = Some("no agent of Polis runs on it, and this version looks at nothing else".to_owned());
            return Standing { health: Health::Unknown, since: None, why, status: None };
        };
        let since = Some(known.peer.since).filter(|since| *since > 0);
        let silent = |health| Standing { health, since, why: known.peer.why.clone(), status: None };
        match (known.peer.answering, &known.status) {
            (Answering::Up, Some(status)) => Standing { since, ..by_status(status) },
            (Answering::Up, None) => {
                let why = Some("it answers, and has not said yet how it stands".to_owned());
                Standing { health: Health::Unknown, since, why, status: None }
            }
            (Answering::Unknown, _) => silent(Health::Unknown),
            (Answering::Down, _) => silent(Health::Down),
        }
    }

    /// Whether a machine takes part in the link: it has an agent, and its key is in the lab file.
    pub(crate) fn is_enrolled(&self, machine: &str) -> bool {
        self.lab.machines.get(machine).is_some_and(|machine| machine.key.is_some())
    }
}

fn by_status(status: &Status) -> Standing<'_> {
    let why = match status.conditions.as_slice() {
        [] => None,
        [one] => Some(format!("{}: {}", one.about, one.what)),
        many => Some(format!("{} things are wrong", many.len())),
    };
    let health = if why.is_some() { Health::Degraded } else { Health::Up };
    Standing { health, since: None, why, status: Some(status) }
}

/// The lines of places in a folder, each once.
pub(crate) fn lines_in(folder: &Folder, places: &[Span]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for place in places {
        let text = folder.line(*place);
        let Some((file, line)) = text.rsplit_once(':') else { continue };
        let Ok(number) = line.parse() else { continue };
        let line = Line { file: file.to_owned(), line: number, of_followed: false };
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Whether this version runs a service, and does not only plan it.
pub(crate) fn is_run(service: ServiceName) -> bool {
    crate::RUNS.contains(&service)
}

/// How a service stands on a machine.
pub(crate) fn phase_on(status: &Status, service: ServiceName) -> Phase {
    let runs = status.services.iter().find(|runs| runs.name == service.word());
    runs.map_or(Phase::Off, |runs| runs.phase)
}

/// How what has such a phase is.
pub(crate) fn health_of(phase: Phase) -> Health {
    match phase {
        Phase::Running => Health::Up,
        Phase::HeldBack => Health::Degraded,
        Phase::Starting | Phase::StandsBy | Phase::Off => Health::Pending,
        Phase::Blocked | Phase::Restarting | Phase::Degraded => Health::Down,
        Phase::Unknown => Health::Unknown,
    }
}

pub(crate) fn words<T: std::fmt::Display>(all: impl IntoIterator<Item = T>) -> String {
    all.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join(", ")
}

/// "1 name", "3 names".
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
