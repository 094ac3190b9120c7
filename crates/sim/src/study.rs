//! What settings give at a size: a crowd meets chosen troubles one after the other, and what comes of it is measured.
//!
//! [`Settings`] say what is to be tried, [`Plan`] when each trouble comes, [`run`] does it once for a seed, and [`Summary`]
//! says what several runs have in common.

mod agenda;
mod deliveries;
mod histogram;
mod incidents;
mod observer;
mod plan;
mod restarts;
mod run;
mod settings;
mod summary;
#[cfg(test)]
mod tests;
mod timeline;
mod toll;

pub use deliveries::{Deliveries, RegionDeliveries};
pub use histogram::Histogram;
pub use incidents::Incident;
pub use plan::{Plan, Span, TooShort};
pub use restarts::Restarts;
pub use run::{Progress, Recovery, Run, Traffic, run};
pub use settings::{Deploy, Partition, Regions, Settings};
pub use summary::{Broadcast, Detection, Errors, Spread, Summary};
pub use timeline::Sample;
pub use toll::{Death, Toll};
