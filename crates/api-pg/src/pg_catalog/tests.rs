//! What clients ask, word for word, and what they are told. After a change that is meant to show: `UPDATE=1 cargo test -p
//! whither-api-pg`, then read the diff.

use super::*;
use crate::tokens::statements;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn snapshot() -> Snapshot {
    let value = |text: &str| match text.parse() {
        Ok(number) => Value::Integer(number),
        Err(_) if text == "-" => Value::Null,
        Err(_) => Value::Text(text.into()),
    };
    let rows = |text: &str| {
        let row = |line: &str| line.split(',').map(|field| value(field.trim())).collect::<Vec<_>>();
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(row).collect::<Vec<_>>()
    };
    Snapshot::of(
        &rows(
            "by_note, view, note, VARCHAR(20), 0, -, 0
             orders, table, uid, INTEGER, 0, -, 1
             orders, table, n, INTEGER, 0, -, 2
             orders, table, note, VARCHAR(20), 0, 'none', 0
             users, table, id, INTEGER, 0, -, 1
             users, table, name, TEXT, 1, -, 0
             users, table, Score, REAL, 0, -, 0
             users, table, active, BOOLEAN, 0, -, 0
             users, table, data, BLOB, 0, -, 0",
        ),
        &rows(
            "orders, orders_note, 0, c, note
             orders, sqlite_autoindex_orders_1, 1, pk, uid
             orders, sqlite_autoindex_orders_1, 1, pk, n",
        ),
    )
}

fn context() -> Context {
    let facts = Facts { user: "ann".into(), database: "app".into(), pid: 7 };
    Context { facts, settings: vec![("TimeZone", "UTC".into())] }
}

fn answered(sql: &str) -> Result<String, Problem> {
    let mut shown = String::new();
    let tokens = tokens(sql)?;
    for tokens in statements(&tokens) {
        assert!(is_about(tokens), "{}", tokens[0].text);
        let (fields, rows) = answer_from(&snapshot(), tokens, &[], &context())?;
        let names: Vec<String> = fields.iter().map(|field| format!("{} {:?}", field.name, field.kind)).collect();
        let _ = writeln!(shown, "{}", names.join(" | "));
        for row in rows {
            let values: Vec<String> = row
                .iter()
                .map(|value| match value {
                    Value::Null => "-".into(),
                    Value::Integer(number) => number.to_string(),
                    Value::Text(text) => text.to_string(),
                    other => format!("{other:?}"),
                })
                .collect();
            let _ = writeln!(shown, "  {}", values.join(" | "));
        }
    }
    Ok(shown)
}

fn asked() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pg_catalog/asked");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "sql")).collect();
    files.sort();
    assert!(files.len() > 10);
    files
}

#[test]
fn clients_are_told_what_they_need() {
    for file in asked() {
        let told = answered(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let recorded = file.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&recorded, &told).unwrap();
        }
        let expected = std::fs::read_to_string(&recorded).unwrap_or_default();
        assert_eq!(told, expected, "{}", file.display());
    }
}

#[test]
fn questions_of_people_are_answered() {
    for (sql, told) in [
        ("select tablename from pg_tables where schemaname = 'public'", "tablename Text\n  orders\n  users\n"),
        ("select count(*) from information_schema.tables", "count Int\n  3\n"),
        (
            "select exists (select 1 from information_schema.tables where table_name = 'users') as there",
            "there Bool\n  1\n",
        ),
        ("select exists (select from pg_class where relname = 'x')", "exists Bool\n  0\n"),
        (
            "select column_name, data_type, is_nullable from information_schema.columns where table_name = 'users' and column_name like 'n%'",
            "column_name Text | data_type Text | is_nullable Text\n  name | text | NO\n",
        ),
        (
            "select attname from pg_attribute where attrelid = 'orders'::regclass and attnum > 0",
            "attname Text\n  uid\n  n\n  note\n",
        ),
        ("select oid, typname from pg_type where oid = to_regtype('bool')", "oid Int | typname Text\n  16 | bool\n"),
        ("select oid from pg_type t where t.oid = to_regtype('hstore')", "oid Int\n"),
        (
            "select name, setting from pg_settings where name = 'TimeZone'",
            "name Text | setting Text\n  TimeZone | UTC\n",
        ),
        ("select table_name from information_schema.views", "table_name Text\n  by_note\n"),
        ("select proname from pg_proc", "proname Text\n"),
        (
            "select column_name from information_schema.key_column_usage where table_name = 'orders'",
            "column_name Text\n  uid\n  n\n",
        ),
    ] {
        assert_eq!(answered(sql).unwrap(), told, "{sql}");
    }
}

#[test]
fn what_is_not_recognised_is_refused() {
    for sql in
        ["select * from pg_class", "select a from information_schema.collations", "select a from pg_catalog.pg_frog"]
    {
        let problem = answered(sql).unwrap_err();
        assert_eq!(problem.code, "0A000", "{sql}");
        assert!(problem.hint.is_some(), "{sql}");
    }
}

#[test]
fn users_tables_are_not_the_catalog() {
    for sql in
        ["select pg_class from t", "select * from pg_classes", "select * from tables", "select pg_catalog.version()"]
    {
        assert!(!is_about(&tokens(sql).unwrap()), "{sql}");
    }
}
