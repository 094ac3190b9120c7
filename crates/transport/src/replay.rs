//! Which of a sender's recent counters have been seen.

use crate::limits::REPLAY_WINDOW;

const WORDS: usize = (REPLAY_WINDOW / 64) as usize;

/// A sliding window over one sender's counters: each passes once, and one that fell out of the window never.
pub(crate) struct ReplayWindow {
    highest: u64,
    /// One bit per counter in `highest - REPLAY_WINDOW + 1 ..= highest`, at the counter modulo the window.
    seen: [u64; WORDS],
}

impl ReplayWindow {
    /// A window in which only `counter` has been seen. Those shortly before it may still be under way.
    pub(crate) fn starting_at(counter: u64) -> Self {
        let mut window = Self { highest: counter, seen: [0; WORDS] };
        window.set(counter);
        window
    }

    /// Whether `counter` may still pass.
    pub(crate) fn is_new(&self, counter: u64) -> bool {
        if counter > self.highest {
            return true;
        }
        self.highest - counter < REPLAY_WINDOW && !self.get(counter)
    }

    /// Remembers that `counter` passed. Only for a counter whose datagram was authentic.
    pub(crate) fn mark(&mut self, counter: u64) {
        if counter > self.highest {
            if counter - self.highest >= REPLAY_WINDOW {
                self.seen = [0; WORDS];
            } else {
                (self.highest + 1..=counter).for_each(|skipped| self.clear(skipped));
            }
            self.highest = counter;
        }
        self.set(counter);
    }

    fn get(&self, counter: u64) -> bool {
        let (word, bit) = place(counter);
        self.seen[word] & bit != 0
    }

    fn set(&mut self, counter: u64) {
        let (word, bit) = place(counter);
        self.seen[word] |= bit;
    }

    fn clear(&mut self, counter: u64) {
        let (word, bit) = place(counter);
        self.seen[word] &= !bit;
    }
}

fn place(counter: u64) -> (usize, u64) {
    let slot = counter % REPLAY_WINDOW;
    ((slot / 64) as usize, 1 << (slot % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reordering_within_the_window_passes_once() {
        let mut window = ReplayWindow::starting_at(5000);
        assert!(!window.is_new(5000));
        assert!(window.is_new(5000 - REPLAY_WINDOW + 1));
        assert!(!window.is_new(5000 - REPLAY_WINDOW), "too old to tell");
        window.mark(4999);
        assert!(!window.is_new(4999));
        window.mark(5000 + REPLAY_WINDOW);
        assert!(!window.is_new(5000), "fell out of the window");
        assert!(window.is_new(5001));
    }

    proptest! {
        /// Against the naive model: a set of all counters ever seen.
        #[test]
        fn never_passes_a_counter_twice(steps in proptest::collection::vec(0_u64..5000, 1..400), base in any::<u32>()) {
            let base = u64::from(base);
            let mut window = ReplayWindow::starting_at(base);
            let mut seen = HashSet::from([base]);
            let mut highest = base;
            for counter in steps.into_iter().map(|step| base + step) {
                let expected = !seen.contains(&counter) && (counter > highest || highest - counter < REPLAY_WINDOW);
                prop_assert_eq!(window.is_new(counter), expected);
                if expected {
                    window.mark(counter);
                    seen.insert(counter);
                    highest = highest.max(counter);
                }
            }
        }
    }
}
