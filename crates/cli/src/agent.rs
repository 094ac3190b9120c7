//! An agent: a node and the surfaces around it, in one process. `whither agent` runs one, `whither dev` three.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use whither_directory::Directory;
use whither_node::{Node, NodeError, StartError};
use whither_transport::{PortKind, whose_port};

/// What an agent is made of.
pub(crate) struct Parts {
    /// The node.
    pub(crate) node: whither_node::Config,
    /// Where the HTTP API listens; `None`: nowhere.
    pub(crate) http: Option<SocketAddr>,
    /// Where DNS listens, and how it answers; `None`: nowhere.
    pub(crate) dns: Option<(SocketAddr, whither_api_dns::Config)>,
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
    node: Node,
    http: Option<(SocketAddr, JoinHandle<std::io::Result<()>>)>,
    dns: Option<whither_api_dns::Running>,
    /// Answers other nodes, also where no HTTP API listens.
    questions: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Agent {
    /// Binds everything, then starts the node, then serves: whatever is wrong is said before a word reaches a peer.
    ///
    /// # Errors
    /// [`AgentError`]; nothing runs.
    pub(crate) async fn start(parts: Parts) -> Result<Self, AgentError> {
        let http = match parts.http {
            Some(address) => Some(bind_http(address).await?),
            None => None,
        };
        let dns = match parts.dns {
            Some((address, config)) => Some((bind_dns(address, &config)?, config)),
            None => None,
        };
        let node = Node::start(parts.node).await?;
        let (stop, _) = watch::channel(false);
        let questions = tokio::spawn(whither_api_http::answer_questions(
            Arc::clone(node.directory()),
            whither_api_http::Config::default(),
            stopped(stop.subscribe()),
        ));
        let http = http.map(|listener| serve_http(listener, Arc::clone(node.directory()), stop.subscribe()));
        let dns = match dns {
            Some((bound, config)) => {
                let stopped = stopped(stop.subscribe());
                let running = whither_api_dns::serve(bound, Arc::clone(node.directory()), config, stopped);
                Some(running.map_err(|source| AgentError::Dns { owner: String::new(), source })?)
            }
            None => None,
        };
        Ok(Self { node, http, dns, questions, stop })
    }

    /// What it knows.
    pub(crate) fn directory(&self) -> &Arc<Directory> {
        self.node.directory()
    }

    /// Where peers reach it.
    pub(crate) fn peers(&self) -> SocketAddr {
        self.node.peers()
    }

    /// Where the HTTP API listens.
    pub(crate) fn http(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(|(address, _)| *address)
    }

    /// Where DNS listens.
    pub(crate) fn dns(&self) -> Option<SocketAddr> {
        self.dns.as_ref().and_then(whither_api_dns::Running::local_addr)
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
        let node = self.node.stop().await;
        if let Some((_, http)) = self.http {
            drop(http.await);
        }
        if let Some(dns) = self.dns {
            dns.stop().await;
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

fn owner_of(kind: PortKind, address: SocketAddr, problem: &std::io::Error) -> String {
    if problem.kind() != std::io::ErrorKind::AddrInUse {
        return String::new();
    }
    whose_port(kind, address).map_or_else(String::new, |owner| format!(" by {owner}"))
}

fn serve_http(
    listener: tokio::net::TcpListener,
    directory: Arc<Directory>,
    stop: watch::Receiver<bool>,
) -> (SocketAddr, JoinHandle<std::io::Result<()>>) {
    // A listener that was just bound knows its address.
    let address = listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0)));
    let config = whither_api_http::Config::default();
    (address, tokio::spawn(whither_api_http::serve(listener, directory, config, stopped(stop))))
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}
