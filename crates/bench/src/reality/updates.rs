//! One registration at an agent, until every other agent shows it: real agents.

use super::crew::Crew;
use super::observer::Owner;
use anyhow::Result;
use std::time::{Duration, Instant};
use whither_model::random::Random;

/// How long an update may take; what has not come by then is counted as missing.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two updates, drawn from this range: no beat that a timer could keep.
pub(super) const GAP: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(600));

/// What takes longer than this did not come in the first attempt.
const SLOW: Duration = Duration::from_secs(1);

/// An update that came late to an agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slow {
    /// Which update, from zero.
    pub(super) number: usize,
    /// Where it was made.
    pub(super) origin: usize,
    /// Where it was late.
    pub(super) agent: usize,
    /// How late.
    pub(super) after: Duration,
}

/// What became of updates.
#[derive(Clone, Debug, Default)]
pub(super) struct Updates {
    /// How long after its origin each other agent had it; the same for all updates.
    pub(super) deliveries: Vec<Duration>,
    /// How long after its origin the last agent had it, of those that reached all.
    pub(super) last: Vec<Duration>,
    /// From asking an agent to register until its own watch tells: what measuring takes.
    pub(super) at_origin: Vec<Duration>,
    /// Pairs of an update and an agent that did not come together in time.
    pub(super) missing: usize,
    /// Real ones that took longer than [`SLOW`].
    pub(super) slow: Vec<Slow>,
    /// Agents that somebody believed to be down, although none was.
    pub(super) wrongly_down: usize,
}

impl Updates {
    /// Takes in when each other agent had an update, since its origin had it.
    pub(super) fn add(&mut self, deliveries: Vec<Duration>, expected: usize) {
        self.missing += expected.saturating_sub(deliveries.len());
        if deliveries.len() == expected {
            self.last.extend(deliveries.iter().max());
        }
        self.deliveries.extend(deliveries);
    }
}

/// A time between two updates.
pub(super) fn gap(random: &mut Random) -> Duration {
    let span = (GAP.1 - GAP.0).as_micros();
    GAP.0 + Duration::from_micros(random.below(usize::try_from(span).unwrap_or(0)) as u64)
}

/// Makes `count` updates, one after the other, from all agents in turn.
pub(super) fn measure(crew: &mut Crew, count: usize, random: &mut Random) -> Result<Updates> {
    let mut origins: Vec<usize> = (0..crew.len()).collect();
    random.shuffle(&mut origins);
    let mut updates = Updates::default();
    for number in 0..count {
        one(crew, number, origins[number % origins.len()], &mut updates)?;
        let shown = crew.wait(gap(random))?;
        updates.wrongly_down += shown.iter().filter(|seen| seen.owner == Owner::Down).count();
    }
    Ok(updates)
}

fn one(crew: &mut Crew, nth: usize, origin: usize, updates: &mut Updates) -> Result<()> {
    let (number, begun) = crew.update(origin)?;
    let mut shown_at: Vec<Option<Instant>> = vec![None; crew.len()];
    let mut missing = crew.len();
    while missing > 0 {
        let Some(seen) = crew.next(begun + PATIENCE)? else { break };
        if seen.owner == Owner::Down {
            updates.wrongly_down += 1;
        }
        if let (true, Some(place @ None)) = (seen.number == number, shown_at.get_mut(seen.agent)) {
            *place = Some(seen.at);
            missing -= 1;
        }
    }
    let own = shown_at[origin].unwrap_or(begun);
    updates.at_origin.push(own - begun);
    let mut deliveries = Vec::with_capacity(crew.len());
    for (agent, at) in shown_at.iter().enumerate().filter(|(agent, _)| *agent != origin) {
        let Some(after) = at.map(|at| at.saturating_duration_since(own)) else { continue };
        deliveries.push(after);
        if after > SLOW {
            updates.slow.push(Slow { number: nth, origin, agent, after });
        }
    }
    updates.add(deliveries, crew.len() - 1);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{GAP, Updates, gap};
    use std::time::Duration;
    use whither_model::random::Random;

    #[test]
    fn an_update_that_did_not_reach_all_has_no_last() {
        let millis = |of: &[u64]| of.iter().map(|one| Duration::from_millis(*one)).collect::<Vec<_>>();
        let mut updates = Updates::default();
        updates.add(millis(&[5, 9, 7]), 3);
        updates.add(millis(&[4, 6]), 3);
        assert_eq!((updates.last, updates.missing), (millis(&[9]), 1));
        assert_eq!(updates.deliveries, millis(&[5, 9, 7, 4, 6]));
    }

    #[test]
    fn gaps_are_within_their_range() {
        let mut random = Random::new(1);
        let drawn: Vec<Duration> = (0..1_000).map(|_| gap(&mut random)).collect();
        assert!(drawn.iter().all(|one| (GAP.0..GAP.1).contains(one)));
        assert!(drawn.iter().max() > drawn.iter().min());
    }
}
