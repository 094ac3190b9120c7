//! Pictures of a run from its beginning to its end.

use super::super::Findings;
use super::super::figures::{bytes, grouped, short};
use super::super::markup::table;
use super::super::plot::{Axis, Plot};
use super::{Chart, bytes_tick, short_tick};
use whither_model::Instant;
use whither_sim::study::{Run, Sample};

/// The stretches of a run, with their names.
fn stretches(findings: &Findings, plot: &mut Plot) {
    let plan = &findings.plan;
    let mut stretches: Vec<(&str, f64, f64)> = Vec::new();
    let Some(run) = findings.runs.first() else { return };
    for sample in &run.samples {
        let (name, at) = (plan.phase(sample.at), since(sample.at));
        match stretches.last_mut().filter(|(last, ..)| *last == name) {
            Some((_, _, to)) => *to = at,
            None => {
                let from = stretches.last().map_or(0.0, |(_, _, to)| *to);
                stretches.push((name, from, at));
            }
        }
    }
    for (nth, (name, from, to)) in stretches.into_iter().enumerate() {
        plot.stretch(nth % 2 == 1, from, to, name);
    }
}

fn since(at: Instant) -> f64 {
    at.since(Instant::START).as_secs_f64()
}

/// A plot over the time of a run, and how its horizontal axis is written.
fn over_time(findings: &Findings, y: &Axis<'_>) -> Plot {
    let seconds = findings.plan.length().as_secs_f64();
    let minutes = seconds > 600.0;
    let write_x = move |value: f64| short_tick(if minutes { value / 60.0 } else { value });
    let name = if minutes { "minutes" } else { "seconds" };
    let x = Axis { low: 0.0, high: seconds, name, write: &write_x, is_logarithmic: false };
    let mut plot = Plot::new(&x, y);
    stretches(findings, &mut plot);
    plot
}

/// The first run's samples, about sixty of them.
fn sampled<'a>(run: &'a Run, row: impl Fn(&'a Sample) -> Vec<String> + 'a) -> Vec<Vec<String>> {
    let step = run.samples.len().div_ceil(60).max(1);
    run.samples.iter().step_by(step).map(row).collect()
}

pub(super) fn present(findings: &Findings) -> Option<Chart> {
    let run = findings.runs.first()?;
    let least = run.samples.iter().map(|sample| sample.present_min.min(sample.living)).min()?;
    let nodes = f64::from(findings.settings.nodes);
    let low = (f64::from(least) - (nodes - f64::from(least)).max(1.0) * 0.25).max(0.0);
    let high = nodes + (nodes - low) * 0.12;
    let mut plot = over_time(findings, &Axis { low, high, name: "nodes", write: &short_tick, is_logarithmic: false });
    let at = |sample: &Sample| since(sample.at);
    let band = |sample: &Sample| (at(sample), f64::from(sample.present_min), f64::from(sample.present_max));
    plot.band("a", &run.samples.iter().map(band).collect::<Vec<_>>());
    plot.line("c dashed", run.samples.iter().map(|sample| (at(sample), f64::from(sample.living))));
    plot.line("a", run.samples.iter().map(|sample| (at(sample), sample.present)));
    let last = run.samples.last()?;
    plot.end_label("a", last.present, true, "believed present");
    plot.end_label("c", f64::from(last.living), false, "living");
    let title = "Who is believed to be there";
    let rows = sampled(run, |sample| {
        let cells = [sample.living, sample.present_min, sample.present_max, sample.views];
        let cells = cells.into_iter().map(|cell| grouped(u64::from(cell)));
        std::iter::once(short_tick(since(sample.at))).chain(cells).collect()
    });
    Some(Chart {
        title,
        about: format!(
            "How many nodes a node believes present, on average; the shade reaches from the least to the most of any. Run \
             with seed {}.",
            run.seed
        ),
        svg: plot.finish(
            "present",
            title,
            &format!("At the end {} nodes lived, and {} were believed present.", last.living, short(last.present)),
        ),
        table: table(&["second", "living", "least", "most", "different views"], &rows),
    })
}

