//! The two experiments of the paper's section V: Threshold (one spell) and Interval (spells until 120 s have passed).

use crate::memberlist::{Config, Event, Node};
use crate::parallel;
use crate::statistics::Sorted;
use core::time::Duration;
use std::sync::Arc;
use whither_model::Instant;
use whither_model::random::{Random, mix};
use whither_population::{Cycle, Index, Jitter, Map, Nodes, Population, Processor, Setup, Trouble, Watch};

/// Nodes in the paper's cluster.
pub(super) const NODES: usize = 128;
/// How many are ill at once (C).
pub(super) const CONCURRENT: [usize; 9] = [1, 4, 8, 12, 16, 20, 24, 28, 32];
/// How long a spell lasts, in milliseconds (D).
const DURATIONS: [u64; 6] = [128, 512, 2_048, 8_192, 16_384, 32_768];
/// How long the pause is, in milliseconds (I).
const INTERVALS: [u64; 8] = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384];
/// Repetitions of each combination in the paper.
pub(super) const REPETITIONS: u64 = 10;
/// Interval runs of each configuration in the paper.
pub(super) const PAPER_RUNS: f64 = 4_320.0;

/// Before the first spell.
const QUIESCE: Duration = Duration::from_secs(15);
/// After its beginning.
const OBSERVED: Duration = Duration::from_secs(120);

/// Who marked whom dead, and when.
#[derive(Debug, Default)]
struct Failures(Vec<(Instant, Index, Index)>);

impl Watch<Event> for Failures {
    fn event(&mut self, at: Instant, node: Index, event: Event) {
        if let Event::Failed(about) = event {
            self.0.push((at, node, about));
        }
    }
}

/// Who is ill, and when.
struct Illness {
    ill: Nodes,
    spells: Cycle,
    /// The ill ones are late by random times up to this; zero: in lock step.
    spread: Duration,
}

impl Illness {
    /// The spells of one of them.
    fn of(&self, node: Index, seed: u64) -> Cycle {
        let spread = usize::try_from(self.spread.as_micros()).unwrap_or(usize::MAX);
        let micros = Random::new(mix(seed ^ mix(u64::from(node)))).below(spread);
        let late = Duration::from_micros(micros as u64);
        Cycle { first: self.spells.first + late, until: self.spells.until + late, ..self.spells }
    }
}

fn cluster(config: &Arc<Config>, illness: &Illness, seed: u64) -> Population<Node, Failures> {
    let setup = Setup {
        map: Map::uniform(Duration::from_micros(50)),
        jitter: Jitter::Uniform(1.0..=2.0),
        processor: Processor::INSTANT,
        ..Setup::new(seed, NODES)
    };
    let mut population = Population::new(&setup, Failures::default(), |index| {
        let mut node = Node::new(index, NODES, config, seed);
        if illness.ill.contains(index) {
            node.block(illness.of(index, seed));
        }
        node
    });
    for node in illness.ill.iter() {
        population.trouble(Trouble::Blocked, &Nodes::one(node), illness.of(node, seed));
    }
    population
}

fn seed_of(seed: u64, [concurrent, duration, interval, run]: [u64; 4]) -> u64 {
    mix(seed ^ mix(concurrent ^ mix(duration ^ mix(interval ^ mix(run)))))
}

/// How long detection took, seconds from the beginning of the spell, over all ill nodes that were detected.
pub(super) struct Latencies {
    /// Until the first healthy node marked it dead.
    pub(super) first: Sorted,
    /// Until all healthy nodes had.
    pub(super) full: Sorted,
}

/// The Threshold experiment.
pub(super) fn threshold(config: &Config, repetitions: u64, seed: u64) -> Latencies {
    let config = Arc::new(config.clone());
    let cases: Vec<(usize, u64, u64)> = CONCURRENT
        .iter()
        .flat_map(|concurrent| DURATIONS.iter().map(move |duration| (*concurrent, *duration)))
        .flat_map(|(concurrent, duration)| (0..repetitions).map(move |run| (concurrent, duration, run)))
        .collect();
    let runs = parallel::map(&cases, |&(concurrent, duration, run)| {
        threshold_run(&config, concurrent, duration, seed_of(seed, [concurrent as u64, duration, 0, run]))
    });
    let (first, full): (Vec<_>, Vec<_>) = runs.into_iter().flatten().unzip();
    let reached = |times: Vec<Option<f64>>| Sorted::new(times.into_iter().flatten().collect());
    Latencies { first: reached(first), full: reached(full) }
}

