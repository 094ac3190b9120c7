//! Agents as processes, on loopback, each with a data directory of its own.

use crate::http_client::{Connection, request};
use crate::http_load::{Extent, Lane, drive, lanes};
use crate::process::Process;
use crate::record::{self, Record};
use crate::scratch::Scratch;
use crate::setup::Setup;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use whither_transport::ClusterSecret;

/// How long an agent may take to serve.
const START: Duration = Duration::from_secs(30);
/// How long members may take to find each other.
const MEET: Duration = Duration::from_secs(30);
/// Time between two looks at whether all have heard.
const LOOK: Duration = Duration::from_millis(2);
/// Registrations in one request when many are made.
pub(crate) const BULK: usize = 500;
/// Connections that register many: as many as an agent reads at the same time.
pub(crate) const BULK_CONNECTIONS: usize = 4;

/// What an agent says when it serves.
#[derive(Clone, Debug, Deserialize)]
struct ReadyLine {
    peers: SocketAddr,
    http: SocketAddr,
    socket: Option<PathBuf>,
    dns: SocketAddr,
    consul: SocketAddr,
}

/// An agent that serves. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Agent {
    process: Process,
    /// Where it keeps its data.
    pub(crate) data_dir: PathBuf,
    /// When it was started.
    pub(crate) started: Instant,
    peers: SocketAddr,
    /// Its HTTP API.
    pub(crate) http: SocketAddr,
    /// The same as a Unix socket; `None` if the path would be too long for one.
    pub(crate) socket: Option<PathBuf>,
    /// Its DNS.
    pub(crate) dns: SocketAddr,
    /// Its Consul API.
    pub(crate) consul: SocketAddr,
}

/// What of an agent's health matters here.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Health {
    /// Instances listed.
    pub(crate) instances: usize,
    nodes: Nodes,
}

#[derive(Clone, Debug, Deserialize)]
struct Nodes {
    alive: usize,
}

impl Health {
    /// How many nodes it believes alive.
    pub(crate) fn alive(&self) -> usize {
        self.nodes.alive
    }
}

impl Agent {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// Asks the agent at `http` how it is until `done` says that it is enough. Returns when it did.
pub(crate) fn await_health(
    http: SocketAddr,
    look: Duration,
    patience: Duration,
    done: impl Fn(&Health) -> bool,
) -> Result<Instant> {
    let mut connection = Connection::open(http)?;
    let (asked, until) = (request("GET", "/v1/health", ""), Instant::now() + patience);
    loop {
        let body = connection.exchange(&asked)?;
        let at = Instant::now();
        let health: Health = serde_json::from_slice(body).context("an agent's health cannot be understood")?;
        if done(&health) {
            return Ok(at);
        }
        if at > until {
            bail!("after {patience:?} an agent lists {} instances, {} nodes", health.instances, health.nodes.alive);
        }
        std::thread::sleep(look);
    }
}

/// Agents that form one cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// In the order they were started. Ended before their directories are removed.
    pub(crate) agents: Vec<Agent>,
    /// How many have been.
    started: usize,
    binary: PathBuf,
    scratch: Scratch,
}

impl Cluster {
    /// Starts `size` agents and waits until each knows all.
    pub(crate) fn start(setup: &Setup, size: usize) -> Result<Self> {
        let scratch = Scratch::new(&setup.dir)?;
        ClusterSecret::generate().write_new(scratch.path().join("cluster.secret"))?;
        let mut cluster = Self { agents: Vec::new(), started: 0, binary: setup.binary()?, scratch };
        for _ in 0..size {
            cluster.add()?;
        }
        cluster.await_members()?;
        Ok(cluster)
    }

    /// Starts one more, with an empty directory. Returns as soon as it serves.
    pub(crate) fn add(&mut self) -> Result<&Agent> {
        self.started += 1;
        let name = format!("bench-{}", self.started);
        let data_dir = self.scratch.path().join(&name);
        std::fs::create_dir(&data_dir).with_context(|| format!("cannot make {}", data_dir.display()))?;
        self.start_at(name, data_dir)?;
        self.agents.last().context("an agent was added")
    }

