//! Who plays in a story: agents, and servers under `whither run`. Each is a process, and ends with its handle.

use super::serve::{READY, SERVING};
use super::stage::{Place, SOON, Stage};
use crate::agent_api::{AgentAddress, AgentApi, ApiError, Method, Target};
use anyhow::{Context, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// How long a server may take to end when its story does.
const FAREWELL: Duration = Duration::from_secs(3);
/// Between two looks whether it has.
const LOOK: Duration = Duration::from_millis(5);
/// Longest line that is read of a process.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// A process that does not outlive its handle.
struct Process(Child);

impl Process {
    /// Starts it in a process group of its own.
    fn spawn(command: &mut Command, what: &str) -> anyhow::Result<Self> {
        command.process_group(0).spawn().map(Self).with_context(|| format!("{what} cannot be started"))
    }

    fn signal(&self, signal: Signal) {
        // Fails only if it has ended and was waited for.
        let _ = kill_process(Pid::from_child(&self.0), signal);
    }

    /// What follows `word` on the first line of its output that begins so.
    fn first(&mut self, word: &'static str) -> anyhow::Result<Receiver<String>> {
        let output = self.0.stdout.take().context("its output is not piped")?;
        let (tell, said) = sync_channel(1);
        std::thread::Builder::new().name("listening".into()).spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = String::new();
            loop {
                line.clear();
                match (&mut output).take(LINE_BYTES_MAX).read_line(&mut line) {
                    Ok(0) | Err(_) => return,
                    // Nobody listens after the first; reading on keeps the pipe from filling up.
                    Ok(_) => drop(line.trim_end().strip_prefix(word).map(|said| tell.try_send(said.to_owned()))),
                }
            }
        })?;
        Ok(said)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only for one that has been waited for already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Waits for what a process says first.
fn await_word(stage: &Stage, said: &Receiver<String>, what: &str, log: &std::path::Path) -> anyhow::Result<String> {
    let until = Instant::now() + SOON;
    loop {
        stage.goes_on()?;
        match said.recv_timeout(Duration::from_millis(50)) {
            Ok(said) => return Ok(said),
            Err(RecvTimeoutError::Timeout) if Instant::now() < until => {}
            Err(_) => {
                let log = std::fs::read_to_string(log).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(3).collect();
                bail!("{what} did not begin; it says: {}", last.into_iter().rev().collect::<Vec<_>>().join(" / "));
            }
        }
    }
}

/// An agent, running or not.
pub(crate) struct Agent {
    pub(crate) name: String,
    /// Where it is asked, in every run.
    door: Place,
    api: AgentApi,
    /// Where its peers reach it; the same in every run once known.
    peers: Option<SocketAddr>,
    join: Option<SocketAddr>,
    running: Option<(Process, SocketAddr)>,
    begun: Option<Receiver<String>>,
    log: PathBuf,
}

#[derive(Deserialize)]
struct Ready {
    peers: SocketAddr,
    dns: SocketAddr,
}

impl Agent {
    /// One that is not running, and that will look for its cluster at `join`.
    pub(crate) fn new(stage: &Stage, name: &str, join: Option<SocketAddr>) -> anyhow::Result<Self> {
        let door = Place::anywhere()?;
        let api = AgentApi::new(AgentAddress::Port(door.address().to_string()));
        let log = stage.folder().join(format!("{name}.log"));
        Ok(Self { name: name.to_owned(), door, api, peers: None, join, running: None, begun: None, log })
    }

    /// Begins to start it; [`Agent::await_ready`] follows.
    pub(crate) fn begin(&mut self, stage: &Stage) -> anyhow::Result<()> {
        let http = self.http().to_string();
        let mut command = stage.command(&["agent", "--name", &self.name, "--http-bind", &http]);
        command.arg("--data-dir").arg(stage.folder().join(&self.name)).arg("--secret-file").arg(stage.secret());
        let peers = self.peers.map_or_else(|| "127.0.0.1:0".to_owned(), |peers| peers.to_string());
        command.args(["--peers-bind", &peers, "--dns-bind", "127.0.0.1:0", "--dns-workers", "1"]);
        command.args(["--postgres-enabled", "false"]);
        if let Some(join) = self.join {
            command.args(["--join", &join.to_string()]);
        }
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut process = Process::spawn(command.stdout(Stdio::piped()).stderr(log), &self.name)?;
        self.begun = Some(process.first("ready ")?);
        self.running = Some((process, SocketAddr::from(([127, 0, 0, 1], 0))));
        Ok(())
    }

    /// Waits until it serves.
    pub(crate) fn await_ready(&mut self, stage: &Stage) -> anyhow::Result<()> {
        let begun = self.begun.take().with_context(|| format!("{} was not started", self.name))?;
        let ready = await_word(stage, &begun, &self.name, &self.log)?;
        let ready: Ready = serde_json::from_str(&ready).with_context(|| format!("{} says odd things", self.name))?;
        self.peers = Some(ready.peers);
        if let Some((_, dns)) = &mut self.running {
            *dns = ready.dns;
        }
        Ok(())
    }

    /// Starts it and waits until it serves.
    pub(crate) fn start(&mut self, stage: &Stage) -> anyhow::Result<()> {
        self.begin(stage)?;
        self.await_ready(stage)
    }

    /// Where its API is.
    pub(crate) const fn http(&self) -> SocketAddr {
        self.door.address()
    }

    /// Where it answers DNS.
    pub(crate) fn dns(&self) -> anyhow::Result<SocketAddr> {
        self.running.as_ref().map(|(_, dns)| *dns).with_context(|| format!("{} does not run", self.name))
    }

    /// Its API.
    pub(crate) const fn api(&self) -> &AgentApi {
        &self.api
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.running = None;
    }

    /// Sends it a signal, if it runs.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some((process, _)) = &self.running {
            process.signal(signal);
        }
    }

    /// What it answers to a question, as JSON.
    pub(crate) fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.api.ask::<Value>(Method::Get, &Target::new(path), None).map(|answer| answer.value)
    }

    /// A service, with all of its instances; null if it is unknown or the agent does not answer.
    pub(crate) fn service(&self, service: &str) -> Value {
        self.get(&format!("/v1/services/{service}?all=true")).unwrap_or_default()
    }

    /// One of its counters; `None` if it does not say.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let text = self.api.send(Method::Get, &Target::new("/metrics"), None).ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// What it believes of the node of this name; empty if it knows of none.
    pub(crate) fn state_of(&self, name: &str) -> String {
        let nodes = self.get("/v1/nodes").unwrap_or_default();
        let mut nodes = list(&nodes["nodes"]).iter();
        nodes.find(|node| node["name"] == name).map(|node| text(&node["state"]).to_owned()).unwrap_or_default()
    }
}

