//! What a transaction writes, as SQLite itself tells it, reduced to what came of it.
//!
//! Triggers tell of what is updated and deleted, with what was there before. Of what is inserted the update hook tells, and where it
//! stands; it is read from there afterwards: a trigger would have SQLite copy every page that an insert writes, in case that the
//! trigger fails.

use crate::encode;
use crate::error::Refused;
use crate::schema::{Schema, Table, TableIx};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::hooks::Action;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use whither_model::sql::Value;

/// Shared with what SQLite calls. That runs on the thread that writes, so nobody ever waits for the lock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    on: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
}

/// What SQLite has told.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    writes: Vec<Write>,
    /// Names of tables into which something was inserted, as users call them.
    names: Vec<String>,
    bytes: usize,
    /// It was too much.
    overflowed: bool,
}

/// One row written once.
#[derive(Debug)]
enum Write {
    /// It is in the table with this place among the names.
    Inserted {
        name: usize,
        rowid: i64,
    },
    Told {
        table: TableIx,
        old: Row,
        new: Option<Row>,
    },
}

#[derive(Clone, Debug)]
struct Row {
    rowid: i64,
    /// Of the columns that are not hidden, in order.
    values: Vec<Value>,
}

/// What came of a transaction for one row.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) table: TableIx,
    pub(crate) key: Vec<u8>,
    pub(crate) change: Change,
}

/// How a row changed.
#[derive(Debug)]
pub(crate) enum Change {
    /// It was not there before. The values of the table's cells, in order.
    Inserted { rowid: i64, cells: Vec<Value> },
    /// Some of its cells have new values: which of the table's cells, and what.
    Updated { old_rowid: i64, rowid: i64, cells: Vec<(usize, Value)> },
    /// It is there no more.
    Deleted { rowid: i64 },
}

/// As much as one transaction may write, with what was there before.
const BYTES_MAX: usize = 64 << 20;
const TOO_LARGE: Refused = Refused::TooLarge { bytes: BYTES_MAX, max: BYTES_MAX };

impl Watch {
    /// Has `conn` tell of what is written.
    pub(crate) fn install(&self, conn: &mut Connection) -> Result<()> {
        let on = Arc::clone(&self.on);
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
        conn.create_scalar_function("whither_watching", 0, flags, move |_| Ok(on.load(Ordering::Relaxed)))?;
        let seen = Arc::clone(&self.seen);
        conn.create_scalar_function("whither_wrote", -1, flags, move |told| {
            lock(&seen).note(told)?;
            Ok(Option::<i64>::None)
        })?;
        let (on, seen) = (Arc::clone(&self.on), Arc::clone(&self.seen));
        conn.update_hook(Some(move |action, _: &str, table: &str, rowid| {
            if action == Action::SQLITE_INSERT && on.load(Ordering::Relaxed) {
                lock(&seen).note_inserted(table, rowid);
            }
        }))
    }

    /// From now on, writes are noted.
    pub(crate) fn begin(&self) {
        *lock(&self.seen) = Seen::default();
        self.on.store(true, Ordering::Relaxed);
    }

    /// Ends that. Returns what was noted.
    pub(crate) fn end(&self) -> Seen {
        self.on.store(false, Ordering::Relaxed);
        std::mem::take(&mut lock(&self.seen))
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seen {
    /// Notes one call: the table, the old rowid, the new one (none: it is deleted), the old values, the new ones.
    fn note(&mut self, told: &Context<'_>) -> Result<()> {
        let (table, new_rowid): (i64, Option<i64>) = (told.get(0)?, told.get(2)?);
        let count = (told.len() - 3) / if new_rowid.is_some() { 2 } else { 1 };
        let values = |from: usize| (from..from + count).map(|at| value(told.get_raw(at))).collect::<Result<_>>();
        let old = Row { rowid: told.get(1)?, values: values(3)? };
        let new = new_rowid.map(|rowid| Ok::<_, Error>(Row { rowid, values: values(3 + count)? })).transpose()?;
        let bytes = old.size() + new.as_ref().map_or(0, Row::size);
        self.writes.push(Write::Told { table: TableIx(table), old, new });
        match self.weigh(bytes) {
            true => Ok(()),
            false => Err(Error::UserFunctionError("the transaction is too large".into())),
        }
    }

    fn note_inserted(&mut self, table: &str, rowid: i64) {
        // A statement inserts into one table.
        let known = if self.names.last().is_some_and(|last| last == table) {
            Some(self.names.len() - 1)
        } else {
            self.names.iter().position(|name| name == table)
        };
        let name = known.unwrap_or_else(|| {
            self.names.push(table.to_owned());
            self.names.len() - 1
        });
        if self.weigh(size_of::<Write>()) {
            self.writes.push(Write::Inserted { name, rowid });
        }
    }

    /// Returns whether so much more may be noted.
    fn weigh(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.overflowed |= self.bytes > BYTES_MAX;
        !self.overflowed
    }

    /// What came of them, row by row in the order in which they were first written.
    ///
    /// # Errors
    /// They are too much to tell, or cannot be read.
    pub(crate) fn net(mut self, conn: &Connection, schema: &Schema) -> std::result::Result<Vec<Net>, Refused> {
        let writes = std::mem::take(&mut self.writes);
        if self.overflowed {
            return Err(TOO_LARGE);
        }
        let tables: Vec<Option<&Table>> = self.names.iter().map(|name| schema.shown_as(name)).collect();
        let mut whole: Vec<Whole> = Vec::with_capacity(writes.len());
        // Where a row that was inserted is told of next: there it stands as it was inserted. From the last write to the first.
        let mut next: HashMap<(TableIx, i64), usize> = HashMap::new();
        for write in writes.into_iter().rev() {
            match write {
                Write::Told { table, old, new } => {
                    next.insert((table, old.rowid), whole.len());
                    whole.push(Whole { table, old: Some(old), new });
                }
                Write::Inserted { name, rowid } => {
                    let Some(table) = tables[name] else { continue };
                    let told = if next.is_empty() { None } else { next.get(&(table.ix, rowid)) };
                    let new = match told.and_then(|at| whole[*at].old.clone()) {
                        Some(row) => row,
                        None => table.read(conn, rowid)?,
                    };
                    if !self.weigh(new.size()) {
                        return Err(TOO_LARGE);
                    }
                    whole.push(Whole { table: table.ix, old: None, new: Some(new) });
                }
            }
        }
        whole.reverse();
        Ok(net(schema, whole))
    }
}

/// One write, with all that there is to know of it.
struct Whole {
    table: TableIx,
    old: Option<Row>,
    new: Option<Row>,
}

impl Row {
    fn size(&self) -> usize {
        self.values.iter().map(size_of_value).sum::<usize>() + 64
    }
}

fn size_of_value(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Text(text) => text.len(),
            Value::Blob(bytes) => bytes.len(),
            Value::Null | Value::Integer(_) | Value::Real(_) => 0,
        }
}

/// What SQLite holds, as a value of ours.
///
/// # Errors
/// It is text that is not UTF-8.
pub fn value(raw: ValueRef<'_>) -> Result<Value> {
    Ok(match raw {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) if number.is_nan() => Value::Null,
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(
            str::from_utf8(text).map_err(|_| Error::UserFunctionError("text that is not UTF-8".into()))?.into(),
        ),
        ValueRef::Blob(bytes) => Value::Blob(bytes.into()),
    })
}

