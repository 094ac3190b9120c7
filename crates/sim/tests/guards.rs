//! Guards, each shown twice: with it the story ends well, and without it the same story ends as it did in the outage that
//! taught it. So none of these tests can pass by chance.

use std::collections::BTreeSet;
use std::time::Duration;
use whither_directory::Status;
use whither_model::{Ack, Command, InstanceId, Outcome, Port, PortName, Registration, ServiceName};
use whither_replica::Guards;
use whither_sim::{Setup, World, checkers};

fn service() -> ServiceName {
    "prod/recos".parse().expect("a name")
}

fn id(number: usize) -> InstanceId {
    format!("recos-{number}").parse().expect("an id")
}

fn registration(number: usize) -> Registration {
    let last = u8::try_from(number % 250 + 1).expect("small");
    let mut registration = Registration::new(service(), id(number), [10, 0, 0, last].into());
    registration.ports = [Port { name: PortName::default(), number: 8080 }].into();
    registration
}

fn register(world: &mut World, node: usize, registration: Registration) {
    let told = world.command(node, Command::Register { registrations: vec![registration], ack: Ack::Memory });
    assert!(matches!(world.outcome(told), Some(Ok(_))), "{:?}", world.outcome(told));
}

fn world(nodes: usize, guards: Guards) -> World {
    let mut world = World::new(Setup { guards, ..Setup::new(11, nodes) });
    world.run_for(Duration::from_secs(3));
    world
}

/// Whom `node` sends callers to.
fn served(world: &World, node: usize) -> BTreeSet<String> {
    let view = world.view(node).expect("it runs");
    let service = view.service(&service()).expect("known");
    service.selected().map(|listed| listed.id().to_string()).collect()
}

fn is_protected(world: &World, node: usize) -> bool {
    world.view(node).expect("it runs").service(&service()).expect("known").is_protected()
}

fn status(world: &World, node: usize, number: usize) -> Option<Status> {
    let view = world.view(node).expect("it runs");
    view.service(&service())?.instance(&id(number)).map(|listed| listed.status)
}

/// Twenty instances have leases. Whoever renews for twelve of them stops, while they go on serving.
fn a_renewer_breaks(guards: Guards) -> usize {
    let mut world = world(3, guards);
    for number in 0..20 {
        register(&mut world, 0, Registration { lease: Some(Duration::from_secs(1)), ..registration(number) });
    }
    for _ in 0..40 {
        world.run_for(Duration::from_millis(500));
        for number in 12..20 {
            world.command(0, Command::Renew { service: service(), id: id(number), health: None });
        }
    }
    let served = served(&world, 2).len();
    assert_eq!(is_protected(&world, 2), served > 8, "the answer says so");
    served
}

#[test]
fn not_all_leases_of_a_service_run_out_at_once() {
    // 15 percent of twenty in a minute.
    assert_eq!(a_renewer_breaks(Guards::default()), 17);
    assert_eq!(a_renewer_breaks(Guards { mass_expiry: false, ..Guards::default() }), 8);
}

#[test]
fn what_is_overdue_is_silent_in_its_turn_and_well_when_it_is_renewed() {
    let mut world = world(3, Guards::default());
    for number in 0..6 {
        register(&mut world, 0, Registration { lease: Some(Duration::from_secs(1)), ..registration(number) });
    }
    world.run_for(Duration::from_secs(2));
    let count = |world: &World, wanted: Status| (0..6).filter(|n| status(world, 1, *n) == Some(wanted)).count();
    assert_eq!((count(&world, Status::Silent), count(&world, Status::Held)), (2, 4));
    let held = (0..6).find(|number| status(&world, 1, *number) == Some(Status::Held)).expect("one of four");
    world.command(0, Command::Renew { service: service(), id: id(held), health: None });
    world.run_for(Duration::from_millis(100));
    assert_eq!(status(&world, 1, held), Some(Status::Passing));
    // It is not renewed again: in time all are silent, and still the service is not empty.
    world.run_for(Duration::from_secs(200));
    assert_eq!(count(&world, Status::Silent), 6);
    assert_eq!(served(&world, 1).len(), 6);
}

/// Of ten nodes with an instance each, some are cut off from the others. Returns how many instances each side serves.
fn a_cut(off: usize, guards: Guards) -> (usize, usize) {
    let mut world = world(10, guards);
    (0..10).for_each(|node| register(&mut world, node, registration(node)));
    world.run_for(Duration::from_secs(2));
    world.network.partition(&[(0..off).collect(), (off..10).collect()]);
    world.run_for(Duration::from_secs(30));
    let sides = (served(&world, 0).len(), served(&world, 9).len());
    assert_eq!(is_protected(&world, 0), sides.0 > off, "the answer says so");
    world.network.heal();
    world.run_for(Duration::from_secs(30));
    checkers::convergence(&world);
    assert_eq!(served(&world, 0).len(), 10);
    assert!(!is_protected(&world, 0));
    sides
}

