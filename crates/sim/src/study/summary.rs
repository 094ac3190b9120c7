//! What several runs of the same settings have in common.

use super::deliveries::RegionDeliveries;
use super::histogram::Histogram;
use super::incidents::Incident;
use super::restarts::Restarts;
use super::run::{Recovery, Run, Traffic};
use std::time::Duration;

/// How durations spread: nearest-rank percentiles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spread {
    /// Of how many.
    pub count: u64,
    /// Half of them are not longer.
    pub p50: Duration,
    /// 99 of 100 are not longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl Spread {
    /// Of those in a list; `None` if it is empty.
    #[must_use]
    pub fn of(mut values: Vec<Duration>) -> Option<Self> {
        values.sort_unstable();
        let count = values.len();
        let at = |share: usize| values[(count * share).div_ceil(100).saturating_sub(1)];
        (count > 0).then(|| Self { count: count as u64, p50: at(50), p99: at(99), max: values[count - 1] })
    }

    /// Of those in a histogram; `None` if it is empty.
    #[must_use]
    pub fn of_histogram(histogram: &Histogram) -> Option<Self> {
        let at = |share| histogram.at(share);
        Some(Self { count: histogram.count(), p50: at(0.5)?, p99: at(0.99)?, max: histogram.max()? })
    }
}

/// How deaths became known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Detection {
    /// How many there were, all runs together.
    pub deaths: u64,
    /// After what time somebody suspected, for each death.
    pub suspected: Option<Spread>,
    /// After what time the first survivor declared it down, for each death.
    pub first: Option<Spread>,
    /// After what time all survivors believed it, for each death that became known to all.
    pub everywhere: Option<Spread>,
    /// How many were not known to all when the run ended.
    pub unknown: u64,
    /// After what time each survivor declared each of them down.
    pub each: Histogram,
}

/// Accusations of nodes that were well and in reach.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Errors {
    /// How often a healthy node was accused: suspicions of one node that are near each other are one.
    pub accusations: u64,
    /// How often that ended with somebody declaring it down.
    pub wrongly_down: u64,
    /// Every one of these, with the seed of its run.
    pub wrong: Vec<(u64, Incident)>,
    /// How long healthy nodes were watched, all together, in hours.
    pub node_hours: f64,
}

impl Errors {
    /// Nodes wrongly declared down in a node's hour: at most this, with 95 % confidence, if there was none (the rule of
    /// three: the upper bound of a Poisson rate of which nothing was seen is 3 by the time watched).
    #[must_use]
    pub fn rate_bound(&self) -> f64 {
        3.0 / self.node_hours.max(f64::MIN_POSITIVE)
    }
}

/// How updates reached everybody.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Broadcast {
    /// How many updates, all runs together.
    pub updates: u64,
    /// How many deliveries there had to be.
    pub expected: u64,
    /// After what time each node heard each update.
    pub each: Histogram,
    /// After what time the last node did, for each update.
    pub last: Option<Spread>,
    /// The same, sorted.
    pub last_sorted: Vec<Duration>,
    /// That time divided by the least that distance allows: median, 99 of 100, most.
    pub over_limit: Option<[f64; 3]>,
    /// What distance allows at best, for each update.
    pub limit: Option<Spread>,
    /// Copies of what a node had heard already.
    pub doubles: u64,
    /// How updates reached each region.
    pub regions: Vec<RegionDeliveries>,
}

impl Broadcast {
    /// The share of deliveries that came without anti-entropy.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.expected == 0 { 1.0 } else { self.each.count() as f64 / self.expected as f64 }
    }

    /// Useless copies for each delivery.
    #[must_use]
    pub fn doubles_per_delivery(&self) -> f64 {
        if self.each.count() == 0 { 0.0 } else { self.doubles as f64 / self.each.count() as f64 }
    }
}

/// What several runs of the same settings have in common.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Summary {
    /// Their seeds.
    pub seeds: Vec<u64>,
    /// How deaths became known.
    pub detection: Detection,
    /// Accusations of nodes that were well.
    pub errors: Errors,
    /// How updates reached everybody.
    pub broadcast: Broadcast,
    /// What nodes sent: the mean of all runs; of the busiest node, the most.
    pub traffic: Traffic,
    /// How many different beliefs about who is present there were: the most of any run.
    pub views: usize,
    /// How many of them at one moment: the most of any run.
    pub views_at_once: u32,
    /// A division: beliefs of all runs, the most nodes of any run, the slowest recovery.
    pub partition: Option<Recovery>,
    /// Restarts: of all runs together.
    pub deploy: Option<Restarts>,
    /// Messages received and wake-ups.
    pub events: u64,
}

