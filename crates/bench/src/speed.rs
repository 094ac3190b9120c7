//! How fast a server is, measured in turns with its limit, so that a busy neighbour on the machine slows both.

use crate::http_load::{Extent, Lane, drive};
use crate::proc_stat::CpuMeter;
use anyhow::Result;
use std::time::Duration;

/// Turns that each of the two has.
const TURNS: u32 = 3;
/// Part of a turn that goes before the first one, uncounted.
const WARM_UP: f64 = 0.25;

/// What a server did, and what it took.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Speed {
    /// Requests, packets or whatever it does.
    pub(crate) done: u64,
    /// Time.
    pub(crate) seconds: f64,
    /// Processor time of the server.
    pub(crate) cpu_seconds: f64,
}

impl Speed {
    /// How many in a second of processor time.
    pub(crate) fn per_cpu_second(&self) -> f64 {
        self.done as f64 / self.cpu_seconds
    }

    /// How many in a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.done as f64 / self.seconds
    }

    /// Processor time of one, microseconds.
    pub(crate) fn cpu_micros(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.done as f64
    }

    fn and(self, other: Self) -> Self {
        Self {
            done: self.done + other.done,
            seconds: self.seconds + other.seconds,
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
        }
    }
}

/// Runs `own` and `limit` in turns, each for `phase` altogether, and a little before that.
pub(crate) fn in_turns(
    phase: Duration,
    mut own: impl FnMut(Duration) -> Result<Speed>,
    mut limit: impl FnMut(Duration) -> Result<Speed>,
) -> Result<(Speed, Speed)> {
    let turn = phase / TURNS;
    own(turn.mul_f64(WARM_UP))?;
    limit(turn.mul_f64(WARM_UP))?;
    let mut sums = (Speed::default(), Speed::default());
    for _ in 0..TURNS {
        sums.0 = sums.0.and(own(turn)?);
        sums.1 = sums.1.and(limit(turn)?);
    }
    Ok(sums)
}

/// How fast the process `pid` answers what `lanes` ask.
pub(crate) fn of_http(lanes: &[Lane], pid: u32, duration: Duration) -> Result<Speed> {
    let meter = CpuMeter::start([pid])?;
    let load = drive(lanes, Extent::For(duration))?;
    Ok(Speed { done: load.requests, seconds: load.elapsed.as_secs_f64(), cpu_seconds: meter.seconds()? })
}

#[cfg(test)]
mod tests {
    use super::{Speed, TURNS, in_turns};
    use std::time::Duration;

    #[test]
    fn turns_are_added_up_without_the_warm_up() {
        let mut order = Vec::new();
        let order = std::cell::RefCell::new(&mut order);
        let speed = |who: u64| {
            let order = &order;
            move |turn: Duration| {
                order.borrow_mut().push(who);
                Ok(Speed { done: who, seconds: turn.as_secs_f64(), cpu_seconds: 0.5 })
            }
        };
        let (own, limit) = in_turns(Duration::from_secs(3), speed(10), speed(20)).unwrap();
        assert_eq!((own.done, limit.done), (10 * u64::from(TURNS), 20 * u64::from(TURNS)));
        assert!((own.seconds - 3.0).abs() < 1e-6 && (own.cpu_seconds - 1.5).abs() < 1e-6);
        assert!((own.per_second() - 10.0).abs() < 1e-3 && (own.per_cpu_second() - 20.0).abs() < 1e-3);
        assert!((own.cpu_micros() - 50_000.0).abs() < 1e-3);
        assert_eq!(order.borrow()[..4], [10, 20, 10, 20]);
    }
}
