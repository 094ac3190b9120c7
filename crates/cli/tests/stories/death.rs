//! The owner dies without a word.

use crate::agents::{Agent, Cluster, SOON, Watch, eventually, ids};
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn the_dead_are_last_known_and_come_back() {
    let mut cluster = Cluster::of(&["a", "b", "c"]);
    cluster[0].register("prod/recos", "r-a", r#"{"port":8080}"#);
    cluster[1].register("prod/recos", "r-b", r#"{"port":8080}"#);
    cluster[0].register("prod/only", "o-a", r#"{"port":8081}"#);
    for agent in cluster.agents() {
        agent.await_service("prod/only", "with its instance", |seen| ids(&seen["instances"]) == ["o-a"]);
    }
    cluster[0].kill();
    for survivor in &cluster.agents()[1..] {
        survivor.await_state_of("a", &["down"]);
        let only = survivor.get("/v1/services/prod/only").expect(&[200]).json();
        assert_eq!(only["selection"], "last_known", "silence empties nothing: {only}");
        let one = &only["instances"][0];
        assert_eq!((&one["status"], &one["owner_state"]), (&"lost".into(), &"down".into()), "{only}");
        assert_eq!(only["unheard"][0]["name"], "a", "it says of whom nothing is heard: {only}");
        let unheard = only["unheard"][0]["age_ms"].as_u64().expect("an age");
        assert!(only["age_ms"].as_u64().expect("an age") >= unheard, "{only}");
        let recos = survivor.get("/v1/services/prod/recos").expect(&[200]).json();
        assert_eq!(ids(&recos["instances"]), ["r-b"], "while others are usable, the lost are not sent to: {recos}");
    }
    cluster[0].start();
    cluster.await_all_alive();
    for agent in cluster.agents() {
        agent.await_service("prod/only", "as usable again", |seen| {
            seen["selection"] == "usable" && seen["instances"][0]["status"] == "passing"
        });
    }
}

#[test]
fn a_node_that_starts_alone_answers_at_once_and_honestly() {
    let mut cluster = Cluster::of(&["a", "b", "c"]);
    for (at, id) in [(0, "r-a"), (1, "r-b"), (2, "r-c")] {
        cluster[at].register("prod/recos", id, r#"{"port":8080}"#);
    }
    for agent in cluster.agents() {
        agent.await_service("prod/recos", "in full", |seen| ids(&seen["instances"]).len() == 3);
    }
    // What others told it reaches its disk within the group window; its backlog says when.
    eventually("nothing waits for the disk of a", SOON, || {
        let backlog = cluster[0].counter("whither_journal_backlog");
        (backlog == 0.0).then_some(()).ok_or_else(|| backlog.to_string())
    });
    cluster[2].kill();
    cluster[1].kill();
    // From here on a can know nothing of what b and c would have said.
    let silent_since = Instant::now();
    cluster[0].kill();
    cluster[0].start();

    let age = || {
        let true_age = silent_since.elapsed();
        let all = cluster[0].get("/v1/services").expect(&[200]).json();
        let told = Duration::from_millis(all["age_ms"].as_u64().expect("an age"));
        assert!(told >= true_age, "told {told:?}, in truth {true_age:?}: {all}");
        assert_eq!(all["services"][0]["instances"], 3, "{all}");
        told
    };
    age();
    let recos = cluster[0].service("prod/recos");
    assert_eq!(ids(&recos["instances"]), ["r-a", "r-b", "r-c"], "answers at once, from its disk alone");
    assert!(recos["age_ms"].as_u64().expect("an age") >= 1, "{recos}");
    let first = age();
    // Once it stops waiting for them, they no longer count for the catalog as a whole, but for what they own they do.
    for name in ["b", "c"] {
        cluster[0].await_state_of(name, &["down"]);
    }
    let true_age = silent_since.elapsed();
    let recos = cluster[0].service("prod/recos");
    let told = Duration::from_millis(recos["age_ms"].as_u64().expect("an age"));
    assert!(told >= true_age, "told {told:?}, in truth {true_age:?}: {recos}");
    assert!(told > first, "its answers grow older while it is alone: {first:?}, then {told:?}");

    cluster[1].start();
    cluster[2].start();
    cluster.await_all_alive();
    for agent in cluster.agents() {
        agent.await_service("prod/recos", "as usable again", |seen| {
            let all = seen["instances"].as_array().expect("instances");
            all.len() == 3 && all.iter().all(|one| one["status"] == "passing")
        });
        eventually(&format!("{} can prove that it is current", agent.name()), SOON, || {
            let all = agent.get("/v1/services").expect(&[200]).json();
            let age = all["age_ms"].as_u64().expect("an age");
            (age < 3_000).then_some(()).ok_or_else(|| all.to_string())
        });
    }
}

#[test]
fn a_quick_restart_after_a_crash_is_hardly_noticed() {
    let mut cluster = Cluster::of(&["a", "b", "c"]);
    cluster[0].register("prod/recos", "r-a", r#"{"port":8080}"#);
    cluster[1].await_service("prod/recos", "in full", |seen| ids(&seen["instances"]) == ["r-a"]);
    let watch = Watch::lines(cluster[1].http(), "/v1/watch/prod/recos");
    watch.next();
    for _ in 0..3 {
        cluster[0].kill();
        cluster[0].start();
    }
    // What is registered in the new run arrives after all that the crashes caused.
    cluster[0].register("prod/recos", "r-b", r#"{"port":8081}"#);
    let told = watch.through(|event| ids(&event["changed"]).contains(&"r-b"));
    for event in &told {
        assert_eq!(event.json["removed"], serde_json::json!([]), "{told:#?}");
        let all = event.json["changed"].as_array().expect("instances");
        assert!(all.iter().all(|one| one["status"] == "passing"), "{told:#?}");
    }
}

#[test]
fn after_a_crash_it_comes_back_on_its_own_ports() {
    let cluster = Cluster::of(&["a"]);
    let mut agent = Agent::new("b", &cluster.scratch().join("b"), cluster.secret());
    agent.start();
    let fixed = [agent.http().to_string(), agent.dns().to_string()];
    assert!(agent.terminate().success());
    agent.argue(&["--http-bind", &fixed[0], "--dns-bind", &fixed[1]]);
    for _ in 0..3 {
        agent.start();
        // Connections in every state: one in use, one whose client has gone, and one over which nothing was ever said.
        let watch = Watch::lines(agent.http(), "/v1/watch");
        watch.next();
        agent.get("/v1/health").expect(&[200]);
        let idle = [agent.http(), agent.dns()].map(|to| TcpStream::connect(to).expect("it listens"));
        agent.kill();
        drop((watch, idle));
    }
    agent.start();
    assert_eq!([agent.http().to_string(), agent.dns().to_string()], fixed);
}
