//! What the checks of an instance found, from the node that runs them.

use super::App;
use super::paths::OfInstance;
use crate::answer::{self, millis};
use crate::convert::Text;
use crate::elsewhere::{Elsewhere, FromNode};
use crate::json;
use crate::problem::{self, Problem};
use crate::query::Query;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, Uri};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;
use whither_directory::{CheckReport, Cursor};
use whither_model::{Health, WallTime};

/// What the checks of one instance found.
#[derive(Serialize, ToSchema)]
#[schema(as = Checks)]
pub(super) struct ChecksOut<'a> {
    /// `namespace/service`.
    service: &'a str,
    /// The instance.
    id: &'a str,
    /// The name of the node that runs its checks.
    node: &'a str,
    /// All checks, those of the agent's own configuration too.
    #[schema(value_type = Vec<CheckReportOut>)]
    checks: Vec<CheckReportOut<'a>>,
    /// Where this node's history stands.
    #[schema(value_type = String)]
    index: Text<Cursor>,
}

/// Where one check stands.
#[derive(Serialize, ToSchema)]
#[schema(as = CheckReport)]
pub(super) struct CheckReportOut<'a> {
    /// Unique in the instance.
    name: &'a str,
    /// http, https, tcp, grpc or exec.
    kind: &'static str,
    /// passing, warning or critical: the verdict, after as many results in a row as it takes.
    health: &'static str,
    /// What the latest run alone found; null if there was none, or if the node's host could not check.
    found: Option<&'static str>,
    /// When that run ended, by the node's wall clock (RFC 3339); null if there was none.
    #[schema(value_type = Option<String>)]
    at: Option<Text<WallTime>>,
    /// How long it took, milliseconds.
    took_ms: Option<u64>,
    /// What a person should know: first what was found, then what the instance said, 4 KiB at most.
    output: Option<&'a str>,
}

impl<'a> CheckReportOut<'a> {
    fn new(report: &'a CheckReport) -> Self {
        let latest = report.latest.as_ref();
        Self {
            name: &report.name,
            kind: report.kind,
            health: report.health.as_str(),
            found: latest.and_then(|run| run.found).map(Health::as_str),
            at: latest.map(|run| Text(run.at)),
            took_ms: latest.and_then(|run| millis(Some(run.took))),
            output: latest.map(|run| &*run.output),
        }
    }
}

/// What the checks of an instance found.
///
/// Each check's verdict and its latest run with what it said. This stays with the node that runs them: the others know what came of it, which
/// is the instance's health. Asked of another node, the answer is 409 and names the owner, whose answer `from` brings.
#[utoipa::path(
    get, path = "/v1/services/{namespace}/{service}/instances/{id}/checks", tag = "resolve",
    params(("namespace" = String, Path), ("service" = String, Path), ("id" = String, Path), FromNode),
    responses(
        Elsewhere,
        (status = 200, body = ChecksOut),
        (status = 400, body = problem::Document),
        (status = 404, body = problem::Document),
        (status = 409, body = problem::Document, description = "Another node runs them, or several have the name in `from`"),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document)
    )
)]
pub(super) async fn checks(
    State(app): State<Arc<App>>,
    OfInstance(name, id): OfInstance,
    uri: Uri,
) -> Result<Response<Body>, Problem> {
    Query::parse(uri.query(), &[], &[])?;
    let directory = &app.directory;
    let view = directory.view();
    let service = view.service(&name).ok_or_else(|| Problem::unknown_service(&name))?;
    let listed = service.instance(&id).ok_or_else(|| Problem::unknown_instance(&name, &id))?;
    let identity = directory.identity();
    if listed.owner() != identity.node {
        return Err(Problem::known_to(listed.owner(), directory));
    }
    let reports = directory.check_reports(&name, &id);
    let body = json::line(&ChecksOut {
        service: name.as_str(),
        id: id.as_str(),
        node: identity.name.as_str(),
        checks: reports.iter().map(CheckReportOut::new).collect(),
        index: Text(directory.cursor(listed.changed)),
    });
    // The node's own word about its own: as fresh as it can be.
    Ok(answer::read(&app, Some(Duration::ZERO), listed.changed, body).map(Body::new))
}
