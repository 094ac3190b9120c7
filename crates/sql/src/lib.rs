//! Exists so that SQL can be spoken to a node: one thread that writes users' tables, readers with bounds, the catalog as tables
//! that can be joined with them, and questions whose answers are watched.
//!
//! [`open`] starts it. Surfaces reach it through [`whither_directory::sql::Sql`]; the node, which carries transactions between
//! nodes, through the [`Desk`] and the [`News`] that it is given.

mod catalog;
mod copy;
mod damage;
mod desk;
mod file;
mod guard;
pub mod import;
mod inspect;
mod limits;
mod query;
mod readers;
mod settle;
mod watch;
mod write;

pub use desk::{Config, Desk, News, Opened, open};
pub use limits::{QUERIES_AT_ONCE, QUERY_TIMEOUT};
pub use whither_tables::OpenError;