impl Summary {
    /// Sums up.
    #[must_use]
    pub fn of(runs: &[Run]) -> Self {
        let samples = runs.iter().flat_map(|run| &run.samples);
        Self {
            seeds: runs.iter().map(|run| run.seed).collect(),
            detection: detection(runs),
            errors: errors(runs),
            broadcast: broadcast(runs),
            traffic: traffic(runs),
            views: runs.iter().map(|run| run.views).max().unwrap_or(0),
            views_at_once: samples.map(|sample| sample.views).max().unwrap_or(0),
            partition: runs.iter().filter_map(|run| run.partition.clone()).reduce(|sum, one| sum.and(&one)),
            deploy: runs.iter().filter_map(|run| run.deploy.clone()).reduce(|sum, one| sum.and(&one)),
            events: runs.iter().map(|run| run.events).sum(),
        }
    }
}

fn detection(runs: &[Run]) -> Detection {
    let deaths = || runs.iter().flat_map(|run| &run.toll.deaths);
    let mut each = Histogram::default();
    runs.iter().for_each(|run| each.merge(&run.toll.noticed));
    Detection {
        deaths: deaths().count() as u64,
        suspected: Spread::of(deaths().filter_map(|death| death.suspected).collect()),
        first: Spread::of(deaths().filter_map(|death| death.first).collect()),
        everywhere: Spread::of(deaths().filter_map(|death| death.everywhere).collect()),
        unknown: deaths().filter(|death| death.everywhere.is_none()).count() as u64,
        each,
    }
}

fn errors(runs: &[Run]) -> Errors {
    let wrong = |run: &Run| {
        let seed = run.seed;
        let down = run.incidents.iter().filter(|incident| incident.down > 0).cloned();
        down.map(move |incident| (seed, incident)).collect::<Vec<_>>()
    };
    let wrong: Vec<_> = runs.iter().flat_map(wrong).collect();
    Errors {
        accusations: runs.iter().map(|run| run.incidents.len() as u64).sum(),
        wrongly_down: wrong.len() as u64,
        wrong,
        node_hours: runs.iter().map(|run| run.well.as_secs_f64() / 3_600.0).sum(),
    }
}

fn broadcast(runs: &[Run]) -> Broadcast {
    let mut sum = Broadcast::default();
    let mut over: Vec<f64> = Vec::new();
    let mut limits = Vec::new();
    for run in runs {
        let deliveries = &run.deliveries;
        sum.updates += u64::from(deliveries.updates);
        sum.expected += deliveries.expected;
        sum.doubles += deliveries.doubles;
        sum.each.merge(&deliveries.heard);
        sum.last_sorted.extend(&deliveries.last);
        over.extend(&deliveries.over_limit);
        limits.extend(&deliveries.limits);
        for region in &deliveries.regions {
            match sum.regions.iter_mut().find(|known| known.name == region.name) {
                Some(known) => known.heard.merge(&region.heard),
                None => sum.regions.push(region.clone()),
            }
        }
    }
    sum.last_sorted.sort_unstable();
    over.sort_by(f64::total_cmp);
    let rank = |share: usize| (over.len() * share).div_ceil(100).saturating_sub(1);
    sum.over_limit = over.last().map(|most| [over[rank(50)], over[rank(99)], *most]);
    sum.last = Spread::of(sum.last_sorted.clone());
    sum.limit = Spread::of(limits);
    sum
}

fn traffic(runs: &[Run]) -> Traffic {
    let mean =
        |of: fn(&Traffic) -> f64| runs.iter().map(|run| of(&run.traffic)).sum::<f64>() / runs.len().max(1) as f64;
    Traffic {
        idle_bytes: mean(|traffic| traffic.idle_bytes),
        idle_messages: mean(|traffic| traffic.idle_messages),
        bytes: mean(|traffic| traffic.bytes),
        messages: mean(|traffic| traffic.messages),
        busiest: runs.iter().map(|run| run.traffic.busiest).fold(0.0, f64::max),
    }
}
