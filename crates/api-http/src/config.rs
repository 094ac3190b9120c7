//! What an operator may set.

use std::time::Duration;

/// How the listeners behave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Connections open at once, over all listeners. One more is closed as soon as it is accepted, and counted. A few more may
    /// be open over a Unix socket: who stands before an agent whose port is overrun still gets in.
    pub connections_max: usize,
    /// Watches open at once, over all connections: HTTP/2 carries many in one. One more is answered with 503.
    pub watches_max: usize,
    /// Largest request body, bytes. Requests other than the bulk registration are also held to 128 KiB.
    pub body_bytes_max: usize,
    /// How long a watch stays silent before it says that it still lives.
    pub heartbeat: Duration,
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
            watches_max: 10_000,
            body_bytes_max: 8 * 1024 * 1024,
            heartbeat: Duration::from_secs(10),
            // Longer than the idle time of most clients' connection pools, so that they close first.
            header_read: Duration::from_secs(75),
            body_read: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    }
}
