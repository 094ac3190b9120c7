//! Consul's API, on a port that a Consul agent may have already.

use super::{AgentError, owner_of};
use crate::config::ConsulConfig;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use whither_api_consul::Config;
use whither_directory::Directory;
use whither_doors::Listener;

/// A port that is ours, and nobody is answered yet.
pub(super) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    config: Config,
}

/// What answers there.
pub(super) struct Running {
    address: SocketAddr,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Bound {
    /// Nothing: somebody has the port already, and nobody insists on this one.
    ///
    /// # Errors
    /// The port cannot be had, and somebody does; or there is more to it than that.
    pub(super) async fn new(config: ConsulConfig) -> Result<Option<Self>, AgentError> {
        let ConsulConfig { bind: address, insists, datacenter } = config;
        match TcpListener::bind(address).await {
            Ok(listener) => {
                let address = listener.local_addr().unwrap_or(address);
                Ok(Some(Self { listener, address, config: Config { datacenter, ..Config::default() } }))
            }
            Err(source) => {
                let owner = owner_of(super::PortKind::Tcp, address, &source);
                if insists || source.kind() != std::io::ErrorKind::AddrInUse {
                    return Err(AgentError::Consul { address, owner, source });
                }
                tracing::warn!(
                    "{address} is taken{owner}: this agent does not speak Consul's API; name another address with \
                     --consul-bind, or switch it off with --consul-enabled false"
                );
                Ok(None)
            }
        }
    }

    pub(super) fn serve(
        self,
        directory: Arc<Directory>,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) -> Running {
        let serving = whither_api_consul::serve(vec![Listener::Tcp(self.listener)], directory, self.config, stopped);
        Running { address: self.address, serving: tokio::spawn(serving) }
    }
}

impl Running {
    pub(super) const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Waits until everybody has been answered.
    pub(super) async fn stop(self) {
        drop(self.serving.await);
    }
}
