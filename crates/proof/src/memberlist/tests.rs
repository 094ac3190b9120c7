//! A few nodes in a calm world, and in a bad one.

use super::*;
use core::time::Duration;
use std::sync::Arc;
use whither_model::Instant;
use whither_population::{Change, Cycle, Index, Map, Nodes, Population, Processor, Setup, Trouble};

type World = Population<Node, Vec<(Instant, Index, Event)>>;

fn world(config: Config, nodes: usize, seed: u64) -> World {
    let config = Arc::new(config);
    let setup = Setup {
        map: Map::uniform(Duration::from_micros(50)),
        processor: Processor::INSTANT,
        ..Setup::new(seed, nodes)
    };
    Population::new(&setup, Vec::new(), |index| Node::new(index, nodes, &config, seed))
}

fn at(seconds: u64) -> Instant {
    Instant::START + Duration::from_secs(seconds)
}

fn run(world: &mut World, seconds: u64) {
    world.run_until(at(seconds)).expect("a short run");
}

/// When each node marked `about` dead, in seconds.
fn verdicts(world: &World, about: Index) -> Vec<f64> {
    let failed = world.watch().iter().filter(|(_, _, event)| *event == Event::Failed(about));
    failed.map(|(at, _, _)| at.since(Instant::START).as_secs_f64()).collect()
}

#[test]
fn nothing_is_said_of_anybody_while_all_is_well() {
    let mut world = world(Config::paper_lifeguard(5, 6), 32, 1);
    run(&mut world, 120);
    assert_eq!(world.watch(), &[]);
    // A ping and an ack each second, and an exchange of state each half minute with its answer.
    let messages = world.counters().total.messages_sent as f64 / 32.0 / 120.0;
    assert!((2.0..2.1).contains(&messages), "{messages}");
    assert!(world.nodes().all(|node| node.score() == 0 && node.cluster_size() == 32));
}

#[test]
fn a_dead_node_is_called_dead_by_all_within_the_time_of_a_suspicion() {
    let mut world = world(Config::paper_swim(), 32, 2);
    run(&mut world, 20);
    world.crash(5);
    run(&mut world, 60);
    let verdicts = verdicts(&world, 5);
    assert_eq!(verdicts.len(), 31);
    // 5·log10(32) s of suspicion after at least the second of a probe.
    let soonest = 20.0 + 1.0 + 5.0 * 32_f64.log10();
    let (first, last) = (verdicts[0], verdicts[30]);
    assert!(first > soonest - 0.01 && last < soonest + 10.0, "{first} to {last}");
    assert!(last - first < 2.0, "{first} to {last}");
    assert!(world.nodes().enumerate().all(|(index, node)| index == 5 || node.cluster_size() == 31));
}

/// Section IV-B: whom nobody else suspects, is suspected for long.
#[test]
fn a_node_alone_with_its_suspicion_waits_longer() {
    let first = |config: Config| {
        let mut world = world(config, 32, 3);
        run(&mut world, 20);
        // Node 0 reaches nobody but still runs its clock.
        let others: Nodes = (1..32).collect();
        world.change(&Change::Cut { from: others.clone(), to: Nodes::one(0) });
        world.change(&Change::Cut { from: Nodes::one(0), to: others });
        run(&mut world, 140);
        let by_zero = world.watch().iter().find(|(_, by, event)| *by == 0 && matches!(event, Event::Failed(_)));
        by_zero.map(|(at, _, _)| at.since(Instant::START).as_secs_f64())
    };
    let (short, long) = (first(Config::paper_swim()), first(Config::paper_swim().with_suspicion(5, 6)));
    let (short, long) = (short.expect("it suspects"), long.expect("it suspects"));
    assert!((28.0..32.0).contains(&short), "{short}");
    // Six times as long.
    assert!((66.0..70.0).contains(&long), "{long}");
}

