//! What an operator may set.

use std::time::Duration;

/// How the listener behaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Connections open at once. One more is closed as soon as it is accepted, and counted.
    pub connections_max: usize,
    /// How long a connection may take to send the head of its next request; it also ends idle ones.
    pub header_read: Duration,
    /// How long a request may take to send its body.
    pub body_read: Duration,
    /// How long requests may take to finish once the server is told to stop.
    pub drain: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            header_read: Duration::from_secs(75),
            body_read: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    }
}
