//! Nodes in a world, and the loop that runs them.

use crate::counters::{Counters, Tally};
use crate::exhausted::Exhausted;
use crate::flights::Flight;
use crate::network::Map;
use crate::nodes::Nodes;
use crate::processor::Trouble;
use crate::protocol::{Index, Outbox, Protocol};
use crate::script::{Change, Cycle};
use crate::setup::Setup;
use crate::trace::Trace;
use crate::watch::Watch;
use crate::world::{Job, Pending, World};
use core::fmt::Debug;
use core::time::Duration;
use whither_model::Instant;

/// Nodes in a world: `P` is what they do, `W` is who watches.
#[derive(Debug)]
pub struct Population<P: Protocol, W: Watch<P::Event> = ()> {
    world: World<P::Message>,
    protocols: Vec<P>,
    outbox: Outbox<P::Message, P::Event>,
    /// Changes that wait for their time, by their place on the wheel.
    script: Vec<Option<Change>>,
    watch: W,
}

impl<P: Protocol, W: Watch<P::Event>> Population<P, W> {
    /// A world as `setup` says, with the nodes that `make` makes. Nothing has happened yet: nodes start when it runs.
    pub fn new(setup: &Setup, watch: W, make: impl FnMut(Index) -> P) -> Self {
        let world = World::new(setup);
        let protocols: Vec<P> = Nodes::first(setup.nodes).iter().map(make).collect();
        Self { world, protocols, outbox: Outbox::default(), script: Vec::new(), watch }
    }

