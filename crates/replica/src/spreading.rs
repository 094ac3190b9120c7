//! Broadcast: a change leaves at once when the wire is idle, and in company when it is not.
//!
//! While the cluster keeps up there is no timer here. Whatever gathered while the caller was busy goes out together at the next
//! [`poll_ready`](crate::Replica::poll_ready), so batches are exactly as large as the load makes them. When it does not keep
//! up, own changes wait as [`Pacing`](crate::pacing::Pacing) says. Who is told by whom is [`whither_gossip::Broadcast`]'s
//! business.

use crate::Replica;
use crate::limits::{
    BURST_BYTES_MAX, DATAGRAM_BYTES_MAX, DATAGRAM_HEADER_BYTES, MESSAGE_BYTES_TARGET, STATEMENT_BYTES_MAX,
};
use crate::ready::Transmit;
use crate::repair::row_wire;
use crate::timers::Timer;
use crate::wire::{Change, LeafletWire, Packet, Partner, Received, ScopeWire, Statement, pairs};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::SocketAddr;
use prost::Message;
use whither_gossip::{Claim, Forward, Leaflet, Region, Route, Rumour, Scope};
use whither_model::{Epoch, Instant, NodeId};

/// What everybody is to be told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct News {
    /// About members.
    pub(crate) claims: Vec<Claim>,
    /// Encoded changes, passed on as they came, with whatever fields this version does not know.
    pub(crate) changes: Vec<Bytes>,
    /// When the oldest of it was made, on this node's clock; `None` if somebody it came from cannot tell.
    pub(crate) made: Option<Instant>,
}

/// Room for changes in a datagram that carries no statements.
const CHANGES_PER_DATAGRAM_BYTES: usize = DATAGRAM_BYTES_MAX - DATAGRAM_HEADER_BYTES;
/// Rows of a change that gathers several: so that a few of them make a datagram.
const GATHERED_BYTES_TARGET: usize = CHANGES_PER_DATAGRAM_BYTES * 7 / 8;
/// A repeated bytes field costs its tag and length beside the bytes themselves.
const FIELD_BYTES: usize = 6;
/// Partners that are believed to exist; there are fewer.
const PARTNERS_MAX: usize = 16;
/// Numbers taken from one acknowledgement.
const ACKNOWLEDGED_MAX: u64 = 4_096;

impl Replica {
    /// Packs and sends everything that waits.
    pub(crate) fn flush_outbox(&mut self) {
        if self.told < self.head {
            if self.pacing.may_speak(self.now.mono) {
                self.tell_own_changes();
            } else {
                // By the time they may be told, others may have overwritten them.
                self.outbox.clear();
                self.timers.set(Timer::Speak, self.pacing.until());
            }
        }
        self.flush_transactions();
        let mut forwards = self.broadcast.take_forwards();
        self.watch_own(&forwards);
        let mut rest = &forwards[..];
        while let Some(first) = rest.first() {
            // Copies that say the same to many are encoded once.
            let alike = rest.iter().take_while(|other| other.leaflet == first.leaflet && same(other, first)).count();
            let (now, later) = rest.split_at(alike);
            self.send_copies(now);
            rest = later;
        }
        forwards.clear();
        self.broadcast.reuse(forwards);
        for node in self.broadcast.acks_due(self.now.mono) {
            let mut packet = Packet::default();
            self.acknowledge_with(node, &mut packet);
            if let Some(address) = self.detector.roster().get(node).map(|entry| entry.belief.address) {
                self.send(&[address], Route::Datagram, packet);
            }
        }
    }

    /// Tells own changes that nobody was told of.
    pub(crate) fn tell_own_changes(&mut self) {
        let changes = core::mem::take(&mut self.outbox);
        let untold = self.head.0 - self.told.0;
        let changes = if changes.len() as u64 == untold { changes } else { self.gathered() };
        self.told = self.head;
        if !changes.is_empty() {
            self.publish_changes(changes, Some(self.untold_since));
        }
    }

    /// What is still so of the changes that nobody was told of, in as few changes as there may be.
    fn gathered(&self) -> Vec<Bytes> {
        let mut gathered = Vec::new();
        let blank = |first| Change { node: self.me.node.get(), epoch: self.me.epoch.0, first, ..Change::default() };
        let mut next = blank(self.told.0 + 1);
        let mut bytes = 0;
        for (seq, row) in self.rows.written(self.me, self.told.0 + 1, self.head.0) {
            let size = row.key.key.len() + row.value.as_ref().map_or(0, |value| value.len()) + 24;
            let whole = next.rows.last().is_none_or(|last| last.seq != seq);
            if bytes + size > GATHERED_BYTES_TARGET && bytes > 0 && whole {
                next.seq = seq - 1;
                gathered.push(core::mem::replace(&mut next, blank(seq)).encode_to_vec().into());
                bytes = 0;
            }
            bytes += size;
            next.rows.push(row_wire(seq, row));
        }
        next.seq = self.head.0;
        gathered.push(next.encode_to_vec().into());
        gathered
    }

