//! Prepared statements with parameters, in text and in binary.

use crate::rig::{Rig, refused, simple};
use futures_util::StreamExt;
use tokio_postgres::types::Type;

const TABLE: &str = "create table t (id integer primary key, name text, score real, ok boolean, data blob)";

#[tokio::test]
async fn values_go_in_and_come_out() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    simple(&client, TABLE).await;
    let insert = "insert into t (id, name, score, ok, data) values ($1, $2, $3, $4, $5)";
    let insert = client.prepare(insert).await.unwrap();
    assert_eq!(insert.params(), [Type::INT8, Type::TEXT, Type::FLOAT8, Type::BOOL, Type::BYTEA]);
    assert!(insert.columns().is_empty());
    let done = client.execute(&insert, &[&1_i64, &"it's", &1.5_f64, &true, &b"\0\xff".as_slice()]).await.unwrap();
    assert_eq!(done, 1);
    client.execute(&insert, &[&2_i64, &None::<&str>, &None::<f64>, &None::<bool>, &None::<Vec<u8>>]).await.unwrap();
    let select = client.prepare("select id, name, score, ok, data from t where id = $1").await.unwrap();
    let names: Vec<&str> = select.columns().iter().map(tokio_postgres::Column::name).collect();
    assert_eq!(names, ["id", "name", "score", "ok", "data"]);
    let row = client.query_one(&select, &[&1_i64]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);
    assert_eq!(row.get::<_, &str>(1), "it's");
    assert!((row.get::<_, f64>(2) - 1.5).abs() < f64::EPSILON);
    assert!(row.get::<_, bool>(3));
    assert_eq!(row.get::<_, &[u8]>(4), b"\0\xff");
    let row = client.query_one(&select, &[&2_i64]).await.unwrap();
    assert_eq!(row.get::<_, Option<&str>>(1), None);
    assert!(client.query_opt(&select, &[&3_i64]).await.unwrap().is_none());
}

#[tokio::test]
async fn types_that_are_declared_are_taken() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    let select = "select $1 + 1, $2, $3, $4 || '!'";
    let kinds = [Type::INT4, Type::INT2, Type::FLOAT4, Type::VARCHAR];
    let select = client.prepare_typed(select, &kinds).await.unwrap();
    let rows = client.query(&select, &[&41_i32, &7_i16, &0.5_f32, &"hey"]).await.unwrap();
    assert_eq!(rows[0].len(), 4);
}

#[tokio::test]
async fn columns_are_known_before_the_statement_is_executed() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    simple(&client, TABLE).await;
    simple(&client, "insert into t (id, score) values (1, 2.5)").await;
    for (sql, columns) in [
        (
            "select count(*), max(score), lower(name) from t",
            vec![("count", Type::INT8), ("max", Type::FLOAT8), ("lower", Type::TEXT)],
        ),
        ("select a.id, b.id from t a, t b", vec![("id", Type::INT8), ("id", Type::INT8)]),
        ("with x as (select id as n from t) select n from x -- end", vec![("n", Type::INT8)]),
        (
            "insert into t (id) values ($1) returning id, name, id + 1",
            vec![("id", Type::INT8), ("name", Type::TEXT), ("id + 1", Type::TEXT)],
        ),
        ("update t set name = $1", vec![]),
        ("begin", vec![]),
        ("show server_version", vec![("server_version", Type::TEXT)]),
        ("values (1, 'a')", vec![("column1", Type::INT8), ("column2", Type::TEXT)]),
        (
            "select relname, relhasindex from pg_class where oid = $1",
            vec![("relname", Type::TEXT), ("relhasindex", Type::BOOL)],
        ),
        (
            "explain query plan select 1",
            vec![("id", Type::TEXT), ("parent", Type::TEXT), ("notused", Type::TEXT), ("detail", Type::TEXT)],
        ),
        ("", vec![]),
    ] {
        let prepared = client.prepare(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let found: Vec<(&str, Type)> =
            prepared.columns().iter().map(|column| (column.name(), column.type_().clone())).collect();
        assert_eq!(found, columns, "{sql}");
    }
    assert_eq!(simple(&client, "select count(*) from t").await, "1 =1");
}

#[tokio::test]
async fn values_that_break_their_columns_promise_are_made_to_fit() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    simple(&client, "create table t (id integer primary key, n integer)").await;
    simple(&client, "insert into t values (1, '12 apples'), (2, 2.5), (3, 7)").await;
    // As text it is what it is; in binary it is made to fit, or refused by itself.
    assert_eq!(simple(&client, "select n from t").await, "12 apples 2.5 7 =3");
    let select = client.prepare("select n from t where id = $1").await.unwrap();
    assert_eq!(client.query_one(&select, &[&2_i64]).await.unwrap().get::<_, i64>(0), 3);
    assert_eq!(refused(client.query_one(&select, &[&1_i64]).await).0, "22P02");
    assert_eq!(client.query_one(&select, &[&3_i64]).await.unwrap().get::<_, i64>(0), 7);
}

#[tokio::test]
async fn a_write_returns_what_it_wrote() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    simple(&client, TABLE).await;
    let row =
        client.query_one("insert into t (id, name) values ($1, $2) returning name, id", &[&5_i64, &"n"]).await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, i64>(1)), ("n", 5));
}

#[tokio::test]
async fn rows_come_as_many_as_are_asked_for() {
    let rig = Rig::open().await;
    let mut client = rig.client().await;
    let block = client.transaction().await.unwrap();
    let many = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 25) select i from n";
    let portal = block.bind(many, &[]).await.unwrap();
    let mut sizes = Vec::new();
    loop {
        let rows = block.query_portal(&portal, 10).await.unwrap();
        if rows.is_empty() {
            break;
        }
        sizes.push(rows.len());
    }
    assert_eq!(sizes, [10, 10, 5]);
    block.commit().await.unwrap();
}

#[tokio::test]
async fn an_error_ends_with_the_next_sync() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    assert_eq!(refused(client.query("select nope", &[]).await).0, "42703");
    assert_eq!(client.query_one("select 1", &[]).await.unwrap().get::<_, i64>(0), 1);
    let (good, bad) = tokio::join!(client.query("select 2", &[]), client.query("select bad", &[]));
    assert_eq!((good.unwrap().len(), refused(bad).0.as_str()), (1, "42703"));
    assert_eq!(refused(client.prepare("select 1; select 2").await).0, "42601");
}

#[tokio::test]
async fn a_stream_can_be_left() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    let many = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n";
    let parameters: [&str; 0] = [];
    let mut rows = Box::pin(client.query_raw(many, parameters).await.unwrap());
    for _ in 0..1_000 {
        rows.next().await.unwrap().unwrap();
    }
    drop(rows);
    client.cancel_token().cancel_query(tokio_postgres::NoTls).await.unwrap();
}

#[tokio::test]
async fn a_session_keeps_only_so_many_statements() {
    let rig = Rig::with(whither_api_pg::Config { statements_max: 3, ..whither_api_pg::Config::default() }).await;
    let client = rig.client().await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(client.prepare("select 1").await.unwrap());
    }
    assert_eq!(refused(client.prepare("select 1").await).0, "54000");
    simple(&client, "deallocate all").await;
    client.prepare("select 1").await.unwrap();
}
