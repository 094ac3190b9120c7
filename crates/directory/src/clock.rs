//! The node's one clock, handed to whoever needs to know an age.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use whither_model::{Instant, WallTime};

/// Reads monotonic and wall time. Clones read the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { started: std::time::Instant },
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clock, reading [`Instant::START`] now.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System { started: std::time::Instant::now() })
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
            Source::System { started } => Instant::START + started.elapsed(),
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
