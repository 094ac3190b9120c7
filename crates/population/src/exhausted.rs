//! A run that did not end in time.

use crate::protocol::Index;
use core::fmt;
use core::time::Duration;
use whither_model::Instant;

/// The budget of events is used up: the protocol, or the experiment, makes more of them than was thought. The population is as
/// the last event left it and can be looked at; it runs no further.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exhausted {
    /// Which run.
    pub seed: u64,
    /// How far it came, in world time.
    pub at: Instant,
    /// How many nodes there are.
    pub nodes: usize,
    /// How many of them were alive.
    pub alive: usize,
    /// Messages received and wake-ups so far.
    pub events: u64,
    /// Messages on their way or waiting.
    pub in_flight: u64,
    /// The nodes with the most events, and how many those are.
    pub busiest: Vec<(Index, u64)>,
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, nodes, alive, events, in_flight, .. } = self;
        let after: Duration = self.at.since(Instant::START);
        write!(f, "seed {seed}: {events} events used up the budget after {after:?} of world time; ")?;
        write!(f, "{alive} of {nodes} nodes were alive, {in_flight} messages in flight; busiest:")?;
        self.busiest.iter().try_for_each(|(node, events)| write!(f, " n{node} ({events})"))
    }
}

impl core::error::Error for Exhausted {}
