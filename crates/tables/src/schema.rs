//! The tables and columns that are known here, and how they look in SQLite.
//!
//! A table and a column have an *id name* for ever, the name they were created with: it is what travels. What users call
//! them may change. The same goes for what is only known from others: it has an id name and no place in SQLite yet.

use crate::sql_text::quoted;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use whither_model::sql::Value;

/// The table that describes all others, itself replicated like any other.
pub(crate) const SCHEMA: TableIx = TableIx(1);
/// What users see of it.
pub(crate) const SCHEMA_NAME: &str = "_whither_schema";

/// A table as this database numbers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct TableIx(pub(crate) i64);

/// A column as this database numbers it. Zero stands for the life of the row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ColumnIx(pub(crate) i64);

/// The place of a row's life among its cells.
pub(crate) const LIFE: ColumnIx = ColumnIx(0);

/// A column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Column {
    pub(crate) ix: ColumnIx,
    /// Its id name.
    pub(crate) name: String,
    /// What users call it.
    pub(crate) shown: String,
    pub(crate) kind: Kind,
    /// Still there for those who have it, and for nobody else.
    pub(crate) hidden: bool,
}

/// What a column holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Kind {
    /// Its declared type; may be empty.
    pub(crate) declared: String,
    pub(crate) not_null: bool,
    /// An SQL expression.
    pub(crate) default: Option<String>,
    /// Its place in the primary key, from 1; zero: not part of it.
    pub(crate) key: u32,
}

impl Kind {
    /// As in `CREATE TABLE`, behind the column's name.
    pub(crate) fn definition(&self) -> String {
        // `INTEGER PRIMARY KEY` would have SQLite number rows by itself, and every node would use the same numbers. `INT` has the
        // same affinity and no such meaning.
        let alias = self.key != 0 && self.declared.eq_ignore_ascii_case("INTEGER");
        let mut text = if alias { "INT".to_owned() } else { self.declared.clone() };
        if self.not_null || self.key != 0 {
            text.push_str(" NOT NULL");
        }
        if let Some(default) = &self.default {
            text.push_str(&format!(" DEFAULT {default}"));
        }
        text.trim().to_owned()
    }

    /// What stands in for a value that nobody has given and that must not be missing.
    pub(crate) fn stand_in(&self) -> Value {
        if let Some(value) = self.default.as_deref().and_then(crate::sql_text::literal) {
            return value;
        }
        if !self.not_null {
            return Value::Null;
        }
        // By affinity: https://sqlite.org/datatype3.html#determination_of_column_affinity
        let declared = self.declared.to_ascii_uppercase();
        if declared.contains("INT") {
            Value::Integer(0)
        } else if ["CHAR", "CLOB", "TEXT"].iter().any(|word| declared.contains(word)) {
            Value::Text("".into())
        } else if declared.contains("BLOB") || declared.is_empty() {
            Value::Blob(Box::default())
        } else {
            Value::Integer(0)
        }
    }
}

/// A table with a place in SQLite.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) ix: TableIx,
    /// Its id name.
    pub(crate) name: String,
    /// What users call it.
    pub(crate) shown: String,
    pub(crate) strict: bool,
    /// Those with a place in SQLite, in its order.
    pub(crate) columns: Vec<Column>,
    /// Which of them are its key, in order.
    pub(crate) key: Vec<usize>,
    /// Those of which cells travel: neither key nor hidden.
    pub(crate) cells: Vec<usize>,
    pub(crate) texts: Texts,
}

/// The statements that merging uses, written once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Texts {
    /// The rowid by key.
    pub(crate) find: String,
    /// A row with all columns, unless its key is taken.
    pub(crate) insert: String,
    /// All columns by rowid.
    pub(crate) load: String,
    /// Away by rowid.
    pub(crate) delete: String,
}

impl Table {
    /// A table whose columns are these.
    pub(crate) fn new(ix: TableIx, name: String, shown: String, strict: bool, columns: Vec<Column>) -> Self {
        let mut key: Vec<usize> = (0..columns.len()).filter(|at| columns[*at].kind.key != 0).collect();
        key.sort_by_key(|at| columns[*at].kind.key);
        let cells = (0..columns.len()).filter(|at| columns[*at].kind.key == 0 && !columns[*at].hidden).collect();
        let mut table = Self { ix, name, shown, strict, columns, key, cells, texts: Texts::default() };
        table.texts = table.write_texts();
        table
    }

