//! Every bound of the SQL side, named.

use std::time::Duration;

/// How long a question may take that names no time.
pub const QUERY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a question may take at most, whatever it names.
pub(crate) const QUERY_TIMEOUT_MAX: Duration = Duration::from_secs(600);
/// Questions that are answered at once; whoever comes on top waits.
pub const QUERIES_AT_ONCE: usize = 16;
/// Questions that may wait.
pub(crate) const QUERIES_WAITING_MAX: usize = 1_024;
/// Rows of an answer that go together.
pub(crate) const ROWS_TOGETHER: usize = 256;
/// Lots of rows that may wait for a slow reader.
pub(crate) const LOTS_WAITING_MAX: usize = 4;
/// Longest SQL text.
pub(crate) const SQL_BYTES_MAX: i32 = 1 << 20;
/// Longest text or blob, also in between.
pub(crate) const VALUE_BYTES_MAX: i32 = 32 << 20;
/// Page cache of a connection that reads, in KiB; what needs more goes to a temporary file.
pub(crate) const READ_CACHE_KIB: i64 = 4 * 1024;
/// Requests that may wait for the thread that writes.
pub(crate) const WRITES_WAITING_MAX: usize = 16 * 1024;
/// Transactions of others, in bytes, that may wait for it.
pub(crate) const APPLIES_BYTES_MAX: usize = 128 << 20;
/// Requests that share one commit.
pub(crate) const WRITES_TOGETHER: usize = 512;
/// Commits of nothing but what other nodes say are so far apart under load: at least, as many times as long as one takes, and at
/// most. The more there is to do, the more of it shares the pages that it writes.
pub(crate) const APPLIES_APART: (Duration, u32, Duration) = (Duration::from_millis(2), 8, Duration::from_millis(20));
/// After a transaction was refused, so many commits are made so that each of their transactions can be undone by itself.
pub(crate) const CAREFUL_COMMITS: u32 = 64;
/// How long one commit gathers at most.
pub(crate) const GATHER: Duration = Duration::from_millis(5);
/// Rows of another node's question that are found at once.
pub(crate) const FIND_BYTES: usize = 1 << 20;
/// Pages in the log that are worth a checkpoint: 64 MiB. A page that is written often is then copied to its place less often.
pub(crate) const CHECKPOINT_PAGES: u64 = 16_384;
/// After so long without anything to do, a log that has grown beyond [`LOG_BYTES_KEPT`] is copied and cut.
pub(crate) const QUIET: Duration = Duration::from_secs(10);
/// Log that may stay when it is quiet.
pub(crate) const LOG_BYTES_KEPT: u64 = 4 << 20;
/// How long somebody waits for what has to be seen first.
pub(crate) const SEEN_PATIENCE: Duration = Duration::from_secs(10);
