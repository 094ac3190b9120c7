//! Who noticed which death, and when.

use super::histogram::Histogram;
use std::time::Duration;
use whither_model::{Instant, MemberState};
use whither_population::{Index, Nodes};

/// How a death became known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Death {
    /// Whose.
    pub node: Index,
    /// After what time somebody suspected it.
    pub suspected: Option<Duration>,
    /// After what time the first one declared it down.
    pub first: Option<Duration>,
    /// After what time all survivors believed it down; `None`: not before the run ended.
    pub everywhere: Option<Duration>,
    /// How many survivors believed it down at the end.
    pub known_by: u32,
}

/// How all deaths of a run became known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Toll {
    /// Each, in the order of the nodes' numbers.
    pub deaths: Vec<Death>,
    /// After what time each survivor declared each of them down.
    pub noticed: Histogram,
    /// How many survived.
    pub survivors: u32,
}

/// Deaths while they become known.
#[derive(Debug)]
pub(super) struct Mourning {
    at: Instant,
    dead: Nodes,
    toll: Toll,
    /// For each death, who believes in it: a bit for each node.
    believers: Vec<Vec<u64>>,
}

impl Mourning {
    /// `dead` die at `at`, of `nodes` nodes.
    pub(super) fn new(at: Instant, dead: Nodes, nodes: u32) -> Self {
        let nobody = |node| Death { node, suspected: None, first: None, everywhere: None, known_by: 0 };
        let deaths: Vec<Death> = dead.iter().map(nobody).collect();
        let words = (nodes as usize).div_ceil(64);
        let survivors = nodes - u32::try_from(deaths.len()).unwrap_or(nodes);
        let believers = vec![vec![0; words]; deaths.len()];
        Self { at, dead, toll: Toll { deaths, noticed: Histogram::default(), survivors }, believers }
    }

    /// Whether `node` is dead at `at`.
    pub(super) fn is_dead(&self, at: Instant, node: Index) -> bool {
        at >= self.at && self.dead.contains(node)
    }

    /// A survivor believes this of a dead node since now.
    pub(super) fn believes(&mut self, at: Instant, survivor: Index, node: Index, state: MemberState) {
        let Ok(place) = self.toll.deaths.binary_search_by_key(&node, |death| death.node) else { return };
        let (death, after) = (&mut self.toll.deaths[place], at.since(self.at));
        let (word, bit) = (survivor as usize / 64, 1_u64 << (survivor % 64));
        let believer = &mut self.believers[place][word];
        match (state, *believer & bit != 0) {
            (MemberState::Down, false) => {
                *believer |= bit;
                death.known_by += 1;
                death.first = death.first.or(Some(after));
                self.toll.noticed.add(after);
                if death.known_by == self.toll.survivors {
                    death.everywhere = Some(after);
                }
            }
            (MemberState::Suspect | MemberState::Alive, true) => {
                *believer &= !bit;
                death.known_by -= 1;
                death.everywhere = None;
            }
            (MemberState::Suspect, false) => death.suspected = death.suspected.or(Some(after)),
            _ => {}
        }
    }

    /// What came of it.
    pub(super) fn into_toll(self) -> Toll {
        self.toll
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_is_known_when_every_survivor_believes_it_and_not_when_one_takes_it_back() {
        let after = |second: u64| Instant::START + Duration::from_secs(second);
        let mut mourning = Mourning::new(after(10), [1, 3].into_iter().collect(), 5);
        assert!(!mourning.is_dead(after(9), 3) && mourning.is_dead(after(10), 3) && !mourning.is_dead(after(11), 2));
        mourning.believes(after(11), 0, 3, MemberState::Suspect);
        for (second, survivor) in [(12, 0), (13, 2), (14, 4), (14, 4)] {
            mourning.believes(after(second), survivor, 3, MemberState::Down);
        }
        mourning.believes(after(15), 2, 3, MemberState::Alive);
        assert_eq!(mourning.toll.deaths[1].everywhere, None);
        mourning.believes(after(16), 2, 3, MemberState::Down);
        let seconds = |count| Some(Duration::from_secs(count));
        let known = Death { node: 3, suspected: seconds(1), first: seconds(2), everywhere: seconds(6), known_by: 3 };
        let toll = mourning.into_toll();
        assert_eq!((&toll.deaths[1], toll.survivors, toll.noticed.count()), (&known, 3, 4));
        assert_eq!((toll.deaths[0].known_by, toll.deaths[0].first), (0, None));
    }
}
