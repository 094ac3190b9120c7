//! What is around tables: schemas, databases, roles, parameters. There is one of each, or a few that are always the same.

use super::relations::{text, truth};
use super::{Context, Row};
use crate::session::Settings;
use whither_model::sql::Value;

/// The schema that all tables are in, as PostgreSQL numbers it.
pub(super) const PUBLIC_OID: i64 = 2_200;
/// The schema of the catalog.
pub(super) const CATALOG_OID: i64 = 11;
/// How PostgreSQL keeps indexes that are not special.
pub(super) const BTREE_OID: i64 = 403;
/// Whoever asks.
pub(super) const ROLE_OID: i64 = 10;

/// The schemas: one.
pub(super) fn schemas(context: &Context) -> Vec<Row> {
    vec![Row::from([
        ("oid", Value::Integer(PUBLIC_OID)),
        ("nspname", text("public")),
        ("name", text("public")),
        ("schema_name", text("public")),
        ("schema_owner", text(&context.facts.user)),
        ("catalog_name", text(&context.facts.database)),
        ("nspowner", Value::Integer(ROLE_OID)),
        ("pg_get_userbyid", text(&context.facts.user)),
        ("owner", text(&context.facts.user)),
    ])]
}

/// The databases: whatever name a client gives, it is this one.
pub(super) fn databases(context: &Context) -> Vec<Row> {
    vec![Row::from([
        ("oid", Value::Integer(1)),
        ("datname", text(&context.facts.database)),
        ("name", text(&context.facts.database)),
        ("datdba", Value::Integer(ROLE_OID)),
        ("pg_get_userbyid", text(&context.facts.user)),
        ("owner", text(&context.facts.user)),
        ("encoding", text("UTF8")),
        ("pg_encoding_to_char", text("UTF8")),
        ("collate", text("C")),
        ("datcollate", text("C")),
        ("ctype", text("C")),
        ("datctype", text("C")),
        ("locale provider", text("libc")),
        ("datistemplate", truth(false)),
        ("datallowconn", truth(true)),
    ])]
}

/// The roles: whoever asks.
pub(super) fn roles(context: &Context) -> Vec<Row> {
    vec![Row::from([
        ("oid", Value::Integer(ROLE_OID)),
        ("rolname", text(&context.facts.user)),
        ("usename", text(&context.facts.user)),
        ("usesysid", Value::Integer(ROLE_OID)),
        ("rolsuper", truth(false)),
        ("usesuper", truth(false)),
        ("rolinherit", truth(true)),
        ("rolcreaterole", truth(false)),
        ("rolcreatedb", truth(false)),
        ("rolcanlogin", truth(true)),
        ("rolconnlimit", Value::Integer(-1)),
        ("memberof", text("{}")),
        ("array", text("{}")),
        ("rolreplication", truth(false)),
        ("rolbypassrls", truth(false)),
    ])]
}

/// The parameters of the session.
pub(super) fn settings(context: &Context) -> Vec<Row> {
    let row = |(name, setting): &(&'static str, String)| {
        Row::from([
            ("name", text(&Settings::shown(name))),
            ("setting", text(setting)),
            ("short_desc", text("")),
            ("context", text("user")),
            ("source", text("session")),
        ])
    };
    context.settings.iter().map(row).collect()
}

/// How tables and indexes are kept.
pub(super) fn access_methods() -> Vec<Row> {
    let row = |(oid, name, kind): (i64, &str, &str)| {
        Row::from([("oid", Value::Integer(oid)), ("amname", text(name)), ("amtype", text(kind))])
    };
    [(2, "heap", "t"), (BTREE_OID, "btree", "i")].map(row).into()
}
