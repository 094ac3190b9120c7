//! How users' tables look, and one row of one of them by itself.

use crate::readers::Reader;
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use std::collections::BTreeMap;
use whither_model::sql::Value;
use whither_tables::sql_text::quoted;

/// A user's table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    /// Its columns, in SQLite's order, with their declared types.
    pub(super) columns: Vec<(String, String)>,
    /// Which of them are its key, in order.
    key: Vec<usize>,
    /// Reads a row by its key.
    find: String,
    /// Writes a row with all its columns.
    insert: String,
    create: String,
}

/// All of them, by name in lower case.
pub(super) type Shapes = BTreeMap<String, Shape>;

/// How users' tables look now.
pub(super) fn shapes(reader: &Reader) -> rusqlite::Result<Shapes> {
    let text = "SELECT t.shown, s.sql FROM _whither_tables AS t JOIN sqlite_schema AS s ON s.type = 'table' AND s.name = t.shown \
                WHERE t.state = 'live'";
    let mut statement = reader.conn.prepare(text)?;
    let tables: Vec<(String, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    tables.into_iter().map(|(name, create)| Ok((name.to_lowercase(), Shape::of(reader, &name, create)?))).collect()
}

impl Shape {
    fn of(reader: &Reader, name: &str, create: String) -> rusqlite::Result<Self> {
        let mut statement = reader.conn.prepare("SELECT name, type, pk FROM pragma_table_info(?1)")?;
        let found: Vec<(String, String, u32)> = statement
            .query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut keys: Vec<(u32, &str)> =
            found.iter().filter(|(_, _, pk)| *pk > 0).map(|(column, _, pk)| (*pk, column.as_str())).collect();
        keys.sort_unstable();
        let key = keys.iter().filter_map(|(_, name)| found.iter().position(|(column, ..)| column == name)).collect();
        let keys: Vec<String> = keys.iter().map(|(pk, column)| format!("{} = ?{pk}", quoted(column))).collect();
        let list: Vec<String> = found.iter().map(|(column, ..)| quoted(column)).collect();
        let (name, list) = (quoted(name), list.join(","));
        let marks = vec!["?"; found.len()].join(",");
        Ok(Self {
            find: format!("SELECT {list} FROM {name} WHERE {}", keys.join(" AND ")),
            insert: format!("INSERT INTO {name} ({list}) VALUES ({marks})"),
            columns: found.into_iter().map(|(column, declared, _)| (column, declared)).collect(),
            create,
            key,
        })
    }

    /// The row with this key, as the reader's snapshot has it.
    pub(super) fn row(&self, reader: &Reader, key: &[u8]) -> rusqlite::Result<Option<Vec<Value>>> {
        let keys = whither_tables::key_values(key);
        let mut find = reader.conn.prepare_cached(&self.find)?;
        let width = self.columns.len();
        let row = find.query_row(params_from_iter(keys.iter().map(whither_tables::Param)), |row| {
            (0..width).map(|at| whither_tables::value(row.get_ref(at)?)).collect::<rusqlite::Result<Vec<Value>>>()
        });
        row.optional()
    }

    /// All rows with their keys' bytes; only those that have a value in a column, if one is given.
    pub(super) fn rows(
        &self,
        reader: &Reader,
        table: &str,
        filter: Option<&(usize, Value)>,
    ) -> rusqlite::Result<Vec<(Vec<u8>, Vec<Value>)>> {
        let list: Vec<String> = self.columns.iter().map(|(column, _)| quoted(column)).collect();
        let condition = filter.map_or(String::new(), |(column, _)| format!(" WHERE {} = ?1", list[*column]));
        let text = format!("SELECT {} FROM {}{condition}", list.join(","), quoted(table));
        let mut statement = reader.conn.prepare(&text)?;
        let values = filter.map(|(_, value)| whither_tables::Param(value));
        let width = self.columns.len();
        let rows = statement.query_map(params_from_iter(values), |row| {
            let values = (0..width).map(|at| whither_tables::value(row.get_ref(at)?));
            let values = values.collect::<rusqlite::Result<Vec<Value>>>()?;
            let key: Vec<Value> = self.key.iter().map(|at| values[*at].clone()).collect();
            Ok((whither_tables::key_of(&key), values))
        })?;
        rows.collect()
    }

    /// Where a column stands.
    pub(super) fn column_at(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|(column, _)| column.eq_ignore_ascii_case(name))
    }
}

/// A database in memory that has users' tables with at most one row in one of them: a question that looks at rows one by one answers there
/// what that row gives.
#[derive(Debug)]
pub(super) struct Scratch {
    conn: Connection,
    /// The table that has a row.
    filled: Option<String>,
}

/// Statements kept prepared: one for each question that looks at rows one by one.
const STATEMENTS_KEPT: usize = 2_048;

impl Scratch {
    pub(super) fn of(shapes: &Shapes) -> rusqlite::Result<Self> {
        let conn = Connection::open_in_memory()?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        for shape in shapes.values() {
            conn.execute_batch(&shape.create)?;
        }
        Ok(Self { conn, filled: None })
    }

    /// Whether a question can be asked here.
    pub(super) fn understands(&self, sql: &str) -> bool {
        self.conn.prepare_cached(sql).is_ok()
    }

    /// Puts one row in `table`, and in no other.
    pub(super) fn fill(&mut self, table: &str, shape: &Shape, row: &[Value]) -> rusqlite::Result<()> {
        if let Some(filled) = self.filled.take() {
            self.conn.prepare_cached(&format!("DELETE FROM {}", quoted(&filled)))?.execute([])?;
        }
        self.filled = Some(table.to_owned());
        let params = params_from_iter(row.iter().map(whither_tables::Param));
        self.conn.prepare_cached(&shape.insert)?.execute(params).map(drop)
    }

    /// What the row gives to a question, if anything.
    pub(super) fn ask(&self, statement: &whither_model::sql::Statement) -> rusqlite::Result<Option<Vec<Value>>> {
        let mut prepared = self.conn.prepare_cached(&statement.sql)?;
        // It was bound before, on the database itself.
        drop(whither_tables::bind(&mut prepared, &statement.params));
        let width = prepared.column_count();
        let mut rows = prepared.raw_query();
        let Some(row) = rows.next()? else { return Ok(None) };
        (0..width).map(|at| whither_tables::value(row.get_ref(at)?)).collect::<rusqlite::Result<Vec<Value>>>().map(Some)
    }
}
