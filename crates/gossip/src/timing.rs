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
        Self::scaled(Duration::from_millis(800), Duration::from_millis(150), Duration::from_millis(350))
    }
}

impl Timing {
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
