//! How what others say of a row is joined with what is known of it: per cell the last writer wins.
//!
//! A row's state is a *life* (who inserted or deleted it last) and of each cell the last value with its author. An insert
//! writes the whole row: whatever is older is void, also in columns that the author of the insert did not know. A delete voids
//! whatever is older and leaves a tombstone. So both the life and every cell only ever move forward, and the order in which
//! things arrive does not matter: the join is commutative, associative and idempotent (`tests/merge.rs`).

use crate::marks::{self, Author, Held, Param};
use crate::schema::{ColumnIx, LIFE, Table, TableIx};
use crate::{Fault, Tables, encode};
use rusqlite::{Error, ErrorCode, OptionalExtension, params_from_iter};
use whither_model::sql::Value;

/// What somebody says of a row.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Said {
    pub(crate) table: TableIx,
    pub(crate) key: Vec<u8>,
    /// Who inserted (`true`) or deleted it.
    pub(crate) life: Option<(Author, bool)>,
    /// Of an insert, the values of all columns that its author knew: written by it. And cells that were written by others.
    pub(crate) cells: Vec<(ColumnIx, Value, Author)>,
}

/// What is known of a row.
#[derive(Debug, Default)]
struct Known {
    rowid: Option<i64>,
    life: Option<(Author, bool)>,
    /// Cells that were written later than the row, and have a place.
    later: Vec<(ColumnIx, Author)>,
    held: Vec<Held>,
}

impl Known {
    /// Whether a row that is inserted so is newer than all that is known of it.
    fn is_past(&self, life: Option<(Author, bool)>) -> bool {
        let Some((author, true)) = life else { return false };
        self.life.is_none_or(|(known, _)| author.beats(&known))
            && self.held.iter().all(|held| author.beats(&held.author))
    }

    fn author_of(&self, column: ColumnIx) -> Option<Author> {
        let later = self.later.iter().find(|(known, _)| *known == column).map(|(_, author)| *author);
        let held = self.held.iter().find(|held| held.column == column).map(|held| held.author);
        match (later, held) {
            (Some(later), Some(held)) => Some(if held.beats(&later) { held } else { later }),
            (later, held) => later.or(held),
        }
    }
}

impl Tables {
    /// Joins it with what is known.
    pub(crate) fn join(&mut self, said: Said) -> Result<(), Fault> {
        let holding = self.holding.contains(&said.table);
        if !holding && self.insert_whole(&said)? {
            return Ok(());
        }
        let known = self.known(said.table, &said.key)?;
        if holding && known.rowid.is_none() && known.is_past(said.life) && self.insert_whole(&said)? {
            if known.life.is_some() || !known.held.is_empty() {
                marks::release_row(&self.conn, said.table, &said.key)?;
            }
            return Ok(());
        }
        self.join_known(&said, known)
    }

