//! C2: epidemics in rounds and in time, against tables and formulas.

mod demers;
mod infection;

use crate::report::{Effort, Report};

/// Runs all of it.
#[must_use]
pub fn run(effort: Effort, seed: u64) -> Report {
    let mut report = Report::default();
    infection::add(&mut report, effort, seed);
    demers::add(&mut report, effort, seed);
    report
}
