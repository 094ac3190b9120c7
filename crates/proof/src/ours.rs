//! This product's own membership and broadcast, in the experiments of others and of our own.

pub mod anomaly;
pub mod crash;
pub mod idle;
pub mod links;
pub mod overload;
pub mod partition;

use std::time::Duration;
use whither_gossip::Timing;
use whither_model::{Instant, MemberState};
use whither_population::{Index, Watch};
use whither_sim::crowd::{Manner, Told};

/// Lifeguard's base settings: a probe each second, half a second for the direct one.
#[must_use]
pub fn at_the_papers_pace() -> Manner {
    let timing = Timing::scaled(Duration::from_secs(1), Duration::from_millis(500), Duration::from_secs(1));
    Manner { timing, ..Manner::default() }
}

/// A belief that changed: when, whose, of whom, to what.
pub type Belief = (Instant, Index, Index, MemberState);

/// Writes down who believed what, and forgets the rest.
#[derive(Debug, Default)]
pub struct Beliefs(pub Vec<Belief>);

impl Watch<Told> for Beliefs {
    fn event(&mut self, at: Instant, node: Index, event: Told) {
        if let Told::Believes { about, state } = event {
            self.0.push((at, node, about, state));
        }
    }
}
