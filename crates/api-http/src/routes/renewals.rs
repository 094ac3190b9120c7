//! Saying of many instances at once that they live.

use super::App;
use super::register::{answer, submit};
use crate::body;
use crate::convert::registration;
use crate::problem::{self, Problem};
use crate::query::Query;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, Uri};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use whither_model::{Command, Outcome};

/// Longest body: so many renewals with names as long as they may be would be longer, but nobody has such names.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Which live: pairs of a service and an instance's id.
#[derive(ToSchema)]
#[schema(example = json!([["prod/recos", "recos-1"], ["prod/recos", "recos-2"]]))]
#[expect(dead_code, reason = "the document's picture of what `convert::registration` reads by hand")]
pub(super) struct Renewals(Vec<Vec<String>>);

/// What became of many renewals.
#[derive(Serialize, ToSchema)]
#[schema(as = RenewedMany)]
pub(super) struct RenewedManyOut {
    /// How many leases run anew.
    renewed: usize,
    /// Where in the request those are that are not registered here: register them again.
    unknown: Vec<usize>,
}

/// Say of many instances that they live: one request instead of one for each. At most 10 000.
///
/// The body is an array of pairs, `[["prod/recos","recos-1"],["prod/recos","recos-2"]]`.
#[utoipa::path(
    post, path = "/v1/renewals", tag = "register",
    request_body = Renewals,
    responses(
        (status = 200, body = RenewedManyOut),
        (status = 400, body = problem::Document),
        (status = 413, body = problem::Document),
        (status = 415, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document)
    )
)]
pub(super) async fn renew_many(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response<Body>, Problem> {
    Query::parse(uri.query(), &[], &[])?;
    let max = BODY_BYTES_MAX.min(app.config.body_bytes_max);
    let body = body::json(&headers, body, max, app.config.body_read).await?;
    let instances = registration::names(&body)?;
    let asked = instances.len();
    match submit(&app, Command::RenewMany { instances }).await? {
        Outcome::RenewedMany { unknown } => {
            Ok(answer(StatusCode::OK, &RenewedManyOut { renewed: asked - unknown.len(), unknown }))
        }
        _ => Err(Problem::odd_outcome()),
    }
}
