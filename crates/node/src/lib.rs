//! Exists so that the core, the disk, the network and the readers meet in one loop that fits on a screen.
//!
//! [`Node::start`] opens the data directory, binds the peer port and runs the loop on a thread of its own, where no request,
//! no disk and no handshake can hold up a probe. Surfaces are composed around [`Node::directory`] by whoever starts it.

mod carry;
mod config;
mod driver;
mod error;
mod lag;
mod metrics;
mod questions;
mod seeds;
mod tables;

pub use config::{Config, Seed};
pub use error::{NodeError, StartError};
pub use whither_replica::{Detection, Timing};

use driver::Driver;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};
use whither_directory::Directory;

/// A running node.
#[derive(Debug)]
pub struct Node {
    directory: Arc<Directory>,
    peers: SocketAddr,
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<Result<(), NodeError>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Node {
    /// Opens, binds and begins. When this returns, the directory already shows the last good state.
    ///
    /// # Errors
    /// [`StartError`]: nothing runs, and the data directory is free again.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let (stop, stopping) = watch::channel(false);
        let (ended_tx, ended) = oneshot::channel();
        let (started_tx, started) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("whither-node".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = match runtime {
                    Ok(runtime) => runtime,
                    Err(problem) => return drop(started_tx.send(Err(StartError::Runtime(problem)))),
                };
                runtime.block_on(async move {
                    match Driver::start(config, stopping).await {
                        Ok(driver) => {
                            // If nobody waits any more, the node was not wanted: its channels are closed and it stops.
                            drop(started_tx.send(Ok((driver.directory(), driver.peers()))));
                            drop(ended_tx.send(driver.run().await));
                        }
                        Err(problem) => drop(started_tx.send(Err(problem))),
                    }
                });
            })
            .map_err(StartError::Runtime)?;
        let (directory, peers) = started.await.map_err(|_| StartError::Died)??;
        Ok(Self { directory, peers, stop, ended, thread: Some(thread) })
    }

    /// Where surfaces meet this node.
    #[must_use]
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Where peers reach it: the port that was bound.
    #[must_use]
    pub fn peers(&self) -> SocketAddr {
        self.peers
    }

    /// Waits until the node ends on its own, which it does only when it must not go on.
    pub async fn ended(&mut self) -> NodeError {
        match (&mut self.ended).await {
            Ok(Err(problem)) => problem,
            Ok(Ok(())) | Err(_) => NodeError::Died,
        }
    }

    /// Says goodbye, writes everything down, and stops.
    ///
    /// # Errors
    /// [`NodeError`] if not everything could be written down. The node has stopped all the same.
    pub async fn stop(mut self) -> Result<(), NodeError> {
        self.stop.send_replace(true);
        let result = (&mut self.ended).await.unwrap_or(Err(NodeError::Died));
        if let Some(thread) = self.thread.take() {
            // It has sent its last word; joining waits for the lock of the data directory to be given up.
            drop(tokio::task::spawn_blocking(move || thread.join()).await);
        }
        result
    }
}
