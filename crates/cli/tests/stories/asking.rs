//! Questions that one agent has another one answer.

use crate::agents::{Agent, Cluster, SOON, command, eventually, ids, instance};
use rustix::process::Signal;
use serde_json::Value;

/// What a command prints that asks `agent`, and its exit code.
fn run(agent: &Agent, arguments: &[&str]) -> (i32, String, String) {
    let output = command(arguments).args(["--agent", &agent.http().to_string()]).output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn explained(agent: &Agent) -> Value {
    let (code, out, err) = run(agent, &["explain", "prod/recos", "--json"]);
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).expect("JSON")
}

#[test]
fn any_agent_answers_for_any_other() {
    let cluster = Cluster::of(&["a", "b", "c"]);
    cluster[1].register("prod/recos", "r-b", r#"{"port":8080}"#);
    for agent in cluster.agents() {
        agent.await_service("prod/recos", "in full", |seen| ids(&seen["instances"]) == ["r-b"]);
    }
    for asked in cluster.agents() {
        for other in cluster.agents() {
            let answer = asked.get(&format!("/v1/health?from={}", other.node())).expect(&[200]);
            assert_eq!(answer.json()["node"], other.node(), "{} was to ask {}", asked.name(), other.name());
            let by_name = asked.get(&format!("/v1/services/prod/recos?from={}", other.name())).expect(&[200]).json();
            let index = by_name["index"].as_str().expect("an index");
            assert!(index.starts_with(other.node()), "as {} has it: {by_name}", other.name());
        }
        eventually("all say the same of it", SOON, || {
            let others = explained(asked)["others"].clone();
            (others["asked"] == 2 && others["agree"] == 2).then_some(()).ok_or_else(|| others.to_string())
        });
        let (code, out, err) = run(asked, &["explain", "prod/recos"]);
        assert_eq!(code, 0, "{err}");
        let owner = format!("    owner    b ({}), alive\n", cluster[1].node());
        assert!(out.contains(&owner) && out.ends_with("other nodes: all 2 nodes asked agree\n"), "{out}");
    }
    let (code, out, err) = run(&cluster[0], &["explain", "prod/recos", "--from", "b"]);
    assert!(code == 0 && err.contains("as b knows it") && !out.contains("other nodes"), "{out}{err}");
    let (code, _, err) = run(&cluster[0], &["nodes", "--from", "d"]);
    assert!(code == 1 && err.contains("no node \"d\" is known here"), "{err}");
    let (code, _, err) = run(&cluster[0], &["explain", "prod/nobody"]);
    assert!(code == 3 && err.contains("prod/nobody is known here"), "{err}");
}

#[test]
fn an_instance_is_drained_and_removed_through_an_agent_that_does_not_own_it() {
    let cluster = Cluster::of(&["a", "b", "c"]);
    cluster[1].register("prod/recos", "r-b", r#"{"port":8080}"#);
    for agent in cluster.agents() {
        agent.await_service("prod/recos", "in full", |seen| ids(&seen["instances"]) == ["r-b"]);
    }
    let (code, out, err) = run(&cluster[0], &["drain", "prod/recos", "r-b"]);
    assert!(code == 0 && out.starts_with("r-b of prod/recos is draining"), "{out}{err}");
    for agent in cluster.agents() {
        agent.await_service("prod/recos", "as draining", |seen| seen["instances"][0]["status"] == "draining");
    }
    // A lease is renewed where it runs.
    let renewal = format!("PUT {}/renew", instance("prod/recos", "r-b"));
    assert_eq!(cluster[0].ask(&renewal, "").expect(&[409]).json()["owner"], cluster[1].node());

    let deletion = format!("DELETE {}?ack=durable", instance("prod/recos", "r-b"));
    let removed = cluster[2].ask(&deletion, "").expect(&[200]);
    assert_eq!(removed.header("x-whither-answered-by"), Some(cluster[1].node()));
    assert!(removed.json()["index"].as_str().expect("an index").starts_with(cluster[1].node()), "{removed:?}");
    for agent in cluster.agents() {
        agent.await_service("prod/recos", "as empty", |seen| ids(&seen["instances"]).is_empty());
    }
    cluster[2].ask(&deletion, "").expect(&[404]);
}

#[test]
fn an_owner_that_stands_still_is_waited_for_and_then_called_silent_and_one_that_is_down_is_not_asked() {
    let cluster = Cluster::of(&["a", "b", "c"]);
    cluster[1].register("prod/recos", "r-b", r#"{"port":8080}"#);
    for agent in cluster.agents() {
        agent.await_service("prod/recos", "in full", |seen| ids(&seen["instances"]) == ["r-b"]);
        // From now on there is a connection: what is asked reaches a process that does not read it.
        agent.get("/v1/health?from=b").expect(&[200]);
    }
    cluster[1].signal(Signal::STOP);
    // It is present until the others have agreed on its death, which they may have done before they were asked.
    let asked = cluster[0].get("/v1/health?from=b").expect(&[504, 502]);
    let detail = asked.json()["detail"].as_str().expect("a detail").to_owned();
    assert!(detail.starts_with(&format!("node b ({}) gave no answer: ", cluster[1].node())), "{detail}");
    let says = if asked.status == 504 { "it did not answer within 5s" } else { "it is down" };
    assert!(detail.contains(says), "{detail}");

    cluster[0].await_state_of("b", &["down"]);
    let down = cluster[0].get("/v1/health?from=b").expect(&[502]).json();
    assert!(down["detail"].as_str().expect("a detail").contains("it is down, as far as is known here"), "{down}");
    let refused = cluster[0].ask(&format!("DELETE {}", instance("prod/recos", "r-b")), "").expect(&[409]).json();
    assert_eq!(refused["owner_name"], "b", "nobody can speak for it: {refused}");
    let others = explained(&cluster[0])["others"].clone();
    assert_eq!((&others["asked"], &others["down"]), (&1.into(), &1.into()), "{others}");

    cluster[1].signal(Signal::CONT);
    cluster[0].await_state_of("b", &["alive"]);
    eventually("b answers again", SOON, || {
        let answer = cluster[0].get("/v1/health?from=b");
        (answer.status == 200).then_some(()).ok_or(answer.body)
    });
}
