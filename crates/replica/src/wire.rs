//! What nodes say to each other, as protobuf messages without a schema file.
//!
//! Additive: fields are only ever added, numbers never reused, unknown tables and record fields are kept as bytes and passed
//! on. One [`Packet`] serves datagrams and stream messages alike; only the size differs. `docs/wire.md` is the reference.

use crate::limits;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use prost::Message;
use whither_gossip::{Belief, Claim};
use whither_model::{Epoch, MemberState, NodeId};

/// Bytes that are not what they should be. They were counted and dropped; nothing changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// Longer than any packet may be.
    TooLong,
    /// Not a packet.
    Undecodable,
    /// A packet without a valid sender.
    NoSender,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "longer than any packet may be",
            Self::Undecodable => "not a packet of this protocol",
            Self::NoSender => "no valid sender",
        })
    }
}

impl core::error::Error for Malformed {}

/// What somebody believes of a member.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Statement {
    #[prost(fixed64, tag = "1")]
    pub(crate) node: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) epoch: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) incarnation: u64,
    /// 0 alive, 1 suspect, 2 down, 3 left.
    #[prost(uint32, tag = "4")]
    pub(crate) state: u32,
    /// 4 or 16 bytes.
    #[prost(bytes = "bytes", tag = "5")]
    pub(crate) ip: Bytes,
    #[prost(uint32, tag = "6")]
    pub(crate) port: u32,
    /// Drawn at each start: tells two copies of a data directory from each other. Zero: not known.
    #[prost(fixed64, tag = "7")]
    pub(crate) run: u64,
    /// Who found it silent.
    #[prost(fixed64, repeated, tag = "8")]
    pub(crate) accusers: Vec<u64>,
    /// Who has heard from it since it was suspected; zero: nobody.
    #[prost(fixed64, tag = "9")]
    pub(crate) witness: u64,
}

/// A probe. `target` zero means whoever is there.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Ping {
    #[prost(uint64, tag = "1")]
    pub(crate) nonce: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) target: u64,
}

/// The answer to a probe.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Pong {
    #[prost(uint64, tag = "1")]
    pub(crate) nonce: u64,
    /// Who was reached; not the sender if the sender probed on behalf of somebody.
    #[prost(fixed64, tag = "2")]
    pub(crate) target: u64,
}

/// "I tried, and it did not answer", to whoever asked with this nonce.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Nack {
    #[prost(uint64, tag = "1")]
    pub(crate) nonce: u64,
}

/// What a juror found.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Verdict {
    #[prost(uint64, tag = "1")]
    pub(crate) nonce: u64,
    #[prost(bool, tag = "2")]
    pub(crate) reached: bool,
}

/// Part of the member list: of one region, the ids from `first` to `last`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ScopeWire {
    #[prost(fixed32, tag = "1")]
    pub(crate) region: u32,
    #[prost(fixed64, tag = "2")]
    pub(crate) first: u64,
    #[prost(fixed64, tag = "3")]
    pub(crate) last: u64,
}

/// Another delegate to the same region, and its part of it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Partner {
    #[prost(fixed64, tag = "1")]
    pub(crate) node: u64,
    #[prost(message, optional, tag = "2")]
    pub(crate) scope: Option<ScopeWire>,
}

/// Which news a packet carries, and whom the receiver is to inform of it. The news is the packet's changes, and the
/// statements here.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct LeafletWire {
    #[prost(fixed64, tag = "1")]
    pub(crate) origin: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) epoch: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) number: u64,
    #[prost(message, optional, tag = "4")]
    pub(crate) scope: Option<ScopeWire>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) partners: Vec<Partner>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) statements: Vec<Statement>,
    /// How long ago the news was made when this left, in microseconds, as far as the sender can tell. Zero: it cannot.
    #[prost(uint64, tag = "7")]
    pub(crate) age: u64,
}

/// News that was received: of one origin, pairs of first and last number.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Received {
    #[prost(fixed64, tag = "1")]
    pub(crate) origin: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) epoch: u64,
    #[prost(uint64, repeated, tag = "3")]
    pub(crate) numbers: Vec<u64>,
}

/// A request to probe somebody.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PingRequest {
    #[prost(uint64, tag = "1")]
    pub(crate) nonce: u64,
    #[prost(message, optional, tag = "2")]
    pub(crate) target: Option<Statement>,
}

