//! Saying where instances are, and how they are.

use super::App;
use super::paths::{From, OfInstance};
use crate::answer::{Answer, JSON, millis};
use crate::body;
use crate::convert::checks::CheckDocument;
use crate::convert::{Text, registration};
use crate::elsewhere::{self, Forwarded};
use crate::json;
use crate::limits::SMALL_BODY_BYTES_MAX;
use crate::problem::{self, Problem, Slug};
use crate::query::Query;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Response, StatusCode, Uri};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;
use whither_directory::{Client, Cursor, Method};
use whither_model::{Command, Health, InstanceId, Invalid, Outcome, ServiceName, State as Life, Version};

type Answered = Result<Response<Body>, Problem>;

/// What one write did.
#[derive(Serialize, ToSchema)]
#[schema(as = Written)]
pub(super) struct WrittenOut<'a> {
    /// `namespace/service`.
    service: &'a str,
    /// The instance.
    id: &'a str,
    /// Whether it had not been there; only told of registrations.
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<bool>,
    /// The change that set it: boot number and position in what that boot said.
    #[schema(value_type = String)]
    version: Text<Version>,
    /// Where this node's history stands; the write is in it.
    #[schema(value_type = String)]
    index: Text<Cursor>,
}

/// What a bulk registration did.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkWritten)]
pub(super) struct BulkWrittenOut {
    /// How many instances were registered.
    written: usize,
    /// How many of them had not been there.
    created: usize,
    /// The change that set them.
    #[schema(value_type = String)]
    version: Text<Version>,
    /// Where this node's history stands; the write is in it.
    #[schema(value_type = String)]
    index: Text<Cursor>,
}

/// A deregistration that waits for its turn.
#[derive(Serialize, ToSchema)]
#[schema(as = Held)]
pub(super) struct HeldOut<'a> {
    /// `namespace/service`.
    service: &'a str,
    /// The instance.
    id: &'a str,
    /// Until it is removed, at the earliest, milliseconds.
    removed_in_ms: Option<u64>,
    /// The reason, and the way out.
    why: &'static str,
    /// The change that marked it as leaving.
    #[schema(value_type = String)]
    version: Text<Version>,
    /// Where this node's history stands; the write is in it.
    #[schema(value_type = String)]
    index: Text<Cursor>,
}

/// A lease that runs anew.
#[derive(Serialize, ToSchema)]
#[schema(as = Renewed)]
pub(super) struct RenewedOut {
    /// Time until it runs out if nothing more is heard, milliseconds; null if the instance has no lease.
    ttl_ms: Option<u64>,
}

/// What to register. Everything may be left out.
#[derive(ToSchema)]
#[schema(example = json!({
    "address": "10.0.0.7", "ports": {"main": 8080, "metrics": 9090}, "tags": ["v2"], "meta": {"team": "ml"},
    "weight": 100, "version": "1.4.2", "zone": "eu-1a", "ttl": "10s"
}))]
#[expect(dead_code, reason = "the document's picture of what `convert::registration` reads by hand")]
pub(super) struct Registration {
    /// An IP address; the node's own if left out.
    address: Option<String>,
    /// The only port; it is named `main`. Not together with `ports`.
    port: Option<u16>,
    /// Ports by name. The first is the one that callers get who name none.
    ports: Option<std::collections::BTreeMap<String, u16>>,
    /// Labels for selection.
    tags: Option<Vec<String>>,
    /// Free pairs.
    meta: Option<std::collections::BTreeMap<String, String>>,
    /// Relative share of traffic, 1 to 65535; 100 if left out.
    weight: Option<u16>,
    /// Of the software it runs.
    version: Option<String>,
    /// Failure domain; the node's own if left out.
    zone: Option<String>,
    /// starting, up, draining or maintenance; up if left out.
    state: Option<String>,
    /// passing, warning or critical; passing if left out.
    health: Option<String>,
    /// How long it counts as well after each renewal, 200ms to 24h: `10s`, `500ms`, `2m`, or a number of milliseconds.
    /// Without it, it counts until it is told otherwise.
    #[schema(value_type = String)]
    ttl: Option<String>,
    /// The session that it is registered on and dies with, as opening one answered.
    session: Option<String>,
    /// How the node that answers is to find out whether it works: at the instance's own address, which must be the client's
    /// own unless the agent's configuration allows it. The worst of them holds; at most 16.
    checks: Option<Vec<CheckDocument>>,
    /// It is removed once a witness has called it critical for so long: `30s`, at least 1s. Without it, it stays.
    remove_after_critical: Option<String>,
    /// Its weight rises over this time after it came into service: `30s`, 1s to 1h.
    ramp: Option<String>,
    /// Others may claim the same address and port, if they say so too. Otherwise the newest claim evicts the older ones.
    shares_address: Option<bool>,
}

