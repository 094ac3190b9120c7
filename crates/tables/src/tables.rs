//! One database, and its transactions.

use crate::capture::Watch;
use crate::clock::{Hybrid, Stamp};
use crate::error::Fault;
use crate::guard::Guard;
use crate::origins::Origins;
use crate::schema::{Schema, TableIx};
use rusqlite::Connection;
use std::collections::BTreeSet;
use whither_model::durable::Seen;
use whither_model::{Origin, Seq};

/// Users' tables in one SQLite database, with who wrote what beside them.
///
/// All that changes it happens between [`Tables::begin`] and [`Tables::commit`]; several transactions may share one, which is
/// how they share the disk.
#[derive(Debug)]
pub struct Tables {
    pub(crate) conn: Connection,
    pub(crate) me: Origin,
    /// The last number of a transaction made here in this boot.
    pub(crate) head: u64,
    /// The same as of the last commit: what is rolled back gives its numbers back, and no others.
    pub(crate) committed_head: u64,
    /// The clock as it was last written down.
    pub(crate) stored_clock: Stamp,
    pub(crate) clock: Hybrid,
    pub(crate) watch: Watch,
    pub(crate) guard: Guard,
    pub(crate) schema: Schema,
    pub(crate) origins: Origins,
    /// Tables of which something is held that has no place in them. May name too many, never too few.
    pub(crate) holding: BTreeSet<TableIx>,
    pub(crate) touched: BTreeSet<(TableIx, Vec<u8>)>,
    pub(crate) schema_changed: bool,
    /// What is in memory is ahead of the database, should what is under way fail.
    pub(crate) concluding: bool,
    /// How often something could not stand in its table.
    pub(crate) unplaceable: u64,
}

/// A row that was written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Touched {
    /// Its table, as users call it.
    pub table: String,
    /// Its key, encoded.
    pub key: Vec<u8>,
}

impl Tables {
    /// Who writes here.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.me
    }

    /// The last number of a transaction made here in this boot.
    #[must_use]
    pub fn head(&self) -> Seq {
        Seq(self.head)
    }

    /// What has been seen of everybody, this boot included.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.origins.all()
    }

    /// How often something could not stand in its table, and was kept beside it.
    #[must_use]
    pub fn unplaceable(&self) -> u64 {
        self.unplaceable
    }

    /// The connection, for questions.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// Begins what [`Tables::commit`] ends.
    ///
    /// # Errors
    /// SQLite cannot write.
    pub fn begin(&mut self) -> Result<(), Fault> {
        Ok(self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop)?)
    }

    /// Whether a transaction is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.conn.is_autocommit()
    }

    /// Commits: it is in SQLite's log when this returns, and survives the end of the process. It survives that of the machine
    /// once the log file has been synced.
    ///
    /// # Errors
    /// Nothing was committed, and the database is as it was at [`Tables::begin`].
    pub fn commit(&mut self) -> Result<(), Fault> {
        let outcome = self.try_commit();
        if outcome.is_err() {
            self.roll_back()?;
        }
        outcome
    }

    fn try_commit(&mut self) -> Result<(), Fault> {
        // The clock goes along with what was seen, on a page that is written anyway.
        if self.clock.last() != self.stored_clock {
            self.origins.touch(&self.conn, self.me)?;
        }
        self.origins.store(&self.conn, self.clock.last())?;
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        (self.committed_head, self.stored_clock) = (self.head, self.clock.last());
        Ok(())
    }

    /// Undoes everything since [`Tables::begin`].
    ///
    /// # Errors
    /// The database cannot be read any more.
    pub fn roll_back(&mut self) -> Result<(), Fault> {
        if self.is_open() {
            self.conn.execute_batch("ROLLBACK")?;
        }
        self.touched.clear();
        self.reload()
    }

    /// The rows written since the last call.
    pub fn take_touched(&mut self) -> Vec<Touched> {
        let touched = std::mem::take(&mut self.touched);
        let shown = |(table, key): (TableIx, Vec<u8>)| {
            Some(Touched { table: self.schema.tables.get(&table)?.shown.clone(), key })
        };
        touched.into_iter().filter_map(shown).collect()
    }

    /// Whether tables or columns have changed since the last call.
    pub fn take_schema_changed(&mut self) -> bool {
        std::mem::take(&mut self.schema_changed)
    }

    pub(crate) fn touch(&mut self, table: TableIx, key: &[u8]) {
        self.touched.insert((table, key.to_vec()));
    }
}
