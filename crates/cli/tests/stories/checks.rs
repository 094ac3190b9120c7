//! Checks: the agent looks for itself, and what it finds is everybody's business at once.

use crate::agents::{Agent, Cluster, Plan, Port, SOON, Server, Site, Watch, command, eventually, instance};
use serde_json::{Value, json};
use std::fs;

const SERVICE: &str = "prod/recos";
const ID: &str = "r-1";

/// A registration at a port of this host, with these checks, each looking ten times a second.
fn registration(port: u16, mut checks: Value) -> Value {
    for check in checks.as_array_mut().expect("checks") {
        let fields = check.as_object_mut().expect("a check");
        fields.entry("interval").or_insert("100ms".into());
        fields.entry("fails_after").or_insert(3.into());
    }
    json!({"address": "127.0.0.1", "port": port, "checks": checks})
}

fn register(agent: &Agent, registration: &Value) {
    agent.register(SERVICE, ID, &registration.to_string());
}

#[track_caller]
fn turns(agent: &Agent, status: &str) -> Value {
    agent.await_service(SERVICE, &format!("as {status}"), |seen| seen["instances"][0]["status"] == status)
}

/// What the owner says that its checks found, once `fits`.
#[track_caller]
fn await_reports(agent: &Agent, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{} says {what}", agent.name()), SOON, || {
        let said = agent.get(&format!("{}/checks", instance(SERVICE, ID))).expect(&[200]).json();
        if fits(&said["checks"]) { Ok(said) } else { Err(said.to_string()) }
    })
}

#[test]
fn nobody_is_sent_to_an_instance_before_its_check_passed_nor_after_it_failed() {
    let cluster = Cluster::of(&["a", "b"]);
    let site = Site::start(503);
    register(&cluster[0], &registration(site.port(), json!([{"http": "/health"}])));
    let seen = turns(&cluster[1], "critical");
    assert_eq!((&seen["selection"], &seen["instances"][0]["checks"][0]["http"]), (&json!("empty"), &json!("/health")));
    await_reports(&cluster[0], "that it failed", |checks| checks[0]["found"] == "critical");
    site.says(200);
    let seen = turns(&cluster[1], "passing");
    assert_eq!(seen["selection"], "usable", "{seen}");
    site.says(500);
    turns(&cluster[1], "critical");
    site.says(204);
    turns(&cluster[1], "passing");
    let explained = cluster[1].get(&format!("/v1/services/{SERVICE}?explain=true")).expect(&[200]).json();
    assert_eq!(explained["instances"][0]["explain"]["witness"], "check");
}

#[test]
fn a_server_that_is_gone_is_critical_and_then_removed_if_that_was_asked_for() {
    let cluster = Cluster::of(&["a", "b"]);
    let site = Site::start(200);
    let mut asked = registration(site.port(), json!([{"tcp": true}]));
    asked["remove_after_critical"] = json!("1s");
    register(&cluster[0], &asked);
    turns(&cluster[1], "passing");
    let watch = Watch::lines(cluster[1].http(), &format!("/v1/watch/{SERVICE}"));
    watch.next();
    drop(site);
    assert_eq!(watch.next().json["changed"][0]["status"], "critical");
    assert_eq!(watch.next().json["removed"], json!([ID]));
}

#[test]
fn the_worst_of_its_checks_holds() {
    let cluster = Cluster::of(&["a"]);
    let (site, other) = (Site::start(200), Site::start(200));
    let mut asked = registration(site.port(), json!([{"tcp": true}, {"http": {"port": "other"}}]));
    asked["ports"] = json!({"main": site.port(), "other": other.port()});
    asked.as_object_mut().expect("an object").remove("port");
    register(&cluster[0], &asked);
    turns(&cluster[0], "passing");
    other.says(500);
    turns(&cluster[0], "critical");
    // Without the one that fails it is well again, by what the other has found already.
    asked["checks"].as_array_mut().expect("checks").pop();
    register(&cluster[0], &asked);
    turns(&cluster[0], "passing");
    // One that is registered again without checks is believed on its word.
    cluster[0].register(SERVICE, ID, &json!({"address": "127.0.0.1", "port": site.port()}).to_string());
    drop(site);
    let reports = await_reports(&cluster[0], "that nothing is looked at", |checks| checks == &json!([]));
    assert_eq!(reports["node"], "a");
    turns(&cluster[0], "passing");
}

