//! Lifeguard's anomaly matrix (Dadgar, Phillips, Currey 2018, sections V and VI) with our membership: E5.

use super::{Beliefs, at_the_papers_pace};
use crate::report::{Cell, Effort, Report, Table, Within};
use crate::statistics::Sorted;
use std::time::Duration;
use whither_model::random::{Random, mix};
use whither_model::{Instant, MemberState};
use whither_population::{Cycle, Nodes, Population, Setup, Trouble};
use whither_sim::crowd::{Manner, acquainted};

/// Nodes in the paper's cluster.
const NODES: u32 = 128;
/// Concurrent anomalies, of the paper.
const CONCURRENT: [usize; 9] = [1, 4, 8, 12, 16, 20, 24, 28, 32];
/// Their duration in milliseconds, of the paper.
const DURATIONS: [u64; 6] = [128, 512, 2_048, 8_192, 16_384, 32_768];
/// The pause between them in milliseconds, of the paper.
const INTERVALS: [u64; 8] = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384];
/// Before anything happens.
const QUIESCE: Duration = Duration::from_secs(15);

/// How much of the matrix is run.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// How often each combination; the paper: 10.
    repetitions: u64,
    /// Of all combinations, one of so many.
    every: usize,
}

/// What was counted over all runs of one way of being ill.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    runs: u64,
    false_positives: u64,
    at_healthy: u64,
    suspicions: u64,
}

/// The whole experiment.
#[must_use]
pub fn run(effort: Effort, seed: u64) -> Report {
    let manners = [("paper's pace: 1 s", at_the_papers_pace()), ("our defaults: 0.8 s", Manner::default())];
    let mut accuracy = Table::new(
        "Interval experiment: nodes declared dead that were not ill",
        &["runs", "FP (anywhere)", "FP- (at healthy nodes)", "wrong suspicions"],
    );
    let mut latency = Table::new(
        "Threshold experiment: from the anomaly's beginning to a healthy node's verdict, seconds",
        &["first, median", "first, 99 %", "all, median", "all, 99 %"],
    );
    for (name, manner) in &manners {
        for (how, trouble) in [("blocked as in the paper", Trouble::Blocked), ("stopped", Trouble::Stopped)] {
            let extent = match (effort, trouble) {
                // The paper's 4 320 runs at its pace; at ours, which takes twice as long, a part of them.
                (Effort::Full, Trouble::Blocked) if name.starts_with("paper") => Extent { repetitions: 10, every: 1 },
                (Effort::Full, Trouble::Blocked) => Extent { repetitions: 3, every: 1 },
                (Effort::Full, Trouble::Stopped) => Extent { repetitions: 1, every: 5 },
                (Effort::Quick, _) => Extent { repetitions: 1, every: 23 },
            };
            let sums = intervals(manner, trouble, extent, seed);
            let bar = if name.starts_with("paper") { 25.0 * sums.runs as f64 / 4_320.0 } else { 0.0 };
            accuracy.push(
                format!("{name}, {how}"),
                vec![
                    Cell::measured(sums.runs as f64),
                    Cell::measured(sums.false_positives as f64),
                    Cell::judged(sums.at_healthy as f64, bar.floor(), Within::AtMost),
                    Cell::measured(sums.suspicions as f64),
                ],
            );
            let (first, full) = thresholds(manner, trouble, extent, seed);
            let paper = name.starts_with("paper");
            let judged = |value: f64, bar: f64, here: bool| {
                if here { Cell::judged(value, bar, Within::AtMost) } else { Cell::measured(value) }
            };
            latency.push(
                format!("{name}, {how}"),
                vec![
                    judged(at(&first, 0.5), 6.6, paper),
                    Cell::measured(at(&first, 0.99)),
                    judged(at(&full, 0.5), 2.5, !paper),
                    Cell::measured(at(&full, 0.99)),
                ],
            );
        }
    }
    let text = "128 nodes; C of them are ill at once, in lock step, for D, then well for I, and again, as in Lifeguard's \
                Interval experiment (9 × 6 × 8 combinations); or once, as in its Threshold experiment. Published for \
                Lifeguard (α=5, β=6): median first detection 12.45 s with 25 FP- in 4 320 runs; for (2, 6): 6.76 s with \
                181. \"Blocked\" is the paper's anomaly: whatever is sent or received waits, timers go on. \"Stopped\" is \
                SIGSTOP: timers are late too.";
    Report { text: vec![text.to_owned()], tables: vec![accuracy, latency] }
}

