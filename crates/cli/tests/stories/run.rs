//! `whither run`: a server is in the catalog for as long as it serves, and whatever ends, everybody hears of it.

use crate::agents::{Agent, Cluster, Plan, Port, SOON, Server, Watch, await_closed, eventually, ids, instance};
use rustix::process::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};

const SERVICE: &str = "prod/recos";
const ID: &str = "r-1";
/// Less than it takes to give up an agent that does not answer.
const HUNG: Duration = Duration::from_secs(12);

/// One server and the port that it will have.
fn plan<'a>(port: &'a Port, options: &'a [&'a str]) -> Plan<'a> {
    Plan { service: SERVICE, id: ID, port, options }
}

/// A watch at each of these agents, its first event read.
fn watch(agents: &[Agent]) -> Vec<Watch> {
    let watch = |agent: &Agent| {
        let watch = Watch::lines(agent.http(), &format!("/v1/watch/{SERVICE}"));
        watch.next();
        watch
    };
    agents.iter().map(watch).collect()
}

/// What an event says of the instance, if it says anything.
fn said(event: &Value) -> Option<String> {
    if event["removed"].as_array().is_some_and(|removed| removed.iter().any(|id| id == ID)) {
        return Some("removed".to_owned());
    }
    let one = event["changed"].as_array()?.iter().find(|one| one["id"] == ID)?;
    Some(one["status"].as_str().expect("a status").to_owned())
}

/// Reads each watch until the instance is no longer `before`: then it must be `after`.
#[track_caller]
fn turns(watches: &[Watch], before: &str, after: &str) {
    for watch in watches {
        let status = loop {
            match said(&watch.next().json) {
                Some(status) if status != before => break status,
                _ => {}
            }
        };
        assert_eq!(status, after, "after {before}");
    }
}

/// A server that runs and is up, and watches that have heard so.
#[track_caller]
fn up(agent: &Agent, watched: &[Agent], port: &Port, options: &[&str]) -> (Server, Vec<Watch>) {
    let watches = watch(watched);
    let mut server = Server::hold(agent, &plan(port, options));
    turns(&watches, "", "starting");
    server.tell("go");
    turns(&watches, "starting", "passing");
    (server, watches)
}

#[test]
fn a_server_under_run_is_starting_then_up_and_gone_when_it_ends() {
    let cluster = Cluster::of(&["a", "b"]);
    let port = Port::reserve();
    let watches = watch(cluster.agents());
    let mut server = Server::hold(&cluster[0], &plan(&port, &[]));
    turns(&watches, "", "starting");
    assert!(server.get("/v1/health").is_err(), "its port is not open yet");
    for agent in cluster.agents() {
        let chosen = agent.get(&format!("/v1/services/{SERVICE}")).expect(&[200]).json();
        assert_eq!(ids(&chosen["instances"]), Vec::<&str>::new(), "nobody is sent to it yet: {chosen}");
    }
    server.tell("go");
    turns(&watches, "starting", "passing");
    server.get("/v1/health").expect("who is up takes connections").expect(&[200]);
    server.signal(Signal::TERM);
    assert!(server.await_end().success(), "it ended well, and so does run: {}", server.log());
    turns(&watches, "passing", "removed");

    let mut failing = Server::hold(&cluster[0], &plan(&port, &["--check", "none"]));
    turns(&watches, "removed", "starting");
    turns(&watches, "starting", "passing");
    failing.tell("7");
    assert_eq!(failing.await_end().code(), Some(7), "{}", failing.log());
    turns(&watches, "passing", "removed");
}

#[test]
fn a_server_that_is_killed_is_removed() {
    let cluster = Cluster::of(&["a", "b"]);
    let port = Port::reserve();
    let (mut server, watches) = up(&cluster[0], &cluster.agents()[1..], &port, &[]);
    server.signal(Signal::KILL);
    turns(&watches, "passing", "removed");
    assert_eq!(server.await_end().code(), Some(137), "as shells have it: {}", server.log());
}

#[test]
fn who_is_alone_without_its_run_is_critical_and_then_removed() {
    let cluster = Cluster::of(&["a", "b"]);
    let port = Port::reserve();
    let (mut server, watches) = up(&cluster[0], &cluster.agents()[1..], &port, &["--grace", "2s"]);
    let killed = Instant::now();
    server.kill_run();
    turns(&watches, "passing", "critical");
    server.get("/v1/health").expect("the server itself is still there").expect(&[200]);
    turns(&watches, "critical", "removed");
    assert!(killed.elapsed() >= Duration::from_secs(2), "not before its grace is over: {:?}", killed.elapsed());
}

