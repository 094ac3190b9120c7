//! How soon the others know: of a dead agent, of thirty thousand dead instances; and what leases cost that must not run out.

use super::Benchmark;
use super::session::open_session;
use crate::cluster::{Agent, Cluster, await_health};
use crate::http_client::{Connection, request};
use crate::proc_stat::CpuMeter;
use crate::record::{NAMESPACE, Record, array, grid, post};
use crate::report::{Measure, Report};
use crate::sample::Sample;
use crate::setup::Setup;
use crate::watch_stream::{self, WatchStream};
use anyhow::{Context, Result, anyhow, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What this file measures.
pub(super) const BENCHMARK: Benchmark = Benchmark {
    name: "death",
    about: "kill -9 of an agent; a third of 100 000 instances dead at once; 100 000 leases of 200 ms; a cold start",
    run,
};

/// Agents killed, one after the other.
const KILLS: usize = 10;
/// Instances, where there are many.
const MANY: usize = 100_000;
/// Of each service.
const PER_SERVICE: usize = 100;
/// Sessions that hold the instances that die together.
const SESSIONS: usize = 60;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);
/// The leases.
const LEASE: Duration = Duration::from_millis(200);
/// How often each is renewed.
const RENEWED_EVERY: Duration = Duration::from_millis(130);
/// What is going on while leases are renewed.
const PREPARING: u8 = 0;
/// It is measured.
const MEASURING: u8 = 1;
/// That was all.
const DONE: u8 = 2;
/// Renewals in one request.
const RENEWALS: usize = 2_000;

fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    agents(setup, report)?;
    many_at_once(setup, report)?;
    leases(setup, report)?;
    cold_start(setup, report)
}

#[derive(Deserialize)]
struct Changed {
    id: String,
    status: String,
}

/// Kills an agent, and takes the time until the others hand its instance out no more.
fn agents(setup: &Setup, report: &mut Report) -> Result<()> {
    let mut cluster = Cluster::start(setup, 4)?;
    let mut taken = Vec::new();
    for number in 0..KILLS.min(setup.n_or(KILLS)) {
        let victim = cluster.agents.pop().context("four agents")?;
        let id = format!("victim-{number}");
        let path = format!("/v1/services/{NAMESPACE}/death/instances/{id}");
        let body = format!(r#"{{"address":"10.1.0.{}","port":8080}}"#, number + 1);
        Connection::open(victim.http)?.exchange(&request("PUT", &path, &body))?;
        let watches: Vec<WatchStream> = cluster
            .agents
            .iter()
            .map(|agent| WatchStream::open(agent.http, &format!("/v1/watch/{NAMESPACE}/death")))
            .collect::<Result<_>>()?;
        // Long enough for probes to have gone round: a member that was met just now is not the usual case.
        thread::sleep(Duration::from_secs(2));
        let data_dir = victim.data_dir.clone();
        let begun = Instant::now();
        drop(victim);
        for watch in &watches {
            taken.push(arrival(watch, &id, "lost")? - begun);
        }
        cluster.bring_back(data_dir)?;
        let present = cluster.agents.len();
        cluster.agents.iter().try_for_each(|agent| {
            await_health(agent.http, LOOK, PATIENCE, |health| health.alive() >= present).map(drop)
        })?;
    }
    let taken = Sample::micros(taken);
    for (which, percent) in [("p50", 50.0), ("max", 100.0)] {
        let name = format!("kill -9 of an agent to its instance lost elsewhere {which}");
        report.add(Measure::lower(name, taken.percentile(percent) / 1e6, "s", taken.len() as u64));
    }
    Ok(())
}

fn arrival(watch: &WatchStream, id: &str, status: &str) -> Result<Instant> {
    let says = |line: &[u8]| {
        let changed: Vec<Changed> = watch_stream::changed(line)?;
        Ok(changed.iter().any(|one| one.id == id && one.status == status))
    };
    watch.await_line(PATIENCE, says)?.ok_or_else(|| anyhow!("no event says that {id} is {status}"))
}

/// How many instances have this status, in an agent's eyes.
fn count(connection: &mut Connection, status: &str) -> Result<usize> {
    #[derive(Deserialize)]
    struct Status {
        instances: BTreeMap<String, usize>,
    }
    let told: Status = serde_json::from_slice(connection.exchange(&request("GET", "/v1/status", ""))?)?;
    Ok(told.instances.get(status).copied().unwrap_or(0))
}

/// Sessions that hold a third of all instances end in one moment.
fn many_at_once(setup: &Setup, report: &mut Report) -> Result<()> {
    let cluster = Cluster::start(setup, 3)?;
    let all = setup.n_or(MANY);
    let dying = all * 3 / 10;
    let records: Vec<Record> = grid(all.div_ceil(PER_SERVICE), PER_SERVICE).take(all).collect();
    let (doomed, living) = records.split_at(dying);
    cluster.fill(living, PATIENCE)?;
    let share = doomed.len().div_ceil(SESSIONS);
    let sessions: Vec<TcpStream> = doomed
        .chunks(share)
        .enumerate()
        .map(|(at, part)| hold(&cluster.agents[at % 3], part))
        .collect::<Result<_>>()?;
    cluster.await_instances(all, PATIENCE)?;
    let begun = Instant::now();
    sessions.iter().for_each(|session| drop(session.shutdown(Shutdown::Both)));
    let mut last = begun;
    for agent in &cluster.agents {
        let until = Instant::now() + PATIENCE;
        let mut connection = Connection::open(agent.http)?;
        while count(&mut connection, "critical")? < dying {
            ensure!(Instant::now() < until, "not all nodes heard of {dying} deaths");
            thread::sleep(LOOK);
        }
        last = last.max(Instant::now());
    }
    let name = format!("{dying} of {all} instances dead at once, until every node is right");
    report.add(Measure::lower(name, (last - begun).as_secs_f64(), "s", dying as u64));
    Ok(())
}

/// Opens a session that holds these.
fn hold(agent: &Agent, records: &[Record]) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(agent.http)?;
    open_session(&mut stream, &array(records))?;
    Ok(stream)
}

