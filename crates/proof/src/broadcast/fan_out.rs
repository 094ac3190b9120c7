//! Random fan-out: whoever hears of an update for the first time tells so many random others at once, and is done.

use super::overlay::choose;
use super::spreader::{Design, Heard, Known, Places, Spreader, Traffic, UPDATE_BYTES, UPDATE_ID_BYTES, Update};
use whither_model::Instant;
use whither_model::random::{Random, mix};
use whither_population::{Index, Outbox, Protocol, Route};

/// The design: to how many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FanOut(
    /// How many others each node tells.
    pub usize,
);

/// An update on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Copy {
    update: Update,
    hops: u16,
}

/// A node of it.
#[derive(Clone, Debug)]
pub struct FanOutNode {
    me: Index,
    members: u32,
    fan_out: usize,
    random: Random,
    known: Known,
    chosen: Vec<Index>,
    traffic: Traffic,
}

impl Design for FanOut {
    type Node = FanOutNode;

    fn name(&self) -> String {
        format!("random fan-out {}", self.0)
    }

    fn nodes(&self, places: &Places, seed: u64) -> Vec<FanOutNode> {
        let members = places.members();
        let node = |me| FanOutNode {
            me,
            members,
            fan_out: self.0,
            random: Random::new(mix(seed ^ mix(u64::from(me) + 1))),
            known: Known::default(),
            chosen: Vec::new(),
            traffic: Traffic::default(),
        };
        (0..members).map(node).collect()
    }
}

impl FanOutNode {
    fn tell_others(&mut self, copy: Copy, out: &mut Outbox<Copy, Heard>) {
        self.chosen.clear();
        choose(&mut self.random, self.members, self.me, self.fan_out, &mut self.chosen);
        for to in &self.chosen {
            let bytes = UPDATE_ID_BYTES + UPDATE_BYTES;
            self.traffic.sent(bytes, 1);
            out.send(*to, Route::Datagram, bytes, copy);
        }
    }
}

impl Spreader for FanOutNode {
    fn publish(&mut self, _: Instant, update: Update, out: &mut Outbox<Copy, Heard>) {
        self.known.insert(update);
        self.tell_others(Copy { update, hops: 1 }, out);
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }

    fn heard(event: Heard) -> Option<Heard> {
        Some(event)
    }
}

impl Protocol for FanOutNode {
    type Message = Copy;
    type Event = Heard;

    fn start(&mut self, _: Instant, _: &mut Outbox<Copy, Heard>) {}

    fn receive(&mut self, _: Instant, _: Index, copy: Copy, out: &mut Outbox<Copy, Heard>) {
        let Copy { update, hops } = copy;
        if self.known.insert(update) {
            out.tell(Heard { update, hops });
            self.tell_others(Copy { update, hops: hops + 1 }, out);
        } else {
            self.traffic.duplicates += 1;
        }
    }

    fn wake(&mut self, _: Instant, _: &mut Outbox<Copy, Heard>) {}

    fn next_wake(&self) -> Instant {
        Instant::DISTANT_FUTURE
    }
}
