//! What peers send.

use crate::Replica;
use crate::ready::Route;
use crate::wire::{Belief, Change, Malformed, Packet, Statement, Vector};
use bytes::Bytes;
use core::net::SocketAddr;
use prost::Message;
use whither_model::{Instant, Now, Seq};

/// Who sent a packet, how it came, and when it left at the earliest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(crate) belief: Belief,
    pub(crate) from: SocketAddr,
    pub(crate) route: Route,
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
                if !self.left {
                    self.handle_checked(belief, from, route, packet);
                } else if let Some(vector) = packet.vector.filter(|_| belief.node != self.me.node) {
                    // Its last words may have been lost: it goes on giving them to whoever lacks them.
                    let sender = Sender { belief, from, route, left_at: None };
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
            return self.hear(belief);
        }
        if !self.hear_sender(belief, from) {
            return;
        }
        for statement in &packet.statements {
            if let Some(belief) = statement.check() {
                self.hear(belief);
            }
        }
        self.handle_changes(&packet);
        if let Some(cells) = &packet.cells {
            self.handle_cells(from, cells);
        }
        let asked = packet.pong.as_ref().and_then(|pong| self.handle_pong(belief.node, pong));
        if let Some(asked) = asked {
            self.clocks.measure(belief.node, belief.epoch, asked, packet.sent_at, self.now.mono);
        }
        let stamped = self.clocks.earliest(belief.node, belief.epoch, packet.sent_at, self.now.mono);
        let left_at = stamped.max(asked);
        self.hear_head(belief.node, belief.epoch, Seq(packet.head), packet.past, left_at);
        let sender = Sender { belief, from, route, left_at };
        if let Some(digest) = &packet.digest {
            self.handle_digest(&sender, digest);
        }
        if let Some(vector) = &packet.vector {
            self.handle_vector(&sender, vector);
        }
        if let Some(list) = &packet.members {
            self.handle_members(from, list);
        }
        if let Some(ping) = &packet.ping {
            self.handle_ping(&sender, ping);
        }
        if let Some(request) = &packet.ping_request {
            self.handle_ping_request(&sender, request);
        }
    }

    fn handle_changes(&mut self, packet: &Packet) {
        for encoded in &packet.changes {
            let Ok(change) = Change::decode(Bytes::clone(encoded)) else {
                self.counters.changes_refused += 1;
                continue;
            };
            if self.merge_change(&change) && packet.relay {
                // Passed on as it came, with whatever fields this version does not know.
                self.outbox.push_relay(encoded.clone());
            }
        }
    }
}
