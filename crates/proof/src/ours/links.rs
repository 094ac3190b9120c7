//! Bad links: E7 and E8, after Rapid's figures 9 and 10 (Suresh et al. 2018).

use super::Beliefs;
use crate::report::{Cell, Effort, Report, Table, Within};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use whither_model::random::{Random, mix};
use whither_model::{Instant, MemberState};
use whither_population::{Change, Cycle, Nodes, Population, Setup};
use whither_sim::crowd::{Manner, Node, acquainted};

/// Nodes in the experiment; one in a hundred has bad links.
const NODES: u32 = 1_000;
const BAD: usize = 10;

#[derive(Clone, Copy)]
enum Trouble {
    LossIn(f64),
    LossOut(f64),
    LossBoth(f64),
    DeafInTurns,
    MuteInTurns,
    OneWayPairs,
}

/// 80 % loss on 1 % of the nodes, ingress that comes and goes, links that are open in one direction.
#[must_use]
pub fn run(effort: Effort, seed: u64) -> Report {
    let seeds = if effort == Effort::Full { 4 } else { 2 };
    let length = Duration::from_secs(if effort == Effort::Full { 300 } else { 120 });
    let mut table = Table::new(
        "Ten of 1 000 nodes have bad links",
        &["healthy removed", "views (most at any healthy node)", "bad removed", "wrong suspicions per node and minute"],
    );
    let troubles = [
        ("30 % loss in and out", Trouble::LossBoth(0.3)),
        ("50 % loss in and out", Trouble::LossBoth(0.5)),
        ("80 % loss in and out", Trouble::LossBoth(0.8)),
        ("80 % loss in", Trouble::LossIn(0.8)),
        ("80 % loss out", Trouble::LossOut(0.8)),
        ("deaf 20 s, well 20 s, in turns", Trouble::DeafInTurns),
        ("mute 20 s, well 20 s, in turns", Trouble::MuteInTurns),
        ("1 % of all pairs cut one way", Trouble::OneWayPairs),
    ];
    for (name, trouble) in troubles {
        let cases: Vec<u64> = (0..seeds).map(|run| mix(seed ^ mix(run))).collect();
        let all = crate::parallel::map(&cases, |seed| one(trouble, length, *seed));
        let most = |of: fn(&Outcome) -> u64| all.iter().map(of).max().unwrap_or(0) as f64;
        let minutes = length.as_secs_f64() / 60.0 * f64::from(NODES) * seeds as f64;
        let suspicions: u64 = all.iter().map(|one| one.suspicions).sum();
        table.push(
            name,
            vec![
                Cell::judged(most(|one| one.healthy_removed), 0.0, Within::AtMost),
                // A node that nobody hears for 20 s is dead for all that anybody can know; it is shown, not judged.
                if matches!(trouble, Trouble::MuteInTurns) {
                    Cell::measured(most(|one| one.views))
                } else {
                    Cell::judged(most(|one| one.views), 2.0, Within::AtMost)
                },
                Cell::measured(most(|one| one.bad_removed)),
                Cell::measured(suspicions as f64 / minutes),
            ],
        );
    }
    let text = "A view is the set of nodes that one node does not believe dead; the table shows the most that any healthy \
                node had, over all runs. Memberlist oscillates under the same faults and never agrees (gate C7); Rapid \
                removes exactly the ten.";
    Report { text: vec![text.to_owned()], tables: vec![table] }
}

struct Outcome {
    healthy_removed: u64,
    bad_removed: u64,
    views: u64,
    suspicions: u64,
}

fn one(trouble: Trouble, length: Duration, seed: u64) -> Outcome {
    let setup = Setup::new(seed, NODES as usize);
    let mut all = acquainted(NODES, seed, &Manner::default(), |_| 0).into_iter();
    let mut world: Population<Node, Beliefs> =
        Population::new(&setup, Beliefs::default(), |_| all.next().expect("one for each"));
    world.run_for(Duration::from_secs(10)).expect("a budget");
    let mut random = Random::new(seed);
    let bad = Nodes::random(BAD, NODES as usize, &mut random);
    begin(&mut world, trouble, &bad, length, &mut random);
    world.run_for(length).expect("a budget");
    judge(&world.into_watch().0, &bad)
}

fn begin(world: &mut Population<Node, Beliefs>, trouble: Trouble, bad: &Nodes, length: Duration, random: &mut Random) {
    let nodes = bad.clone();
    let now = world.now();
    let turns = Duration::from_secs(20);
    let cycle = Cycle { first: now, on: turns, off: turns, until: now + length };
    match trouble {
        Trouble::LossIn(share) => world.change(&Change::LossIn { nodes, share }),
        Trouble::LossOut(share) => world.change(&Change::LossOut { nodes, share }),
        Trouble::LossBoth(share) => {
            world.change(&Change::LossIn { nodes: bad.clone(), share });
            world.change(&Change::LossOut { nodes, share });
        }
        Trouble::DeafInTurns => {
            let deaf = |share| Change::LossIn { nodes: bad.clone(), share };
            world.cycle(cycle, &deaf(1.0), &deaf(0.0));
        }
        Trouble::MuteInTurns => {
            let mute = |share| Change::LossOut { nodes: bad.clone(), share };
            world.cycle(cycle, &mute(1.0), &mute(0.0));
        }
        Trouble::OneWayPairs => {
            let count = NODES as usize * NODES as usize / 100;
            let mut any = || u32::try_from(random.below(NODES as usize)).expect("below 1 000");
            let pairs = (0..count).map(|_| (any(), any())).collect();
            world.change(&Change::CutPairs(pairs));
        }
    }
}

fn judge(beliefs: &[super::Belief], bad: &Nodes) -> Outcome {
    let mut outcome = Outcome { healthy_removed: 0, bad_removed: 0, views: 1, suspicions: 0 };
    // Of each healthy node: whom it believes dead now, and every such set it ever had.
    let mut dead: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let mut views: BTreeMap<u32, BTreeSet<Vec<u32>>> = BTreeMap::new();
    let mut last: Option<(Instant, u32)> = None;
    let mut note = |dead: &BTreeMap<u32, BTreeSet<u32>>, node: u32| {
        let view = dead.get(&node).map(|view| view.iter().copied().collect()).unwrap_or_default();
        views.entry(node).or_insert_with(|| BTreeSet::from([Vec::new()])).insert(view);
    };
    for &(at, node, about, state) in beliefs {
        // What changes in one instant is one change of view.
        if let Some((before, whose)) = last.filter(|last| *last != (at, node)) {
            let _ = before;
            note(&dead, whose);
        }
        last = Some((at, node));
        outcome.suspicions += u64::from(state == MemberState::Suspect && !bad.contains(about));
        if bad.contains(node) {
            last = None;
            continue;
        }
        let view = dead.entry(node).or_default();
        if state == MemberState::Down {
            view.insert(about);
            outcome.healthy_removed += u64::from(!bad.contains(about));
            outcome.bad_removed += u64::from(bad.contains(about));
        } else {
            view.remove(&about);
        }
    }
    if let Some((_, whose)) = last {
        note(&dead, whose);
    }
    outcome.views = views.values().map(|views| views.len() as u64).max().unwrap_or(1);
    outcome
}