#[test]
fn who_is_told_to_stop_drains_everywhere_while_it_is_in_use() {
    let cluster = Cluster::of(&["a", "b", "c"]);
    let port = Port::reserve();
    // It has longer to drain than this test waits for anything: that it ends is because it is out of use.
    let (mut server, watches) = up(&cluster[0], cluster.agents(), &port, &["--settle", "0s", "--drain", "2m"]);
    let user = Watch::lines(port.address(), "/v1/watch");
    user.next();
    server.signal_run(Signal::TERM);
    turns(&watches, "passing", "draining");
    for agent in cluster.agents() {
        let chosen = agent.get(&format!("/v1/services/{SERVICE}")).expect(&[200]).json();
        assert!(chosen["selection"] != "usable", "nobody who has a choice is sent to it: {chosen}");
    }
    server.get("/v1/health").expect("it serves while it drains").expect(&[200]);
    drop(user);
    assert!(server.await_end().success(), "{}", server.log());
    turns(&watches, "draining", "removed");
    await_closed(&port);
}

#[test]
fn a_second_signal_does_not_wait() {
    let cluster = Cluster::of(&["a"]);
    let port = Port::reserve();
    let (mut server, watches) = up(&cluster[0], cluster.agents(), &port, &["--settle", "2m", "--drain", "2m"]);
    server.signal_run(Signal::INT);
    turns(&watches, "passing", "draining");
    server.signal_run(Signal::TERM);
    assert!(server.await_end().success(), "{}", server.log());
    turns(&watches, "draining", "removed");
}

#[test]
fn an_agent_that_hangs_holds_nobody_up() {
    let cluster = Cluster::of(&["a", "b"]);
    let port = Port::reserve();
    let options = ["--settle", "0s", "--drain", "1s"];
    let (mut server, watches) = up(&cluster[0], &cluster.agents()[1..], &port, &options);
    cluster[0].signal(Signal::STOP);
    let told = Instant::now();
    server.signal_run(Signal::TERM);
    await_closed(&port);
    assert!(told.elapsed() < HUNG, "no longer than it may drain, whatever the agent does: {:?}", told.elapsed());
    cluster[0].signal(Signal::CONT);
    assert!(server.await_end().success(), "{}", server.log());
    cluster[1].await_service(SERVICE, "without it", |seen| ids(&seen["instances"]).is_empty());
    drop(watches);
}

#[test]
fn an_agent_that_crashes_takes_nobody_along() {
    let mut cluster = Cluster::empty();
    let (a, door) = (cluster.add("a"), Port::reserve());
    // Run finds the agent where it was.
    cluster[a].argue(&["--http-bind", &door.address().to_string()]);
    cluster[a].start();
    let b = cluster.add("b");
    cluster[b].start();
    cluster.await_all_alive();
    let port = Port::reserve();
    let (mut server, watches) = up(&cluster[a], &cluster.agents()[b..], &port, &[]);
    cluster[a].kill();
    cluster[a].start();
    eventually("run has opened a session with the agent that came back", SOON, || {
        let opened = cluster[a].counter("whither_sessions_opened_total");
        (opened >= 1.0).then_some(()).ok_or_else(|| server.log())
    });
    // What is registered now arrives after all that the crash caused.
    cluster[a].register(SERVICE, "r-2", r#"{"port":1}"#);
    let told = watches[0].through(|event| ids(&event["changed"]).contains(&"r-2"));
    for event in &told {
        assert_eq!(event.json["removed"], serde_json::json!([]), "{told:#?}");
        assert_eq!(event.json["selection"], "usable", "{told:#?}");
    }
    // The new session holds it as the old one did.
    server.signal(Signal::KILL);
    assert_eq!(server.await_end().code(), Some(137), "{}", server.log());
    cluster[b].await_service(SERVICE, "without it", |seen| ids(&seen["instances"]) == ["r-2"]);
}

#[test]
fn run_does_not_claim_to_have_removed_what_no_agent_heard_of() {
    let mut cluster = Cluster::of(&["a", "b"]);
    let port = Port::reserve();
    let (mut server, _watches) = up(&cluster[0], &cluster.agents()[1..], &port, &[]);
    cluster[0].kill();
    eventually("run misses its agent", SOON, || {
        let log = server.log();
        log.contains("is not registered").then_some(()).ok_or(log)
    });
    server.signal(Signal::KILL);
    assert_eq!(server.await_end().code(), Some(137), "{}", server.log());
    let log = server.log();
    assert!(log.contains("has ended, but its removal was not confirmed"), "{log}");
    let seen = cluster[1].get(&instance(SERVICE, ID)).expect(&[200]).json();
    assert_eq!(seen["id"], ID, "and so it is: {seen}");
}
