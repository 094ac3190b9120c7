//! Deaths: E4.

use super::Beliefs;
use crate::report::{Cell, Effort, Report, Table, Within};
use crate::statistics::Sorted;
use std::time::Duration;
use whither_model::MemberState;
use whither_model::random::{Random, mix};
use whither_population::{Change, Map, Nodes, Population, Setup};
use whither_sim::crowd::{Manner, Node, acquainted};

/// Crashes of one node, of a few, of a rack, of a zone, and of most.
#[must_use]
pub fn run(effort: Effort, seed: u64) -> Report {
    let sizes: &[(u32, u64)] =
        if effort == Effort::Full { &[(128, 40), (1_000, 12)] } else { &[(128, 10), (1_000, 2)] };
    let mut table = Table::new(
        "From the crash to the verdict, seconds, with our defaults in a data centre",
        &["first, median", "all, median", "all, 99 %", "healthy removed", "suspected wrongly"],
    );
    for &(nodes, runs) in sizes {
        for (name, share) in
            [("1 node", 0.0), ("1 %", 0.01), ("5 % (a rack)", 0.05), ("33 % (a zone)", 0.33), ("70 %", 0.7)]
        {
            let dead = ((f64::from(nodes) * share) as usize).max(1);
            let seeds: Vec<u64> =
                (0..runs).map(|run| mix(seed ^ mix(run ^ u64::from(nodes) << 32 ^ dead as u64))).collect();
            let all = crate::parallel::map(&seeds, |seed| crash(nodes, dead, *seed, Map::datacentre()));
            let first = Sorted::new(all.iter().flat_map(|one| one.first.iter().copied()).collect());
            let full = Sorted::new(all.iter().flat_map(|one| one.full.iter().copied()).collect());
            let sum = |of: fn(&Outcome) -> u64| all.iter().map(of).sum::<u64>() as f64;
            let at = |sample: &Sorted, share| sample.at(share).unwrap_or(f64::INFINITY);
            let judged = share < 0.1;
            let cell =
                |value, bar| if judged { Cell::judged(value, bar, Within::AtMost) } else { Cell::measured(value) };
            table.push(
                format!("{nodes} nodes, {name}"),
                vec![
                    Cell::measured(at(&first, 0.5)),
                    cell(at(&full, 0.5), 2.5),
                    Cell::measured(at(&full, 0.99)),
                    Cell::judged(sum(|one| one.removed), 0.0, Within::AtMost),
                    Cell::measured(sum(|one| one.suspected)),
                ],
            );
        }
    }
    let text = "Nodes crash at once and stay silent; nothing else goes wrong. \"All\" is when the last survivor has its \
                verdict.";
    Report { text: vec![text.to_owned()], tables: vec![table] }
}

struct Outcome {
    first: Vec<f64>,
    full: Vec<f64>,
    removed: u64,
    suspected: u64,
}

fn crash(nodes: u32, dead: usize, seed: u64, map: Map) -> Outcome {
    let manner = Manner::default();
    let setup = Setup { map, ..Setup::new(seed, nodes as usize) };
    let mut all = acquainted(nodes, seed, &manner, |_| 0).into_iter();
    let mut world: Population<Node, Beliefs> =
        Population::new(&setup, Beliefs::default(), |_| all.next().expect("one for each"));
    let mut random = Random::new(seed);
    world.run_for(Duration::from_micros(5_000_000 + random.below(1_000_000) as u64)).expect("a budget");
    let begin = world.now();
    let victims = Nodes::random(dead, nodes as usize, &mut random);
    world.change(&Change::Crash(victims.clone()));
    world.run_for(Duration::from_secs(40)).expect("a budget");
    let survivors = nodes as usize - dead;
    let mut verdicts: Vec<Vec<f64>> = vec![Vec::new(); nodes as usize];
    let (mut removed, mut suspected) = (0, 0);
    for (at, _, about, state) in world.into_watch().0 {
        match (victims.contains(about), state) {
            (true, MemberState::Down) if at >= begin => verdicts[about as usize].push(at.since(begin).as_secs_f64()),
            (false, MemberState::Down) => removed += 1,
            (false, MemberState::Suspect) => suspected += 1,
            _ => {}
        }
    }
    let mut outcome = Outcome { first: Vec::new(), full: Vec::new(), removed, suspected };
    for victim in victims.iter() {
        let seen = &mut verdicts[victim as usize];
        seen.sort_by(f64::total_cmp);
        outcome.first.push(seen.first().copied().unwrap_or(f64::INFINITY));
        outcome.full.push(seen.get(survivors - 1).copied().unwrap_or(f64::INFINITY));
    }
    outcome
}
