//! Every bound of this surface that is not an operator's to set.

/// Largest startup packet, bytes: as PostgreSQL has it.
pub(crate) const STARTUP_BYTES_MAX: usize = 10_000;
/// Requests for encryption before a session begins: one for TLS and one for GSSAPI.
pub(crate) const NEGOTIATIONS_MAX: usize = 2;
/// Largest message of a client that has not yet said who it is, bytes.
pub(crate) const UNKNOWN_MESSAGE_BYTES_MAX: usize = 8 * 1024;
/// Portals that a session may have open. Each that is not read to its end keeps a snapshot.
pub(crate) const PORTALS_MAX: usize = 64;
/// Parameters of a statement: as many as SQLite takes.
pub(crate) const PARAMETERS_MAX: usize = 32_766;
/// Statements that wait for the end of a transaction block.
pub(crate) const QUEUED_STATEMENTS_MAX: usize = 100_000;
/// What they may weigh, bytes, together with their parameters.
pub(crate) const QUEUED_BYTES_MAX: usize = 64 << 20;
/// Savepoints of a transaction block.
pub(crate) const SAVEPOINTS_MAX: usize = 1_000;
/// Answers are sent when so many bytes have come together, and at the end.
pub(crate) const SEND_BYTES: usize = 32 * 1024;
/// What a pipelining client may have sent ahead while it is being answered, bytes.
pub(crate) const AHEAD_BYTES_MAX: usize = 256 * 1024;
/// Users in the configuration.
pub(crate) const USERS_MAX: usize = 1_000;
/// How often a password is hashed (RFC 7677 section 4).
pub(crate) const SCRAM_ITERATIONS: u32 = 4_096;
