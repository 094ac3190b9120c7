//! Hybrid logical clocks: wall time that never goes back, and that whoever has heard of a change is past.
//!
//! Kulkarni et al., Logical Physical Clocks, 2014. A stamp has 48 bits of milliseconds and 16 bits that count within one.

use std::time::Duration;
use whither_model::{NodeId, WallTime};

/// How far ahead of the local wall clock a stamp may be. What is further ahead is refused: one bad clock must not win for
/// ever.
pub const AHEAD_MAX: Duration = Duration::from_secs(60);
/// Bits of a stamp that count within a millisecond.
const COUNT_BITS: u32 = 16;

/// When something was written, by its writer's hybrid clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Stamp(pub u64);

impl Stamp {
    /// The wall time in it.
    #[must_use]
    pub const fn wall(self) -> WallTime {
        WallTime(self.0 >> COUNT_BITS)
    }
}

/// What decides between two writers of one cell: the later stamp, and of two that are equal the higher node. One node never
/// uses a stamp twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Written {
    /// When.
    pub(crate) stamp: Stamp,
    /// By whom.
    pub(crate) node: NodeId,
}

/// A stamp further ahead than [`AHEAD_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ahead {
    /// By how much.
    pub by: Duration,
}

/// A node's hybrid clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hybrid {
    last: Stamp,
}

impl Hybrid {
    /// A clock that is past `last`.
    pub(crate) const fn past(last: Stamp) -> Self {
        Self { last }
    }

    /// The latest stamp that was made or heard of.
    pub(crate) const fn last(&self) -> Stamp {
        self.last
    }

    /// The stamp of what is written now.
    pub(crate) fn next(&mut self, wall: WallTime) -> Stamp {
        self.last = Stamp((wall.0 << COUNT_BITS).max(self.last.0 + 1));
        self.last
    }

    /// Whether `stamp` is believed.
    pub(crate) fn check(stamp: Stamp, wall: WallTime) -> Result<(), Ahead> {
        let by = Duration::from_millis(stamp.wall().0.saturating_sub(wall.0));
        if by > AHEAD_MAX { Err(Ahead { by }) } else { Ok(()) }
    }

    /// Something stamped `stamp` is known here.
    pub(crate) fn observe(&mut self, stamp: Stamp) {
        self.last = self.last.max(stamp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_grow_although_the_wall_clock_stands_or_goes_back() {
        let mut clock = Hybrid::default();
        let stamps = [1_000, 1_000, 900, 1_001, 1_001].map(|wall| clock.next(WallTime(wall)));
        assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]), "{stamps:?}");
        assert_eq!(stamps[4].wall(), WallTime(1_001));
    }

    #[test]
    fn what_is_written_after_a_change_was_heard_is_later() {
        let mut clock = Hybrid::default();
        let heard = Stamp(5_000 << 16);
        clock.observe(heard);
        assert!(clock.next(WallTime(10)) > heard);
    }

    #[test]
    fn a_stamp_from_the_future_is_refused() {
        let wall = WallTime(1_000_000);
        assert_eq!(Hybrid::check(Stamp(1_060_000 << 16), wall), Ok(()));
        assert_eq!(Hybrid::check(Stamp(1_061_000 << 16), wall), Err(Ahead { by: Duration::from_secs(61) }));
    }
}