    /// Notes how many are told of own changes at once, to see how long it takes.
    fn watch_own(&mut self, forwards: &[Forward<Arc<News>>]) {
        let own = |forward: &&Forward<Arc<News>>| {
            forward.leaflet.rumour.origin == self.me.node && !forward.payload.changes.is_empty()
        };
        let Some(first) = forwards.iter().find(own) else { return };
        let number = first.leaflet.rumour.number;
        let copies = forwards.iter().filter(own).filter(|forward| forward.leaflet.rumour.number == number).count();
        let bytes = first.payload.changes.iter().map(Bytes::len).sum();
        self.pacing.spoke(self.now.mono, number, u32::try_from(copies).unwrap_or(u32::MAX), bytes);
    }

    /// Cuts changes into pieces of news, each a datagram or, when there is a burst, a stream message.
    pub(crate) fn publish_changes(&mut self, changes: Vec<Bytes>, made: Option<Instant>) {
        let total: usize = changes.iter().map(|change| change.len() + FIELD_BYTES).sum();
        let room = if total > BURST_BYTES_MAX { MESSAGE_BYTES_TARGET } else { CHANGES_PER_DATAGRAM_BYTES };
        let mut packed: Vec<Bytes> = Vec::new();
        let mut bytes = 0;
        for change in changes {
            let size = change.len() + FIELD_BYTES;
            if bytes + size > room && !packed.is_empty() {
                self.tell_everybody(News { changes: core::mem::take(&mut packed), made, ..News::default() });
                bytes = 0;
            }
            bytes += size;
            packed.push(change);
        }
        if !packed.is_empty() {
            self.tell_everybody(News { changes: packed, made, ..News::default() });
        }
    }

    fn send_copies(&mut self, copies: &[Forward<Arc<News>>]) {
        let Some(first) = copies.first() else { return };
        let mut packet = Packet {
            changes: first.payload.changes.clone(),
            leaflet: Some(leaflet_wire(&first.leaflet, &first.payload, self.now.mono)),
            ..Packet::default()
        };
        let fits = packet.encoded_len() + DATAGRAM_HEADER_BYTES <= DATAGRAM_BYTES_MAX;
        let route = if fits { Route::Datagram } else { Route::Stream };
        if let [only] = copies {
            self.acknowledge_with(only.to, &mut packet);
        }
        let roster = self.detector.roster();
        let to: Vec<SocketAddr> =
            copies.iter().filter_map(|copy| roster.get(copy.to).map(|entry| entry.belief.address)).collect();
        self.send(&to, route, packet);
    }

    /// Puts in what `node` is to be told that it was received.
    pub(crate) fn acknowledge_with(&mut self, node: NodeId, packet: &mut Packet) {
        let mut rumours = self.broadcast.take_acks(node);
        rumours.sort_unstable();
        for Rumour { origin, epoch, number } in rumours {
            match packet.received.last_mut() {
                Some(last) if last.origin == origin.get() && last.epoch == epoch.0 => match last.numbers.last_mut() {
                    Some(end) if *end + 1 == number => *end = number,
                    Some(end) if *end == number => {}
                    _ => last.numbers.extend([number, number]),
                },
                _ => {
                    let numbers = alloc::vec![number, number];
                    packet.received.push(Received { origin: origin.get(), epoch: epoch.0, numbers });
                }
            }
        }
    }

    pub(crate) fn handle_received(&mut self, from: NodeId, received: &[Received]) {
        let mut left = ACKNOWLEDGED_MAX;
        for Received { origin, epoch, numbers } in received {
            let Some(origin) = NodeId::new(*origin) else { continue };
            for (first, last) in pairs(numbers) {
                for number in first..=last.min(first.saturating_add(left)) {
                    left = left.saturating_sub(1);
                    let rumour = Rumour { origin, epoch: Epoch(*epoch), number };
                    if origin == self.me.node && rumour.epoch == self.me.epoch {
                        self.pacing.acknowledged(self.now.mono, number);
                    }
                    self.broadcast.acknowledged(self.now.mono, from, rumour);
                }
            }
        }
    }

