//! Users' tables, as far as they are carried: transactions spread, and what is missing is found and fetched. What they say is
//! known to the database alone, which has another name here: whoever applies.
//!
//! A transaction counts as seen when it was *applied*, and not when it came. What could not be applied is missed, and comes
//! again. Nothing here waits for the database: what it is to do leaves as an effect, and what came of it comes as an event.

mod collecting;
mod parts;
mod repair;

use crate::Replica;
use crate::limits::{MESSAGE_BYTES_TARGET, TABLES_WAITING_MAX};
use crate::wire::{Change, Packet, TablesWire, TransactionPart};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use bytes::Bytes;
use collecting::Round;
use core::net::SocketAddr;
use core::time::Duration;
use parts::Parts;
use prost::Message;
use repair::{Fetch, Gap};
use whither_model::durable::Seen;
use whither_model::sql::{Stretches, TableWork, TablesDone, Transaction};
use whither_model::{Epoch, Instant, NodeId, Now, Origin, Ranges, Seq};

/// What is known here of users' tables, and of others' knowledge of them.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// What whoever applies says that it has.
    applied: BTreeMap<Origin, Ranges>,
    digest: u64,
    /// What it was given and has not answered for.
    waiting: BTreeSet<(Origin, u64)>,
    /// The last own transaction.
    head: u64,
    /// The last one that was told to the others.
    told: u64,
    outbox: Vec<Bytes>,
    untold_since: Instant,
    parts: Parts,
    /// What is complete once all parts of the fetch under way have come.
    completing: Option<(u64, Stretches, Stretches)>,
    gaps: BTreeMap<NodeId, Gap>,
    fetch: Option<Fetch>,
    given_up: u32,
    round: Option<Round>,
    /// Of each author, up to which of its transactions tombstones have been dropped, here or where this came from.
    collected: BTreeMap<Origin, u64>,
    /// What is here is to be forgotten, and whoever applies has been told so.
    forgetting: bool,
    collected_at: Option<Instant>,
    /// How many others are being found out for.
    finding: usize,
    /// Up to when everything that each node had said of tables is known here.
    known_until: BTreeMap<NodeId, Instant>,
}

/// A transaction that is larger goes in several pieces.
const PART_BYTES: usize = MESSAGE_BYTES_TARGET;

impl Tables {
    pub(crate) fn watermark(&self, origin: Origin) -> u64 {
        self.applied.get(&origin).map_or(0, Ranges::watermark)
    }

    /// A digest of what has been applied of everybody; zero: nothing.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// A digest of what has been applied of `node`'s boots before `epoch`.
    fn past_digest(&self, node: NodeId, epoch: Epoch) -> u64 {
        let past = self.applied.range(Origin { node, epoch: Epoch(0) }..Origin { node, epoch });
        past.fold(0, |digest, (origin, ranges)| digest ^ ranges.digest(*origin))
    }

    fn see(&mut self, origin: Origin, first: u64, last: u64) {
        let ranges = self.applied.entry(origin).or_default();
        let before = if ranges.is_empty() { 0 } else { ranges.digest(origin) };
        if ranges.insert(first, last) {
            self.digest ^= before ^ ranges.digest(origin);
        }
    }
}

impl Replica {
    /// The database is open, has applied this, and has dropped tombstones up to `collected`. To be said once, before anything else.
    pub fn handle_tables_opened(&mut self, seen: &[Seen], collected: &Stretches) {
        self.tables.note_collected(collected);
        for Seen { origin, ranges } in seen {
            ranges.iter().for_each(|(first, last)| self.tables.see(*origin, *first, *last));
        }
        self.tables.head = self.tables.watermark(self.me);
        self.tables.told = self.tables.head;
    }

    /// This node has committed a transaction of its own, the one after the last: the others are to be told.
    pub fn handle_transaction(&mut self, now: Now, transaction: &Transaction) {
        self.advance(now);
        debug_assert_eq!(transaction.origin, self.me, "a transaction of this boot");
        let number = transaction.seq.0;
        self.tables.see(self.me, number, number);
        if self.tables.told == self.tables.head {
            self.tables.untold_since = now.mono;
        }
        self.tables.head = number;
        let pieces: Vec<&[u8]> = transaction.body.chunks(PART_BYTES).collect();
        let parts = if pieces.len() > 1 { u32::try_from(pieces.len()).unwrap_or(u32::MAX) } else { 0 };
        for (part, piece) in (0u32..).zip(pieces) {
            let transaction = Some(TransactionPart { number, body: Bytes::copy_from_slice(piece), part, parts });
            // Its seq of zero makes nodes refuse it that know no transactions.
            let (node, epoch) = (self.me.node.get(), self.me.epoch.0);
            let change = Change { node, epoch, transaction, ..Change::default() };
            self.tables.outbox.push(change.encode_to_vec().into());
        }
    }

    /// Tells own transactions that nobody was told of, if they may be told now.
    pub(crate) fn flush_transactions(&mut self) {
        if self.tables.told == self.tables.head {
            return;
        }
        if self.pacing.may_speak(self.now.mono) {
            self.tables.told = self.tables.head;
            let made = Some(self.tables.untold_since);
            let changes = core::mem::take(&mut self.tables.outbox);
            return self.publish_changes(changes, made);
        }
        self.timers.set(crate::timers::Timer::Speak, self.pacing.until());
        let bytes: usize = self.tables.outbox.iter().map(Bytes::len).sum();
        if bytes > crate::limits::TABLES_OUTBOX_BYTES_MAX {
            // The others find out what they lack, and fetch it when they can take it.
            self.tables.outbox.clear();
            self.tables.told = self.tables.head;
        }
    }

