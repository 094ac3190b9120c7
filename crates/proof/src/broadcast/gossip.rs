//! Corrosion's gossip, its default in production: at once to all who are near, and to random others again and again.
//!
//! An update is sent to all nodes nearer than 6 ms by its origin, and by every node that hears of it to
//! max(3, n/(10·limit)) random others, `limit` = 4·log10(n+1) times, the k-th time 100 ms·k after the one before. Batching is
//! left out in its favour, as its own simulation does: in production, what goes to those not near first waits up to 500 ms.

use super::overlay::choose;
use super::spreader::{Design, Heard, Known, Places, Spreader, Traffic, UPDATE_BYTES, UPDATE_ID_BYTES, Update};
use core::time::Duration;
use std::collections::BTreeMap;
use whither_model::Instant;
use whither_model::random::{Random, mix};
use whither_population::{Index, Outbox, Protocol, Route};

/// Who is nearer than this is told at once.
const NEAR: Duration = Duration::from_millis(6);
/// The pause before the second time; the k-th is k times as long.
const PAUSE: Duration = Duration::from_millis(100);

/// The design.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gossip {
    /// How it is sent: streams of QUIC in production, datagrams in its own simulation.
    pub route: Route,
}

/// An update on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Copy {
    update: Update,
    hops: u16,
}

/// An update that is still being sent.
#[derive(Clone, Debug)]
struct Pending {
    copy: Copy,
    times: u32,
    /// Who was sent it, by this node.
    sent_to: Vec<Index>,
}

/// A node of it.
#[derive(Clone, Debug)]
pub struct GossipNode {
    me: Index,
    members: u32,
    route: Route,
    near: Vec<Index>,
    limit: u32,
    fan_out: usize,
    random: Random,
    known: Known,
    /// What is sent again, by when; the number tells apart what is due at the same time.
    pending: BTreeMap<(Instant, Update), Pending>,
    traffic: Traffic,
}

impl Design for Gossip {
    type Node = GossipNode;

    fn name(&self) -> String {
        match self.route {
            Route::Datagram => "Corrosion's gossip, datagrams".to_owned(),
            Route::Reliable => "Corrosion's gossip, streams".to_owned(),
        }
    }

    fn nodes(&self, places: &Places, seed: u64) -> Vec<GossipNode> {
        let members = places.members();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
        let limit = (f64::from(members + 1).log10() * 4.0) as u32;
        let node = |me| {
            let near: Vec<Index> =
                (0..members).filter(|other| *other != me && places.round_trip(me, *other) < NEAR).collect();
            let far = members as usize - near.len();
            GossipNode {
                me,
                members,
                route: self.route,
                fan_out: (far / (limit as usize * 10)).max(3),
                near,
                limit,
                random: Random::new(mix(seed ^ mix(u64::from(me) + 1))),
                known: Known::default(),
                pending: BTreeMap::new(),
                traffic: Traffic::default(),
            }
        };
        (0..members).map(node).collect()
    }
}

impl GossipNode {
    fn send(&mut self, to: Index, copy: Copy, out: &mut Outbox<Copy, Heard>) {
        let bytes = UPDATE_ID_BYTES + UPDATE_BYTES;
        self.traffic.sent(bytes, 1);
        out.send(to, self.route, bytes, copy);
    }

    /// Sends it to some who were not sent it yet, and remembers to do so again.
    fn go_on(&mut self, now: Instant, mut pending: Pending, out: &mut Outbox<Copy, Heard>) {
        let before = pending.sent_to.len();
        choose(&mut self.random, self.members, self.me, self.fan_out, &mut pending.sent_to);
        for to in &pending.sent_to[before..] {
            self.send(*to, pending.copy, out);
        }
        pending.times += 1;
        if pending.times < self.limit {
            self.pending.insert((now + PAUSE * pending.times, pending.copy.update), pending);
        }
    }
}

impl Spreader for GossipNode {
    fn publish(&mut self, now: Instant, update: Update, out: &mut Outbox<Copy, Heard>) {
        self.known.insert(update);
        let copy = Copy { update, hops: 1 };
        let near = self.near.clone();
        near.iter().for_each(|to| self.send(*to, copy, out));
        self.go_on(now, Pending { copy, times: 0, sent_to: near }, out);
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }

    fn heard(event: Heard) -> Option<Heard> {
        Some(event)
    }
}

impl Protocol for GossipNode {
    type Message = Copy;
    type Event = Heard;

    fn start(&mut self, _: Instant, _: &mut Outbox<Copy, Heard>) {}

    fn receive(&mut self, now: Instant, _: Index, copy: Copy, out: &mut Outbox<Copy, Heard>) {
        let Copy { update, hops } = copy;
        if self.known.insert(update) {
            out.tell(Heard { update, hops });
            let copy = Copy { update, hops: hops + 1 };
            self.go_on(now, Pending { copy, times: 0, sent_to: Vec::new() }, out);
        } else {
            self.traffic.duplicates += 1;
        }
    }

    fn wake(&mut self, now: Instant, out: &mut Outbox<Copy, Heard>) {
        while let Some(entry) = self.pending.first_entry().filter(|entry| entry.key().0 <= now) {
            let pending = entry.remove();
            self.go_on(now, pending, out);
        }
    }

    fn next_wake(&self) -> Instant {
        self.pending.first_key_value().map_or(Instant::DISTANT_FUTURE, |((at, _), _)| *at)
    }
}
