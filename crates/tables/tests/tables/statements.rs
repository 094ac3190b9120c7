//! What clients may say, and what they are told if they may not.

use crate::rig::Node;
use whither_model::sql::{Params, Statement, Value};

/// Why a statement is refused.
fn refusal(node: &mut Node, sql: &str) -> String {
    let before = node.listing();
    let refused = node.try_run(&[Statement::plain("INSERT INTO items (id) VALUES ('before')"), Statement::plain(sql)]);
    let text = refused.expect_err(sql).to_string();
    assert_eq!(node.listing(), before, "{sql}: nothing of the transaction is left");
    text
}

#[test]
fn what_is_not_allowed_is_refused_with_the_reason_and_without_a_trace() {
    let mut node = Node::with_schema(1);
    for (sql, reason) in [
        ("ATTACH 'x.db' AS x", "other databases cannot be attached"),
        ("PRAGMA journal_mode = DELETE", "PRAGMA journal_mode has no place in a transaction"),
        ("BEGIN", "a request is one transaction already"),
        ("COMMIT", "a request is one transaction already"),
        ("SAVEPOINT a", "a request is one transaction already"),
        ("CREATE TABLE t (a PRIMARY KEY)", "whither schema apply"),
        ("DROP TABLE items", "whither schema apply"),
        ("ALTER TABLE items ADD COLUMN x", "whither schema apply"),
        ("CREATE TRIGGER t AFTER INSERT ON items BEGIN SELECT 1; END", "whither schema apply"),
        ("CREATE TEMP TABLE t (a)", "whither schema apply"),
        ("CREATE VIEW v AS SELECT 1", "whither schema apply"),
        ("DELETE FROM _whither_clock", "written by the agent alone"),
        ("UPDATE _whither_schema SET state = 'dropped'", "written by the agent alone"),
        ("INSERT INTO sqlite_schema VALUES (1,2,3,4,5)", "whither schema apply"),
        ("SELECT whither_wrote(2, 1, NULL, 1, 'a')", "not for statements"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SELEKT 1", "syntax error"),
        ("INSERT INTO nowhere VALUES (1)", "no such table: nowhere"),
        ("INSERT INTO items (id) VALUES (?)", "has 1 parameters, and none are given"),
        ("INSERT INTO items (name) VALUES ('x')", "NOT NULL constraint failed: items.id"),
        ("INSERT INTO items (id, name) VALUES ('x', NULL)", "NOT NULL constraint failed: items.name"),
        ("INSERT INTO items (id) VALUES ('before')", "UNIQUE constraint failed: items.id"),
        ("  ", "is empty"),
    ] {
        let told = refusal(&mut node, sql);
        assert!(told.starts_with("statement 2: ") && told.contains(reason), "{sql}: {told}");
    }
    assert!(node.run("INSERT INTO items (id) VALUES ('after')").is_some(), "and the next is taken");
}

#[test]
fn parameters_go_by_place_or_by_name() {
    let mut node = Node::with_schema(1);
    node.run_with(
        "INSERT INTO items VALUES (?, ?, ?2, ?)",
        vec![Value::Text("a".into()), Value::Integer(5), Value::Null],
    );
    let named = |values: Vec<(&str, Value)>| Statement {
        sql: "UPDATE items SET note = :note, size = $size WHERE id = @id".into(),
        params: Params::Named(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
    };
    let full =
        named(vec![("note", Value::Text("é".into())), ("$size", Value::Real(2.5)), ("id", Value::Text("a".into()))]);
    assert_eq!(node.try_run(&[full]).unwrap().results[0].rows_affected, 1);
    assert_eq!(node.ask("SELECT * FROM items"), ["a|5|2.5|é"]);
    let missing = named(vec![("note", Value::Null), ("id", Value::Null)]);
    let told = node.try_run(&[missing]).unwrap_err().to_string();
    assert_eq!(told, "statement 1: has a parameter $size, which is not given");
    let unknown = named(vec![("nope", Value::Null)]);
    assert_eq!(node.try_run(&[unknown]).unwrap_err().to_string(), "statement 1: has no parameter nope");
}

#[test]
fn statements_may_return_rows() {
    let mut node = Node::with_schema(1);
    let insert =
        Statement::plain("INSERT INTO items (id, size) VALUES ('a', 1), ('b', 2) RETURNING id, size + 1 AS next");
    let select = Statement::plain("SELECT count(*) AS n FROM items");
    let done = node.try_run(&[insert, select]).unwrap();
    assert_eq!(done.results[0].columns, ["id", "next"]);
    assert_eq!(done.results[0].rows[1], [Value::Text("b".into()), Value::Integer(3)]);
    assert_eq!((done.results[0].rows_affected, done.results[1].rows_affected), (2, 0));
    assert_eq!(done.results[1].rows, [[Value::Integer(2)]]);
}

#[test]
fn a_program_that_is_not_the_agent_cannot_write_unnoticed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tables.db");
    let me = whither_model::Origin { node: whither_model::NodeId::new(1).unwrap(), epoch: whither_model::Epoch(1) };
    let mut node = Node { tables: whither_tables::Tables::open(&file, me).unwrap(), wall: 1_700_000_000_000 };
    node.schema(crate::rig::SCHEMA);
    node.run("INSERT INTO items (id) VALUES ('a')");
    let other = rusqlite::Connection::open(&file).unwrap();
    let rows: i64 = other.query_row("SELECT count(*) FROM items", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1, "it may read");
    let refused = other.execute("UPDATE items SET size = 1", []).unwrap_err().to_string();
    assert!(refused.contains("no such function: whither_w"), "{refused}");
}

#[test]
fn what_was_committed_is_there_after_a_restart_and_numbers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tables.db");
    let me = |epoch| whither_model::Origin {
        node: whither_model::NodeId::new(1).unwrap(),
        epoch: whither_model::Epoch(epoch),
    };
    let open =
        |epoch| Node { tables: whither_tables::Tables::open(&file, me(epoch)).unwrap(), wall: 1_700_000_000_000 };
    let mut node = open(1);
    node.schema(crate::rig::SCHEMA);
    node.run("INSERT INTO items (id) VALUES ('a')");
    let before = node.listing();
    // What is not committed is lost, and nothing else.
    node.tables.begin().unwrap();
    node.tables.transact(whither_model::WallTime(node.wall), &[Statement::plain("DELETE FROM items")]).unwrap();
    drop(node);
    let mut node = open(2);
    assert_eq!(node.listing(), before);
    let next = node.run("UPDATE items SET size = 1").unwrap();
    assert_eq!((next.origin, next.seq.0), (me(2), 1));
    assert_eq!(node.tables.seen().len(), 2);
}

