//! Rumour mongering (Demers et al., "Epidemic Algorithms for Replicated Database Maintenance", PODC 1987, section 1.4).

use whither_model::random::Random;

/// Who contacts whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// In each cycle, each site that has the rumour and is interested in it tells one other.
    Push,
    /// In each cycle, each site asks one other.
    Pull,
}

/// When a site loses interest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// After so many unnecessary contacts without a useful one between them: feedback and counter. In pull, where a site may
    /// have several contacts in a cycle, the cycle counts as one contact, useful if any of them was (the footnote of Table 3).
    Counter(u32),
    /// After each contact, useful or not, with probability one in so many: blind and coin.
    Coin(u32),
}

/// How a rumour spreads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Who contacts whom.
    pub direction: Direction,
    /// When sites stop.
    pub interest: Interest,
}

/// What became of one rumour.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Outcome {
    /// The share of sites that never heard of it.
    pub residue: f64,
    /// Copies sent, divided by the number of sites.
    pub traffic: f64,
    /// The mean cycle in which a site heard, over those that did, the origin apart.
    pub average: f64,
    /// The last cycle in which a site heard.
    pub last: f64,
}

/// Sites during one rumour.
struct Sites {
    rules: Rules,
    /// In which cycle each heard of it; the origin in 0.
    heard: Vec<Option<u32>>,
    /// Those that have it and are interested.
    infective: Vec<usize>,
    /// Unnecessary contacts so far.
    count: Vec<u32>,
    copies: u64,
    random: Random,
}

/// Spreads a rumour from one site among `sites` until nobody is interested in it.
#[must_use]
pub fn spread(sites: usize, rules: Rules, seed: u64) -> Outcome {
    let mut random = Random::new(seed);
    let origin = random.below(sites);
    let mut heard = vec![None; sites];
    heard[origin] = Some(0);
    let mut all = Sites { rules, heard, infective: vec![origin], count: vec![0; sites], copies: 0, random };
    let mut cycle = 0;
    while !all.infective.is_empty() {
        cycle += 1;
        match rules.direction {
            Direction::Push => all.push(cycle),
            Direction::Pull => all.pull(cycle),
        }
    }
    all.outcome()
}

impl Sites {
    /// One cycle of pushing: those infected in it begin in the next. All act at once, so a contact is useful if the other had
    /// not heard before this cycle, even where two tell it in the same one.
    fn push(&mut self, cycle: u32) {
        let mut next = Vec::with_capacity(self.infective.len() * 2);
        for site in std::mem::take(&mut self.infective) {
            let to = self.other(site);
            self.copies += 1;
            let useful = self.heard[to].is_none_or(|heard| heard == cycle);
            if self.heard[to].is_none() {
                self.heard[to] = Some(cycle);
                next.push(to);
            }
            if !self.loses_interest(site, useful) {
                next.push(site);
            }
        }
        self.infective = next;
    }

    /// One cycle of pulling: all ask, and what was learnt in it is passed on from the next.
    fn pull(&mut self, cycle: u32) {
        let sites = self.heard.len();
        let mut asked = vec![(false, false); sites];
        let mut infective = vec![false; sites];
        self.infective.iter().for_each(|site| infective[*site] = true);
        let mut learnt = Vec::new();
        for site in 0..sites {
            let from = self.other(site);
            if !infective[from] {
                continue;
            }
            self.copies += 1;
            // A site asks once in a cycle, so nobody else can have told it in this one.
            let useful = self.heard[site].is_none();
            let (any, some_useful) = &mut asked[from];
            (*any, *some_useful) = (true, *some_useful || useful);
            if useful {
                self.heard[site] = Some(cycle);
                learnt.push(site);
            }
        }
        for site in std::mem::take(&mut self.infective) {
            let (any, useful) = asked[site];
            if !(any && self.loses_interest(site, useful)) {
                self.infective.push(site);
            }
        }
        self.infective.extend(learnt);
    }

    fn loses_interest(&mut self, site: usize, useful: bool) -> bool {
        match self.rules.interest {
            Interest::Coin(k) => self.random.below(k as usize) == 0,
            Interest::Counter(_) if useful => {
                self.count[site] = 0;
                false
            }
            Interest::Counter(k) => {
                self.count[site] += 1;
                self.count[site] >= k
            }
        }
    }

    /// Any site but this one.
    fn other(&mut self, site: usize) -> usize {
        let other = self.random.below(self.heard.len() - 1);
        other + usize::from(other >= site)
    }

    fn outcome(&self) -> Outcome {
        let sites = self.heard.len() as f64;
        let times: Vec<u32> = self.heard.iter().filter_map(|heard| heard.filter(|cycle| *cycle > 0)).collect();
        let sum: f64 = times.iter().map(|cycle| f64::from(*cycle)).sum();
        Outcome {
            residue: (sites - 1.0 - times.len() as f64) / sites,
            traffic: self.copies as f64 / sites,
            average: sum / (times.len() as f64).max(1.0),
            last: times.iter().max().copied().map_or(0.0, f64::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(direction: Direction, interest: Interest) -> Rules {
        Rules { direction, interest }
    }

    #[test]
    fn a_rumour_that_is_dropped_after_one_contact_is_a_chain() {
        let outcome = spread(1000, rules(Direction::Push, Interest::Coin(1)), 3);
        // Each that hears tells exactly one other, so copies are those who heard, the origin's among them.
        assert_eq!((outcome.traffic * 1000.0).round(), 1000.0 - (outcome.residue * 1000.0).round());
        assert!(outcome.residue > 0.5, "{outcome:?}");
    }

    #[test]
    fn patience_leaves_fewer_behind() {
        let residue = |k| {
            (0..50).map(|seed| spread(1000, rules(Direction::Push, Interest::Counter(k)), seed).residue).sum::<f64>()
        };
        assert!(residue(1) > residue(2) && residue(2) > residue(3));
    }

    #[test]
    fn the_same_seed_gives_the_same_outcome() {
        let pull = rules(Direction::Pull, Interest::Counter(2));
        assert_eq!(spread(500, pull, 9), spread(500, pull, 9));
        assert_ne!(spread(500, pull, 9), spread(500, pull, 10));
    }
}
