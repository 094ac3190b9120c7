//! Two agents on copies of one data directory.

use crate::agents::{Agent, Cluster, SOON, eventually, ids};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Of two that sign as one node in one boot, receivers take for replayed what the one with the lower counter sends. What it
/// says then travels by the streams alone, and its address is the other's every other moment: that can take a while.
const A_WHILE: Duration = Duration::from_secs(60);

/// A copy of an agent's directory, as an operator makes it.
fn copied(agent: &Agent, to: &Path) -> PathBuf {
    std::fs::create_dir(to).expect("a directory");
    for entry in std::fs::read_dir(agent.dir()).expect("the data directory").map(|entry| entry.expect("an entry")) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
    to.to_owned()
}

/// Adds an agent on a copy of the first one's directory, which is not running.
fn add_copy(cluster: &mut Cluster) -> usize {
    let dir = copied(&cluster[0], &cluster.scratch().join("copy"));
    let mut copy = Agent::new("copy", &dir, cluster.secret());
    copy.argue(&["--join", &cluster[1].peers().to_string()]);
    cluster.add_agent(copy)
}

fn assert_impostor(log: &str, node: &str) {
    assert!(log.contains(&format!("node {node} has been heard from in boot")), "{log}");
    assert!(log.contains("its data directory was copied, or restored from a backup"), "{log}");
    assert!(log.contains("start this one again"), "it says what to do: {log}");
}

#[test]
fn a_restored_directory_is_refused_once_and_then_safe() {
    let mut cluster = Cluster::of(&["a", "b"]);
    cluster[0].register("prod/recos", "r-1", r#"{"port":1}"#);
    let node = cluster[0].node().to_owned();
    assert!(cluster[0].terminate().success());
    let copy = add_copy(&mut cluster);
    // The original goes on for a boot and says more than the copy knows of.
    cluster[0].start();
    cluster[0].register("prod/recos", "r-2", r#"{"port":2}"#);
    cluster[1].await_service("prod/recos", "in full", |seen| ids(&seen["instances"]) == ["r-1", "r-2"]);
    assert!(cluster[0].terminate().success());

    assert_eq!(cluster[copy].start_in_vain(), 1, "{}", cluster[copy].log());
    assert_impostor(&cluster[copy].log(), &node);
    cluster[copy].start();
    cluster.await_all_alive();
    cluster[copy].register("prod/recos", "r-3", r#"{"port":3}"#);
    for agent in cluster.agents().iter().filter(|agent| agent.is_running()) {
        agent.await_service("prod/recos", "with all that was ever said", |seen| {
            ids(&seen["instances"]) == ["r-1", "r-2", "r-3"]
        });
    }
}

#[test]
fn of_two_that_claim_to_be_one_node_one_stops() {
    let mut cluster = Cluster::of(&["a", "b"]);
    cluster[0].register("prod/recos", "r-1", r#"{"port":1}"#);
    let node = cluster[0].node().to_owned();
    assert!(cluster[0].terminate().success());
    let copy = add_copy(&mut cluster);
    cluster[0].start();
    cluster.await_all_alive();
    cluster[copy].start();
    // Both are in the same boot now. Whatever one of them says is what the other has not said.
    cluster[0].register("prod/recos", "r-2", r#"{"port":2}"#);
    let ended = cluster[copy].await_end(A_WHILE);
    assert_eq!(ended.code(), Some(1), "{}", cluster[copy].log());
    assert_impostor(&cluster[copy].log(), &node);
    eventually("the original goes on", SOON, || {
        let seen = cluster[1].service("prod/recos");
        (ids(&seen["instances"]) == ["r-1", "r-2"]).then_some(()).ok_or_else(|| seen.to_string())
    });
    assert_eq!(cluster[0].get("/v1/health").expect(&[200]).json()["status"], "ok");
}

#[test]
fn two_that_say_equally_much_as_one_node_do_not_both_go_on() {
    let mut cluster = Cluster::of(&["a", "b"]);
    let node = cluster[0].node().to_owned();
    assert!(cluster[0].terminate().success());
    let copy = add_copy(&mut cluster);
    cluster[0].start();
    // Each says one thing more than its directory knew, its own row, under the same number. Which of the two is found out
    // depends on whom the other node heard first, and it may be while it starts.
    cluster[copy].start();
    let stopped = eventually("one of the two stops", SOON, || {
        let logs = [0, copy].map(|at| cluster[at].log());
        let stopped = logs.iter().find(|log| log.contains("has been heard from in boot")).cloned();
        stopped.ok_or_else(|| format!("b shows {}", cluster[1].get("/v1/nodes").expect(&[200]).json()))
    });
    assert_impostor(&stopped, &node);
}
