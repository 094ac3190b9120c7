//! What the node counts, where anybody may read it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use whither_directory::Directory;
use whither_directory::vitals::Sample;
use whither_replica::{Counters, Replica};
use whither_store::Journal;
use whither_transport::Transport;

/// A copy of the core's counters, refreshed by the loop.
#[derive(Debug)]
pub(crate) struct CoreCounters {
    values: [AtomicU64; Counters::COUNT],
    rows: AtomicU64,
    tombstones: AtomicU64,
    /// Milliseconds.
    differs: AtomicU64,
}

impl Default for CoreCounters {
    fn default() -> Self {
        Self {
            values: std::array::from_fn(|_| AtomicU64::new(0)),
            rows: AtomicU64::new(0),
            tombstones: AtomicU64::new(0),
            differs: AtomicU64::new(0),
        }
    }
}

impl CoreCounters {
    pub(crate) fn refresh(&self, replica: &Replica) {
        for (value, (_, _, now)) in self.values.iter().zip(replica.counters().named()) {
            value.store(now, Ordering::Relaxed);
        }
        self.rows.store(replica.rows().len() as u64, Ordering::Relaxed);
        self.tombstones.store(replica.rows().tombstones() as u64, Ordering::Relaxed);
        let differs = replica.differs_for().map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self.differs.store(differs, Ordering::Relaxed);
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
        let gauge = |value: &AtomicU64| value.load(Ordering::Relaxed) as f64;
        samples.push(Sample::gauge("rows", "Rows kept, tombstones included.", gauge(&core.rows)));
        samples.push(Sample::gauge(
            "tombstones",
            "Tombstones that not everybody has seen yet.",
            gauge(&core.tombstones),
        ));
        samples.push(Sample::gauge(
            "replica_differs_seconds",
            "For how long rows have differed from those of a node that has seen the same; 0: they do not.",
            gauge(&core.differs) / 1_000.0,
        ));
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
