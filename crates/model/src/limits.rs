//! Every bound that a record must keep, named, with proofs of how they relate.
//!
//! They hold at ingress, where a client is told, and again when a record of another node is applied.

/// Longest label of a namespace, service, port or zone name: a DNS label (RFC 1035 section 2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;
/// Longest instance id.
pub const INSTANCE_ID_BYTES_MAX: usize = 255;
/// Longest node name: a host name (RFC 1123 section 2.1).
pub const NODE_NAME_BYTES_MAX: usize = 253;
/// Named ports of an instance.
pub const PORTS_MAX: usize = 32;
/// Tags of an instance.
pub const TAGS_MAX: usize = 64;
/// Longest tag.
pub const TAG_BYTES_MAX: usize = 128;
/// Entries of an instance's meta.
pub const META_MAX: usize = 64;
/// Longest meta key.
pub const META_KEY_BYTES_MAX: usize = 128;
/// Longest meta value.
pub const META_VALUE_BYTES_MAX: usize = 512;
/// Longest version string.
pub const VERSION_BYTES_MAX: usize = 128;
/// Largest encoded record.
pub const RECORD_BYTES_MAX: usize = 16 * 1024;
/// Instances of one service.
pub const INSTANCES_PER_SERVICE_MAX: usize = 10_000;
/// Registrations in one request.
pub const REGISTRATIONS_PER_REQUEST_MAX: usize = 10_000;
/// Renewals in one request.
pub const RENEWALS_PER_REQUEST_MAX: usize = 10_000;
/// Shortest lease, milliseconds: below this, jitter in the client's own scheduler looks like death.
pub const LEASE_MILLIS_MIN: u64 = 200;
/// Longest lease, milliseconds: one day.
pub const LEASE_MILLIS_MAX: u64 = 24 * 60 * 60 * 1000;
/// Ranges kept of one origin's seen seqs. What would make more is not remembered, and comes again.
pub const RANGES_MAX: usize = 512;
/// Sessions that one node holds at once: each is an open connection.
pub const SESSIONS_MAX: usize = 10_000;
/// Longest grace of a session, in milliseconds.
pub const SESSION_GRACE_MILLIS_MAX: u64 = 10 * 60 * 1000;

const _: () = assert!(TAGS_MAX * (TAG_BYTES_MAX + 4) < RECORD_BYTES_MAX, "tags alone must fit in a record");
