//! What every request is given, and what becomes of a connection's requests.

use crate::checks::Reports;
use crate::config::Config;
use crate::own::Own;
use crate::reply::{Refused, Reply};
use crate::routes;
use crate::show::Frame;
use futures_util::FutureExt;
use futures_util::future::{Either, Ready, ready};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::Service;
use hyper::{Method, Request, Response, StatusCode};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::watch;
use whither_directory::{Client, Directory, Index};
use whither_doors::{Answers, Bounds, Listener, Meters, is_foreign_page};

/// What every request is given.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) directory: Arc<Directory>,
    pub(crate) config: Config,
    pub(crate) frame: Frame,
    pub(crate) own: Own,
    pub(crate) reports: Reports,
    /// Becomes true once, when the server stops.
    pub(crate) closing: watch::Receiver<bool>,
    answers: Answers,
}

/// Answers on every one of `listeners` until `shutdown` completes; then lets requests finish for [`Config::drain`], and cuts what is
/// left. Blocking queries are answered at once then.
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
    let closing = watch::Sender::new(false);
    let app = Arc::new(App {
        frame: Frame {
            datacenter: config.datacenter.clone(),
            created: Index::first_of(directory.identity().epoch).get().max(1),
        },
        own: Own::default(),
        reports: Reports::default(),
        closing: closing.subscribe(),
        answers: Answers::default(),
        directory,
        config,
    });
    let meters = Arc::new(Meters::default());
    let (counted, of) = (Arc::clone(&app), Arc::clone(&meters));
    app.directory.vitals().register(move |samples| {
        samples.extend(counted.answers.samples("consul"));
        samples.extend(of.samples("consul"));
    });
    let bounds = Bounds { connections_max, header_read, drain };
    let surface = |client| Surface { app: Arc::clone(&app), client };
    whither_doors::serve(listeners, bounds, meters, closing, surface, shutdown).await
}

/// A connection's requests.
#[derive(Clone)]
struct Surface {
    app: Arc<App>,
    client: Client,
}

type Answering = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

impl Service<Request<Incoming>> for Surface {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Either<Ready<Result<Self::Response, Infallible>>, Answering>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        if request.method() == Method::GET
            && let Some(reply) = routes::straight(&self.app, request.uri())
        {
            self.app.answers.count(reply.status());
            return Either::Left(ready(Ok(reply)));
        }
        if !request.method().is_safe() && is_foreign_page(request.headers()) {
            let text = "a web page of another origin may not change anything here";
            return Either::Left(ready(Ok(Refused::new(StatusCode::FORBIDDEN, text).reply())));
        }
        let (app, client) = (Arc::clone(&self.app), self.client);
        Either::Right(Box::pin(async move {
            let answering = AssertUnwindSafe(routes::answer(&app, client, request)).catch_unwind();
            let reply = answering.await.unwrap_or_else(|_| {
                // What panicked said so on standard error already.
                app.answers.panicked();
                let text = "a fault in this node ended the request; the node's log says more";
                Refused::new(StatusCode::INTERNAL_SERVER_ERROR, text).reply()
            });
            app.answers.count(reply.status());
            Ok(reply)
        }))
    }
}
