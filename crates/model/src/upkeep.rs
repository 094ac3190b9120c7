//! How the owner of an instance looks after it, where its registrant asked for more than silence being noticed.

use crate::check::{Check, check_all, within};
use crate::{Health, Invalid, Port};
use alloc::sync::Arc;
use core::time::Duration;

/// Shortest time in which something critical is removed, milliseconds: shorter, and one bad moment would do it.
pub const REMOVAL_MILLIS_MIN: u64 = 1_000;
/// Longest such time, milliseconds: a week.
pub const REMOVAL_MILLIS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;
/// Shortest warm-up, milliseconds.
pub const RAMP_MILLIS_MIN: u64 = 1_000;
/// Longest warm-up, milliseconds: an hour.
pub const RAMP_MILLIS_MAX: u64 = 60 * 60 * 1000;

/// What the owner does for an instance beside listening to it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Upkeep {
    /// How its owner finds out whether it works.
    pub checks: Arc<[Check]>,
    /// It is removed once it has been critical, on a witness's word, for so long; `None`: never.
    pub remove_after_critical: Option<Duration>,
    /// Its weight rises over this time after it came into service; `None`: it is whole at once.
    pub ramp: Option<Duration>,
}

impl Upkeep {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.checks.is_empty() && self.remove_after_critical.is_none() && self.ramp.is_none()
    }

    /// The health that holds until checks have been run: the worst that any of them begins with.
    #[must_use]
    pub fn initial_health(&self) -> Health {
        self.checks.iter().map(|check| check.pace.initial).max().unwrap_or_default()
    }

    /// Checks every bound that the field types do not already keep, for an instance with `ports`.
    ///
    /// # Errors
    /// The first field out of bounds, with what would be right.
    pub fn check(&self, ports: &[Port]) -> Result<(), Invalid> {
        check_all(&self.checks, ports)?;
        if let Some(after) = self.remove_after_critical {
            within("remove_after_critical", after, REMOVAL_MILLIS_MIN, REMOVAL_MILLIS_MAX, "1s to a week")?;
        }
        self.ramp.map_or(Ok(()), |ramp| within("ramp", ramp, RAMP_MILLIS_MIN, RAMP_MILLIS_MAX, "1s to 1h"))
    }
}
