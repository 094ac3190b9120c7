//! Where no way leads.

use crate::nodes::Nodes;
use crate::protocol::Index;
use std::collections::BTreeSet;

/// Ways that are cut, each in one direction.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    between: Vec<(Nodes, Nodes)>,
    pairs: BTreeSet<(Index, Index)>,
}

impl Cuts {
    pub(super) fn add(&mut self, from: &Nodes, to: &Nodes) {
        self.between.push((from.clone(), to.clone()));
    }

    pub(super) fn add_pairs(&mut self, pairs: &[(Index, Index)]) {
        self.pairs.extend(pairs);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.between.is_empty() && self.pairs.is_empty()
    }

    pub(super) fn cut(&self, from: Index, to: Index) -> bool {
        self.between.iter().any(|(these, those)| these.contains(from) && those.contains(to))
            || (!self.pairs.is_empty() && self.pairs.contains(&(from, to)))
    }
}
