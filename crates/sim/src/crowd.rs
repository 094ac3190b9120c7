//! Thousands of this product's nodes, as far as they find out who is there and spread news.
//!
//! A [`Node`] is [`whither_gossip`]'s detector and broadcast, the very code an agent runs, without catalog, disk and readers.
//! What they say is passed by value; its size is what an agent's encoding and seal would make of it, and a test holds the
//! two against each other.

mod redial;
mod restart;
mod size;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use whither_gossip::{
    Belief, Broadcast, BroadcastCounters, Canary, Changed, Claim, Counters, Detector, Entry, Habits, Leaflet, Outgoing,
    Peer, Region, Register, Roster, Route, Rumour, Timing, Word,
};
use whither_model::random::{Random, mix};
use whither_model::{Epoch, Instant, MemberState, NodeId};
use whither_population::{Index, Outbox, Protocol, Route as Way};

/// What everybody is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// About members.
    Claims(Vec<Claim>),
    /// Something of a user's: its number in the experiment and its size.
    Update {
        /// Which.
        number: u32,
        /// How large it is.
        bytes: u32,
    },
}

/// One message between nodes.
#[derive(Clone, Debug)]
pub struct Said {
    from: Belief,
    word: Word,
    /// What most messages do not carry.
    more: Option<Box<More>>,
    /// Of the members present in the sender's eyes, if it asks whether they are the same here.
    digest: Option<u64>,
    way: Way,
}

#[derive(Clone, Debug, Default)]
struct More {
    claims: Vec<Claim>,
    acks: Vec<Rumour>,
    news: Option<(Leaflet, Arc<News>)>,
    /// All members as the sender believes them, and whether it wants the same back.
    list: Option<(Vec<Claim>, bool)>,
}

/// What a node tells whoever watches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// It believes this of another node since now, or of a new boot of it.
    Believes {
        /// Of whom.
        about: Index,
        /// What.
        state: MemberState,
    },
    /// It has heard an update for the first time.
    Heard {
        /// Which.
        number: u32,
    },
    /// A copy of an update came that it knew already.
    Doubled {
        /// Which.
        number: u32,
    },
}

/// One node.
#[derive(Debug)]
pub struct Node {
    detector: Detector,
    broadcast: Broadcast<Arc<News>>,
    canary: Canary,
    next_digest: Instant,
    sync_interval: Duration,
    /// The message being handled asked whether this node agrees.
    asked: bool,
    lists_compared: Instant,
    redial: redial::Redial,
    /// It has booted again, and has heard nobody yet.
    is_newborn: bool,
    spent: Spent,
}

/// What a node has spent on spreading users' updates.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spent {
    /// Messages that carried an update.
    pub copies: u64,
    /// Messages that carried nothing but acknowledgements, of whatever.
    pub acknowledgements: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Updates received that were known already.
    pub doubles: u64,
}

/// How a crowd's nodes behave.
#[derive(Clone, Debug)]
pub struct Manner {
    /// How they detect deaths.
    pub timing: Timing,
    /// How they spread news.
    pub habits: Habits,
    /// How often they compare state; only its traffic is simulated here.
    pub sync_interval: Duration,
    /// How often they ask one that is down whether it came back, about; an agent every 10 s. `None`: never.
    pub redial: Option<Duration>,
    /// Between two canaries of anybody; an agent's are [`whither_replica::CANARY_INTERVAL`] apart. `None`: there are none.
    pub canary: Option<Duration>,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            timing: Timing::default(),
            habits: Habits::default(),
            sync_interval: Duration::from_secs(1),
            redial: None,
            canary: None,
        }
    }
}

/// Where node `index` is reached: its number as an address.
fn address_of(index: Index) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | index)), 7_600)
}

fn index_of(address: SocketAddr) -> Index {
    match address.ip() {
        IpAddr::V4(ip) => ip.to_bits() & 0x00ff_ffff,
        IpAddr::V6(_) => Index::MAX,
    }
}

