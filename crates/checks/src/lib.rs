//! Exists so that an agent finds out by itself whether what registered with it works, and tells of it only when that changes.
//!
//! A [`Runner`] is told what to check ([`Runner::set`]) and answers with [`Verdict`]s, one for each change of mind.
//! Everything else stays here: the output of each run is kept, and shown when it is asked for ([`Runner::output`]).
//!
//! - **Whom it speaks to.** The registrant's own address at one of its own ports, and others only where the agent's
//!   configuration allows them. Never link-local or metadata addresses ([`is_forbidden`]). No name is looked up and no
//!   redirect is followed, so what was allowed is what is reached.
//! - **Commands** come as [`LocalCheck`], which only an agent's own configuration can make: surfaces do not depend on this
//!   crate, and [`whither_model::Probe`], which they know, has no word for a command.
//! - **When.** Each check begins on a grid of its own, spread over its interval by its name. A slow run misses its turns,
//!   counted, and never overlaps itself. Runs at once are bounded; what must wait is late, counted.
//! - **Whose fault.** A run that fails for want of something on this host (file descriptors, ports, time to run) says
//!   nothing about the instance: it is shown and counted, and no verdict hears of it.
#![forbid(unsafe_code)]

mod book;
mod drive;
mod exec;
mod finding;
mod guard;
mod job;
mod judge;
mod look;
mod network;
mod output;
mod probe;
mod runner;
mod slot;
mod stats;
mod trust;
mod verdict;

pub use exec::Exec;
pub use guard::{Refused, is_forbidden};
pub use job::{Key, LOCAL_CHECKS_MAX, LocalCheck, LocalProbe, Target};
pub use judge::Judge;
pub use look::{Look, Looker};
pub use network::{Network, NoNetwork};
pub use output::{OUTPUT_BYTES_MAX, Output, Report};
pub use runner::{Config, NotSet, Runner};
pub use stats::Stats;
pub use trust::authorities;
pub use verdict::{CheckId, Standing, Verdict};
