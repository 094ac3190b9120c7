//! The standard health service of gRPC (grpc/doc/health-checking.md), asked once over HTTP/2
//! (grpc/doc/PROTOCOL-HTTP2.md).

use super::http::AGENT;
use super::{connect, words};
use crate::finding::{Deadline, Finding};
use crate::output::presentable;
use crate::trust::{Spoken, Trust};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::header::{CONTENT_TYPE, HeaderMap, TE, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use prost::Message;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use whither_model::check::Tls;

const METHOD: &str = "/grpc.health.v1.Health/Check";
/// What precedes a message: whether it is compressed, and its length in four bytes.
const PREFIX_BYTES: usize = 5;
/// Longest answer that is looked at. The longest that says something is two bytes and the prefix.
const ANSWER_BYTES_MAX: usize = 256;
/// Longest list of headers of an answer.
const HEAD_BYTES_MAX: u32 = 16 * 1024;

/// `grpc.health.v1.HealthCheckRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
struct Question {
    #[prost(string, tag = "1")]
    service: String,
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, PartialEq, Eq, Message)]
struct Answer {
    /// 0 unknown, 1 serving, 2 not serving, 3 service unknown.
    #[prost(int32, tag = "1")]
    status: i32,
}

pub(super) async fn probe(
    at: SocketAddr,
    service: &str,
    tls: Option<&Tls>,
    trust: &Trust,
    deadline: Deadline,
) -> Result<Finding, Finding> {
    let stream = connect::connect(at, deadline).await?;
    // Several small writes follow each other, and none should wait for the other's acknowledgement.
    stream.set_nodelay(true).map_err(|error| words::broken(&error, at))?;
    match tls {
        None => exchange(stream, at, "http", service, deadline).await,
        Some(tls) => {
            let stream = trust.shake_hands(Spoken::Http2, stream, at, tls, deadline).await?;
            exchange(stream, at, "https", service, deadline).await
        }
    }
}

/// Runs what a connection needs done beside it, and ends that when the check is over.
#[derive(Clone, Default)]
struct Beside(Arc<Mutex<JoinSet<()>>>);

impl<F> hyper::rt::Executor<F> for Beside
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(async move { drop(future.await) });
    }
}

impl Beside {
    fn end(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

/// Ends what runs beside a connection, also when the run is dropped before its end.
struct Ends(Beside);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.end();
    }
}

async fn exchange<S>(
    stream: S,
    at: SocketAddr,
    scheme: &str,
    service: &str,
    deadline: Deadline,
) -> Result<Finding, Finding>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = request(at, scheme, service, deadline)
        .map_err(|error| Finding::critical(format!("cannot be asked: {error}")))?;
    let beside = Ends(Beside::default());
    let failed = |error: hyper::Error| words::no_answer(&error, at, "gRPC (HTTP/2)");
    let late = || format!("{at} accepted the connection, but did not answer");
    let mut builder = http2::Builder::new(beside.0.clone());
    builder.max_header_list_size(HEAD_BYTES_MAX);
    let shaking_hands = builder.handshake(TokioIo::new(stream));
    let (mut sender, connection) = deadline.on(late, shaking_hands).await?.map_err(failed)?;
    let asking = async {
        let response = deadline.on(late, sender.send_request(request)).await?.map_err(failed)?;
        deadline.on(late, judge(response, at, service)).await?
    };
    let (mut asking, connection) = (pin!(asking), pin!(connection));
    tokio::select! {
        biased;
        finding = &mut asking => finding,
        _ = connection => asking.await,
    }
}

fn request(
    at: SocketAddr,
    scheme: &str,
    service: &str,
    deadline: Deadline,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let message = Question { service: service.to_owned() }.encode_to_vec();
    let mut body = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    body.put_u8(0);
    body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    body.put_slice(&message);
    Request::builder()
        .method(Method::POST)
        .uri(format!("{scheme}://{at}{METHOD}"))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header("grpc-timeout", format!("{}m", deadline.allowed().as_millis()))
        .header(USER_AGENT, AGENT)
        .body(Full::new(body.freeze()))
}

