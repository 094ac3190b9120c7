//! The thread that probes, and what others do for it: memberlist's `probe`, `probeNode`, `handleIndirectPing`.

use super::Belief;
use super::message::{Head, Message, Rumour, Saying};
use super::node::{Node, Out};
use super::spells::stuck_until;
use super::ticker::Ticker;
use core::time::Duration;
use whither_model::Instant;
use whither_model::random::Random;
use whither_population::{Index, Route};

/// The thread that probes.
#[derive(Debug)]
pub(super) struct Prober {
    ticker: Ticker,
    stage: Stage,
    round: Round,
    /// No round begins before this.
    not_before: Instant,
    /// Pings for others that have not been answered.
    relays: Vec<Relay>,
}

/// Where the thread is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Waiting for a tick.
    Idle,
    /// Stuck in the send of the ping until then.
    Sending(Instant),
    /// Waiting for the ack, then to ask others.
    Direct(Instant),
    /// Stuck in the send of a ping-req until then.
    Asking(Instant),
    /// Waiting for any ack until the round is over.
    Indirect,
}

/// One probe.
#[derive(Clone, Copy, Debug)]
struct Round {
    target: Index,
    incarnation: u32,
    sequence: u32,
    timeout: Duration,
    deadline: Instant,
    stream_acked: bool,
    nacks_expected: u32,
    nacks: u32,
}

/// A ping on behalf of somebody else.
#[derive(Clone, Copy, Debug)]
struct Relay {
    sequence: u32,
    origin: Index,
    origin_sequence: u32,
    /// An ack after this is not passed on.
    expires: Instant,
    /// When to say that there was none.
    nack: Instant,
}

impl Prober {
    /// Not started.
    pub(super) const fn new() -> Self {
        let round = Round {
            target: 0,
            incarnation: 0,
            sequence: 0,
            timeout: Duration::ZERO,
            deadline: Instant::DISTANT_PAST,
            stream_acked: false,
            nacks_expected: 0,
            nacks: 0,
        };
        let ticker = Ticker::new(Instant::DISTANT_FUTURE, Duration::MAX);
        Self { ticker, stage: Stage::Idle, round, not_before: Instant::DISTANT_PAST, relays: Vec::new() }
    }

    /// Whether `sequence` is that of the round under way, and its time is not over.
    fn awaits(&self, sequence: u32, now: Instant) -> bool {
        self.stage != Stage::Idle && self.round.sequence == sequence && now < self.round.deadline
    }
}

impl Node {
    /// The first tick comes at a random time.
    pub(super) fn start_probing(&mut self, now: Instant) {
        let interval = self.config.probe_interval;
        self.prober.ticker = Ticker::new(now + random_share(&mut self.random, interval), interval);
    }

    /// When the prober, or a ping for another, has to go on.
    pub(super) fn next_probing(&self) -> Instant {
        let prober = match self.prober.stage {
            Stage::Idle => self.prober.ticker.next().max(self.prober.not_before),
            Stage::Sending(until) | Stage::Direct(until) | Stage::Asking(until) => until,
            Stage::Indirect => self.prober.round.deadline,
        };
        self.prober.relays.iter().map(|relay| relay.nack.min(relay.expires)).fold(prober, Instant::min)
    }

    /// The prober goes as far as it can.
    pub(super) fn probe(&mut self, now: Instant, out: &mut Out) {
        loop {
            match self.prober.stage {
                Stage::Idle => {
                    if now < self.prober.not_before || !self.prober.ticker.take(now) {
                        break;
                    }
                    self.begin_round(now, out);
                }
                Stage::Sending(until) | Stage::Direct(until) | Stage::Asking(until) if now < until => break,
                Stage::Sending(until) => {
                    // Its time began before the send; that of the direct ping begins now. Whichever ends first, others are asked.
                    let round = &self.prober.round;
                    self.prober.stage = Stage::Direct((until + round.timeout).min(round.deadline.max(until)));
                }
                Stage::Direct(_) => self.ask_others(now, out),
                Stage::Asking(_) => {
                    self.ping_over_stream(now, out);
                    self.prober.stage = Stage::Indirect;
                }
                Stage::Indirect => {
                    if now < self.prober.round.deadline {
                        break;
                    }
                    self.round_over(now, out);
                }
            }
        }
    }

    fn begin_round(&mut self, now: Instant, out: &mut Out) {
        let keep_dead = self.config.gossip_to_the_dead;
        let Some(target) = self.members.next_to_probe(self.me, now, keep_dead, &mut self.random) else { return };
        let known = self.members.get(target);
        self.sequence += 1;
        let stretches = self.config.awareness.is_some_and(|awareness| awareness.stretches_timeout);
        let timeout = self.config.probe_timeout;
        self.prober.round = Round {
            target,
            incarnation: known.incarnation,
            sequence: self.sequence,
            timeout: if stretches { self.stretched(timeout) } else { timeout },
            deadline: now + self.stretched(self.config.probe_interval),
            stream_acked: false,
            nacks_expected: 0,
            nacks: 0,
        };
        if self.config.awareness.is_some_and(|awareness| awareness.slows_rounds) {
            self.prober.not_before = self.prober.round.deadline;
        }
        let head = Head::Ping { sequence: self.sequence };
        if self.config.buddy && known.belief == Belief::Suspect {
            // The buddy system: nothing else goes with it.
            let (saying, incarnation) = (Saying::Suspect, known.incarnation);
            let told = vec![Rumour { saying, about: target, incarnation, from: self.me }];
            self.send_packet(target, head, told, out);
        } else {
            self.send(target, head, out);
        }
        self.prober.stage = Stage::Sending(stuck_until(&self.spells, now).unwrap_or(now));
    }

