//! Many durations in little memory.

use std::time::Duration;

/// A value below this is kept exactly; above, to one part in this many.
const STEPS: u64 = 128;
const STEPS_BITS: u32 = STEPS.trailing_zeros();

/// How often each duration was seen, to within 0.4 % (log-linear buckets, as in Gil Tene's HdrHistogram). Two of them add
/// up, and millions of values take a few kilobytes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    least: u64,
    most: u64,
}

impl Histogram {
    /// Takes in a duration.
    pub fn add(&mut self, value: Duration) {
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        let bucket = bucket(micros);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.least = if self.count == 0 { micros } else { self.least.min(micros) };
        self.most = self.most.max(micros);
        self.count += 1;
    }

    /// Takes in all that another one has seen.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, more)| *mine += more);
        self.least = if self.count == 0 { other.least } else { self.least.min(other.least) };
        self.most = self.most.max(other.most);
        self.count += other.count;
    }

    /// How many it has seen.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The longest, exactly; `None` if it has seen none.
    #[must_use]
    pub fn max(&self) -> Option<Duration> {
        (self.count > 0).then_some(Duration::from_micros(self.most))
    }

    /// The duration that this share of all does not exceed (nearest rank); `None` if it has seen none.
    #[must_use]
    pub fn at(&self, share: f64) -> Option<Duration> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank among at most `count`")]
        let rank = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count.max(1));
        self.cumulative().find(|(_, seen)| *seen >= rank).map(|(value, _)| value)
    }

    /// Each duration that was seen, in order, with how many were not longer.
    pub fn cumulative(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let mut seen = 0;
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(move |(bucket, count)| {
            seen += count;
            (Duration::from_micros(middle(bucket).clamp(self.least, self.most)), seen)
        })
    }
}

fn bucket(micros: u64) -> usize {
    let bucket = match micros.checked_ilog2() {
        Some(exponent) if exponent >= STEPS_BITS => {
            let row = exponent - STEPS_BITS;
            (u64::from(row) + 1) * STEPS + ((micros >> row) & (STEPS - 1))
        }
        _ => micros,
    };
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

/// The middle of what falls into a bucket.
fn middle(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    match (bucket / STEPS).checked_sub(1) {
        None => bucket,
        Some(row) => ((STEPS + bucket % STEPS) << row) + ((1 << row) >> 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whither_model::random::Random;

    #[test]
    fn small_values_are_exact_and_large_ones_nearly() {
        for micros in (0..2_000).chain((0..64).map(|bit| 1_u64 << bit)).chain([u64::MAX, 123_456_789]) {
            let told = middle(bucket(micros));
            assert!(told.abs_diff(micros) as f64 <= micros as f64 * 0.004, "{micros} is told as {told}");
            assert!(micros >= 2 * STEPS || told == micros);
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_list() {
        let mut random = Random::new(1);
        let mut values: Vec<u64> = (0..5_000).map(|_| random.below(3_000_000) as u64).collect();
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.add(Duration::from_micros(*value)));
        values.sort_unstable();
        for (share, rank) in [(0.0, 0), (0.01, 49), (0.5, 2_499), (0.99, 4_949), (1.0, 4_999)] {
            let told = histogram.at(share).unwrap().as_micros() as f64;
            assert!((told / values[rank] as f64 - 1.0).abs() < 0.01, "{share}: {told}, not {}", values[rank]);
        }
        assert_eq!(histogram.max(), Some(Duration::from_micros(values[4_999])));
        assert_eq!(Histogram::default().at(0.5), None);
    }

    #[test]
    fn two_add_up_to_one_that_has_seen_all() {
        let of = |values: &[u64]| {
            let mut histogram = Histogram::default();
            values.iter().for_each(|value| histogram.add(Duration::from_micros(*value)));
            histogram
        };
        let mut sum = of(&[5, 900]);
        sum.merge(&of(&[7, 1_000_000]));
        sum.merge(&Histogram::default());
        assert_eq!(sum, of(&[5, 7, 900, 1_000_000]));
        let mut empty = Histogram::default();
        empty.merge(&of(&[9]));
        assert_eq!(empty, of(&[9]));
    }
}
