//! The Unix socket: the way in that needs no port, no DNS and no peer, and that a client's life can hang on.

use crate::agents::{Agent, Cluster, Plan, Port, SOON, Server, Watch, await_closed, command, eventually, ids, refused};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// An agent that has a socket and no port for HTTP, to be started.
fn behind_a_socket(cluster: &mut Cluster, name: &str) -> usize {
    let at = cluster.add(name);
    cluster[at].argue(&["--http-enabled", "false"]);
    at
}

/// Runs a command against an agent, which must work. Returns what it prints.
#[track_caller]
fn whither(agent: &Agent, arguments: &[&str]) -> String {
    let ran = command(&["--agent", &agent.door()]).args(arguments).output().expect("the program runs");
    let (said, problem) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{arguments:?}: {said}{problem}");
    said.into_owned()
}

#[track_caller]
fn json(agent: &Agent, arguments: &[&str]) -> Value {
    let said = whither(agent, &[arguments, &["--json"]].concat());
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}"))
}

/// A command whose lines are read while it runs. Killed when dropped.
struct Lines {
    child: Child,
    lines: Receiver<String>,
}

impl Lines {
    fn of(agent: &Agent, arguments: &[&str]) -> Self {
        let mut command = command(&["--agent", &agent.door()]);
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().expect("the program runs");
        let output = BufReader::new(child.stdout.take().expect("its output is piped"));
        let (tell, lines) = channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { child, lines }
    }

