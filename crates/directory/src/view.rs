//! The immutable snapshot that readers hold.

use crate::freshness::{Freshness, KnownUntil, age_of};
use crate::service::ServiceView;
use crate::shards::Shards;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use whither_model::{Epoch, Instant, Member, NodeId, ServiceName};

/// Orders the views of one node: it rises with every change and across restarts, because the boot number is its upper
/// half. Indexes of different nodes cannot be compared; see [`Cursor`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Index(u64);

impl Index {
    /// The first index of a boot.
    #[must_use]
    pub const fn first_of(epoch: Epoch) -> Self {
        Self(epoch.0 << 32)
    }

    /// The number, below 2^53 for the first two million boots, so that JavaScript can hold it.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A place in one node's history that a reader may resume from: `<node id>-<index>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cursor {
    /// Whose history.
    pub node: NodeId,
    /// Where in it.
    pub index: Index,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.node, self.index)
    }
}

/// Not a cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "not a cursor: expected <node id>-<index> as an earlier answer gave it, for example 00c0ffee00c0ffee-4294967311"
)]
pub struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;
    fn from_str(s: &str) -> Result<Self, NotACursor> {
        let (node, index) = s.split_once('-').ok_or(NotACursor)?;
        Ok(Self { node: node.parse().map_err(|_| NotACursor)?, index: Index(index.parse().map_err(|_| NotACursor)?) })
    }
}

/// A node in a view.
#[derive(Clone, Debug)]
pub struct NodeView {
    /// What is known of it.
    pub member: Member,
    pub(crate) owned: Arc<AtomicUsize>,
    /// Up to when it is known; `None` for the node that answers.
    pub(crate) known: Option<KnownUntil>,
}

impl NodeView {
    /// How many instances it owns at this moment, also if this view is older.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.owned.load(Ordering::Relaxed)
    }

    /// How long ago, at most, all that it had said was known here; `None`: it has not been heard of yet.
    #[must_use]
    pub fn age(&self, now: Instant) -> Option<Duration> {
        self.known.as_ref().map_or(Some(Duration::ZERO), |known| age_of(known.get(), now))
    }
}

/// Everything a node answers from, as of one moment.
#[derive(Clone, Debug)]
pub struct View {
    pub(crate) index: Index,
    pub(crate) listed: Index,
    pub(crate) nodes_index: Index,
    pub(crate) services: Shards,
    pub(crate) nodes: Arc<Vec<Arc<NodeView>>>,
    pub(crate) freshness: Freshness,
    pub(crate) instances: usize,
}

impl View {
    /// Its place in this node's history.
    #[must_use]
    pub fn index(&self) -> Index {
        self.index
    }

    /// When it last changed who is registered, and with what words; not, how well they do.
    #[must_use]
    pub fn listed(&self) -> Index {
        self.listed
    }

    /// When what is known of any node last changed.
    #[must_use]
    pub fn nodes_index(&self) -> Index {
        self.nodes_index
    }

    /// The service with this name, also if its last instance is gone.
    #[must_use]
    pub fn service(&self, name: &ServiceName) -> Option<&Arc<ServiceView>> {
        self.services.get(name)
    }

    /// All services, in no particular order.
    pub fn services(&self) -> impl Iterator<Item = &Arc<ServiceView>> {
        self.services.iter()
    }

    /// How many services are known.
    #[must_use]
    pub fn service_count(&self) -> usize {
        self.services.len()
    }

    /// How many instances are listed.
    #[must_use]
    pub fn instance_count(&self) -> usize {
        self.instances
    }

    /// All nodes, sorted by id.
    #[must_use]
    pub fn nodes(&self) -> &[Arc<NodeView>] {
        &self.nodes
    }

    /// The node with this id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Arc<NodeView>> {
        self.nodes.binary_search_by_key(&id, |node| node.member.id).ok().map(|at| &self.nodes[at])
    }

    /// How old answers from this view are.
    #[must_use]
    pub fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// How long ago, at most, the whole catalog was last known to be the truth: over every present member, and over the
    /// absent ones that own something in it. `None`: that cannot be said yet.
    #[must_use]
    pub fn age(&self, now: Instant) -> Option<Duration> {
        let absent = self.nodes.iter().filter(|node| !node.member.state.is_present() && node.instances() > 0);
        self.freshness.age(now, absent.filter_map(|node| node.known.as_ref().map(KnownUntil::get)))
    }
}
