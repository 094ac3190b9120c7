//! E-foca: a SWIM library that others use, in the situations that ours is judged by.

use crate::foca_node::{FocaNode, Told};
use crate::report::{Cell, Effort, Report, Table};
use crate::statistics::Sorted;
use core::time::Duration;
use whither_model::Instant;
use whither_model::random::{Random, mix};
use whither_population::{Cycle, Index, Nodes, Population, Setup, Trouble};

type World = Population<FocaNode, Vec<(Instant, Index, Told)>>;

/// How many nodes the Lifeguard paper has.
const NODES: u32 = 128;
/// Lifeguard's Interval experiment: how many are ill at once.
const CONCURRENT: [usize; 9] = [1, 4, 8, 12, 16, 20, 24, 28, 32];
/// For how many milliseconds.
const DURATIONS: [u64; 6] = [128, 512, 2_048, 8_192, 16_384, 32_768];
/// And for how many they are well in between.
const INTERVALS: [u64; 8] = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384];

/// Runs it.
#[must_use]
pub fn run(effort: Effort, seed: u64) -> Report {
    let text = vec![
        "foca 2.0.0 as it is, with its settings for a local network of that size (a probe each second, 500 ms for a round \
         trip, three helpers, gossip every 200 ms to three, suspicion for 4·log10(n) seconds), encoded with its postcard \
         codec; a name is an IPv4 address, a port and a number of lives. One data centre, no loss. Nodes know each other \
         from the beginning. Whom gossip leaves out finds a dead node by a probe of its own, much later."
            .to_owned(),
        "Lifeguard's Interval experiment (Dadgar, Phillips, Currey 2018): C of 128 nodes are ill in lock step for D, then \
         well for I, until 120 s have passed. FP: somebody is declared down who was never ill; FP−: by somebody who was \
         never ill either. Beside it what the paper printed for memberlist without Lifeguard, whose suspicion lasted \
         10.5 s where foca's lasts 8.4."
            .to_owned(),
        "Blocked is the paper's anomaly: what is sent or received waits, and timers go on. With foca that is worse than with \
         memberlist: an ill node suspects everybody, declares them down while what it says waits, and is believed in the \
         end, because a member declared down has no way to refute it but a new name (in memberlist a newer incarnation \
         wins). An agent that runs foca in one loop would not be ill in this way, because its timers would wait with it; \
         that is the row \"stopped\"."
            .to_owned(),
    ];
    Report { text, tables: vec![crashes(effort, seed), idle(effort, seed), anomalies(effort, seed)] }
}

fn world(nodes: u32, seed: u64) -> World {
    let setup = Setup { start_within: Duration::from_secs(1), ..Setup::new(seed, nodes as usize) };
    Population::new(&setup, Vec::new(), |me| FocaNode::lan(me, nodes, seed))
}

fn run_for(world: &mut World, time: Duration) {
    world.run_for(time).expect("foca stays within any budget of events");
}

fn crashes(effort: Effort, seed: u64) -> Table {
    let columns = ["first p50", "first p99", "all p50", "all p99", "declared down wrongly"];
    let mut table =
        Table::new("One node crashes: seconds until the first and until all have declared it down", &columns);
    let sizes: &[(u32, u64)] = if effort == Effort::Full { &[(128, 300), (1_000, 20)] } else { &[(128, 30)] };
    for &(nodes, runs) in sizes {
        let seeds: Vec<u64> = (0..runs).map(|run| mix(seed ^ mix(run))).collect();
        let all = crate::parallel::map(&seeds, |seed| crash(nodes, *seed));
        let first = Sorted::new(all.iter().map(|(first, ..)| *first).collect());
        let full = Sorted::new(all.iter().map(|(_, full, _)| *full).collect());
        let wrong: f64 = all.iter().map(|(.., wrong)| *wrong as f64).sum();
        let at = |sorted: &Sorted, share| Cell::measured(sorted.at(share).unwrap_or(f64::INFINITY));
        table.push(
            format!("{nodes} nodes, {runs} crashes"),
            vec![at(&first, 0.5), at(&first, 0.99), at(&full, 0.5), at(&full, 0.99), Cell::measured(wrong)],
        );
    }
    table
}