#[test]
fn whoever_hears_nothing_feels_unwell_and_others_do_not() {
    let mut world = world(Config::paper_lifeguard(5, 6), 32, 4);
    run(&mut world, 20);
    world.change(&Change::LossIn { nodes: Nodes::one(0), share: 1.0 });
    run(&mut world, 60);
    assert_eq!(world.node(0).score(), Awareness::PAPER.top);
    assert!(world.nodes().skip(1).all(|node| node.score() <= 1));
}

#[test]
fn a_suspect_that_is_well_refutes() {
    let mut world = world(Config::paper_swim(), 32, 5);
    run(&mut world, 20);
    world.inject(3, |node, now, out| node.suspect(now, 7, 1, 3, out)).expect("node 3 lives");
    run(&mut world, 40);
    let told = world.watch();
    assert!(told.iter().any(|(_, by, event)| *by == 7 && *event == Event::Refuted(2)));
    assert!(!told.iter().any(|(_, _, event)| matches!(event, Event::Failed(_))));
    assert!(world.nodes().all(|node| node.belief(7) == Belief::Alive));
}

/// The mechanism behind most of the paper's false positives: a prober that was stuck accuses as soon as it is well.
#[test]
fn a_node_that_was_stuck_accuses_somebody_once() {
    let spell = Cycle::once(at(20), Duration::from_secs(5));
    let mut world = world(Config::paper_swim(), 32, 6);
    world.node_mut(9).block(spell);
    world.trouble(Trouble::Blocked, &Nodes::one(9), spell);
    run(&mut world, 26);
    let accused = world.watch().iter().filter(|(at, by, event)| {
        let is_accusation = matches!(event, Event::Suspected(_));
        *by == 9 && is_accusation && *at >= spell.end()
    });
    assert_eq!(accused.count(), 1);
    run(&mut world, 60);
    assert!(!world.watch().iter().any(|(_, _, event)| matches!(event, Event::Failed(_))));
}

/// Cut off for longer than the dead are kept.
fn cut_off_and_healed(config: Config) -> World {
    let mut world = world(config, 16, 7);
    run(&mut world, 20);
    let (one, others): (Nodes, Nodes) = (Nodes::one(0), (1..16).collect());
    world.change(&Change::Cut { from: one.clone(), to: others.clone() });
    world.change(&Change::Cut { from: others, to: one });
    run(&mut world, 200);
    assert!(world.nodes().skip(1).all(|node| node.belief(0) != Belief::Alive));
    world.change(&Change::Heal);
    run(&mut world, 500);
    world
}

#[test]
fn those_that_forgot_each_other_stay_apart_without_serf() {
    let world = cut_off_and_healed(Config::lan_default());
    assert_eq!(world.node(0).cluster_size(), 1);
    assert!(world.nodes().skip(1).all(|node| node.belief(0) == Belief::Unknown));
}

#[test]
fn serf_finds_those_again_that_were_forgotten() {
    let world = cut_off_and_healed(Config::paper_swim());
    assert!(world.nodes().all(|node| node.cluster_size() == 16));
}

#[test]
fn settings_scale_as_published() {
    let config = Config::paper_swim();
    // 4·⌈log10(n + 1)⌉
    assert_eq!([9, 10, 99, 128, 1_000].map(|nodes| config.retransmit_limit(nodes)), [4, 8, 8, 12, 16]);
    // One more interval for each doubling beyond 32.
    let seconds = [32, 33, 64, 65, 128, 1_000].map(|nodes| config.push_pull_interval(nodes).as_secs());
    assert_eq!(seconds, [30, 60, 60, 90, 90, 180]);
    // 5·log10(128) s, three decimals of the logarithm.
    assert_eq!(config.suspicion_bounds(128).0, Duration::from_millis(10_535));
    assert_eq!(Config::paper_lifeguard(5, 6).suspicion_bounds(128).1, Duration::from_millis(63_210));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let hash = |seed| {
        let mut world = world(Config::paper_lifeguard(5, 6), 32, seed);
        world.change(&Change::Loss(0.1));
        run(&mut world, 60);
        (world.hash(), world.into_watch())
    };
    assert_eq!(hash(8), hash(8));
    assert_ne!(hash(8).0, hash(9).0);
}
