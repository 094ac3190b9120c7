//! A process that stands still.

use crate::agents::{Cluster, SOON, eventually, ids};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// Longer than it usually takes to be called down.
const STANDSTILL: Duration = Duration::from_secs(4);

#[test]
fn who_stood_still_accuses_nobody() {
    let cluster = Cluster::of(&["a", "b", "c"]);
    cluster[0].register("prod/recos", "r-a", r#"{"port":8080}"#);
    cluster[0].register("prod/leased", "l-a", r#"{"port":8080,"ttl":"3s"}"#);
    for agent in cluster.agents() {
        agent.await_service("prod/recos", "in full", |seen| ids(&seen["instances"]) == ["r-a"]);
    }
    let (b, c) = (&cluster[1], &cluster[2]);
    let declared = |at: usize| cluster[at].counter("whither_declared_down_total");
    let before = declared(0);

    cluster[0].signal(Signal::STOP);
    let stopped = Instant::now();
    let mut others_fell_out = false;
    eventually("it has stood still for long enough to be called down", SOON, || {
        others_fell_out |= b.state_of("c") != "alive" || c.state_of("b") != "alive";
        let states = [b.state_of("a"), c.state_of("a")];
        let done = stopped.elapsed() >= STANDSTILL && states == ["down", "down"];
        done.then_some(()).ok_or_else(|| format!("after {:?}: {states:?}", stopped.elapsed()))
    });
    let lost = b.get("/v1/services/prod/recos").expect(&[200]).json();
    assert_eq!((&lost["selection"], &lost["instances"][0]["status"]), (&"last_known".into(), &"lost".into()), "{lost}");

    cluster[0].signal(Signal::CONT);
    let resumed = Instant::now();
    eventually("all are alive again", Duration::from_secs(8), || {
        let states: Vec<_> = cluster.agents().iter().map(|agent| agent.member_states()).collect();
        others_fell_out |= b.state_of("c") != "alive" || c.state_of("b") != "alive";
        let accused: Vec<&str> = ["b", "c"].into_iter().filter(|name| cluster[0].state_of(name) == "down").collect();
        assert!(accused.is_empty(), "who stood still called others down: {accused:?}");
        let alive = states.iter().flatten().all(|(_, state)| state == "alive");
        alive.then_some(()).ok_or_else(|| format!("after {:?}: {states:?}", resumed.elapsed()))
    });
    assert!(!others_fell_out, "b and c had no reason to doubt each other");
    assert_eq!(declared(0), before, "it declared nobody down");
    assert!(!cluster[0].log().contains("suspected to be down"), "it did not even suspect anybody");
    assert!(cluster[0].counter("whither_stalls_total") >= 1.0, "it noticed");
    assert!(cluster[0].counter("whither_refutations_total") >= 1.0, "it heard what was said of it, and objected");
    for agent in cluster.agents() {
        agent.await_service("prod/recos", "as usable again", |seen| seen["selection"] == "usable");
    }
}
