//! What is counted of connections.

use std::sync::atomic::{AtomicUsize, Ordering};
use whither_directory::vitals::{Counter, Sample};

/// Counters of one server: of all its listeners together.
#[derive(Debug, Default)]
pub struct Meters {
    pub(crate) connections: Gauge,
    pub(crate) refused: Counter,
    /// Connections that were still open when the time to drain was over.
    pub(crate) cut: Counter,
    pub(crate) accept_failures: Counter,
}

/// What was answered over one surface.
#[derive(Debug, Default)]
pub struct Answers {
    /// By the first digit of their status code.
    classes: [Counter; 5],
    panics: Counter,
}

impl Answers {
    /// One more.
    pub fn count(&self, status: hyper::StatusCode) {
        if let Some(counter) = self.classes.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            counter.add(1);
        }
    }

    /// A request ended in a fault of this node.
    pub fn panicked(&self) {
        self.panics.add(1);
    }

    /// As samples of the surface called `surface`.
    pub fn samples(&self, surface: &str) -> impl Iterator<Item = Sample> {
        let about = "Answers of other surfaces than the native API, by surface and class of status code.";
        let panics = "Requests over other surfaces than the native API that ended in a fault of this node.";
        let classes =
            ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(&self.classes).map(move |(class, counter)| {
                Sample::counter("surface_answers_total", about, counter.get())
                    .with_label("answers", format!("{surface}-{class}"))
            });
        let panics = Sample::counter("surface_panics_total", panics, self.panics.get()).with_label("surface", surface);
        classes.chain([panics]).collect::<Vec<_>>().into_iter()
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicUsize);

impl Gauge {
    /// The number.
    #[must_use]
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// As a sample.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a count above 2^53 may lose its last digit")]
    pub fn sample(&self, name: &'static str, help: &'static str) -> Sample {
        Sample::gauge(name, help, self.get() as f64)
    }

    /// One more, unless there are `max` already.
    pub fn try_raise(&self, max: usize) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < max).then_some(n + 1)).is_ok()
    }

    /// One less; only after [`Gauge::try_raise`].
    pub fn lower(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Meters {
    /// As samples of the surface called `surface`; the native API has no name.
    #[must_use]
    pub fn samples(&self, surface: &str) -> [Sample; 4] {
        [
            self.connections.sample("http_connections", "Connections open."),
            Sample::counter(
                "http_connections_refused_total",
                "Connections closed at once because too many were open.",
                self.refused.get(),
            ),
            Sample::counter(
                "http_connections_cut_total",
                "Connections that did not finish in time when the server stopped.",
                self.cut.get(),
            ),
            Sample::counter(
                "http_accept_failures_total",
                "Times the system refused to hand over a connection.",
                self.accept_failures.get(),
            ),
        ]
        .map(|sample| if surface.is_empty() { sample } else { sample.with_label("surface", surface) })
    }
}

#[cfg(test)]
mod tests {
    use super::Gauge;

    #[test]
    fn a_gauge_keeps_its_bound() {
        let gauge = Gauge::default();
        assert!(gauge.try_raise(1) && !gauge.try_raise(1));
        gauge.lower();
        assert!(gauge.try_raise(1));
        assert_eq!(gauge.get(), 1);
    }
}
