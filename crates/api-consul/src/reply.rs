//! What is answered: JSON with Consul's headers, or an error as text.

use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Serialize;
use std::time::Duration;
use whither_model::{Invalid, Refusal};

/// An answer.
pub(crate) type Reply = hyper::Response<Full<Bytes>>;

const INDEX: HeaderName = HeaderName::from_static("x-consul-index");
const KNOWN_LEADER: HeaderName = HeaderName::from_static("x-consul-knownleader");
const LAST_CONTACT: HeaderName = HeaderName::from_static("x-consul-lastcontact");
const CONSISTENCY: HeaderName = HeaderName::from_static("x-consul-effective-consistency");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// What is said of the age when nothing can be: more than any client allows, and within an `int` of every language.
const CONTACT_UNKNOWN_MILLIS: u128 = 0x7fff_ffff;

/// An error as Consul says it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    /// Of 405: what is allowed.
    pub(crate) allow: Option<&'static str>,
}

impl Refused {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), allow: None }
    }

    /// The request makes no sense.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(crate) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    pub(crate) fn reply(self) -> Reply {
        let has_text = !self.text.is_empty();
        let mut reply = Reply::new(Full::new(self.text.into()));
        *reply.status_mut() = self.status;
        if has_text {
            reply.headers_mut().insert(CONTENT_TYPE, TEXT);
        }
        if let Some(allow) = self.allow {
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        reply
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, refusal.to_string())
    }
}

impl From<Invalid> for Refused {
    fn from(invalid: Invalid) -> Self {
        Self::bad(format!("Invalid service: {invalid}"))
    }
}

impl From<whither_model::name::BadName> for Refused {
    fn from(bad: whither_model::name::BadName) -> Self {
        Self::bad(format!("Invalid {bad}"))
    }
}

/// How current an answer is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current {
    /// Its index; never 0.
    pub(crate) index: u64,
    /// How old it is at most; nothing: that cannot be said.
    pub(crate) age: Option<Duration>,
}

/// A successful answer without a body.
pub(crate) fn done() -> Reply {
    Reply::default()
}

/// `value` as JSON.
pub(crate) fn json(value: &impl Serialize) -> Reply {
    // What is serialized here has no keys but texts, and cannot fail.
    ready_json(serde_json::to_vec(value).unwrap_or_default().into())
}

/// JSON that is encoded already.
pub(crate) fn ready_json(body: Bytes) -> Reply {
    let mut reply = Reply::new(Full::new(body));
    reply.headers_mut().insert(CONTENT_TYPE, JSON);
    reply
}

/// The same with the headers that every read of the catalog has.
pub(crate) fn stamped(mut reply: Reply, current: Current) -> Reply {
    let headers = reply.headers_mut();
    headers.reserve(4);
    let mut number = itoa::Buffer::new();
    headers.insert(INDEX, text(number.format(current.index)));
    let known = if current.age.is_some() { "true" } else { "false" };
    headers.insert(KNOWN_LEADER, HeaderValue::from_static(known));
    let contact = current.age.map_or(CONTACT_UNKNOWN_MILLIS, |age| age.as_micros().div_ceil(1_000));
    headers.insert(LAST_CONTACT, text(number.format(contact.min(CONTACT_UNKNOWN_MILLIS))));
    // Nothing here asks a quorum: every answer is what this node knows, and says how old that is.
    headers.insert(CONSISTENCY, HeaderValue::from_static("stale"));
    reply
}

fn text(digits: &str) -> HeaderValue {
    HeaderValue::from_str(digits).unwrap_or(HeaderValue::from_static("0"))
}
