//! What becomes of a packet between two hosts: how long it takes, and whether it arrives.

use core::time::Duration;
use whither_model::random::Random;

/// Every latency is multiplied by a factor from one to one and this share, as in the simulator's default weather.
pub(super) const JITTER: f64 = 0.15;

/// How far hosts are from each other, and what is lost between them.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    /// One way at best, by sender and receiver.
    one_way: Vec<Vec<Duration>>,
    /// Of each packet.
    loss: f64,
    random: Random,
}

impl Paths {
    /// Paths that lose nothing yet. The same seed gives the same fates in the same order.
    pub(super) fn new(one_way: Vec<Vec<Duration>>, seed: u64) -> Self {
        Self { one_way, loss: 0.0, random: Random::new(seed) }
    }

    /// From now on that share of all packets is lost, each independently of the others.
    pub(super) fn lose(&mut self, share: f64) {
        self.loss = share;
    }

    /// From now on packets arrive as soon as this machine can carry them.
    pub(super) fn lose_distance(&mut self) {
        self.one_way.iter_mut().flatten().for_each(|one_way| *one_way = Duration::ZERO);
    }

    /// From now on hosts are that far apart.
    pub(super) fn stretch(&mut self, one_way: Vec<Vec<Duration>>) {
        self.one_way = one_way;
    }

    /// How long a packet takes, this time; `None`: it is lost, or there is no such host.
    pub(super) fn fate(&mut self, from: usize, to: usize) -> Option<Duration> {
        let at_best = *self.one_way.get(from)?.get(to)?;
        if self.share() < self.loss {
            return None;
        }
        Some(at_best.mul_f64(1.0 + JITTER * self.share()))
    }

    /// A number in [0, 1).
    fn share(&mut self) -> f64 {
        /// As many bits as a fraction has.
        const BITS: u32 = 53;
        (self.random.next() >> (u64::BITS - BITS)) as f64 / (1_u64 << BITS) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::{JITTER, Paths};
    use core::time::Duration;

    const NEAR: Duration = Duration::from_millis(10);
    const FAR: Duration = Duration::from_millis(80);

    fn paths() -> Paths {
        Paths::new(vec![vec![Duration::ZERO, NEAR], vec![FAR, Duration::ZERO]], 7)
    }

    #[test]
    fn the_share_that_is_lost_is_the_one_asked_for() {
        const PACKETS: u32 = 200_000;
        for loss in [0.0, 0.05, 0.3, 1.0] {
            let mut paths = paths();
            paths.lose(loss);
            let lost = (0..PACKETS).filter(|_| paths.fate(0, 1).is_none()).count() as f64 / f64::from(PACKETS);
            let deviation = (loss * (1.0 - loss) / f64::from(PACKETS)).sqrt();
            assert!((lost - loss).abs() <= 5.0 * deviation, "{lost} of {loss}");
        }
    }

    #[test]
    fn latencies_are_those_of_the_direction_and_fill_their_range() {
        let mut paths = paths();
        let mut draw = |from, to| {
            let mut drawn: Vec<Duration> = (0..20_000).map(|_| paths.fate(from, to).unwrap()).collect();
            drawn.sort_unstable();
            drawn
        };
        for (drawn, at_best) in [(draw(0, 1), NEAR), (draw(1, 0), FAR)] {
            assert!(drawn[0] >= at_best && drawn[0] < at_best.mul_f64(1.001), "{:?}", drawn[0]);
            assert!(drawn[19_999] <= at_best.mul_f64(1.0 + JITTER), "{:?}", drawn[19_999]);
            let median = drawn[10_000].as_secs_f64() / at_best.as_secs_f64();
            assert!((median - 1.0 - JITTER / 2.0).abs() < 0.005, "{median}");
        }
    }

    #[test]
    fn distance_can_be_taken_away_and_given_back() {
        let mut paths = paths();
        paths.lose_distance();
        assert_eq!(paths.fate(1, 0), Some(Duration::ZERO));
        paths.stretch(vec![vec![NEAR; 2]; 2]);
        assert!(paths.fate(1, 0).unwrap() >= NEAR);
        assert_eq!(paths.fate(0, 2), None);
    }
}
