//! Statements in a text, and what is said of them.

use crate::rig::{Rig, refused, simple};
use whither_directory::sql::{Acked, SqlRefusal};

const TABLE: &str = "create table t (id integer primary key, name text, score real, ok boolean, data blob)";

#[tokio::test]
async fn statements_are_done_one_after_the_other() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    simple(&client, TABLE).await;
    assert_eq!(simple(&client, "select 1; select 2, 'a;b'").await, "1 =1 2|a;b =1");
    assert_eq!(simple(&client, "insert into t values (1, 'x', 1.5, true, x'00ff'), (2, null, 2, 0, null)").await, "=2");
    assert_eq!(simple(&client, "select * from t").await, "1|x|1.5|t|\\x00ff 2|-|2|f|- =2");
    assert_eq!(simple(&client, "update t set name = 'y' where id > 0").await, "=2");
    assert_eq!(simple(&client, "delete from t where id = 2 returning id, name").await, "2|y =1");
    // The driver takes the answer to nothing for one to a statement without rows.
    assert_eq!(simple(&client, "").await, "=0");
    assert_eq!(simple(&client, " ; ;").await, "=0");
}

#[tokio::test]
async fn writes_that_stand_together_are_made_together() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    simple(&client, TABLE).await;
    let done = "insert into t (id) values (1); insert into t (id) values (2) returning id; delete from t where id = 1";
    assert_eq!(simple(&client, done).await, "=1 2 =1 =1");
    let wrong = client.simple_query("insert into t (id) values (3); insert into t (id) values (2); select 1").await;
    let (code, text) = refused(wrong);
    assert_eq!((code.as_str(), text.starts_with("statement 2: UNIQUE")), ("23505", true), "{text}");
    assert_eq!(simple(&client, "select id from t").await, "2 =1");
    let transacted = rig.tables.transacted.lock().unwrap().clone();
    assert_eq!(transacted, [(3, Acked::Durable), (2, Acked::Durable)]);
}

#[tokio::test]
async fn what_goes_wrong_has_its_code() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    simple(&client, TABLE).await;
    for (sql, code) in [
        ("select * from nothing_here", "42P01"),
        ("select nope from t", "42703"),
        ("select select", "42601"),
        ("select 'a", "42601"),
        ("select frobnicate(1)", "42883"),
        ("insert into t (nope) values (1)", "42703"),
        ("copy t to stdout", "0A000"),
        ("show nothing", "42704"),
        ("set client_encoding = 'LATIN1'", "22023"),
        ("select a from pg_catalog.pg_frog", "0A000"),
        ("deallocate nothing", "26000"),
    ] {
        assert_eq!(refused(client.simple_query(sql).await).0, code, "{sql}");
    }
    for (refusal, code) in [
        (SqlRefusal::Disk("no space".into()), "53100"),
        (SqlRefusal::NotNow("busy".into()), "53300"),
        (SqlRefusal::TooLarge("much".into()), "54000"),
    ] {
        *rig.tables.refuse.lock().unwrap() = Some(refusal);
        assert_eq!(refused(client.simple_query("insert into t (id) values (9)").await).0, code);
    }
    assert_eq!(simple(&client, "select 1").await, "1 =1");
    assert!(rig.counted("pg_errors_total", "") >= 14.0);
}

#[tokio::test]
async fn parameters_of_the_session_mean_something() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    simple(&client, TABLE).await;
    assert_eq!(simple(&client, "show transaction isolation level").await, "read committed =0");
    assert_eq!(simple(&client, "set application_name to 'me'; show application_name").await, "=0 me =0");
    assert_eq!(simple(&client, "discard all; show application_name").await, "=0  =0");
    simple(&client, "set synchronous_commit = off; insert into t (id) values (1)").await;
    assert_eq!(rig.tables.transacted.lock().unwrap().last(), Some(&(1, Acked::Memory)));
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";
    simple(&client, "set statement_timeout = '100ms'").await;
    let (code, text) = refused(client.simple_query(endless).await);
    assert_eq!((code.as_str(), text.contains("0.1 s")), ("57014", true), "{text}");
    assert_eq!(
        refused(client.simple_query("set default_transaction_read_only = on; insert into t (id) values (2)").await).0,
        "25006"
    );
}

#[tokio::test]
async fn what_mappers_ask_at_first_is_answered() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    let version = simple(&client, "select pg_catalog.version()").await;
    assert!(version.starts_with("PostgreSQL 16."), "{version}");
    assert_eq!(simple(&client, "select current_schema()").await, "public =1");
    assert_eq!(simple(&client, "show standard_conforming_strings").await, "on =0");
    assert_eq!(simple(&client, "select current_user, current_database()").await, "ann|app =1");
    simple(&client, TABLE).await;
    assert_eq!(simple(&client, "select relname from pg_catalog.pg_class where relkind = 'r'").await, "t =1");
    assert_eq!(simple(&client, "select count(*) from t").await, "0 =1");
}

#[tokio::test]
async fn a_statement_is_given_up_when_its_client_asks() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    let token = client.cancel_token();
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n where i < 0";
    let asking = client.simple_query(endless);
    let giving_up = async {
        // A request that comes before the statement has begun is for nobody, as in PostgreSQL.
        loop {
            token.cancel_query(tokio_postgres::NoTls).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let outcome = tokio::select! {
        outcome = asking => outcome,
        () = giving_up => unreachable!("it goes on until the statement ends"),
    };
    assert_eq!(refused(outcome).0, "57014");
    assert_eq!(simple(&client, "select 1").await, "1 =1");
    assert!(rig.counted("pg_cancelled_total", "") >= 1.0);
}

#[tokio::test]
async fn a_long_answer_is_not_kept() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    let many =
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 200000) select i, 'some text' from n";
    assert_eq!(client.simple_query(many).await.unwrap().len(), 200_002);
    assert!(rig.counted("pg_rows_total", "") >= 200_000.0);
}
