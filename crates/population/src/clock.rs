//! Clocks of nodes: each counts at its own rate, from its own beginning.

use core::time::Duration;
use whither_model::Instant;
use whither_model::random::Random;

/// How clocks of nodes differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Clocks {
    /// Rates differ from that of the world by up to this many parts per million, either way. Quartz: 20 to 200.
    pub ppm: u32,
    /// Clocks show up to this much at the beginning, beyond [`Instant::START`]. With anything but zero, a protocol that
    /// takes another node's time for its own is found out.
    pub apart: Duration,
}

/// One node's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// What it shows beyond [`Instant::START`] when the world begins, microseconds.
    offset: u64,
    /// How much too fast it is, parts per million.
    ppm: i64,
}

const MILLION: i64 = 1_000_000;

impl Clock {
    pub(crate) fn new(clocks: Clocks, random: &mut Random) -> Self {
        let apart = usize::try_from(clocks.apart.as_micros()).unwrap_or(usize::MAX);
        let offset = if apart == 0 { 0 } else { random.below(apart) as u64 };
        let spread = i64::from(clocks.ppm);
        let ppm = if spread == 0 { 0 } else { random.below(clocks.ppm as usize * 2 + 1) as i64 - spread };
        Self { offset, ppm }
    }

    /// What it shows at a time of the world, both in microseconds of [`Instant`]'s scale.
    pub(crate) fn shows(&self, world: u64) -> u64 {
        if self.ppm == 0 {
            return world + self.offset;
        }
        let elapsed = (world - Instant::START.as_micros()).cast_signed();
        let gained = elapsed / MILLION * self.ppm + elapsed % MILLION * self.ppm / MILLION;
        world.saturating_add_signed(gained) + self.offset
    }

    /// The first time of the world at which it shows at least `shown`.
    pub(crate) fn when_shows(&self, shown: u64) -> u64 {
        if shown == u64::MAX {
            return u64::MAX;
        }
        let begin = Instant::START.as_micros();
        let Some(elapsed) = shown.checked_sub(self.offset + begin) else { return begin };
        if self.ppm == 0 {
            return begin + elapsed;
        }
        let rate = (MILLION + self.ppm).cast_unsigned();
        let whole = u128::from(elapsed) * u128::from(MILLION.cast_unsigned()) / u128::from(rate);
        // Rounding here and in `shows` is off by two microseconds at most; begin below and step up.
        let mut world = begin + u64::try_from(whole).unwrap_or(u64::MAX - begin).saturating_sub(2);
        while self.shows(world) < shown {
            world += 1;
        }
        world
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_is_never_early_and_never_late_by_more_than_rounding() {
        let mut random = Random::new(1);
        let clocks = Clocks { ppm: 500, apart: Duration::from_secs(3600) };
        for _ in 0..2_000 {
            let clock = Clock::new(clocks, &mut random);
            let shown = Instant::START.as_micros() + clock.offset + random.below(1 << 42) as u64;
            let world = clock.when_shows(shown);
            assert!(clock.shows(world) >= shown, "{clock:?} woke early");
            let before = world.saturating_sub(1).max(Instant::START.as_micros());
            assert!(world == before || clock.shows(before) < shown, "{clock:?} woke late");
        }
    }

    #[test]
    fn a_fast_clock_gains_its_rate() {
        let hour = 3_600_000_000;
        let start = Instant::START.as_micros();
        let clock = Clock { offset: 7, ppm: 200 };
        assert_eq!(clock.shows(start + hour), start + hour + 7 + hour / 1_000_000 * 200);
        let slow = Clock { offset: 0, ppm: -200 };
        assert_eq!(slow.shows(start + hour), start + hour - hour / 1_000_000 * 200);
    }

    #[test]
    fn never_is_never_and_the_past_is_the_beginning() {
        let clock = Clock { offset: 1_000, ppm: 3 };
        assert_eq!(clock.when_shows(u64::MAX), u64::MAX);
        assert_eq!(clock.when_shows(0), Instant::START.as_micros());
    }
}
