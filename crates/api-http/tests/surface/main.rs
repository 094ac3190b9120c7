//! The surface as a client meets it.

mod checks;
mod document;
mod elsewhere;
#[path = "../node_double/mod.rs"]
mod node_double;
mod reads;
mod refusals;
mod sessions;
mod sockets;
mod tables;
mod unix;
mod watches;
mod wire;
mod writes;
