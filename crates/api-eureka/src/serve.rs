//! What every request is given, and what becomes of a connection's requests.

use crate::config::Config;
use crate::recent::Recent;
use crate::reply::{Refused, Reply};
use crate::routes;
use crate::whole::Whole;
use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response, StatusCode};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::watch;
use whither_directory::{Client, Directory};
use whither_doors::{Answers, Bounds, Listener, Meters, is_foreign_page};

/// What every request is given.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) directory: Arc<Directory>,
    pub(crate) config: Config,
    pub(crate) recent: Arc<Recent>,
    pub(crate) whole: Whole,
    answers: Answers,
}

/// Answers on every one of `listeners` until `shutdown` completes; then lets requests finish for [`Config::drain`], and cuts what is
/// left.
///
/// # Errors
/// A listener does not know its own address, so it cannot be one. Nothing was served.
pub async fn serve(
    listeners: Vec<Listener>,
    directory: Arc<Directory>,
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let Config { connections_max, header_read, drain, .. } = config;
    let recent = Arc::new(Recent::default());
    let following = tokio::spawn(Arc::clone(&recent).follow(Arc::clone(&directory)));
    let app = Arc::new(App { directory, config, recent, whole: Whole::default(), answers: Answers::default() });
    let meters = Arc::new(Meters::default());
    let (counted, of) = (Arc::clone(&app), Arc::clone(&meters));
    app.directory.vitals().register(move |samples| {
        samples.extend(counted.answers.samples("eureka"));
        samples.extend(of.samples("eureka"));
    });
    let bounds = Bounds { connections_max, header_read, drain };
    let surface = |client| Surface { app: Arc::clone(&app), client };
    let served = whither_doors::serve(listeners, bounds, meters, watch::Sender::new(false), surface, shutdown).await;
    following.abort();
    served
}

/// A connection's requests.
#[derive(Clone)]
struct Surface {
    app: Arc<App>,
    client: Client,
}

impl Service<Request<Incoming>> for Surface {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (app, client) = (Arc::clone(&self.app), self.client);
        Box::pin(async move {
            let reply = if !request.method().is_safe() && is_foreign_page(request.headers()) {
                let text = "a web page of another origin may not change anything here";
                Refused::new(StatusCode::FORBIDDEN, text).reply()
            } else {
                let answering = AssertUnwindSafe(routes::answer(&app, client, request)).catch_unwind();
                answering.await.unwrap_or_else(|_| {
                    // What panicked said so on standard error already.
                    app.answers.panicked();
                    let text = "a fault in this node ended the request; the node's log says more";
                    Refused::new(StatusCode::INTERNAL_SERVER_ERROR, text).reply()
                })
            };
            app.answers.count(reply.status());
            Ok(reply)
        })
    }
}
