//! The bug museum: each was found once, by reading, by a review or by a seed, and must be found again if it comes back.

mod forge;

use std::time::Duration;
use whither_model::{Ack, Command, Epoch, Health};
use whither_replica::Route;
use whither_sim::{Setup, World, checkers, workload};

fn world(seed: u64, nodes: usize) -> World {
    let mut world = World::new(Setup::new(seed, nodes));
    world.run_for(Duration::from_secs(3));
    world
}

fn register(world: &mut World, node: usize, id: usize, lease: Option<Duration>) {
    let mut registration = workload::registration(1, id, 1).expect("a valid registration");
    registration.lease = lease;
    let told = world.command(node, Command::Register { registrations: vec![registration], ack: Ack::Durable });
    world.run_for(Duration::from_millis(100));
    assert!(matches!(world.outcome(told), Some(Ok(_))));
}

fn status(world: &World, node: usize, id: &str) -> Option<String> {
    let view = world.view(node)?;
    let service = view.service(&"svc-1".parse().expect("a name"))?;
    service.instance(&id.parse().expect("an id")).map(|listed| listed.status.to_string())
}

fn sum(world: &World, count: fn(&whither_replica::Counters) -> u64) -> u64 {
    world.counters().iter().map(count).sum()
}

/// A frozen node was never woken again, so nothing that froze nodes was judged.
#[test]
fn a_resumed_node_has_timers() {
    let mut world = world(1, 3);
    world.pause(0);
    world.run_for(Duration::from_secs(3));
    world.resume(0);
    let probes = |world: &World| world.replica(0).map_or(0, |replica| replica.counters().probes);
    let before = probes(&world);
    world.run_for(Duration::from_secs(20));
    assert!(probes(&world) > before + 20);
}

/// One that had left ignored whoever asked for what was missing, so an instance whose end was lost on the wire stayed.
#[test]
fn a_leave_whose_packets_are_lost_is_found_out() {
    let mut world = world(1, 3);
    register(&mut world, 0, 1, None);
    world.network.cut(0, 1);
    world.network.cut(0, 2);
    world.command(0, Command::Leave);
    world.run_for(Duration::from_millis(20));
    world.network.heal();
    world.run_for(Duration::from_secs(30));
    assert_eq!(status(&world, 1, "i1"), None);
}

#[test]
fn no_leave_is_lost_to_ten_percent_loss() {
    for seed in 0..100 {
        let mut world = world(seed, 2);
        register(&mut world, 0, 1, None);
        world.network.weather.loss_per_mille = 100;
        world.command(0, Command::Leave);
        world.run_for(Duration::from_secs(30));
        assert_eq!(status(&world, 1, "i1"), None, "seed {seed}");
    }
}

/// An accusation at the last possible incarnation cannot be refuted, yet everybody went on telling everybody: fourteen
/// million datagrams in two milliseconds.
#[test]
fn an_accusation_that_cannot_be_refuted_is_no_storm() {
    for incarnation in [u64::MAX, whither_replica::limits::BOOTS_MAX] {
        let mut world = world(1, 10);
        let (evil, victim) = (world.id(9).get(), world.id(0).get());
        let accusation = forge::statement(victim, 1, incarnation, forge::SUSPECT, [10, 99, 0, 0]);
        let packet = forge::packet(&forge::statement(evil, 1, 1, forge::ALIVE, [10, 99, 0, 9]), &[accusation]);
        let before = sum(&world, |counters| counters.datagrams_sent);
        for node in 0..2 {
            world.inject(node, 9, Route::Datagram, &packet);
        }
        world.run_for(Duration::from_millis(100));
        let sent = sum(&world, |counters| counters.datagrams_sent) - before;
        assert!(sent < 2_000, "{sent} datagrams in 100 ms for one lie");
    }
}

/// A boot number that no later one can follow made the victim raise its own to it, and never start again.
#[test]
fn a_forged_last_epoch_is_not_believed() {
    let mut world = world(1, 2);
    let (evil, victim) = (world.id(1).get(), world.id(0).get());
    let forged = forge::statement(victim, u64::MAX, 1, forge::ALIVE, [10, 99, 0, 0]);
    let packet = forge::packet(&forge::statement(evil, 1, 1, forge::ALIVE, [10, 99, 0, 1]), &[forged]);
    // The world ends when a replica hears an impostor.
    world.inject(0, 1, Route::Datagram, &packet);
    world.run_for(Duration::from_secs(1));
    let origin = world.replica(0).map(|replica| replica.origin().epoch);
    assert_eq!(origin, Some(Epoch(1)));
}

/// Two copies of a data directory in the same boot, having said equally much, both went on: neither was told.
#[test]
#[should_panic(expected = "somebody spoke in its name")]
fn of_two_copies_in_the_same_boot_one_is_told() {
    let mut world = world(1, 2);
    let (peer, victim) = (world.id(1).get(), world.id(0).get());
    let copy = forge::of_run(forge::statement(victim, 1, 1, forge::ALIVE, [10, 99, 0, 0]), 77);
    let packet = forge::packet(&forge::statement(peer, 1, 1, forge::ALIVE, [10, 99, 0, 1]), &[copy]);
    world.inject(0, 1, Route::Datagram, &packet);
}

