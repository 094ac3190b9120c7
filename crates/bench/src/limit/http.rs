//! HTTP: hyper, a ready body, and nothing between.

use crate::http_client::{Connection, request};
use crate::sample::Sample;
use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// Serves, as long as this process runs, answers whose bodies have `reply_bytes`.
pub(crate) fn spawn(reply_bytes: usize) -> Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no Tokio runtime")?;
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).context("no TCP port")?;
    let address = listener.local_addr()?;
    let body = Bytes::from(vec![b'x'; reply_bytes]);
    std::thread::Builder::new().name("http-limit".into()).spawn(move || runtime.block_on(serve(listener, body)))?;
    Ok(address)
}

/// [`spawn`], for tests.
#[cfg(test)]
pub(crate) fn spawn_in_process(reply_bytes: usize) -> SocketAddr {
    spawn(reply_bytes).unwrap()
}

async fn serve(listener: TcpListener, body: Bytes) {
    while let Ok((stream, _)) = listener.accept().await {
        let body = body.clone();
        tokio::spawn(async move {
            stream.set_nodelay(true)?;
            let service = service_fn(|request| answer(request, body.clone()));
            // Answers to requests that arrived together leave together: the best that hyper can do.
            let mut builder = hyper::server::conn::http1::Builder::new();
            let served = builder.pipeline_flush(true).serve_connection(TokioIo::new(stream), service).await;
            // A client that goes away in the middle is how every measurement ends.
            drop(served);
            Ok::<(), std::io::Error>(())
        });
    }
}

async fn answer(request: Request<Incoming>, body: Bytes) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let mut incoming = request.into_body();
    while let Some(frame) = incoming.frame().await {
        frame?;
    }
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// How long an echo takes, microseconds, on one connection, at most `n` times and `duration`.
pub(crate) fn round_trips(server: SocketAddr, n: usize, duration: Duration) -> Result<Sample> {
    let mut connection = Connection::open(server)?;
    let asked = request("GET", "/", "");
    let until = Instant::now() + duration;
    let mut taken = Vec::with_capacity(n);
    while taken.len() < n && Instant::now() < until {
        let begun = Instant::now();
        connection.exchange(&asked)?;
        taken.push(begun.elapsed());
    }
    Ok(Sample::micros(taken))
}
