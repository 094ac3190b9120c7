//! Transaction blocks.

use crate::rig::{Rig, refused, simple};

const TABLE: &str = "create table t (id integer primary key, name text)";

#[tokio::test]
async fn what_is_written_in_a_block_is_made_at_its_end() {
    let rig = Rig::open().await;
    let (client, other) = (rig.client().await, rig.client().await);
    simple(&client, TABLE).await;
    assert_eq!(
        simple(&client, "begin; insert into t values (1, 'a'), (2, 'b'); update t set name = 'c' where id = 7").await,
        "=0 =2 =0"
    );
    assert_eq!(simple(&other, "select count(*) from t").await, "0 =1");
    assert_eq!(simple(&client, "commit").await, "=0");
    assert_eq!(simple(&other, "select name from t").await, "a b =2");
    simple(&client, "begin; delete from t; rollback").await;
    assert_eq!(simple(&other, "select count(*) from t").await, "2 =1");
}

#[tokio::test]
async fn a_block_that_has_written_does_not_read() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    simple(&client, TABLE).await;
    assert_eq!(simple(&client, "begin; select count(*) from t; insert into t values (1, 'a')").await, "=0 0 =1 =1");
    assert_eq!(simple(&client, "select 1").await, "1 =1");
    let (code, text) = refused(client.simple_query("select * from t").await);
    assert_eq!((code.as_str(), text.contains("only after COMMIT")), ("0A000", true), "{text}");
    assert_eq!(refused(client.simple_query("select 1").await).0, "25P02");
    assert_eq!(simple(&client, "commit").await, "=0");
    assert_eq!(simple(&client, "select count(*) from t").await, "0 =1");
    assert_eq!(refused(client.simple_query("begin; insert into t values (1, 'a') returning id").await).0, "0A000");
    simple(&client, "rollback").await;
}

#[tokio::test]
async fn a_block_is_made_as_a_whole_or_not_at_all() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    simple(&client, TABLE).await;
    simple(&client, "begin; insert into t values (1, 'a'); insert into nowhere values (1)").await;
    let (code, text) = refused(client.simple_query("commit").await);
    assert_eq!(code, "42P01");
    assert!(text.contains("statement 2 of the transaction (insert into nowhere"), "{text}");
    assert_eq!(simple(&client, "select count(*) from t").await, "0 =1");
}

#[tokio::test]
async fn rows_are_counted_and_the_count_is_a_promise() {
    let rig = Rig::open().await;
    let (client, other) = (rig.client().await, rig.client().await);
    simple(&client, TABLE).await;
    simple(&client, "insert into t values (1, 'a'), (2, 'a'), (3, 'b')").await;
    assert_eq!(simple(&client, "begin; update t set name = 'x' where name = 'a'; commit").await, "=0 =2 =0");
    assert_eq!(simple(&client, "begin; delete from t where name = 'x'").await, "=0 =2");
    simple(&other, "delete from t where id = 1").await;
    let (code, text) = refused(client.simple_query("commit").await);
    assert_eq!((code.as_str(), text.contains("as when it was said")), ("40001", true), "{text}");
    assert_eq!(simple(&client, "select id from t").await, "2 3 =2");
    // What the block itself has written cannot be counted, and nothing is promised.
    assert_eq!(
        simple(&client, "begin; insert into t values (9, 'n'); update t set name = 'm' where id = 9; commit").await,
        "=0 =1 =0 =0"
    );
    assert_eq!(simple(&client, "select name from t where id = 9").await, "m =1");
}

#[tokio::test]
async fn savepoints_cut_a_block() {
    let rig = Rig::open().await;
    let mut client = rig.client().await;
    simple(&client, TABLE).await;
    let mut block = client.transaction().await.unwrap();
    block.execute("insert into t values ($1, 'kept')", &[&1_i64]).await.unwrap();
    let inner = block.savepoint("inner").await.unwrap();
    inner.execute("insert into t values ($1, 'dropped')", &[&2_i64]).await.unwrap();
    inner.query("select nope", &[]).await.unwrap_err();
    inner.rollback().await.unwrap();
    let inner = block.transaction().await.unwrap();
    inner.execute("insert into t values ($1, 'kept too')", &[&3_i64]).await.unwrap();
    inner.commit().await.unwrap();
    block.commit().await.unwrap();
    assert_eq!(simple(&client, "select id from t").await, "1 3 =2");
    assert_eq!(refused(client.simple_query("savepoint a").await).0, "25P01");
    assert_eq!(refused(client.simple_query("begin; rollback to nothing").await).0, "3B001");
}

#[tokio::test]
async fn a_block_that_only_reads_does_not_write() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    simple(&client, TABLE).await;
    simple(&client, "begin read only").await;
    assert_eq!(simple(&client, "show transaction_read_only").await, "on =0");
    assert_eq!(refused(client.simple_query("insert into t values (1, 'a')").await).0, "25006");
    simple(&client, "rollback").await;
    assert_eq!(refused(client.simple_query("begin isolation level serializable").await).0, "0A000");
}

#[tokio::test]
async fn the_schema_changes_in_a_block_of_its_own() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    simple(&client, "begin; create table t (id integer primary key); create index i on t (id)").await;
    assert_eq!(refused(client.simple_query("insert into t values (1)").await).0, "0A000");
    simple(
        &client,
        "rollback; begin; create table t (id integer primary key); create table u (id integer primary key); commit",
    )
    .await;
    assert_eq!(simple(&client, "select tablename from pg_tables").await, "t u =2");
    let (code, text) = refused(client.simple_query("create table v (id integer primary key, a text unique)").await);
    assert_eq!((code.as_str(), text.contains("UNIQUE")), ("42000", true), "{text}");
}
