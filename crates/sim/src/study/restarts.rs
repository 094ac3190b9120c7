//! Who saw which node leave and come back, and when.

use super::histogram::Histogram;
use super::plan::Span;
use super::run::Recovery;
use std::time::Duration;
use whither_model::{Instant, MemberState};
use whither_population::{Index, Nodes};

/// How a rolling restart looked to the others. Each node says goodbye, is away, and boots again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Restarts {
    /// How many nodes were restarted.
    pub nodes: u32,
    /// How many removals there were to see: of each of them, by each node that was there when it left.
    pub removals: u64,
    /// After what time each of those nodes believed that it had left, as long as it was away.
    pub removed: Histogram,
    /// How many returns there were to see: of each of them, by each other node.
    pub returns: u64,
    /// After what time each of those knew of the new boot.
    pub returned: Histogram,
    /// After what time all of them did, for each node of which all did before the end of the run.
    pub everywhere: Vec<Duration>,
    /// How many nodes that were there were accused, from the first goodbye until the end of the run. They are among all
    /// accusations too.
    pub accused: u32,
    /// How many of these were declared down.
    pub wrongly_down: u32,
    /// What those believed who missed a goodbye, while the node was away; and when all agreed after the last return.
    pub recovery: Recovery,
}

impl Restarts {
    /// Adds what another run saw.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.nodes += other.nodes;
        self.removals += other.removals;
        self.removed.merge(&other.removed);
        self.returns += other.returns;
        self.returned.merge(&other.returned);
        self.everywhere.extend(&other.everywhere);
        self.accused += other.accused;
        self.wrongly_down += other.wrongly_down;
        Self { recovery: self.recovery.and(&other.recovery), ..self }
    }
}

/// Restarts while they go on.
#[derive(Debug, Default)]
pub(super) struct Rollout {
    /// When each batch is away, and who is in it.
    pub(super) batches: Vec<(Span, Nodes)>,
    /// How many nodes live while a batch is away, for each batch.
    stay: Vec<u64>,
    /// Who has seen them back, for each node that not all have seen yet, by number.
    waited_for: Vec<(Index, Nodes, u64)>,
    seen: Restarts,
}

impl Rollout {
    /// Batches are restarted, and `lost` of `nodes` nodes will be dead by then.
    pub(super) fn new(batches: Vec<(Span, Nodes)>, nodes: u32, lost: usize) -> Self {
        let living = (nodes as usize - lost) as u64;
        let stay = batches.iter().map(|(_, batch)| living - batch.len() as u64).collect();
        let mut rollout = Self { batches, stay, waited_for: Vec::new(), seen: Restarts::default() };
        for (stay, (_, batch)) in rollout.stay.iter().zip(&rollout.batches) {
            rollout.seen.nodes += u32::try_from(batch.len()).unwrap_or(u32::MAX);
            rollout.seen.removals += batch.len() as u64 * stay;
            rollout.seen.returns += batch.len() as u64 * (living - 1);
        }
        rollout
    }

    /// Whether a node is away at a time, on purpose.
    pub(super) fn is_away(&self, at: Instant, node: Index) -> bool {
        self.batches.iter().any(|(span, batch)| span.contains(at) && batch.contains(node))
    }

    /// The batch that left last.
    fn current(&self, at: Instant) -> Option<(usize, Span)> {
        let place = self.batches.partition_point(|(span, _)| span.begin <= at).checked_sub(1)?;
        Some((place, self.batches[place].0))
    }

    /// A batch boots again.
    pub(super) fn returns(&mut self, batch: usize) {
        self.waited_for.clear();
        self.waited_for.extend(self.batches[batch].1.iter().map(|node| (node, Nodes::default(), 0)));
    }

    /// A node believes this of another one since now.
    pub(super) fn believes(&mut self, at: Instant, observer: Index, about: Index, state: MemberState) {
        let Some((batch, span)) = self.current(at).filter(|(batch, _)| self.batches[*batch].1.contains(about)) else {
            return;
        };
        match state {
            MemberState::Left if span.contains(at) => self.seen.removed.add(at.since(span.begin)),
            MemberState::Alive if at >= span.end => self.back(at.since(span.end), observer, about, batch),
            _ => {}
        }
    }

    fn back(&mut self, after: Duration, observer: Index, about: Index, batch: usize) {
        let Ok(place) = self.waited_for.binary_search_by_key(&about, |(node, ..)| *node) else { return };
        let others = self.stay[batch] + self.batches[batch].1.len() as u64 - 1;
        let (_, seen_by, count) = &mut self.waited_for[place];
        // One that is suspected after it is back, and objects, is believed to be there a second time.
        if seen_by.contains(observer) {
            return;
        }
        seen_by.insert(observer);
        *count += 1;
        self.seen.returned.add(after);
        if *count == others {
            self.seen.everywhere.push(after);
            self.waited_for.remove(place);
        }
    }

    /// What came of it.
    pub(super) fn into_restarts(self) -> Restarts {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Instant {
        Instant::START + Duration::from_secs(second)
    }

    /// Of five nodes, 4 is dead; 0 and 2 are away from 10 to 12, 1 from 14 to 16.
    fn rollout() -> Rollout {
        let span = |begin, end| Span { begin: at(begin), end: at(end) };
        let batches = vec![(span(10, 12), [0, 2].into_iter().collect()), (span(14, 16), Nodes::one(1))];
        Rollout::new(batches, 5, 1)
    }

    #[test]
    fn removals_and_returns_to_see_are_those_of_the_living() {
        let rollout = rollout();
        let away: Vec<Index> = (0..5).filter(|node| rollout.is_away(at(11), *node)).collect();
        assert_eq!((away, rollout.is_away(at(12), 0), rollout.is_away(at(15), 1)), (vec![0, 2], false, true));
        let seen = rollout.into_restarts();
        assert_eq!((seen.nodes, seen.removals, seen.returns), (3, 2 * 2 + 3, 3 * 3));
    }

    #[test]
    fn it_is_back_when_everybody_knows_and_knowing_it_twice_counts_once() {
        let mut rollout = rollout();
        rollout.believes(at(11), 1, 0, MemberState::Left);
        rollout.believes(at(13), 3, 0, MemberState::Left);
        rollout.returns(0);
        for (second, observer) in [(13, 1), (13, 2), (13, 2)] {
            rollout.believes(at(second), observer, 0, MemberState::Alive);
        }
        assert_eq!(rollout.seen.everywhere, []);
        rollout.believes(at(14), 3, 1, MemberState::Left);
        rollout.returns(1);
        for observer in [0, 3, 2] {
            rollout.believes(at(19), observer, 1, MemberState::Alive);
        }
        let seen = rollout.into_restarts();
        assert_eq!((seen.removed.count(), seen.returned.count()), (2, 2 + 3));
        assert_eq!(seen.everywhere, [Duration::from_secs(3)]);
    }
}
