//! C3: how long it takes to detect an ill node (Table V).

use super::anomalies::{Latencies, REPETITIONS, threshold};
use super::{MANNERS, setting};
use crate::report::{Cell, Effort, Report, Table, Within};

/// Seconds, in the order of [`COLUMNS`].
const PUBLISHED: [[f64; 6]; 5] = [
    [12.44, 16.96, 19.40, 12.90, 16.93, 20.17],
    [12.42, 17.75, 20.10, 12.90, 17.98, 20.56],
    [12.42, 17.47, 25.41, 12.89, 17.33, 23.80],
    [12.45, 17.12, 19.16, 12.92, 17.18, 19.81],
    [12.45, 17.90, 21.20, 12.91, 18.05, 21.68],
];
pub(super) const COLUMNS: [&str; 6] =
    ["first, median", "first, 99 %", "first, 99.9 %", "full, median", "full, 99 %", "full, 99.9 %"];
/// How far off each may be, in the order of [`COLUMNS`].
const TOLERANCES: [f64; 6] = [0.02, 0.05, 0.10, 0.02, 0.05, 0.10];

/// The six cells of a row.
pub(super) fn percentiles(latencies: &Latencies) -> [f64; 6] {
    let at = |share| (latencies.first.at(share), latencies.full.at(share));
    let all = [at(0.5), at(0.99), at(0.999)].map(|(first, full)| [first, full].map(|one| one.unwrap_or(f64::NAN)));
    [all[0][0], all[1][0], all[2][0], all[0][1], all[1][1], all[2][1]]
}

/// The experiment.
#[must_use]
pub fn run(effort: Effort, seed: u64) -> Report {
    // More than the paper's ten when there is time: of ten, three detections are beyond the last percentile.
    let repetitions = if effort == Effort::Full { 3 * REPETITIONS } else { 3 };
    let mut table = Table::new("Table V: seconds from the beginning of the spell to the verdict", &COLUMNS);
    let mut counts = Table::new("Detections", &["first", "full"]);
    for ((name, config), published) in MANNERS.iter().zip(PUBLISHED) {
        let latencies = threshold(config, repetitions, seed);
        let is_judged = matches!(*name, "SWIM" | "Lifeguard");
        let cells = percentiles(&latencies).into_iter().zip(published).zip(TOLERANCES);
        let cell = |((got, wanted), share)| {
            if is_judged { Cell::judged(got, wanted, Within::Share(share)) } else { Cell::beside(got, wanted) }
        };
        table.push(*name, cells.map(cell).collect());
        let count = |values: &[f64]| Cell::measured(values.len() as f64);
        counts.push(*name, vec![count(latencies.first.values()), count(latencies.full.values())]);
    }
    let how = format!(
        "Threshold experiment: one spell for each combination of C and D, {repetitions} repetitions. First: until the first \
         healthy node marks the ill one dead; full: until all healthy ones have. Spells shorter than the suspicion (10.5 s) are \
         never detected, those of 16.4 s cut the tail off."
    );
    Report { text: vec![setting(), how], tables: vec![table, counts] }
}
