//! Members that take part in periods, in a network that adds nothing of its own.

use crate::swim::{Config, Node};
use core::time::Duration;
use whither_model::Instant;
use whither_model::random::mix;
use whither_population::{Index, Jitter, Map, Population, Processor, Setup, Watch};

/// Periods of members.
pub(super) struct Periods<W: Watch<crate::swim::Told>> {
    /// The members.
    pub(super) members: Population<Node, W>,
    config: Config,
    seed: u64,
    made: u64,
    /// Periods that began since the first.
    passed: u64,
    /// The middle of the first.
    first: Instant,
}

impl<W: Watch<crate::swim::Told>> Periods<W> {
    /// Members at the middle of the first period. A message takes a millisecond; work takes no time.
    pub(super) fn new(config: Config, loss: f64, watch: W, seed: u64) -> Self {
        let mut setup = Setup::new(mix(seed), config.members as usize);
        setup.map = Map::uniform(Duration::from_millis(1));
        setup.jitter = Jitter::None;
        setup.processor = Processor::INSTANT;
        setup.weather.loss = loss;
        let members = Population::new(&setup, watch, |me| Node::new(me, config, seed));
        let micros = u64::try_from(config.period.as_micros()).unwrap_or(u64::MAX);
        let boundary = (Instant::START.as_micros() / micros + 1) * micros;
        let first = Instant::from_micros(boundary) + config.period / 2;
        let mut periods = Self { members, config, seed, made: 0, passed: 0, first };
        periods.run(0);
        periods
    }

    /// Lets so many more periods pass.
    pub(super) fn run(&mut self, more: u64) {
        self.passed += more;
        let at = self.first + self.config.period * u32::try_from(self.passed).unwrap_or(u32::MAX);
        self.members.run_until(at).expect("plain SWIM stays within any budget of events");
    }

    /// Lets a member begin anew, in the next period.
    pub(super) fn restart(&mut self, member: Index) {
        self.made += 1;
        let node = Node::new(member, self.config, mix(self.seed ^ mix(self.made)));
        self.members.restart(member, node);
    }

    /// How many periods passed, in whole and parts, between two moments.
    pub(super) fn between(&self, earlier: Instant, later: Instant) -> f64 {
        later.since(earlier).as_secs_f64() / self.config.period.as_secs_f64()
    }
}
