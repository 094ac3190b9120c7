//! Whether anybody watches anything: if not, commits need not be told of.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Shared by those who wish to watch, the thread that watches and the one that writes.
///
/// Whoever wishes something says so before it is looked at. So a commit that finds nobody interested was made before that look, and
/// the look has it.
#[derive(Default, Debug)]
pub(crate) struct Interest {
    /// Wishes that were ever made.
    wishes: AtomicUsize,
    /// After this many of them nothing was watched; [`SOME`]: something is.
    none_after: AtomicUsize,
}

const SOME: usize = usize::MAX;

impl Interest {
    /// Somebody is about to wish something.
    pub(crate) fn wish(&self) {
        self.wishes.fetch_add(1, Ordering::SeqCst);
    }

    /// After so many wishes nothing is watched.
    pub(super) fn none_after(&self, granted: usize) {
        self.none_after.store(granted, Ordering::SeqCst);
    }

    /// Something is watched.
    pub(super) fn some(&self) {
        self.none_after.store(SOME, Ordering::SeqCst);
    }

    /// Whether anybody may be interested.
    pub(crate) fn is_any(&self) -> bool {
        self.wishes.load(Ordering::SeqCst) != self.none_after.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::Interest;

    #[test]
    fn a_wish_counts_until_nothing_is_watched_after_it() {
        let interest = Interest::default();
        assert!(!interest.is_any());
        interest.wish();
        assert!(interest.is_any(), "before it was looked at");
        interest.some();
        interest.wish();
        interest.none_after(1);
        assert!(interest.is_any(), "another came meanwhile");
        interest.none_after(2);
        assert!(!interest.is_any());
    }
}
