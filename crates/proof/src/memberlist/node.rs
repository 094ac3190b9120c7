//! One node: its threads, and what wakes them.

use super::exchanging::Exchanger;
use super::gossiping::Gossiper;
use super::listening::Listener;
use super::members::Members;
use super::message::{Head, Message, Rumour, Saying};
use super::probing::Prober;
use super::queue::{Queue, Room};
use super::spells;
use super::suspicion::Suspicions;
use super::{Belief, Config};
use core::time::Duration;
use std::sync::Arc;
use whither_model::Instant;
use whither_model::random::{Random, mix};
use whither_population::{Cycle, Index, Outbox, Protocol, Route};

/// What a node tells whoever watches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// It began to suspect another.
    Suspected(Index),
    /// It marked another as dead: a failure event of the paper (`NotifyLeave`).
    Failed(Index),
    /// It marked a dead or an unknown one as alive (`NotifyJoin`).
    Joined(Index),
    /// It was accused itself, and says that it is alive in this incarnation.
    Refuted(u32),
}

/// What a node says goes here.
pub(super) type Out = Outbox<Message, Event>;

/// A member of the cluster.
#[derive(Debug)]
pub struct Node {
    pub(super) me: Index,
    pub(super) config: Arc<Config>,
    pub(super) random: Random,
    pub(super) members: Members,
    pub(super) queue: Queue,
    pub(super) suspicions: Suspicions,
    pub(super) listener: Listener,
    pub(super) prober: Prober,
    pub(super) gossiper: Gossiper,
    pub(super) exchanger: Exchanger,
    pub(super) spells: Cycle,
    /// How unwell it feels: zero is well.
    pub(super) score: u32,
    pub(super) sequence: u32,
    pub(super) picked: Vec<Index>,
}

impl Node {
    /// Node `me` of `nodes` that all know each other.
    #[must_use]
    pub fn new(me: Index, nodes: usize, config: &Arc<Config>, seed: u64) -> Self {
        let mut random = Random::new(mix(mix(seed) ^ (u64::from(me) + 1)));
        let members = Members::all(nodes, &mut random);
        Self {
            me,
            config: Arc::clone(config),
            random,
            members,
            queue: Queue::default(),
            suspicions: Suspicions::new(),
            listener: Listener::new(),
            prober: Prober::new(),
            gossiper: Gossiper::new(),
            exchanger: Exchanger::new(),
            spells: spells::NEVER,
            score: 0,
            sequence: 0,
            picked: Vec::new(),
        }
    }

    /// Says when its threads will be stuck; the world must block it in the same spells.
    pub fn block(&mut self, spells: Cycle) {
        self.spells = spells;
    }

    /// What it believes of `node`.
    #[must_use]
    pub fn belief(&self, node: Index) -> Belief {
        self.members.get(node).belief
    }

    /// How many nodes it takes for members that are not dead, itself included.
    #[must_use]
    pub fn cluster_size(&self) -> usize {
        self.members.iter().filter(|(_, member)| member.belief != Belief::Dead).count()
    }

    /// Its local health: zero is well.
    #[must_use]
    pub const fn score(&self) -> u32 {
        self.score
    }

    /// Sends a datagram with as much gossip as fits (`sendMsg`).
    pub(super) fn send(&mut self, to: Index, head: Head, out: &mut Out) {
        let gossip = self.take_gossip(head);
        self.send_packet(to, head, gossip, out);
    }

    /// Sends a datagram.
    pub(super) fn send_packet(&self, to: Index, head: Head, gossip: Vec<Rumour>, out: &mut Out) {
        let bytes = self.config.sizes.packet(head, &gossip);
        out.send(to, Route::Datagram, bytes, Message::Packet { head, gossip });
    }

    /// The gossip that fits beside `head`.
    pub(super) fn take_gossip(&mut self, head: Head) -> Vec<Rumour> {
        let config = &self.config;
        self.queue.take(&Room {
            bytes: config.packet_bytes - config.sizes.head(head) - 2,
            limit: config.retransmit_limit(self.members.len()),
            longest_first: config.longest_first,
        })
    }

    /// Something to be told to everybody.
    pub(super) fn broadcast(&mut self, now: Instant, rumour: Rumour) {
        self.begin_to_gossip(now);
        self.queue.push(rumour, &self.config.sizes);
    }

    /// `time`, as a node that feels unwell takes it.
    pub(super) fn stretched(&self, time: Duration) -> Duration {
        time * (self.score + 1)
    }

    /// Something happened from which it can tell how well it is.
    pub(super) fn feel(&mut self, change: i32) {
        if let Some(awareness) = self.config.awareness {
            self.score = self.score.saturating_add_signed(change).min(awareness.top);
        }
    }

    /// Does what a message asks for.
    pub(super) fn handle(&mut self, now: Instant, from: Index, message: Message, out: &mut Out) {
        match message {
            Message::Packet { head, gossip } => {
                match head {
                    Head::Gossip => {}
                    Head::Ping { sequence } => self.send(from, Head::Ack { sequence }, out),
                    Head::PingReq { sequence, target, nack } => self.relay(now, from, sequence, target, nack, out),
                    Head::Ack { sequence } => self.acked(now, sequence, out),
                    Head::Nack { sequence } => self.nacked(now, sequence),
                }
                for rumour in gossip {
                    self.hear(now, rumour, out);
                }
            }
            Message::StreamPing { sequence } => {
                out.send(from, Route::Reliable, self.config.sizes.ack, Message::StreamAck { sequence });
            }
            Message::StreamAck { sequence } => self.stream_acked(now, sequence),
            Message::State { exchange, begun, answer, nodes } => {
                self.exchanged(now, from, (exchange, begun, answer), &nodes, out);
            }
        }
    }

    fn hear(&mut self, now: Instant, rumour: Rumour, out: &mut Out) {
        match rumour.saying {
            Saying::Alive => self.alive(now, rumour.about, rumour.incarnation, out),
            Saying::Suspect => self.suspect(now, rumour.about, rumour.incarnation, rumour.from, out),
            Saying::Dead => self.dead(now, rumour.about, rumour.incarnation, rumour.from, out),
        }
    }
}

impl Protocol for Node {
    type Message = Message;
    type Event = Event;

    fn start(&mut self, now: Instant, _: &mut Out) {
        self.start_probing(now);
        self.start_gossiping(now);
        self.start_exchanging(now);
    }

    fn receive(&mut self, now: Instant, from: Index, message: Message, out: &mut Out) {
        if let Message::Packet { .. } = message {
            self.arrived(now, from, message, out);
        } else {
            // Each stream has a thread of its own.
            self.handle(now, from, message, out);
        }
    }

    fn wake(&mut self, now: Instant, out: &mut Out) {
        while let Some(about) = self.suspicions.take_ended(now) {
            self.suspected_for_too_long(now, about, out);
        }
        self.send_nacks(now, out);
        self.probe(now, out);
        self.gossip(now, out);
        self.exchange(now, out);
        self.listen(now, out);
    }

    fn next_wake(&self) -> Instant {
        let senders = self.next_probing().min(self.next_gossiping()).min(self.next_exchange());
        senders.min(self.suspicions.next()).min(self.next_listening())
    }
}
