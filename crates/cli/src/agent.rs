//! An agent: a node and the surfaces around it, in one process. `whither agent` runs one, `whither dev` three.

pub(crate) mod backups;
pub(crate) mod checks;
mod foreign;
mod schema_files;
pub(crate) mod socket;

use crate::config::{ConsulConfig, EurekaConfig, SocketConfig, TablesConfig};
use checks::{CheckPlan, Checks};
use socket::{Place, SocketError, SocketFile};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use whither_directory::Directory;
use whither_doors::Listener;
use whither_node::{Node, NodeError, StartError};
use whither_transport::{PortKind, whose_port};

/// What an agent is made of.
pub(crate) struct Parts {
    /// The node.
    pub(crate) node: whither_node::Config,
    /// The port at which the HTTP API listens; `None`: none.
    pub(crate) http: Option<SocketAddr>,
    /// The Unix socket at which the HTTP API listens; `None`: none.
    pub(crate) socket: Option<SocketConfig>,
    /// Where DNS listens, and how it answers; `None`: nowhere.
    pub(crate) dns: Option<(SocketAddr, whither_api_dns::Config)>,
    /// Where it speaks PostgreSQL, and how; `None`: nowhere.
    pub(crate) postgres: Option<(SocketAddr, whither_api_pg::Config)>,
    /// Where it speaks Consul's HTTP API, and how; `None`: nowhere.
    pub(crate) consul: Option<ConsulConfig>,
    /// Where it speaks Eureka's API; `None`: nowhere.
    pub(crate) eureka: Option<EurekaConfig>,
    /// What it checks, and may.
    pub(crate) checks: CheckPlan,
    /// What it does for users' tables.
    pub(crate) tables: TablesConfig,
}

/// Why an agent does not start. Nothing runs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    /// The node does not.
    #[error(transparent)]
    Node(#[from] StartError),
    /// The HTTP API cannot listen.
    #[error("the HTTP API cannot listen on {address}/tcp: {source}{owner}; choose another with --http-bind")]
    Http {
        /// Where it should.
        address: SocketAddr,
        /// Who has the port, as far as that can be told.
        owner: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another system's API cannot listen.
    #[error(
        "{name}'s API cannot listen on {address}/tcp: {source}{owner}; choose another with --{flag}-bind, or --{flag}-enabled false"
    )]
    Foreign {
        /// Whose.
        name: &'static str,
        /// What its options begin with.
        flag: &'static str,
        /// Where it should.
        address: SocketAddr,
        /// Who has the port, as far as that can be told.
        owner: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The HTTP API has no Unix socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// There is no thread for checks.
    #[error("this host gives no thread for checks: {0}; raise its limits for this user, and start the agent again")]
    Checks(std::io::Error),
    /// PostgreSQL cannot be spoken.
    #[error("{source}{owner}; choose another address with --postgres-bind, or --postgres-enabled false")]
    Postgres {
        /// Who has the port, as far as that can be told.
        owner: String,
        /// What it said.
        source: whither_api_pg::StartError,
    },
    /// DNS cannot listen.
    #[error("{source}{owner}; choose another address with --dns-bind")]
    Dns {
        /// Who has the port, as far as that can be told.
        owner: String,
        /// What it said.
        source: whither_api_dns::StartError,
    },
}

