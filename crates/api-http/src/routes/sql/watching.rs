//! Watching what a question's answer is, and which rows of a table are written.

use super::{Answered, sql};
use crate::body;
use crate::convert::sql::{put_value, put_values, question};
use crate::json;
use crate::problem::{self, Problem, Slug};
use crate::query::Query as Parameters;
use crate::routes::App;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Response, Uri};
use bytes::Bytes;
use futures_util::Stream;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, watch as signal};
use whither_directory::sql::{Cells, ChangeKind, RowChange, RowEvent, Subscribe, Subscription, Written};
use whither_model::sql::Value;

/// Names a subscription, to come back to.
const ID: HeaderName = HeaderName::from_static("whither-subscription-id");
/// Rows of a first answer that are written together.
const ROWS_TOGETHER: usize = 256;

/// Watch what a question's answer is.
///
/// First the rows that there are: `{"columns":[…]}`, `{"row":[1,[…]]}` …, `{"eoq":{"time":0.001,"change_id":0}}`. Then every
/// change: `{"change":["insert",7,["x",1],1]}`, with what happened (`insert`, `update`, `delete`), a number for the row, its values (of one
/// that is gone, what they were), and the number of the change. A watcher that is too slow is told `{"reset":{}}` and all rows anew.
/// `{"heartbeat":{}}` when nothing happens. `?from=<id>:<change_id>`, with the id of the header `whither-subscription-id`,
/// goes on after a change if this node still knows what came after it.
#[utoipa::path(
    post, path = "/v1/subscriptions", tag = "sql",
    params(
        ("from" = Option<String>, Query, description = "`<subscription id>:<change_id>`: go on after that change"),
        ("skip_rows" = Option<bool>, Query, description = "Do not tell the rows that there are at first")
    ),
    request_body = super::Question,
    responses(
        (status = 200, description = "Events, until the client or the node goes", content_type = "application/x-ndjson"),
        (status = 400, body = problem::Document),
        (status = 415, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document)
    )
)]
pub(in crate::routes) async fn subscriptions(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let parameters = Parameters::parse(uri.query(), &["from", "skip_rows"], &[])?;
    let (from, skip_rows) = (place(&parameters)?, parameters.flag("skip_rows")?);
    let body = body::json(&headers, body, app.config.body_bytes_max, app.config.body_read).await?;
    let statement = question(&body)?;
    let open = Open::new(&app)?;
    let began = Instant::now();
    let subscription = sql(&app)?.subscribe(Subscribe { statement, from }).await?;
    let id = subscription.id;
    let feed = Feed { closing: app.closing.subscribe(), open, subscription, stage: Stage::Head, began, skip_rows };
    let mut response = streamed(feed.into_stream());
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(ID, id);
    }
    Ok(response)
}

/// Watch which rows of a table are written.
///
/// `{"notify":["update",["recos-1"]]}` for each row that was inserted or changed, `{"notify":["delete",["recos-1"]]}` for each
/// that is gone, with the values of its key. Of several changes within moments, the last. A watcher that is too slow is cut off:
/// it has missed something, and asks for what it wants to know.
#[utoipa::path(
    post, path = "/v1/updates/{table}", tag = "sql",
    params(("table" = String, Path)),
    responses(
        (status = 200, description = "Events, until the client or the node goes", content_type = "application/x-ndjson"),
        (status = 404, body = problem::Document),
        (status = 503, body = problem::Document)
    )
)]
pub(in crate::routes) async fn updates(State(app): State<Arc<App>>, Path(table): Path<String>, uri: Uri) -> Answered {
    Parameters::parse(uri.query(), &[], &[])?;
    let open = Open::new(&app)?;
    let written = sql(&app)?.watch_table(table).await?;
    let updates = Updates { closing: app.closing.subscribe(), open, written };
    Ok(streamed(futures_util::stream::unfold(updates, |mut updates| async move {
        let piece = updates.next().await?;
        Some((Ok(Bytes::from(piece)), updates))
    })))
}

fn place(parameters: &Parameters<'_>) -> Result<Option<(u64, u64)>, Problem> {
    let Some(text) = parameters.one("from") else { return Ok(None) };
    let pair = text.split_once(':').and_then(|(id, number)| Some((id.parse().ok()?, number.parse().ok()?)));
    let wrong =
        || Problem::malformed(format!("from is {text:?}; expected <subscription id>:<change_id>")).about("from");
    pair.map(Some).ok_or_else(wrong)
}

