//! The node that answers.

use super::App;
use crate::answer::{self, Answer, JSON, millis};
use crate::convert::Text;
use crate::elsewhere::{Elsewhere, FromNode};
use crate::json;
use crate::metrics;
use crate::problem::{self, Problem};
use crate::query::Query;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, Uri};
use bytes::Bytes;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use whither_directory::Cursor;
use whither_model::NodeId;

type Answered = Result<Response<Body>, Problem>;

const LISTING: &str = "\
Whither: where services are at this moment, and how sure that is.

  GET    /v1/services                                        all services
  GET    /v1/services/{namespace}/{service}                  where it is
  GET    /v1/services/{namespace}/{service}/instances/{id}   one instance
  PUT    /v1/services/{namespace}/{service}/instances/{id}   register it
  DELETE /v1/services/{namespace}/{service}/instances/{id}   remove it
  GET    /v1/services/{namespace}/{service}/instances/{id}/checks   what its checks found
  PUT    /v1/services/{namespace}/{service}/instances/{id}/renew   it lives
  PUT    /v1/services/{namespace}/{service}/instances/{id}/state   ?state=starting|up|draining|maintenance
  POST   /v1/instances                                       register many
  POST   /v1/renewals                                        many of them live
  POST   /v1/sessions                                        hold this open: what is registered on it dies with it
  DELETE /v1/sessions/{session}                              end it
  GET    /v1/prometheus                                      what Prometheus is to scrape (http_sd)
  GET    /v1/watch/{namespace}/{service}                     be told what changes
  GET    /v1/watch                                           the same for everything
  POST   /v1/transactions                                    execute SQL that writes users' tables
  GET    /v1/transactions/{place}                            whether this node has one; ?wait=SECONDS
  POST   /v1/queries                                         ask in SQL, of users' tables and the catalog
  POST   /v1/subscriptions                                   be told what changes in a question's answer
  POST   /v1/updates/{table}                                 be told which rows of a table are written
  POST   /v1/schema                                          change users' tables; ?plan=true only says how
  GET    /v1/tables                                          what there is of them
  GET    /v1/backup                                          a copy of all of them, an SQLite database
  GET    /v1/nodes                                           the cluster
  GET    /v1/lag                                             how long what other nodes say takes to get here
  POST   /v1/join                                            look for a cluster
  POST   /v1/leave                                           say goodbye
  PUT    /v1/maintenance                                     ?on=true|false: this node with all its instances
  GET    /v1/health                                          how this node is
  GET    /v1/status                                          which guards are at work, and what they protect
  GET    /metrics                                            the same in numbers, for Prometheus
  GET    /v1/openapi.json                                    everything above, for machines

Register, ask, watch:

  curl -X PUT --json '{\"port\":8080,\"ttl\":\"10s\"}' http://127.0.0.1:7601/v1/services/prod/recos/instances/recos-1
  curl http://127.0.0.1:7601/v1/services/prod/recos
  curl 'http://127.0.0.1:7601/v1/services/prod/recos?all=true&explain=true'
  curl 'http://127.0.0.1:7601/v1/services/prod/recos?from=web-2'    what another node knows; any GET but watches
  curl -N http://127.0.0.1:7601/v1/watch/prod/recos
";

#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub(super) struct HealthOut<'a> {
    /// `ok`, or `degraded` when the disk refuses writes or the node is apart from its cluster.
    status: &'static str,
    /// The node's id.
    #[schema(value_type = String)]
    node: Text<NodeId>,
    /// Its name.
    name: &'a str,
    /// Its boot number.
    epoch: u64,
    /// The software it runs.
    software: &'a str,
    /// How old answers about everything can be.
    age_ms: Option<u64>,
    /// Where its history stands.
    #[schema(value_type = String)]
    index: Text<Cursor>,
    /// Services known.
    services: usize,
    /// Instances listed.
    instances: usize,
    /// Nodes by state.
    nodes: NodeCounts,
    /// What keeps the node apart from its cluster; null when nothing does.
    cluster: Option<&'a str>,
    /// What the disk's problem is; null when it has none.
    disk: Option<&'a str>,
    /// What is wrong with schema files or scheduled backups of users' tables; null when nothing is. Nobody need be sent elsewhere
    /// for that, so it does not degrade the node.
    tables: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct NodeCounts {
    alive: usize,
    suspect: usize,
    down: usize,
    left: usize,
}

/// How this node is.
#[utoipa::path(
    get, path = "/v1/health", tag = "about",
    params(FromNode),
    responses(
        (status = 200, body = HealthOut),
        (status = 400, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document),
        Elsewhere
    )
)]
pub(super) async fn health(State(app): State<Arc<App>>, uri: Uri) -> Answered {
    Query::parse(uri.query(), &[], &[])?;
    let directory = &app.directory;
    let identity = directory.identity();
    let view = directory.view();
    let age = view.age(directory.clock().now());
    let (disk, cluster) = (directory.vitals().disk_problem(), directory.vitals().cluster_problem());
    let [alive, suspect, down, left] = super::member_counts(&view);
    let body = json::line(&HealthOut {
        status: if disk.is_some() || cluster.is_some() { "degraded" } else { "ok" },
        node: Text(identity.node),
        name: identity.name.as_str(),
        epoch: identity.epoch.0,
        software: &identity.software,
        age_ms: millis(age),
        index: Text(directory.cursor(view.index())),
        services: view.service_count(),
        instances: view.instance_count(),
        nodes: NodeCounts { alive, suspect, down, left },
        cluster: cluster.as_deref().map(String::as_str),
        disk: disk.as_deref().map(String::as_str),
        tables: directory.vitals().tables_problem(),
    });
    Ok(answer::read(&app, age, view.index(), body).map(Body::new))
}

/// How this node is, in numbers, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "about",
    responses((status = 200, body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response<Body> {
    let text = metrics::render(&app.directory, &app.metrics);
    whole(text.into(), HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"))
}

/// This document.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "about",
    responses((status = 200, body = Object, content_type = "application/json"))
)]
pub(super) async fn openapi(State(app): State<Arc<App>>) -> Response<Body> {
    whole(app.document.clone(), JSON)
}

/// What is here, for people.
#[utoipa::path(get, path = "/", tag = "about", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn listing() -> Response<Body> {
    whole(Bytes::from_static(LISTING.as_bytes()), HeaderValue::from_static("text/plain; charset=utf-8"))
}

fn whole(bytes: Bytes, media_type: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::new(Answer::new(bytes)));
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}
