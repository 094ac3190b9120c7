//! Two nodes that have seen the same have the same living rows. If they do not, one of them has lost something: a disk that
//! forgot what it had not synced, a copy of an old directory, a tombstone collected while somebody was away, a bug.
//!
//! Neither can know which. The two find out whose rows differ, and each asks their owner, who alone can say which of its
//! rows live. What the owner does not have is dropped, what is missing is fetched. If the owner is away, nothing is done.

use crate::Replica;
use crate::catalog;
use crate::rows::{RowIx, fingerprint};
use crate::wire::{AuditWire, Inventory, LivingOf, Packet, Vector};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use whither_gossip::{Belief, Route};
use whither_model::{Delta, Epoch, Instant, NodeId, Origin, Seq, Version};

/// Between two audits begun here: a difference that cannot be settled must not be talked about all the time.
const PAUSE: Duration = Duration::from_secs(2);
/// Nodes asked for the inventory of their rows in one audit.
const OWNERS_MAX: usize = 64;

/// The audit under way.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    begun: Instant,
    /// Since when rows have differed from somebody's who has seen the same.
    differs_since: Option<Instant>,
}

impl Replica {
    /// Somebody who has seen the same does not have the same.
    pub(crate) fn begin_audit(&mut self, peer: SocketAddr) {
        let now = self.now.mono;
        self.audit.differs_since.get_or_insert(now);
        if now.since(self.audit.begun) < PAUSE {
            return;
        }
        self.audit.begun = now;
        self.counters.audits += 1;
        let all = self.rows.living_digests().map(|(node, digest)| LivingOf { node: node.get(), digest }).collect();
        self.send_audit(peer, AuditWire { all, ..AuditWire::default() });
    }

    /// Somebody who has seen the same has the same.
    pub(crate) fn end_audit(&mut self) {
        self.audit.differs_since = None;
    }

    fn send_audit(&mut self, to: SocketAddr, audit: AuditWire) {
        self.send(&[to], Route::Stream, Packet { audit: Some(audit), ..Packet::default() });
    }

    pub(crate) fn handle_audit(&mut self, from: Belief, address: SocketAddr, audit: &AuditWire) {
        if !audit.all.is_empty() {
            let theirs: BTreeMap<NodeId, u64> =
                audit.all.iter().filter_map(|of| Some((NodeId::new(of.node)?, of.digest))).collect();
            let mine: BTreeMap<NodeId, u64> = self.rows.living_digests().collect();
            let nodes: BTreeSet<NodeId> = theirs.keys().chain(mine.keys()).copied().collect();
            let differ: Vec<NodeId> =
                nodes.into_iter().filter(|node| theirs.get(node) != mine.get(node)).take(OWNERS_MAX).collect();
            let told = differ.iter().map(|node| node.get()).collect();
            self.send_audit(address, AuditWire { differ: told, ..AuditWire::default() });
            self.ask_owners(&differ);
        }
        let differ: Vec<NodeId> = audit.differ.iter().take(OWNERS_MAX).filter_map(|node| NodeId::new(*node)).collect();
        self.ask_owners(&differ);
        if let Some(yours) = audit.yours
            && yours != self.rows.living_digest(self.me.node)
        {
            self.send_audit(address, AuditWire { inventory: Some(self.inventory()), ..AuditWire::default() });
        }
        if let Some(inventory) = &audit.inventory {
            self.take_inventory(from, address, inventory);
        }
    }

    /// Asks each of these which of its rows live. This node knows its own.
    fn ask_owners(&mut self, owners: &[NodeId]) {
        for owner in owners {
            if *owner == self.me.node {
                continue;
            }
            let member = self.detector.roster().get(*owner).filter(|entry| entry.belief.state.is_present());
            if let Some(address) = member.map(|entry| entry.belief.address) {
                let yours = Some(self.rows.living_digest(*owner));
                self.send_audit(address, AuditWire { yours, ..AuditWire::default() });
            }
        }
    }

    fn inventory(&self) -> Inventory {
        let living = self.rows.of_node(self.me.node).filter(|(_, row)| row.value.is_some());
        Inventory {
            epoch: self.me.epoch.0,
            head: self.head.0,
            living: living.map(|(_, row)| fingerprint(row)).collect(),
        }
    }

    /// Makes the rows of `from` what it says they are.
    fn take_inventory(&mut self, from: Belief, address: SocketAddr, inventory: &Inventory) {
        let said = Version { epoch: Epoch(inventory.epoch), seq: Seq(inventory.head) };
        if from.epoch != said.epoch {
            return;
        }
        let mut missing: BTreeSet<u64> = inventory.living.iter().copied().collect();
        let mut disowned: Vec<RowIx> = Vec::new();
        for (ix, row) in self.rows.of_node(from.node) {
            let lives = missing.remove(&fingerprint(row));
            // What it has said since is not in its inventory.
            if row.value.is_some() && !lives && row.version <= said {
                disowned.push(ix);
            }
        }
        self.counters.rows_disowned += disowned.len() as u64;
        disowned.into_iter().for_each(|ix| self.disown(ix));
        if missing.is_empty() {
            return;
        }
        // Whatever is missing here was said before, in whichever boot: all of it is asked for as if nothing had been seen.
        self.counters.rows_restored += missing.len() as u64;
        let Some(fetch) = self.begin_fetch(from.node) else { return };
        let origins: Vec<Origin> = self.rows.all_seen_of(from.node).map(|(origin, _)| origin).collect();
        let nothing = crate::rows::Ranges::default();
        let seen = origins.into_iter().map(|origin| crate::repair::seen_wire(origin, &nothing)).collect();
        let vector = Some(Vector { seen, partial: true, answer_wanted: false, fetch });
        self.send(&[address], Route::Stream, Packet { vector, ..Packet::default() });
    }

    /// Drops a row that its owner does not have.
    pub(crate) fn disown(&mut self, ix: RowIx) {
        let row = self.rows.row(ix);
        let (owner, table, key) = (row.key.node, row.key.table, row.key.key.clone());
        self.rows.drop_row(ix);
        match table {
            catalog::INSTANCES => {
                if let Some((service, id)) = catalog::parse_instance_key(&key) {
                    self.count(&service, false, false);
                    self.ready.deltas.push(Delta::InstanceGone { service, id, owner });
                }
            }
            catalog::OVERRULES => self.overrule_gone(owner, &key),
            _ => {}
        }
    }

    /// For how long rows have differed from those of somebody who has seen the same; `None`: they do not.
    #[must_use]
    pub fn differs_for(&self) -> Option<Duration> {
        self.audit.differs_since.map(|since| self.now.mono.since(since))
    }
}
