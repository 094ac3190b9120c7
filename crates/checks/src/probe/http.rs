//! One request over HTTP/1.1. Redirects are an answer like any other, and are not followed.

use super::{connect, words};
use crate::OUTPUT_BYTES_MAX;
use crate::finding::{Deadline, Finding};
use crate::trust::{Spoken, Trust};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, LOCATION, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncWrite};
use whither_model::check::{self, Http};

/// Longest head of an answer.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Most headers of an answer.
const HEADERS_MAX: usize = 64;
/// Who asks, as instances see it in their logs.
pub(super) const AGENT: &str = concat!("whither-check/", env!("CARGO_PKG_VERSION"));

pub(super) async fn probe(at: SocketAddr, http: &Http, trust: &Trust, deadline: Deadline) -> Result<Finding, Finding> {
    let stream = connect::connect(at, deadline).await?;
    match &http.tls {
        None => exchange(connect::WithoutGoodbye(stream), at, http, deadline).await,
        Some(tls) => {
            exchange(trust.shake_hands(Spoken::Http1, stream, at, tls, deadline).await?, at, http, deadline).await
        }
    }
}

async fn exchange<S>(stream: S, at: SocketAddr, http: &Http, deadline: Deadline) -> Result<Finding, Finding>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = request(at, http).map_err(|error| Finding::critical(format!("cannot be asked: {error}")))?;
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
    let failed = |error: hyper::Error| words::no_answer(&error, at, "HTTP/1.1");
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let asking = async {
        let late = || format!("{at} accepted the connection, but did not answer");
        let response = deadline.on(late, sender.send_request(request)).await?.map_err(failed)?;
        judge(response, at, http, deadline).await
    };
    // Both ends of the exchange in one task. When the connection is over first, what came of it is still to be read.
    let (mut asking, connection) = (pin!(asking), pin!(connection));
    tokio::select! {
        biased;
        finding = &mut asking => finding,
        _ = connection => asking.await,
    }
}

fn request(at: SocketAddr, http: &Http) -> Result<Request<Empty<Bytes>>, hyper::http::Error> {
    let method = match http.method {
        check::Method::Get => Method::GET,
        check::Method::Head => Method::HEAD,
    };
    let request = Request::builder().method(method).uri(&*http.path);
    let request = match &http.host {
        Some(host) => request.header(HOST, &**host),
        None => request.header(HOST, at.to_string()),
    };
    request.header(USER_AGENT, AGENT).header(ACCEPT, "*/*").header(CONNECTION, "close").body(Empty::new())
}

async fn judge(
    response: Response<Incoming>,
    at: SocketAddr,
    http: &Http,
    deadline: Deadline,
) -> Result<Finding, Finding> {
    let (head, body) = response.into_parts();
    let scheme = if http.tls.is_some() { "https" } else { "http" };
    let answered = format!("HTTP {} from {scheme}://{at}{}", head.status, http.path);
    let late = || format!("{answered}, but its body did not end");
    let said = deadline.on(late, beginning(body)).await?.map_err(|error| words::no_answer(&error, at, "HTTP/1.1"))?;
    if http.expect.contains(head.status.as_u16()) {
        return Ok(Finding::passing(answered).saying(&said));
    }
    let redirect = match head.headers.get(LOCATION) {
        Some(to) if head.status.is_redirection() => {
            format!(" (a redirect to {}; redirects are not followed)", String::from_utf8_lossy(to.as_bytes()))
        }
        _ => String::new(),
    };
    let check::Statuses { first, last } = http.expect;
    Ok(Finding::critical(format!("{answered}{redirect}; expected {first} to {last}")).saying(&said))
}

/// As much of the body as is kept. The rest is not read.
pub(super) async fn beginning<B>(body: B) -> Result<Vec<u8>, B::Error>
where
    B: hyper::body::Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let mut said = Vec::new();
    while said.len() < OUTPUT_BYTES_MAX {
        let Some(frame) = body.frame().await else { break };
        if let Ok(data) = frame?.into_data() {
            said.extend_from_slice(&data[..data.len().min(OUTPUT_BYTES_MAX - said.len())]);
        }
    }
    Ok(said)
}
