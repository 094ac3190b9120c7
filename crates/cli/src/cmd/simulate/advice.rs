//! What the numbers mean for whoever chose the settings, in sentences.

use super::Findings;
use super::figures::{bytes, counted, grouped, percent, short, time};
use super::neighbours::Neighbour;
use crate::duration::exact;
use std::time::Duration;
use whither_sim::study::{Errors, Settings, Spread, Summary};

/// All there is to say.
pub(super) fn sentences(findings: &Findings) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(detection(findings));
    all.push(traffic(findings));
    all.push(errors(findings));
    all.extend(news(findings));
    all.extend(recoveries(findings));
    all.extend(neighbours(findings));
    all
}

fn detection(findings: &Findings) -> Option<String> {
    let detection = &findings.summary.detection;
    let (first, everywhere) = (detection.first?, detection.everywhere?);
    let slowest = time(everywhere.max);
    let rest = match detection.unknown {
        0 => format!("the slowest of {} took {slowest}", grouped(detection.deaths)),
        unknown => {
            let deaths = grouped(detection.deaths);
            format!("{} of {deaths} were not known to all survivors when the run ended", grouped(unknown))
        }
    };
    Some(format!(
        "A node that dies is declared down after {}, and known to be down everywhere after {} (medians); {rest}.",
        time(first.p50),
        time(everywhere.p50)
    ))
}

fn traffic(findings: &Findings) -> String {
    let idle = findings.summary.traffic.idle_bytes;
    let (rate, day) = (bytes(idle), bytes(idle * 86_400.0));
    let troubled = bytes(findings.summary.traffic.bytes);
    format!(
        "An idle node sends {rate}/s, which is {day} in a day; through all that was tried here it sent {troubled}/s."
    )
}

fn errors(findings: &Findings) -> String {
    let errors = &findings.summary.errors;
    let loss = if findings.settings.loss > 0.0 { " in spite of the losses" } else { "" };
    match (errors.wrongly_down, errors.accusations) {
        (0, 0) => format!(
            "No healthy node was accused{loss}. In {} node-hours that is no proof, but makes it rarer than once in {} \
             node-hours (95 % confidence).",
            short(errors.node_hours),
            short(1.0 / errors.rate_bound())
        ),
        (0, accusations) => format!(
            "Healthy nodes were accused {} and objected in time every time: nobody was wrongly declared down, although \
             {} per node-hour were accused.",
            times(accusations),
            short(accusations as f64 / errors.node_hours)
        ),
        (down, _) => format!(
            "Healthy nodes were declared down {}: {} per node-hour. {}",
            times(down),
            short(down as f64 / errors.node_hours),
            remedy(findings)
        ),
    }
}

fn times(count: u64) -> String {
    if count == 1 { String::from("once") } else { counted(count, "time", "times") }
}

/// Which of the neighbours made no such mistake.
fn remedy(findings: &Findings) -> String {
    let usual = findings.neighbours.iter().find(|one| one.is_same);
    let better = findings.neighbours.iter().filter(|one| {
        let worst = usual.map_or(u64::MAX, |usual| usual.summary.errors.wrongly_down);
        !one.is_same && one.summary.errors.wrongly_down < worst
    });
    match better.min_by_key(|one| one.summary.errors.wrongly_down) {
        Some(better) => {
            format!("With {} it was rarer when tried briefly.", options(&better.settings, &findings.settings))
        }
        None => String::from("A higher --suspicion makes that rarer, and detection slower."),
    }
}

fn news(findings: &Findings) -> Option<String> {
    let broadcast = &findings.summary.broadcast;
    let (last, over) = (broadcast.last?, broadcast.over_limit?);
    let missing = broadcast.expected - broadcast.each.count();
    let delivered = if missing == 0 {
        String::from("Every delivery came without anti-entropy.")
    } else {
        format!("{} of deliveries came without anti-entropy, which brings the rest.", percent(broadcast.share()))
    };
    let (median, most) = (time(last.p50), time(last.p99));
    let ratio = match is_far(findings) {
        true => format!(", {} times what distance allows", short(over[0])),
        false => String::new(),
    };
    Some(format!("The last node hears an update after {median} (median; {most} for 99 of 100){ratio}. {delivered}"))
}

/// Below this, distance is not what limits anything.
const FAR: Duration = Duration::from_millis(5);

