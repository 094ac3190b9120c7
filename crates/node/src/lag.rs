//! How long news takes, where readers find it.

use std::sync::Arc;
use whither_directory::vitals::{Sample, Vitals};
use whither_directory::{Directory, Lag, Propagation};
use whither_replica::Replica;

/// Shows what the core has measured since it was last shown. A reader that is looking at this moment is not waited for: what
/// was measured is shown the next time.
pub(crate) fn show(replica: &mut Replica, directory: &Directory) {
    if !replica.has_fresh_lags() {
        return;
    }
    directory.propagation().renew(|| {
        let fresh = replica.take_fresh_lags();
        let of = fresh.into_iter().filter_map(|node| Some((node, shown(replica.lag_of(node)?)))).collect();
        (shown(replica.lag_of_all()), of)
    });
}

fn shown(lag: &whither_replica::Lag) -> Lag {
    let some = |per_mille| lag.quantile(per_mille).unwrap_or_default();
    Lag { p50: some(500), p99: some(990), last: lag.last, heard: lag.heard, count: lag.count, by_repair: lag.by_repair }
}

/// Makes it part of the metrics.
pub(crate) fn register(vitals: &Vitals, propagation: Arc<Propagation>) {
    vitals.register(move |samples| {
        let all = propagation.of_all();
        for (quantile, took) in [("0.5", all.p50), ("0.99", all.p99)] {
            let help = "How long what other nodes said took to get here, lately; NaN: nothing was measured yet.";
            let seconds = if all.count == 0 { f64::NAN } else { took.as_secs_f64() };
            samples.push(Sample::gauge("propagation_seconds", help, seconds).with_label("quantile", quantile));
        }
        samples.push(Sample::counter(
            "propagation_measured_total",
            "Pieces of news of other nodes whose way here was measured.",
            all.count,
        ));
        samples.push(Sample::counter(
            "propagation_by_repair_total",
            "Times comparing replicas brought what no broadcast had brought.",
            all.by_repair,
        ));
    });
}
