//! Every bound of a connection that is not an operator's to set.

/// The head of a request, bytes; a head that arrives in few large pieces may pass at up to twice that. hyper answers
/// more with 431, and more than 100 header lines as well.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Connections over a Unix socket beyond those that an operator allows for all listeners together.
pub(crate) const SPARE_CONNECTIONS: usize = 16;
/// Streams that one HTTP/2 connection may have open.
pub(crate) const STREAMS_PER_CONNECTION_MAX: u32 = 128;
