//! The pictures of a report: what each shows, in a drawing, in words, and as a table.

use super::figures::{bytes, grouped, percent, short, time};
use super::markup::table;
use super::plot::{Axis, Plot};
mod over_time;

use super::{Findings, advice};
use crate::duration::exact;
use std::time::Duration;
use whither_sim::study::{Histogram, RegionDeliveries, Spread};

/// A picture with everything that belongs to it.
pub(super) struct Chart {
    /// What it shows, as a heading.
    pub(super) title: &'static str,
    /// How to read it, in a sentence.
    pub(super) about: String,
    /// The drawing.
    pub(super) svg: String,
    /// The same as a table.
    pub(super) table: String,
}

/// All there are for these findings.
pub(super) fn all(findings: &Findings) -> Vec<Chart> {
    let charts = [
        detection(findings),
        delivery(findings),
        over_time::present(findings),
        over_time::traffic(findings),
        over_time::suspicions(findings),
        regions(findings),
        trade_off(findings),
    ];
    charts.into_iter().flatten().collect()
}

/// A cumulative distribution.
struct Curve {
    name: &'static str,
    class: &'static str,
    /// Seconds, and which share was not longer.
    points: Vec<(f64, f64)>,
}

impl Curve {
    fn of_list(name: &'static str, class: &'static str, mut values: Vec<Duration>) -> Self {
        values.sort_unstable();
        let count = values.len() as f64;
        let points = (1..).zip(&values).map(|(rank, value): (u32, _)| (value.as_secs_f64(), f64::from(rank) / count));
        Self { name, class, points: points.collect() }
    }

    fn of_histogram(name: &'static str, class: &'static str, histogram: &Histogram) -> Self {
        let count = histogram.count() as f64;
        let points = histogram.cumulative().map(|(value, seen)| (value.as_secs_f64(), seen as f64 / count));
        Self { name, class, points: points.collect() }
    }

    /// How long it took for a share of all.
    fn at(&self, share: f64) -> f64 {
        self.points.iter().find(|(_, seen)| *seen >= share - 1e-9).map_or(0.0, |(value, _)| *value)
    }

    /// As stairs, from nothing.
    fn stairs(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let before = std::iter::once(0.0).chain(self.points.iter().map(|(_, share)| *share));
        self.points.iter().zip(before).flat_map(|((value, share), before)| [(*value, before), (*value, *share)])
    }
}

/// Curves side by side, each with its name beside it; and perhaps a limit that none can pass.
fn distribution(id: &str, title: &str, desc: &str, curves: &[Curve], limit: Option<(f64, &str)>) -> String {
    let most = |share: f64| curves.iter().map(|curve| curve.at(share)).fold(0.0, f64::max);
    // A few that are very late are told in words, so that all others can be seen.
    let (longest, usual) = (most(1.0), most(0.9) * 2.5);
    let (end, is_cut) = if longest > usual { (usual, true) } else { (longest * 1.12, false) };
    let unit = if end < 1.0 { ("milliseconds", 1e3) } else { ("seconds", 1.0) };
    let write_x = move |value: f64| short_tick(value * unit.1);
    let write_y = |value: f64| format!("{:.0} %", value * 100.0);
    let mut plot = Plot::new(
        &Axis { low: 0.0, high: end, name: unit.0, write: &write_x, is_logarithmic: false },
        &Axis { low: 0.0, high: 1.0, name: "share", write: &write_y, is_logarithmic: false },
    );
    if let Some((value, name)) = limit {
        plot.mark(value, name);
    }
    for curve in curves {
        let seen = curve.stairs().take_while(|(value, _)| *value <= end);
        let last = curve.points.iter().take_while(|(value, _)| *value <= end).last().map_or(0.0, |(_, share)| *share);
        plot.line(curve.class, std::iter::once((0.0, 0.0)).chain(seen).chain([(end, last)]));
    }
    if is_cut {
        plot.overflow(1.0, &format!("the last after {}", time(Duration::from_secs_f64(longest))));
    }
    // The curve on the left is named high, the one on the right low: names do not cross curves.
    for (nth, curve) in curves.iter().enumerate() {
        let share = 0.72 - 0.5 * nth as f64 / (curves.len().max(2) - 1) as f64;
        plot.label(curve.class, curve.at(share), share - 0.03, curve.name);
    }
    plot.finish(id, title, desc)
}