    fn start_at(&mut self, name: String, data_dir: PathBuf) -> Result<()> {
        let mut command = Command::new(&self.binary);
        // What somebody set for an agent of theirs is not for these.
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("WHITHER_")) {
            command.env_remove(key);
        }
        command.args(["agent", "--name", &name, "--log-level", "warn"]);
        command.arg("--data-dir").arg(&data_dir).arg("--secret-file").arg(self.scratch.path().join("cluster.secret"));
        for flag in ["--peers-bind", "--http-bind", "--dns-bind", "--postgres-bind", "--consul-bind", "--eureka-bind"] {
            command.args([flag, "127.0.0.1:0"]);
        }
        if let Some(first) = self.agents.first() {
            command.args(["--join", &first.peers.to_string()]);
        }
        let started = Instant::now();
        let process = Process::start(&mut command, format!("agent {name}"))?;
        let line = process.ready(START)?;
        let ReadyLine { peers, http, socket, dns, consul } =
            serde_json::from_str(&line).with_context(|| format!("agent {name} is ready in other words: {line:?}"))?;
        self.agents.push(Agent { process, data_dir, started, peers, http, socket, dns, consul });
        Ok(())
    }

    /// Starts an agent that was killed again, with its directory.
    pub(crate) fn bring_back(&mut self, data_dir: PathBuf) -> Result<()> {
        let name = data_dir.file_name().context("a directory of an agent")?.to_string_lossy().into_owned();
        self.start_at(name, data_dir)
    }

    /// Kills all agents and starts the first one again, with its directory and without anybody to join. Returns the time from
    /// its start to its first answer about a service.
    pub(crate) fn restart_alone(&mut self) -> Result<Duration> {
        let data_dir = self.agents.first().context("a cluster has agents")?.data_dir.clone();
        self.agents.clear();
        self.start_at("bench-1".into(), data_dir)?;
        let agent = self.agents.last().context("an agent was added")?;
        let mut connection = Connection::open(agent.http)?;
        let path = format!("/v1/services/{}/{}", record::NAMESPACE, record::service_name(0));
        connection.exchange(&request("GET", &path, ""))?;
        Ok(agent.started.elapsed())
    }

    /// The processes of all agents.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.agents.iter().map(Agent::pid).collect()
    }

    fn await_members(&self) -> Result<()> {
        let all = self.agents.len();
        self.agents
            .iter()
            .try_for_each(|agent| await_health(agent.http, LOOK, MEET, |health| health.nodes.alive >= all).map(drop))
    }

    /// Waits until every agent lists `instances`. Returns when the last one did.
    pub(crate) fn await_instances(&self, instances: usize, patience: Duration) -> Result<Instant> {
        std::thread::scope(|scope| {
            let wait = move |http| await_health(http, LOOK, patience, |health| health.instances >= instances);
            let waiting: Vec<_> =
                self.agents.iter().map(|agent| agent.http).map(|http| scope.spawn(move || wait(http))).collect();
            let mut last = Instant::now();
            for waiting in waiting {
                last = last.max(waiting.join().map_err(|_| anyhow::anyhow!("a waiting thread panicked"))??);
            }
            Ok(last)
        })
    }

    /// Registers `records` in bulk, evenly over all agents, and waits until all have them.
    pub(crate) fn fill(&self, records: &[Record], patience: Duration) -> Result<()> {
        let share = records.len().div_ceil(self.agents.len()).max(1);
        let all: Vec<Lane> = self
            .agents
            .iter()
            .zip(records.chunks(share))
            .flat_map(|(agent, own)| lanes(agent.http, own.chunks(BULK).map(|part| record::post(part, "")), 1, 1))
            .collect();
        drive(&all, Extent::Once)?;
        self.await_instances(records.len(), patience).map(drop)
    }
}
