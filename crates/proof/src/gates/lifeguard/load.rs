//! C5: what it costs (Table VI).

use super::anomalies::{NODES, REPETITIONS, Sample, Sums, interval};
use super::{MANNERS, setting};
use crate::report::{Cell, Effort, Report, Table, Within};

/// Messages per node and second, bytes per node and second, bytes per message; messages and bytes in percent of SWIM.
const PUBLISHED: [[f64; 5]; 5] = [
    [5.8, 2_145.0, 368.0, 100.0, 100.0],
    [5.7, 1_931.0, 336.0, 98.46, 90.03],
    [6.5, 2_285.0, 352.0, 111.31, 106.52],
    [5.8, 2_124.0, 364.0, 100.07, 99.01],
    [6.5, 2_102.0, 326.0, 110.59, 97.97],
];
/// How far off each may be.
const SHARE: f64 = 0.15;

/// The experiment.
#[must_use]
pub fn run(effort: Effort, seed: u64) -> Report {
    // Loads are sums over all nodes and all the time: a part of the runs tells them well.
    let sample = if effort == Effort::Full { Sample::new(REPETITIONS, 5) } else { Sample::new(1, 2) };
    let total = |config| interval(config, sample, seed).iter().fold(Sums::default(), |all, one| all.and(*one));
    let totals: Vec<Sums> = MANNERS.iter().map(|(_, config)| total(config)).collect();
    let mut table = Table::new(
        "Table VI: load in the Interval experiment",
        &["messages per node and s", "bytes per node and s", "bytes per message", "messages %", "bytes %"],
    );
    let rate = |of: &Sums| [of.messages, of.bytes].map(|one| one / of.seconds / NODES as f64);
    let swim = rate(&totals[0]);
    for (((name, _), of), published) in MANNERS.iter().zip(&totals).zip(PUBLISHED) {
        let [messages, bytes] = rate(of);
        let got = [messages, bytes, bytes / messages, 100.0 * messages / swim[0], 100.0 * bytes / swim[1]];
        let cells = got.into_iter().zip(published).map(|(got, wanted)| Cell::judged(got, wanted, Within::Share(SHARE)));
        table.push(*name, cells.collect());
    }
    let runs = totals[0].runs;
    let how = format!(
        "{runs} runs of the Interval experiment for each. Sizes are those of Consul 0.8: msgpack with field names, acks with a \
         network coordinate, alive messages with 107 bytes of tags, packets through LZW where that makes them shorter. Streams \
         are counted as what is written to them. The paper gives totals over 4 320 runs; the rates divide them by 128 nodes and \
         about 135 s."
    );
    Report { text: vec![setting(), how], tables: vec![table] }
}