/// One row of a change.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RowWire {
    /// Zero inside a change whose seq holds for all its rows.
    #[prost(uint64, tag = "1")]
    pub(crate) seq: u64,
    #[prost(uint32, tag = "2")]
    pub(crate) table: u32,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) key: Bytes,
    /// Absent: a tombstone.
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub(crate) value: Option<Bytes>,
}

/// The unit that spreads.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Change {
    #[prost(fixed64, tag = "1")]
    pub(crate) node: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) epoch: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) seq: u64,
    #[prost(message, repeated, tag = "4")]
    pub(crate) rows: Vec<RowWire>,
    /// Several changes in one: the seqs from here to `seq`, of which the rows, each with its own seq, are all that has not
    /// been overwritten since. Zero: only `seq`.
    #[prost(uint64, tag = "5")]
    pub(crate) first: u64,
    /// A transaction on users' tables. `seq` and `first` are zero then, and there are no rows.
    #[prost(message, optional, tag = "6")]
    pub(crate) transaction: Option<TransactionPart>,
}

/// A transaction on users' tables, or a part of one.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TransactionPart {
    /// Its place among its boot's transactions.
    #[prost(uint64, tag = "1")]
    pub(crate) number: u64,
    /// What it says, for the database alone.
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) body: Bytes,
    /// Which part this is, from 0.
    #[prost(uint32, tag = "3")]
    pub(crate) part: u32,
    /// Of how many; zero: it is whole.
    #[prost(uint32, tag = "4")]
    pub(crate) parts: u32,
}

/// What somebody lacked of users' tables, or a part of it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct FoundWire {
    /// The fetch that this answers.
    #[prost(uint64, tag = "1")]
    pub(crate) fetch: u64,
    /// Of these transactions, the rows are all that has not been overwritten since. In the first part.
    #[prost(message, repeated, tag = "2")]
    pub(crate) complete: Vec<SeenWire>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) body: Bytes,
    #[prost(uint32, tag = "4")]
    pub(crate) part: u32,
    #[prost(uint32, tag = "5")]
    pub(crate) parts: u32,
    /// There is more; send a vector to get it.
    #[prost(bool, tag = "6")]
    pub(crate) more: bool,
    /// Up to where tombstones have been dropped. In the first part.
    #[prost(message, repeated, tag = "7")]
    pub(crate) collected: Vec<SeenWire>,
    /// The receiver has not seen tombstones that the sender has dropped: it has to forget what it has, and ask for everything.
    #[prost(bool, tag = "8")]
    pub(crate) forget: bool,
}

/// What is said of users' tables.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TablesWire {
    /// The last transaction of the sender's present boot that it has told.
    #[prost(uint64, tag = "1")]
    pub(crate) head: u64,
    /// Digest of what the sender has applied of its own earlier boots.
    #[prost(fixed64, tag = "2")]
    pub(crate) past: u64,
    /// What the sender has applied, so that the receiver can send what it lacks.
    #[prost(message, optional, tag = "3")]
    pub(crate) vector: Option<Vector>,
    #[prost(message, optional, tag = "4")]
    pub(crate) found: Option<FoundWire>,
}

/// A summary of what the sender knows, to compare.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Digest {
    #[prost(fixed64, tag = "1")]
    pub(crate) rows: u64,
    /// Of the ids of the members that are present in the sender's eyes.
    #[prost(fixed64, tag = "2")]
    pub(crate) members: u64,
    /// The oldest age, in microseconds, of what the sender knows of any present member.
    #[prost(uint64, tag = "3")]
    pub(crate) age: u64,
    #[prost(bool, tag = "4")]
    pub(crate) answer_wanted: bool,
    /// Rows and members are those of the digest that this answers; neither is said again.
    #[prost(bool, tag = "5")]
    pub(crate) agrees: bool,
    /// Of the living rows: who has seen the same has the same, or has lost something. Zero: not told.
    #[prost(fixed64, tag = "6")]
    pub(crate) living: u64,
    /// Of what has been applied to users' tables. Zero: nothing.
    #[prost(fixed64, tag = "7")]
    pub(crate) tables: u64,
    /// The oldest age, in microseconds, of what the sender knows of any present member's transactions.
    #[prost(uint64, tag = "8")]
    pub(crate) tables_age: u64,
}