#[test]
fn who_lost_half_of_all_nodes_at_once_drops_none_of_their_instances() {
    let off = Guards { mass_loss: false, ..Guards::default() };
    // The few keep all, the many believe that the few are dead.
    assert_eq!(a_cut(2, Guards::default()), (10, 8));
    assert_eq!(a_cut(2, off), (2, 8));
    // Of two halves neither can know.
    assert_eq!(a_cut(5, Guards::default()), (10, 10));
    assert_eq!(a_cut(5, off), (5, 5));
}

#[test]
fn a_survivor_that_cannot_be_sure_of_itself_says_so() {
    let mut world = world(3, Guards::default());
    (0..3).for_each(|node| register(&mut world, node, registration(node)));
    world.run_for(Duration::from_secs(2));
    world.crash(1);
    world.crash(2);
    world.run_for(Duration::from_secs(25));
    assert_eq!(served(&world, 0).len(), 3, "nothing is dropped on the word of one");
    assert!(is_protected(&world, 0));
    assert_eq!([1, 2].map(|number| status(&world, 0, number)), [Some(Status::Held); 2]);
    world.boot(1);
    world.boot(2);
    world.run_for(Duration::from_secs(10));
    assert!(!is_protected(&world, 0));
}

#[test]
fn nodes_that_do_not_come_back_are_dead_after_an_hour() {
    let mut world = world(5, Guards::default());
    (0..5).for_each(|node| register(&mut world, node, registration(node)));
    world.run_for(Duration::from_secs(2));
    (2..5).for_each(|node| world.crash(node));
    world.run_for(Duration::from_secs(60 * 59));
    assert_eq!(served(&world, 0).len(), 5);
    world.run_for(Duration::from_secs(120));
    assert_eq!(served(&world, 0).len(), 2);
}

/// A script deregisters all twenty instances of a service, one after the other. Returns how many are left.
fn a_script_deletes_everything(guards: Guards, force: bool) -> (usize, usize) {
    let mut world = world(3, guards);
    (0..20).for_each(|number| register(&mut world, 0, registration(number)));
    world.run_for(Duration::from_secs(1));
    for number in 0..20 {
        let told =
            world.command(0, Command::Deregister { service: service(), id: id(number), force, ack: Ack::Memory });
        assert!(matches!(world.outcome(told), Some(Ok(Outcome::Written { .. } | Outcome::Held { .. }))));
        world.run_for(Duration::from_millis(50));
    }
    let after = served(&world, 2).len();
    world.run_for(Duration::from_secs(60 * 25));
    (after, served(&world, 2).len())
}

#[test]
fn a_script_that_deletes_too_much_empties_nothing_at_once() {
    // Ten percent in a minute, until all are gone: it was an explicit act after all.
    assert_eq!(a_script_deletes_everything(Guards::default(), false), (18, 0));
    assert_eq!(a_script_deletes_everything(Guards { mass_removal: false, ..Guards::default() }, false), (0, 0));
    assert_eq!(a_script_deletes_everything(Guards::default(), true), (0, 0));
}

#[test]
fn instances_that_are_replaced_one_by_one_are_no_loss() {
    let mut world = world(3, Guards::default());
    (0..5).for_each(|number| register(&mut world, number % 3, registration(number)));
    for number in 5..30 {
        register(&mut world, number % 3, registration(number));
        world.run_for(Duration::from_millis(200));
        let command = Command::Deregister { service: service(), id: id(number - 5), force: false, ack: Ack::Memory };
        let told = world.command((number - 5) % 3, command);
        world.run_for(Duration::from_millis(200));
        assert!(matches!(world.outcome(told), Some(Ok(Outcome::Written { .. }))), "{number}");
    }
    assert_eq!(served(&world, 2).len(), 5);
}

