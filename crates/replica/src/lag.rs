//! How long what others say takes to get here: measured on whatever they say, and on canaries where they say nothing.
//!
//! News carries how old it is (`LeafletWire::age`): whoever passes it on adds how long it had it and how long it probably was
//! under way to it. So every receiver learns how long it took from the moment in which its author said it, over however many
//! hops and repetitions, without synchronised clocks. How wrong that can be is said in `docs/adr/0013-age-travels-with-news.md`.

use crate::Replica;
use crate::spreading::News;
use crate::wire::LeafletWire;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;
use whither_gossip::{Belief, MEMBERS_MAX};
use whither_model::{Instant, NodeId};

/// No news is believed to be older: beyond it a number says more about its sender than about the news.
const AGE_MAX: Duration = Duration::from_secs(3_600);
/// Everything up to so many microseconds is told apart no further ...
const FINEST_MICROS: u64 = 1 << FINEST_BITS;
const FINEST_BITS: usize = 6;
/// ... and from there on each doubling is cut in two, up to 67 seconds.
const BUCKETS: usize = 41;
/// News of one node of which the distribution is kept: when there are so many, all count half.
const WINDOW_OF_ONE: u32 = 1_024;
/// The same for all nodes together.
const WINDOW_OF_ALL: u32 = 16_384;

/// What has been measured of one node's news, or of everybody's.
#[derive(Clone, Debug)]
pub struct Lag {
    /// How long the last one took.
    pub last: Duration,
    /// When it came.
    pub heard: Instant,
    /// Pieces of news that were measured since boot.
    pub count: u64,
    /// Times since boot that comparing replicas brought what no broadcast had brought before, also when this node had been away.
    pub by_repair: u64,
    window: Window,
}

impl Lag {
    fn new(limit: u32) -> Self {
        let window = Window { buckets: [0; BUCKETS], total: 0, limit };
        Self { last: Duration::ZERO, heard: Instant::DISTANT_PAST, count: 0, by_repair: 0, window }
    }

    fn heard(&mut self, took: Duration, now: Instant) {
        self.last = took;
        self.heard = now;
        self.count += 1;
        self.window.add(took);
    }

    /// How long at most so many per mille of the last news took; `None` before the first. It is interpolated between marks
    /// that are a factor of 1.33 to 1.5 apart.
    #[must_use]
    pub fn quantile(&self, per_mille: u32) -> Option<Duration> {
        if self.count == 1 { Some(self.last) } else { self.window.quantile(per_mille) }
    }
}

/// How long the last pieces of news took: counts that are halved when they are many.
#[derive(Clone, Debug)]
struct Window {
    buckets: [u16; BUCKETS],
    total: u32,
    limit: u32,
}

impl Window {
    fn add(&mut self, took: Duration) {
        if self.total >= self.limit {
            self.buckets.iter_mut().for_each(|count| *count /= 2);
            self.total = self.buckets.iter().map(|count| u32::from(*count)).sum();
        }
        self.buckets[bucket(took)] += 1;
        self.total += 1;
    }

    fn quantile(&self, per_mille: u32) -> Option<Duration> {
        let rank = u64::from(self.total) * u64::from(per_mille.min(1_000)) / 1_000;
        let mut before = 0;
        for (at, count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = u64::from(*count);
            if before + count > rank || before + count == u64::from(self.total) {
                let (from, to) = (mark(at), mark(at + 1));
                // In the middle of its share of the bucket.
                let micros = from + (to - from) * (2 * (rank - before).min(count - 1) + 1) / (2 * count);
                return Some(Duration::from_micros(micros));
            }
            before += count;
        }
        None
    }
}

/// Where the bucket begins, in microseconds.
fn mark(bucket: usize) -> u64 {
    let Some(steps) = bucket.checked_sub(1) else { return 0 };
    let doubled = FINEST_MICROS << (steps / 2);
    if steps.is_multiple_of(2) { doubled } else { doubled + doubled / 2 }
}

fn bucket(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let Some(doublings) = micros.checked_ilog2().and_then(|bits| (bits as usize).checked_sub(FINEST_BITS)) else {
        return 0;
    };
    let upper_half = micros - (1 << (doublings + FINEST_BITS)) >= 1 << (doublings + FINEST_BITS - 1);
    (1 + 2 * doublings + usize::from(upper_half)).min(BUCKETS - 1)
}

/// What has been measured of everybody.
#[derive(Debug)]
pub(crate) struct Lags {
    of: BTreeMap<NodeId, Lag>,
    all: Lag,
    /// Of whom something new was measured since somebody last asked.
    fresh: BTreeSet<NodeId>,
}

impl Default for Lags {
    fn default() -> Self {
        Self { of: BTreeMap::new(), all: Lag::new(WINDOW_OF_ALL), fresh: BTreeSet::new() }
    }
}

