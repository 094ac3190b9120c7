//! A cluster in two halves, for a minute to a day, with whole agents' cores: E9.

use crate::report::{Cell, Effort, Report, Table, Within};
use std::collections::BTreeSet;
use std::time::Duration;
use whither_model::durable::TableId;
use whither_model::{Ack, Command};
use whither_replica::catalog;
use whither_sim::{Setup, World, checkers, workload};

/// Nodes of each half.
const HALF: usize = 5;
/// Instances that each half registers while it is alone; it also takes away a tenth of what it had.
const CHANGED: usize = 1_000;
/// How often nodes compare what they know.
const ROUND: Duration = Duration::from_secs(1);

/// Partitions of some lengths, and what it takes to be one again.
#[must_use]
pub fn run(effort: Effort, seed: u64) -> Report {
    let lengths: &[(&str, u64)] = if effort == Effort::Full {
        &[("a minute", 60), ("an hour", 3_600), ("a day", 86_400)]
    } else {
        &[("a minute", 60)]
    };
    let mut table = Table::new(
        "Two halves of five, after the cut is mended",
        &["until all are one, rounds", "bytes / difference", "resurrected", "lost", "until the first word, s"],
    );
    for (name, seconds) in lengths {
        let outcome = heal(*seconds, seed);
        table.push(
            *name,
            vec![
                Cell::judged(outcome.rounds, 2.0, Within::AtMost),
                Cell::judged(outcome.bytes_per_difference, 3.0, Within::AtMost),
                Cell::judged(outcome.resurrected, 0.0, Within::AtMost),
                Cell::judged(outcome.lost, 0.0, Within::AtMost),
                Cell::measured(outcome.first_word),
            ],
        );
    }
    let text = format!(
        "Whole cores (catalog, leases, repair) on simulated disks and clocks. Each half registers {CHANGED} instances while it is \
         alone and takes away a tenth of what it had. Rounds are those of the comparison, {} s each, from the first word that \
         crosses to equal digests on all ten; lost members are dialled every ten seconds by each node, so the first word takes a \
         second or two. Bytes are all that was sent until then, less idle traffic, over what had to be told: for each node, the \
         rows that it lacked.",
        ROUND.as_secs()
    );
    Report { text: vec![text], tables: vec![table] }
}

struct Outcome {
    rounds: f64,
    bytes_per_difference: f64,
    resurrected: f64,
    lost: f64,
    first_word: f64,
}

type Keys = BTreeSet<(u64, u32, Vec<u8>)>;

fn heal(seconds: u64, seed: u64) -> Outcome {
    let mut world = World::new(Setup::new(seed, 2 * HALF));
    world.run_for(Duration::from_secs(5));
    let before = CHANGED / 10;
    (0..2 * before).for_each(|at| register(&mut world, at % (2 * HALF), at));
    world.run_for(Duration::from_secs(5));
    world.network.partition(&[(0..HALF).collect(), (HALF..2 * HALF).collect()]);
    for at in 0..2 * CHANGED {
        register(&mut world, at % (2 * HALF), 2 * before + at);
        if at < 2 * before && at % 2 == 0 {
            deregister(&mut world, at % (2 * HALF), at);
        }
        if at % 100 == 0 {
            world.run_for(Duration::from_millis(50));
        }
    }
    world.run_for(Duration::from_secs(seconds));
    let lacking = difference(&world);
    let truth: Keys = (0..2 * HALF).flat_map(|node| living(&world, node, true)).collect();
    let idle = idle_rate(&mut world);
    world.run_for(Duration::from_millis(3_300));
    world.network.heal();
    let (sent, digests, healed) = (bytes(&world), digest(&world, 0), world.time());
    let mut first_word = None;
    while !(0..2 * HALF).all(|node| digest(&world, node) == digest(&world, 0)) || first_word.is_none() {
        world.run_for(Duration::from_millis(20));
        let moved = (0..2 * HALF).any(|node| digest(&world, node) != digests && digest(&world, node) != 0);
        if moved && first_word.is_none() && crossed(&world) {
            first_word = Some(world.time());
        }
        assert!(world.time() - healed < 120_000_000, "seed {seed}: not one again after two minutes");
    }
    let end = world.time();
    let first = first_word.unwrap_or(healed);
    let took = Duration::from_micros(end - healed).as_secs_f64();
    let spent = (bytes(&world) - sent) as f64 - idle * took;
    world.run_for(Duration::from_secs(20));
    checkers::convergence(&world);
    let now = living(&world, 0, false);
    Outcome {
        rounds: Duration::from_micros(end - first).as_secs_f64() / ROUND.as_secs_f64(),
        bytes_per_difference: spent / lacking,
        resurrected: now.difference(&truth).count() as f64,
        lost: truth.difference(&now).count() as f64,
        first_word: Duration::from_micros(first - healed).as_secs_f64(),
    }
}

fn register(world: &mut World, node: usize, at: usize) {
    let registration = workload::registration(at / 200, at % 200, 1).expect("a small service");
    world.command(node, Command::Register { registrations: vec![registration], ack: Ack::Memory });
}

fn deregister(world: &mut World, node: usize, at: usize) {
    let registration = workload::registration(at / 200, at % 200, 1).expect("a small service");
    let (service, id) = (registration.service, registration.id);
    world.command(node, Command::Deregister { service, id, force: true, ack: Ack::Memory });
}

fn digest(world: &World, node: usize) -> u64 {
    world.replica(node).map_or(0, |replica| replica.rows().digest())
}

/// Whether anybody knows somebody of the other half again.
fn crossed(world: &World) -> bool {
    (0..HALF).any(|node| world.beliefs(node).iter().any(|(other, state)| *other >= HALF && state.is_present()))
}

fn bytes(world: &World) -> u64 {
    world.counters().iter().map(|counters| counters.bytes_sent).sum()
}

/// Bytes of all nodes in a second in which nothing happens.
fn idle_rate(world: &mut World) -> f64 {
    let before = bytes(world);
    world.run_for(Duration::from_secs(20));
    (bytes(world) - before) as f64 / 20.0
}

/// The instances that live in a node's eyes; `own`: only its own.
fn living(world: &World, node: usize, own: bool) -> Keys {
    let me = world.id(node);
    let instances = |table: TableId| table == catalog::INSTANCES;
    let rows = world.replica(node).into_iter().flat_map(|replica| replica.rows().iter().map(|(_, row)| row));
    rows.filter(|row| instances(row.key.table) && row.value.is_some() && (!own || row.key.node == me))
        .map(|row| (row.key.node.get(), row.key.table.0, row.key.key.to_vec()))
        .collect()
}

/// Bytes of the rows that nodes lack, summed over nodes.
fn difference(world: &World) -> f64 {
    let side = |from: usize| -> usize {
        let rows = world.replica(from).into_iter().flat_map(|replica| replica.rows().iter().map(|(_, row)| row));
        let half = (from..from + HALF).map(|node| world.id(node)).collect::<BTreeSet<_>>();
        let size = |key: usize, value: usize| key + value + 16;
        rows.filter(|row| half.contains(&row.key.node) && row.version.seq.0 > 1)
            .map(|row| size(row.key.key.len(), row.value.as_ref().map_or(0, |value| value.len())))
            .sum()
    };
    // What each half said before the cut is known on both sides: all of it was overwritten or is a fraction.
    (HALF * (side(0) + side(HALF))) as f64
}
