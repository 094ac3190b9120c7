//! The thread that gossips: memberlist's `gossip`.

use super::Belief;
use super::message::Head;
use super::node::{Node, Out};
use super::probing::random_share;
use super::spells::stuck_until;
use super::ticker::Ticker;
use core::time::Duration;
use whither_model::Instant;
use whither_population::Index;

/// The thread that gossips.
#[derive(Debug)]
pub(super) struct Gossiper {
    ticker: Ticker,
    /// Stuck in a send until then, if that is in the future.
    stuck: Instant,
    /// To whom this round still goes.
    rest: Vec<Index>,
}

impl Gossiper {
    /// Not started.
    pub(super) const fn new() -> Self {
        let ticker = Ticker::new(Instant::DISTANT_FUTURE, Duration::MAX);
        Self { ticker, stuck: Instant::DISTANT_PAST, rest: Vec::new() }
    }
}

impl Node {
    /// The first tick comes at a random time.
    pub(super) fn start_gossiping(&mut self, now: Instant) {
        let interval = self.config.gossip_interval;
        self.gossiper.ticker = Ticker::new(now + random_share(&mut self.random, interval), interval);
    }

    /// When the gossiper has something to do: not while there is nothing to tell.
    pub(super) fn next_gossiping(&self) -> Instant {
        if !self.gossiper.rest.is_empty() {
            self.gossiper.stuck
        } else if self.queue.is_empty() {
            Instant::DISTANT_FUTURE
        } else {
            self.gossiper.ticker.next().max(self.gossiper.stuck)
        }
    }

    /// The gossiper goes as far as it can.
    pub(super) fn gossip(&mut self, now: Instant, out: &mut Out) {
        while now >= self.gossiper.stuck {
            if self.gossiper.rest.is_empty() {
                if !self.gossiper.ticker.take(now) {
                    break;
                }
                self.pick_listeners(now);
            }
            while let Some(to) = self.gossiper.rest.pop() {
                if self.queue.is_empty() {
                    self.gossiper.rest.clear();
                    break;
                }
                self.send(to, Head::Gossip, out);
                if let Some(until) = stuck_until(&self.spells, now) {
                    self.gossiper.stuck = until;
                    break;
                }
            }
        }
    }

    /// Ticks passed while there was nothing to tell.
    pub(super) fn begin_to_gossip(&mut self, now: Instant) {
        if self.queue.is_empty() && now >= self.gossiper.stuck && self.gossiper.rest.is_empty() {
            self.gossiper.ticker.skip(now);
        }
    }

    fn pick_listeners(&mut self, now: Instant) {
        if self.queue.is_empty() {
            return;
        }
        let (me, keep) = (self.me, self.config.gossip_to_the_dead);
        let mut listeners = core::mem::take(&mut self.gossiper.rest);
        self.members.pick(self.config.gossip_nodes, &mut self.random, &mut listeners, |node, member| {
            node != me && (member.belief != Belief::Dead || now.since(member.changed) <= keep)
        });
        self.gossiper.rest = listeners;
    }
}
