//! Exists so that every number the documents show can be made again with one command.
//!
//! An [`Experiment`](report::Experiment) runs a protocol, of a paper or our own, in the population simulator, and says what
//! was published beside what came out. The gates (`C…`) check the simulator itself against what others have measured or
//! proved; nothing is claimed with it before they agree. The experiments (`E…`) then compare designs in the same world.

pub mod broadcast;
pub mod epidemic;
pub mod foca_node;
pub mod gates;
pub mod grid;
pub mod kept;
pub mod memberlist;
pub mod ours;
pub mod page;
pub mod parallel;
pub mod report;
pub mod statistics;
pub mod swim;