/// A digest of one node's living rows.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct LivingOf {
    #[prost(fixed64, tag = "1")]
    pub(crate) node: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) digest: u64,
}

/// Which of its rows live, in the words of their owner.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Inventory {
    /// The owner's boot and its head when it said so.
    #[prost(uint64, tag = "1")]
    pub(crate) epoch: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) head: u64,
    /// Fingerprints of its living rows.
    #[prost(fixed64, repeated, tag = "3")]
    pub(crate) living: Vec<u64>,
}

/// Two that have seen the same do not have the same: who has lost something?
#[derive(Clone, PartialEq, Message)]
pub(crate) struct AuditWire {
    /// The sender's digests of everybody's living rows, for the receiver to compare.
    #[prost(message, repeated, tag = "1")]
    pub(crate) all: Vec<LivingOf>,
    /// The nodes of whose rows the two have different ones.
    #[prost(fixed64, repeated, tag = "2")]
    pub(crate) differ: Vec<u64>,
    /// The sender's digest of the receiver's own rows; if it is wrong, the receiver says what is right.
    #[prost(fixed64, optional, tag = "3")]
    pub(crate) yours: Option<u64>,
    #[prost(message, optional, tag = "4")]
    pub(crate) inventory: Option<Inventory>,
}

/// Everything the sender knows of members.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct MemberList {
    #[prost(message, repeated, tag = "1")]
    pub(crate) statements: Vec<Statement>,
    #[prost(bool, tag = "2")]
    pub(crate) answer_wanted: bool,
}

/// What has been seen of one origin: pairs of first and last seq.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SeenWire {
    #[prost(fixed64, tag = "1")]
    pub(crate) node: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) epoch: u64,
    #[prost(uint64, repeated, tag = "3")]
    pub(crate) ranges: Vec<u64>,
}

/// What the sender has seen, so that the receiver can send what it lacks.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Vector {
    #[prost(message, repeated, tag = "1")]
    pub(crate) seen: Vec<SeenWire>,
    /// Only the listed origins are meant; of others nothing is said.
    #[prost(bool, tag = "2")]
    pub(crate) partial: bool,
    /// The sender would also fill the receiver's gaps.
    #[prost(bool, tag = "3")]
    pub(crate) answer_wanted: bool,
    /// Names the fetch that this belongs to, for the answer to repeat; zero: none.
    #[prost(uint64, tag = "4")]
    pub(crate) fetch: u64,
    /// Of users' tables: up to where tombstones have been dropped by those from whom the sender's rows come.
    #[prost(message, repeated, tag = "5")]
    pub(crate) collected: Vec<SeenWire>,
}

/// Rows of one origin.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Section {
    #[prost(fixed64, tag = "1")]
    pub(crate) node: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) epoch: u64,
    /// Pairs of first and last seq: of these, the rows here are all that has not been overwritten since.
    #[prost(uint64, repeated, tag = "3")]
    pub(crate) complete: Vec<u64>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) rows: Vec<RowWire>,
}

/// What the receiver lacks.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Cells {
    #[prost(message, repeated, tag = "1")]
    pub(crate) sections: Vec<Section>,
    /// There is more; send a vector to get it.
    #[prost(bool, tag = "2")]
    pub(crate) more: bool,
    /// The fetch that this answers.
    #[prost(uint64, tag = "3")]
    pub(crate) fetch: u64,
}

