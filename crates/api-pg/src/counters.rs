//! What was asked, what was answered, what was refused.

use std::sync::atomic::{AtomicUsize, Ordering};
use whither_directory::vitals::{Counter, Sample};

/// Counts of one server.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    connections: AtomicUsize,
    /// Connections closed because there were too many.
    pub(crate) refused: Counter,
    /// Connections that did not say in time who they are.
    pub(crate) late: Counter,
    /// Connections that were not let in.
    pub(crate) strangers: Counter,
    /// Connections that said what nobody understands.
    pub(crate) garbled: Counter,
    /// Connections cut because they did not end in time when the server stopped.
    pub(crate) cut: Counter,
    /// Times the system refused to hand over a connection.
    pub(crate) accept_failures: Counter,
    /// Statements that read.
    pub(crate) reads: Counter,
    /// Statements that write.
    pub(crate) writes: Counter,
    /// Statements about the schema.
    pub(crate) schema: Counter,
    /// Questions about PostgreSQL's own catalog.
    pub(crate) catalog: Counter,
    /// Statements about the session.
    pub(crate) other: Counter,
    /// Errors sent.
    pub(crate) errors: Counter,
    /// Statements that clients gave up.
    pub(crate) cancelled: Counter,
    /// Rows sent.
    pub(crate) rows: Counter,
}

impl Counters {
    /// One more connection, unless there are `max` already.
    pub(crate) fn try_open(&self, max: usize) -> bool {
        let more = |open: usize| (open < max).then_some(open + 1);
        self.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// One connection less; only after [`Counters::try_open`].
    pub(crate) fn close(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn sample(&self, samples: &mut Vec<Sample>) {
        let open = u32::try_from(self.connections.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        samples.push(Sample::gauge("pg_connections", "PostgreSQL connections open.", f64::from(open)));
        for (reason, counter) in [
            ("connections_max", &self.refused),
            ("startup", &self.late),
            ("password", &self.strangers),
            ("protocol", &self.garbled),
            ("stop", &self.cut),
            ("system", &self.accept_failures),
        ] {
            let sample = Sample::counter("pg_dropped_total", DROPPED, counter.get());
            samples.push(sample.with_label("reason", reason));
        }
        for (kind, counter) in [
            ("read", &self.reads),
            ("write", &self.writes),
            ("schema", &self.schema),
            ("catalog", &self.catalog),
            ("session", &self.other),
        ] {
            samples.push(Sample::counter("pg_statements_total", STATEMENTS, counter.get()).with_label("kind", kind));
        }
        samples.push(Sample::counter("pg_errors_total", "Errors sent to PostgreSQL clients.", self.errors.get()));
        samples.push(Sample::counter("pg_cancelled_total", CANCELLED, self.cancelled.get()));
        samples.push(Sample::counter("pg_rows_total", "Rows sent to PostgreSQL clients.", self.rows.get()));
    }
}

const DROPPED: &str = "PostgreSQL connections that were not served or not to their end, by reason.";
const STATEMENTS: &str = "Statements of PostgreSQL clients that were begun, by kind.";
const CANCELLED: &str = "Statements that PostgreSQL clients gave up.";
