//! Requests that change something.

use crate::node_double::{NodeDouble, node};
use crate::wire::{ask, call, routes, send};
use serde_json::json;
use std::time::Duration;
use whither_model::{Ack, Command, Health, Port, Refusal, Registration, State};

const INSTANCE: &str = "/v1/services/prod/recos/instances/r1";

#[tokio::test]
async fn an_instance_lives_through_all_requests() {
    let node = NodeDouble::start();
    let routes = routes(&node);
    let put = format!("PUT {INSTANCE}");
    let created = send(&routes, &put, r#"{"port":8080,"ttl":"10s"}"#).await;
    let written = |created, version: &str, index: u64| {
        json!({"service": "prod/recos", "id": "r1", "created": created, "version": version,
               "index": format!("000000000000000a-{index}")})
    };
    assert_eq!((created.status.as_u16(), created.json()), (201, written(true, "3.1", 12_884_901_890)));
    let again = send(&routes, &put, r#"{"port":8081,"ttl":10000}"#).await;
    assert_eq!((again.status.as_u16(), again.json()), (200, written(false, "3.2", 12_884_901_891)));

    let renewed = ask(&routes, &format!("PUT {INSTANCE}/renew?health=warning")).await;
    assert_eq!((renewed.status.as_u16(), renewed.json()), (200, json!({"ttl_ms": 10_000})));
    let draining = ask(&routes, &format!("PUT {INSTANCE}/state?state=draining&ack=durable")).await;
    let mut expected = written(false, "3.4", 12_884_901_893);
    expected.as_object_mut().unwrap().remove("created");
    assert_eq!((draining.status.as_u16(), draining.json()), (200, expected));
    let shown = ask(&routes, &format!("GET {INSTANCE}")).await.json();
    assert_eq!(
        (&shown["port"], &shown["health"], &shown["state"]),
        (&json!(8081), &json!("warning"), &json!("draining"))
    );

    let gone = ask(&routes, &format!("DELETE {INSTANCE}?ack=memory")).await;
    assert_eq!((gone.status.as_u16(), &gone.json()["version"]), (200, &json!("3.5")));
    assert_eq!(ask(&routes, &format!("GET {INSTANCE}")).await.status, 404);
    let (service, id) = ("prod/recos".parse().unwrap(), "r1".parse().unwrap());
    assert_eq!(node.asked().last(), Some(&Command::Deregister { service, id, force: false, ack: Ack::Memory }));
}

#[tokio::test]
async fn every_field_arrives_as_it_was_sent() {
    let node = NodeDouble::start();
    let body = r#"{"address":"fd00::7","ports":{"web":8080,"admin":9090,"a":1},"tags":["v2","b"],"zone":"z2",
        "meta":{"z":"1","a":"2"},"weight":7,"version":"1.4","state":"starting","health":"warning","ttl":"2m"}"#;
    let reply = send(&routes(&node), &format!("PUT {INSTANCE}?ack=durable"), body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let port = |name: &str, number| Port { name: name.parse().unwrap(), number };
    let registration = Registration {
        service: "prod/recos".parse().unwrap(),
        id: "r1".parse().unwrap(),
        address: "fd00::7".parse().unwrap(),
        ports: [port("web", 8080), port("admin", 9090), port("a", 1)].into(),
        tags: ["v2".into(), "b".into()].into(),
        meta: [("a".into(), "2".into()), ("z".into(), "1".into())].into(),
        weight: 7,
        version: "1.4".into(),
        zone: "z2".into(),
        state: State::Starting,
        health: Health::Warning,
        lease: Some(Duration::from_secs(120)),
        session: None,
        upkeep: None,
        shares_address: false,
    };
    assert_eq!(node.asked(), [Command::Register { registrations: vec![registration], ack: Ack::Durable }]);
}

#[tokio::test]
async fn what_is_left_out_has_a_default() {
    let node = NodeDouble::start();
    let routes = routes(&node);
    // Null stands for left out; a body may come without a media type.
    let reply = call(&routes, &format!("PUT {INSTANCE}"), &[], r#"{"port":80,"zone":null}"#).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let mut expected =
        Registration::new("prod/recos".parse().unwrap(), "r1".parse().unwrap(), "127.0.0.1".parse().unwrap());
    expected.ports = [Port { name: "main".parse().unwrap(), number: 80 }].into();
    assert_eq!(node.asked(), [Command::Register { registrations: vec![expected], ack: Ack::Memory }]);
    let renewed = ask(&routes, &format!("PUT {INSTANCE}/renew")).await;
    assert_eq!(renewed.json(), json!({"ttl_ms": null}));
}

#[tokio::test]
async fn an_encoded_path_names_the_same_instance() {
    let node = NodeDouble::start();
    let reply = send(&routes(&node), "PUT /v1/services/prod/re%63os/instances/a%3Ab", "{}").await;
    assert_eq!((&reply.json()["service"], &reply.json()["id"]), (&json!("prod/recos"), &json!("a:b")));
}

#[tokio::test]
async fn many_are_registered_in_one_request() {
    let node = NodeDouble::start();
    let routes = routes(&node);
    let body = r#"[{"service":"prod/recos","id":"r1","port":1},{"service":"prod/recos","id":"r2"},{"service":"web","id":"r1"}]"#;
    let reply = send(&routes, "POST /v1/instances", body).await;
    assert_eq!(
        (reply.status.as_u16(), reply.json()),
        (200, json!({"written": 3, "created": 3, "version": "3.3", "index": "000000000000000a-12884901890"}))
    );
    assert_eq!(send(&routes, "POST /v1/instances?ack=durable", body).await.json()["created"], 0);
    assert_eq!(ask(&routes, "GET /v1/services").await.json()["services"].as_array().unwrap().len(), 2);

    let full: Vec<_> =
        (0..10_000).map(|n| json!({"service": format!("s/{}", n / 5_000), "id": n.to_string()})).collect();
    let reply = send(&routes, "POST /v1/instances", &json!(full).to_string()).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["created"]), (200, &json!(10_000)));
    let over: Vec<_> = (0..10_001).map(|n| json!({"service": "s", "id": n.to_string()})).collect();
    let reply = send(&routes, "POST /v1/instances", &json!(over).to_string()).await;
    assert_eq!(reply.status, 422);
    assert_eq!(reply.json()["detail"], "body: has more than 10000 entries; send several requests");
}

#[tokio::test]
async fn joining_looks_names_up() {
    let node = NodeDouble::start();
    let routes = routes(&node);
    let body = r#"{"addresses":["10.0.0.1:7700","10.0.0.2","fd00::1","[fd00::2]:1"]}"#;
    let reply = send(&routes, "POST /v1/join", body).await;
    let seeds = ["10.0.0.1:7700", "10.0.0.2:7600", "[fd00::1]:7600", "[fd00::2]:1"];
    assert_eq!((reply.status.as_u16(), reply.json()), (202, json!({"begun": "join", "addresses": seeds})));
    let seeds = seeds.iter().map(|seed| seed.parse().unwrap()).collect();
    assert_eq!(node.asked(), [Command::Join { seeds }]);

    send(&routes, "POST /v1/join", r#"{"addresses":["localhost:9"]}"#).await;
    let Some(Command::Join { seeds }) = node.asked().pop() else { panic!("no join") };
    assert!(!seeds.is_empty() && seeds.iter().all(|seed| seed.ip().is_loopback() && seed.port() == 9), "{seeds:?}");

    let left = ask(&routes, "POST /v1/leave").await;
    assert_eq!((left.status.as_u16(), left.json()), (202, json!({"begun": "leave"})));
    assert_eq!(node.asked().pop(), Some(Command::Leave));
}

#[tokio::test]
async fn what_the_node_refuses_is_told_as_a_problem() {
    let node_double = NodeDouble::start();
    node_double.member(0xb, "b", whither_model::MemberState::Alive);
    let routes = routes(&node_double);
    let (service, id) = ("prod/recos".parse().unwrap(), "r1".parse().unwrap());
    let not_owner = |owner| Refusal::NotOwner {
        service: "prod/recos".parse().unwrap(),
        id: "r1".parse().unwrap(),
        owner: node(owner),
    };
    let cases = [
        (Refusal::Unknown { service, id }, 404, "unknown-instance"),
        (not_owner(0xb), 409, "not-owner"),
        (not_owner(0xc), 409, "not-owner"),
        (Refusal::TooLarge { bytes: 20_000 }, 413, "too-large"),
        (Refusal::ServiceFull { service: "prod/recos".parse().unwrap() }, 409, "service-full"),
        (Refusal::Disk("no space".into()), 507, "disk"),
        (Refusal::Unavailable("this node is shutting down"), 503, "unavailable"),
    ];
    for (refusal, status, slug) in cases {
        let detail = refusal.to_string();
        node_double.refuse(refusal.clone());
        let reply = send(&routes, &format!("PUT {INSTANCE}"), "{}").await;
        assert_eq!(reply.header("content-type"), "application/problem+json");
        let json = reply.json();
        assert_eq!((reply.status.as_u16(), &json["status"]), (status, &json!(status)));
        assert_eq!((&json["type"], &json["detail"]), (&json!(format!("urn:whither:problem:{slug}")), &json!(detail)));
        let owner = match refusal {
            Refusal::NotOwner { owner, .. } => json!(owner.to_string()),
            _ => json!(null),
        };
        assert_eq!(json["owner"], owner);
        assert_eq!(json["owner_name"], if owner == json!("000000000000000b") { json!("b") } else { json!(null) });
    }
}

#[tokio::test]
async fn many_are_renewed_at_once_and_those_unknown_are_named_by_place() {
    let node = NodeDouble::start();
    let routes = routes(&node);
    for id in ["r1", "r2"] {
        let path = format!("PUT /v1/services/prod/recos/instances/{id}");
        assert_eq!(send(&routes, &path, r#"{"port":80,"ttl":"1s"}"#).await.status, 201);
    }
    let body = r#"[["prod/recos","r1"],["prod/recos","gone"],["prod/recos","r2"],["other","r1"]]"#;
    let reply = send(&routes, "POST /v1/renewals", body).await;
    assert_eq!((reply.status.as_u16(), reply.json()), (200, serde_json::json!({"renewed": 2, "unknown": [1, 3]})));
    for (body, field) in
        [(r#"[["prod/recos","r1"],["bad name","r1"]]"#, "[1][0]"), (r#"[["prod/recos",""]]"#, "[0][1]")]
    {
        let reply = send(&routes, "POST /v1/renewals", body).await;
        assert_eq!((reply.status.as_u16(), reply.json()["field"].as_str()), (422, Some(field)), "{}", reply.text);
    }
    assert_eq!(send(&routes, "POST /v1/renewals", r#"{"a":1}"#).await.status, 400);
}