    /// Inserts a row of which nothing newer is known, if its table has a place for all of it and none of that key. Returns
    /// whether it did. What happens nearly always, done quickly.
    fn insert_whole(&mut self, said: &Said) -> Result<bool, Fault> {
        let Some(table) = self.schema.tables.get(&said.table) else { return Ok(false) };
        let Some((author, true)) = said.life else { return Ok(false) };
        if said.cells.iter().any(|(_, _, other)| *other != author) {
            return Ok(false);
        }
        let Some(keys) = encode::take_all(&said.key, table.key.len()) else { return Ok(false) };
        let Some(values) = values_in_order(table, &keys, said) else { return Ok(false) };
        let mut insert = self.conn.prepare_cached(&table.texts.insert)?;
        match insert.execute(params_from_iter(values.iter().map(|value| Param(value)))) {
            Ok(1) => {}
            Ok(_) => return Ok(false),
            Err(error) if is_constraint(&error) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        drop(insert);
        let rowid = self.conn.last_insert_rowid();
        let origin = self.origins.id(&self.conn, author.origin)?;
        marks::put(&self.conn, (said.table, rowid, LIFE), &author, origin)?;
        self.touch(said.table, &said.key);
        Ok(true)
    }

    fn known(&self, table: TableIx, key: &[u8]) -> Result<Known, Fault> {
        let mut known = Known::default();
        if self.holding.contains(&table) {
            known.held = marks::held(&self.conn, &self.origins, table, key)?;
            let life = known.held.iter().position(|held| held.column == LIFE);
            if let Some(life) = life.map(|at| known.held.swap_remove(at)) {
                known.life = Some((life.author, life.value == ALIVE));
            }
        }
        let Some(place) = self.schema.tables.get(&table) else { return Ok(known) };
        let Some(keys) = encode::take_all(key, place.key.len()) else { return Ok(known) };
        let mut find = self.conn.prepare_cached(&place.texts.find)?;
        known.rowid = find.query_row(params_from_iter(keys.iter().map(Param)), |row| row.get(0)).optional()?;
        if let Some(rowid) = known.rowid {
            let (life, later) = marks::of_row(&self.conn, &self.origins, table, rowid)?;
            known.later = later;
            known.life = life.map(|author| (author, true)).or(known.life);
        }
        Ok(known)
    }

    fn join_known(&mut self, said: &Said, mut known: Known) -> Result<(), Fault> {
        let newer = said.life.filter(|(author, _)| known.life.is_none_or(|(other, _)| author.beats(&other)));
        let placed_before = known.rowid.is_some();
        if let Some((author, alive)) = newer {
            self.void(said, &mut known, &author)?;
            known.life = Some((author, alive));
            if !alive {
                self.bury(said, &mut known, author)?;
            } else if known.rowid.is_some() {
                self.write_anew(said, &mut known, author)?;
            } else {
                self.hold(said, LIFE, author, ALIVE)?;
            }
        }
        // Of an insert that is as new as what is known, the cells of columns that had no place then.
        let current = known.life.map(|(author, _)| author);
        for (column, value, author) in &said.cells {
            let own = Some(*author) == current;
            if own && placed_before && newer.is_none() && known.author_of(*column).is_none() {
                self.restate(said, &known, *column, value)?;
                continue;
            }
            if own && placed_before && newer.is_some() && self.place_of(said.table, *column).is_some() {
                continue;
            }
            let void = current.is_some_and(|life| life.beats(author))
                || known.life.is_some_and(|(life, alive)| !alive && life == *author);
            let beaten = known.author_of(*column).is_some_and(|other| !author.beats(&other));
            if !void && !beaten {
                self.set(said, &mut known, (*column, value, *author))?;
            }
        }
        if known.rowid.is_none() && known.life.is_some_and(|(_, alive)| alive) {
            self.place(said.table, &said.key)?;
        }
        Ok(())
    }

    /// Drops what is older than a new life.
    fn void(&mut self, said: &Said, known: &mut Known, life: &Author) -> Result<(), Fault> {
        for held in known.held.extract_if(.., |held| life.beats(&held.author)) {
            marks::release(&self.conn, said.table, &said.key, held.column)?;
        }
        if let Some(rowid) = known.rowid {
            for (column, _) in known.later.extract_if(.., |(_, author)| life.beats(author)) {
                marks::remove(&self.conn, said.table, rowid, column)?;
            }
        }
        Ok(())
    }

    /// A row is deleted. What was written to it later is kept, in case that it lives again.
    fn bury(&mut self, said: &Said, known: &mut Known, author: Author) -> Result<(), Fault> {
        if let Some(rowid) = known.rowid.take() {
            for (column, author) in std::mem::take(&mut known.later) {
                if let Some(value) = self.value_of(said.table, rowid, column)? {
                    self.hold(said, column, author, value.clone())?;
                    known.held.push(Held { column, author, value });
                }
            }
            self.remove_placed(said.table, rowid)?;
            self.touch(said.table, &said.key);
        }
        self.hold(said, LIFE, author, DEAD)
    }

    /// A row that is there is inserted again, by somebody later.
    fn write_anew(&mut self, said: &Said, known: &mut Known, author: Author) -> Result<(), Fault> {
        let (Some(rowid), Some(table)) = (known.rowid, self.schema.tables.get(&said.table)) else { return Ok(()) };
        let mut places = Vec::new();
        let mut values = Vec::new();
        for at in (0..table.columns.len()).filter(|at| table.columns[*at].kind.key == 0) {
            let column = &table.columns[at];
            if known.author_of(column.ix).is_some() {
                continue;
            }
            let given = said.cells.iter().find(|(ix, _, by)| *ix == column.ix && *by == author);
            places.push(at);
            values.push(given.map_or_else(|| column.kind.stand_in(), |(_, value, _)| value.clone()));
        }
        let origin = self.origins.id(&self.conn, author.origin)?;
        if !places.is_empty() {
            let text = table.update_text(&places);
            let mut update = self.conn.prepare_cached(&text)?;
            let row = Value::Integer(rowid);
            match update.execute(params_from_iter(values.iter().chain([&row]).map(Param))) {
                Ok(_) => {}
                Err(error) if is_constraint(&error) => {
                    drop(update);
                    return self.unplace_and_hold(said, known, author);
                }
                Err(error) => return Err(error.into()),
            }
        }
        marks::put(&self.conn, (said.table, rowid, LIFE), &author, origin)?;
        self.touch(said.table, &said.key);
        Ok(())
    }

    /// What is said of this row cannot stand in its table: all of it is held until the table changes.
    fn unplace_and_hold(&mut self, said: &Said, known: &mut Known, author: Author) -> Result<(), Fault> {
        self.unplaceable += 1;
        if let Some(rowid) = known.rowid.take() {
            for (column, author) in std::mem::take(&mut known.later) {
                if let Some(value) = self.value_of(said.table, rowid, column)? {
                    self.hold(said, column, author, value.clone())?;
                    known.held.push(Held { column, author, value });
                }
            }
            self.remove_placed(said.table, rowid)?;
            self.touch(said.table, &said.key);
        }
        self.hold(said, LIFE, author, ALIVE)?;
        for (column, value, by) in said.cells.iter().filter(|(_, _, by)| *by == author) {
            self.hold(said, *column, *by, value.clone())?;
        }
        Ok(())
    }

    /// A cell of the insert that is known, in a column that may have had no place when it came.
    fn restate(&mut self, said: &Said, known: &Known, column: ColumnIx, value: &Value) -> Result<(), Fault> {
        let (Some(rowid), Some((life, true))) = (known.rowid, known.life) else { return Ok(()) };
        if self.place_of(said.table, column).is_none() {
            return self.hold(said, column, life, value.clone());
        }
        if self.value_of(said.table, rowid, column)?.as_ref() != Some(value) {
            self.write_cell(said.table, rowid, column, value)?;
            self.touch(said.table, &said.key);
        }
        Ok(())
    }

    fn set(
        &mut self,
        said: &Said,
        known: &mut Known,
        (column, value, author): (ColumnIx, &Value, Author),
    ) -> Result<(), Fault> {
        let place = known.rowid.filter(|_| self.place_of(said.table, column).is_some());
        let Some(rowid) = place else {
            known.held.retain(|held| held.column != column);
            known.held.push(Held { column, author, value: value.clone() });
            return self.hold(said, column, author, value.clone());
        };
        if !self.write_cell(said.table, rowid, column, value)? {
            self.unplaceable += 1;
            return self.hold(said, column, author, value.clone());
        }
        if known.held.iter().any(|held| held.column == column) {
            marks::release(&self.conn, said.table, &said.key, column)?;
        }
        if known.life.is_none_or(|(life, _)| life != author) {
            let origin = self.origins.id(&self.conn, author.origin)?;
            marks::put(&self.conn, (said.table, rowid, column), &author, origin)?;
        }
        self.touch(said.table, &said.key);
        Ok(())
    }

    /// Moves a row that lives from what is held into its table, if it has one and fits.
    pub(crate) fn place(&mut self, ix: TableIx, key: &[u8]) -> Result<(), Fault> {
        let Some(table) = self.schema.tables.get(&ix) else { return Ok(()) };
        let Some(keys) = encode::take_all(key, table.key.len()) else { return Ok(()) };
        let held = marks::held(&self.conn, &self.origins, ix, key)?;
        let life = held.iter().find(|held| held.column == LIFE && held.value == ALIVE);
        let Some(life) = life.map(|held| held.author) else { return Ok(()) };
        let mut keys = table.key.iter().zip(keys).collect::<std::collections::BTreeMap<_, _>>();
        let mut values = Vec::with_capacity(table.columns.len());
        for (at, column) in table.columns.iter().enumerate() {
            let given = held.iter().find(|held| held.column == column.ix).map(|held| held.value.clone());
            values.push(keys.remove(&at).or(given).unwrap_or_else(|| column.kind.stand_in()));
        }
        let mut insert = self.conn.prepare_cached(&table.texts.insert)?;
        match insert.execute(params_from_iter(values.iter().map(Param))) {
            Ok(1) => {}
            Ok(_) => return Ok(()),
            Err(error) if is_constraint(&error) => {
                self.unplaceable += 1;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        drop(insert);
        let rowid = self.conn.last_insert_rowid();
        let placed: Vec<ColumnIx> = table.columns.iter().map(|column| column.ix).collect();
        for one in held.iter().filter(|held| held.column == LIFE || placed.contains(&held.column)) {
            if one.column == LIFE || one.author != life {
                let origin = self.origins.id(&self.conn, one.author.origin)?;
                marks::put(&self.conn, (ix, rowid, one.column), &one.author, origin)?;
            }
            marks::release(&self.conn, ix, key, one.column)?;
        }
        self.touch(ix, key);
        Ok(())
    }

    pub(crate) fn hold(&mut self, said: &Said, column: ColumnIx, author: Author, value: Value) -> Result<(), Fault> {
        let origin = self.origins.id(&self.conn, author.origin)?;
        self.holding.insert(said.table);
        marks::hold(&self.conn, said.table, &said.key, &Held { column, author, value }, origin)?;
        Ok(())
    }

    /// Where a column stands in its table.
    pub(crate) fn place_of(&self, table: TableIx, column: ColumnIx) -> Option<usize> {
        self.schema.tables.get(&table)?.columns.iter().position(|known| known.ix == column)
    }

    pub(crate) fn value_of(&self, table: TableIx, rowid: i64, column: ColumnIx) -> Result<Option<Value>, Fault> {
        let (Some(at), Some(table)) = (self.place_of(table, column), self.schema.tables.get(&table)) else {
            return Ok(None);
        };
        let mut load = self.conn.prepare_cached(&table.texts.load)?;
        let value = load.query_row([rowid], |row| crate::capture::value(row.get_ref(at)?)).optional()?;
        Ok(value)
    }

    /// Returns whether the table took it.
    fn write_cell(&self, ix: TableIx, rowid: i64, column: ColumnIx, value: &Value) -> Result<bool, Fault> {
        let (Some(at), Some(table)) = (self.place_of(ix, column), self.schema.tables.get(&ix)) else {
            return Ok(false);
        };
        let row = Value::Integer(rowid);
        let mut update = self.conn.prepare_cached(&table.update_text(&[at]))?;
        match update.execute(params_from_iter([value, &row].into_iter().map(Param))) {
            Ok(_) => Ok(true),
            Err(error) if is_constraint(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a row out of its table, with who wrote it.
    pub(crate) fn remove_placed(&mut self, ix: TableIx, rowid: i64) -> Result<(), Fault> {
        if let Some(table) = self.schema.tables.get(&ix) {
            self.conn.prepare_cached(&table.texts.delete)?.execute([rowid])?;
        }
        marks::remove_row(&self.conn, ix, rowid)?;
        Ok(())
    }
}

pub(crate) const ALIVE: Value = Value::Integer(1);
pub(crate) const DEAD: Value = Value::Integer(0);

/// The values of all columns; `None` if one is given that has no place.
fn values_in_order<'a>(table: &Table, keys: &'a [Value], said: &'a Said) -> Option<Vec<std::borrow::Cow<'a, Value>>> {
    use std::borrow::Cow;
    let mut given = 0;
    let mut values = Vec::with_capacity(table.columns.len());
    for (at, column) in table.columns.iter().enumerate() {
        if column.kind.key != 0 {
            let place = table.key.iter().position(|key| *key == at)?;
            values.push(Cow::Borrowed(&keys[place]));
            continue;
        }
        // Nearly always they come in the table's order.
        let next = said.cells.get(given).filter(|(ix, ..)| *ix == column.ix);
        match next.or_else(|| said.cells.iter().find(|(ix, ..)| *ix == column.ix)) {
            Some((_, value, _)) => {
                given += 1;
                values.push(Cow::Borrowed(value));
            }
            None => values.push(Cow::Owned(column.kind.stand_in())),
        }
    }
    (given == said.cells.len()).then_some(values)
}

pub(crate) fn is_constraint(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
        || error.sqlite_error_code() == Some(ErrorCode::TypeMismatch)
}
