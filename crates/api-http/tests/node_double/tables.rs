//! Stands in for users' tables: says what it is told to say, and remembers what it was asked.

use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use whither_directory::sql::*;
use whither_model::sql::{Statement, StatementResult, Value};
use whither_model::{Epoch, Instant, Origin, Seq};

/// Users' tables that are not there.
#[derive(Debug, Default)]
pub(crate) struct TablesDouble {
    /// What everything is refused with.
    pub(crate) refuse: Mutex<Option<SqlRefusal>>,
    /// The statements that were asked for, in order.
    pub(crate) asked: Mutex<Vec<Statement>>,
    /// What was asked beside the last question.
    pub(crate) query: Mutex<Query>,
    pub(crate) acked: Mutex<Acked>,
    pub(crate) from: Mutex<Option<(u64, u64)>>,
    /// What a watcher is told.
    pub(crate) events: Mutex<Vec<RowEvent>>,
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn columns() -> Vec<Column> {
    ["id", "n"].map(|name| Column { name: name.into(), declared: None }).into()
}

fn place() -> Place {
    let origin = Origin { node: super::node(super::OWN), epoch: Epoch(3) };
    Place { origin, seq: Seq(7) }
}

impl TablesDouble {
    fn answer<T: Send + 'static>(&self, answer: T) -> Answering<T> {
        let refused = self.refuse.lock().unwrap().clone();
        Box::pin(async move { refused.map_or(Ok(answer), Err) })
    }
}

impl Sql for TablesDouble {
    fn transact(&self, statements: Vec<Statement>, acked: Acked) -> Answering<Transacted> {
        let result = StatementResult { rows_affected: 1, columns: vec!["id".into()], rows: vec![vec![text("a")]] };
        let results = statements.iter().map(|_| result.clone()).collect();
        self.asked.lock().unwrap().extend(statements);
        *self.acked.lock().unwrap() = acked;
        self.answer(Transacted { results, place: Some(place()), ..Transacted::default() })
    }

    fn query(&self, query: Query) -> Answering<Rows> {
        let (sender, rows) = mpsc::channel(4);
        let lot = vec![vec![text("a,\"b\""), Value::Integer(1)], vec![Value::Null, Value::Real(0.5)]];
        drop(sender.try_send(Ok(lot)));
        if query.statement.sql.contains("breaks off") {
            drop(sender.try_send(Err(SqlRefusal::TimedOut(std::time::Duration::from_secs(2)))));
        }
        self.asked.lock().unwrap().push(query.statement.clone());
        *self.query.lock().unwrap() = query;
        self.answer(Rows { columns: columns(), rows })
    }

    fn change_schema(&self, sql: String, only_plan: bool) -> Answering<SchemaChanged> {
        self.asked.lock().unwrap().push(Statement::plain(sql));
        let place = (!only_plan).then(place);
        self.answer(SchemaChanged { steps: vec!["create table t".into()], place })
    }

    fn subscribe(&self, subscribe: Subscribe) -> Answering<Subscription> {
        let (sender, events) = mpsc::channel(16);
        for event in self.events.lock().unwrap().drain(..) {
            drop(sender.try_send(event));
        }
        self.asked.lock().unwrap().push(subscribe.statement);
        *self.from.lock().unwrap() = subscribe.from;
        self.answer(Subscription { id: 12, columns: columns(), events })
    }

    fn watch_table(&self, table: String) -> Answering<mpsc::Receiver<Vec<Written>>> {
        let (sender, written) = mpsc::channel(4);
        let row = |key: &str, exists| Written { key: vec![text(key), Value::Integer(2)], exists };
        drop(sender.try_send(vec![row(&table, true), row("b", false)]));
        self.answer(written)
    }

    fn stats(&self) -> Answering<Stats> {
        let table = TableStats { name: "t".into(), rows: 3, ..TableStats::default() };
        let writer = WriterStats { node: super::node(super::OWN), transactions: 2, cells: 9 };
        self.answer(Stats { tables: vec![table], writers: vec![writer], file_bytes: 4_096, log_bytes: 0, held: 1 })
    }

    fn back_up(&self) -> Answering<BackedUp> {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, b"a copy").unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let turn = Arc::new(tokio::sync::Semaphore::new(1)).try_acquire_owned().unwrap();
        self.answer(BackedUp { file, bytes: 6, turn })
    }

    fn known_until(&self) -> Instant {
        Instant::START
    }
}

impl super::NodeDouble {
    /// Gives the node tables.
    pub(crate) fn tables(&self) -> Arc<TablesDouble> {
        let tables = Arc::new(TablesDouble::default());
        self.directory.execute_sql_with(Arc::clone(&tables) as Arc<dyn Sql>);
        tables
    }
}
