//! Exists so that every surface that speaks HTTP lets connections in, bounds them and ends them alike.
//!
//! A surface is a hyper service for each connection; nothing here knows a path.

mod body;
mod limits;
mod listener;
mod meters;
mod origin;
mod serve;

pub use body::{BodyFault, read_body};
pub use listener::Listener;
pub use meters::{Answers, Gauge, Meters};
pub use origin::is_foreign_page;
pub use serve::{Bounds, serve};
