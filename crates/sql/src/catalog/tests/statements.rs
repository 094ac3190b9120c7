//! What holds for a statement as a whole.

use super::super::{Pinned, install};
use super::World;
use rusqlite::Connection;

const ALL: [&str; 5] = ["services", "instances", "checks", "nodes", "members"];

#[test]
fn a_statement_sees_one_view_from_its_beginning_to_its_end() {
    let mut world = World::new();
    for service in ["a", "b", "c"] {
        world.register(1, service, "i1", |_| ());
    }
    let mut publisher = world.publisher;
    let gone = |service: &str| whither_model::Delta::InstanceGone {
        service: service.parse().unwrap(),
        id: "i1".parse().unwrap(),
        owner: super::node(1),
    };
    let sql = "SELECT s.service, s.instances, (SELECT count(*) FROM instances i WHERE i.service = s.service),
        (SELECT sum(instances) FROM services) FROM services s";
    let mut prepared = world.conn.prepare(sql).unwrap();
    let mut rows = prepared.query([]).unwrap();
    let mut seen = 0;
    while let Some(row) = rows.next().unwrap() {
        // After the first step, and before the others.
        ["default/a", "default/b", "default/c"].into_iter().for_each(|service| publisher.apply(gone(service)));
        publisher.publish();
        let cells: (i64, i64, i64) = (row.get(1).unwrap(), row.get(2).unwrap(), row.get(3).unwrap());
        assert_eq!(cells, (1, 1, 3));
        seen += 1;
    }
    assert_eq!((seen, world.directory.view().instance_count()), (3, 0));
    drop(rows);
    world.pinned.pin(&world.directory);
    let now: Vec<i64> = prepared.query_map([], |row| row.get(1)).unwrap().map(Result::unwrap).collect();
    assert_eq!(now, [0, 0, 0], "the same statement, begun anew");
}

#[test]
fn a_users_table_hides_ours_and_the_other_name_finds_it() {
    let mut world = World::new();
    world.register(1, "web", "w1", |_| ());
    for table in ALL {
        assert_eq!(world.ask(&format!("SELECT * FROM {table}")), world.ask(&format!("SELECT * FROM whither_{table}")));
        assert_eq!(world.ask(&format!("SELECT * FROM {table}")), world.ask(&format!("SELECT * FROM main.{table}")));
    }
    // Prepared before the table was there, and executed again after.
    let mut before = world.conn.prepare("SELECT count(*) FROM instances").unwrap();
    assert_eq!(before.query_row([], |row| row.get::<_, i64>(0)), Ok(1));
    for table in ALL {
        world
            .conn
            .execute_batch(&format!("CREATE TABLE {table} (mine TEXT); INSERT INTO {table} VALUES ('x'), ('y')"))
            .unwrap();
        assert_eq!(world.ask(&format!("SELECT * FROM {table}")), ["'x'", "'y'"]);
    }
    assert_eq!(before.query_row([], |row| row.get::<_, i64>(0)), Ok(2));
    assert_eq!(world.ask("SELECT service, id FROM whither_instances"), ["'default/web' | 'w1'"]);
    assert_eq!(world.ask("SELECT mine, w.id FROM instances JOIN whither_instances w"), ["'x' | 'w1'", "'y' | 'w1'"]);
    for table in ALL {
        world.conn.execute_batch(&format!("DROP TABLE {table}")).unwrap();
    }
    assert_eq!(before.query_row([], |row| row.get::<_, i64>(0)), Ok(1), "ours are there again");
}

#[test]
fn nothing_is_written() {
    let mut world = World::new();
    world.register(1, "web", "w1", |_| ());
    for table in ALL.map(str::to_owned).into_iter().chain(ALL.map(|table| format!("whither_{table}"))) {
        let refused = |sql: String| world.conn.execute_batch(&sql).expect_err(&sql).to_string();
        let expected = format!("table {table} may not be modified");
        for sql in [
            format!("DELETE FROM {table}"),
            format!("UPDATE {table} SET rowid = 1"),
            format!("INSERT INTO {table} DEFAULT VALUES"),
            format!("REPLACE INTO {table} SELECT * FROM {table}"),
        ] {
            let says = refused(sql.clone());
            assert!(says.starts_with(&expected), "{sql}: {says}");
        }
        refused(format!("DROP TABLE {table}"));
        refused(format!("ALTER TABLE {table} RENAME TO other"));
        refused(format!("ALTER TABLE {table} ADD COLUMN more"));
        refused(format!("CREATE INDEX mine ON {table} (zone)"));
        refused(format!("CREATE TRIGGER mine AFTER INSERT ON {table} BEGIN SELECT 1; END"));
        refused(format!("CREATE VIRTUAL TABLE mine USING {table}"));
        assert_eq!(world.ask("SELECT count(*) FROM sqlite_schema"), ["0"]);
    }
    assert_eq!(world.ask("SELECT id FROM instances"), ["'w1'"]);
}

#[test]
fn without_a_view_there_is_no_answer_and_not_an_empty_one() {
    let (pinned, conn) = (Pinned::default(), Connection::open_in_memory().unwrap());
    install(&conn, &pinned).unwrap();
    for table in ALL {
        let mut prepared = conn.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let refused = prepared.query([]).unwrap().next().unwrap_err().to_string();
        assert_eq!(refused, "the catalog is not there yet");
    }
    let world = World::new();
    pinned.pin(&world.directory);
    assert_eq!(conn.query_row("SELECT count(*) FROM nodes", [], |row| row.get::<_, i64>(0)), Ok(2));
}

#[test]
fn views_and_triggers_of_users_may_ask() {
    let mut world = World::new();
    world.register(1, "web", "w1", |_| ());
    let schema =
        "PRAGMA trusted_schema = OFF; CREATE VIEW usable AS SELECT service, id FROM whither_instances WHERE usable;
        CREATE TABLE seen (id TEXT); CREATE TABLE asked (service TEXT);
        CREATE TRIGGER ask AFTER INSERT ON asked BEGIN
            INSERT INTO seen SELECT id FROM whither_instances WHERE service = new.service;
        END;
        INSERT INTO asked VALUES ('default/web'), ('default/none');";
    world.conn.execute_batch(schema).unwrap();
    assert_eq!(world.ask("SELECT * FROM usable"), ["'default/web' | 'w1'"]);
    assert_eq!(world.ask("SELECT * FROM seen"), ["'w1'"]);
}

/// SQLite answers `OR` with two scans, and `IN` on both sides with more: what tells rows apart must be the same in each.
#[test]
fn rowids_are_the_same_in_every_scan_and_of_one_row_only() {
    let mut world = World::new();
    for at in 0..500 {
        world.stage(1 + at % 2, &format!("s{}", at % 50), &format!("i{at}"), |_| ());
    }
    world.show();
    for table in ALL {
        let sql = format!("SELECT count(*) - count(DISTINCT rowid) FROM {table}");
        assert_eq!(world.ask(&sql), ["0"], "{table}");
    }
    let sql = "SELECT count(*) FROM instances a JOIN instances b ON a.rowid = b.rowid AND a.service = b.service AND a.id = b.id";
    assert_eq!(world.ask(sql), ["500"]);
    let sql = "SELECT count(*) FROM instances WHERE service = 'default/s7' OR owner = '0000000000000001' OR id = 'i7'";
    assert!(world.plan(sql).contains("MULTI-INDEX OR"), "{}", world.plan(sql));
    assert_eq!(world.ask(sql), ["260"]);
}
