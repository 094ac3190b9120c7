//! What is said to and by the SQL side: values, statements, and the transactions that travel.

use crate::{Origin, Seq};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

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
