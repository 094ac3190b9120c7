//! From Corrosion's database to tables that all nodes have.

use crate::agents::{Cluster, command, refused};
use std::path::Path;
use whither_model::{Epoch, NodeId, Origin};
use whither_tables::Tables;

/// Tables as Corrosion's users define them, with what cr-sqlite and Corrosion keep beside them, and cr-sqlite's triggers, whose
/// functions nobody else has.
const DATABASE: &str = r#"
CREATE TABLE corrosion.consul_services (
    node TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT '[]',
    meta TEXT NOT NULL DEFAULT '{}', port INTEGER NOT NULL DEFAULT 0, address TEXT NOT NULL DEFAULT '',
    updated_at INTEGER NOT NULL DEFAULT 0, app_id INTEGER AS (CAST(JSON_EXTRACT(meta, '$.app_id') AS INTEGER)),
    PRIMARY KEY (node, id)
);
CREATE INDEX corrosion.consul_services_node_id_updated_at ON consul_services (node, id, updated_at);
CREATE INDEX corrosion.consul_services_app_id ON consul_services (app_id);
CREATE TABLE corrosion.consul_services__crsql_clock (
    key INTEGER NOT NULL, col_name TEXT NOT NULL, col_version INTEGER NOT NULL, db_version INTEGER NOT NULL,
    site_id INTEGER NOT NULL DEFAULT 0, seq INTEGER NOT NULL, ts TEXT NOT NULL DEFAULT '0', PRIMARY KEY (key, col_name)
) WITHOUT ROWID, STRICT;
CREATE INDEX corrosion.consul_services__crsql_clock_dbv_idx ON consul_services__crsql_clock (site_id, db_version);
CREATE TABLE corrosion.consul_services__crsql_pks (__crsql_key INTEGER PRIMARY KEY, node, id);
CREATE TABLE corrosion.crsql_site_id (site_id BLOB NOT NULL, ordinal INTEGER PRIMARY KEY);
CREATE TABLE corrosion.crsql_db_versions (site_id BLOB NOT NULL PRIMARY KEY, db_version INTEGER NOT NULL) STRICT;
CREATE TABLE corrosion.crsql_master (key TEXT PRIMARY KEY, value ANY);
CREATE TABLE corrosion.__corro_state (key TEXT NOT NULL PRIMARY KEY, value);
CREATE TABLE corrosion.__corro_members (
    actor_id BLOB PRIMARY KEY NOT NULL, address TEXT NOT NULL, foca_state JSON, rtt_min INTEGER
) WITHOUT ROWID;
CREATE TABLE corrosion.machines (id INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL DEFAULT '' UNIQUE, load REAL, raw BLOB);
CREATE TABLE corrosion.log (line TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
    INSERT INTO corrosion.consul_services (node, id, name, meta, port)
    SELECT 'node-' || (i % 3), 'app-' || i, 'app', '{"app_id": ' || (i % 10) || '}', 8000 + i FROM n;
INSERT INTO corrosion.machines VALUES (1, 'it''s', 0.1, x'00ff'), (2, 'b', 9e999, NULL);
INSERT INTO corrosion.crsql_site_id VALUES (x'00', 0);
CREATE TRIGGER corrosion.consul_services__crsql_itrig AFTER INSERT ON consul_services WHEN crsql_internal_sync_bit() = 0
    BEGIN SELECT crsql_after_insert('consul_services', NEW.node, NEW.id); END;
"#;

/// Makes the database, and holds it open as its agent would.
fn database(file: &Path) -> Tables {
    let me = Origin { node: NodeId::new(1).expect("not zero"), epoch: Epoch(1) };
    let holder = Tables::in_memory(me).expect("a database in memory");
    let attach = format!("ATTACH DATABASE '{}' AS corrosion; PRAGMA corrosion.journal_mode = WAL;", file.display());
    let made = holder.connection().execute_batch(&attach).and_then(|()| holder.connection().execute_batch(DATABASE));
    made.expect("a database as Corrosion has it");
    holder
}

#[test]
fn tables_of_corrosion_become_tables_of_the_cluster() {
    let cluster = Cluster::of(&["a", "b"]);
    let file = cluster.scratch().join("state.db");
    let running = database(&file);
    let db = file.to_str().expect("text");
    let (out, said) = cluster[0].tell(&["import", "corrosion", db, "--dry-run"]);
    assert!(out.contains("consul_services  2500") && said.contains("nothing was changed"), "{out}{said}");
    assert_eq!(cluster[0].number("SELECT count(*) FROM sqlite_schema WHERE name = 'machines'"), 0);

    let (out, said) = cluster[0].tell(&["import", "corrosion", db]);
    assert!(out.contains("machines") && !out.contains("crsql") && !out.contains("corro_"), "{out}");
    for what in [
        "consul_services: the generated column app_id is left out",
        "the index consul_services_app_id is left out: app_id is generated",
        "machines: UNIQUE is left out",
        "machines: id no longer numbers rows by itself",
        "log: the table is left out: it has no primary key",
        "imported at",
    ] {
        assert!(said.contains(what), "{what}: {said}");
    }
    let by_app = "SELECT count(*) FROM consul_services WHERE meta ->> '$.app_id' = 7";
    cluster[1].await_number(by_app, 250);
    cluster[1].await_number("SELECT count(*) FROM machines WHERE load = 0.1 AND raw = x'00ff' OR load = 9e999", 2);
    cluster[1].await_number("SELECT count(*) FROM sqlite_schema WHERE name = 'consul_services_node_id_updated_at'", 1);

    // Corrosion went on meanwhile: run again, only what is new is written.
    let more =
        "DROP TRIGGER corrosion.consul_services__crsql_itrig; UPDATE corrosion.machines SET name = 'c' WHERE id = 2";
    running.connection().execute_batch(more).expect("it goes on");
    let (_, said) = cluster[0].tell(&["import", "corrosion", db, "--table", "machines"]);
    assert!(said.contains("imported at"), "{said}");
    cluster[1].await_number("SELECT id FROM machines WHERE name = 'c'", 2);
    let (_, said) = cluster[0].tell(&["import", "corrosion", db]);
    assert!(said.contains("there was nothing to change"), "{said}");
    // What the log said is in the file once Corrosion has stopped, and then nobody need be able to write beside it.
    drop(running);
    cluster[0].tell(&["import", "corrosion", db]);
}

#[test]
fn what_a_schema_file_says_comes_before_what_the_database_says() {
    let cluster = Cluster::of(&["a"]);
    let (file, schema) = (cluster.scratch().join("state.db"), cluster.scratch().join("schema.sql"));
    drop(database(&file));
    let db = file.to_str().expect("text");
    let text = "CREATE TABLE machines (id INTEGER PRIMARY KEY NOT NULL, name TEXT, load REAL, zone TEXT NOT NULL DEFAULT 'eu');";
    std::fs::write(&schema, text).expect("a file");
    let (out, _) = cluster[0].tell(&["import", "corrosion", db, "--schema", schema.to_str().expect("text")]);
    assert!(out.contains("machines") && !out.contains("consul_services"), "{out}");
    assert_eq!(cluster[0].number("SELECT count(*) FROM machines WHERE zone = 'eu'"), 2);
    let door = cluster[0].door();
    let (code, said) = refused(&mut command(&["import", "corrosion", db, "--table", "gone", "--agent", &door]));
    assert!(code == 2 && said.contains("there is no table gone in"), "{code}: {said}");
    let (_, said) =
        refused(&mut command(&["import", "corrosion", cluster.secret().to_str().expect("text"), "--agent", &door]));
    assert!(said.contains("it is no SQLite database"), "{said}");
}
