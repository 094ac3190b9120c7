//! Leases: kept, lost, and found again.

use crate::agents::{Agent, Cluster, instance};
use std::time::{Duration, Instant};

#[test]
fn renewals_are_nobody_elses_business() {
    let cluster = Cluster::of(&["a", "b", "c"]);
    cluster[0].register("prod/recos", "r-1", r#"{"port":8080,"ttl":"400ms"}"#);
    for agent in cluster.agents() {
        let seen = agent.await_service("prod/recos", "as silent", |seen| seen["instances"][0]["status"] == "silent");
        assert_eq!(seen["instances"][0]["health"], "critical", "{seen}");
        let selected = agent.get("/v1/services/prod/recos").expect(&[200]).json();
        assert_eq!(selected["selection"], "last_known", "a time-out empties nothing: {selected}");
    }
    let path = instance("prod/recos", "r-1");
    let renew = || cluster[0].ask(&format!("PUT {path}/renew"), "").expect(&[200]).json();
    assert_eq!(renew()["ttl_ms"], 400);
    for agent in cluster.agents() {
        agent.await_service("prod/recos", "as passing again", |seen| seen["instances"][0]["status"] == "passing");
    }

    // From here on with time to spare: what is counted is what renewals cause, not what a slow machine loses.
    cluster[0].register("prod/recos", "r-1", r#"{"port":8080,"ttl":"30s"}"#);
    let others = &cluster.agents()[1..];
    for other in others {
        other.await_service("prod/recos", "with its long lease", |seen| seen["instances"][0]["ttl_ms"] == 30_000);
    }
    let shown = || -> Vec<(String, f64)> {
        let index = |other: &Agent| other.service("prod/recos")["index"].to_string();
        others.iter().map(|other| (index(other), other.counter("whither_changes_new_total"))).collect()
    };
    let before = shown();
    for _ in 0..200 {
        assert_eq!(renew()["ttl_ms"], 30_000);
    }
    assert_eq!(cluster[0].counter("whither_renewals_total"), 201.0, "each was counted where it was made");
    // A change made now arrives after anything that the renewals could have caused.
    cluster[0].register("prod/last", "l-1", r#"{"port":1}"#);
    for other in others {
        other.await_service("prod/last", "as the last change", |_| true);
    }
    let expected: Vec<(String, f64)> = before.iter().map(|(index, count)| (index.clone(), count + 1.0)).collect();
    assert_eq!(shown(), expected, "one change, the last one, and the service's index is where it was");

    let unknown = cluster[0].ask(&format!("PUT {}/renew", instance("prod/recos", "r-9")), "").expect(&[404]).json();
    assert_eq!(unknown["type"], "urn:whither:problem:unknown-instance");
}

#[test]
fn expiry_after_a_restart_waits_one_lease() {
    let mut cluster = Cluster::of(&["a", "b"]);
    let lease = Duration::from_millis(1_500);
    cluster[0].register("prod/recos", "r-1", r#"{"port":8080,"ttl":"1500ms"}"#);
    cluster[1].await_service("prod/recos", "in full", |seen| seen["selection"] == "usable");
    cluster[0].kill();
    // By then the lease would have run out, had there been anybody to renew it with.
    cluster[1].await_state_of("a", &["down"]);
    let started = Instant::now();
    cluster[0].start();
    let seen = cluster[0].service("prod/recos");
    let asked = started.elapsed();
    assert!(asked >= lease || seen["instances"][0]["status"] == "passing", "after {asked:?}: {seen}");
    cluster[0].await_service("prod/recos", "as silent", |seen| seen["instances"][0]["status"] == "silent");
    assert!(started.elapsed() >= lease, "it was given {:?}", started.elapsed());
    cluster[1].await_service("prod/recos", "as silent", |seen| seen["instances"][0]["status"] == "silent");
}