#[test]
fn what_is_leaving_takes_nothing_new_and_comes_back_when_it_registers_again() {
    let mut world = world(3, Guards::default());
    (0..5).for_each(|number| register(&mut world, 0, registration(number)));
    for number in 0..4 {
        world.command(0, Command::Deregister { service: service(), id: id(number), force: false, ack: Ack::Memory });
    }
    world.run_for(Duration::from_millis(100));
    assert_eq!(served(&world, 2), BTreeSet::from(["recos-4".to_owned()]));
    assert_eq!(status(&world, 2, 3), Some(Status::Leaving));
    register(&mut world, 0, registration(3));
    world.run_for(Duration::from_millis(100));
    assert_eq!(status(&world, 2, 3), Some(Status::Passing));
    // What was held is removed after a restart of its owner as well.
    world.crash(0);
    world.run_for(Duration::from_secs(1));
    world.boot(0);
    world.run_for(Duration::from_secs(150));
    assert_eq!(status(&world, 2, 2), None);
    assert_eq!(served(&world, 2).len(), 2);
}

#[test]
fn an_address_belongs_to_its_newest_claim_on_every_node() {
    let mut world = world(4, Guards::default());
    register(&mut world, 0, Registration { lease: Some(Duration::from_secs(60)), ..registration(1) });
    world.run_for(Duration::from_secs(1));
    // The address is recycled for another service, through another node, long before the lease is over.
    let other: ServiceName = "prod/other".parse().expect("a name");
    let mut thief = Registration::new(other.clone(), "other-1".parse().expect("an id"), registration(1).address);
    thief.ports = registration(1).ports;
    register(&mut world, 2, thief.clone());
    world.run_for(Duration::from_millis(100));
    for node in 0..4 {
        assert_eq!(served(&world, node).len(), 0, "n{node}");
        assert_eq!(status(&world, node, 1), Some(Status::Evicted), "n{node}");
    }
    // It is given back when the newer one goes.
    let (service, id) = (other, thief.id.clone());
    world.command(2, Command::Deregister { service, id, force: false, ack: Ack::Memory });
    world.run_for(Duration::from_millis(100));
    (0..4).for_each(|node| assert_eq!(status(&world, node, 1), Some(Status::Passing), "n{node}"));
    // Behind a gateway both say that they share it.
    register(&mut world, 0, Registration { shares_address: true, ..registration(1) });
    register(&mut world, 2, Registration { shares_address: true, ..thief });
    world.run_for(Duration::from_millis(100));
    (0..4).for_each(|node| assert_eq!(status(&world, node, 1), Some(Status::Passing), "n{node}"));
}

#[test]
fn what_another_node_owns_can_be_overruled_and_its_owner_obeys() {
    let mut world = world(4, Guards::default());
    register(&mut world, 3, registration(3));
    register(&mut world, 0, registration(0));
    world.run_for(Duration::from_secs(1));
    world.crash(3);
    world.run_for(Duration::from_secs(5));
    assert_eq!(status(&world, 1, 3), Some(Status::Lost));
    world.command(1, Command::Overrule { service: service(), id: id(3), ack: Ack::Memory });
    world.run_for(Duration::from_millis(100));
    (0..3).for_each(|node| assert_eq!(status(&world, node, 3), None, "n{node}"));
    // A node that restarts meanwhile remembers it.
    world.crash(2);
    world.boot(2);
    assert_eq!(status(&world, 2, 3), None);
    // The owner comes back with its old row, and is told.
    world.boot(3);
    world.run_for(Duration::from_secs(10));
    (0..4).for_each(|node| assert_eq!(status(&world, node, 3), None, "n{node}"));
    // Whoever registers anew is believed.
    register(&mut world, 3, registration(3));
    world.run_for(Duration::from_secs(1));
    (0..4).for_each(|node| assert_eq!(status(&world, node, 3), Some(Status::Passing), "n{node}"));
    checkers::convergence(&world);
}

#[test]
fn a_node_in_maintenance_takes_nothing_new_until_it_is_over_whatever_restarts() {
    let mut world = world(3, Guards::default());
    (0..3).for_each(|node| register(&mut world, node, registration(node)));
    world.command(1, Command::SetMaintenance { on: true, ack: Ack::Memory });
    world.run_for(Duration::from_millis(100));
    (0..3).for_each(|node| assert_eq!(status(&world, node, 1), Some(Status::Maintenance), "n{node}"));
    world.stop(1);
    world.run_for(Duration::from_secs(2));
    world.boot(1);
    world.run_for(Duration::from_secs(5));
    (0..3).for_each(|node| assert_eq!(status(&world, node, 1), Some(Status::Maintenance), "n{node}"));
    world.command(1, Command::SetMaintenance { on: false, ack: Ack::Memory });
    world.run_for(Duration::from_millis(100));
    (0..3).for_each(|node| assert_eq!(status(&world, node, 1), Some(Status::Passing), "n{node}"));
}

