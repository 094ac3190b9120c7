//! Broadcast: a change leaves at once when the wire is idle, and in company when it is not.
//!
//! There is no timer here. Whatever gathered while the caller was busy goes out together at the next
//! [`poll_ready`](crate::Replica::poll_ready), so batches are exactly as large as the load makes them.

use crate::Replica;
use crate::limits::{
    BURST_BYTES_MAX, DATAGRAM_BYTES_MAX, DATAGRAM_HEADER_BYTES, DIRECT_PEERS_MAX, MESSAGE_BYTES_TARGET, RELAY_FANOUT,
    STATEMENT_BYTES_MAX,
};
use crate::ready::{Route, Transmit};
use crate::wire::{Packet, Statement};
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::SocketAddr;
use prost::Message;

/// What waits to be sent.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    own: Vec<Bytes>,
    relay: Vec<Bytes>,
    /// A statement about a member is news: do not wait for the next probe to carry it.
    pub(crate) urgent: bool,
}

impl Outbox {
    pub(crate) fn push_own(&mut self, change: Bytes) {
        self.own.push(change);
    }

    pub(crate) fn push_relay(&mut self, change: Bytes) {
        self.relay.push(change);
    }
}

/// Room for changes in a datagram that carries no statements.
const CHANGES_PER_DATAGRAM_BYTES: usize = DATAGRAM_BYTES_MAX - DATAGRAM_HEADER_BYTES;
/// A repeated bytes field costs its tag and length beside the bytes themselves.
const FIELD_BYTES: usize = 6;

impl Replica {
    /// Packs and sends everything that waits.
    pub(crate) fn flush_outbox(&mut self) {
        let own = core::mem::take(&mut self.outbox.own);
        if !own.is_empty() {
            if self.members.present_count() <= DIRECT_PEERS_MAX {
                let to: Vec<SocketAddr> = self.members.present().map(|belief| belief.address).collect();
                self.send_changes(&to, own, false);
            } else {
                let to = self.relay_audience();
                self.send_changes(&to, own, true);
            }
        }
        let relay = core::mem::take(&mut self.outbox.relay);
        if !relay.is_empty() {
            let to = self.relay_audience();
            self.send_changes(&to, relay, true);
        }
        if core::mem::take(&mut self.outbox.urgent) {
            let to = self.relay_audience();
            self.send(&to, Route::Datagram, Packet::default());
        }
    }

    fn relay_audience(&mut self) -> Vec<SocketAddr> {
        let sample = self.members.sample(RELAY_FANOUT, None, &mut self.random);
        sample.iter().map(|belief| belief.address).collect()
    }

    fn send_changes(&mut self, to: &[SocketAddr], changes: Vec<Bytes>, relay: bool) {
        let total: usize = changes.iter().map(|change| change.len() + FIELD_BYTES).sum();
        let (route, room) = if total > BURST_BYTES_MAX {
            (Route::Stream, MESSAGE_BYTES_TARGET)
        } else {
            (Route::Datagram, CHANGES_PER_DATAGRAM_BYTES)
        };
        let mut packed: Vec<Bytes> = Vec::new();
        let mut bytes = 0;
        for change in changes {
            let size = change.len() + FIELD_BYTES;
            if size > CHANGES_PER_DATAGRAM_BYTES && route == Route::Datagram {
                // Too large for any datagram: a stream message of its own.
                let large = Packet { changes: alloc::vec![change], relay, ..Packet::default() };
                self.send(to, Route::Stream, large);
                continue;
            }
            if bytes + size > room && !packed.is_empty() {
                let changes = core::mem::take(&mut packed);
                self.send(to, route, Packet { changes, relay, ..Packet::default() });
                bytes = 0;
            }
            bytes += size;
            packed.push(change);
        }
        if !packed.is_empty() {
            self.send(to, route, Packet { changes: packed, relay, ..Packet::default() });
        }
    }

    /// Sends `packet` to each of `to`, with what every packet carries: who sends, when, its head, and in a datagram's spare
    /// room what is new about members.
    pub(crate) fn send(&mut self, to: &[SocketAddr], route: Route, mut packet: Packet) {
        if to.is_empty() {
            return;
        }
        packet.from = Some(Statement::of(&self.self_belief()));
        packet.sent_at = self.now.mono.as_micros();
        packet.head = self.head.0;
        packet.past = self.rows.past_digest(self.me.node, self.me.epoch);
        if route == Route::Datagram {
            let spare = DATAGRAM_BYTES_MAX.saturating_sub(packet.encoded_len());
            let more = self.members.piggyback(spare / STATEMENT_BYTES_MAX);
            packet.statements.extend(more.iter().map(Statement::of));
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
