//! Users' tables, on one node and on several.

mod merge;
mod rig;
mod schema;
mod statements;
