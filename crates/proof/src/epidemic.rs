//! Rumours in synchronous rounds, as epidemic theory has them.
//!
//! The tables of Demers et al. come from sites that act once in each cycle, all at the same moment. There is no time in them
//! and no network, so they run here directly and not in the population simulator.

mod rumour;

pub use rumour::{Direction, Interest, Outcome, Rules, spread};
