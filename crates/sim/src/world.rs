//! A cluster in one thread.

mod databases;

pub use databases::{Asks, Transacted};

use crate::disk::Disk;
use crate::network::{Network, Piece, Way, Weather};
use bytes::Bytes;
use databases::Database;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use whither_directory::{Clock, Directory, Identity, Publisher, View};
use whither_model::random::{Random, mix};
use whither_model::{Command, Epoch, Instant, NodeId, Now, Outcome, Refusal, Seq, Ticket, WallTime};
use whither_replica::{Config, Counters, DurableReplies, Guards, Ready, Replica, Route, Timing};

/// How a world begins.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Everything random follows from this.
    pub seed: u64,
    /// How many nodes.
    pub nodes: usize,
    /// The network at first.
    pub weather: Weather,
    /// The protocol's clockwork.
    pub timing: Timing,
    /// Longest time until a journal commit; each takes a random time up to this.
    pub commit: Duration,
    /// Clock rates differ by up to this many parts per million from true time.
    pub clock_ppm: usize,
    /// Which guards are on.
    pub guards: Guards,
    /// Whether nodes have users' tables.
    pub tables: bool,
}

impl Setup {
    /// `nodes` nodes in a quiet data centre.
    #[must_use]
    pub fn new(seed: u64, nodes: usize) -> Self {
        Self {
            seed,
            nodes,
            weather: Weather::CALM,
            timing: Timing::default(),
            commit: Duration::from_millis(25),
            clock_ppm: 100,
            guards: Guards::default(),
            tables: false,
        }
    }
}

/// What a client was told, and when.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The node that was asked.
    pub node: usize,
    /// In which of its boots.
    pub epoch: Epoch,
    /// What was asked.
    pub command: Command,
    /// When it was asked, in microseconds of true time.
    pub asked_at: u64,
    /// When and what it was told; `None`: never.
    pub answer: Option<(u64, Result<Outcome, Refusal>)>,
}

/// Something that happened to the cluster itself, for checkers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The node lost its memory and all that its disk had not committed.
    Crashed(usize),
    /// The node said goodbye and stopped.
    Stopped(usize),
    /// The node booted.
    Booted(usize),
}

/// A whole cluster and everything around it.
#[derive(Debug)]
pub struct World {
    setup: Setup,
    random: Random,
    /// True time, microseconds since the world began.
    time: u64,
    /// The network.
    pub network: Network,
    queue: BinaryHeap<Reverse<(u64, u64, Pending)>>,
    sequence: u64,
    nodes: Vec<Node>,
    answered: Vec<Answered>,
    transacted: Vec<Transacted>,
    events: Vec<(u64, Event)>,
    trace: u64,
    delivered: u64,
}

#[derive(Debug)]
struct Node {
    id: NodeId,
    disk: Disk,
    clock_offset: u64,
    clock_ppm: i64,
    boots: u64,
    /// What its wall clock shows at the beginning of the world, milliseconds.
    wall: u64,
    running: Option<Running>,
    /// The head it had reached, by true time, for the freshness checker.
    heads: Vec<(u64, Epoch, Seq)>,
    counters: Vec<Counters>,
    database: Option<Database>,
}

#[derive(Debug)]
struct Running {
    replica: Replica,
    directory: Arc<Directory>,
    publisher: Publisher,
    clock: Clock,
    wake_at: Instant,
    waiting: Vec<DurableReplies>,
    commit_due: bool,
    paused: bool,
    inbox: Vec<(SocketAddr, Route, Bytes)>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Pending {
    Deliver {
        to: usize,
        from: usize,
        stream: bool,
        bytes: Vec<u8>,
    },
    Wake {
        node: usize,
        boot: u64,
    },
    Commit {
        node: usize,
        boot: u64,
    },
    /// The database works off what waits for it.
    Database {
        node: usize,
        boot: u64,
    },
    /// Comes to the narrow line of the node it is for.
    Come(Piece),
    /// Something is through a node's narrow line.
    Through {
        node: usize,
        way: Way,
    },
}

/// What wall clocks show when a world begins: November 2023.
const WALL: u64 = 1_700_000_000_000;

impl World {
    /// A world in which every node has just booted for the first time.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let mut random = Random::new(mix(setup.seed));
        let nodes = (0..setup.nodes)
            .map(|at| {
                let id = NodeId::new(mix(setup.seed ^ mix(at as u64 + 1)).max(1)).unwrap_or_else(|| unreachable!());
                let ppm = i64::try_from(random.below(2 * setup.clock_ppm + 1)).unwrap_or(0);
                Node {
                    id,
                    disk: Disk::new(id),
                    clock_offset: random.next() >> 24,
                    clock_ppm: ppm - i64::try_from(setup.clock_ppm).unwrap_or(0),
                    boots: 0,
                    wall: WALL,
                    running: None,
                    heads: Vec::new(),
                    counters: Vec::new(),
                    database: None,
                }
            })
            .collect();
        let mut world = Self {
            network: Network::new(setup.weather),
            random,
            time: 0,
            queue: BinaryHeap::new(),
            sequence: 0,
            nodes,
            answered: Vec::new(),
            transacted: Vec::new(),
            events: Vec::new(),
            trace: 0,
            delivered: 0,
            setup,
        };
        (0..world.nodes.len()).for_each(|node| world.boot(node));
        world
    }

