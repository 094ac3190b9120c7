//! One database, and its transactions.

use crate::capture::Watch;
use crate::clock::{Hybrid, Stamp};
use crate::error::Fault;
use crate::guard::Guard;
use crate::origins::Origins;
use crate::schema::{Schema, TableIx};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
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
    pub(crate) touched: BTreeMap<TableIx, Vec<Vec<u8>>>,
    pub(crate) schema_changed: bool,
    /// What was begun is undone as a whole.
    pub(crate) as_one: bool,
    /// What is in memory is ahead of the database, should what is under way fail.
    pub(crate) concluding: bool,
    /// How often something could not stand in its table.
    pub(crate) unplaceable: u64,
}

/// Rows of a table that were written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Touched {
    /// The table, as users call it.
    pub table: String,
    /// Their keys, encoded; one may be there more than once.
    pub keys: Vec<Vec<u8>>,
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
        self.as_one = false;
        self.begin_either()
    }

    /// The same, for transactions of which none will be refused: one that is undoes all of them. SQLite then need not copy the pages
    /// that each of them writes, which is a good part of what it does otherwise.
    ///
    /// # Errors
    /// SQLite cannot write.
    pub fn begin_as_one(&mut self) -> Result<(), Fault> {
        self.as_one = true;
        self.begin_either()
    }

    fn begin_either(&self) -> Result<(), Fault> {
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

    /// How many pages of SQLite's log are not in the database yet.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn log_pages_pending(&self) -> Result<u64, Fault> {
        let mut statement = self.conn.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?;
        let pages: i64 = statement.query_row([], |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?))?;
        Ok(u64::try_from(pages).unwrap_or(0))
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
        let shown = |(table, keys)| Some(Touched { table: self.schema.tables.get(&table)?.shown.clone(), keys });
        touched.into_iter().filter_map(shown).collect()
    }

    /// Forgets which rows were written since the last call of [`Tables::take_touched`].
    pub fn forget_touched(&mut self) {
        self.touched.clear();
    }

    /// Whether tables or columns have changed since the last call.
    pub fn take_schema_changed(&mut self) -> bool {
        std::mem::take(&mut self.schema_changed)
    }

    pub(crate) fn touch(&mut self, table: TableIx, key: &[u8]) {
        self.touched.entry(table).or_default().push(key.to_vec());
    }
}
