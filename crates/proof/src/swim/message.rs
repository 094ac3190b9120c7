//! What members say to each other.

use super::news::Carried;
use whither_population::Index;

/// A message, with news that travels with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message {
    /// What it is for.
    pub kind: Kind,
    /// What came along.
    pub news: Carried,
}

/// What a message is for. A probe is told apart by who began it and by its number there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Are you there?
    Ping {
        /// Who wants to know; not the sender if that one was asked to ping.
        prober: Index,
        /// Its number of the probe.
        probe: u32,
    },
    /// Yes.
    Ack {
        /// Who wants to know.
        prober: Index,
        /// Its number of the probe.
        probe: u32,
    },
    /// Ping that one for me.
    PingRequest {
        /// Whom.
        target: Index,
        /// My number of the probe.
        probe: u32,
    },
    /// Nothing but the news: a multicast's part.
    Tell,
}

impl Message {
    /// Its size on the wire: 15 bytes, and 20 for each piece of news (section 5: 15 and 135 bytes).
    #[must_use]
    pub fn bytes(&self) -> u32 {
        15 + 20 * u32::try_from(self.news.items().len()).unwrap_or(u32::MAX)
    }
}
