//! How patient membership is.

use core::time::Duration;

/// The clockwork of failure detection. The defaults suit a data centre, and regions that are well connected.
#[derive(Clone, Debug)]
pub struct Timing {
    /// One member is probed in each interval (SWIM's protocol period).
    pub probe_interval: Duration,
    /// How long a direct probe may take before others are asked to try, while this node is well, beside the round trip.
    pub probe_timeout: Duration,
    /// How long a probe may take altogether, while this node is well, beside two round trips.
    pub probe_deadline: Duration,
    /// How many others are asked to try (SWIM's k).
    pub indirect_probes: usize,
    /// How many others are asked for a judgement of their own when a probe has failed.
    pub jurors: usize,
    /// How many that found it silent, independently, make a suspicion a strong one. At most [`Accusers::MAX`].
    ///
    /// [`Accusers::MAX`]: crate::Accusers::MAX
    pub quorum: usize,
    /// How long a suspect may object when a quorum accuses it.
    pub suspicion_min: Duration,
    /// How long a suspect may object when a single node accuses it.
    pub suspicion_max: Duration,
    /// How long a node that hears hardly anybody waits before it believes that it is the others who are gone.
    pub isolation: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self::paced(Duration::from_millis(800), 1)
    }
}

impl Timing {
    /// The clockwork of an agent that probes a member in each `probe_interval`, and gives suspects `suspicion` times the
    /// usual time to object.
    ///
    /// A direct probe takes 3/16 of the interval and a probe altogether 7/16, so that helpers have longer than the direct
    /// attempt had. A jury begins when a probe has failed and takes as long again with its messages, so an accusation is made
    /// about one interval after the probe that led to it. Time-outs are for hosts that are slow; round trips are added
    /// where they are used. Suspects have 5/4 of an interval at least and eight intervals at most: see
    /// [`Timing::suspicion_min`] and [`Timing::suspicion_max`]. Only these two grow with `suspicion`: patience with suspects
    /// does not make probing slower.
    #[must_use]
    pub fn paced(probe_interval: Duration, suspicion: u32) -> Self {
        let usual = Self::scaled(probe_interval, probe_interval * 3 / 16, probe_interval * 7 / 16);
        Self { suspicion_min: usual.suspicion_min * suspicion, suspicion_max: usual.suspicion_max * suspicion, ..usual }
    }

    /// The clockwork around a probe interval and the two time-outs of a probe.
    #[must_use]
    pub fn scaled(probe_interval: Duration, probe_timeout: Duration, probe_deadline: Duration) -> Self {
        Self {
            probe_interval,
            probe_timeout,
            probe_deadline,
            indirect_probes: 3,
            jurors: 5,
            quorum: 3,
            // Longer than an interval: one that lives speaks at least once meanwhile, and whoever hears it says so.
            suspicion_min: probe_interval * 5 / 4,
            suspicion_max: probe_interval * 8,
            isolation: probe_interval * 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_round_numbers_and_patience_does_not_slow_probing_down() {
        let millis = |timing: &Timing| {
            [
                timing.probe_interval,
                timing.probe_timeout,
                timing.probe_deadline,
                timing.suspicion_min,
                timing.suspicion_max,
            ]
            .map(|length| length.as_millis())
        };
        assert_eq!(millis(&Timing::default()), [800, 150, 350, 1_000, 6_400]);
        assert_eq!(millis(&Timing::paced(Duration::from_millis(1_600), 3)), [1_600, 300, 700, 6_000, 38_400]);
    }
}