    /// Takes in the news a packet carries, made when it says, and hands it on to whom it is asked to inform. Returns whether
    /// it came for the first time.
    pub(crate) fn handle_leaflet(
        &mut self,
        from: NodeId,
        wire: &LeafletWire,
        changes: &[Bytes],
        made: Option<Instant>,
    ) -> bool {
        let Some(leaflet) = check_leaflet(wire) else {
            self.counters.changes_refused += 1;
            return false;
        };
        let claims: Vec<Claim> = wire.statements.iter().filter_map(Statement::check_claim).collect();
        let news = Arc::new(News { claims, changes: changes.to_vec(), made });
        let new = self.broadcast.receive(self.now.mono, self.detector.roster_mut(), from, &leaflet, &news);
        if new {
            news.claims.iter().for_each(|claim| self.detector.hear_news(self.now.mono, claim));
        }
        new
    }

    /// Sends `packet` to each of `to`, with what every packet carries: who sends, when, its head, and in a probe's spare
    /// room what is new about members.
    pub(crate) fn send(&mut self, to: &[SocketAddr], route: Route, mut packet: Packet) {
        if to.is_empty() {
            return;
        }
        packet.from = Some(Statement::of(&self.detector.me()));
        packet.sent_at = self.now.mono.as_micros();
        packet.head = self.head.0;
        packet.held = self.head.0 - self.told.0;
        packet.past = self.rows.past_digest(self.me.node, self.me.epoch);
        if packet.tables.is_none() {
            packet.tables = self.tables_wire();
        }
        // Probes and their answers take news along: they go to everybody in turn, and are what there is most of.
        if route == Route::Datagram && (packet.ping.is_some() || packet.pong.is_some()) {
            let spare = DATAGRAM_BYTES_MAX.saturating_sub(packet.encoded_len());
            let more = self.detector.news(spare / STATEMENT_BYTES_MAX);
            packet.statements.extend(more.iter().map(Statement::claim));
        }
        let bytes = packet.into_bytes();
        debug_assert!(route == Route::Stream || bytes.len() <= DATAGRAM_BYTES_MAX, "a datagram must fit");
        let receivers = to.len() as u64;
        match route {
            Route::Datagram => self.counters.datagrams_sent += receivers,
            Route::Stream => self.counters.messages_sent += receivers,
        }
        self.counters.bytes_sent += bytes.len() as u64 * receivers;
        self.ready.transmit.push(Transmit { to: to.to_vec(), route, bytes });
    }
}

fn same(one: &Forward<Arc<News>>, other: &Forward<Arc<News>>) -> bool {
    Arc::ptr_eq(&one.payload, &other.payload)
}

fn scope_wire(scope: Scope) -> ScopeWire {
    ScopeWire { region: scope.region.0, first: scope.first.get(), last: scope.last.get() }
}

fn leaflet_wire(leaflet: &Leaflet, news: &News, now: Instant) -> LeafletWire {
    let age = |made| u64::try_from(now.since(made).as_micros()).unwrap_or(u64::MAX).max(1);
    let partner = |(node, scope): &(NodeId, Option<Scope>)| Partner { node: node.get(), scope: scope.map(scope_wire) };
    LeafletWire {
        origin: leaflet.rumour.origin.get(),
        epoch: leaflet.rumour.epoch.0,
        number: leaflet.rumour.number,
        scope: leaflet.scope.map(scope_wire),
        partners: leaflet.partners.iter().map(partner).collect(),
        statements: news.claims.iter().map(Statement::claim).collect(),
        age: news.made.map_or(0, age),
    }
}

fn check_scope(wire: &ScopeWire) -> Option<Scope> {
    let (first, last) = (NodeId::new(wire.first)?, NodeId::new(wire.last)?);
    (first <= last).then_some(Scope { region: Region(wire.region), first, last })
}

fn check_leaflet(wire: &LeafletWire) -> Option<Leaflet> {
    let rumour = Rumour { origin: NodeId::new(wire.origin)?, epoch: Epoch(wire.epoch), number: wire.number };
    let scope = match &wire.scope {
        Some(scope) => Some(check_scope(scope)?),
        None => None,
    };
    let partner = |partner: &Partner| {
        let scope = partner.scope.as_ref().map(check_scope);
        Some((NodeId::new(partner.node)?, scope.flatten()))
    };
    let partners = wire.partners.iter().take(PARTNERS_MAX).filter_map(partner).collect();
    Some(Leaflet { rumour, scope, partners })
}
