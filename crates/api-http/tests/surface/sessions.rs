//! Sessions over real sockets: the connection is the session.

use crate::node_double::NodeDouble;
use crate::wire::{Server, Wire, ask, routes, send};
use serde_json::{Value, json};
use whither_api_http::Config;

/// Opens a session with `body`; the connection, and the first line of its stream.
async fn open(server: &Server, query: &str, body: &str) -> (Wire, Value) {
    let mut wire = Wire::connect(server.address).await;
    let length = body.len();
    wire.send(&format!("POST /v1/sessions{query} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")).await;
    let (status, _) = wire.head().await;
    assert_eq!(status, 200);
    let first = wire.event().await;
    (wire, first)
}

async fn watch(server: &Server, service: &str) -> Wire {
    let mut wire = Wire::connect(server.address).await;
    wire.send(&format!("GET /v1/watch/{service} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    wire.head().await;
    wire
}

#[tokio::test]
async fn what_is_registered_on_a_session_dies_with_its_connection() {
    let node = NodeDouble::start();
    let server = Server::start(&node, Config::default()).await;
    let instances = json!([{"service": "prod/recos", "id": "r1", "port": 8080}]).to_string();
    let (session, first) = open(&server, "?grace=3s", &instances).await;
    assert_eq!((&first["event"], &first["grace_ms"], &first["instances"]), (&json!("open"), &json!(3_000), &json!(1)));
    let mut watch = watch(&server, "prod/recos").await;
    assert_eq!(watch.event().await["changed"][0]["id"], "r1");
    drop(session);
    let gone = watch.event().await;
    assert_eq!(
        (&gone["event"], &gone["removed"], &gone["selection"]),
        (&json!("change"), &json!(["r1"]), &json!("empty"))
    );
}

#[tokio::test]
async fn one_more_may_be_registered_on_an_open_session_and_none_on_another() {
    let node = NodeDouble::start();
    let server = Server::start(&node, Config::default()).await;
    let (_session, first) = open(&server, "", "").await;
    assert_eq!((&first["grace_ms"], &first["instances"]), (&json!(10_000), &json!(0)));
    let id = first["session"].as_str().unwrap();
    let body = json!({"port": 80, "session": id}).to_string();
    let router = routes(&node);
    assert_eq!(send(&router, "PUT /v1/services/prod/web/instances/w1", &body).await.status, 201);
    let explained = ask(&router, "GET /v1/services/prod/web/instances/w1?explain=true").await.json();
    assert_eq!(explained["explain"]["witness"], "session");
    assert!(!explained.to_string().contains(id), "who knows a session may end it: it is told to nobody else");
    let ended = ask(&router, &format!("DELETE /v1/sessions/{id}")).await;
    assert_eq!((ended.status.as_u16(), ended.json()), (200, json!({"instances": 1})));
    let again = ask(&router, &format!("DELETE /v1/sessions/{id}")).await;
    assert_eq!((again.status.as_u16(), &again.json()["type"]), (409, &json!("urn:whither:problem:no-session")));
}

#[tokio::test]
async fn a_server_that_stops_ends_no_session() {
    let node = NodeDouble::start();
    let server = Server::start(&node, Config::default()).await;
    let instances = json!([{"service": "web", "id": "w1", "port": 80}]).to_string();
    let (mut session, _) = open(&server, "", &instances).await;
    let stopped = server.begin_to_stop();
    assert_eq!(session.event_line().await, None, "the stream ends with its server");
    drop(session);
    stopped.await.unwrap().unwrap();
    let view = node.directory.view();
    let web = view.service(&"web".parse().unwrap()).unwrap();
    assert_eq!(web.selected().count(), 1);
}

#[tokio::test]
async fn a_bad_grace_and_a_bad_body_open_nothing() {
    let node = NodeDouble::start();
    let router = routes(&node);
    for (path, body, status, words) in [
        ("/v1/sessions?grace=soon", "", 422, "expected 0 to 10m"),
        ("/v1/sessions?grace=11m", "", 422, "expected 0 to 10m"),
        ("/v1/sessions?grase=1s", "", 400, "grace"),
        ("/v1/sessions", r#"{"service":"web"}"#, 400, "array"),
        ("/v1/sessions", r#"[{"service":"web","id":"w1","port":0}]"#, 422, "port"),
    ] {
        let problem = send(&router, &format!("POST {path}"), body).await;
        assert_eq!(problem.status, status, "{path} {body}");
        assert!(problem.json()["detail"].as_str().unwrap().contains(words), "{problem:?}");
    }
    assert_eq!(node.directory.view().instance_count(), 0);
}
