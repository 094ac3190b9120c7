//! Connections: bounds, garbage, and both versions of HTTP.

use crate::node_double::NodeDouble;
use crate::wire::{Server, Wire, soon};
use std::time::Duration;
use whither_api_http::Config;

const HEALTH: &str = "GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn a_connection_carries_one_request_after_another() {
    let node = NodeDouble::start();
    node.instance(0xa, "web", "w1", |_| ());
    let server = Server::start(&node, Config::default()).await;
    let mut wire = Wire::connect(server.address).await;
    wire.send(&format!("GET /v1/services/default/web HTTP/1.1\r\nHost: x\r\n\r\n{HEALTH}")).await;
    assert_eq!(wire.reply().await.json()["service"], "default/web");
    assert_eq!(wire.reply().await.json()["status"], "ok");
    wire.send("HEAD /v1/services/default/web HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (status, headers) = wire.head().await;
    assert_eq!(status, 200);
    assert!(headers.contains_key("etag"));
    wire.send(HEALTH).await;
    assert_eq!(wire.reply().await.status, 200, "a HEAD has no body in the way");
}

#[tokio::test]
async fn garbage_ends_its_own_connection_only() {
    let node = NodeDouble::start();
    let server = Server::start(&node, Config::default()).await;
    let mut held = Wire::connect(server.address).await;
    held.send(HEALTH).await;
    held.reply().await;
    let binary: Vec<u8> = (0..=255).cycle().take(4_096).collect();
    let cases: [&[u8]; 6] = [
        &binary,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PUT /v1/services/a/b/instances/c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ];
    for bytes in cases {
        let mut wire = Wire::connect(server.address).await;
        wire.send_bytes(bytes).await;
        wire.until_end().await;
    }
    held.send(HEALTH).await;
    assert_eq!(held.reply().await.status, 200);
    assert!(server.metric("whither_http_panics_total").await.abs() < 0.5);
}

#[tokio::test]
async fn heads_and_bodies_have_a_bound() {
    let node = NodeDouble::start();
    let server = Server::start(&node, Config { body_bytes_max: 1_000_000, ..Config::default() }).await;
    for head in [
        format!("GET /v1/health HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(300_000)),
        format!("GET /v1/health HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: a\r\n".repeat(110)),
    ] {
        let mut wire = Wire::connect(server.address).await;
        wire.send(&head).await;
        let answer = wire.until_end().await;
        assert!(answer.starts_with("HTTP/1.1 431 ") || answer.is_empty(), "{answer}");
    }
    // Announced: refused before it is sent. Not announced: refused when it goes over.
    let mut wire = Wire::connect(server.address).await;
    wire.send("POST /v1/instances HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n").await;
    let reply = wire.reply().await;
    assert_eq!(reply.status, 413);
    assert!(reply.text.contains("more than 1000000 bytes"), "{}", reply.text);
    let mut wire = Wire::connect(server.address).await;
    wire.send("POST /v1/instances HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    wire.send(&format!("f4241\r\n{}", " ".repeat(0xf_4241))).await;
    assert_eq!(wire.reply().await.status, 413);
}

#[tokio::test]
async fn whoever_is_too_slow_is_let_go() {
    let node = NodeDouble::start();
    let brief = Duration::from_millis(50);
    let server = Server::start(&node, Config { header_read: brief, body_read: brief, ..Config::default() }).await;
    for start in ["", "G", "PRI * HTTP/2.0\r\n", "GET /v1/health HTTP/1.1\r\nHos"] {
        let mut wire = Wire::connect(server.address).await;
        wire.send(start).await;
        wire.until_end().await;
    }
    let mut wire = Wire::connect(server.address).await;
    wire.send("POST /v1/instances HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n[").await;
    let reply = wire.reply().await;
    assert_eq!(reply.status, 400);
    assert!(reply.text.contains("the body did not arrive within 50ms"), "{}", reply.text);
}

#[tokio::test]
async fn connections_have_a_bound() {
    let node = NodeDouble::start();
    let server = Server::start(&node, Config { connections_max: 2, ..Config::default() }).await;
    let mut first = Wire::connect(server.address).await;
    first.send(HEALTH).await;
    first.reply().await;
    let mut second = Wire::connect(server.address).await;
    second.send(HEALTH).await;
    second.reply().await;
    let mut third = Wire::connect(server.address).await;
    assert_eq!(third.until_end().await, "", "closed without a word");
    drop(second);
    let freed = async {
        loop {
            let mut again = Wire::connect(server.address).await;
            again.send("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
            let answer = again.until_end().await;
            if answer.contains("whither_http_connections_refused_total") {
                return answer;
            }
        }
    };
    let metrics = soon("a place", freed).await;
    assert!(metrics.contains("whither_http_connections 2\n"), "{metrics}");
    assert!(!metrics.contains("whither_http_connections_refused_total 0\n"), "{metrics}");
}

#[tokio::test]
async fn http_2_is_spoken_without_asking_first() {
    let node = NodeDouble::start();
    let server = Server::start(&node, Config::default()).await;
    let mut wire = Wire::connect(server.address).await;
    // RFC 9113: the preface, empty SETTINGS, and HEADERS of stream 1 (END_STREAM, END_HEADERS) from the static table of
    // RFC 7541: `:method GET`, `:scheme http`, `:path /`, and `:authority x` as a literal.
    wire.send_bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    wire.send_bytes(b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x01\x01x").await;
    let body = wire.until_bytes(b"Whither: where services are").await;
    assert!(body, "the listing comes back in a DATA frame");
}

#[tokio::test]
async fn a_request_that_does_not_finish_is_cut_when_the_server_stops() {
    let node = NodeDouble::start();
    let server = Server::start(&node, Config { drain: Duration::from_millis(50), ..Config::default() }).await;
    let mut wire = Wire::connect(server.address).await;
    wire.send(&format!("{HEALTH}POST /v1/instances HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")).await;
    wire.reply().await;
    soon("stopping", server.begin_to_stop()).await.unwrap().unwrap();
    assert_eq!(wire.until_end().await, "");
}
