//! Consul's API: health of a service, many blocked watchers, and from a registration to a blocked query elsewhere.
//!
//! The peer is Consul 1.8.7 on a machine with two cores; its measurement is not repeated here.

use super::Benchmark;
use crate::cluster::Cluster;
use crate::http_client::request;
use crate::http_load::{redirected, same};
use crate::limit::{Kind, Server};
use crate::report::{Measure, Report};
use crate::sample::Sample;
use crate::setup::Setup;
use crate::speed;
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What this file measures.
pub(super) const BENCHMARK: Benchmark = Benchmark {
    name: "consul",
    about: "Consul's API: /v1/health/service per CPU-second, 4 000 blocked watchers, a registration to a blocked query elsewhere",
    run,
};

/// Instances of the services that are asked for, and how many answers the peer gives per CPU-second.
const SIZES: [(usize, f64); 2] = [(1, 4_092.0), (100, 132.0)];
/// Blocked queries of one service.
const WATCHERS: usize = 4_000;
/// Changes that all of them are told.
const ROUNDS: usize = 5;
/// Registrations that one blocked query at another agent is told.
const REGISTRATIONS: usize = 300;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let cluster = Cluster::start(setup, 2)?;
    let (here, there) = (cluster.agents[0].consul, cluster.agents[1].consul);
    let mut writer = Asker::open(here)?;
    for (service, (size, _)) in SIZES.iter().enumerate() {
        for instance in 0..*size {
            let body = format!(
                "{{\"Name\":\"bench-{service}\",\"ID\":\"bench-{service}-{instance}\",\"Address\":\"10.0.{service}.{instance}\",\"Port\":8080,\
                 \"Tags\":[\"v1\",\"primary\"],\"Meta\":{{\"version\":\"1\"}},\"Check\":{{\"TTL\":\"3600s\",\"Status\":\"passing\"}}}}"
            );
            writer.ask("PUT", "/v1/agent/service/register", &body)?;
        }
    }
    let agent = &cluster.agents[0];
    for (service, (size, peer)) in SIZES.into_iter().enumerate() {
        let path = format!("/v1/health/service/bench-{service}");
        let body = writer.ask("GET", &path, "")?.1.len();
        let echo = Server::start(Kind::Http, body)?;
        let lanes = same(here, &request("GET", &path, ""), setup.connections(), setup.pipeline());
        let limit_lanes = redirected(&lanes, echo.address);
        let (own, limit) = speed::in_turns(
            setup.phase(),
            |turn| speed::of_http(&lanes, agent.pid(), turn),
            |turn| speed::of_http(&limit_lanes, echo.pid(), turn),
        )?;
        let name = format!("/v1/health/service, {size} instances, {body} bytes: per CPU-second");
        report.add(
            Measure::higher(name, own.per_cpu_second(), "1/s", own.done).against(limit.per_cpu_second()).beside(peer),
        );
    }
    let took = watched(&mut writer, there)?;
    let name = format!("{WATCHERS} blocked queries of one service at another agent: until the last is told");
    report.add(Measure::lower(name, took.percentile(50.0) / 1e3, "ms", took.len() as u64).beside(446.0));
    let took = blocked(&mut writer, there, setup.n_or(REGISTRATIONS))?;
    for (which, percent) in [("p50", 50.0), ("p99", 99.0)] {
        let name = format!("registration to a blocked query at another agent {which}");
        let measure = Measure::lower(name, took.percentile(percent) / 1e3, "ms", took.len() as u64);
        report.add(if which == "p50" { measure.beside(14.7) } else { measure });
    }
    Ok(())
}

/// How long until the last of many blocked queries is answered, from the request that causes it.
fn watched(writer: &mut Asker, there: SocketAddr) -> Result<Sample> {
    let mut watchers: Vec<Asker> = (0..WATCHERS).map(|_| Asker::open(there)).collect::<Result<_>>()?;
    let path = "/v1/health/service/watched";
    let mut took = Vec::new();
    for round in 0..=ROUNDS {
        let (index, _) = watchers[0].ask("GET", path, "")?;
        let blocking = format!("{path}?index={index}&wait=60s");
        for watcher in &mut watchers {
            watcher.send("GET", &blocking, "")?;
        }
        // All of them wait once the last one that asked does: it was read last.
        std::thread::sleep(Duration::from_millis(500));
        let began = Instant::now();
        writer.ask(
            "PUT",
            "/v1/agent/service/register",
            &format!("{{\"Name\":\"watched\",\"Port\":{}}}", 1_000 + round),
        )?;
        for watcher in &mut watchers {
            let (now, _) = watcher.receive()?;
            ensure!(now > index, "a watcher was told nothing new");
        }
        // The first round only opens what is opened once.
        if round > 0 {
            took.push(began.elapsed());
        }
    }
    Ok(Sample::micros(took))
}

/// How long from a registration at one agent until a blocked query at another is answered.
fn blocked(writer: &mut Asker, there: SocketAddr, registrations: usize) -> Result<Sample> {
    let mut watcher = Asker::open(there)?;
    let path = "/v1/health/service/blocked";
    let (mut index, _) = watcher.ask("GET", path, "")?;
    let mut took = Vec::with_capacity(registrations);
    for number in 0..registrations {
        watcher.send("GET", &format!("{path}?index={index}&wait=60s"), "")?;
        std::thread::sleep(Duration::from_millis(5));
        let began = Instant::now();
        writer.send(
            "PUT",
            "/v1/agent/service/register",
            &format!("{{\"Name\":\"blocked\",\"Port\":{}}}", 1_000 + number),
        )?;
        index = watcher.receive()?.0;
        took.push(began.elapsed());
        writer.receive()?;
    }
    Ok(Sample::micros(took))
}

/// A connection to Consul's API that reads the index of answers.
struct Asker(BufReader<TcpStream>);

impl Asker {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::with_capacity(1_024, stream)))
    }

    fn send(&mut self, method: &str, path: &str, body: &str) -> Result<()> {
        Ok(self.0.get_mut().write_all(&request(method, path, body))?)
    }

    /// The index of the next answer, 0 if it has none, and its body.
    fn receive(&mut self) -> Result<(u64, Vec<u8>)> {
        let (mut index, mut length, mut first) = (0, 0, String::new());
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            match line.split_once(": ") {
                Some(("x-consul-index", value)) => index = value.parse()?,
                Some(("content-length", value)) => length = value.parse()?,
                Some(_) => {}
                None => first = line.to_owned(),
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        ensure!(first.contains(" 200 "), "refused: {first}: {}", String::from_utf8_lossy(&body));
        Ok((index, body))
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<(u64, Vec<u8>)> {
        self.send(method, path, body)?;
        self.receive()
    }
}
