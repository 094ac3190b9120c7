//! Exists so that every protocol, of a paper or our own, meets exactly the same world.
//!
//! The world is here: time, links, queues, processors, and what goes wrong with them. What nodes say to each other is not: a
//! [`Protocol`] is any state machine that takes messages and wake-ups. The same seed twice gives the same run.
//!
//! A run begins at [`Instant::START`](whither_model::Instant::START) of world time. A [`Population`] is made from a [`Setup`],
//! runs with [`Population::run_until`], and is put into trouble with a [`Change`], at once or at a time. Whoever wants to know
//! what nodes tell is a [`Watch`].

mod body;
mod clock;
mod counters;
mod exhausted;
mod flights;
mod network;
mod nodes;
mod population;
mod processor;
mod protocol;
mod reliable;
mod script;
mod setup;
mod trace;
mod watch;
mod wheel;
mod world;

pub use clock::Clocks;
pub use counters::{Counters, Dropped, Tally};
pub use exhausted::Exhausted;
pub use network::{Bursts, Jitter, Map, Region};
pub use nodes::Nodes;
pub use population::Population;
pub use processor::{Processor, Trouble};
pub use protocol::{Index, Outbox, Protocol, Route, Sent};
pub use script::{Change, Cycle};
pub use setup::{Nic, Setup, Weather};
pub use watch::Watch;
pub use wheel::Wheel;
