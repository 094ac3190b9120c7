//! Types: those that there are, and of what type each column of the catalog is.

use super::question::Column;
use super::relations::text;
use super::{Row, surroundings};
use crate::column::Kind;
use whither_model::sql::Value;

/// What PostgreSQL calls it.
pub(super) const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "boolean",
        Kind::Int => "bigint",
        Kind::Float => "double precision",
        Kind::Text => "text",
        Kind::Bytes => "bytea",
        Kind::Texts => "text[]",
        Kind::Bools => "boolean[]",
    }
}

/// What it is called within the catalog.
pub(super) const fn short(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Int => "int8",
        Kind::Float => "float8",
        Kind::Text => "text",
        Kind::Bytes => "bytea",
        Kind::Texts => "_text",
        Kind::Bools => "_bool",
    }
}

const TRUTHS: &[&str] = &[
    "attnotnull",
    "not_null",
    "atthasdef",
    "attisdropped",
    "indisprimary",
    "indisunique",
    "indisclustered",
    "indisvalid",
    "indisreplident",
    "indnullsnotdistinct",
    "relhasindex",
    "relhasrules",
    "relhastriggers",
    "relrowsecurity",
    "relforcerowsecurity",
    "relhasoids",
    "relispartition",
    "condeferrable",
    "condeferred",
    "rolsuper",
    "rolinherit",
    "rolcreaterole",
    "rolcreatedb",
    "rolcanlogin",
    "rolreplication",
    "rolbypassrls",
    "datistemplate",
    "datallowconn",
    "false",
    "true",
    "hasindexes",
    "hasrules",
    "hastriggers",
    "rowsecurity",
    "is_unique",
    "has_constraint",
    "usesuper",
];
const NUMBERS: &[&str] = &[
    "oid",
    "attnum",
    "attrelid",
    "atttypid",
    "atttypmod",
    "attlen",
    "ordinal_position",
    "relchecks",
    "reltablespace",
    "relowner",
    "relnamespace",
    "reltuples",
    "relpages",
    "indrelid",
    "indexrelid",
    "conrelid",
    "typarray",
    "typrelid",
    "typelem",
    "typnamespace",
    "typlen",
    "typbasetype",
    "rolconnlimit",
    "datdba",
    "indnkeyatts",
    "indnatts",
    "nspowner",
    "array_oid",
    "usesysid",
    "relnatts",
    "relam",
];
const LISTS: &[&str] = &["cols", "elements", "extras", "memberof", "elements_opclass", "elements_opdefault"];

/// Of what type a column of an answer is.
pub(super) fn of(column: &Column) -> Kind {
    let name = column.name.to_ascii_lowercase();
    let is = |names: &[&str]| names.contains(&column.source.as_str()) || names.contains(&name.as_str());
    if is(&["elements_is_expr"]) {
        Kind::Bools
    } else if is(LISTS) {
        Kind::Texts
    } else if is(TRUTHS) {
        Kind::Bool
    } else if is(NUMBERS) {
        Kind::Int
    } else {
        Kind::of_value(&column.constant).unwrap_or(Kind::Text)
    }
}

/// A list, as PostgreSQL writes it.
pub(super) fn list<'a>(entries: impl IntoIterator<Item = &'a str>) -> Value {
    let quoted = |entry: &str| format!("\"{}\"", entry.replace('\\', "\\\\").replace('"', "\\\""));
    let entries: Vec<String> = entries.into_iter().map(quoted).collect();
    text(&format!("{{{}}}", entries.join(",")))
}

/// The number of a type by its name, as text; that of none if there is none.
pub(super) fn oid_of(name: &str) -> String {
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name).to_ascii_lowercase();
    TYPES.iter().find(|known| known.1 == name).map_or(0, |known| known.0).to_string()
}

const TYPES: &[(i64, &str, i64, &str, i64)] = &[
    (16, "bool", 1, "B", 1_000),
    (17, "bytea", -1, "U", 1_001),
    (20, "int8", 8, "N", 1_016),
    (21, "int2", 2, "N", 1_005),
    (23, "int4", 4, "N", 1_007),
    (25, "text", -1, "S", 1_009),
    (26, "oid", 4, "N", 1_028),
    (114, "json", -1, "U", 199),
    (700, "float4", 4, "N", 1_021),
    (701, "float8", 8, "N", 1_022),
    (1_043, "varchar", -1, "S", 1_015),
    (1_082, "date", 4, "D", 1_182),
    (1_083, "time", 8, "D", 1_183),
    (1_114, "timestamp", 8, "D", 1_115),
    (1_184, "timestamptz", 8, "D", 1_185),
    (1_700, "numeric", -1, "N", 1_231),
    (2_950, "uuid", 16, "U", 2_951),
    (3_802, "jsonb", -1, "U", 3_807),
];

/// The types that are sent or taken.
pub(super) fn all() -> Vec<Row> {
    let row = |(oid, name, length, category, list): &(i64, &str, i64, &str, i64)| {
        Row::from([
            ("oid", Value::Integer(*oid)),
            ("typname", text(name)),
            ("typlen", Value::Integer(*length)),
            ("typcategory", text(category)),
            ("typarray", Value::Integer(*list)),
            ("typtype", text("b")),
            ("typdelim", text(",")),
            ("typelem", Value::Integer(0)),
            ("typrelid", Value::Integer(0)),
            ("typbasetype", Value::Integer(0)),
            ("typnamespace", Value::Integer(surroundings::CATALOG_OID)),
            ("nspname", text("pg_catalog")),
            ("format_type", text(name)),
        ])
    };
    TYPES.iter().map(row).collect()
}
