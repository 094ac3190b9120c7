//! Exists so that every claim about the protocol can be run again from a seed.
//!
//! A [`World`] is a whole cluster in one thread: the same core, directory and views as in production, over a network, disks
//! and clocks that it controls. Workloads make trouble; [`checkers`] judge without knowing what they did; [`script`]s tell
//! stories with recorded output. The same seed twice gives the same trace.

pub mod checkers;
pub mod crowd;
mod disk;
mod network;
pub mod script;
pub mod study;
pub mod workload;
mod world;

pub use disk::Disk;
pub use network::{Line, Load, Network, PACKET_OVERHEAD_BYTES, Weather};
pub use world::{Answered, Asks, Event, Setup, Transacted, World};
