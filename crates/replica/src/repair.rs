//! Anti-entropy: whatever a broadcast failed to bring is found by comparing and fetched.
//!
//! First a digest, then, if it differs, what each has seen (a watermark per origin, nearly), then the rows the other lacks.
//! Not an optimisation: rumours alone leave replicas split for ever after restarts and partitions.

use crate::Replica;
use crate::limits::{BOOTS_MAX, CELLS_BYTES_TARGET, GOODBYE_ASKS_MAX};
use crate::packets::Sender;
use crate::rows::Ranges;
use crate::timers::Timer;
use crate::wire::{Cells, Digest, Packet, RowWire, Section, SeenWire, Vector, pairs};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use whither_gossip::Route;
use whither_model::durable::Row;
use whither_model::{Came, Epoch, Instant, MemberState, NodeId, Origin, Seq};

/// Repairs under way.
#[derive(Debug, Default)]
pub(crate) struct Repair {
    /// The last head heard of each node that is ahead of us, and how often its gap was asked for.
    gaps: BTreeMap<NodeId, Gap>,
    /// Up to where each node's gap was asked for: what comes of it by broadcast after all was asked for too early.
    asked: BTreeMap<NodeId, u64>,
    /// How long a gap is given to close by itself, if that is longer than the configured time: news is on its way for long
    /// when lines are full, and to ask for it again would make them fuller.
    grace: Duration,
    /// The fetch under way. One at a time, or a joining node would be sent everything by everyone, several times over.
    fetch: Option<Fetch>,
    /// How often in a row a fetch was given up. What was asked for may well be on its way: each time more patience.
    given_up: u32,
    /// It is time to compare with somebody.
    digest_due: bool,
    /// To whom the last digest went, and of which members: what its answer agrees with.
    offered: Option<(NodeId, u64)>,
    /// The peer whose packet is being handled wants to know that it agrees.
    agreed_with: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug)]
struct Fetch {
    peer: NodeId,
    nonce: u64,
    /// When it last made progress.
    heard: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Gap {
    epoch: Epoch,
    head: Seq,
    asked: u32,
}

/// What one lacks of an author.
struct Lacking {
    /// How many changes.
    depth: u64,
    origin: Origin,
    /// Which, as first and last seqs.
    missing: Vec<(u64, u64)>,
}

/// How long a fetch may be silent before another may begin: at first, and doubled each time that this was too short.
const FETCH_TIMEOUT: Duration = Duration::from_secs(1);
/// How often it is doubled at most.
const FETCH_DOUBLINGS_MAX: u32 = 4;

impl Repair {
    /// Whoever agrees from now on agrees with something newer.
    pub(crate) fn forget_offer(&mut self) {
        self.offered = None;
    }
}

impl Replica {
    pub(crate) fn compare_with_somebody(&mut self) {
        // Half to one and a half times the interval, so that nodes do not fall into step.
        let interval = self.config.timing.sync_interval;
        let micros = usize::try_from(interval.as_micros()).unwrap_or(usize::MAX);
        let jitter = Duration::from_micros(self.random.below(micros) as u64);
        self.timers.set(Timer::Sync, self.now.mono + interval / 2 + jitter);
        if self.has_left() {
            return;
        }
        // The next probe takes it along. If none went out since the last time, it goes by itself.
        if !core::mem::replace(&mut self.repair.digest_due, true) {
            return;
        }
        if let Some(peer) = self.detector.roster().sample(1, None, &mut self.random).first().copied() {
            let digest = self.digest_if_due(peer.node);
            self.send(&[peer.address], Route::Datagram, Packet { digest, ..Packet::default() });
        }
    }

    /// A digest for a packet that is on its way to a member anyway, if it is time.
    pub(crate) fn digest_if_due(&mut self, to: NodeId) -> Option<Digest> {
        core::mem::take(&mut self.repair.digest_due).then(|| self.offer_digest(to))
    }

    /// A digest for `to`, who is to say whether it agrees.
    pub(crate) fn offer_digest(&mut self, to: NodeId) -> Digest {
        let members = self.detector.roster().present_digest();
        self.repair.offered = Some((to, members));
        let (rows, living) = (self.rows.digest(), self.rows.living_digest_of_all());
        let digest =
            Digest { rows, members, age: self.oldest_age_micros(), answer_wanted: true, living, ..Digest::default() };
        self.with_tables(digest)
    }

