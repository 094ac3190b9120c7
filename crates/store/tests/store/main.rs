//! The store as the node meets it: through its public surface, on a real disk, with real deaths.

mod crash;
mod disk_full;
mod durability;
mod refusals;
mod round_trip;
mod scene;