impl Lags {
    fn of(&mut self, node: NodeId) -> Option<&mut Lag> {
        if self.of.len() >= MEMBERS_MAX && !self.of.contains_key(&node) {
            return None;
        }
        self.fresh.insert(node);
        Some(self.of.entry(node).or_insert_with(|| Lag::new(WINDOW_OF_ONE)))
    }
}

impl Replica {
    /// What has been measured of the news of each other node, by id.
    pub fn lags(&self) -> impl Iterator<Item = (NodeId, &Lag)> {
        self.lags.of.iter().map(|(node, lag)| (*node, lag))
    }

    /// What has been measured of the news of `node`; `None` before the first.
    #[must_use]
    pub fn lag_of(&self, node: NodeId) -> Option<&Lag> {
        self.lags.of.get(&node)
    }

    /// What has been measured of everybody's news.
    #[must_use]
    pub fn lag_of_all(&self) -> &Lag {
        &self.lags.all
    }

    /// Whether [`Replica::take_fresh_lags`] would say anything.
    #[must_use]
    pub fn has_fresh_lags(&self) -> bool {
        !self.lags.fresh.is_empty()
    }

    /// Of whom something was measured since the last call.
    pub fn take_fresh_lags(&mut self) -> Vec<NodeId> {
        core::mem::take(&mut self.lags.fresh).into_iter().collect()
    }

    /// When the news in a packet of `sender` was made, on this node's clock, as far as that can be told; `None` if the sender
    /// does not say how old it was.
    pub(crate) fn when_made(&self, sender: &Belief, leaflet: &LeafletWire, sent_at: u64) -> Option<Instant> {
        if leaflet.age == 0 {
            return None;
        }
        let peer = (sender.node, self.region_of(sender.node));
        let under_way = self.clocks.under_way(peer, sender.epoch, sent_at, self.now.mono);
        Some(self.now.mono - Duration::from_micros(leaflet.age).min(AGE_MAX) - under_way.min(AGE_MAX))
    }

    /// News of `origin` came for the first time, made when it says.
    pub(crate) fn note_lag(&mut self, origin: u64, made: Option<Instant>) {
        let (Some(node), Some(made)) = (NodeId::new(origin), made) else { return };
        if self.detector.roster().get(node).is_none() {
            return;
        }
        let (now, took) = (self.now.mono, self.now.mono.since(made));
        if let Some(lag) = self.lags.of(node) {
            lag.heard(took, now);
            self.lags.all.heard(took, now);
        }
    }

    /// Comparing replicas brought what `node` had said and no broadcast had brought.
    pub(crate) fn note_repair(&mut self, node: NodeId) {
        if self.detector.roster().get(node).is_none() {
            return;
        }
        if let Some(lag) = self.lags.of(node) {
            lag.by_repair += 1;
            self.lags.all.by_repair += 1;
        }
    }

    /// When this node's next canary is due.
    pub(crate) fn canary_due(&self) -> Instant {
        if self.has_left() { Instant::DISTANT_FUTURE } else { self.canary.due(self.detector.roster().present_count()) }
    }

    /// Says nothing to everybody, if this node has been silent for long enough.
    pub(crate) fn sing(&mut self) {
        if self.canary_due() <= self.now.mono {
            self.counters.canaries += 1;
            self.tell_everybody(News { made: Some(self.now.mono), ..News::default() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn buckets_begin_at_their_marks() {
        for at in 0..BUCKETS {
            assert_eq!(bucket(Duration::from_micros(mark(at))), at);
            assert_eq!(bucket(Duration::from_micros(mark(at + 1) - 1)), at);
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_as_fine_as_the_buckets() {
        let mut lag = Lag::new(WINDOW_OF_ONE);
        assert_eq!(lag.quantile(500), None);
        (1..=1_000).for_each(|one| lag.heard(Duration::from_micros(one * 100), Instant::START));
        for per_mille in [1, 100, 500, 900, 990, 1_000] {
            let exact = Duration::from_micros(u64::from(per_mille) * 100);
            let told = lag.quantile(per_mille).expect("some were heard");
            assert!(told * 4 > exact * 3 && told * 3 < exact * 4 + millis(1), "{per_mille}: {told:?} for {exact:?}");
        }
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut lag = Lag::new(WINDOW_OF_ONE);
        (0..5_000).for_each(|_| lag.heard(millis(900), Instant::START));
        (0..WINDOW_OF_ONE * 8).for_each(|_| lag.heard(millis(1), Instant::START));
        assert!(lag.quantile(990).expect("heard") < millis(2));
        assert_eq!(lag.count, 5_000 + u64::from(WINDOW_OF_ONE) * 8);
    }
}
