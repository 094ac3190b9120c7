//! Being told what changes, across connections and restarts; and what an agent says of itself.

use crate::agents::{Agent, Cluster, SOON, Watch, eventually, ids, instance};

fn deregister(agent: &Agent, service: &str, id: &str) {
    agent.ask(&format!("DELETE {}", instance(service, id)), "").expect(&[200]);
}

#[test]
fn a_watch_of_a_service_resumes_where_it_was() {
    let mut cluster = Cluster::of(&["a", "b"]);
    let path = "/v1/watch/prod/recos";
    cluster[0].register("prod/recos", "r-1", r#"{"port":1}"#);
    cluster[1].await_service("prod/recos", "in full", |seen| ids(&seen["instances"]) == ["r-1"]);
    let watch = Watch::server_sent(cluster[1].http(), path, None);
    let first = watch.next();
    assert_eq!((first.name.as_deref(), ids(&first.json["changed"])), (Some("reset"), vec!["r-1"]), "{first:?}");
    cluster[0].register("prod/recos", "r-2", r#"{"port":2}"#);
    let second = watch.next();
    assert_eq!((second.name.as_deref(), ids(&second.json["changed"])), (Some("change"), vec!["r-2"]), "{second:?}");
    assert_eq!(second.json["index"], *second.id.as_deref().expect("an id"), "resume from what was said");
    drop(watch);

    // While nobody watches:
    cluster[0].register("prod/recos", "r-3", r#"{"port":3}"#);
    deregister(&cluster[0], "prod/recos", "r-1");
    cluster[1].await_service("prod/recos", "as it is now", |seen| ids(&seen["instances"]) == ["r-2", "r-3"]);
    let last = second.id.expect("an id");
    let resumed = Watch::server_sent(cluster[1].http(), path, Some(&last)).next();
    let lines = Watch::lines(cluster[1].http(), &format!("{path}?from={last}")).next();
    for event in [&resumed, &lines] {
        assert_eq!(event.json["event"], "change", "no reset, only the difference: {event:?}");
        assert_eq!(ids(&event.json["changed"]), ["r-3"], "{event:?}");
        assert_eq!(event.json["removed"], serde_json::json!(["r-1"]), "{event:?}");
    }
    assert_eq!(resumed.name.as_deref(), Some("change"));

    // A restart ends the history that could be resumed, and says so.
    let watch = Watch::lines(cluster[1].http(), path);
    watch.next();
    assert!(cluster[1].terminate().success());
    assert!(watch.rest(crate::agents::SOON).is_empty(), "the end, and nothing after it");
    cluster[1].start();
    let from = resumed.id.expect("an id");
    for after in [
        Watch::lines(cluster[1].http(), &format!("{path}?from={from}")).next(),
        Watch::server_sent(cluster[1].http(), path, Some(&from)).next(),
    ] {
        assert_eq!(after.json["event"], "reset", "{after:?}");
        assert_eq!(ids(&after.json["changed"]), ["r-2", "r-3"], "{after:?}");
    }
    let bad = cluster[1].get(&format!("{path}?from=yesterday")).expect(&[400]).json();
    assert_eq!(bad["type"], "urn:whither:problem:malformed-request", "{bad}");
}

#[test]
fn a_watch_of_everything_resumes_where_it_was_current() {
    let mut cluster = Cluster::of(&["a", "b"]);
    cluster[0].register("prod/recos", "r-1", r#"{"port":1}"#);
    cluster[1].await_service("prod/recos", "in full", |seen| ids(&seen["instances"]) == ["r-1"]);
    let watch = Watch::lines(cluster[1].http(), "/v1/watch");
    let first = watch.through(|event| event["event"] == "current");
    let kinds: Vec<&str> = first.iter().map(|event| event.json["event"].as_str().expect("a kind")).collect();
    assert_eq!(kinds, ["reset", "service", "nodes", "current"], "{first:?}");
    let cursor = first.last().expect("events").json["index"].as_str().expect("a cursor").to_owned();
    drop(watch);
    cluster[0].register("prod/carts", "c-1", r#"{"port":1}"#);
    deregister(&cluster[0], "prod/recos", "r-1");
    cluster[1].await_service("prod/recos", "as empty", |seen| ids(&seen["instances"]).is_empty());
    let resumed = [
        Watch::lines(cluster[1].http(), &format!("/v1/watch?from={cursor}")),
        Watch::server_sent(cluster[1].http(), "/v1/watch", Some(&cursor)),
    ];
    for watch in resumed {
        let events = watch.through(|event| event["event"] == "current");
        assert!(events.iter().all(|event| event.json["event"] != "reset"), "{events:?}");
        let services = || events.iter().map(|event| &event.json).filter(|event| event["event"] == "service");
        let of = |name: &str| services().find(|event| event["service"] == *name).expect("the service");
        assert_eq!(services().count(), 2, "{events:?}");
        assert_eq!(ids(&of("prod/carts")["changed"]), ["c-1"]);
        assert_eq!(of("prod/recos")["removed"], serde_json::json!(["r-1"]));
    }
    cluster[1].kill();
    cluster[1].start();
    let after = Watch::lines(cluster[1].http(), &format!("/v1/watch?from={cursor}"));
    assert_eq!(after.next().json["event"], "reset", "an index of an earlier boot names no place in this one");
}

#[test]
fn an_agent_describes_and_counts_itself() {
    let cluster = Cluster::of(&["a", "b"]);
    let document = cluster[0].get("/v1/openapi.json").expect(&[200]).json();
    assert!(document["openapi"].as_str().expect("a version").starts_with("3."), "{document}");
    for (path, method) in [
        ("/v1/services/{namespace}/{service}", "get"),
        ("/v1/services/{namespace}/{service}/instances/{id}", "put"),
        ("/v1/watch", "get"),
        ("/v1/health", "get"),
    ] {
        assert!(document["paths"][path][method].is_object(), "{method} {path}");
    }
    let listing = cluster[0].get("/").expect(&[200]).body;
    assert!(listing.contains("curl"), "{listing}");

    let answer = cluster[0].get("/metrics").expect(&[200]);
    let media_type = answer.header("content-type").expect("a media type");
    assert!(media_type.starts_with("text/plain; version=0.0.4"), "{media_type}");
    let mut typed = std::collections::BTreeMap::new();
    for line in answer.body.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert!(typed.insert(name, kind).is_none(), "{name} has two types");
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            let family = name.split_once('{').map_or(name, |(family, _)| family);
            assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            assert!(family.starts_with("whither_"), "{line}");
            assert!(typed.contains_key(family), "{family} has no type before its first sample");
            let labels = name.strip_prefix(family).expect("its beginning");
            assert!(labels.is_empty() || (labels.starts_with('{') && labels.ends_with("\"}")), "{line}");
        }
    }
    for part in ["whither_dns_", "whither_http_", "whither_catalog_"] {
        assert!(typed.keys().any(|name| name.starts_with(part)), "nothing of {part}: {typed:?}");
    }
    for name in ["whither_packets_received_total", "whither_probes_total"] {
        eventually(name, SOON, || (cluster[0].counter(name) >= 1.0).then_some(()).ok_or_else(|| "none yet".into()));
    }
    let transport = ["datagrams_dropped_unauthenticated", "connections_accepted", "handshakes_failed"];
    for part in transport {
        assert!(typed.keys().any(|name| name.contains(part)), "nothing of the transport's {part}: {typed:?}");
    }
}

#[test]
fn counters_and_they_alone_end_in_total() {
    let cluster = Cluster::of(&["a"]);
    let text = cluster[0].get("/metrics").expect(&[200]).body;
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let wrong: Vec<&str> =
        types.filter(|(name, kind)| (*kind == "counter") != name.ends_with("_total")).map(|(name, _)| name).collect();
    assert_eq!(wrong, Vec::<&str>::new());
}
