//! Tables change under way, on some nodes earlier than on others.

use crate::rig::{Node, SCHEMA};

#[test]
fn what_may_not_be_part_of_a_schema_is_refused_with_its_line_and_the_reason() {
    let mut node = Node::with_schema(1);
    for (sql, line, reason) in [
        ("CREATE TABLE t (a TEXT)", 1, "has no primary key"),
        ("CREATE TABLE t (\n a TEXT PRIMARY KEY,\n b TEXT UNIQUE)", 3, "only the primary key can be unique"),
        ("CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT)", 1, "choose keys yourself"),
        ("CREATE TABLE t (a PRIMARY KEY, b CHECK (b > 0))", 1, "a CHECK cannot be kept"),
        ("CREATE TABLE t (a PRIMARY KEY, b REFERENCES items (id))", 1, "leave REFERENCES out"),
        ("CREATE TABLE t (a PRIMARY KEY) WITHOUT ROWID", 1, "leave WITHOUT ROWID out"),
        ("\n\nCREATE TABLE t (a PRIMARY KEY, a TEXT)", 3, "duplicate column name: a"),
        ("CREATE TABLE _whither_t (a PRIMARY KEY)", 1, "choose another"),
        ("CREATE TABLE t AS SELECT 1", 1, "list the columns"),
        ("CREATE UNIQUE INDEX i ON items (name)", 1, "leave UNIQUE out"),
        ("CREATE INDEX i ON items (nope)", 1, "no such column: nope"),
        ("CREATE VIEW v AS SELECT 1", 1, "CREATE VIEW has no place in a schema"),
        ("INSERT INTO items (id) VALUES ('a')", 1, "INSERT INTO has no place in a schema"),
        ("CREATE TABLE items (id TEXT PRIMARY KEY, size TEXT)", 1, "exists as `INTEGER`"),
        ("CREATE TABLE items (name TEXT PRIMARY KEY)", 1, "exists with another primary key"),
        ("ALTER TABLE items ADD COLUMN x TEXT NOT NULL", 1, "give it a DEFAULT"),
        ("ALTER TABLE items DROP COLUMN id", 1, "part of the primary key"),
        ("ALTER TABLE nope ADD COLUMN x", 1, "no table nope exists"),
        ("DROP TABLE nope", 1, "no table nope exists"),
        ("CREATE TABLE fine (a PRIMARY KEY);\nCREATE TABLE t (b)", 2, "has no primary key"),
    ] {
        let before = node.listing();
        let told = node.try_schema(sql).expect_err(sql);
        assert!(told.starts_with(&format!("line {line}: ")) && told.contains(reason), "{sql}: {told}");
        assert_eq!(node.listing(), before, "{sql}: nothing was changed");
    }
}

#[test]
fn the_same_schema_again_changes_nothing() {
    let mut node = Node::with_schema(1);
    node.schema("CREATE INDEX by_name ON items (name);");
    assert_eq!(node.schema(SCHEMA), None);
    assert_eq!(node.schema("CREATE INDEX IF NOT EXISTS by_name ON items(name)"), None);
    assert_eq!(node.schema("CREATE TABLE items (id TEXT NOT NULL PRIMARY KEY)"), None, "what is not named stays");
}

