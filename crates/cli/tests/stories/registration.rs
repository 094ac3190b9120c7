//! Told at one node, asked at the others.

use crate::agents::{Agent, Cluster, SOON, eventually, ids, instance};
use std::process::Command;

/// The status and the sorted short answers that `dig` shows; `None` if there is no `dig` here.
fn dig(agent: &Agent, name: &str, kind: &str) -> Option<(String, Vec<String>)> {
    let port = agent.dns().port().to_string();
    let server = format!("@{}", agent.dns().ip());
    let output = Command::new("dig").args([&*server, "-p", &port, "+time=10", "+tries=1", name, kind]).output();
    let Ok(output) = output else {
        let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!in_ci, "CI must have dig: install bind9-dnsutils (Debian) or bind-utils (Fedora)");
        println!("DNS is not asked: there is no dig on PATH");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let status = text.split_once("status: ").and_then(|(_, rest)| rest.split(',').next());
    let status = status.unwrap_or_else(|| panic!("dig {name} {kind}: {text}")).to_owned();
    let answers = text.split_once("ANSWER SECTION:\n").map_or("", |(_, rest)| rest);
    let records = answers.lines().take_while(|line| !line.is_empty());
    let mut data: Vec<String> =
        records.map(|record| record.split_ascii_whitespace().skip(4).collect::<Vec<_>>().join(" ")).collect();
    data.sort();
    Some((status, data))
}

fn answer(status: &str, data: &[&str]) -> (String, Vec<String>) {
    (status.to_owned(), data.iter().map(|one| (*one).to_owned()).collect())
}

#[test]
fn what_one_node_is_told_all_nodes_answer() {
    let cluster = Cluster::of(&["a", "b", "c"]);
    let told = cluster[0].register("prod/recos", "recos-1", r#"{"address":"10.0.0.7","port":8080}"#);
    assert_eq!((&told["created"], &told["service"]), (&true.into(), &"prod/recos".into()), "{told}");
    for agent in cluster.agents() {
        let seen =
            agent.await_service("prod/recos", "with its instance", |seen| ids(&seen["instances"]) == ["recos-1"]);
        let one = &seen["instances"][0];
        assert_eq!((&one["address"], &one["port"], &one["node"]), (&"10.0.0.7".into(), &8080.into(), &"a".into()));
        assert_eq!((&one["status"], &seen["selection"]), (&"passing".into(), &"usable".into()), "{seen}");
        let read = agent.get("/v1/services/prod/recos").expect(&[200]);
        assert!(read.json()["age_ms"].is_u64(), "{read:?}");
        let age: u64 = read.header("x-whither-age-ms").and_then(|age| age.parse().ok()).expect("an age");
        // Provably fresh: on loopback, with a probe every half second, an answer of a minute ago would be no proof.
        assert!(age < 10_000, "{read:?}");
        let index = read.header("x-whither-index").expect("an index");
        assert_eq!(read.json()["index"], *index, "the index of the service's last change");
        let Some(found) = dig(agent, "recos.prod.whither", "A") else { continue };
        assert_eq!(found, answer("NOERROR", &["10.0.0.7"]), "at {}", agent.name());
        let (status, records) = dig(agent, "_recos._tcp.prod.whither", "SRV").expect("dig was there");
        assert_eq!(status, "NOERROR");
        assert!(records.len() == 1 && records[0].contains(" 8080 "), "{records:?}");
        assert_eq!(dig(agent, "recos.prod.whither", "AAAA"), Some(answer("NOERROR", &[])), "no such record: NODATA");
        assert_eq!(dig(agent, "nobody.prod.whither", "A"), Some(answer("NXDOMAIN", &[])), "no such name");
    }

    cluster[0].ask(&format!("DELETE {}", instance("prod/recos", "recos-1")), "").expect(&[200]);
    for agent in cluster.agents() {
        agent.await_service("prod/recos", "empty, because somebody said so", |seen| {
            ids(&seen["instances"]).is_empty() && seen["selection"] == "empty"
        });
        if dig(agent, "recos.prod.whither", "A").is_some() {
            let nodata = Some(answer("NOERROR", &[]));
            assert_eq!(dig(agent, "recos.prod.whither", "A"), nodata, "known and empty is NODATA, not NXDOMAIN");
        }
        agent.get("/v1/services/prod/nobody").expect(&[404]);
    }
}

#[test]
fn many_at_once_arrive_everywhere() {
    let cluster = Cluster::of(&["a", "b", "c"]);
    let one = |n: usize| format!(r#"{{"service":"prod/many-{}","id":"i-{n}","port":{}}}"#, n % 20, 1 + n % 60_000);
    let all: Vec<String> = (0..2_000).map(one).collect();
    let told = cluster[1].ask("POST /v1/instances", &format!("[{}]", all.join(","))).expect(&[200, 201]).json();
    assert_eq!((&told["written"], &told["created"]), (&2_000.into(), &2_000.into()));
    for agent in cluster.agents() {
        eventually(&format!("{} has all", agent.name()), SOON, || {
            let health = agent.get("/v1/health").expect(&[200]).json();
            (health["instances"] == 2_000).then_some(()).ok_or_else(|| health.to_string())
        });
        assert_eq!(ids(&agent.service("prod/many-7")["instances"]).len(), 100);
    }
}
