//! Every path, what it leads to, and the document that says so (OpenAPI).

mod about;
mod checks;
mod closest;
mod lag;
mod membership;
mod paths;
mod prometheus;
mod register;
mod renewals;
mod resolve;
mod session;
mod sql;
mod status;
mod watch;

use crate::config::Config;
use crate::limits::BULK_CONCURRENT_MAX;
use crate::metrics::Metrics;
use crate::unheard::UnheardCache;
use axum::Router;
use bytes::Bytes;
use closest::Paths;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch as signal};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use whither_directory::{Directory, View};

/// What every handler is given.
pub(crate) struct App {
    pub(crate) directory: Arc<Directory>,
    pub(crate) config: Config,
    pub(crate) metrics: Metrics,
    pub(crate) unheard: UnheardCache,
    /// Becomes true once, when the server stops.
    pub(crate) closing: signal::Sender<bool>,
    /// `<node id>-`, the part of a cursor that never changes.
    pub(crate) cursor_prefix: String,
    /// Held while a bulk registration is read and parsed.
    bulk: Semaphore,
    /// The OpenAPI document.
    document: Bytes,
    paths: Paths,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Whither",
        description = "Where services are at this moment, and how sure that is. Every answer says how old it can be \
                       (`age_ms`) and where in this node's history it stands (`index`). Errors are problem documents \
                       (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "resolve", description = "Ask where services are"),
        (name = "register", description = "Say where instances are, and how they are"),
        (name = "watch", description = "Be told what changes"),
        (name = "sql", description = "Users' own tables, and the catalog beside them"),
        (name = "cluster", description = "The nodes"),
        (name = "about", description = "The node that answers"),
    )
)]
struct Document;

/// The routes over `directory`, and what they share.
pub(crate) fn build(directory: Arc<Directory>, config: Config) -> (Arc<App>, Router) {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(resolve::services))
        .routes(routes!(resolve::service))
        .routes(routes!(prometheus::targets))
        .routes(routes!(resolve::instance, register::register, register::deregister))
        .routes(routes!(checks::checks))
        .routes(routes!(register::renew))
        .routes(routes!(register::set_state))
        .routes(routes!(register::register_many))
        .routes(routes!(renewals::renew_many))
        .routes(routes!(session::open))
        .routes(routes!(session::close))
        .routes(routes!(membership::nodes))
        .routes(routes!(lag::lag))
        .routes(routes!(membership::join))
        .routes(routes!(membership::leave))
        .routes(routes!(membership::maintenance))
        .routes(routes!(watch::service))
        .routes(routes!(watch::catalog))
        .routes(routes!(sql::transactions))
        .routes(routes!(sql::acknowledged::seen))
        .routes(routes!(sql::queries))
        .routes(routes!(sql::watching::subscriptions))
        .routes(routes!(sql::watching::updates))
        .routes(routes!(sql::schema))
        .routes(routes!(sql::tables))
        .routes(routes!(sql::backup::backup))
        .routes(routes!(about::health))
        .routes(routes!(status::status))
        .routes(routes!(about::metrics))
        .routes(routes!(about::openapi))
        .routes(routes!(about::listing))
        .split_for_parts();
    let app = Arc::new(App {
        cursor_prefix: format!("{}-", directory.identity().node),
        directory,
        config,
        metrics: Metrics::default(),
        unheard: UnheardCache::default(),
        closing: signal::Sender::new(false),
        bulk: Semaphore::new(BULK_CONCURRENT_MAX),
        document: crate::json::line(&document),
        paths: Paths::of(&document),
    });
    let router = router
        .fallback(closest::not_found)
        .method_not_allowed_fallback(closest::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), crate::elsewhere::carry_reads))
        .with_state(Arc::clone(&app));
    (app, router)
}

/// How many members are in each state, in the order of [`whither_model::MemberState`].
pub(crate) fn member_counts(view: &View) -> [usize; 4] {
    let mut counts = [0; 4];
    for node in view.nodes() {
        counts[node.member.state as usize] += 1;
    }
    counts
}
