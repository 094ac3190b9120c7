//! What defines a table, in SQLite's own reading, and the SQL that defines it again.

use super::{ImportError, Source, fault};
use rusqlite::Connection;
use std::collections::BTreeMap;
use whither_model::sql::Value;
use whither_tables::sql_text::{self, quoted};

/// A table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TableDefinition {
    /// Its name.
    pub name: String,
    /// Whether types are enforced.
    pub strict: bool,
    /// It is computed by a module, or keeps what such a module needs: not a table of rows.
    pub is_virtual: bool,
    /// Its columns, in order.
    pub columns: Vec<ColumnDefinition>,
    /// Its indexes that were created by a statement.
    pub indexes: Vec<IndexDefinition>,
    /// The statement that created it.
    pub sql: String,
}

/// A column.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: String,
    /// Its declared type; may be empty.
    pub declared: String,
    /// Whether it must have a value.
    pub not_null: bool,
    /// An SQL expression, as it has to stand behind `DEFAULT`.
    pub default: Option<String>,
    /// Its place in the primary key, from 1; zero: not part of it.
    pub key: u32,
    /// It is computed from others.
    pub generated: bool,
}

/// An index.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IndexDefinition {
    /// Its name.
    pub name: String,
    /// The statement that created it.
    pub sql: String,
    /// Whether it allows every value once.
    pub unique: bool,
}

impl TableDefinition {
    /// The columns of its primary key, in the key's order.
    #[must_use]
    pub fn key(&self) -> Vec<&ColumnDefinition> {
        let mut key: Vec<&ColumnDefinition> = self.columns.iter().filter(|column| column.key != 0).collect();
        key.sort_by_key(|column| column.key);
        key
    }

    /// A statement that creates it, without its indexes.
    #[must_use]
    pub fn create_text(&self) -> String {
        let column = |column: &ColumnDefinition| {
            let mut text = format!("{} {}", quoted(&column.name), column.declared);
            if column.not_null {
                text.push_str(" NOT NULL");
            }
            if let Some(default) = &column.default {
                text.push_str(&format!(" DEFAULT {default}"));
            }
            text.trim_end().to_owned()
        };
        let keys: Vec<String> = self.key().iter().map(|column| quoted(&column.name)).collect();
        let columns = self.columns.iter().map(column);
        let parts: Vec<String> = columns.chain([format!("PRIMARY KEY ({})", keys.join(", "))]).collect();
        let strict = if self.strict { " STRICT" } else { "" };
        format!("CREATE TABLE {} (\n  {}\n){strict}", quoted(&self.name), parts.join(",\n  "))
    }
}

impl Source {
    /// All tables that are neither SQLite's own nor Whither's, by name.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn tables(&self) -> Result<Vec<TableDefinition>, ImportError> {
        all(&self.conn).map_err(|error| fault(&self.file, &error))
    }
}

fn all(conn: &Connection) -> rusqlite::Result<Vec<TableDefinition>> {
    let types = asked_types(conn)?;
    let text = "SELECT l.name, l.type, l.strict, s.sql FROM pragma_table_list AS l JOIN sqlite_schema AS s ON s.name = l.name \
                WHERE l.schema = 'main' AND s.type = 'table' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                AND l.name NOT LIKE '\\_whither\\_%' ESCAPE '\\' ORDER BY l.name";
    let mut statement = conn.prepare(text)?;
    let tables = statement.query_map([], |row| {
        let kind: String = row.get(1)?;
        let (name, strict, sql) = (row.get(0)?, row.get(2)?, row.get(3)?);
        Ok(TableDefinition { name, strict, is_virtual: kind != "table", sql, ..TableDefinition::default() })
    })?;
    let mut tables: Vec<TableDefinition> = tables.collect::<rusqlite::Result<_>>()?;
    for table in tables.iter_mut().filter(|table| !table.is_virtual) {
        table.columns = columns(conn, &table.name)?;
        for column in &mut table.columns {
            if let Some(declared) = types.get(&(table.name.clone(), column.name.clone())) {
                column.declared.clone_from(declared);
            }
        }
        table.indexes = indexes(conn, &table.name)?;
    }
    Ok(tables)
}

/// The types that columns were asked for with, in a database of ours: a key that was declared INTEGER stands there as INT.
fn asked_types(conn: &Connection) -> rusqlite::Result<BTreeMap<(String, String), String>> {
    let ours: i64 =
        conn.query_row("SELECT count(*) FROM sqlite_schema WHERE name = '_whither_columns'", [], |row| row.get(0))?;
    if ours == 0 {
        return Ok(BTreeMap::new());
    }
    let text = "SELECT t.shown, c.shown, c.type FROM _whither_columns AS c JOIN _whither_tables AS t ON t.id = c.tbl \
                WHERE c.state = 'live' AND t.state = 'live'";
    let mut statement = conn.prepare(text)?;
    let types = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
    types.collect()
}

fn columns(conn: &Connection, table: &str) -> rusqlite::Result<Vec<ColumnDefinition>> {
    let text = "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1) \
                WHERE name NOT LIKE '\\_whither\\_%' ESCAPE '\\' ORDER BY cid";
    let mut statement = conn.prepare(text)?;
    let columns = statement.query_map([table], |row| {
        let (declared, default): (String, Option<String>) = (row.get(1)?, row.get(3)?);
        let generated = row.get::<_, i64>(5)? != 0;
        // SQLite appends it to the type of a generated column.
        let declared =
            declared.strip_suffix("GENERATED ALWAYS").map_or(declared.clone(), |rest| rest.trim().to_owned());
        Ok(ColumnDefinition {
            name: row.get(0)?,
            declared,
            not_null: row.get(2)?,
            default: default.map(behind_default),
            key: row.get(4)?,
            generated,
        })
    })?;
    columns.collect()
}

/// SQLite tells an expression without the parentheses that it needs to stand in a definition. A text in double quotes is one only
/// as long as no column has that name.
fn behind_default(text: String) -> String {
    match sql_text::literal(&text) {
        Some(Value::Text(inner)) if text.starts_with('"') => format!("'{}'", inner.replace('\'', "''")),
        Some(_) if !text.starts_with('(') => text,
        _ => format!("({text})"),
    }
}

fn indexes(conn: &Connection, table: &str) -> rusqlite::Result<Vec<IndexDefinition>> {
    let text = "SELECT s.name, s.sql, l.\"unique\" FROM sqlite_schema AS s JOIN pragma_index_list(?1) AS l ON l.name = s.name \
                WHERE s.type = 'index' AND s.sql IS NOT NULL ORDER BY s.name";
    let mut statement = conn.prepare(text)?;
    let indexes = statement
        .query_map([table], |row| Ok(IndexDefinition { name: row.get(0)?, sql: row.get(1)?, unique: row.get(2)? }))?;
    indexes.collect()
}
