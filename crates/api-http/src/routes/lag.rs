//! How long what the others say takes to get to this node.

use super::App;
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
use whither_directory::{Cursor, Lag};
use whither_model::{Instant, NodeId};

#[derive(Serialize, ToSchema)]
#[schema(as = Lags)]
pub(super) struct LagsOut<'a> {
    /// The id of the node that heard.
    #[schema(value_type = String)]
    node: Text<NodeId>,
    /// Its name.
    name: &'a str,
    /// How old answers about everything can be.
    age_ms: Option<u64>,
    /// Where its history stands.
    #[schema(value_type = String)]
    index: Text<Cursor>,
    /// Of everybody's news together.
    all: LagOut,
    /// Of each other node that is present, sorted by id.
    of: Vec<LagOfOut<'a>>,
}

/// How long news took from the moment it was made until it was here. Null: nothing was measured yet.
#[derive(Serialize, ToSchema)]
#[schema(as = Lag)]
pub(super) struct LagOut {
    /// Half of the last pieces of news took at most so many microseconds.
    p50_us: Option<u64>,
    /// 99 of 100 took at most so many.
    p99_us: Option<u64>,
    /// The last one took so many.
    last_us: Option<u64>,
    /// How long ago the last one came.
    heard_ms_ago: Option<u64>,
    /// Pieces of news measured since this node's boot.
    count: u64,
    /// Times since then that comparing replicas brought what no broadcast had brought, also because this node had been away.
    by_repair: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LagOf)]
pub(super) struct LagOfOut<'a> {
    /// The id of the node that spoke.
    #[schema(value_type = String)]
    node: Text<NodeId>,
    /// Its name.
    name: &'a str,
    #[serde(flatten)]
    lag: LagOut,
}

impl LagOut {
    fn of(lag: &Lag, now: Instant) -> Self {
        let measured = |took: Duration| (lag.count > 0).then(|| u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        Self {
            p50_us: measured(lag.p50),
            p99_us: measured(lag.p99),
            last_us: measured(lag.last),
            heard_ms_ago: if lag.count > 0 { millis(Some(now.since(lag.heard))) } else { None },
            count: lag.count,
            by_repair: lag.by_repair,
        }
    }
}

/// How long what each other node says takes to get here.
#[utoipa::path(
    get, path = "/v1/lag", tag = "cluster",
    params(FromNode),
    responses(
        (status = 200, body = LagsOut),
        (status = 400, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document),
        Elsewhere
    )
)]
pub(super) async fn lag(State(app): State<Arc<App>>, uri: Uri) -> Result<Response<Body>, Problem> {
    Query::parse(uri.query(), &[], &[])?;
    let directory = &app.directory;
    let identity = directory.identity();
    let (view, now) = (directory.view(), directory.clock().now());
    let propagation = directory.propagation();
    let known = propagation.of_each();
    let others = view.nodes().iter().map(|node| &node.member);
    let present = others.filter(|member| member.id != identity.node && member.state.is_present());
    let mut of: Vec<LagOfOut<'_>> = present
        .map(|member| LagOfOut {
            node: Text(member.id),
            name: member.name.as_str(),
            lag: LagOut::of(&known.get(&member.id).copied().unwrap_or_default(), now),
        })
        .collect();
    of.sort_unstable_by_key(|lag| lag.node.0);
    let age = view.age(now);
    let body = json::line(&LagsOut {
        node: Text(identity.node),
        name: identity.name.as_str(),
        age_ms: millis(age),
        index: Text(directory.cursor(view.index())),
        all: LagOut::of(&propagation.of_all(), now),
        of,
    });
    Ok(answer::read(&app, age, view.index(), body).map(Body::new))
}
