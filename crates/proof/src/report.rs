//! What an experiment found, cell by cell, so that it can be printed, kept and shown.

use serde::{Deserialize, Serialize};

/// How much to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Effort {
    /// A sample that takes seconds: for tests and for trying things.
    Quick,
    /// What the published page shows: minutes.
    Full,
}

/// An experiment that one command runs.
pub struct Experiment {
    /// What it is called on the command line: `C3`, `E5`.
    pub name: &'static str,
    /// One line for the list.
    pub about: &'static str,
    /// Runs it, from seeds that begin with the given one.
    pub run: fn(Effort, u64) -> Report,
}

/// What came out.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// What was done and how, in sentences; each a paragraph.
    pub text: Vec<String>,
    /// What was measured.
    pub tables: Vec<Table>,
}

/// Cells in rows.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Table {
    /// What the table shows.
    pub title: String,
    /// Heads of the columns, without that of the rows' names.
    pub columns: Vec<String>,
    /// A name and a cell for each column.
    pub rows: Vec<(String, Vec<Cell>)>,
}

/// One number, with what it should be.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Cell {
    /// What we got. `None`: not measured.
    #[serde(with = "crate::kept::maybe_never")]
    pub simulated: Option<f64>,
    /// What was published, or the bar to meet.
    pub expected: Option<f64>,
    /// When it counts as met.
    pub within: Within,
}

/// What agreement means.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub enum Within {
    /// Shown, not judged.
    #[default]
    Anything,
    /// Off by at most this share of the expected value.
    Share(f64),
    /// Off by at most this.
    Amount(f64),
    /// Between the expected value divided and multiplied by this.
    Factor(f64),
    /// Not above the expected value.
    AtMost,
}

impl Report {
    /// Whether every cell that is judged is met.
    #[must_use]
    pub fn met(&self) -> bool {
        self.cells().all(|cell| cell.met() != Some(false))
    }

    /// How many cells are judged, and how many of them are met.
    #[must_use]
    pub fn judged(&self) -> (usize, usize) {
        let verdicts: Vec<bool> = self.cells().filter_map(Cell::met).collect();
        (verdicts.len(), verdicts.iter().filter(|met| **met).count())
    }

    fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.tables.iter().flat_map(|table| table.rows.iter().flat_map(|(_, cells)| cells))
    }
}

impl Table {
    /// An empty table with these heads.
    #[must_use]
    pub fn new(title: &str, columns: &[&str]) -> Self {
        let columns = columns.iter().map(ToString::to_string).collect();
        Self { title: title.to_owned(), columns, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, name: impl Into<String>, cells: Vec<Cell>) {
        self.rows.push((name.into(), cells));
    }
}

impl Cell {
    /// Measured, with nothing to compare it with. Infinity: it never happened.
    #[must_use]
    pub fn measured(simulated: f64) -> Self {
        Self { simulated: Some(simulated), ..Self::default() }
    }

    /// Measured, and judged by what was published.
    #[must_use]
    pub fn judged(simulated: f64, expected: f64, within: Within) -> Self {
        Self { simulated: Some(simulated), expected: Some(expected), within }
    }

    /// Measured, and shown beside what was published, unjudged.
    #[must_use]
    pub fn beside(simulated: f64, expected: f64) -> Self {
        Self::judged(simulated, expected, Within::Anything)
    }

    /// Whether it agrees; `None` where nothing is to be judged.
    #[must_use]
    pub fn met(&self) -> Option<bool> {
        let (got, wanted) = (self.simulated?, self.expected?);
        match self.within {
            Within::Anything => None,
            Within::Share(share) => Some((got - wanted).abs() <= share * wanted.abs()),
            Within::Amount(amount) => Some((got - wanted).abs() <= amount),
            Within::Factor(factor) => Some(got <= wanted * factor && got * factor >= wanted),
            Within::AtMost => Some(got <= wanted),
        }
    }
}
