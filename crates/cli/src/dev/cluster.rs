//! Three agents in one process.

use crate::agent::checks::CheckPlan;
use crate::agent::{Agent, Parts};
use crate::config::{ConsulConfig, EurekaConfig, SocketConfig, SocketMode, TablesConfig};
use anyhow::Context;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use whither_node::Seed;
use whither_transport::ClusterSecret;

/// Where the first agent listens if nobody else does: the defaults of `whither agent`, so that every other command works.
const HTTP: u16 = 7601;
const DNS: u16 = 7653;
const POSTGRES: u16 = 7654;
const CONSUL: u16 = 8500;
const EUREKA: u16 = 8761;

/// The agents, and the directory that goes away with them.
pub(crate) struct Cluster {
    pub(crate) agents: Vec<Agent>,
    directory: Scratch,
}

/// A directory of this run's own.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left behind it does no harm: it is in the system's place for temporary files.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl Cluster {
    /// Starts three agents that know each other.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let directory = Scratch(std::env::temp_dir().join(format!("whither-dev-{}", std::process::id())));
        std::fs::create_dir_all(&directory.0).with_context(|| format!("cannot make {}", directory.0.display()))?;
        let mut cluster = Self { agents: Vec::new(), directory };
        let secret = ClusterSecret::generate();
        for (at, name) in ["dev-a", "dev-b", "dev-c"].into_iter().enumerate() {
            let first = at == 0;
            let dns = whither_api_dns::Config { workers: 1, ..whither_api_dns::Config::default() };
            let node = cluster.node(name, &secret)?;
            let socket = SocketConfig { path: node.data_dir.join("whither.sock"), mode: SocketMode::OWN };
            let parts = Parts {
                node,
                socket: Some(socket),
                http: Some(loopback(if first { free(HTTP) } else { 0 })),
                dns: Some((loopback(if first { free(DNS) } else { 0 }), dns)),
                postgres: Some((loopback(if first { free(POSTGRES) } else { 0 }), whither_api_pg::Config::default())),
                consul: Some(ConsulConfig {
                    bind: loopback(if first { free(CONSUL) } else { 0 }),
                    insists: true,
                    datacenter: "dev".into(),
                }),
                eureka: Some(EurekaConfig { bind: loopback(if first { free(EUREKA) } else { 0 }), insists: true }),
                checks: CheckPlan::default(),
                tables: TablesConfig::default(),
            };
            cluster.agents.push(Agent::start(parts).await?);
        }
        Ok(cluster)
    }

    fn node(&self, name: &str, secret: &ClusterSecret) -> anyhow::Result<whither_node::Config> {
        let seed = |agent: &Agent| Seed { host: agent.peers().ip().to_string(), port: agent.peers().port() };
        Ok(whither_node::Config {
            name: name.parse()?,
            data_dir: self.directory.0.join(name),
            zone: name.replace("dev", "zone").into(),
            region: "dev".into(),
            software: env!("CARGO_PKG_VERSION").into(),
            peers_bind: loopback(0),
            advertise: None,
            secret: secret.clone(),
            seeds: self.agents.first().map(seed).into_iter().collect(),
            timing: whither_node::Timing::default(),
            group_window: std::time::Duration::from_millis(20),
            database_pages_max: None,
        })
    }

    /// Stops all of them at once.
    pub(crate) async fn stop(self) {
        let stopping: Vec<_> = self.agents.into_iter().map(|agent| tokio::spawn(agent.stop())).collect();
        for agent in stopping {
            // What they kept goes away with them.
            drop(agent.await);
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// `port` if nobody has it, else any.
fn free(port: u16) -> u16 {
    let address = loopback(port);
    let both = TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok();
    if both { port } else { 0 }
}
