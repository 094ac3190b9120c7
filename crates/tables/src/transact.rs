//! A client's transaction: executed as it is, and what came of it made ready to travel.

use crate::capture::{self, Change, Net};
use crate::encode;
use crate::error::{BadStatement, Fault, Refused};
use crate::marks::{self, Author, Held, Param};
use crate::merge::DEAD;
use crate::schema::{LIFE, SCHEMA};
use crate::tables::Tables;
use crate::wire::{DELETED, INSERTED, RowWire, RowsWire, TransactionWire};
use crate::{RETURNED_ROWS_MAX, TRANSACTION_BYTES_MAX};
use prost::Message;
use rusqlite::{CachedStatement, Statement as Prepared};
use whither_model::sql::{Params, Statement, StatementResult, Transaction, Value};
use whither_model::{Seq, WallTime};

/// What came of a transaction.
#[derive(Clone, PartialEq, Debug)]
pub struct Done {
    /// Of each statement.
    pub results: Vec<StatementResult>,
    /// What the other nodes have to be told; `None`: nothing has changed.
    pub transaction: Option<Transaction>,
}

impl Tables {
    /// Executes statements, all of them or none. Between [`Tables::begin`] and [`Tables::commit`].
    ///
    /// # Errors
    /// [`Refused`]: nothing of it was done; after [`Tables::begin_as_one`], nothing of anything. After [`Refused::Fault`] the whole of what was begun is to be rolled back; and if
    /// [`Tables::is_open`] says so, SQLite itself has done that.
    pub fn transact(&mut self, wall: WallTime, statements: &[Statement]) -> Result<Done, Refused> {
        self.tell_apart(|tables| {
            tables.watch.begin();
            tables.guard.begin();
            let outcome = tables.execute_all(statements);
            let took_too_long = tables.guard.end();
            let seen = tables.watch.end();
            let results = match outcome {
                Err(Refused::Statement(bad)) if took_too_long => {
                    let what = "takes too long; nothing else could be written meanwhile: make several of it".into();
                    return Err(Refused::Statement(BadStatement { index: bad.index, what }));
                }
                outcome => outcome?,
            };
            let net = seen.net(&tables.conn, &tables.schema)?;
            let transaction = tables.conclude(wall, net)?;
            Ok(Done { results, transaction })
        })
    }