#[test]
fn a_new_column_writes_no_row_and_old_nodes_keep_what_they_do_not_know() {
    let (mut new, mut old) = (Node::with_schema(1), Node::with_schema(2));
    let mut rows: Vec<_> = Vec::new();
    rows.extend(new.run("INSERT INTO items (id, name) VALUES ('a', 'x'), ('b', 'y')"));
    rows.iter().for_each(|row| {
        old.take(row);
    });
    let clocks = |node: &Node| node.ask("SELECT count(*) FROM _whither_clock WHERE tbl <> 1");
    let before = clocks(&new);
    let change = new
        .schema("ALTER TABLE items ADD COLUMN zone TEXT NOT NULL DEFAULT 'eu'; CREATE INDEX z ON items (zone)")
        .unwrap();
    assert!(change.body.len() < 400, "{} bytes", change.body.len());
    assert_eq!(clocks(&new), before, "no row was written");
    assert_eq!(new.ask("SELECT zone FROM items"), ["eu", "eu"]);
    new.wall += 5;
    let update = new.run("UPDATE items SET zone = 'us' WHERE id = 'a'").unwrap();
    let insert = new.run("INSERT INTO items (id, zone) VALUES ('c', 'asia')").unwrap();
    // The old node hears of the values before it hears of the column, and passes them on.
    old.take(&update);
    old.take(&insert);
    assert_eq!(old.ask("SELECT id FROM items ORDER BY 1"), ["a", "b", "c"]);
    let mut third = Node::new(3);
    third.mend_from(&old, 1 << 20);
    third.take(&change);
    old.take(&change);
    for node in [&old, &third, &new] {
        assert_eq!(node.ask("SELECT id, zone FROM items ORDER BY 1"), ["a|us", "b|eu", "c|asia"]);
    }
    third.mend_from(&new, 1 << 20);
    assert_eq!(third.rows(), new.rows());
    assert_eq!(old.rows(), new.rows());
    assert_eq!(old.ask("SELECT name FROM sqlite_schema WHERE name = 'z'"), ["z"]);
}

#[test]
fn rows_of_a_table_that_is_not_known_yet_wait_for_it() {
    let (mut one, mut other) = (Node::new(1), Node::new(2));
    let schema = one.schema("CREATE TABLE late (k INTEGER PRIMARY KEY, v TEXT)").unwrap();
    let told: Vec<_> = [
        "INSERT INTO late VALUES (1, 'a'), (2, 'b'), (3, 'c')",
        "UPDATE late SET v = 'B' WHERE k = 2",
        "DELETE FROM late WHERE k = 3",
    ]
    .map(|sql| one.run(sql).unwrap())
    .into();
    told.iter().rev().for_each(|one| {
        other.take(one);
    });
    assert!(other.tables.connection().prepare("SELECT * FROM late").is_err());
    other.take(&schema);
    assert_eq!(other.ask("SELECT * FROM late"), ["1|a", "2|B"]);
    assert_eq!(other.listing(), one.listing());
    // Numbers are not given out: two nodes would give the same.
    let refused = other.try_run(&[whither_model::sql::Statement::plain("INSERT INTO late (v) VALUES ('x')")]);
    assert!(refused.unwrap_err().to_string().contains("NOT NULL constraint failed: late.k"));
}

#[test]
fn names_change_and_things_go_without_a_row_being_written() {
    let (mut one, mut other) = (Node::with_schema(1), Node::with_schema(2));
    other.take(&one.run("INSERT INTO items VALUES ('a', 'x', 1, 'n')").unwrap());
    let change = one
        .schema(
            "CREATE INDEX i ON items (size, name); ALTER TABLE items RENAME COLUMN name TO title; \
                 ALTER TABLE items DROP COLUMN note; ALTER TABLE items RENAME TO things; DROP TABLE pairs",
        )
        .unwrap();
    // Meanwhile the other goes on as before.
    other.wall += 5;
    let update = other.run("UPDATE items SET name = 'y', note = 'still here'").unwrap();
    one.take(&update);
    other.take(&change);
    for node in [&one, &other] {
        assert_eq!(node.ask("SELECT id, title, size FROM things"), ["a|y|1"]);
        assert!(node.tables.connection().prepare("SELECT note FROM things").is_err());
        assert!(node.tables.connection().prepare("SELECT * FROM pairs").is_err());
        assert_eq!(node.ask("SELECT name FROM pragma_index_info('i')"), ["size", "title"]);
    }
    assert_eq!(one.rows(), other.rows());
    let again = one.schema(
        "ALTER TABLE things RENAME COLUMN name TO title; ALTER TABLE things DROP COLUMN note; \
                            ALTER TABLE items RENAME TO things; DROP TABLE pairs",
    );
    assert_eq!(again, None, "it was so already");
    // A new column and a new table of an old name are new.
    let fresh =
        one.schema("ALTER TABLE things ADD COLUMN note TEXT; CREATE TABLE items (id TEXT PRIMARY KEY)").unwrap();
    other.take(&fresh);
    for node in [&one, &other] {
        assert_eq!(node.ask("SELECT id, note FROM things"), ["a|NULL"]);
        assert_eq!(node.ask("SELECT count(*) FROM items"), ["0"]);
    }
    assert_eq!(one.rows(), other.rows());
}

