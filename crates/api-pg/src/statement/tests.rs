use super::*;
use crate::tokens::tokens;

fn parse(sql: &str) -> Result<Statement, Problem> {
    Statement::parse(sql, &tokens(sql).unwrap(), &Facts::default())
}

fn what(sql: &str) -> Does {
    parse(sql).unwrap().does
}

fn write(sql: &str) -> Write {
    match what(sql) {
        Does::Write(write) => write,
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn statements_are_told_apart() {
    assert_eq!(what("select 1"), Does::Read);
    assert_eq!(what("WITH a AS (SELECT 1) SELECT * FROM a"), Does::Read);
    assert_eq!(what("values (1)"), Does::Read);
    assert_eq!(what("select relname from pg_catalog.pg_class"), Does::Catalog);
    assert_eq!(write("insert into t values (1)").verb, Verb::Insert);
    assert_eq!(write("with a as (select 1 as x) update t set b = (select x from a)").verb, Verb::Update);
    assert_eq!(write("delete from t where a in (select returning_ from u)").returning, None);
    assert_eq!(what("create table t (a)"), Does::Schema("CREATE TABLE"));
    assert_eq!(what("DROP INDEX i"), Does::Schema("DROP INDEX"));
    assert_eq!(what("discard all"), Does::DiscardAll);
    assert_eq!(what("DEALLOCATE ALL"), Does::Deallocate(None));
    assert_eq!(what("deallocate prepare \"S_1\""), Does::Deallocate(Some("S_1".into())));
    assert_eq!(what("unlisten *"), Does::Nothing("UNLISTEN"));
}

#[test]
fn what_a_statement_returns_can_be_asked_for() {
    for (sql, shape) in [
        ("insert into t (a) values ($1) returning id, a", "SELECT id, a FROM t LIMIT 0"),
        ("INSERT OR REPLACE INTO public.t AS x VALUES (1) RETURNING x.a", "SELECT x.a FROM t AS x LIMIT 0"),
        ("update t set a = 1 where b = 2 returning *", "SELECT * FROM t LIMIT 0"),
        ("delete from \"a t\" returning $1::int", "SELECT CAST(?1 AS INTEGER) FROM \"a t\" LIMIT 0"),
        ("with c as (select 1) insert into t select * from c returning a", "SELECT a FROM t LIMIT 0"),
    ] {
        let found = write(sql).returning.expect("it returns something");
        assert_eq!(&*found.sql, shape, "{sql}");
        assert_eq!(found.parameters, usize::from(shape.contains("?1")), "{sql}");
    }
}

#[test]
fn blocks_begin_and_end_in_many_words() {
    let block = |sql: &str| match what(sql) {
        Does::Block(block) => block,
        other => panic!("{sql}: {other:?}"),
    };
    assert_eq!(block("BEGIN"), Block::Begin { read_only: false, tag: "BEGIN" });
    assert_eq!(block("begin transaction read only"), Block::Begin { read_only: true, tag: "BEGIN" });
    assert_eq!(
        block("START TRANSACTION ISOLATION LEVEL READ COMMITTED"),
        Block::Begin { read_only: false, tag: "START TRANSACTION" }
    );
    assert_eq!(block("end"), Block::Commit);
    assert_eq!(block("ABORT"), Block::RollBack);
    assert_eq!(block("savepoint \"A\""), Block::Savepoint("A".into()));
    assert_eq!(block("RELEASE SAVEPOINT a"), Block::Release("a".into()));
    assert_eq!(block("rollback to savepoint A"), Block::RollBackTo("a".into()));
    assert_eq!(block("ROLLBACK WORK TO a"), Block::RollBackTo("a".into()));
    assert_eq!(parse("begin isolation level serializable").unwrap_err().code, "0A000");
}

#[test]
fn parameters_are_set_in_many_ways() {
    for (sql, name, value) in [
        ("set a = 1", "a", Some("1")),
        ("SET session a TO 'x y'", "a", Some("x y")),
        ("set local TimeZone = default", "timezone", None),
        ("set time zone 'UTC'", "timezone", Some("UTC")),
        ("set datestyle to iso, mdy", "datestyle", Some("iso,mdy")),
        ("set names 'utf8'", "client_encoding", Some("utf8")),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "default_transaction_read_only", Some("on")),
        ("set transaction read write", "transaction_read_only", Some("off")),
        ("reset all", "all", None),
    ] {
        let Does::Set { name: found, value: set, .. } = what(sql) else { panic!("{sql}") };
        assert_eq!((found.as_str(), set.as_deref()), (name, value), "{sql}");
    }
    assert_eq!(what("show transaction isolation level"), Does::Show("transaction_isolation".into()));
    assert_eq!(what("SHOW standard_conforming_strings"), Does::Show("standard_conforming_strings".into()));
    assert_eq!(parse("set a =").unwrap_err().code, "42601");
}

#[test]
fn what_is_not_there_says_what_is() {
    for (sql, code, says) in [
        ("copy t from stdin", "0A000", "INSERT"),
        ("listen a", "0A000", "watch"),
        ("declare c cursor for select 1", "0A000", "LIMIT"),
        ("truncate t", "0A000", "DELETE FROM"),
        ("selec 1", "42601", "selec"),
    ] {
        let problem = parse(sql).unwrap_err();
        assert_eq!(problem.code, code, "{sql}");
        assert!(problem.message.contains(says), "{problem}");
    }
}

#[test]
fn parameters_are_counted() {
    assert_eq!(parse("select $2, '$9', $1").unwrap().parameters, 2);
    assert_eq!(parse("select $0").unwrap_err().code, "42601");
    assert_eq!(parse("select $99999").unwrap_err().code, "42601");
}

#[test]
fn how_many_rows_are_written_can_be_known() {
    let rows = |sql: &str| match write(sql).rows {
        Told::Rows(rows) => rows.to_string(),
        Told::Ask(question) => question.sql.to_string(),
        Told::Unknown => "?".into(),
    };
    for (sql, told) in [
        ("insert into t values (1, (2)), ($1, lower('x'))", "2"),
        ("insert into t (a) values (1) returning (a)", "1"),
        ("insert into t default values", "1"),
        ("insert into t select * from u", "?"),
        ("insert into t values (1) on conflict do nothing", "?"),
        ("insert or ignore into t values (1)", "?"),
        ("replace into t values (1)", "?"),
        ("update t set a = 1 where b = $2 returning a", "SELECT count(*) FROM t where b = ?2"),
        ("update public.t as x set a = 1", "SELECT count(*) FROM t as x "),
        ("update t set a = 1 from u where t.b = u.b", "?"),
        ("delete from t where a in (select a from u)", "SELECT count(*) FROM t where a in (select a from u)"),
        ("with x as (select 1) delete from t", "?"),
    ] {
        assert_eq!(rows(sql), told, "{sql}");
    }
    assert_eq!(write("update public.\"T\" set a = 1").table, "t");
    assert!(write("delete from t where a in (select a from U)").names.contains(&"u".to_owned()));
}

/// What may come in any order.
pub(crate) const PIECES: &[&str] = &[
    "select",
    "insert",
    "into",
    "update",
    "delete",
    "from",
    "set",
    "values",
    "where",
    "returning",
    "with",
    "as",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    ";",
    "::",
    "int",
    "text",
    "varchar(",
    "t",
    "\"Q\"",
    "'x'",
    "E'\\'",
    "$$",
    "$1",
    "$0",
    "?",
    "*",
    "::regclass",
    "pg_catalog",
    "pg_class",
    "pg_catalog.pg_class",
    "information_schema.tables",
    "relname",
    "=",
    "~",
    "'^(a)$'",
    "like",
    "OPERATOR(pg_catalog.~)",
    "in",
    "not",
    "any",
    "array",
    "exists",
    "count(*)",
    "case",
    "end",
    "begin",
    "commit",
    "savepoint",
    "to",
    "show",
    "now()",
    "version",
    "--",
    "/*",
    "*/",
    "\n",
    "é",
    "default",
    "conflict",
    "or",
    "oid",
    "cast(",
    "1.5e",
    "\0",
];

proptest::proptest! {
    #[test]
    fn nothing_that_is_said_panics(said in proptest::collection::vec(proptest::sample::select(PIECES), 0..24), tight: bool) {
        let sql = said.join(if tight { "" } else { " " });
        if let Ok(tokens) = tokens(&sql) {
            for one in crate::tokens::statements(&tokens) {
                drop(Statement::parse(&sql, one, &Facts::default()));
                if crate::pg_catalog::is_about(one) {
                    drop(crate::pg_catalog::answer_of_nothing(one));
                }
            }
        }
    }
}
