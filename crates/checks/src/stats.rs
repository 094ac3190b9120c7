//! What is counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a runner has done since it was started, and what it does now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Checks that are set.
    pub checks: u64,
    /// Runs underway.
    pub running: u64,
    /// Runs that found something usable.
    pub passed: u64,
    /// Runs that found something critical.
    pub failed: u64,
    /// Runs that found nothing, for want of something on this host.
    pub unable: u64,
    /// Runs that began later than they were due by more than a tenth of their interval.
    pub late: u64,
    /// Turns that were left out, because the run before them ended too late or began too late.
    pub skipped: u64,
    /// Verdicts that were handed on.
    pub verdicts: u64,
    /// Bytes of output kept.
    pub output_bytes: u64,
}

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) passed: Counter,
    pub(crate) failed: Counter,
    pub(crate) unable: Counter,
    pub(crate) late: Counter,
    pub(crate) skipped: Counter,
    pub(crate) verdicts: Counter,
}
