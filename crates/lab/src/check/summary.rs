//! A checked lab in one line, for whoever has just checked it.

use super::Checked;
use crate::policy::Outcome;

/// A number of things in words: `no zones`, `1 zone`, `3 zones`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    match count {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}

/// One line: what was read, and what was found.
pub fn summary(checked: &Checked) -> String {
    let errors = counted(checked.faults.errors(), "error", "errors");
    let warnings = counted(checked.faults.warnings(), "warning", "warnings");
    let Some(lab) = &checked.lab else { return format!("{errors}, {warnings}: nothing could be read") };
    let mut parts = vec![
        counted(lab.zones.len(), "zone", "zones"),
        counted(lab.machines.len(), "machine", "machines"),
        counted(lab.apps.len(), "app", "apps"),
        counted(checked.follows.names.len(), "name", "names"),
    ];
    if !checked.assertions.is_empty() {
        let count =
            |wanted: fn(&Outcome) -> bool| checked.assertions.values().filter(|own| wanted(own)).count();
        let hold = count(|outcome| matches!(outcome, Outcome::Holds));
        let unknown = count(|outcome| matches!(outcome, Outcome::Unknown));
        parts.push(format!("{hold} of {} assertions hold", checked.assertions.len()));
        if unknown > 0 {
            parts.push(format!("{unknown} not evaluated"));
        }
    }
    let name = if checked.usable().is_some() { lab.lab.name.as_str() } else { "refused" };
    format!("{name}: {errors}, {warnings} ({})", parts.join(", "))
}
