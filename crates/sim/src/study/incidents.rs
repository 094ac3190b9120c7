//! Accusations of nodes that were well and in reach.

use std::collections::BTreeMap;
use std::time::Duration;
use whither_model::Instant;
use whither_population::Index;

/// A node that was well and in reach was suspected. Suspicions of one node that are not far apart are one incident.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Incident {
    /// Who was suspected.
    pub node: Index,
    /// When somebody suspected it first.
    pub began: Instant,
    /// When somebody did last.
    pub last: Instant,
    /// Who was the first.
    pub first_by: Index,
    /// How often a node began to suspect it.
    pub suspected: u32,
    /// How often a node declared it down, wrongly.
    pub down: u32,
    /// Who was the first to do so.
    pub first_down_by: Option<Index>,
}

/// All of them so far.
#[derive(Debug)]
pub(super) struct Incidents {
    open: BTreeMap<Index, Incident>,
    over: Vec<Incident>,
    gap: Duration,
}

impl Incidents {
    /// Suspicions of one node that are less than `gap` apart are one incident.
    pub(super) const fn new(gap: Duration) -> Self {
        Self { open: BTreeMap::new(), over: Vec::new(), gap }
    }

    /// `by` suspects `node`, or declares it down.
    pub(super) fn accused(&mut self, at: Instant, by: Index, node: Index, down: bool) {
        let gap = self.gap;
        if self.open.get(&node).is_some_and(|open| at.since(open.last) >= gap) {
            self.over.extend(self.open.remove(&node));
        }
        let incident = self.open.entry(node).or_insert(Incident {
            node,
            began: at,
            last: at,
            first_by: by,
            suspected: 0,
            down: 0,
            first_down_by: None,
        });
        incident.last = at;
        if down {
            incident.down += 1;
            incident.first_down_by = incident.first_down_by.or(Some(by));
        } else {
            incident.suspected += 1;
        }
    }

    /// All, in the order in which they began.
    pub(super) fn into_list(self) -> Vec<Incident> {
        let mut all = self.over;
        all.extend(self.open.into_values());
        all.sort_by_key(|incident| (incident.began, incident.node));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspicions_that_are_near_each_other_are_one_incident() {
        let at = |second: u64| Instant::START + Duration::from_secs(second);
        let mut incidents = Incidents::new(Duration::from_secs(5));
        incidents.accused(at(1), 10, 7, false);
        incidents.accused(at(2), 11, 7, false);
        incidents.accused(at(3), 11, 8, true);
        incidents.accused(at(4), 12, 7, true);
        incidents.accused(at(9), 13, 7, false);
        let told: Vec<_> = incidents
            .into_list()
            .into_iter()
            .map(|one| (one.node, one.first_by, one.suspected, one.down, one.first_down_by))
            .collect();
        assert_eq!(told, [(7, 10, 2, 1, Some(12)), (8, 11, 0, 1, Some(11)), (7, 13, 1, 0, None)]);
    }
}
