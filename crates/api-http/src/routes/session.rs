//! Sessions: a client holds a connection, and what it registered on it dies with it.

use super::App;
use super::paths::From;
use super::register::answer;
use crate::answer::millis;
use crate::body;
use crate::convert::{Text, registration};
use crate::hold::Hold;
use crate::json;
use crate::limits::SMALL_BODY_BYTES_MAX;
use crate::problem::{self, Problem};
use crate::query::Query;
use axum::body::{Body, HttpBody};
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, Response, StatusCode, Uri};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;
use whither_model::limits::SESSION_GRACE_MILLIS_MAX;
use whither_model::{Ack, Command, Invalid, Outcome, SessionEnd, SessionId};

type Answered = Result<Response<Body>, Problem>;

/// How long what was registered is kept, as critical, if the client says nothing else.
const GRACE: Duration = Duration::from_secs(10);

/// A session is open: the first line of its stream.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionOut {
    /// `open`.
    event: &'static str,
    /// What registrations name in `session`.
    #[schema(value_type = String)]
    session: Text<SessionId>,
    /// How long what was registered on it is kept, as critical, after the connection was lost, milliseconds.
    grace_ms: Option<u64>,
    /// How many instances were registered with it.
    instances: usize,
}

/// A session has ended.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionEnded)]
pub(super) struct EndedOut {
    /// Instances that ended with it.
    instances: usize,
}

/// Open a session.
///
/// The answer is a stream of lines that ends when the session does: first `open`, then `heartbeat` now and then. For as long as the
/// client holds it, what it registers with this `session` lives. When the connection breaks, which the system sees to in the moment in
/// which the client's process dies, all of it is critical on every node, and removed when `grace` is over. A restart of the node
/// ends the stream and nothing else: open another and register again. The body may be a list of instances to register at once.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "register",
    params(("grace" = Option<String>, Query, description = "0 to 10m, 10s if left out: how long what was registered is kept, as critical, after the connection was lost")),
    request_body = Option<Vec<super::register::NamedRegistration>>,
    responses(
        (status = 200, body = SessionOut, content_type = "application/x-ndjson", description = "Events, until the session ends"),
        (status = 400, body = problem::Document),
        (status = 409, body = problem::Document),
        (status = 413, body = problem::Document),
        (status = 415, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document)
    )
)]
pub(super) async fn open(
    State(app): State<Arc<App>>,
    From(client): From,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let query = Query::parse(uri.query(), &["grace"], &[])?;
    let grace = query.one("grace").map_or(Ok(GRACE), grace)?;
    let registrations = if body.is_end_stream() {
        Vec::new()
    } else {
        let max = SMALL_BODY_BYTES_MAX.min(app.config.body_bytes_max);
        let body = body::json(&headers, body, max, app.config.body_read).await?;
        registration::many(&body, app.directory.identity().advertise.ip())?
    };
    super::register::admit(&app, &registrations, client)?;
    let session = match super::register::submit(&app, Command::OpenSession { grace }).await? {
        Outcome::Opened { session } => session,
        _ => return Err(Problem::odd_outcome()),
    };
    // From here on the session ends with this value, also if the client is gone before the answer is.
    let hold = Hold::new(Arc::clone(&app), session);
    let instances = registrations.len();
    if instances > 0 {
        let registrations = registrations.into_iter().map(|mut registration| {
            registration.session = Some(session);
            registration
        });
        let command = Command::Register { registrations: registrations.collect(), ack: Ack::Memory };
        super::register::submit(&app, command).await?;
    }
    let first = SessionOut { event: "open", session: Text(session), grace_ms: millis(Some(grace)), instances };
    let mut response = Response::new(Body::from_stream(hold.into_stream(json::line(&first))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// End a session.
///
/// What was registered on it is removed at once, without grace.
#[utoipa::path(
    delete, path = "/v1/sessions/{session}", tag = "register",
    params(("session" = String, Path)),
    responses(
        (status = 200, body = EndedOut),
        (status = 409, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document)
    )
)]
pub(super) async fn close(State(app): State<Arc<App>>, Path(session): Path<String>) -> Answered {
    let session = session.parse().map_err(|bad: whither_model::session::NotASessionId| {
        let shown: String = session.chars().take(80).collect();
        Invalid::new("session", format!("is {shown:?}, {bad}"))
    })?;
    match super::register::submit(&app, Command::EndSession { session, end: SessionEnd::Closed }).await? {
        Outcome::Ended { instances } => Ok(answer(StatusCode::OK, &EndedOut { instances })),
        _ => Err(Problem::odd_outcome()),
    }
}

fn grace(text: &str) -> Result<Duration, Problem> {
    let max = Duration::from_millis(SESSION_GRACE_MILLIS_MAX);
    let read = registration::duration_of(text).filter(|grace| *grace <= max);
    read.ok_or_else(|| {
        let shown: String = text.chars().take(80).collect();
        Invalid::new("grace", format!("is {shown:?}; expected 0 to 10m, such as 500ms or 10s")).into()
    })
}
