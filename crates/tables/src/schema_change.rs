//! Changes of the schema: asked for in SQL, checked as a whole, kept as rows of a replicated table, and carried out by every
//! node for itself. No user's row is written or sent.

mod draft;
mod reconcile;

use crate::error::{BadSchema, Refused};
use crate::schema::SCHEMA_NAME;
use crate::tables::Tables;
use draft::Draft;
use rusqlite::params;
use std::collections::BTreeMap;
use std::fmt;
use whither_model::WallTime;
use whither_model::sql::Transaction;

/// What came of asking for a change.
#[derive(Clone, PartialEq, Debug)]
pub struct SchemaChange {
    /// What was done, in order; empty: all of it was so already.
    pub steps: Vec<SchemaStep>,
    /// What the other nodes have to be told.
    pub transaction: Option<Transaction>,
}

/// One thing that a change of the schema does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SchemaStep {
    /// A table is created.
    CreateTable(String),
    /// A column is added to a table.
    AddColumn(String, String),
    /// A table has a new name.
    RenameTable(String, String),
    /// A column of a table has a new name.
    RenameColumn(String, String, String),
    /// A column of a table is there no more.
    DropColumn(String, String),
    /// A table is there no more.
    DropTable(String),
    /// An index is created, or made anew.
    CreateIndex(String),
    /// An index is there no more.
    DropIndex(String),
    /// What was dropped before, and only hidden since, goes for good.
    Collect(String),
}

impl fmt::Display for SchemaStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateTable(table) => write!(f, "create table {table}"),
            Self::AddColumn(table, column) => write!(f, "add column {table}.{column}"),
            Self::RenameTable(from, to) => write!(f, "rename table {from} to {to}"),
            Self::RenameColumn(table, from, to) => write!(f, "rename column {table}.{from} to {to}"),
            Self::DropColumn(table, column) => write!(f, "drop column {table}.{column}"),
            Self::DropTable(table) => write!(f, "drop table {table}"),
            Self::CreateIndex(index) => write!(f, "create index {index}"),
            Self::DropIndex(index) => write!(f, "drop index {index}"),
            Self::Collect(what) => write!(f, "collect {what}"),
        }
    }
}

/// Why a change of the schema was not made. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SchemaRefused {
    /// A statement is not allowed.
    #[error(transparent)]
    Bad(#[from] BadSchema),
    /// It could not be done.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl Tables {
    /// What `sql` would change, without changing anything.
    ///
    /// # Errors
    /// The first statement that is not allowed, and why.
    pub fn plan_schema(&self, sql: &str) -> Result<Vec<SchemaStep>, SchemaRefused> {
        let mut draft = Draft::of(self).map_err(Refused::from)?;
        draft.apply(sql)?;
        Ok(draft.steps)
    }

    /// Changes the schema as `sql` says: `CREATE TABLE`, `CREATE INDEX`, `ALTER TABLE`, `DROP`, and `VACUUM`, which collects what was dropped. What is so already stays, so the
    /// same text may be given again. Between [`Tables::begin`] and [`Tables::commit`].
    ///
    /// # Errors
    /// [`SchemaRefused`]; nothing was changed.
    pub fn change_schema(&mut self, wall: WallTime, sql: &str) -> Result<SchemaChange, SchemaRefused> {
        let mut draft = Draft::of(self).map_err(Refused::from)?;
        draft.apply(sql)?;
        let rows = draft.rows().map_err(Refused::from)?;
        let steps = draft.steps;
        let transaction = self.tell_apart(|tables| {
            tables.watch.begin();
            let outcome = rows.iter().try_for_each(|row| tables.put_schema_row(row));
            let seen = tables.watch.end();
            outcome?;
            let net = seen.net(&tables.conn, &tables.schema)?;
            tables.conclude(wall, net)
        })?;
        Ok(SchemaChange { steps, transaction })
    }

    fn put_schema_row(&self, row: &SchemaRow) -> rusqlite::Result<()> {
        let text = format!(
            "INSERT INTO {SCHEMA_NAME} (kind, tbl, name, shown, type, required, fallback, key, place, state) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO UPDATE SET \
             shown = ?4, type = ?5, required = ?6, fallback = ?7, key = ?8, place = ?9, state = ?10"
        );
        let SchemaRow { kind, table, name, shown, declared, required, fallback, key, place, state } = row;
        self.conn
            .prepare_cached(&text)?
            .execute(params![kind, table, name, shown, declared, required, fallback, key, place, state])?;
        Ok(())
    }

    fn schema_rows(&self) -> rusqlite::Result<Vec<SchemaRow>> {
        let text = format!(
            "SELECT kind, tbl, name, shown, type, required, fallback, key, place, state FROM {SCHEMA_NAME} \
             ORDER BY tbl, place, name"
        );
        let mut statement = self.conn.prepare_cached(&text)?;
        let rows = statement.query_map([], |row| {
            Ok(SchemaRow {
                kind: row.get(0)?,
                table: row.get(1)?,
                name: row.get(2)?,
                shown: row.get(3)?,
                declared: row.get(4)?,
                required: row.get(5)?,
                fallback: row.get(6)?,
                key: row.get(7)?,
                place: row.get(8)?,
                state: row.get(9)?,
            })
        })?;
        let mut rows = rows.collect::<rusqlite::Result<Vec<SchemaRow>>>()?;
        tell_names_apart(&mut rows);
        Ok(rows)
    }
}

/// Two tables, or two columns of one, may have been given the same name on two sides of a partition. Then the one whose id name comes
/// first has it, and the other's is made longer: the same on all nodes.
fn tell_names_apart(rows: &mut [SchemaRow]) {
    let claim = |row: &SchemaRow| {
        let (scope, id) = match row.kind.as_str() {
            "table" => ("", &row.table),
            "column" => (row.table.as_str(), &row.name),
            _ => return None,
        };
        (row.state == LIVE).then(|| ((scope.to_owned(), row.shown.to_ascii_lowercase()), id.clone()))
    };
    let mut first: BTreeMap<(String, String), String> = BTreeMap::new();
    for (name, id) in rows.iter().filter_map(claim) {
        let holder = first.entry(name).or_insert_with(|| id.clone());
        if id < *holder {
            *holder = id;
        }
    }
    for row in rows {
        let Some((name, id)) = claim(row) else { continue };
        if first.get(&name) != Some(&id) {
            row.shown = format!("{}~{id}", row.shown);
        }
    }
}

/// A row of the table that describes all others: a table, a column or an index.
#[derive(Clone, PartialEq, Eq, Debug)]
struct SchemaRow {
    /// `table`, `column` or `index`.
    kind: String,
    /// The id name of the table; of an index, nothing.
    table: String,
    /// The id name of the column, or the name of the index.
    name: String,
    shown: String,
    /// Of a table `STRICT` or nothing, of a column its type, of an index its statement.
    declared: String,
    required: bool,
    fallback: Option<String>,
    key: u32,
    place: u32,
    /// `live`; `dropped`: hidden, and still merged; `collected`: gone for good.
    state: String,
}

const LIVE: &str = "live";
const DROPPED: &str = "dropped";
const COLLECTED: &str = "collected";
