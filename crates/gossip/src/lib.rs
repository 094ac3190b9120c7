//! Exists so that who is there, and how news reaches them, is a machine of its own: small enough to run by the hundred
//! thousand, and ignorant of what the news says.
//!
//! [`Detector`] finds out who is there: SWIM (Das, Gupta, Motivala 2002) with the corrections of Lifeguard (Dadgar,
//! Phillips, Currey 2018), a jury before anybody is accused in public, and witnesses for the defence. [`Broadcast`] carries
//! news: each receiver is handed a part of the member list to inform. Both are values: events go in with their time, effects
//! come out. Neither knows addresses of its own, bytes, or what the host does with what it learns.
#![no_std]
extern crate alloc;

mod awareness;
mod belief;
mod broadcast;
mod canary;
mod detector;
mod jury;
mod news;
mod probing;
mod recent;
mod roster;
mod round_trip;
mod suspicion;
mod timing;

pub use belief::{Accusers, Belief, Claim};
pub use broadcast::{ACKS_MAX, Broadcast, BroadcastCounters, Forward, Habits, Leaflet, Rumour};
pub use canary::Canary;
pub use detector::{Changed, Counters, Detector, Effects, INCARNATION_MAX, MEMBERS_MAX, Outgoing, Peer, Route, Word};
pub use roster::{Entry, Part, Region, Register, Roster, Scope};
pub use timing::Timing;
