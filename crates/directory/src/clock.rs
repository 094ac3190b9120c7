//! The node's one clock, handed to whoever needs to know an age.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use whither_model::{Instant, WallTime};

/// Reads monotonic and wall time. Clones read the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { started: Duration },
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clock, reading [`Instant::START`] now.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System { started: since_boot() })
    }

    /// A clock that stands at [`Instant::START`] until [`Clock::set`] moves it, for tests.
    #[must_use]
    pub fn manual() -> Self {
        Self(Source::Manual(Arc::new(AtomicU64::new(Instant::START.as_micros()))))
    }

    /// Moves a manual clock; does nothing to the machine's.
    pub fn set(&self, now: Instant) {
        if let Source::Manual(micros) = &self.0 {
            micros.store(now.as_micros(), Ordering::Release);
        }
    }

    /// Monotonic time.
    #[must_use]
    pub fn now(&self) -> Instant {
        match &self.0 {
            Source::System { started } => Instant::START + since_boot().saturating_sub(*started),
            Source::Manual(micros) => Instant::from_micros(micros.load(Ordering::Acquire)),
        }
    }

    /// Wall time; for a manual clock the monotonic one, as if it had started in 1970.
    #[must_use]
    pub fn wall(&self) -> WallTime {
        match &self.0 {
            Source::System { .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
            }
            Source::Manual(_) => WallTime(self.now().since(Instant::START).as_millis().try_into().unwrap_or(u64::MAX)),
        }
    }
}

/// Time since the machine booted, counting what it was suspended for: other nodes' clocks went on meanwhile, so one that
/// stood still would make ages lie. (`std`'s monotonic clock stands still.)
fn since_boot() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    // Elsewhere the monotonic clock counts suspension itself.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}