    /// True time, microseconds since the world began.
    #[must_use]
    pub fn time(&self) -> u64 {
        self.time
    }

    /// How many nodes there are, running or not.
    #[must_use]
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// A digest of everything that was delivered, in order.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.trace
    }

    /// How many packets were delivered.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// What clients were told, in the order in which they asked.
    #[must_use]
    pub fn answered(&self) -> &[Answered] {
        &self.answered
    }

    /// What happened to the cluster itself.
    #[must_use]
    pub fn events(&self) -> &[(u64, Event)] {
        &self.events
    }

    /// Randomness for workloads, from the same seed.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// The identity of a node.
    #[must_use]
    pub fn id(&self, node: usize) -> NodeId {
        self.nodes[node].id
    }

    /// Whether a node runs.
    #[must_use]
    pub fn is_running(&self, node: usize) -> bool {
        self.nodes[node].running.is_some()
    }

    /// The core of a node that runs.
    #[must_use]
    pub fn replica(&self, node: usize) -> Option<&Replica> {
        self.nodes[node].running.as_ref().map(|running| &running.replica)
    }

    /// What a node that runs shows its readers.
    #[must_use]
    pub fn view(&self, node: usize) -> Option<Arc<View>> {
        self.nodes[node].running.as_ref().map(|running| running.directory.view())
    }

    /// A node's monotonic clock now.
    #[must_use]
    pub fn clock(&self, node: usize) -> Instant {
        self.nodes[node].now(self.time).mono
    }

    /// The true time at which a node's monotonic clock read `instant`, rounded up.
    #[must_use]
    pub fn true_time_of(&self, node: usize, instant: Instant) -> u64 {
        let node = &self.nodes[node];
        let base = Instant::START.as_micros() + node.clock_offset;
        let elapsed = i128::from(instant.as_micros()) - i128::from(base);
        let truth = elapsed * 1_000_000 / (1_000_000 + i128::from(node.clock_ppm)) + 2;
        u64::try_from(truth.max(0)).unwrap_or(0)
    }

    /// The head of a node's speech at a true time, with the boot it was in.
    #[must_use]
    pub fn head_at(&self, node: usize, time: u64) -> Option<(Epoch, Seq)> {
        let heads = &self.nodes[node].heads;
        let after = heads.partition_point(|(at, ..)| *at <= time);
        after.checked_sub(1).map(|at| (heads[at].1, heads[at].2))
    }

    /// What all nodes have counted, over all their boots.
    #[must_use]
    pub fn counters(&self) -> Vec<Counters> {
        let live = self.nodes.iter().filter_map(|node| node.running.as_ref()).map(|running| running.replica.counters());
        self.nodes.iter().flat_map(|node| node.counters.iter().copied()).chain(live).collect()
    }

    fn address(node: usize) -> SocketAddr {
        let [high, low] = u16::try_from(node).unwrap_or(u16::MAX).to_be_bytes();
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 99, high, low)), 7_600)
    }

    fn node_at(&self, address: SocketAddr) -> Option<usize> {
        let IpAddr::V4(ip) = address.ip() else { return None };
        let [10, 99, high, low] = ip.octets() else { return None };
        Some(usize::from(u16::from_be_bytes([high, low]))).filter(|node| *node < self.nodes.len())
    }

    /// Boots a node that does not run. Its seeds are the first three nodes.
    pub fn boot(&mut self, at: usize) {
        assert!(self.nodes[at].running.is_none(), "n{at} runs already");
        let now = self.nodes[at].now(self.time);
        let node = &mut self.nodes[at];
        node.boots += 1;
        let snapshot = node.disk.boot();
        let clock = Clock::manual();
        clock.set(now.mono);
        let name = format!("n{at}");
        let identity = Identity {
            node: node.id,
            epoch: snapshot.epoch,
            name: name.parse().unwrap_or_default(),
            advertise: Self::address(at),
            zone: Box::default(),
            region: Box::default(),
            software: "sim".into(),
        };
        let config = Config {
            name: identity.name.clone(),
            advertise: identity.advertise,
            zone: Box::default(),
            region: Box::default(),
            software: "sim".into(),
            seeds: (0..self.setup.nodes.min(3)).filter(|seed| *seed != at).map(Self::address).collect(),
            seed: self.setup.seed,
            timing: self.setup.timing.clone(),
            guards: self.setup.guards,
        };
        let (directory, _commands) = Directory::new(identity, clock.clone());
        let publisher = Publisher::new(Arc::clone(&directory));
        node.running = Some(Running {
            replica: Replica::new(config, snapshot, now),
            directory,
            publisher,
            clock,
            wake_at: Instant::DISTANT_FUTURE,
            waiting: Vec::new(),
            commit_due: false,
            paused: false,
            inbox: Vec::new(),
        });
        self.events.push((self.time, Event::Booted(at)));
        if self.setup.tables {
            self.open_database(at);
        }
        self.carry_out(at);
    }

    /// Takes away a node's memory and whatever its disk had not committed.
    pub fn crash(&mut self, node: usize) {
        if self.halt(node) {
            self.nodes[node].disk.lose_pending();
            self.events.push((self.time, Event::Crashed(node)));
        }
    }

    /// Sabotage, for proving that checkers see it: the node's disk forgets its instances, yet not that it saw them.
    pub fn sabotage_disk(&mut self, node: usize) {
        self.nodes[node].disk.lose_rows(whither_replica::catalog::INSTANCES);
    }

    /// Has a node say goodbye, commit, and stop.
    pub fn stop(&mut self, node: usize) {
        let now = self.nodes[node].now(self.time);
        if let Some(running) = &mut self.nodes[node].running {
            running.replica.handle_shutdown(now);
            self.carry_out(node);
            self.nodes[node].disk.commit();
            self.halt(node);
            self.events.push((self.time, Event::Stopped(node)));
        }
    }

    fn halt(&mut self, node: usize) -> bool {
        let node = &mut self.nodes[node];
        let Some(running) = node.running.take() else { return false };
        node.counters.push(running.replica.counters());
        true
    }

    /// Freezes a node, as SIGSTOP does: packets wait, timers pass.
    pub fn pause(&mut self, node: usize) {
        if let Some(running) = &mut self.nodes[node].running {
            running.paused = true;
        }
    }

    /// Lets a frozen node go on: its timers fire first, then it reads what waited.
    pub fn resume(&mut self, at: usize) {
        let now = self.nodes[at].now(self.time);
        let Some(running) = &mut self.nodes[at].running else { return };
        running.paused = false;
        if running.wake_at <= now.mono {
            // The wake-up it slept through is gone: carrying out sets the next.
            running.wake_at = Instant::DISTANT_FUTURE;
            running.replica.handle_timeout(now);
        }
        for (from, route, bytes) in std::mem::take(&mut running.inbox) {
            let result = running.replica.handle_packet(now, from, route, bytes);
            assert_eq!(result, Ok(()), "nodes understand each other");
        }
        self.carry_out(at);
    }

    /// Asks a node for something. Returns where the answer will be in [`World::answered`].
    pub fn command(&mut self, node: usize, command: Command) -> usize {
        let now = self.nodes[node].now(self.time);
        let at = self.answered.len();
        let epoch = self.nodes[node].running.as_ref().map_or(Epoch(0), |running| running.replica.origin().epoch);
        self.answered.push(Answered { node, epoch, command: command.clone(), asked_at: self.time, answer: None });
        if let Some(running) = &mut self.nodes[node].running {
            running.replica.handle_command(now, Ticket(at as u64), command);
            self.carry_out(node);
        }
        at
    }

    /// Asks a node for something whose answer nobody waits for: for storms of which no record could be kept.
    pub fn tell(&mut self, node: usize, command: Command) {
        let now = self.nodes[node].now(self.time);
        if let Some(running) = &mut self.nodes[node].running {
            running.replica.handle_command(now, Ticket(u64::MAX), command);
            self.carry_out(node);
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Result<Outcome, Refusal>) {
        let asked = usize::try_from(ticket.0).ok().and_then(|at| self.answered.get_mut(at));
        if let Some(asked) = asked {
            asked.answer = Some((self.time, answer));
        }
    }

    /// Sets what a node's wall clock would have shown when the world began, in milliseconds since 1970.
    pub fn set_wall_clock(&mut self, node: usize, millis: u64) {
        self.nodes[node].wall = millis;
    }

    /// Hands a node a packet that nobody sent, as if from `from`.
    pub fn inject(&mut self, node: usize, from: usize, route: Route, bytes: &[u8]) {
        let now = self.nodes[node].now(self.time);
        if let Some(running) = &mut self.nodes[node].running {
            let bytes = Bytes::copy_from_slice(bytes);
            // Whether it is refused is the replica's affair.
            let _ = running.replica.handle_packet(now, Self::address(from), route, bytes);
            self.carry_out(node);
        }
    }

    /// Lets `duration` of true time pass.
    pub fn run_for(&mut self, duration: Duration) {
        let until = self.time + micros(duration);
        while let Some(Reverse((at, ..))) = self.queue.peek() {
            if *at > until {
                break;
            }
            self.step();
        }
        self.time = until;
    }

    fn step(&mut self) {
        let Some(Reverse((at, _, pending))) = self.queue.pop() else { return };
        self.time = at;
        match pending {
            Pending::Deliver { to, from, stream, bytes } => self.deliver(to, from, stream, bytes),
            Pending::Wake { node, boot } => self.wake(node, boot),
            Pending::Commit { node, boot } => self.commit(node, boot),
            Pending::Database { node, boot } => self.work_off(node, boot),
            Pending::Come(piece) => self.come(piece),
            Pending::Through { node, way } => self.through(node, way),
        }
    }

    /// Sends a packet: over a narrow line if lines are narrow.
    fn send(&mut self, from: usize, to: usize, stream: bool, bytes: Vec<u8>) {
        if let Some(lines) = &mut self.network.lines {
            if let Some(after) = lines.send(from, to, stream, bytes) {
                self.push(after, Pending::Through { node: from, way: Way::Out });
            }
            return;
        }
        let route = if stream { Route::Stream } else { Route::Datagram };
        for after in self.network.arrivals(from, to, route, &mut self.random) {
            self.push(after, Pending::Deliver { to, from, stream, bytes: bytes.clone() });
        }
    }

    /// A piece has crossed the network.
    fn come(&mut self, piece: Piece) {
        let node = piece.to;
        let begins = self.network.lines.as_mut().and_then(|lines| lines.offer(Way::In, piece));
        if let Some(after) = begins {
            self.push(after, Pending::Through { node, way: Way::In });
        }
    }

    /// A line is done with what was on it, and takes the next.
    fn through(&mut self, node: usize, way: Way) {
        let Some(lines) = &mut self.network.lines else { return };
        let (done, next) = lines.finish(node, way);
        if let Some(after) = next {
            self.push(after, Pending::Through { node, way });
        }
        let Some(piece) = done else { return };
        if way == Way::In {
            let Piece { from, to, stream, bytes, .. } = piece;
            return bytes.into_iter().for_each(|bytes| self.deliver(to, from, stream, bytes));
        }
        let route = if piece.stream { Route::Stream } else { Route::Datagram };
        let arrivals = self.network.arrivals(piece.from, piece.to, route, &mut self.random);
        if let Some(lines) = self.network.lines.as_mut().filter(|_| arrivals.is_empty()) {
            lines.arrived(&piece);
        }
        arrivals.into_iter().for_each(|after| self.push(after, Pending::Come(piece.clone())));
    }

    fn push(&mut self, after: Duration, pending: Pending) {
        self.sequence += 1;
        self.queue.push(Reverse((self.time + micros(after), self.sequence, pending)));
    }

    fn deliver(&mut self, to: usize, from: usize, stream: bool, bytes: Vec<u8>) {
        let now = self.nodes[to].now(self.time);
        let Some(running) = &mut self.nodes[to].running else { return };
        self.delivered += 1;
        let content = bytes
            .chunks(8)
            .fold(0, |hash, chunk| mix(hash ^ chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))));
        self.trace = mix(self.trace ^ mix(self.time) ^ mix((to as u64) << 32 | from as u64) ^ content);
        let route = if stream { Route::Stream } else { Route::Datagram };
        let (from, bytes) = (Self::address(from), Bytes::from(bytes));
        if running.paused {
            running.inbox.push((from, route, bytes));
            return;
        }
        let result = running.replica.handle_packet(now, from, route, bytes);
        assert_eq!(result, Ok(()), "nodes understand each other");
        self.carry_out(to);
    }

    fn wake(&mut self, node: usize, boot: u64) {
        let now = self.nodes[node].now(self.time);
        let current = self.nodes[node].boots == boot;
        let Some(running) = self.nodes[node].running.as_mut().filter(|running| current && !running.paused) else {
            return;
        };
        if running.wake_at <= now.mono {
            running.wake_at = Instant::DISTANT_FUTURE;
            running.replica.handle_timeout(now);
        }
        self.carry_out(node);
    }

    fn commit(&mut self, node: usize, boot: u64) {
        if self.nodes[node].boots != boot || self.nodes[node].running.is_none() {
            return;
        }
        self.nodes[node].disk.commit();
        let Some(running) = &mut self.nodes[node].running else { return };
        running.commit_due = false;
        let opened =
            std::mem::take(&mut running.waiting).into_iter().flat_map(whither_replica::DurableReplies::release);
        opened.for_each(|(ticket, outcome)| self.answer(ticket, Ok(outcome)));
    }

    /// Does what the core wants done: what the node loop does in production.
    fn carry_out(&mut self, at: usize) {
        while let Some(ready) = self.nodes[at].running.as_mut().and_then(|running| running.replica.poll_ready()) {
            self.carry_out_one(at, ready);
        }
        let node = &mut self.nodes[at];
        let (id, boot, time) = (node.id, node.boots, self.time);
        let now = node.now(time);
        let Some(running) = &mut node.running else { return };
        running.clock.set(now.mono);
        let origin = running.replica.origin();
        let head = Seq(running.replica.rows().seen(origin).map_or(0, whither_replica::Ranges::watermark));
        if node.heads.last().is_none_or(|(_, epoch, seq)| (*epoch, *seq) != (origin.epoch, head)) {
            node.heads.push((time, origin.epoch, head));
        }
        debug_assert_eq!(origin.node, id, "a replica is the node it was booted as");
        let next = running.replica.poll_timeout();
        if next < running.wake_at {
            running.wake_at = next;
            let after = node.true_delay(next.since(now.mono));
            self.push(after, Pending::Wake { node: at, boot });
        }
    }

    fn carry_out_one(&mut self, at: usize, ready: Ready) {
        assert_eq!(ready.impostor, None, "n{at}: somebody spoke in its name");
        for transmit in ready.transmit {
            for to in transmit.to {
                let Some(to) = self.node_at(to) else { continue };
                self.send(at, to, transmit.route == Route::Stream, transmit.bytes.to_vec());
            }
        }
        let commit_within = usize::try_from(self.setup.commit.as_micros()).unwrap_or(1);
        let Some(running) = &mut self.nodes[at].running else { return };
        ready.deltas.into_iter().for_each(|delta| running.publisher.apply(delta));
        running.publisher.publish();
        if !ready.durable_replies.is_empty() {
            running.waiting.push(ready.durable_replies);
        }
        let due = (!ready.journal.is_empty() || !running.waiting.is_empty()) && !running.commit_due;
        running.commit_due |= due;
        self.nodes[at].disk.append(ready.journal);
        self.give_work(at, ready.tables);
        ready.replies.into_iter().for_each(|(ticket, result)| self.answer(ticket, result));
        if due {
            let after = Duration::from_micros(self.random.below(commit_within) as u64);
            let boot = self.nodes[at].boots;
            self.push(after, Pending::Commit { node: at, boot });
        }
    }

    /// The outcome of a command so far, by where it is in [`World::answered`].
    #[must_use]
    pub fn outcome(&self, at: usize) -> Option<&Result<Outcome, Refusal>> {
        self.answered[at].answer.as_ref().map(|(_, result)| result)
    }

    /// What each running node believes of each other: for assertions and stories.
    #[must_use]
    pub fn beliefs(&self, node: usize) -> BTreeMap<usize, whither_model::MemberState> {
        let Some(replica) = self.replica(node) else { return BTreeMap::new() };
        replica
            .members()
            .filter_map(|(id, _, state)| Some((self.nodes.iter().position(|node| node.id == id)?, state)))
            .collect()
    }
}

impl Node {
    fn now(&self, time: u64) -> Now {
        let drift = i128::from(time) * i128::from(self.clock_ppm) / 1_000_000;
        let elapsed = u64::try_from(i128::from(time) + drift).unwrap_or(0);
        let mono = Instant::from_micros(Instant::START.as_micros() + self.clock_offset + elapsed);
        Now { mono, wall: WallTime(self.wall + time / 1_000) }
    }

    /// How long, in true time, until this node's clock has moved on by `local`. Rounded up, so that timers are due.
    fn true_delay(&self, local: Duration) -> Duration {
        let local = local.as_micros();
        let rate = u128::try_from(1_000_000 + self.clock_ppm).unwrap_or(1_000_000);
        Duration::from_micros(u64::try_from(local * 1_000_000 / rate + 2).unwrap_or(u64::MAX))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
