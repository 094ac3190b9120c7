//! How long messages are on the wire.

use super::message::{Head, Rumour, Saying};

/// Bytes of encoded messages: msgpack with field names, each with its byte of type, as `encode` in memberlist's `util.go`.
///
/// Names are eight bytes long, addresses four. Computed from the field names of the published structs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// A ping.
    pub ping: u32,
    /// A ping-req.
    pub ping_req: u32,
    /// An ack; with Consul's network coordinate as its payload where that is on.
    pub ack: u32,
    /// A nack.
    pub nack: u32,
    /// An alive message; with Consul's tags where Consul runs.
    pub alive: u32,
    /// A suspect or a dead message.
    pub accusation: u32,
    /// The state of one node in an exchange, after LZW.
    pub state: u32,
    /// The checksum in front of gossip packets.
    pub checksum: u32,
    /// Whether packets pass through LZW where that makes them shorter (`EnableCompression`).
    pub compressed: bool,
}

impl Sizes {
    /// As Consul 0.8 sends them: acks carry a coordinate (eight doubles and three more), alive messages 107 bytes of tags.
    pub const CONSUL_2017: Self = Self {
        ping: 25,
        ping_req: 51,
        ack: 152,
        nack: 11,
        alive: 173,
        accusation: 43,
        state: 58,
        checksum: 5,
        compressed: true,
    };
    /// memberlist alone: no payload in acks, no tags; pings name their source.
    pub const MEMBERLIST: Self = Self {
        ping: 76,
        ping_req: 102,
        ack: 20,
        nack: 11,
        alive: 66,
        accusation: 43,
        state: 24,
        checksum: 5,
        compressed: true,
    };

    /// Bytes of one head, alone.
    pub(super) const fn head(&self, head: Head) -> u32 {
        match head {
            Head::Gossip => 0,
            Head::Ping { .. } => self.ping,
            Head::PingReq { .. } => self.ping_req,
            Head::Ack { .. } => self.ack,
            Head::Nack { .. } => self.nack,
        }
    }

    /// Bytes of one rumour, alone.
    pub(super) const fn rumour(&self, saying: Saying) -> u32 {
        match saying {
            Saying::Alive => self.alive,
            Saying::Suspect | Saying::Dead => self.accusation,
        }
    }

    /// Bytes of a packet with `head` and `gossip`.
    pub(super) fn packet(&self, head: Head, gossip: &[Rumour]) -> u32 {
        let checksum = if matches!(head, Head::Gossip) { self.checksum } else { 0 };
        let parts = gossip.len() + usize::from(!matches!(head, Head::Gossip));
        let plain: u32 = self.head(head) + gossip.iter().map(|one| self.rumour(one.saying)).sum::<u32>();
        if parts == 1 {
            return checksum + plain;
        }
        // A compound message: its type, the count, and two bytes of length per part.
        let plain = plain + 2 + 2 * u32::try_from(parts).unwrap_or(u32::MAX);
        let shortest = if self.compressed { plain.min(self.packed(head, gossip)) } else { plain };
        checksum + shortest
    }

    /// Bytes of the whole state of `nodes` nodes.
    pub(super) fn state(&self, nodes: usize) -> u32 {
        self.state * u32::try_from(nodes).unwrap_or(u32::MAX)
    }

    /// Bytes after LZW (least significant bit first, eight bits), with the wrapper around it.
    ///
    /// A straight line through what the real coder makes of real encodings: the first accusation costs its field names,
    /// each further one 12½ bytes, an alive message half of itself, and coordinates do not get shorter.
    fn packed(&self, head: Head, gossip: &[Rumour]) -> u32 {
        let alive = u32::try_from(gossip.iter().filter(|one| one.saying == Saying::Alive).count()).unwrap_or(u32::MAX);
        let accusations = u32::try_from(gossip.len()).unwrap_or(u32::MAX) - alive;
        let names_of_fields = 85 + if alive > 0 { self.alive * 3 / 5 } else { 0 };
        self.head(head) + names_of_fields + accusations * 25 / 2 + alive * self.alive / 2
    }
}
