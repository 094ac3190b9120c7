use super::*;
use rusqlite::Connection;
use whither_model::sql::Statement;
use whither_model::{Epoch, NodeId, Origin, WallTime};
use whither_tables::Tables;

/// As Corrosion leaves it: the tables of its schema, cr-sqlite's and its own beside them, and triggers that call functions which
/// only cr-sqlite has.
const CORROSION: &str = r#"
CREATE TABLE consul_services (
    node TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL DEFAULT "", tags TEXT NOT NULL DEFAULT '[]',
    meta TEXT NOT NULL DEFAULT '{}', port INTEGER NOT NULL DEFAULT 0, address TEXT NOT NULL DEFAULT '',
    updated_at INTEGER NOT NULL DEFAULT 0, app_id INTEGER AS (CAST(JSON_EXTRACT(meta, '$.app_id') AS INTEGER)),
    PRIMARY KEY (node, id)
);
CREATE INDEX consul_services_node_id_updated_at ON consul_services (node, id, updated_at);
CREATE INDEX consul_services_app_id ON consul_services (app_id);
CREATE TABLE machines (
    id INTEGER PRIMARY KEY NOT NULL, name TEXT COLLATE NOCASE, size REAL CHECK (size >= 0), raw BLOB,
    at TEXT DEFAULT CURRENT_TIMESTAMP, node TEXT REFERENCES consul_services (node), UNIQUE (name)
);
CREATE UNIQUE INDEX machines_name ON machines (name) WHERE name <> '';
CREATE TABLE notes (text TEXT);
CREATE TABLE consul_services__crsql_clock (
    key INTEGER NOT NULL, col_name TEXT NOT NULL, col_version INTEGER NOT NULL, db_version INTEGER NOT NULL,
    site_id INTEGER NOT NULL DEFAULT 0, seq INTEGER NOT NULL, PRIMARY KEY (key, col_name)
) WITHOUT ROWID, STRICT;
CREATE TABLE crsql_site_id (site_id BLOB NOT NULL, ordinal INTEGER PRIMARY KEY);
CREATE TABLE __corro_members (actor_id BLOB PRIMARY KEY NOT NULL, address TEXT NOT NULL);
INSERT INTO consul_services (node, id, name, meta, port) VALUES
    ('a', 'app-1', 'app', '{"app_id": 7}', 8080), ('b', 'app-2', 'app', '{}', 8081);
INSERT INTO machines (id, name, size, raw) VALUES (1, 'it''s', 0.1, x'00ff'), (2, NULL, 9e999, NULL);
CREATE TRIGGER consul_services__crsql_itrig AFTER INSERT ON consul_services WHEN crsql_internal_sync_bit() = 0
BEGIN SELECT crsql_after_insert('consul_services', NEW.node, NEW.id); END;
"#;

fn database(dir: &Path, sql: &str) -> PathBuf {
    let file = dir.join("a database.db");
    Connection::open(&file).unwrap().execute_batch(&format!("PRAGMA foreign_keys = OFF;{sql}")).unwrap();
    file
}

#[test]
fn what_cannot_be_kept_is_left_out_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let source = Source::open(&database(dir.path(), CORROSION)).unwrap();
    let tables = source.tables().unwrap();
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    let own =
        ["__corro_members", "consul_services", "consul_services__crsql_clock", "crsql_site_id", "machines", "notes"];
    assert_eq!(names, own);
    let fitted = |name: &str| fit(tables.iter().find(|table| table.name == name).unwrap());
    let said = |fitted: &Fitted| fitted.left_out.iter().map(|one| one.what.clone()).collect::<Vec<_>>();

    let services = fitted("consul_services");
    assert_eq!(
        said(&services),
        [
            "the generated column app_id is left out; compute it in the query: (CAST(JSON_EXTRACT(meta,'$.app_id')AS INTEGER))",
            "the index consul_services_app_id is left out: app_id is generated",
        ]
    );
    let table = services.table.unwrap();
    assert_eq!(table.indexes.len(), 1);
    assert!(table.create_text().contains("\"name\" TEXT NOT NULL DEFAULT ''"), "{}", table.create_text());
    assert!(table.create_text().contains("\"tags\" TEXT NOT NULL DEFAULT '[]'"), "{}", table.create_text());
    assert!(table.create_text().contains("PRIMARY KEY (\"node\", \"id\")"), "{}", table.create_text());

    let machines = fitted("machines");
    for what in
        ["CHECK", "REFERENCES", "UNIQUE is", "COLLATE", "id no longer numbers", "machines_name is no longer UNIQUE"]
    {
        assert!(said(&machines).iter().any(|said| said.contains(what)), "{what}: {:?}", machines.left_out);
    }
    let table = machines.table.unwrap();
    assert_eq!(table.indexes[0].sql, "CREATE INDEX machines_name ON machines (name) WHERE name <> ''");
    assert!(table.create_text().contains("\"at\" TEXT DEFAULT (CURRENT_TIMESTAMP)"), "{}", table.create_text());
    let notes = fitted("notes");
    assert_eq!(notes.table, None);
    assert_eq!(
        notes.left_out[0].to_string(),
        "notes: the table is left out: it has no primary key, and rows that many nodes write need one"
    );
}

