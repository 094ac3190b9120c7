//! Exists so that surfaces and the node never meet: commands go in here, views and watches come out.
//!
//! Readers never meet a lock, a queue or a disk. The node publishes an immutable [`View`] by swapping one pointer;
//! publishing costs what changed, not what exists. A [`watch`] compares the view it last showed with the newest one, so a
//! slow reader is coalesced and never blocks anybody.

mod addresses;
mod ask;
mod checkup;
mod clock;
mod directory;
mod freshness;
mod lag;
mod publish;
mod question;
mod service;
mod shards;
pub mod sql;
mod view;
pub mod vitals;
mod wait;
pub mod watch;

pub use ask::{AskError, Asked, Carried, NoAnswer};
pub use checkup::{CheckReport, CheckRun, Checkup, Client, Named, OwnChanges};
pub use clock::Clock;
pub use directory::{Directory, Envelope, Identity};
pub use freshness::{Freshness, KnownUntil};
pub use lag::{Lag, Propagation};
pub use publish::Publisher;
pub use question::{Answer, Method, NotAQuestion, Question};
pub use service::{Listed, Ready, Selection, ServiceView, Status};
pub use view::{Cursor, Index, NodeView, View};
pub use wait::Scope;

#[cfg(test)]
mod tests;
