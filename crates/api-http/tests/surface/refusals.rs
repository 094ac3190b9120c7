//! Bad input, and what is said of it.

use crate::node_double::NodeDouble;
use crate::wire::{Reply, ask, call, routes, send};
use axum::Router;
use serde_json::{Value, json};

const PUT: &str = "PUT /v1/services/prod/recos/instances/r1";

#[track_caller]
fn assert_problem(reply: &Reply, expected: &Value) {
    assert_eq!(reply.header("content-type"), "application/problem+json", "{}", reply.text);
    assert_eq!(reply.json(), *expected);
    assert_eq!(u64::from(reply.status.as_u16()), expected["status"]);
}

#[tokio::test]
async fn pages_of_other_origins_change_nothing() {
    let node = NodeDouble::start();
    node.instance(0xa, "prod/recos", "r1", |_| ());
    let routes = routes(&node);
    let put = "PUT /v1/services/prod/recos/instances/r2";
    let reply = call(&routes, put, &[("sec-fetch-site", "cross-site")], r#"{"port":80}"#).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["type"]), (403, &json!("urn:whither:problem:foreign-page")));
    let reply = call(&routes, "GET /v1/services/prod/recos", &[("sec-fetch-site", "cross-site")], "").await;
    assert_eq!(reply.json()["instances"].as_array().map(Vec::len), Some(1), "readable, and nothing was added");
    let own_page = [("sec-fetch-site", "same-origin"), ("content-type", "application/json")];
    assert_eq!(call(&routes, put, &own_page, r#"{"port":80}"#).await.status.as_u16(), 201);
}

#[tokio::test]
async fn problems_are_told_whole() {
    let node = NodeDouble::start();
    node.instance(0xa, "prod/recos", "r1", |_| ());
    let routes = routes(&node);
    assert_problem(
        &send(&routes, PUT, r#"{"wieght":7}"#).await,
        &json!({"type": "urn:whither:problem:invalid-field", "title": "A field cannot be accepted", "status": 422,
                "detail": "wieght: is not a field; did you mean \"weight\"?", "field": "wieght"}),
    );
    assert_problem(
        &send(&routes, PUT, "{\"port\":1,\n \"tags\" [\"a\"]}").await,
        &json!({"type": "urn:whither:problem:malformed-request", "title": "The request cannot be read", "status": 400,
                "detail": "the body is not as expected: expected `:` at line 2 column 9; expected JSON such as {\"port\":8080}"}),
    );
    assert_problem(
        &ask(&routes, "GET /v1/services/prod/none").await,
        &json!({"type": "urn:whither:problem:unknown-service", "title": "No such service is known", "status": 404,
                "detail": "no service prod/none is known here"}),
    );
    assert_problem(
        &ask(&routes, "GET /v1/services/prod/recos/instances/none").await,
        &json!({"type": "urn:whither:problem:unknown-instance", "title": "No such instance is known", "status": 404,
                "detail": "no instance none of prod/recos is known here"}),
    );
    assert_problem(
        &ask(&routes, "GET /v1/service/prod/recos").await,
        &json!({"type": "urn:whither:problem:not-found", "title": "There is nothing at this path", "status": 404,
                "detail": "there is nothing at \"/v1/service/prod/recos\"; near it: \
                           /v1/services/{namespace}/{service}, /v1/watch/{namespace}/{service}, \
                           /v1/sessions/{session}; \
                           GET / lists everything"}),
    );
    let reply = ask(&routes, "POST /v1/services/prod/recos/instances/r1").await;
    assert_problem(
        &reply,
        &json!({"type": "urn:whither:problem:method-not-allowed", "title": "The path does not take this method",
                "status": 405, "detail": "\"/v1/services/prod/recos/instances/r1\" does not take POST; \
                                          it takes GET, PUT, DELETE"}),
    );
    assert_eq!(reply.header("allow"), "GET,HEAD,PUT,DELETE");
    assert_problem(
        &call(&routes, PUT, &[("content-type", "text/plain")], "{}").await,
        &json!({"type": "urn:whither:problem:unsupported-media-type", "title": "The body is not JSON", "status": 415,
                "detail": "Content-Type is \"text/plain\"; expected application/json (with curl: --json, or -H \
                           'Content-Type: application/json')"}),
    );
    assert_problem(
        &send(&routes, PUT, &format!("{{\"version\":\"{}\"}}", "x".repeat(128 * 1024))).await,
        &json!({"type": "urn:whither:problem:too-large", "title": "Too large", "status": 413,
                "detail": "the body has more than 131072 bytes, the most that this path takes"}),
    );
    assert!(node.asked().is_empty(), "nothing that was refused reached the node");
}

#[tokio::test]
async fn a_field_that_cannot_be_accepted_is_named() {
    let node = NodeDouble::start();
    let routes = routes(&node);
    let cases = [
        (r#"{"address":"host"}"#, "address", "is \"host\"; expected an IP address such as"),
        (r#"{"address":7}"#, "address", "is 7; expected an IP address"),
        (r#"{"address":"0.0.0.0"}"#, "address", "expected a unicast address"),
        (r#"{"port":0}"#, "port", "is 0; expected a whole number from 1 to 65535"),
        (r#"{"port":65536}"#, "port", "is 65536; expected a whole number"),
        (r#"{"port":-1}"#, "port", "is -1; expected a whole number"),
        (r#"{"port":8080.5}"#, "port", "is 8080.5; expected a whole number"),
        (r#"{"port":"8080"}"#, "port", "is \"8080\"; expected a whole number"),
        (r#"{"port":1,"ports":{"a":1}}"#, "ports", "is given beside port"),
        (r#"{"ports":[1]}"#, "ports", "is an array; expected an object such as"),
        (r#"{"ports":{"web":0}}"#, "ports.web", "is 0; expected a whole number"),
        (r#"{"ports":{"We":1}}"#, "ports", "names are lower case"),
        (r#"{"tags":"a"}"#, "tags", "is \"a\"; expected an array of texts"),
        (r#"{"tags":["a",1]}"#, "tags[1]", "is 1; expected a text"),
        (r#"{"tags":["a",""]}"#, "tags[1]", "is 0 bytes long; expected 1 to 128"),
        (r#"{"meta":["a"]}"#, "meta", "is an array; expected an object of texts"),
        (r#"{"meta":{"k":null}}"#, "meta.k", "is null; expected a text"),
        (r#"{"weight":0}"#, "weight", "is 0; expected a whole number from 1 to 65535"),
        (r#"{"version":1}"#, "version", "is 1; expected a text"),
        (r#"{"zone":"Z"}"#, "zone", "names are lower case, try \"z\""),
        (r#"{"state":"on"}"#, "state", "expected starting, up, draining or maintenance"),
        (r#"{"health":"good"}"#, "health", "expected passing, warning or critical"),
        (r#"{"ttl":"10 s"}"#, "ttl", "is \"10 s\"; expected a text such as \"10s\""),
        (r#"{"ttl":"s"}"#, "ttl", "is \"s\"; expected"),
        (r#"{"ttl":"99999999999999999999h"}"#, "ttl", "expected a text such as"),
        (r#"{"ttl":100}"#, "ttl", "100 ms is out of range; expected 200ms to 24h"),
        (r#"{"id":"x"}"#, "id", "is not a field;"),
        (r#"{"colour":"x"}"#, "colour", "expected one of address, port, ports, tags"),
        ("[]", "body", "is an array; expected an object"),
    ];
    for (body, field, says) in cases {
        let reply = send(&routes, PUT, body).await;
        let json = reply.json();
        assert_eq!((reply.status.as_u16(), &json["field"]), (422, &json!(field)), "{body}: {json}");
        let detail = json["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("{field}: ")) && detail.contains(says), "{body}: {detail}");
    }
    assert!(node.asked().is_empty());
}

#[tokio::test]
async fn one_bad_registration_of_many_is_named_by_its_place() {
    let node = NodeDouble::start();
    let routes = routes(&node);
    let mut items: Vec<Value> = (0..20).map(|n| json!({"service": "web", "id": format!("w{n}")})).collect();
    let cases = [
        (json!({"service": "web", "id": "x", "weight": 0}), "[17].weight", "is 0; expected"),
        (json!({"service": "web", "id": "x", "wieght": 1}), "[17].wieght", "did you mean \"weight\"?"),
        (json!({"service": "web"}), "[17].id", "is missing; expected a text such as"),
        (json!({"id": "x"}), "[17].service", "is missing; expected a text such as"),
        (json!({"service": "Web", "id": "x"}), "[17].service", "names are lower case"),
        (json!({"service": "web", "id": "a/b"}), "[17].id", "visible ASCII characters"),
        (json!({"service": "web", "id": "w3"}), "[17].id", "w3 of default/web is in this request already"),
        (json!({"service": "web", "id": "x", "ttl": 1}), "[17].ttl", "expected 200ms to 24h"),
        (json!("web"), "[17]", "is \"web\"; expected an object"),
    ];
    for (bad, field, says) in cases {
        items[17] = bad;
        let json = send(&routes, "POST /v1/instances", &json!(items).to_string()).await.json();
        assert_eq!((&json["status"], &json["field"]), (&json!(422), &json!(field)), "{json}");
        assert!(json["detail"].as_str().unwrap().contains(says), "{json}");
    }
    let not_an_array = send(&routes, "POST /v1/instances", r#"{"service":"web","id":"x"}"#).await;
    assert_eq!(not_an_array.status, 400);
    let detail = not_an_array.json()["detail"].to_string();
    assert!(detail.contains("invalid type: map, expected an array of registrations at line 1 column 0"), "{detail}");
    let flood = format!("[{{\"meta\":[{}0]}}]", "0,".repeat(100_000));
    let flooded = send(&routes, "POST /v1/instances", &flood).await;
    assert_eq!(flooded.status, 400);
    assert!(flooded.text.contains("too many values"), "{}", flooded.text);
    assert!(node.asked().is_empty(), "all or none");
}

async fn assert_detail(routes: &Router, line: &str, body: Option<&str>, status: u16, says: &str) {
    let reply = match body {
        Some(body) => send(routes, line, body).await,
        None => ask(routes, line).await,
    };
    assert_eq!(reply.status.as_u16(), status, "{line}: {}", reply.text);
    assert!(reply.json()["detail"].as_str().unwrap().contains(says), "{line}: {}", reply.text);
}

#[tokio::test]
async fn parameters_and_paths_are_held_to_their_names() {
    let node = NodeDouble::start();
    let routes = routes(&node);
    let instance = "/v1/services/prod/recos/instances/r1";
    let cases = [
        ("GET /v1/services/prod/recos?al=true", 400, "\"al\" is not a parameter here; did you mean \"all\"?"),
        ("GET /v1/services/prod/recos?all=yes", 400, "all is \"yes\"; expected true or false"),
        ("GET /v1/services/prod/recos?zone=a&zone=b", 400, "zone is given twice"),
        ("GET /v1/services/Prod/recos", 422, "names are lower case, try \"prod\""),
        ("GET /v1/services/prod/re_cos_", 422, "must begin and end with a letter or digit"),
        ("GET /v1/services/prod/%FF", 400, "the path cannot be read"),
        ("GET /v1/services?name=x", 400, "\"name\" is not a parameter here"),
        ("GET /v1/nodes?x=1", 400, "this path takes none"),
        ("GET /v1/health?x=1", 400, "this path takes none"),
        (&format!("GET {instance}?explain=2"), 400, "expected true or false"),
        (&format!("DELETE {instance}"), 404, "no instance r1 of prod/recos is registered here"),
        (&format!("DELETE {instance}?ack=disk"), 400, "ack is \"disk\"; expected memory or durable"),
        (&format!("PUT {instance}/renew"), 404, "no instance r1 of prod/recos is registered here"),
        (&format!("PUT {instance}/renew?health=ok"), 422, "expected passing, warning or critical"),
        (&format!("PUT {instance}/state"), 422, "state: is missing; expected ?state="),
        (&format!("PUT {instance}/state?state=on"), 422, "expected starting, up, draining or maintenance"),
        (&format!("PUT {}", instance.replace("r1", "%20")), 422, "visible ASCII characters"),
        ("GET /v1/watch?from=7", 400, "from is \"7\", not a cursor: expected <node id>-<index>"),
        ("GET /v1/watch/prod/recos?from=zz-1", 400, "not a cursor"),
        ("GET /v1/watch/prod/Recos", 422, "names are lower case"),
        ("GET /V1/nodes", 404, "near it: /v1/nodes"),
        ("PATCH /v1/nodes", 405, "\"/v1/nodes\" does not take PATCH; it takes GET"),
    ];
    for (line, status, says) in cases {
        assert_detail(&routes, line, None, status, says).await;
    }
    let join = "POST /v1/join";
    for (body, status, says) in [
        ("", 400, "the body is empty; expected JSON such as {\"addresses\""),
        ("{}", 422, "addresses: is missing"),
        (r#"{"addresses":[]}"#, 422, "addresses: has 0 entries; expected 1 to 64"),
        (r#"{"addresses":[7]}"#, 422, "addresses[0]: is 7; expected a text"),
        (r#"{"addresses":["10.0.0.1","host:port"]}"#, 422, "addresses[1]: is \"host:port\"; expected an address"),
        (r#"{"addresses":["a b"]}"#, 422, "addresses[0]: is \"a b\"; expected an address or a name"),
        (r#"{"adresses":["10.0.0.1"]}"#, 422, "did you mean \"addresses\"?"),
        (r#"{"addresses":["10.0.0.1"]} x"#, 400, "trailing characters at line 1 column 28"),
    ] {
        assert_detail(&routes, join, Some(body), status, says).await;
    }
    assert_detail(&routes, PUT, Some(r#"{"port":1,"port":2}"#), 400, "\"port\" is given twice in one object at line 1")
        .await;
    assert_detail(&routes, PUT, Some(""), 400, "the body is empty; expected JSON such as {\"port\":8080}").await;
    let header = call(&routes, "GET /v1/watch", &[("last-event-id", "nonsense")], "").await;
    assert_eq!((header.status.as_u16(), &header.json()["field"]), (400, &json!("Last-Event-ID")));
}