    #[track_caller]
    fn through(&self, wanted: &str) {
        let mut said = Vec::new();
        while !said.last().is_some_and(|line: &String| line.contains(wanted)) {
            said.push(self.lines.recv_timeout(SOON).unwrap_or_else(|_| panic!("no {wanted}: {said:#?}")));
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn everything_works_through_the_socket_of_an_agent_without_a_port() {
    let mut cluster = Cluster::empty();
    let a = behind_a_socket(&mut cluster, "a");
    cluster[a].start();
    let agent = &cluster[a];
    assert_eq!(agent.socket(), Some(&*agent.dir().join("whither.sock")));
    assert_eq!(mode(&agent.dir().join("whither.sock")), 0o600, "its owner's and nobody else's");
    let watch = Lines::of(agent, &["watch", "prod/recos", "--json"]);
    watch.through("reset");
    whither(agent, &["register", "prod/recos", "--id", "r-1", "--address", "10.0.0.1", "--port", "80", "--ttl", "1h"]);
    watch.through("\"id\":\"r-1\"");
    whither(agent, &["renew", "prod/recos", "r-1"]);
    whither(agent, &["drain", "prod/recos", "r-1"]);
    watch.through("draining");
    whither(agent, &["undrain", "prod/recos", "r-1"]);
    assert_eq!(ids(&json(agent, &["prod/recos"])["instances"]), ["r-1"]);
    assert_eq!(json(agent, &["services"])["services"][0]["service"], "prod/recos");
    assert_eq!(json(agent, &["nodes"])["nodes"][0]["name"], "a");
    assert_eq!(json(agent, &["health"])["status"], "ok");
    whither(agent, &["deregister", "prod/recos", "r-1"]);
    watch.through("\"removed\":[\"r-1\"]");
    let (code, said) = refused(command(&["--agent", &agent.door()]).args(["prod/nothing"]));
    assert_eq!(code, 3, "as over a port: {said}");
}

#[test]
fn a_port_and_a_socket_lead_to_the_same_agent() {
    let cluster = Cluster::of(&["a"]);
    let socket = format!("unix:{}", cluster[0].socket().expect("a socket").display());
    cluster[0].register("prod/recos", "r-1", r#"{"port":1}"#);
    let seen = command(&["--agent", &socket, "prod/recos", "--json"]).output().expect("the program runs").stdout;
    let seen: Value = serde_json::from_slice(&seen).expect("an answer");
    assert_eq!(seen["instances"], cluster[0].get("/v1/services/prod/recos").json()["instances"]);
    let set = command(&["health"]).env("WHITHER_AGENT", &socket).output().expect("the program runs");
    assert!(set.status.success(), "{set:?}");
}

#[test]
fn a_client_that_is_killed_is_critical_on_every_node_and_then_removed() {
    let mut cluster = Cluster::empty();
    let a = behind_a_socket(&mut cluster, "a");
    cluster[a].start();
    let b = cluster.add("b");
    cluster[b].start();
    let watch = Watch::lines(cluster[b].http(), "/v1/watch/prod/recos");
    watch.next();
    let port = Port::reserve();
    let plan = Plan { service: "prod/recos", id: "r-1", port: &port, options: &["--grace", "1s"] };
    let mut server = Server::start(&cluster[a], &plan);
    let status = |wanted: &str| {
        watch.through(|event| {
            event["changed"].as_array().is_some_and(|all| all.iter().any(|one| one["status"] == wanted))
        })
    };
    status("passing");
    server.kill_run();
    status("critical");
    watch.through(|event| event["removed"] == serde_json::json!(["r-1"]));
    drop(server);
    await_closed(&port);
}

#[test]
fn the_socket_of_a_killed_agent_is_replaced_and_that_of_a_stopped_one_is_gone() {
    let mut cluster = Cluster::empty();
    let a = behind_a_socket(&mut cluster, "a");
    cluster[a].start();
    let (path, door) = (cluster[a].dir().join("whither.sock"), cluster[a].door());
    cluster[a].kill();
    assert!(path.exists(), "nobody was left to remove it");
    let (code, said) = refused(&mut command(&["--agent", &door, "health"]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&door) && said.contains("the agent that made this socket was killed"), "{said}");
    cluster[a].start();
    assert_eq!(json(&cluster[a], &["health"])["status"], "ok");
    assert!(cluster[a].terminate().success());
    assert!(!path.exists(), "it was tidied away");
    let (_, said) = refused(&mut command(&["--agent", &door, "health"]));
    assert!(said.contains("no agent runs with that data directory"), "{said}");
}

#[test]
fn a_second_agent_in_the_directory_leaves_the_socket_of_the_first_alone() {
    let mut cluster = Cluster::empty();
    let a = behind_a_socket(&mut cluster, "a");
    cluster[a].start();
    let socket = cluster[a].socket().expect("a socket").to_owned();
    let before = fs::metadata(&socket).expect("a socket").ino();
    let second = Agent::new("second", cluster[a].dir(), cluster.secret());
    let (_, said) = refused(&mut second.command());
    assert!(said.contains("in use by another agent"), "{said}");
    assert_eq!(fs::metadata(&socket).expect("a socket").ino(), before);
    assert_eq!(json(&cluster[a], &["health"])["status"], "ok");
}

#[test]
fn a_socket_may_be_elsewhere_and_for_others_or_not_be() {
    let mut cluster = Cluster::empty();
    let elsewhere = cluster.scratch().join("run.sock");
    let a = behind_a_socket(&mut cluster, "a");
    cluster[a].argue(&["--http-socket", elsewhere.to_str().expect("text"), "--http-socket-mode", "0660"]);
    cluster[a].start();
    assert_eq!((cluster[a].socket(), mode(&elsewhere)), (Some(&*elsewhere), 0o660));
    assert!(!cluster[a].dir().join("whither.sock").exists());
    assert_eq!(json(&cluster[a], &["nodes"])["nodes"][0]["name"], "a");

    let mut greedy = Agent::new("b", &cluster.scratch().join("b"), cluster.secret());
    greedy.argue(&["--http-socket", elsewhere.to_str().expect("text")]);
    let (code, said) = refused(&mut greedy.command());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&format!("another program listens at {}", elsewhere.display())), "{said}");
    UnixStream::connect(&elsewhere).expect("the first one still listens");

    let c = cluster.add("c");
    cluster[c].argue(&["--http-socket", "off"]);
    cluster[c].start();
    assert_eq!(cluster[c].socket(), None);
    assert!(!cluster[c].dir().join("whither.sock").exists());
}

#[test]
fn what_is_no_socket_is_refused_and_kept() {
    let cluster = Cluster::empty();
    let dir = cluster.scratch().join("a");
    fs::create_dir(&dir).expect("a directory");
    fs::write(dir.join("whither.sock"), "somebody's").expect("a file");
    let (code, said) = refused(&mut Agent::new("a", &dir, cluster.secret()).command());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("whither.sock is a file, not a socket") && said.contains("--http-socket"), "{said}");
    assert_eq!(fs::read_to_string(dir.join("whither.sock")).expect("it is there"), "somebody's");
    assert!(!dir.join("whither.db").exists(), "the node has not even begun");
}

#[test]
fn a_path_that_no_socket_can_have_is_refused_or_done_without() {
    let mut cluster = Cluster::empty();
    let deep = cluster.scratch().join("d".repeat(100));
    let agent = Agent::new("a", &deep, cluster.secret());
    let long = deep.join("own.sock");
    let (code, said) = refused(agent.command().arg("--http-socket").arg(&long));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("--http-socket: http.socket: ") && said.contains("may have 107"), "{said}");
    let a = cluster.add_agent(agent);
    cluster[a].start();
    assert_eq!(cluster[a].socket(), None, "the port is enough to go on with");
    eventually("the log says what to set", SOON, || {
        let log = cluster[a].log();
        let says = log.contains("no Unix socket") && log.contains("http.socket") && log.contains("WARN");
        says.then_some(()).ok_or(log)
    });
}

#[test]
fn an_agent_that_takes_no_connection_is_not_waited_for_without_end() {
    let cluster = Cluster::empty();
    let socket = cluster.scratch().join("full.sock");
    let address = SocketAddrUnix::new(&*socket).expect("a short path");
    let open = || {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).expect("a socket")
    };
    let listener = open();
    bind(&listener, &address).expect("a free path");
    listen(&listener, 1).expect("a socket");
    // Its queue fills up: nobody accepts. One that does not wait is told when it is full.
    let mut waiting = Vec::new();
    loop {
        let one = open();
        match connect(&one, &address) {
            Ok(()) => waiting.push(one),
            Err(error) => break assert_eq!(error, rustix::io::Errno::AGAIN),
        }
    }
    let (code, said) = refused(&mut command(&["--agent", &format!("unix:{}", socket.display()), "health"]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("takes no more connections"), "{said}");
}
