//! What a transport must be told, and the bounds an operator may move.

use std::net::SocketAddr;
use std::time::Duration;

use crate::secret::ClusterSecret;

const MIB: usize = 1024 * 1024;

/// Settings of one [`Transport`](crate::Transport). [`Config::new`] fills in every bound.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen. Port 0 lets the system choose. An IPv6 wildcard also serves IPv4.
    pub bind: SocketAddr,
    /// The secret all nodes of the cluster share.
    pub secret: ClusterSecret,
    /// This node's id.
    pub node: u64,
    /// This node's boot number. Invariant: it is durable before the transport is bound, and no boot of this node ever
    /// used it before; datagram nonces are unique because of it, and receivers refuse the epochs before it.
    pub epoch: u64,
    /// Largest message, bytes, sent or received. 4 MiB.
    pub message_bytes_max: usize,
    /// Bytes of messages queued or on their way to one peer. 16 MiB.
    pub peer_queue_bytes_max: usize,
    /// Bytes of messages queued or on their way to all peers. 256 MiB.
    pub queue_bytes_max: usize,
    /// Bytes of incoming messages that are not yet whole, or wait for the inbound channel. 256 MiB.
    pub reassembly_bytes_max: usize,
    /// Questions of one connection that are answered at once: streams in both directions that we let a peer open. Its
    /// further questions wait until a stream is free. 8; with 0 this node is like one of before there were questions.
    pub questions_per_connection_max: u32,
    /// Open connections beyond which incoming ones are refused; dialling is bounded by who we send to. 4096.
    pub connections_max: usize,
    /// Incoming handshakes at once. Beyond half of it a caller must first prove its address; beyond it callers queue.
    /// 256.
    pub handshakes_max: usize,
    /// A connection that is silent for so long ends. 30 s.
    pub idle_timeout: Duration,
    /// How long a handshake may take, in either direction. 3 s.
    pub handshake_timeout: Duration,
    /// Size asked of the kernel for the socket's buffers, bytes, each way; it may grant less. 4 MiB.
    pub socket_buffer_bytes: usize,
}

impl Config {
    /// Settings with every bound at its default.
    pub fn new(bind: SocketAddr, secret: ClusterSecret, node: u64, epoch: u64) -> Self {
        Self {
            bind,
            secret,
            node,
            epoch,
            message_bytes_max: 4 * MIB,
            peer_queue_bytes_max: 16 * MIB,
            queue_bytes_max: 256 * MIB,
            reassembly_bytes_max: 256 * MIB,
            questions_per_connection_max: 8,
            connections_max: 4096,
            handshakes_max: 256,
            idle_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(3),
            socket_buffer_bytes: 4 * MIB,
        }
    }
}
