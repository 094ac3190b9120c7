//! The thread that takes datagrams in, one after the other: memberlist's `packetListen`.

use super::message::Message;
use super::node::{Node, Out};
use super::spells::stuck_until;
use std::collections::VecDeque;
use whither_model::Instant;
use whither_population::Index;

/// The thread that takes datagrams in.
#[derive(Debug)]
pub(super) struct Listener {
    /// What waits in the socket's buffer.
    waiting: VecDeque<(Index, Message)>,
    busy_until: Instant,
}

impl Listener {
    /// Nothing came yet.
    pub(super) const fn new() -> Self {
        Self { waiting: VecDeque::new(), busy_until: Instant::DISTANT_PAST }
    }
}

impl Node {
    /// When the listener can take the next one.
    pub(super) fn next_listening(&self) -> Instant {
        if self.listener.waiting.is_empty() { Instant::DISTANT_FUTURE } else { self.listener.busy_until }
    }

    /// A datagram arrived.
    pub(super) fn arrived(&mut self, now: Instant, from: Index, message: Message, out: &mut Out) {
        if self.listener.waiting.is_empty() && self.can_take(now) {
            self.take(now, from, message, out);
        } else {
            self.listener.waiting.push_back((from, message));
        }
    }

    /// The listener goes as far as it can.
    pub(super) fn listen(&mut self, now: Instant, out: &mut Out) {
        while !self.listener.waiting.is_empty() && self.can_take(now) {
            if let Some((from, message)) = self.listener.waiting.pop_front() {
                self.take(now, from, message, out);
            }
        }
    }

    /// Whether the listener is neither at work nor stuck.
    fn can_take(&mut self, now: Instant) -> bool {
        if let Some(until) = stuck_until(&self.spells, now) {
            self.listener.busy_until = self.listener.busy_until.max(until);
        }
        self.listener.busy_until <= now
    }

    fn take(&mut self, now: Instant, from: Index, message: Message, out: &mut Out) {
        self.listener.busy_until = now + self.config.packet_cost;
        self.handle(now, from, message, out);
    }
}
