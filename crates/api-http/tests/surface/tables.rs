//! SQL over HTTP.

use crate::node_double::NodeDouble;
use crate::node_double::tables::text;
use crate::wire::{ask, call, routes, send};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use whither_directory::sql::{Acked, ChangeKind, RowChange, RowEvent, SqlRefusal};
use whither_model::sql::{Params, Value as Cell};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|fault| panic!("{fault}: {line}"))).collect()
}

#[tokio::test]
async fn a_transaction_says_what_came_of_each_statement_and_where_it_stands() {
    let node = NodeDouble::start();
    let tables = node.tables();
    let routes = routes(&node);
    let body = r#"["DELETE FROM a", ["UPDATE a SET b = :b", {"b": 2}]]"#;
    let reply = send(&routes, "POST /v1/transactions?ack=memory", body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let told = reply.json();
    assert_eq!(
        told["results"],
        json!([{"rows_affected": 1, "columns": ["id"], "rows": [["a"]]}, {"rows_affected": 1, "columns": ["id"], "rows": [["a"]]}])
    );
    assert_eq!((&told["version"], &told["place"]), (&json!(7), &json!("000000000000000a-3-7")));
    assert_eq!(*tables.acked.lock().unwrap(), Acked::Memory);
    let asked = tables.asked.lock().unwrap().clone();
    assert_eq!(asked[1].params, Params::Named(vec![("b".into(), Cell::Integer(2))]));
}

#[tokio::test]
async fn a_question_is_answered_row_by_row_or_as_csv() {
    let node = NodeDouble::start();
    let tables = node.tables();
    let routes = routes(&node);
    let line = "POST /v1/queries?timeout=2.5&after=000000000000000a-3-7,000000000000000b-1-1";
    let reply = send(&routes, line, r#"["SELECT ?", [[1]]]"#).await;
    assert_eq!(reply.header("content-type"), "application/x-ndjson");
    assert!(!reply.header("content-length").is_empty(), "a short answer is one piece");
    let told = lines(&reply.text);
    assert_eq!(
        told[..3],
        [json!({"columns": ["id", "n"]}), json!({"row": [1, ["a,\"b\"", 1]]}), json!({"row": [2, [null, 0.5]]})]
    );
    assert_eq!(told[3]["eoq"]["rows"], 2);
    let query = tables.query.lock().unwrap().clone();
    assert_eq!((query.timeout, query.after.len()), (Some(Duration::from_millis(2_500)), 2));
    let csv = call(
        &routes,
        "POST /v1/queries",
        &[("accept", "text/csv"), ("content-type", "application/json")],
        "\"SELECT 1\"".to_owned(),
    )
    .await;
    assert_eq!(csv.text, "id,n\r\n\"a,\"\"b\"\"\",1\r\n,0.5\r\n");
    let broken = send(&routes, "POST /v1/queries", "\"SELECT breaks off\"").await;
    let last = lines(&broken.text).pop().unwrap();
    assert_eq!(last, json!({"error": "it took longer than 2.0 s and was given up"}));
}

#[tokio::test]
async fn what_cannot_be_done_is_a_problem_with_its_place() {
    let node = NodeDouble::start();
    let tables = node.tables();
    let routes = routes(&node);
    for (refusal, status, field) in [
        (SqlRefusal::Statement { index: 3, what: "no such table: x".into() }, 422, json!("[3]")),
        (SqlRefusal::Schema { line: 2, what: "leave UNIQUE out".into() }, 422, json!("line 2")),
        (SqlRefusal::TooLarge("make several of it".into()), 413, Value::Null),
        (SqlRefusal::TimedOut(Duration::from_secs(1)), 504, Value::Null),
        (SqlRefusal::Disk("database or disk is full".into()), 507, Value::Null),
        (SqlRefusal::NotNow("shutting down".into()), 503, Value::Null),
    ] {
        *tables.refuse.lock().unwrap() = Some(refusal.clone());
        for line in ["POST /v1/transactions", "POST /v1/queries", "POST /v1/schema", "POST /v1/subscriptions"] {
            let reply = send(&routes, line, "\"SELECT 1\"").await;
            assert_eq!(reply.status, status, "{line}: {}", reply.text);
            assert_eq!(reply.json()["field"], field, "{line}");
            assert_eq!(reply.json()["detail"], refusal.to_string());
        }
    }
    *tables.refuse.lock().unwrap() = None;
    for (line, body) in [
        ("POST /v1/transactions?ack=maybe", "\"SELECT 1\""),
        ("POST /v1/transactions", "{}"),
        ("POST /v1/queries?timeout=0", "\"SELECT 1\""),
        ("POST /v1/queries?after=x", "\"SELECT 1\""),
        ("POST /v1/queries", "[\"SELECT 1\", \"SELECT 2\"]"),
        ("POST /v1/subscriptions?from=1", "\"SELECT 1\""),
    ] {
        let reply = send(&routes, line, body).await;
        assert!(reply.status.is_client_error(), "{line} {body}: {}", reply.text);
    }
}

#[tokio::test]
async fn a_node_without_tables_says_so() {
    let routes = routes(&NodeDouble::start());
    let reply = send(&routes, "POST /v1/queries", "\"SELECT 1\"").await;
    assert_eq!(reply.status, 503);
    assert!(reply.text.contains("has no tables"), "{}", reply.text);
}

#[tokio::test]
async fn the_schema_is_planned_or_changed() {
    let node = NodeDouble::start();
    let tables = node.tables();
    let routes = routes(&node);
    let body = r#"{"sql": "CREATE TABLE t (a PRIMARY KEY);"}"#;
    let plan = send(&routes, "POST /v1/schema?plan=true", body).await.json();
    assert_eq!(plan, json!({"steps": ["create table t"], "only_plan": true}));
    let done = send(&routes, "POST /v1/schema", body).await.json();
    assert_eq!(done["place"], "000000000000000a-3-7");
    assert_eq!(tables.asked.lock().unwrap()[0].sql, "CREATE TABLE t (a PRIMARY KEY);");
    let stats = ask(&routes, "GET /v1/tables").await.json();
    assert_eq!(stats["tables"][0]["rows"], 3);
    assert_eq!(stats["writers"][0], json!({"node": "000000000000000a", "name": "a", "transactions": 2, "cells": 9}));
}

#[tokio::test]
async fn a_watcher_is_told_rows_and_then_changes_and_everything_anew_if_need_be() {
    let node = NodeDouble::start();
    let tables = node.tables();
    let routes = routes(&node);
    let row = |n: u64, id: &str| (n, Arc::from([text(id), Cell::Integer(1)]));
    let change = |number, kind, row, id: &str| RowChange { number, kind, row, cells: Arc::from([text(id)]) };
    *tables.events.lock().unwrap() = vec![
        RowEvent::Rows { rows: Arc::from([row(1, "a"), row(2, "b")]), number: 4 },
        RowEvent::Changes(Arc::from([change(5, ChangeKind::Insert, 3, "c"), change(6, ChangeKind::Delete, 1, "a")])),
        RowEvent::Rows { rows: Arc::from([row(3, "c")]), number: 9 },
        RowEvent::Failed(SqlRefusal::NotNow("its table is gone".into())),
    ];
    let reply = send(&routes, "POST /v1/subscriptions?from=12:3", "\"SELECT id, n FROM t\"").await;
    assert_eq!(reply.header("whither-subscription-id"), "12");
    assert_eq!(*tables.from.lock().unwrap(), Some((12, 3)));
    let told = lines(&reply.text);
    assert_eq!(
        told[..3],
        [json!({"columns": ["id", "n"]}), json!({"row": [1, ["a", 1]]}), json!({"row": [2, ["b", 1]]})]
    );
    assert_eq!(told[3]["eoq"]["change_id"], 4);
    assert_eq!(
        told[4..8],
        [
            json!({"change": ["insert", 3, ["c"], 5]}),
            json!({"change": ["delete", 1, ["a"], 6]}),
            json!({"reset": {}}),
            json!({"row": [3, ["c", 1]]})
        ]
    );
    assert_eq!((&told[8]["eoq"]["change_id"], &told[9]), (&json!(9), &json!({"error": "its table is gone"})));
    *tables.events.lock().unwrap() = vec![RowEvent::Rows { rows: Arc::from([row(1, "a")]), number: 4 }];
    let skipped = send(&routes, "POST /v1/subscriptions?skip_rows=true", "\"SELECT id, n FROM t\"").await;
    assert_eq!(lines(&skipped.text).len(), 2, "{}", skipped.text);
    let keys = ask(&routes, "POST /v1/updates/t").await;
    assert_eq!(lines(&keys.text), [json!({"notify": ["update", ["t", 2]]}), json!({"notify": ["delete", ["b", 2]]})]);
}
