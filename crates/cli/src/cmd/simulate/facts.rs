//! Everything that came out, in words and numbers: the same for the terminal and for the page.

use super::Findings;
use super::figures::{bytes, counted, grouped, percent, short, time};
use super::values::Share;
use crate::duration::exact;
use std::time::Duration;
use whither_sim::study::{Recovery, Regions, Restarts, Run, Settings, Spread};

/// Facts about one thing.
pub(super) struct Section {
    /// What.
    pub(super) title: &'static str,
    /// In a sentence; may be empty.
    pub(super) about: String,
    /// In detail.
    pub(super) rows: Vec<Fact>,
    /// Whether this needs attention.
    pub(super) is_bad: bool,
}

/// One of them.
pub(super) struct Fact {
    /// What it is about.
    pub(super) label: &'static str,
    /// What it says.
    pub(super) value: Value,
}

/// What a fact says.
pub(super) enum Value {
    /// This.
    Text(String),
    /// Median, 99 of 100, most.
    Spread([String; 3]),
}

fn text(label: &'static str, text: String) -> Fact {
    Fact { label, value: Value::Text(text) }
}

fn spread(label: &'static str, spread: Option<Spread>) -> Fact {
    let value = match spread {
        None => Value::Text("not at all".into()),
        Some(Spread { p50, p99, max, .. }) => Value::Spread([p50, p99, max].map(time)),
    };
    Fact { label, value }
}

/// `1000 nodes in one data centre, 5% lost`
pub(super) fn title(settings: &Settings) -> String {
    let nodes = counted(u64::from(settings.nodes), "node", "nodes");
    let place = match settings.regions {
        Regions::ONE => String::from("in one data centre"),
        regions => format!("in {} regions", regions.count()),
    };
    let loss = if settings.loss > 0.0 { format!(", {} of messages lost", Share(settings.loss)) } else { String::new() };
    let burst = settings.burst.map(|burst| format!(" in bursts of {}", exact(burst))).unwrap_or_default();
    format!("{nodes} {place}{loss}{burst}")
}

/// `probe interval 800ms, suspicion 1 · 3 runs of 1m`
pub(super) fn subtitle(findings: &Findings) -> String {
    let Findings { settings, plan, runs, .. } = findings;
    let runs = counted(runs.len() as u64, "run", "runs");
    let (probe, length) = (exact(settings.probe_interval), time(plan.length()));
    format!("probe interval {probe}, suspicion {} · {runs} of {length}", settings.suspicion)
}

/// Everything.
pub(super) fn sections(findings: &Findings) -> Vec<Section> {
    let summary = &findings.summary;
    let mut all = vec![
        deaths(findings),
        errors(findings),
        traffic(findings),
        news(findings),
        Section {
            title: "Views",
            about: format!(
                "{} of who is present, {} at one moment at most",
                counted(summary.views as u64, "different belief", "different beliefs"),
                grouped(u64::from(summary.views_at_once))
            ),
            rows: Vec::new(),
            is_bad: false,
        },
    ];
    if findings.settings.kill == 0 {
        all.remove(0);
    }
    all.extend(findings.settings.partition.zip(summary.partition.as_ref()).map(|(partition, recovery)| {
        let about = format!("{} of nodes cut off for {}", Share(partition.share), time(partition.length));
        division(about, recovery, findings.plan.recovery)
    }));
    all.extend(findings.settings.deploy.zip(summary.deploy.as_ref()).map(|(deploy, seen)| {
        let about = format!("{} at a time, each says goodbye and is away {}", Share(deploy.share), time(deploy.away));
        restarts(about, seen, findings.plan.recovery)
    }));
    all.push(simulation(findings));
    all
}

fn deaths(findings: &Findings) -> Section {
    let detection = &findings.summary.detection;
    let deaths = counted(detection.deaths, "death", "deaths");
    let about = match detection.unknown {
        0 => format!("{deaths}, each known to all survivors"),
        unknown => format!("{deaths}, {} not known to all survivors at the end", grouped(unknown)),
    };
    let rows = vec![
        spread("first suspicion", detection.suspected),
        spread("first to declare it down", detection.first),
        spread("known everywhere", detection.everywhere),
    ];
    Section { title: "Deaths", about, rows, is_bad: detection.unknown > 0 }
}

fn errors(findings: &Findings) -> Section {
    let errors = &findings.summary.errors;
    let hours = short(errors.node_hours);
    let accused = match errors.accusations {
        0 => String::from("no healthy node was accused"),
        count => format!("{} of healthy nodes", counted(count, "accusation", "accusations")),
    };
    let mut rows = vec![text("wrongly declared down", wrongly_down(findings))];
    if errors.wrongly_down == 0 {
        let most = short(errors.rate_bound());
        rows.push(text("so, with 95 % confidence", format!("at most {most} per node-hour")));
    }
    rows.extend(errors.wrong.iter().take(5).map(|(seed, incident)| {
        let by = incident.first_down_by.unwrap_or(incident.first_by);
        let believers = counted(u64::from(incident.down), "node", "nodes");
        let began = time(incident.began.since(whither_model::Instant::START));
        let node = incident.node;
        text("", format!("node {node} by node {by}, believed by {believers} (seed {seed}, from {began})"))
    }));
    let about = format!("{accused} in {hours} node-hours");
    Section { title: "False alarms", about, rows, is_bad: errors.wrongly_down > 0 }
}

