//! Exists so that psql, PostgreSQL drivers and ORMs can ask and write users' tables and read the catalog.
//!
//! The PostgreSQL wire protocol, version 3.0, over [`whither_directory::sql::Sql`]. The way of a message is `opening` → `auth` →
//! `wire` and `message` → `session`, which understands it with `tokens`, `statement` and `dialect`, and answers with `column` and
//! `encode`. SQL stays SQLite's: `dialect` puts right the few things that drivers cannot help sending. What clients ask of
//! PostgreSQL's own catalog is recognised in `pg_catalog` and answered from SQLite's.
//!
//! # What is different from PostgreSQL
//!
//! - **A transaction block is made at its end.** Between BEGIN and COMMIT writes wait, and are made at COMMIT, all of them or
//!   none. A question that reads tables is refused in a block that has written, and so is RETURNING: the answer would not be
//!   what PostgreSQL's is. What is wrong with a write is said at COMMIT, too. Savepoints cut what waits. A block changes rows or
//!   the schema, not both.
//! - **Rows written in a block are counted before they are written,** because drivers rely on the number. It is checked at COMMIT:
//!   if an UPDATE or DELETE would write another number of rows by then, the transaction is refused with 40001, as one that has to
//!   be done again. It is not checked if the block has written to the same tables before, which the count cannot see; and it is 0
//!   where it cannot be known at all (`INSERT … SELECT`, `ON CONFLICT`).
//! - **Every question sees what is newest**, inside a block too: READ COMMITTED, and nothing stricter is promised.
//! - **Writes that stand together in one simple query** are made together; whatever stands between them divides them.
//! - **Types are promises that SQLite does not keep.** A column is what it was declared as (whole numbers are `int8`, other
//!   numbers `float8`, dates and the like are text); an expression is what its text or its first row says. A value that is
//!   something else is sent as what it is, in text; in binary it is converted, or the statement fails with 22P02.
//! - **`synchronous_commit = off`** acknowledges writes when they are in memory and on their way, and **`statement_timeout`**
//!   bounds questions. Other parameters are kept and change nothing.
//! - There is no COPY, LISTEN, cursor, TRUNCATE, lock or list type; each is refused with what to do instead.

mod auth;
mod block;
mod cancel;
mod column;
mod config;
mod counters;
mod decode;
mod dialect;
mod encode;
mod limits;
mod message;
mod opening;
mod pg_catalog;
mod problem;
mod scram;
mod server;
mod session;
mod statement;
mod tls;
mod tokens;
mod wire;

pub use config::{Auth, Config, ConfigError, User};
pub use server::{Bound, Running, StartError, bind, serve};
pub use tls::Tls;
