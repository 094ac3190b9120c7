//! The nodes: who they are, joining them, leaving them.

use super::App;
use super::register::answer;
use crate::answer::{self as answers, millis};
use crate::body;
use crate::convert::{NodeOut, Text, registration};
use crate::elsewhere::{Elsewhere, FromNode};
use crate::json;
use crate::limits::SMALL_BODY_BYTES_MAX;
use crate::problem::{self, Problem};
use crate::query::Query;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, Uri};
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;
use whither_directory::Cursor;
use whither_model::{Command, Invalid, Outcome};

type Answered = Result<Response<Body>, Problem>;

/// Where peers listen unless they say otherwise.
const PEER_PORT: u16 = 7600;
/// How long looking up one name may take.
const LOOK_UP_MAX: Duration = Duration::from_secs(5);

#[derive(Serialize, ToSchema)]
#[schema(as = Nodes)]
pub(super) struct NodesOut<'a> {
    /// How old this answer can be.
    age_ms: Option<u64>,
    /// Where in this node's history it stands.
    #[schema(value_type = String)]
    index: Text<Cursor>,
    /// Sorted by id.
    nodes: Vec<NodeOut<'a>>,
}

/// List the nodes of the cluster.
#[utoipa::path(
    get, path = "/v1/nodes", tag = "cluster",
    params(FromNode),
    responses(
        (status = 200, body = NodesOut),
        (status = 400, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document),
        Elsewhere
    )
)]
pub(super) async fn nodes(State(app): State<Arc<App>>, uri: Uri) -> Answered {
    Query::parse(uri.query(), &[], &[])?;
    let view = app.directory.view();
    let now = app.directory.clock().now();
    let own = app.directory.identity().node;
    let age = view.age(now);
    let body = json::line(&NodesOut {
        age_ms: millis(age),
        index: Text(app.directory.cursor(view.index())),
        nodes: view.nodes().iter().map(|node| NodeOut::new(node, own, now)).collect(),
    });
    Ok(answers::read(&app, age, view.index(), body).map(Body::new))
}

/// Where to look for a cluster.
#[derive(ToSchema)]
#[schema(example = json!({"addresses": ["10.0.0.1:7600", "localhost"]}))]
#[expect(dead_code, reason = "the document's picture of what `convert::registration` reads by hand")]
pub(super) struct Join {
    /// Addresses or names, each with a port or without (7600).
    addresses: Vec<String>,
}

/// What was begun.
#[derive(Serialize, ToSchema)]
#[schema(as = Begun)]
pub(super) struct BegunOut {
    /// join or leave.
    begun: &'static str,
    /// The addresses that are asked; only of a join.
    #[serde(skip_serializing_if = "Option::is_none")]
    addresses: Option<Vec<String>>,
}

/// Look for a cluster at these addresses. Who was found shows in the list of nodes.
#[utoipa::path(
    post, path = "/v1/join", tag = "cluster",
    request_body = Join,
    responses(
        (status = 202, body = BegunOut),
        (status = 400, body = problem::Document),
        (status = 413, body = problem::Document),
        (status = 415, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document)
    )
)]
pub(super) async fn join(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Answered {
    Query::parse(uri.query(), &[], &[])?;
    let max = SMALL_BODY_BYTES_MAX.min(app.config.body_bytes_max);
    let body = body::json(&headers, body, max, app.config.body_read).await?;
    let mut seeds = Vec::new();
    for (at, address) in registration::addresses(&body)?.iter().enumerate() {
        seeds.extend(look_up(address).await.map_err(|problem| Invalid::new(format!("addresses[{at}]"), problem))?);
    }
    let addresses = Some(seeds.iter().map(SocketAddr::to_string).collect());
    begin(&app, Command::Join { seeds }, BegunOut { begun: "join", addresses }).await
}

/// Say goodbye to the cluster. The node answers on, alone, until it is stopped.
#[utoipa::path(
    post, path = "/v1/leave", tag = "cluster",
    responses(
        (status = 202, body = BegunOut),
        (status = 400, body = problem::Document),
        (status = 503, body = problem::Document)
    )
)]
pub(super) async fn leave(State(app): State<Arc<App>>, uri: Uri) -> Answered {
    Query::parse(uri.query(), &[], &[])?;
    begin(&app, Command::Leave, BegunOut { begun: "leave", addresses: None }).await
}

