//! Many batches as one: of each row, each origin and each member only what was said last.

use crate::ranges;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::sync::Arc;
use whither_model::durable::{Batch, RowKey, StoredMember};
use whither_model::{Epoch, NodeId, Origin, Version};

/// What waits to be written. Invariant: as large as the number of distinct rows, origins and members in it, however many
/// batches went in. A disk that fails for a day costs memory for what changed, not for how often.
#[derive(Default)]
pub(crate) struct Group {
    /// `None`: it is to be forgotten.
    rows: HashMap<RowKey, Option<StoredRow>, RandomState>,
    seen: HashMap<Origin, Vec<(u64, u64)>, RandomState>,
    members: HashMap<NodeId, StoredMember, RandomState>,
    epoch: Option<Epoch>,
}

/// A row without its key.
pub(crate) struct StoredRow {
    pub(crate) version: Version,
    pub(crate) value: Option<Arc<[u8]>>,
}

impl Group {
    /// Adds a batch that comes after all that is here.
    pub(crate) fn add(&mut self, batch: Batch) {
        self.rows.reserve(batch.rows.len());
        for row in batch.rows {
            self.rows.insert(row.key, Some(StoredRow { version: row.version, value: row.value }));
        }
        self.rows.extend(batch.forgotten.into_iter().map(|key| (key, None)));
        for seen in batch.seen {
            debug_assert!(ranges::in_order(&seen.ranges), "seen ranges out of order: {seen:?}");
            self.seen.insert(seen.origin, seen.ranges);
        }
        for member in batch.members {
            self.members.insert(member.node, member);
        }
    }

    /// Asks that the stored epoch be at least this.
    pub(crate) fn raise_epoch(&mut self, epoch: Epoch) {
        self.epoch = self.epoch.max(Some(epoch));
    }

    /// Adds a group that comes after all that is here.
    pub(crate) fn absorb(&mut self, later: Self) {
        if self.is_empty() {
            *self = later;
            return;
        }
        self.rows.extend(later.rows);
        self.seen.extend(later.seen);
        self.members.extend(later.members);
        self.epoch = self.epoch.max(later.epoch);
    }

    /// How many rows of all tables a commit will write.
    pub(crate) fn len(&self) -> usize {
        self.rows.len() + self.seen.len() + self.members.len() + usize::from(self.epoch.is_some())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows in the order in which SQLite keeps them, roughly: neighbours share a page, and each page is written once.
    /// `None` stands for "forget this row".
    pub(crate) fn sorted_rows(&self) -> Vec<(&RowKey, Option<&StoredRow>)> {
        let mut rows: Vec<_> = self.rows.iter().map(|(key, row)| (key, row.as_ref())).collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows
    }

    /// What was seen; empty ranges stand for "forget this origin".
    pub(crate) fn seen(&self) -> impl Iterator<Item = (&Origin, &[(u64, u64)])> {
        self.seen.iter().map(|(origin, ranges)| (origin, ranges.as_slice()))
    }

    /// The members.
    pub(crate) fn members(&self) -> impl Iterator<Item = &StoredMember> {
        self.members.values()
    }

    /// What the stored epoch must at least be, if anything.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whither_model::Seq;
    use whither_model::durable::{Row, Seen, TableId};

    fn batch(key: u8, seq: u64) -> Batch {
        let node = NodeId::new(7).unwrap();
        let row = Row {
            key: RowKey { node, table: TableId(1), key: Arc::from([key]) },
            version: Version { epoch: Epoch(1), seq: Seq(seq) },
            value: Some(Arc::from([key, key])),
        };
        let seen = Seen { origin: Origin { node, epoch: Epoch(1) }, ranges: vec![(1, seq)] };
        Batch { rows: vec![row], seen: vec![seen], ..Batch::default() }
    }

    fn seqs(group: &Group) -> Vec<(u8, u64)> {
        group.sorted_rows().iter().map(|(key, row)| (key.key[0], row.map_or(0, |row| row.version.seq.0))).collect()
    }

    #[test]
    fn the_last_word_on_a_row_stays() {
        let mut group = Group::default();
        for seq in 1..=100 {
            group.add(batch((seq % 4) as u8, seq));
        }
        assert_eq!(group.len(), 5);
        assert_eq!(seqs(&group), [(0, 100), (1, 97), (2, 98), (3, 99)]);
        assert_eq!(group.seen().collect::<Vec<_>>()[0].1, [(1, 100)]);
    }

    #[test]
    fn what_is_forgotten_stays_so_until_it_is_said_again() {
        let mut group = Group::default();
        group.add(batch(1, 1));
        group.add(Batch { forgotten: vec![batch(1, 1).rows.remove(0).key], ..Batch::default() });
        assert_eq!(seqs(&group), [(1, 0)]);
        group.add(batch(1, 2));
        assert_eq!(seqs(&group), [(1, 2)]);
    }

    #[test]
    fn a_later_group_overrides_an_earlier_one() {
        let (mut earlier, mut later) = (Group::default(), Group::default());
        earlier.add(batch(1, 1));
        earlier.add(batch(2, 2));
        earlier.raise_epoch(Epoch(9));
        later.add(batch(1, 3));
        later.raise_epoch(Epoch(5));
        earlier.absorb(later);
        assert_eq!(seqs(&earlier), [(1, 3), (2, 2)]);
        assert_eq!(earlier.epoch(), Some(Epoch(9)));
        assert_eq!(earlier.seen().collect::<Vec<_>>()[0].1, [(1, 3)]);
    }
}
