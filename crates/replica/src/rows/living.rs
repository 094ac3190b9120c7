//! Which rows live: counted, digested, and dropped when nobody needs to be told any more that they are dead.

use super::{FREE, Ranges, RowIx, Rows};
use alloc::sync::Arc;
use alloc::vec::Vec;
use whither_model::durable::{Row, RowKey};
use whither_model::random::mix;
use whither_model::{NodeId, Origin, Version};

/// A number for a row as it is: equal for equal key and version, on every node.
#[must_use]
pub(crate) fn fingerprint(row: &Row) -> u64 {
    let Version { epoch, seq } = row.version;
    let start = mix(u64::from(row.key.table.0) ^ mix(epoch.0 ^ mix(seq.0)));
    row.key.key.chunks(8).fold(start, |hash, chunk| {
        mix(hash ^ chunk.iter().fold(chunk.len() as u64, |word, byte| word << 8 | u64::from(*byte)))
    })
}

impl Rows {
    /// A digest of the living rows of `node`; zero: there are none.
    #[must_use]
    pub fn living_digest(&self, node: NodeId) -> u64 {
        self.living.get(&node).copied().unwrap_or(0)
    }

    /// A digest of all living rows. Whoever has seen the same has the same, or has lost something.
    #[must_use]
    pub fn living_digest_of_all(&self) -> u64 {
        self.living.iter().fold(0, |all, (node, digest)| all ^ mix(digest ^ mix(node.get())))
    }

    /// The digests of each node that has living rows.
    pub fn living_digests(&self) -> impl Iterator<Item = (NodeId, u64)> {
        self.living.iter().map(|(node, digest)| (*node, *digest))
    }

    /// All tombstones.
    pub fn dead(&self) -> impl Iterator<Item = (RowIx, &Row)> {
        self.tombstones.iter().map(|at| (RowIx(*at), &self.slots[*at as usize]))
    }

    /// The rows of `node`, living and dead.
    pub fn of_node(&self, node: NodeId) -> impl Iterator<Item = (RowIx, &Row)> {
        let origins = self.origins.get(&node).map_or(&[][..], Vec::as_slice);
        origins.iter().flat_map(|origin| origin.rows.iter()).map(|(_, at)| (RowIx(*at), &self.slots[*at as usize]))
    }

    pub(super) fn count(&mut self, at: u32) {
        if self.slots[at as usize].value.is_none() {
            self.tombstones.insert(at);
        } else {
            self.note_living(at);
        }
    }

    pub(super) fn uncount(&mut self, at: u32) {
        if self.slots[at as usize].value.is_none() {
            self.tombstones.remove(&at);
        } else {
            self.note_living(at);
        }
    }

    /// Adds a row to its node's digest, or takes it out: the two are the same.
    fn note_living(&mut self, at: u32) {
        let row = &self.slots[at as usize];
        let digest = self.living.entry(row.key.node).or_default();
        *digest ^= fingerprint(row);
        if *digest == 0 {
            self.living.remove(&row.key.node);
        }
    }

    /// Forgets what has been seen of `node`, though not its rows: all of it will be brought again.
    pub fn forget_seen_of(&mut self, node: NodeId) {
        for known in self.origins.get_mut(&node).into_iter().flatten() {
            let origin = Origin { node, epoch: known.epoch };
            if !known.seen.is_empty() {
                self.digest ^= known.seen.digest(origin);
                known.seen = Ranges::default();
                self.dirty_seen.insert(origin);
            }
        }
    }

    /// Forgets what has been seen of everybody but `me`.
    pub fn forget_seen_of_others(&mut self, me: NodeId) {
        let others: Vec<NodeId> = self.origins.keys().copied().filter(|node| *node != me).collect();
        for node in others {
            for known in self.origins.remove(&node).unwrap_or_default() {
                let origin = Origin { node, epoch: known.epoch };
                if !known.seen.is_empty() {
                    self.digest ^= known.seen.digest(origin);
                }
                self.dirty_seen.insert(origin);
            }
        }
    }

    /// Drops a row without a trace. Whoever calls knows that nobody can bring it back.
    pub fn drop_row(&mut self, ix: RowIx) {
        let at = ix.0;
        self.uncount(at);
        let nothing = RowKey { table: FREE, key: Arc::from([]), ..self.slots[at as usize].key.clone() };
        let blank = Row { key: nothing, version: Version::default(), value: None };
        let row = core::mem::replace(&mut self.slots[at as usize], blank);
        let hash = self.hash(row.key.node, row.key.table, &row.key.key);
        if let Ok(entry) = self.index.find_entry(hash, |found| *found == at) {
            entry.remove();
        }
        let origin = Origin { node: row.key.node, epoch: row.version.epoch };
        self.origin_mut(origin).rows.remove(&(row.version.seq.0, at));
        self.free.push(at);
        self.dirty_rows.remove(&at);
        self.forgotten.push(row.key.clone());
        self.forget_empty_pasts(row.key.node);
    }
}