/// … and whoever hears the second copy tells it so, instead of believing it.
#[test]
fn a_second_copy_is_answered_and_not_believed() {
    let mut world = world(1, 2);
    let victim = world.id(0).get();
    let copy = forge::of_run(forge::statement(victim, 1, 9, forge::ALIVE, [10, 99, 0, 7]), 77);
    let told = sum(&world, |counters| counters.messages_sent);
    world.inject(1, 0, Route::Datagram, &forge::packet(&copy, &[]));
    assert_eq!(sum(&world, |counters| counters.messages_sent), told + 1);
    world.run_for(Duration::from_secs(5));
    checkers::convergence(&world);
}

/// A clock that fell back to 1970 made what the disk remembered look fresh.
#[test]
fn a_wall_clock_that_went_back_makes_nothing_fresh() {
    let mut world = world(1, 3);
    register(&mut world, 1, 1, None);
    world.run_for(Duration::from_secs(6));
    world.stop(0);
    world.run_for(Duration::from_secs(600));
    register(&mut world, 1, 2, None);
    world.set_wall_clock(0, 0);
    world.network.partition(&[vec![0], vec![1, 2]]);
    world.boot(0);
    checkers::freshness(&world);
}

/// A node that restarted while another was being restarted gave that one no grace: a removal for its readers (P6).
#[test]
fn two_restarts_at_once_remove_nothing() {
    let mut world = world(1, 3);
    register(&mut world, 0, 1, None);
    register(&mut world, 1, 2, None);
    world.stop(0);
    world.run_for(Duration::from_millis(200));
    world.stop(2);
    world.run_for(Duration::from_millis(500));
    world.boot(2);
    world.run_for(Duration::from_secs(2));
    assert_eq!(
        (status(&world, 1, "i1").as_deref(), status(&world, 2, "i1").as_deref()),
        (Some("passing"), Some("passing"))
    );
}

/// What a boot lost in its crash nobody has; it was asked for every second, for ever. Whether anything is lost depends on how
/// quick the datagram and the crash were, so one seed alone proves little.
#[test]
fn an_earlier_boots_gap_is_given_up() {
    let seeds = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    for seed in 0..seeds {
        println!("seed {seed}");
        let mut world = world(seed, 2);
        let said = |world: &mut World, id| {
            let registrations = vec![workload::registration(1, id, 1).expect("a valid registration")];
            world.command(0, Command::Register { registrations, ack: Ack::Memory });
        };
        world.network.cut(0, 1);
        said(&mut world, 1);
        world.network.heal();
        said(&mut world, 2);
        world.run_for(Duration::from_micros(400));
        world.crash(0);
        world.boot(0);
        world.run_for(Duration::from_secs(60));
        let before = sum(&world, |counters| counters.gaps_asked);
        world.run_for(Duration::from_secs(60));
        let asked = sum(&world, |counters| counters.gaps_asked) - before;
        assert_eq!(asked, 0, "gaps asked in a quiet minute, seed {seed}");
    }
}

/// A stall moved the timer of a renewed lease, but not its end.
#[test]
fn a_stall_gives_renewed_leases_their_time_back() {
    let mut world = world(1, 3);
    register(&mut world, 0, 1, Some(Duration::from_secs(2)));
    world.run_for(Duration::from_millis(1_500));
    let (service, id) = ("svc-1".parse().expect("a name"), "i1".parse().expect("an id"));
    world.command(0, Command::Renew { service, id, health: None::<Health> });
    world.run_for(Duration::from_millis(10));
    world.pause(0);
    world.run_for(Duration::from_secs(3));
    world.resume(0);
    world.run_for(Duration::from_millis(1_200));
    assert_eq!(status(&world, 0, "i1").as_deref(), Some("passing"), "1.2 s awake of a lease of 2 s");
}

/// Several questions to one peer became several chains that each brought everything.
#[test]
fn a_newcomer_is_sent_everything_once() {
    let mut world = world(7, 3);
    world.crash(2);
    world.run_for(Duration::from_secs(4));
    for batch in 0..40 {
        let one = |id: usize| {
            let mut registration = workload::registration(batch, id, 1)?;
            registration.meta = [("padding".into(), "x".repeat(500).into())].into();
            Some(registration)
        };
        let registrations: Vec<_> = (0..250).filter_map(one).collect();
        world.command(0, Command::Register { registrations, ack: Ack::Durable });
        world.run_for(Duration::from_millis(50));
    }
    world.boot(2);
    world.run_for(Duration::from_secs(5));
    let repaired = world.replica(2).map_or(0, |replica| replica.counters().rows_repaired);
    assert!((10_000..13_000).contains(&repaired), "{repaired} rows were sent for 10 000");
    assert_eq!(world.view(2).map(|view| view.instance_count()), Some(10_000));
}
