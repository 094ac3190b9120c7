//! Why a node does not start, or does not go on.

use std::io;
use whither_model::{Epoch, NodeId};
use whither_store::{CommitError, OpenError};
use whither_transport::BindError;

/// Why a node did not start. Nothing runs.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Users' tables cannot be used.
    #[error(transparent)]
    Tables(#[from] whither_sql::OpenError),
    /// The peer port cannot be used.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system gives no thread or no event loop.
    #[error("cannot start the node's event loop: {0}")]
    Runtime(#[source] io::Error),
    /// The node's thread ended before it could say why.
    #[error("the node's thread died while starting; its last words are in the log")]
    Died,
}

/// Why a node stopped.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Somebody spoke as this node in a later boot than this one: a copied data directory, or one restored from a backup.
    /// The epoch has been raised past it; a restart is safe if no copy is running.
    #[error(
        "node {node} has been heard from in boot {heard}, but this is boot {own}: its data directory was copied, or restored \
         from a backup. If another agent runs on a copy, stop it; then start this one again, it will speak from a later boot"
    )]
    Impostor {
        /// This node.
        node: NodeId,
        /// This boot.
        own: u64,
        /// The later one.
        heard: u64,
    },
    /// Not everything was written down.
    #[error("the last changes may not be on disk: {0}")]
    Commit(#[from] CommitError),
    /// The node's thread ended without saying why.
    #[error("the node's thread died; its last words are in the log")]
    Died,
}

impl NodeError {
    pub(crate) fn impostor(node: NodeId, own: Epoch, heard: Epoch) -> Self {
        Self::Impostor { node, own: own.0, heard: heard.0 }
    }
}
