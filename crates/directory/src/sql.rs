//! Where surfaces meet users' tables: statements in, rows and changes out.
//!
//! What executes them is brought by the node. A surface converts values and errors, and nothing else.

use crate::Directory;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use whither_model::sql::{Statement, StatementResult, Value};
use whither_model::{Epoch, Instant, NodeId, Origin, Seq};

/// Executes statements. Every answer is given as soon as it can be; who drops it gives up waiting, and a query with it.
pub trait Sql: fmt::Debug + Send + Sync {
    /// Executes statements that may write, all of them or none.
    fn transact(&self, statements: Vec<Statement>, acked: Acked) -> Answering<Transacted>;

    /// Asks one question, of one snapshot.
    fn query(&self, query: Query) -> Answering<Rows>;

    /// Changes the schema as this SQL says, or only says what would be changed.
    fn change_schema(&self, sql: String, only_plan: bool) -> Answering<SchemaChanged>;

    /// Watches what a question's answer is.
    fn subscribe(&self, subscribe: Subscribe) -> Answering<Subscription>;

    /// Watches which rows of a table are written.
    fn watch_table(&self, table: String) -> Answering<mpsc::Receiver<Vec<Written>>>;

    /// What there is, table by table.
    fn stats(&self) -> Answering<Stats>;

    /// Makes a copy of all tables: one snapshot, while others write.
    fn back_up(&self) -> Answering<BackedUp>;

    /// Up to when all that every present node had written is known here.
    fn known_until(&self) -> Instant;
}

/// An answer under way.
pub type Answering<T> = Pin<Box<dyn Future<Output = Result<T, SqlRefusal>> + Send>>;

/// When a write is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Acked {
    /// When it is on this node's disk.
    #[default]
    Durable,
    /// When it is in memory here and on its way to the others.
    Memory,
    /// When so many nodes have it, this one included, each at least in memory.
    Nodes(usize),
}

/// A transaction was made.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Transacted {
    /// What came of each statement.
    pub results: Vec<StatementResult>,
    /// Where in this node's history it stands; `None` if nothing has changed.
    pub place: Option<Place>,
    /// How long it took to execute.
    pub took: Duration,
}

/// A transaction's place: what somebody must have seen to see what it wrote. Written `<node>-<boot>-<number>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// Whose transaction.
    pub origin: Origin,
    /// Which of that boot's.
    pub seq: Seq,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.origin.node, self.origin.epoch.0, self.seq.0)
    }
}

/// Not the place of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a transaction's place: expected <node>-<boot>-<number>, as the answer to a transaction gives it")]
pub struct NotAPlace;

impl std::str::FromStr for Place {
    type Err = NotAPlace;
    fn from_str(s: &str) -> Result<Self, NotAPlace> {
        let mut parts = s.split('-');
        let mut next = || parts.next().ok_or(NotAPlace);
        let (node, epoch, seq) = (next()?, next()?, next()?);
        let node: NodeId = node.parse().map_err(|_| NotAPlace)?;
        let number = |text: &str| text.parse().map_err(|_| NotAPlace);
        let place = Self { origin: Origin { node, epoch: Epoch(number(epoch)?) }, seq: Seq(number(seq)?) };
        if parts.next().is_some() { Err(NotAPlace) } else { Ok(place) }
    }
}

/// A question.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Query {
    /// One statement that only reads.
    pub statement: Statement,
    /// How long it may take; `None`: as long as questions may.
    pub timeout: Option<Duration>,
    /// What has to be seen first.
    pub after: Vec<Place>,
}

/// A column of an answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The type it was declared with, if it is a column of a table.
    pub declared: Option<String>,
}

/// An answer, row by row as it is found.
#[derive(Debug)]
pub struct Rows {
    /// What each row has.
    pub columns: Vec<Column>,
    /// Some rows at a time; the end, or why there are no more.
    pub rows: mpsc::Receiver<Result<Vec<Vec<Value>>, SqlRefusal>>,
}

/// The schema was changed, or would be.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SchemaChanged {
    /// What was done, in words; empty: all of it was so already.
    pub steps: Vec<String>,
    /// Where in this node's history it stands; `None` if nothing has changed.
    pub place: Option<Place>,
}

/// Watches what a question's answer is.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Subscribe {
    /// One statement that only reads.
    pub statement: Statement,
    /// The subscription that the watcher had to this very question on this node, and the number of the last change that it has
    /// seen, to go on from.
    pub from: Option<(u64, u64)>,
}

/// A question that is watched.
#[derive(Debug)]
pub struct Subscription {
    /// Names the question on this node, for as long as the agent runs.
    pub id: u64,
    /// What each row has.
    pub columns: Vec<Column>,
    /// What there is, and what changes.
    pub events: mpsc::Receiver<RowEvent>,
}

