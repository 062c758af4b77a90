//! What follows from a lab against what runs: machine by machine, service by service, line by line. Pure.
//!
//! A machine that does not answer is unknown, and nothing is said of it: unknown is never "no change".

use std::collections::BTreeSet;

use serde::Serialize;

use crate::link::{Reply, ServiceRuns};

/// What follows for one machine: its services and the lines of their plans.
pub type Planned = Vec<(String, Vec<String>)>;

/// What would change on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Difference {
    /// Nobody knows what runs there.
    Unknown {
        /// Why.
        why: String,
    },
    /// What runs is what follows.
    Same,
    /// Something differs.
    Changes {
        /// By service.
        services: Vec<Change>,
    },
}

/// What would change of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Which service.
    pub service: String,
    /// `starts`, `ends` or `changes`.
    pub what: &'static str,
    /// Lines that would be new.
    pub more: Vec<String>,
    /// Lines that would go.
    pub less: Vec<String>,
}

/// Compares what follows with what a machine said of what runs.
pub fn compare(planned: &Planned, said: &Reply) -> Difference {
    let running = match said {
        Reply::Runs { services, .. } => services,
        Reply::Unknown { why } => return Difference::Unknown { why: why.clone() },
        Reply::Fault { what, .. } => return Difference::Unknown { why: what.clone() },
        _ => return Difference::Unknown { why: "it said something else".to_owned() },
    };
    let names: BTreeSet<&str> = planned
        .iter()
        .map(|(name, _)| name.as_str())
        .chain(running.iter().map(|service| service.name.as_str()))
        .collect();
    let changes: Vec<Change> = names.into_iter().filter_map(|name| change(name, planned, running)).collect();
    if changes.is_empty() { Difference::Same } else { Difference::Changes { services: changes } }
}

fn change(name: &str, planned: &Planned, running: &[ServiceRuns]) -> Option<Change> {
    let follows = planned.iter().find(|(service, _)| service == name).map(|(_, lines)| lines);
    let runs =
        running.iter().find(|service| service.name == name).and_then(|service| service.running.as_ref());
    // What was added by a click is not in the file, and is no difference between the two.
    let lines = |lines: &[String]| -> BTreeSet<String> {
        lines.iter().filter(|line| !line.starts_with("overlay ")).cloned().collect()
    };
    let (new, old) = (follows.map(|own| lines(own)), runs.map(|own| lines(&own.lines)));
    let what = match (&new, &old) {
        (None, None) => return None,
        (Some(_), None) => "starts",
        (None, Some(_)) => "ends",
        (Some(new), Some(old)) if new == old => return None,
        (Some(_), Some(_)) => "changes",
    };
    let (new, old) = (new.unwrap_or_default(), old.unwrap_or_default());
    Some(Change {
        service: name.to_owned(),
        what,
        more: new.difference(&old).cloned().collect(),
        less: old.difference(&new).cloned().collect(),
    })
}

/// The differences as text, and how many machines are the same, change, and are unknown.
pub fn text(machines: &[(String, Difference)]) -> String {
    let widest = machines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (machine, difference) in machines {
        match difference {
            Difference::Same => text.push_str(&format!("{machine:widest$}  no change\n")),
            Difference::Unknown { why } => text.push_str(&format!("{machine:widest$}  unknown: {why}\n")),
            Difference::Changes { services } => {
                for change in services {
                    text.push_str(&format!("{machine:widest$}  {} {}\n", change.service, change.what));
                    for line in &change.more {
                        text.push_str(&format!("{:widest$}    + {line}\n", ""));
                    }
                    for line in &change.less {
                        text.push_str(&format!("{:widest$}    - {line}\n", ""));
                    }
                }
            }
        }
    }
    let count = |wanted: fn(&Difference) -> bool| machines.iter().filter(|(_, is)| wanted(is)).count();
    let changed = count(|is| matches!(is, Difference::Changes { .. }));
    let same = count(|is| matches!(is, Difference::Same));
    let unknown = count(|is| matches!(is, Difference::Unknown { .. }));
    text.push_str(&format!("{changed} change, {same} the same, {unknown} unknown\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Running;

    fn runs(name: &str, lines: &[&str]) -> ServiceRuns {
        let lines = lines.iter().map(ToString::to_string).collect();
        ServiceRuns {
            name: name.to_owned(),
            running: Some(Running { does: String::new(), lines }),
            ..ServiceRuns::default()
        }
    }

    fn said(services: Vec<ServiceRuns>) -> Reply {
        Reply::Runs { lab: "x".to_owned(), services }
    }

    #[test]
    fn lines_that_differ_are_what_changes() {
        let planned: Planned = vec![("dns".to_owned(), vec!["a".to_owned(), "b".to_owned()])];
        assert_eq!(
            compare(&planned, &said(vec![runs("dns", &["b", "a", "overlay rule x"])])),
            Difference::Same
        );
        let two = [
            (
                "naxos".to_owned(),
                compare(&planned, &said(vec![runs("dns", &["b", "c"]), runs("logs", &["l"])])),
            ),
            (
                "anafi".to_owned(),
                compare(&planned, &said(vec![ServiceRuns { name: "dns".into(), ..ServiceRuns::default() }])),
            ),
            ("patra".to_owned(), compare(&planned, &Reply::Unknown { why: "it does not answer".to_owned() })),
        ];
        let expected = "naxos  dns changes\n         + a\n         - c\nnaxos  logs ends\n         - l\nanafi  dns starts\n         + a\n         + b\npatra  unknown: it does not answer\n2 change, 0 the same, 1 unknown\n";
        assert_eq!(text(&two), expected);
    }
}
