//! The threads that exchange whole states: memberlist's `pushPull`, and Serf's `reconnect` above it.

use super::Belief;
use super::message::Message;
use super::node::{Node, Out};
use super::probing::random_share;
use whither_model::Instant;
use whither_population::{Index, Route};

/// The two threads.
#[derive(Debug)]
pub(super) struct Exchanger {
    periodic: Thread,
    reconnecting: Thread,
    /// Who failed and did not come back: Serf remembers them when memberlist has forgotten them.
    pub(super) failed: Vec<Index>,
    exchanges: u32,
}

/// A thread that waits, exchanges, waits.
#[derive(Clone, Copy, Debug)]
struct Thread {
    /// When it begins, or gives up waiting for the answer.
    due: Instant,
    /// Which exchange it waits for.
    awaited: Option<u32>,
}

impl Exchanger {
    /// Not started.
    pub(super) const fn new() -> Self {
        let thread = Thread { due: Instant::DISTANT_FUTURE, awaited: None };
        Self { periodic: thread, reconnecting: thread, failed: Vec::new(), exchanges: 0 }
    }
}

impl Node {
    /// The first exchanges come at random times.
    pub(super) fn start_exchanging(&mut self, now: Instant) {
        let stagger = random_share(&mut self.random, self.config.push_pull_interval);
        self.exchanger.periodic.due = now + stagger + self.config.push_pull_interval(self.members.len());
        if let Some(interval) = self.config.reconnect_interval {
            self.exchanger.reconnecting.due = now + random_share(&mut self.random, interval);
        }
    }

    /// When one of the threads has to go on.
    pub(super) fn next_exchange(&self) -> Instant {
        self.exchanger.periodic.due.min(self.exchanger.reconnecting.due)
    }

    /// The threads go as far as they can.
    pub(super) fn exchange(&mut self, now: Instant, out: &mut Out) {
        if self.exchanger.periodic.due <= now {
            let gave_up = self.exchanger.periodic.awaited.take().is_some();
            let with = if gave_up { None } else { self.random_alive() };
            self.exchanger.periodic = match with {
                Some(with) => self.begin_exchange(now, with, out),
                None => self.rest_until_next(now),
            };
        }
        if self.exchanger.reconnecting.due <= now
            && let Some(interval) = self.config.reconnect_interval
        {
            let gave_up = self.exchanger.reconnecting.awaited.take().is_some();
            let with = if gave_up { None } else { self.failed_to_try() };
            self.exchanger.reconnecting = match with {
                Some(with) => self.begin_exchange(now, with, out),
                None => Thread { due: now + interval, awaited: None },
            };
        }
    }

    fn rest_until_next(&self, now: Instant) -> Thread {
        Thread { due: now + self.config.push_pull_interval(self.members.len()), awaited: None }
    }

    fn random_alive(&mut self) -> Option<Index> {
        let me = self.me;
        self.picked.clear();
        let picked = &mut self.picked;
        self.members.pick(1, &mut self.random, picked, |node, member| node != me && member.belief == Belief::Alive);
        self.picked.pop()
    }

    /// One of the failed, with the odds of failed against alive, so that each is tried about once per interval by somebody.
    fn failed_to_try(&mut self) -> Option<Index> {
        let failed = &self.exchanger.failed;
        let alive = self.members.len().saturating_sub(failed.len()).max(1);
        (self.random.below(alive) < failed.len()).then(|| failed[self.random.below(failed.len())])
    }

    fn begin_exchange(&mut self, now: Instant, with: Index, out: &mut Out) -> Thread {
        self.exchanger.exchanges += 1;
        let exchange = self.exchanger.exchanges;
        self.send_state(with, (exchange, now, false), out);
        Thread { due: now + self.config.stream_timeout, awaited: Some(exchange) }
    }

    fn send_state(&self, to: Index, (exchange, begun, answer): (u32, Instant, bool), out: &mut Out) {
        let nodes = self.members.iter().map(|(node, member)| (node, member.belief, member.incarnation)).collect();
        let bytes = self.config.sizes.state(self.members.len());
        out.send(to, Route::Reliable, bytes, Message::State { exchange, begun, answer, nodes });
    }

    /// The state of `from` came, as the beginning of an exchange or as its end.
    pub(super) fn exchanged(
        &mut self,
        now: Instant,
        from: Index,
        (exchange, begun, answer): (u32, Instant, bool),
        nodes: &[(Index, Belief, u32)],
        out: &mut Out,
    ) {
        if answer {
            if self.exchanger.periodic.awaited == Some(exchange) {
                self.exchanger.periodic = self.rest_until_next(now);
            } else if self.exchanger.reconnecting.awaited == Some(exchange) {
                let interval = self.config.reconnect_interval.unwrap_or_default();
                self.exchanger.reconnecting = Thread { due: now + interval, awaited: None };
            } else {
                return;
            }
        } else if now.since(begun) > self.config.stream_timeout {
            // It was stuck while the stream waited to be read.
            return;
        } else {
            self.send_state(from, (exchange, begun, true), out);
        }
        for (about, belief, incarnation) in nodes {
            match belief {
                Belief::Alive => self.alive(now, *about, *incarnation, out),
                // Of the dead it says no more than that they are suspected, and by itself.
                Belief::Suspect | Belief::Dead => self.suspect(now, *about, *incarnation, self.me, out),
                Belief::Unknown => {}
            }
        }
    }
}