    fn write_texts(&self) -> Texts {
        let name = quoted(&self.shown);
        let columns: Vec<String> = self.columns.iter().map(|column| quoted(&column.shown)).collect();
        let keys: Vec<String> =
            self.key.iter().enumerate().map(|(at, column)| format!("{} = ?{}", columns[*column], at + 1)).collect();
        let marks = vec!["?"; columns.len()].join(",");
        let list = columns.join(",");
        Texts {
            find: format!("SELECT rowid FROM {name} WHERE {}", keys.join(" AND ")),
            insert: format!("INSERT INTO {name} ({list}) VALUES ({marks}) ON CONFLICT DO NOTHING"),
            load: format!("SELECT {list} FROM {name} WHERE rowid = ?1"),
            delete: format!("DELETE FROM {name} WHERE rowid = ?1"),
        }
    }

    /// Sets these columns by rowid.
    pub(crate) fn update_text(&self, columns: &[usize]) -> String {
        let sets: Vec<String> = columns.iter().map(|at| format!("{} = ?", quoted(&self.columns[*at].shown))).collect();
        format!("UPDATE {} SET {} WHERE rowid = ?", quoted(&self.shown), sets.join(","))
    }

    /// As SQLite is told of it.
    pub(crate) fn create_text(&self) -> String {
        let columns =
            self.columns.iter().map(|column| format!("{} {}", quoted(&column.shown), column.kind.definition()));
        let keys: Vec<String> = self.key.iter().map(|at| quoted(&self.columns[*at].shown)).collect();
        let parts: Vec<String> = columns.chain([format!("PRIMARY KEY ({})", keys.join(", "))]).collect();
        let strict = if self.strict { " STRICT" } else { "" };
        format!("CREATE TABLE {} ({}){strict}", quoted(&self.shown), parts.join(", "))
    }

    /// The triggers that keep other programs from writing unnoticed: those lack the function that is called. They do not run here.
    pub(crate) fn seal_texts(&self) -> impl Iterator<Item = String> {
        let (ix, name) = (self.ix.0, quoted(&self.shown));
        [("i", "INSERT"), ("u", "UPDATE"), ("d", "DELETE")].into_iter().map(move |(short, what)| {
            format!("CREATE TRIGGER _whither_{short}{ix} AFTER {what} ON {name} BEGIN SELECT whither_wrote(); END")
        })
    }

    /// The triggers that tell of what is updated and deleted ([`crate::capture`]). They are this connection's alone.
    pub(crate) fn watch_texts(&self) -> [String; 2] {
        let (ix, name) = (self.ix.0, quoted(&self.shown));
        let list = |which: &str| {
            let told = self.columns.iter().filter(|column| !column.hidden);
            told.map(|column| format!(", {which}.{}", quoted(&column.shown))).collect::<String>()
        };
        let (old, new) = (list("OLD"), list("NEW"));
        [
            format!(
                "CREATE TEMP TRIGGER _whither_watch_u{ix} AFTER UPDATE ON main.{name} WHEN whither_watching() \
                 BEGIN SELECT whither_wrote({ix}, OLD.rowid, NEW.rowid{old}{new}); END"
            ),
            format!(
                "CREATE TEMP TRIGGER _whither_watch_d{ix} AFTER DELETE ON main.{name} WHEN whither_watching() \
                 BEGIN SELECT whither_wrote({ix}, OLD.rowid, NULL{old}); END"
            ),
        ]
    }

    /// Seals and watches a table that is new or has changed.
    pub(crate) fn trigger(&self, conn: &Connection) -> rusqlite::Result<()> {
        self.seal_texts().chain(self.watch_texts()).try_for_each(|text| conn.execute_batch(&text))
    }

    /// Removes its triggers.
    pub(crate) fn untrigger(&self, conn: &Connection) -> rusqlite::Result<()> {
        ["i", "u", "d", "watch_u", "watch_d"]
            .into_iter()
            .try_for_each(|short| conn.execute_batch(&format!("DROP TRIGGER IF EXISTS _whither_{short}{}", self.ix.0)))
    }
}

