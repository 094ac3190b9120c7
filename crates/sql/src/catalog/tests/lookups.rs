//! Lookups: which are made, how much they save, and that none loses a row.

use super::{World, counting};
use whither_model::Health;

/// Services and instances whose names tempt a lookup to be wrong.
fn tempting() -> World {
    let mut world = World::new();
    let ids = ["7", "007", "7.0", "web", "Web", "WEB", "0x7", "1e1", "10", "\"q\""];
    for (at, id) in ids.into_iter().enumerate() {
        for service in ["web", "prod/web", "prod/api-7", "7/7"] {
            world.stage(1 + at as u64 % 2, service, id, |registration| {
                registration.version = id.into();
                registration.health = if at % 3 == 0 { Health::Warning } else { Health::Passing };
            });
        }
    }
    world.member(0xab, "web", |_| ());
    world.member(7, "b", |member| member.state = whither_model::MemberState::Suspect);
    world.show();
    for table in ["services", "instances", "nodes", "members", "checks"] {
        let copy = format!("CREATE TABLE copy_{table} AS SELECT * FROM {table}");
        world.conn.execute_batch(&copy).unwrap();
    }
    let words = "CREATE TABLE words (t TEXT, n INTEGER, any, caseless TEXT COLLATE NOCASE, trimmed TEXT COLLATE RTRIM, d NUMERIC);
        INSERT INTO words VALUES
            ('web', 7, 'web', 'wEb', 'web  ', 7.0), ('default/web', 10, 7, 'DEFAULT/web', '7 ', 1e1), ('7', NULL, x'37', '7', '7', 7),
            ('0000000000000001', 1, NULL, '00000000000000AB', '0000000000000001 ', 1), (NULL, NULL, 7.0, NULL, NULL, NULL),
            ('7/7', 0, '7', 'PROD/api-7', 'prod/web ', 'prod/web'), ('web', 7, '', '', '', ''), ('00000000000000AB', 8, 'B', 'b', 'b ', 'b');";
    world.conn.execute_batch(words).unwrap();
    world
}

/// Whatever is asked, the tables of the catalog answer as ordinary tables with the same rows do.
#[test]
fn every_condition_finds_what_it_finds_in_an_ordinary_table() {
    let world = tempting();
    let values = [
        "'web'",
        "'Web'",
        "'default/web'",
        "'7'",
        "7",
        "7.0",
        "'007'",
        "10",
        "x'37'",
        "NULL",
        "'0000000000000001'",
        "'00000000000000AB'",
        "'00000000000000ab'",
        "(SELECT n FROM words LIMIT 1)",
        "w.t",
        "w.n",
        "w.any",
        "w.caseless",
        "w.trimmed",
        "w.d",
        "+w.n",
        "CAST(w.n AS TEXT)",
        "w.t || ''",
    ];
    let forms = [
        "{k} = {v}",
        "{v} = {k}",
        "{k} = {v} COLLATE NOCASE",
        "{k} COLLATE RTRIM = {v}",
        "{k} IS {v}",
        "{k} IN ({v})",
        "{k} IN ({v}, 'web', 'default/web', 'WEB')",
        "{k} IN ({v}, '00000000000000ab', '00000000000000AB')",
        "{k} IN ({v}, 7)",
        "{k} COLLATE NOCASE IN ({v}, 'b')",
        "{k} != {v}",
        "NOT {k} IN ({v}, 'web')",
        "{k} = {v} OR x.{other} = 'web'",
        "{k} = {v} OR {k} = 'web' OR x.{other} = '7'",
        "{k} = {v} AND {k} IN ({v}, 'web')",
        "{k} = {v} AND x.{other} IN ('web', 'b', 'prod/web', '7')",
        "{k} LIKE {v}",
        "{k} = {v} AND x.{other} = 'b'",
        "({k}, x.{other}) = ({v}, 'web')",
        "{k} BETWEEN {v} AND 'x'",
    ];
    let keys = [
        ("services", "service", "name"),
        ("instances", "service", "id"),
        ("instances", "id", "service"),
        ("instances", "owner", "id"),
        ("nodes", "id", "name"),
        ("members", "name", "id"),
    ];
    let mut found = 0;
    for (table, key, other) in keys {
        for form in forms {
            for value in values {
                let condition =
                    form.replace("{k}", &format!("x.{key}")).replace("{other}", other).replace("{v}", value);
                let of = |table: &str| format!("SELECT x.*, w.rowid FROM {table} x, words w WHERE {condition}");
                let (ours, ordinary) = (world.sorted(&of(table)), world.sorted(&of(&format!("copy_{table}"))));
                found += ordinary.len();
                assert_eq!(ours, ordinary, "{table}: {condition}");
            }
        }
    }
    assert!(found > 10_000, "{found}");
}

