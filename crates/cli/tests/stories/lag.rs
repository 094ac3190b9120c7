//! How long changes take, as real agents measure it on each other.

use crate::agents::{Agent, Cluster, SOON, command, eventually};
use serde_json::Value;

fn lag(agent: &Agent, arguments: &[&str]) -> String {
    let http = agent.http().to_string();
    let output = command(&["lag", "--agent", &http]).args(arguments).output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_each_node_says_is_measured_by_all_others() {
    let cluster = Cluster::of(&["a", "b", "c"]);
    let mut number = 0;
    eventually("all six pairs are measured", SOON, || {
        // Each says something anew: what a booting cluster says may be fetched and not heard.
        number += 1;
        for agent in cluster.agents() {
            agent.register("prod/recos", &format!("r-{}-{number}", agent.name()), r#"{"port":8080}"#);
        }
        let told: Value = serde_json::from_str(&lag(&cluster[0], &["--json"])).expect("JSON");
        let pairs = told["propagation"]["pairs"].as_u64();
        (pairs == Some(6)).then_some(()).ok_or_else(|| told.to_string())
    });
    for agent in cluster.agents() {
        let metrics = agent.metrics();
        let p99 = metrics.get("whither_propagation_seconds{quantile=\"0.99\"}");
        assert!(p99.is_some_and(|seconds| *seconds > 0.0 && *seconds < 60.0), "{metrics:?}");
    }
    let matrix = lag(&cluster[1], &["--p99"]);
    let lines: Vec<Vec<&str>> = matrix.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["HEARD", "a", "b", "c"], "{matrix}");
    for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
        let line = &lines[at + 1];
        assert_eq!((line[0], line[at + 1]), (name, "-"), "{matrix}");
        assert_eq!(line.iter().filter(|cell| cell.ends_with("ms") || cell.ends_with('s')).count(), 2, "{matrix}");
    }
}
