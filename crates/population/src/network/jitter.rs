//! How much later than the map says a message comes.

use core::f64::consts::TAU;
use core::ops::RangeInclusive;
use whither_model::random::Random;

/// How latencies vary, message by message, each independently. A message is never faster than the map says, so that times
/// can be compared with what is physically possible.
#[derive(Clone, PartialEq, Debug)]
pub enum Jitter {
    /// Not at all.
    None,
    /// Each latency is multiplied by a factor from this range. Corrosion's simulator: 1.0 to 1.15.
    Uniform(RangeInclusive<f64>),
    /// Each is multiplied by exp(sigma · |Z|), Z standard normal: a log-normal that begins at the map's latency. A share of
    /// them is late indeed.
    LogNormal {
        /// Spread: the median factor is exp(0.674 · sigma).
        sigma: f64,
        /// Which share is late indeed, for example 0.01.
        tail_share: f64,
        /// By which factor those are later still, for example 10.
        tail_factor: f64,
    },
}

/// Factors are fixed-point numbers with this many bits behind the point.
const POINT: u32 = 20;
/// Quantiles that stand for a distribution. A power of two.
const QUANTILES: usize = 4096;

/// A [`Jitter`] made ready: one random number and one multiplication for each message.
#[derive(Debug)]
pub(super) enum Delay {
    None,
    Uniform { least: u64, span: u64 },
    Quantiles { factors: Vec<u64>, tail_below: u64, tail_factor: u64 },
}

impl Jitter {
    pub(super) fn delay(&self) -> Delay {
        match self {
            Self::None => Delay::None,
            Self::Uniform(range) => {
                let (least, most) = (fixed(*range.start()), fixed(*range.end()));
                Delay::Uniform { least, span: most.saturating_sub(least) }
            }
            Self::LogNormal { sigma, tail_share, tail_factor } => Delay::Quantiles {
                factors: (0..QUANTILES).map(|nth| fixed((sigma * half_normal(nth)).exp())).collect(),
                tail_below: (tail_share * f64::from(u32::MAX)) as u64,
                tail_factor: fixed(*tail_factor),
            },
        }
    }
}

impl Delay {
    /// The latency, this time, of a way that takes `micros` at best.
    #[inline]
    pub(super) fn of(&self, micros: u64, random: &mut Random) -> u64 {
        match self {
            Self::None => micros,
            Self::Uniform { least, span } => {
                let factor = least + (((random.next() >> 32) * span) >> 32);
                (micros * factor) >> POINT
            }
            Self::Quantiles { factors, tail_below, tail_factor } => {
                let number = random.next();
                let quantile = (number >> 32) as usize % QUANTILES;
                let micros = (micros * factors[quantile]) >> POINT;
                if number & u64::from(u32::MAX) < *tail_below { (micros * tail_factor) >> POINT } else { micros }
            }
        }
    }
}

fn fixed(factor: f64) -> u64 {
    (factor.max(0.0) * f64::from(1_u32 << POINT)).round() as u64
}

/// The middle of the `nth` of [`QUANTILES`] equal shares of |Z|, by bisection of its distribution function.
fn half_normal(nth: usize) -> f64 {
    let share = (nth as f64 + 0.5) / QUANTILES as f64;
    let (mut low, mut high) = (0.0_f64, 8.0_f64);
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if half_normal_below(middle) < share { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// P(|Z| < z), by Simpson's rule over the density: plain arithmetic, exact far beyond what 4096 quantiles can tell.
fn half_normal_below(z: f64) -> f64 {
    const STEPS: u32 = 64;
    let width = z / f64::from(STEPS);
    let density = |x: f64| (-x * x / 2.0).exp() * 2.0 / TAU.sqrt();
    let inner: f64 =
        (1..STEPS).map(|step| density(f64::from(step) * width) * if step % 2 == 1 { 4.0 } else { 2.0 }).sum();
    (density(0.0) + inner + density(z)) * width / 3.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(jitter: &Jitter) -> Vec<u64> {
        let (delay, mut random) = (jitter.delay(), Random::new(7));
        let mut drawn: Vec<u64> = (0..200_000).map(|_| delay.of(100_000, &mut random)).collect();
        drawn.sort_unstable();
        drawn
    }

    fn share_above(drawn: &[u64], bound: u64) -> f64 {
        drawn.iter().filter(|one| **one > bound).count() as f64 / drawn.len() as f64
    }

    #[test]
    fn uniform_factors_fill_their_range() {
        let drawn = drawn(&Jitter::Uniform(1.0..=1.15));
        assert!(drawn[0] >= 100_000 && drawn[0] < 100_050 && drawn[199_999] <= 115_000, "{:?}", drawn.first());
        assert!(drawn[100_000].abs_diff(107_500) < 100, "median {}", drawn[100_000]);
    }

    #[test]
    fn log_normal_has_its_median_and_its_tail_and_nothing_below_the_map() {
        let drawn = drawn(&Jitter::LogNormal { sigma: 0.2, tail_share: 0.01, tail_factor: 10.0 });
        assert!(drawn[0] >= 100_000);
        // Median of exp(0.2 |Z|) is exp(0.2 · 0.6745) = 1.1444; the tail moves it to the 0.505 quantile.
        assert!(drawn[100_000].abs_diff(114_600) < 300, "median {}", drawn[100_000]);
        let late = share_above(&drawn, 800_000);
        assert!((late - 0.01).abs() < 0.001, "late: {late}");
        // P(|Z| > 2) = 0.0455, exp(0.4) = 1.4918.
        let beyond = share_above(&drawn, 149_180);
        assert!((beyond - (0.0455 * 0.99 + 0.01)).abs() < 0.002, "beyond two sigma: {beyond}");
    }

    #[test]
    fn without_jitter_nothing_random_is_used() {
        let mut random = Random::new(3);
        assert_eq!(Jitter::None.delay().of(1_234, &mut random), 1_234);
        assert_eq!(random.next(), Random::new(3).next());
    }
}
