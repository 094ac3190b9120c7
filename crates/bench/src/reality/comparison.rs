//! Real against simulated, number by number, and what accounts for a difference.

use crate::sample::Sample;
use serde::Serialize;
use whither_model::random::{Random, mix};

/// Which time of the machine is added to which simulated one.
const SEED: u64 = 3;

/// How far the two may be apart, as a share of the simulated value.
const TOLERANCE: f64 = 0.15;
/// Between these percentiles of simulated runs lies what chance alone explains: there are two dozen figures, so that 95 % would
/// leave one of them out in most runs.
const CHANCE: (f64, f64) = (0.5, 99.5);

/// What is said about a sample.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Figure {
    /// The mean.
    Mean,
    /// The middle one.
    P50,
    /// What 99 of 100 do not exceed.
    P99,
    /// The largest.
    Max,
}

impl Figure {
    fn of(self, sample: &Sample) -> f64 {
        match self {
            Self::Mean => mean(sample),
            Self::P50 => sample.p50(),
            Self::P99 => sample.percentile(99.0),
            Self::Max => sample.max(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::Max => "max",
        }
    }
}

/// Whether the two agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// They are within the tolerance.
    Close,
    /// They are not, but neither are simulated runs of this size among themselves.
    Chance,
    /// The real one is between what was simulated, and the same with all that the machine takes when everybody is busy at once.
    Machine,
    /// The emulated network was late by as much.
    Network,
    /// The real one is sooner, and rows came by anti-entropy, which is not simulated here.
    Repair,
    /// They are not, and nothing that was measured says why.
    Apart,
}

/// One number of an experiment, milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    scene: String,
    name: String,
    unit: &'static str,
    real: f64,
    /// The median over simulated runs of the same size.
    simulated: f64,
    /// Where 99 of 100 simulated runs of this size are.
    low: f64,
    high: f64,
    ratio: f64,
    /// The same as `simulated`, when each simulated time has one added that was measured where hosts are at no distance; null
    /// where that does not matter.
    with_machine: Option<f64>,
    ratio_with_machine: Option<f64>,
    verdict: Verdict,
    /// How many observations the real one rests on.
    n: usize,
}

fn mean(sample: &Sample) -> f64 {
    sample.values().iter().sum::<f64>() / sample.len() as f64
}

/// Each of these times and one of the machine's.
fn plus(times: &Sample, machine: &Sample, random: &mut Random) -> Sample {
    let machine = machine.values();
    let drawn = |random: &mut Random| machine.get(random.below(machine.len())).copied().unwrap_or(0.0);
    Sample::new(times.values().iter().map(|time| time + drawn(random)).collect())
}

/// What simulated runs say about a figure.
struct Runs {
    middle: f64,
    low: f64,
    high: f64,
}

impl Runs {
    fn of(figure: Figure, runs: &[Sample]) -> Self {
        let figures = Sample::new(runs.iter().map(|run| figure.of(run)).collect());
        Self { middle: figures.p50(), low: figures.percentile(CHANCE.0), high: figures.percentile(CHANCE.1) }
    }

    fn are_close(&self, real: f64) -> bool {
        (real / self.middle - 1.0).abs() <= TOLERANCE
    }

    fn contain(&self, real: f64) -> bool {
        (self.low..=self.high).contains(&real)
    }
}

/// What was measured beside a figure, and may account for a difference.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    /// The same, measured with hosts at no distance.
    pub(super) machine: Option<Sample>,
    /// How late the emulated network was at most, milliseconds.
    pub(super) late: f64,
    /// Rows that agents got by anti-entropy.
    pub(super) repaired: u64,
}

/// Compares one figure of what was measured with simulated runs of the same size.
pub(super) fn compare(
    scene: &str,
    name: &str,
    figure: Figure,
    real: &Sample,
    simulated: &[Sample],
    accounts: &Accounts,
) -> Row {
    let value = figure.of(real);
    let runs = Runs::of(figure, simulated);
    let slower = accounts.machine.as_ref().map(|machine| {
        let mut random = Random::new(mix(SEED));
        let slower: Vec<Sample> = simulated.iter().map(|run| plus(run, machine, &mut random)).collect();
        Runs::of(figure, &slower)
    });
    let verdict = judge(figure, value, &runs, slower.as_ref(), accounts);
    Row {
        scene: scene.to_owned(),
        name: format!("{name} {}", figure.name()),
        unit: "ms",
        real: value,
        simulated: runs.middle,
        low: runs.low,
        high: runs.high,
        ratio: value / runs.middle,
        with_machine: slower.as_ref().map(|slower| slower.middle),
        ratio_with_machine: slower.as_ref().map(|slower| value / slower.middle),
        verdict,
        n: real.len(),
    }
}

fn judge(figure: Figure, real: f64, runs: &Runs, slower: Option<&Runs>, accounts: &Accounts) -> Verdict {
    // At distance, not everybody is busy at once: the machine's share is anything up to what it is there.
    let highest = slower.map_or(runs.high, |slower| slower.high.max(slower.middle * (1.0 + TOLERANCE)));
    // One late packet makes no median.
    let late = if matches!(figure, Figure::P99 | Figure::Max) { accounts.late } else { 0.0 };
    if runs.are_close(real) {
        Verdict::Close
    } else if runs.contain(real) {
        Verdict::Chance
    } else if (runs.low..=highest).contains(&real) {
        Verdict::Machine
    } else if real > highest && real - late <= highest {
        Verdict::Network
    } else if real < runs.low && accounts.repaired > 0 {
        Verdict::Repair
    } else {
        Verdict::Apart
    }
}

