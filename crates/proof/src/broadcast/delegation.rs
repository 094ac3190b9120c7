//! Ours: each receiver is handed a part of the member list to inform (`whither_gossip::Broadcast`).

use super::spreader::{Design, Heard, Places, Spreader, Traffic, UPDATE_BYTES, Update};
use whither_gossip::Habits;
use whither_model::Instant;
use whither_population::{Index, Outbox, Protocol};
use whither_sim::crowd::{Manner, News, Node, Said, Told, acquainted};

/// The design: how widely and how patiently.
#[derive(Clone, Debug, Default)]
pub struct Delegation(
    /// As an agent's, unless an experiment varies it.
    pub Habits,
);

/// A node of it: an agent's membership and broadcast.
#[derive(Debug)]
pub struct DelegationNode(Node);

impl Design for Delegation {
    type Node = DelegationNode;

    fn name(&self) -> String {
        format!("delegation, fan-out {}, {} delegates", self.0.fanout, self.0.delegates)
    }

    fn nodes(&self, places: &Places, seed: u64) -> Vec<DelegationNode> {
        let manner = Manner { habits: self.0.clone(), ..Manner::default() };
        let region = |node: Index| u32::from(places.region_of[node as usize]);
        acquainted(places.members(), seed, &manner, region).into_iter().map(DelegationNode).collect()
    }

    fn has_membership(&self) -> bool {
        true
    }

    /// A few, to measure round trips: an agent that has just booted waits longer for acknowledgements than it need.
    fn learns_from(&self) -> u32 {
        20
    }
}

impl Spreader for DelegationNode {
    fn publish(&mut self, now: Instant, update: Update, out: &mut Outbox<Said, Told>) {
        self.0.publish(now, News::Update { number: update, bytes: UPDATE_BYTES }, out);
    }

    fn traffic(&self) -> Traffic {
        let spent = self.0.spent();
        Traffic {
            messages: spent.copies + spent.acknowledgements,
            bytes: spent.bytes,
            copies: spent.copies,
            control: spent.acknowledgements,
            duplicates: spent.doubles,
        }
    }

    fn heard(event: Told) -> Option<Heard> {
        match event {
            Told::Heard { number } => Some(Heard { update: number, hops: 0 }),
            Told::Believes { .. } | Told::Doubled { .. } => None,
        }
    }
}

impl Protocol for DelegationNode {
    type Message = Said;
    type Event = Told;

    fn start(&mut self, now: Instant, out: &mut Outbox<Said, Told>) {
        self.0.start(now, out);
    }

    fn receive(&mut self, now: Instant, from: Index, said: Said, out: &mut Outbox<Said, Told>) {
        self.0.receive(now, from, said, out);
    }

    fn wake(&mut self, now: Instant, out: &mut Outbox<Said, Told>) {
        self.0.wake(now, out);
    }

    fn next_wake(&self) -> Instant {
        self.0.next_wake()
    }
}