    /// World time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        Instant::from_micros(self.world.now)
    }

    /// World time since the beginning.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.now().since(Instant::START)
    }

    /// Runs until `limit`, and everything that is due at `limit`; it is then that time.
    ///
    /// # Errors
    ///
    /// The budget is used up.
    pub fn run_until(&mut self, limit: Instant) -> Result<(), Exhausted> {
        loop {
            if self.world.is_exhausted() {
                return Err(self.world.exhausted());
            }
            let Some(pending) = self.world.next(limit.as_micros()) else { break };
            self.happen(pending);
        }
        self.world.now = self.world.now.max(limit.as_micros());
        Ok(())
    }

    /// Runs for a time.
    ///
    /// # Errors
    ///
    /// The budget is used up.
    pub fn run_for(&mut self, time: Duration) -> Result<(), Exhausted> {
        self.run_until(self.now() + time)
    }

    /// Lets the next thing happen, whenever that is; `false`: nothing will happen any more.
    ///
    /// # Errors
    ///
    /// The budget is used up.
    pub fn step(&mut self) -> Result<bool, Exhausted> {
        if self.world.is_exhausted() {
            return Err(self.world.exhausted());
        }
        let Some(pending) = self.world.next(u64::MAX) else { return Ok(false) };
        self.happen(pending);
        Ok(true)
    }

    #[inline]
    fn happen(&mut self, pending: Pending) {
        match pending {
            Pending::Arrive(flight) => {
                if let Some(node) = self.world.arrive(flight) {
                    self.receive(node, flight);
                }
            }
            Pending::Wake(node, generation) => {
                if self.world.is_wake_due(node, generation) {
                    self.wake(node);
                }
            }
            Pending::Resume(node) => match self.world.next_job(node) {
                Some(Job::Wake) => self.wake(node),
                Some(Job::Receive(flight)) => self.receive(node, flight),
                None => {}
            },
            Pending::Attempt(flight) => self.world.attempt(flight, self.world.now),
            Pending::Start(node) => self.start(node),
            Pending::Change(place) => {
                if let Some(change) = self.script[place as usize].take() {
                    self.change(&change);
                }
            }
        }
    }

    #[inline]
    fn receive(&mut self, node: Index, flight: Flight) {
        let Some((from, message)) = self.world.receive(flight) else { return };
        let body = &self.world.bodies[node as usize];
        let (shown, micros) = (self.shown(node), body.micros_per_message);
        self.protocols[node as usize].receive(shown, from, message, &mut self.outbox);
        let done = self.world.work(node, micros);
        self.carry_out(node, done, self.world.now);
    }

    #[inline]
    fn wake(&mut self, node: Index) {
        self.world.wakes(node);
        let (shown, micros) = (self.shown(node), self.world.bodies[node as usize].micros_per_wake);
        self.protocols[node as usize].wake(shown, &mut self.outbox);
        let done = self.world.work(node, micros);
        // A protocol that wants to be woken again at once lets time pass, so that the run goes on.
        self.carry_out(node, done, self.world.now + 1);
    }

    fn start(&mut self, node: Index) {
        // Whoever was crashed or restarted before its time has had its start.
        if self.world.bodies[node as usize].is_new {
            self.world.bear(node);
            let shown = self.shown(node);
            self.protocols[node as usize].start(shown, &mut self.outbox);
            self.carry_out(node, self.world.now, self.world.now);
        }
    }

    /// What the node's clock shows.
    #[inline]
    fn shown(&self, node: Index) -> Instant {
        Instant::from_micros(self.world.bodies[node as usize].clock.shows(self.world.now))
    }

    /// Everything that an event caused: messages leave at `leave`, and the next wake is not before `earliest`.
    #[inline]
    fn carry_out(&mut self, node: Index, leave: u64, earliest: u64) {
        for sent in self.outbox.sent.drain(..) {
            self.world.post(node, sent, leave);
        }
        for event in self.outbox.events.drain(..) {
            self.watch.event(Instant::from_micros(self.world.now), node, event);
        }
        self.world.wake_at(node, self.protocols[node as usize].next_wake(), earliest);
    }

    /// Calls a method of a node's protocol, with its own time: a client asks, a rumour begins. `None`: it is not alive. It is
    /// called even if the node is stopped or busy.
    pub fn inject<R>(
        &mut self,
        node: Index,
        call: impl FnOnce(&mut P, Instant, &mut Outbox<P::Message, P::Event>) -> R,
    ) -> Option<R> {
        if !self.is_alive(node) {
            return None;
        }
        let shown = self.shown(node);
        let answer = call(&mut self.protocols[node as usize], shown, &mut self.outbox);
        self.carry_out(node, self.world.now, self.world.now);
        Some(answer)
    }

    /// Changes the world now.
    pub fn change(&mut self, change: &Change) {
        if let Change::Crash(nodes) = change {
            nodes.iter().for_each(|node| self.crash(node));
        } else {
            self.world.change(change);
        }
    }

    /// Changes the world at a time; at once when it runs, if that has passed. Changes of one time happen in the order of these
    /// calls, and before what nodes then do if they were announced before it was caused.
    ///
    /// # Panics
    ///
    /// If there are 2^32 changes.
    pub fn at(&mut self, time: Instant, change: Change) {
        let place = u32::try_from(self.script.len()).expect("fewer than 2^32 changes");
        self.script.push(Some(change));
        self.world.wheel.insert(time.as_micros().max(self.world.now), Pending::Change(place));
    }

    /// One change when a cycle is switched on, another when it is switched off. When it is off for the last time.
    pub fn cycle(&mut self, cycle: Cycle, on: &Change, off: &Change) -> Instant {
        for (begin, end) in cycle.turns() {
            self.at(begin, on.clone());
            self.at(end, off.clone());
        }
        cycle.end()
    }

    /// Trouble for these nodes in lock step, on and off in turn. When the last one ends.
    pub fn trouble(&mut self, trouble: Trouble, nodes: &Nodes, cycle: Cycle) -> Instant {
        self.cycle(cycle, &Change::Begin(trouble, nodes.clone()), &Change::End(trouble, nodes.clone()))
    }

    /// A node dies now, with what waits there. Its protocol can still be looked at. A node that has not started yet will not.
    pub fn crash(&mut self, node: Index) {
        self.world.kill(node);
    }

    /// A node starts now, as `protocol`; if it is alive, it dies first.
    pub fn restart(&mut self, node: Index, protocol: P) {
        self.world.kill(node);
        self.world.bear(node);
        self.protocols[node as usize] = protocol;
        let shown = self.shown(node);
        self.protocols[node as usize].start(shown, &mut self.outbox);
        self.carry_out(node, self.world.now, self.world.now);
    }

    /// Whether a node is alive; stopped nodes are.
    #[must_use]
    pub fn is_alive(&self, node: Index) -> bool {
        self.world.bodies[node as usize].alive
    }

    /// Whether a node is in that trouble now.
    #[must_use]
    pub fn is_in(&self, trouble: Trouble, node: Index) -> bool {
        let body = &self.world.bodies[node as usize];
        match trouble {
            Trouble::Stopped => body.stopped > 0,
            Trouble::Blocked => body.blocked > 0,
        }
    }

    /// How many nodes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.protocols.len()
    }

    /// Whether there are no nodes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.protocols.is_empty()
    }

    /// What a node does.
    #[must_use]
    pub fn node(&self, node: Index) -> &P {
        &self.protocols[node as usize]
    }

    /// The same, to be changed. When it wants to be woken is asked after the next event only; [`Population::inject`] asks now.
    pub fn node_mut(&mut self, node: Index) -> &mut P {
        &mut self.protocols[node as usize]
    }

    /// All nodes, in the order of their numbers.
    pub fn nodes(&self) -> impl Iterator<Item = &P> {
        self.protocols.iter()
    }

    /// What a node's clock shows now.
    #[must_use]
    pub fn clock(&self, node: Index) -> Instant {
        self.shown(node)
    }

    /// Where nodes are.
    #[must_use]
    pub const fn map(&self) -> &Map {
        self.world.network.distances().map()
    }

    /// In which of the map's regions a node is.
    #[must_use]
    pub fn region(&self, node: Index) -> usize {
        self.world.network.distances().region(node)
    }

    /// One way between two nodes at best.
    #[must_use]
    pub fn latency(&self, from: Index, to: Index) -> Duration {
        Duration::from_micros(self.world.network.distances().micros(from, to))
    }

    /// How long it takes at best from a node to the farthest region that has nodes.
    #[must_use]
    pub fn light(&self, from: Index) -> Duration {
        self.world.network.distances().light(from)
    }

    /// What was counted, all nodes together.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.world.counters()
    }

    /// What was counted of a node, through all its lives.
    #[must_use]
    pub fn tally(&self, node: Index) -> &Tally {
        &self.world.bodies[node as usize].tally
    }

    /// A number that is the same for the same run, and most likely for no other one. Which messages went when from whom to
    /// whom enters it, and their sizes, not what they said.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.world.hash.value()
    }

    /// Who watches.
    pub const fn watch(&self) -> &W {
        &self.watch
    }

    /// Who watches, to be changed.
    pub const fn watch_mut(&mut self) -> &mut W {
        &mut self.watch
    }

    /// Who watched, when the run is over.
    pub fn into_watch(self) -> W {
        self.watch
    }
}

impl<P: Protocol<Message: Debug>, W: Watch<P::Event>> Population<P, W> {
    /// Writes a line about everything that happens from now on: seconds since the beginning, from whom, to whom, and what.
    pub fn trace(&mut self, line: impl FnMut(&str) + 'static) {
        self.world.trace = Some(Box::new(Trace { show: Debug::fmt, line: Box::new(line) }));
    }
}
