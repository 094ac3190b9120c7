//! Tables 1 to 3 of Demers et al. (PODC 1987): rumours among 1 000 sites.

use crate::epidemic::{Direction, Interest, Outcome, Rules, spread};
use crate::report::{Cell, Effort, Report, Table, Within};
use crate::statistics::Mean;
use whither_model::random::mix;

const SITES: usize = 1000;
/// From how many rumours the printed means are taken to be.
const PRINTED_RUNS: f64 = 100.0;

/// A number as it was printed: its value, and the place of its last digit.
type Printed = (f64, f64);

/// A row: k, and what was printed for residue, traffic, t_ave, t_last.
type Row = (u32, [Printed; 4]);

struct Published {
    title: &'static str,
    direction: Direction,
    interest: fn(u32) -> Interest,
    rows: &'static [Row],
    /// Whether t_ave is what we take it for.
    average_judged: bool,
}

const PUBLISHED: &[Published] = &[
    Published {
        title: "Table 1: push, feedback and counter",
        direction: Direction::Push,
        interest: Interest::Counter,
        rows: &[
            (1, [(0.18, 0.01), (1.7, 0.1), (11.0, 0.1), (16.8, 0.1)]),
            (2, [(0.037, 0.001), (3.3, 0.1), (12.1, 0.1), (16.9, 0.1)]),
            (3, [(0.011, 0.001), (4.5, 0.1), (12.5, 0.1), (17.4, 0.1)]),
            (4, [(0.0036, 0.0001), (5.6, 0.1), (12.7, 0.1), (17.5, 0.1)]),
            (5, [(0.0012, 0.0001), (6.7, 0.1), (12.8, 0.1), (17.7, 0.1)]),
        ],
        average_judged: false,
    },
    Published {
        title: "Table 2: push, blind and coin",
        direction: Direction::Push,
        interest: Interest::Coin,
        rows: &[
            (1, [(0.96, 0.01), (0.04, 0.01), (19.0, 1.0), (38.0, 1.0)]),
            (2, [(0.20, 0.01), (1.6, 0.1), (17.0, 1.0), (33.0, 1.0)]),
            (3, [(0.060, 0.001), (2.8, 0.1), (15.0, 1.0), (32.0, 1.0)]),
            (4, [(0.021, 0.001), (3.9, 0.1), (14.1, 0.1), (32.0, 1.0)]),
            (5, [(0.008, 0.001), (4.9, 0.1), (13.8, 0.1), (32.0, 1.0)]),
        ],
        average_judged: false,
    },
    Published {
        title: "Table 3: pull, feedback and counter",
        direction: Direction::Pull,
        interest: Interest::Counter,
        rows: &[
            (1, [(3.1e-2, 1e-3), (2.7, 0.1), (9.97, 0.01), (17.6, 0.1)]),
            (2, [(5.8e-4, 1e-5), (4.5, 0.1), (10.07, 0.01), (15.4, 0.1)]),
            (3, [(4.0e-6, 1e-7), (6.1, 0.1), (10.08, 0.01), (14.0, 0.1)]),
        ],
        average_judged: true,
    },
];

/// Adds the three tables.
pub(super) fn add(report: &mut Report, effort: Effort, seed: u64) {
    let runs = if effort == Effort::Full { 50_000 } else { 1_000 };
    report.text.push(format!(
        "Demers et al., 1 000 sites in synchronous rounds, {runs} rumours for each row, run directly in rounds: their sites act \
         in cycles and know no time or network, so the population simulator has nothing to add. A contact is useful if the \
         other site had not heard before the cycle began, and the counter counts unnecessary contacts without a useful one \
         between them; with either read otherwise, Table 1 does not come out. A cell is met within 5 % beyond the rounding of \
         what was printed. For residues it is three standard errors of both sides if that is more; how many rumours the \
         paper ran is not said, and a hundred are assumed. Only the last row of Table 2 needs that: there the paper's own \
         theory, s = exp(−k(1−s)), says 0.0070 as we do."
    ));
    report.text.push(
        "The t_ave of the two push tables is shown and not judged, because it cannot be the mean cycle in which sites first \
         heard. Pushing at most doubles those who know, so half of 1 000 sites know after log2 1 000 = 10 cycles at the \
         earliest; that is where our mean is, as in theory, and it does not depend on k. Nor can a mean 2.7 cycles later \
         go with the printed t_last, which agrees with ours. In the pull table the mean agrees."
            .to_owned(),
    );
    for published in PUBLISHED {
        report.tables.push(table(published, runs, seed));
    }
}

fn table(published: &Published, runs: u64, seed: u64) -> Table {
    let mut table = Table::new(published.title, &["residue", "traffic m", "t_ave", "t_last"]);
    for (k, printed) in published.rows {
        let rules = Rules { direction: published.direction, interest: (published.interest)(*k) };
        let mut means = [Mean::default(); 4];
        for run in 0..runs {
            let Outcome { residue, traffic, average, last } = spread(SITES, rules, mix(seed ^ mix(run)));
            means.iter_mut().zip([residue, traffic, average, last]).for_each(|(mean, value)| mean.add(value));
        }
        let cells = means.iter().zip(printed).enumerate().map(|(column, (mean, (value, digit)))| {
            if column == 2 && !published.average_judged {
                return Cell::beside(mean.value(), *value);
            }
            let spread = mean.error() * mean.count().sqrt();
            let errors = (spread.powi(2) / mean.count() + spread.powi(2) / PRINTED_RUNS).sqrt();
            let noise = if column == 0 { (0.05 * value).max(3.0 * errors) } else { 0.05 * value };
            Cell::judged(mean.value(), *value, Within::Amount(noise + digit / 2.0))
        });
        table.push(format!("k = {k}"), cells.collect());
    }
    table
}
