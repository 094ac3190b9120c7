//! Rows and what has been seen of their authors: moved, merged and repaired without looking inside.
//!
//! Owned rows have one writer, so a merge compares versions and no clock is needed. No log is kept: a row remembers the
//! version that last wrote it, indexed by origin and seq, and what a peer lacks is the rows at seqs it has not seen.

mod living;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
pub(crate) use living::fingerprint;
pub use whither_model::Ranges;
use whither_model::durable::{Row, RowKey, Seen, TableId};
use whither_model::{Epoch, NodeId, Origin, Seq, Version};

/// Names a row for as long as the process runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RowIx(u32);

/// All rows of all owners.
#[derive(Debug, Default)]
pub struct Rows {
    /// A slot that is free holds a row of table 0, which there is not.
    slots: Vec<Row>,
    free: Vec<u32>,
    /// Finds a slot by its key. A table that is never iterated, so that no order can leak into the protocol.
    index: HashTable<u32>,
    hasher: FixedState,
    /// Per node, its origins by ascending epoch: nearly always one or two.
    origins: BTreeMap<NodeId, Vec<OriginRows>>,
    digest: u64,
    /// Per node, a digest of its living rows as they are here.
    living: BTreeMap<NodeId, u64>,
    /// The slots that hold tombstones.
    tombstones: BTreeSet<u32>,
    dirty_rows: BTreeSet<u32>,
    /// Rows that went without leaving a tombstone.
    forgotten: Vec<RowKey>,
    dirty_seen: BTreeSet<Origin>,
}

#[derive(Debug)]
struct OriginRows {
    epoch: Epoch,
    seen: Ranges,
    /// The rows that this origin wrote last, by seq.
    rows: BTreeSet<(u64, u32)>,
}

/// What came of merging a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Merged {
    /// It is now the row.
    Won {
        /// Where.
        row: RowIx,
        /// Whether a living row was there before.
        replaced: bool,
    },
    /// What is here is as new or newer.
    Stale,
}

impl Rows {
    fn hash(&self, node: NodeId, table: TableId, key: &[u8]) -> u64 {
        self.hasher.hash_one(KeyRef { node, table, key })
    }

    /// The row with this key, also if it is a tombstone.
    #[must_use]
    pub fn find(&self, node: NodeId, table: TableId, key: &[u8]) -> Option<RowIx> {
        let wanted = KeyRef { node, table, key };
        let slots = &self.slots;
        self.index
            .find(self.hash(node, table, key), |&at| KeyRef::of(&slots[at as usize].key) == wanted)
            .copied()
            .map(RowIx)
    }

    /// The row at `ix`.
    #[must_use]
    pub fn row(&self, ix: RowIx) -> &Row {
        &self.slots[ix.0 as usize]
    }

    /// How many rows are kept, tombstones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many of them are tombstones.
    #[must_use]
    pub fn tombstones(&self) -> usize {
        self.tombstones.len()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every row, in the order in which they first came.
    pub fn iter(&self) -> impl Iterator<Item = (RowIx, &Row)> {
        (0u32..).map(RowIx).zip(&self.slots).filter(|(_, row)| row.key.table != FREE)
    }

    /// A digest of everything seen: equal digests mean equal knowledge, up to chance.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// A digest of what has been seen of `node` before `epoch`. A new boot's head carries its author's, because rows of
    /// earlier boots live on.
    #[must_use]
    pub fn past_digest(&self, node: NodeId, epoch: Epoch) -> u64 {
        let origins = self.origins.get(&node).map_or(&[][..], Vec::as_slice);
        origins
            .iter()
            .filter(|origin| origin.epoch < epoch)
            .fold(0, |digest, past| digest ^ past.seen.digest(Origin { node, epoch: past.epoch }))
    }

    /// What has been seen of `origin`.
    #[must_use]
    pub fn seen(&self, origin: Origin) -> Option<&Ranges> {
        let origins = self.origins.get(&origin.node)?;
        origins.iter().find(|known| known.epoch == origin.epoch).map(|known| &known.seen)
    }

    /// What has been seen of everybody.
    pub fn all_seen(&self) -> impl Iterator<Item = (Origin, &Ranges)> {
        self.origins.iter().flat_map(|(node, origins)| {
            origins.iter().map(|known| (Origin { node: *node, epoch: known.epoch }, &known.seen))
        })
    }

    /// Everybody of whom anything has been seen.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.origins.keys().copied()
    }

