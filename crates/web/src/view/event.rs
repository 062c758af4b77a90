//! What happened, of all machines, newest first.

use std::collections::HashMap;

use runtime::{Event, Happened, Millis};
use schemars::JsonSchema;
use serde::Serialize;

/// The most rows of a page.
const MOST: usize = 100;

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

/// What machines said that happened.
#[derive(Clone, Debug, Default)]
pub struct EventsAsked {
    /// How many of its last events each was asked for.
    pub most: usize,
    /// Each with its events, oldest first, or why it did not say.
    pub machines: Vec<(String, Result<Vec<Happened>, String>)>,
}

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
    /// The moment before which there is more; none if this is the end of what was looked through.
    pub older: Option<Millis>,
    /// How many of its last events were looked through of each machine that may have more than these; none if that is all.
    pub looked_through: Option<usize>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EventRow {
    /// When, in milliseconds since 1970.
    pub at: Millis,
    /// Where; the first to see it, if several did.
    pub machine: String,
    /// How many machines saw the same in the same moment.
    pub seen_by: usize,
    /// Of what kind.
    pub kind: String,
    /// In words.
    pub words: String,
    /// Whether something is wrong because of it.
    pub is_bad: bool,
    /// The page of what it is about.
    pub url: Option<String>,
}

/// How far apart the same may be seen by several machines, in milliseconds.
const MOMENT: Millis = 10_000;

/// The kinds, in the order of a person's interest.
const KINDS: [&str; 14] = [
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
    "told",
    "jumped",
    "started",
    "ended",
];

/// What is shown of what machines said.
pub fn events(asked: EventsAsked, filter: &Filter) -> Events {
    let machines = asked.machines.iter().map(|(machine, _)| machine.clone()).collect();
    let is_full =
        asked.machines.iter().any(|(_, said)| said.as_ref().is_ok_and(|events| events.len() >= asked.most));
    let looked_through = is_full.then_some(asked.most);
    let mut silent = Vec::new();
    let mut rows = Vec::new();
    for (machine, said) in asked.machines {
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
    rows.sort_by(|a, b| (b.at, &a.machine).cmp(&(a.at, &b.machine)));
    let mut rows = together(rows);
    rows.sort_by_key(|row| std::cmp::Reverse(row.at));
    let has_more = rows.len() > MOST;
    rows.truncate(MOST);
    let older = rows.last().map(|row| row.at).filter(|_| has_more);
    let kinds = KINDS.iter().map(ToString::to_string).collect();
    Events { events: rows, silent, kinds, machines, older, looked_through }
}

/// What was the same on several machines in one moment is one row.
fn together(rows: Vec<EventRow>) -> Vec<EventRow> {
    let mut all: Vec<EventRow> = Vec::new();
    // The last row with such words: what is older joins it, or begins another one.
    let mut last: HashMap<String, usize> = HashMap::new();
    for row in rows {
        let same = last.get(row.words.as_str()).and_then(|at| all.get_mut(*at));
        match same.filter(|other| other.at.saturating_sub(row.at) <= MOMENT && other.machine != row.machine) {
            Some(other) => {
                other.seen_by += 1;
                (other.at, other.machine) = (row.at, row.machine);
            }
            None => {
                last.insert(row.words.clone(), all.len());
                all.push(row);
            }
        }
    }
    all
}

fn row(machine: &str, happened: &Happened) -> EventRow {
    let event = &happened.event;
    let url = match event {
        Event::Machine { machine, .. } => Some(format!("/machines/{machine}")),
        Event::Adopted { .. } | Event::Overlaid { .. } | Event::Uncovered { .. } => {
            Some("/config".to_owned())
        }
        Event::Running { service, .. }
        | Event::Swapped { service, .. }
        | Event::Failed { service, .. }
        | Event::Told { service, .. }
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
        seen_by: 1,
        kind: event.kind().to_owned(),
        words: event.words(),
        is_bad,
        url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up(number: i64, at: Millis, machine: &str) -> Happened {
        Happened { number, at, event: Event::Machine { machine: machine.into(), state: "up".into() } }
    }

    #[test]
    fn what_many_see_in_one_moment_is_one_row_and_the_newest_is_first() {
        let asked = EventsAsked {
            most: 400,
            machines: vec![
                ("anafi".to_owned(), Ok(vec![up(1, 1_000, "naxos"), up(2, 60_000, "naxos")])),
                ("thebes".to_owned(), Ok(vec![up(1, 3_000, "naxos"), up(2, 3_500, "patra")])),
                ("vienna".to_owned(), Err("it does not answer".to_owned())),
            ],
        };
        let all = events(asked, &Filter::default());
        let rows: Vec<(Millis, &str, usize)> =
            all.events.iter().map(|row| (row.at, row.words.as_str(), row.seen_by)).collect();
        assert_eq!(rows, [(60_000, "naxos is up", 1), (3_500, "patra is up", 1), (1_000, "naxos is up", 2)]);
        assert_eq!(all.silent, [("vienna".to_owned(), "it does not answer".to_owned())]);
    }

    #[test]
    fn filters_leave_what_fits_and_there_is_more_before() {
        let many = (0..150)
            .map(|number| up(number, number * 60_000, if number % 2 == 0 { "naxos" } else { "patra" }));
        let asked = EventsAsked { most: 150, machines: vec![("anafi".to_owned(), Ok(many.collect()))] };
        let all = events(asked.clone(), &Filter::default());
        assert_eq!((all.events.len(), all.older), (MOST, Some(50 * 60_000)));
        let filter = Filter { text: Some("PATRA".into()), before: Some(600_000), ..Filter::default() };
        let some = events(asked, &filter);
        assert_eq!((some.events.len(), some.older, some.looked_through), (5, None, Some(150)));
        assert!(some.events.iter().all(|row| row.words == "patra is up" && row.at < 600_000));
    }
}