#[test]
fn an_instance_that_is_removed_and_registered_again_has_to_pass_again() {
    let cluster = Cluster::of(&["a"]);
    let site = Site::start(200);
    let asked = registration(site.port(), json!([{"http": "/"}]));
    register(&cluster[0], &asked);
    turns(&cluster[0], "passing");
    site.says(500);
    cluster[0].ask(&format!("DELETE {}?force=true", instance(SERVICE, ID)), "").expect(&[200]);
    register(&cluster[0], &asked);
    turns(&cluster[0], "critical");
    site.says(200);
    turns(&cluster[0], "passing");
}

#[test]
fn a_restart_of_the_agent_is_no_reason_to_doubt_what_its_checks_had_found() {
    let mut cluster = Cluster::of(&["a", "b"]);
    let site = Site::start(200);
    register(&cluster[0], &registration(site.port(), json!([{"http": "/", "interval": "1s"}])));
    turns(&cluster[1], "passing");
    // What counts is on disk before the agent is killed.
    eventually("nothing waits for the disk of a", SOON, || {
        let backlog = cluster[0].counter("whither_journal_backlog");
        (backlog == 0.0).then_some(()).ok_or_else(|| backlog.to_string())
    });
    let watch = Watch::lines(cluster[1].http(), &format!("/v1/watch/{SERVICE}"));
    watch.next();
    for _ in 0..2 {
        cluster[0].kill();
        cluster[0].start();
        await_reports(&cluster[0], "that it looks again", |checks| checks[0]["found"] == "passing");
    }
    site.says(500);
    let told = watch.through(|event| event["changed"][0]["status"] == "critical");
    let (_, before) = told.split_last().expect("an event");
    assert!(before.iter().all(|event| event.json["changed"][0]["status"] == "passing"), "{told:#?}");
}

#[test]
fn what_was_found_is_fetched_from_the_agent_that_looked() {
    let cluster = Cluster::of(&["a", "b"]);
    let site = Site::start(200);
    register(&cluster[0], &registration(site.port(), json!([{"http": "/health"}, {"name": "port", "tcp": true}])));
    let reports = await_reports(&cluster[0], "what both found", |checks| {
        checks.as_array().is_some_and(|all| all.len() == 2 && all.iter().all(|one| one["found"] == "passing"))
    });
    let output = reports["checks"][0]["output"].as_str().expect("an output");
    assert!(output.starts_with("HTTP 200") && output.ends_with("it says so."), "{reports}");
    turns(&cluster[1], "passing");
    let elsewhere = cluster[1].get(&format!("{}/checks", instance(SERVICE, ID))).expect(&[409]).json();
    assert_eq!((&elsewhere["owner_name"], &elsewhere["owner"]), (&json!("a"), &json!(cluster[0].node())));
    let table = command(&["checks", SERVICE, ID, "--agent", &cluster[0].door()]).output().expect("it runs");
    let table = String::from_utf8(table.stdout).expect("text");
    let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0][..4], ["NAME", "KIND", "HEALTH", "FOUND"], "{table}");
    assert_eq!(
        (&words[1][..4], &words[2][..4]),
        (&["http", "http", "passing", "passing"][..], &["port", "tcp", "passing", "passing"][..])
    );
    let metrics = cluster[0].metrics_since();
    assert!(metrics["whither_checks_passed_total"] >= 2.0 && metrics["whither_checks"] == 2.0, "{metrics:?}");
    assert_eq!(metrics["whither_checks_refused"], 0.0);
}

