//! A server under `whither run`. An agent without a cluster is one: it takes a port, answers, and ends when told to.

use super::agent::{Agent, Process, command};
use super::http::{Answer, exchange};
use super::{SOON, eventually};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use tokio::net::TcpSocket;

/// What `run` runs: it says who it is, waits for a word, and then becomes the server, or ends with the status it was told.
const SCRIPT: &str = r#"echo "$$ $WHITHER_RUN_SERVICE $WHITHER_RUN_INSTANCE"
read word
case $word in
    go) exec "$0" "$@" ;;
    *) exit "$word" ;;
esac"#;

/// A port that the system gives to nobody else, and that its server can listen on: bound here, without listening.
pub(crate) struct Port {
    address: SocketAddr,
    /// Holds the port for as long as this lives.
    _socket: TcpSocket,
}

impl Port {
    pub(crate) fn reserve() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Both ends of the bargain: who listens on it later sets it too.
        socket.set_reuseaddr(true).expect("an option of every system");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = socket.local_addr().expect("it is bound");
        Self { address, _socket: socket }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// How a server is run.
pub(crate) struct Plan<'a> {
    /// Its service.
    pub(crate) service: &'a str,
    /// Which instance of it.
    pub(crate) id: &'a str,
    /// Where it listens.
    pub(crate) port: &'a Port,
    /// What else `run` is told.
    pub(crate) options: &'a [&'a str],
}

/// A server and the `whither run` around it. Both are killed when dropped.
pub(crate) struct Server {
    id: String,
    address: SocketAddr,
    run: Process,
    /// Closed when dropped, upon which a server that still waits for its word ends too.
    word: Option<ChildStdin>,
    said: Receiver<String>,
    log: PathBuf,
    /// The server's process, as long as nobody waited for it.
    pid: Option<Pid>,
}

impl Server {
    /// Runs it; it waits for [`Server::tell`].
    #[track_caller]
    pub(crate) fn hold(agent: &Agent, plan: &Plan<'_>) -> Self {
        let Plan { service, id, port, options } = plan;
        let address = port.address();
        let (log, dir) = (agent.dir().with_extension(format!("{id}.log")), agent.dir().with_extension(id));
        let mut run = command(&["run", "--agent", &agent.door(), "--service", service, "--id", id]);
        run.args(["--port", &address.port().to_string()]).args(*options);
        run.args(["--", "sh", "-c", SCRIPT, env!("CARGO_BIN_EXE_whither"), "agent", "--name", id]);
        run.args(["--http-bind", &address.to_string(), "--peers-bind", "127.0.0.1:0", "--dns-enabled", "false"]);
        run.args(["--postgres-enabled", "false", "--consul-enabled", "false", "--eureka-enabled", "false"]);
        run.arg("--data-dir").arg(dir);
        let words = File::options().create(true).append(true).open(&log).expect("a log file");
        let mut run = Process::spawn(run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(words));
        let output = run.0.stdout.take().expect("its output is piped");
        let (tell, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Nobody listens to what follows the first line; reading on keeps the pipe from filling up.
                drop(tell.send(line));
            }
        });
        let mut server = Self { id: (*id).to_owned(), address, word: run.0.stdin.take(), run, said, log, pid: None };
        let first = server.said.recv_timeout(SOON).unwrap_or_else(|_| panic!("{id} was not started: {}", server.log()));
        let (pid, names) = first.split_once(' ').unwrap_or_else(|| panic!("an odd first line: {first:?}"));
        server.pid = pid.parse().ok().and_then(Pid::from_raw);
        assert!(server.pid.is_some(), "no process: {first:?}");
        assert_eq!(names, format!("{service} {id}"), "it is told who it is");
        server
    }

    /// Runs it, without waiting until it is up.
    #[track_caller]
    pub(crate) fn start(agent: &Agent, plan: &Plan<'_>) -> Self {
        let mut server = Self::hold(agent, plan);
        server.tell("go");
        server
    }

    /// Has it begin to serve (`go`), or end with a status.
    #[track_caller]
    pub(crate) fn tell(&mut self, word: &str) {
        let to = self.word.as_mut().unwrap_or_else(|| panic!("{} was told already", self.id));
        writeln!(to, "{word}").expect("it listens");
    }

    /// Asks it something.
    pub(crate) fn get(&self, path: &str) -> io::Result<Answer> {
        exchange(self.address, &format!("GET {path}"), &[], "")
    }

    /// Signals the server itself.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.pid.unwrap_or_else(|| panic!("{} has ended", self.id));
        kill_process(pid, signal).expect("it can be signalled");
    }

    /// Signals the `run` around it.
    #[track_caller]
    pub(crate) fn signal_run(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.run.0), signal).expect("a child can be signalled");
    }

    /// Waits until `run` has ended, and the server with it.
    #[track_caller]
    pub(crate) fn await_end(&mut self) -> ExitStatus {
        let ended = self.run.await_end(&format!("the run of {} ends", self.id), SOON);
        self.pid = None;
        ended
    }

    /// Kills `run`, which leaves the server alone.
    #[track_caller]
    pub(crate) fn kill_run(&mut self) {
        self.signal_run(Signal::KILL);
        self.run.await_end(&format!("the run of {} is gone", self.id), SOON);
    }

    /// What `run` and the server wrote.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // First the server: as long as `run` lives, this process id is nobody else's.
        if let Some(pid) = self.pid {
            // Fails only if it has ended, which run is about to see.
            let _ = kill_process(pid, Signal::KILL);
        }
        if std::thread::panicking() {
            eprintln!("--- the log of {}:\n{}", self.id, self.log());
        }
    }
}

/// Waits until a port refuses connections: whoever listened there is gone.
#[track_caller]
pub(crate) fn await_closed(port: &Port) {
    eventually("nobody listens any more", SOON, || match std::net::TcpStream::connect(port.address()) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        other => Err(format!("{other:?}")),
    });
}
