//! What is new about members, on its way as passengers of whatever is sent anyway (SWIM section 4.1).
//!
//! The broadcast brings news faster; this brings it even where the broadcast lost its way.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use whither_model::NodeId;

/// About whom there is news, and how often it may still be sent.
#[derive(Debug, Default)]
pub(crate) struct News {
    waiting: BTreeMap<NodeId, u32>,
    /// The same, by how often: what was sent least is last.
    order: BTreeSet<(u32, NodeId)>,
}

/// Members about whom news may wait at once.
const WAITING_MAX: usize = 4_096;

impl News {
    /// There is news of `node`, in a cluster of `members`: it is sent 3·⌈log2 n⌉ times (SWIM section 4.1, λ = 3 / ln 2).
    /// Returns whether there was room.
    pub(crate) fn tell(&mut self, node: NodeId, members: usize) -> bool {
        let room = self.waiting.len() < WAITING_MAX || self.waiting.contains_key(&node);
        if room {
            let sends = 3 * (usize::BITS - members.leading_zeros()).max(1);
            self.put(node, sends);
        }
        room
    }

    fn put(&mut self, node: NodeId, sends: u32) {
        if let Some(before) = self.waiting.insert(node, sends) {
            self.order.remove(&(before, node));
        }
        self.order.insert((sends, node));
    }

    pub(crate) fn forget(&mut self, node: NodeId) {
        if let Some(before) = self.waiting.remove(&node) {
            self.order.remove(&(before, node));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Up to `max` of them, those that were sent least first.
    pub(crate) fn take(&mut self, max: usize) -> Vec<NodeId> {
        let chosen: Vec<(u32, NodeId)> = self.order.iter().rev().take(max).copied().collect();
        for (left, node) in &chosen {
            if *left <= 1 {
                self.forget(*node);
            } else {
                self.put(*node, left - 1);
            }
        }
        chosen.into_iter().map(|(_, node)| node).collect()
    }
}