    /// Runs `work` so that it can be undone by itself; or with all that was begun, if it was begun so.
    pub(crate) fn tell_apart<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Refused>) -> Result<T, Refused> {
        if self.as_one {
            let outcome = work(self);
            if outcome.is_err() {
                self.roll_back()?;
            }
            return outcome;
        }
        self.conn.prepare_cached("SAVEPOINT one")?.execute([])?;
        let outcome = work(self);
        if outcome.is_err() && self.is_open() {
            self.conn.prepare_cached("ROLLBACK TO one")?.execute([])?;
            if self.concluding {
                // What is in memory may be ahead of the database, also with what others wrote since it was begun.
                self.roll_back()?;
            }
        }
        if !self.is_open() {
            // SQLite rolls everything back when a statement that writes is interrupted, or finds no room.
            self.roll_back()?;
        }
        if self.is_open() {
            self.conn.prepare_cached("RELEASE one")?.execute([])?;
        }
        outcome
    }

    fn execute_all(&self, statements: &[Statement]) -> Result<Vec<StatementResult>, Refused> {
        let mut returned = 0;
        let mut results = Vec::with_capacity(statements.len());
        let mut last: Option<(&str, CachedStatement<'_>)> = None;
        for (index, statement) in statements.iter().enumerate() {
            let bad = |what: String| Refused::Statement(BadStatement { index, what });
            // Many rows nearly always come with the same statement.
            let mut prepared = match last.take() {
                Some((text, prepared)) if text == statement.sql => prepared,
                _ => self.prepare(&statement.sql).map_err(bad)?,
            };
            bind(&mut prepared, &statement.params).map_err(bad)?;
            let result = run(&mut prepared, &mut returned).map_err(|stop| match stop {
                Stop::Sqlite(error) if is_fault(&error) => Refused::Fault(Fault(error)),
                Stop::Sqlite(error) => bad(in_words(&error, None)),
                Stop::TooMany => bad(format!("returns more than {RETURNED_ROWS_MAX} rows; ask with a query")),
            })?;
            results.push(result);
            last = Some((&statement.sql, prepared));
        }
        Ok(results)
    }

    /// # Errors
    /// Why it cannot be executed.
    fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, String> {
        // The comment keeps users' statements apart from the agent's own, which are prepared without being asked about.
        let text = format!("{sql}\n/* of a client */");
        let prepared = self.guard.watch(|| self.conn.prepare_cached(&text));
        let prepared = prepared.map_err(|(error, reason)| in_words(&error, reason))?;
        let nothing = prepared.column_count() == 0 && prepared.readonly();
        if nothing && crate::sql_text::tokens(sql).is_empty() {
            return Err("is empty".into());
        }
        Ok(prepared)
    }

    /// Notes who wrote it, and makes of it what the others are told.
    pub(crate) fn conclude(&mut self, wall: WallTime, net: Vec<Net>) -> Result<Option<Transaction>, Refused> {
        if net.is_empty() {
            return Ok(None);
        }
        self.concluding = true;
        let author = Author { stamp: self.clock.next(wall), origin: self.me, seq: Seq(self.head + 1) };
        let origin = self.origins.id(&self.conn, self.me)?;
        let mut rows: Vec<RowsWire> = Vec::new();
        let mut schema = false;
        self.move_marks(&net)?;
        for one in net {
            self.note(&one, &author, origin)?;
            if matches!(&one.change, Change::Updated { cells, .. } if cells.is_empty()) {
                // It only moved within its table.
                continue;
            }
            schema |= one.table == SCHEMA;
            self.touch(one.table, &one.key);
            self.tell(one, &mut rows);
        }
        if rows.is_empty() {
            self.concluding = false;
            return Ok(None);
        }
        let body = TransactionWire { stamp: author.stamp.0, rows }.encode_to_vec();
        if body.len() > TRANSACTION_BYTES_MAX {
            return Err(Refused::TooLarge { bytes: body.len(), max: TRANSACTION_BYTES_MAX });
        }
        if schema {
            self.reconcile()?;
        }
        self.head += 1;
        self.origins.see(&self.conn, self.me, self.head, self.head)?;
        self.concluding = false;
        Ok(Some(Transaction { origin: self.me, seq: author.seq, body: body.into() }))
    }

    /// Who wrote rows goes where they went, and goes with those that are gone. First all are taken up and then put down again: one may
    /// be where another was.
    fn move_marks(&mut self, net: &[Net]) -> Result<(), Fault> {
        let mut moved = Vec::new();
        for one in net {
            match one.change {
                Change::Updated { old_rowid, rowid, .. } if old_rowid != rowid => {
                    moved.push((one.table, rowid, marks::of_row(&self.conn, &self.origins, one.table, old_rowid)?));
                    marks::remove_row(&self.conn, one.table, old_rowid)?;
                }
                Change::Deleted { rowid } => marks::remove_row(&self.conn, one.table, rowid)?,
                Change::Inserted { .. } | Change::Updated { .. } => {}
            }
        }
        for (table, rowid, (life, cells)) in moved {
            for (column, author) in life.into_iter().map(|life| (LIFE, life)).chain(cells) {
                let origin = self.origins.id(&self.conn, author.origin)?;
                marks::put(&self.conn, (table, rowid, column), &author, origin)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, net: &Net, author: &Author, origin: i64) -> Result<(), Fault> {
        let table = net.table;
        match &net.change {
            Change::Inserted { rowid, .. } => {
                if self.holding.contains(&table) {
                    marks::release_row(&self.conn, table, &net.key)?;
                }
                marks::put(&self.conn, (table, *rowid, LIFE), author, origin)?;
            }
            Change::Updated { rowid, cells, .. } => {
                let Some(known) = self.schema.tables.get(&table) else { return Ok(()) };
                for (at, _) in cells {
                    let column = known.columns[known.cells[*at]].ix;
                    marks::put(&self.conn, (table, *rowid, column), author, origin)?;
                }
            }
            Change::Deleted { .. } => {
                if self.holding.contains(&table) {
                    marks::release_row(&self.conn, table, &net.key)?;
                }
                self.holding.insert(table);
                let tombstone = Held { column: LIFE, author: *author, value: DEAD };
                marks::hold(&self.conn, table, &net.key, &tombstone, origin)?;
            }
        }
        Ok(())
    }

    /// Adds a row to what others are told, together with others of its table of which the same is said.
    fn tell(&self, net: Net, told: &mut Vec<RowsWire>) {
        let Some(table) = self.schema.tables.get(&net.table) else { return };
        let name = |at: usize| table.columns[table.cells[at]].name.as_str();
        let (life, columns, values): (u32, Vec<&str>, Vec<Value>) = match net.change {
            Change::Inserted { cells, .. } => (INSERTED, (0..table.cells.len()).map(name).collect(), cells),
            Change::Updated { cells, .. } => (
                0,
                cells.iter().map(|(at, _)| name(*at)).collect(),
                cells.into_iter().map(|(_, value)| value).collect(),
            ),
            Change::Deleted { .. } => (DELETED, Vec::new(), Vec::new()),
        };
        let mut cells = Vec::new();
        values.iter().for_each(|value| encode::put(&mut cells, value));
        let row = RowWire { key: net.key, life, cells, ..RowWire::default() };
        match told.last_mut() {
            Some(last) if last.table == table.name && last.columns == columns => last.rows.push(row),
            _ => told.push(RowsWire {
                table: table.name.clone(),
                columns: columns.into_iter().map(str::to_owned).collect(),
                rows: vec![row],
            }),
        }
    }
}

/// Gives a statement its parameters.
///
/// # Errors
/// What is wrong with them.
pub fn bind(prepared: &mut Prepared<'_>, params: &Params) -> Result<(), String> {
    let wanted = prepared.parameter_count();
    let set = |prepared: &mut Prepared<'_>, at: usize, value: &Value| {
        prepared.raw_bind_parameter(at, Param(value)).map_err(|error| error.to_string())
    };
    match params {
        Params::None if wanted == 0 => Ok(()),
        Params::None => Err(format!("has {wanted} parameters, and none are given")),
        Params::Positional(values) if values.len() == wanted => {
            values.iter().enumerate().try_for_each(|(at, value)| set(prepared, at + 1, value))
        }
        Params::Positional(values) => Err(format!("has {wanted} parameters, and {} are given", values.len())),
        Params::Named(values) => {
            let mut missing = vec![true; wanted];
            for (name, value) in values {
                let at = [":", "@", "$", ""]
                    .iter()
                    .find_map(|sign| prepared.parameter_index(&format!("{sign}{name}")).ok().flatten());
                let Some(at) = at else { return Err(format!("has no parameter {name}")) };
                missing[at - 1] = false;
                set(prepared, at, value)?;
            }
            match missing.iter().position(|missing| *missing) {
                None => Ok(()),
                Some(at) => {
                    let name = prepared.parameter_name(at + 1).map_or_else(|| format!("?{}", at + 1), str::to_owned);
                    Err(format!("has a parameter {name}, which is not given"))
                }
            }
        }
    }
}

enum Stop {
    Sqlite(rusqlite::Error),
    TooMany,
}

fn run(prepared: &mut Prepared<'_>, returned: &mut usize) -> Result<StatementResult, Stop> {
    let columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let reads = prepared.readonly();
    let mut rows = Vec::new();
    if columns.is_empty() {
        let rows_affected = prepared.raw_execute().map_err(Stop::Sqlite)?;
        return Ok(StatementResult { rows_affected: if reads { 0 } else { rows_affected }, columns, rows });
    }
    let width = columns.len();
    let mut found = prepared.raw_query();
    while let Some(row) = found.next().map_err(Stop::Sqlite)? {
        *returned += 1;
        if *returned > RETURNED_ROWS_MAX {
            return Err(Stop::TooMany);
        }
        let values = (0..width).map(|at| capture::value(row.get_ref(at)?)).collect::<rusqlite::Result<_>>();
        rows.push(values.map_err(Stop::Sqlite)?);
    }
    let rows_affected = if reads { 0 } else { rows.len() };
    Ok(StatementResult { rows_affected, columns, rows })
}

/// Whether it is not the statement's fault.
fn is_fault(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode as Code;
    matches!(
        error.sqlite_error_code(),
        Some(
            Code::DiskFull
                | Code::SystemIoFailure
                | Code::DatabaseCorrupt
                | Code::NotADatabase
                | Code::OutOfMemory
                | Code::ReadOnly
                | Code::CannotOpen
                | Code::PermissionDenied
        )
    )
}

/// What SQLite says, without what only a programmer needs; or the `reason` of whoever refused it.
#[must_use]
pub fn in_words(error: &rusqlite::Error, reason: Option<String>) -> String {
    match (reason, error) {
        (Some(reason), _) => reason,
        (None, rusqlite::Error::SqliteFailure(_, Some(text))) => text.clone(),
        (None, rusqlite::Error::SqlInputError { msg, .. }) => msg.clone(),
        (None, rusqlite::Error::MultipleStatement) => "is more than one statement; give each by itself".into(),
        (None, other) => other.to_string(),
    }
}
