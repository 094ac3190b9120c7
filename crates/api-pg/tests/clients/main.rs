//! A real PostgreSQL driver against the surface, and the surface against clients that are none.

mod blocks;
mod doors;
mod extended;
mod hostile;
mod rig;
mod simple;
#[path = "../tables_double/mod.rs"]
mod tables_double;
