//! What a network loses.

use core::time::Duration;
use whither_model::random::Random;

/// Loss in bursts: Gilbert and Elliott's channel, which is at times good and at times bad, in continuous time, so that how
/// long it is bad does not depend on how much is sent (Gilbert 1960; Elliott 1963).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bursts {
    /// How long it is good at a time, on average; exponentially distributed.
    pub good: Duration,
    /// How long it is bad at a time, on average; exponentially distributed.
    pub bad: Duration,
    /// What it loses while good.
    pub loss_good: f64,
    /// What it loses while bad.
    pub loss_bad: f64,
}

impl Bursts {
    /// A channel that loses everything while bad, for `burst` at a time on average, and nothing while good: `loss` of all in
    /// the long run. A loss of 1 or more is none of this kind; it is taken as 0.999.
    #[must_use]
    pub fn new(loss: f64, burst: Duration) -> Self {
        let loss = loss.clamp(0.0, 0.999);
        let good = burst.as_secs_f64() * (1.0 - loss) / loss;
        let good = Duration::try_from_secs_f64(good).unwrap_or(Duration::MAX);
        Self { good, bad: burst, loss_good: 0.0, loss_bad: 1.0 }
    }
}

/// A probability, ready to be compared with a random number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn of(share: f64) -> Self {
        Self((share.clamp(0.0, 1.0) * (1_u64 << 32) as f64) as u64)
    }

    pub(super) const fn is_never(self) -> bool {
        self.0 == 0
    }

    /// Whether it happens. Uses no random number if it never does.
    pub(super) const fn falls(self, random: &mut Random) -> bool {
        self.0 != 0 && random.next() >> 32 < self.0
    }
}

/// One channel with [`Bursts`]. Nothing happens while nobody asks: the state is drawn when asked for, from that at the last
/// question and the time since, which is exact for a chain without memory.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// The share of time in which it is bad.
    bad_share: f64,
    /// 1/good + 1/bad, per microsecond: how fast it forgets.
    forgets: f64,
    loss_good: Chance,
    loss_bad: Chance,
    is_bad: bool,
    /// When it was asked last. `None`: never.
    asked_at: Option<u64>,
}

impl Chain {
    pub(super) fn new(bursts: Bursts) -> Self {
        let (good, bad) = (bursts.good.as_secs_f64() * 1e6, bursts.bad.as_secs_f64() * 1e6);
        Self {
            bad_share: if bad > 0.0 { bad / (good + bad) } else { 0.0 },
            forgets: if bad > 0.0 && good > 0.0 { 1.0 / good + 1.0 / bad } else { 0.0 },
            loss_good: Chance::of(bursts.loss_good),
            loss_bad: Chance::of(bursts.loss_bad),
            is_bad: false,
            asked_at: None,
        }
    }

    /// Whether a message at this time is lost. Questions about the past are answered as of the last one.
    pub(super) fn loses(&mut self, now: u64, random: &mut Random) -> bool {
        let bad = match self.asked_at {
            None => Some(self.bad_share),
            Some(then) if then >= now => None,
            Some(then) => {
                let was = if self.is_bad { 1.0 } else { 0.0 };
                Some(self.bad_share + (was - self.bad_share) * (-((now - then) as f64) * self.forgets).exp())
            }
        };
        if let Some(bad) = bad {
            self.is_bad = Chance::of(bad).falls(random);
            self.asked_at = Some(now);
        }
        if self.is_bad { self.loss_bad.falls(random) } else { self.loss_good.falls(random) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks every `every` microseconds; the share that was lost, and the mean length of a run of losses, microseconds.
    fn measured(bursts: Bursts, every: u64) -> (f64, f64) {
        let (mut chain, mut random) = (Chain::new(bursts), Random::new(11));
        let (mut lost, mut runs, mut before) = (0_u64, 0_u64, false);
        const ASKED: u64 = 2_000_000;
        for nth in 0..ASKED {
            let now = chain.loses(nth * every, &mut random);
            lost += u64::from(now);
            runs += u64::from(now && !before);
            before = now;
        }
        (lost as f64 / ASKED as f64, lost as f64 * every as f64 / runs as f64)
    }

    #[test]
    fn bursts_have_their_share_and_their_length() {
        let (share, length) = measured(Bursts::new(0.05, Duration::from_millis(100)), 1_000);
        assert!((share - 0.05).abs() < 0.004, "share {share}");
        // A run that is seen by asking each millisecond is longer by half a millisecond at each end.
        assert!((length - 101_000.0).abs() < 5_000.0, "length {length}");
    }

    #[test]
    fn asked_rarely_only_the_share_remains() {
        let (share, length) = measured(Bursts::new(0.2, Duration::from_millis(10)), 1_000_000);
        assert!((share - 0.2).abs() < 0.002, "share {share}");
        assert!((length - 1_250_000.0).abs() < 10_000.0, "independent losses make runs of 1/(1 - 0.2): {length}");
    }

    #[test]
    fn both_states_may_lose() {
        let bursts = Bursts {
            good: Duration::from_millis(300),
            bad: Duration::from_millis(100),
            loss_good: 0.01,
            loss_bad: 0.5,
        };
        let (share, _) = measured(bursts, 5_000);
        assert!((share - (0.75 * 0.01 + 0.25 * 0.5)).abs() < 0.003, "share {share}");
    }

    #[test]
    fn nothing_is_nothing_and_all_is_all() {
        let mut random = Random::new(5);
        assert!(!Chance::of(0.0).falls(&mut random) && Chance::of(1.0).falls(&mut random));
        let mut never = Chain::new(Bursts::new(0.0, Duration::from_secs(1)));
        assert!((0..1_000).all(|nth| !never.loses(nth * 1_000_000, &mut random)));
    }
}
