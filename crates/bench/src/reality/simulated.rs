//! The same experiments in the population simulator: the same protocol code, timings, places, latencies and losses.

use super::scene::Scene;
use super::{deaths, updates};
use crate::sample::Sample;
use anyhow::{Context, Result};
use core::time::Duration;
use whither_model::random::{Random, mix};
use whither_model::{Instant, MemberState};
use whither_population::{Change, Index, Population, Watch};
use whither_sim::crowd::{self, Manner, News, Node, Told};

/// How long a population is left alone first: round trips are known, and probes have lost their common beat.
const WARM_UP: Duration = Duration::from_secs(20);
/// What a registration as small as the real one takes in a datagram, bytes.
const UPDATE_BYTES: u32 = 150;

/// A population and what is lost in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan<'a> {
    /// Who and where.
    pub(super) scene: &'a Scene,
    /// The share of messages that is lost.
    pub(super) loss: f64,
}

/// What was told, while somebody wants to know.
#[derive(Debug, Default)]
struct Notes {
    taken: Vec<(Instant, Index, Told)>,
    takes: bool,
}

impl Watch<Told> for Notes {
    fn event(&mut self, at: Instant, node: Index, event: Told) {
        if self.takes {
            self.taken.push((at, node, event));
        }
    }
}

type Crowd = Population<Node, Notes>;

fn crowd(plan: Plan<'_>, seed: u64) -> Result<Crowd> {
    let setup = plan.scene.setup(seed);
    let places = setup.map.assign(setup.nodes, seed);
    let count = Index::try_from(setup.nodes).context("too many nodes")?;
    let region = |node: Index| u32::from(places[node as usize]);
    let mut nodes = crowd::acquainted(count, seed, &Manner::default(), region).into_iter();
    let mut crowd = Population::new(&setup, Notes::default(), |_| nodes.next().expect("one for each number"));
    crowd.run_for(WARM_UP / 2)?;
    crowd.change(&Change::Loss(plan.loss));
    crowd.run_for(WARM_UP / 2)?;
    crowd.watch_mut().takes = true;
    Ok(crowd)
}

/// `count` updates in a population of that seed.
pub(super) fn updates(plan: Plan<'_>, count: usize, seed: u64) -> Result<updates::Updates> {
    let mut crowd = crowd(plan, seed)?;
    let mut random = Random::new(mix(seed ^ 0x0075_7064));
    let mut begun = Vec::new();
    for number in 0..count {
        let origin = Index::try_from(number % crowd.len()).unwrap_or(0);
        let news = News::Update { number: u32::try_from(number).unwrap_or(u32::MAX), bytes: UPDATE_BYTES };
        begun.push(crowd.now());
        crowd.inject(origin, |node, now, out| node.publish(now, news, out));
        crowd.run_for(updates::gap(&mut random))?;
    }
    crowd.run_for(updates::PATIENCE)?;
    let others = crowd.len() - 1;
    let notes = crowd.into_watch().taken;
    let wrongly_down = notes.iter().filter(|(_, _, told)| is_down(told)).count();
    let mut found = updates::Updates { wrongly_down, ..updates::Updates::default() };
    for (number, begun) in (0_u32..).zip(begun) {
        let heard = notes.iter().filter(|(_, _, told)| *told == Told::Heard { number });
        found.add(heard.map(|(at, _, _)| at.since(begun)).collect(), others);
    }
    Ok(found)
}

/// `count` deaths, each in a population of its own.
pub(super) fn deaths(plan: Plan<'_>, count: usize, seed: u64) -> Result<deaths::Deaths> {
    let mut found = deaths::Deaths::default();
    for number in 0..count as u64 {
        let seed = mix(seed ^ mix(number));
        let mut random = Random::new(seed);
        let mut crowd = crowd(plan, seed)?;
        crowd.run_for(Duration::from_millis(random.below(2_000) as u64))?;
        let victim = Index::try_from(random.below(crowd.len())).unwrap_or(0);
        let killed = crowd.now();
        crowd.crash(victim);
        let times = await_all_know(&mut crowd, victim, killed + deaths::PATIENCE)?;
        found.first.extend(times.first().map(|at| at.since(killed)));
        found.all.extend(times.last().map(|at| at.since(killed)));
        let down = crowd.watch().taken.iter().filter(|(_, _, told)| is_down(told)).count();
        found.wrongly_down += down.saturating_sub(times.len());
    }
    Ok(found)
}

/// When each other node believed for the first time that `victim` is down, in order.
fn await_all_know(crowd: &mut Crowd, victim: Index, until: Instant) -> Result<Vec<Instant>> {
    const STEP: Duration = Duration::from_millis(200);
    let (mut times, mut knows, mut read) = (Vec::new(), vec![false; crowd.len()], 0);
    let down = Told::Believes { about: victim, state: MemberState::Down };
    while times.len() + 1 < crowd.len() && crowd.now() < until {
        crowd.run_for(STEP)?;
        let notes = &crowd.watch().taken;
        for (at, node, _) in notes[read..].iter().filter(|(_, _, told)| *told == down) {
            if !core::mem::replace(&mut knows[*node as usize], true) {
                times.push(*at);
            }
        }
        read = notes.len();
    }
    Ok(times)
}

fn is_down(told: &Told) -> bool {
    matches!(told, Told::Believes { state: MemberState::Down, .. })
}

/// Durations as milliseconds.
pub(super) fn millis(durations: &[Duration]) -> Sample {
    Sample::new(durations.iter().map(|duration| duration.as_secs_f64() * 1e3).collect())
}

#[cfg(test)]
mod tests {
    use super::{Plan, deaths, updates};
    use crate::reality::scene::Scene;
    use core::time::Duration;

    #[test]
    fn simulated_updates_reach_all_and_take_at_least_one_way() {
        let one_way = Duration::from_millis(5);
        let scene = Scene::one_region(8, one_way);
        let found = updates(Plan { scene: &scene, loss: 0.0 }, 6, 1).unwrap();
        assert_eq!((found.last.len(), found.deliveries.len(), found.missing), (6, 42, 0));
        assert!(found.deliveries.iter().all(|taken| *taken >= one_way));
    }

    #[test]
    fn a_simulated_death_is_found_out_by_all() {
        let scene = Scene::one_region(8, Duration::from_millis(5));
        let found = deaths(Plan { scene: &scene, loss: 0.0 }, 3, 1).unwrap();
        assert_eq!((found.first.len(), found.all.len(), found.wrongly_down), (3, 3, 0));
        assert!(found.first.iter().zip(&found.all).all(|(first, all)| first <= all && !first.is_zero()));
    }
}
