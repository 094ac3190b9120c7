//! What a node of Plumtree does.

use super::super::spreader::{Heard, Places, Spreader, Traffic, UPDATE_BYTES, UPDATE_ID_BYTES, Update};
use super::Plumtree;
use super::neighbours::Neighbours;
use std::collections::BTreeMap;
use whither_model::Instant;
use whither_model::random::{Random, mix};
use whither_population::{Index, Outbox, Protocol};

/// What each message begins with: who sent it.
const SENDER_BYTES: u32 = 16;
/// What an update takes in a list: its name and its round.
const LISTED_BYTES: u32 = UPDATE_ID_BYTES + 4;
/// How many updates one message asks for.
const ASKED_MAX: usize = 10;

/// What nodes say to each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// An update.
    Gossip {
        /// Which.
        update: Update,
        /// Where it began; part of its name, so that it costs nothing more.
        origin: Index,
        /// Over how many nodes it came before the sender.
        round: u16,
    },
    /// I have these, each with its round.
    IHave(Vec<(Update, u16)>),
    /// Be my eager neighbour, and send me these if I say so.
    Graft {
        /// Whether to send.
        send: bool,
        /// Which.
        updates: Vec<Update>,
    },
    /// Be my lazy neighbour.
    Prune,
}

/// What is known of an update that came.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    copies: u16,
    round: u16,
    origin: Index,
}

/// Updates that a lazy neighbour has and this node has not.
#[derive(Clone, Debug)]
struct Awaited {
    updates: Vec<Update>,
    /// Who is asked, in this order.
    askable: Vec<Index>,
    asked: usize,
}

type Out = Outbox<Message, Heard>;

/// A node of it.
#[derive(Clone, Debug)]
pub struct PlumtreeNode {
    me: Index,
    design: Plumtree,
    random: Random,
    neighbours: Neighbours,
    seen: Vec<Seen>,
    /// Updates that were announced and did not come, with who announced them first, and their round there.
    missing: BTreeMap<Update, (Index, u16)>,
    /// When to ask for what is missing; the number tells apart what is due at the same time.
    awaited: BTreeMap<(Instant, u32), Awaited>,
    awaitings: u32,
    /// What lazy neighbours are told of at the next tick.
    to_announce: Vec<(Update, u16)>,
    announce_at: Instant,
    traffic: Traffic,
}

impl PlumtreeNode {
    pub(super) fn new(me: Index, design: Plumtree, places: &Places, seed: u64) -> Self {
        let mut random = Random::new(mix(seed ^ mix(u64::from(me) + 1)));
        Self {
            me,
            design,
            neighbours: Neighbours::new(me, &design, places, &mut random),
            random,
            seen: Vec::new(),
            missing: BTreeMap::new(),
            awaited: BTreeMap::new(),
            awaitings: 0,
            to_announce: Vec::new(),
            announce_at: Instant::DISTANT_FUTURE,
            traffic: Traffic::default(),
        }
    }

    /// How many eager neighbours it has now.
    #[must_use]
    pub fn eager(&self) -> usize {
        self.neighbours.eager().len()
    }

    fn seen(&mut self, update: Update) -> &mut Seen {
        let place = update as usize;
        if self.seen.len() <= place {
            self.seen.resize(place + 1, Seen::default());
        }
        &mut self.seen[place]
    }

    fn send(&mut self, to: Index, message: Message, out: &mut Out) {
        let bytes = SENDER_BYTES
            + match &message {
                Message::Gossip { .. } => LISTED_BYTES + UPDATE_BYTES,
                Message::IHave(updates) => LISTED_BYTES * listed(updates.len()),
                Message::Graft { updates, .. } => 1 + LISTED_BYTES * listed(updates.len()),
                Message::Prune => UPDATE_ID_BYTES,
            };
        self.traffic.sent(bytes, u32::from(matches!(message, Message::Gossip { .. })));
        out.send(to, self.design.route, bytes, message);
    }

    /// Sends an update on to eager neighbours, and announces it to lazy ones at the next tick. `round` is the sender's.
    fn pass_on(&mut self, now: Instant, update: Update, round: u16, from: Index, out: &mut Out) {
        let Seen { origin, round: mine, .. } = *self.seen(update);
        for place in 0..self.neighbours.eager().len() {
            let to = self.neighbours.eager()[place];
            if to != from && to != origin {
                self.send(to, Message::Gossip { update, origin, round }, out);
            }
        }
        if self.to_announce.is_empty() {
            self.announce_at = now + self.design.tick;
        }
        self.to_announce.push((update, mine));
    }

