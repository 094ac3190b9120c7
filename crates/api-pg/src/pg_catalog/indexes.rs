//! Indexes and primary keys, as the catalog of PostgreSQL has them.

use super::kinds::list;
use super::relations::{in_schema, shared, text, truth};
use super::snapshot::{Index, Snapshot, Table};
use super::surroundings::BTREE_OID;
use super::{Context, Row};
use whither_model::sql::Value;

/// Every index, also those of primary keys.
pub(super) fn all(snapshot: &Snapshot, context: &Context) -> Vec<Row> {
    let of = |table: &Table| table.indexes.iter().map(|index| row(table, index, context)).collect::<Vec<_>>();
    snapshot.tables.iter().flat_map(of).collect()
}

/// As [`all`], for questions that are about the tables of the indexes: `oid` is that of the table.
pub(super) fn by_table(snapshot: &Snapshot, context: &Context) -> Vec<Row> {
    let mut rows = all(snapshot, context);
    for row in &mut rows {
        let table = row.get("indrelid").cloned();
        row.extend(table.map(|table| ("oid", table)));
    }
    rows
}

/// As [`all`], for questions that want the name of the table beside.
pub(super) fn with_table(snapshot: &Snapshot, context: &Context) -> Vec<Row> {
    let mut rows = all(snapshot, context);
    for row in &mut rows {
        let table = row.get("table_name").cloned();
        row.extend(table.map(|table| ("relname", table)));
    }
    rows
}

/// Every column of every index, as if indexes were tables.
pub(super) fn columns(snapshot: &Snapshot) -> Vec<Row> {
    let mut rows = Vec::new();
    for table in &snapshot.tables {
        for index in &table.indexes {
            for (at, name) in index.columns.iter().enumerate() {
                let column = table.columns.iter().find(|column| column.name == *name);
                rows.push(Row::from([
                    ("attrelid", Value::Integer(index.oid())),
                    ("relname", text(&index.name)),
                    ("relkind", text("i")),
                    ("attname", text(name)),
                    ("attnum", Value::Integer(i64::try_from(at + 1).unwrap_or(i64::MAX))),
                    ("format_type", text(&column.map_or_else(|| "text".to_owned(), |column| column.type_name()))),
                    ("attnotnull", truth(false)),
                    ("attidentity", text("")),
                    ("attgenerated", text("")),
                    ("is_key", text("yes")),
                    ("pg_get_indexdef", text(&quoted(name))),
                ]));
            }
        }
    }
    rows
}

fn row(table: &Table, index: &Index, context: &Context) -> Row {
    let columns = || index.columns.iter().map(String::as_str);
    let unique = if index.unique { "UNIQUE " } else { "" };
    let listed = columns().map(quoted).collect::<Vec<_>>().join(", ");
    let definition = format!(
        "CREATE {unique}INDEX {} ON public.{} USING btree ({listed})",
        quoted(&index.name),
        quoted(&table.name)
    );
    let count = Value::Integer(i64::try_from(index.columns.len()).unwrap_or(i64::MAX));
    let constraint = format!("PRIMARY KEY ({listed})");
    let mut row = shared(&index.name, context);
    row.extend([
        ("oid", Value::Integer(index.oid())),
        ("relkind", text("i")),
        ("type", text("index")),
        ("amname", text("btree")),
        ("relhasindex", truth(false)),
        ("table", text(&table.name)),
        ("tablename", text(&table.name)),
        ("table_name", text(&table.name)),
        ("indexname", text(&index.name)),
        ("relname_index", text(&index.name)),
        ("indrelid", Value::Integer(table.oid())),
        ("indexrelid", Value::Integer(index.oid())),
        ("indisprimary", truth(index.primary)),
        ("indisunique", truth(index.unique)),
        ("indisclustered", truth(false)),
        ("indisvalid", truth(true)),
        ("indisreplident", truth(false)),
        ("indnullsnotdistinct", truth(false)),
        ("indnkeyatts", count.clone()),
        ("indnatts", count),
        ("pg_get_indexdef", text(&definition)),
        ("indexdef", text(&definition)),
        ("pg_get_constraintdef", if index.primary { text(&constraint) } else { Value::Null }),
        ("condeferrable", truth(false)),
        ("condeferred", truth(false)),
        ("has_constraint", truth(index.primary)),
        ("elements", list(columns())),
        ("elements_is_expr", text(&format!("{{{}}}", columns().map(|_| "f").collect::<Vec<_>>().join(",")))),
        ("indoption", text(&columns().map(|_| "0").collect::<Vec<_>>().join(" "))),
        ("elements_opclass", list(columns().map(|_| "0"))),
        ("relam", Value::Integer(BTREE_OID)),
    ]);
    if index.primary {
        row.insert("contype", text("p"));
    }
    row
}

/// Every primary key, with its columns.
pub(super) fn primary_keys(snapshot: &Snapshot) -> Vec<Row> {
    let row = |table: &Table| {
        let key = table.key();
        Row::from([
            ("conrelid", Value::Integer(table.oid())),
            ("oid", Value::Integer(table.oid())),
            ("conname", text(&format!("{}_pkey", table.name))),
            ("contype", text("p")),
            ("relname", text(&table.name)),
            ("table_name", text(&table.name)),
            ("cols", list(key.iter().copied())),
            ("indnkeyatts", Value::Integer(i64::try_from(key.len()).unwrap_or(i64::MAX))),
            ("indnullsnotdistinct", truth(false)),
            ("pg_get_constraintdef", text(&format!("PRIMARY KEY ({})", key.join(", ")))),
        ])
    };
    snapshot.tables.iter().filter(|table| !table.key().is_empty()).map(row).collect()
}

/// Primary keys as the information schema has them: as constraints, or column by column.
pub(super) fn key_columns(snapshot: &Snapshot, context: &Context, each: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for table in &snapshot.tables {
        let key = table.key();
        for (at, column) in key.iter().enumerate().take(if each { key.len() } else { 1 }) {
            let mut row = in_schema(context);
            row.extend([
                ("constraint_name", text(&format!("{}_pkey", table.name))),
                ("constraint_schema", text("public")),
                ("constraint_type", text("PRIMARY KEY")),
                ("table_name", text(&table.name)),
                ("column_name", text(column)),
                ("ordinal_position", Value::Integer(i64::try_from(at + 1).unwrap_or(i64::MAX))),
            ]);
            rows.push(row);
        }
    }
    rows
}

/// A name as PostgreSQL writes it: in quotes only if it needs them.
fn quoted(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !name.is_empty() && name.bytes().all(plain) && !name.as_bytes()[0].is_ascii_digit() {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}
