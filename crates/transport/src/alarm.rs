//! Warnings that a stranger can provoke, and therefore must not be able to fill a log with.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::limits::ALARM_INTERVAL;

/// Lets one warning through per interval and counts the others.
pub(crate) struct Alarm {
    started: Instant,
    /// Milliseconds after `started` at which the next warning may pass.
    next: AtomicU64,
    suppressed: AtomicU64,
}

impl Alarm {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), next: AtomicU64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// If a warning may be given now: how many were not given since the last one.
    pub(crate) fn may_warn(&self) -> Option<u64> {
        let now = self.started.elapsed().as_millis() as u64;
        let next = self.next.load(Ordering::Relaxed);
        let after = now + ALARM_INTERVAL.as_millis() as u64;
        // Of several threads at once, one wins.
        if now >= next && self.next.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return Some(self.suppressed.swap(0, Ordering::Relaxed));
        }
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_passes_and_the_rest_are_counted() {
        let alarm = Alarm::new();
        assert_eq!(alarm.may_warn(), Some(0));
        assert_eq!(alarm.may_warn(), None);
        assert_eq!(alarm.may_warn(), None);
        assert_eq!(alarm.suppressed.load(Ordering::Relaxed), 2);
    }
}
