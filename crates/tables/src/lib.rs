//! Exists so that many nodes may write the same rows: users' tables, ordinary SQLite, merged cell by cell.
//!
//! [`Tables`] is one database. A transaction of a client is executed in it as it is, and SQLite's own hooks tell what it
//! wrote; what came of it travels to the other nodes as a [`Transaction`](whither_model::sql::Transaction) and is joined with
//! what they have. Who wrote what stands beside the users' tables, so no log is kept: what somebody lacks is found by author
//! and number.
//!
//! Nothing here reads a clock, waits or starts a thread: the simulator runs this very code, on databases in memory.

mod capture;
mod clock;
mod encode;
mod error;
mod exchange;
mod guard;
mod inspect;
mod marks;
mod merge;
mod open;
mod origins;
mod schema;
mod schema_change;
pub mod sql_text;
mod tables;
mod transact;
mod wire;

pub use capture::value;
pub use clock::{AHEAD_MAX, Ahead, Stamp};
pub use encode::{key_of, key_values, row_bytes};
pub use error::{BadSchema, BadStatement, Fault, NotApplied, OpenError, Refused};
pub use exchange::{Applied, Repair};
pub use marks::Param;
pub use open::recognise;
pub use schema_change::{SchemaChange, SchemaRefused, SchemaStep};
pub use tables::{Tables, Touched};
pub use transact::{Done, bind, in_words};

/// Largest encoded transaction. One that is larger has to be cut by whoever makes it.
pub const TRANSACTION_BYTES_MAX: usize = 16 << 20;
/// Rows that statements of a transaction may return, all together.
pub const RETURNED_ROWS_MAX: usize = 10_000;
