//! A clock that ticks for a thread which may be busy: Go's `time.Ticker`.

use core::time::Duration;
use whither_model::Instant;

/// Ticks at a fixed phase. One tick waits for a thread that is busy; further ones are lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticker {
    next: Instant,
    interval: Duration,
}

impl Ticker {
    /// Ticks first at `first`.
    pub(super) const fn new(first: Instant, interval: Duration) -> Self {
        Self { next: first, interval }
    }

    /// When the thread would next run if it asked `now`; not after `now` if a tick waits.
    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// The thread takes the tick that waits, if any.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let waits = self.next <= now;
        if waits {
            self.skip(now);
        }
        waits
    }

    /// Ticks up to `now` were for nobody.
    pub(super) fn skip(&mut self, now: Instant) {
        if self.next <= now {
            let interval = u64::try_from(self.interval.as_micros()).unwrap_or(u64::MAX);
            let passed = (now.as_micros() - self.next.as_micros()) / interval + 1;
            self.next = self.next + Duration::from_micros(passed * interval);
        }
    }
}
