//! What others say is taken in, and what they lack is found.

use crate::clock::{Hybrid, Stamp};
use crate::encode;
use crate::error::{Fault, NotApplied};
use crate::marks::{self, Author};
use crate::merge::{ALIVE, Said};
use crate::schema::{ColumnIx, LIFE, SCHEMA, TableIx};
use crate::tables::Tables;
use crate::wire::{AuthorWire, CellWire, DELETED, INSERTED, RepairWire, RowWire, RowsWire, TransactionWire};
use prost::Message;
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeSet;
use whither_model::sql::{Stretches, Transaction, Value};
use whither_model::{Epoch, NodeId, Origin, Seq, WallTime};

/// What became of something that another node said.
#[derive(Debug)]
pub enum Applied {
    /// It is part of the tables now.
    New,
    /// It was known already.
    Known,
    /// It was not taken in.
    Not(NotApplied),
}

/// What somebody lacked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Repair {
    /// Of these, `body` has all that has not been overwritten since.
    pub complete: Stretches,
    /// The rows, encoded.
    pub body: Vec<u8>,
    /// There is more.
    pub more: bool,
}

/// Longest name of a table or column that is accepted.
const NAME_BYTES_MAX: usize = 512;
/// Tables that may ever be heard of.
const TABLES_MAX: usize = 10_000;
/// Columns that may ever be heard of.
const COLUMNS_MAX: usize = 100_000;
/// Columns of one table of which something is said at once: SQLite has no more (SQLITE_MAX_COLUMN).
const COLUMNS_OF_ONE_MAX: usize = 2_000;
/// Longest key that is accepted, encoded.
const KEY_BYTES_MAX: usize = 4 * 1024;

impl Tables {
    /// Takes in a transaction of another node, or of an earlier boot of this one.
    ///
    /// # Errors
    /// All since [`Tables::begin`] is to be rolled back.
    pub fn apply(&mut self, wall: WallTime, transaction: &Transaction) -> Result<Applied, Fault> {
        let Transaction { origin, seq, body } = transaction;
        if self.origins.has_seen(*origin, *seq) {
            return Ok(Applied::Known);
        }
        let Ok(told) = TransactionWire::decode(&body[..]) else { return Ok(Applied::Not(NotApplied::Malformed)) };
        let stamp = Stamp(told.stamp);
        if let Err(ahead) = Hybrid::check(stamp, wall) {
            return Ok(Applied::Not(NotApplied::Ahead(ahead)));
        }
        let author = Author { stamp, origin: *origin, seq: *seq };
        let Some(said) = self.read_rows(told.rows, Some(author))? else {
            return Ok(Applied::Not(NotApplied::Malformed));
        };
        self.join_all(said)?;
        self.clock.observe(stamp);
        self.origins.see(&self.conn, *origin, seq.0, seq.0)?;
        Ok(Applied::New)
    }

    /// Takes in what was lacking here.
    ///
    /// # Errors
    /// All since [`Tables::begin`] is to be rolled back.
    pub fn mend(
        &mut self,
        wall: WallTime,
        complete: &Stretches,
        collected: &Stretches,
        body: &[u8],
    ) -> Result<Applied, Fault> {
        let Ok(told) = RepairWire::decode(body) else { return Ok(Applied::Not(NotApplied::Malformed)) };
        let Some(said) = self.read_rows(told.rows, None)? else { return Ok(Applied::Not(NotApplied::Malformed)) };
        let authors = said.iter().flat_map(|said| {
            said.life.iter().map(|(author, _)| author).chain(said.cells.iter().map(|(_, _, author)| author))
        });
        let latest = authors.map(|author| author.stamp).max().unwrap_or_default();
        if let Err(ahead) = Hybrid::check(latest, wall) {
            return Ok(Applied::Not(NotApplied::Ahead(ahead)));
        }
        self.join_all(said)?;
        self.clock.observe(latest);
        self.note_collected(collected)?;
        let mut new = false;
        for (origin, stretches) in complete {
            for (first, last) in stretches {
                new |= self.origins.see(&self.conn, *origin, *first, *last)?;
            }
        }
        Ok(if new { Applied::New } else { Applied::Known })
    }

    fn join_all(&mut self, said: Vec<Said>) -> Result<(), Fault> {
        let schema = said.iter().any(|said| said.table == SCHEMA);
        said.into_iter().try_for_each(|said| self.join(said))?;
        if schema { self.reconcile() } else { Ok(()) }
    }

