//! SQL: transactions, questions, the schema, and what there is.

pub(super) mod acknowledged;
mod answers;
pub(super) mod backup;
pub(super) mod watching;

use super::App;
use super::register::answer;
use crate::body;
use crate::convert;
use crate::problem::{self, Problem};
use crate::query::Query as Parameters;
use answers::Format;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode, Uri};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use utoipa::ToSchema;
use whither_directory::sql::{Acked, Place, Query, Sql, SqlRefusal, Stats};

type Answered = Result<Response<Body>, Problem>;

/// A statement, or several: `"DELETE FROM t"`, `["UPDATE t SET a = ? WHERE b = ?", [1, "x"]]`,
/// `{"sql": "…", "params": {"name": 1}}`, or an array of those.
#[derive(ToSchema)]
#[schema(example = json!([["INSERT INTO services (id, port) VALUES (?, ?)", ["recos-1", 8080]], "DELETE FROM old"]))]
#[expect(dead_code, reason = "the document's picture of what `convert::sql` reads by hand")]
pub(super) struct Statements(Vec<serde_json::Value>);

/// One statement that reads: `"SELECT …"`, `["SELECT … WHERE b = ?", [1]]`, or as here.
#[derive(ToSchema)]
#[schema(example = json!({"sql": "SELECT id, port FROM services WHERE app = ?", "params": ["recos"]}))]
#[expect(dead_code, reason = "the document's picture of what `convert::sql` reads by hand")]
pub(super) struct Question {
    sql: String,
    params: Vec<serde_json::Value>,
}

/// SQL text.
#[derive(ToSchema)]
#[schema(example = json!({"sql": "CREATE TABLE services (id TEXT PRIMARY KEY, port INTEGER);"}))]
#[expect(dead_code, reason = "the document's picture of what is read by hand")]
pub(super) struct SchemaIn {
    sql: String,
}

/// What changing the schema came to.
#[derive(Serialize, ToSchema)]
#[schema(as = SchemaChanged)]
pub(super) struct SchemaOut {
    /// What was done, in order; empty: all of it was so already.
    steps: Vec<String>,
    /// Whether it was only asked what would be done.
    only_plan: bool,
    /// The place of the change among this node's transactions.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
}

pub(super) fn sql(app: &App) -> Result<Arc<dyn Sql>, Problem> {
    app.directory.sql().cloned().ok_or_else(|| {
        Problem::from(SqlRefusal::NotNow("this node has no tables: it is only just starting, or shutting down".into()))
    })
}