#[test]
fn joins_of_every_kind_find_what_they_find_in_ordinary_tables() {
    let world = tempting();
    let asked = [
        "SELECT w.rowid, i.id, i.service FROM words w LEFT JOIN {instances} i ON i.id = w.t",
        "SELECT w.rowid, i.id, i.service FROM words w LEFT JOIN {instances} i ON i.id = w.n AND i.service = '7/7'",
        "SELECT w.rowid, i.id FROM {instances} i LEFT JOIN words w ON i.id = w.caseless",
        "SELECT w.rowid, i.id FROM words w RIGHT JOIN {instances} i ON i.id = w.any",
        "SELECT w.rowid, s.service FROM words w FULL JOIN {services} s ON s.service = w.t",
        "SELECT w.rowid, s.service FROM words w LEFT JOIN {services} s ON s.service = w.t WHERE s.service IS NULL",
        "SELECT s.service, i.id, n.name FROM {services} s JOIN {instances} i USING (service) JOIN {nodes} n ON n.id = i.owner",
        "SELECT w.t FROM words w WHERE EXISTS (SELECT 1 FROM {instances} i WHERE i.id = w.t)",
        "SELECT w.t FROM words w WHERE NOT EXISTS (SELECT 1 FROM {instances} i WHERE i.id = w.any AND i.owner = '0000000000000001')",
        "SELECT id FROM {instances} WHERE id IN (SELECT n FROM words)",
        "SELECT id, service FROM {instances} WHERE id IN (SELECT t FROM words) AND service IN (SELECT any FROM words UNION SELECT '7/7')",
        "SELECT id FROM {instances} WHERE id IN (SELECT caseless FROM words)",
        "SELECT id, service FROM {instances} WHERE (service, id) IN (SELECT s.service, w.t FROM {services} s, words w)",
        "SELECT id, service FROM {instances} WHERE (service, id COLLATE NOCASE) IN (SELECT s.service, w.t FROM {services} s, words w)",
        "SELECT id, service FROM {instances} WHERE (service COLLATE NOCASE, id) IN (SELECT upper(s.service), w.t FROM {services} s, words w)",
        "SELECT service, count(*), min(id) FROM {instances} WHERE owner IN ('0000000000000001', '0000000000000002') GROUP BY service",
        "SELECT DISTINCT owner FROM {instances} WHERE service = 'default/web' ORDER BY owner DESC",
        "SELECT i.id, (SELECT count(*) FROM {instances} j WHERE j.service = i.service AND j.owner = i.owner) FROM {instances} i",
        "SELECT a.id, b.id FROM {instances} a, {instances} b WHERE a.service = b.service AND a.id > b.id AND a.owner = '0000000000000002'",
        "SELECT id FROM {instances} WHERE service = 'prod/web' OR id = '7' OR owner = '0000000000000001'",
        "WITH RECURSIVE c(x) AS (SELECT '7' UNION SELECT i.version FROM {instances} i JOIN c ON i.id = c.x) SELECT x FROM c",
    ];
    for sql in asked {
        let of = |prefix: &str| {
            let named = |sql: String, table: &str| sql.replace(&format!("{{{table}}}"), &format!("{prefix}{table}"));
            world.sorted(&["services", "instances", "nodes"].into_iter().fold(sql.to_owned(), named))
        };
        assert_eq!(of(""), of("copy_"), "{sql}");
    }
}

