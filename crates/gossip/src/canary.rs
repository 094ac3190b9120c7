//! When a node that has been silent says something, so that the way of news is measured also where nothing happens.
//!
//! There is about one canary in each interval in the *whole* cluster: each node waits as many intervals as there are nodes,
//! half to one and a half times. So what canaries cost each node does not grow with the cluster, and whoever speaks anyway
//! sends none.

use core::time::Duration;
use whither_model::Instant;
use whither_model::random::Random;

/// A share of a turn, in parts: the whole. So fine that also in a turn of months nodes do not meet.
const WHOLE: usize = 1 << 30;

/// One node's part in it.
#[derive(Debug)]
pub struct Canary {
    /// Between two canaries of anybody; `None`: there are none.
    interval: Option<Duration>,
    random: Random,
    /// When this node last told everybody something.
    spoke: Instant,
    /// How much of its turn it lets pass.
    share: usize,
}

impl Canary {
    /// Of a node that boots `now`. Its first canary is due at any time within its turn, so that nodes which were started
    /// together do not sing together.
    #[must_use]
    pub fn new(interval: Option<Duration>, mut random: Random, now: Instant) -> Self {
        let share = random.below(WHOLE);
        Self { interval, random, spoke: now, share }
    }

    /// This node has told everybody something, a canary or not.
    pub fn spoke(&mut self, now: Instant) {
        self.spoke = now;
        self.share = WHOLE / 2 + self.random.below(WHOLE);
    }

    /// When the next canary is due while `others` are there. It may be in the past: their number has changed.
    #[must_use]
    pub fn due(&self, others: usize) -> Instant {
        let Some(interval) = self.interval.filter(|_| others > 0) else { return Instant::DISTANT_FUTURE };
        let micros = interval.as_micros().saturating_mul((others + 1) as u128).saturating_mul(self.share as u128);
        self.spoke + Duration::from_micros(u64::try_from(micros / WHOLE as u128).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const INTERVAL: Duration = Duration::from_secs(40);

    fn canary(seed: u64) -> Canary {
        Canary::new(Some(INTERVAL), Random::new(seed), Instant::START)
    }

    #[test]
    fn the_whole_cluster_sings_once_in_an_interval_however_large_it_is() {
        for nodes in [2, 10, 1_000] {
            let mut sung = 0;
            let end = Instant::START + INTERVAL * 20_000;
            for seed in 0..nodes {
                let mut canary = canary(seed);
                let others = usize::try_from(nodes - 1).expect("small");
                while canary.due(others) < end {
                    sung += 1;
                    let now = canary.due(others);
                    canary.spoke(now);
                }
            }
            assert!((18_000..22_000).contains(&sung), "{nodes} nodes: {sung} in 20 000 intervals");
        }
    }

    #[test]
    fn those_who_were_started_together_do_not_sing_together() {
        let nodes = 100_000;
        let mut due: Vec<Instant> = (0..nodes as u64).map(|seed| canary(seed).due(nodes - 1)).collect();
        due.sort_unstable();
        // Forty seconds apart on average: some are within a second of each other, and hardly ever ten.
        assert!(due.windows(10).all(|ten| ten[9].since(ten[0]) > Duration::from_secs(1)));
        assert!(due[nodes / 2].since(Instant::START) > INTERVAL * 49_000);
    }

    #[test]
    fn whoever_speaks_or_is_alone_does_not_sing() {
        let mut canary = canary(1);
        assert_eq!(canary.due(0), Instant::DISTANT_FUTURE);
        for second in 0..1_000 {
            canary.spoke(Instant::START + Duration::from_secs(second));
            assert!(canary.due(2) > Instant::START + Duration::from_secs(second + 1));
        }
        assert_eq!(Canary::new(None, Random::new(1), Instant::START).due(5), Instant::DISTANT_FUTURE);
    }
}
