//! Exists so that a node finds after a restart what it knew before, and so that only what reached the disk can claim so.
//!
//! SQLite behind one writer thread. The crate knows batches and snapshots of encoded rows ([`whither_model::durable`])
//! and nothing of what is in them; it decides nothing about the catalog and speaks to nobody.
//!
//! - [`Store::open`] locks a data directory, brings its schema up to date, makes this boot's epoch durable and loads
//!   everything.
//! - [`Store::into_journal`] starts the writer: [`Journal::append`] never waits for the disk, and a [`Receipt`] tells
//!   which batches have reached it.
//!
//! # What a receipt promises
//!
//! A commit that covers an awaited batch is forced to the disk before its receipt is made, together with every commit
//! before it: all of that survives a power loss. A commit of batches that nobody awaits is handed to the operating
//! system: it survives the death of the process (`kill -9`), and a power loss only once an awaited commit or a checkpoint
//! has followed. In both cases a batch's rows and the seen-sets that speak of them are stored together or not at all.
//!
//! # Deliberately absent
//!
//! No second writer, no connection pool, no queries: reading happens once, at boot. No other reader either: while a node
//! has its directory open, a SQLite shell is told that the database is locked. No panic on a sick disk: the journal
//! keeps what it could not write, says so once, and tries again.

mod coalesce;
mod commit;
mod error;
mod journal;
mod load;
mod lock;
mod open;
mod probe;
mod ranges;
mod schema;
mod writer;

pub use error::{CommitError, OpenError};
pub use journal::{BatchNumber, Journal, JournalConfig, Receipt, Report};
pub use lock::DirLock;
pub use open::{Store, create_directory};
