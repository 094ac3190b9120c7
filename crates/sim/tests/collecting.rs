//! Tombstones go when everybody has seen them, nothing dead comes back for it, and what was lost all the same is found.

use std::time::Duration;
use whither_model::{Ack, Command, InstanceId, ServiceName};
use whither_sim::{Setup, World, checkers, workload};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn service() -> ServiceName {
    "svc-0".parse().expect("a name")
}

fn names() -> Vec<(ServiceName, InstanceId)> {
    (0..6)
        .map(|id| workload::registration(0, id, 1).expect("a valid registration"))
        .map(|registration| (registration.service, registration.id))
        .collect()
}

/// Registers six instances with `node`.
fn register(world: &mut World, node: usize) {
    let registrations = (0..6).map(|id| workload::registration(0, id, 1).expect("a valid registration")).collect();
    world.command(node, Command::Register { registrations, ack: Ack::Durable });
    world.run_for(Duration::from_secs(1));
}

/// Removes five of them; the sixth stays, so that there is something to agree on.
fn deregister(world: &mut World, node: usize) {
    for (service, id) in names().into_iter().take(5) {
        world.command(node, Command::Deregister { service, id, force: true, ack: Ack::Durable });
    }
    world.run_for(Duration::from_secs(1));
}

fn world(nodes: usize) -> World {
    let mut world = World::new(Setup::new(31, nodes));
    world.run_for(Duration::from_secs(3));
    world
}

fn tombstones(world: &World) -> Vec<usize> {
    let running = (0..world.size()).filter(|node| world.is_running(*node));
    running.map(|node| world.replica(node).expect("it runs").rows().tombstones()).collect()
}

/// How many instances each running node lists.
fn listed(world: &World) -> Vec<usize> {
    let running = (0..world.size()).filter(|node| world.is_running(*node));
    running.map(|node| world.view(node).expect("it runs").instance_count()).collect()
}

#[test]
fn tombstones_go_when_everybody_has_seen_them() {
    let mut world = world(5);
    register(&mut world, 0);
    deregister(&mut world, 0);
    assert_eq!(tombstones(&world), [5; 5]);
    world.run_for(Duration::from_secs(60));
    assert_eq!(tombstones(&world), [0; 5]);
    assert_eq!(listed(&world), [1; 5]);
    // A restart finds them gone on disk, too.
    world.stop(2);
    world.boot(2);
    assert_eq!(tombstones(&world), [0; 5]);
    assert!(world.view(2).expect("it runs").service(&service()).is_some());
    world.run_for(Duration::from_secs(5));
    checkers::convergence(&world);
}

#[test]
fn while_somebody_is_away_tombstones_wait_and_nothing_comes_back_with_it() {
    let mut world = world(5);
    register(&mut world, 0);
    world.crash(4);
    deregister(&mut world, 0);
    world.run_for(HOUR);
    assert_eq!(tombstones(&world), [5; 4]);
    world.boot(4);
    world.run_for(Duration::from_secs(120));
    assert_eq!(listed(&world), [1; 5]);
    assert_eq!(tombstones(&world), [0; 5]);
    checkers::convergence(&world);
}

#[test]
fn who_was_away_for_too_long_forgets_what_it_knew_before_it_tells_anybody() {
    let mut world = world(4);
    register(&mut world, 0);
    world.crash(3);
    deregister(&mut world, 0);
    world.run_for(25 * HOUR);
    assert_eq!(tombstones(&world), [0; 3], "nobody waits for ever");
    world.boot(3);
    assert_eq!(world.view(3).expect("it runs").instance_count(), 0, "what it knew may be of the dead");
    world.run_for(Duration::from_secs(30));
    assert_eq!(listed(&world), [1; 4]);
    checkers::convergence(&world);
}

#[test]
fn who_stood_still_for_too_long_forgets_as_well() {
    let mut world = world(4);
    register(&mut world, 0);
    world.pause(3);
    deregister(&mut world, 0);
    world.run_for(25 * HOUR);
    assert_eq!(tombstones(&world)[..3], [0; 3]);
    world.resume(3);
    world.run_for(Duration::from_secs(30));
    assert_eq!(listed(&world), [1; 4]);
    checkers::convergence(&world);
}

#[test]
fn a_node_that_cannot_know_how_long_it_was_away_is_corrected_by_the_owner() {
    let mut world = world(4);
    register(&mut world, 0);
    world.crash(3);
    deregister(&mut world, 0);
    world.run_for(25 * HOUR);
    // Its clock begins in 1970, as on a board without a battery: its disk could be of yesterday or of last year.
    world.set_wall_clock(3, 0);
    world.boot(3);
    assert_eq!(world.view(3).expect("it runs").instance_count(), 6, "the dead, as last known");
    world.run_for(Duration::from_secs(30));
    assert_eq!(listed(&world), [1; 4]);
    checkers::convergence(&world);
    let disowned: u64 = world.counters().iter().map(|counters| counters.rows_disowned).sum();
    assert_eq!(disowned, 5, "nothing else would have found them");
}

#[test]
fn rows_that_a_disk_lost_are_found_missing_and_fetched() {
    let mut world = world(4);
    register(&mut world, 0);
    world.crash(3);
    world.sabotage_disk(3);
    world.boot(3);
    assert_eq!(world.view(3).expect("it runs").instance_count(), 0);
    world.run_for(Duration::from_secs(30));
    assert_eq!(listed(&world), [6; 4]);
    checkers::convergence(&world);
    let restored: u64 = world.counters().iter().map(|counters| counters.rows_restored).sum();
    assert!(restored >= 6, "{restored}: nothing else would have found them");
}

