//! C6: how α and β trade latency for accuracy (Table VII).

use super::anomalies::{CONCURRENT, REPETITIONS, Sample, Sums, interval, threshold};
use super::detection::{COLUMNS, percentiles};
use super::setting;
use crate::memberlist::Config;
use crate::report::{Cell, Effort, Report, Table, Within};

/// α, β, and everything in percent of SWIM: six latencies in the order of Table V, FP, FP−.
const PUBLISHED: [(u32, u32, [f64; 8]); 9] = [
    (2, 2, [53.14, 69.81, 76.08, 55.12, 73.07, 76.20, 98.37, 31.15]),
    (2, 4, [54.10, 72.88, 75.41, 56.28, 76.96, 75.11, 43.64, 22.47]),
    (2, 6, [54.34, 75.53, 80.36, 56.74, 79.15, 78.58, 24.16, 13.65]),
    (4, 2, [82.96, 94.28, 99.07, 84.42, 97.05, 92.17, 37.72, 20.29]),
    (4, 4, [83.04, 96.17, 93.71, 84.03, 96.69, 95.14, 8.04, 9.50]),
    (4, 6, [83.12, 96.82, 94.69, 84.42, 96.52, 92.71, 3.18, 4.83]),
    (5, 2, [99.76, 104.95, 112.32, 99.92, 105.73, 107.64, 26.61, 15.38]),
    (5, 4, [99.52, 102.71, 111.44, 99.61, 105.08, 107.93, 5.43, 5.05]),
    (5, 6, [100.08, 105.54, 109.28, 100.08, 106.62, 107.49, 1.53, 1.89]),
];

/// The experiment.
#[must_use]
pub fn run(effort: Effort, seed: u64) -> Report {
    let full = effort == Effort::Full;
    let (threshold_runs, interval_runs, of) = if full { (2 * REPETITIONS, REPETITIONS, 2) } else { (2, 1, 8) };
    let measure = |config: &Config| {
        let latencies = percentiles(&threshold(config, threshold_runs, seed));
        let sums = interval(config, Sample::new(interval_runs, of), seed);
        let sums = sums.iter().fold(Sums::default(), |all, one| all.and(*one));
        (latencies, [sums.accusations, sums.accusations_by_healthy])
    };
    let (swim_latencies, swim_accusations) = measure(&Config::paper_swim());
    let columns: Vec<&str> = COLUMNS.into_iter().chain(["FP", "FP−"]).collect();
    let mut table = Table::new("Table VII: percent of SWIM", &columns);
    for (alpha, beta, published) in PUBLISHED {
        let (latencies, accusations) = measure(&Config::paper_lifeguard(alpha, beta));
        let percent = |got: f64, swim: f64| 100.0 * got / swim;
        let of_latencies = latencies.iter().zip(swim_latencies).zip(published);
        let mut cells: Vec<Cell> = of_latencies
            .map(|((got, swim), wanted)| Cell::judged(percent(*got, swim), wanted, Within::Share(0.10)))
            .collect();
        cells.push(Cell::judged(percent(accusations[0], swim_accusations[0]), published[6], Within::Factor(2.0)));
        cells.push(Cell::beside(percent(accusations[1], swim_accusations[1]), published[7]));
        table.push(format!("α = {alpha}, β = {beta}"), cells);
    }
    let how = format!(
        "Lifeguard with K = 3 throughout. {threshold_runs} repetitions of the Threshold experiment; of the Interval experiment \
         {interval_runs}, of which one run in {of} is made, for all {} values of C.",
        CONCURRENT.len()
    );
    Report { text: vec![setting(), how], tables: vec![table] }
}
