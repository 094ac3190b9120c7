//! Exists so that every surface that speaks HTTP lets connections in, bounds them and ends them alike.
//!
//! A surface is a hyper service for each connection; nothing here knows a path.

mod limits;
mod listener;
mod meters;
mod origin;
mod serve;

pub use listener::Listener;
pub use meters::{Gauge, Meters};
pub use origin::is_foreign_page;
pub use serve::{Bounds, serve};