/// What a node sent in a second on average, over times that are long enough for each to have probed.
fn rates(run: &Run, findings: &Findings) -> Vec<(f64, f64)> {
    let mut rates: Vec<(f64, f64)> = Vec::new();
    let (mut bytes, mut begun) = (0.0, 0.0);
    for sample in &run.samples {
        bytes += sample.bytes as f64 / f64::from(sample.living.max(1));
        let (at, least) = (since(sample.at), findings.settings.probe_interval.as_secs_f64());
        if at - begun >= least - 1e-6 {
            rates.push((at, bytes / (at - begun)));
            (bytes, begun) = (0.0, at);
        }
    }
    rates
}

pub(super) fn traffic(findings: &Findings) -> Option<Chart> {
    let all: Vec<Vec<(f64, f64)>> = findings.runs.iter().map(|run| rates(run, findings)).collect();
    let most = all.iter().flatten().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let idle = findings.summary.traffic.idle_bytes;
    // Where troubles cost a hundred times what is usual, only ratios show both.
    let is_logarithmic = most > 20.0 * idle && idle > 0.0;
    let (low, high) = if is_logarithmic { (idle / 3.0, most * 1.5) } else { (0.0, most * 1.08) };
    let y = Axis { low, high, name: "sent by a node, per second", write: &bytes_tick, is_logarithmic };
    let mut plot = over_time(findings, &y);
    all.iter().skip(1).take(9).for_each(|rates| plot.line("a faint", rates.iter().copied()));
    plot.line("a", all.first()?.iter().copied());
    let title = "What it costs";
    let rows = all.first()?.iter().step_by(all.first()?.len().div_ceil(60).max(1));
    let rows: Vec<_> = rows.map(|(at, rate)| vec![short_tick(*at), format!("{}/s", bytes(*rate))]).collect();
    let scale = if is_logarithmic { " Each line is ten times the one below." } else { "" };
    let others = if all.len() > 1 { " Other runs are faint." } else { "" };
    Some(Chart {
        title,
        about: format!("Bytes that a node sends in a second on average, headers included.{others}{scale}"),
        svg: plot.finish(
            "traffic",
            title,
            &format!("An idle node sends {}/s, at most it was {}/s.", bytes(idle), bytes(most)),
        ),
        table: table(&["second", "sent by a node"], &rows),
    })
}

pub(super) fn suspicions(findings: &Findings) -> Option<Chart> {
    let run = findings.runs.first()?;
    // How many suspicions a node begins, on average: the same scale for all sizes.
    let each = |count: u64, sample: &Sample| count as f64 / f64::from(sample.living.max(1));
    let sums = |of: fn(&Sample) -> u64| {
        let mut sum = 0.0;
        let add = |sample: &Sample| {
            sum += each(of(sample), sample);
            (since(sample.at), sum)
        };
        run.samples.iter().map(add).collect::<Vec<_>>()
    };
    let (suspected, down) = (sums(|sample| sample.suspicions), sums(|sample| sample.downs));
    let most = suspected.last()?.1.max(down.last()?.1);
    if most <= 0.0 {
        return None;
    }
    let y = Axis { low: 0.0, high: most * 1.15, name: "by a node so far", write: &short_tick, is_logarithmic: false };
    let mut plot = over_time(findings, &y);
    plot.line("b", suspected.iter().copied());
    plot.line("a", down.iter().copied());
    let (suspected_end, down_end) = (suspected.last()?.1, down.last()?.1);
    let suspected_above = suspected_end >= down_end;
    plot.end_label("b", suspected_end, !suspected_above, "suspected");
    plot.end_label("a", down_end, suspected_above, "declared down");
    let title = "Suspicions";
    let step = suspected.len().div_ceil(60).max(1);
    let rows = suspected.iter().zip(&down).step_by(step);
    let rows: Vec<_> = rows.map(|((at, sus), (_, down))| vec![short_tick(*at), short(*sus), short(*down)]).collect();
    Some(Chart {
        title,
        about: format!(
            "How many others a node has suspected and declared down so far, on average, rightly or wrongly. Run with seed {}.",
            run.seed
        ),
        svg: plot.finish(
            "suspicions",
            title,
            &format!("In all, a node suspected {} others and declared {} down.", short(suspected_end), short(down_end)),
        ),
        table: table(&["second", "suspected", "declared down"], &rows),
    })
}
