//! A copy of all tables, as a file.

use super::{Answered, sql};
use crate::problem;
use crate::query::Query as Parameters;
use crate::routes::App;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use axum::http::{Response, Uri};
use bytes::Bytes;
use std::io::{self, Read};
use std::sync::Arc;
use whither_directory::sql::BackedUp;

/// What SQLite's files are called among media types.
const SQLITE: HeaderValue = HeaderValue::from_static("application/vnd.sqlite3");
/// Bytes read from the copy at a time.
const PIECE_BYTES: u64 = 256 * 1024;

/// A copy of all of users' tables: an SQLite database, of one snapshot, made while others write.
///
/// With who wrote what beside the rows, so that an agent may be started on it. Of the catalog nothing is in it.
#[utoipa::path(
    get, path = "/v1/backup", tag = "sql",
    responses(
        (status = 200, description = "The copy", content_type = "application/vnd.sqlite3"),
        (status = 400, body = problem::Document),
        (status = 503, body = problem::Document),
        (status = 507, body = problem::Document)
    )
)]
pub(in crate::routes) async fn backup(State(app): State<Arc<App>>, uri: Uri) -> Answered {
    Parameters::parse(uri.query(), &[], &[])?;
    let copy = sql(&app)?.back_up().await?;
    let bytes = HeaderValue::from(copy.bytes);
    let mut response = Response::new(Body::from_stream(futures_util::stream::unfold(copy, piece)));
    response.headers_mut().insert(CONTENT_TYPE, SQLITE);
    response.headers_mut().insert(CONTENT_LENGTH, bytes);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The next piece, read where waiting for a disk keeps nobody else waiting.
async fn piece(copy: BackedUp) -> Option<(io::Result<Bytes>, BackedUp)> {
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let read = (&copy.file).take(PIECE_BYTES).read_to_end(&mut bytes);
        (read.map(|_| bytes), copy)
    });
    match read.await {
        Ok((Ok(bytes), _)) if bytes.is_empty() => None,
        Ok((Ok(bytes), copy)) => Some((Ok(bytes.into()), copy)),
        Ok((Err(error), copy)) => Some((Err(error), copy)),
        // The runtime goes down, and the connection with it.
        Err(_) => None,
    }
}
