//! What is known of another agent.

use crate::{Epoch, NodeId, NodeName};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::net::SocketAddr;

/// What membership believes of a node, in the order in which one belief overrides another of the same incarnation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MemberState {
    /// It answers probes.
    Alive,
    /// Somebody could not reach it; it has time to object.
    Suspect,
    /// It did not object in time. Its instances are served as last known, marked.
    Down,
    /// It said goodbye.
    Left,
}

impl MemberState {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Down => "down",
            Self::Left => "left",
        }
    }

    /// Whether it takes part: alive or merely suspected.
    #[must_use]
    pub const fn is_present(self) -> bool {
        matches!(self, Self::Alive | Self::Suspect)
    }
}

impl fmt::Display for MemberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A node as the catalog shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its identity.
    pub id: NodeId,
    /// Its name, from its node row; empty until that row has arrived.
    pub name: Arc<NodeName>,
    /// Where peers reach it.
    pub address: SocketAddr,
    /// Its boot number.
    pub epoch: Epoch,
    /// What membership believes.
    pub state: MemberState,
    /// Whether its word about its instances still counts: while it is present, and for a grace after its goodbye, so
    /// that a restart is not a death.
    pub vouches: bool,
    /// It is down, but so are half of all nodes at once, or it has been suspected for long and nobody can be sure: more likely this
    /// side is cut off than that all of them are dead. Its instances are kept in service.
    pub held: bool,
    /// An operator took it, with all its instances, out of service.
    pub maintenance: bool,
    /// Failure domain inside the region; empty if it has not said.
    pub zone: Box<str>,
    /// Set of nodes near each other; empty if it has not said.
    pub region: Box<str>,
    /// The software it runs, for example `0.1.0`.
    pub software: Box<str>,
}
