//! Accepts connections, bounds them, and ends them in good order.

use crate::limits::{HEAD_BYTES_MAX, SPARE_CONNECTIONS, STREAMS_PER_CONNECTION_MAX};
use crate::listener::{Accepted, Listener, Listeners, Stream};
use crate::meters::Meters;
use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use whither_directory::Client;

/// The first bytes of every HTTP/2 connection (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long accepting pauses after the system refused, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long an HTTP/2 connection may be silent before it is asked whether it lives, and then has to answer.
const HTTP2_PING: Duration = Duration::from_secs(20);

/// What an operator allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Connections open at once, over all listeners. One more is closed as soon as it is accepted, and counted. A few more may
    /// be open over a Unix socket: who stands before an agent whose port is overrun still gets in.
    pub connections_max: usize,
    /// How long a connection may take to send the head of its next request; it also ends idle ones.
    pub header_read: Duration,
    /// How long requests may take to finish once the server is told to stop.
    pub drain: Duration,
}

/// Serves every connection of every one of `listeners` with what `surface` makes for its client, until `shutdown` completes; then
/// says `closing`, lets requests finish for [`Bounds::drain`], and cuts what is left.
///
/// # Errors
/// A listener does not know its own address, so it cannot be one. Nothing was served. A listener that works is never
/// given up: failures to accept are counted and retried.
pub async fn serve<S, B>(
    listeners: Vec<Listener>,
    bounds: Bounds,
    meters: Arc<Meters>,
    closing: watch::Sender<bool>,
    surface: impl Fn(Client) -> S,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Failure>,
{
    let mut listeners = Listeners::new(listeners)?;
    let addresses = listeners.shown();
    tracing::debug!(%addresses, "an HTTP surface answers");
    let mut connections = JoinSet::new();
    let door = Door { bounds, meters, closing: closing.subscribe() };
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            (address, accepted) = listeners.accept() => match accepted {
                Ok(Accepted::Tcp(stream, from)) => {
                    let client = Client::At(from.ip().to_canonical());
                    door.admit(&mut connections, stream, 0, || surface(client));
                }
                Ok(Accepted::Unix(stream)) => {
                    door.admit(&mut connections, stream, SPARE_CONNECTIONS, || surface(Client::Local));
                }
                Err(fault) => {
                    door.meters.accept_failures.add(1);
                    tracing::warn!(%address, %fault, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listeners);
    closing.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(bounds.drain, drained).await.is_err() {
        door.meters.cut.add(connections.len() as u64);
        tracing::warn!(%addresses, connections = connections.len(), "connections were cut: they did not finish in time");
        connections.shutdown().await;
    }
    Ok(())
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What connections of one server have in common.
struct Door {
    bounds: Bounds,
    meters: Arc<Meters>,
    closing: watch::Receiver<bool>,
}

impl Door {
    /// Serves `stream`, unless as many connections are open as there may be, and `spare` more.
    fn admit<S, B>(&self, connections: &mut JoinSet<()>, stream: impl Stream, spare: usize, surface: impl FnOnce() -> S)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Failure>,
    {
        if !self.meters.connections.try_raise(self.bounds.connections_max.saturating_add(spare)) {
            self.meters.refused.add(1);
            return;
        }
        let open = OpenConnection(Arc::clone(&self.meters));
        let (surface, bounds, closing) = (surface(), self.bounds, self.closing.clone());
        connections.spawn(async move {
            if let Err(fault) = connection(stream, surface, bounds, closing).await {
                tracing::debug!(%fault, "a connection ended early");
            }
            drop(open);
        });
    }
}

/// Counts an open connection for as long as it lives, also if its task is cut.
struct OpenConnection(Arc<Meters>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections.lower();
    }
}

async fn connection<S, B>(
    stream: impl Stream,
    surface: S,
    bounds: Bounds,
    mut closing: watch::Receiver<bool>,
) -> Result<(), Failure>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Failure>,
{
    stream.prepare()?;
    let mut first = [0; HTTP2_PREFACE.len()];
    let first = tokio::select! {
        read = tokio::time::timeout(bounds.header_read, stream.peek(&mut first)) => &first[..read??],
        _ = closing.wait_for(|closing| *closing) => return Ok(()),
    };
    // Decided here and not by the builder, which would wait for a slow preface without end.
    let builder = builder(bounds);
    let builder = if first == HTTP2_PREFACE { builder.http2_only() } else { builder.http1_only() };
    let serving = builder.serve_connection(TokioIo::new(stream), surface);
    tokio::pin!(serving);
    tokio::select! {
        served = serving.as_mut() => return served,
        _ = closing.wait_for(|closing| *closing) => {}
    }
    serving.as_mut().graceful_shutdown();
    serving.await
}

fn builder(bounds: Bounds) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(bounds.header_read).max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .keep_alive_interval(HTTP2_PING)
        .keep_alive_timeout(HTTP2_PING);
    builder
}
