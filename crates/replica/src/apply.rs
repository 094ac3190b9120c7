//! Where rows become meaning: a row that changed is shown, counted and leased.

use crate::catalog::{self, NodeProfile};
use crate::limits::BOOTS_MAX;
use crate::rows::{Merged, RowIx};
use crate::wire::{Change, RowWire};
use crate::{Replica, Rows};
use alloc::sync::Arc;
use whither_model::durable::{Row, TableId};
use whither_model::limits::RECORD_BYTES_MAX;
use whither_model::{Came, Delta, Epoch, Health, Instance, NodeId, Origin, Registration, Seq, ServiceName, Version};

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
        self.coming = Came::Broadcast;
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
            catalog::OVERRULES => self.overrule_changed(ix),
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
                    self.set_lease(ix, None, Health::Passing);
                    self.hold(ix, None);
                    self.follow_upkeep(ix, None);
                }
                if replaced {
                    self.count(&service, mine, false);
                }
                self.ready.deltas.push(Delta::InstanceGone { service, id, owner });
            }
            return self.look_at_overrules(ix);
        }
        let Some(mut instance) = catalog::decode_instance(row) else {
            self.counters.rows_unreadable += 1;
            return;
        };
        if mine {
            self.set_lease(ix, instance.registration.lease, instance.registration.health);
            self.hold(ix, instance.registration.session);
            self.follow_upkeep(ix, Some(&instance));
        }
        if !replaced {
            self.count(&instance.registration.service, mine, true);
        }
        instance.came = self.coming;
        self.sharing.share(&mut instance.registration);
        self.show(instance);
        self.look_at_overrules(ix);
    }

    /// Shows a living row anew.
    pub(crate) fn show_instance(&mut self, ix: RowIx) {
        if let Some(mut instance) = catalog::decode_instance(self.rows.row(ix)) {
            instance.came = if instance.owner == self.me.node { Came::Own } else { Came::Broadcast };
            self.sharing.share(&mut instance.registration);
            self.show(instance);
        }
    }

    /// Shows an instance, or that it is gone if somebody has overruled its owner.
    fn show(&mut self, instance: Instance) {
        let delta = if self.overrules.is_empty() || !self.overrules.cover(&instance) {
            Delta::Instance(Arc::new(instance))
        } else {
            let Registration { service, id, .. } = instance.registration;
            Delta::InstanceGone { service, id, owner: instance.owner }
        };
        self.ready.deltas.push(delta);
    }

    pub(crate) fn count(&mut self, service: &ServiceName, mine: bool, more: bool) {
        let count = self.census.entry(service.clone()).or_default();
        let step = |count: usize| if more { count + 1 } else { count.saturating_sub(1) };
        count.all = step(count.all);
        if mine {
            count.own = step(count.own);
        }
        if count.all == 0 {
            self.census.remove(service);
        }
        if more {
            self.removals.make_up(service);
        }
    }
}

/// How many instances a service has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    /// Of this node.
    pub(crate) own: usize,
    /// Of everybody.
    pub(crate) all: usize,
}

/// What `node` says of itself, as far as it has arrived.
pub(crate) fn profile_of(rows: &Rows, node: NodeId) -> Option<NodeProfile> {
    let row: &Row = rows.row(rows.find(node, catalog::NODES, &[])?);
    NodeProfile::decode(row)
}