fn world(seed: u64, manner: &Manner) -> Population<whither_sim::crowd::Node, Beliefs> {
    let setup = Setup::new(seed, NODES as usize);
    let mut nodes = acquainted(NODES, seed, manner, |_| 0).into_iter();
    Population::new(&setup, Beliefs::default(), |_| nodes.next().expect("one for each"))
}

fn intervals(manner: &Manner, trouble: Trouble, extent: Extent, seed: u64) -> Sums {
    let mut cases = Vec::new();
    for concurrent in CONCURRENT {
        for duration in DURATIONS {
            for interval in INTERVALS {
                cases.extend((0..extent.repetitions).map(|run| (concurrent, duration, interval, run)));
            }
        }
    }
    let cases: Vec<_> = cases.into_iter().step_by(extent.every).collect();
    let sums = crate::parallel::map(&cases, |&(concurrent, duration, interval, run)| {
        let seed = mix(seed ^ mix(concurrent as u64 ^ mix(duration ^ mix(interval ^ mix(run)))));
        let cycle = |first: Instant| Cycle {
            first,
            on: Duration::from_millis(duration),
            off: Duration::from_millis(interval),
            until: first + Duration::from_secs(120),
        };
        interval_run(manner, trouble, concurrent, cycle, seed)
    });
    sums.into_iter().fold(Sums::default(), |all, one| Sums {
        runs: all.runs + 1,
        false_positives: all.false_positives + one.false_positives,
        at_healthy: all.at_healthy + one.at_healthy,
        suspicions: all.suspicions + one.suspicions,
    })
}

fn interval_run(
    manner: &Manner,
    trouble: Trouble,
    concurrent: usize,
    cycle: impl Fn(Instant) -> Cycle,
    seed: u64,
) -> Sums {
    let mut world = world(seed, manner);
    world.run_for(QUIESCE).expect("a budget for millions of nodes");
    let ill = Nodes::random(concurrent, NODES as usize, &mut Random::new(seed));
    let end = world.trouble(trouble, &ill, cycle(world.now()));
    // What waited while nodes were ill still takes effect when they are well again.
    world.run_until(end + Duration::from_secs(5)).expect("a budget for millions of nodes");
    let mut sums = Sums::default();
    for (_, node, about, state) in world.into_watch().0 {
        if ill.contains(about) {
            continue;
        }
        sums.suspicions += u64::from(state == MemberState::Suspect);
        if state == MemberState::Down {
            sums.false_positives += 1;
            sums.at_healthy += u64::from(!ill.contains(node));
        }
    }
    sums
}

fn thresholds(manner: &Manner, trouble: Trouble, extent: Extent, seed: u64) -> (Sorted, Sorted) {
    let mut cases = Vec::new();
    for concurrent in CONCURRENT {
        for duration in DURATIONS {
            cases.extend((0..extent.repetitions).map(|run| (concurrent, duration, run)));
        }
    }
    let found = crate::parallel::map(&cases, |&(concurrent, duration, run)| {
        let seed = mix(seed ^ mix(concurrent as u64 ^ mix(duration ^ mix(run ^ 0x7e5))));
        threshold(manner, trouble, concurrent, Duration::from_millis(duration), seed)
    });
    let (mut first, mut full) = (Vec::new(), Vec::new());
    for (one, all) in found {
        first.extend(one);
        full.extend(all);
    }
    (Sorted::new(first), Sorted::new(full))
}

fn at(sample: &Sorted, share: f64) -> f64 {
    sample.at(share).unwrap_or(f64::INFINITY)
}

fn threshold(manner: &Manner, trouble: Trouble, concurrent: usize, long: Duration, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let mut world = world(seed, manner);
    world.run_for(QUIESCE).expect("a budget for millions of nodes");
    let begin = world.now();
    let ill = Nodes::random(concurrent, NODES as usize, &mut Random::new(seed));
    let end = world.trouble(trouble, &ill, Cycle::once(begin, long));
    world.run_until(end).expect("a budget for millions of nodes");
    let healthy = NODES as usize - concurrent;
    let verdicts = world.into_watch().0;
    let (mut first, mut full) = (Vec::new(), Vec::new());
    for one in ill.iter() {
        let mut seen: Vec<f64> = verdicts
            .iter()
            .filter(|(_, node, about, state)| *about == one && *state == MemberState::Down && !ill.contains(*node))
            .map(|(at, ..)| at.since(begin).as_secs_f64())
            .collect();
        seen.sort_by(f64::total_cmp);
        first.extend(seen.first());
        full.extend(seen.get(healthy - 1));
    }
    (first, full)
}
