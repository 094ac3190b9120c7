//! Exists so that bytes travel between nodes sealed, bounded and counted, over one UDP port.
//!
//! The port carries two things. Small **datagrams**, sealed with keys of the cluster, cost a peer nothing that lasts: no
//! connection, no handshake. **Messages** of up to some megabytes travel over QUIC with mutual TLS, each on a stream of
//! its own, over connections that are dialled when first needed. The first byte tells them apart: QUIC sets the bit
//! `0x40` in every packet, a sealed datagram clears it. Nothing is ever sent in plain.
//!
//! A **question** is a message that waits for an answer, on a bidirectional stream of the same connections.
//!
//! Both rest on one [`ClusterSecret`]: from it every node derives the same certificate authority and the same datagram
//! key, so a node needs one file to join and no service to ask.
//!
//! Depends on no other crate of the workspace: it knows bytes and addresses, not records.
//!
//! What a caller may rely on:
//!
//! - Sending never blocks and never fails aloud. What cannot be sent is dropped and counted, see [`Counters`].
//! - What arrives was sent by a holder of the secret, whole and unaltered. *Which* holder is not proved: members trust
//!   each other.
//! - A datagram arrives at most once per receiver while that receiver runs. A message arrives usually once, sometimes
//!   never, and twice at worst (a connection that died after delivery and before its acknowledgement). Neither keeps an
//!   order.
//! - A question is answered once or ends in an [`AskError`] that says whether the peer may have acted on it.

mod accept;
mod alarm;
mod answering;
mod ask;
mod certificate;
mod config;
mod counters;
mod deliver;
mod dial;
mod error;
mod limits;
mod open;
mod peer;
mod port_owner;
mod replay;
mod seal;
mod secret;
mod socket;
mod transport;

pub use answering::{Question, Reply};
pub use ask::AskError;
pub use config::Config;
pub use counters::Counters;
pub use error::{BindError, SecretError, SecretFormatError};
pub use limits::{DATAGRAM_PAYLOAD_MAX, QUESTION_BYTES_MAX};
pub use port_owner::{PortKind, whose_port};
pub use secret::ClusterSecret;
pub use transport::{Inbound, Transport};
