//! Serves the native API: on its listeners, and in tests without any.

use crate::answer::Answer;
use crate::config::Config;
use crate::front::Front;
use crate::problem::{Problem, Slug};
use crate::routes::{self, App};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use axum::middleware::Next;
use axum::response::IntoResponse;
use std::any::Any;
use std::future::Future;
use std::io;
use std::sync::Arc;
use tower_http::catch_panic::{CatchPanicLayer, ResponseForPanic};
use whither_directory::Directory;
use whither_doors::{Bounds, Listener, is_foreign_page};

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
    let Config { connections_max, header_read, drain, .. } = config;
    let (app, router) = routes::build(directory, config);
    let router = guarded(&app, router);
    let bounds = Bounds { connections_max, header_read, drain };
    let (doors, closing) = (Arc::clone(&app.metrics.doors), app.closing.clone());
    let surface = |client| Front { app: Arc::clone(&app), router: router.clone(), client };
    whither_doors::serve(listeners, bounds, doors, closing, surface, shutdown).await
}

/// The routes alone, without a listener, for tests.
pub fn router(directory: Arc<Directory>, config: Config) -> Router {
    let (app, router) = routes::build(directory, config);
    guarded(&app, router)
}

/// `router`, in which a panic ends one request.
fn guarded(app: &Arc<App>, router: Router) -> Router {
    let guard = axum::middleware::from_fn(refuse_foreign_pages);
    router.layer(guard).layer(CatchPanicLayer::custom(Fault(Arc::clone(app))))
}

/// Refuses requests that change something and that a browser sent for a page of another origin.
async fn refuse_foreign_pages(request: Request, next: Next) -> axum::response::Response {
    if request.method().is_safe() || !is_foreign_page(request.headers()) {
        return next.run(request).await;
    }
    let detail =
        "a web page of another origin may not change anything here; use a program, or a page this agent serves";
    Problem::new(Slug::ForeignPage, detail).into_response()
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
