//! Tombstones go when nobody needs them any more: when every member has seen them, and not when they are old.
//!
//! In a round, a node notes up to where it has seen those who have tombstones, and waits until every member has shown, by an
//! equal digest or by its vector, that it has seen as much. Then the tombstones from before are dropped. Whoever is absent
//! holds a round up, but not for ever: beyond a horizon the round does without it, and a node that finds that it was away for
//! longer forgets what it knew of others before it says a word about them. What still goes wrong, an audit finds
//! (`audit.rs`).

use crate::Replica;
use crate::rows::{Ranges, RowIx};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;
use whither_model::durable::{Row, RowKey, Seen, Snapshot};
use whither_model::{Instant, NodeId, Now, Origin};

/// After so long, a member that is absent is done without.
pub(crate) const HORIZON: Duration = Duration::from_secs(24 * 60 * 60);
/// How old a round may become before it is begun anew: with more tombstones, and other members.
const ROUND_MAX: Duration = Duration::from_secs(48 * 60 * 60);

/// The round under way, and since when members have been absent.
#[derive(Debug, Default)]
pub(crate) struct Collecting {
    round: Option<Round>,
    absent: BTreeMap<NodeId, Instant>,
}

#[derive(Debug)]
struct Round {
    begun: Instant,
    /// Of each origin, the highest tombstone that is to go.
    upto: BTreeMap<Origin, u64>,
    /// Who has not shown that it has seen them.
    waiting: BTreeSet<NodeId>,
}

impl Replica {
    /// Begins a round, or ends one for which nobody has to be waited any more.
    pub(crate) fn collect(&mut self) {
        let now = self.now.mono;
        self.note_absent(now);
        let absent = &self.collecting.absent;
        let long_gone = |node: &NodeId| absent.get(node).is_some_and(|since| now.since(*since) >= HORIZON);
        if let Some(round) = &mut self.collecting.round {
            round.waiting.retain(|node| !long_gone(node));
            if now.since(round.begun) >= ROUND_MAX {
                self.collecting.round = None;
            }
        }
        if self.collecting.round.is_none() && self.rows.tombstones() > 0 {
            let waiting = self.detector.roster().iter().map(|entry| entry.belief);
            let waiting = waiting.filter(|belief| !long_gone(&belief.node));
            let waiting = waiting.map(|belief| belief.node).collect();
            // What is answered to an offer of before says nothing about this round.
            self.repair.forget_offer();
            self.collecting.round = Some(Round { begun: now, upto: self.tombstones_upto(), waiting });
        }
        self.finish_round();
    }

    /// Since when `node` has been absent; `None`: it is not.
    pub(crate) fn absent_since(&self, node: NodeId) -> Option<Instant> {
        self.collecting.absent.get(&node).copied()
    }

    /// A member came: while it is filled up, it may be told of a row by somebody who has not seen its tombstone yet.
    pub(crate) fn round_waits_for(&mut self, node: NodeId) {
        if let Some(round) = &mut self.collecting.round {
            round.waiting.insert(node);
        }
    }

    /// Of each origin the highest tombstone up to where nothing is missing here.
    fn tombstones_upto(&self) -> BTreeMap<Origin, u64> {
        let mut upto: BTreeMap<Origin, u64> = BTreeMap::new();
        for (_, row) in self.rows.dead() {
            let origin = Origin { node: row.key.node, epoch: row.version.epoch };
            let seq = row.version.seq.0;
            if self.rows.seen(origin).is_some_and(|seen| seen.watermark() >= seq) {
                let highest = upto.entry(origin).or_default();
                *highest = (*highest).max(seq);
            }
        }
        upto
    }

    fn note_absent(&mut self, now: Instant) {
        let mut absent = BTreeMap::new();
        for entry in self.detector.roster().iter().filter(|entry| !entry.belief.state.is_present()) {
            let node = entry.belief.node;
            absent.insert(node, self.collecting.absent.get(&node).copied().unwrap_or(now));
        }
        self.collecting.absent = absent;
    }

    /// `peer` has seen all that this node has.
    pub(crate) fn note_equal(&mut self, peer: NodeId) {
        self.end_audit();
        if let Some(round) = &mut self.collecting.round {
            round.waiting.remove(&peer);
            self.finish_round();
        }
    }

    /// `peer` has seen this much.
    pub(crate) fn note_seen(&mut self, peer: NodeId, theirs: &BTreeMap<Origin, Ranges>) {
        let Some(round) = &mut self.collecting.round else { return };
        if !round.waiting.contains(&peer) {
            return;
        }
        let rows = &self.rows;
        let covered = round.upto.iter().all(|(origin, upto)| {
            // A boot that is forgotten here has no tombstones left that could be dropped.
            rows.seen(*origin).is_none() || theirs.get(origin).is_some_and(|seen| seen.watermark() >= *upto)
        });
        if covered {
            round.waiting.remove(&peer);
            self.finish_round();
        }
    }

    /// Drops the round's tombstones once everybody has seen them.
    fn finish_round(&mut self) {
        let Some(round) = self.collecting.round.take_if(|round| round.waiting.is_empty()) else { return };
        let covered = |row: &Row| {
            let origin = Origin { node: row.key.node, epoch: row.version.epoch };
            round.upto.get(&origin).is_some_and(|upto| row.version.seq.0 <= *upto)
        };
        let dead: Vec<RowIx> = self.rows.dead().filter(|(_, row)| covered(row)).map(|(ix, _)| ix).collect();
        self.counters.tombstones_collected += dead.len() as u64;
        dead.into_iter().for_each(|ix| self.rows.drop_row(ix));
    }

    /// This node stood still for longer than others waited for it: what it knows of them may be of the dead.
    pub(crate) fn forget_others(&mut self) {
        let me = self.me.node;
        let rows: Vec<RowIx> = self.rows.iter().filter(|(_, row)| row.key.node != me).map(|(ix, _)| ix).collect();
        rows.into_iter().for_each(|ix| self.disown(ix));
        self.rows.forget_seen_of_others(me);
    }
}

/// Takes what was known of others out of a snapshot of a node that was away for too long. What its own rows say is its own
/// to say.
pub(crate) fn forget_if_stale(snapshot: &mut Snapshot, now: Now) -> (Vec<RowKey>, Vec<Seen>) {
    let heard = snapshot.members.iter().map(|member| member.known_until).max();
    let Some(heard) = heard.filter(|heard| heard.0 > 0 && *heard <= now.wall) else { return Default::default() };
    if now.wall.since(heard) < HORIZON {
        return Default::default();
    }
    let me = snapshot.node;
    let rows = snapshot.rows.extract_if(.., |row| row.key.node != me).map(|row| row.key).collect();
    let blank = |seen: Seen| Seen { ranges: Vec::new(), ..seen };
    let seen = snapshot.seen.extract_if(.., |seen| seen.origin.node != me).map(blank).collect();
    (rows, seen)
}
