//! Who is in the cluster, as one node sees it: memberlist's `nodes` and `nodeMap`.

use core::time::Duration;
use whither_model::{Instant, random::Random};
use whither_population::Index;

/// What is believed of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Belief {
    /// Never heard of, or dead for so long that it was forgotten.
    #[default]
    Unknown,
    /// Alive.
    Alive,
    /// It did not answer somebody.
    Suspect,
    /// Dead; kept for a while so that it can be told.
    Dead,
}

/// One node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) belief: Belief,
    pub(super) incarnation: u32,
    /// When the belief changed.
    pub(super) changed: Instant,
}

const UNKNOWN: Member = Member { belief: Belief::Unknown, incarnation: 0, changed: Instant::DISTANT_PAST };

/// All nodes that one node knows, itself among them.
#[derive(Debug)]
pub(super) struct Members {
    of: Vec<Member>,
    /// The order in which they are probed.
    order: Vec<Index>,
    cursor: usize,
}

impl Members {
    /// Everybody, alive and in their first incarnation.
    pub(super) fn all(nodes: usize, random: &mut Random) -> Self {
        let alive = Member { belief: Belief::Alive, incarnation: 1, ..UNKNOWN };
        let mut order: Vec<Index> = (0..Index::try_from(nodes).unwrap_or(Index::MAX)).collect();
        random.shuffle(&mut order);
        Self { of: vec![alive; nodes], order, cursor: 0 }
    }

    /// What is known of `node`.
    pub(super) fn get(&self, node: Index) -> Member {
        self.of[node as usize]
    }

    /// What is known of `node`, to change it.
    pub(super) fn get_mut(&mut self, node: Index) -> &mut Member {
        &mut self.of[node as usize]
    }

    /// How many are in the list, the dead included (`estNumNodes`).
    pub(super) const fn len(&self) -> usize {
        self.order.len()
    }

    /// All in the list.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Index, Member)> + '_ {
        self.order.iter().map(|node| (*node, self.of[*node as usize]))
    }

    /// Puts an unknown node at a random place of the list; it counts as dead until it is called alive.
    pub(super) fn insert(&mut self, node: Index, random: &mut Random) {
        self.of[node as usize] = Member { belief: Belief::Dead, ..UNKNOWN };
        let last = self.order.len();
        self.order.push(node);
        self.order.swap(random.below(last), last);
    }

    /// Whom to probe next, if anybody: round robin; at the end of each round the long dead are forgotten and the list is
    /// shuffled (`probe`, `resetNodes`).
    pub(super) fn next_to_probe(
        &mut self,
        me: Index,
        now: Instant,
        keep_dead: Duration,
        random: &mut Random,
    ) -> Option<Index> {
        let mut checked = 0;
        while checked < self.order.len() {
            if self.cursor >= self.order.len() {
                self.forget_the_dead(now, keep_dead);
                random.shuffle(&mut self.order);
                self.cursor = 0;
                checked += 1;
                continue;
            }
            let node = self.order[self.cursor];
            self.cursor += 1;
            if node != me && self.get(node).belief != Belief::Dead {
                return Some(node);
            }
            checked += 1;
        }
        None
    }

    fn forget_the_dead(&mut self, now: Instant, keep_dead: Duration) {
        let of = &mut self.of;
        self.order.retain(|node| {
            let member = &mut of[*node as usize];
            let long_dead = member.belief == Belief::Dead && now.since(member.changed) > keep_dead;
            if long_dead {
                *member = UNKNOWN;
            }
            !long_dead
        });
    }

    /// Adds up to `count` different random nodes to `picked` that `fit` (`kRandomNodes`: 3 n tries in all).
    pub(super) fn pick(
        &self,
        count: usize,
        random: &mut Random,
        picked: &mut Vec<Index>,
        fit: impl Fn(Index, Member) -> bool,
    ) {
        for _ in 0..3 * self.order.len() {
            if picked.len() >= count {
                break;
            }
            let node = self.order[random.below(self.order.len())];
            if fit(node, self.get(node)) && !picked.contains(&node) {
                picked.push(node);
            }
        }
    }
}
