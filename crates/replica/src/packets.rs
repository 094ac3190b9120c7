//! What peers send.

use crate::Replica;
use crate::wire::{Change, Malformed, Packet, Ping, PingRequest, Pong, Statement, Vector};
use bytes::Bytes;
use core::net::SocketAddr;
use prost::Message;
use whither_gossip::{Belief, Claim, Peer, Route, Word};
use whither_model::{Instant, NodeId, Now, Seq};

/// Who sent a packet, from where, and when it left at the earliest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(crate) belief: Belief,
    pub(crate) from: SocketAddr,
    pub(crate) left_at: Option<Instant>,
}

impl Replica {
    /// Takes in a packet that came, authenticated, from `from`.
    ///
    /// # Errors
    /// [`Malformed`]: it was counted and dropped, nothing changed.
    pub fn handle_packet(&mut self, now: Now, from: SocketAddr, route: Route, bytes: Bytes) -> Result<(), Malformed> {
        self.advance(now);
        let checked = Packet::decode_bounded(bytes).and_then(|packet| {
            let sender = packet.from.as_ref().and_then(Statement::check).ok_or(Malformed::NoSender)?;
            Ok((packet, sender))
        });
        match checked {
            Ok((packet, belief)) => {
                self.counters.packets_received += 1;
                if !self.has_left() {
                    self.handle_checked(belief, from, route, packet);
                } else if let Some(vector) = packet.vector.filter(|_| belief.node != self.me.node) {
                    // Its last words may have been lost: it goes on giving them to whoever lacks them.
                    let sender = Sender { belief, from, left_at: None };
                    self.handle_vector(&sender, &Vector { answer_wanted: false, ..vector });
                }
                Ok(())
            }
            Err(malformed) => {
                self.counters.packets_malformed += 1;
                Err(malformed)
            }
        }
    }

    fn handle_checked(&mut self, belief: Belief, from: SocketAddr, route: Route, packet: Packet) {
        if belief.node == self.me.node {
            // A packet of this node that came back, by a seed list that names it or by an impostor.
            return self.detector.hear(self.now.mono, &Claim::plain(belief));
        }
        if !self.detector.hear_sender(self.now.mono, belief, from) {
            return;
        }
        for claim in packet.statements.iter().filter_map(Statement::check_claim) {
            self.detector.hear(self.now.mono, &claim);
        }
        let news = packet.leaflet.as_ref().map(|leaflet| {
            let made = self.when_made(&belief, leaflet, packet.sent_at);
            (leaflet.origin, made, self.handle_leaflet(belief.node, leaflet, &packet.changes, made))
        });
        self.handle_received(belief.node, &packet.received);
        let changed = self.handle_changes(&packet);
        if let Some((origin, made, true)) = news
            && (changed || packet.changes.is_empty())
        {
            self.note_lag(origin, made);
        }
        if let Some(cells) = &packet.cells {
            self.handle_cells(from, cells);
        }
        let peer = Peer { node: Some(belief.node), address: from };
        let mut asked = None;
        for word in words(&packet) {
            asked = asked.max(self.detector.handle_word(self.now.mono, belief.node, peer, route, &word));
        }
        if let Some(asked) = asked {
            let peer = (belief.node, self.region_of(belief.node));
            self.clocks.measure(peer, belief.epoch, asked, packet.sent_at, self.now.mono);
        }
        self.clocks.stamped(belief.node, belief.epoch, packet.sent_at, self.now.mono);
        let stamped = self.clocks.earliest(belief.node, belief.epoch, packet.sent_at, self.now.mono);
        let left_at = stamped.max(asked);
        self.hear_head(belief.node, belief.epoch, Seq(packet.head), packet.held, packet.past, left_at);
        let sender = Sender { belief, from, left_at };
        self.handle_tables(&sender, packet.tables.as_ref());
        if let Some(digest) = &packet.digest {
            self.compare_tables(&sender, digest);
            self.handle_digest(&sender, digest);
        }
        if let Some(vector) = &packet.vector {
            self.handle_vector(&sender, vector);
        }
        if let Some(audit) = &packet.audit {
            self.handle_audit(belief, from, packet.past, audit);
        }
        if let Some(list) = &packet.members {
            self.handle_members(from, list);
        }
        self.settle_membership();
        self.send_agreement(from);
    }

    /// Returns whether any of them was new.
    fn handle_changes(&mut self, packet: &Packet) -> bool {
        let mut any = false;
        for encoded in &packet.changes {
            let Ok(change) = Change::decode(Bytes::clone(encoded)) else {
                self.counters.changes_refused += 1;
                continue;
            };
            any |= match &change.transaction {
                Some(part) => self.receive_transaction(&change, part),
                None => self.merge_change(&change),
            };
        }
        any
    }
}

/// What the packet says to this node's detector.
fn words(packet: &Packet) -> impl Iterator<Item = Word> {
    let ping = |ping: &Ping| Word::Ping { nonce: ping.nonce, target: NodeId::new(ping.target) };
    let pong = |pong: &Pong| Some(Word::Pong { nonce: pong.nonce, target: NodeId::new(pong.target)? });
    let target = |request: &PingRequest| request.target.as_ref().and_then(Statement::check);
    let request = |request: &PingRequest| Some(Word::PingRequest { nonce: request.nonce, target: target(request)? });
    let summons = |request: &PingRequest| Some(Word::Summons { nonce: request.nonce, target: target(request)? });
    [
        packet.pong.as_ref().and_then(pong),
        packet.ping.as_ref().map(ping),
        packet.ping_request.as_ref().and_then(request),
        packet.nack.as_ref().map(|nack| Word::Nack { nonce: nack.nonce }),
        packet.summons.as_ref().and_then(summons),
        packet.verdict.as_ref().map(|verdict| Word::Verdict { nonce: verdict.nonce, reached: verdict.reached }),
    ]
    .into_iter()
    .flatten()
}