/// One of many registrations.
#[derive(ToSchema)]
#[schema(example = json!({"service": "prod/recos", "id": "recos-7f9c", "address": "10.0.0.7", "port": 8080}))]
#[expect(dead_code, reason = "the document's picture of what `convert::registration` reads by hand")]
pub(super) struct NamedRegistration {
    /// `namespace/service`; without a namespace it is `default`.
    service: String,
    /// Unique in the service.
    id: String,
    #[schema(inline)]
    #[serde(flatten)]
    registration: Registration,
}

/// Register an instance, or set it anew.
#[utoipa::path(
    put, path = "/v1/services/{namespace}/{service}/instances/{id}", tag = "register",
    params(
        ("namespace" = String, Path), ("service" = String, Path), ("id" = String, Path),
        ("ack" = Option<String>, Query, description = "When to answer: memory (default) or durable"),
    ),
    request_body = Registration,
    responses(
        (status = 201, body = WrittenOut, description = "It had not been there"),
        (status = 200, body = WrittenOut, description = "It was set anew"),
        (status = 400, body = problem::Document),
        (status = 409, body = problem::Document),
        (status = 413, body = problem::Document),
        (status = 415, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document),
        (status = 507, body = problem::Document)
    )
)]
pub(super) async fn register(
    State(app): State<Arc<App>>,
    OfInstance(service, id): OfInstance,
    From(client): From,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let ack = Query::parse(uri.query(), &["ack"], &[])?.ack()?;
    let max = SMALL_BODY_BYTES_MAX.min(app.config.body_bytes_max);
    let body = body::json(&headers, body, max, app.config.body_read).await?;
    let address = app.directory.identity().advertise.ip();
    let registration = registration::one(&body, service.clone(), id.clone(), address)?;
    let registrations = vec![registration];
    app.directory.admit_checks(&registrations, client).map_err(|(_, bad)| bad)?;
    let command = Command::Register { registrations, ack };
    let (version, created) = write(&app, command).await?;
    let status = if created > 0 { StatusCode::CREATED } else { StatusCode::OK };
    Ok(written(&app, status, &service, &id, version, Some(created > 0)))
}