    /// What has been seen of `node`, boot by boot.
    pub fn all_seen_of(&self, node: NodeId) -> impl Iterator<Item = (Origin, &Ranges)> {
        let origins = self.origins.get(&node).map_or(&[][..], Vec::as_slice);
        origins.iter().map(move |known| (Origin { node, epoch: known.epoch }, &known.seen))
    }

    fn origin_mut(&mut self, origin: Origin) -> &mut OriginRows {
        let origins = self.origins.entry(origin.node).or_default();
        let at = match origins.binary_search_by_key(&origin.epoch, |known| known.epoch) {
            Ok(at) => at,
            Err(at) => {
                let fresh = OriginRows { epoch: origin.epoch, seen: Ranges::default(), rows: BTreeSet::new() };
                origins.insert(at, fresh);
                at
            }
        };
        &mut origins[at]
    }

    /// Remembers that `first..=last` of `origin` have been seen. Returns whether anything was new.
    pub fn see(&mut self, origin: Origin, first: Seq, last: Seq) -> bool {
        let known = self.origin_mut(origin);
        let before = if known.seen.is_empty() { 0 } else { known.seen.digest(origin) };
        if !known.seen.insert(first.0, last.0) {
            return false;
        }
        let after = known.seen.digest(origin);
        self.digest ^= before ^ after;
        self.dirty_seen.insert(origin);
        self.forget_empty_pasts(origin.node);
        true
    }

    /// Drops what is remembered of earlier boots that no row depends on any more.
    ///
    /// Not of the latest ones: the row that replaced one of theirs may be a tombstone that has been collected, and then nothing else
    /// would say that they are over. Beyond that, whoever still has rows of such a boot is sent the newer ones.
    fn forget_empty_pasts(&mut self, node: NodeId) {
        let Some(origins) = self.origins.get_mut(&node) else { return };
        while origins.len() > BOOTS_KEPT {
            let past = &origins[..origins.len() - BOOTS_KEPT];
            let Some(at) = past.iter().position(|past| past.rows.is_empty()) else { return };
            if origins.last().is_none_or(|newest| newest.seen.is_empty()) {
                return;
            }
            let past = origins.remove(at);
            let origin = Origin { node, epoch: past.epoch };
            if !past.seen.is_empty() {
                self.digest ^= past.seen.digest(origin);
            }
            self.dirty_seen.insert(origin);
        }
    }

    /// Merges a row written by `key.node` at `version`: the higher version wins.
    pub fn merge(
        &mut self,
        node: NodeId,
        table: TableId,
        key: &[u8],
        version: Version,
        value: Option<&[u8]>,
    ) -> Merged {
        let hash = self.hash(node, table, key);
        let wanted = KeyRef { node, table, key };
        let slots = &self.slots;
        let found = self.index.find(hash, |&at| KeyRef::of(&slots[at as usize].key) == wanted).copied();
        let (at, replaced) = match found {
            Some(at) => {
                if self.slots[at as usize].version >= version {
                    return Merged::Stale;
                }
                self.uncount(at);
                let slot = &mut self.slots[at as usize];
                let old = core::mem::replace(&mut slot.version, version);
                let replaced = slot.value.is_some();
                slot.value = value.map(Arc::from);
                let origin = Origin { node, epoch: old.epoch };
                self.origin_mut(origin).rows.remove(&(old.seq.0, at));
                (at, replaced)
            }
            None => (
                self.insert_slot(
                    hash,
                    Row { key: RowKey { node, table, key: Arc::from(key) }, version, value: value.map(Arc::from) },
                ),
                false,
            ),
        };
        self.origin_mut(Origin { node, epoch: version.epoch }).rows.insert((version.seq.0, at));
        self.count(at);
        self.dirty_rows.insert(at);
        self.forget_empty_pasts(node);
        Merged::Won { row: RowIx(at), replaced }
    }

