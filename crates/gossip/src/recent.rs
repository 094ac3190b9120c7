//! What was seen lately, in bounded memory.

use foldhash::fast::FixedState;
use hashbrown::HashSet;

/// A set of marks that forgets the oldest: two generations, of which the older goes when the younger is full.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    young: HashSet<u64, FixedState>,
    old: HashSet<u64, FixedState>,
}

/// Marks of one generation. A mark is remembered for at least this many others.
const GENERATION: usize = 8_192;

impl Recent {
    /// Adds `mark`. Returns whether it was not in.
    pub(crate) fn insert(&mut self, mark: u64) -> bool {
        if self.old.contains(&mark) {
            return false;
        }
        if self.young.len() >= GENERATION {
            self.old = core::mem::take(&mut self.young);
        }
        self.young.insert(mark)
    }

    /// Takes `mark` out. Returns whether it was in.
    pub(crate) fn remove(&mut self, mark: u64) -> bool {
        self.young.remove(&mark) || self.old.remove(&mark)
    }

    pub(crate) fn contains(&self, mark: u64) -> bool {
        self.young.contains(&mark) || self.old.contains(&mark)
    }
}