/// Nodes that all know each other, as after having run for a while. `region` says where each is.
#[must_use]
pub fn acquainted(count: Index, seed: u64, manner: &Manner, region: impl Fn(Index) -> u32) -> Vec<Node> {
    let beliefs = beliefs(count, seed);
    let entry = |(index, belief): (Index, &Belief)| Entry { belief: *belief, region: Region(region(index) + 1) };
    let register = Arc::new(Register::new((0..).zip(&beliefs).map(entry)));
    (0..).zip(beliefs).map(|(index, me)| Node::new(me, Region(region(index) + 1), &register, seed, manner)).collect()
}

/// Who is in a crowd: ids are drawn as agents draw theirs, and numbers follow them.
fn beliefs(count: Index, seed: u64) -> Vec<Belief> {
    let mut random = Random::new(mix(seed));
    let mut ids: Vec<NodeId> = Vec::new();
    while ids.len() < count as usize {
        ids.extend((ids.len()..count as usize).filter_map(|_| NodeId::new(random.next())));
        ids.sort_unstable();
        ids.dedup();
    }
    (0..)
        .zip(ids)
        .map(|(index, node)| Belief {
            node,
            epoch: Epoch(1),
            incarnation: 1,
            state: MemberState::Alive,
            address: address_of(index),
            run: node.get(),
        })
        .collect()
}

impl Node {
    fn new(me: Belief, region: Region, register: &Arc<Register>, seed: u64, manner: &Manner) -> Self {
        let random = Random::new(mix(seed ^ me.node.get()));
        let roster = Roster::new(me.node, Arc::clone(register));
        let now = Instant::START;
        let detector = Detector::new(me, roster, manner.timing.clone(), random, now);
        Self::with(detector, Broadcast::new(me.node, me.epoch, region, manner.habits.clone()), now, manner)
    }

    fn with(detector: Detector, broadcast: Broadcast<Arc<News>>, now: Instant, manner: &Manner) -> Self {
        let canaries = Random::new(mix(detector.me().run ^ detector.me().epoch.0));
        Self {
            canary: Canary::new(manner.canary, canaries, now),
            detector,
            broadcast,
            next_digest: now,
            sync_interval: manner.sync_interval,
            asked: false,
            lists_compared: Instant::DISTANT_PAST,
            redial: redial::Redial::new(manner, now),
            is_newborn: false,
            spent: Spent::default(),
        }
    }

    /// Tells everybody.
    pub fn publish(&mut self, now: Instant, news: News, out: &mut Outbox<Said, Told>) {
        self.canary.spoke(now);
        self.broadcast.publish(now, self.detector.roster_mut(), Arc::new(news));
        self.settle(now, out);
    }