async fn judge(response: Response<Incoming>, at: SocketAddr, service: &str) -> Result<Finding, Finding> {
    let (head, mut body) = response.into_parts();
    if !head.status.is_success() {
        return Err(Finding::critical(format!("HTTP {} from {at}, where a gRPC server would answer 200", head.status)));
    }
    let content = head.headers.get(CONTENT_TYPE).map(|content| content.as_bytes()).unwrap_or_default();
    if !content.starts_with(b"application/grpc") {
        return Err(Finding::critical(format!("what answers at {at} speaks HTTP/2, but not gRPC")));
    }
    // An answer that consists of trailers alone has them where headers are.
    call_ended(&head.headers, at, service)?;
    let (mut message, mut ended) = (Vec::new(), head.headers.contains_key("grpc-status"));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| words::no_answer(&error, at, "gRPC (HTTP/2)"))?;
        match frame.into_data() {
            Ok(data) => message.extend_from_slice(&data),
            Err(frame) => {
                if let Some(trailers) = frame.trailers_ref() {
                    call_ended(trailers, at, service)?;
                    ended |= trailers.contains_key("grpc-status");
                }
            }
        }
        if message.len() > ANSWER_BYTES_MAX {
            return Err(Finding::critical(format!("{at} answered more than an answer about health can be long")));
        }
    }
    if !ended {
        return Err(Finding::critical(format!("{at} answered, but did not say how the call ended (no grpc-status)")));
    }
    read(&message, at, service)
}

/// Looks for a call that ended otherwise than well.
fn call_ended(trailers: &HeaderMap, at: SocketAddr, service: &str) -> Result<(), Finding> {
    let text = |name| trailers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let Some(status) = text("grpc-status") else { return Ok(()) };
    let problem = match &*status {
        "0" => return Ok(()),
        "5" => format!("{at} does not know the gRPC service {service:?}"),
        "12" => format!("{at} has no gRPC health service (grpc.health.v1.Health); add it to the server, or check TCP"),
        _ => format!("{at} ended the gRPC call with status {}", presentable(&status)),
    };
    Err(Finding::critical(problem).saying(text("grpc-message").unwrap_or_default().as_bytes()))
}

fn read(message: &[u8], at: SocketAddr, service: &str) -> Result<Finding, Finding> {
    let broken = || Finding::critical(format!("what {at} answered is no answer about health"));
    let (prefix, message) = message.split_at_checked(PREFIX_BYTES).ok_or_else(broken)?;
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
    if prefix[0] != 0 || usize::try_from(length) != Ok(message.len()) {
        return Err(broken());
    }
    let answer = Answer::decode(message).map_err(|_| broken())?;
    let whom = if service.is_empty() { "the server".to_owned() } else { format!("{service:?}") };
    match answer.status {
        1 => Ok(Finding::passing(format!("{at} says that {whom} is SERVING"))),
        2 => Ok(Finding::critical(format!("{at} says that {whom} is NOT_SERVING"))),
        3 => Ok(Finding::critical(format!("{at} does not know the gRPC service {service:?}"))),
        other => Ok(Finding::critical(format!("{at} does not know how {whom} is (status {other})"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whither_model::Health;

    fn status(message: &[u8]) -> Option<Health> {
        read(message, ([10, 0, 0, 1], 80).into(), "a.B").unwrap_or_else(|failed| failed).status
    }

    #[test]
    fn answers_are_read_to_the_letter() {
        assert_eq!(status(&[0, 0, 0, 0, 2, 8, 1]), Some(Health::Passing));
        for bad in [
            &[0, 0, 0, 0, 2, 8, 2][..],
            &[0, 0, 0, 0, 2, 8, 3],
            &[0, 0, 0, 0, 0],
            &[1, 0, 0, 0, 2, 8, 1],
            &[0, 0, 0, 0, 3, 8, 1],
            &[0, 0, 0, 0, 2, 8],
            &[0, 0, 0, 0, 1, 8],
            &[],
        ] {
            assert_eq!(status(bad), Some(Health::Critical), "{bad:?}");
        }
    }
}