/// Everything that travels.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Packet {
    /// The sender, as it sees itself.
    #[prost(message, optional, tag = "1")]
    pub(crate) from: Option<Statement>,
    /// When it left, by the sender's monotonic clock, in microseconds.
    #[prost(uint64, tag = "2")]
    pub(crate) sent_at: u64,
    /// The sender's head: the last seq of its present boot.
    #[prost(uint64, tag = "3")]
    pub(crate) head: u64,
    /// Digest of what the sender has seen of its own earlier boots.
    #[prost(fixed64, tag = "4")]
    pub(crate) past: u64,
    #[prost(message, repeated, tag = "5")]
    pub(crate) statements: Vec<Statement>,
    #[prost(message, optional, tag = "6")]
    pub(crate) ping: Option<Ping>,
    #[prost(message, optional, tag = "7")]
    pub(crate) pong: Option<Pong>,
    #[prost(message, optional, tag = "8")]
    pub(crate) ping_request: Option<PingRequest>,
    /// Encoded [`Change`]s, passed on as they came.
    #[prost(bytes = "bytes", repeated, tag = "9")]
    pub(crate) changes: Vec<Bytes>,
    #[prost(message, optional, tag = "11")]
    pub(crate) digest: Option<Digest>,
    #[prost(message, optional, tag = "12")]
    pub(crate) members: Option<MemberList>,
    #[prost(message, optional, tag = "13")]
    pub(crate) vector: Option<Vector>,
    #[prost(message, optional, tag = "14")]
    pub(crate) cells: Option<Cells>,
    #[prost(message, optional, tag = "15")]
    pub(crate) nack: Option<Nack>,
    /// A call to judge for oneself whether the target can be reached.
    #[prost(message, optional, tag = "16")]
    pub(crate) summons: Option<PingRequest>,
    #[prost(message, optional, tag = "17")]
    pub(crate) verdict: Option<Verdict>,
    #[prost(message, optional, tag = "18")]
    pub(crate) leaflet: Option<LeafletWire>,
    #[prost(message, repeated, tag = "19")]
    pub(crate) received: Vec<Received>,
    /// How many changes before the head wait to be told together: they are not missing yet.
    #[prost(uint64, tag = "20")]
    pub(crate) held: u64,
    #[prost(message, optional, tag = "21")]
    pub(crate) audit: Option<AuditWire>,
    #[prost(message, optional, tag = "22")]
    pub(crate) tables: Option<TablesWire>,
}

impl Packet {
    pub(crate) fn decode_bounded(bytes: Bytes) -> Result<Self, Malformed> {
        if bytes.len() > limits::MESSAGE_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        Self::decode(bytes).map_err(|_| Malformed::Undecodable)
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.encode_to_vec().into()
    }
}

impl Statement {
    pub(crate) fn claim(claim: &Claim) -> Self {
        Self {
            accusers: claim.accusers.iter().map(NodeId::get).collect(),
            witness: claim.witness.map_or(0, NodeId::get),
            ..Self::of(&claim.belief)
        }
    }

    /// The claim, or `None` if any field is not what it should be.
    pub(crate) fn check_claim(&self) -> Option<Claim> {
        Some(Claim {
            belief: self.check()?,
            accusers: self.accusers.iter().filter_map(|node| NodeId::new(*node)).collect(),
            witness: NodeId::new(self.witness),
        })
    }

    pub(crate) fn of(belief: &Belief) -> Self {
        let ip = match belief.address.ip() {
            IpAddr::V4(ip) => Bytes::copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => Bytes::copy_from_slice(&ip.octets()),
        };
        Self {
            node: belief.node.get(),
            epoch: belief.epoch.0,
            incarnation: belief.incarnation,
            state: match belief.state {
                MemberState::Alive => 0,
                MemberState::Suspect => 1,
                MemberState::Down => 2,
                MemberState::Left => 3,
            },
            ip,
            port: belief.address.port().into(),
            run: belief.run,
            accusers: Vec::new(),
            witness: 0,
        }
    }

    /// The belief, or `None` if any field is not what it should be.
    pub(crate) fn check(&self) -> Option<Belief> {
        let ip = match *self.ip {
            [a, b, c, d] => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            _ => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&*self.ip).ok()?)),
        };
        let state = match self.state {
            0 => MemberState::Alive,
            1 => MemberState::Suspect,
            2 => MemberState::Down,
            3 => MemberState::Left,
            _ => return None,
        };
        let port = u16::try_from(self.port).ok().filter(|port| *port != 0)?;
        if self.epoch > limits::BOOTS_MAX || self.incarnation > limits::BOOTS_MAX {
            return None;
        }
        Some(Belief {
            node: NodeId::new(self.node)?,
            epoch: Epoch(self.epoch),
            incarnation: self.incarnation,
            state,
            address: SocketAddr::new(ip, port),
            run: self.run,
        })
    }
}

/// Pairs of first and last from the flat list on the wire; an odd one at the end is dropped.
pub(crate) fn pairs(flat: &[u64]) -> impl Iterator<Item = (u64, u64)> {
    flat.as_chunks::<2>().0.iter().map(|[first, last]| (*first, *last))
}
