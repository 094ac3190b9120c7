//! Watches over real sockets.

use crate::node_double::{NodeDouble, node};
use crate::wire::{Server, Wire};
use serde_json::{Value, json};
use std::time::Duration;
use whither_api_http::Config;
use whither_model::{Delta, MemberState, State};

async fn open(server: &Server, path: &str, headers: &str) -> (Wire, String) {
    let mut wire = Wire::connect(server.address).await;
    wire.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")).await;
    let (status, headers) = wire.head().await;
    assert_eq!(status, 200);
    (wire, headers["content-type"].to_str().unwrap().to_owned())
}

fn gone(service: &str, id: &str) -> Delta {
    Delta::InstanceGone { service: service.parse().unwrap(), id: id.parse().unwrap(), owner: node(0xa) }
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|i| i["id"].as_str().or(i.as_str()).unwrap()).collect()
}

#[tokio::test]
async fn one_service_is_watched_from_before_it_exists() {
    let node = NodeDouble::start();
    let server = Server::start(&node, Config::default()).await;
    let (mut watch, media_type) = open(&server, "/v1/watch/prod/recos", "").await;
    assert_eq!(media_type, "application/x-ndjson");
    assert_eq!(
        watch.event().await,
        json!({"event": "reset", "index": "000000000000000a-12884901889", "service": "prod/recos", "known": false,
               "selection": "empty", "age_ms": 0, "changed": [], "removed": []})
    );
    node.instance(0xa, "prod/recos", "r1", |_| ());
    let first = watch.event().await;
    assert_eq!((&first["event"], &first["known"], ids(&first["changed"])), (&json!("reset"), &json!(true), vec!["r1"]));
    node.instance(0xa, "prod/recos", "r2", |_| ());
    let second = watch.event().await;
    assert_eq!(
        (&second["event"], &second["selection"], ids(&second["changed"])),
        (&json!("change"), &json!("usable"), vec!["r2"])
    );
    node.apply_all([gone("prod/recos", "r1"), gone("prod/recos", "r2")]);
    let third = watch.event().await;
    assert_eq!((&third["selection"], ids(&third["changed"])), (&json!("empty"), vec![]));
    assert_eq!(ids(&third["removed"]), ["r1", "r2"]);

    // Resumed after the first event: only what came later. From another node's history: everything anew.
    let from = first["index"].as_str().unwrap();
    let (mut resumed, _) = open(&server, &format!("/v1/watch/prod/recos?from={from}"), "").await;
    let rest = resumed.event().await;
    assert_eq!((&rest["event"], ids(&rest["removed"])), (&json!("change"), vec!["r1", "r2"]));
    let (mut foreign, _) = open(&server, "/v1/watch/prod/recos?from=00000000000000ff-12884901890", "").await;
    assert_eq!(foreign.event().await["event"], "reset");
}

#[tokio::test]
async fn a_quiet_watch_says_that_it_lives() {
    let node = NodeDouble::start();
    node.instance(0xa, "web", "w1", |_| ());
    let config = Config { heartbeat: Duration::from_millis(1), ..Config::default() };
    let server = Server::start(&node, config).await;
    let (mut watch, _) = open(&server, "/v1/watch/default/web", "").await;
    let index = watch.event().await["index"].clone();
    assert_eq!(watch.event().await, json!({"event": "heartbeat", "index": index, "age_ms": 0}));
    // Resuming where nothing happened since: no reset, and the place stays the same.
    let (mut resumed, _) = open(&server, &format!("/v1/watch/default/web?from={}", index.as_str().unwrap()), "").await;
    assert_eq!(resumed.event().await, json!({"event": "heartbeat", "index": index, "age_ms": 0}));

    let (mut all, _) = open(&server, "/v1/watch", "").await;
    let current = loop {
        let event = all.event().await;
        if event["event"] == "current" {
            break event["index"].clone();
        }
    };
    assert_eq!(all.event().await, json!({"event": "heartbeat", "index": current, "age_ms": 0}));
}

#[tokio::test]
async fn everything_is_watched_up_to_a_current_that_can_be_resumed() {
    let node = NodeDouble::start();
    node.instance(0xa, "web", "w1", |_| ());
    let server = Server::start(&node, Config::default()).await;
    let (mut watch, _) = open(&server, "/v1/watch", "").await;
    let index = "000000000000000a-12884901890";
    assert_eq!(watch.event().await, json!({"event": "reset", "index": index}));
    let service = watch.event().await;
    assert_eq!((&service["event"], &service["service"]), (&json!("service"), &json!("default/web")));
    assert_eq!((ids(&service["changed"]), &service["selection"]), (vec!["w1"], &json!("usable")));
    let nodes = watch.event().await;
    assert_eq!((&nodes["event"], &nodes["nodes"][0]["name"]), (&json!("nodes"), &json!("a")));
    assert_eq!(watch.event().await, json!({"event": "current", "index": index, "age_ms": 0}));

    node.instance(0xa, "web", "w1", |r| r.state = State::Draining);
    let change = watch.event().await;
    assert_eq!((&change["event"], &change["selection"]), (&json!("service"), &json!("empty")));
    let current = loop {
        let event = watch.event().await;
        if event["event"] == "current" {
            break event;
        }
    };
    node.member(0xb, "b", MemberState::Alive);
    let nodes = watch.event().await;
    assert_eq!((&nodes["event"], nodes["nodes"].as_array().unwrap().len()), (&json!("nodes"), 2));

    let from = current["index"].as_str().unwrap();
    node.instance(0xa, "api", "a1", |_| ());
    let (mut resumed, _) = open(&server, &format!("/v1/watch?from={from}"), "").await;
    let first = resumed.event().await;
    assert_eq!((&first["event"], &first["service"]), (&json!("service"), &json!("default/api")), "no reset");
}

