//! C0 and C1: plain SWIM against the formulas of its paper.

mod detection;
mod false_alarms;
mod periods;

pub use detection::run as detection;
pub use false_alarms::run as false_alarms;
