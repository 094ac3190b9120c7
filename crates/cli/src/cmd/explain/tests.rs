use super::others::differences;
use crate::agent_api::tests::Reply;
use crate::agent_api::wire::Service;
use crate::cmd::tests::{instance, run_at, service};
use crate::failure;
use serde_json::{Value, json};

const NODES: &str = r#"{"age_ms":1,"index":"a-1","nodes":[
    {"id":"00000000000000aa","name":"web-1","state":"alive","self":true},
    {"id":"00000000000000bb","name":"web-2","state":"suspect"},
    {"id":"00000000000000cc","name":"web-3","state":"down"},{"id":"00000000000000dd","name":"web-4","state":"left"}]}"#;

fn two() -> [String; 2] {
    ["recos-1", "recos-2"].map(|id| instance(id, "passing", r#"{"main":8080}"#, true))
}

fn usable(instances: &[String]) -> Reply {
    Reply::json(&service("usable", "", instances))
}

#[test]
fn what_is_known_of_each_instance_is_said_and_that_the_others_agree() {
    let done = run_at("explain prod/recos", vec![usable(&two()), Reply::json(NODES), usable(&two())]);
    let first = "recos-1  passing  10.0.0.7:8080\n\
                 \x20   given    yes: In service and well.\n\
                 \x20   owner    web-1 (00000000000000aa), alive\n\
                 \x20   witness  its lease\n\
                 \x20   set by   change 00000000000000aa.1.7, at 2026-11-20T20:28:07.125Z\n\
                 \x20   claimed  at 2026-11-20T20:28:07.125Z\n\
                 \x20   known    to within 12 ms\n";
    assert!(done.out.starts_with(first), "{}", done.out);
    assert!(done.out.ends_with("\nother nodes: the 1 node asked agrees; 1 down and not asked\n"), "{}", done.out);
    assert_eq!(done.err, "prod/recos · known to within 12 ms\n");
    let service = "GET /v1/services/prod/recos?all=true&explain=true";
    assert_eq!(done.asked, [service, "GET /v1/nodes", &format!("{service}&from=00000000000000bb")]);
}

#[test]
fn only_what_another_node_says_otherwise_is_shown() {
    let [first, second] = two();
    let lost = second.replace(r#""status":"passing""#, r#""status":"lost""#);
    let lost = lost.replace(r#""owner_state":"alive""#, r#""owner_state":"down""#);
    let third = first.replace("recos-1", "recos-3").replace(".1.7", ".1.9");
    let replies = || vec![usable(&two()), Reply::json(NODES), usable(&[lost.clone(), third.clone()])];
    let done = run_at("explain prod/recos", replies());
    let expected = "other nodes: 1 asked: 1 differs; 1 down and not asked\n\
                    \x20 web-2 (known there to within 12 ms):\n\
                    \x20   recos-1 is not there; here it is passing (change 00000000000000aa.1.7)\n\
                    \x20   recos-2 is lost (change 00000000000000aa.1.7, its owner down) there, and passing (change \
                    00000000000000aa.1.7) here\n\
                    \x20   recos-3 is only there: passing (change 00000000000000aa.1.9)\n";
    assert!(done.out.ends_with(expected), "{}", done.out);

    let done = run_at("explain prod/recos --json", replies());
    let document: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(document["answer"]["instances"][0]["id"], "recos-1", "as the agent said it");
    let others = &document["others"];
    assert_eq!((&others["asked"], &others["agree"], &others["down"]), (&json!(1), &json!(0), &json!(1)));
    let differing = &others["differ"][0];
    assert_eq!((&differing["name"], &differing["known"]), (&json!("web-2"), &json!(true)));
    assert_eq!(differing["instances"][0]["there"], json!(null));
    assert_eq!(differing["instances"][1]["there"]["status"], "lost");
}

#[test]
fn who_gives_no_answer_is_named_with_the_reason() {
    let silent = Reply::problem(504, "node-silent", "node web-2 gave no answer: it did not answer within 5s");
    let done = run_at("explain prod/recos", vec![usable(&two()), Reply::json(NODES), silent]);
    let expected = "other nodes: 1 asked: 1 gave no answer; 1 down and not asked\n  web-2: node web-2 gave no answer: it \
                    did not answer within 5s\n";
    assert!(done.out.ends_with(expected), "{}", done.out);
    assert!(done.error.is_none());
}

#[test]
fn what_only_others_know_is_shown_and_what_nobody_knows_is_not_found() {
    let unknown = || Reply::problem(404, "unknown-service", "no service prod/recos is known here");
    let done = run_at("explain prod/recos", vec![unknown(), Reply::json(NODES), usable(&two())]);
    assert_eq!(done.err, "warning: prod/recos is not known to this agent\n");
    assert!(done.out.contains("recos-2 is only there: passing"), "{}", done.out);
    assert!(done.error.is_none());
    let done = run_at("explain prod/recos", vec![usable(&two()), Reply::json(NODES), unknown()]);
    assert!(done.out.contains("web-2: nothing is known of it there\n"), "{}", done.out);
    for (line, replies) in [
        ("explain prod/recos", vec![unknown(), Reply::json(NODES), unknown()]),
        ("explain prod/recos --from web-2", vec![unknown()]),
    ] {
        let error = run_at(line, replies).error.unwrap();
        assert_eq!(failure::text(&error), "no service prod/recos is known here");
        assert_eq!(failure::exit_code(&error), 3);
    }
}

#[test]
fn one_instance_and_one_node_can_be_asked_about() {
    let [first, _] = two();
    let one = first.replacen('{', r#"{"age_ms":5,"index":"a-7","#, 1).replace(r#""ttl_ms":null"#, r#""ttl_ms":3000"#);
    let done = run_at("explain prod/recos recos-1 --from web-2", vec![Reply::json(&one)]);
    assert_eq!(done.err, "recos-1 of prod/recos · known to within 5 ms · as web-2 knows it\n");
    assert!(done.out.contains("witness  its lease, good for 3000 ms without renewal\n"), "{}", done.out);
    assert!(!done.out.contains("other nodes"), "one was asked, and that is all: {}", done.out);
    assert_eq!(done.asked, ["GET /v1/services/prod/recos/instances/recos-1?explain=true&from=web-2"]);
}

#[test]
fn other_commands_ask_other_nodes_too() {
    let done = run_at("prod/recos --from web-2", vec![usable(&two())]);
    assert_eq!(done.err, "prod/recos · 2 of 2 usable · known to within 12 ms · as web-2 knows it\n");
    assert_eq!(done.asked, ["GET /v1/services/prod/recos?all=true&explain=true&from=web-2"]);
    assert_eq!(run_at("nodes --from web-2", vec![Reply::json(NODES)]).asked, ["GET /v1/nodes?from=web-2"]);
    let none = r#"{"age_ms":1,"index":"a-1","services":[]}"#;
    let done = run_at("services -n prod --from web-2", vec![Reply::json(none)]);
    assert_eq!(done.asked, ["GET /v1/services?namespace=prod&from=web-2"]);
    let error = run_at("prod/recos --watch --from web-2", vec![]).error.unwrap();
    assert_eq!(failure::exit_code(&error), 2);
}

#[test]
fn nodes_are_compared_by_what_is_set_and_not_by_how_old_their_knowledge_is() {
    let parse =
        |instances: &[String]| serde_json::from_str::<Service>(&service("usable", "", instances)).unwrap().instances;
    let older =
        two().map(|one| one.replace(r#""age_ms":12"#, r#""age_ms":9000"#).replace(r#""index":7"#, r#""index":8"#));
    assert!(differences(&parse(&two()), &parse(&older)).is_empty());
    let set_anew = two().map(|one| one.replace(".1.7", ".1.8"));
    assert_eq!(differences(&parse(&two()), &parse(&set_anew)).len(), 2);
}
