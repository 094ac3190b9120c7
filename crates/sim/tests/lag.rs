//! How long news takes, as the nodes measure it, held against what the world knows to be true.

use std::time::Duration;
use whither_model::{Ack, Command, Registration, ServiceName};
use whither_replica::Lag;
use whither_sim::{Setup, Weather, World};

const NODES: usize = 6;

fn world(weather: Weather) -> World {
    let mut world = World::new(Setup { weather, ..Setup::new(5, NODES) });
    world.run_for(Duration::from_secs(20));
    world
}

fn service() -> ServiceName {
    "prod/recos".parse().expect("a name")
}

/// `node` says something new.
fn register(world: &mut World, node: usize, number: usize) {
    let id = format!("recos-{number}").parse().expect("an id");
    let registration = Registration::new(service(), id, [10, 0, 0, 1].into());
    world.command(node, Command::Register { registrations: vec![registration], ack: Ack::Memory });
}

fn known(world: &World, node: usize) -> usize {
    world.view(node).and_then(|view| Some(view.service(&service())?.instances().len())).unwrap_or(0)
}

/// What `node` has measured of `of`, once it has.
fn lag(world: &World, node: usize, of: usize) -> Option<Lag> {
    world.replica(node)?.lag_of(world.id(of)).cloned()
}

/// Says something at node 0. Returns of each other node the true and the measured way of it, in microseconds.
fn ways(world: &mut World, number: usize) -> Vec<(u64, u64)> {
    let begun = world.time();
    let count = |world: &World, node| lag(world, node, 0).map_or(0, |lag| lag.count);
    register(world, 0, number);
    let mut waiting: Vec<usize> = (1..NODES).collect();
    let mut ways = Vec::new();
    while !waiting.is_empty() {
        let before: Vec<u64> = (0..NODES).map(|node| count(world, node)).collect();
        world.run_for(Duration::from_micros(10));
        assert!(world.time() < begun + 5_000_000, "everybody hears it");
        waiting.retain(|node| {
            let heard = known(world, *node) == number + 1;
            // What was lost on the way and fetched says nothing about the broadcast.
            if heard && count(world, *node) > before[*node] {
                let lag = lag(world, *node, 0).expect("measured");
                ways.push((world.time() - begun, u64::try_from(lag.last.as_micros()).expect("short")));
            }
            !heard
        });
    }
    ways
}

fn distance((truth, measured): (u64, u64)) -> u64 {
    truth.abs_diff(measured)
}

#[test]
fn where_the_way_there_and_back_is_alike_the_measured_lag_is_the_true_one() {
    let mut world = world(Weather::CALM);
    for number in 0..50 {
        let ways = ways(&mut world, number);
        assert_eq!(ways.len(), NODES - 1);
        for way in ways {
            // Delays are 100 to 150 microseconds one way; what is guessed of a hop is at most half a round trip's jitter, and
            // what clocks may have drifted apart since the last probe.
            assert!(distance(way) <= 100, "{way:?}");
        }
    }
}

#[test]
fn what_was_lost_and_sent_again_is_measured_with_the_time_that_took() {
    let mut world = world(Weather { loss_per_mille: 300, ..Weather::CALM });
    let (mut slow, mut wrong) = (0, Vec::new());
    for number in 0..200 {
        for way in ways(&mut world, number) {
            wrong.extend((distance(way) > 1_000).then_some(way));
            slow += usize::from(way.0 > 10_000);
        }
    }
    println!("{slow} slow, wrong: {wrong:?}");
    assert!(slow > 20, "losses delayed {slow}");
    assert!(wrong.len() <= slow / 20, "{wrong:?}");
}

#[test]
fn late_packets_are_measured_as_late() {
    let mut world = world(Weather { delay: Duration::from_millis(1), ..Weather::CALM });
    ways(&mut world, 0);
    (1..NODES).for_each(|node| world.network.lengthen(0, node, Duration::from_millis(300)));
    for way in ways(&mut world, 1) {
        // Clocks were compared before the way became longer, so the bounds of what they may say hold the guess.
        assert!(way.0 > 290_000 && distance(way) <= 5_000, "{way:?}");
    }
}

#[test]
fn an_asymmetric_way_is_measured_wrongly_by_half_of_its_asymmetry_and_no_more() {
    let mut world = World::new(Setup::new(5, NODES));
    // There it takes 20 milliseconds longer than back: nobody can see that from a round trip.
    for node in 1..NODES {
        world.network.lengthen(0, node, Duration::from_millis(20));
    }
    world.run_for(Duration::from_secs(20));
    let mut wrong = 0;
    for number in 0..20 {
        for way in ways(&mut world, number) {
            assert!(distance(way) <= 10_000 + 200, "{way:?}");
            wrong = wrong.max(distance(way));
        }
    }
    assert!(wrong > 9_000, "half of the difference is not seen: {wrong}");
}

#[test]
fn silence_is_measured_by_canaries_and_costs_nothing_else() {
    let interval = Some(Duration::from_secs(40));
    let run = |canary_interval| {
        let mut setup = Setup::new(5, NODES);
        setup.timing.canary_interval = canary_interval;
        let mut world = World::new(setup);
        world.run_for(Duration::from_secs(30 * 60));
        world
    };
    let (with, without) = (run(interval), run(None));
    let sung: u64 = with.counters().iter().map(|counters| counters.canaries).sum();
    // Half an hour has 45 intervals.
    assert!((35..=55).contains(&sung), "{sung}");
    for node in 0..NODES {
        for of in (0..NODES).filter(|of| *of != node) {
            let lag = lag(&with, node, of).expect("measured");
            assert!(lag.count >= 4, "{lag:?}");
            let median = lag.quantile(500).expect("some were heard");
            assert!(median > Duration::from_micros(90) && median < Duration::from_micros(500), "{median:?}");
        }
    }
    let bytes = |world: &World| -> u64 { world.counters().iter().map(|counters| counters.bytes_sent).sum() };
    let more = bytes(&with).saturating_sub(bytes(&without)) / (NODES as u64 * 30 * 60);
    assert!(more <= 6, "{more} bytes per node and second");
    assert_eq!(without.counters().iter().map(|counters| counters.canaries).sum::<u64>(), 0);
}

#[test]
fn what_repair_brings_is_counted_apart() {
    let mut world = world(Weather::CALM);
    (0..NODES - 1).for_each(|node| world.network.cut(node, NODES - 1));
    register(&mut world, 0, 0);
    world.run_for(Duration::from_millis(50));
    let before = lag(&world, NODES - 1, 0);
    world.run_for(Duration::from_secs(3));
    world.network.heal();
    world.run_for(Duration::from_secs(30));
    assert_eq!(known(&world, NODES - 1), 1);
    let after = lag(&world, NODES - 1, 0).expect("repaired");
    assert!(after.by_repair > before.map_or(0, |lag| lag.by_repair), "{after:?}");
}
