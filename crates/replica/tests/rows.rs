//! Rows merged in whatever order, doubled or late, come to the same; and what is counted of them is what is there.

use proptest::prelude::*;
use std::collections::BTreeMap;
use whither_model::durable::TableId;
use whither_model::{Epoch, NodeId, Seq, Version};
use whither_replica::{RowIx, Rows};

const TABLE: TableId = TableId(2);

/// A write: whose, under which key, and at which version. The version says what was written.
type Write = (u64, u8, u64, u64);

fn value((_, key, epoch, seq): Write) -> Option<Vec<u8>> {
    // Every third is a tombstone.
    (!(epoch + seq).is_multiple_of(3)).then(|| vec![key, u8::try_from(seq % 250).unwrap_or(0)])
}

fn merged(writes: &[Write]) -> Rows {
    let mut rows = Rows::default();
    for write in writes {
        let (node, key, epoch, seq) = *write;
        let version = Version { epoch: Epoch(epoch), seq: Seq(seq) };
        let node = NodeId::new(node).expect("not zero");
        rows.merge(node, TABLE, &[key], version, value(*write).as_deref());
    }
    rows
}

/// What is kept under each key.
type Contents = BTreeMap<(NodeId, Vec<u8>), (Version, Option<Vec<u8>>)>;

fn contents(rows: &Rows) -> Contents {
    let content = |(_, row): (RowIx, &whither_model::durable::Row)| {
        ((row.key.node, row.key.key.to_vec()), (row.version, row.value.as_ref().map(|value| value.to_vec())))
    };
    rows.iter().map(content).collect()
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    prop::collection::vec((1..4u64, 0..6u8, 1..4u64, 1..40u64), 1..80)
}

proptest! {
    #[test]
    fn older_never_replaces_newer_whatever_the_order(writes in writes(), other in any::<prop::sample::Index>()) {
        let mut shuffled = writes.clone();
        shuffled.rotate_left(other.index(writes.len()));
        shuffled.extend(writes.iter().take(writes.len() / 2));
        shuffled.reverse();
        let (one, two) = (merged(&writes), merged(&shuffled));
        prop_assert_eq!(contents(&one), contents(&two));
        prop_assert_eq!(one.living_digest_of_all(), two.living_digest_of_all());
        let newest = writes.iter().map(|(node, key, epoch, seq)| ((*node, *key), (*epoch, *seq)));
        let mut expected: BTreeMap<(u64, u8), (u64, u64)> = BTreeMap::new();
        for (key, version) in newest {
            let known = expected.entry(key).or_insert(version);
            *known = version.max(*known);
        }
        prop_assert_eq!(one.len(), expected.len());
        for (_, row) in one.iter() {
            let key = (row.key.node.get(), row.key.key[0]);
            prop_assert_eq!((row.version.epoch.0, row.version.seq.0), expected[&key]);
        }
    }

    #[test]
    fn dropping_leaves_what_was_never_there(writes in writes(), again in writes()) {
        let mut rows = merged(&writes);
        let dead: Vec<RowIx> = rows.dead().map(|(ix, _)| ix).collect();
        prop_assert_eq!(dead.len(), rows.tombstones());
        let before = rows.living_digest_of_all();
        dead.into_iter().for_each(|ix| rows.drop_row(ix));
        prop_assert_eq!(rows.tombstones(), 0);
        prop_assert_eq!(rows.living_digest_of_all(), before);
        prop_assert!(rows.iter().all(|(_, row)| row.value.is_some()));
        // Freed places are used again, and nothing of their past shows.
        let living: Vec<RowIx> = rows.iter().map(|(ix, _)| ix).collect();
        living.into_iter().for_each(|ix| rows.drop_row(ix));
        prop_assert!(rows.is_empty());
        prop_assert_eq!(rows.living_digest_of_all(), 0);
        for write in &again {
            let (node, key, epoch, seq) = *write;
            let version = Version { epoch: Epoch(epoch), seq: Seq(seq) };
            rows.merge(NodeId::new(node).expect("not zero"), TABLE, &[key], version, value(*write).as_deref());
        }
        prop_assert_eq!(contents(&rows), contents(&merged(&again)));
        prop_assert_eq!(rows.living_digest_of_all(), merged(&again).living_digest_of_all());
    }
}