#[test]
fn what_was_fitted_is_taken() {
    let source =
        Source::of_schema(Path::new("schema.sql"), &CORROSION.replace("crsql_internal_sync_bit() = 0", "0")).unwrap();
    let mut tables = Tables::in_memory(origin(1)).unwrap();
    tables.begin().unwrap();
    for table in source.tables().unwrap().iter().filter_map(|table| fit(table).table) {
        tables.change_schema(WallTime(1), &table.create_text()).unwrap();
        for index in &table.indexes {
            tables.change_schema(WallTime(1), &index.sql).unwrap();
        }
    }
    tables.commit().unwrap();
    let bad = Source::of_schema(Path::new("schema.sql"), "CREATE TABEL t (a)").unwrap_err().to_string();
    assert!(bad.starts_with("schema.sql: near \"TABEL\""), "{bad}");
}

#[test]
fn rows_come_in_lots_and_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let fill = "CREATE TABLE n (i INTEGER PRIMARY KEY, t TEXT); \
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) INSERT INTO n SELECT i, 'x' FROM n;";
    let file = database(
        dir.path(),
        &format!("{CORROSION}{}", fill.replace("INSERT INTO n SELECT", "INSERT INTO main.n SELECT")),
    );
    let source = Source::open(&file).unwrap();
    assert_eq!(source.count("n").unwrap(), 2_500);
    let mut lots = Vec::new();
    source
        .rows::<ImportError>("n", &["t".into(), "i".into()], |lot| {
            lots.push(lot.len());
            Ok(())
        })
        .unwrap();
    assert_eq!(lots, [1_000, 1_000, 500]);
    let mut rows = Vec::new();
    source
        .rows::<ImportError>("machines", &["id", "name", "size", "raw"].map(String::from), |lot| {
            rows.extend(lot);
            Ok(())
        })
        .unwrap();
    assert_eq!(
        rows[0],
        [Value::Integer(1), Value::Text("it's".into()), Value::Real(0.1), Value::Blob([0, 255].into())]
    );
    assert_eq!(rows[1], [Value::Integer(2), Value::Null, Value::Real(f64::INFINITY), Value::Null]);
}

#[test]
fn a_database_is_read_with_its_log_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let file = database(dir.path(), CORROSION);
    let names = || {
        let mut names: Vec<_> =
            std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(Source::open(&file).unwrap().count("notes").unwrap(), 0);
    assert_eq!(names(), ["a database.db"], "nothing is begun beside it");
    let writer = Connection::open(&file).unwrap();
    writer.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
    writer.execute("INSERT INTO notes VALUES ('only in the log')", []).unwrap();
    let source = Source::open(&file).unwrap();
    assert_eq!(source.count("notes").unwrap(), 1);
    writer.execute("INSERT INTO notes VALUES ('later')", []).unwrap();
    assert_eq!(source.count("notes").unwrap(), 1, "all that is read is of one snapshot");
}

fn origin(node: u64) -> Origin {
    Origin { node: NodeId::new(node).unwrap(), epoch: Epoch(1) }
}

fn backup(dir: &Path) -> PathBuf {
    let file = dir.join("tables.db");
    let mut tables = Tables::open(&file, origin(1)).unwrap();
    tables.begin().unwrap();
    tables
        .change_schema(WallTime(1), "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT); CREATE INDEX t_b ON t (b)")
        .unwrap();
    tables.transact(WallTime(1), &[Statement::plain("INSERT INTO t VALUES (1, 'x'), (2, 'y')")]).unwrap();
    tables.commit().unwrap();
    drop(tables);
    fold_log(&file).unwrap();
    file
}

#[test]
fn a_backup_is_told_from_what_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let file = backup(dir.path());
    let source = check_backup(&file, Depth::Everything).unwrap();
    let tables = source.tables().unwrap();
    assert_eq!((tables.len(), source.count("t").unwrap()), (1, 2));
    assert_eq!(tables[0].columns[0].declared, "INTEGER", "as it was asked for, not as it stands there");
    drop(source);

    let said = |file: &Path| check_backup(file, Depth::Pages).unwrap_err().to_string();
    let foreign = database(dir.path(), "CREATE TABLE t (a)");
    assert!(said(&foreign).contains("is no backup of users' tables"), "{}", said(&foreign));
    let text = dir.path().join("text");
    std::fs::write(&text, "not a database, but long enough to be looked at as if it were one".repeat(20)).unwrap();
    assert!(said(&text).ends_with("it is no SQLite database"), "{}", said(&text));
    assert!(said(&dir.path().join("gone")).contains("No such file"));

    let conn = Connection::open(&file).unwrap();
    conn.execute("DELETE FROM _whither_clock WHERE tbl <> 1 AND row = 2", []).unwrap();
    drop(conn);
    assert!(check_backup(&file, Depth::Pages).is_ok());
    let said = check_backup(&file, Depth::Everything).unwrap_err().to_string();
    assert!(said.contains("of some rows of t it is not known who wrote them"), "{said}");
    let conn = Connection::open(&file).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    let said = check_backup(&file, Depth::Pages).unwrap_err().to_string();
    assert!(said.contains("newer version of whither (layout 99"), "{said}");
}
