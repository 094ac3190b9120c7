//! Eureka's API, against its own clients, and beside the other surfaces.

use crate::agents::{Agent, Answer, Cluster, SOON, clients, eventually, exchange};
use serde_json::{Value, json};
use std::process::Command;

#[track_caller]
fn ask(agent: &Agent, request: &str, accept: &str, body: &str) -> Answer {
    let headers = [("accept", accept), ("content-type", "application/json")];
    exchange(agent.eureka(), request, &headers, body).unwrap_or_else(|error| panic!("no answer to {request}: {error}"))
}

fn get(agent: &Agent, path: &str) -> Value {
    ask(agent, &format!("GET {path}"), "application/json", "").expect(&[200]).json()
}

fn body(app: &str, id: &str, port: u16) -> String {
    json!({"instance": {
        "instanceId": id, "hostName": "host.example", "app": app, "ipAddr": "127.0.0.1", "status": "UP", "vipAddress": "a.vip,b.vip",
        "port": {"$": port, "@enabled": "true"}, "dataCenterInfo": {"name": "MyOwn"}, "metadata": {"zone": "<z&1>"},
        "leaseInfo": {"durationInSecs": 30},
    }})
    .to_string()
}

#[test]
fn py_eureka_client_is_answered_as_by_eureka() {
    if let Some(python) = clients::library("py_eureka_client", "python/bin/python") {
        clients::run(&mut Command::new(python), "eureka/client.py", Agent::eureka);
    }
}

#[test]
fn eureka_js_client_is_answered_as_by_eureka() {
    if let Some(modules) = clients::library("eureka-js-client", "javascript/node_modules") {
        clients::run(Command::new("node").env("NODE_PATH", modules), "eureka/client.js", Agent::eureka);
    }
}

/// Ids of instances of an application with their statuses.
fn shown(agent: &Agent, path: &str) -> Vec<String> {
    let all = get(agent, path);
    let applications = all["applications"]["application"].as_array().cloned().unwrap_or_default();
    let instances =
        applications.iter().flat_map(|application| application["instance"].as_array().cloned().unwrap_or_default());
    instances
        .map(|one| format!("{} {}", one["instanceId"].as_str().unwrap(), one["status"].as_str().unwrap()))
        .collect()
}