    fn hear(&mut self, now: Instant, from: Index, (update, origin): (Update, Index), round: u16, out: &mut Out) {
        let seen = self.seen(update);
        seen.copies += 1;
        if seen.copies > 1 {
            // The paper makes the sender lazy at the second copy, Corrosion later.
            let too_many = seen.copies > self.design.copies;
            self.traffic.duplicates += 1;
            if too_many && !self.neighbours.is_fixed(from) {
                self.send(from, Message::Prune, out);
                self.neighbours.make_lazy(from, &mut self.random);
            }
            return;
        }
        (seen.round, seen.origin) = (round, origin);
        out.tell(Heard { update, hops: round + 1 });
        self.pass_on(now, update, round + 1, from, out);
        self.neighbours.at_least_lazy(from, &mut self.random);
        if let Some((announcer, nearer)) = self.missing.remove(&update)
            && nearer + self.design.nearer < round
            && announcer != from
        {
            self.send(announcer, Message::Graft { send: false, updates: vec![update] }, out);
            self.neighbours.make_eager(announcer);
        }
    }

    fn hear_announced(&mut self, now: Instant, from: Index, updates: Vec<(Update, u16)>) {
        let mut new = Vec::new();
        for (update, round) in updates {
            if self.seen(update).copies == 0 && !self.missing.contains_key(&update) {
                self.missing.insert(update, (from, round));
                new.push(update);
            }
        }
        if !new.is_empty() {
            let mut askable = vec![from];
            let others: Vec<Index> = self.neighbours.eager().iter().copied().filter(|other| *other != from).collect();
            askable.extend(others.get(self.random.below(others.len())).copied());
            self.wait(now + self.design.patience, Awaited { updates: new, askable, asked: 0 });
        }
    }

    fn wait(&mut self, until: Instant, awaited: Awaited) {
        self.awaitings += 1;
        self.awaited.insert((until, self.awaitings), awaited);
    }

    /// Asks for what still has not come.
    fn ask(&mut self, now: Instant, mut awaited: Awaited, out: &mut Out) {
        let updates: Vec<Update> =
            awaited.updates.iter().copied().filter(|one| self.missing.contains_key(one)).collect();
        let Some(to) = awaited.askable.get(awaited.asked).copied().filter(|_| !updates.is_empty()) else { return };
        self.neighbours.make_eager(to);
        for some in updates.chunks(ASKED_MAX) {
            self.send(to, Message::Graft { send: true, updates: some.to_vec() }, out);
        }
        awaited.asked += 1;
        if awaited.asked < awaited.askable.len() {
            awaited.updates = updates;
            self.wait(now + self.design.patience / 2, awaited);
        } else {
            // Given up, until it is announced again; in production anti-entropy brings it.
            self.missing.retain(|update, _| !updates.contains(update));
        }
    }

    fn announce(&mut self, out: &mut Out) {
        self.announce_at = Instant::DISTANT_FUTURE;
        let updates = std::mem::take(&mut self.to_announce);
        for place in 0..self.neighbours.lazy().len() {
            let to = self.neighbours.lazy()[place];
            self.send(to, Message::IHave(updates.clone()), out);
        }
    }
}

fn listed(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX / LISTED_BYTES)
}

impl Spreader for PlumtreeNode {
    fn publish(&mut self, now: Instant, update: Update, out: &mut Out) {
        let me = self.me;
        *self.seen(update) = Seen { copies: 1, round: 0, origin: me };
        self.pass_on(now, update, 0, me, out);
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }

    fn heard(event: Heard) -> Option<Heard> {
        Some(event)
    }
}

impl Protocol for PlumtreeNode {
    type Message = Message;
    type Event = Heard;

    fn start(&mut self, _: Instant, _: &mut Out) {}

    fn receive(&mut self, now: Instant, from: Index, message: Message, out: &mut Out) {
        match message {
            Message::Gossip { update, origin, round } => self.hear(now, from, (update, origin), round, out),
            Message::IHave(updates) => self.hear_announced(now, from, updates),
            Message::Graft { send, updates } => {
                self.neighbours.make_eager(from);
                for update in updates.into_iter().filter(|_| send) {
                    let Seen { copies, round, origin } = *self.seen(update);
                    if copies > 0 {
                        self.send(from, Message::Gossip { update, origin, round }, out);
                    }
                }
            }
            Message::Prune => self.neighbours.make_lazy(from, &mut self.random),
        }
    }

    fn wake(&mut self, now: Instant, out: &mut Out) {
        if now >= self.announce_at {
            self.announce(out);
        }
        while let Some(entry) = self.awaited.first_entry().filter(|entry| entry.key().0 <= now) {
            let awaited = entry.remove();
            self.ask(now, awaited, out);
        }
    }

    fn next_wake(&self) -> Instant {
        self.awaited.first_key_value().map_or(self.announce_at, |((at, _), _)| self.announce_at.min(*at))
    }
}