    /// The answer that is owed to `to` for the packet that is being handled, if it agrees and was not told yet.
    pub(crate) fn agreement_with(&mut self, to: SocketAddr) -> Option<Digest> {
        self.repair.agreed_with.take_if(|peer| *peer == to)?;
        Some(self.with_tables(Digest { age: self.oldest_age_micros(), agrees: true, ..Digest::default() }))
    }

    /// Adds what there is to compare of users' tables, if anything.
    fn with_tables(&self, mut digest: Digest) -> Digest {
        digest.tables = self.tables.digest();
        if digest.tables != 0 {
            digest.tables_age = u64::try_from(self.tables_age().as_micros()).unwrap_or(u64::MAX);
        }
        digest
    }

    /// Tells the sender of the packet that was handled that it agrees, if nothing else took that along.
    pub(crate) fn send_agreement(&mut self, to: SocketAddr) {
        if let Some(digest) = self.agreement_with(to) {
            self.send(&[to], Route::Datagram, Packet { digest: Some(digest), ..Packet::default() });
        }
    }

    fn oldest_age_micros(&self) -> u64 {
        u64::try_from(self.oldest_age().as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn handle_digest(&mut self, sender: &Sender, digest: &Digest) {
        let members = self.detector.roster().present_digest();
        if digest.agrees {
            // What it agreed with was known here then, and still is.
            if self.repair.offered == Some((sender.belief.node, members))
                && let Some(left_at) = sender.left_at
            {
                self.counters.syncs_equal += 1;
                self.adopt_age(left_at, Duration::from_micros(digest.age));
                self.note_equal(sender.belief.node);
            }
            return;
        }
        if digest.members != members {
            self.compare_members(sender.from);
        }
        if digest.rows != self.rows.digest() {
            self.counters.syncs_different += 1;
            if let Some(fetch) = self.begin_fetch(sender.belief.node) {
                self.send_vector(sender.from, true, fetch);
            }
            return;
        }
        if digest.living != 0 && digest.living != self.rows.living_digest_of_all() {
            return self.begin_audit(sender.from);
        }
        self.counters.syncs_equal += 1;
        self.note_equal(sender.belief.node);
        if digest.members != members {
            return;
        }
        if let Some(left_at) = sender.left_at {
            self.adopt_age(left_at, Duration::from_micros(digest.age));
        }
        self.repair.agreed_with = digest.answer_wanted.then_some(sender.from);
    }

    /// Begins to fetch from `peer`, unless a fetch is under way.
    pub(crate) fn begin_fetch(&mut self, peer: NodeId) -> Option<u64> {
        if let Some(fetch) = self.repair.fetch.filter(|fetch| self.detector.roster().is_present(fetch.peer)) {
            if self.now.mono.since(fetch.heard) < FETCH_TIMEOUT * (1 << self.repair.given_up) {
                return None;
            }
            self.repair.given_up = (self.repair.given_up + 1).min(FETCH_DOUBLINGS_MAX);
        }
        let nonce = self.random.next().max(1);
        self.repair.fetch = Some(Fetch { peer, nonce, heard: self.now.mono });
        Some(nonce)
    }

    fn send_vector(&mut self, to: SocketAddr, answer_wanted: bool, fetch: u64) {
        let seen =
            self.rows.all_seen().filter(|(_, seen)| !seen.is_empty()).map(|(origin, seen)| seen_wire(origin, seen));
        let vector = Some(Vector { seen: seen.collect(), answer_wanted, fetch, ..Vector::default() });
        self.send(&[to], Route::Stream, Packet { vector, ..Packet::default() });
    }

    pub(crate) fn handle_vector(&mut self, sender: &Sender, vector: &Vector) {
        let mut theirs: BTreeMap<Origin, Ranges> = BTreeMap::new();
        for seen in &vector.seen {
            if let Some(node) = NodeId::new(seen.node).filter(|_| seen.epoch <= BOOTS_MAX) {
                let origin = Origin { node, epoch: Epoch(seen.epoch) };
                theirs.insert(origin, Ranges::from_untrusted(pairs(&seen.ranges)));
            }
        }
        let own = theirs.range(self.me..).take_while(|(origin, _)| origin.node == self.me.node);
        let furthest = own.filter_map(|(origin, seen)| Some((*origin, seen.as_slice().last()?.1))).last();
        if furthest.is_some_and(|(origin, seq)| self.is_impostor(origin, seq)) {
            return;
        }
        if !vector.partial {
            self.note_seen(sender.belief.node, &theirs);
        }
        let cells = Cells { fetch: vector.fetch, ..self.lacking(&theirs, vector.partial) };
        let incomplete = cells.more;
        // An empty answer says that the fetch is over.
        if !cells.sections.is_empty() || vector.fetch != 0 {
            self.send(&[sender.from], Route::Stream, Packet { cells: Some(cells), ..Packet::default() });
        }
        let behind = || {
            theirs.iter().any(|(origin, seen)| match self.rows.seen(*origin) {
                Some(mine) => !seen.without(mine).is_empty(),
                None => !seen.is_empty(),
            })
        };
        // If they are still being filled up they will ask again, and then it is our turn.
        if !vector.partial
            && vector.answer_wanted
            && !incomplete
            && behind()
            && let Some(fetch) = self.begin_fetch(sender.belief.node)
        {
            self.send_vector(sender.from, false, fetch);
        }
    }

    /// What is seen here and not in `theirs`, by author: first those of whom most is missing. So when not everything can be
    /// brought, nobody is left further and further behind (scuttle-depth: van Renesse et al., Scuttlebutt, 2008, section 3.3).
    fn gaps_of(&self, theirs: &BTreeMap<Origin, Ranges>, partial: bool) -> Vec<Lacking> {
        let nothing = Ranges::default();
        let mut gaps: Vec<Lacking> = Vec::new();
        for (origin, mine) in self.rows.all_seen() {
            let seen = match theirs.get(&origin) {
                Some(seen) => seen,
                None if partial => continue,
                None => &nothing,
            };
            let missing = mine.without(seen);
            if !missing.is_empty() {
                let depth = missing.iter().map(|(first, last)| last - first + 1).sum();
                gaps.push(Lacking { depth, origin, missing });
            }
        }
        gaps.sort_by_key(|gap| (core::cmp::Reverse(gap.depth), gap.origin));
        gaps
    }

    /// The rows at seqs that are seen here and not in `theirs`, up to the size of a message: of each author the oldest first.
    fn lacking(&self, theirs: &BTreeMap<Origin, Ranges>, partial: bool) -> Cells {
        let mut cells = Cells::default();
        let mut bytes = 0;
        for Lacking { origin, missing, .. } in self.gaps_of(theirs, partial) {
            let mut section =
                Section { node: origin.node.get(), epoch: origin.epoch.0, complete: Vec::new(), rows: Vec::new() };
            for (first, last) in missing {
                let mut until = last;
                for (seq, row) in self.rows.written(origin, first, last) {
                    if bytes > CELLS_BYTES_TARGET && section.rows.last().is_some_and(|last| last.seq != seq) {
                        until = seq - 1;
                        cells.more = true;
                        break;
                    }
                    bytes += row.key.key.len() + row.value.as_ref().map_or(0, |value| value.len()) + 24;
                    section.rows.push(row_wire(seq, row));
                }
                section.complete.extend([first, until]);
                if cells.more {
                    break;
                }
            }
            bytes += 32;
            cells.sections.push(section);
            if cells.more || bytes > CELLS_BYTES_TARGET {
                cells.more = true;
                break;
            }
        }
        cells
    }

    pub(crate) fn handle_cells(&mut self, from: SocketAddr, cells: &Cells) {
        for section in &cells.sections {
            let Some(node) = NodeId::new(section.node).filter(|_| section.epoch <= BOOTS_MAX) else { continue };
            let origin = Origin { node, epoch: Epoch(section.epoch) };
            let complete = Ranges::from_untrusted(pairs(&section.complete));
            let last = complete.as_slice().last().map_or(0, |(_, last)| *last);
            if self.is_impostor(origin, last) || origin == self.me {
                // What this node itself has said lately comes back when a peer answers an old question.
                continue;
            }
            let seen = self.rows.seen(origin);
            if seen.map_or(!complete.is_empty(), |seen| !complete.without(seen).is_empty()) {
                self.note_repair(node);
            }
            for row in section.rows.iter().filter(|row| complete.contains(row.seq)) {
                self.counters.rows_repaired += 1;
                self.coming = Came::Repair;
                self.merge_row(origin, row.seq, row);
            }
            for (first, last) in complete.as_slice() {
                self.rows.see(origin, Seq(*first), Seq(*last));
            }
        }
        let current = self.repair.fetch.as_mut().filter(|fetch| cells.fetch != 0 && fetch.nonce == cells.fetch);
        let Some(fetch) = current else { return };
        if cells.more {
            fetch.heard = self.now.mono;
            self.send_vector(from, true, cells.fetch);
        } else {
            self.repair.fetch = None;
            self.repair.given_up = self.repair.given_up.saturating_sub(1);
        }
    }

    /// `node` has said more than has arrived here. Perhaps it is only late: ask after a moment.
    pub(crate) fn notice_gap(&mut self, node: NodeId, epoch: Epoch, head: Seq) {
        let gap = self.repair.gaps.entry(node).or_insert(Gap { epoch, head, asked: 0 });
        (gap.epoch, gap.head) = (gap.epoch, gap.head).max((epoch, head));
        if !self.timers.is_set(Timer::Gap(node)) {
            self.timers.set(Timer::Gap(node), self.now.mono + self.gap_grace());
        }
    }

    /// How long a gap may be mere lateness.
    fn gap_grace(&self) -> Duration {
        self.repair.grace.max(self.config.timing.gap_grace)
    }

    /// A change of `node` came by broadcast that had been fetched before.
    pub(crate) fn came_twice(&mut self, node: NodeId, seq: u64) {
        if self.repair.asked.get(&node).is_some_and(|asked| seq <= *asked) {
            self.repair.asked.remove(&node);
            self.repair.grace = (self.gap_grace() * 2).min(self.config.timing.sync_interval);
        }
    }

    pub(crate) fn gap_due(&mut self, node: NodeId) {
        let Some(mut gap) = self.repair.gaps.get(&node).copied() else { return };
        let origin = Origin { node, epoch: gap.epoch };
        // What an earlier boot lost with it, nobody has; what others have of it, anti-entropy brings.
        let over = self.rows.newest_epoch(node).is_some_and(|newest| newest > gap.epoch);
        let closed = over || self.rows.seen(origin).map_or(0, Ranges::watermark) >= gap.head.0;
        let patient = gap.asked < GOODBYE_ASKS_MAX;
        let reachable = |state: MemberState| state.is_present() || (state == MemberState::Left && patient);
        let member = self.detector.roster().get(node).filter(|entry| reachable(entry.belief.state));
        let address = member.map(|entry| entry.belief.address);
        let (Some(to), false) = (address, closed) else {
            self.repair.gaps.remove(&node);
            if closed && gap.asked == 0 {
                self.repair.grace -= self.repair.grace / 16;
            }
            return;
        };
        let Some(fetch) = self.begin_fetch(node) else {
            // What is missing may well be on its way already.
            self.timers.set(Timer::Gap(node), self.now.mono + self.gap_grace());
            return;
        };
        gap.asked += 1;
        self.repair.gaps.insert(node, gap);
        let wait = (self.gap_grace() * 2u32.saturating_pow(gap.asked.min(16))).min(self.config.timing.sync_interval);
        self.timers.set(Timer::Gap(node), self.now.mono + wait);
        self.counters.gaps_asked += 1;
        let vector = Some(Vector { seen: self.ask_for_gaps(), partial: true, fetch, ..Vector::default() });
        self.send(&[to], Route::Stream, Packet { vector, ..Packet::default() });
    }

    /// What has been seen of all who have gaps: whoever is asked for one is likely to know of the others, and to ask each of
    /// them in turn would take as many round trips as there are.
    fn ask_for_gaps(&mut self) -> Vec<SeenWire> {
        let mut wanted = Vec::new();
        for (node, gap) in &self.repair.gaps {
            let origin = Origin { node: *node, epoch: gap.epoch };
            let seen = self.rows.seen(origin);
            if seen.map_or(0, Ranges::watermark) >= gap.head.0 {
                continue;
            }
            wanted.extend(self.rows.all_seen_of(*node).map(|(origin, seen)| seen_wire(origin, seen)));
            if seen.is_none() {
                wanted.push(seen_wire(origin, &Ranges::default()));
            }
            self.repair.asked.insert(*node, gap.head.0);
        }
        wanted
    }
}

pub(crate) fn seen_wire(origin: Origin, seen: &Ranges) -> SeenWire {
    let ranges = seen.as_slice().iter().flat_map(|(first, last)| [*first, *last]).collect();
    SeenWire { node: origin.node.get(), epoch: origin.epoch.0, ranges }
}

pub(crate) fn row_wire(seq: u64, row: &Row) -> RowWire {
    RowWire {
        seq,
        table: row.key.table.0,
        key: Bytes::copy_from_slice(&row.key.key),
        value: row.value.as_ref().map(|value| Bytes::copy_from_slice(value)),
    }
}
