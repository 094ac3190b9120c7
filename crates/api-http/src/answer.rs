//! Response bodies whose every byte is known before the first is sent, and the answer about one service.

use crate::convert;
use crate::limits::ANSWER_COPY_BYTES_MAX;
use crate::problem::Problem;
use crate::routes::App;
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH};
use axum::http::{Response, StatusCode};
use bytes::{BufMut, Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use whither_directory::{Index, Ready, Selection, ServiceView, View};
use whither_model::ServiceName;

pub(crate) const AGE: HeaderName = HeaderName::from_static("x-whither-age-ms");
pub(crate) const INDEX: HeaderName = HeaderName::from_static("x-whither-index");
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A body of at most two pieces; its length is exact, so it is sent with `Content-Length`.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    head: Bytes,
    tail: Bytes,
}

impl Answer {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { head: bytes, tail: Bytes::new() }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.head.is_empty() {
            std::mem::swap(&mut this.head, &mut this.tail);
        }
        let next = std::mem::take(&mut this.head);
        Poll::Ready((!next.is_empty()).then(|| Ok(Frame::data(next))))
    }

    fn is_end_stream(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.head.len() + self.tail.len()) as u64)
    }
}

/// A successful answer in JSON with the headers that every read has.
pub(crate) fn read(app: &App, age: Option<Duration>, index: Index, body: Bytes) -> Response<Answer> {
    let mut scratch = BytesMut::with_capacity(64);
    let mut response = Response::new(Answer::new(body));
    stamp(app, response.headers_mut(), &mut scratch, millis(age), index);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// What an answer about one service is made of beyond the service itself.
pub(crate) enum Instances {
    /// Those that are selected, as the view keeps them encoded.
    Selected,
    /// All of them, as the view keeps them encoded.
    All,
    /// Encoded for this request: the array with the closing brace, and how it was selected.
    Made { array: Bytes, selection: Selection, protected: bool, cacheable: bool },
}

/// The answer about `name`, or that nothing is known of it. Neither locks nor waits.
pub(crate) fn service(
    app: &App,
    name: &ServiceName,
    headers: &HeaderMap,
    choose: impl FnOnce(&View, &ServiceView) -> Instances,
) -> Response<Answer> {
    let view = app.directory.peek();
    let Some(service) = view.service(name) else { return Problem::unknown_service(name).answer() };
    let instances = choose(&view, service);
    let (array, selection, protected, cacheable) = match &instances {
        Instances::Selected => {
            let array = service.ready(Ready::JsonSelected, || convert::instances(service.selected()));
            (array, service.selection(), service.is_protected(), true)
        }
        Instances::All => (
            service.ready(Ready::JsonAll, || convert::instances(service.instances().iter())),
            service.selection(),
            service.is_protected(),
            true,
        ),
        Instances::Made { array, selection, protected, cacheable } => (array, *selection, *protected, *cacheable),
    };
    let now = app.directory.clock().now();
    let age = millis(service.age(view.freshness(), now));
    let unheard = app.unheard.of(&view);
    // One allocation holds the header values and the body.
    let copied = if array.len() <= ANSWER_COPY_BYTES_MAX { array.len() } else { 0 };
    let mut bytes = BytesMut::with_capacity(320 + copied + unheard.json_bytes());
    let mut response = Response::new(Answer::default());
    stamp(app, response.headers_mut(), &mut bytes, age, service.index());
    if cacheable {
        // Weak: the age in the body moves although nothing changed; the header always has the current one.
        bytes.put_slice(b"W/\"");
        put_cursor(&mut bytes, app, service.index());
        unheard.put_tag(&mut bytes);
        bytes.put_u8(b'"');
        if let Ok(tag) = HeaderValue::from_maybe_shared(bytes.split().freeze()) {
            let known = headers.get(IF_NONE_MATCH).is_some_and(|known| matches(known, &tag));
            response.headers_mut().insert(ETAG, tag);
            if known {
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                return response;
            }
        }
    }
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    bytes.put_slice(b"{\"service\":\"");
    bytes.put_slice(name.as_str().as_bytes());
    bytes.put_slice(b"\",\"age_ms\":");
    put_age(&mut bytes, age);
    bytes.put_slice(b",\"index\":\"");
    put_cursor(&mut bytes, app, service.index());
    bytes.put_slice(b"\",\"selection\":\"");
    bytes.put_slice(convert::selection(selection).as_bytes());
    bytes.put_slice(if protected { b"\",\"protected\":true," } else { b"\",\"protected\":false," });
    unheard.put_json(&mut bytes, now);
    bytes.put_slice(b"\"instances\":");
    *response.body_mut() = if copied == array.len() {
        bytes.put_slice(array);
        Answer::new(bytes.freeze())
    } else {
        Answer { head: bytes.freeze(), tail: array.clone() }
    };
    response
}

/// Whether the value of `If-None-Match` names `tag` (RFC 9110 section 13.1.2: a list, compared weakly).
fn matches(known: &HeaderValue, tag: &HeaderValue) -> bool {
    fn opaque(tag: &[u8]) -> &[u8] {
        let tag = tag.trim_ascii();
        tag.strip_prefix(b"W/").unwrap_or(tag)
    }
    let tag = opaque(tag.as_bytes());
    known.as_bytes().split(|&byte| byte == b',').any(|one| opaque(one) == tag || one.trim_ascii() == b"*")
}

/// Sets the headers of a read. The values are cut from `scratch`, which is left empty with the rest of its room.
fn stamp(app: &App, headers: &mut HeaderMap, scratch: &mut BytesMut, age: Option<u64>, index: Index) {
    headers.reserve(4);
    match age {
        Some(age) => put_number(scratch, age),
        None => scratch.put_slice(b"unknown"),
    }
    if let Ok(value) = HeaderValue::from_maybe_shared(scratch.split().freeze()) {
        headers.insert(AGE, value);
    }
    put_cursor(scratch, app, index);
    if let Ok(value) = HeaderValue::from_maybe_shared(scratch.split().freeze()) {
        headers.insert(INDEX, value);
    }
}

/// An age in milliseconds, or `null` if it cannot be said.
pub(crate) fn put_age(bytes: &mut BytesMut, age: Option<u64>) {
    match age {
        Some(age) => put_number(bytes, age),
        None => bytes.put_slice(b"null"),
    }
}

fn put_number(bytes: &mut BytesMut, number: u64) {
    bytes.put_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn put_cursor(bytes: &mut BytesMut, app: &App, index: Index) {
    bytes.put_slice(app.cursor_prefix.as_bytes());
    put_number(bytes, index.get());
}

/// Whole milliseconds, rounded up: an age may be said too high, never too low. `None`: it cannot be said.
pub(crate) fn millis(age: Option<Duration>) -> Option<u64> {
    age.map(|age| u64::try_from(age.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX))
}
