//! Transactions that did not come are found missing, by heads and by digests, and fetched.

use crate::Replica;
use crate::limits::{BOOTS_MAX, MESSAGE_BYTES_TARGET};
use crate::packets::Sender;
use crate::repair::seen_wire;
use crate::timers::Timer;
use crate::wire::{Digest, FoundWire, SeenWire, Vector, pairs};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;
use whither_model::sql::{Asker, FetchId, Stretches, TableWork};
use whither_model::{Epoch, Instant, MemberState, NodeId, Origin, Ranges};

/// A fetch under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetch {
    peer: NodeId,
    nonce: u64,
    /// When it last made progress.
    heard: Instant,
}

/// Somebody has said more than has been applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    epoch: Epoch,
    /// How far it had got when it was first looked at.
    head: u64,
    /// How far it has got since.
    newest: u64,
    asked: u32,
}

/// How long a fetch may be silent before another may begin, at first: the asked has to read, the asker to write.
const FETCH_TIMEOUT: Duration = Duration::from_secs(2);
/// How often that is doubled at most.
const FETCH_DOUBLINGS_MAX: u32 = 4;
/// Others that are being found out for at once; whoever comes on top asks again.
const FINDING_MAX: usize = 8;

impl Replica {
    /// `node` has made more transactions than have been applied here. Perhaps they are only late.
    pub(super) fn notice_tables_gap(&mut self, node: NodeId, epoch: Epoch, head: u64) {
        let fresh = Gap { epoch, head, newest: head, asked: 0 };
        let gap = self.tables.gaps.entry(node).or_insert(fresh);
        if gap.epoch < epoch {
            *gap = fresh;
        }
        gap.newest = gap.newest.max(head);
        if !self.timers.is_set(Timer::TablesGap(node)) {
            self.timers.set(Timer::TablesGap(node), self.now.mono + self.config.timing.gap_grace * 2);
        }
    }

    pub(crate) fn tables_gap_due(&mut self, node: NodeId) {
        let Some(mut gap) = self.tables.gaps.get(&node).copied() else { return };
        let origin = Origin { node, epoch: gap.epoch };
        let watermark = self.tables.watermark(origin);
        if watermark >= gap.head && watermark < gap.newest {
            // What was missing has come; what it has said since may be on its way.
            (gap.head, gap.asked) = (gap.newest, 0);
            self.tables.gaps.insert(node, gap);
            return self.timers.set(Timer::TablesGap(node), self.now.mono + self.config.timing.gap_grace * 2);
        }
        let closed = watermark >= gap.head;
        let member = self.detector.roster().get(node);
        let reachable =
            member.filter(|entry| entry.belief.state.is_present() || entry.belief.state == MemberState::Left);
        let (Some(address), false) = (reachable.map(|entry| entry.belief.address), closed) else {
            self.tables.gaps.remove(&node);
            return;
        };
        let applied = self.tables.applied.get(&origin);
        // What has come and waits for the database is not missing.
        let came = (1..=gap.head).rev().take(64).any(|number| self.tables.waiting.contains(&(origin, number)));
        let wait = self.config.timing.gap_grace * 2u32.saturating_pow((gap.asked + 1).min(16));
        self.timers.set(Timer::TablesGap(node), self.now.mono + wait.min(self.config.timing.sync_interval));
        if came && gap.asked < 8 {
            gap.asked += 1;
            self.tables.gaps.insert(node, gap);
            return;
        }
        let seen = alloc::vec![seen_wire(origin, applied.unwrap_or(&Ranges::default()))];
        let Some(nonce) = self.begin_tables_fetch(node) else { return };
        gap.asked += 1;
        self.tables.gaps.insert(node, gap);
        self.counters.gaps_asked += 1;
        let vector = Vector { seen, partial: true, fetch: nonce, ..Vector::default() };
        self.send_tables(address, |wire| wire.vector = Some(vector));
    }

    /// Somebody's digest of tables came.
    pub(crate) fn compare_tables(&mut self, sender: &Sender, theirs: &Digest) {
        let (own, digest) = (self.tables.digest(), theirs.tables);
        if digest == own {
            if digest != 0 {
                self.note_tables_equal(sender.belief.node);
            }
            let same_members = theirs.agrees || theirs.members == self.detector.roster().present_digest();
            if let Some(left_at) = sender.left_at
                && digest != 0
                && same_members
            {
                let as_of = left_at - Duration::from_micros(theirs.tables_age);
                let present: Vec<NodeId> = self.detector.roster().present().map(|belief| belief.node).collect();
                present.into_iter().for_each(|node| self.raise_tables_known(node, as_of));
            }
            return;
        }
        if digest == 0 {
            // It has nothing, or knows of no tables. If it is interested, it asks.
            return;
        }
        if let Some(nonce) = self.begin_tables_fetch(sender.belief.node) {
            let vector = self.tables_vector(true, nonce);
            self.send_tables(sender.from, |wire| wire.vector = Some(vector));
        }
    }

