//! Tombstones of users' tables go when nobody needs them any more, as those of the catalog do (`../collecting.rs`).
//!
//! More is needed here than that everybody has seen a tombstone: rows have many writers, and what one of them wrote before it saw the
//! tombstone must not arrive after it was dropped. So a member counts once it has seen the tombstone *and* all that it had written by
//! then is known here. What it writes later is stamped later than the tombstone (`whither_tables` observes every stamp), and wins
//! with or without it.

use crate::Replica;
use crate::collecting::HORIZON;
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;
use whither_model::sql::{Stretches, TableWork};
use whither_model::{Instant, NodeId, Origin, Ranges};

/// The round under way.
#[derive(Debug)]
pub(super) struct Round {
    begun: Instant,
    /// Of each author, up to where its transactions are known here: tombstones up to there are to go.
    upto: BTreeMap<Origin, u64>,
    /// Members that have not shown that they have seen them.
    waiting: BTreeSet<NodeId>,
}

/// How old a round may become before it is begun anew.
const ROUND_MAX: Duration = Duration::from_secs(48 * 60 * 60);
/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(30);

impl Replica {
    /// Begins a round, or ends one for which nobody has to be waited any more.
    pub(crate) fn collect_tables(&mut self) {
        let now = self.now.mono;
        let long_gone =
            |replica: &Self, node: NodeId| replica.absent_since(node).is_some_and(|since| now.since(since) >= HORIZON);
        if let Some(mut round) = self.tables.round.take() {
            round.waiting.retain(|node| !long_gone(self, *node));
            self.tables.round = (now.since(round.begun) < ROUND_MAX).then_some(round);
        }
        if self.tables.round.is_none()
            && self.tables.digest() != 0
            && self.tables.collected_at.is_none_or(|at| now.since(at) >= PAUSE)
        {
            let upto = self.tables.applied.iter().map(|(origin, seen)| (*origin, seen.watermark())).collect();
            let members = self.detector.roster().iter().map(|entry| entry.belief.node);
            let waiting = members.filter(|node| !long_gone(self, *node)).collect();
            self.tables.round = Some(Round { begun: now, upto, waiting });
        }
        self.finish_tables_round();
    }

    /// A member came: while it is filled up, it may be told of a row by somebody who has not seen its tombstone yet.
    pub(crate) fn tables_round_waits_for(&mut self, node: NodeId) {
        if let Some(round) = &mut self.tables.round {
            round.waiting.insert(node);
        }
    }

    /// `peer` has applied exactly what this node has.
    pub(super) fn note_tables_equal(&mut self, peer: NodeId) {
        if let Some(round) = &mut self.tables.round
            && round.waiting.remove(&peer)
        {
            self.finish_tables_round();
        }
    }

    /// `peer` has applied this much.
    pub(super) fn note_tables_seen(&mut self, peer: NodeId, theirs: &BTreeMap<Origin, Ranges>) {
        let Some(round) = &mut self.tables.round else { return };
        let has_seen = |(origin, upto): (&Origin, &u64)| theirs.get(origin).map_or(0, Ranges::watermark) >= *upto;
        let applied = &self.tables.applied;
        let mut own = theirs.iter().filter(|(origin, _)| origin.node == peer);
        let is_known = own.all(|(origin, seen)| {
            applied.get(origin).is_some_and(|mine| seen.without(mine).is_empty()) || seen.is_empty()
        });
        if round.upto.iter().all(has_seen) && is_known && round.waiting.remove(&peer) {
            self.finish_tables_round();
        }
    }

    fn finish_tables_round(&mut self) {
        let Some(round) = self.tables.round.take_if(|round| round.waiting.is_empty()) else { return };
        self.tables.collected_at = Some(self.now.mono);
        let upto =
            round.upto.into_iter().filter(|(_, upto)| *upto > 0).map(|(origin, upto)| (origin, alloc::vec![(1, upto)]));
        self.ready.tables.push(TableWork::Collect { upto: upto.collect() });
    }
}

impl super::Tables {
    /// Tombstones have been dropped up to here.
    pub(super) fn note_collected(&mut self, upto: &Stretches) {
        for (origin, stretches) in upto {
            let last = stretches.last().map_or(0, |(_, last)| *last);
            let known = self.collected.entry(*origin).or_default();
            *known = last.max(*known);
        }
    }

    /// The same as stretches.
    pub(super) fn collected(&self) -> Stretches {
        let upto = self.collected.iter().filter(|(_, upto)| **upto > 0);
        upto.map(|(origin, upto)| (*origin, alloc::vec![(1, *upto)])).collect()
    }

    /// Whether somebody who has applied this lacks tombstones that have been dropped, and has rows that they may be about. Not if
    /// its rows come from somebody who had dropped them already, up to `collected`: those are not of the dead.
    pub(super) fn collected_without(&self, theirs: &BTreeMap<Origin, Ranges>, collected: &Stretches) -> bool {
        let known = |origin: &Origin| {
            let dropped =
                collected.iter().find(|(other, _)| other == origin).and_then(|(_, upto)| Some(upto.last()?.1));
            theirs.get(origin).map_or(0, Ranges::watermark).max(dropped.unwrap_or(0))
        };
        theirs.values().any(|seen| !seen.is_empty())
            && self.collected.iter().any(|(origin, upto)| known(origin) < *upto)
    }
}

impl Replica {
    /// A peer has dropped tombstones that this node has not seen, because it was away for too long: what it has may be of the dead. It
    /// is forgotten, and fetched anew.
    pub(super) fn forget_tables(&mut self, collected: Stretches) {
        if !core::mem::replace(&mut self.tables.forgetting, true) {
            self.ready.tables.push(TableWork::Forget { collected });
        }
    }

    /// What was here has been forgotten. Up to where the other had dropped tombstones is known from now on: whatever comes first comes from
    /// after that.
    pub(super) fn tables_forgotten(&mut self, collected: &Stretches, done: bool) {
        let tables = &mut self.tables;
        if !done {
            tables.forgetting = false;
            return;
        }
        tables.collected.clear();
        tables.note_collected(collected);
        tables.applied.clear();
        tables.waiting.clear();
        tables.known_until.clear();
        (tables.digest, tables.fetch, tables.round, tables.forgetting) = (0, None, None, false);
        self.counters.tables_forgotten += 1;
    }
}