/// Renews many short leases in time, and sees what that costs the agent and whether any ran out.
fn leases(setup: &Setup, report: &mut Report) -> Result<()> {
    let cluster = Cluster::start(setup, 1)?;
    let all = setup.n_or(MANY);
    let records: Vec<Record> = grid(all.div_ceil(PER_SERVICE), PER_SERVICE)
        .take(all)
        .map(|record| Record { lease: Some(Duration::from_secs(60)), ..record })
        .collect();
    cluster.fill(&records, PATIENCE)?;
    let agent = &cluster.agents[0];
    let renewals: Vec<Vec<u8>> = records.chunks(RENEWALS).map(renewal).collect();
    // Each lane renews its part in time, from now on; then the leases become short, and then it is measured.
    let stage = AtomicU8::new(PREPARING);
    let lanes = 4;
    let (late, cpu, seconds, counted) = thread::scope(|scope| -> Result<(usize, f64, f64, u64)> {
        let lane = |lane: usize| {
            let own: Vec<&Vec<u8>> = renewals.iter().skip(lane).step_by(lanes).collect();
            let http = agent.http;
            let stage = &stage;
            scope.spawn(move || keep_renewing(http, &own, stage))
        };
        let lanes: Vec<_> = (0..lanes).map(lane).collect();
        let short: Vec<Record> = records.iter().map(|record| Record { lease: Some(LEASE), ..*record }).collect();
        let mut connection = Connection::open(agent.http)?;
        for part in short.chunks(500) {
            connection.exchange(&post(part, ""))?;
        }
        let before = counters(agent.http)?;
        let meter = CpuMeter::start([agent.pid()])?;
        let measured = Instant::now();
        stage.store(MEASURING, Ordering::Relaxed);
        thread::sleep(setup.phase() * 3);
        let (seconds, cpu) = (measured.elapsed().as_secs_f64(), meter.seconds()?);
        let after = counters(agent.http)?;
        stage.store(DONE, Ordering::Relaxed);
        let mut late = 0;
        for lane in lanes {
            late += lane.join().map_err(|_| anyhow!("a lane panicked"))??;
        }
        Ok((late, cpu, seconds, after - before))
    })?;
    report.add(Measure::lower(
        format!("{all} leases of 200 ms: processors of the agent"),
        cpu / seconds,
        "cores",
        all as u64,
    ));
    report.add(Measure::lower("leases that ran out", counted as f64, "", all as u64));
    report.add(Measure::lower("rounds of this program that came late", late as f64, "", all as u64));
    Ok(())
}

fn renewal(records: &[Record]) -> Vec<u8> {
    let pairs: Vec<String> = records
        .iter()
        .map(|record| format!(r#"["{NAMESPACE}/{}","{}"]"#, crate::record::service_name(record.service), record.id()))
        .collect();
    request("POST", "/v1/renewals", &format!("[{}]", pairs.join(",")))
}

/// Sends all requests every [`RENEWED_EVERY`]. Returns how many rounds, while it was measured, took so long that a lease could have run out.
fn keep_renewing(http: SocketAddr, requests: &[&Vec<u8>], stage: &AtomicU8) -> Result<usize> {
    let mut connection = Connection::open(http)?;
    let mut late = 0;
    let mut next = Instant::now();
    while stage.load(Ordering::Relaxed) != DONE {
        let round = Instant::now();
        for request in requests {
            connection.exchange(request)?;
        }
        let measuring = stage.load(Ordering::Relaxed) == MEASURING;
        late += usize::from(measuring && round.elapsed() > LEASE - RENEWED_EVERY);
        next += RENEWED_EVERY;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(late)
}

/// Leases that ran out, or were kept although they did.
fn counters(http: SocketAddr) -> Result<u64> {
    let mut connection = Connection::open(http)?;
    let text = String::from_utf8(connection.exchange(&request("GET", "/metrics", ""))?.to_vec())?;
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("whither_{name} ")));
        line.and_then(|line| line.split(' ').nth(1)?.parse::<f64>().ok()).unwrap_or(0.0)
    };
    Ok((value("leases_expired_total") + value("leases_held_total")) as u64)
}

/// Kills the only agent of a full cluster and starts it again with nobody there.
fn cold_start(setup: &Setup, report: &mut Report) -> Result<()> {
    for all in [10_000, setup.n_or(MANY)] {
        let mut cluster = Cluster::start(setup, 2)?;
        let records: Vec<Record> = grid(all.div_ceil(PER_SERVICE), PER_SERVICE).take(all).collect();
        cluster.fill(&records, PATIENCE)?;
        // Durable, and out of the log.
        thread::sleep(Duration::from_secs(1));
        let restarted = cluster.restart_alone()?;
        let name = format!("cold start without peers, {all} instances: from exec to the first answer");
        report.add(Measure::lower(name, restarted.as_secs_f64() * 1e3, "ms", all as u64));
    }
    Ok(())
}
