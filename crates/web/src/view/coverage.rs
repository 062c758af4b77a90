//! What the apps and machines have of everything that can follow, and what they lack.

use lab::Covered;
use runtime::Seen;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Eye, Line};

/// The whole matrix.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Coverage {
    /// What can follow.
    pub columns: Vec<String>,
    /// The apps, then the machines.
    pub rows: Vec<CoverageRow>,
}

/// The row of an app or a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CoverageRow {
    /// `app` or `machine`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// In the order of the columns.
    pub cells: Vec<Cell>,
}

/// What a thing has of one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cell {
    /// The column.
    pub column: String,
    /// Whether it has it.
    pub is: CellIs,
    /// What it has, what was chosen instead, or what to write.
    pub what: String,
    /// The lines that say so.
    pub lines: Vec<Line>,
}

/// Whether a thing has something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CellIs {
    /// It follows from the file.
    Follows,
    /// Somebody chose that it does not.
    Chosen,
    /// It is missing.
    Missing,
    /// It makes no sense there.
    None,
}

/// The matrix; none while no lab is followed.
pub fn coverage(seen: &Seen) -> Option<Coverage> {
    let eye = Eye::of(seen)?;
    let rows = lab::coverage(&seen.lab).into_iter().map(|row| row_of(eye, &row)).collect();
    Some(Coverage { columns: lab::Column::ALL.map(|column| column.word().to_owned()).to_vec(), rows })
}

fn row_of(eye: Eye<'_>, row: &lab::Row) -> CoverageRow {
    CoverageRow {
        kind: row.kind.to_owned(),
        name: row.name.clone(),
        cells: row.cells.iter().map(|(column, cell)| cell_of(eye, *column, cell)).collect(),
    }
}

fn cell_of(eye: Eye<'_>, column: lab::Column, cell: &Covered) -> Cell {
    let (is, what, lines) = match cell {
        Covered::Follows { what, from } => (CellIs::Follows, what.clone(), eye.lines(from)),
        Covered::ChosenNot { what, at } => (CellIs::Chosen, what.clone(), eye.lines(&[*at])),
        Covered::Missing(what) => (CellIs::Missing, what.clone(), Vec::new()),
        Covered::NotApplicable => (CellIs::None, String::new(), Vec::new()),
    };
    Cell { column: column.word().to_owned(), is, what, lines }
}

/// The cells of one thing that apply to it.
pub(super) fn cells(eye: Eye<'_>, kind: &str, name: &str) -> Vec<Cell> {
    let rows = lab::coverage(&eye.seen.lab);
    let row = rows.iter().find(|row| row.kind == kind && row.name == name);
    let cells = row.map(|row| row_of(eye, row).cells).unwrap_or_default();
    cells.into_iter().filter(|cell| cell.is != CellIs::None).collect()
}