/// Until the first and until all found it, in seconds; and how often another was declared down.
fn crash(nodes: u32, seed: u64) -> (f64, f64, usize) {
    let mut world = world(nodes, seed);
    let mut random = Random::new(mix(seed));
    run_for(&mut world, Duration::from_micros(10_000_000 + random.below(1_000_000) as u64));
    let victim = Index::try_from(random.below(nodes as usize)).unwrap_or_default();
    let begin = world.now();
    world.crash(victim);
    run_for(&mut world, Duration::from_secs(200));
    let told = world.into_watch();
    let down = |about: Index| told.iter().filter(move |(at, _, told)| *at >= begin && *told == Told::Down(about));
    let found: Vec<f64> = down(victim).map(|(at, ..)| at.since(begin).as_secs_f64()).collect();
    let full = if found.len() + 1 >= nodes as usize { found.last() } else { None };
    let wrong = told.iter().filter(|(_, _, told)| matches!(told, Told::Down(about) if *about != victim)).count();
    (found.first().copied().unwrap_or(f64::INFINITY), full.copied().unwrap_or(f64::INFINITY), wrong)
}

fn idle(effort: Effort, seed: u64) -> Table {
    let columns = ["messages", "bytes", "bytes with IP and UDP", "declared down"];
    let mut table = Table::new("Nothing happens: what a node sends in a second", &columns);
    let sizes: &[(u32, u64)] =
        if effort == Effort::Full { &[(128, 600), (1_000, 120), (2_000, 60)] } else { &[(128, 60), (1_000, 30)] };
    for &(nodes, seconds) in sizes {
        let mut world = world(nodes, seed);
        run_for(&mut world, Duration::from_secs(10));
        let before = world.counters().total;
        run_for(&mut world, Duration::from_secs(seconds));
        let after = world.counters().total;
        let each = |count: u64| Cell::measured(count as f64 / f64::from(nodes) / seconds as f64);
        let down = world.watch().iter().filter(|(_, _, told)| matches!(told, Told::Down(_))).count();
        table.push(
            format!("{nodes} nodes, {seconds} s"),
            vec![
                each(after.messages_sent - before.messages_sent),
                each(after.bytes_sent - before.bytes_sent),
                each(after.wire_bytes_sent - before.wire_bytes_sent),
                Cell::measured(down as f64),
            ],
        );
    }
    table
}

fn anomalies(effort: Effort, seed: u64) -> Table {
    let all = CONCURRENT
        .iter()
        .flat_map(|ill| DURATIONS.iter().flat_map(move |on| INTERVALS.iter().map(move |off| (*ill, *on, *off))));
    // Eleven shares no factor with the eight intervals and six durations, so that the sample has all of them.
    let step = if effort == Effort::Full { 1 } else { 11 };
    let cases: Vec<(usize, u64, u64)> = all.step_by(step).collect();
    let mut table = Table::new("Lifeguard's Interval experiment, per run", &["runs", "FP", "FP−"]);
    for (name, trouble) in [("blocked, as in the paper", Trouble::Blocked), ("stopped", Trouble::Stopped)] {
        let found = crate::parallel::map(&cases, |case| interval(trouble, *case, seed));
        let runs = found.len() as f64;
        let per_run = |of: fn(&(usize, usize)) -> usize| found.iter().map(of).sum::<usize>() as f64 / runs;
        let (all, healthy) = (per_run(|one| one.0), per_run(|one| one.1));
        let beside = |value, printed| {
            if trouble == Trouble::Blocked { Cell::beside(value, printed) } else { Cell::measured(value) }
        };
        table.push(name, vec![Cell::measured(runs), beside(all, 78.47), beside(healthy, 0.3069)]);
    }
    table
}

/// How many times somebody was declared down who was never ill: by anybody, and by somebody who was never ill either.
fn interval(trouble: Trouble, (concurrent, on, off): (usize, u64, u64), seed: u64) -> (usize, usize) {
    let seed = mix(seed ^ mix(concurrent as u64 ^ mix(on ^ mix(off))));
    let mut world = world(NODES, seed);
    run_for(&mut world, Duration::from_secs(15));
    let ill = Nodes::random(concurrent, NODES as usize, &mut Random::new(seed));
    let first = world.now();
    let (on, off) = (Duration::from_millis(on), Duration::from_millis(off));
    let end = world.trouble(trouble, &ill, Cycle { first, on, off, until: first + Duration::from_secs(120) });
    // What waited while nodes were ill still takes effect when they are well again.
    world.run_until(end + Duration::from_secs(5)).expect("foca stays within any budget of events");
    let wrong = world.into_watch().into_iter().filter_map(|(_, by, told)| match told {
        Told::Down(about) if !ill.contains(about) => Some(by),
        _ => None,
    });
    let by: Vec<Index> = wrong.collect();
    (by.len(), by.iter().filter(|by| !ill.contains(**by)).count())
}