    /// What membership has counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        self.detector.counters()
    }

    /// What the broadcast has counted.
    #[must_use]
    pub fn broadcast_counters(&self) -> &BroadcastCounters {
        self.broadcast.counters()
    }

    /// What it has spent on users' updates.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.spent
    }

    /// How unwell it thinks it is.
    #[must_use]
    pub fn unwell(&self) -> u32 {
        self.detector.unwell()
    }

    /// How many others it believes to be present.
    #[must_use]
    pub fn present(&self) -> usize {
        self.detector.roster().present_count()
    }

    /// Digest of whom it believes to be present, itself included.
    #[must_use]
    pub fn view(&self) -> u64 {
        self.detector.roster().present_digest()
    }

    /// What it believes of the node with this number.
    #[must_use]
    pub fn believes(&self, of: Index) -> Option<MemberState> {
        let address = address_of(of);
        self.detector.roster().iter().find(|entry| entry.belief.address == address).map(|entry| entry.belief.state)
    }

    fn settle(&mut self, now: Instant, out: &mut Outbox<Said, Told>) {
        while self.detector.has_effects() {
            let mut effects = self.detector.take_effects();
            for outgoing in effects.sends.drain(..) {
                self.send_word(now, &outgoing, out);
            }
            if !effects.publish.is_empty() {
                let news = Arc::new(News::Claims(core::mem::take(&mut effects.publish)));
                self.canary.spoke(now);
                self.broadcast.publish(now, self.detector.roster_mut(), news);
            }
            for Changed { before, now: belief } in effects.changes.drain(..) {
                let is_back = before.is_some_and(|before| before.epoch < belief.epoch);
                if is_back || before.is_none_or(|before| before.state != belief.state) {
                    out.tell(Told::Believes { about: index_of(belief.address), state: belief.state });
                }
                let was_away = before.is_some_and(|before| before.state != MemberState::Alive);
                if is_back && was_away && belief.state == MemberState::Alive {
                    self.greet(now, &belief, out);
                }
            }
            self.detector.reuse(effects);
        }
        let mut forwards = self.broadcast.take_forwards();
        for forward in forwards.drain(..) {
            let Some(to) = self.detector.roster().get(forward.to).map(|entry| entry.belief) else { continue };
            let acks = self.broadcast.take_acks(forward.to);
            let counts = matches!(*forward.payload, News::Update { .. });
            let more = More { acks, news: Some((forward.leaflet, forward.payload)), ..More::default() };
            let bytes = self.send(to.address, Way::Datagram, Word::Nothing, None, more, out);
            if counts {
                self.spent.copies += 1;
                self.spent.bytes += u64::from(bytes);
            }
        }
        self.broadcast.reuse(forwards);
        for node in self.broadcast.acks_due(now) {
            let acks = self.broadcast.take_acks(node);
            let Some(to) = self.detector.roster().get(node).map(|entry| entry.belief) else { continue };
            let more = More { acks, ..More::default() };
            self.spent.bytes += u64::from(self.send(to.address, Way::Datagram, Word::Nothing, None, more, out));
            self.spent.acknowledgements += 1;
        }
    }

    fn send_word(&mut self, now: Instant, outgoing: &Outgoing, out: &mut Outbox<Said, Told>) {
        let digest = matches!(outgoing.word, Word::Ping { .. }) && now >= self.next_digest;
        if digest {
            self.next_digest = now + self.sync_interval;
        }
        let digest = digest.then(|| self.view());
        let acks = outgoing.to.node.map(|node| self.broadcast.take_acks(node)).unwrap_or_default();
        let more = More { claims: outgoing.claim.into_iter().collect(), acks, ..More::default() };
        let way = match outgoing.route {
            Route::Datagram => Way::Datagram,
            Route::Stream => Way::Reliable,
        };
        self.send(outgoing.to.address, way, outgoing.word, digest, more, out);
    }

    fn send(
        &mut self,
        to: SocketAddr,
        way: Way,
        word: Word,
        digest: Option<u64>,
        mut more: More,
        out: &mut Outbox<Said, Told>,
    ) -> u32 {
        let agrees = matches!(word, Word::Pong { .. }) && core::mem::take(&mut self.asked);
        let head = size::SEAL + size::head(&word, digest.is_some(), agrees);
        // As in an agent, probes and their answers take news along; the broadcast's own messages do not.
        if way == Way::Datagram && matches!(word, Word::Ping { .. } | Word::Pong { .. }) {
            let spare = size::DATAGRAM.saturating_sub(head + size::more(&more));
            more.claims.extend(self.detector.news(spare as usize / size::CLAIM_MAX));
        }
        let bytes = head + size::more(&more);
        let bare = more.claims.is_empty() && more.acks.is_empty() && more.news.is_none() && more.list.is_none();
        let more = (!bare).then(|| Box::new(more));
        out.send(index_of(to), way, bytes, Said { from: self.detector.me(), word, more, digest, way });
        bytes
    }

    /// A peer believes others to be here than this node does: both tell all they know, the more rarely the more it is.
    fn compare_members(&mut self, now: Instant, peer: SocketAddr, out: &mut Outbox<Said, Told>) {
        let known = self.detector.roster().known_count();
        let pause = LISTS_PAUSE * u32::try_from(1 + known / MEMBERS_PER_PAUSE).unwrap_or(1);
        if now.since(self.lists_compared) >= pause {
            self.lists_compared = now;
            self.send_list(peer, true, out);
        }
    }

    fn send_list(&mut self, to: SocketAddr, answer_wanted: bool, out: &mut Outbox<Said, Told>) {
        // Those who are as they always were need not be carried through the simulation; they are counted as bytes.
        let unusual =
            |belief: &Belief| belief.state != MemberState::Alive || belief.incarnation > 1 || belief.epoch.0 > 1;
        let beliefs = self.detector.roster().iter().map(|entry| entry.belief);
        let list = beliefs.filter(unusual).map(Claim::plain).collect();
        let more = More { list: Some((list, answer_wanted)), ..More::default() };
        let bytes = size::SEAL
            + size::head(&Word::Nothing, false, false)
            + size::STATEMENT * u32::try_from(self.detector.roster().known_count()).unwrap_or(0);
        let (from, more) = (self.detector.me(), Some(Box::new(more)));
        let said = Said { from, word: Word::Nothing, more, digest: None, way: Way::Reliable };
        out.send(index_of(to), Way::Reliable, bytes, said);
    }
}

