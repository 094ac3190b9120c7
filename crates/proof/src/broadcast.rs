//! One update to all: designs of others and our own, in the same world, judged by the same watch.
//!
//! A design is one file: it implements [`Spreader`] for its node and [`Design`] for how nodes are made, and is then a line
//! wherever designs are compared.

mod delegation;
mod fan_out;
mod gossip;
mod limit;
mod measure;
mod overlay;
mod plumtree;
mod rumours;
mod spreader;

pub use delegation::{Delegation, DelegationNode};
pub use fan_out::FanOut;
pub use gossip::{Gossip, GossipNode};
pub use limit::{Limit, LimitNode};
pub use measure::{Fault, Measured, Workload, measure};
pub use plumtree::{Plumtree, PlumtreeNode};
pub use rumours::{Rumours, RumoursNode};
pub use spreader::{Design, Heard, Places, Spreader, Traffic, UPDATE_BYTES, UPDATE_ID_BYTES, Update};
