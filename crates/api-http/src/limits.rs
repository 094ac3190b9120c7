//! Every bound of this surface that is not an operator's to set.

use whither_model::limits::RECORD_BYTES_MAX;

/// Largest body of a request that registers one instance or names nodes to join, bytes.
pub(crate) const SMALL_BODY_BYTES_MAX: usize = 128 * 1024;
/// JSON values in one registration or join request: the most that a valid one can have is far below.
pub(crate) const JSON_VALUES_MAX: usize = 1_000;
/// Bulk registrations that are read and parsed at the same time; others wait their turn.
pub(crate) const BULK_CONCURRENT_MAX: usize = 4;
/// Addresses in one join request.
pub(crate) const JOIN_ADDRESSES_MAX: usize = 64;
/// A watch of everything hands the connection about this many bytes at a time.
pub(crate) const FEED_CHUNK_BYTES: usize = 32 * 1024;
/// Up to this many bytes an answer is copied into one buffer; above, copying costs more than a second write.
pub(crate) const ANSWER_COPY_BYTES_MAX: usize = 16 * 1024;

// Every byte of a text may be written as a six-byte escape.
const _: () = assert!(SMALL_BODY_BYTES_MAX >= 6 * RECORD_BYTES_MAX, "every valid registration must fit in a body");