#[test]
fn two_nodes_that_define_a_table_differently_end_up_with_one() {
    let (mut one, mut other) = (Node::new(1), Node::new(2));
    let first = one.schema("CREATE TABLE t (k TEXT PRIMARY KEY, a TEXT)").unwrap();
    let row = one.run("INSERT INTO t VALUES ('x', 'a')").unwrap();
    other.wall += 100;
    let second = other.schema("CREATE TABLE t (k TEXT PRIMARY KEY, a INTEGER, b TEXT)").unwrap();
    let other_row = other.run("INSERT INTO t VALUES ('y', 3, 'b')").unwrap();
    [&second, &other_row].into_iter().for_each(|told| {
        one.take(told);
    });
    [&row, &first].into_iter().for_each(|told| {
        other.take(told);
    });
    for node in [&one, &other] {
        assert_eq!(node.ask("SELECT k, a, b FROM t ORDER BY k"), ["x|a|NULL", "y|3|b"]);
        assert_eq!(node.ask("SELECT type FROM pragma_table_info('t') WHERE name = 'a'"), ["INTEGER"]);
    }
    assert_eq!(one.listing(), other.listing());
}

#[test]
fn a_transaction_that_does_not_fit_the_new_schema_fails_and_leaves_it_whole() {
    let mut node = Node::with_schema(1);
    let huge = "x".repeat(17 << 20);
    let told = node.try_run(&[whither_model::sql::Statement {
        sql: "INSERT INTO items (id, note) VALUES ('a', ?)".into(),
        params: whither_model::sql::Params::Positional(vec![whither_model::sql::Value::Text(huge.into())]),
    }]);
    assert!(told.unwrap_err().to_string().contains("make several of it"));
    assert_eq!(node.ask("SELECT count(*) FROM items"), ["0"]);
    let next = node.run("INSERT INTO items (id) VALUES ('a')").unwrap();
    assert_eq!(next.seq.0, 2, "no number was lost: the schema is the first");
}

#[test]
fn what_was_dropped_is_collected_when_it_is_asked_for_and_not_before() {
    let (mut one, mut other) = (Node::with_schema(1), Node::with_schema(2));
    other.take(&one.run("INSERT INTO items VALUES ('a', 'x', 1, 'n'), ('b', 'y', 2, 'm')").unwrap());
    other.take(&one.run("INSERT INTO pairs VALUES (1, 'a', 0.5)").unwrap());
    let drop = one.schema("ALTER TABLE items DROP COLUMN note; DROP TABLE pairs; VACUUM").unwrap();
    let hidden = |node: &Node| {
        node.ask(
            "SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%_whither_hidden_%' OR name LIKE '_whither_dropped_%'",
        )
    };
    assert_ne!(hidden(&one), ["0"], "hidden, and still there");
    // One that has not heard of it goes on writing there.
    other.wall += 5;
    let late = other.run("UPDATE items SET note = 'late', size = 7 WHERE id = 'a'").unwrap();
    let collect = one.schema("VACUUM").unwrap();
    [&late].into_iter().for_each(|told| {
        one.take(told);
    });
    [&drop, &collect].into_iter().for_each(|told| {
        other.take(told);
    });
    for node in [&one, &other] {
        assert_eq!(hidden(node), ["0"]);
        assert_eq!(node.ask("SELECT * FROM items"), ["a|x|7", "b|y|2"]);
        assert_eq!(node.ask("SELECT count(*) FROM _whither_clock WHERE tbl NOT IN (SELECT id FROM _whither_tables WHERE state = 'live')"), ["0"]);
    }
    assert_eq!(one.rows(), other.rows());
    assert_eq!(one.schema("VACUUM"), None);
    // A newcomer gets what there is, and new things may have the old names.
    let mut third = Node::new(3);
    third.mend_from(&one, 1 << 20);
    assert_eq!(third.ask("SELECT * FROM items"), ["a|x|7", "b|y|2"]);
    let again =
        third.schema("ALTER TABLE items ADD COLUMN note TEXT; CREATE TABLE pairs (a TEXT PRIMARY KEY)").unwrap();
    one.take(&again);
    assert_eq!(one.ask("SELECT id, note FROM items"), ["a|NULL", "b|NULL"]);
}

