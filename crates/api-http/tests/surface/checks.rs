//! Checks: who may ask for them, and what is told of them.

use crate::node_double::{NodeDouble, node};
use crate::wire::{Server, Wire, ask, routes, send, soon};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use whither_api_http::Config;
use whither_directory::{CheckReport, CheckRun, Checkup, Client};
use whither_model::check::Http;
use whither_model::{
    Check, Command, Health, InstanceId, Pace, Port, PortChoice, Probe, Registration, ServiceName, Upkeep, WallTime,
};

const PUT: &str = "PUT /v1/services/prod/recos/instances/r1";
const REFUSED: &str = "10.6.6.6";

/// Stands in for whoever runs checks: admits all but one address, and remembers who asked for what.
pub(crate) struct Recorder {
    asked: Mutex<Vec<(IpAddr, Client)>>,
    reports: Vec<CheckReport>,
}

impl Recorder {
    pub(crate) fn with(report: &CheckReport) -> Arc<Self> {
        Arc::new(Self { asked: Mutex::default(), reports: vec![report.clone()] })
    }

    fn asked(&self) -> Vec<(IpAddr, Client)> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Checkup for Recorder {
    fn admit(&self, claimed: IpAddr, client: Client) -> Result<(), String> {
        self.asked.lock().unwrap().push((claimed, client));
        if claimed.to_string() == REFUSED { Err(format!("{claimed} is somebody else's")) } else { Ok(()) }
    }

    fn reports(&self, _: &ServiceName, _: &InstanceId) -> Vec<CheckReport> {
        self.reports.clone()
    }
}

pub(crate) fn report() -> CheckReport {
    let latest = CheckRun {
        at: WallTime(1_000),
        took: Duration::from_micros(1_500),
        found: Some(Health::Critical),
        output: "connection refused".into(),
    };
    CheckReport { name: "tcp".into(), kind: "tcp", health: Health::Passing, latest: Some(latest) }
}

/// Gives an instance a check.
pub(crate) fn checked(registration: &mut Registration) {
    registration.ports = [Port { name: "main".parse().unwrap(), number: 80 }].into();
    let probe = Probe::Tcp { port: PortChoice::First };
    let check = Check { name: "tcp".into(), probe, pace: Pace::default() };
    registration.upkeep = Some(Arc::new(Upkeep { checks: [check].into(), ..Upkeep::default() }));
}

#[tokio::test]
async fn checks_arrive_as_they_were_sent_and_are_shown_so() {
    let node = NodeDouble::start();
    node.directory.install_checkup(Recorder::with(&report()));
    let routes = routes(&node);
    let checks = json!([{"name": "http", "http": "/health", "interval": "5s"}]);
    let body = json!({"port": 80, "checks": checks, "ttl": "10s"}).to_string();
    let reply = send(&routes, PUT, &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let asked = node.asked();
    let [Command::Register { registrations, .. }] = asked.as_slice() else { panic!("{asked:?}") };
    let pace = Pace { interval: Duration::from_secs(5), ..Pace::default() };
    let probe = Probe::Http(Http { path: "/health".into(), ..Http::default() });
    let expected = Upkeep { checks: [Check { name: "http".into(), probe, pace }].into(), ..Upkeep::default() };
    assert_eq!(registrations[0].upkeep.as_deref(), Some(&expected));
    let shown = ask(&routes, "GET /v1/services/prod/recos/instances/r1?explain=true").await.json();
    assert_eq!((&shown["checks"], &shown["explain"]["witness"]), (&checks, &json!("lease and check")));
    // Whoever has no checks has no such member.
    node.instance(0xa, "prod/web", "w1", |_| ());
    let shown = ask(&routes, "GET /v1/services/prod/web/instances/w1").await.json();
    assert!(shown.get("checks").is_none(), "{shown}");
}

#[tokio::test]
async fn faults_are_named_by_their_place() {
    let node = NodeDouble::start();
    node.directory.install_checkup(Recorder::with(&report()));
    let routes = routes(&node);
    let reply = send(&routes, PUT, r#"{"port":80,"checks":[{"http":{"path":"x"}}]}"#).await.json();
    assert_eq!((&reply["status"], &reply["field"]), (&json!(422), &json!("checks[0].http.path")), "{reply}");
    let twice = r#"{"port":80,"checks":[{"name":"a","tcp":true},{"name":"a","http":"/"}]}"#;
    assert_eq!(send(&routes, PUT, twice).await.json()["field"], "checks[1].name");
    let many: Vec<Value> = (0..17).map(|n| json!({"name": n.to_string(), "tcp": true})).collect();
    let reply = send(&routes, PUT, &json!({"port": 80, "checks": many}).to_string()).await.json();
    assert_eq!((&reply["field"], &reply["detail"]), (&json!("checks"), &json!("checks: has 17 entries; at most 16")));
    let list = r#"[{"service":"web","id":"1"},{"service":"web","id":"2","port":1,"checks":[{"tcp":2}]}]"#;
    assert_eq!(send(&routes, "POST /v1/instances", list).await.json()["field"], "[1].checks[0].tcp");
    assert!(node.asked().is_empty());
}

#[tokio::test]
async fn without_whoever_runs_them_checks_are_refused() {
    let node = NodeDouble::start();
    let routes = routes(&node);
    let reply = send(&routes, PUT, r#"{"port":80,"checks":[{"tcp":true}]}"#).await.json();
    assert_eq!((&reply["status"], &reply["field"]), (&json!(422), &json!("checks")));
    assert!(reply["detail"].as_str().unwrap().contains("this agent runs no checks"), "{reply}");
    assert_eq!(send(&routes, PUT, r#"{"port":80,"checks":[]}"#).await.status, 201, "none is asked for");
}

#[tokio::test]
async fn what_may_not_be_checked_is_refused_wherever_it_is_registered() {
    let node = NodeDouble::start();
    let recorder = Recorder::with(&report());
    node.directory.install_checkup(recorder.clone());
    let routes = routes(&node);
    let one = json!({"address": REFUSED, "port": 80, "checks": [{"tcp": true}]});
    let reply = send(&routes, PUT, &one.to_string()).await.json();
    assert_eq!((&reply["status"], &reply["detail"]), (&json!(422), &json!("checks: 10.6.6.6 is somebody else's")));
    let fine = json!({"service": "web", "id": "1", "address": "10.0.0.1", "port": 80, "checks": [{"tcp": true}]});
    let bad = json!({"service": "web", "id": "2", "address": REFUSED, "port": 80, "checks": [{"tcp": true}]});
    let without = json!({"service": "web", "id": "3", "address": REFUSED, "port": 80});
    for line in ["POST /v1/instances", "POST /v1/sessions"] {
        let reply = send(&routes, line, &json!([fine, bad, without]).to_string()).await.json();
        assert_eq!((&reply["status"], &reply["field"]), (&json!(422), &json!("[1].checks")), "{line}: {reply}");
    }
    assert!(node.asked().is_empty(), "nothing reached the node, and no session was opened");
    assert!(recorder.asked().iter().all(|(_, client)| *client == Client::Unknown), "there was no connection");
    let reply = send(&routes, "POST /v1/instances", &json!([fine, without]).to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
}

#[tokio::test]
async fn who_asks_is_who_is_at_the_other_end_of_the_connection() {
    let node = NodeDouble::start();
    let recorder = Recorder::with(&report());
    node.directory.install_checkup(recorder.clone());
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("whither.sock");
    let server = Server::start_at(&node, Config::default(), &socket).await;
    let body = json!({"address": "10.0.0.1", "port": 80, "checks": [{"tcp": true}]}).to_string();
    // What it says of itself counts for nothing.
    let head = "HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1";
    let request =
        format!("PUT /v1/services/prod/recos/instances/r1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut wires = [Wire::connect(server.address).await, Wire::connect_at(&socket).await];
    for wire in &mut wires {
        wire.send(&request).await;
        assert!(soon("an answer", wire.reply()).await.status.is_success());
    }
    let claimed: IpAddr = "10.0.0.1".parse().unwrap();
    let peer = Client::At("127.0.0.1".parse().unwrap());
    assert_eq!(recorder.asked(), [(claimed, peer), (claimed, Client::Local)]);
}

#[tokio::test]
async fn the_owner_tells_what_its_checks_found_and_others_name_it() {
    let node = NodeDouble::start();
    node.directory.install_checkup(Recorder::with(&report()));
    node.instance(0xa, "prod/web", "w1", checked);
    node.member(0xb, "b", whither_model::MemberState::Alive);
    node.instance(0xb, "prod/web", "w2", checked);
    let routes = routes(&node);
    let path = |id: &str| format!("GET /v1/services/prod/web/instances/{id}/checks");
    let own = ask(&routes, &path("w1")).await;
    assert_eq!(own.status, 200, "{}", own.text);
    let expected = json!([{"name": "tcp", "kind": "tcp", "health": "passing", "found": "critical",
        "at": "1970-01-01T00:00:01.000Z", "took_ms": 2, "output": "connection refused"}]);
    assert_eq!((&own.json()["checks"], &own.json()["node"]), (&expected, &json!("a")));
    let other = ask(&routes, &path("w2")).await.json();
    assert_eq!((&other["status"], &other["owner_name"]), (&json!(409), &json!("b")), "{other}");
    let owner = self::node(0xb).to_string();
    let detail = other["detail"].as_str().unwrap();
    assert!(detail.contains("?from=b") && detail.contains(&owner) && other["owner"] == owner, "{other}");
    assert_eq!(ask(&routes, &path("w3")).await.status, 404);
}
