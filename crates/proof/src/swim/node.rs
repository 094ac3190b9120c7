//! A member: pings, and asks others to.

use super::config::{Config, Pacing, Spread, Targets};
use super::message::{Kind, Message};
use super::news::{Carried, News, Queue, State};
use super::order::Order;
use std::collections::BTreeMap;
use whither_model::Instant;
use whither_model::random::{Random, mix};
use whither_population::{Index, Protocol, Route};

/// What a member tells of itself to whoever watches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// It found this one not answering at the end of a period, and says so.
    Detected(Index),
    /// It now believes this, found or heard.
    Learnt(News),
}

pub(super) type Outbox = whither_population::Outbox<Message, Told>;

/// The probe under way.
#[derive(Clone, Copy, Debug)]
struct Probe {
    target: Index,
    /// When others are asked; `None` once they were.
    ask_at: Option<Instant>,
    answered: bool,
}

/// A member.
#[derive(Clone, Debug)]
pub struct Node {
    pub(super) me: Index,
    pub(super) config: Config,
    random: Random,
    order: Order,
    place: u32,
    probe: Option<Probe>,
    probes: u32,
    period_ends: Instant,
    /// What is known of others, where it is anything but alive in its first incarnation.
    pub(super) known: BTreeMap<Index, News>,
    pub(super) incarnation: u16,
    pub(super) queue: Queue,
    /// Suspects, and when they are declared failed.
    pub(super) suspects: BTreeMap<Index, Instant>,
}

impl Node {
    /// A member that knows all others.
    #[must_use]
    pub fn new(me: Index, config: Config, seed: u64) -> Self {
        let mut random = Random::new(mix(seed ^ mix(u64::from(me) + 1)));
        Self {
            me,
            config,
            order: Order::new(config.members, random.next()),
            place: 0,
            random,
            probe: None,
            probes: 0,
            period_ends: Instant::DISTANT_FUTURE,
            known: BTreeMap::new(),
            incarnation: 0,
            queue: Queue::default(),
            suspects: BTreeMap::new(),
        }
    }

    /// What it believes of a member.
    #[must_use]
    pub fn belief(&self, member: Index) -> News {
        self.known.get(&member).copied().unwrap_or(News { member, ..News::default() })
    }

    /// How long until the next period, or until the first.
    fn pause(&mut self, now: Instant, first: bool) -> Instant {
        let period = self.config.period;
        let share = self.random.below(1 << 52) as f64 / (1_u64 << 52) as f64;
        match self.config.pacing {
            Pacing::InStep => {
                let micros = u64::try_from(period.as_micros()).unwrap_or(u64::MAX);
                Instant::from_micros((now.as_micros() / micros + 1) * micros)
            }
            Pacing::OwnPhase if first => now + period.mul_f64(share),
            Pacing::OwnPhase => now + period,
            Pacing::Memoryless => now + period.mul_f64(-(1.0 - share).ln()),
        }
    }

    /// Ends a period, and begins the next.
    fn turn(&mut self, now: Instant, out: &mut Outbox) {
        // A period without memory may be shorter than a round trip, so its end says nothing.
        let judged = self.config.pacing != Pacing::Memoryless;
        if let Some(probe) = self.probe.take().filter(|probe| judged && !probe.answered) {
            self.found_silent(now, probe.target, out);
        }
        self.period_ends = self.pause(now, false);
        if let Some(target) = self.target() {
            self.probes += 1;
            let ask_at = (self.config.helpers > 0).then(|| now + self.config.direct_wait);
            self.probe = Some(Probe { target, ask_at, answered: false });
            self.send(target, Kind::Ping { prober: self.me, probe: self.probes }, out);
        }
    }

    /// Whom to ping in this period.
    fn target(&mut self) -> Option<Index> {
        let members = self.config.members;
        if self.config.targets == Targets::Any {
            let target = self.any();
            return (target != self.me && !self.is_failed(target)).then_some(target);
        }
        for _ in 0..2 * members {
            if self.place == members {
                self.order = Order::new(members, self.random.next());
                self.place = 0;
            }
            let target = self.order.at(self.place);
            self.place += 1;
            if target != self.me && !self.is_failed(target) {
                return Some(target);
            }
        }
        None
    }

    fn any(&mut self) -> Index {
        Index::try_from(self.random.below(self.config.members as usize)).unwrap_or(self.me)
    }

    fn is_failed(&self, member: Index) -> bool {
        self.known.get(&member).is_some_and(|news| news.state == State::Failed)
    }

    /// Asks others to ping the target, which has not answered in time.
    fn ask_others(&mut self, target: Index, out: &mut Outbox) {
        let possible = self.config.members.saturating_sub(2).min(self.config.helpers);
        let mut asked: Vec<Index> = Vec::new();
        let mut tries = 0;
        while asked.len() < possible as usize && tries < 100 * possible {
            tries += 1;
            let helper = self.any();
            if helper != self.me && helper != target && !asked.contains(&helper) && !self.is_failed(helper) {
                asked.push(helper);
                self.send(helper, Kind::PingRequest { target, probe: self.probes }, out);
            }
        }
    }

    fn send(&mut self, to: Index, kind: Kind, out: &mut Outbox) {
        let news = match self.config.spread {
            Spread::Infection { .. } => self.queue.carry(&self.config),
            Spread::Silent | Spread::Multicast => Carried::default(),
        };
        let message = Message { kind, news };
        out.send(to, Route::Datagram, message.bytes(), message);
    }
}

impl Protocol for Node {
    type Message = Message;
    type Event = Told;

    fn start(&mut self, now: Instant, _: &mut Outbox) {
        self.period_ends = self.pause(now, true);
    }

    fn receive(&mut self, now: Instant, from: Index, message: Message, out: &mut Outbox) {
        for news in message.news.items() {
            self.hear(now, *news, out);
        }
        match message.kind {
            Kind::Ping { prober, probe } => self.send(from, Kind::Ack { prober, probe }, out),
            Kind::PingRequest { target, probe } => self.send(target, Kind::Ping { prober: from, probe }, out),
            Kind::Ack { prober, probe } if prober != self.me => self.send(prober, Kind::Ack { prober, probe }, out),
            Kind::Ack { probe, .. } if probe == self.probes => {
                if let Some(probe) = &mut self.probe {
                    probe.answered = true;
                }
            }
            Kind::Ack { .. } | Kind::Tell => {}
        }
    }

    fn wake(&mut self, now: Instant, out: &mut Outbox) {
        self.end_suspicions(now, out);
        if now >= self.period_ends {
            self.turn(now, out);
        }
        if let Some(probe) = &mut self.probe
            && !probe.answered
            && probe.ask_at.is_some_and(|at| now >= at)
        {
            probe.ask_at = None;
            let target = probe.target;
            self.ask_others(target, out);
        }
    }

    fn next_wake(&self) -> Instant {
        let ask = self.probe.filter(|probe| !probe.answered).and_then(|probe| probe.ask_at);
        let suspicion = self.suspects.values().copied().min();
        [ask, suspicion].into_iter().flatten().fold(self.period_ends, Instant::min)
    }
}
