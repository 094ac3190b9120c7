//! Requests over HTTP/1.1.

use crate::bed::{HASTY, PATIENT, answers, find, listener, must, nobody, port};
use std::io::ErrorKind;
use std::net::SocketAddr;
use whither_checks::{OUTPUT_BYTES_MAX, Output};
use whither_model::check::{Http, Method, Statuses};
use whither_model::{Health, Probe};

fn get(at: SocketAddr) -> Http {
    Http { port: port(at), path: "/health?deep=1".into(), ..Http::default() }
}

async fn answered(answer: impl Into<Vec<u8>>) -> Output {
    let (at, _asked) = answers(answer, b"", false).await;
    find(at, Probe::Http(get(at)), PATIENT).await
}

#[tokio::test]
async fn a_good_answer_passes_and_is_kept() {
    let (at, mut asked) = answers("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nall well\n", b"", false).await;
    let found = find(at, Probe::Http(get(at)), PATIENT).await;
    assert_eq!(found.status, Some(Health::Passing));
    assert_eq!(&*found.text, &format!("HTTP 200 OK from http://{at}/health?deep=1\nall well"));
    let request = must(asked.recv()).await.unwrap();
    assert!(request.starts_with("GET /health?deep=1 HTTP/1.1\r\n"), "{request}");
    for header in [format!("host: {at}"), "connection: close".into(), "accept: */*".into()] {
        assert!(request.contains(&format!("\r\n{header}\r\n")), "{header} in {request}");
    }
}

#[tokio::test]
async fn method_and_host_are_as_asked() {
    let (at, mut asked) = answers("HTTP/1.1 204 No Content\r\n\r\n", b"", false).await;
    let http = Http { method: Method::Head, host: Some("shop.example".into()), ..get(at) };
    assert_eq!(find(at, Probe::Http(http), PATIENT).await.status, Some(Health::Passing));
    let request = must(asked.recv()).await.unwrap();
    assert!(request.starts_with("HEAD ") && request.contains("\r\nhost: shop.example\r\n"), "{request}");
}

#[tokio::test]
async fn a_bad_status_fails_and_keeps_what_was_said() {
    let found = answered("HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\n\r\nno database").await;
    assert_eq!(found.status, Some(Health::Critical));
    assert!(found.text.starts_with("HTTP 500 Internal Server Error from http://127.0.0.1"), "{}", found.text);
    assert!(found.text.ends_with("; expected 200 to 299\nno database"), "{}", found.text);
}

#[tokio::test]
async fn other_statuses_pass_where_they_are_expected() {
    let (at, _asked) = answers("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n", b"", false).await;
    let http = Http { expect: Statuses { first: 200, last: 401 }, ..get(at) };
    assert_eq!(find(at, Probe::Http(http), PATIENT).await.status, Some(Health::Passing));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (elsewhere, there) = listener().await;
    let elsewhere = elsewhere.into_std().unwrap();
    let found = answered(format!("HTTP/1.1 302 Found\r\nlocation: http://{there}/\r\ncontent-length: 0\r\n\r\n")).await;
    assert_eq!(found.status, Some(Health::Critical));
    assert!(
        found.text.contains(&format!("a redirect to http://{there}/; redirects are not followed")),
        "{}",
        found.text
    );
    assert_eq!(elsewhere.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody came");
}

#[tokio::test]
async fn of_an_endless_body_the_beginning_is_kept() {
    let (at, _asked) = answers("HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 1000], false).await;
    let found = find(at, Probe::Http(get(at)), PATIENT).await;
    assert_eq!((found.status, found.text.len()), (Some(Health::Passing), OUTPUT_BYTES_MAX));
}

#[tokio::test]
async fn endless_headers_are_not_read_to_their_end() {
    for (begun, more) in [
        ("HTTP/1.1 200 OK\r\nx: ", &b"xxxxxxxxxxxxxxxx"[..]),
        ("HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
        ("HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        let (at, _asked) = answers(begun, more, false).await;
        let found = find(at, Probe::Http(get(at)), PATIENT).await;
        assert_eq!(found.status, Some(Health::Critical), "{begun:?}: {}", found.text);
    }
}

#[tokio::test]
async fn what_is_not_http_is_said_to_be_none() {
    for garbage in [&b"SSH-2.0-OpenSSH_9.6\r\n"[..], b"\x15\x03\x01\x00\x02\x02\x16", b"\0\xff\r\n\r\n"] {
        let found = answered(garbage).await;
        assert_eq!(found.status, Some(Health::Critical));
        assert!(found.text.contains("does not speak HTTP/1.1"), "{garbage:?}: {}", found.text);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_fails() {
    for (part, why) in [
        ("", "closed the connection before it had answered"),
        ("HTTP/1.1 200", "closed the connection before it had answered"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "closed"),
    ] {
        let found = answered(part).await;
        assert_eq!(found.status, Some(Health::Critical));
        assert!(found.text.contains(why), "{part:?}: {}", found.text);
    }
}

#[tokio::test]
async fn who_is_slow_fails_and_it_is_said_where() {
    for (part, why) in [
        ("", "accepted the connection, but did not answer within 150ms"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "but its body did not end within 150ms"),
    ] {
        let (at, _asked) = answers(part, b"", true).await;
        let found = find(at, Probe::Http(get(at)), HASTY).await;
        assert_eq!(found.status, Some(Health::Critical));
        assert!(found.text.ends_with(why), "{part:?}: {}", found.text);
    }
    let at = nobody().await;
    assert!(find(at, Probe::Http(get(at)), PATIENT).await.text.starts_with("connection refused by"));
}
