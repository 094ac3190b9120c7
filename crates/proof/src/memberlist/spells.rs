//! When a node is stuck.

use core::time::Duration;
use whither_model::Instant;
use whither_population::Cycle;

/// The end of the spell that `now` is in, if it is in one.
///
/// In a spell every thread blocks before it sends and after it has received: the paper's anomaly (section V). The world holds
/// the messages; but a thread that is stuck in a send does nothing else, so a node that has threads must know of it too.
pub(super) fn stuck_until(spells: &Cycle, now: Instant) -> Option<Instant> {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let cycle = micros(spells.on).saturating_add(micros(spells.off));
    if now < spells.first || cycle == 0 {
        return None;
    }
    let begun = now - Duration::from_micros((now.as_micros() - spells.first.as_micros()) % cycle);
    let end = begun + spells.on;
    (begun < spells.until && now < end).then_some(end)
}

/// Never.
pub(super) const NEVER: Cycle =
    Cycle { first: Instant::DISTANT_FUTURE, on: Duration::ZERO, off: Duration::ZERO, until: Instant::DISTANT_FUTURE };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_stuck_exactly_while_the_cycle_is_on() {
        let at = |millis| Instant::START + Duration::from_millis(millis);
        let cycle =
            Cycle { first: at(100), on: Duration::from_millis(20), off: Duration::from_millis(10), until: at(150) };
        let turns: Vec<_> = cycle.turns().collect();
        for millis in 0..250 {
            let within = turns.iter().find(|(begin, end)| *begin <= at(millis) && at(millis) < *end);
            assert_eq!(stuck_until(&cycle, at(millis)), within.map(|(_, end)| *end), "{millis} ms");
        }
        assert_eq!(stuck_until(&NEVER, at(100)), None);
    }
}
