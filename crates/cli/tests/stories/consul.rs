//! Consul's API, against what Consul 1.8.7 answered, and against its own clients.

mod recorded;

use crate::agents::{Agent, Answer, Cluster, SOON, Site, clients, eventually, exchange};
use recorded::Recorded;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Instant;

const ALL: &str = include_str!("consul/recorded.txt");
const PAGE: &str = include_str!("../../../../docs/clients/consul.md");

#[track_caller]
fn ask(agent: &Agent, request: &str, body: &str) -> Answer {
    exchange(agent.consul(), request, &[], body).unwrap_or_else(|error| panic!("no answer to {request}: {error}"))
}

/// Requests in the page's table of what is answered differently.
fn known_differences() -> BTreeMap<&'static str, bool> {
    let rows = PAGE.lines().skip_while(|line| !line.starts_with("| Recorded request")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| row.split('|').nth(1).into_iter().flat_map(|cell| cell.split('`').skip(1).step_by(2)))
        .map(|request| (request, false))
        .collect()
}

/// Everything that was recorded is asked again in the same order. What is not answered alike is in the page for users, with the
/// reason, and nothing else is there.
#[test]
fn what_consul_answered_is_answered_alike_but_for_what_the_page_says() {
    let cluster = Cluster::of(&["node1"]);
    let mut known = known_differences();
    let mut unexpected = Vec::new();
    for recorded in Recorded::all(ALL) {
        let answer = ask(&cluster[0], recorded.name(), recorded.body);
        let Some(difference) = recorded.difference(&answer) else { continue };
        match known.get_mut(recorded.name()) {
            Some(met) => *met = true,
            None => unexpected.push(format!("{}: {difference}", recorded.name())),
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n\n"));
    let alike: Vec<&&str> = known.iter().filter(|(_, met)| !**met).map(|(request, _)| request).collect();
    assert!(alike.is_empty(), "these are answered alike, and the page says otherwise: {alike:?}");
}

#[test]
fn py_consul_is_answered_as_by_consul() {
    if let Some(python) = clients::library("py-consul", "python/bin/python") {
        clients::run(&mut Command::new(python), "consul/client.py", Agent::consul);
    }
}

#[test]
fn the_consul_package_of_npm_is_answered_as_by_consul() {
    if let Some(modules) = clients::library("consul", "javascript/node_modules") {
        clients::run(Command::new("node").env("NODE_PATH", modules), "consul/client.js", Agent::consul);
    }
}

fn index(answer: &Answer) -> u64 {
    answer.header("x-consul-index").and_then(|text| text.parse().ok()).expect("an index")
}

/// The rules of blocking queries, as measured on Consul.
#[test]
fn a_blocking_query_waits_for_its_own_changes_and_for_nothing_else() {
    let cluster = Cluster::of(&["a", "b"]);
    let (here, there) = (&cluster[0], &cluster[1]);
    let register = |agent: &Agent, body: &str| {
        ask(agent, "PUT /v1/agent/service/register", body).expect(&[200]);
    };
    let watch = |path: &str, after: u64, wait: &str| {
        let begun = Instant::now();
        let separator = if path.contains('?') { '&' } else { '?' };
        let answer = ask(there, &format!("GET {path}{separator}index={after}&wait={wait}"), "").expect(&[200]);
        (index(&answer), answer, begun.elapsed())
    };
    let get = |path: &str| ask(there, &format!("GET {path}"), "").expect(&[200]);
    // Of a service that nobody has registered, one is told as soon as it appears, and not when another does.
    let none = get("/v1/health/service/web");
    assert_eq!(none.body, "[]");
    register(here, r#"{"Name":"other","Port":1}"#);
    let (after, answer, _) = watch("/v1/health/service/web", index(&none), "100ms");
    assert_eq!((after, &*answer.body), (index(&none), "[]"));
    let told = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch("/v1/health/service/web", index(&none), "60s"));
        register(here, r#"{"Name":"web","ID":"w1","Port":80,"Check":{"TTL":"60s","Status":"passing"}}"#);
        watching.join().expect("it is told")
    });
    assert!(told.0 > index(&none) && told.1.json()[0]["Service"]["ID"] == "w1", "{}", told.1.body);
    // Registered again as it is: nobody is woken.
    register(here, r#"{"Name":"web","ID":"w1","Port":80,"Check":{"TTL":"60s","Status":"passing"}}"#);
    assert_eq!(watch("/v1/health/service/web", told.0, "100ms").0, told.0);
    // How well it does wakes those who asked for its health, and not those who asked who is registered.
    let (catalog, services) = (get("/v1/catalog/service/web"), get("/v1/catalog/services"));
    ask(here, "PUT /v1/agent/check/fail/service:w1?note=x", "").expect(&[200]);
    let (failed, answer, _) = watch("/v1/health/service/web", told.0, "60s");
    assert!(failed > told.0 && answer.json()[0]["Checks"][1]["Status"] == "critical", "{}", answer.body);
    assert_eq!(watch("/v1/catalog/service/web", index(&catalog), "100ms").0, index(&catalog));
    assert_eq!(watch("/v1/catalog/services", index(&services), "100ms").0, index(&services));
    assert_eq!(get("/v1/health/service/web?passing").body, "[]");
    // An index of the future waits for all of its time.
    let (behind, _, _) = watch("/v1/health/service/web", failed + 1_000, "100ms");
    assert_eq!(behind, failed);
    // The last one goes: whoever waits is told.
    let told = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch("/v1/health/service/web", failed, "60s"));
        ask(here, "PUT /v1/agent/service/deregister/w1", "").expect(&[200]);
        watching.join().expect("it is told")
    });
    assert!(told.0 > failed && told.1.body == "[]", "{}", told.1.body);
}

