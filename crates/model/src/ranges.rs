//! Sets of seqs as ranges.

use crate::Origin;
use crate::limits::RANGES_MAX;
use crate::random::mix;
use alloc::vec::Vec;

/// Which seqs of one origin have been seen. Almost always one range from 1: a watermark.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Ranges as they came from outside: sorted, merged, empty and reversed ones dropped.
    #[must_use]
    pub fn from_untrusted(ranges: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut all = Self::default();
        ranges.into_iter().take(RANGES_MAX).for_each(|(first, last)| {
            all.insert(first, last);
        });
        all
    }

    /// The ranges, inclusive, ascending, not touching.
    #[must_use]
    pub fn as_slice(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// Whether nothing has been seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Up to where nothing is missing.
    #[must_use]
    pub fn watermark(&self) -> u64 {
        match self.0.first() {
            Some((1, last)) => *last,
            _ => 0,
        }
    }

    /// Whether `seq` is among them.
    #[must_use]
    pub fn contains(&self, seq: u64) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < seq);
        self.0.get(at).is_some_and(|(first, _)| *first <= seq)
    }

    /// Whether all of `first..=last` are among them.
    #[must_use]
    pub fn contains_all(&self, first: u64, last: u64) -> bool {
        let at = self.0.partition_point(|(_, end)| *end < first);
        self.0.get(at).is_some_and(|(start, end)| *start <= first && last <= *end)
    }

    /// Adds `first..=last`. Returns whether anything was new. What would need more than [`RANGES_MAX`] ranges is not
    /// added and will be asked for again.
    pub fn insert(&mut self, first: u64, last: u64) -> bool {
        if first == 0 || first > last {
            return false;
        }
        // The ranges that overlap or touch the new one.
        let from = self.0.partition_point(|(_, end)| *end < first - 1);
        let to = self.0.partition_point(|(start, _)| *start <= last.saturating_add(1));
        if from == to {
            if self.0.len() == RANGES_MAX {
                return false;
            }
            self.0.insert(from, (first, last));
            return true;
        }
        let merged = (first.min(self.0[from].0), last.max(self.0[to - 1].1));
        if to - from == 1 && merged == self.0[from] {
            return false;
        }
        self.0[from] = merged;
        self.0.drain(from + 1..to);
        true
    }

    /// What is in `self` and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Vec<(u64, u64)> {
        let mut left = Vec::new();
        for &(first, last) in &self.0 {
            let mut next = first;
            let from = other.0.partition_point(|(_, end)| *end < first);
            for &(start, end) in &other.0[from..] {
                if start > last || next > last {
                    break;
                }
                if start > next {
                    left.push((next, start - 1));
                }
                let Some(after) = end.checked_add(1) else { return left };
                next = next.max(after);
            }
            if next <= last {
                left.push((next, last));
            }
        }
        left
    }

    /// A digest of this set as `origin`'s. Digests of several origins are combined by XOR.
    #[must_use]
    pub fn digest(&self, origin: Origin) -> u64 {
        let start = mix(origin.node.get()) ^ mix(origin.epoch.0.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        self.0.iter().fold(start, |hash, (first, last)| mix(hash ^ mix(*first)).wrapping_add(mix(last.rotate_left(32))))
    }
}
