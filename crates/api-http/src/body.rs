//! Request bodies: bounded in size and in time before anything is parsed.

use crate::problem::{Problem, Slug};
use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use std::time::Duration;

/// Reads a JSON body of at most `max` bytes that arrives within `deadline`.
///
/// # Errors
/// It is announced as something else than JSON, is larger, slower, or breaks off.
pub(crate) async fn json(headers: &HeaderMap, body: Body, max: usize, deadline: Duration) -> Result<Bytes, Problem> {
    media_type(headers)?;
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > max as u64) {
        return Err(too_large(max));
    }
    match tokio::time::timeout(deadline, collect(body, max)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::malformed(format!("the body did not arrive within {deadline:?}"))),
    }
}

async fn collect(body: Body, max: usize) -> Result<Bytes, Problem> {
    let mut pieces = body.into_data_stream();
    let mut all = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|fault| Problem::malformed(format!("the body broke off: {fault}")))?;
        if all.len() + piece.len() > max {
            return Err(too_large(max));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}

fn too_large(max: usize) -> Problem {
    Problem::new(Slug::TooLarge, format!("the body has more than {max} bytes, the most that this path takes"))
}

/// Only `application/json`, `application/…+json` or nothing said. A web page cannot send the first two to another
/// origin without asking.
fn media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    let shown: String = text.chars().take(80).collect();
    Err(Problem::new(
        Slug::UnsupportedMediaType,
        format!(
            "Content-Type is {shown:?}; expected application/json (with curl: --json, or -H 'Content-Type: application/json')"
        ),
    ))
}