/// Ids of Consul are unique on a node, and names are often all that is given.
#[test]
fn what_is_registered_by_name_alone_on_each_node_is_one_service_of_all() {
    let cluster = Cluster::of(&["a", "b", "c"]);
    for agent in cluster.agents() {
        let refused = ask(agent, "PUT /v1/agent/service/register", r#"{"name":"Web.api","port":80}"#).expect(&[400]);
        assert!(refused.body.contains("service \"web.api\""), "{}", refused.body);
        ask(agent, "PUT /v1/agent/service/register", r#"{"name":"Web","port":80,"enable_tag_override":true}"#)
            .expect(&[200]);
    }
    eventually("all are one service", SOON, || {
        let seen: Vec<Value> =
            cluster.agents().iter().map(|agent| ask(agent, "GET /v1/catalog/service/web", "").json()).collect();
        let ids = |value: &Value| -> Vec<String> {
            let all = value.as_array().into_iter().flatten();
            all.map(|one| format!("{} {} {}", one["Node"], one["ServiceID"], one["ServiceName"])).collect()
        };
        let wanted: Vec<String> = ["a", "b", "c"].iter().map(|node| format!("\"{node}\" \"Web\" \"Web\"")).collect();
        seen.iter().all(|value| ids(value) == wanted).then_some(()).ok_or_else(|| format!("{seen:?}"))
    });
    // The name is found in either case, and the id goes over to whatever it is given to next.
    assert_eq!(ask(&cluster[0], "GET /v1/health/service/Web", "").json().as_array().map(Vec::len), Some(3));
    ask(&cluster[0], "PUT /v1/agent/service/register", r#"{"ID":"Web","Name":"api","Port":81}"#).expect(&[200]);
    assert_eq!(ask(&cluster[0], "GET /v1/health/service/web", "").json().as_array().map(Vec::len), Some(2));
    let services = ask(&cluster[0], "GET /v1/agent/services", "").json();
    assert_eq!(services["Web"]["Service"], "api", "{services}");
}

#[test]
fn checks_that_clients_of_consul_define_are_run_and_known_everywhere() {
    let cluster = Cluster::of(&["a", "b"]);
    let site = Site::start(200);
    let body = |port: u16| {
        format!(
            r#"{{"Name":"probed","ID":"p1","Address":"127.0.0.1","Port":{port},"Checks":[
                {{"HTTP":"http://localhost:{port}/","Interval":"100ms"}},{{"TCP":"127.0.0.1:{port}","Interval":"100ms"}}]}}"#
        )
    };
    ask(&cluster[0], "PUT /v1/agent/service/register", &body(site.port())).expect(&[200]);
    let passing = |count: usize| {
        eventually("its checks are known", SOON, || {
            let answer = ask(&cluster[1], "GET /v1/health/service/probed?passing", "").json();
            if answer.as_array().map(Vec::len) == Some(count) { Ok(()) } else { Err(answer.to_string()) }
        });
    };
    passing(1);
    let checks = ask(&cluster[0], "GET /v1/agent/checks", "").json();
    assert_eq!(
        (&checks["service:p1:1"]["Type"], &checks["service:p1:2"]["Type"]),
        (&"http".into(), &"tcp".into()),
        "{checks}"
    );
    assert_eq!(checks["service:p1:2"]["Status"], "passing", "{checks}");
    drop(site);
    passing(0);
    let health = ask(&cluster[0], "GET /v1/agent/health/service/id/p1?format=text", "").expect(&[503]);
    assert_eq!(health.body, "critical");
    // One of them goes; and when it is reported on instead, what they found is forgotten.
    ask(&cluster[0], "PUT /v1/agent/check/deregister/service%3Ap1%3A2", "").expect(&[200]);
    assert!(ask(&cluster[0], "GET /v1/agent/checks", "").json().get("service:p1:2").is_none());
    let reported = r#"{"Name":"probed","ID":"p1","Address":"127.0.0.1","Port":1,"Check":{"TTL":"60s"}}"#;
    ask(&cluster[0], "PUT /v1/agent/service/register", reported).expect(&[200]);
    ask(&cluster[0], "PUT /v1/agent/check/pass/service%3Ap1", "").expect(&[200]);
    passing(1);
    // An id of another API's instance is that one's: it is not taken away.
    cluster[0].register("default/native", "shared", r#"{"address":"127.0.0.1","port":2}"#);
    ask(&cluster[0], "PUT /v1/agent/service/register", r#"{"Name":"db","ID":"shared","Port":3}"#).expect(&[200]);
    assert_eq!(cluster[0].service("default/native")["instances"][0]["id"], "shared");
    ask(&cluster[0], "PUT /v1/agent/service/deregister/shared", "").expect(&[200]);
    assert_eq!(cluster[0].service("default/native")["instances"][0]["id"], "shared");
    // Out of service with all that it has.
    ask(&cluster[0], "PUT /v1/agent/maintenance?enable=true", "").expect(&[200]);
    let health = ask(&cluster[0], "GET /v1/agent/health/service/id/p1?format=text", "").expect(&[503]);
    assert_eq!(health.body, "maintenance");
    ask(&cluster[0], "PUT /v1/agent/maintenance?enable=false", "").expect(&[200]);
    // Somebody else's address is never asked.
    let foreign = r#"{"Name":"x","Port":1,"Check":{"HTTP":"http://169.254.169.254/","Interval":"1s"}}"#;
    let refused = ask(&cluster[0], "PUT /v1/agent/service/register", foreign).expect(&[400]);
    assert!(refused.body.contains("is not the service's own address"), "{}", refused.body);
}