/// Remove an instance for good.
///
/// An instance that another node owns is removed there: the request is carried to its owner, whose answer comes back. If the
/// owner is gone, the answer is 409.
#[utoipa::path(
    delete, path = "/v1/services/{namespace}/{service}/instances/{id}", tag = "register",
    params(
        ("namespace" = String, Path), ("service" = String, Path), ("id" = String, Path),
        ("ack" = Option<String>, Query, description = "When to answer: memory (default) or durable"),
        ("force" = Option<bool>, Query, description = "At once, however many went lately"),
        ("overrule" = Option<bool>, Query, description = "Whoever owns it, also if that node is gone; should it come back, it obeys"),
    ),
    responses(
        (status = 200, body = WrittenOut),
        (status = 202, body = HeldOut, description = "Many went at once: it takes nothing new and is removed in its turn"),
        (status = 400, body = problem::Document),
        (status = 404, body = problem::Document),
        (status = 409, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 502, body = problem::Document, description = "Its owner gave no answer"),
        (status = 503, body = problem::Document),
        (status = 504, body = problem::Document, description = "Its owner did not answer in time"),
        (status = 507, body = problem::Document)
    )
)]
pub(super) async fn deregister(
    State(app): State<Arc<App>>,
    OfInstance(service, id): OfInstance,
    uri: Uri,
    forwarded: Option<Extension<Forwarded>>,
) -> Answered {
    let query = Query::parse(uri.query(), &["ack", "force", "overrule"], &[])?;
    let (ack, force) = (query.ack()?, query.flag("force")?);
    let command = match query.flag("overrule")? {
        true => Command::Overrule { service: service.clone(), id: id.clone(), ack },
        false => Command::Deregister { service: service.clone(), id: id.clone(), force, ack },
    };
    match app.directory.submit(command).await {
        Ok(Outcome::Held { version, removed_in }) => Ok(held(&app, &service, &id, version, removed_in)),
        Ok(outcome) => Ok(written(&app, StatusCode::OK, &service, &id, version(outcome)?.0, None)),
        Err(refusal) => elsewhere::by_owner(&app, &refusal, Method::Delete, &uri, forwarded.is_some()).await,
    }
}

/// Say that an instance lives.
///
/// Its lease starts anew. 404 means that it is not registered here, for example because its lease ran out long ago:
/// register it again.
#[utoipa::path(
    put, path = "/v1/services/{namespace}/{service}/instances/{id}/renew", tag = "register",
    params(
        ("namespace" = String, Path), ("service" = String, Path), ("id" = String, Path),
        ("health" = Option<String>, Query, description = "How it is: passing, warning or critical"),
    ),
    responses(
        (status = 200, body = RenewedOut),
        (status = 400, body = problem::Document),
        (status = 404, body = problem::Document),
        (status = 409, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document)
    )
)]
pub(super) async fn renew(State(app): State<Arc<App>>, OfInstance(service, id): OfInstance, uri: Uri) -> Answered {
    let health = Query::parse(uri.query(), &["health"], &[])?.word::<Health>("health")?;
    match submit(&app, Command::Renew { service, id, health }).await? {
        Outcome::Renewed { lease } => Ok(answer(StatusCode::OK, &RenewedOut { ttl_ms: millis(lease) })),
        _ => Err(Problem::odd_outcome()),
    }
}

/// Say where an instance is in its life.
///
/// An instance that another node owns is changed there: the request is carried to its owner, whose answer comes back. If the
/// owner is gone, the answer is 409.
#[utoipa::path(
    put, path = "/v1/services/{namespace}/{service}/instances/{id}/state", tag = "register",
    params(
        ("namespace" = String, Path), ("service" = String, Path), ("id" = String, Path),
        ("state" = String, Query, description = "starting, up, draining or maintenance"),
        ("ack" = Option<String>, Query, description = "When to answer: memory (default) or durable"),
    ),
    responses(
        (status = 200, body = WrittenOut),
        (status = 400, body = problem::Document),
        (status = 404, body = problem::Document),
        (status = 409, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 502, body = problem::Document, description = "Its owner gave no answer"),
        (status = 503, body = problem::Document),
        (status = 504, body = problem::Document, description = "Its owner did not answer in time"),
        (status = 507, body = problem::Document)
    )
)]
pub(super) async fn set_state(
    State(app): State<Arc<App>>,
    OfInstance(service, id): OfInstance,
    uri: Uri,
    forwarded: Option<Extension<Forwarded>>,
) -> Answered {
    let query = Query::parse(uri.query(), &["state", "ack"], &[])?;
    let ack = query.ack()?;
    let state = query.word::<Life>("state")?.ok_or_else(|| {
        Invalid::new("state", "is missing; expected ?state= with starting, up, draining or maintenance")
    })?;
    let command = Command::SetState { service: service.clone(), id: id.clone(), state, ack };
    match app.directory.submit(command).await {
        Ok(outcome) => Ok(written(&app, StatusCode::OK, &service, &id, version(outcome)?.0, None)),
        Err(refusal) => elsewhere::by_owner(&app, &refusal, Method::Put, &uri, forwarded.is_some()).await,
    }
}