    /// All that has been applied, for a peer to send what is not.
    fn tables_vector(&self, answer_wanted: bool, fetch: u64) -> Vector {
        let seen = self.tables.applied.iter().map(|(origin, ranges)| seen_wire(*origin, ranges)).collect();
        Vector { seen, partial: false, answer_wanted, fetch, collected: as_wire(self.tables.collected()) }
    }

    fn begin_tables_fetch(&mut self, peer: NodeId) -> Option<u64> {
        if let Some(fetch) = self.tables.fetch.filter(|fetch| self.detector.roster().is_present(fetch.peer)) {
            if self.now.mono.since(fetch.heard) < FETCH_TIMEOUT * (1 << self.tables.given_up) {
                return None;
            }
            self.tables.given_up = (self.tables.given_up + 1).min(FETCH_DOUBLINGS_MAX);
        }
        let nonce = self.random.next().max(1);
        self.tables.fetch = Some(Fetch { peer, nonce, heard: self.now.mono });
        Some(nonce)
    }

    /// Somebody says what it has seen, to be sent what it lacks.
    pub(super) fn handle_tables_vector(&mut self, sender: &Sender, vector: &Vector) {
        let mut theirs: BTreeMap<Origin, Ranges> = BTreeMap::new();
        for seen in &vector.seen {
            if let Some(node) = NodeId::new(seen.node).filter(|_| seen.epoch <= BOOTS_MAX) {
                let origin = Origin { node, epoch: Epoch(seen.epoch) };
                theirs.insert(origin, Ranges::from_untrusted(pairs(&seen.ranges)));
            }
        }
        let own = theirs.range(Origin { node: self.me.node, epoch: Epoch(0) }..);
        let own = own.take_while(|(origin, _)| origin.node == self.me.node);
        let furthest = own.filter_map(|(origin, seen)| Some((*origin, seen.as_slice().last()?.1))).last();
        if furthest.is_some_and(|(origin, number)| self.tables_impostor(origin, number)) {
            return;
        }
        if !vector.partial {
            self.note_tables_seen(sender.belief.node, &theirs);
        }
        if self.tables.forgetting {
            // What is here is about to go. The other asks again.
            return;
        }
        let collected = from_wire(&vector.collected);
        if !vector.partial && self.tables.collected_without(&theirs, &collected) {
            let collected = as_wire(self.tables.collected());
            let found = FoundWire { fetch: vector.fetch, forget: true, collected, ..FoundWire::default() };
            return self.send_tables(sender.from, |wire| wire.found = Some(found));
        }
        let missing = self.tables_missing(&theirs, vector.partial);
        let asker = Asker { to: sender.from, fetch: vector.fetch };
        if missing.is_empty() {
            // An empty answer says that the fetch is over.
            self.tables_found(asker, Vec::new(), &[], false);
        } else if self.tables.finding < FINDING_MAX {
            self.tables.finding += 1;
            self.ready.tables.push(TableWork::Find { missing, asker });
        }
        let behind = theirs.iter().any(|(origin, seen)| {
            self.tables.applied.get(origin).map_or(!seen.is_empty(), |mine| !seen.without(mine).is_empty())
        });
        if !vector.partial
            && vector.answer_wanted
            && behind
            && let Some(nonce) = self.begin_tables_fetch(sender.belief.node)
        {
            let vector = self.tables_vector(false, nonce);
            self.send_tables(sender.from, |wire| wire.vector = Some(vector));
        }
    }

    /// What has been applied here and is not in `theirs`: first of those of whom most is missing.
    fn tables_missing(&self, theirs: &BTreeMap<Origin, Ranges>, partial: bool) -> Stretches {
        let nothing = Ranges::default();
        let mut missing: Stretches = Vec::new();
        for (origin, mine) in &self.tables.applied {
            let seen = match theirs.get(origin) {
                Some(seen) => seen,
                None if partial => continue,
                None => &nothing,
            };
            let lacking = mine.without(seen);
            if !lacking.is_empty() {
                missing.push((*origin, lacking));
            }
        }
        let depth = |stretches: &[(u64, u64)]| stretches.iter().map(|(first, last)| last - first + 1).sum::<u64>();
        missing.sort_by_key(|(origin, stretches)| (core::cmp::Reverse(depth(stretches)), *origin));
        missing
    }

