//! How a world begins.

use crate::clock::Clocks;
use crate::network::{Bursts, Jitter, Map};
use crate::processor::Processor;
use core::time::Duration;

/// How a world begins. Public fields, so that an experiment names only what it changes.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Everything random follows from this.
    pub seed: u64,
    /// How many nodes.
    pub nodes: usize,
    /// Where they are, and how far from each other.
    pub map: Map,
    /// How much later than the map says a message may come.
    pub jitter: Jitter,
    /// What the network loses.
    pub weather: Weather,
    /// What each node's network interface bears.
    pub nic: Nic,
    /// How long each node takes.
    pub processor: Processor,
    /// How clocks differ.
    pub clocks: Clocks,
    /// Nodes start at random within this time; zero: all at once, in the order of their numbers.
    pub start_within: Duration,
    /// After how many messages received and wake-ups the run is given up.
    pub budget: u64,
}

/// What a network loses, of datagrams and of each attempt of a connection.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Weather {
    /// The share of all messages that is lost, each independently of the others.
    pub loss: f64,
    /// Bursts of loss of what comes to a node, at each node independently.
    pub bursts_in: Option<Bursts>,
    /// Bursts of loss of what leaves a node.
    pub bursts_out: Option<Bursts>,
}

/// A network interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Nic {
    /// What it sends in a second, headers included; what exceeds it waits, without bound. `None`: without limit.
    pub bytes_per_second: Option<u64>,
    /// How many bytes of datagrams wait at a node that is busy, stopped or blocked before more are dropped. `None`: any.
    pub receive_queue: Option<u32>,
}

impl Setup {
    /// A calm data centre: no loss, a jitter of up to 15 %, exact clocks.
    #[must_use]
    pub fn new(seed: u64, nodes: usize) -> Self {
        Self {
            seed,
            nodes,
            map: Map::datacentre(),
            jitter: Jitter::Uniform(1.0..=1.15),
            weather: Weather::default(),
            nic: Nic::default(),
            processor: Processor::default(),
            clocks: Clocks::default(),
            start_within: Duration::ZERO,
            budget: 20_000_000_000,
        }
    }

    /// The same in nineteen regions of the world.
    #[must_use]
    pub fn world(seed: u64, nodes: usize) -> Self {
        Self { map: Map::world(), ..Self::new(seed, nodes) }
    }
}