/// A running agent.
pub(crate) struct Agent {
    /// Goes first: as long as the node lives, this file is nobody else's.
    socket: Option<SocketFile>,
    node: Node,
    http: Option<SocketAddr>,
    api: JoinHandle<std::io::Result<()>>,
    dns: Option<whither_api_dns::Running>,
    postgres: Option<whither_api_pg::Running>,
    consul: Option<foreign::Running>,
    eureka: Option<foreign::Running>,
    /// Answers other nodes, also where no HTTP API listens.
    questions: JoinHandle<()>,
    checks: Checks,
    schema: Vec<PathBuf>,
    backups: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

/// What is bound, and answers nobody yet.
struct Ports {
    http: Option<tokio::net::TcpListener>,
    dns: Option<(whither_api_dns::Bound, whither_api_dns::Config)>,
    postgres: Option<(whither_api_pg::Bound, whither_api_pg::Config)>,
    consul: Option<foreign::Bound>,
    eureka: Option<foreign::Bound>,
}

impl Ports {
    /// # Errors
    /// One cannot be had.
    async fn bind(
        http: Option<SocketAddr>,
        dns: Option<(SocketAddr, whither_api_dns::Config)>,
        postgres: Option<(SocketAddr, whither_api_pg::Config)>,
        consul: Option<ConsulConfig>,
        eureka: Option<EurekaConfig>,
    ) -> Result<Self, AgentError> {
        let http = match http {
            Some(address) => Some(bind_http(address).await?),
            None => None,
        };
        let dns = match dns {
            Some((address, config)) => Some((bind_dns(address, &config)?, config)),
            None => None,
        };
        let postgres = match postgres {
            Some((address, config)) => Some((bind_postgres(address, &config).await?, config)),
            None => None,
        };
        let consul = match consul {
            Some(config) => foreign::Bound::consul(config).await?,
            None => None,
        };
        let eureka = match eureka {
            Some(config) => foreign::Bound::eureka(config).await?,
            None => None,
        };
        Ok(Self { http, dns, postgres, consul, eureka })
    }
}

impl Agent {
    /// Binds everything, then starts the node, then serves: whatever is wrong is said before a word reaches a peer. Of the Unix
    /// socket all but the binding is done by then: with the node comes the lock that allows to replace the socket of a dead agent.
    ///
    /// # Errors
    /// [`AgentError`]; nothing runs.
    pub(crate) async fn start(parts: Parts) -> Result<Self, AgentError> {
        let place = parts.socket.and_then(|socket| Place::new(socket, &parts.node.data_dir));
        if let Some(place) = &place {
            place.check().await?;
        }
        let Ports { http: port, dns, postgres, consul, eureka } =
            Ports::bind(parts.http, parts.dns, parts.postgres, parts.consul, parts.eureka).await?;
        let node = Node::start(parts.node).await?;
        let (socket, file) = match bind_socket(place).await {
            Ok(bound) => bound.unzip(),
            Err(problem) => {
                // The problem of before is the one to tell.
                drop(node.stop().await);
                return Err(problem.into());
            }
        };
        let checks = match Checks::start(node.directory(), parts.checks) {
            Ok(checks) => checks,
            Err(problem) => {
                drop(node.stop().await);
                return Err(AgentError::Checks(problem));
            }
        };
        let (stop, _) = watch::channel(false);
        let http = port.as_ref().and_then(|listener| listener.local_addr().ok());
        let listeners = port.map(Listener::Tcp).into_iter().chain(socket.map(Listener::Unix)).collect();
        let config = whither_api_http::Config::default();
        let serving =
            whither_api_http::serve(listeners, Arc::clone(node.directory()), config, stopped(stop.subscribe()));
        let api = tokio::spawn(serving);
        let questions = tokio::spawn(whither_api_http::answer_questions(
            Arc::clone(node.directory()),
            whither_api_http::Config::default(),
            stopped(stop.subscribe()),
        ));
        let dns = match dns {
            Some((bound, config)) => {
                let stopped = stopped(stop.subscribe());
                let running = whither_api_dns::serve(bound, Arc::clone(node.directory()), config, stopped);
                Some(running.map_err(|source| AgentError::Dns { owner: String::new(), source })?)
            }
            None => None,
        };
        // A node without tables has nothing to say to whoever speaks PostgreSQL, and gives the port back.
        let postgres = postgres.filter(|_| node.directory().sql().is_some()).map(|(bound, config)| {
            whither_api_pg::serve(bound, Arc::clone(node.directory()), config, stopped(stop.subscribe()))
        });
        let serve = |bound: foreign::Bound| bound.serve(Arc::clone(node.directory()), stopped(stop.subscribe()));
        let (consul, eureka) = (consul.map(serve), eureka.map(serve));
        let directory = node.directory();
        let backups = parts.tables.backups.map(|plan| tokio::spawn(backups::make(Arc::clone(directory), plan)));
        let schema = parts.tables.schema;
        Ok(Self {
            socket: file,
            node,
            http,
            api,
            dns,
            postgres,
            consul,
            eureka,
            questions,
            checks,
            schema,
            backups,
            stop,
        })
    }

    /// Begins to make the tables what the schema files say, if there are any.
    pub(crate) fn apply_schema(&self) -> Option<JoinHandle<()>> {
        let apply = || schema_files::apply(Arc::clone(self.directory()), self.schema.clone());
        (!self.schema.is_empty()).then(|| tokio::spawn(apply()))
    }