#[test]
fn a_statement_that_never_ends_is_given_up_and_the_next_is_taken() {
    let mut node = Node::with_schema(1);
    let endless = "INSERT INTO items (id) WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) \
                   SELECT 'same' FROM n WHERE x < 0";
    let told = refusal(&mut node, endless);
    assert!(told.contains("takes too long"), "{told}");
    assert!(node.run("INSERT INTO items (id) VALUES ('after')").is_some());
}

/// A number was once given out twice when a transaction failed late, after another of the same commit had succeeded.
#[test]
fn a_transaction_that_fails_late_takes_those_that_share_its_commit_along_and_their_numbers_are_free_again() {
    let mut node = Node::with_schema(1);
    let insert = |id: &str| [Statement::plain(format!("INSERT INTO items (id) VALUES ('{id}')"))];
    let wall = whither_model::WallTime(node.wall);
    node.tables.begin().unwrap();
    let first = node.tables.transact(wall, &insert("a")).unwrap().transaction.unwrap();
    let huge = Statement {
        sql: "INSERT INTO items (id, note) VALUES ('b', ?)".into(),
        params: Params::Positional(vec![Value::Text("x".repeat(17 << 20).into())]),
    };
    assert!(node.tables.transact(wall, &[huge]).is_err());
    assert!(!node.tables.is_open(), "all of it is undone, and who began it knows");
    assert_eq!(node.ask("SELECT count(*) FROM items"), ["0"]);
    let again = node.run("INSERT INTO items (id) VALUES ('a')").unwrap();
    assert_eq!(again.seq, first.seq, "nobody was told of the first");
    let next = node.run("INSERT INTO items (id) VALUES ('c')").unwrap();
    assert_eq!(next.seq.0, again.seq.0 + 1);
}
