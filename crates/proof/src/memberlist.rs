//! HashiCorp's memberlist with Lifeguard, as a [`Protocol`](whither_population::Protocol): the opponent.
//!
//! Written anew after the public sources (memberlist of 2017 and of today, github.com/hashicorp/memberlist) and after the paper
//! (Dadgar, Phillips, Currey: Lifeguard, arXiv 1707.00788v2). It keeps memberlist's threads apart where that matters: a prober
//! that is stuck in a send starts no further probe, as a goroutine would not, while timers of suspicions run on.

mod beliefs;
mod config;
mod exchanging;
mod gossiping;
mod listening;
mod members;
mod message;
mod node;
mod probing;
mod queue;
mod sizes;
mod spells;
mod suspicion;
mod ticker;

pub use config::{Awareness, Config};
pub use members::Belief;
pub use message::{Head, Message, Rumour, Saying};
pub use node::{Event, Node};
pub use sizes::Sizes;

#[cfg(test)]
mod tests;
