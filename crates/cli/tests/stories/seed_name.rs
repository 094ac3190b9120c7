//! Finding the cluster by a name.

use crate::agents::Cluster;

#[test]
fn a_seed_may_be_a_name() {
    let mut cluster = Cluster::of(&["a"]);
    let seed = format!("localhost:{}", cluster[0].peers().port());
    let mut agent = crate::agents::Agent::new("b", &cluster.scratch().join("b"), cluster.secret());
    agent.argue(&["--join", &seed]);
    let b = cluster.add_agent(agent);
    cluster[b].start();
    cluster.await_all_alive();
}

#[test]
fn a_running_agent_can_be_told_where_the_cluster_is() {
    let mut cluster = Cluster::of(&["a"]);
    let alone = crate::agents::Agent::new("b", &cluster.scratch().join("b"), cluster.secret());
    let b = cluster.add_agent(alone);
    cluster[b].start();
    assert_eq!(cluster[b].member_states(), [("b".to_owned(), "alive".to_owned())]);
    let body = format!(r#"{{"addresses":["localhost:{}"]}}"#, cluster[0].peers().port());
    cluster[b].ask("POST /v1/join", &body).expect(&[202]);
    cluster.await_all_alive();
}
