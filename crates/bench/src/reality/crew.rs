//! The agents: real processes, one on each host, watched all the time.

use super::ground::{Ground, http_address, peers_address};
use super::observer::{Observer, Owner, Seen};
use crate::http_client::{Connection, request};
use crate::process::Process;
use crate::record::NAMESPACE;
use crate::scratch::Scratch;
use crate::setup::Setup;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use whither_transport::ClusterSecret;

/// How long an agent may take to serve.
const START: Duration = Duration::from_secs(60);
/// How long agents may take to find each other, and one that is back to be found by all.
const MEET: Duration = Duration::from_secs(90);
/// Time between two looks at what an agent knows of the others.
const LOOK: Duration = Duration::from_millis(500);
/// The service whose instances are watched.
const SERVICE: &str = "reality";

/// Agents on their hosts. Ended when dropped.
#[derive(Debug)]
pub(super) struct Crew {
    observer: Observer,
    agents: Vec<Option<Process>>,
    /// What each agent shows of each other's instance.
    board: Vec<Vec<Option<Shown>>>,
    /// The number of the last update.
    updates: u32,
    regions: Vec<String>,
    binary: PathBuf,
    /// Ended after its agents.
    pub(super) ground: Ground,
    scratch: Scratch,
}

#[derive(Clone, Copy, Debug)]
struct Shown {
    number: u32,
    owner: Owner,
}

impl Crew {
    /// Starts an agent on each host, in the region of that number, and waits until all know all.
    pub(super) fn start(setup: &Setup, ground: Ground, regions: Vec<String>) -> Result<Self> {
        let count = ground.len();
        ensure!(regions.len() == count, "there are {count} hosts and {} regions of hosts", regions.len());
        let begun = Instant::now();
        let scratch = Scratch::new(&setup.dir)?;
        ClusterSecret::generate().write_new(scratch.path().join("cluster.secret"))?;
        let mut crew = Self {
            observer: Observer::start(count)?,
            agents: (0..count).map(|_| None).collect(),
            board: vec![vec![None; count]; count],
            updates: 0,
            regions,
            binary: setup.binary()?,
            ground,
            scratch,
        };
        // All start at the same time, and each is waited for after that.
        let processes = (0..count).map(|agent| crew.spawn(agent)).collect::<Result<Vec<_>>>()?;
        for (agent, process) in processes.into_iter().enumerate() {
            crew.take_on(agent, process)?;
        }
        for agent in 0..count {
            crew.update(agent)?;
        }
        crew.await_harmony()?;
        crew.await_regions()?;
        let (seconds, of) = (begun.elapsed().as_secs_f64(), crew.len());
        eprintln!("  {of} agents know all others and their regions {seconds:.1} s after the first was started");
        Ok(crew)
    }

    /// How many agents there are, running or not.
    pub(super) fn len(&self) -> usize {
        self.agents.len()
    }