#[tokio::test]
async fn a_large_catalog_comes_in_pieces_and_whole() {
    let node = NodeDouble::start();
    node.apply_all((0..2_000).map(|n| NodeDouble::delta(0xa, &format!("s{n}"), "i", |_| ())));
    let server = Server::start(&node, Config::default()).await;
    let (mut watch, _) = open(&server, "/v1/watch", "").await;
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let event = watch.event().await;
        match event["event"].as_str().unwrap() {
            "service" => assert!(seen.insert(event["service"].as_str().unwrap().to_owned())),
            "current" => break,
            _ => {}
        }
    }
    assert_eq!(seen.len(), 2_000);
}

async fn sse(wire: &mut Wire) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let line = wire.event_line().await.unwrap();
        if line.is_empty() {
            return lines;
        }
        lines.push(line);
    }
}

#[tokio::test]
async fn a_browser_watches_by_server_sent_events() {
    let node = NodeDouble::start();
    node.instance(0xa, "web", "w1", |_| ());
    let server = Server::start(&node, Config::default()).await;
    let accept = "Accept: text/event-stream\r\n";
    let (mut watch, media_type) = open(&server, "/v1/watch/default/web", accept).await;
    assert_eq!(media_type, "text/event-stream");
    let first = sse(&mut watch).await;
    assert_eq!(first[..2], ["id: 000000000000000a-12884901890", "event: reset"]);
    let data: Value = serde_json::from_str(first[2].strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(ids(&data["changed"]), ["w1"]);

    // What the header says was seen comes before what the address says.
    node.instance(0xa, "web", "w2", |_| ());
    let headers = format!("{accept}Last-Event-ID: 000000000000000a-12884901890\r\n");
    let (mut again, _) = open(&server, "/v1/watch/default/web?from=000000000000000a-12884901889", &headers).await;
    let event = sse(&mut again).await;
    assert_eq!(event[1], "event: change");
    assert!(event[2].contains("\"w2\"") && !event[2].contains("\"w1\""), "{event:?}");

    let (mut all, _) = open(&server, "/v1/watch", accept).await;
    let mut names = Vec::new();
    loop {
        let event = sse(&mut all).await;
        let resumable = event[0].starts_with("id: ");
        let name = event[usize::from(resumable)].clone();
        assert_eq!(resumable, name == "event: current", "only there may be resumed");
        names.push(name);
        if resumable {
            break;
        }
    }
    assert_eq!(names, ["event: reset", "event: service", "event: nodes", "event: current"]);
}

#[tokio::test]
async fn a_reader_that_leaves_frees_its_watch() {
    let node = NodeDouble::start();
    let server = Server::start(&node, Config::default()).await;
    let (one, _) = open(&server, "/v1/watch", "").await;
    let (two, _) = open(&server, "/v1/watch/default/web", "").await;
    server.until("whither_http_watches", 2.0).await;
    drop((one, two));
    server.until("whither_http_watches", 0.0).await;
}

#[tokio::test]
async fn watches_have_a_bound() {
    let node = NodeDouble::start();
    let server = Server::start(&node, Config { watches_max: 1, ..Config::default() }).await;
    let (_open, _) = open(&server, "/v1/watch", "").await;
    let refused = server.get("/v1/watch/default/web").await;
    assert_eq!((refused.status.as_u16(), &refused.json()["type"]), (503, &json!("urn:whither:problem:unavailable")));
    assert!((server.metric("whither_http_watches_refused_total").await - 1.0).abs() < 0.5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_gets_few_events_and_the_newest_state() {
    const CHANGES: u16 = 400;
    let node = NodeDouble::start();
    let fill = |round: u16| {
        (0..200).map(move |n| {
            NodeDouble::delta(0xa, "web", &format!("w{n}"), |r| {
                r.weight = round + 1;
                r.meta = [("filler".into(), "x".repeat(500).into())].into();
            })
        })
    };
    node.apply_all(fill(0));
    let server = Server::start(&node, Config::default()).await;
    let (mut watch, _) = open(&server, "/v1/watch/default/web", "").await;
    // Some 150 KB each time, 60 MB in all; the reader takes none of it.
    for round in 1..=CHANGES {
        node.apply_all(fill(round));
        server.get("/v1/health").await;
    }
    let sent = server.metric("whither_http_watch_events_total").await;
    assert!(sent < f64::from(CHANGES) / 2.0, "{sent} events for a reader that read nothing");
    let mut read = 0;
    loop {
        let event = watch.event().await;
        read += 1;
        if event["changed"][0]["weight"] == CHANGES + 1 {
            break;
        }
    }
    assert!(read < CHANGES / 2, "{read} events");
}

#[tokio::test]
async fn stopping_ends_watches_and_the_server() {
    let node = NodeDouble::start();
    let server = Server::start(&node, Config::default()).await;
    let (mut one, _) = open(&server, "/v1/watch/default/web", "").await;
    let (mut all, _) = open(&server, "/v1/watch", "").await;
    one.event().await;
    all.event().await;
    let mut idle = Wire::connect(server.address).await;
    idle.send("GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(idle.reply().await.status, 200);
    let silent = Wire::connect(server.address).await;
    let address = server.address;
    let stopped = server.begin_to_stop();
    assert_eq!(one.event_line().await, None, "ended in good order");
    while all.event_line().await.is_some() {}
    assert_eq!(idle.until_end().await, "");
    crate::wire::soon("stopping", stopped).await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nothing listens any more");
    drop(silent);
}