/// Execute statements that may write: all of them or none.
///
/// What they change is on this node's disk when this answers (`?ack=durable`), or only in memory and on its way to the others
/// (`?ack=memory`), or so many nodes have it, this one's disk included (`?ack=2`). `place` says where the transaction stands: given as `?after=` to any node's questions, they see it.
#[utoipa::path(
    post, path = "/v1/transactions", tag = "sql",
    params(("ack" = Option<String>, Query, description = "`durable` (the default), `memory`, or how many nodes must have it")),
    request_body = Statements,
    responses(
        (status = 200, description = "What came of each statement"),
        (status = 400, body = problem::Document),
        (status = 413, body = problem::Document),
        (status = 415, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document),
        (status = 507, body = problem::Document)
    )
)]
pub(super) async fn transactions(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Answered {
    let parameters = Parameters::parse(uri.query(), &["ack", "timeout"], &[])?;
    let acked = match parameters.one("ack") {
        None | Some("durable") => Acked::Durable,
        Some("memory") => Acked::Memory,
        Some(other) => {
            let nodes = other.parse().ok().filter(|nodes| (1..=NODES_MAX).contains(nodes));
            let wrong = || {
                let text =
                    format!("ack is {other:?}; expected durable, memory, or a number of nodes up to {NODES_MAX}");
                Problem::malformed(text).about("ack")
            };
            Acked::Nodes(nodes.ok_or_else(wrong)?)
        }
    };
    let began = Instant::now();
    let body = body::json(&headers, body, app.config.body_bytes_max, app.config.body_read).await?;
    let statements = convert::sql::statements(&body)?;
    let patience = timeout(&parameters)?.unwrap_or(WRITE_PATIENCE);
    let made = tokio::time::timeout(patience, sql(&app)?.transact(statements, acked)).await;
    let Ok(made) = made else {
        let seconds = patience.as_secs_f64();
        let text =
            format!("no answer within {seconds} s; the transaction may still be made: look before you repeat it");
        return Err(SqlRefusal::NotNow(text).into());
    };
    let made = made?;
    if let (Acked::Nodes(wanted), Some(place)) = (acked, made.place) {
        acknowledged::by_nodes(&app, place, wanted, patience.saturating_sub(began.elapsed())).await?;
    }
    let body = answers::transacted(&made, began.elapsed(), app.directory.identity());
    Ok(answers::json(body))
}

/// Nodes that may be waited for.
const NODES_MAX: usize = 1_000;
/// How long a transaction may take that names no time.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// Ask one question: a statement that reads, of one snapshot.
///
/// Beside users' tables there are `nodes`, `members`, `services`, `instances` and `checks`, read-only and always current. The answer
/// comes row by row: `{"columns":[…]}`, `{"row":[1,[…]]}` …, `{"eoq":{…}}`, or `{"error":"…"}` if it ends early; as CSV if the request
/// accepts `text/csv`.
#[utoipa::path(
    post, path = "/v1/queries", tag = "sql",
    params(
        ("timeout" = Option<f64>, Query, description = "Seconds that it may take; 30 unless given, at most 600"),
        ("after" = Option<String>, Query, description = "Places of transactions that must be seen first, with commas between")
    ),
    request_body = Question,
    responses(
        (status = 200, description = "Rows", content((String = "application/x-ndjson"), (String = "text/csv"))),
        (status = 400, body = problem::Document),
        (status = 415, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document),
        (status = 504, body = problem::Document)
    )
)]
pub(super) async fn queries(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Answered {
    let parameters = Parameters::parse(uri.query(), &["timeout", "after"], &[])?;
    let (timeout, after) = (timeout(&parameters)?, places(&parameters)?);
    let body = body::json(&headers, body, app.config.body_bytes_max, app.config.body_read).await?;
    let statement = convert::sql::question(&body)?;
    let began = Instant::now();
    let sql = sql(&app)?;
    let rows = sql.query(Query { statement, timeout, after }).await?;
    let age = app.directory.clock().now().since(sql.known_until());
    let format = Format::of(&headers);
    let mut response = Response::new(answers::rows(rows, format, began, age).await);
    response.headers_mut().insert(CONTENT_TYPE, format.media_type());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(age) = HeaderValue::from_str(&age.as_millis().to_string()) {
        response.headers_mut().insert(crate::answer::AGE, age);
    }
    Ok(response)
}

/// Change the schema, or only say what would be changed.
///
/// `CREATE TABLE`, `CREATE INDEX`, `ALTER TABLE`, `DROP TABLE` and `DROP INDEX`. All statements are checked first, and refused as a
/// whole. What is so already stays as it is, so the same text may be sent again. The other nodes are told, and no row is written.
#[utoipa::path(
    post, path = "/v1/schema", tag = "sql",
    params(("plan" = Option<bool>, Query, description = "Change nothing; say what would be changed")),
    request_body = SchemaIn,
    responses(
        (status = 200, body = SchemaOut),
        (status = 400, body = problem::Document),
        (status = 415, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document),
        (status = 507, body = problem::Document)
    )
)]
pub(super) async fn schema(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Answered {
    let only_plan = Parameters::parse(uri.query(), &["plan"], &[])?.flag("plan")?;
    let body = body::json(&headers, body, app.config.body_bytes_max, app.config.body_read).await?;
    let statements = convert::sql::statements(&body)?;
    let text: Vec<String> = statements.into_iter().map(|statement| statement.sql).collect();
    let changed = sql(&app)?.change_schema(text.join(";\n"), only_plan).await?;
    let place = changed.place.map(|place| place.to_string());
    Ok(answer(StatusCode::OK, &SchemaOut { steps: changed.steps, only_plan, place }))
}

/// What there is: rows, tombstones and bytes of each table, and who has written how much.
#[utoipa::path(
    get, path = "/v1/tables", tag = "sql",
    responses((status = 200, body = StatsOut), (status = 503, body = problem::Document))
)]
pub(super) async fn tables(State(app): State<Arc<App>>, uri: Uri) -> Answered {
    Parameters::parse(uri.query(), &["from"], &[])?;
    let stats = sql(&app)?.stats().await?;
    Ok(answer(StatusCode::OK, &StatsOut::new(&app, &stats)))
}

/// What there is.
#[derive(Serialize, ToSchema)]
#[schema(as = Tables)]
pub(super) struct StatsOut {
    tables: Vec<TableOut>,
    writers: Vec<WriterOut>,
    /// Bytes of the database file.
    file_bytes: u64,
    /// Bytes of its log.
    log_bytes: u64,
    /// Things that are said of rows and columns that have no place here, and are kept for those who have one.
    held: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Table)]
struct TableOut {
    name: String,
    rows: u64,
    /// Deleted rows that are remembered until every node has seen that.
    dead: u64,
    /// With its indexes.
    bytes: u64,
    /// Cells that were written later than their rows: each costs an entry of its own.
    later_cells: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Writer)]
struct WriterOut {
    node: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    transactions: u64,
    /// Rows and cells whose last word is its.
    cells: u64,
}

impl StatsOut {
    fn new(app: &App, stats: &Stats) -> Self {
        let view = app.directory.peek();
        let tables = stats.tables.iter().map(|table| TableOut {
            name: table.name.clone(),
            rows: table.rows,
            dead: table.dead,
            bytes: table.bytes,
            later_cells: table.later_cells,
        });
        let writers = stats.writers.iter().map(|writer| WriterOut {
            node: writer.node.to_string(),
            name: view.node(writer.node).map(|node| node.member.name.to_string()).filter(|name| !name.is_empty()),
            transactions: writer.transactions,
            cells: writer.cells,
        });
        Self {
            tables: tables.collect(),
            writers: writers.collect(),
            file_bytes: stats.file_bytes,
            log_bytes: stats.log_bytes,
            held: stats.held,
        }
    }
}

fn timeout(parameters: &Parameters<'_>) -> Result<Option<Duration>, Problem> {
    let Some(text) = parameters.one("timeout") else { return Ok(None) };
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0 && *seconds <= 600.0);
    let wrong = || Problem::malformed(format!("timeout is {text:?}; expected seconds, more than 0 and at most 600"));
    seconds.map(|seconds| Some(Duration::from_secs_f64(seconds))).ok_or_else(|| wrong().about("timeout"))
}

fn places(parameters: &Parameters<'_>) -> Result<Vec<Place>, Problem> {
    let Some(text) = parameters.one("after") else { return Ok(Vec::new()) };
    let read = |part: &str| {
        part.trim().parse().map_err(|wrong| Problem::malformed(format!("{part:?} is {wrong}")).about("after"))
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(read).collect()
}