fn wrongly_down(findings: &Findings) -> String {
    let errors = &findings.summary.errors;
    match errors.wrongly_down {
        0 => String::from("none"),
        count => format!("{} ({} per node-hour)", grouped(count), short(count as f64 / errors.node_hours)),
    }
}

fn traffic(findings: &Findings) -> Section {
    let traffic = &findings.summary.traffic;
    let rate = |rate: f64| format!("{}/s", bytes(rate));
    let both = |size: f64, messages: f64| format!("{}, {} messages/s", rate(size), short(messages));
    let rows = vec![
        text("idle", both(traffic.idle_bytes, traffic.idle_messages)),
        text("through all troubles", both(traffic.bytes, traffic.messages)),
        text("the busiest node", rate(traffic.busiest)),
    ];
    Section { title: "Traffic", about: "sent by each node, headers included".into(), rows, is_bad: false }
}

fn news(findings: &Findings) -> Section {
    let broadcast = &findings.summary.broadcast;
    let (updates, size) = (counted(broadcast.updates, "update", "updates"), findings.settings.update_bytes);
    if broadcast.updates == 0 {
        return Section { title: "News", about: "no updates".into(), rows: Vec::new(), is_bad: false };
    }
    let mut rows = vec![
        spread("each delivery", Spread::of_histogram(&broadcast.each)),
        spread("last node informed", broadcast.last),
        spread("at best, for its distance", broadcast.limit),
    ];
    if let Some(over) = broadcast.over_limit {
        let times = over.map(|over| format!("{}×", short(over)));
        rows.push(Fact { label: "last node, to the best", value: Value::Spread(times) });
    }
    let missing = broadcast.expected - broadcast.each.count();
    let without = format!("{} without anti-entropy", percent(broadcast.share()));
    let left = if missing == 0 { String::new() } else { format!(", {} left to it", grouped(missing)) };
    rows.push(text("delivered", format!("{without}{left}")));
    rows.push(text("useless copies", format!("{} for each delivery", short(broadcast.doubles_per_delivery()))));
    Section { title: "News", about: format!("{updates} of {size} bytes, told to everybody"), rows, is_bad: false }
}

fn division(about: String, recovery: &Recovery, watched: Duration) -> Section {
    let rows = vec![
        text("declared down by somebody", counted(u64::from(recovery.nodes_down), "node", "nodes")),
        text("after it was mended", agreed(recovery, watched)),
    ];
    Section { title: "Division", about, rows, is_bad: recovery.agreed_after.is_none() }
}

fn restarts(about: String, seen: &Restarts, watched: Duration) -> Section {
    let Restarts { recovery, accused, wrongly_down, .. } = seen;
    let missed = seen.removals.saturating_sub(seen.removed.count());
    let suspected = match (missed, recovery.downs) {
        (0, _) => String::from("by nobody"),
        (missed, 0) => format!("{}, of whom none called it down", counted(missed, "time", "times")),
        (missed, downs) => {
            format!("{}, and {} of these called it down", counted(missed, "time", "times"), grouped(downs))
        }
    };
    let false_alarms = match (accused, wrongly_down) {
        (0, _) => String::from("none"),
        (accused, down) => format!("{accused}, of which {down} ended with somebody declared down"),
    };
    let mut rows = vec![
        spread("leaving, seen by each", Spread::of_histogram(&seen.removed)),
        text("goodbye missed", suspected),
        spread("return, seen by each", Spread::of_histogram(&seen.returned)),
        spread("return, seen by all", Spread::of(seen.everywhere.clone())),
    ];
    let unseen = seen.nodes as usize - seen.everywhere.len();
    if unseen > 0 {
        rows.push(text("return not seen by all", counted(unseen as u64, "node", "nodes")));
    }
    rows.push(text("accused while there", false_alarms));
    rows.push(text("after the last was back", agreed(recovery, watched)));
    let is_bad = recovery.agreed_after.is_none() || *wrongly_down > 0 || unseen > 0;
    Section { title: "Restarts", about, rows, is_bad }
}

fn agreed(recovery: &Recovery, watched: Duration) -> String {
    match recovery.agreed_after {
        Some(after) => format!("all agreed within {}", time(after.max(Duration::from_millis(100)))),
        None => format!("some still disagreed {} later", time(watched)),
    }
}

fn simulation(findings: &Findings) -> Section {
    let (processor, elapsed) = findings.effort;
    let seeds: Vec<String> = findings.runs.iter().map(|run: &Run| run.seed.to_string()).collect();
    let seeds = match seeds.as_slice() {
        [first, .., last] if seeds.len() > 3 => format!("{first} to {last}"),
        few => few.join(", "),
    };
    let effort = format!("{} of processor time in {}", time(processor), time(elapsed));
    let rows = vec![
        text("events", grouped(findings.summary.events)),
        text("effort, with advice", effort),
        text(if findings.runs.len() == 1 { "seed" } else { "seeds" }, seeds),
    ];
    Section { title: "Simulation", about: String::new(), rows, is_bad: false }
}