#[test]
fn equality_is_looked_up() {
    let world = World::new();
    world.conn.execute_batch("CREATE TABLE mine (service TEXT, caseless TEXT COLLATE NOCASE)").unwrap();
    let looks = |sql: &str, how: &str| {
        let plan = world.plan(sql);
        assert!(plan.ends_with(how), "{sql}: {plan}");
    };
    looks("SELECT 1 FROM instances", "SCAN instances VIRTUAL TABLE INDEX 0:");
    looks("SELECT 1 FROM instances WHERE service = 'a/b'", "INDEX 1:service=?");
    looks("SELECT 1 FROM instances WHERE id = 'a' AND service = 'a/b'", "INDEX 5:service=? AND id=?");
    looks("SELECT 1 FROM instances WHERE owner = 'a'", "INDEX 16:owner=?");
    looks("SELECT 1 FROM instances WHERE service IN ('a', 'b') AND id = 'a'", "INDEX 6:service IN ? AND id=?");
    looks("SELECT 1 FROM checks WHERE service = 'a/b'", "INDEX 1:service=?");
    looks("SELECT 1 FROM services WHERE service = 'a/b'", "INDEX 1:service=?");
    looks("SELECT 1 FROM nodes WHERE id = 'a'", "INDEX 1:id=?");
    looks("SELECT 1 FROM nodes WHERE name = 'a'", "INDEX 4:name=?");
    looks("SELECT 1 FROM members WHERE id = 'a' AND name = 'a'", "INDEX 5:id=? AND name=?");
    looks("SELECT 1 FROM instances WHERE service = 'a/b' COLLATE NOCASE", "INDEX 0:");
    looks("SELECT 1 FROM instances WHERE service > 'a/b'", "INDEX 0:");
    looks("SELECT 1 FROM instances WHERE zone = 'a'", "INDEX 0:");
    looks(
        "SELECT 1 FROM mine m CROSS JOIN instances i ON i.service = m.service",
        "SCAN i VIRTUAL TABLE INDEX 1:service=?",
    );
    looks("SELECT 1 FROM mine m CROSS JOIN instances i ON m.caseless = i.service", "SCAN i VIRTUAL TABLE INDEX 0:");
}

/// A thousand services of ten instances each, every node with the same share of them.
fn large() -> World {
    let mut world = World::new();
    for service in 0..1_000u64 {
        for id in 0..10 {
            world.stage(1 + service % 2, &format!("prod/s{service}"), &format!("i{id}"), |_| ());
        }
    }
    world.show();
    let mine = "CREATE TABLE mine (service TEXT PRIMARY KEY, team TEXT) WITHOUT ROWID;
        INSERT INTO mine SELECT service, 'team ' || substr(name, -1) FROM services;";
    world.conn.execute_batch(mine).unwrap();
    world
}

#[test]
fn joins_look_up_and_do_not_scan_again_and_again() {
    let world = large();
    let costs = |sql: &str, rows: usize, at_most: usize| {
        let (answer, visited) = counting(|| world.ask(sql));
        assert_eq!(answer.len(), rows, "{sql}");
        assert!(visited <= at_most, "{sql}: {visited} rows visited, by {}", world.plan(sql));
    };
    costs("SELECT 1 FROM services s JOIN instances i USING (service)", 10_000, 11_000);
    costs("SELECT 1 FROM instances i JOIN services s USING (service)", 10_000, 20_000);
    costs("SELECT 1 FROM mine m JOIN instances i USING (service)", 10_000, 10_000);
    costs("SELECT 1 FROM instances i JOIN mine m USING (service)", 10_000, 10_000);
    costs("SELECT 1 FROM mine m JOIN instances i USING (service) WHERE m.team = 'team 7'", 1_000, 10_000);
    costs("SELECT 1 FROM mine m JOIN instances i USING (service) WHERE m.service = 'prod/s7'", 10, 10);
    costs("SELECT 1 FROM mine m JOIN instances i USING (service) WHERE i.id = 'i3'", 1_000, 1_000);
    costs("SELECT 1 FROM instances i JOIN nodes n ON n.id = i.owner", 10_000, 20_000);
    costs("SELECT 1 FROM nodes n JOIN instances i ON n.id = i.owner", 10_000, 20_000);
    costs("SELECT 1 FROM nodes n JOIN instances i ON n.id = i.owner WHERE i.service = 'prod/s7'", 10, 20);
    costs("SELECT 1 FROM instances WHERE service = 'prod/s7' AND id = 'i7'", 1, 1);
    costs("SELECT 1 FROM instances WHERE service IN ('prod/s7', 'prod/s8', 'prod/none')", 20, 20);
    costs("SELECT 1 FROM instances WHERE service = 'prod/s7' OR service = 'prod/s8'", 20, 20);
    costs("SELECT 1 FROM instances WHERE service = 'prod/s7' OR id = 'i1'", 1_009, 1_010);
    costs("SELECT 1 FROM instances WHERE service IN (SELECT service FROM mine WHERE team = 'team 3')", 1_000, 1_000);
    costs("SELECT 1 FROM instances LIMIT 5", 5, 6);
}

/// Statements stay prepared while the catalog grows.
#[test]
fn a_plan_made_for_a_small_catalog_does_for_a_large_one() {
    let mut world = World::new();
    let sql = "SELECT count(*) FROM nodes n JOIN instances i ON n.id = i.owner JOIN services s USING (service)";
    let small = world.plan(sql);
    for at in 0..5_000 {
        world.stage(1, &format!("s{at}"), "i", |_| ());
    }
    world.show();
    assert_eq!(world.plan(sql), small);
}
