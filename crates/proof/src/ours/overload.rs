//! A storm of updates over lines that cannot bear it, with whole agents' cores: E3.

mod storm;

use crate::report::{Cell, Effort, Report, Table, Within};
use std::time::Duration;
use storm::{Outcome, Sample, Storm};
use whither_sim::Line;

/// A line so narrow that minutes of it can be simulated: a quarter of a megabit, with half a second's worth of queue for
/// datagrams. Messages to one peer wait up to as much as the transport lets them.
const LINE: Line = Line { bytes_per_second: 32_000, datagram_bytes_max: 16_384, stream_bytes_max: 16 << 20 };
/// Updates per second, as shares of what lines could bear.
const LOADS: [f64; 4] = [0.1, 1.0, 2.0, 10.0];
/// Instances of each node.
const INSTANCES: usize = 10;
/// Ranges that a node keeps of one origin before it forgets that it saw something.
const RANGES_MAX: f64 = whither_replica::limits::RANGES_MAX as f64;

/// Storms of several strengths, and how the cluster comes through.
#[must_use]
pub fn run(effort: Effort, seed: u64) -> Report {
    let (nodes, lasts) = match effort {
        Effort::Full => (50, Duration::from_secs(120)),
        Effort::Quick => (25, Duration::from_secs(30)),
    };
    let storm = |load| Storm { seed, nodes, instances: INSTANCES, line: LINE, load, lasts };
    let outcomes: Vec<(f64, Outcome)> = LOADS.into_iter().map(|load| (load, storm(load).rage())).collect();
    Report { text: text(nodes, lasts, &outcomes), tables: vec![recovered(&outcomes), during(nodes, lasts, &outcomes)] }
}

fn text(nodes: usize, lasts: Duration, outcomes: &[(f64, Outcome)]) -> Vec<String> {
    let capacity = outcomes.first().map_or(0.0, |(_, outcome)| outcome.capacity);
    let state = outcomes.first().map_or(0.0, |(_, outcome)| outcome.state_bytes);
    vec![
        format!(
            "Whole cores (catalog, leases, repair) of {nodes} nodes with {INSTANCES} instances each, whose lines bear {} kB/s each \
             way. In front of each line and behind it {} bytes of datagrams may wait, and what is more is dropped; streams wait \
             at their sender and share the line with datagrams packet by packet. Each packet costs its headers and seal.",
            LINE.bytes_per_second / 1_000,
            LINE.datagram_bytes_max,
        ),
        format!(
            "Capacity is {capacity:.0} updates a second: so many would fill the lines if each update reached each node once, in \
             full packets, with no leaflet, acknowledgement or probe beside it. No protocol gets there. For {} s, at shares of \
             that, random instances change at random nodes; then nothing changes any more. Recovery lasts from the last change \
             until all digests are equal. All instances together are {:.1} kB, so to send everybody everything takes {:.1} s: \
             the rest of a recovery is the protocol's.",
            lasts.as_secs(),
            state / 1_000.0,
            state / LINE.bytes_per_second as f64,
        ),
        "Lost are rows that somebody lacks in the end or has in an old version. A row is stale at a node if a newer version \
         exists; its age is that of the oldest version that the node should have and has not. Rows that are overwritten more \
         often than a line can tell are stale most of the time; what matters is that none stays behind. There are not two \
         thousand nodes, because each of these holds a whole catalog, and each update is told to all of them."
            .to_owned(),
    ]
}

fn recovered(outcomes: &[(f64, Outcome)]) -> Table {
    let columns = ["recovery, s", "lost", "ranges kept of one origin", "messages dropped"];
    let mut table = Table::new("After the storm", &columns);
    for (load, outcome) in outcomes {
        let recovery = outcome.recovery.map_or(f64::INFINITY, |recovery| recovery.as_secs_f64());
        table.push(
            format!("{load} × capacity"),
            vec![
                Cell::judged(recovery, 30.0, Within::AtMost),
                Cell::judged(outcome.lost as f64, 0.0, Within::AtMost),
                Cell::judged(most(&outcome.samples, |sample| sample.ranges as f64), RANGES_MAX, Within::AtMost),
                Cell::judged(outcome.carried.messages_dropped as f64, 0.0, Within::AtMost),
            ],
        );
    }
    table
}

fn during(nodes: usize, lasts: Duration, outcomes: &[(f64, Outcome)]) -> Table {
    let columns = [
        "updates / s",
        "oldest unknown update, first half, s",
        "second half, s",
        "stale rows, %",
        "line used, %",
        "datagrams dropped, %",
        "copies sent again, %",
        "streams waiting at a node, kB",
        "healthy nodes called down",
    ];
    let mut table = Table::new("During the storm", &columns);
    for (load, outcome) in outcomes {
        let storm = || outcome.samples.iter().filter(|sample| sample.at <= lasts).copied();
        let (early, late): (Vec<Sample>, Vec<Sample>) = storm().partition(|sample| sample.at <= lasts / 2);
        let oldest = |samples: &[Sample]| most(samples, |sample| sample.oldest.as_secs_f64());
        let pairs = (nodes * nodes * INSTANCES) as f64;
        let stale: f64 = storm().map(|sample| sample.stale as f64).sum::<f64>() / storm().count().max(1) as f64;
        let seconds = outcome.samples.last().map_or(lasts, |sample| sample.at).max(lasts).as_secs_f64();
        let bearable = LINE.bytes_per_second as f64 * seconds * nodes as f64;
        let percent = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
        table.push(
            format!("{load} × capacity"),
            vec![
                Cell::measured(outcome.updates as f64 / lasts.as_secs_f64()),
                Cell::measured(oldest(&early)),
                Cell::measured(oldest(&late)),
                Cell::measured(100.0 * stale / pairs),
                Cell::measured(100.0 * outcome.carried.bytes_out as f64 / bearable),
                Cell::measured(percent(outcome.carried.datagrams_dropped, outcome.counted.datagrams_sent)),
                Cell::measured(percent(outcome.counted.news_sent_again, outcome.counted.news_sent)),
                Cell::measured(outcome.carried.stream_bytes_most as f64 / 1_000.0),
                Cell::measured(outcome.counted.declared_down as f64),
            ],
        );
    }
    table
}

fn most(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    samples.iter().map(of).fold(0.0, f64::max)
}
