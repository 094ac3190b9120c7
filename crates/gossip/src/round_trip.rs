//! How long answers take, by region.

use crate::roster::Region;
use alloc::collections::BTreeMap;
use core::time::Duration;

/// Smoothed round trips, as TCP keeps them (RFC 6298 section 2).
#[derive(Debug, Default)]
pub(crate) struct RoundTrips {
    regions: BTreeMap<Region, RoundTrip>,
}

#[derive(Clone, Copy, Debug)]
struct RoundTrip {
    smoothed: Duration,
    variation: Duration,
}

impl RoundTrips {
    /// An answer from `region` took this long.
    pub(crate) fn measure(&mut self, region: Region, took: Duration) {
        match self.regions.get_mut(&region) {
            Some(known) => {
                known.variation = (known.variation * 3 + known.smoothed.abs_diff(took)) / 4;
                known.smoothed = (known.smoothed * 7 + took) / 8;
            }
            None => {
                self.regions.insert(region, RoundTrip { smoothed: took, variation: took / 2 });
            }
        }
    }

    /// How long an answer from `region` takes at most, but for rare cases; `None` before the first.
    pub(crate) fn allowance(&self, region: Region) -> Option<Duration> {
        self.regions.get(&region).map(|trip| trip.smoothed + trip.variation * 4)
    }
}
