//! Who heard which update, and when.

use super::histogram::Histogram;
use std::time::Duration;
use whither_model::Instant;
use whither_population::{Index, Map};

/// How updates reached the nodes of one region.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RegionDeliveries {
    /// Its name.
    pub name: &'static str,
    /// How many nodes are there.
    pub nodes: u32,
    /// After what time each of them heard each update.
    pub heard: Histogram,
}

/// How updates reached everybody.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Deliveries {
    /// How many updates were told.
    pub updates: u32,
    /// How many deliveries there had to be: each update to each node but the one that told it.
    pub expected: u64,
    /// After what time each node heard each update.
    pub heard: Histogram,
    /// After what time the last of those that heard an update did, for each update.
    pub last: Vec<Duration>,
    /// That time divided by the least that distance allows, for each update.
    pub over_limit: Vec<f64>,
    /// What distance allows at best, for each update.
    pub limits: Vec<Duration>,
    /// Copies of what a node had heard already.
    pub doubles: u64,
    /// The regions that have nodes, in the order of the map.
    pub regions: Vec<RegionDeliveries>,
}

impl Deliveries {
    /// The share of deliveries that came without anti-entropy; 1 if there had to be none.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.expected == 0 { 1.0 } else { self.heard.count() as f64 / self.expected as f64 }
    }
}

/// An update on its way.
#[derive(Clone, Copy, Debug)]
struct Update {
    told: Instant,
    last: Duration,
    limit: Duration,
}

/// Updates while they are on their way.
#[derive(Debug)]
pub(super) struct Postmarks {
    updates: Vec<Update>,
    /// The region of each node.
    regions: Vec<u8>,
    nodes: u64,
    sum: Deliveries,
}

impl Postmarks {
    /// Nodes are where `regions` says.
    pub(super) fn new(map: &Map, regions: Vec<u8>) -> Self {
        let nodes = |number: usize| regions.iter().filter(|one| usize::from(**one) == number).count();
        let named = map.regions().iter().enumerate().map(|(number, region)| RegionDeliveries {
            name: region.name,
            nodes: u32::try_from(nodes(number)).unwrap_or(u32::MAX),
            heard: Histogram::default(),
        });
        let sum = Deliveries { regions: named.collect(), ..Deliveries::default() };
        Self { updates: Vec::new(), nodes: regions.len() as u64, regions, sum }
    }

    /// The next update is told, and cannot be everywhere before `limit` is over.
    pub(super) fn told(&mut self, at: Instant, limit: Duration) {
        self.updates.push(Update { told: at, last: Duration::ZERO, limit });
        self.sum.updates += 1;
        self.sum.expected += self.nodes - 1;
    }

    /// A node heard an update for the first time.
    pub(super) fn heard(&mut self, at: Instant, node: Index, number: u32) {
        let Some(update) = self.updates.get_mut(number as usize) else { return };
        let after = at.since(update.told);
        update.last = update.last.max(after);
        self.sum.heard.add(after);
        self.sum.regions[usize::from(self.regions[node as usize])].heard.add(after);
    }

    /// A copy came of what was known.
    pub(super) const fn doubled(&mut self) {
        self.sum.doubles += 1;
    }

    /// What came of them.
    pub(super) fn into_deliveries(self) -> Deliveries {
        let mut sum = self.sum;
        sum.regions.retain(|region| region.nodes > 0);
        sum.last = self.updates.iter().map(|update| update.last).collect();
        sum.limits = self.updates.iter().map(|update| update.limit).collect();
        let ratio = |update: &Update| update.last.as_secs_f64() / update.limit.as_secs_f64().max(1e-9);
        sum.over_limit = self.updates.iter().map(ratio).collect();
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_who_hears_an_update_counts_and_what_is_missing_is_seen() {
        let map = Map::world();
        let mut postmarks = Postmarks::new(&map, vec![0, 0, 4]);
        let at = |millis: u64| Instant::START + Duration::from_millis(millis);
        postmarks.told(at(0), Duration::from_millis(50));
        postmarks.told(at(100), Duration::from_millis(40));
        postmarks.heard(at(60), 2, 0);
        postmarks.heard(at(10), 1, 0);
        postmarks.heard(at(110), 0, 1);
        postmarks.doubled();
        let sum = postmarks.into_deliveries();
        assert_eq!((sum.updates, sum.expected, sum.heard.count(), sum.doubles), (2, 4, 3, 1));
        assert_eq!(sum.last, [Duration::from_millis(60), Duration::from_millis(10)]);
        assert_eq!((sum.over_limit.as_slice(), sum.share()), (&[1.2, 0.25][..], 0.75));
        let regions: Vec<_> = sum.regions.iter().map(|one| (one.name, one.nodes, one.heard.count())).collect();
        assert_eq!(regions, [("ams", 2, 2), ("dfw", 1, 1)]);
    }
}