    fn ask_others(&mut self, now: Instant, out: &mut Out) {
        let (me, target) = (self.me, self.prober.round.target);
        let nack = self.config.awareness.is_some();
        let mut helpers = core::mem::take(&mut self.picked);
        helpers.clear();
        let count = self.config.indirect_checks;
        self.members.pick(count, &mut self.random, &mut helpers, |node, member| {
            node != me && node != target && member.belief == Belief::Alive
        });
        let sequence = self.prober.round.sequence;
        for helper in &helpers {
            self.send(*helper, Head::PingReq { sequence, target, nack }, out);
            self.prober.round.nacks_expected += u32::from(nack);
        }
        self.picked = helpers;
        self.prober.stage = Stage::Asking(stuck_until(&self.spells, now).unwrap_or(now));
    }

    /// The last way to reach the target; it ends with the round, so it is not begun after that.
    fn ping_over_stream(&self, now: Instant, out: &mut Out) {
        let round = &self.prober.round;
        if now < round.deadline {
            let message = Message::StreamPing { sequence: round.sequence };
            out.send(round.target, Route::Reliable, self.config.sizes.ping, message);
        }
    }

    /// No ack came in time.
    fn round_over(&mut self, now: Instant, out: &mut Out) {
        self.prober.stage = Stage::Idle;
        let round = self.prober.round;
        if round.stream_acked {
            self.feel(-1);
            return;
        }
        let missing = round.nacks_expected.saturating_sub(round.nacks);
        let failure_costs = self.config.awareness.is_some_and(|awareness| awareness.failure_costs);
        let cost = missing + u32::from(failure_costs || round.nacks_expected == 0);
        self.feel(cost.cast_signed());
        self.suspect(now, round.target, round.incarnation, self.me, out);
    }

    /// An ack came: to a probe of its own, or to one for another.
    pub(super) fn acked(&mut self, now: Instant, sequence: u32, out: &mut Out) {
        if self.prober.awaits(sequence, now) {
            self.prober.stage = Stage::Idle;
            self.feel(-1);
            self.probe(now, out);
            return;
        }
        let relays = &mut self.prober.relays;
        if let Some(at) = relays.iter().position(|relay| relay.sequence == sequence && now < relay.expires) {
            let relay = relays.swap_remove(at);
            self.send(relay.origin, Head::Ack { sequence: relay.origin_sequence }, out);
        }
    }

    /// A helper says that it heard nothing.
    pub(super) fn nacked(&mut self, now: Instant, sequence: u32) {
        if self.prober.awaits(sequence, now) {
            self.prober.round.nacks += 1;
        }
    }

    /// The target answered over a stream: the round goes on, and ends well.
    pub(super) fn stream_acked(&mut self, now: Instant, sequence: u32) {
        if self.prober.awaits(sequence, now) {
            self.prober.round.stream_acked = true;
        }
    }

    /// `origin` wants `target` to be asked.
    pub(super) fn relay(
        &mut self,
        now: Instant,
        origin: Index,
        origin_sequence: u32,
        target: Index,
        nack: bool,
        out: &mut Out,
    ) {
        self.sequence += 1;
        let sequence = self.sequence;
        let timeout = self.config.probe_timeout;
        let nack = match self.config.awareness {
            Some(awareness) if nack => now + timeout * awareness.nack_per_mille / 1_000,
            _ => Instant::DISTANT_FUTURE,
        };
        self.prober.relays.push(Relay { sequence, origin, origin_sequence, expires: now + timeout, nack });
        self.send(target, Head::Ping { sequence }, out);
    }

    /// Tells those for whom it asked in vain.
    pub(super) fn send_nacks(&mut self, now: Instant, out: &mut Out) {
        let mut at = 0;
        while at < self.prober.relays.len() {
            let relay = self.prober.relays[at];
            if relay.nack <= now {
                self.prober.relays[at].nack = Instant::DISTANT_FUTURE;
                self.send(relay.origin, Head::Nack { sequence: relay.origin_sequence }, out);
            }
            if relay.expires <= now {
                self.prober.relays.swap_remove(at);
            } else {
                at += 1;
            }
        }
    }
}

/// A random part of `whole`.
pub(super) fn random_share(random: &mut Random, whole: Duration) -> Duration {
    let micros = usize::try_from(whole.as_micros()).unwrap_or(usize::MAX);
    Duration::from_micros(random.below(micros) as u64)
}
