//! What a node must find again after a restart, as plain data between the core and whatever keeps it.

use crate::{Epoch, MemberState, NodeId, Origin, Version, WallTime};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Names a replicated table on the wire and on disk. Numbers are never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TableId(pub u32);

/// Which row: its owner, its table and its key inside that table.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RowKey {
    /// The owner; only this node writes the row.
    pub node: NodeId,
    /// The table.
    pub table: TableId,
    /// The key inside the table, not looked into.
    pub key: Arc<[u8]>,
}

/// A row as it is kept: encoded, not looked into.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Which row.
    pub key: RowKey,
    /// The version that set it.
    pub version: Version,
    /// The encoded record, or `None` for a tombstone.
    pub value: Option<Arc<[u8]>>,
}

/// Which seqs of an origin have been seen: inclusive ranges, ascending, not touching.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Whose.
    pub origin: Origin,
    /// The ranges; empty means that nothing of this origin needs to be remembered any more.
    pub ranges: Vec<(u64, u64)>,
}

/// A member as remembered across restarts, so that a node finds its cluster again without seeds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredMember {
    /// Its identity.
    pub node: NodeId,
    /// Where it was last reached.
    pub address: SocketAddr,
    /// Its last known boot.
    pub epoch: Epoch,
    /// Its last known incarnation in that boot.
    pub incarnation: u64,
    /// What was believed of it.
    pub state: MemberState,
    /// Up to when, by the local wall clock, all that it had said was known here; zero: never.
    pub known_until: WallTime,
}

/// One atomic step of the journal. Rows and what is seen of them become durable together or not at all:
/// a `Seen` that outlives its rows would claim to know what was lost.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// Rows to write over what is there. Later entries win.
    pub rows: Vec<Row>,
    /// Rows that need not be remembered any more. None of them is in `rows`.
    pub forgotten: Vec<RowKey>,
    /// Seen-sets to write over what is there; an empty one removes the entry.
    pub seen: Vec<Seen>,
    /// Members to write over what is there.
    pub members: Vec<StoredMember>,
}

impl Batch {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.forgotten.is_empty() && self.seen.is_empty() && self.members.is_empty()
    }
}

/// Everything a node finds at boot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The node's identity, drawn at the first boot.
    pub node: NodeId,
    /// This boot's number: already durable, and higher than every one before.
    pub epoch: Epoch,
    /// All rows.
    pub rows: Vec<Row>,
    /// What has been seen of every origin.
    pub seen: Vec<Seen>,
    /// The members of the last run.
    pub members: Vec<StoredMember>,
}