#[track_caller]
fn await_shown(agent: &Agent, path: &str, wanted: &[&str]) {
    eventually("it is shown", SOON, || {
        let found = shown(agent, path);
        if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

#[test]
fn an_instance_lives_as_eureka_has_it_and_every_surface_shows_it() {
    let cluster = Cluster::of(&["a", "b"]);
    let (here, there) = (&cluster[0], &cluster[1]);
    ask(here, "POST /eureka/apps/SHOP", "", &body("SHOP", "h:shop:1", 8001)).expect(&[204]);
    ask(here, "POST /eureka/v2/apps/shop", "", &body("shop", "h:shop:2", 8002)).expect(&[204]);
    await_shown(there, "/eureka/apps", &["h:shop:1 UP", "h:shop:2 UP"]);
    let all = get(there, "/eureka/apps/");
    assert_eq!(
        (&all["applications"]["apps__hashcode"], &all["applications"]["application"][0]["name"]),
        (&json!("UP_2_"), &json!("SHOP"))
    );
    assert_eq!(shown(there, "/eureka/vips/b.vip").len(), 2);
    assert_eq!(get(there, "/eureka/apps/Shop/h%3Ashop%3A1")["instance"]["hostName"], "host.example");
    assert_eq!(get(there, "/eureka/instances/h%3Ashop%3A2")["instance"]["port"]["$"], 8002);
    // XML to whoever does not ask for JSON, as Prometheus does not.
    let xml = ask(there, "GET /eureka/apps", "", "").expect(&[200]);
    assert_eq!(xml.header("content-type"), Some("application/xml"));
    assert!(
        xml.body.contains("<zone>&lt;z&amp;1&gt;</zone>") && xml.body.contains("<port enabled=\"true\">8001</port>"),
        "{}",
        xml.body
    );
    // The same instances, to whoever asks in another way.
    let ids = |value: &Value, field: &str| {
        value.as_array().unwrap().iter().map(|one| one[field].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&there.service("default/shop")["instances"], "id"), ["h:shop:1", "h:shop:2"]);
    let consul = exchange(there.consul(), "GET /v1/catalog/service/shop", &[], "").unwrap().json();
    assert_eq!(ids(&consul, "ServiceID"), ["h:shop:1", "h:shop:2"]);
    // And the other way round.
    there.register("prod/recos", "r1", r#"{"address":"127.0.0.1","port":9,"zone":"z9"}"#);
    eventually("what was registered otherwise is shown", SOON, || {
        let answer = ask(here, "GET /eureka/apps/RECOS.PROD", "application/json", "");
        (answer.status == 200).then_some(()).ok_or(answer.body)
    });
    let recos = &get(here, "/eureka/apps/recos.prod")["application"]["instance"][0];
    assert_eq!((&recos["vipAddress"], &recos["metadata"]["zone"]), (&json!("recos.prod"), &json!("z9")));
    // A renewal at an agent that does not own it: it is to register there.
    ask(here, "PUT /eureka/apps/SHOP/h%3Ashop%3A1?status=UP", "", "").expect(&[200]);
    ask(there, "PUT /eureka/apps/SHOP/h%3Ashop%3A1?status=UP", "", "").expect(&[404]);
    ask(here, "PUT /eureka/apps/SHOP/nobody", "", "").expect(&[404]);
    // What an operator says counts more than what the instance says, until he takes it back.
    ask(here, "PUT /eureka/apps/SHOP/h%3Ashop%3A1/status?value=OUT_OF_SERVICE", "", "").expect(&[200]);
    ask(here, "PUT /eureka/apps/SHOP/h%3Ashop%3A1?status=UP", "", "").expect(&[200]);
    ask(here, "POST /eureka/apps/SHOP", "", &body("SHOP", "h:shop:1", 8001)).expect(&[204]);
    await_shown(there, "/eureka/vips/a.vip", &["h:shop:1 OUT_OF_SERVICE", "h:shop:2 UP"]);
    ask(here, "DELETE /eureka/apps/SHOP/h%3Ashop%3A1/status", "", "").expect(&[200]);
    ask(here, "PUT /eureka/apps/SHOP/h%3Ashop%3A1/metadata?color=blue", "", "").expect(&[200]);
    ask(here, "PUT /eureka/apps/SHOP/h%3Ashop%3A2?status=DOWN", "", "").expect(&[200]);
    await_shown(there, "/eureka/vips/a.vip", &["h:shop:1 UP", "h:shop:2 DOWN"]);
    assert_eq!(get(there, "/eureka/apps/SHOP/h%3Ashop%3A1")["instance"]["metadata"]["color"], "blue");
    ask(here, "DELETE /eureka/apps/SHOP/h%3Ashop%3A2", "", "").expect(&[200]);
    await_shown(there, "/eureka/vips/a.vip", &["h:shop:1 UP"]);
    let delta = get(there, "/eureka/apps/delta");
    assert!(delta.to_string().contains("DELETED") && delta["applications"]["apps__hashcode"] == "UP_2_", "{delta}");
    // Whoever drains it over another API is not undone by its next renewal.
    here.ask("PUT /v1/services/default/shop/instances/h:shop:1/state?state=draining", "").expect(&[200]);
    ask(here, "PUT /eureka/apps/SHOP/h%3Ashop%3A1?status=UP", "", "").expect(&[200]);
    ask(here, "POST /eureka/apps/SHOP", "", &body("SHOP", "h:shop:1", 8001)).expect(&[204]);
    assert_eq!(here.service("default/shop")["instances"][0]["state"], "draining");
    // What makes no sense is refused, with the reason.
    let refused = ask(here, "POST /eureka/apps/OTHER", "", &body("SHOP", "x", 1)).expect(&[400]);
    assert_eq!(refused.body, "Mismatched appName, expecting OTHER but was SHOP");
    ask(here, "PUT /eureka/apps/SHOP/h%3Ashop%3A1/status?value=MAYBE", "", "").expect(&[400]);
    ask(here, "GET /eureka/apps/NOTHING", "", "").expect(&[404]);
    ask(here, "POST /eureka/apps", "", "").expect(&[405]);
}

/// Eureka would take a minute and a half to forget it.
#[test]
fn a_killed_agent_and_what_it_owns_are_gone_within_seconds() {
    let mut cluster = Cluster::of(&["a", "b", "c"]);
    ask(&cluster[0], "POST /eureka/apps/SHOP", "", &body("SHOP", "one", 8001)).expect(&[204]);
    ask(&cluster[1], "POST /eureka/apps/SHOP", "", &body("SHOP", "two", 8002)).expect(&[204]);
    await_shown(&cluster[2], "/eureka/apps", &["one UP", "two UP"]);
    cluster[0].kill();
    await_shown(&cluster[2], "/eureka/apps", &["two UP"]);
}