    /// What it knows.
    pub(crate) fn directory(&self) -> &Arc<Directory> {
        self.node.directory()
    }

    /// Where peers reach it.
    pub(crate) fn peers(&self) -> SocketAddr {
        self.node.peers()
    }

    /// The port at which the HTTP API listens.
    pub(crate) const fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// The Unix socket at which the HTTP API listens, from the root.
    pub(crate) fn socket(&self) -> Option<&Path> {
        self.socket.as_ref().map(SocketFile::path)
    }

    /// Where DNS listens.
    pub(crate) fn dns(&self) -> Option<SocketAddr> {
        self.dns.as_ref().and_then(whither_api_dns::Running::local_addr)
    }

    /// Where it speaks PostgreSQL.
    pub(crate) fn postgres(&self) -> Option<SocketAddr> {
        self.postgres.as_ref().map(whither_api_pg::Running::local_addr)
    }

    /// Where it speaks Consul's HTTP API.
    pub(crate) fn consul(&self) -> Option<SocketAddr> {
        self.consul.as_ref().map(foreign::Running::local_addr)
    }

    /// Where it speaks Eureka's API.
    pub(crate) fn eureka(&self) -> Option<SocketAddr> {
        self.eureka.as_ref().map(foreign::Running::local_addr)
    }

    /// Waits until the node ends on its own, which it does only when it must not go on.
    pub(crate) async fn ended(&mut self) -> NodeError {
        self.node.ended().await
    }

    /// Ends what is being answered, says goodbye to the cluster, and writes everything down.
    ///
    /// # Errors
    /// [`NodeError`] if not everything could be written down; the agent has stopped all the same.
    pub(crate) async fn stop(self) -> Result<(), NodeError> {
        // The goodbye first: while requests drain, peers already know.
        self.stop.send_replace(true);
        // Before the lock of the data directory is given up: the next agent there has a socket of its own.
        drop(self.socket);
        // One under way is not finished; what was begun of it goes.
        if let Some(backups) = self.backups {
            backups.abort();
        }
        // What would look failed because the host goes down with it is nobody's business any more.
        self.checks.stop().await;
        let node = self.node.stop().await;
        drop(self.api.await);
        if let Some(dns) = self.dns {
            dns.stop().await;
        }
        if let Some(postgres) = self.postgres {
            postgres.stop().await;
        }
        for foreign in self.consul.into_iter().chain(self.eureka) {
            foreign.stop().await;
        }
        drop(self.questions.await);
        node
    }
}

async fn bind_http(address: SocketAddr) -> Result<tokio::net::TcpListener, AgentError> {
    tokio::net::TcpListener::bind(address).await.map_err(|source| AgentError::Http {
        address,
        owner: owner_of(PortKind::Tcp, address, &source),
        source,
    })
}

fn bind_dns(address: SocketAddr, config: &whither_api_dns::Config) -> Result<whither_api_dns::Bound, AgentError> {
    whither_api_dns::bind(&[address], config).map_err(|source| {
        let owner = match &source {
            whither_api_dns::StartError::System { source, .. } => [PortKind::Tcp, PortKind::Udp]
                .map(|kind| owner_of(kind, address, source))
                .into_iter()
                .find(|o| !o.is_empty()),
            whither_api_dns::StartError::Config(_) => None,
        };
        AgentError::Dns { owner: owner.unwrap_or_default(), source }
    })
}

async fn bind_postgres(
    address: SocketAddr,
    config: &whither_api_pg::Config,
) -> Result<whither_api_pg::Bound, AgentError> {
    whither_api_pg::bind(address, config).await.map_err(|source| {
        let owner = match &source {
            whither_api_pg::StartError::Bind { source, .. } => owner_of(PortKind::Tcp, address, source),
            whither_api_pg::StartError::Config(_) => String::new(),
        };
        AgentError::Postgres { owner, source }
    })
}

fn owner_of(kind: PortKind, address: SocketAddr, problem: &std::io::Error) -> String {
    if problem.kind() != std::io::ErrorKind::AddrInUse {
        return String::new();
    }
    whose_port(kind, address).map_or_else(String::new, |owner| format!(" by {owner}"))
}

async fn bind_socket(place: Option<Place>) -> Result<Option<(tokio::net::UnixListener, SocketFile)>, SocketError> {
    match place {
        Some(place) => place.bind().await.map(Some),
        None => Ok(None),
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}