/// Such a clash once kept everything that came with it from being taken in, for ever.
#[test]
fn definitions_that_clash_keep_nothing_else_from_being_taken_in() {
    let (mut one, mut other) = (Node::with_schema(1), Node::with_schema(2));
    other.wall += 1;
    let told = [
        one.schema("ALTER TABLE items RENAME COLUMN name TO same").unwrap(),
        one.schema("CREATE TABLE t (k TEXT PRIMARY KEY, a TEXT NOT NULL)").unwrap(),
        one.run("INSERT INTO t VALUES ('x', 'a')").unwrap(),
        one.run("INSERT INTO items (id, size) VALUES ('one', 1)").unwrap(),
    ];
    let said = [
        other.schema("ALTER TABLE items RENAME COLUMN note TO same").unwrap(),
        other.schema("CREATE TABLE t (k TEXT PRIMARY KEY, b TEXT NOT NULL)").unwrap(),
        other.run("INSERT INTO t VALUES ('y', 'b')").unwrap(),
        other.run("INSERT INTO items (id, size) VALUES ('other', 2)").unwrap(),
    ];
    told.iter().for_each(|told| {
        other.take(told);
    });
    said.iter().for_each(|said| {
        one.take(said);
    });
    let mut third = Node::new(3);
    third.mend_from(&one, 1 << 20);
    for node in [&one, &other, &third] {
        assert_eq!(node.ask("SELECT k, a, b FROM t ORDER BY k"), ["x|a|", "y||b"]);
    }
    for node in [&one, &other, &third] {
        assert_eq!(
            node.ask("SELECT id, size, same, \"same~note\" FROM items ORDER BY id"),
            ["one|1||NULL", "other|2||NULL"]
        );
    }
    let heads = |node: &Node| node.tables.seen().iter().map(|seen| seen.ranges.last().copied()).collect::<Vec<_>>();
    assert!(heads(&one).iter().chain(&heads(&other)).all(|range| range.is_some_and(|(_, last)| last == 5)));
}

/// Names that users chose on two sides of a partition are the same everywhere afterwards, whoever heard of which first.
#[test]
fn tables_that_were_given_the_same_name_are_told_apart_alike() {
    let (mut one, mut other) = (Node::new(1), Node::new(2));
    let both =
        one.schema("CREATE TABLE a (k TEXT PRIMARY KEY); CREATE TABLE b (k TEXT PRIMARY KEY, v TEXT, w TEXT)").unwrap();
    other.take(&both);
    let told = [
        one.run("INSERT INTO a VALUES ('of a')").unwrap(),
        one.schema("ALTER TABLE b RENAME TO c; ALTER TABLE c RENAME COLUMN v TO x; ALTER TABLE c RENAME COLUMN w TO v")
            .unwrap(),
    ];
    other.wall += 1;
    let said = [
        other.run("INSERT INTO b VALUES ('of b', 'v', 'w')").unwrap(),
        other.schema("ALTER TABLE a RENAME TO c").unwrap(),
    ];
    told.iter().for_each(|told| {
        other.take(told);
    });
    said.iter().for_each(|said| {
        one.take(said);
    });
    let mut third = Node::new(3);
    third.mend_from(&other, 1 << 20);
    for node in [&one, &other, &third] {
        assert_eq!(node.ask("SELECT k FROM c"), ["of a"]);
        assert_eq!(node.ask("SELECT k, x, v FROM \"c~b\""), ["of b|v|w"]);
    }
    // Either can be given a name of its own.
    let settled = third.schema("ALTER TABLE \"c~b\" RENAME TO d").unwrap();
    one.take(&settled);
    for node in [&one, &third] {
        assert_eq!(node.ask("SELECT k FROM c"), ["of a"]);
        assert_eq!(node.ask("SELECT k FROM d"), ["of b"]);
    }
    // And one may have a name that another gives up.
    let swapped = one.schema("DROP TABLE c; ALTER TABLE d RENAME TO c").unwrap();
    third.take(&swapped);
    for node in [&one, &third] {
        assert_eq!(node.ask("SELECT k FROM c"), ["of b"]);
    }
}