/// Whether nodes are so far from each other that distance is worth a word.
pub(super) fn is_far(findings: &Findings) -> bool {
    findings.summary.broadcast.limit.is_some_and(|limit| limit.p50 >= FAR)
}

fn recoveries(findings: &Findings) -> Vec<String> {
    let Summary { partition, deploy, .. } = &findings.summary;
    let agreed = |after: Option<Duration>| match after {
        Some(after) => format!("all agreed again within {}", time(after.max(Duration::from_millis(100)))),
        None => format!("some still disagreed {} later", time(findings.plan.recovery)),
    };
    let division = partition.as_ref().map(|one| {
        let down = counted(u64::from(one.nodes_down), "node was", "nodes were");
        format!(
            "While the network was divided, {down} believed down from the other side; once mended, {}.",
            agreed(one.agreed_after)
        )
    });
    let restarts = deploy.as_ref().map(|one| {
        let missed = one.removals.saturating_sub(one.removed.count());
        let goodbyes = match missed {
            0 => String::from("Every goodbye was heard by everybody, so nobody probed a node that was away"),
            _ => {
                let heard = percent(one.removed.count() as f64 / one.removals as f64);
                format!("{heard} of goodbyes were heard; the others found out by probing")
            }
        };
        let back = Spread::of(one.everywhere.clone()).map_or_else(
            || String::from("no return was known to all"),
            |spread| {
                format!("a return is known to all after {} (median; {} at most)", time(spread.p50), time(spread.max))
            },
        );
        format!("{goodbyes}; {back}. After the last one, {}.", agreed(one.recovery.agreed_after))
    });
    division.into_iter().chain(restarts).collect()
}

fn neighbours(findings: &Findings) -> Vec<String> {
    let Some(usual) = findings.neighbours.iter().find(|one| one.is_same) else { return Vec::new() };
    let others = findings.neighbours.iter().filter(|one| !one.is_same);
    let mut all: Vec<String> = others.filter_map(|other| compared(usual, other, &findings.settings)).collect();
    if let Some(last) = all.last_mut().filter(|_| usual.settings.nodes < findings.settings.nodes) {
        let nodes = counted(u64::from(usual.settings.nodes), "node", "nodes");
        last.push_str(&format!(" (Other settings were tried with {nodes}.)"));
    }
    all
}

/// `With --probe-interval 400ms, deaths would be known everywhere after 1.10 s instead of 2.10 s, for 424 B/s instead of …`
fn compared(usual: &Neighbour, other: &Neighbour, asked: &Settings) -> Option<String> {
    let everywhere = |summary: &Summary| summary.detection.everywhere.map(|spread| spread.p50);
    let (before, after) = (everywhere(&usual.summary)?, everywhere(&other.summary)?);
    let (idle_before, idle_after) = (usual.summary.traffic.idle_bytes, other.summary.traffic.idle_bytes);
    let traffic = if (idle_after / idle_before.max(1e-9) - 1.0).abs() < 0.05 {
        String::from("as much traffic")
    } else {
        format!("{}/s of idle traffic instead of {}/s", bytes(idle_after), bytes(idle_before))
    };
    let errors = |errors: &Errors| (errors.accusations, errors.wrongly_down);
    let ((accused_before, down_before), (accused, down)) =
        (errors(&usual.summary.errors), errors(&other.summary.errors));
    let believed = match (down, down_before) {
        (0, 0) => String::new(),
        _ => format!(", of which {down} instead of {down_before} were believed"),
    };
    let alarms = match (accused, accused_before) {
        (0, 0) => String::from("and no false alarm either"),
        _ => {
            let before = if accused_before == 0 { String::from("none") } else { grouped(accused_before) };
            let accused = counted(accused, "false accusation", "false accusations");
            format!("and {accused} instead of {before}{believed}")
        }
    };
    Some(format!(
        "With {}, a death would be known everywhere after {} instead of {}, with {traffic} {alarms}.",
        options(&other.settings, asked),
        time(after),
        time(before)
    ))
}

/// What to type for the other settings.
fn options(other: &Settings, asked: &Settings) -> String {
    if other.probe_interval == asked.probe_interval {
        format!("--suspicion {}", other.suspicion)
    } else {
        format!("--probe-interval {}", exact(other.probe_interval))
    }
}