impl Row {
    /// Whether the two agree.
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }
}

/// All rows as a table.
pub(super) fn table(rows: &[Row]) -> String {
    let head = ["scene", "measure", "real", "simulated", "99 % of runs", "ratio", "with machine", "ratio", "n", ""];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        let cell = |at: usize| match at {
            0 | 1 | 9 => format!("{:<width$}", line[at], width = widths[at]),
            _ => format!("{:>width$}", line[at], width = widths[at]),
        };
        let line: Vec<String> = (0..head.len()).map(cell).collect();
        out.push_str(&format!("  {}\n", line.join("  ").trim_end()));
    }
    out
}

fn cells(row: &Row) -> [String; 10] {
    let verdict = match row.verdict {
        Verdict::Close => "within 15 %",
        Verdict::Chance => "within chance",
        Verdict::Machine => "the machine accounts for it",
        Verdict::Network => "the network was late",
        Verdict::Repair => "repaired sooner",
        Verdict::Apart => "APART",
    };
    [
        row.scene.clone(),
        row.name.clone(),
        figure(row.real),
        figure(row.simulated),
        format!("{} to {}", figure(row.low), figure(row.high)),
        format!("{:.2}", row.ratio),
        row.with_machine.map_or_else(String::new, figure),
        row.ratio_with_machine.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
        row.n.to_string(),
        verdict.to_owned(),
    ]
}

/// Milliseconds, in the precision that makes sense of them.
fn figure(millis: f64) -> String {
    let digits = if millis.abs() >= 100.0 { 0 } else { 1 };
    format!("{millis:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::{Accounts, Figure, Verdict, compare, table};
    use crate::sample::Sample;

    fn runs(medians: impl IntoIterator<Item = f64>) -> Vec<Sample> {
        medians.into_iter().map(|median| Sample::new(vec![median - 1.0, median, median + 1.0])).collect()
    }

    /// Runs with medians from 90 to 110.
    fn verdict(figure: Figure, real: f64, accounts: &Accounts) -> Verdict {
        let simulated = runs((0..=40).map(|step| 90.0 + f64::from(step) / 2.0));
        compare("s", "m", figure, &Sample::new(vec![real]), &simulated, accounts).verdict()
    }

    #[test]
    fn a_difference_is_tolerated_or_told() {
        let of = |real: f64| verdict(Figure::P50, real, &Accounts::default());
        assert_eq!((of(100.0), of(114.9), of(85.1)), (Verdict::Close, Verdict::Close, Verdict::Close));
        assert_eq!((of(116.0), of(84.0)), (Verdict::Apart, Verdict::Apart));
    }

    #[test]
    fn what_was_measured_beside_it_accounts_for_a_difference_of_its_own_kind_and_size() {
        let machine = Accounts { machine: Some(Sample::new(vec![40.0])), ..Accounts::default() };
        let of = |real: f64| verdict(Figure::P50, real, &machine);
        assert_eq!(
            (of(120.0), of(150.0), of(170.0), of(80.0)),
            (Verdict::Machine, Verdict::Machine, Verdict::Apart, Verdict::Apart)
        );
        let late = Accounts { late: 50.0, ..Accounts::default() };
        let of = |figure, real: f64| verdict(figure, real, &late);
        assert_eq!((of(Figure::Max, 140.0), of(Figure::Max, 165.0)), (Verdict::Network, Verdict::Apart));
        assert_eq!((of(Figure::P50, 140.0), of(Figure::Max, 80.0)), (Verdict::Apart, Verdict::Apart));
        let repaired = Accounts { repaired: 3, ..Accounts::default() };
        let of = |real: f64| verdict(Figure::Max, real, &repaired);
        assert_eq!((of(80.0), of(140.0)), (Verdict::Repair, Verdict::Apart));
    }

    #[test]
    fn what_simulated_runs_do_themselves_is_chance() {
        let simulated = runs((0..=40).map(|step| 60.0 + 2.0 * f64::from(step)));
        let none = Accounts::default();
        let of = |real: f64| compare("s", "m", Figure::P50, &Sample::new(vec![real]), &simulated, &none).verdict();
        assert_eq!((of(100.0), of(130.0), of(141.0)), (Verdict::Close, Verdict::Chance, Verdict::Apart));
    }

    #[test]
    fn the_table_lines_up() {
        let (simulated, none) = (runs([100.0]), Accounts::default());
        let row = compare("world", "last", Figure::Max, &Sample::new(vec![111.0, 20.0]), &simulated, &none);
        let expected = [
            "  scene  measure   real  simulated  99 % of runs  ratio  with machine  ratio  n\n",
            "  world  last max   111        101    101 to 101   1.10                       2  within 15 %\n",
        ];
        assert_eq!(table(&[row]), expected.concat());
    }
}
