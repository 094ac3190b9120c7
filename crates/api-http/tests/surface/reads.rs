//! Questions and their answers.

use crate::node_double::{self, NodeDouble};
use crate::wire::{Server, Wire, ask, call, routes};
use axum::body::Body;
use serde_json::json;
use std::time::Duration;
use whither_api_http::Config;
use whither_directory::Lag;
use whither_model::{Health, MemberState, Port, Registration, State};

fn full(registration: &mut Registration) {
    let port = |name: &str, number| Port { name: name.parse().unwrap(), number };
    registration.ports = [port("web", 8080), port("admin", 9090)].into();
    registration.tags = ["v2".into(), "canary".into()].into();
    registration.meta = [("a".into(), "\"quoted\"\n".into()), ("team".into(), "ml".into())].into();
    registration.version = "1.4.2".into();
    registration.zone = "z9".into();
    registration.lease = Some(Duration::from_secs(10));
}

#[tokio::test]
async fn a_service_is_told_with_its_age_and_place() {
    let node = NodeDouble::start();
    node.member(0xb, "b", MemberState::Alive);
    node.current(0xb, Duration::from_secs(2));
    node.instance(0xb, "prod/recos", "r1", full);
    node.at(Duration::from_micros(3_000_001));
    let routes = routes(&node);
    let reply = ask(&routes, "GET /v1/services/prod/recos").await;
    assert_eq!(reply.status, 200);
    let index = "000000000000000a-12884901891";
    assert_eq!(
        reply.json(),
        json!({
            "service": "prod/recos", "age_ms": 1001, "index": index, "selection": "usable", "protected": false,
            "instances": [{
                "id": "r1", "address": "10.0.0.7", "port": 8080, "ports": {"web": 8080, "admin": 9090},
                "tags": ["v2", "canary"], "meta": {"a": "\"quoted\"\n", "team": "ml"}, "weight": 100,
                "version": "1.4.2", "zone": "z9", "state": "up", "health": "passing", "status": "passing",
                "ttl_ms": 10_000, "owner": "000000000000000b", "node": "b", "owner_state": "alive",
                "changed_at": "1970-01-01T00:00:02.000Z"
            }]
        })
    );
    assert!(reply.text.contains(r#""ports":{"web":8080,"admin":9090}"#), "in the order given: {}", reply.text);
    assert_eq!(reply.header("x-whither-age-ms"), "1001");
    assert_eq!(reply.header("x-whither-index"), index);
    assert_eq!(reply.header("content-type"), "application/json");

    let one = ask(&routes, "GET /v1/services/prod/recos/instances/r1").await;
    let mut expected = reply.json()["instances"][0].clone();
    expected["age_ms"] = json!(1001);
    expected["index"] = json!(index);
    assert_eq!(one.json(), expected);
    assert_eq!(one.header("x-whither-index"), index);
}

#[tokio::test]
async fn an_unchanged_answer_costs_no_body() {
    let node = NodeDouble::start();
    node.instance(0xa, "prod/recos", "r1", |_| ());
    let routes = routes(&node);
    let line = "GET /v1/services/prod/recos";
    let tag = ask(&routes, line).await.header("etag").to_owned();
    assert_eq!(tag, "W/\"000000000000000a-12884901890\"");
    for known in [tag.clone(), format!("\"other\", {tag}"), tag["W/".len()..].to_owned(), "*".to_owned()] {
        let reply = call(&routes, line, &[("if-none-match", &known)], Body::empty()).await;
        assert_eq!((reply.status.as_u16(), reply.text.as_str()), (304, ""), "{known}");
        assert_eq!(reply.header("x-whither-age-ms"), "0");
        assert_eq!(reply.header("etag"), tag);
    }
    // A member that owns nothing of the service falls silent: the answer says so, so it is another answer.
    node.member(0xb, "b", MemberState::Down);
    let reply = call(&routes, line, &[("if-none-match", &tag)], Body::empty()).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["unheard"][0]["name"], "b");
    node.instance(0xa, "prod/recos", "r2", |_| ());
    let again = call(&routes, line, &[("if-none-match", reply.header("etag"))], Body::empty()).await;
    assert_eq!((again.status.as_u16(), again.json()["instances"].as_array().unwrap().len()), (200, 2));
}

#[tokio::test]
async fn members_that_are_down_are_named_with_their_age() {
    let node = NodeDouble::start();
    node.member(0xb, "b", MemberState::Alive);
    node.current(0xb, Duration::from_secs(1));
    node.instance(0xb, "prod/recos", "r1", |_| ());
    node.member(0xb, "b", MemberState::Down);
    node.at(Duration::from_secs(5));
    let json = ask(&routes(&node), "GET /v1/services/prod/recos").await.json();
    assert_eq!(json["unheard"], json!([{"node": "000000000000000b", "name": "b", "age_ms": 4000}]));
    assert_eq!((&json["selection"], &json["age_ms"]), (&json!("last_known"), &json!(4000)));
    assert_eq!(json["instances"][0]["status"], "lost");
}

#[tokio::test]
async fn filters_choose_before_the_selection_does() {
    let node = NodeDouble::start();
    node.instance(0xa, "web", "r1", |r| r.tags = ["v1".into(), "x".into()].into());
    node.instance(0xa, "web", "r2", |r| {
        r.tags = ["v2".into()].into();
        r.zone = "z2".into();
        r.health = Health::Silent;
    });
    node.instance(0xa, "web", "r3", |r| {
        r.state = State::Draining;
        r.version = "2".into();
    });
    let routes = routes(&node);
    let cases = [
        ("", "usable", vec!["r1"]),
        ("?all=true", "usable", vec!["r1", "r2", "r3"]),
        ("?all", "usable", vec!["r1", "r2", "r3"]),
        ("?all=false", "usable", vec!["r1"]),
        ("?tag=v1&tag=x", "usable", vec!["r1"]),
        ("?tag=v1&tag=v2", "empty", vec![]),
        ("?tag=v2", "last_known", vec!["r2"]),
        ("?zone=z2", "last_known", vec!["r2"]),
        ("?zone=z1", "usable", vec!["r1"]),
        ("?version=2", "empty", vec![]),
        ("?version=2&all=true", "empty", vec!["r3"]),
    ];
    for (query, selection, ids) in cases {
        let json = ask(&routes, &format!("GET /v1/services/default/web{query}")).await.json();
        let shown: Vec<&str> =
            json["instances"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap()).collect();
        assert_eq!((json["selection"].as_str().unwrap(), shown), (selection, ids), "{query}");
    }
}

#[tokio::test]
async fn explain_gives_reasons() {
    let node = NodeDouble::start();
    node.member(0xb, "b", MemberState::Alive);
    node.current(0xb, Duration::from_secs(1));
    node.instance(0xb, "web", "r1", |r| r.lease = Some(Duration::from_secs(1)));
    node.instance(0xa, "web", "r2", |r| r.health = Health::Silent);
    node.at(Duration::from_secs(3));
    let routes = routes(&node);
    let reply = ask(&routes, "GET /v1/services/default/web?all=true&explain=true").await;
    assert_eq!(reply.header("etag"), "", "reasons hold ages, which move");
    let json = reply.json();
    assert_eq!(
        json["instances"][0]["explain"],
        json!({
            "age_ms": 2000, "set_by": "000000000000000b.3.7", "claimed_at": "1970-01-01T00:00:01.000Z",
            "witness": "lease", "witnesses": null, "came": "own", "index": 12_884_901_891_u64, "chosen": true,
            "why": "It is in service and well."
        })
    );
    let silent = &json["instances"][1]["explain"];
    assert_eq!((&silent["witness"], &silent["chosen"]), (&json!("registrant"), &json!(false)));
    assert_eq!(silent["why"], "Its lease or session ran out and other instances are usable.");
    let one = ask(&routes, "GET /v1/services/default/web/instances/r2?explain=true").await.json();
    assert_eq!(one["explain"], *silent);
}

#[tokio::test]
async fn a_service_whose_last_instance_left_is_known_and_empty() {
    let node = NodeDouble::start();
    node.instance(0xa, "web", "r1", |_| ());
    let (service, id) = ("web".parse().unwrap(), "r1".parse().unwrap());
    node.apply(whither_model::Delta::InstanceGone { service, id, owner: crate::node_double::node(0xa) });
    let reply = ask(&routes(&node), "GET /v1/services/default/web").await;
    assert_eq!(reply.status, 200);
    assert_eq!((&reply.json()["selection"], &reply.json()["instances"]), (&json!("empty"), &json!([])));
}

#[tokio::test]
async fn services_are_listed_by_name() {
    let node = NodeDouble::start();
    for (service, id) in [("prod/web", "w1"), ("prod/api", "a1"), ("test/web", "w1"), ("prod/web", "w2")] {
        node.instance(0xa, service, id, |r| r.state = if id == "w2" { State::Starting } else { State::Up });
    }
    let routes = routes(&node);
    let all = ask(&routes, "GET /v1/services").await;
    assert_eq!(
        all.json(),
        json!({"age_ms": 0, "index": "000000000000000a-12884901893", "services": [
            {"service": "prod/api", "instances": 1, "usable": 1, "protected": false, "selection": "usable"},
            {"service": "prod/web", "instances": 2, "usable": 1, "protected": false, "selection": "usable"},
            {"service": "test/web", "instances": 1, "usable": 1, "protected": false, "selection": "usable"}
        ]})
    );
    assert_eq!(all.header("x-whither-index"), "000000000000000a-12884901893");
    let some = ask(&routes, "GET /v1/services?namespace=test").await.json();
    assert_eq!(some["services"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nodes_and_health_tell_who_answers() {
    let node = NodeDouble::start();
    node.member(0xb, "b", MemberState::Suspect);
    node.instance(0xb, "web", "w1", |_| ());
    node.current(0xb, Duration::from_secs(1));
    node.at(Duration::from_secs(2));
    let routes = routes(&node);
    let nodes = ask(&routes, "GET /v1/nodes").await.json();
    assert_eq!((&nodes["age_ms"], nodes["nodes"].as_array().unwrap().len()), (&json!(1000), 2));
    assert_eq!(nodes["nodes"][0]["self"], true);
    assert_eq!(
        nodes["nodes"][1],
        json!({
            "id": "000000000000000b", "name": "b", "address": "127.0.0.11:7600", "state": "suspect", "zone": "z1",
            "region": "r1", "epoch": 3, "software": "0.1.0", "instances": 1, "maintenance": false, "held": false,
            "age_ms": 1000, "self": false
        })
    );
    let healthy = json!({
        "status": "ok", "node": "000000000000000a", "name": "a", "epoch": 3, "software": "0.1.0", "age_ms": 1000,
        "index": nodes["index"], "services": 1, "instances": 1,
        "nodes": {"alive": 1, "suspect": 1, "down": 0, "left": 0}, "cluster": null, "disk": null, "tables": null
    });
    assert_eq!(ask(&routes, "GET /v1/health").await.json(), healthy);
    node.directory.vitals().set_disk_problem(Some("no space left".into()));
    let ill = ask(&routes, "GET /v1/health").await.json();
    assert_eq!((&ill["status"], &ill["disk"]), (&json!("degraded"), &json!("no space left")));
}

#[tokio::test]
async fn metrics_are_what_prometheus_reads() {
    let node = NodeDouble::start();
    node.instance(0xa, "web", "w1", |_| ());
    let server = Server::start(&node, Config::default()).await;
    server.get("/v1/services/default/web").await;
    server.get("/nothing").await;
    let reply = server.get("/metrics").await;
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        "# TYPE whither_http_answers_total counter",
        "whither_http_answers_total{class=\"2xx\"} 1",
        "whither_http_answers_total{class=\"4xx\"} 1",
        "whither_catalog_instances 1",
        "whither_catalog_nodes{state=\"alive\"} 1",
        "whither_commands_refused_total 0",
        "whither_disk_healthy 1",
        "# TYPE whither_http_connections gauge",
    ] {
        assert!(reply.text.lines().any(|present| present == line), "no {line:?} in {}", reply.text);
    }
    let families: Vec<&str> = reply.text.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let mut once = families.clone();
    once.dedup();
    assert_eq!(families, once, "each family is announced once");
}

#[tokio::test]
async fn the_straight_way_and_the_router_answer_alike() {
    let node = NodeDouble::start();
    // Enough for the body to be sent in two pieces.
    let many = (0..200).map(|n| NodeDouble::delta(0xa, "web", &format!("w{n}"), full));
    node.apply_all(many);
    node.instance(0xa, "small", "s1", |_| ());
    let server = Server::start(&node, Config::default()).await;
    let routes = routes(&node);
    for path in ["web", "web?all=true", "small", "none"] {
        let line = format!("GET /v1/services/default/{path}");
        let (straight, routed) = (server.get(&line["GET ".len()..]).await, ask(&routes, &line).await);
        assert_eq!((straight.status, &straight.text), (routed.status, &routed.text), "{path}");
        for header in ["etag", "content-type", "x-whither-age-ms", "x-whither-index"] {
            assert_eq!(straight.header(header), routed.header(header), "{header} of {path}");
        }
        assert_eq!(straight.header("content-length"), straight.text.len().to_string());
    }
    let large = server.get("/v1/services/default/web").await;
    assert!(large.text.len() > 16 * 1024);
    let mut wire = Wire::connect(server.address).await;
    let tag = large.header("etag");
    wire.send(&format!("GET /v1/services/default/web HTTP/1.1\r\nHost: x\r\nIf-None-Match: {tag}\r\n\r\n")).await;
    let unchanged = wire.reply().await;
    assert_eq!((unchanged.status.as_u16(), unchanged.header("etag")), (304, tag));
    wire.send("GET /v1/services/default/small HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(wire.reply().await.json()["service"], "default/small", "a 304 has no body in the way");
}

#[tokio::test]
async fn guards_at_work_are_told_with_what_they_protect() {
    let node = NodeDouble::start();
    node.member(0xb, "b", MemberState::Alive);
    node.instance(0xb, "prod/web", "w1", |r| r.health = Health::Overdue);
    node.instance(0xb, "prod/web", "w2", |_| ());
    node.instance(0xb, "prod/db", "d1", |r| r.health = Health::Silent);
    let routes = routes(&node);
    let status = ask(&routes, "GET /v1/status").await.json();
    assert_eq!((&status["protected"], &status["services"]), (&json!(2), &json!(["prod/db", "prod/web"])));
    assert_eq!((&status["instances"]["held"], &status["instances"]["passing"]), (&json!(1), &json!(1)));
    let guards = status["guards"].as_array().unwrap();
    let active: Vec<&str> =
        guards.iter().filter(|guard| guard["active"] == true).map(|guard| guard["guard"].as_str().unwrap()).collect();
    assert_eq!(active, ["never-empty", "mass-expiry"]);
    let web = ask(&routes, "GET /v1/services/prod/web").await.json();
    assert_eq!((&web["protected"], &web["instances"][0]["status"]), (&json!(true), &json!("held")));
}

#[tokio::test]
async fn how_long_news_takes_is_told_of_each_present_node_measured_or_not() {
    let node = NodeDouble::start();
    node.member(0xc, "c", MemberState::Alive);
    node.member(0xb, "b", MemberState::Suspect);
    node.member(0xd, "d", MemberState::Down);
    let heard = node.directory.clock().now();
    let [p50, p99, last] = [240, 1_250, 300].map(Duration::from_micros);
    let lag = Lag { p50, p99, last, heard, count: 7, by_repair: 1 };
    node.directory.propagation().renew(|| (lag, vec![(node_double::node(0xb), lag), (node_double::node(0xd), lag)]));
    node.at(Duration::from_millis(1_500));
    let told = ask(&routes(&node), "GET /v1/lag").await.json();
    let measured = json!({
        "p50_us": 240, "p99_us": 1250, "last_us": 300, "heard_ms_ago": 1500, "count": 7, "by_repair": 1,
    });
    assert_eq!(told["all"], measured);
    let mut of_b = measured;
    of_b["node"] = json!("000000000000000b");
    of_b["name"] = json!("b");
    assert_eq!((&told["of"][0], told["of"].as_array().unwrap().len()), (&of_b, 2));
    assert_eq!((&told["of"][1]["name"], &told["of"][1]["p50_us"]), (&json!("c"), &json!(null)));
}

#[tokio::test]
async fn prometheus_is_told_of_every_instance_that_has_the_port_whatever_its_health() {
    let node = NodeDouble::start();
    node.member(0xb, "b", MemberState::Alive);
    node.instance(0xb, "prod/recos", "r1", full);
    node.instance(0xb, "prod/recos", "r2", |registration| {
        registration.ports = [Port { name: "main".parse().unwrap(), number: 1 }].into();
        registration.health = Health::Critical;
    });
    node.instance(0xb, "web", "w1", |_| {});
    let routes = routes(&node);
    let named = ask(&routes, "GET /v1/prometheus?service=prod/recos&port=admin").await;
    assert_eq!(
        named.json(),
        json!([{
            "targets": ["10.0.0.7:9090"],
            "labels": {
                "__meta_whither_namespace": "prod", "__meta_whither_service": "recos", "__meta_whither_instance": "r1",
                "__meta_whither_node": "b", "__meta_whither_zone": "z9", "__meta_whither_version": "1.4.2",
                "__meta_whither_status": "passing", "__meta_whither_port_name": "admin", "__meta_whither_tags": ",v2,canary,",
                "__meta_whither_meta_a": "\"quoted\"\n", "__meta_whither_meta_team": "ml"
            }
        }])
    );
    assert_eq!(named.header("content-type"), "application/json");
    let all = ask(&routes, "GET /v1/prometheus?namespace=prod").await.json();
    let status = |at: usize| all[at]["labels"]["__meta_whither_status"].as_str().unwrap().to_owned();
    assert_eq!((status(0), status(1)), ("passing".to_owned(), "critical".to_owned()));
    assert_eq!(ask(&routes, "GET /v1/prometheus?service=nothing").await.json(), json!([]));
    assert_eq!(ask(&routes, "GET /v1/prometheus?service=a/b/c").await.status, 422);
    assert_eq!(ask(&routes, "GET /v1/prometheus?job=x").await.status, 400);
}
