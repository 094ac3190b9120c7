//! Who wrote what: the two tables that keep it, for rows that have a place and for what has none.

use crate::clock::{Stamp, Written};
use crate::origins::Origins;
use crate::schema::{ColumnIx, LIFE, TableIx};
use rusqlite::{Connection, Result, Row, params};
use whither_model::sql::Value;
use whither_model::{Origin, Seq};

/// Who wrote something, when, and as which of its transactions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Author {
    pub(crate) stamp: Stamp,
    pub(crate) origin: Origin,
    pub(crate) seq: Seq,
}

impl Author {
    /// What decides.
    pub(crate) const fn written(&self) -> Written {
        Written { stamp: self.stamp, node: self.origin.node }
    }

    /// Whether this comes after `other`.
    pub(crate) fn beats(&self, other: &Self) -> bool {
        self.written() > other.written()
    }
}

/// What is said of one cell that has no place, or of a row's life (then `value` is whether it lives).
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Held {
    pub(crate) column: ColumnIx,
    pub(crate) author: Author,
    pub(crate) value: Value,
}

fn author(row: &Row<'_>, origins: &Origins, from: usize) -> Result<Option<Author>> {
    let stamp = Stamp(row.get::<_, i64>(from)?.cast_unsigned());
    let seq = Seq(row.get::<_, i64>(from + 2)?.cast_unsigned());
    Ok(origins.of(row.get(from + 1)?).map(|origin| Author { stamp, origin, seq }))
}

/// Notes who wrote a cell of a row that has a place, or the row itself.
pub(crate) fn put(
    conn: &Connection,
    (table, row, column): (TableIx, i64, ColumnIx),
    author: &Author,
    origin: i64,
) -> Result<()> {
    let text = "INSERT INTO _whither_clock (tbl, row, col, stamp, origin, seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                ON CONFLICT DO UPDATE SET stamp = ?4, origin = ?5, seq = ?6";
    let (stamp, seq) = (author.stamp.0.cast_signed(), author.seq.0.cast_signed());
    conn.prepare_cached(text)?.execute(params![table.0, row, column.0, stamp, origin, seq])?;
    Ok(())
}

/// Who wrote a row, and those of its cells that were written later.
pub(crate) type RowAuthors = (Option<Author>, Vec<(ColumnIx, Author)>);

/// Who wrote a row.
pub(crate) fn of_row(conn: &Connection, origins: &Origins, table: TableIx, row: i64) -> Result<RowAuthors> {
    let text = "SELECT col, stamp, origin, seq FROM _whither_clock WHERE tbl = ?1 AND row = ?2";
    let mut statement = conn.prepare_cached(text)?;
    let mut rows = statement.query(params![table.0, row])?;
    let (mut life, mut cells) = (None, Vec::new());
    while let Some(row) = rows.next()? {
        let Some(author) = author(row, origins, 1)? else { continue };
        match ColumnIx(row.get(0)?) {
            LIFE => life = Some(author),
            column => cells.push((column, author)),
        }
    }
    Ok((life, cells))
}

/// Forgets who wrote one cell.
pub(crate) fn remove(conn: &Connection, table: TableIx, row: i64, column: ColumnIx) -> Result<()> {
    let text = "DELETE FROM _whither_clock WHERE tbl = ?1 AND row = ?2 AND col = ?3";
    conn.prepare_cached(text)?.execute(params![table.0, row, column.0])?;
    Ok(())
}

/// Forgets who wrote a row.
pub(crate) fn remove_row(conn: &Connection, table: TableIx, row: i64) -> Result<()> {
    let text = "DELETE FROM _whither_clock WHERE tbl = ?1 AND row = ?2";
    conn.prepare_cached(text)?.execute(params![table.0, row])?;
    Ok(())
}

/// Keeps what has no place.
pub(crate) fn hold(conn: &Connection, table: TableIx, key: &[u8], held: &Held, origin: i64) -> Result<()> {
    let text = "INSERT INTO _whither_held (tbl, key, col, stamp, origin, seq, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
                ON CONFLICT DO UPDATE SET stamp = ?4, origin = ?5, seq = ?6, value = ?7";
    let (stamp, seq) = (held.author.stamp.0.cast_signed(), held.author.seq.0.cast_signed());
    let value = Param(&held.value);
    conn.prepare_cached(text)?.execute(params![table.0, key, held.column.0, stamp, origin, seq, value])?;
    Ok(())
}

/// What is kept of a row without a place for it.
pub(crate) fn held(conn: &Connection, origins: &Origins, table: TableIx, key: &[u8]) -> Result<Vec<Held>> {
    let text = "SELECT col, stamp, origin, seq, value FROM _whither_held WHERE tbl = ?1 AND key = ?2";
    let mut statement = conn.prepare_cached(text)?;
    let mut rows = statement.query(params![table.0, key])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some(author) = author(row, origins, 1)? {
            let value = crate::capture::value(row.get_ref(4)?)?;
            found.push(Held { column: ColumnIx(row.get(0)?), author, value });
        }
    }
    Ok(found)
}

/// Drops one of them.
pub(crate) fn release(conn: &Connection, table: TableIx, key: &[u8], column: ColumnIx) -> Result<()> {
    let text = "DELETE FROM _whither_held WHERE tbl = ?1 AND key = ?2 AND col = ?3";
    conn.prepare_cached(text)?.execute(params![table.0, key, column.0])?;
    Ok(())
}

/// Drops all that is held of a row.
pub(crate) fn release_row(conn: &Connection, table: TableIx, key: &[u8]) -> Result<()> {
    conn.prepare_cached("DELETE FROM _whither_held WHERE tbl = ?1 AND key = ?2")?.execute(params![table.0, key])?;
    Ok(())
}

/// Tables of which anything is held.
pub(crate) fn holding(conn: &Connection) -> Result<std::collections::BTreeSet<TableIx>> {
    let mut statement = conn.prepare("SELECT DISTINCT tbl FROM _whither_held")?;
    statement.query_map([], |row| Ok(TableIx(row.get(0)?)))?.collect()
}

/// A value as a parameter.
#[derive(Clone, Copy, Debug)]
pub struct Param<'a>(pub &'a Value);

impl rusqlite::ToSql for Param<'_> {
    fn to_sql(&self) -> Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Author {
    /// For people and comparisons.
    pub(crate) fn in_words(&self) -> String {
        format!("@{:x}.{}.{}.{}", self.stamp.0, self.origin.node, self.origin.epoch.0, self.seq.0)
    }
}
