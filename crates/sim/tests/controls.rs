//! Negative controls: a checker that cannot fail proves nothing. Each is shown a world that is broken on purpose.

use std::time::Duration;
use whither_model::{Ack, Command};
use whither_sim::{Setup, World, checkers, workload};

fn world_with_an_instance(setup: Setup) -> World {
    let mut world = World::new(setup);
    world.run_for(Duration::from_secs(3));
    let registrations = vec![workload::registration(0, 0, 1).expect("a valid registration")];
    let told = world.command(0, Command::Register { registrations, ack: Ack::Durable });
    world.run_for(Duration::from_millis(100));
    assert!(matches!(world.outcome(told), Some(Ok(_))));
    world
}

#[test]
#[should_panic(expected = "differs from")]
fn a_disk_that_forgets_rows_it_saw_breaks_convergence() {
    let mut world = world_with_an_instance(Setup::new(1, 3));
    world.crash(1);
    world.sabotage_disk(1);
    world.boot(1);
    // Not later: an audit would find it.
    checkers::convergence(&world);
}

#[test]
#[should_panic(expected = "nothing is known")]
fn disks_that_all_forget_break_their_word() {
    let mut world = world_with_an_instance(Setup::new(2, 3));
    for node in 0..3 {
        world.crash(node);
        world.sabotage_disk(node);
    }
    workload::settle(&mut world);
    checkers::acknowledged(&world);
}

#[test]
#[should_panic(expected = "claims to know")]
fn clocks_that_drift_beyond_their_bound_make_ages_lie() {
    let mut setup = Setup::new(3, 3);
    setup.clock_ppm = 200_000;
    // Without a delay worth lying about, nothing would be said between leaving and arriving.
    setup.weather.delay = Duration::from_millis(60);
    let mut world = world_with_an_instance(setup);
    for round in 0..2_000 {
        let node = round % 3;
        let registration = workload::registration(1, round % 200, 1).expect("a valid registration");
        world.command(node, Command::Register { registrations: vec![registration], ack: Ack::Memory });
        world.run_for(Duration::from_millis(7));
        checkers::freshness(&world);
    }
}

#[test]
#[should_panic(expected = "shows another catalog")]
fn a_cluster_that_is_still_cut_has_not_converged() {
    let mut world = world_with_an_instance(Setup::new(4, 4));
    world.network.partition(&[vec![0, 1], vec![2, 3]]);
    world.run_for(Duration::from_secs(10));
    checkers::convergence(&world);
}

#[test]
#[should_panic(expected = "bytes per node and second")]
fn traffic_is_measured() {
    let mut world = world_with_an_instance(Setup::new(5, 3));
    checkers::quiet_traffic(&mut world, 50);
}
