//! Accepts connections, bounds them, and ends them in good order.

use crate::answer::Answer;
use crate::config::Config;
use crate::front::Front;
use crate::limits::{HEAD_BYTES_MAX, SPARE_CONNECTIONS, STREAMS_PER_CONNECTION_MAX};
use crate::listener::{Accepted, Listener, Listeners, Stream};
use crate::problem::{Problem, Slug};
use crate::routes::{self, App};
use axum::Router;
use axum::body::Body;
use axum::http::Response;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::any::Any;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tower_http::catch_panic::{CatchPanicLayer, ResponseForPanic};
use whither_directory::{Client, Directory};

/// The first bytes of every HTTP/2 connection (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long accepting pauses after the system refused, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long an HTTP/2 connection may be silent before it is asked whether it lives, and then has to answer.
const HTTP2_PING: Duration = Duration::from_secs(20);

/// Answers on every one of `listeners` until `shutdown` completes; then ends watches, lets requests finish for [`Config::drain`], and
/// cuts what is left.
///
/// # Errors
/// A listener does not know its own address, so it cannot be one. Nothing was served. A listener that works is never
/// given up: failures to accept are counted and retried.
pub async fn serve(
    listeners: Vec<Listener>,
    directory: Arc<Directory>,
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let mut listeners = Listeners::new(listeners)?;
    let addresses = listeners.shown();
    let (app, router) = routes::build(directory, config);
    let front = Front { app: Arc::clone(&app), router: guarded(&app, router), client: Client::Unknown };
    tracing::debug!(%addresses, "the HTTP API answers");
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            (address, accepted) = listeners.accept() => match accepted {
                Ok(Accepted::Tcp(stream, from)) => {
                    let front = Front { client: Client::At(from.ip().to_canonical()), ..front.clone() };
                    admit(&mut connections, front, stream, 0);
                }
                Ok(Accepted::Unix(stream)) => {
                    let front = Front { client: Client::Local, ..front.clone() };
                    admit(&mut connections, front, stream, SPARE_CONNECTIONS);
                }
                Err(fault) => {
                    app.metrics.accept_failures.add(1);
                    tracing::warn!(%address, %fault, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listeners);
    app.closing.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(app.config.drain, drained).await.is_err() {
        app.metrics.connections_cut.add(connections.len() as u64);
        tracing::warn!(%addresses, connections = connections.len(), "connections were cut: they did not finish in time");
        connections.shutdown().await;
    }
    Ok(())
}

/// The routes alone, without a listener, for tests.
pub fn router(directory: Arc<Directory>, config: Config) -> Router {
    let (app, router) = routes::build(directory, config);
    guarded(&app, router)
}

/// `router`, in which a panic ends one request.
fn guarded(app: &Arc<App>, router: Router) -> Router {
    let guard = axum::middleware::from_fn(crate::origin::refuse_foreign_pages);
    router.layer(guard).layer(CatchPanicLayer::custom(Fault(Arc::clone(app))))
}

/// Serves `stream`, unless as many connections are open as there may be, and `spare` more.
fn admit(connections: &mut JoinSet<()>, front: Front, stream: impl Stream, spare: usize) {
    let metrics = &front.app.metrics;
    if !metrics.connections.try_raise(front.app.config.connections_max.saturating_add(spare)) {
        metrics.connections_refused.add(1);
        return;
    }
    let open = OpenConnection(Arc::clone(&front.app));
    connections.spawn(async move {
        if let Err(fault) = connection(stream, front).await {
            tracing::debug!(%fault, "a connection ended early");
        }
        drop(open);
    });
}

/// Counts an open connection for as long as it lives, also if its task is cut.
struct OpenConnection(Arc<App>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.metrics.connections.lower();
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn connection(stream: impl Stream, front: Front) -> Result<(), Failure> {
    let config = &front.app.config;
    stream.prepare()?;
    let mut closing = front.app.closing.subscribe();
    let mut first = [0; HTTP2_PREFACE.len()];
    let first = tokio::select! {
        read = tokio::time::timeout(config.header_read, stream.peek(&mut first)) => &first[..read??],
        _ = closing.wait_for(|closing| *closing) => return Ok(()),
    };
    // Decided here and not by the builder, which would wait for a slow preface without end.
    let builder = builder(config);
    let builder = if first == HTTP2_PREFACE { builder.http2_only() } else { builder.http1_only() };
    let serving = builder.serve_connection(TokioIo::new(stream), front.clone());
    tokio::pin!(serving);
    tokio::select! {
        served = serving.as_mut() => return served,
        _ = closing.wait_for(|closing| *closing) => {}
    }
    serving.as_mut().graceful_shutdown();
    serving.await
}

fn builder(config: &Config) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(config.header_read).max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .keep_alive_interval(HTTP2_PING)
        .keep_alive_timeout(HTTP2_PING);
    builder
}

/// Turns a panic into a problem document.
#[derive(Clone)]
pub(crate) struct Fault(pub(crate) Arc<App>);

impl Fault {
    pub(crate) fn answer(&self, panic: &(dyn Any + Send)) -> Response<Answer> {
        let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        tracing::error!(panic = said.unwrap_or("unknown"), "a request ended in a fault of this node");
        self.0.metrics.panics.add(1);
        Problem::new(Slug::Internal, "a fault in this node ended the request; the node's log says more").answer()
    }
}

impl ResponseForPanic for Fault {
    type ResponseBody = Body;
    fn response_for_panic(&mut self, panic: Box<dyn Any + Send + 'static>) -> Response<Body> {
        self.answer(&*panic).map(Body::new)
    }
}

#[cfg(test)]
mod tests;
