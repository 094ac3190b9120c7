//! From a write on one node to what watchers of another are told; alone, and among a thousand other questions.

use super::{Duration, Result};
use crate::cluster::Cluster;
use crate::http_client::{Connection, request};
use crate::proc_stat;
use crate::report::{Measure, Report};
use crate::sample::Sample;
use crate::setup::Setup;
use crate::watch_stream::WatchStream;
use anyhow::{Context, ensure};
use std::time::Instant;

/// Writes that are watched one by one.
const WRITES: usize = 300;
/// Between two of them: each finds the wire idle.
const PAUSE: Duration = Duration::from_millis(5);
/// Questions that are watched besides.
const QUESTIONS: usize = 1_000;
/// Writes in a second among them.
const RATE: usize = 1_000;
/// For so long.
const STORM: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn measure(cluster: &Cluster, setup: &Setup, report: &mut Report) -> Result<()> {
    let (event, key) = one_by_one(cluster, setup.n_or(WRITES))?;
    // The peer's, where it was measured.
    let peer = [[Some(319.0), Some(616.0)], [Some(16.0), None]];
    for ((name, took), peer) in [("subscription event", event), ("key update", key)].into_iter().zip(peer) {
        let sample = Sample::micros(took);
        for ((which, percent), peer) in [("p50", 50.0), ("p99", 99.0)].into_iter().zip(peer) {
            let name = format!("write to {name} on another node {which}");
            let measure = Measure::lower(name, sample.percentile(percent) / 1e3, "ms", sample.len() as u64);
            report.add(match peer {
                Some(peer) => measure.beside(peer),
                None => measure,
            });
        }
    }
    among_many(cluster, report)
}

fn insert(id: &str, app: &str, weight: usize) -> Vec<u8> {
    let body = format!(
        "[[\"INSERT OR REPLACE INTO services (id, app, weight) VALUES (?,?,?)\",[\"{id}\",\"{app}\",{weight}]]]"
    );
    request("POST", "/v1/transactions?ack=memory", &body)
}

/// Each write by itself: how long until the subscription and the watch of the table on another node have said so.
fn one_by_one(cluster: &Cluster, writes: usize) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let other = cluster.agents[1].http;
    let events =
        WatchStream::ask(other, "/v1/subscriptions", "\"SELECT id, weight FROM services WHERE app = 'watched'\"")?;
    let keys = WatchStream::ask(other, "/v1/updates/services", "")?;
    let mut writer = Connection::open(cluster.agents[0].http)?;
    let (mut event, mut key) = (Vec::new(), Vec::new());
    for at in 1..=writes {
        std::thread::sleep(PAUSE);
        let sent = Instant::now();
        let answer = writer.exchange(&insert("watched-1", "watched", at))?;
        ensure!(answer.starts_with(b"{\"results\""), "refused: {}", String::from_utf8_lossy(answer));
        let told = format!("\"watched-1\",{at}]").into_bytes();
        let seen = |line: &[u8]| Ok(line.windows(told.len()).any(|part| part == told));
        event.push(events.await_line(PATIENCE, seen)?.context("the event came")? - sent);
        let notified = |line: &[u8]| Ok(line.starts_with(b"{\"notify\""));
        key.push(keys.await_line(PATIENCE, notified)?.context("the key came")? - sent);
    }
    Ok((event, key))
}

/// A thousand questions, a thousand writes a second: how late the watched one hears, and what it costs.
fn among_many(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let agent = &cluster.agents[1];
    let memory = proc_stat::Memory::of(agent.pid())?.resident;
    let question = |at: usize| format!("\"SELECT id, weight, state FROM services WHERE app = 'many-{at}'\"");
    let others: Vec<WatchStream> = (0..QUESTIONS)
        .map(|at| WatchStream::ask(agent.http, "/v1/subscriptions", &question(at)))
        .collect::<Result<_>>()?;
    let mut writer = Connection::open(cluster.agents[0].http)?;
    let cpu = proc_stat::process_cpu_seconds(agent.pid())?;
    let began = Instant::now();
    let mut took = Vec::new();
    let mut sent = 0;
    while began.elapsed() < STORM {
        // Ten at a time, a hundred times a second; of each lot the last one is watched.
        let lot = RATE / 100;
        let app = (sent / lot) % QUESTIONS;
        let at = Instant::now();
        for one in 0..lot {
            let id = (sent + one) % QUESTIONS;
            let id = if one + 1 == lot { app } else { id };
            writer.exchange(&insert(&format!("many-{id}"), &format!("many-{id}"), sent + one))?;
        }
        sent += lot;
        let told = format!("\"many-{app}\",{},", sent - 1).into_bytes();
        let heard = others[app].await_line(PATIENCE, |line| Ok(line.windows(told.len()).any(|part| part == told)))?;
        took.push(heard.context("the event came")? - at);
        let next = began + Duration::from_millis((sent / lot) as u64 * 10);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let elapsed = began.elapsed();
    let busy = (proc_stat::process_cpu_seconds(agent.pid())? - cpu) / elapsed.as_secs_f64();
    let sample = Sample::micros(took);
    let rate = sent as f64 / elapsed.as_secs_f64();
    let name = |what: &str| format!("{QUESTIONS} questions watched, {rate:.0} writes/s: {what}");
    report.add(Measure::lower(name("event p99"), sample.percentile(99.0) / 1e3, "ms", sample.len() as u64));
    report.add(Measure::lower(name("cores of the watched node"), busy, "", sent as u64));
    let more = proc_stat::Memory::of(agent.pid())?.resident.saturating_sub(memory);
    report.add(Measure::lower(name("memory for them"), more as f64 / 1e6, "MB", QUESTIONS as u64));
    Ok(())
}