#[test]
fn a_cluster_that_changes_all_the_time_collects_all_the_same() {
    let mut world = world(5);
    for round in 0..300 {
        let node = round % 5;
        let registration = workload::registration(1, round % 100, 1).expect("a valid registration");
        let (service, id) = (registration.service.clone(), registration.id.clone());
        world.command(node, Command::Register { registrations: vec![registration], ack: Ack::Memory });
        world.run_for(Duration::from_millis(100));
        world.command(node, Command::Deregister { service, id, force: true, ack: Ack::Memory });
        world.run_for(Duration::from_millis(100));
    }
    assert!(tombstones(&world).into_iter().all(|count| count < 200), "{:?} of 300", tombstones(&world));
    world.run_for(Duration::from_secs(60));
    assert_eq!(tombstones(&world), [0; 5]);
    checkers::convergence(&world);
}

#[test]
fn what_was_removed_in_a_later_boot_stays_so_when_somebody_who_missed_that_comes_back() {
    let mut world = world(4);
    register(&mut world, 0);
    world.stop(0);
    world.boot(0);
    world.run_for(Duration::from_secs(5));
    world.stop(3);
    world.run_for(Duration::from_secs(5));
    deregister(&mut world, 0);
    world.run_for(Duration::from_secs(600));
    world.boot(3);
    world.run_for(Duration::from_secs(120));
    assert_eq!(listed(&world), [1; 4]);
    checkers::convergence(&world);
}

#[test]
fn after_a_day_in_two_halves_and_a_restart_nothing_dead_comes_back() {
    let mut world = world(4);
    register(&mut world, 0);
    world.network.partition(&[vec![0, 1], vec![2, 3]]);
    world.stop(0);
    world.boot(0);
    world.run_for(Duration::from_secs(5));
    deregister(&mut world, 0);
    world.run_for(25 * HOUR);
    world.network.heal();
    world.run_for(Duration::from_secs(180));
    assert_eq!(listed(&world), [1; 4]);
    checkers::convergence(&world);
}

#[test]
fn tombstones_of_an_earlier_boot_go_in_a_dozen_nodes_too() {
    let mut world = world(12);
    register(&mut world, 0);
    deregister(&mut world, 0);
    world.stop(0);
    world.boot(0);
    world.run_for(Duration::from_secs(600));
    assert_eq!(tombstones(&world), [0; 12]);
}

#[test]
fn much_that_was_lost_is_restored_and_then_there_is_quiet() {
    let mut world = world(4);
    for batch in 0..20 {
        let one = |number: usize| {
            let mut registration = workload::registration(0, 0, 1).expect("a valid registration");
            registration.id = format!("i-{number}").parse().expect("an id");
            registration.shares_address = true;
            registration.meta = (0..10).map(|key| (format!("k{key}").into(), "x".repeat(200).into())).collect();
            registration
        };
        let registrations = (0..30).map(|at| one(batch * 30 + at)).collect();
        world.command(0, Command::Register { registrations, ack: Ack::Memory });
    }
    world.run_for(Duration::from_secs(20));
    world.crash(3);
    world.sabotage_disk(3);
    world.boot(3);
    world.run_for(Duration::from_secs(120));
    assert_eq!(listed(&world), [600; 4]);
    checkers::quiet_traffic(&mut world, 400);
}

#[test]
fn nothing_of_one_that_left_for_good_stays_with_somebody_who_was_away() {
    let mut world = world(4);
    register(&mut world, 0);
    world.stop(3);
    world.run_for(Duration::from_secs(5));
    world.command(0, Command::Leave);
    world.run_for(Duration::from_secs(1));
    world.stop(0);
    world.run_for(Duration::from_secs(600));
    world.boot(3);
    world.run_for(Duration::from_secs(600));
    assert_eq!(listed(&world), [0; 3]);
}

#[test]
fn owners_that_are_gone_keep_nobody_from_being_settled() {
    let mut world = world(74);
    for node in 0..74 {
        let registration = workload::registration(0, node, 1).expect("a valid registration");
        world.command(node, Command::Register { registrations: vec![registration], ack: Ack::Durable });
    }
    world.run_for(Duration::from_secs(20));
    let mut by_id: Vec<usize> = (0..74).collect();
    by_id.sort_by_key(|node| world.id(*node));
    by_id[..66].iter().for_each(|node| world.crash(*node));
    world.run_for(Duration::from_secs(60));
    let victim = by_id[73];
    world.crash(victim);
    world.sabotage_disk(victim);
    world.boot(victim);
    world.run_for(Duration::from_secs(300));
    let view = world.view(victim).expect("it runs");
    let owners = by_id[66..73].iter().filter(|node| {
        let owner = world.id(**node);
        view.services().any(|service| service.instances().iter().any(|listed| listed.owner() == owner))
    });
    assert_eq!(owners.count(), 7);
}

#[test]
fn a_late_agreement_with_something_older_drops_nothing() {
    for seed in 0..60 {
        let mut world = World::new(Setup::new(5_000 + seed, 3));
        world.run_for(Duration::from_secs(3));
        for from in [0, 1] {
            world.network.lengthen(from, 2, Duration::from_millis(900));
        }
        register(&mut world, 0);
        world.run_for(Duration::from_secs(5));
        for (service, id) in names() {
            world.command(0, Command::Deregister { service, id, force: true, ack: Ack::Memory });
        }
        for _ in 0..6_000 {
            world.run_for(Duration::from_millis(1));
            if tombstones(&world)[..2].contains(&0) {
                assert_eq!(world.view(2).expect("it runs").instance_count(), 0, "seed {seed}");
                break;
            }
        }
    }
}