    /// What rows say; `None` if they cannot be read. `whole`: who wrote all of it.
    fn read_rows(&mut self, told: Vec<RowsWire>, whole: Option<Author>) -> Result<Option<Vec<Said>>, Fault> {
        if !told.iter().all(|rows| self.may_be_numbered(rows)) {
            return Ok(None);
        }
        let mut said = Vec::new();
        for RowsWire { table, columns, rows } in told {
            let table = self.schema.number_table(&self.conn, &table)?;
            if self.schema.dropped.contains(&table) {
                continue;
            }
            let mut places = Vec::with_capacity(columns.len());
            for column in &columns {
                places.push(self.schema.number_column(&self.conn, table, column)?);
            }
            for row in rows {
                let Some(one) = self.read_row(table, &places, row, whole)? else { return Ok(None) };
                said.push(one);
            }
        }
        Ok(Some(said))
    }

    /// Whether the names are as names may be, and there is room for them.
    fn may_be_numbered(&self, rows: &RowsWire) -> bool {
        let fits = |name: &str| !name.is_empty() && name.len() <= NAME_BYTES_MAX;
        let others = rows.rows.iter().flat_map(|row| &row.others).map(|cell| cell.column.as_str());
        let room = self.schema.names.len() < TABLES_MAX && self.schema.columns.len() < COLUMNS_MAX;
        let known = |table| self.schema.names.contains_key(table);
        let mut columns = rows.columns.iter().map(String::as_str).chain(others);
        fits(&rows.table)
            && columns.all(fits)
            && rows.columns.len() <= COLUMNS_OF_ONE_MAX
            && (room || known(&rows.table))
    }

    fn read_row(
        &mut self,
        table: TableIx,
        columns: &[ColumnIx],
        row: RowWire,
        whole: Option<Author>,
    ) -> Result<Option<Said>, Fault> {
        let Some(values) = encode::take_all(&row.cells, columns.len()) else { return Ok(None) };
        let author = whole.or_else(|| row.author.as_ref().and_then(read_author));
        let life = match (row.life, author) {
            (0, _) => None,
            (INSERTED, Some(author)) => Some((author, true)),
            (DELETED, Some(author)) => Some((author, false)),
            _ => return Ok(None),
        };
        let mut cells = Vec::with_capacity(values.len() + row.others.len());
        for (column, value) in columns.iter().zip(values) {
            let Some(author) = author else { return Ok(None) };
            if !self.schema.collected.contains(column) {
                cells.push((*column, value, author));
            }
        }
        for CellWire { column, value, author } in &row.others {
            let (Some(author), Some(value)) = (author.as_ref().and_then(read_author), encode::take_one(value)) else {
                return Ok(None);
            };
            let column = self.schema.number_column(&self.conn, table, column)?;
            if !self.schema.collected.contains(&column) {
                cells.push((column, value, author));
            }
        }
        let sound = !row.key.is_empty() && row.key.len() <= KEY_BYTES_MAX;
        Ok(sound.then_some(Said { table, key: row.key, life, cells }))
    }

    /// Drops tombstones of these transactions: everybody has seen them. Returns how many.
    ///
    /// # Errors
    /// All since [`Tables::begin`] is to be rolled back.
    pub fn collect(&mut self, upto: &Stretches) -> Result<u64, Fault> {
        let mut dropped = 0;
        // A tombstone beside which newer cells wait for the row to live again still says that older ones are void.
        let text = "DELETE FROM _whither_held AS h WHERE origin = ?1 AND seq BETWEEN ?2 AND ?3 AND col = 0 AND value = 0 \
                    AND NOT EXISTS (SELECT 1 FROM _whither_held AS o WHERE o.tbl = h.tbl AND o.key = h.key AND o.col <> 0)";
        for (origin, stretches) in upto {
            let Some(id) = self.origins.known_id(*origin) else { continue };
            for (first, last) in stretches {
                let mut statement = self.conn.prepare_cached(text)?;
                dropped += statement.execute(params![id, first.cast_signed(), last.cast_signed()])? as u64;
            }
        }
        self.note_collected(upto)?;
        if dropped > 0 {
            self.holding = marks::holding(&self.conn)?;
        }
        Ok(dropped)
    }

