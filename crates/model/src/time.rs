//! Time as the protocol sees it: monotonic for decisions, wall time for people.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// A point on this node's monotonic clock, in microseconds.
///
/// Our own type because `std`'s cannot be made without asking the operating system: a test may write `Instant::START`,
/// and a script may print the value. The clock begins at [`Instant::START`] and not at zero, so that "an hour before
/// boot" (the age of what was loaded from disk) is a point like any other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instant(u64);

impl Instant {
    /// Where a node's clock begins: about 35 years after the zero of the scale.
    pub const START: Self = Self(1 << 50);
    /// Earlier than everything: "never heard".
    pub const DISTANT_PAST: Self = Self(0);
    /// Later than everything: "no timer set".
    pub const DISTANT_FUTURE: Self = Self(u64::MAX);

    /// The point `micros` microseconds after the zero of the scale.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the zero of the scale.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(rhs.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z as the local wall clock tells it.
///
/// Shown to people and kept across restarts; never used to decide that something died.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct WallTime(pub u64);

impl WallTime {
    /// How long after `earlier` this is; zero if the clock went backwards between the two.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Both clocks read at once: what every event of the core carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// For decisions.
    pub mono: Instant,
    /// For people.
    pub wall: WallTime,
}

impl fmt::Display for WallTime {
    /// RFC 3339 in UTC with milliseconds, for example `2026-11-20T20:28:07.125Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, of_day) = (self.0 / 86_400_000, self.0 % 86_400_000);
        // Civil date from a day count, after Howard Hinnant's `civil_from_days`, with the era starting on 0000-03-01.
        let shifted = days + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let (hour, minute, second, milli) =
            (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1_000 % 60, of_day % 1_000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}
