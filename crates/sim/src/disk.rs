//! A disk that forgets what was not committed.

use std::collections::BTreeMap;
use whither_model::durable::{Batch, Row, RowKey, Seen, Snapshot, StoredMember};
use whither_model::{Epoch, NodeId, Origin};

/// What one node's journal holds: committed, and on its way there.
#[derive(Clone, Debug)]
pub struct Disk {
    node: NodeId,
    epoch: Epoch,
    rows: BTreeMap<RowKey, Row>,
    seen: BTreeMap<Origin, Seen>,
    members: BTreeMap<NodeId, StoredMember>,
    pending: Vec<Batch>,
}

impl Disk {
    /// An empty disk for `node`.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            epoch: Epoch(0),
            rows: BTreeMap::new(),
            seen: BTreeMap::new(),
            members: BTreeMap::new(),
            pending: Vec::new(),
        }
    }

    /// Boots from this disk: the epoch is durable before anything else happens.
    pub fn boot(&mut self) -> Snapshot {
        self.epoch = Epoch(self.epoch.0 + 1);
        Snapshot {
            node: self.node,
            epoch: self.epoch,
            rows: self.rows.values().cloned().collect(),
            seen: self.seen.values().cloned().collect(),
            members: self.members.values().cloned().collect(),
        }
    }

    /// Raises the epoch to at least `epoch`, durably.
    pub fn raise_epoch(&mut self, epoch: Epoch) {
        self.epoch = self.epoch.max(epoch);
    }

    /// Takes in a batch that is not durable yet.
    pub fn append(&mut self, batch: Batch) {
        self.pending.push(batch);
    }

    /// Makes everything durable that was appended.
    pub fn commit(&mut self) {
        for batch in std::mem::take(&mut self.pending) {
            self.rows.extend(batch.rows.into_iter().map(|row| (row.key.clone(), row)));
            batch.forgotten.iter().for_each(|key| {
                self.rows.remove(key);
            });
            for seen in batch.seen {
                if seen.ranges.is_empty() {
                    self.seen.remove(&seen.origin);
                } else {
                    self.seen.insert(seen.origin, seen);
                }
            }
            self.members.extend(batch.members.into_iter().map(|member| (member.node, member)));
        }
    }

    /// Sabotage, for proving that checkers see it: forgets every row of `table`, yet not that they were seen.
    pub fn lose_rows(&mut self, table: whither_model::durable::TableId) {
        self.rows.retain(|key, _| key.table != table);
    }

    /// Loses what was not committed.
    pub fn lose_pending(&mut self) {
        self.pending.clear();
    }
}