    fn note_collected(&mut self, upto: &Stretches) -> Result<(), Fault> {
        let text = "UPDATE _whither_origins SET collected = max(collected, ?2) WHERE id = ?1";
        for (origin, stretches) in upto {
            let id = self.origins.id(&self.conn, *origin)?;
            let last = stretches.last().map_or(0, |(_, last)| *last);
            self.conn.prepare_cached(text)?.execute(params![id, last.cast_signed()])?;
        }
        Ok(())
    }

    /// Up to where tombstones have been dropped, here or where this came from.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn collected(&self) -> Result<Stretches, Fault> {
        let mut statement = self.conn.prepare("SELECT id, collected FROM _whither_origins WHERE collected > 0")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        let mut collected = Vec::new();
        for row in rows {
            let (id, upto) = row?;
            collected.extend(self.origins.of(id).map(|origin| (origin, vec![(1, upto.cast_unsigned())])));
        }
        Ok(collected)
    }

    /// Forgets all rows, and that anything was seen. The schema stays, and numbers of transactions go on. What comes next comes from
    /// somebody who has dropped tombstones up to `collected`.
    ///
    /// # Errors
    /// All since [`Tables::begin`] is to be rolled back.
    pub fn forget(&mut self, collected: &Stretches) -> Result<(), Fault> {
        for table in self.schema.tables.values().filter(|table| table.ix != SCHEMA) {
            self.conn.execute(&format!("DELETE FROM {}", crate::sql_text::quoted(&table.shown)), [])?;
        }
        self.conn.execute("DELETE FROM _whither_clock WHERE tbl <> ?1", [SCHEMA.0])?;
        self.conn.execute("DELETE FROM _whither_held", [])?;
        self.origins.forget(&self.conn)?;
        self.note_collected(collected)?;
        self.holding.clear();
        self.touched.clear();
        self.schema_changed = true;
        Ok(())
    }

    /// What is known here of `missing`, the oldest of each author first, up to about `bytes_max`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn lacking(&self, missing: &Stretches, bytes_max: usize) -> Result<Repair, Fault> {
        let mut repair = Repair::default();
        let mut told: Vec<RowsWire> = Vec::new();
        let mut done: BTreeSet<(TableIx, Vec<u8>)> = BTreeSet::new();
        let mut bytes = 0;
        for (origin, stretches) in missing {
            let mut complete = Vec::new();
            // Only of what is known here at this moment: whoever asks may have been told more than there is by now.
            let Some(id) = self.origins.known_id(*origin) else { continue };
            let known = stretches.iter().flat_map(|(first, last)| self.origins.seen_of(*origin, *first, *last));
            for (first, last) in known {
                let until = self.gather((id, first, last), bytes_max, &mut bytes, &mut done, &mut told)?;
                if until >= first {
                    complete.push((first, until));
                }
                if until < last {
                    repair.more = true;
                    break;
                }
            }
            if !complete.is_empty() {
                repair.complete.push((*origin, complete));
            }
            if repair.more || bytes > bytes_max {
                repair.more = true;
                break;
            }
        }
        repair.body = RepairWire { rows: told }.encode_to_vec();
        Ok(repair)
    }

    /// Gathers rows that one author wrote last. Returns up to which of its transactions that is complete.
    fn gather(
        &self,
        (origin, first, last): (i64, u64, u64),
        bytes_max: usize,
        bytes: &mut usize,
        done: &mut BTreeSet<(TableIx, Vec<u8>)>,
        told: &mut Vec<RowsWire>,
    ) -> Result<u64, Fault> {
        let text = "SELECT seq, tbl, row, NULL FROM _whither_clock WHERE origin = ?1 AND seq BETWEEN ?2 AND ?3 \
                    UNION ALL \
                    SELECT seq, tbl, NULL, key FROM _whither_held WHERE origin = ?1 AND seq BETWEEN ?2 AND ?3 \
                    ORDER BY 1";
        let mut statement = self.conn.prepare_cached(text)?;
        let mut rows = statement.query(params![origin, first.cast_signed(), last.cast_signed()])?;
        let mut present = 0;
        while let Some(row) = rows.next()? {
            let seq = row.get::<_, i64>(0)?.cast_unsigned();
            if *bytes > bytes_max && seq != present {
                return Ok(seq - 1);
            }
            present = seq;
            let table = TableIx(row.get(1)?);
            let key = match (row.get::<_, Option<i64>>(2)?, row.get::<_, Option<Vec<u8>>>(3)?) {
                (Some(rowid), _) => self.key_of(table, rowid)?,
                (None, key) => key,
            };
            let Some(key) = key else { continue };
            if done.insert((table, key.clone())) {
                *bytes += self.tell_all(table, key, told)?;
            }
        }
        Ok(last)
    }

    /// The key of the row at `rowid`.
    fn key_of(&self, table: TableIx, rowid: i64) -> Result<Option<Vec<u8>>, Fault> {
        let Some(table) = self.schema.tables.get(&table) else { return Ok(None) };
        let mut load = self.conn.prepare_cached(&table.texts.load)?;
        let key = load.query_row([rowid], |row| {
            let mut key = Vec::new();
            for at in &table.key {
                encode::put_key(&mut key, &crate::capture::value(row.get_ref(*at)?)?);
            }
            Ok(key)
        });
        Ok(key.optional()?)
    }

    /// Adds all that is known of a row. Returns how many bytes that is, about.
    fn tell_all(&self, ix: TableIx, key: Vec<u8>, told: &mut Vec<RowsWire>) -> Result<usize, Fault> {
        let Some(name) = self.schema.table_name(ix) else { return Ok(0) };
        let state = self.state_of(ix, &key)?;
        let mut row = RowWire { key, ..RowWire::default() };
        let mut columns = Vec::new();
        if let Some((author, alive)) = &state.life {
            row.life = if *alive { INSERTED } else { DELETED };
            row.author = Some(write_author(author));
        }
        for (column, value, author) in &state.cells {
            let Some(column) = self.schema.column_name(*column) else { continue };
            if state.life.is_some_and(|(life, _)| life == *author) {
                columns.push(column.to_owned());
                encode::put(&mut row.cells, value);
            } else {
                let (column, value) = (column.to_owned(), encode::one(value));
                row.others.push(CellWire { column, value, author: Some(write_author(author)) });
            }
        }
        let bytes = row.encoded_len() + 8;
        match told.last_mut() {
            Some(last) if last.table == name && last.columns == columns => last.rows.push(row),
            _ => told.push(RowsWire { table: name.to_owned(), columns, rows: vec![row] }),
        }
        Ok(bytes)
    }

    /// All that is known of a row.
    pub(crate) fn state_of(&self, ix: TableIx, key: &[u8]) -> Result<Said, Fault> {
        let mut said = Said { table: ix, key: key.to_vec(), life: None, cells: Vec::new() };
        for held in marks::held(&self.conn, &self.origins, ix, key)? {
            if held.column == LIFE {
                said.life = Some((held.author, held.value == ALIVE));
            } else {
                said.cells.push((held.column, held.value, held.author));
            }
        }
        let Some(table) = self.schema.tables.get(&ix) else { return Ok(said) };
        let Some(keys) = encode::take_all(key, table.key.len()) else { return Ok(said) };
        let mut find = self.conn.prepare_cached(&table.texts.find)?;
        let keys = rusqlite::params_from_iter(keys.iter().map(marks::Param));
        let Some(rowid) = find.query_row(keys, |row| row.get::<_, i64>(0)).optional()? else { return Ok(said) };
        let (life, later) = marks::of_row(&self.conn, &self.origins, ix, rowid)?;
        let Some(life) = life else { return Ok(said) };
        said.life = Some((life, true));
        let mut load = self.conn.prepare_cached(&table.texts.load)?;
        let values: Vec<Value> = load.query_row([rowid], |row| {
            (0..table.columns.len()).map(|at| crate::capture::value(row.get_ref(at)?)).collect()
        })?;
        for (column, value) in table.columns.iter().zip(values).filter(|(column, _)| column.kind.key == 0) {
            let author = later.iter().find(|(ix, _)| *ix == column.ix).map_or(life, |(_, author)| *author);
            said.cells.push((column.ix, value, author));
        }
        Ok(said)
    }
}

fn read_author(wire: &AuthorWire) -> Option<Author> {
    let origin = Origin { node: NodeId::new(wire.node)?, epoch: Epoch(wire.epoch) };
    Some(Author { stamp: Stamp(wire.stamp), origin, seq: Seq(wire.seq) })
}

fn write_author(author: &Author) -> AuthorWire {
    let Author { stamp, origin, seq } = author;
    AuthorWire { stamp: stamp.0, node: origin.node.get(), epoch: origin.epoch.0, seq: seq.0 }
}
