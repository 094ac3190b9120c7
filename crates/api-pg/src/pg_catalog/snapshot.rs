//! What SQLite's own catalog says at one moment.

use crate::column::Kind;
use crate::problem::Problem;
use whither_directory::sql::{Query, Sql};
use whither_model::sql::{Statement, Value};

/// Tables with their columns and indexes, those of the agent left out.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// By name.
    pub(super) tables: Vec<Table>,
}

/// A table, or a view.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) name: String,
    /// `r` for a table, `v` for a view.
    pub(super) kind: &'static str,
    pub(super) columns: Vec<Column>,
    pub(super) indexes: Vec<Index>,
}

/// A column.
#[derive(Debug, Default)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) declared: String,
    pub(super) not_null: bool,
    pub(super) default: Option<String>,
    /// Its place in the primary key, from 1; 0: it is not part of it.
    pub(super) key: i64,
}

/// An index.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) unique: bool,
    pub(super) primary: bool,
    /// The names of its columns; an expression has none.
    pub(super) columns: Vec<String>,
}

const TABLES: &str = "SELECT t.name, t.type, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk \
     FROM pragma_table_list AS t JOIN pragma_table_info(t.name) AS c \
     WHERE t.schema = 'main' AND t.type IN ('table', 'view', 'virtual') \
     AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND t.name NOT LIKE '\\_whither\\_%' ESCAPE '\\' ORDER BY t.name, c.cid";
const INDEXES: &str = "SELECT t.name, i.name, i.\"unique\", i.origin, x.name \
     FROM pragma_table_list AS t JOIN pragma_index_list(t.name) AS i JOIN pragma_index_info(i.name) AS x \
     WHERE t.schema = 'main' AND t.type = 'table' \
     AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND t.name NOT LIKE '\\_whither\\_%' ESCAPE '\\' \
     ORDER BY t.name, i.name, x.seqno";

impl Snapshot {
    /// Asks SQLite.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) async fn take(sql: &dyn Sql) -> Result<Self, Problem> {
        Ok(Self::of(&ask(sql, TABLES).await?, &ask(sql, INDEXES).await?))
    }

    /// Of what SQLite answered.
    pub(super) fn of(columns: &[Vec<Value>], indexes: &[Vec<Value>]) -> Self {
        let mut snapshot = Self::default();
        columns.iter().for_each(|row| snapshot.add_column(row));
        indexes.iter().for_each(|row| snapshot.add_index(row));
        snapshot.tables.iter_mut().for_each(Table::name_key);
        snapshot
    }

    fn add_column(&mut self, row: &[Value]) {
        let [table, kind, name, declared, not_null, default, key] = row else { return };
        let (table, key) = (text(table), number(key));
        if self.tables.last().is_none_or(|last| last.name != table) {
            let kind = if text(kind) == "view" { "v" } else { "r" };
            self.tables.push(Table { name: table, kind, ..Table::default() });
        }
        let default = Some(text(default)).filter(|_| *default != Value::Null);
        let not_null = number(not_null) != 0 || key != 0;
        if let Some(table) = self.tables.last_mut() {
            table.columns.push(Column { name: text(name), declared: text(declared), not_null, default, key });
        }
    }

    fn add_index(&mut self, row: &[Value]) {
        let [table, name, unique, origin, column] = row else { return };
        let (table, name) = (text(table), text(name));
        let Some(table) = self.tables.iter_mut().find(|known| known.name == table) else { return };
        if table.indexes.last().is_none_or(|last| last.name != name) {
            let primary = text(origin) == "pk";
            table.indexes.push(Index { name, unique: number(unique) != 0, primary, columns: Vec::new() });
        }
        if let Some(index) = table.indexes.last_mut() {
            index.columns.push(text(column));
        }
    }
}

impl Table {
    /// The number that clients know it by: the same on every node.
    pub(super) fn oid(&self) -> i64 {
        oid(&self.name)
    }

    /// The names of the columns of the primary key, in its order.
    pub(super) fn key(&self) -> Vec<&str> {
        let mut key: Vec<&Column> = self.columns.iter().filter(|column| column.key != 0).collect();
        key.sort_by_key(|column| column.key);
        key.into_iter().map(|column| column.name.as_str()).collect()
    }

    /// Gives the index of the primary key the name that PostgreSQL would, and one to a key that needs no index.
    fn name_key(&mut self) {
        let (name, columns) =
            (format!("{}_pkey", self.name), self.key().into_iter().map(str::to_owned).collect::<Vec<_>>());
        match self.indexes.iter_mut().find(|index| index.primary) {
            Some(index) => index.name = name,
            None if columns.is_empty() => {}
            None => self.indexes.insert(0, Index { name, unique: true, primary: true, columns }),
        }
    }
}

impl Index {
    pub(super) fn oid(&self) -> i64 {
        oid(&self.name)
    }
}

impl Column {
    /// Its type, as PostgreSQL would write it.
    pub(super) fn type_name(&self) -> String {
        let declared = self.declared.to_ascii_lowercase();
        let length = declared.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        match (Kind::of_declared(&declared), length) {
            (Some(Kind::Text), Some(length)) if declared.contains("char") => format!("character varying({length})"),
            (Some(kind), _) => super::kinds::name(kind).to_owned(),
            (None, _) => super::kinds::name(Kind::Text).to_owned(),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        Kind::of_declared(&self.declared).unwrap_or(Kind::Text)
    }
}

/// A number for a name, above those that PostgreSQL keeps for itself: the 32-bit FNV-1a hash, shortened.
pub(super) fn oid(name: &str) -> i64 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    i64::from(hash % 0x7fff_0000) + 16_384
}

async fn ask(sql: &dyn Sql, text: &str) -> Result<Vec<Vec<Value>>, Problem> {
    let question = Query { statement: Statement::plain(text), ..Query::default() };
    let mut rows = sql.query(question).await?;
    let mut all = Vec::new();
    while let Some(lot) = rows.rows.recv().await {
        all.extend(lot?);
    }
    Ok(all)
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Integer(number) => number.to_string(),
        _ => String::new(),
    }
}

fn number(value: &Value) -> i64 {
    if let Value::Integer(number) = value { *number } else { 0 }
}
