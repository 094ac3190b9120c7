//! Exists so that Spring, and whoever else speaks to a Eureka server, can register here and be told where services are, unchanged.
//!
//! What is served is Eureka's REST API, under `/eureka` as Spring has it and `/eureka/v2` as Netflix has it, in JSON or XML. Requests
//! become commands and views of `whither_directory`; nothing here knows the node, a peer or a disk.

mod config;
mod names;
mod recent;
mod register;
mod reply;
mod routes;
mod said;
mod serve;
mod show;
mod whole;
mod xml;

pub use config::Config;
pub use serve::serve;
