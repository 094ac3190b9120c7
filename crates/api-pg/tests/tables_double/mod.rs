//! Stands in for the node's SQL side, and only because layering forbids the real one here: it executes statements on tables in
//! memory, one after the other.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use whither_directory::sql::{
    Acked, Answering, BackedUp, Column, Query, Rows, SchemaChanged, Sql, SqlRefusal, Stats, Subscribe, Subscription,
    Transacted, Written,
};
use whither_model::sql::{Statement, Value};
use whither_model::{Epoch, NodeId, Origin, WallTime};
use whither_tables::{Refused, Tables};

/// Rows that go together.
const LOT: usize = 64;
/// How long a question may take that names no time.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Tables in memory.
pub(crate) struct TablesDouble {
    tables: Arc<Mutex<Tables>>,
    /// What was transacted: how many statements each, and when it was to be acknowledged.
    pub(crate) transacted: Mutex<Vec<(usize, Acked)>>,
    /// The next transaction is refused in this way.
    pub(crate) refuse: Mutex<Option<SqlRefusal>>,
}

impl fmt::Debug for TablesDouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TablesDouble").finish_non_exhaustive()
    }
}

type Lot = Result<Vec<Vec<Value>>, SqlRefusal>;

impl TablesDouble {
    /// Empty.
    pub(crate) fn new() -> Arc<Self> {
        let me = Origin { node: NodeId::new(1).expect("not zero"), epoch: Epoch(1) };
        let tables = Tables::in_memory(me).expect("a database in memory");
        Arc::new(Self { tables: Arc::new(Mutex::new(tables)), transacted: Mutex::default(), refuse: Mutex::default() })
    }

    fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tables) -> Result<T, SqlRefusal> + Send + 'static,
    ) -> Answering<T> {
        let tables = Arc::clone(&self.tables);
        Box::pin(async move {
            let working = tokio::task::spawn_blocking(move || {
                let mut tables = tables.lock().unwrap_or_else(PoisonError::into_inner);
                tables.begin().expect("a database in memory begins");
                let outcome = work(&mut tables);
                let end = if outcome.is_ok() { tables.commit() } else { tables.roll_back() };
                end.expect("a database in memory commits");
                outcome
            });
            working.await.expect("it does not panic")
        })
    }
}

fn refusal(refused: Refused) -> SqlRefusal {
    match refused {
        Refused::Statement(bad) => SqlRefusal::Statement { index: bad.index, what: bad.what },
        Refused::TooLarge { .. } => SqlRefusal::TooLarge(refused.to_string()),
        Refused::Fault(fault) => SqlRefusal::Disk(fault.to_string()),
    }
}

fn wall() -> WallTime {
    WallTime(1_700_000_000_000)
}

impl Sql for TablesDouble {
    fn transact(&self, statements: Vec<Statement>, acked: Acked) -> Answering<Transacted> {
        self.transacted.lock().unwrap().push((statements.len(), acked));
        if let Some(refusal) = self.refuse.lock().unwrap().take() {
            return Box::pin(async move { Err(refusal) });
        }
        self.work(move |tables| {
            let done = tables.transact(wall(), &statements).map_err(refusal)?;
            Ok(Transacted { results: done.results, ..Transacted::default() })
        })
    }

    fn query(&self, query: Query) -> Answering<Rows> {
        let tables = Arc::clone(&self.tables);
        Box::pin(async move {
            let (columns_tx, columns) = oneshot::channel();
            let (lots, rows) = mpsc::channel(4);
            tokio::task::spawn_blocking(move || {
                let tables = tables.lock().unwrap_or_else(PoisonError::into_inner);
                let timeout = query.timeout.unwrap_or(TIMEOUT);
                let (gone, until) = (lots.clone(), Instant::now() + timeout);
                let stop = tables.connection().get_interrupt_handle();
                let watcher = tokio::spawn(async move {
                    // Whether nobody waits any more or the time is over: it is to end.
                    drop(tokio::time::timeout_at(until.into(), gone.closed()).await);
                    loop {
                        // Again and again: what has not begun yet does not hear it.
                        stop.interrupt();
                        tokio::task::yield_now().await;
                    }
                });
                let outcome = answer(&tables, &query, columns_tx, &lots);
                let over = Instant::now() > until;
                watcher.abort();
                if let Err(what) = outcome {
                    let what =
                        if over { SqlRefusal::TimedOut(timeout) } else { SqlRefusal::Statement { index: 0, what } };
                    drop(lots.blocking_send(Err(what)));
                }
            });
            first(columns, rows).await
        })
    }

    fn change_schema(&self, sql: String, only_plan: bool) -> Answering<SchemaChanged> {
        assert!(!only_plan, "nobody asks for plans here");
        self.work(move |tables| {
            let change = tables.change_schema(wall(), &sql).map_err(|refused| match refused {
                whither_tables::SchemaRefused::Bad(bad) => SqlRefusal::Schema { line: bad.line, what: bad.what },
                whither_tables::SchemaRefused::Refused(refused) => refusal(refused),
            })?;
            Ok(SchemaChanged { steps: change.steps.iter().map(ToString::to_string).collect(), place: None })
        })
    }

    fn subscribe(&self, _: Subscribe) -> Answering<Subscription> {
        unreachable!("nobody subscribes here")
    }

    fn watch_table(&self, _: String) -> Answering<mpsc::Receiver<Vec<Written>>> {
        unreachable!("nobody watches here")
    }

    fn stats(&self) -> Answering<Stats> {
        unreachable!("nobody counts here")
    }

    fn back_up(&self) -> Answering<BackedUp> {
        unreachable!("nobody backs up here: {:?}", PathBuf::new())
    }

    fn known_until(&self) -> whither_model::Instant {
        whither_model::Instant::START
    }
}

async fn first(columns: oneshot::Receiver<Vec<Column>>, mut rows: mpsc::Receiver<Lot>) -> Result<Rows, SqlRefusal> {
    match columns.await {
        Ok(columns) => Ok(Rows { columns, rows }),
        Err(_) => match rows.recv().await {
            Some(Err(refusal)) => Err(refusal),
            _ => Err(SqlRefusal::NotNow("it was given up".into())),
        },
    }
}

fn answer(
    tables: &Tables,
    query: &Query,
    described: oneshot::Sender<Vec<Column>>,
    lots: &mpsc::Sender<Lot>,
) -> Result<(), String> {
    let prepared = tables.connection().prepare(&query.statement.sql);
    let mut prepared = prepared.map_err(|error| whither_tables::in_words(&error, None))?;
    if !prepared.readonly() || prepared.column_count() == 0 {
        return Err("writes; send it as a transaction".into());
    }
    whither_tables::bind(&mut prepared, &query.statement.params)?;
    let columns: Vec<Column> = prepared
        .columns()
        .map(|column| Column { name: column.name().to_owned(), declared: column.decl_type().map(str::to_owned) })
        .collect();
    let width = columns.len();
    drop(described.send(columns));
    let mut found = prepared.raw_query();
    let mut lot = Vec::new();
    loop {
        let row = found.next().map_err(|error| whither_tables::in_words(&error, None))?;
        let last = row.is_none();
        if let Some(row) = row {
            lot.push(
                (0..width)
                    .map(|at| whither_tables::value(row.get_ref(at)?))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|error| error.to_string())?,
            );
        }
        if (lot.len() == LOT || last) && lots.blocking_send(Ok(std::mem::take(&mut lot))).is_err() {
            return Ok(());
        }
        if last {
            return Ok(());
        }
    }
}
