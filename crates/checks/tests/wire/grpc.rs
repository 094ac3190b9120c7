//! The health service of gRPC, served by hand.

use crate::bed::{HASTY, PATIENT, answers, find, listener, must, port};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::sync::mpsc;
use whither_checks::Output;
use whither_model::{Health, Probe};

/// What a server answers: a body, and how the call ended.
#[derive(Clone, Copy)]
struct Reply {
    http: u16,
    content: &'static str,
    body: &'static [u8],
    /// Headers of this name begin with `!` when they are to come at once, as a call that fails early has them.
    trailers: &'static [(&'static str, &'static str)],
}

const SERVING: Reply =
    Reply { http: 200, content: "application/grpc", body: &[0, 0, 0, 0, 2, 8, 1], trailers: &[("grpc-status", "0")] };

type Asked = mpsc::UnboundedReceiver<(hyper::http::request::Parts, Bytes)>;

async fn server(reply: Reply) -> (SocketAddr, Asked) {
    let (listener, at) = listener().await;
    let (tell, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tell = tell.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let tell = tell.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                    drop(tell.send((head, body)));
                    Ok::<_, Infallible>(response(reply))
                }
            });
            let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(serving.serve_connection(TokioIo::new(stream), service));
        }
    });
    (at, asked)
}

fn response(reply: Reply) -> Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>> {
    let mut response = Response::builder().status(reply.http).header("content-type", reply.content);
    let mut trailers = HeaderMap::new();
    for (name, value) in reply.trailers {
        match name.strip_prefix('!') {
            Some(name) => response = response.header(name, *value),
            None => drop(trailers.insert(*name, HeaderValue::from_static(value))),
        }
    }
    let trailers = (!trailers.is_empty()).then_some(Ok(trailers));
    response.body(Full::new(Bytes::from_static(reply.body)).with_trailers(std::future::ready(trailers))).unwrap()
}

fn health_of(at: SocketAddr, service: &str) -> Probe {
    Probe::Grpc { port: port(at), service: service.into(), tls: None }
}

async fn answered(reply: Reply) -> Output {
    let (at, _asked) = server(reply).await;
    find(at, health_of(at, "shop.Cart"), PATIENT).await
}

#[tokio::test]
async fn who_serves_passes_and_is_asked_as_the_protocol_says() {
    let (at, mut asked) = server(SERVING).await;
    let found = find(at, health_of(at, "shop.Cart"), PATIENT).await;
    assert_eq!(found.status, Some(Health::Passing));
    assert_eq!(&*found.text, &format!("{at} says that \"shop.Cart\" is SERVING"));
    let (head, body) = must(asked.recv()).await.unwrap();
    assert_eq!((head.method.as_str(), head.uri.path()), ("POST", "/grpc.health.v1.Health/Check"));
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!((header("content-type"), header("te")), (Some("application/grpc"), Some("trailers")));
    assert_eq!(header("grpc-timeout"), Some("1000m"));
    // Field 1, of a type with a length (protobuf.dev/programming-guides/encoding).
    assert_eq!(&body[..], b"\0\0\0\0\x0b\x0a\x09shop.Cart");
}

#[tokio::test]
async fn the_server_as_a_whole_is_asked_about_with_nothing() {
    let (at, mut asked) = server(SERVING).await;
    assert_eq!(find(at, health_of(at, ""), PATIENT).await.status, Some(Health::Passing));
    assert_eq!(&must(asked.recv()).await.unwrap().1[..], b"\0\0\0\0\0");
}

#[tokio::test]
async fn who_does_not_serve_fails_and_it_is_said_why() {
    for (reply, why) in [
        (Reply { body: &[0, 0, 0, 0, 2, 8, 2], ..SERVING }, "is NOT_SERVING"),
        (Reply { body: &[], trailers: &[("!grpc-status", "5")], ..SERVING }, "does not know the gRPC service"),
        (Reply { body: &[], trailers: &[("!grpc-status", "12")], ..SERVING }, "has no gRPC health service"),
        (
            Reply { trailers: &[("grpc-status", "13"), ("grpc-message", "out of cheese")], ..SERVING },
            "with status 13\nout of cheese",
        ),
        (Reply { trailers: &[], ..SERVING }, "did not say how the call ended"),
        (Reply { body: &[], ..SERVING }, "is no answer about health"),
        (Reply { body: &[b'x'; 4000], ..SERVING }, "more than an answer about health can be long"),
        (Reply { http: 502, ..SERVING }, "HTTP 502 Bad Gateway"),
        (Reply { content: "text/html", ..SERVING }, "speaks HTTP/2, but not gRPC"),
    ] {
        let found = answered(reply).await;
        assert_eq!(found.status, Some(Health::Critical));
        assert!(found.text.contains(why), "{why}: {}", found.text);
    }
}

#[tokio::test]
async fn what_is_not_http2_fails() {
    let (at, _asked) = answers("HTTP/1.1 400 Bad Request\r\n\r\n", b"", false).await;
    let found = find(at, health_of(at, ""), PATIENT).await;
    assert_eq!(found.status, Some(Health::Critical), "{}", found.text);
    let (at, _asked) = answers("", b"", true).await;
    let found = find(at, health_of(at, ""), HASTY).await;
    assert_eq!(found.status, Some(Health::Critical));
    assert!(found.text.ends_with("did not answer within 150ms"), "{}", found.text);
}
