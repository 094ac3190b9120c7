//! Agents as processes: started, signalled and asked, and never left behind.

mod agent;
pub(crate) mod clients;
mod dns;
mod http;
mod server;
mod site;
mod tables;
mod templating;
mod waiting;
mod watch;

pub(crate) use agent::{Agent, Process, command, refused};
pub(crate) use dns::srv_ports;
pub(crate) use http::{Answer, exchange};
pub(crate) use server::{Plan, Port, Server, await_closed};
pub(crate) use site::Site;
pub(crate) use tables::succeeded;
pub(crate) use templating::{Templating, template_once};
pub(crate) use waiting::eventually;
pub(crate) use watch::Watch;

use serde_json::Value;
use std::ops::{Index, IndexMut};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// How long anything may take that should take a moment: generous, because the machine may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Agents that share a secret, and a scratch directory for all of them.
pub(crate) struct Cluster {
    /// Ended before their directories go.
    agents: Vec<Agent>,
    secret: PathBuf,
    scratch: TempDir,
}

impl Cluster {
    /// No agent yet, and a new secret.
    pub(crate) fn empty() -> Self {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let secret = scratch.path().join("cluster.secret");
        make_secret(&secret);
        Self { agents: Vec::new(), secret, scratch }
    }

    /// Agents with these names that all know each other.
    pub(crate) fn of(names: &[&str]) -> Self {
        let mut cluster = Self::empty();
        for name in names {
            let at = cluster.add(name);
            cluster[at].start();
        }
        cluster.await_all_alive();
        cluster
    }

    /// One more agent, to be started, that joins the first. Returns where it is among the others.
    pub(crate) fn add(&mut self, name: &str) -> usize {
        let dir = self.scratch.path().join(name);
        let mut agent = Agent::new(name, &dir, &self.secret);
        if let Some(first) = self.agents.first() {
            agent.argue(&["--join", &first.peers().to_string()]);
        }
        self.agents.push(agent);
        self.agents.len() - 1
    }

    /// One more agent as given.
    pub(crate) fn add_agent(&mut self, agent: Agent) -> usize {
        self.agents.push(agent);
        self.agents.len() - 1
    }

    /// The agents, in the order they were added.
    pub(crate) fn agents(&self) -> &[Agent] {
        &self.agents
    }

    /// The cluster's secret file.
    pub(crate) fn secret(&self) -> &Path {
        &self.secret
    }

    /// A directory that goes with the cluster.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Waits until every running agent believes every running agent alive, and all others not.
    pub(crate) fn await_all_alive(&self) {
        let running: Vec<&Agent> = self.agents.iter().filter(|agent| agent.is_running()).collect();
        for agent in &running {
            eventually(&format!("{} knows that {} are alive", agent.name(), running.len()), SOON, || {
                let states = agent.member_states();
                let all =
                    running.iter().all(|other| states.iter().any(|one| one == &(other.name().into(), "alive".into())));
                all.then_some(()).ok_or_else(|| format!("{states:?}"))
            });
        }
    }
}

impl Index<usize> for Cluster {
    type Output = Agent;

    fn index(&self, at: usize) -> &Agent {
        &self.agents[at]
    }
}

impl IndexMut<usize> for Cluster {
    fn index_mut(&mut self, at: usize) -> &mut Agent {
        &mut self.agents[at]
    }
}

/// Has the program draw a new secret.
pub(crate) fn make_secret(path: &Path) {
    let made = command(&["ca", "init", "--out"]).arg(path).output().expect("the program runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// The path of an instance.
pub(crate) fn instance(service: &str, id: &str) -> String {
    format!("/v1/services/{service}/instances/{id}")
}

/// The ids of the instances in an answer about a service, or of an event's `changed`.
pub(crate) fn ids(instances: &Value) -> Vec<&str> {
    instances.as_array().expect("an array").iter().map(|one| one["id"].as_str().expect("an id")).collect()
}
