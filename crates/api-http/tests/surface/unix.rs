//! The same surface over a Unix socket: what is said, and what a connection is worth.

use crate::node_double::NodeDouble;
use crate::wire::{Server, Wire, soon};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use whither_api_http::Config;

const HEALTH: &str = "GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A server with a port and a socket, and the directory that the socket is in.
async fn start(node: &NodeDouble, config: Config) -> (Server, PathBuf, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("whither.sock");
    (Server::start_at(node, config, &socket).await, socket, directory)
}

#[tokio::test]
async fn a_socket_carries_what_a_port_carries() {
    let node = NodeDouble::start();
    node.instance(0xa, "web", "w1", |_| ());
    let (server, socket, _directory) = start(&node, Config::default()).await;
    let mut wire = Wire::connect_at(&socket).await;
    let ask = "GET /v1/services/default/web HTTP/1.1\r\nHost: localhost\r\n\r\n";
    wire.send(&format!("{ask}{HEALTH}")).await;
    let reply = wire.reply().await;
    assert_eq!(reply.text, server.get("/v1/services/default/web").await.text, "word for word");
    assert_eq!(wire.reply().await.json()["status"], "ok", "one request after another");
    let body = json!({"port": 80}).to_string();
    let head = "PUT /v1/services/default/web/instances/w2 HTTP/1.1\r\nHost: anything at all";
    wire.send(&format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    assert_eq!(wire.reply().await.status, 201);
    let mut second = Wire::connect_at(&socket).await;
    second.send_bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    second.send_bytes(b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x01\x01x").await;
    assert!(second.until_bytes(b"Whither: where services are").await, "HTTP/2 is spoken without asking first");
}

#[tokio::test]
async fn a_session_over_a_socket_dies_with_its_connection() {
    let node = NodeDouble::start();
    let (_server, socket, _directory) = start(&node, Config::default()).await;
    let instances = json!([{"service": "prod/recos", "id": "r1", "port": 8080}]).to_string();
    let mut session = Wire::connect_at(&socket).await;
    let head = "POST /v1/sessions?grace=3s HTTP/1.1\r\nHost: localhost";
    session.send(&format!("{head}\r\nContent-Length: {}\r\n\r\n{instances}", instances.len())).await;
    assert_eq!(session.head().await.0, 200);
    assert_eq!(session.event().await["event"], "open");
    let mut watch = Wire::connect_at(&socket).await;
    watch.send("GET /v1/watch/prod/recos HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    watch.head().await;
    assert_eq!(watch.event().await["changed"][0]["id"], "r1");
    drop(session);
    let gone = watch.event().await;
    assert_eq!((&gone["event"], &gone["removed"]), (&json!("change"), &json!(["r1"])));
}

#[tokio::test]
async fn pages_that_a_proxy_passes_on_are_refused_over_a_socket_too() {
    let node = NodeDouble::start();
    let (_server, socket, _directory) = start(&node, Config::default()).await;
    let mut wire = Wire::connect_at(&socket).await;
    for (header, status) in [("Sec-Fetch-Site: cross-site", 403), ("Origin: https://evil.example", 403), ("X: y", 202)]
    {
        wire.send(&format!("POST /v1/leave HTTP/1.1\r\nHost: localhost\r\n{header}\r\nContent-Length: 0\r\n\r\n"))
            .await;
        let reply = wire.reply().await;
        assert_eq!(reply.status, status, "{header}: {}", reply.text);
    }
}

#[tokio::test]
async fn whoever_is_too_slow_is_let_go() {
    let node = NodeDouble::start();
    let brief = Duration::from_millis(50);
    let (_server, socket, _directory) = start(&node, Config { header_read: brief, ..Config::default() }).await;
    for start in ["", "G", "PRI * HTTP/2.0\r\n", "GET /v1/health HTTP/1.1\r\nHos"] {
        let mut wire = Wire::connect_at(&socket).await;
        wire.send(start).await;
        wire.until_end().await;
    }
}

#[tokio::test]
async fn garbage_ends_its_own_connection_only() {
    let node = NodeDouble::start();
    let (server, socket, _directory) = start(&node, Config::default()).await;
    let mut held = Wire::connect_at(&socket).await;
    held.send(HEALTH).await;
    held.reply().await;
    let binary: Vec<u8> = (0..=255).cycle().take(4_096).collect();
    let cases: [&[u8]; 3] = [&binary, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff", b"\0\r\n\r\n"];
    for bytes in cases {
        let mut wire = Wire::connect_at(&socket).await;
        wire.send_bytes(bytes).await;
        wire.until_end().await;
    }
    held.send(HEALTH).await;
    assert_eq!(held.reply().await.status, 200);
    assert!(server.metric("whither_http_panics_total").await.abs() < 0.5);
}

#[tokio::test]
async fn a_port_that_is_overrun_leaves_the_socket_open_and_that_has_a_bound_too() {
    const SPARE: usize = 16;
    let node = NodeDouble::start();
    let (server, socket, _directory) = start(&node, Config { connections_max: 1, ..Config::default() }).await;
    let mut crowd = Wire::connect(server.address).await;
    crowd.send(HEALTH).await;
    crowd.reply().await;
    assert_eq!(Wire::connect(server.address).await.until_end().await, "", "the port is full");
    let mut held = Vec::new();
    for _ in 0..SPARE {
        let mut wire = Wire::connect_at(&socket).await;
        wire.send(HEALTH).await;
        assert_eq!(wire.reply().await.status, 200);
        held.push(wire);
    }
    assert_eq!(Wire::connect_at(&socket).await.until_end().await, "", "and now the socket is");
    held[0].send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let metrics = held[0].reply().await.text;
    assert!(metrics.contains("whither_http_connections 17\n"), "counted together: {metrics}");
    assert!(metrics.contains("whither_http_connections_refused_total 2\n"), "{metrics}");
}

#[tokio::test]
async fn a_server_that_stops_drains_its_socket_too() {
    let node = NodeDouble::start();
    let (server, socket, _directory) = start(&node, Config::default()).await;
    let mut watch = Wire::connect_at(&socket).await;
    watch.send("GET /v1/watch HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    watch.head().await;
    watch.event().await;
    let stopped = server.begin_to_stop();
    while watch.event_line().await.is_some() {}
    soon("stopping", stopped).await.unwrap().unwrap();
    let refused = tokio::net::UnixStream::connect(&socket).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}
