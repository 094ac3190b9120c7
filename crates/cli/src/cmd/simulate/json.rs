//! The findings as JSON: times in seconds, rates for each node.

use super::Findings;
use super::neighbours::Neighbour;
use super::values::{deploy_text, partition_text, regions_text};
use serde_json::{Map, Value, json};
use std::time::Duration;
use whither_model::Instant;
use whither_sim::study::{Broadcast, Detection, Errors, Recovery, Restarts, Run, Settings, Spread, Traffic};

/// The findings as one line of JSON.
pub(super) fn render(findings: &Findings) -> String {
    let mut value = measured(findings);
    let (processor, elapsed) = findings.effort;
    value.insert("cpu_seconds".into(), json!(seconds(processor)));
    value.insert("elapsed_seconds".into(), json!(seconds(elapsed)));
    Value::Object(value).to_string()
}

/// Everything that is the same when it is run again.
pub(super) fn measured(findings: &Findings) -> Map<String, Value> {
    let Findings { settings, plan, runs, summary, neighbours, command, .. } = findings;
    let value = json!({
        "command": command,
        "settings": settings_value(settings),
        "seconds_per_run": seconds(plan.length()),
        "seeds": summary.seeds,
        "detection": (settings.kill > 0).then(|| detection(&summary.detection)),
        "false_alarms": errors(&summary.errors),
        "traffic_per_node": traffic(&summary.traffic),
        "broadcast": (settings.updates > 0).then(|| broadcast(&summary.broadcast)),
        "views": {"different": summary.views, "at_once_max": summary.views_at_once},
        "partition": summary.partition.as_ref().map(recovery),
        "deploy": summary.deploy.as_ref().map(restarts),
        "events": summary.events,
        "runs": runs.iter().map(run).collect::<Vec<_>>(),
        "neighbours": neighbours.iter().map(neighbour).collect::<Vec<_>>(),
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// To microseconds: the simulator knows nothing shorter.
fn seconds(length: Duration) -> f64 {
    (length.as_secs_f64() * 1e6).round() / 1e6
}

/// Digits that mean something, so that the same run prints the same everywhere.
fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

fn spread(spread: &Option<Spread>) -> Value {
    spread.as_ref().map_or(Value::Null, |spread| {
        json!({
            "count": spread.count,
            "p50": seconds(spread.p50),
            "p99": seconds(spread.p99),
            "max": seconds(spread.max),
        })
    })
}

fn settings_value(settings: &Settings) -> Value {
    json!({
        "nodes": settings.nodes,
        "regions": regions_text(settings.regions),
        "probe_interval_seconds": seconds(settings.probe_interval),
        "suspicion": settings.suspicion,
        "loss": settings.loss,
        "burst_seconds": settings.burst.map(seconds),
        "kill": settings.kill,
        "partition": settings.partition.as_ref().map(partition_text),
        "deploy": settings.deploy.as_ref().map(deploy_text),
        "updates": settings.updates,
        "update_bytes": settings.update_bytes,
    })
}

fn detection(detection: &Detection) -> Value {
    json!({
        "deaths": detection.deaths,
        "not_known_everywhere": detection.unknown,
        "suspected_seconds": spread(&detection.suspected),
        "first_seconds": spread(&detection.first),
        "everywhere_seconds": spread(&detection.everywhere),
    })
}

fn errors(errors: &Errors) -> Value {
    let wrong = errors.wrong.iter().map(|(seed, incident)| {
        json!({
            "seed": seed,
            "node": incident.node,
            "at_seconds": seconds(incident.began.since(Instant::START)),
            "first_by": incident.first_down_by,
            "believed_by": incident.down,
        })
    });
    json!({
        "accusations": errors.accusations,
        "wrongly_down": errors.wrongly_down,
        "wrong": wrong.collect::<Vec<_>>(),
        "node_hours": rounded(errors.node_hours),
    })
}

fn traffic(traffic: &Traffic) -> Value {
    json!({
        "idle_bytes_per_second": rounded(traffic.idle_bytes),
        "idle_messages_per_second": rounded(traffic.idle_messages),
        "bytes_per_second": rounded(traffic.bytes),
        "messages_per_second": rounded(traffic.messages),
        "busiest_bytes_per_second": rounded(traffic.busiest),
    })
}

fn broadcast(broadcast: &Broadcast) -> Value {
    let regions = broadcast.regions.iter().map(|region| {
        json!({
            "name": region.name,
            "nodes": region.nodes,
            "delivery_seconds": spread(&Spread::of_histogram(&region.heard)),
        })
    });
    json!({
        "updates": broadcast.updates,
        "deliveries_expected": broadcast.expected,
        "deliveries": broadcast.each.count(),
        "share_without_anti_entropy": broadcast.share(),
        "delivery_seconds": spread(&Spread::of_histogram(&broadcast.each)),
        "last_node_seconds": spread(&broadcast.last),
        "physical_limit_seconds": spread(&broadcast.limit),
        "last_node_to_limit": broadcast.over_limit.map(|over| over.map(rounded)),
        "doubles_per_delivery": rounded(broadcast.doubles_per_delivery()),
        "regions": regions.collect::<Vec<_>>(),
    })
}

fn recovery(recovery: &Recovery) -> Value {
    json!({
        "suspicions": recovery.suspicions,
        "downs": recovery.downs,
        "nodes_down": recovery.nodes_down,
        "agreed_after_seconds": recovery.agreed_after.map(seconds),
    })
}

fn restarts(seen: &Restarts) -> Value {
    json!({
        "restarts": seen.nodes,
        "removals": {
            "expected": seen.removals,
            "seen": seen.removed.count(),
            "seconds": spread(&Spread::of_histogram(&seen.removed)),
        },
        "returns": {
            "expected": seen.returns,
            "seen": seen.returned.count(),
            "seconds": spread(&Spread::of_histogram(&seen.returned)),
            "everywhere": seen.everywhere.len(),
            "everywhere_seconds": spread(&Spread::of(seen.everywhere.clone())),
        },
        "away": {
            "suspicions": seen.recovery.suspicions,
            "downs": seen.recovery.downs,
            "nodes_down": seen.recovery.nodes_down,
        },
        "accusations": seen.accused,
        "wrongly_down": seen.wrongly_down,
        "agreed_after_seconds": seen.recovery.agreed_after.map(seconds),
    })
}

fn run(run: &Run) -> Value {
    json!({
        "seed": run.seed,
        "hash": format!("{:016x}", run.hash),
        "events": run.events,
        "views": run.views,
        "accusations": run.incidents.len(),
        "dropped": run.dropped.total(),
    })
}

fn neighbour(neighbour: &Neighbour) -> Value {
    let Neighbour { settings, summary, .. } = neighbour;
    json!({
        "nodes": settings.nodes,
        "probe_interval_seconds": seconds(settings.probe_interval),
        "suspicion": settings.suspicion,
        "everywhere_seconds": spread(&summary.detection.everywhere),
        "idle_bytes_per_second": rounded(summary.traffic.idle_bytes),
        "accusations": summary.errors.accusations,
        "wrongly_down": summary.errors.wrongly_down,
        "node_hours": rounded(summary.errors.node_hours),
    })
}