fn streamed(pieces: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response<Body> {
    let mut response = Response::new(Body::from_stream(pieces));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Counts an open watch for as long as it lives.
struct Open(Arc<App>);

impl Open {
    fn new(app: &Arc<App>) -> Result<Self, Problem> {
        if app.metrics.watches.try_raise(app.config.watches_max) {
            return Ok(Self(Arc::clone(app)));
        }
        app.metrics.watches_refused.add(1);
        Err(Problem::new(
            Slug::Unavailable,
            "as many watches are open as this node allows; try again, or ask another node",
        ))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.watches.lower();
    }
}

/// What is told of one subscription.
struct Feed {
    open: Open,
    closing: signal::Receiver<bool>,
    subscription: Subscription,
    stage: Stage,
    began: Instant,
    skip_rows: bool,
}

/// How far it has been told.
enum Stage {
    Head,
    /// Rows from this one on are still to be told.
    Rows {
        rows: Arc<[(u64, Cells)]>,
        next: usize,
        number: u64,
    },
    Changes,
    Over,
}

enum Wake<T> {
    Closing,
    Idle,
    Event(T),
}

/// Waits for something to tell.
async fn wake<T>(closing: &mut signal::Receiver<bool>, app: &App, events: &mut mpsc::Receiver<T>) -> Wake<Option<T>> {
    tokio::select! {
        biased;
        _ = closing.wait_for(|closing| *closing) => Wake::Closing,
        event = events.recv() => Wake::Event(event),
        () = tokio::time::sleep(app.config.heartbeat) => Wake::Idle,
    }
}

impl Feed {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        futures_util::stream::unfold(self, |mut feed| async move {
            let piece = feed.next().await?;
            Some((Ok(Bytes::from(piece)), feed))
        })
    }

    async fn next(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(1_024);
        if matches!(self.stage, Stage::Head) {
            let names: Vec<&str> = self.subscription.columns.iter().map(|column| column.name.as_str()).collect();
            out.extend_from_slice(b"{\"columns\":");
            json::put(&mut out, &names);
            out.extend_from_slice(b"}\n");
            self.stage = Stage::Changes;
            if let Ok(event) = self.subscription.events.try_recv() {
                self.put(&mut out, event, true);
            }
            return Some(out);
        }
        if let Stage::Rows { .. } = self.stage {
            self.put_rows(&mut out);
            return Some(out);
        }
        if matches!(self.stage, Stage::Over) {
            return None;
        }
        match wake(&mut self.closing, &self.open.0, &mut self.subscription.events).await {
            Wake::Closing | Wake::Event(None) => return None,
            Wake::Idle => out.extend_from_slice(b"{\"heartbeat\":{}}\n"),
            Wake::Event(Some(event)) => {
                self.put(&mut out, event, false);
                // What waits goes along.
                while matches!(self.stage, Stage::Changes)
                    && out.len() < 32 * 1024
                    && let Ok(event) = self.subscription.events.try_recv()
                {
                    self.put(&mut out, event, false);
                }
            }
        }
        Some(out)
    }

    fn put(&mut self, out: &mut Vec<u8>, event: RowEvent, first: bool) {
        self.open.0.metrics.watch_events.add(1);
        match event {
            RowEvent::Rows { rows, number } => {
                if !first {
                    out.extend_from_slice(b"{\"reset\":{}}\n");
                    self.began = Instant::now();
                }
                let next = if first && self.skip_rows { rows.len() } else { 0 };
                self.stage = Stage::Rows { rows, next, number };
                self.put_rows(out);
            }
            // Nothing was missed, or what was missed follows.
            RowEvent::Resumed { .. } => {}
            RowEvent::Changes(changes) => changes.iter().for_each(|change| put_change(out, change)),
            RowEvent::Failed(refusal) => {
                out.extend_from_slice(b"{\"error\":");
                json::put(out, &refusal.to_string());
                out.extend_from_slice(b"}\n");
                self.stage = Stage::Over;
            }
        }
    }

    fn put_rows(&mut self, out: &mut Vec<u8>) {
        let Stage::Rows { rows, next, number } = &mut self.stage else { return };
        let until = rows.len().min(*next + ROWS_TOGETHER);
        for (row, cells) in &rows[*next..until] {
            out.extend_from_slice(b"{\"row\":[");
            out.extend_from_slice(itoa::Buffer::new().format(*row).as_bytes());
            out.push(b',');
            put_values(out, cells);
            out.extend_from_slice(b"]}\n");
        }
        *next = until;
        if until == rows.len() {
            out.extend_from_slice(b"{\"eoq\":{\"time\":");
            put_value(out, &Value::Real(self.began.elapsed().as_secs_f64()));
            out.extend_from_slice(b",\"change_id\":");
            out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
            out.extend_from_slice(b"}}\n");
            self.stage = Stage::Changes;
        }
    }
}

fn put_change(out: &mut Vec<u8>, change: &RowChange) {
    out.extend_from_slice(match change.kind {
        ChangeKind::Insert => b"{\"change\":[\"insert\",".as_slice(),
        ChangeKind::Update => b"{\"change\":[\"update\",",
        ChangeKind::Delete => b"{\"change\":[\"delete\",",
    });
    out.extend_from_slice(itoa::Buffer::new().format(change.row).as_bytes());
    out.push(b',');
    put_values(out, &change.cells);
    out.push(b',');
    out.extend_from_slice(itoa::Buffer::new().format(change.number).as_bytes());
    out.extend_from_slice(b"]}\n");
}

/// What is told of a table.
struct Updates {
    open: Open,
    closing: signal::Receiver<bool>,
    written: mpsc::Receiver<Vec<Written>>,
}

impl Updates {
    async fn next(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(256);
        match wake(&mut self.closing, &self.open.0, &mut self.written).await {
            Wake::Closing | Wake::Event(None) => return None,
            Wake::Idle => out.extend_from_slice(b"{\"heartbeat\":{}}\n"),
            Wake::Event(Some(written)) => {
                self.open.0.metrics.watch_events.add(1);
                for Written { key, exists } in written {
                    let what: &[u8] = if exists { b"{\"notify\":[\"update\"," } else { b"{\"notify\":[\"delete\"," };
                    out.extend_from_slice(what);
                    put_values(&mut out, &key);
                    out.extend_from_slice(b"]}\n");
                }
            }
        }
        Some(out)
    }
}
