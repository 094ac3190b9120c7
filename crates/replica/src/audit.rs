//! Two nodes that have seen the same have the same living rows. If they do not, one of them has lost something: a disk that
//! forgot what it had not synced, a copy of an old directory, a tombstone collected while somebody was away, a bug.
//!
//! Neither can know which. The two find out whose rows differ, and each asks their owner, who alone can say which of its
//! rows live. What the owner does not have is dropped, what is missing is fetched. If the owner is away, nothing is done.

use crate::Replica;
use crate::catalog;
use crate::rows::{RowIx, fingerprint};
use crate::wire::{AuditWire, Inventory, LivingOf, Packet};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use whither_gossip::{Belief, Route};
use whither_model::{Delta, Epoch, Instant, NodeId, Origin, Seq, Version};

/// Between two audits begun here: a difference that cannot be settled must not be talked about all the time.
const PAUSE: Duration = Duration::from_secs(2);
/// While everything changes all the time, hardly two have seen the same at one moment, and nobody can say that all is well again. So a
/// difference that has not shown for so long is over.
const EVIDENCE_COUNTS: Duration = Duration::from_secs(60);
/// How often that is doubled while nothing is settled: up to two minutes.
const FRUITLESS_MAX: u32 = 6;
/// Nodes asked for the inventory of their rows in one audit.
const OWNERS_MAX: usize = 64;

/// The audit under way.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    begun: Instant,
    /// How many were begun that settled nothing: each waits twice as long as the one before.
    fruitless: u32,
    /// When rows last differed from somebody's who has seen the same.
    differed: Instant,
    /// Whose rows differed at the last comparison.
    differing: Vec<NodeId>,
    /// Since when rows have differed from somebody's who has seen the same.
    differs_since: Option<Instant>,
}

impl Replica {
    /// Somebody who has seen the same does not have the same.
    pub(crate) fn begin_audit(&mut self, peer: SocketAddr) {
        let now = self.now.mono;
        if now.since(self.audit.differed) > EVIDENCE_COUNTS {
            self.audit.differs_since = None;
        }
        self.audit.differed = now;
        self.audit.differs_since.get_or_insert(now);
        if now.since(self.audit.begun) < PAUSE * (1 << self.audit.fruitless) {
            return;
        }
        self.audit.begun = now;
        self.audit.fruitless = (self.audit.fruitless + 1).min(FRUITLESS_MAX);
        self.counters.audits += 1;
        let all = self.rows.living_digests().map(|(node, digest)| LivingOf { node: node.get(), digest }).collect();
        self.send_audit(peer, AuditWire { all, ..AuditWire::default() });
    }

    /// Somebody who has seen the same has the same.
    pub(crate) fn end_audit(&mut self) {
        self.audit.differs_since = None;
        self.audit.differing.clear();
        self.audit.fruitless = 0;
    }

    fn send_audit(&mut self, to: SocketAddr, audit: AuditWire) {
        self.send(&[to], Route::Stream, Packet { audit: Some(audit), ..Packet::default() });
    }

    /// `past`: a digest of what the sender has seen of its own earlier boots.
    pub(crate) fn handle_audit(&mut self, from: Belief, address: SocketAddr, past: u64, audit: &AuditWire) {
        if !audit.all.is_empty() {
            let theirs: BTreeMap<NodeId, u64> =
                audit.all.iter().filter_map(|of| Some((NodeId::new(of.node)?, of.digest))).collect();
            let mine: BTreeMap<NodeId, u64> = self.rows.living_digests().collect();
            let nodes: BTreeSet<NodeId> = theirs.keys().chain(mine.keys()).copied().collect();
            let mut differ: Vec<NodeId> =
                nodes.into_iter().filter(|node| theirs.get(node) != mine.get(node) && self.can_say(*node)).collect();
            self.random.shuffle(&mut differ);
            differ.truncate(OWNERS_MAX);
            self.audit.differing.clone_from(&differ);
            let told = differ.iter().map(|node| node.get()).collect();
            self.send_audit(address, AuditWire { differ: told, ..AuditWire::default() });
            self.ask_owners(&differ);
        }
        let differ: Vec<NodeId> = audit.differ.iter().take(OWNERS_MAX).filter_map(|node| NodeId::new(*node)).collect();
        if !differ.is_empty() {
            self.audit.differing.clone_from(&differ);
        }
        self.ask_owners(&differ);
        if let Some(yours) = audit.yours
            && yours != self.rows.living_digest(self.me.node)
        {
            self.send_audit(address, AuditWire { inventory: Some(self.inventory()), ..AuditWire::default() });
        }
        if let Some(inventory) = &audit.inventory {
            self.take_inventory(from, past, inventory);
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

    /// Whether somebody is here who knows which rows of `node` live.
    fn can_say(&self, node: NodeId) -> bool {
        node == self.me.node || self.detector.roster().is_present(node)
    }

    fn inventory(&self) -> Inventory {
        let living = self.rows.of_node(self.me.node).filter(|(_, row)| row.value.is_some());
        Inventory {
            epoch: self.me.epoch.0,
            head: self.head.0,
            living: living.map(|(_, row)| fingerprint(row)).collect(),
        }
    }

    /// Makes the rows of `from` what it says they are: if this node has seen all that it has said, and it all that it had said in
    /// earlier boots. Otherwise a row that is missing on one side may be on its way to it.
    fn take_inventory(&mut self, from: Belief, past: u64, inventory: &Inventory) {
        let said = Version { epoch: Epoch(inventory.epoch), seq: Seq(inventory.head) };
        let origin = Origin { node: from.node, epoch: said.epoch };
        let seen = self.rows.seen(origin).map_or(0, crate::rows::Ranges::watermark);
        if from.epoch != said.epoch || seen < said.seq.0 || self.rows.past_digest(from.node, said.epoch) != past {
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
        // Whatever is missing here was said before, in whichever boot. It is brought again like anything that was missed.
        self.counters.rows_restored += missing.len() as u64;
        self.rows.forget_seen_of(from.node);
        self.clocks.forget(from.node);
        self.known_dirty.insert(from.node);
    }

    /// Drops a row that its owner does not have.
    pub(crate) fn disown(&mut self, ix: RowIx) {
        let row = self.rows.row(ix);
        let (owner, table, key) = (row.key.node, row.key.table, row.key.key.clone());
        let lived = row.value.is_some();
        self.rows.drop_row(ix);
        match table {
            catalog::INSTANCES if lived => {
                if let Some((service, id)) = catalog::parse_instance_key(&key) {
                    self.count(&service, false, false);
                    self.ready.deltas.push(Delta::InstanceGone { service, id, owner });
                }
            }
            catalog::OVERRULES => self.overrule_gone(owner, &key),
            _ => {}
        }
    }

    /// Whose rows these are, as far as was found out.
    #[must_use]
    pub fn differing(&self) -> &[NodeId] {
        &self.audit.differing
    }

    /// For how long rows have differed from those of somebody who has seen the same; `None`: they do not.
    #[must_use]
    pub fn differs_for(&self) -> Option<Duration> {
        let since = self.audit.differs_since.filter(|_| self.now.mono.since(self.audit.differed) <= EVIDENCE_COUNTS);
        since.map(|since| self.now.mono.since(since))
    }
}
