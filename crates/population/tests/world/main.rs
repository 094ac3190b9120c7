//! What the world promises, seen through protocols that do little.

mod chaos;
mod connections;
mod life;
mod links;
mod queues;
mod talker;
mod troubles;
