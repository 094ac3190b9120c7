//! Exists so that whoever speaks Consul's HTTP API can register here and be told where services are, unchanged.
//!
//! The paths, the shapes and the rules of blocking queries are those of Consul 1.8, as recorded from it; what is answered
//! differently, and why, stands in `docs/clients/consul.md`. Requests become commands and views of `whither_directory`; nothing
//! here knows the node, a peer or a disk. What is asked most, one service's health, is encoded once per change.

mod blocking;
mod checks;
mod config;
mod definition;
mod duration;
mod extras;
mod fields;
mod filter;
mod names;
mod own;
mod register;
mod reply;
mod request;
mod routes;
mod serve;
mod show;

pub use config::Config;
pub use serve::serve;