#[test]
fn a_command_of_the_agents_own_configuration_is_run_for_what_others_registered() {
    let mut cluster = Cluster::empty();
    let a = cluster.add("a");
    let (config, wanted) = (cluster.scratch().join("a.toml"), cluster.scratch().join("wanted"));
    let script = format!("echo looked for it; test -e '{}' || exit 2", wanted.display());
    // With time to start a shell on a busy machine.
    let text = format!(
        "[[check]]\nservice = \"{SERVICE}\"\nname = \"file\"\nexec = [\"/bin/sh\", \"-c\", {script:?}]\n\
         interval = \"1s\"\n"
    );
    fs::write(&config, text).expect("a file");
    cluster[a].argue(&["--config", &config.to_string_lossy()]);
    cluster[a].start();
    let plain = json!({"address": "127.0.0.1", "port": 1});
    register(&cluster[a], &plain);
    turns(&cluster[a], "critical");
    fs::write(&wanted, "").expect("a file");
    turns(&cluster[a], "passing");
    let reports = await_reports(&cluster[a], "what it said", |checks| checks[0]["found"] == "passing");
    assert_eq!((&reports["checks"][0]["kind"], &reports["checks"][0]["name"]), (&json!("exec"), &json!("file")));
    assert!(reports["checks"][0]["output"].as_str().expect("an output").contains("looked for it"), "{reports}");
    fs::remove_file(&wanted).expect("it was there");
    turns(&cluster[a], "critical");
    // Its registrant says that it is well, as often as it likes.
    register(&cluster[a], &plain);
    turns(&cluster[a], "critical");
    let asked = json!({"address": "127.0.0.1", "port": 1, "checks": [{"exec": ["/bin/true"]}]});
    let refused =
        cluster[a].ask(&format!("PUT {}", instance(SERVICE, "r-2")), &asked.to_string()).expect(&[422]).json();
    assert_eq!(refused["field"], "checks[0].exec", "over the API there are no commands: {refused}");
}

#[test]
fn whom_checks_may_speak_to_is_decided_at_registration() {
    let mut cluster = Cluster::empty();
    let closed = cluster.add("closed");
    cluster[closed].start();
    let open = cluster.add("open");
    // Addresses for documentation: nobody has them.
    cluster[open].argue(&["--checks-allow", "192.0.2.0/24,169.254.0.0/16"]);
    cluster[open].start();
    let ask = |agent: &Agent, address: &str| {
        let body = json!({"address": address, "port": 80, "checks": [{"tcp": true, "interval": "1h"}]});
        agent.ask(&format!("PUT {}", instance(SERVICE, ID)), &body.to_string())
    };
    for (agent, address) in
        [(closed, "192.0.2.7"), (closed, "169.254.169.254"), (open, "169.254.169.254"), (open, "198.51.100.7")]
    {
        let refused = ask(&cluster[agent], address).expect(&[422]).json();
        let detail = refused["detail"].as_str().expect("a detail");
        assert!(refused["field"] == "checks" && detail.contains(address), "{refused}");
    }
    ask(&cluster[open], "192.0.2.7").expect(&[201]);
    ask(&cluster[closed], "127.0.0.1").expect(&[201]);
}

#[test]
fn the_command_line_asks_for_checks() {
    let cluster = Cluster::of(&["a", "b"]);
    let site = Site::start(200);
    let port = site.port().to_string();
    let mut line = command(&["register", SERVICE, "--id", ID, "--port", &port, "--agent", &cluster[0].door()]);
    line.args([
        "--check",
        "http:/health",
        "--check",
        "tcp",
        "--check-interval",
        "200ms",
        "--ramp",
        "1h",
        "--shares-address",
    ]);
    line.args(["--remove-after-critical", "1h"]);
    let done = line.output().expect("it runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let seen = turns(&cluster[1], "passing");
    let one = &seen["instances"][0];
    let checks = json!([{"name": "http", "http": "/health", "interval": "200ms"}, {"name": "tcp", "tcp": true, "interval": "200ms"}]);
    assert_eq!((&one["checks"], &one["weight"]), (&checks, &json!(20)), "{one}");
}

#[test]
fn a_server_under_run_is_looked_at_for_as_long_as_it_is_up() {
    let cluster = Cluster::of(&["a", "b"]);
    let port = Port::reserve();
    let options = ["--check", "http:/v1/health"];
    let mut server = Server::hold(&cluster[0], &Plan { service: SERVICE, id: ID, port: &port, options: &options });
    let seen = turns(&cluster[1], "starting");
    assert!(seen["instances"][0].get("checks").is_none(), "there is nothing to look at yet: {seen}");
    server.tell("go");
    let seen = turns(&cluster[1], "passing");
    assert_eq!(seen["instances"][0]["checks"][0]["http"], "/v1/health", "{seen}");
    let explained = cluster[1].get(&format!("/v1/services/{SERVICE}?explain=true")).expect(&[200]).json();
    assert_eq!(explained["instances"][0]["explain"]["witness"], "session and check");
    let reports = await_reports(&cluster[0], "that it looks", |checks| checks[0]["found"] == "passing");
    assert_eq!(reports["checks"][0]["kind"], "http");
}
