//! Many observations of one thing, and what is said about them.

use std::time::Duration;

/// Observations in ascending order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    /// The observations, in whatever order and unit.
    pub(crate) fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// Durations, as microseconds.
    pub(crate) fn micros(durations: impl IntoIterator<Item = Duration>) -> Self {
        Self::new(durations.into_iter().map(|duration| duration.as_secs_f64() * 1e6).collect())
    }

    /// All of them, in ascending order.
    pub(crate) fn values(&self) -> &[f64] {
        &self.0
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest observation that at least `percent` of all do not exceed (nearest rank); NaN if there is none.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the indices there are")]
        let rank = (percent / 100.0 * self.0.len() as f64).ceil().max(1.0) as usize;
        self.0.get(rank.min(self.0.len()).wrapping_sub(1)).copied().unwrap_or(f64::NAN)
    }

    /// The middle one.
    pub(crate) fn p50(&self) -> f64 {
        self.percentile(50.0)
    }

    /// The largest.
    pub(crate) fn max(&self) -> f64 {
        self.percentile(100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Sample;
    use std::time::Duration;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let hundred = Sample::new((1..=100).rev().map(f64::from).collect());
        assert_eq!(
            [0.0, 1.0, 50.0, 90.0, 99.0, 99.1].map(|p| hundred.percentile(p)),
            [1.0, 1.0, 50.0, 90.0, 99.0, 100.0]
        );
        let three = Sample::new(vec![5.0, 1.0, 3.0]);
        assert_eq!((three.p50(), three.max(), three.len()), (3.0, 5.0, 3));
        assert_eq!(Sample::new(vec![7.0]).percentile(99.0), 7.0);
        assert!(Sample::default().p50().is_nan());
        assert_eq!(Sample::micros([Duration::from_millis(2)]).max(), 2000.0);
    }
}