    /// The processes of those that run.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.agents.iter().flatten().map(|agent| agent.pid()).collect()
    }

    fn spawn(&self, agent: usize) -> Result<Process> {
        let data_dir = self.scratch.path().join(agent.to_string());
        std::fs::create_dir_all(&data_dir).with_context(|| format!("cannot make {}", data_dir.display()))?;
        let mut command = self.ground.command(agent, &self.binary)?;
        // What somebody set for an agent of theirs is not for these.
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("WHITHER_")) {
            command.env_remove(key);
        }
        // Deaths are expected here, and thirty agents would each log each of them.
        command.args(["agent", "--name", &format!("host-{agent}"), "--log-level", "error", "--dns-enabled", "false"]);
        command.args(["--postgres-enabled", "false"]);
        command.arg("--data-dir").arg(&data_dir).arg("--secret-file").arg(self.scratch.path().join("cluster.secret"));
        command.args(["--peers-bind", &peers_address(agent).to_string()]);
        command.args(["--http-bind", &http_address(agent).to_string(), "--region", &self.regions[agent]]);
        for seed in (0..2).filter(|seed| *seed != agent) {
            command.args(["--join", &peers_address(seed).to_string()]);
        }
        Process::start(&mut command, format!("agent {agent}"))
    }

    /// Waits until a process serves, and begins to ask and watch it.
    fn take_on(&mut self, agent: usize, process: Process) -> Result<()> {
        process.ready(START)?;
        self.agents[agent] = Some(process);
        self.board[agent].fill(None);
        self.observer.watch(agent, http_address(agent), &format!("/v1/watch/{NAMESPACE}/{SERVICE}"))
    }

    /// Registers an agent's instance anew. Returns the number of this update, and when it was asked for.
    pub(super) fn update(&mut self, agent: usize) -> Result<(u32, Instant)> {
        self.updates += 1;
        let number = self.updates;
        let path = format!("/v1/services/{NAMESPACE}/{SERVICE}/instances/{agent}");
        let asked = request("PUT", &path, &format!(r#"{{"address":"10.0.0.1","port":8080,"version":"{number}"}}"#));
        // An agent closes connections on which nobody asks for long, so each update has its own.
        let mut http = Connection::open(http_address(agent))?;
        let begun = Instant::now();
        http.exchange(&asked)?;
        Ok((number, begun))
    }

    /// Rows that agents that run have got by anti-entropy since they started.
    pub(super) fn rows_repaired(&self) -> Result<u64> {
        let running = (0..self.len()).filter(|agent| self.agents[*agent].is_some());
        running.map(rows_repaired).sum()
    }

    /// Ends an agent as a power cut would. Returns when.
    pub(super) fn kill(&mut self, agent: usize) -> Result<Instant> {
        let Some(process) = self.agents[agent].take() else { bail!("agent {agent} does not run") };
        let at = Instant::now();
        drop(process);
        self.board[agent].fill(None);
        Ok(at)
    }

    /// Starts an agent that was killed, with what it has on disk, and waits until all know all.
    pub(super) fn restart(&mut self, agent: usize) -> Result<()> {
        let process = self.spawn(agent)?;
        self.take_on(agent, process)?;
        self.update(agent)?;
        self.await_harmony()
    }

    /// What an agent shows next, or `None` if nobody showed anything until then.
    pub(super) fn next(&mut self, until: Instant) -> Result<Option<Seen>> {
        let Some(seen) = self.observer.next(until)? else { return Ok(None) };
        if let Some(place) = self.board.get_mut(seen.agent).and_then(|shows| shows.get_mut(seen.about)) {
            *place = Some(Shown { number: seen.number, owner: seen.owner });
        }
        Ok(Some(seen))
    }

    /// Lets time pass. Returns what was shown meanwhile.
    pub(super) fn wait(&mut self, time: Duration) -> Result<Vec<Seen>> {
        let until = Instant::now() + time;
        let mut all = Vec::new();
        while let Some(seen) = self.next(until)? {
            all.push(seen);
        }
        Ok(all)
    }

    /// Waits until all that run show all that run as alive, with their latest update.
    fn await_harmony(&mut self) -> Result<()> {
        let until = Instant::now() + MEET;
        while let Some((agent, about)) = self.discord() {
            let shown = self.next(until)?;
            ensure!(shown.is_some(), "after {MEET:?} agent {agent} does not show agent {about} as alive");
        }
        Ok(())
    }

    /// Waits until all know in which region all are: news is spread by region, and simulated nodes know theirs from the start.
    fn await_regions(&mut self) -> Result<()> {
        let until = Instant::now() + MEET;
        for agent in 0..self.len() {
            while regions_unknown(agent)? > 0 {
                ensure!(
                    Instant::now() < until,
                    "after {MEET:?} agent {agent} does not know every other agent's region"
                );
                self.wait(LOOK)?;
            }
        }
        Ok(())
    }

    /// Who does not show whom as alive, if anybody.
    fn discord(&self) -> Option<(usize, usize)> {
        let running = |agent: &usize| self.agents[*agent].is_some();
        let knows = |agent: usize, about: usize| {
            let own = self.board[about][about].map(|shown| shown.number);
            self.board[agent][about].is_some_and(|shown| shown.owner == Owner::Alive && Some(shown.number) == own)
        };
        (0..self.len())
            .filter(running)
            .flat_map(|agent| (0..self.len()).filter(running).map(move |about| (agent, about)))
            .find(|(agent, about)| !knows(*agent, *about))
    }
}

#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    region: String,
}

/// How many nodes an agent knows without knowing in which region they are.
fn regions_unknown(agent: usize) -> Result<usize> {
    let mut http = Connection::open(http_address(agent))?;
    let Nodes { nodes } = serde_json::from_slice(http.exchange(&request("GET", "/v1/nodes", ""))?)
        .context("an agent's list of nodes cannot be understood")?;
    Ok(nodes.iter().filter(|node| node.region.is_empty()).count())
}

/// Rows that an agent has got by anti-entropy since it started.
fn rows_repaired(agent: usize) -> Result<u64> {
    let mut http = Connection::open(http_address(agent))?;
    let metrics = String::from_utf8_lossy(http.exchange(&request("GET", "/metrics", ""))?).into_owned();
    let value = metrics.lines().find_map(|line| line.strip_prefix("whither_rows_repaired_total ")?.parse().ok());
    value.context("an agent does not say how many rows were repaired")
}
