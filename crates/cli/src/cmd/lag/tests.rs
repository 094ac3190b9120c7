use crate::agent_api::tests::Reply;
use crate::agent_api::wire::{Lag, Lags};
use crate::cmd::lag::matrix::Matrix;
use crate::cmd::tests::run_at;
use serde_json::{Value, json};

const NODES: &str = r#"{"age_ms":1,"index":"a-1","nodes":[
    {"id":"00000000000000aa","name":"web-1","state":"alive","self":true},
    {"id":"00000000000000bb","name":"web-2","state":"suspect"},
    {"id":"00000000000000cc","name":"web-3","state":"down"}]}"#;
const FIRST: &str = r#"{"node":"00000000000000aa","name":"web-1","of":[
    {"node":"00000000000000bb","name":"web-2","p50_us":420,"p99_us":1250,"last_us":400,"count":17,"by_repair":1}]}"#;
const SECOND: &str = r#"{"node":"00000000000000bb","name":"web-2","of":[
    {"node":"00000000000000aa","name":"web-1","p50_us":null,"p99_us":null,"last_us":null,"count":0,"by_repair":0}]}"#;

fn replies() -> Vec<Reply> {
    vec![Reply::json(FIRST), Reply::json(NODES), Reply::json(SECOND)]
}

#[test]
fn all_present_nodes_are_asked_and_what_was_not_measured_is_a_dash() {
    let done = run_at("lag", replies());
    assert_eq!(done.out, "HEARD  web-1  web-2\nweb-1  -      0.42ms\nweb-2  -      -\n");
    assert_eq!(done.err, "propagation p50 0.42 ms, p99 1.2 ms over 1 pair; worst web-2 -> web-1 1.2 ms\n");
    assert_eq!(done.asked, ["GET /v1/lag", "GET /v1/nodes", "GET /v1/lag?from=00000000000000bb"]);
    assert!(run_at("lag --p99", replies()).out.contains("web-1  -      1.2ms\n"));
}

#[test]
fn one_node_is_asked_alone_if_it_is_named() {
    let done = run_at("lag --from web-1", vec![Reply::json(FIRST)]);
    assert_eq!(done.out, "HEARD  web-1  web-2\nweb-1  -      0.42ms\n");
    assert_eq!(done.asked, ["GET /v1/lag?from=web-1"]);
}

#[test]
fn scripts_are_told_everything() {
    let document: Value = serde_json::from_str(&run_at("lag --json", replies()).out).unwrap();
    let worst = json!({ "spoke": "00000000000000bb", "heard": "00000000000000aa", "p50_us": 420, "p99_us": 1250 });
    let summary = json!({ "p50_us": 420, "p99_us": 1250, "pairs": 1, "worst": worst });
    assert_eq!(document["propagation"], summary);
    assert_eq!(document["heard"][1], serde_json::from_str::<Value>(SECOND).unwrap(), "as it was said");
    assert_eq!((&document["unanswered"], &document["not_asked"]), (&json!([]), &json!(0)));
}

#[test]
fn where_nothing_was_measured_that_is_said() {
    let done = run_at("lag --from web-2", vec![Reply::json(SECOND)]);
    assert!(done.err.starts_with("nothing was measured yet"), "{}", done.err);
}

/// What each of `count` nodes heard of each other: of higher numbers later.
fn many(count: u64) -> Vec<Lags> {
    let name = |node: u64| format!("host-{node:02}");
    let lag = |heard: u64, node: u64| Lag {
        node: node.to_string(),
        name: name(node),
        p50_us: Some(100 * heard + node),
        p99_us: Some(10_000 * heard + 1_000 * node),
        last_us: Some(100),
        count: 3,
        by_repair: 0,
    };
    let of = |heard: u64| (0..count).filter(|node| *node != heard).map(|node| lag(heard, node)).collect();
    (0..count).map(|node| Lags { node: node.to_string(), name: name(node), of: of(node) }).collect()
}

#[test]
fn what_does_not_fit_is_a_list_of_the_slowest() {
    let all = many(12);
    let matrix = Matrix::of(&all);
    assert!(matrix.text(false, Some(130)).is_some());
    assert!(matrix.text(false, Some(80)).is_none());
    let style = crate::table::Style { colour: false, width: Some(80) };
    let list = matrix.slowest(style);
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines[1].starts_with("host-10  host-11  1.1ms  120ms"), "{list}");
    assert_eq!(lines.len(), 1 + 20 + 1);
    assert!(lines[21].starts_with("and 112 pairs"), "{list}");
}