/// For each ill node: the first detection and the last.
fn threshold_run(config: &Arc<Config>, concurrent: usize, duration: u64, seed: u64) -> Vec<(Option<f64>, Option<f64>)> {
    let ill = Nodes::random(concurrent, NODES, &mut Random::new(mix(seed)));
    let begin = Instant::START + QUIESCE;
    let spells = Cycle::once(begin, Duration::from_millis(duration));
    let illness = Illness { ill: ill.clone(), spells, spread: Duration::ZERO };
    let mut population = cluster(config, &illness, seed);
    population.run_until(begin + OBSERVED).expect("no run comes near the budget");
    let failures = population.into_watch().0;
    let healthy = NODES - concurrent;
    let latencies = |victim: Index| {
        let mut seen = Nodes::default();
        let mut times = Vec::with_capacity(healthy);
        for (at, by, about) in &failures {
            if *about == victim && !ill.contains(*by) && !seen.contains(*by) {
                seen.insert(*by);
                times.push(at.since(begin).as_secs_f64());
            }
        }
        (times.first().copied(), times.get(healthy - 1).copied())
    };
    ill.iter().map(latencies).collect()
}

/// What a number of Interval runs came to.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Sums {
    pub(super) runs: f64,
    /// Failure events about healthy nodes, at any node: the paper's FP.
    pub(super) accusations: f64,
    /// Those at healthy nodes: the paper's FP−.
    pub(super) accusations_by_healthy: f64,
    /// Messages that all nodes sent.
    pub(super) messages: f64,
    /// Their bytes.
    pub(super) bytes: f64,
    /// Time passed, all runs together, seconds.
    pub(super) seconds: f64,
}

impl Sums {
    /// Both together.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            runs: self.runs + other.runs,
            accusations: self.accusations + other.accusations,
            accusations_by_healthy: self.accusations_by_healthy + other.accusations_by_healthy,
            messages: self.messages + other.messages,
            bytes: self.bytes + other.bytes,
            seconds: self.seconds + other.seconds,
        }
    }
}

/// Which Interval runs to make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Repetitions of each combination, of which one in `of` is run.
    pub(super) repetitions: u64,
    pub(super) of: u64,
    /// How much the ill ones are out of step.
    pub(super) spread: Duration,
}

impl Sample {
    /// In lock step, as in the paper.
    pub(super) const fn new(repetitions: u64, of: u64) -> Self {
        Self { repetitions, of, spread: Duration::ZERO }
    }
}

/// The Interval experiment: sums for each C.
pub(super) fn interval(config: &Config, sample: Sample, seed: u64) -> [Sums; CONCURRENT.len()] {
    let config = Arc::new(config.clone());
    let mut cases = Vec::new();
    for (at, concurrent) in CONCURRENT.iter().enumerate() {
        for duration in DURATIONS {
            for interval in INTERVALS {
                cases.extend((0..sample.repetitions).map(|run| (at, *concurrent, duration, interval, run)));
            }
        }
    }
    cases.retain(|&(_, concurrent, duration, interval, run)| {
        seed_of(!seed, [concurrent as u64, duration, interval, run]).is_multiple_of(sample.of)
    });
    let runs = parallel::map(&cases, |&(at, concurrent, duration, interval, run)| {
        let seed = seed_of(seed, [concurrent as u64, duration, interval, run]);
        (at, interval_run(&config, sample, concurrent, [duration, interval], seed))
    });
    let mut sums = [Sums::default(); CONCURRENT.len()];
    for (at, run) in runs {
        sums[at] = sums[at].and(run);
    }
    sums
}

/// `duration` and `interval` in milliseconds.
fn interval_run(
    config: &Arc<Config>,
    sample: Sample,
    concurrent: usize,
    [duration, interval]: [u64; 2],
    seed: u64,
) -> Sums {
    let ill = Nodes::random(concurrent, NODES, &mut Random::new(mix(seed)));
    let begin = Instant::START + QUIESCE;
    let cycle = duration + interval;
    let observed = Duration::from_millis(cycle * 120_000_u64.div_ceil(cycle));
    let spells = Cycle {
        first: begin,
        on: Duration::from_millis(duration),
        off: Duration::from_millis(interval),
        until: begin + OBSERVED,
    };
    let illness = Illness { ill: ill.clone(), spells, spread: sample.spread };
    let mut population = cluster(config, &illness, seed);
    population.run_until(begin + observed).expect("no run comes near the budget");
    let total = population.counters().total;
    let mut sums = Sums {
        runs: 1.0,
        messages: total.messages_sent as f64,
        bytes: total.bytes_sent as f64,
        seconds: (QUIESCE + observed).as_secs_f64(),
        ..Sums::default()
    };
    for (_, by, about) in &population.watch().0 {
        if !ill.contains(*about) {
            sums.accusations += 1.0;
            sums.accusations_by_healthy += f64::from(u8::from(!ill.contains(*by)));
        }
    }
    sums
}
