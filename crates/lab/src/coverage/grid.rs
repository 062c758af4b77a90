//! The coverage of a lab as a table for a terminal, and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::{Column, Covered, Row};
use crate::source::Folder;

const LEGEND: &str = "✓ follows from the file   ○ chosen not to   ✗ missing   · does not apply\n";

/// The rows as a table, then what was chosen, with its lines, and what is missing, with what to write.
pub fn coverage_text(rows: &[Row], folder: &Folder) -> String {
    let mut text = String::new();
    for kind in ["app", "machine"] {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.kind == kind).collect();
        if !rows.is_empty() {
            table(&mut text, kind, &rows);
        }
    }
    text.push_str(LEGEND);
    chosen(&mut text, rows, folder);
    missing(&mut text, rows);
    text
}

fn table(text: &mut String, kind: &str, rows: &[&Row]) {
    let widest = rows.iter().map(|row| row.name.len()).chain([kind.len()]).max().unwrap_or(0);
    let _ = write!(text, "{kind:widest$}");
    for column in Column::ALL {
        let _ = write!(text, "  {}", column.word());
    }
    text.push('\n');
    for row in rows {
        let _ = write!(text, "{:widest$}", row.name);
        for (column, cell) in &row.cells {
            let mark = match cell {
                Covered::Follows { .. } => '✓',
                Covered::ChosenNot { .. } => '○',
                Covered::Missing(_) => '✗',
                Covered::NotApplicable => '·',
            };
            let width = column.word().len();
            let _ = write!(text, "  {mark}{:1$}", "", width - 1);
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text.push('\n');
}

fn columns(columns: &[Column]) -> String {
    columns.iter().map(|column| column.word()).collect::<Vec<_>>().join(", ")
}

fn chosen(text: &mut String, rows: &[Row], folder: &Folder) {
    let mut choices: BTreeMap<(&str, String, &str), Vec<Column>> = BTreeMap::new();
    for row in rows {
        for (column, cell) in &row.cells {
            if let Covered::ChosenNot { what, at } = cell {
                choices.entry((&row.name, folder.line(*at), what)).or_default().push(*column);
            }
        }
    }
    if !choices.is_empty() {
        text.push_str("\nchosen not to\n");
    }
    for ((name, line, what), own) in choices {
        let _ = writeln!(text, "  {name}: {}: {what} ({line})", columns(&own));
    }
}

fn missing(text: &mut String, rows: &[Row]) {
    let mut lacks: BTreeMap<(&str, Vec<Column>), Vec<&str>> = BTreeMap::new();
    for row in rows {
        let mut own: BTreeMap<&str, Vec<Column>> = BTreeMap::new();
        for (column, cell) in &row.cells {
            if let Covered::Missing(what) = cell {
                own.entry(what).or_default().push(*column);
            }
        }
        for (what, columns) in own {
            lacks.entry((what, columns)).or_default().push(&row.name);
        }
    }
    if !lacks.is_empty() {
        text.push_str("\nmissing, and what to write\n");
    }
    for ((what, own), names) in lacks {
        let _ = writeln!(text, "  {}: {}: {what}", names.join(", "), columns(&own));
    }
}

/// The rows as JSON: `[{"kind", "name", "cells": {COLUMN: {"is", "what", "from"}}}]`.
///
/// `is` is `follows`, `chosen not`, `missing` or `not applicable`; `from` are places, as `file:line`.
pub fn coverage_json(rows: &[Row], folder: &Folder) -> Json {
    let cell = |cell: &Covered| match cell {
        Covered::Follows { what, from } => {
            let from: Vec<String> = from.iter().map(|span| folder.line(*span)).collect();
            json!({ "is": "follows", "what": what, "from": from })
        }
        Covered::ChosenNot { what, at } => {
            json!({ "is": "chosen not", "what": what, "from": [folder.line(*at)] })
        }
        Covered::Missing(what) => json!({ "is": "missing", "what": what, "from": [] }),
        Covered::NotApplicable => json!({ "is": "not applicable" }),
    };
    let row = |row: &Row| {
        let cells: serde_json::Map<String, Json> =
            row.cells.iter().map(|(column, covered)| (column.word().to_owned(), cell(covered))).collect();
        json!({ "kind": row.kind, "name": row.name, "cells": cells })
    };
    Json::Array(rows.iter().map(row).collect())
}
