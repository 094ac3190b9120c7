//! Exists so that everything Whither knows and does can be had over plain HTTP and JSON: register, resolve, watch.
//!
//! Requests become commands and views of `whither_directory`; nothing here knows the node, a peer or a disk. A question
//! about one service is the path that matters: it takes no lock, and its instances are encoded once per change.

mod answer;
mod asked;
mod body;
mod config;
mod convert;
mod elsewhere;
mod feed;
mod front;
mod hold;
mod json;
mod limits;
mod metrics;
mod problem;
mod query;
mod routes;
mod server;
mod unheard;

pub use asked::answer_questions;
pub use config::Config;
pub use server::{router, serve};
