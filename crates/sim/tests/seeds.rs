//! A cluster of five through any trouble that a seed can make.

use std::time::Duration;
use whither_sim::{Setup, World, checkers, workload};

/// How many seeds: `SEEDS=1000` in CI. The default keeps a plain `cargo test` quick.
fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

fn first_seed() -> u64 {
    std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn judged(seed: u64) -> World {
    judged_of(seed, 5)
}

fn judged_of(seed: u64, nodes: usize) -> World {
    println!("seed {seed}: SEED={seed} SEEDS=1 cargo test -p whither-sim --test seeds");
    let mut world = World::new(Setup::new(seed, nodes));
    world.run_for(Duration::from_secs(2));
    for _ in 0..6 {
        workload::live_on(&mut world, 10);
        checkers::freshness(&world);
    }
    workload::settle(&mut world);
    checkers::convergence(&world);
    checkers::acknowledged(&world);
    checkers::freshness(&world);
    checkers::quiet_traffic(&mut world, 1_500);
    world
}

fn judge_every(step: u64, offset: u64) {
    (first_seed()..first_seed() + seeds()).filter(|seed| seed % step == offset).for_each(|seed| drop(judged(seed)));
}

// Two halves, so that two cores share them.
#[test]
fn even_seeds_converge_and_keep_their_word() {
    judge_every(2, 0);
}

#[test]
fn odd_seeds_converge_and_keep_their_word() {
    judge_every(2, 1);
}

/// Above a dozen nodes changes are relayed instead of sent to everybody by their origin.
#[test]
fn clusters_that_relay_converge_and_keep_their_word() {
    (first_seed()..first_seed() + seeds() / 20).for_each(|seed| drop(judged_of(seed, 20)));
}

#[test]
fn the_same_seed_twice_gives_the_same_trace() {
    for seed in [3, 77] {
        let (one, two) = (judged(seed), judged(seed));
        assert!(one.delivered() > 1_000, "something happened");
        assert_eq!((one.trace_hash(), one.delivered()), (two.trace_hash(), two.delivered()));
    }
    assert_ne!(judged(1).trace_hash(), judged(2).trace_hash());
}

#[test]
fn a_calm_cluster_sends_each_change_to_each_node_once() {
    let mut world = World::new(Setup::new(9, 5));
    world.run_for(Duration::from_secs(5));
    for id in 0..100 {
        let registration = workload::registration(1, id, 1).expect("a valid registration");
        let command =
            whither_model::Command::Register { registrations: vec![registration], ack: whither_model::Ack::Memory };
        world.command(id % 5, command);
        world.run_for(Duration::from_millis(2));
    }
    checkers::doubled_changes(&world, 50);
    world.run_for(Duration::from_secs(3));
    checkers::convergence(&world);
}
