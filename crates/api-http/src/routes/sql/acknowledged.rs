//! Which nodes have a transaction: asked of one, or waited for until there are enough.

use super::{Answered, sql};
use crate::problem::{self, Problem};
use crate::query::Query as Parameters;
use crate::routes::App;
use crate::routes::register::answer;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use utoipa::ToSchema;
use whither_directory::sql::{Place, Query, SqlRefusal};
use whither_directory::{Method, Question};
use whither_model::NodeId;
use whither_model::sql::Statement;

/// How long a node that is asked waits for a transaction: less than the asker waits for its answer.
const WAIT_MAX: Duration = Duration::from_secs(4);
/// How many more are asked than are needed, so that one that is slow holds nobody up.
const SPARE: usize = 8;

/// Whether a node has a transaction.
#[derive(Serialize, ToSchema)]
#[schema(as = Seen)]
pub(in crate::routes) struct SeenOut {
    /// Its place.
    place: String,
    /// Always true: a node that does not have it in time answers with a problem.
    seen: bool,
}

/// Whether this node has a transaction, or gets it in time.
#[utoipa::path(
    get, path = "/v1/transactions/{place}", tag = "sql",
    params(
        ("place" = String, Path, description = "As the answer to the transaction gave it"),
        ("wait" = Option<f64>, Query, description = "Seconds to wait for it; 0 unless given, at most 4")
    ),
    responses(
        (status = 200, body = SeenOut),
        (status = 400, body = problem::Document),
        (status = 503, body = problem::Document)
    )
)]
pub(in crate::routes) async fn seen(State(app): State<Arc<App>>, Path(place): Path<String>, uri: Uri) -> Answered {
    let parameters = Parameters::parse(uri.query(), &["wait", "from"], &[])?;
    let place: Place = place.parse().map_err(|wrong| Problem::malformed(format!("{place:?} is {wrong}")))?;
    let wait = parameters.one("wait").map_or(Ok(0.0), str::parse::<f64>).ok().filter(|wait| (0.0..=4.0).contains(wait));
    let wait = wait.ok_or_else(|| Problem::malformed("wait: expected seconds, at most 4").about("wait"))?;
    let timeout = Some(Duration::from_secs_f64(wait.max(0.001)));
    // A question that looks at nothing, once the transaction can be seen.
    let statement = Statement::plain("SELECT 1");
    sql(&app)?.query(Query { statement, timeout, after: vec![place] }).await?;
    Ok(answer(StatusCode::OK, &SeenOut { place: place.to_string(), seen: true }))
}

/// Waits until `wanted` nodes have a transaction of this one, this one included.
///
/// # Errors
/// How many had it in time. It is made all the same.
pub(super) async fn by_nodes(app: &App, place: Place, wanted: usize, patience: Duration) -> Result<(), SqlRefusal> {
    let began = Instant::now();
    let waited = patience.min(WAIT_MAX);
    let others: Vec<NodeId> = {
        let view = app.directory.peek();
        let own = app.directory.identity().node;
        let present = view.nodes().iter().filter(|node| node.member.state.is_present() && node.member.id != own);
        present.map(|node| node.member.id).take(wanted - 1 + SPARE).collect()
    };
    let path = format!("/v1/transactions/{place}?wait={:.3}", waited.as_secs_f64());
    let mut asked: FuturesUnordered<_> = others
        .into_iter()
        .map(|node| {
            let question = Question::new(Method::Get, &path);
            async move {
                let Ok(question) = question else { return false };
                app.directory.ask(node, &question).await.is_ok_and(|said| said.status == 200)
            }
        })
        .collect();
    let mut had = 1;
    while had < wanted
        && let Ok(Some(has)) = tokio::time::timeout(waited.saturating_sub(began.elapsed()), asked.next()).await
    {
        had += usize::from(has);
    }
    if had >= wanted { Ok(()) } else { Err(SqlRefusal::TooFewNodes { had, wanted, waited: began.elapsed() }) }
}