#[test]
fn who_stands_still_for_a_second_a_hundred_times_costs_no_instance() {
    let mut world = world(5, Guards::default());
    (0..5).for_each(|node| register(&mut world, node, registration(node)));
    world.run_for(Duration::from_secs(2));
    for round in 0..100 {
        let node = round % 5;
        world.pause(node);
        for _ in 0..20 {
            world.run_for(Duration::from_millis(50));
            let others = (0..5).filter(|other| *other != node);
            others.for_each(|other| assert_eq!(served(&world, other).len(), 5, "n{other}, round {round}"));
        }
        world.resume(node);
        world.run_for(Duration::from_millis(500));
        (0..5).for_each(|node| assert_eq!(served(&world, node).len(), 5, "n{node}, round {round}"));
    }
}

#[test]
fn all_agents_restarted_a_quarter_at_a_time_take_nothing_out_of_any_answer() {
    let mut world = world(8, Guards::default());
    (0..8).for_each(|node| register(&mut world, node, registration(node)));
    world.run_for(Duration::from_secs(2));
    for step in 0..4 {
        let restarted = [2 * step, 2 * step + 1];
        restarted.iter().for_each(|node| world.stop(*node));
        world.run_for(Duration::from_millis(500));
        restarted.iter().for_each(|node| world.boot(*node));
        for _ in 0..100 {
            world.run_for(Duration::from_millis(50));
            (0..8).for_each(|node| assert_eq!(served(&world, node).len(), 8, "n{node}, step {step}"));
        }
    }
}

#[test]
fn an_address_that_is_given_up_is_free_at_once() {
    let mut world = world(3, Guards::default());
    register(&mut world, 1, registration(1));
    world.run_for(Duration::from_secs(1));
    let thief = Registration { id: id(2), ..registration(1) };
    register(&mut world, 0, thief.clone());
    world.run_for(Duration::from_millis(100));
    assert_eq!(status(&world, 2, 1), Some(Status::Evicted));
    register(&mut world, 0, Registration { address: [10, 0, 9, 9].into(), ..thief });
    world.run_for(Duration::from_millis(100));
    assert_eq!([1, 2].map(|number| status(&world, 2, number)), [Some(Status::Passing); 2]);
}

#[test]
fn an_overrule_covers_what_its_owner_makes_of_the_same_claim_meanwhile() {
    let mut world = world(3, Guards::default());
    register(&mut world, 0, registration(0));
    world.run_for(Duration::from_secs(1));
    let health = Some(whither_model::Health::Warning);
    world.command(0, Command::Renew { service: service(), id: id(0), health });
    world.command(2, Command::Overrule { service: service(), id: id(0), ack: Ack::Memory });
    world.run_for(Duration::from_secs(5));
    (0..3).for_each(|node| assert_eq!(status(&world, node, 0), None, "n{node}"));
    register(&mut world, 0, registration(0));
    world.run_for(Duration::from_secs(1));
    (0..3).for_each(|node| assert_eq!(status(&world, node, 0), Some(Status::Passing), "n{node}"));
}

#[test]
fn what_is_leaving_goes_whatever_else_is_said_of_it() {
    let mut world = world(3, Guards::default());
    (0..5).for_each(|number| register(&mut world, 0, registration(number)));
    for number in 0..4 {
        world.command(0, Command::Deregister { service: service(), id: id(number), force: false, ack: Ack::Memory });
    }
    let state = whither_model::State::Draining;
    world.command(0, Command::SetState { service: service(), id: id(3), state, ack: Ack::Memory });
    world.run_for(Duration::from_secs(600));
    assert_eq!(status(&world, 2, 3), None);
}

#[test]
fn a_hidden_claim_to_an_id_holds_no_address() {
    let mut world = world(3, Guards::default());
    register(&mut world, 0, registration(1));
    // Evicted by another instance of the same node ...
    let thief = Registration { id: id(2), ..registration(1) };
    world.run_for(Duration::from_millis(10));
    register(&mut world, 0, thief.clone());
    // ... which is hidden by a newer claim to its id, and then all that claim the id go.
    world.run_for(Duration::from_millis(100));
    register(&mut world, 1, Registration { address: [10, 0, 9, 9].into(), ..thief });
    world.run_for(Duration::from_millis(100));
    for node in [0, 1] {
        world.command(node, Command::Deregister { service: service(), id: id(2), force: true, ack: Ack::Memory });
        world.run_for(Duration::from_millis(100));
    }
    (0..3).for_each(|node| assert_eq!(status(&world, node, 1), Some(Status::Passing), "n{node}"));
}
