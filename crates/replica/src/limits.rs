//! Every bound of the protocol, named, with proofs of how they relate.

use core::time::Duration;

/// Largest datagram payload before sealing. With the seal and the IP and UDP headers it stays below 1 280 bytes, the
/// smallest MTU that IPv6 allows (RFC 8200 section 5).
pub const DATAGRAM_BYTES_MAX: usize = 1_150;
/// Room that a datagram's own fields need: the sender's statement, clocks, head, digest and one ping.
pub const DATAGRAM_HEADER_BYTES: usize = 192;
/// Largest encoded statement about a member, with its accusers and its witness.
pub const STATEMENT_BYTES_MAX: usize = 112;
/// More new changes than this at once go as one stream message to each peer instead of many datagrams.
pub const BURST_BYTES_MAX: usize = 24 * 1024;
/// Changes packed in one stream message.
pub const MESSAGE_BYTES_TARGET: usize = 256 * 1024;
/// Largest stream message that is accepted.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Rows sent in answer to one vector; the asker asks again for more.
pub const CELLS_BYTES_TARGET: usize = 768 * 1024;
/// Rows of one change, so that it stays far below a stream message.
pub const CHANGE_BYTES_TARGET: usize = 32 * 1024;
/// Transactions of others that wait to be applied. What is more is dropped, and comes again.
pub const TABLES_WAITING_MAX: usize = 64 * 1024;
/// Own transactions, in bytes, that wait to be told while lines are full. What is more is left to those who lack it.
pub const TABLES_OUTBOX_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Ranges kept of one origin's seen seqs. What would make more is applied but not remembered, and comes again.
pub use whither_model::limits::RANGES_MAX;
/// Members a node remembers.
pub const MEMBERS_MAX: usize = whither_gossip::MEMBERS_MAX;
/// Statements taken from one push-pull message.
pub const STATEMENTS_PER_MESSAGE_MAX: usize = MEMBERS_MAX;
/// Highest boot number and incarnation that are believed; an index of a view has 32 bits for the boot.
pub const BOOTS_MAX: u64 = whither_gossip::INCARNATION_MAX;
/// How often one that said goodbye is asked for what is missing: for about half a minute.
pub const GOODBYE_ASKS_MAX: u32 = 40;
/// Addresses of seeds kept; the newest stay.
pub const SEEDS_MAX: usize = 64;
/// How far a peer's monotonic clock may drift from ours: parts per million, both clocks together.
pub const CLOCK_DRIFT_PPM: u64 = 400;
/// A timer that fires later than this after its time says that this node stood still: it must not accuse anybody.
pub const STALL: Duration = Duration::from_millis(750);

const _: () = assert!(DATAGRAM_HEADER_BYTES + 4 * STATEMENT_BYTES_MAX < DATAGRAM_BYTES_MAX);
const _: () = assert!(CELLS_BYTES_TARGET + 2 * whither_model::limits::RECORD_BYTES_MAX < MESSAGE_BYTES_MAX);
const _: () = assert!(CHANGE_BYTES_TARGET + 2 * whither_model::limits::RECORD_BYTES_MAX < MESSAGE_BYTES_MAX);
