//! From one node to another: how long it takes, and whether it gets there.

mod cuts;
mod jitter;
mod loss;
mod map;
mod nic;

pub use jitter::Jitter;
pub use loss::Bursts;
pub use map::{Map, Region};

pub(crate) use nic::Nics;

use crate::counters::Cause;
use crate::nodes::Nodes;
use crate::protocol::Index;
use crate::script::Change;
use crate::setup::Setup;
use cuts::Cuts;
use jitter::Delay;
use loss::{Chain, Chance};
use map::Distances;
use whither_model::random::Random;

/// All ways between nodes.
#[derive(Debug)]
pub(crate) struct Network {
    distances: Distances,
    delay: Delay,
    /// Of each message.
    loss: Chance,
    /// What happens to a node's messages at its own end. Empty: nothing.
    ends: Vec<End>,
    nodes: usize,
    cuts: Cuts,
    /// Nothing is lost and nothing is cut: the other fields need not be looked at.
    is_sound: bool,
}

/// A node's end of all its links.
#[derive(Clone, Debug, Default)]
struct End {
    loss_in: Chance,
    loss_out: Chance,
    bursts_in: Option<Chain>,
    bursts_out: Option<Chain>,
}

impl Network {
    pub(crate) fn new(setup: &Setup) -> Self {
        let mut network = Self {
            distances: setup.map.distances(setup.nodes, setup.seed),
            delay: setup.jitter.delay(),
            loss: Chance::of(setup.weather.loss),
            ends: Vec::new(),
            nodes: setup.nodes,
            cuts: Cuts::default(),
            is_sound: true,
        };
        let all = Nodes::first(setup.nodes);
        if let Some(bursts) = setup.weather.bursts_in {
            network.for_ends(&all, |end| end.bursts_in = Some(Chain::new(bursts)));
        }
        if let Some(bursts) = setup.weather.bursts_out {
            network.for_ends(&all, |end| end.bursts_out = Some(Chain::new(bursts)));
        }
        network.look_again();
        network
    }

    pub(crate) const fn distances(&self) -> &Distances {
        &self.distances
    }

    /// Microseconds on the way, this time.
    pub(crate) fn latency(&self, from: Index, to: Index, random: &mut Random) -> u64 {
        self.delay.of(self.distances.micros(from, to), random)
    }

    /// What becomes of a message that leaves now, before it comes near its receiver.
    pub(crate) fn departing(&mut self, from: Index, to: Index, now: u64, random: &mut Random) -> Result<(), Cause> {
        if self.is_sound || from == to {
            return Ok(());
        }
        if self.cuts.cut(from, to) {
            return Err(Cause::Cut);
        }
        let lost =
            self.loss.falls(random) || self.ends.get_mut(from as usize).is_some_and(|end| end.loses_out(now, random));
        if lost { Err(Cause::Loss) } else { Ok(()) }
    }

    /// What becomes of it when it comes to its receiver.
    pub(crate) fn arriving(&mut self, from: Index, to: Index, now: u64, random: &mut Random) -> Result<(), Cause> {
        if self.is_sound || from == to {
            return Ok(());
        }
        let lost = self.ends.get_mut(to as usize).is_some_and(|end| end.loses_in(now, random));
        if lost { Err(Cause::Loss) } else { Ok(()) }
    }

    /// Both at once, for an attempt of a connection.
    pub(crate) fn passes(&mut self, from: Index, to: Index, now: u64, random: &mut Random) -> Result<(), Cause> {
        self.departing(from, to, now, random)?;
        self.arriving(from, to, now, random)
    }

    /// Does what a change says, if it is about the ways between nodes.
    pub(crate) fn change(&mut self, change: &Change) {
        match change {
            Change::Jitter(jitter) => self.delay = jitter.delay(),
            Change::Loss(share) => self.loss = Chance::of(*share),
            Change::LossIn { nodes, share } => self.for_ends(nodes, |end| end.loss_in = Chance::of(*share)),
            Change::LossOut { nodes, share } => self.for_ends(nodes, |end| end.loss_out = Chance::of(*share)),
            Change::BurstsIn { nodes, bursts } => self.for_ends(nodes, |end| end.bursts_in = bursts.map(Chain::new)),
            Change::BurstsOut { nodes, bursts } => self.for_ends(nodes, |end| end.bursts_out = bursts.map(Chain::new)),
            Change::Cut { from, to } => self.cuts.add(from, to),
            Change::CutPairs(pairs) => self.cuts.add_pairs(pairs),
            Change::Heal => self.cuts = Cuts::default(),
            _ => {}
        }
        self.look_again();
    }

    fn for_ends(&mut self, nodes: &Nodes, mut what: impl FnMut(&mut End)) {
        if self.ends.is_empty() {
            self.ends = vec![End::default(); self.nodes];
        }
        nodes.iter().for_each(|node| {
            if let Some(end) = self.ends.get_mut(node as usize) {
                what(end);
            }
        });
    }

    fn look_again(&mut self) {
        let sound_ends = self.ends.iter().all(End::is_sound);
        if sound_ends {
            self.ends = Vec::new();
        }
        self.is_sound = sound_ends && self.loss.is_never() && self.cuts.is_empty();
    }
}

impl End {
    fn loses_in(&mut self, now: u64, random: &mut Random) -> bool {
        self.loss_in.falls(random) || self.bursts_in.as_mut().is_some_and(|chain| chain.loses(now, random))
    }

    fn loses_out(&mut self, now: u64, random: &mut Random) -> bool {
        self.loss_out.falls(random) || self.bursts_out.as_mut().is_some_and(|chain| chain.loses(now, random))
    }

    const fn is_sound(&self) -> bool {
        self.loss_in.is_never() && self.loss_out.is_never() && self.bursts_in.is_none() && self.bursts_out.is_none()
    }
}