    /// A transaction came, or a part of one. Returns whether it was new.
    pub(crate) fn receive_transaction(&mut self, change: &Change, part: &TransactionPart) -> bool {
        let valid = part.number != 0 && change.epoch <= crate::limits::BOOTS_MAX;
        let Some(node) = NodeId::new(change.node).filter(|_| valid) else {
            self.counters.changes_refused += 1;
            return false;
        };
        let origin = Origin { node, epoch: Epoch(change.epoch) };
        if self.tables_impostor(origin, part.number) {
            return false;
        }
        let known = self.tables.applied.get(&origin).is_some_and(|applied| applied.contains(part.number));
        if known || self.tables.waiting.contains(&(origin, part.number)) {
            self.counters.changes_doubled += 1;
            return false;
        }
        let body = match part.parts {
            0 => part.body.clone(),
            parts => {
                let Some(whole) = self.tables.parts.add(
                    (origin.node.get(), origin.epoch.0, part.number),
                    part.part,
                    parts,
                    &part.body,
                ) else {
                    return true;
                };
                whole
            }
        };
        if self.tables.waiting.len() >= TABLES_WAITING_MAX {
            // It comes again when there is room.
            self.counters.transactions_dropped += 1;
            return true;
        }
        self.tables.waiting.insert((origin, part.number));
        self.counters.transactions_new += 1;
        let transaction = Transaction { origin, seq: Seq(part.number), body: body.as_ref().into() };
        self.ready.tables.push(TableWork::Apply(transaction));
        true
    }

    /// Whether `origin`, having got to `number`, claims to be this node beyond what this node has said.
    fn tables_impostor(&mut self, origin: Origin, number: u64) -> bool {
        let impostor =
            origin.node == self.me.node && (origin.epoch, number) > (self.me.epoch, self.tables.head) && number > 0;
        if impostor {
            self.counters.changes_refused += 1;
            self.ready.impostor = self.ready.impostor.max(Some(origin.epoch));
        }
        impostor
    }

    /// Whoever applies has done something.
    pub fn handle_tables_done(&mut self, now: Now, done: TablesDone) {
        self.advance(now);
        match done {
            TablesDone::Applied(origin, seq) => {
                self.tables.waiting.remove(&(origin, seq.0));
                self.tables.see(origin, seq.0, seq.0);
            }
            TablesDone::NotApplied(origin, seq) => {
                self.tables.waiting.remove(&(origin, seq.0));
                self.counters.transactions_refused += 1;
            }
            TablesDone::Mended { complete, collected, taken, fetch } => {
                if taken {
                    self.tables.note_collected(&collected);
                }
                self.tables_mended(&complete, taken, fetch);
            }
            TablesDone::Collected { tombstones, upto } => {
                self.counters.tombstones_collected += tombstones;
                self.tables.note_collected(&upto);
            }
            TablesDone::Forgotten { collected, done } => self.tables_forgotten(&collected, done),
            TablesDone::Found { asker, complete, body, more } => self.tables_found(asker, complete, &body, more),
        }
    }

    /// What every packet says of tables; nothing, as long as there are none.
    pub(crate) fn tables_wire(&self) -> Option<TablesWire> {
        let past = self.tables.past_digest(self.me.node, self.me.epoch);
        let head = self.tables.told;
        (head != 0 || past != 0).then_some(TablesWire { head, past, vector: None, found: None })
    }

    /// What a packet of `node` says of tables.
    pub(crate) fn handle_tables(&mut self, sender: &crate::packets::Sender, wire: Option<&TablesWire>) {
        let (node, epoch) = (sender.belief.node, sender.belief.epoch);
        let (head, past) = wire.map_or((0, 0), |wire| (wire.head, wire.past));
        let watermark = self.tables.watermark(Origin { node, epoch });
        if watermark < head {
            self.notice_tables_gap(node, epoch, head);
        } else if let Some(left_at) = sender.left_at
            && self.tables.past_digest(node, epoch) == past
        {
            self.raise_tables_known(node, left_at);
        }
        let Some(wire) = wire else { return };
        if let Some(vector) = &wire.vector {
            self.handle_tables_vector(sender, vector);
        }
        if let Some(found) = &wire.found {
            self.handle_tables_found(sender, found);
        }
    }

    fn raise_tables_known(&mut self, node: NodeId, as_of: Instant) {
        let known = self.tables.known_until.entry(node).or_insert(Instant::DISTANT_PAST);
        *known = as_of.max(*known);
    }

    /// How old, at most, what is known of users' tables is: since when anything of a present member may be missing.
    #[must_use]
    pub fn tables_age(&self) -> Duration {
        let known = |node| self.tables.known_until.get(&node).copied().unwrap_or(Instant::DISTANT_PAST);
        let oldest = self.detector.roster().present().map(|belief| known(belief.node)).min();
        oldest.map_or(Duration::ZERO, |known| self.now.mono.since(known))
    }

    /// What has been applied, for checkers.
    pub fn tables_applied(&self) -> impl Iterator<Item = (Origin, &Ranges)> {
        self.tables.applied.iter().map(|(origin, ranges)| (*origin, ranges))
    }

    /// Sends a packet about tables by stream.
    fn send_tables(&mut self, to: SocketAddr, fill: impl FnOnce(&mut TablesWire)) {
        let mut wire = self.tables_wire().unwrap_or_default();
        fill(&mut wire);
        let packet = Packet { tables: Some(wire), ..Packet::default() };
        self.send(&[to], whither_gossip::Route::Stream, packet);
    }
}