    fn insert_slot(&mut self, hash: u64, row: Row) -> u32 {
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = row;
                at
            }
            None => {
                // 2^32 rows would need hundreds of gigabytes before this could wrap.
                let at = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
                self.slots.push(row);
                at
            }
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.index.insert_unique(hash, at, |&at| hasher.hash_one(KeyRef::of(&slots[at as usize].key)));
        at
    }

    /// Puts back a row and leaves it clean: for loading what the disk already has.
    pub fn load_row(&mut self, row: Row) {
        let hash = self.hash(row.key.node, row.key.table, &row.key.key);
        let (origin, seq) = (Origin { node: row.key.node, epoch: row.version.epoch }, row.version.seq.0);
        let at = self.insert_slot(hash, row);
        self.origin_mut(origin).rows.insert((seq, at));
        self.count(at);
    }

    /// Puts back what has been seen of an origin and leaves it clean.
    pub fn load_seen(&mut self, seen: &Seen) {
        let known = self.origin_mut(seen.origin);
        known.seen = Ranges::from_untrusted(seen.ranges.iter().copied());
        if !known.seen.is_empty() {
            let digest = known.seen.digest(seen.origin);
            self.digest ^= digest;
        }
    }

    /// The rows that `origin` wrote last at seqs in `first..=last`, by seq.
    pub fn written(&self, origin: Origin, first: u64, last: u64) -> impl Iterator<Item = (u64, &Row)> {
        let origins = self.origins.get(&origin.node).map_or(&[][..], Vec::as_slice);
        origins
            .iter()
            .find(|known| known.epoch == origin.epoch)
            .into_iter()
            .flat_map(move |known| known.rows.range((first, 0)..=(last, u32::MAX)))
            .map(|(seq, at)| (*seq, &self.slots[*at as usize]))
    }

    /// The newest boot of `node` that anything has been seen of.
    #[must_use]
    pub fn newest_epoch(&self, node: NodeId) -> Option<Epoch> {
        self.origins.get(&node)?.last().map(|newest| newest.epoch)
    }

    /// What has to be written down since the last call.
    pub fn take_dirty(&mut self) -> (Vec<Row>, Vec<RowKey>, Vec<Seen>) {
        // What was dropped and then written again is there.
        let mut forgotten = core::mem::take(&mut self.forgotten);
        forgotten.retain(|key| self.find(key.node, key.table, &key.key).is_none());
        let rows =
            core::mem::take(&mut self.dirty_rows).into_iter().map(|at| self.slots[at as usize].clone()).collect();
        let seen = core::mem::take(&mut self.dirty_seen)
            .into_iter()
            .map(|origin| Seen {
                origin,
                ranges: self.seen(origin).map_or_else(Vec::new, |seen| seen.as_slice().to_vec()),
            })
            .collect();
        (rows, forgotten, seen)
    }
}

/// Of so many boots of a node it is remembered what was seen, also if nothing that they wrote is left.
const BOOTS_KEPT: usize = 8;
/// Of a slot without a row.
const FREE: TableId = TableId(0);

/// A row key without its allocation.
#[derive(PartialEq, Eq, Hash)]
struct KeyRef<'a> {
    node: NodeId,
    table: TableId,
    key: &'a [u8],
}

impl<'a> KeyRef<'a> {
    fn of(key: &'a RowKey) -> Self {
        Self { node: key.node, table: key.table, key: &key.key }
    }
}