/// Member lists are compared at most this often …
const LISTS_PAUSE: Duration = Duration::from_millis(500);
/// … for each so many members.
const MEMBERS_PER_PAUSE: usize = 256;

impl Protocol for Node {
    type Message = Said;
    type Event = Told;

    fn start(&mut self, now: Instant, out: &mut Outbox<Said, Told>) {
        if self.is_newborn {
            self.look_for_cluster(now, out);
        }
        self.settle(now, out);
    }

    fn receive(&mut self, now: Instant, from: Index, said: Said, out: &mut Outbox<Said, Told>) {
        let address = address_of(from);
        if !self.detector.hear_sender(now, said.from, address) {
            return self.settle(now, out);
        }
        let peer = said.from.node;
        if core::mem::take(&mut self.is_newborn) {
            self.send_list(address, true, out);
        }
        if let Some(more) = said.more {
            more.claims.iter().for_each(|claim| self.detector.hear(now, claim));
            if let Some((leaflet, news)) = &more.news {
                let new = self.broadcast.receive(now, self.detector.roster_mut(), peer, leaflet, news);
                match &**news {
                    News::Claims(claims) if new => claims.iter().for_each(|claim| self.detector.hear_news(now, claim)),
                    News::Claims(_) => {}
                    News::Update { number, .. } if new => out.tell(Told::Heard { number: *number }),
                    News::Update { number, .. } => {
                        self.spent.doubles += 1;
                        out.tell(Told::Doubled { number: *number });
                    }
                }
            }
            more.acks.iter().for_each(|rumour| self.broadcast.acknowledged(now, peer, *rumour));
            if let Some((list, answer_wanted)) = &more.list {
                list.iter().for_each(|claim| self.detector.hear(now, claim));
                if *answer_wanted {
                    self.send_list(address, false, out);
                }
            }
        }
        if said.digest.is_some_and(|members| members != self.view()) {
            self.compare_members(now, address, out);
        }
        let route = match said.way {
            Way::Datagram => Route::Datagram,
            Way::Reliable => Route::Stream,
        };
        self.asked = said.digest == Some(self.view());
        self.detector.handle_word(now, peer, Peer { node: Some(peer), address }, route, &said.word);
        self.settle(now, out);
    }

    fn wake(&mut self, now: Instant, out: &mut Outbox<Said, Told>) {
        self.detector.wake(now);
        self.redial(now, out);
        self.broadcast.wake(now, self.detector.roster_mut());
        if self.canary.due(self.present()) <= now {
            return self.publish(now, News::Claims(Vec::new()), out);
        }
        self.settle(now, out);
    }

    fn next_wake(&self) -> Instant {
        let membership = self.detector.next_wake().min(self.redial.next);
        membership.min(self.broadcast.next_wake()).min(self.canary.due(self.present()))
    }
}
