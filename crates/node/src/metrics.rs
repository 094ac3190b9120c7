//! What the node counts, where anybody may read it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use whither_directory::Directory;
use whither_directory::vitals::Sample;
use whither_replica::Counters;
use whither_store::Journal;
use whither_transport::Transport;

/// A copy of the core's counters, refreshed by the loop.
#[derive(Debug)]
pub(crate) struct CoreCounters {
    values: [AtomicU64; Counters::COUNT],
    rows: AtomicU64,
}

impl Default for CoreCounters {
    fn default() -> Self {
        Self { values: std::array::from_fn(|_| AtomicU64::new(0)), rows: AtomicU64::new(0) }
    }
}

impl CoreCounters {
    pub(crate) fn refresh(&self, counters: &Counters, rows: usize) {
        for (value, (_, _, now)) in self.values.iter().zip(counters.named()) {
            value.store(now, Ordering::Relaxed);
        }
        self.rows.store(rows as u64, Ordering::Relaxed);
    }
}

/// Makes everything that can be counted part of the vitals of `directory`.
#[expect(clippy::cast_precision_loss, reason = "gauges of small numbers")]
pub(crate) fn register(directory: &Directory, core: Arc<CoreCounters>, transport: Transport, journal: &Arc<Journal>) {
    let vitals = directory.vitals();
    crate::lag::register(vitals, Arc::clone(directory.propagation()));
    vitals.register(move |samples| {
        for (value, (name, help, _)) in core.values.iter().zip(Counters::default().named()) {
            samples.push(Sample::counter(name, help, value.load(Ordering::Relaxed)));
        }
        let rows = core.rows.load(Ordering::Relaxed) as f64;
        samples.push(Sample::gauge("rows", "Rows kept, tombstones included.", rows));
    });
    vitals.register(move |samples| {
        let counters = transport.counters();
        samples.extend(counters.iter().map(|(name, help, value)| Sample::counter(name, help, value)));
    });
    // Weak: whoever asks for metrics must not keep the data directory locked.
    let journal = Arc::downgrade(journal);
    vitals.register(move |samples| {
        let backlog = journal.upgrade().map_or(0, |journal| journal.backlog());
        samples.push(Sample::gauge("journal_backlog", "Rows waiting for the disk.", backlog as f64));
    });
}
