//! One agent: its process, and questions to it.

use super::http::{Answer, exchange};
use super::{SOON, eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Lines of an agent's log that are shown when a test fails.
const LOG_LINES_SHOWN: usize = 60;

/// An agent, running or not. Killed when dropped; its log is shown if that is because a test failed.
pub(crate) struct Agent {
    name: String,
    dir: PathBuf,
    secret: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    /// Where peers reach it; the same in every run once known.
    peers: Option<SocketAddr>,
    running: Option<Running>,
}

struct Running {
    process: Process,
    node: String,
    /// Not with `--http-enabled false`.
    http: Option<SocketAddr>,
    socket: Option<PathBuf>,
    dns: SocketAddr,
    /// Not with `--postgres-enabled false`.
    postgres: Option<SocketAddr>,
    /// Not with `--consul-enabled false`.
    consul: Option<SocketAddr>,
    /// Not with `--eureka-enabled false`.
    eureka: Option<SocketAddr>,
}

/// The program, with none of what somebody set for an agent of theirs.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whither"));
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("WHITHER_")) {
        command.env_remove(key);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command that must refuse. Returns its exit code and what it says.
#[track_caller]
pub(crate) fn refused(command: &mut Command) -> (i32, String) {
    let mut process = Process::spawn(command.stdout(Stdio::null()).stderr(Stdio::piped()));
    let ended = process.await_end("it refuses", SOON);
    let words = process.0.stderr.take().expect("its words are piped");
    let said = std::io::read_to_string(words).expect("its words are text");
    let code = ended.code().unwrap_or_else(|| panic!("it ended by a signal ({ended}): {said}"));
    assert_ne!(code, 0, "it should have refused: {said}");
    (code, said)
}

/// A process that does not outlive its handle.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().expect("the program runs"))
    }

    #[track_caller]
    pub(crate) fn await_end(&mut self, what: &str, within: Duration) -> ExitStatus {
        eventually(what, within, || {
            self.0.try_wait().expect("a child can be waited for").ok_or_else(|| "it runs".to_owned())
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only for one that has been waited for already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Agent {
    /// An agent that is not running.
    pub(crate) fn new(name: &str, dir: &Path, secret: &Path) -> Self {
        Self {
            name: name.to_owned(),
            dir: dir.to_owned(),
            secret: secret.to_owned(),
            arguments: Vec::new(),
            log: secret.with_file_name(format!("{name}.log")),
            peers: None,
            running: None,
        }
    }

    /// Adds to its arguments.
    pub(crate) fn argue(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    }

    /// The command that runs it.
    pub(crate) fn command(&self) -> Command {
        let mut command = command(&["agent", "--name", &self.name, "--log-level", "info"]);
        command.arg("--data-dir").arg(&self.dir).arg("--secret-file").arg(&self.secret);
        let peers = self.peers.map_or_else(|| "127.0.0.1:0".to_owned(), |peers| peers.to_string());
        command.args(["--peers-bind", &peers]).args(&self.arguments);
        for flag in ["--http-bind", "--dns-bind", "--postgres-bind", "--consul-bind", "--eureka-bind"]
            .iter()
            .filter(|flag| !self.arguments.iter().any(|one| one == *flag))
        {
            command.args([*flag, "127.0.0.1:0"]);
        }
        command
    }

    /// Starts it and waits until it serves.
    #[track_caller]
    pub(crate) fn start(&mut self) {
        let (process, ready) = self.spawn();
        match ready.recv_timeout(SOON) {
            Ok(said) => self.take_in(process, &said),
            Err(_) => panic!("agent {} did not become ready", self.name),
        }
    }

    /// Starts it and waits until it ends by itself, which it must with a failure. Returns its exit code.
    #[track_caller]
    pub(crate) fn start_in_vain(&mut self) -> i32 {
        let (mut process, _ready) = self.spawn();
        let ended = process.await_end(&format!("agent {} refuses to go on", self.name), SOON);
        ended.code().unwrap_or_else(|| panic!("agent {} ended by a signal ({ended}):\n{}", self.name, self.log()))
    }

    /// Begins to start it, and kills it after `moment`, wherever it has got to.
    pub(crate) fn start_and_kill(&mut self, moment: Duration) {
        let (process, ready) = self.spawn();
        // Whether it is ready by then does not matter: that is the point.
        drop(ready.recv_timeout(moment));
        drop(process);
    }

    fn spawn(&self) -> (Process, mpsc::Receiver<String>) {
        assert!(self.running.is_none(), "{} runs already", self.name);
        let log = File::options().create(true).append(true).open(&self.log).expect("a log file");
        let mut process = Process::spawn(self.command().stdout(Stdio::piped()).stderr(log));
        let (tell, ready) = mpsc::channel();
        let output = process.0.stdout.take().expect("its output is piped");
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Nobody listens any more once it was ready; reading on keeps the pipe from filling up.
                drop(line.strip_prefix("ready ").map(|said| tell.send(said.to_owned())));
            }
        });
        (process, ready)
    }

    fn take_in(&mut self, process: Process, said: &str) {
        let ready: Value = serde_json::from_str(said).expect("the ready line is JSON");
        assert_eq!(ready["name"], *self.name);
        let address = |key: &str| -> SocketAddr {
            ready[key].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {key} in {ready}"))
        };
        let peers = address("peers");
        assert!(self.peers.is_none_or(|before| before == peers), "it came back elsewhere: {ready}");
        self.peers = Some(peers);
        let node = ready["node"].as_str().expect("a node id").to_owned();
        let http = (!ready["http"].is_null()).then(|| address("http"));
        let socket = ready["socket"].as_str().map(PathBuf::from);
        let postgres = (!ready["postgres"].is_null()).then(|| address("postgres"));
        let consul = (!ready["consul"].is_null()).then(|| address("consul"));
        let eureka = (!ready["eureka"].is_null()).then(|| address("eureka"));
        self.running = Some(Running { process, node, http, socket, dns: address("dns"), postgres, consul, eureka });
    }

    /// Where it speaks Eureka's API.
    #[track_caller]
    pub(crate) fn eureka(&self) -> SocketAddr {
        self.run().eureka.expect("it speaks Eureka's API")
    }

    /// Where it speaks Consul's API.
    #[track_caller]
    pub(crate) fn consul(&self) -> SocketAddr {
        self.run().consul.expect("it speaks Consul's API")
    }

    /// Where it speaks PostgreSQL's protocol.
    #[track_caller]
    pub(crate) fn postgres(&self) -> SocketAddr {
        self.run().postgres.expect("it speaks PostgreSQL's protocol")
    }

    #[track_caller]
    fn run(&self) -> &Running {
        self.running.as_ref().unwrap_or_else(|| panic!("{} does not run", self.name))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Its data directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its process id.
    #[track_caller]
    pub(crate) fn pid(&self) -> u32 {
        self.run().process.0.id()
    }

    /// Its node id.
    #[track_caller]
    pub(crate) fn node(&self) -> &str {
        &self.run().node
    }

    /// Where peers reach it, also while it does not run.
    #[track_caller]
    pub(crate) fn peers(&self) -> SocketAddr {
        self.peers.unwrap_or_else(|| panic!("{} never ran", self.name))
    }

    #[track_caller]
    pub(crate) fn http(&self) -> SocketAddr {
        self.run().http.unwrap_or_else(|| panic!("{} has no port for HTTP", self.name))
    }

    /// Its Unix socket, if it has one.
    #[track_caller]
    pub(crate) fn socket(&self) -> Option<&Path> {
        self.run().socket.as_deref()
    }

    /// What `--agent` is told: its port, or without one its socket.
    #[track_caller]
    pub(crate) fn door(&self) -> String {
        match (self.run().http, self.socket()) {
            (Some(http), _) => http.to_string(),
            (None, Some(socket)) => format!("unix:{}", socket.display()),
            (None, None) => panic!("{} cannot be asked anything", self.name),
        }
    }

    #[track_caller]
    pub(crate) fn dns(&self) -> SocketAddr {
        self.run().dns
    }

    /// All that it has logged, in all runs.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it as a power cut would.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        drop(self.running.take().unwrap_or_else(|| panic!("{} does not run", self.name)));
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.run().process.0), signal).expect("a child can be signalled");
        if signal == Signal::STOP {
            // It reaches one thread after the other: until the last stands still, the agent may answer.
            eventually(&format!("{} stands still", self.name), SOON, || {
                let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("its threads");
                let stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
                let state = |stat: &str| stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
                let running = stats.filter(|stat| state(stat) != Some('T')).count();
                (running == 0).then_some(()).ok_or_else(|| format!("{running} threads run"))
            });
        }
    }

    /// Asks it to end, and waits until it did.
    #[track_caller]
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.await_end(SOON)
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub(crate) fn await_end(&mut self, within: Duration) -> ExitStatus {
        let name = self.name.clone();
        let running = self.running.as_mut().unwrap_or_else(|| panic!("{name} does not run"));
        let ended = running.process.await_end(&format!("{name} ends"), within);
        self.running = None;
        ended
    }

    #[track_caller]
    pub(crate) fn ask(&self, request: &str, body: &str) -> Answer {
        let headers = if body.is_empty() { &[][..] } else { &[("content-type", "application/json")][..] };
        exchange(self.http(), request, headers, body)
            .unwrap_or_else(|error| panic!("{} does not answer {request}: {error}", self.name))
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), "")
    }

    /// Registers an instance, which must work.
    #[track_caller]
    pub(crate) fn register(&self, service: &str, id: &str, body: &str) -> Value {
        self.ask(&format!("PUT {}?ack=durable", super::instance(service, id)), body).expect(&[200, 201]).json()
    }

    /// A known service, all of its instances included.
    #[track_caller]
    pub(crate) fn service(&self, service: &str) -> Value {
        self.get(&format!("/v1/services/{service}?all=true")).expect(&[200]).json()
    }

    /// Waits until it knows a service and `fits` says that what it knows is right.
    #[track_caller]
    pub(crate) fn await_service(&self, service: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("{} shows {service} {what}", self.name), SOON, || {
            let answer = self.get(&format!("/v1/services/{service}?all=true"));
            if answer.status == 200 && fits(&answer.json()) { Ok(answer.json()) } else { Err(answer.body) }
        })
    }

    /// Names and states of all nodes, this one included.
    #[track_caller]
    pub(crate) fn member_states(&self) -> Vec<(String, String)> {
        let nodes = self.get("/v1/nodes").expect(&[200]).json();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        nodes["nodes"]
            .as_array()
            .expect("nodes")
            .iter()
            .map(|node| (text(&node["name"]), text(&node["state"])))
            .collect()
    }

    /// What it believes of a node.
    #[track_caller]
    pub(crate) fn state_of(&self, name: &str) -> String {
        let states = self.member_states();
        states.into_iter().find(|(known, _)| known == name).map_or_else(String::new, |(_, state)| state)
    }

    /// Waits until it believes a node to be in one of these states.
    #[track_caller]
    pub(crate) fn await_state_of(&self, name: &str, wanted: &[&str]) {
        eventually(&format!("{} believes {name} {wanted:?}", self.name), SOON, || {
            let state = self.state_of(name);
            wanted.contains(&&*state).then_some(()).ok_or(state)
        });
    }

    /// Its metrics, by name with labels.
    #[track_caller]
    pub(crate) fn metrics(&self) -> BTreeMap<String, f64> {
        let text = self.get("/metrics").expect(&[200]).body;
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples
            .map(|line| {
                let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line:?}"));
                (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line:?}")))
            })
            .collect()
    }

    /// Its metrics as of now or later. The core's counters are copied from time to time: a packet that was counted after the
    /// first look tells that they were copied since, and in a cluster there is always a next packet.
    #[track_caller]
    pub(crate) fn metrics_since(&self) -> BTreeMap<String, f64> {
        let packets = |metrics: &BTreeMap<String, f64>| metrics["whither_packets_received_total"];
        let first = packets(&self.metrics());
        eventually(&format!("{} copies its counters", self.name), SOON, || {
            let metrics = self.metrics();
            if packets(&metrics) > first { Ok(metrics) } else { Err(format!("{first} packets")) }
        })
    }

    /// One of its counters, as of now or later.
    #[track_caller]
    pub(crate) fn counter(&self, name: &str) -> f64 {
        *self.metrics_since().get(name).unwrap_or_else(|| panic!("{} has no counter {name}", self.name))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.running = None;
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!("--- the log of {}, its last {} lines:\n{}", self.name, shown.len(), shown.join("\n"));
        }
    }
}
