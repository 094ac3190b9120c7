//! A data directory, a journal whose reports can be waited for, and the batches that go in.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use whither_model::durable::{Batch, Row, RowKey, Seen, Snapshot, StoredMember, TableId};
use whither_model::{Epoch, MemberState, NodeId, Origin, Seq, Version, WallTime};
use whither_store::{BatchNumber, Journal, JournalConfig, Report, Store};

/// A journal on a directory, and what it reports.
pub(crate) struct Running {
    pub(crate) journal: Journal,
    pub(crate) reports: Receiver<Report>,
}

impl Running {
    /// Starts a journal on a store.
    pub(crate) fn start(store: Store, config: JournalConfig) -> Self {
        let (sender, reports) = channel();
        let journal = store.into_journal(config, move |report| drop(sender.send(report)));
        Self { journal, reports }
    }

    /// Waits for the receipt of a batch; anything but receipts is a failure of the test.
    pub(crate) fn wait_for(&self, number: BatchNumber) {
        loop {
            match self.reports.recv().expect("the journal runs") {
                Report::Committed(receipt) if receipt.through() >= number => return,
                Report::Committed(_) => {}
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    /// Appends, awaited, and waits.
    pub(crate) fn commit(&self, batch: Batch) {
        let number = self.journal.append(batch, true);
        self.wait_for(number);
    }
}

/// Opens a directory and starts a journal with the usual configuration.
pub(crate) fn run(dir: &Path) -> (Running, Snapshot) {
    let (store, snapshot) = Store::open(dir).expect("opens");
    (Running::start(store, JournalConfig::default()), snapshot)
}

/// What a directory holds, in a fixed order. Costs an epoch.
pub(crate) fn look(dir: &Path) -> Snapshot {
    let (_, mut snapshot) = Store::open(dir).expect("opens");
    snapshot.rows.sort_by(|a, b| a.key.cmp(&b.key));
    snapshot.seen.sort_by_key(|seen| seen.origin);
    snapshot.members.sort_by_key(|member| member.node);
    snapshot
}

pub(crate) fn node(value: u64) -> NodeId {
    NodeId::new(value).expect("not zero")
}

pub(crate) fn row(owner: u64, key: &[u8], seq: u64, value: Option<&[u8]>) -> Row {
    Row {
        key: RowKey { node: node(owner), table: TableId(3), key: Arc::from(key) },
        version: Version { epoch: Epoch(1), seq: Seq(seq) },
        value: value.map(Arc::from),
    }
}

pub(crate) fn seen(owner: u64, ranges: &[(u64, u64)]) -> Seen {
    Seen { origin: Origin { node: node(owner), epoch: Epoch(1) }, ranges: ranges.to_vec() }
}

pub(crate) fn member(id: u64, address: &str, state: MemberState) -> StoredMember {
    StoredMember {
        node: node(id),
        address: address.parse().expect("an address"),
        epoch: Epoch(id),
        incarnation: u64::MAX - id,
        state,
        known_until: WallTime(1_800_000_000_000),
    }
}

pub(crate) fn rows(rows: Vec<Row>) -> Batch {
    Batch { rows, ..Batch::default() }
}
