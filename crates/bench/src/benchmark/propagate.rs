//! From a registration at one node to the event on another node's watch, on an idle wire.

use super::Benchmark;
use crate::cluster::Cluster;
use crate::http_client::{Connection, request};
use crate::limit::udp::Pinger;
use crate::limit::{Kind, Server};
use crate::record::NAMESPACE;
use crate::report::{Measure, Report};
use crate::sample::Sample;
use crate::setup::Setup;
use crate::watch_stream::{self, Line, WatchStream};
use anyhow::{Result, ensure};
use serde::Deserialize;
use std::time::{Duration, Instant};

/// What this file measures.
pub(super) const BENCHMARK: Benchmark = Benchmark {
    name: "propagate",
    about: "register at one of three nodes until the event is on another node's watch stream; idle wire",
    run,
};

/// Registrations.
const REGISTRATIONS: usize = 500;
/// Time between two: each finds the wire idle. In the middle between two, the limits are measured.
const HALF_TICK: Duration = Duration::from_millis(10);
/// Instances of the watched service, registered anew in turn, as in a rolling deploy.
const INSTANCES: usize = 16;
/// How long the last events may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Body of an answer to a registration, for the HTTP limit.
const REPLY_BYTES: usize = 128;

#[derive(Deserialize)]
struct Changed {
    version: String,
}

/// When registrations left, how long their acknowledgements took, and how long the limits took beside them.
#[derive(Default)]
struct Sent {
    at: Vec<Instant>,
    acknowledged: Vec<Duration>,
    http: Vec<Duration>,
    udp: Vec<Duration>,
}

fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let n = setup.n_or(REGISTRATIONS);
    let cluster = Cluster::start(setup, 3)?;
    let path = format!("/v1/watch/{NAMESPACE}/propagate");
    let open = |node: usize| WatchStream::open(cluster.agents[node].http, &path);
    let (own, others) = (open(0)?, [open(1)?, open(2)?]);
    let sent = register(&cluster, n)?;
    let until = Instant::now() + PATIENCE;
    let mut elsewhere = Vec::new();
    for watch in &others {
        elsewhere.extend(delays(watch, &sent.at, until)?);
    }
    let here = delays(&own, &sent.at, until)?;
    ensure!(!elsewhere.is_empty() && !here.is_empty(), "no registration came out of a watch");

    let (http, udp) = (Sample::micros(sent.http), Sample::micros(sent.udp));
    let (round_trip, one_way) = (http.p50(), udp.p50() / 2.0);
    let limit = round_trip + one_way;
    let missing = 2 * n - elsewhere.len();
    let sample = Sample::micros(elsewhere);
    let count = sample.len() as u64;
    let rows = [("p50", sample.p50()), ("p90", sample.percentile(90.0)), ("p99", sample.percentile(99.0))];
    for (which, value) in rows.into_iter().chain([("max", sample.max())]) {
        report.add(Measure::lower(format!("register to event elsewhere {which}"), value, "us", count).against(limit));
    }
    let here = Sample::micros(here);
    report.add(Measure::lower("register to event here p50", here.p50(), "us", here.len() as u64).against(round_trip));
    let acknowledged = Sample::micros(sent.acknowledged);
    report.add(
        Measure::lower("register to acknowledgement p50", acknowledged.p50(), "us", acknowledged.len() as u64)
            .against(round_trip),
    );
    report.add(Measure::lower("events that came merged or not at all", missing as f64, "", 2 * n as u64));
    report.add(Measure::lower("limit: HTTP echo p50, as idle", round_trip, "us", http.len() as u64));
    report.add(Measure::lower("limit: UDP one way p50, as idle", one_way, "us", udp.len() as u64));
    Ok(())
}

/// Registers one instance per tick at the first node, and asks the limits in between.
fn register(cluster: &Cluster, n: usize) -> Result<Sent> {
    let (http, udp) = (Server::start(Kind::Http, REPLY_BYTES)?, Server::start(Kind::Udp, 0)?);
    let mut node = Connection::open(cluster.agents[0].http)?;
    let mut echo = Connection::open(http.address)?;
    let pinger = Pinger::new(udp.address)?;
    let mut sent = Sent::default();
    let mut tick = Instant::now();
    for number in 0..n {
        let path = format!("/v1/services/{NAMESPACE}/propagate/instances/instance-{}", number % INSTANCES);
        let asked = request(
            "PUT",
            &path,
            &format!(r#"{{"address":"10.0.0.1","port":8080,"shares_address":true,"version":"{number}"}}"#),
        );
        let begun = Instant::now();
        node.exchange(&asked)?;
        sent.at.push(begun);
        sent.acknowledged.push(begun.elapsed());
        sleep_until(&mut tick);
        let begun = Instant::now();
        echo.exchange(&asked)?;
        sent.http.push(begun.elapsed());
        sent.udp.push(pinger.round_trip()?);
        sleep_until(&mut tick);
    }
    Ok(sent)
}

fn sleep_until(tick: &mut Instant) {
    // After a stall the beat goes on from now: catching up would make the wire busy.
    *tick = (*tick + HALF_TICK).max(Instant::now());
    std::thread::sleep(tick.saturating_duration_since(Instant::now()));
}

/// How long each registration took to come out of `watch`, as far as each came.
fn delays(watch: &WatchStream, sent: &[Instant], until: Instant) -> Result<Vec<Duration>> {
    let mut delays = vec![None; sent.len()];
    let mut missing = sent.len();
    while missing > 0 {
        let Some(line) = watch.next(until.saturating_duration_since(Instant::now()))? else { break };
        for number in numbers(&line)? {
            if let Some(delay @ None) = delays.get_mut(number) {
                *delay = Some(line.at.saturating_duration_since(sent[number]));
                missing -= 1;
            }
        }
    }
    Ok(delays.into_iter().flatten().collect())
}

fn numbers(line: &Line) -> Result<Vec<usize>> {
    let changed: Vec<Changed> = watch_stream::changed(&line.text)?;
    Ok(changed.iter().filter_map(|changed| changed.version.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::{Line, numbers};
    use std::time::Instant;

    #[test]
    fn registrations_are_known_again_in_events() {
        let line = |text: &str| Line { text: text.into(), at: Instant::now() };
        let change = r#"{"event":"change","changed":[{"id":"instance-3","version":"17"},{"id":"b","version":"18"}]}"#;
        assert_eq!(numbers(&line(change)).unwrap(), [17, 18]);
        assert!(numbers(&line(r#"{"event":"heartbeat","age_ms":3}"#)).unwrap().is_empty());
        assert!(numbers(&line("no JSON")).is_err());
    }
}