/// Agents `a-1` and so on that all know each other.
pub(crate) fn agents(stage: &Stage, count: usize) -> anyhow::Result<Vec<Agent>> {
    let mut first = Agent::new(stage, "a-1", None)?;
    first.start(stage)?;
    let join = first.peers;
    let mut agents = vec![first];
    for number in 2..=count {
        agents.push(Agent::new(stage, &format!("a-{number}"), join)?);
    }
    for agent in agents.iter_mut().skip(1) {
        agent.begin(stage)?;
    }
    for agent in agents.iter_mut().skip(1) {
        agent.await_ready(stage)?;
    }
    await_all_alive(stage, &agents)?;
    Ok(agents)
}

/// Waits until each believes all of them alive.
pub(crate) fn await_all_alive(stage: &Stage, agents: &[Agent]) -> anyhow::Result<()> {
    for agent in agents {
        stage.until(&format!("{} knows that all {} are alive", agent.name, agents.len()), SOON, || {
            let nodes = agent.get("/v1/nodes").map_err(|error| error.to_string())?;
            let is_alive =
                |name: &str| list(&nodes["nodes"]).iter().any(|one| one["name"] == name && one["state"] == "alive");
            if agents.iter().all(|other| is_alive(&other.name)) { Ok(()) } else { Err(nodes["nodes"].to_string()) }
        })?;
    }
    Ok(())
}

