//! Every bound of the transport that is not a matter of configuration, and proofs of how they relate.

use std::time::Duration;

/// Largest sealed datagram, bytes of UDP payload: what QUIC too takes for granted on every path.
pub(crate) const DATAGRAM_BYTES_MAX: usize = 1200;
/// Version, sender's node, sender's epoch, counter.
pub(crate) const DATAGRAM_HEADER_BYTES: usize = 1 + 8 + 8 + 8;
/// The AEAD's tag.
pub(crate) const DATAGRAM_TAG_BYTES: usize = 16;
/// Largest payload of one datagram, bytes.
pub const DATAGRAM_PAYLOAD_MAX: usize = DATAGRAM_BYTES_MAX - DATAGRAM_HEADER_BYTES - DATAGRAM_TAG_BYTES;

/// Senders whose datagram keys and replay windows are kept in each of two generations; about 700 bytes each.
pub(crate) const SENDERS_PER_GENERATION_MAX: usize = 16 * 1024;
/// Datagrams that may overtake one another, per sender.
pub(crate) const REPLAY_WINDOW: u64 = 1024;
/// Addresses that may have a queue or a connection at once.
pub(crate) const PEERS_MAX: usize = 16 * 1024;
/// Nodes of one cluster we are built for.
const NODES_DESIGN: usize = 10_000;
const _: () = assert!(NODES_DESIGN <= SENDERS_PER_GENERATION_MAX && NODES_DESIGN <= PEERS_MAX);

/// Messages on their way to one peer at once, and streams we let a peer open. QUIC sets memory aside for each stream
/// that is *permitted*, so this stays small.
pub(crate) const STREAMS_MAX: u32 = 32;
/// Largest question, bytes. Answers are bounded as messages are.
pub const QUESTION_BYTES_MAX: usize = 64 * 1024;
/// Questions that are answered at once, of all peers. One more is refused, and counted.
pub(crate) const ANSWERING_MAX: usize = 64;
/// Questions of this node that are open at once, to all peers. One more is refused, and counted.
pub(crate) const ASKING_MAX: usize = 128;
/// How long a question may take to arrive from its stream's opening.
pub(crate) const QUESTION_TIMEOUT: Duration = Duration::from_secs(5);
/// How long whoever answers questions on this node may take for one.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a peer may take to grant a stream for a question before it is taken for one that never will.
pub(crate) const QUESTION_STREAM_PATIENCE: Duration = Duration::from_secs(2);

/// Unread bytes of one stream that we grant, and so the least a peer must hold back when we do not read.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// Unread bytes of one connection that we grant.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const _: () = assert!(STREAM_WINDOW_BYTES <= CONNECTION_WINDOW_BYTES);
/// Unacknowledged bytes of one connection that we keep for sending again.
pub(crate) const SEND_WINDOW_BYTES: u64 = 8 * 1024 * 1024;
/// Connection attempts that wait to be looked at.
pub(crate) const INCOMING_MAX: usize = 1024;
/// Bytes kept per connection attempt that waits.
pub(crate) const INCOMING_BYTES: u64 = 16 * 1024;
/// Bytes kept for all connection attempts that wait.
pub(crate) const INCOMING_BYTES_TOTAL: u64 = 4 * 1024 * 1024;

/// How long one message may take from its stream's opening to its end.
pub(crate) const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// Round trip assumed before one is measured: a lost first packet is sent again after three of these.
pub(crate) const INITIAL_RTT: Duration = Duration::from_millis(50);
/// Least time between two stateless resets. A rebooted node owes one to each peer that still talks to its past.
pub(crate) const RESET_INTERVAL: Duration = Duration::from_millis(1);
/// First pause after a dial that failed; doubles with each further one.
pub(crate) const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest pause after a dial that failed.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// How long a peer's worker stays after its last message; it remembers failures for so long.
pub(crate) const WORKER_LINGER: Duration = Duration::from_secs(10);
const _: () = assert!(WORKER_LINGER.as_millis() > BACKOFF_MAX.as_millis());
/// Least time between two warnings about peers that cannot be authenticated.
pub(crate) const ALARM_INTERVAL: Duration = Duration::from_secs(10);
/// How long closing waits for peers to hear of it.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