/// A row from the first time that it was written to the last.
struct Course {
    table: TableIx,
    key: Vec<u8>,
    old: Option<Row>,
    new: Option<Row>,
}

fn net(schema: &Schema, writes: Vec<Whole>) -> Vec<Net> {
    let mut courses: Vec<Course> = Vec::new();
    let mut index: HashMap<(TableIx, Vec<u8>), usize> = HashMap::new();
    let alone = writes.len() == 1;
    for Whole { table: ix, old, new } in writes {
        let Some(table) = schema.tables.get(&ix) else { continue };
        let key = |row: &Option<Row>| row.as_ref().map(|row| table.key_of(&row.values));
        let (old_key, new_key) = (key(&old), key(&new));
        let moved = old_key.is_some() && new_key.is_some() && old_key != new_key;
        let parts = if moved {
            vec![(old_key, old, None), (new_key, None, new)]
        } else {
            vec![(old_key.or(new_key), old, new)]
        };
        for (key, old, new) in parts {
            let Some(key) = key else { continue };
            if alone {
                courses.push(Course { table: ix, key, old, new });
                continue;
            }
            match index.get(&(ix, key.clone())) {
                Some(at) => courses[*at].new = new,
                None => {
                    index.insert((ix, key.clone()), courses.len());
                    courses.push(Course { table: ix, key, old, new });
                }
            }
        }
    }
    courses.into_iter().filter_map(|course| course.net(schema)).collect()
}

impl Course {
    fn net(self, schema: &Schema) -> Option<Net> {
        let Self { table: ix, key, old, new } = self;
        let table = schema.tables.get(&ix)?;
        let change = match (old, new) {
            (None, None) => return None,
            (None, Some(new)) => Change::Inserted { rowid: new.rowid, cells: table.pick_cells(new.values) },
            (Some(old), None) => Change::Deleted { rowid: old.rowid },
            (Some(old), Some(new)) => {
                let (before, after) = (table.pick_cells(old.values), table.pick_cells(new.values));
                let cells: Vec<(usize, Value)> =
                    after.into_iter().enumerate().filter(|(at, value)| before[*at] != *value).collect();
                if cells.is_empty() && old.rowid == new.rowid {
                    return None;
                }
                Change::Updated { old_rowid: old.rowid, rowid: new.rowid, cells }
            }
        };
        Some(Net { table: ix, key, change })
    }
}

impl Table {
    /// The row at `rowid`, which is there.
    fn read(&self, conn: &Connection, rowid: i64) -> Result<Row> {
        let mut load = conn.prepare_cached(&self.texts.load)?;
        load.query_row([rowid], |row| {
            let values = self.told().map(|at| value(row.get_ref(at)?)).collect::<Result<_>>()?;
            Ok(Row { rowid, values })
        })
    }

    /// Where each column that is not hidden stands among the values that triggers tell.
    fn told(&self) -> impl Iterator<Item = usize> {
        (0..self.columns.len()).filter(|at| !self.columns[*at].hidden)
    }

    fn key_of(&self, values: &[Value]) -> Vec<u8> {
        let mut key = Vec::new();
        for at in &self.key {
            if let Some(place) = self.told().position(|told| told == *at) {
                encode::put_key(&mut key, &values[place]);
            }
        }
        key
    }

    fn pick_cells(&self, values: Vec<Value>) -> Vec<Value> {
        self.told().zip(values).filter(|(at, _)| self.columns[*at].kind.key == 0).map(|(_, value)| value).collect()
    }
}