    /// What somebody lacks was found: it is sent, in parts if it is large.
    pub(super) fn tables_found(&mut self, asker: Asker, complete: Stretches, body: &[u8], more: bool) {
        self.tables.finding = self.tables.finding.saturating_sub(1);
        let pieces: Vec<&[u8]> =
            if body.is_empty() { alloc::vec![body] } else { body.chunks(MESSAGE_BYTES_TARGET).collect() };
        let parts = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
        let (complete, collected) = (as_wire(complete), as_wire(self.tables.collected()));
        for (part, piece) in (0u32..).zip(pieces) {
            let first = |all: &Vec<SeenWire>| if part == 0 { all.clone() } else { Vec::new() };
            let (complete, collected) = (first(&complete), first(&collected));
            let body = Bytes::copy_from_slice(piece);
            let found = FoundWire { fetch: asker.fetch, complete, body, part, parts, more, collected, forget: false };
            self.send_tables(asker.to, |wire| wire.found = Some(found));
        }
    }

    /// What was missing here comes, or a part of it.
    pub(super) fn handle_tables_found(&mut self, sender: &Sender, found: &FoundWire) {
        let current = self.tables.fetch.as_mut().filter(|fetch| found.fetch != 0 && fetch.nonce == found.fetch);
        let Some(fetch) = current else { return };
        fetch.heard = self.now.mono;
        if found.forget {
            return self.forget_tables(from_wire(&found.collected));
        }
        let mut complete: Stretches = Vec::new();
        for seen in &found.complete {
            if let Some(node) = NodeId::new(seen.node).filter(|_| seen.epoch <= BOOTS_MAX) {
                let origin = Origin { node, epoch: Epoch(seen.epoch) };
                let ranges = Ranges::from_untrusted(pairs(&seen.ranges));
                let last = ranges.as_slice().last().map_or(0, |(_, last)| *last);
                if self.tables_impostor(origin, last) {
                    return;
                }
                complete.push((origin, ranges.as_slice().to_vec()));
            }
        }
        let mut collected = from_wire(&found.collected);
        let body = if found.parts <= 1 {
            found.body.clone()
        } else {
            // What is complete comes with the first part; it waits with it.
            let id = (sender.belief.node.get(), u64::MAX, found.fetch);
            if found.part == 0 {
                self.tables.completing = Some((found.fetch, complete, collected));
            }
            let Some(whole) = self.tables.parts.add(id, found.part, found.parts, &found.body) else { return };
            let waited = self.tables.completing.take_if(|(nonce, ..)| *nonce == found.fetch);
            let Some((_, all, dropped)) = waited else { return };
            (complete, collected) = (all, dropped);
            whole
        };
        if complete.is_empty() {
            self.tables.fetch = None;
            self.tables.given_up = self.tables.given_up.saturating_sub(1);
            return;
        }
        let fetch = FetchId { from: sender.from, nonce: found.fetch, more: found.more };
        self.ready.tables.push(TableWork::Mend { complete, collected, body: body.as_ref().into(), fetch });
    }

    /// What was missing here has been taken in, or not.
    pub(super) fn tables_mended(&mut self, complete: &Stretches, taken: bool, id: FetchId) {
        if taken {
            for (origin, stretches) in complete {
                stretches.iter().for_each(|(first, last)| self.tables.see(*origin, *first, *last));
                self.counters.transactions_repaired +=
                    stretches.iter().map(|(first, last)| last - first + 1).sum::<u64>();
            }
        } else {
            self.counters.transactions_refused += 1;
        }
        let current = self.tables.fetch.as_mut().filter(|fetch| fetch.nonce == id.nonce);
        let Some(fetch) = current else { return };
        if taken && id.more {
            fetch.heard = self.now.mono;
            let vector = self.tables_vector(false, id.nonce);
            self.send_tables(id.from, |wire| wire.vector = Some(vector));
        } else {
            self.tables.fetch = None;
            self.tables.given_up = self.tables.given_up.saturating_sub(1);
        }
    }
}

fn as_wire(stretches: Stretches) -> Vec<SeenWire> {
    let each = |(origin, stretches)| seen_wire(origin, &Ranges::from_untrusted(stretches));
    stretches.into_iter().map(each).collect()
}

fn from_wire(seen: &[SeenWire]) -> Stretches {
    let each = |seen: &SeenWire| {
        let node = NodeId::new(seen.node).filter(|_| seen.epoch <= BOOTS_MAX)?;
        let ranges = Ranges::from_untrusted(pairs(&seen.ranges));
        Some((Origin { node, epoch: Epoch(seen.epoch) }, ranges.as_slice().to_vec()))
    };
    seen.iter().filter_map(each).collect()
}
