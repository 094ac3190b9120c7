//! What nodes say to each other.

use super::Belief;
use whither_model::Instant;
use whither_population::Index;

/// One datagram, or one message on a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// A datagram: what it is for, and the gossip it carries.
    Packet {
        /// What it is for.
        head: Head,
        /// What else it tells.
        gossip: Vec<Rumour>,
    },
    /// A ping over a stream, beside the indirect ones (`sendPingAndWaitForAck`).
    StreamPing {
        /// Which probe.
        sequence: u32,
    },
    /// The answer, on the same stream.
    StreamAck {
        /// Which probe.
        sequence: u32,
    },
    /// All that a node knows (`pushPullMsg`).
    State {
        /// Which exchange of the node that began it.
        exchange: u32,
        /// When it began; the other end gives up reading after `TCPTimeout`.
        begun: Instant,
        /// Whether this is the answer.
        answer: bool,
        /// What is believed of whom, in which incarnation.
        nodes: Vec<(Index, Belief, u32)>,
    },
}

/// What a datagram is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Head {
    /// Nothing but gossip.
    Gossip,
    /// Are you there?
    Ping {
        /// Which probe of the sender.
        sequence: u32,
    },
    /// Ask `target` for me.
    PingReq {
        /// Which probe of the sender.
        sequence: u32,
        /// Whom to ask.
        target: Index,
        /// Whether to say so when no ack comes.
        nack: bool,
    },
    /// I am here, or the target is.
    Ack {
        /// Which probe of the receiver.
        sequence: u32,
    },
    /// I asked, and hear nothing.
    Nack {
        /// Which probe of the receiver.
        sequence: u32,
    },
}

/// What is said of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Saying {
    /// It is alive; only the node itself begins to say this.
    Alive,
    /// It did not answer.
    Suspect,
    /// It was suspected for too long.
    Dead,
}

/// Something that goes round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rumour {
    /// What is said.
    pub saying: Saying,
    /// Of whom.
    pub about: Index,
    /// Of which of its incarnations.
    pub incarnation: u32,
    /// By whom.
    pub from: Index,
}
