//! What this surface counts, and the Prometheus text that carries it (exposition format 0.0.4).

use crate::answer::millis;
use axum::http::StatusCode;
use std::fmt::Write as _;
use std::sync::Arc;
use whither_directory::Directory;
use whither_directory::vitals::{Counter, Kind, Sample};
use whither_doors::{Gauge, Meters};
use whither_model::MemberState;

/// Counters of one server: of all its listeners together.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Answers by the first digit of their status code.
    answers: [Counter; 5],
    /// Of connections.
    pub(crate) doors: Arc<Meters>,
    pub(crate) watches: Gauge,
    pub(crate) watches_refused: Counter,
    pub(crate) watch_events: Counter,
    pub(crate) bulk_refused: Counter,
    pub(crate) panics: Counter,
}

impl Metrics {
    pub(crate) fn answered(&self, status: StatusCode) {
        if let Some(counter) = self.answers.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            counter.add(1);
        }
    }

    fn samples(&self) -> Vec<Sample> {
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let answers = classes.into_iter().zip(&self.answers).map(|(class, counter)| {
            Sample::counter("http_answers_total", "Answers given, by class of status code.", counter.get())
                .with_label("class", class)
        });
        let mut samples: Vec<Sample> = answers.collect();
        samples.extend(self.doors.samples(""));
        samples.extend([
            self.watches.sample("http_watches", "Watches open."),
            Sample::counter(
                "http_watches_refused_total",
                "Watches refused because too many were open.",
                self.watches_refused.get(),
            ),
            Sample::counter("http_watch_events_total", "Events sent to watches.", self.watch_events.get()),
            Sample::counter(
                "http_bulk_refused_total",
                "Bulk registrations refused because too many were being read.",
                self.bulk_refused.get(),
            ),
            Sample::counter("http_panics_total", "Requests that ended in a fault of this node.", self.panics.get()),
        ]);
        samples
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count above 2^53 may lose its last digit")]
fn float(count: usize) -> f64 {
    count as f64
}

/// The catalog as numbers.
fn catalog(directory: &Directory) -> Vec<Sample> {
    let view = directory.view();
    let age = millis(view.age(directory.clock().now()));
    let mut samples = vec![
        Sample::gauge("catalog_services", "Services known.", float(view.service_count())),
        Sample::gauge("catalog_instances", "Instances listed.", float(view.instance_count())),
        Sample::gauge(
            "catalog_age_seconds",
            "How long ago, at most, the whole catalog was last known to be the truth; NaN: that cannot be said yet.",
            age.map_or(f64::NAN, |age| float(usize::try_from(age).unwrap_or(usize::MAX)) / 1_000.0),
        ),
    ];
    let counts = crate::routes::member_counts(&view);
    for state in [MemberState::Alive, MemberState::Suspect, MemberState::Down, MemberState::Left] {
        samples.push(
            Sample::gauge("catalog_nodes", "Nodes known, by state.", float(counts[state as usize]))
                .with_label("state", state.as_str()),
        );
    }
    samples
}

/// Everything there is to measure, as Prometheus reads it.
pub(crate) fn render(directory: &Arc<Directory>, metrics: &Metrics) -> String {
    let mut samples = directory.vitals().collect();
    samples.extend(catalog(directory));
    samples.extend(metrics.samples());
    samples.sort_by_key(|sample| sample.name);
    let mut text = String::with_capacity(samples.len() * 96);
    let mut family = "";
    for sample in &samples {
        if sample.name != family {
            family = sample.name;
            let kind = match sample.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            let help = sample.help.replace('\\', "\\\\").replace('\n', "\\n");
            text.push_str(&format!("# HELP whither_{family} {help}\n# TYPE whither_{family} {kind}\n"));
        }
        put_sample(&mut text, sample);
    }
    text
}

fn put_sample(text: &mut String, sample: &Sample) {
    // Writing to memory cannot fail.
    let _ = write!(text, "whither_{}", sample.name);
    if let Some((label, value)) = &sample.label {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(text, "{{{label}=\"{value}\"}}");
    }
    let _ = writeln!(text, " {}", sample.value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut text = String::new();
        put_sample(&mut text, &Sample::gauge("g", "", 1.5).with_label("l", "a\"b\\c\nd"));
        assert_eq!(text, "whither_g{l=\"a\\\"b\\\\c\\nd\"} 1.5\n");
    }
}