/// Bytes at a tick: whole, where they are whole.
fn bytes_tick(value: f64) -> String {
    bytes(value).replace(".00", "").replace(".0", "")
}

fn short_tick(value: f64) -> String {
    let rounded = (value * 1e3).round() / 1e3;
    if rounded.abs() >= 10_000.0 { short(rounded) } else { format!("{rounded}") }
}

/// The shares that tables of distributions show.
const SHARES: [f64; 9] = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0];

fn distribution_table(curves: &[Curve]) -> String {
    let titles: Vec<&str> = std::iter::once("share").chain(curves.iter().map(|curve| curve.name)).collect();
    let row = |share: &f64| {
        let values = curves.iter().map(|curve| time(Duration::from_secs_f64(curve.at(*share))));
        std::iter::once(percent(*share)).chain(values).collect()
    };
    table(&titles, &SHARES.iter().map(row).collect::<Vec<_>>())
}

fn detection(findings: &Findings) -> Option<Chart> {
    let deaths = || findings.runs.iter().flat_map(|run| &run.toll.deaths);
    let curves = [
        Curve::of_list("suspected", "c", deaths().filter_map(|death| death.suspected).collect()),
        Curve::of_list("declared down", "a", deaths().filter_map(|death| death.first).collect()),
        Curve::of_list("known everywhere", "b", deaths().filter_map(|death| death.everywhere).collect()),
    ];
    if curves.iter().any(|curve| curve.points.is_empty()) {
        return None;
    }
    let title = "How soon a death is known";
    let medians = curves.each_ref().map(|curve| time(Duration::from_secs_f64(curve.at(0.5))));
    let [suspected, first, everywhere] = &medians;
    let desc = format!(
        "Medians: suspected after {suspected}, declared down after {first}, known everywhere after {everywhere}."
    );
    Some(Chart {
        title,
        about: "Of all deaths, the share that was suspected by somebody, declared down by the first, and believed by \
                every survivor within this time."
            .into(),
        svg: distribution("detection", title, &desc, &curves, None),
        table: distribution_table(&curves),
    })
}

fn delivery(findings: &Findings) -> Option<Chart> {
    let broadcast = &findings.summary.broadcast;
    let (last, limit) = (broadcast.last?, broadcast.limit?);
    let curves = [
        Curve::of_histogram("each delivery", "a", &broadcast.each),
        Curve::of_list("last node informed", "b", broadcast.last_sorted.clone()),
    ];
    let title = "How soon news is everywhere";
    let desc = format!(
        "Half of all updates reached their last node within {}, the slowest in {}.",
        time(last.p50),
        time(last.max)
    );
    let is_far = advice::is_far(findings);
    let bound = is_far.then_some((limit.p50.as_secs_f64(), "distance alone"));
    let dotted = " The dotted line is what distance alone takes to the farthest node, in the median.";
    Some(Chart {
        title,
        about: format!(
            "The share of deliveries, and of updates that had reached their last node, within this time.{}",
            if is_far { dotted } else { "" }
        ),
        svg: distribution("delivery", title, &desc, &curves, bound),
        table: distribution_table(&curves),
    })
}

