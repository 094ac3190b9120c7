//! What a transaction writes, as SQLite's own triggers tell it, reduced to what came of it.

use crate::encode;
use crate::schema::{Schema, Table, TableIx};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use whither_model::sql::Value;

/// Shared with the functions that triggers call. They run on the thread that writes, so nobody ever waits for the lock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    on: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
}

/// What triggers have told.
#[derive(Debug, Default)]
struct Seen {
    writes: Vec<Write>,
    bytes: usize,
    /// It was too much.
    overflowed: bool,
}

/// One row written once.
#[derive(Debug)]
struct Write {
    table: TableIx,
    old: Option<Row>,
    new: Option<Row>,
}

#[derive(Debug)]
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

impl Watch {
    /// Gives `conn` the functions that triggers call.
    pub(crate) fn install(&self, conn: &Connection) -> Result<()> {
        let on = Arc::clone(&self.on);
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
        conn.create_scalar_function("whither_watching", 0, flags, move |_| Ok(on.load(Ordering::Relaxed)))?;
        let seen = Arc::clone(&self.seen);
        conn.create_scalar_function("whither_wrote", -1, flags, move |told| {
            lock(&seen).note(told)?;
            Ok(Option::<i64>::None)
        })
    }

    /// From now on, writes are noted.
    pub(crate) fn begin(&self) {
        let mut seen = lock(&self.seen);
        seen.writes.clear();
        (seen.bytes, seen.overflowed) = (0, false);
        self.on.store(true, Ordering::Relaxed);
    }

    /// Ends that. Returns what came of them, row by row in the order in which they were first written.
    ///
    /// # Errors
    /// How much may be written, if it was more.
    pub(crate) fn end(&self, schema: &Schema) -> std::result::Result<Vec<Net>, usize> {
        self.on.store(false, Ordering::Relaxed);
        let mut seen = lock(&self.seen);
        if std::mem::take(&mut seen.overflowed) {
            seen.writes.clear();
            return Err(BYTES_MAX);
        }
        Ok(net(schema, std::mem::take(&mut seen.writes)))
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seen {
    /// Notes one call: the table, what happened (1 inserted, 2 updated, 3 deleted), the old rowid, the new one, the old values,
    /// the new ones.
    fn note(&mut self, told: &Context<'_>) -> Result<()> {
        let (table, what): (i64, i64) = (told.get(0)?, told.get(1)?);
        let count = told.len() - 4;
        let row = |rowid: usize, from: usize, count: usize| -> Result<Row> {
            let values = (from..from + count).map(|at| value(told.get_raw(at))).collect::<Result<_>>()?;
            Ok(Row { rowid: told.get(rowid)?, values })
        };
        let (old, new) = match what {
            1 => (None, Some(row(3, 4, count)?)),
            2 => (Some(row(2, 4, count / 2)?), Some(row(3, 4 + count / 2, count / 2)?)),
            _ => (Some(row(2, 4, count)?), None),
        };
        let size = |row: &Row| row.values.iter().map(size_of_value).sum::<usize>() + 64;
        self.bytes += [&old, &new].into_iter().flatten().map(size).sum::<usize>();
        if self.bytes > BYTES_MAX {
            self.overflowed = true;
            return Err(Error::UserFunctionError("the transaction is too large".into()));
        }
        self.writes.push(Write { table: TableIx(table), old, new });
        Ok(())
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

fn net(schema: &Schema, writes: Vec<Write>) -> Vec<Net> {
    let mut courses: Vec<Course> = Vec::new();
    let mut index: HashMap<(TableIx, Vec<u8>), usize> = HashMap::new();
    let alone = writes.len() == 1;
    for Write { table: ix, old, new } in writes {
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