/// What became of maintenance.
#[derive(Serialize, ToSchema)]
#[schema(as = Maintenance)]
pub(super) struct MaintenanceOut<'a> {
    /// The node's name.
    node: &'a str,
    /// Whether it is out of service now.
    maintenance: bool,
    /// Where this node's history stands; the change is in it.
    #[schema(value_type = String)]
    index: Text<Cursor>,
}

/// Take this node with all its instances out of service, or back into it. It holds across restarts.
#[utoipa::path(
    put, path = "/v1/maintenance", tag = "cluster",
    params(
        ("on" = bool, Query, description = "true: out of service; false: back into it"),
        ("ack" = Option<String>, Query, description = "When to answer: memory (default) or durable"),
    ),
    responses(
        (status = 200, body = MaintenanceOut),
        (status = 400, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document),
        (status = 507, body = problem::Document)
    )
)]
pub(super) async fn maintenance(State(app): State<Arc<App>>, uri: Uri) -> Answered {
    let query = Query::parse(uri.query(), &["on", "ack"], &[])?;
    if query.one("on").is_none() {
        return Err(Invalid::new("on", "is missing; expected ?on=true or ?on=false").into());
    }
    let (on, ack) = (query.flag("on")?, query.ack()?);
    match app.directory.submit(Command::SetMaintenance { on, ack }).await {
        Ok(Outcome::Written { .. }) => {
            let index = Text(app.directory.cursor(app.directory.peek().index()));
            let node = app.directory.identity().name.as_str();
            Ok(answer(StatusCode::OK, &MaintenanceOut { node, maintenance: on, index }))
        }
        Ok(_) => Err(Problem::odd_outcome()),
        Err(refusal) => Err(Problem::refused(&refusal, &app.directory)),
    }
}

async fn begin(app: &App, command: Command, body: BegunOut) -> Answered {
    match app.directory.submit(command).await {
        Ok(Outcome::Begun) => Ok(answer(StatusCode::ACCEPTED, &body)),
        Ok(_) => Err(Problem::odd_outcome()),
        Err(refusal) => Err(Problem::refused(&refusal, &app.directory)),
    }
}

/// The addresses behind `text`: an address or a name, with a port or without.
async fn look_up(text: &str) -> Result<Vec<SocketAddr>, String> {
    const EXPECTED: &str = "expected an address or a name, with a port or without, for example \"10.0.0.1:7600\"";
    let shown: String = text.chars().take(80).collect();
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(vec![address]);
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, PEER_PORT)]);
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, port.parse().map_err(|_| format!("is {shown:?}; {EXPECTED}"))?),
        None => (text, PEER_PORT),
    };
    // RFC 1123 section 2.1: nothing else can be a host name, so nothing else is sent to a resolver.
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if name.is_empty() || name.len() > whither_model::limits::NODE_NAME_BYTES_MAX || !name.chars().all(legal) {
        return Err(format!("is {shown:?}; {EXPECTED}"));
    }
    match tokio::time::timeout(LOOK_UP_MAX, tokio::net::lookup_host((name, port))).await {
        Ok(Ok(found)) => {
            let found: Vec<SocketAddr> = found.collect();
            if found.is_empty() { Err(format!("names {shown:?}, which has no address")) } else { Ok(found) }
        }
        Ok(Err(fault)) => Err(format!("names {shown:?}, which could not be looked up: {fault}")),
        Err(_) => Err(format!("names {shown:?}, which could not be looked up within {LOOK_UP_MAX:?}")),
    }
}