/// All tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schema {
    /// With a place in SQLite.
    pub(crate) tables: BTreeMap<TableIx, Table>,
    /// All that were ever heard of, by id name.
    pub(crate) names: BTreeMap<String, TableIx>,
    /// Columns that were ever heard of.
    pub(crate) columns: BTreeMap<(TableIx, String), ColumnIx>,
    /// Columns that are gone for good: what is said of them is of no use.
    pub(crate) collected: std::collections::BTreeSet<ColumnIx>,
    /// Tables that were dropped: what is said of them is of no use.
    pub(crate) dropped: std::collections::BTreeSet<TableIx>,
}

impl Schema {
    /// What is known in this database.
    pub(crate) fn load(conn: &Connection) -> rusqlite::Result<Self> {
        let mut schema = Self::default();
        let mut statement = conn.prepare(
            "SELECT id, tbl, name, shown, type, required, fallback, key, state FROM _whither_columns ORDER BY place, id",
        )?;
        let mut columns: BTreeMap<TableIx, Vec<Column>> = BTreeMap::new();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (ix, table) = (ColumnIx(row.get(0)?), TableIx(row.get(1)?));
            let name: String = row.get(2)?;
            schema.columns.insert((table, name.clone()), ix);
            let state: String = row.get(8)?;
            if state == "collected" {
                schema.collected.insert(ix);
            }
            if state == "heard" || state == "collected" {
                continue;
            }
            let kind = Kind { declared: row.get(4)?, not_null: row.get(5)?, default: row.get(6)?, key: row.get(7)? };
            let column = Column { ix, name, shown: row.get(3)?, kind, hidden: state == "hidden" };
            columns.entry(table).or_default().push(column);
        }
        let mut statement = conn.prepare("SELECT id, name, shown, strict, state FROM _whither_tables")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (ix, name): (TableIx, String) = (TableIx(row.get(0)?), row.get(1)?);
            schema.names.insert(name.clone(), ix);
            match row.get::<_, String>(4)?.as_str() {
                "heard" => {}
                "dropped" => drop(schema.dropped.insert(ix)),
                _ => {
                    let columns = columns.remove(&ix).unwrap_or_default();
                    schema.tables.insert(ix, Table::new(ix, name, row.get(2)?, row.get(3)?, columns));
                }
            }
        }
        Ok(schema)
    }

    /// The table with this id name, which is numbered if it is heard of for the first time.
    pub(crate) fn number_table(&mut self, conn: &Connection, name: &str) -> rusqlite::Result<TableIx> {
        if let Some(ix) = self.names.get(name) {
            return Ok(*ix);
        }
        conn.prepare_cached("INSERT INTO _whither_tables (name, shown, strict, state) VALUES (?1, ?1, 0, 'heard')")?
            .execute([name])?;
        let ix = TableIx(conn.last_insert_rowid());
        self.names.insert(name.to_owned(), ix);
        Ok(ix)
    }

    /// The same for a column.
    pub(crate) fn number_column(
        &mut self,
        conn: &Connection,
        table: TableIx,
        name: &str,
    ) -> rusqlite::Result<ColumnIx> {
        let key = (table, name.to_owned());
        if let Some(ix) = self.columns.get(&key) {
            return Ok(*ix);
        }
        conn.prepare_cached("INSERT INTO _whither_columns (tbl, name, shown, state) VALUES (?1, ?2, ?2, 'heard')")?
            .execute(params![table.0, name])?;
        let ix = ColumnIx(conn.last_insert_rowid());
        self.columns.insert(key, ix);
        Ok(ix)
    }

    /// The table that users call so, letter by letter.
    pub(crate) fn shown_as(&self, name: &str) -> Option<&Table> {
        self.tables.values().find(|table| table.shown == name)
    }

    /// The id name of a table.
    pub(crate) fn table_name(&self, ix: TableIx) -> Option<&str> {
        self.names.iter().find(|(_, other)| **other == ix).map(|(name, _)| name.as_str())
    }

    /// The id name of a column.
    pub(crate) fn column_name(&self, ix: ColumnIx) -> Option<&str> {
        self.columns.iter().find(|(_, other)| **other == ix).map(|((_, name), _)| name.as_str())
    }
}
