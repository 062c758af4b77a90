//! What happened, of all machines, newest first.

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
    rows.sort_by(|a, b| (b.at, &a.machine).cmp(&(a.at, &b.machine)));
    let mut rows = together(rows);
    let has_more = rows.len() > MOST;
    rows.truncate(MOST);
    let older = rows.last().map(|row| row.at).filter(|_| has_more);
    let kinds = KINDS.iter().map(ToString::to_string).collect();
    Events { events: rows, silent, kinds, machines, older }
}

/// What was the same on several machines in one moment is one row.
fn together(rows: Vec<EventRow>) -> Vec<EventRow> {
    let mut all: Vec<EventRow> = Vec::new();
    for row in rows {
        let recent = all.iter_mut().rev().take_while(|other| other.at - row.at <= MOMENT);
        let same = recent.filter(|other| other.machine != row.machine).find(|other| other.words == row.words);
        match same {
            Some(other) => {
                other.seen_by += 1;
                (other.at, other.machine) = (row.at, row.machine);
            }
            None => all.push(row),
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
        let asked = vec![
            ("anafi".to_owned(), Ok(vec![up(1, 1_000, "naxos"), up(2, 60_000, "naxos")])),
            ("thebes".to_owned(), Ok(vec![up(1, 3_000, "naxos"), up(2, 3_500, "patra")])),
            ("vienna".to_owned(), Err("it does not answer".to_owned())),
        ];
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
        let asked = vec![("anafi".to_owned(), Ok(many.collect::<Vec<_>>()))];
        let all = events(asked.clone(), &Filter::default());
        assert_eq!((all.events.len(), all.older), (MOST, Some(50 * 60_000)));
        let filter = Filter { text: Some("PATRA".into()), before: Some(600_000), ..Filter::default() };
        let some = events(asked, &filter);
        assert_eq!((some.events.len(), some.older), (5, None));
        assert!(some.events.iter().all(|row| row.words == "patra is up" && row.at < 600_000));
    }
}
