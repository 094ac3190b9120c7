//! A node asks whether one that is down came back.

use super::{Manner, More, Node, Said, Told, Way};
use std::time::Duration;
use whither_gossip::Claim;
use whither_model::Instant;
use whither_model::random::{Random, mix};
use whither_population::Outbox;

/// When that is done next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Redial {
    interval: Option<Duration>,
    pub(super) next: Instant,
}

impl Redial {
    pub(super) fn new(manner: &Manner, now: Instant) -> Self {
        Self { interval: manner.redial, next: manner.redial.map_or(Instant::DISTANT_FUTURE, |interval| now + interval) }
    }
}

impl Node {
    /// It hears that it is believed dead, and can object: without that, two halves that have given each other up completely
    /// would never speak to each other again.
    pub(super) fn redial(&mut self, now: Instant, out: &mut Outbox<Said, Told>) {
        let Some(interval) = self.redial.interval.filter(|_| self.redial.next <= now) else { return };
        let mut random = Random::new(mix(self.detector.me().run ^ now.as_micros()));
        // Half to one and a half times as long, as an agent's.
        let micros = usize::try_from(interval.as_micros()).unwrap_or(usize::MAX);
        self.redial.next = now + interval / 2 + Duration::from_micros(random.below(micros) as u64);
        let Some(lost) = self.detector.roster().random_absent(&mut random) else { return };
        let word = self.detector.dial(now, Some(lost.node));
        let more = More { claims: vec![Claim::plain(lost)], ..More::default() };
        self.send(lost.address, Way::Datagram, word, None, more, out);
    }
}
