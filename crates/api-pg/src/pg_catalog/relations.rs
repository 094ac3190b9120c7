//! Tables and their columns, as the catalog of PostgreSQL and its information schema have them.

use super::kinds::short;
use super::snapshot::{Column, Snapshot, Table};
use super::surroundings::{PUBLIC_OID, ROLE_OID};
use super::{Context, Row, indexes};
use crate::column::Kind;
use whither_model::sql::Value;

/// A text.
pub(super) fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// A truth value.
pub(super) fn truth(truth: bool) -> Value {
    Value::Integer(i64::from(truth))
}

/// Every table and view, and every index.
pub(super) fn all(snapshot: &Snapshot, context: &Context) -> Vec<Row> {
    let tables = snapshot.tables.iter().map(|table| relation(table, context));
    let mut rows: Vec<Row> = tables.chain(indexes::all(snapshot, context)).collect();
    rows.sort_by(|a, b| name_of(a).cmp(name_of(b)));
    rows
}

fn name_of(row: &Row) -> &str {
    match row.get("relname") {
        Some(Value::Text(name)) => name,
        _ => "",
    }
}

fn relation(table: &Table, context: &Context) -> Row {
    let view = table.kind == "v";
    let mut row = shared(&table.name, context);
    row.extend([
        ("oid", Value::Integer(table.oid())),
        ("relkind", text(table.kind)),
        ("type", text(if view { "view" } else { "table" })),
        ("amname", if view { Value::Null } else { text("heap") }),
        ("relhasindex", truth(!table.indexes.is_empty())),
        ("hasindexes", truth(!table.indexes.is_empty())),
        ("relnatts", Value::Integer(i64::try_from(table.columns.len()).unwrap_or(i64::MAX))),
        ("tablename", text(&table.name)),
        ("viewname", text(&table.name)),
        ("table_name", text(&table.name)),
        ("table_type", text(if view { "VIEW" } else { "BASE TABLE" })),
        ("is_insertable_into", text(if view { "NO" } else { "YES" })),
    ]);
    row
}

/// What tables and indexes have in common.
pub(super) fn shared(name: &str, context: &Context) -> Row {
    let zero = || Value::Integer(0);
    let mut row = in_schema(context);
    row.extend([
        ("relname", text(name)),
        ("name", text(name)),
        ("relpersistence", text("p")),
        ("persistence", text("permanent")),
        ("relreplident", text("d")),
        ("relowner", Value::Integer(ROLE_OID)),
        ("relnamespace", Value::Integer(PUBLIC_OID)),
        ("reltuples", Value::Integer(-1)),
        ("relpages", zero()),
        ("reltablespace", zero()),
        ("relchecks", zero()),
        ("relhasrules", zero()),
        ("relhastriggers", zero()),
        ("relrowsecurity", zero()),
        ("relforcerowsecurity", zero()),
        ("relispartition", zero()),
        ("hasrules", zero()),
        ("hastriggers", zero()),
        ("rowsecurity", zero()),
    ]);
    row
}

/// What everything in the one schema has in common.
pub(super) fn in_schema(context: &Context) -> Row {
    Row::from([
        ("nspname", text("public")),
        ("schema", text("public")),
        ("schemaname", text("public")),
        ("table_schema", text("public")),
        ("table_catalog", text(&context.facts.database)),
        ("owner", text(&context.facts.user)),
        ("tableowner", text(&context.facts.user)),
        ("viewowner", text(&context.facts.user)),
        ("pg_get_userbyid", text(&context.facts.user)),
    ])
}

/// Every column of every table and view.
pub(super) fn columns(snapshot: &Snapshot, context: &Context) -> Vec<Row> {
    let one = |table: &Table, (at, column): (usize, &Column)| {
        let mut row = in_schema(context);
        row.extend(attribute(table, at + 1, column));
        row
    };
    let of = |table| Table::columns_of(table).map(move |column| one(table, column));
    snapshot.tables.iter().flat_map(of).collect()
}

impl Table {
    fn columns_of(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().enumerate()
    }
}

fn attribute(table: &Table, number: usize, column: &Column) -> Row {
    let number = Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let default = column.default.as_deref().map_or(Value::Null, text);
    let length = column.type_name();
    let length = length.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')?.parse().ok());
    let kind = column.kind();
    Row::from([
        ("oid", Value::Integer(table.oid())),
        ("attrelid", Value::Integer(table.oid())),
        ("relname", text(&table.name)),
        ("relkind", text(table.kind)),
        ("table_name", text(&table.name)),
        ("attname", text(&column.name)),
        ("column_name", text(&column.name)),
        ("attnum", number.clone()),
        ("ordinal_position", number),
        ("format_type", text(&column.type_name())),
        ("data_type", text(column.type_name().split('(').next().unwrap_or_default())),
        ("character_maximum_length", length.map_or(Value::Null, Value::Integer)),
        ("udt_name", text(short(kind))),
        ("typname", text(short(kind))),
        ("atttypid", Value::Integer(kind.oid().into())),
        ("atttypmod", Value::Integer(-1)),
        ("attstorage", text(if matches!(kind, Kind::Text | Kind::Bytes) { "x" } else { "p" })),
        ("attlen", Value::Integer(if matches!(kind, Kind::Int | Kind::Float) { 8 } else { -1 })),
        ("attnotnull", truth(column.not_null)),
        ("is_nullable", text(if column.not_null { "NO" } else { "YES" })),
        ("atthasdef", truth(column.default.is_some())),
        ("pg_get_expr", default.clone()),
        ("default", default.clone()),
        ("column_default", default),
        ("attidentity", text("")),
        ("attgenerated", text("")),
        ("attisdropped", truth(false)),
        ("is_identity", text("NO")),
        ("is_generated", text("NEVER")),
    ])
}
