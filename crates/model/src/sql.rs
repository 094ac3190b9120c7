//! What is said to and by the SQL side: values, statements, and the transactions that travel.

use crate::{Origin, Seq};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// A value as SQLite knows it.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// A whole number.
    Integer(i64),
    /// A number; never NaN, which SQLite keeps as [`Value::Null`].
    Real(f64),
    /// Text.
    Text(Box<str>),
    /// Bytes.
    Blob(Box<[u8]>),
}

/// What the placeholders of a statement stand for.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Params {
    /// It has none.
    #[default]
    None,
    /// One for each `?`, in order.
    Positional(Vec<Value>),
    /// By name, with or without the `:`, `@` or `$` before it.
    Named(Vec<(String, Value)>),
}

/// A statement and its parameters.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Statement {
    /// One SQL statement.
    pub sql: String,
    /// Its parameters.
    pub params: Params,
}

impl Statement {
    /// A statement without parameters.
    #[must_use]
    pub fn plain(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), params: Params::None }
    }
}

/// A transaction on users' tables as it travels: what it says is known to nobody on the way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transaction {
    /// Who made it.
    pub origin: Origin,
    /// Its place among that boot's transactions.
    pub seq: Seq,
    /// What it says, encoded.
    pub body: Arc<[u8]>,
}

/// Of some origins, some seqs: inclusive, ascending.
pub type Stretches = Vec<(Origin, Vec<(u64, u64)>)>;

/// What came of a statement.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StatementResult {
    /// Rows that were inserted, updated or deleted.
    pub rows_affected: usize,
    /// What it returns is called so.
    pub columns: Vec<String>,
    /// What it returns.
    pub rows: Vec<Vec<Value>>,
}

/// What whoever applies has to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TableWork {
    /// Take in a transaction of another node.
    Apply(Transaction),
    /// Take in what was missing here.
    Mend {
        /// What is complete with it.
        complete: Stretches,
        /// Up to where tombstones have been dropped by whoever it comes from.
        collected: Stretches,
        /// The rows.
        body: Arc<[u8]>,
        /// To be given back with the answer.
        fetch: FetchId,
    },
    /// Forget all rows: this node was away for so long that others have dropped tombstones which it has not seen.
    Forget {
        /// Up to where they have.
        collected: Stretches,
    },
    /// Drop tombstones that everybody has seen.
    Collect {
        /// Of each author, up to which of its transactions.
        upto: Stretches,
    },
    /// Find what another node lacks.
    Find {
        /// What it lacks.
        missing: Stretches,
        /// To be given back with the answer.
        asker: Asker,
    },
}

/// What whoever applies has done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TablesDone {
    /// These are part of the tables.
    Applied(Origin, Seq),
    /// This is not, and has to come again.
    NotApplied(Origin, Seq),
    /// What was missing is part of the tables, if `taken`.
    Mended {
        /// What is complete with it.
        complete: Stretches,
        /// As it was asked.
        collected: Stretches,
        /// Whether it was taken in.
        taken: bool,
        /// As it was asked.
        fetch: FetchId,
    },
    /// Tombstones were dropped.
    Collected {
        /// How many.
        tombstones: u64,
        /// Of each author, up to which of its transactions.
        upto: Stretches,
    },
    /// All rows were forgotten, if `done`.
    Forgotten {
        /// As it was asked.
        collected: Stretches,
        /// Whether it could be done.
        done: bool,
    },
    /// What another node lacks.
    Found {
        /// As it was asked.
        asker: Asker,
        /// What is complete with it.
        complete: Stretches,
        /// The rows.
        body: Vec<u8>,
        /// There is more.
        more: bool,
    },
}

/// Ties an answer to the fetch that it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchId {
    /// Who is asked.
    pub from: SocketAddr,
    /// Names the fetch.
    pub nonce: u64,
    /// Whether there is more to come after this.
    pub more: bool,
}

/// Who asked for what it lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asker {
    /// Where the answer goes.
    pub to: SocketAddr,
    /// The fetch that it answers.
    pub fetch: u64,
}