/// What happens to an answer that is watched. Applied in order, events make of nothing the rows that there are.
#[derive(Clone, PartialEq, Debug)]
pub enum RowEvent {
    /// All rows that there are; whatever was said before is void. First of all, and again when the watcher was too slow to be told
    /// every change.
    Rows {
        /// A number that names the row within its subscription, and its values.
        rows: Arc<[(u64, Cells)]>,
        /// The number of the last change that is in it.
        number: u64,
    },
    /// Whoever goes on from an earlier change has all rows up to this one.
    Resumed {
        /// The number of the last change that it has seen.
        number: u64,
    },
    /// What changed, all at once.
    Changes(Arc<[RowChange]>),
    /// The question cannot be answered any more, for example because its table was dropped.
    Failed(SqlRefusal),
}

/// The values of a row.
pub type Cells = Arc<[Value]>;

/// A row of an answer is new, different, or gone.
#[derive(Clone, PartialEq, Debug)]
pub struct RowChange {
    /// The number of this change: one more than the last.
    pub number: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// Which row.
    pub row: u64,
    /// Its values; of one that is gone, what they were.
    pub cells: Cells,
}

/// What happened to a row of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangeKind {
    /// It is new.
    Insert,
    /// Some of its values are new.
    Update,
    /// It is gone.
    Delete,
}

/// A row of a table was written.
#[derive(Clone, PartialEq, Debug)]
pub struct Written {
    /// Its key.
    pub key: Vec<Value>,
    /// Whether it is there now.
    pub exists: bool,
}

/// A copy of all tables: a database of its own. It has no name, so it goes when it is dropped, whatever happens.
#[derive(Debug)]
pub struct BackedUp {
    /// From its beginning.
    pub file: std::fs::File,
    /// How long it is.
    pub bytes: u64,
    /// Held as long as the copy takes room on the disk: there can be only so many.
    pub turn: tokio::sync::OwnedSemaphorePermit,
}

/// What there is.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Stats {
    /// Of each table.
    pub tables: Vec<TableStats>,
    /// Of each node that has written.
    pub writers: Vec<WriterStats>,
    /// Bytes of the database file.
    pub file_bytes: u64,
    /// Bytes of its log.
    pub log_bytes: u64,
    /// Things that are said of rows and columns that have no place.
    pub held: u64,
}

/// What there is of a table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TableStats {
    /// Its name.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Tombstones.
    pub dead: u64,
    /// Bytes, with its indexes.
    pub bytes: u64,
    /// Cells that were written later than their rows.
    pub later_cells: u64,
}

/// What a node has written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WriterStats {
    /// Which.
    pub node: NodeId,
    /// Its transactions that are known here.
    pub transactions: u64,
    /// Rows and cells whose last word is its.
    pub cells: u64,
}

/// Why something was not done. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SqlRefusal {
    /// A statement is wrong.
    #[error("statement {}: {what}", index + 1)]
    Statement {
        /// Which, from 0.
        index: usize,
        /// Why, and what would be right.
        what: String,
    },
    /// A change of the schema is not allowed.
    #[error("line {line}: {what}")]
    Schema {
        /// In which line, from 1.
        line: usize,
        /// Why, and what would be right.
        what: String,
    },
    /// It writes too much at once.
    #[error("{0}")]
    TooLarge(String),
    /// It took too long.
    #[error("it took longer than {:.1} s and was given up", .0.as_secs_f64())]
    TimedOut(Duration),
    /// What was to be seen first was not seen in time.
    #[error("this node has not seen transaction {missing} within {:.1} s; ask again, or another node", waited.as_secs_f64())]
    NotSeen {
        /// What is missing.
        missing: Place,
        /// How long it was waited for.
        waited: Duration,
    },
    /// It is made, and here, but too few others were known to have it in time.
    #[error("it is made and kept, but only {had} of {wanted} nodes were known to have it within {:.1} s", waited.as_secs_f64())]
    TooFewNodes {
        /// How many had it.
        had: usize,
        /// How many were asked for.
        wanted: usize,
        /// How long it was waited for.
        waited: Duration,
    },
    /// There is no such table, or subscription.
    #[error("{0}")]
    Unknown(String),
    /// The disk refuses.
    #[error("the disk refuses writes ({0}); questions are answered")]
    Disk(String),
    /// Not now.
    #[error("{0}")]
    NotNow(String),
}

impl Directory {
    /// Has statements executed by `sql`. The first one stays.
    pub fn execute_sql_with(&self, sql: Arc<dyn Sql>) {
        drop(self.sql_slot().set(sql));
    }

    /// Who executes statements; `None` if this node has no tables.
    #[must_use]
    pub fn sql(&self) -> Option<&Arc<dyn Sql>> {
        self.sql_slot().get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let text = "00c0ffee00c0ffee-3-17";
        assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        for wrong in ["", "00c0ffee00c0ffee-3", "00c0ffee00c0ffee-3-17-1", "x-1-1", "00c0ffee00c0ffee--1"] {
            assert_eq!(wrong.parse::<Place>(), Err(NotAPlace), "{wrong}");
        }
    }
}
