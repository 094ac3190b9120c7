//! Where rows become meaning: a row that changed is shown, counted and leased.

use crate::catalog::{self, NodeProfile};
use crate::limits::BOOTS_MAX;
use crate::rows::{Merged, RowIx};
use crate::wire::{Change, RowWire};
use crate::{Replica, Rows};
use alloc::sync::Arc;
use whither_model::durable::{Row, TableId};
use whither_model::limits::RECORD_BYTES_MAX;
use whither_model::{Delta, Epoch, NodeId, Origin, Seq, ServiceName, Version};

/// Longest row key that is accepted.
const KEY_BYTES_MAX: usize = 1_024;

impl Replica {
    /// Merges a change of somebody. Returns whether it was new.
    pub(crate) fn merge_change(&mut self, change: &Change) -> bool {
        let valid = change.seq != 0 && change.epoch <= BOOTS_MAX && change.first <= change.seq;
        let Some(node) = NodeId::new(change.node).filter(|_| valid) else {
            self.counters.changes_refused += 1;
            return false;
        };
        let origin = Origin { node, epoch: Epoch(change.epoch) };
        let first = if change.first == 0 { change.seq } else { change.first };
        if self.rows.seen(origin).is_some_and(|seen| seen.contains_all(first, change.seq)) {
            self.counters.changes_doubled += 1;
            self.came_twice(node, change.seq);
            return false;
        }
        if self.is_impostor(origin, change.seq) {
            return false;
        }
        // A seq that there is no room to remember is not applied either: equal digests must mean equal rows.
        if !self.rows.see(origin, Seq(first), Seq(change.seq)) {
            self.counters.changes_refused += 1;
            return false;
        }
        for row in &change.rows {
            let seq = if row.seq == 0 { change.seq } else { row.seq };
            if (first..=change.seq).contains(&seq) {
                self.merge_row(origin, seq, row);
            }
        }
        self.counters.changes_new += 1;
        true
    }

    /// Whether `origin`, having got to `seq`, claims to be this node beyond what this node has said: nobody else may.
    pub(crate) fn is_impostor(&mut self, origin: Origin, seq: u64) -> bool {
        let said = Version { epoch: self.me.epoch, seq: self.head };
        let impostor = origin.node == self.me.node && Version { epoch: origin.epoch, seq: Seq(seq) } > said;
        if impostor {
            self.counters.changes_refused += 1;
            self.ready.impostor = self.ready.impostor.max(Some(origin.epoch));
        }
        impostor
    }

    pub(crate) fn merge_row(&mut self, origin: Origin, seq: u64, row: &RowWire) {
        let oversized = row.key.len() > KEY_BYTES_MAX || row.value.as_ref().is_some_and(|v| v.len() > RECORD_BYTES_MAX);
        if oversized {
            self.counters.changes_refused += 1;
            return;
        }
        let version = Version { epoch: origin.epoch, seq: Seq(seq) };
        if let Merged::Won { row, replaced } =
            self.rows.merge(origin.node, TableId(row.table), &row.key, version, row.value.as_deref())
        {
            self.row_changed(row, replaced);
        }
    }

    /// A row has a new value. `replaced`: a living row was there before.
    pub(crate) fn row_changed(&mut self, ix: RowIx, replaced: bool) {
        let row = self.rows.row(ix);
        match row.key.table {
            catalog::NODES => {
                let node = row.key.node;
                self.place_member(node);
                self.show_member(node);
            }
            catalog::INSTANCES => self.instance_changed(ix, replaced),
            // A table this version does not know: kept and passed on, not applied.
            _ => self.counters.rows_unreadable += 1,
        }
    }

    fn instance_changed(&mut self, ix: RowIx, replaced: bool) {
        let row = self.rows.row(ix);
        let owner = row.key.node;
        let mine = owner == self.me.node;
        if row.value.is_none() {
            if let Some((service, id)) = catalog::parse_instance_key(&row.key.key) {
                if mine {
                    self.set_lease(ix, None, false);
                    self.hold(ix, None);
                    if replaced {
                        self.count_owned(&service, false);
                    }
                }
                self.ready.deltas.push(Delta::InstanceGone { service, id, owner });
            }
            return;
        }
        let Some(mut instance) = catalog::decode_instance(row) else {
            self.counters.rows_unreadable += 1;
            return;
        };
        if mine {
            let silent = instance.registration.health == whither_model::Health::Silent;
            self.set_lease(ix, instance.registration.lease, silent);
            self.hold(ix, instance.registration.session);
            if !replaced {
                self.count_owned(&instance.registration.service, true);
            }
        }
        self.sharing.share(&mut instance.registration);
        self.ready.deltas.push(Delta::Instance(Arc::new(instance)));
    }

    fn count_owned(&mut self, service: &ServiceName, more: bool) {
        let count = self.owned.entry(service.clone()).or_default();
        *count = if more { *count + 1 } else { count.saturating_sub(1) };
        if *count == 0 {
            self.owned.remove(service);
        }
    }
}

/// What `node` says of itself, as far as it has arrived.
pub(crate) fn profile_of(rows: &Rows, node: NodeId) -> Option<NodeProfile> {
    let row: &Row = rows.row(rows.find(node, catalog::NODES, &[])?);
    NodeProfile::decode(row)
}
