//! What happened, of all machines, newest first.

use runtime::{Event, Happened, Millis};
use schemars::JsonSchema;
use serde::Serialize;

/// The most rows of a page.
const MOST: usize = 200;

/// What is asked for: the filters of the page, which stand in its address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this machine.
    pub machine: Option<String>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only with this text.
    pub text: Option<String>,
    /// Only before this moment.
    pub before: Option<Millis>,
}

/// What machines said that happened: each with its events, or why it did not say.
pub type EventsAsked = Vec<(String, Result<Vec<Happened>, String>)>;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Events {
    /// Newest first.
    pub events: Vec<EventRow>,
    /// Machines that did not say what happened on them, and why.
    pub silent: Vec<(String, String)>,
    /// The kinds that there are.
    pub kinds: Vec<String>,
    /// The machines that were asked.
    pub machines: Vec<String>,
    /// The moment before which there is more; none if this is the end.
    pub older: Option<Millis>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EventRow {
    /// When, in milliseconds since 1970.
    pub at: Millis,
    /// Where.
    pub machine: String,
    /// Its number there.
    pub number: i64,
    /// Of what kind.
    pub kind: String,
    /// In words.
    pub words: String,
    /// Whether something is wrong because of it.
    pub is_bad: bool,
    /// The page of what it is about.
    pub url: Option<String>,
}

/// The kinds, in the order of a person's interest.
const KINDS: [&str; 12] = [
    "raised",
    "cleared",
    "machine",
    "adopted",
    "running",
    "swapped",
    "stopped",
    "failed",
    "overlaid",
    "uncovered",
    "started",
    "ended",
];

/// What is shown of what machines said.
pub fn events(asked: EventsAsked, filter: &Filter) -> Events {
    let machines = asked.iter().map(|(machine, _)| machine.clone()).collect();
    let mut silent = Vec::new();
    let mut rows = Vec::new();
    for (machine, said) in asked {
        match said {
            Ok(happened) => rows.extend(happened.iter().map(|happened| row(&machine, happened))),
            Err(why) => silent.push((machine, why)),
        }
    }
    let text = filter.text.as_ref().map(|text| text.to_lowercase());
    rows.retain(|row| {
        filter.kind.as_ref().is_none_or(|kind| *kind == row.kind)
            && filter.machine.as_ref().is_none_or(|machine| *machine == row.machine)
            && filter.before.is_none_or(|before| row.at < before)
            && text.as_ref().is_none_or(|text| row.words.to_lowercase().contains(text))
    });
    rows.sort_by(|a, b| (b.at, &a.machine, b.number).cmp(&(a.at, &b.machine, a.number)));
    let has_more = rows.len() > MOST;
    rows.truncate(MOST);
    let older = rows.last().map(|row| row.at).filter(|_| has_more);
    let kinds = KINDS.iter().map(ToString::to_string).collect();
    Events { events: rows, silent, kinds, machines, older }
}

fn row(machine: &str, happened: &Happened) -> EventRow {
    let event = &happened.event;
    let url = match event {
        Event::Machine { machine, .. } => Some(format!("/machines/{machine}")),
        Event::Adopted { .. } | Event::Overlaid { .. } | Event::Uncovered { .. } => {
            Some("/config".to_owned())
        }
        Event::Running { service, .. } | Event::Swapped { service, .. } | Event::Failed { service, .. }
            if service == "dns" =>
        {
            Some("/dns".to_owned())
        }
        _ => None,
    };
    let is_bad = match event {
        Event::Raised { .. } | Event::Failed { .. } => true,
        Event::Machine { state, .. } => state != "up",
        _ => false,
    };
    EventRow {
        at: happened.at,
        machine: machine.to_owned(),
        number: happened.number,
        kind: event.kind().to_owned(),
        words: event.words(),
        is_bad,
        url,
    }
}
