//! The OpenAPI document against the routes it describes.

use crate::node_double::NodeDouble;
use crate::wire::{ask, routes, send};
use serde_json::Value;
use std::collections::BTreeSet;

const INSTANCE: &str = "/v1/services/{namespace}/{service}/instances/{id}";

async fn document() -> Value {
    ask(&routes(&NodeDouble::start()), "GET /v1/openapi.json").await.json()
}

fn paths(document: &Value) -> BTreeSet<String> {
    document["paths"].as_object().unwrap().keys().cloned().collect()
}

/// Follows `$ref`.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

#[tokio::test]
async fn every_route_is_in_the_document() {
    // axum lists its routes only in its debug output.
    let debug = format!("{:?}", routes(&NodeDouble::start()));
    let routed: BTreeSet<String> =
        debug.split('"').filter(|text| text.starts_with('/') && !text.contains("{*")).map(str::to_owned).collect();
    assert!(routed.contains(INSTANCE), "{routed:?}");
    assert_eq!(routed, paths(&document().await));
}

#[tokio::test]
async fn every_operation_of_the_document_is_routed() {
    let node = NodeDouble::start();
    let routes = routes(&node);
    let document = document().await;
    for (path, item) in document["paths"].as_object().unwrap() {
        if path.starts_with("/v1/watch") || path == "/v1/sessions" {
            continue; // Has no end; see the tests of watches and sessions.
        }
        let filled = path.replace("{namespace}", "prod").replace("{service}", "web").replace("{id}", "w1");
        let filled = filled.replace("{session}", "00000000000000ff");
        for method in item.as_object().unwrap().keys() {
            let reply = ask(&routes, &format!("{} {filled}", method.to_uppercase())).await;
            assert!(!reply.text.contains("problem:not-found"), "{method} {filled}: {}", reply.text);
            assert_ne!(reply.status, 405, "{method} {filled}");
            let known = &item[method]["responses"][reply.status.as_str()];
            assert!(known.is_object(), "{method} {filled} answers {}, which the document does not say", reply.status);
        }
    }
}

#[tokio::test]
async fn the_listing_names_every_path() {
    let listing = ask(&routes(&NodeDouble::start()), "GET /").await.text;
    for path in paths(&document().await).iter().filter(|path| *path != "/") {
        assert!(listing.lines().any(|line| line.split_whitespace().nth(1) == Some(path)), "no {path} in {listing}");
    }
}

#[tokio::test]
async fn every_example_body_is_accepted() {
    let node = NodeDouble::start();
    node.tables();
    let routes = routes(&node);
    let document = document().await;
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") else { continue };
            let schema = resolved(&document, schema);
            let example = match (&schema["example"], &schema["items"]) {
                (Value::Null, items @ Value::Object(_)) => {
                    Value::Array(vec![resolved(&document, items)["example"].clone()])
                }
                (example, _) => example.clone(),
            };
            assert!(example.is_object() || !example[0].is_null(), "{method} {path} has no example");
            if path == "/v1/sessions" {
                continue; // Has no end; see the tests of sessions.
            }
            let filled = path.replace("{namespace}", "prod").replace("{service}", "web").replace("{id}", "w1");
            let reply = send(&routes, &format!("{} {filled}", method.to_uppercase()), &example.to_string()).await;
            assert!(reply.status.is_success(), "{method} {path}: {}", reply.text);
            tried += 1;
        }
    }
    assert_eq!(tried, 8);
}

#[tokio::test]
async fn answers_have_the_members_that_the_document_says() {
    let node = NodeDouble::start();
    node.member(0xb, "b", whither_model::MemberState::Down);
    node.instance(0xa, "prod/web", "w1", crate::checks::checked);
    node.directory.install_checkup(crate::checks::Recorder::with(&crate::checks::report()));
    let routes = routes(&node);
    let document = document().await;
    let schemas = &document["components"]["schemas"];
    let cases = [
        ("/v1/services", "Services", ""),
        ("/v1/services", "ServiceSummary", "/services/0"),
        ("/v1/services/prod/web", "Service", ""),
        ("/v1/services/prod/web", "Unheard", "/unheard/0"),
        ("/v1/services/prod/web?explain=true", "Instance", "/instances/0"),
        ("/v1/services/prod/web?explain=true", "Explain", "/instances/0/explain"),
        ("/v1/services/prod/web/instances/w1/checks", "Checks", ""),
        ("/v1/services/prod/web/instances/w1/checks", "CheckReport", "/checks/0"),
        ("/v1/nodes", "Nodes", ""),
        ("/v1/nodes", "Node", "/nodes/0"),
        ("/v1/lag", "Lags", ""),
        ("/v1/lag", "Lag", "/all"),
        ("/v1/health", "Health", ""),
    ];
    for (path, schema, pointer) in cases {
        let json = ask(&routes, &format!("GET {path}")).await.json();
        let members = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
        let answered = members(json.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {json}")));
        assert_eq!(answered, members(&schemas[schema]["properties"]), "{schema}");
    }
    assert!(schemas["Problem"]["properties"]["owner_name"].is_object());
}
