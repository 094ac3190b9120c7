//! Clients that are none, or mean no good.

use crate::rig::{Rig, simple};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use whither_api_pg::Config;

/// What comes back until the connection ends.
async fn said(rig: &Rig, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(rig.address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    // A reset is an end, too.
    drop(read.expect("it does not wait for ever"));
    answer
}

fn startup() -> Vec<u8> {
    let parameters = b"user\0ann\0\0";
    let length = u32::try_from(8 + parameters.len()).unwrap();
    [&length.to_be_bytes()[..], &196_608_u32.to_be_bytes(), parameters].concat()
}

#[tokio::test]
async fn whoever_speaks_something_else_is_turned_away() {
    let rig = Rig::open().await;
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; 64],
        vec![0; 64],
        [&8_u32.to_be_bytes()[..], &131_072_u32.to_be_bytes()].concat(),
        [startup(), b"Q\xff\xff\xff\xff".to_vec()].concat(),
        [startup(), b"Q\0\0\0\x05x".to_vec()].concat(),
        [startup(), b"?\0\0\0\x04".to_vec()].concat(),
        [startup(), b"B\0\0\0\x08\0\0\0\x01".to_vec()].concat(),
        [startup(), b"p\0\0\0\x04".to_vec()].concat(),
    ] {
        said(&rig, &bytes).await;
    }
    assert!(rig.counted("pg_dropped_total", "protocol") >= 6.0);
    assert_eq!(simple(&rig.client().await, "select 1").await, "1 =1");
}

#[tokio::test]
async fn whoever_says_nothing_is_not_waited_for() {
    let rig = Rig::with(Config { startup: Duration::from_millis(100), ..Config::default() }).await;
    assert!(said(&rig, b"").await.is_empty());
    assert!(said(&rig, &[0, 0]).await.is_empty());
    assert!((rig.counted("pg_dropped_total", "startup") - 2.0).abs() < 0.5);
    let sessions = rig.counted("pg_connections", "");
    assert!(sessions.abs() < 0.5, "{sessions}");
}

#[tokio::test]
async fn a_message_that_is_too_large_is_not_read() {
    let rig = Rig::with(Config { message_bytes_max: 64 * 1024, ..Config::default() }).await;
    let client = rig.client().await;
    let large = format!("select '{}'", "x".repeat(70_000));
    assert!(client.simple_query(&large).await.is_err());
    let answer = said(&rig, &[startup(), b"Q\0\x10\0\0".to_vec()].concat()).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("08P01") && text.contains("at most 65536"), "{text}");
}

#[tokio::test]
async fn what_was_sent_ahead_in_the_clear_is_not_taken_for_encrypted() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = made.signing_key.serialize_pem();
    let tls = whither_api_pg::Tls::from_pem(made.cert.pem().as_bytes(), key.as_bytes()).unwrap();
    let rig = Rig::with(Config { tls: Some(tls), ..Config::default() }).await;
    let request = [0, 0, 0, 8, 4, 210, 22, 47];
    let answer = said(&rig, &[&request[..], &startup()].concat()).await;
    assert_eq!(answer.first(), Some(&b'S'));
    assert!(!String::from_utf8_lossy(&answer).contains("server_version"));
}
