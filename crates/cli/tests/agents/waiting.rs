//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(15);

/// Looks until `look` finds what it wants, and returns that; fails with the last thing it saw instead after `within`.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let until = Instant::now() + within;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < until, "not within {within:?}: {what}; last seen: {seen}"),
        }
        // waits because it is asked over HTTP and must leave the agents some processor; the deadline is above
        std::thread::sleep(LOOK);
    }
}
