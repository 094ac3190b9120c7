//! Means and percentiles of what was measured.

/// A sum that knows how sure it is.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Mean {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Mean {
    /// Takes in one more.
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    /// How many there were.
    #[must_use]
    pub const fn count(&self) -> f64 {
        self.count
    }

    /// The mean; not a number if there were none.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.sum / self.count
    }

    /// The standard error of the mean.
    #[must_use]
    pub fn error(&self) -> f64 {
        let variance = (self.squares / self.count - self.value().powi(2)).max(0.0);
        (variance / (self.count - 1.0).max(1.0)).sqrt()
    }
}

impl FromIterator<f64> for Mean {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut mean = Self::default();
        values.into_iter().for_each(|value| mean.add(value));
        mean
    }
}

/// Values from which percentiles are asked.
#[derive(Clone, PartialEq, Debug)]
pub struct Sorted(Vec<f64>);

impl Sorted {
    /// Sorts them.
    #[must_use]
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The value that this share of all does not exceed (nearest rank); `None` if there are no values.
    #[must_use]
    pub fn at(&self, share: f64) -> Option<f64> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank among values in memory")]
        let rank = (self.0.len() as f64 * share).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).copied()
    }

    /// All of them, the smallest first.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// The largest.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        self.0.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_knows_how_sure_it_is() {
        let mean: Mean = [1.0, 2.0, 3.0, 4.0].into_iter().collect();
        assert_eq!(mean.value(), 2.5);
        assert!((mean.error() - (1.25_f64 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn percentiles_are_values_that_were_there() {
        let sorted = Sorted::new((1..=100).rev().map(f64::from).collect());
        assert_eq!((sorted.at(0.5), sorted.at(0.99), sorted.at(1.0)), (Some(50.0), Some(99.0), Some(100.0)));
        assert_eq!((sorted.at(0.0), sorted.max()), (Some(1.0), Some(100.0)));
        assert_eq!(Sorted::new(Vec::new()).at(0.5), None);
    }
}
