//! Other systems' APIs, on ports that those systems may have already.

use super::{AgentError, owner_of};
use crate::config::{ConsulConfig, EurekaConfig};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use whither_directory::Directory;
use whither_doors::Listener;

/// Which API, and how it answers.
enum Api {
    Consul(whither_api_consul::Config),
    Eureka(whither_api_eureka::Config),
}

/// A port that is ours, and nobody is answered yet.
pub(super) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    api: Api,
}

/// What answers there.
pub(super) struct Running {
    address: SocketAddr,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Bound {
    /// Consul's. Nothing: somebody has the port already, and nobody insists on this one.
    ///
    /// # Errors
    /// The port cannot be had, and somebody does; or there is more to it than that.
    pub(super) async fn consul(config: ConsulConfig) -> Result<Option<Self>, AgentError> {
        let ConsulConfig { bind, insists, datacenter } = config;
        let answers = whither_api_consul::Config { datacenter, ..whither_api_consul::Config::default() };
        Self::new(bind, insists, Api::Consul(answers)).await
    }

    /// The same of Eureka's.
    ///
    /// # Errors
    /// As [`Bound::consul`].
    pub(super) async fn eureka(config: EurekaConfig) -> Result<Option<Self>, AgentError> {
        Self::new(config.bind, config.insists, Api::Eureka(whither_api_eureka::Config::default())).await
    }

    async fn new(address: SocketAddr, insists: bool, api: Api) -> Result<Option<Self>, AgentError> {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                let address = listener.local_addr().unwrap_or(address);
                Ok(Some(Self { listener, address, api }))
            }
            Err(source) => {
                let owner = owner_of(super::PortKind::Tcp, address, &source);
                let (name, flag) = match api {
                    Api::Consul(_) => ("Consul", "consul"),
                    Api::Eureka(_) => ("Eureka", "eureka"),
                };
                if insists || source.kind() != std::io::ErrorKind::AddrInUse {
                    return Err(AgentError::Foreign { name, flag, address, owner, source });
                }
                tracing::warn!(
                    "{address} is taken{owner}: this agent does not speak {name}'s API; name another address with \
                     --{flag}-bind, or switch it off with --{flag}-enabled false"
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
        let listeners = vec![Listener::Tcp(self.listener)];
        let serving = match self.api {
            Api::Consul(config) => tokio::spawn(whither_api_consul::serve(listeners, directory, config, stopped)),
            Api::Eureka(config) => tokio::spawn(whither_api_eureka::serve(listeners, directory, config, stopped)),
        };
        Running { address: self.address, serving }
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
