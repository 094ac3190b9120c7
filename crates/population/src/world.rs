//! Everything but the protocols: time, ways, queues, and what is on its way.

mod life;
mod passage;
mod turns;

use crate::body::Body;
use crate::clock::Clock;
use crate::counters::{Counters, Dropped, Tally};
use crate::exhausted::Exhausted;
use crate::flights::{Flight, Flights};
use crate::network::{Network, Nics};
use crate::nodes::Nodes;
use crate::protocol::Index;
use crate::reliable::Connections;
use crate::script::Change;
use crate::setup::Setup;
use crate::trace::{Hash, Step, Trace};
use crate::wheel::Wheel;
use whither_model::Instant;
use whither_model::random::{Random, mix};

/// What waits on the wheel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pending {
    /// The node comes to life, unless it was crashed or started before.
    Start(Index),
    /// The node may want to be woken, if it is still of this generation.
    Wake(Index, u32),
    /// The node's processor may be free for what waits.
    Resume(Index),
    /// A message comes to its receiver.
    Arrive(Flight),
    /// A connection tries again, or tries first.
    Attempt(Flight),
    /// The change at this place of the script.
    Change(u32),
}

/// What a node does next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    Wake,
    Receive(Flight),
}

/// Everything but the protocols. Times are microseconds of world time.
#[derive(Debug)]
pub(crate) struct World<M> {
    pub(crate) now: u64,
    pub(crate) wheel: Wheel<Pending>,
    pub(crate) bodies: Vec<Body>,
    pub(crate) flights: Flights<M>,
    pub(crate) network: Network,
    pub(crate) connections: Connections,
    pub(crate) random: Random,
    pub(crate) retransmitted: u64,
    pub(crate) events: u64,
    pub(crate) hash: Hash,
    pub(crate) trace: Option<Box<Trace<M>>>,
    nics: Nics,
    receive_queue: u32,
    dropped: Dropped,
    seed: u64,
    budget: u64,
}

impl<M> World<M> {
    pub(crate) fn new(setup: &Setup) -> Self {
        let now = Instant::START.as_micros();
        let mut clocks = Random::new(mix(setup.seed ^ 0x0063_6c6f_636b));
        let body = |_| Body::new(Clock::new(setup.clocks, &mut clocks), setup.processor);
        let mut world = Self {
            now,
            wheel: Wheel::new(now),
            bodies: (0..setup.nodes).map(body).collect(),
            flights: Flights::new(),
            network: Network::new(setup),
            connections: Connections::new(setup.nodes),
            random: Random::new(mix(setup.seed)),
            retransmitted: 0,
            events: 0,
            hash: Hash::new(),
            trace: None,
            nics: Nics::default(),
            receive_queue: setup.nic.receive_queue.unwrap_or(u32::MAX),
            dropped: Dropped::default(),
            seed: setup.seed,
            budget: setup.budget,
        };
        world.nics.limit(&Nodes::first(setup.nodes), setup.nodes, setup.nic.bytes_per_second);
        let within = usize::try_from(setup.start_within.as_micros()).unwrap_or(usize::MAX);
        for node in Nodes::first(setup.nodes).iter() {
            let later = if within == 0 { 0 } else { world.random.below(within) as u64 };
            world.wheel.insert(now + later, Pending::Start(node));
        }
        world
    }

    /// The next thing that happens by `limit`, of which time is now.
    #[inline]
    pub(crate) fn next(&mut self, limit: u64) -> Option<Pending> {
        let (at, pending) = self.wheel.pop(limit)?;
        self.now = at;
        Some(pending)
    }

    pub(crate) const fn is_exhausted(&self) -> bool {
        self.events >= self.budget
    }

    /// Does what a change says, if it is not about life and death.
    pub(crate) fn change(&mut self, change: &Change) {
        if self.trace.is_some() {
            self.write(&Step::World(change));
        }
        self.hash.fold(self.now);
        match change {
            Change::Bandwidth { nodes, bytes_per_second } => {
                self.nics.limit(nodes, self.bodies.len(), *bytes_per_second);
            }
            Change::Work { nodes, processor } => {
                nodes.iter().for_each(|node| self.bodies[node as usize].work_with(*processor));
            }
            Change::Begin(trouble, nodes) => nodes.iter().for_each(|node| self.begin(*trouble, node)),
            Change::End(trouble, nodes) => nodes.iter().for_each(|node| self.end(*trouble, node)),
            change => self.network.change(change),
        }
    }

    /// Writes what happens to a message, if anybody reads it.
    #[inline]
    pub(crate) fn tell(&mut self, what: &'static str, flight: Flight) {
        if let Some(trace) = &mut self.trace {
            let parcel = self.flights.at(flight);
            trace.write(self.now, &Step::Message(what, parcel.from, parcel.to, parcel.bytes, parcel.message()));
        }
    }

    fn write(&mut self, step: &Step<'_, M>) {
        if let Some(trace) = &mut self.trace {
            trace.write(self.now, step);
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        let mut total = Tally::default();
        self.bodies.iter().for_each(|body| total.add(&body.tally));
        let (dropped, retransmitted) = (self.dropped, self.retransmitted);
        Counters { total, dropped, in_flight: self.flights.len(), retransmitted }
    }

    #[cold]
    pub(crate) fn exhausted(&self) -> Exhausted {
        let mut busiest: Vec<(Index, u64)> = (0..).zip(self.bodies.iter().map(|body| body.tally.events())).collect();
        busiest.sort_by_key(|(node, events)| (core::cmp::Reverse(*events), *node));
        busiest.truncate(5);
        Exhausted {
            seed: self.seed,
            at: Instant::from_micros(self.now),
            nodes: self.bodies.len(),
            alive: self.bodies.iter().filter(|body| body.alive).count(),
            events: self.events,
            in_flight: self.flights.len(),
            busiest,
        }
    }
}