/// Who a server is.
#[derive(Clone, Debug)]
pub(crate) struct Role<'a> {
    /// Its service.
    pub(crate) service: &'a str,
    /// Which instance of it.
    pub(crate) id: &'a str,
    /// What it answers with.
    pub(crate) name: &'a str,
    /// Where it listens.
    pub(crate) at: SocketAddr,
    /// What else `whither run` is told.
    pub(crate) options: &'a [&'a str],
}

/// A server and the `whither run` around it.
pub(crate) struct Server {
    run: Process,
    /// Closed when dropped, upon which the server ends.
    input: Option<ChildStdin>,
    pid: Pid,
    id: String,
}

impl Server {
    /// Starts it with `agent`, and waits until it listens; it is up a while after.
    pub(crate) fn start(stage: &Stage, agent: &Agent, role: &Role<'_>) -> anyhow::Result<Self> {
        let (door, address, at) = (agent.http().to_string(), role.at.ip().to_string(), role.at.to_string());
        let mut command = stage.command(&["run", "--agent", &door, "--service", role.service, "--id", role.id]);
        command.args(["--address", &address, "--port", &role.at.port().to_string()]);
        command.args(["--check", &format!("http:{READY}")]).args(role.options).arg("--").arg(stage.program());
        command.args(["story", "serve", "--name", role.name, "--bind", &at]);
        let log = stage.folder().join(format!("{}.log", role.id));
        let words = File::options().create(true).append(true).open(&log)?;
        let mut run = Process::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(words), role.id)?;
        let input = run.0.stdin.take();
        let said = run.first(SERVING)?;
        let pid = await_word(stage, &said, role.id, &log)?;
        let pid = pid.parse().ok().and_then(Pid::from_raw).ok_or_else(|| anyhow!("no process id: {pid:?}"))?;
        Ok(Self { run, input, pid, id: role.id.to_owned() })
    }

    /// Kills the server itself, as `kill -9` would; `whither run` sees it.
    pub(crate) fn kill(&self) {
        // As long as `run` has not seen its end, this process id is nobody else's.
        let _ = kill_process(self.pid, Signal::KILL);
    }

    /// Asks `whither run` to stop it.
    pub(crate) fn stop(&self) {
        self.run.signal(Signal::TERM);
    }

    /// Waits until `whither run` has ended, and the server with it.
    pub(crate) fn await_end(&mut self, stage: &Stage) -> anyhow::Result<ExitStatus> {
        let run = &mut self.run.0;
        stage.until(&format!("{} ends", self.id), SOON + SOON, || match run.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("it runs".to_owned()),
            Err(error) => Err(error.to_string()),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.input = None;
        let until = Instant::now() + FAREWELL;
        // `run` ends after its server, and takes it out of the catalog. Whoever does not is killed.
        while matches!(self.run.0.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(LOOK);
        }
    }
}

/// The elements of an array; none of anything else.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text; empty for anything else.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether a service has this instance, in this status.
pub(crate) fn has(service: &Value, id: &str, status: &str) -> bool {
    list(&service["instances"]).iter().any(|one| one["id"] == id && one["status"] == status)
}

/// Waits until every one of `agents` gives callers the instance `id`.
pub(crate) fn await_up(stage: &Stage, agents: &[Agent], service: &str, id: &str, at: SocketAddr) -> anyhow::Result<()> {
    for agent in agents {
        stage.until(&format!("{} has {id} of {service} up", agent.name), SOON, || {
            let seen = agent.service(service);
            let is_here =
                |one: &Value| one["id"] == id && one["status"] == "passing" && one["address"] == at.ip().to_string();
            list(&seen["instances"]).iter().any(is_here).then_some(()).ok_or_else(|| seen.to_string())
        })?;
    }
    Ok(())
}
