//! Exists so that every crate speaks of the same nouns, parsed once at the edge into types that stay true.
//!
//! Depends on nothing: no operating system (`no_std`), no serialisation, no other crate of the workspace. A surface that
//! needs JSON, DNS or protobuf converts by hand in its own `convert.rs`, so a field here can be renamed freely.
#![no_std]
extern crate alloc;

pub mod appendix;
pub mod check;
pub mod command;
pub mod delta;
pub mod durable;
mod hex;
pub mod instance;
pub mod limits;
pub mod member;
pub mod name;
pub mod origin;
pub mod random;
pub mod ranges;
pub mod session;
pub mod sql;
pub mod time;
pub mod upkeep;

pub use check::{Check, Pace, PortChoice, Probe};
pub use command::{Ack, Command, Outcome, Refusal, Testimony, Ticket};
pub use delta::Delta;
pub use instance::{Came, Health, Instance, Invalid, Port, Registration, State};
pub use member::{Member, MemberState};
pub use name::{InstanceId, NodeName, PortName, ServiceName};
pub use origin::{Epoch, NodeId, Origin, Seq, Version};
pub use ranges::Ranges;
pub use session::{SessionEnd, SessionId};
pub use time::{Instant, Now, WallTime};
pub use upkeep::Upkeep;

#[cfg(test)]
mod tests;