fn regions(findings: &Findings) -> Option<Chart> {
    let mut regions: Vec<(&RegionDeliveries, Spread)> = findings
        .summary
        .broadcast
        .regions
        .iter()
        .filter_map(|region| Some((region, Spread::of_histogram(&region.heard)?)))
        .collect();
    if regions.len() < 2 {
        return None;
    }
    regions.sort_by_key(|(_, spread)| spread.p50);
    let most = |of: fn(&Spread) -> Duration| regions.iter().map(|(_, one)| of(one).as_secs_f64()).fold(0.0, f64::max);
    let end = (most(|one| one.max) * 1.05).min(most(|one| one.p99) * 2.5);
    let write = |value: f64| short_tick(value * 1e3);
    let x = Axis { low: 0.0, high: end, name: "milliseconds", write: &write, is_logarithmic: false };
    let mut plot = Plot::rows(&x, regions.len(), 20.0, 46.0);
    for (nth, (region, spread)) in regions.iter().enumerate() {
        let row = nth as f64 + 0.5;
        let [p50, p99, max] = [spread.p50, spread.p99, spread.max].map(|length| length.as_secs_f64());
        plot.line("range", [(0.0, row), (max, row)]);
        plot.line("a wide", [(p50, row), (p99, row)]);
        if max <= end {
            plot.dot("c", max, row, 2.5);
        } else {
            plot.overflow(row - 0.6, &time(spread.max));
        }
        plot.dot("a", p50, row, 4.5);
        plot.row_name(row, region.name);
    }
    let title = "How soon each region hears";
    let cells = |(region, spread): &(&RegionDeliveries, Spread)| {
        let times = [spread.p50, spread.p99, spread.max].map(time);
        [region.name.to_owned(), grouped(u64::from(region.nodes))].into_iter().chain(times).collect()
    };
    let (first, last) = (regions.first()?.0.name, regions.last()?.0.name);
    Some(Chart {
        title,
        about:
            "From an update anywhere to a node there: the large dot is the median, the bar reaches to 99 of 100, the \
                small dot or the time at the edge is the slowest. Regions go by the codes of their airports."
                .into(),
        svg: plot.finish("regions", title, &format!("{first} hears soonest, {last} last.")),
        table: table(&["region", "nodes", "p50", "p99", "max"], &regions.iter().map(cells).collect::<Vec<_>>()),
    })
}

fn trade_off(findings: &Findings) -> Option<Chart> {
    let tried = || {
        findings.neighbours.iter().filter_map(|one| {
            let everywhere = one.summary.detection.everywhere?.p50.as_secs_f64();
            Some((one, one.summary.traffic.idle_bytes, everywhere))
        })
    };
    if tried().count() < 2 {
        return None;
    }
    let most = |of: fn(&(f64, f64)) -> f64| tried().map(|(_, x, y)| of(&(x, y))).fold(0.0, f64::max);
    let (widest, slowest) = (most(|(x, _)| *x), most(|(_, y)| *y));
    let mut plot = Plot::new(
        &Axis {
            low: 0.0,
            high: widest * 1.25,
            name: "idle traffic of a node, per second",
            write: &bytes_tick,
            is_logarithmic: false,
        },
        &Axis {
            low: 0.0,
            high: slowest * 1.15,
            name: "seconds until known everywhere",
            write: &short_tick,
            is_logarithmic: false,
        },
    );
    let mut rows = Vec::new();
    for (one, x, y) in tried() {
        let class = if one.is_same { "b" } else { "a" };
        let name = format!("{} · {}", exact(one.settings.probe_interval), one.settings.suspicion);
        plot.dot(class, x, y, if one.is_same { 6.0 } else { 4.5 });
        plot.label(class, x, y, &name);
        let errors = &one.summary.errors;
        let alarms = [errors.accusations, errors.wrongly_down].map(grouped);
        let row = [name, format!("{}/s", bytes(x)), time(Duration::from_secs_f64(y))];
        rows.push(row.into_iter().chain(alarms).collect());
    }
    let title = "Other settings";
    Some(Chart {
        title,
        about:
            "Probe interval and suspicion beside yours (larger), tried briefly: lower notices deaths sooner, further \
                left costs less."
                .into(),
        svg: plot.finish("trade-off", title, "Shorter probe intervals notice deaths sooner and cost more."),
        table: table(
            &["interval · suspicion", "idle", "known everywhere, p50", "false accusations", "wrongly down"],
            &rows,
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_rises_in_stairs_from_nothing_to_all() {
        let seconds = |list: &[u64]| list.iter().map(|one| Duration::from_secs(*one)).collect();
        let curve = Curve::of_list("x", "a", seconds(&[3, 1, 2, 2]));
        assert_eq!([0.01, 0.25, 0.5, 0.75, 1.0].map(|share| curve.at(share)), [1.0, 1.0, 2.0, 2.0, 3.0]);
        let stairs: Vec<_> = curve.stairs().collect();
        assert_eq!((stairs[0], stairs[1], stairs[7]), ((1.0, 0.0), (1.0, 0.25), (3.0, 1.0)));
        assert!(stairs.is_sorted());
    }
}
