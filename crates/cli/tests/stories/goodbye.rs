//! Restarts that were meant.

use crate::agents::{Cluster, Watch, ids};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long a polite end may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a watch is listened to after the last step: what a restart causes it causes within a probe or two.
const AFTERMATH: Duration = Duration::from_secs(2);

fn epoch(agent: &crate::agents::Agent) -> u64 {
    agent.get("/v1/health").expect(&[200]).json()["epoch"].as_u64().expect("an epoch")
}

#[test]
fn a_restart_is_not_a_death() {
    let mut cluster = Cluster::of(&["a", "b", "c"]);
    for (at, id) in [(0, "r-a"), (1, "r-b"), (2, "r-c")] {
        cluster[at].register("prod/recos", id, r#"{"port":8080}"#);
    }
    for agent in cluster.agents() {
        agent.await_service("prod/recos", "in full", |seen| ids(&seen["instances"]).len() == 3);
    }
    let mut told: Vec<(String, Value)> = Vec::new();
    let mut watches: Vec<Option<Watch>> =
        cluster.agents().iter().map(|agent| Some(Watch::lines(agent.http(), "/v1/watch/prod/recos"))).collect();
    for at in 0..cluster.agents().len() {
        let (name, before) = (cluster[at].name().to_owned(), epoch(&cluster[at]));
        let asked = Instant::now();
        let ended = cluster[at].terminate();
        assert!(ended.success(), "{name}: {ended}");
        assert!(asked.elapsed() < PATIENCE, "an open watch must not hold it up: {:?}", asked.elapsed());
        // Its watcher heard the end of the stream, and all before it.
        let watch = watches[at].take().expect("a watch");
        told.extend(watch.rest(AFTERMATH).into_iter().map(|event| (name.clone(), event.json)));
        for other in cluster.agents().iter().filter(|other| other.is_running()) {
            other.await_state_of(&name, &["left"]);
            let seen = other.get("/v1/services/prod/recos").expect(&[200]).json();
            assert_eq!(ids(&seen["instances"]), ["r-a", "r-b", "r-c"], "usable for a minute: {seen}");
            assert_eq!(seen["selection"], "usable", "{seen}");
        }
        cluster[at].start();
        assert_eq!(epoch(&cluster[at]), before + 1, "one boot further");
        watches[at] = Some(Watch::lines(cluster[at].http(), "/v1/watch/prod/recos"));
        cluster.await_all_alive();
    }
    for (agent, watch) in cluster.agents().iter().zip(watches) {
        let watch = watch.expect("a watch");
        told.extend(watch.rest(AFTERMATH).into_iter().map(|event| (agent.name().to_owned(), event.json)));
    }
    assert!(told.len() >= 6, "a first event and one after each restart: {told:#?}");
    for (watcher, event) in &told {
        assert_eq!(event["removed"], Value::Array(Vec::new()), "{watcher} heard of a removal: {told:#?}");
        assert_eq!(event["selection"], "usable", "{watcher}: {event:#}");
        for one in event["changed"].as_array().expect("instances") {
            assert_eq!(one["status"], "passing", "{watcher} heard of a change for the worse: {told:#?}");
            assert!(["alive", "left", "suspect"].contains(&one["owner_state"].as_str().expect("a state")), "{event:#}");
        }
        if event["event"] == "reset" {
            assert_eq!(ids(&event["changed"]), ["r-a", "r-b", "r-c"], "{watcher} is told all at once: {event:#}");
        }
    }
}

#[test]
fn who_leaves_takes_its_instances_along() {
    let cluster = Cluster::of(&["a", "b"]);
    cluster[0].register("prod/recos", "r-a", r#"{"port":8080}"#);
    cluster[1].await_service("prod/recos", "in full", |seen| ids(&seen["instances"]) == ["r-a"]);
    cluster[0].ask("POST /v1/leave", "").expect(&[202]);
    cluster[1].await_state_of("a", &["left"]);
    cluster[1].await_service("prod/recos", "as empty, because its owner said so", |seen| {
        ids(&seen["instances"]).is_empty() && seen["selection"] == "empty"
    });
}
