//! Being told what changes.

use super::App;
use super::paths::InService;
use crate::feed::{Feed, Format};
use crate::problem::{self, Problem, Slug};
use crate::query::{self, Query};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::http::{Response, Uri};
use std::sync::Arc;
use whither_directory::Cursor;

type Answered = Result<Response<Body>, Problem>;

const LAST_EVENT_ID: &str = "last-event-id";

/// Watch one service.
///
/// Events are `reset` (forget what you knew; `changed` is everything), `change` and `heartbeat`, each with the `index` to
/// resume from. One JSON document per line, or server-sent events if the request accepts `text/event-stream`.
#[utoipa::path(
    get, path = "/v1/watch/{namespace}/{service}", tag = "watch",
    params(
        ("namespace" = String, Path), ("service" = String, Path),
        ("from" = Option<String>, Query, description = "The index to resume after"),
        ("Last-Event-ID" = Option<String>, Header, description = "As `from`, and before it"),
    ),
    responses(
        (status = 200, description = "Events, until the client or the node goes", content(
            (String = "application/x-ndjson"), (String = "text/event-stream")
        )),
        (status = 400, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document)
    )
)]
pub(super) async fn service(
    State(app): State<Arc<App>>,
    InService(name): InService,
    uri: Uri,
    headers: HeaderMap,
) -> Answered {
    let from = resume(&uri, &headers)?;
    let format = format(&headers);
    stream(Feed::service(app, format, name, from), format)
}

/// Watch everything.
///
/// After `reset` (forget what you knew) or without it, one `service` event for each service that changed, `nodes` if the
/// nodes did, then `current`: only its `index` may be resumed from. `heartbeat` when nothing happens.
#[utoipa::path(
    get, path = "/v1/watch", tag = "watch",
    params(
        ("from" = Option<String>, Query, description = "The index of a `current` event to resume after"),
        ("Last-Event-ID" = Option<String>, Header, description = "As `from`, and before it"),
    ),
    responses(
        (status = 200, description = "Events, until the client or the node goes", content(
            (String = "application/x-ndjson"), (String = "text/event-stream")
        )),
        (status = 400, body = problem::Document),
        (status = 503, body = problem::Document)
    )
)]
pub(super) async fn catalog(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Answered {
    let from = resume(&uri, &headers)?;
    let format = format(&headers);
    stream(Feed::catalog(app, format, from), format)
}

/// Where to resume. The header comes before the parameter: a browser that reconnects repeats the old address and says in
/// the header what it saw since.
fn resume(uri: &Uri, headers: &HeaderMap) -> Result<Option<Cursor>, Problem> {
    let from = Query::parse(uri.query(), &["from"], &[])?.cursor("from")?;
    match headers.get(LAST_EVENT_ID) {
        Some(value) => {
            let text = String::from_utf8_lossy(value.as_bytes());
            query::cursor("Last-Event-ID", &text).map(Some)
        }
        None => Ok(from),
    }
}

fn format(headers: &HeaderMap) -> Format {
    let accepts = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("text/event-stream"));
    if headers.get_all(ACCEPT).iter().any(accepts) { Format::Sse } else { Format::Ndjson }
}

fn stream(feed: Option<Feed>, format: Format) -> Answered {
    let feed = feed.ok_or_else(|| {
        Problem::new(Slug::Unavailable, "as many watches are open as this node allows; try again, or ask another node")
    })?;
    let mut response = Response::new(Body::from_stream(feed.into_stream()));
    let media_type = match format {
        Format::Ndjson => HeaderValue::from_static("application/x-ndjson"),
        Format::Sse => HeaderValue::from_static("text/event-stream"),
    };
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