/// Register many instances: all or none, at most 10 000.
#[utoipa::path(
    post, path = "/v1/instances", tag = "register",
    params(("ack" = Option<String>, Query, description = "When to answer: memory (default) or durable")),
    request_body = Vec<NamedRegistration>,
    responses(
        (status = 200, body = BulkWrittenOut),
        (status = 400, body = problem::Document),
        (status = 409, body = problem::Document),
        (status = 413, body = problem::Document),
        (status = 415, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document),
        (status = 507, body = problem::Document)
    )
)]
pub(super) async fn register_many(
    State(app): State<Arc<App>>,
    From(client): From,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let ack = Query::parse(uri.query(), &["ack"], &[])?.ack()?;
    let config = &app.config;
    let Ok(Ok(turn)) = tokio::time::timeout(config.body_read, app.bulk.acquire()).await else {
        app.metrics.bulk_refused.add(1);
        let busy = "too many bulk registrations are being read; try again in a moment";
        return Err(Problem::new(Slug::Unavailable, busy));
    };
    let body = body::json(&headers, body, config.body_bytes_max, config.body_read).await?;
    let address = app.directory.identity().advertise.ip();
    // Megabytes of JSON take long enough to hold up other requests of this thread.
    let parsed = tokio::task::spawn_blocking(move || registration::many(&body, address)).await;
    drop(turn);
    let registrations = parsed.map_err(|_| Problem::new(Slug::Internal, "the body could not be parsed"))??;
    admit(&app, &registrations, client)?;
    let count = registrations.len();
    let (version, created) = write(&app, Command::Register { registrations, ack }).await?;
    let index = Text(app.directory.cursor(app.directory.peek().index()));
    Ok(answer(StatusCode::OK, &BulkWrittenOut { written: count, created, version: Text(version), index }))
}

/// Refuses registrations of a list whose checks `client` may not ask for.
pub(super) fn admit(app: &App, registrations: &[whither_model::Registration], client: Client) -> Result<(), Problem> {
    let placed = |(at, bad): (usize, Invalid)| Invalid::new(format!("[{at}].{}", bad.field), bad.problem);
    Ok(app.directory.admit_checks(registrations, client).map_err(placed)?)
}

pub(super) async fn submit(app: &App, command: Command) -> Result<Outcome, Problem> {
    app.directory.submit(command).await.map_err(|refusal| Problem::refused(&refusal, &app.directory))
}

async fn write(app: &App, command: Command) -> Result<(Version, usize), Problem> {
    version(submit(app, command).await?)
}

/// The version of what was written, and how much of it was new.
fn version(outcome: Outcome) -> Result<(Version, usize), Problem> {
    match outcome {
        Outcome::Written { version, created } => Ok((version, created)),
        _ => Err(Problem::odd_outcome()),
    }
}

fn written(
    app: &App,
    status: StatusCode,
    service: &ServiceName,
    id: &InstanceId,
    version: Version,
    created: Option<bool>,
) -> Response<Body> {
    let index = Text(app.directory.cursor(app.directory.peek().index()));
    let body = WrittenOut { service: service.as_str(), id: id.as_str(), created, version: Text(version), index };
    answer(status, &body)
}

/// An answer that is no read: it has no age.
pub(super) fn answer(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    let mut response = Response::new(Body::new(Answer::new(json::line(body))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

fn held(app: &App, service: &ServiceName, id: &InstanceId, version: Version, removed_in: Duration) -> Response<Body> {
    let index = Text(app.directory.cursor(app.directory.peek().index()));
    let held = HeldOut {
        service: service.as_str(),
        id: id.as_str(),
        removed_in_ms: millis(Some(removed_in)),
        why: "several instances of this service were deregistered in the last minute, so that one mistake does not remove \
              them all: it takes nothing new and is removed in its turn; ?force removes it at once",
        version: Text(version),
        index,
    };
    answer(StatusCode::ACCEPTED, &held)
}
