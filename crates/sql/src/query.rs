//! One question, of one snapshot, answered row by row.

use crate::limits::{
    LOTS_WAITING_MAX, QUERIES_AT_ONCE, QUERIES_WAITING_MAX, QUERY_TIMEOUT, QUERY_TIMEOUT_MAX, ROWS_TOGETHER,
};
use crate::readers::{Reader, Readers};
use crate::settle::Settled;
use rusqlite::{ErrorCode, Statement as Prepared};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, oneshot};
use whither_directory::sql::{Column, Query, Rows, SqlRefusal};
use whither_model::sql::Value;

/// Answers questions on threads that may block.
#[derive(Clone, Debug)]
pub(crate) struct Queries {
    readers: Arc<Readers>,
    settled: Arc<Settled>,
    permits: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

type Lot = Result<Vec<Vec<Value>>, SqlRefusal>;

impl Queries {
    pub(crate) fn new(readers: Arc<Readers>, settled: Arc<Settled>) -> Self {
        let permits = Arc::new(Semaphore::new(QUERIES_AT_ONCE));
        Self { readers, settled, permits, waiting: Arc::new(Semaphore::new(QUERIES_WAITING_MAX)) }
    }

    pub(crate) async fn ask(self, query: Query) -> Result<Rows, SqlRefusal> {
        let _waiting = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| {
            SqlRefusal::NotNow("too many questions are waiting for this node; ask again in a moment".into())
        })?;
        let timeout = query.timeout.unwrap_or(QUERY_TIMEOUT).min(QUERY_TIMEOUT_MAX);
        let began = Instant::now();
        self.settled.wait_for(&query.after, timeout).await?;
        let permit = tokio::time::timeout(timeout, Arc::clone(&self.permits).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else { return Err(SqlRefusal::TimedOut(timeout)) };
        let (columns_tx, columns) = oneshot::channel();
        let (lots, rows) = mpsc::channel(LOTS_WAITING_MAX);
        let left = timeout.saturating_sub(began.elapsed());
        let readers = Arc::clone(&self.readers);
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let outcome = readers.take().map_err(|error| broken(&error)).and_then(|reader| {
                let waiting = lots.clone();
                reader.stop.within(left, move || waiting.is_closed());
                let outcome = answer(&readers, &reader, &query, columns_tx, &lots);
                let outcome = outcome.map_err(|refusal| if reader.stop.is_over() { over(timeout) } else { refusal });
                reader.stop.never();
                readers.give_back(reader);
                outcome
            });
            if let Err(refusal) = outcome {
                // Whoever has gone away does not want to know.
                drop(lots.blocking_send(Err(refusal)));
            }
        });
        match columns.await {
            Ok(columns) => Ok(Rows { columns, rows }),
            Err(_) => Err(first_refusal(rows).await),
        }
    }
}

fn over(timeout: Duration) -> SqlRefusal {
    SqlRefusal::TimedOut(timeout)
}

async fn first_refusal(mut rows: mpsc::Receiver<Lot>) -> SqlRefusal {
    match rows.recv().await {
        Some(Err(refusal)) => refusal,
        _ => SqlRefusal::NotNow("the question was given up; this node is shutting down".into()),
    }
}

fn answer(
    readers: &Readers,
    reader: &Reader,
    query: &Query,
    columns: oneshot::Sender<Vec<Column>>,
    lots: &mpsc::Sender<Lot>,
) -> Result<(), SqlRefusal> {
    readers.pin(reader);
    let mut prepared = prepare(reader, &query.statement.sql)?;
    whither_tables::bind(&mut prepared, &query.statement.params).map_err(bad)?;
    let described = described(&prepared);
    let width = described.len();
    if columns.send(described).is_err() {
        return Ok(());
    }
    let mut found = prepared.raw_query();
    let mut lot = Vec::with_capacity(ROWS_TOGETHER);
    loop {
        let row = found.next().map_err(|error| {
            readers.note(&error);
            in_words(reader, &error)
        })?;
        let last = row.is_none();
        if let Some(row) = row {
            let values = (0..width).map(|at| whither_tables::value(row.get_ref(at)?)).collect::<rusqlite::Result<_>>();
            lot.push(values.map_err(|error| in_words(reader, &error))?);
        }
        if lot.len() == ROWS_TOGETHER || (last && !lot.is_empty()) {
            let full = std::mem::replace(&mut lot, Vec::with_capacity(if last { 0 } else { ROWS_TOGETHER }));
            if !hand_over(lots, Ok(full), reader) {
                return Ok(());
            }
        }
        if last {
            return Ok(());
        }
    }
}

/// Hands a lot to its reader, who may be slow, but not for ever: the snapshot is kept for it. Returns whether it was taken.
fn hand_over(lots: &mpsc::Sender<Lot>, lot: Lot, reader: &Reader) -> bool {
    let send = tokio::time::timeout(reader.stop.left(), lots.send(lot));
    matches!(tokio::runtime::Handle::current().block_on(send), Ok(Ok(())))
}

/// Prepares a statement that only reads.
pub(crate) fn prepare<'a>(reader: &'a Reader, sql: &str) -> Result<rusqlite::CachedStatement<'a>, SqlRefusal> {
    let prepared = reader.conn.prepare_cached(sql).map_err(|error| in_words(reader, &error))?;
    if prepared.column_count() == 0 {
        return Err(bad("says nothing; a question is one statement that returns rows".into()));
    }
    if !prepared.readonly() {
        return Err(bad("writes; send it as a transaction".into()));
    }
    Ok(prepared)
}

/// What each row of the answer has.
pub(crate) fn described(prepared: &Prepared<'_>) -> Vec<Column> {
    let column = |column: rusqlite::Column<'_>| Column {
        name: column.name().to_owned(),
        declared: column.decl_type().map(str::to_owned),
    };
    prepared.columns().map(column).collect()
}

/// A question that is wrong.
pub(crate) fn bad(what: String) -> SqlRefusal {
    SqlRefusal::Statement { index: 0, what }
}

/// What SQLite says of a question.
pub(crate) fn in_words(reader: &Reader, error: &rusqlite::Error) -> SqlRefusal {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::SystemIoFailure) => broken(error),
        _ => bad(whither_tables::in_words(error, reader.guard.reason())),
    }
}

/// The database itself is the trouble.
pub(crate) fn broken(error: &rusqlite::Error) -> SqlRefusal {
    SqlRefusal::Disk(error.to_string())
}
