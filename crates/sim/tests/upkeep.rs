//! What owners do for their instances: believe checks, warm them up, and remove what stays ill.

use std::sync::Arc;
use std::time::Duration;
use whither_directory::{Listed, Status};
use whither_model::check::{Check, Pace, PortChoice, Probe};
use whither_model::{
    Ack, Came, Command, Health, InstanceId, Outcome, Port, PortName, Registration, ServiceName, SessionEnd, State,
    Testimony, Upkeep,
};
use whither_sim::{Setup, World, checkers};

fn service() -> ServiceName {
    "prod/recos".parse().expect("a name")
}

fn id() -> InstanceId {
    "recos-1".parse().expect("an id")
}

fn registration(upkeep: Upkeep) -> Registration {
    let mut registration = Registration::new(service(), id(), [10, 0, 0, 1].into());
    registration.ports = [Port { name: PortName::default(), number: 8080 }].into();
    registration.upkeep = Some(Arc::new(upkeep));
    registration
}

fn checked() -> Upkeep {
    let probe = Probe::Tcp { port: PortChoice::First };
    Upkeep { checks: [Check { name: "port".into(), probe, pace: Pace::default() }].into(), ..Upkeep::default() }
}

fn world() -> World {
    let mut world = World::new(Setup::new(21, 3));
    world.run_for(Duration::from_secs(3));
    world
}

fn tell(world: &mut World, command: Command) -> Outcome {
    let told = world.command(0, command);
    world.run_for(Duration::from_millis(50));
    world.outcome(told).expect("answered").clone().expect("not refused")
}

fn register(world: &mut World, registration: Registration) {
    tell(world, Command::Register { registrations: vec![registration], ack: Ack::Memory });
}

fn judge(world: &mut World, health: Health) {
    tell(world, Command::Judge { service: service(), id: id(), health });
}

/// As another node shows it.
fn listed(world: &World) -> Option<Arc<Listed>> {
    world.view(2)?.service(&service())?.instance(&id()).cloned()
}

fn status(world: &World) -> Status {
    listed(world).expect("listed").status
}

#[test]
fn an_instance_with_checks_is_not_used_before_one_of_them_passed() {
    let mut world = world();
    register(&mut world, registration(checked()));
    assert_eq!(status(&world), Status::Critical);
    judge(&mut world, Health::Passing);
    assert_eq!(status(&world), Status::Passing);
    // Registering the same again changes nothing, another target does.
    register(&mut world, registration(checked()));
    assert_eq!(status(&world), Status::Passing);
    register(&mut world, Registration { address: [10, 0, 0, 2].into(), ..registration(checked()) });
    assert_eq!(status(&world), Status::Critical);
}

#[test]
fn the_worst_of_checks_and_reports_holds_and_a_lost_session_is_worse_than_both() {
    let mut world = world();
    let Outcome::Opened { session } = tell(&mut world, Command::OpenSession { grace: Duration::from_secs(60) }) else {
        panic!("opened")
    };
    register(&mut world, Registration { session: Some(session), ..registration(checked()) });
    judge(&mut world, Health::Passing);
    let renew = |health| Command::Renew { service: service(), id: id(), health };
    tell(&mut world, renew(Some(Health::Warning)));
    assert_eq!(status(&world), Status::Warning);
    judge(&mut world, Health::Critical);
    tell(&mut world, renew(Some(Health::Passing)));
    assert_eq!(status(&world), Status::Critical);
    judge(&mut world, Health::Passing);
    assert_eq!(status(&world), Status::Passing);
    tell(&mut world, Command::EndSession { session, end: SessionEnd::Lost });
    judge(&mut world, Health::Warning);
    judge(&mut world, Health::Passing);
    assert_eq!(status(&world), Status::Critical);
}

#[test]
fn a_restart_of_the_owner_is_no_reason_to_doubt_what_its_checks_found() {
    let mut world = world();
    register(&mut world, registration(checked()));
    judge(&mut world, Health::Passing);
    world.stop(0);
    world.run_for(Duration::from_secs(1));
    world.boot(0);
    world.run_for(Duration::from_secs(3));
    assert_eq!(status(&world), Status::Passing);
    register(&mut world, registration(checked()));
    assert_eq!(status(&world), Status::Passing);
    judge(&mut world, Health::Critical);
    assert_eq!(status(&world), Status::Critical);
}

#[test]
fn what_stays_critical_is_removed_and_what_recovers_is_not() {
    let mut world = world();
    let upkeep = Upkeep { remove_after_critical: Some(Duration::from_secs(5)), ..checked() };
    register(&mut world, registration(upkeep));
    world.run_for(Duration::from_secs(3));
    judge(&mut world, Health::Passing);
    world.run_for(Duration::from_secs(30));
    assert_eq!(status(&world), Status::Passing);
    judge(&mut world, Health::Critical);
    world.run_for(Duration::from_secs(4));
    assert_eq!(status(&world), Status::Critical);
    world.run_for(Duration::from_secs(2));
    assert!(listed(&world).is_none());
    checkers::convergence(&world);
}

#[test]
fn silence_is_no_reason_to_remove_anything() {
    let mut world = world();
    let upkeep = Upkeep { remove_after_critical: Some(Duration::from_secs(1)), ..Upkeep::default() };
    register(&mut world, Registration { lease: Some(Duration::from_secs(1)), ..registration(upkeep) });
    world.run_for(Duration::from_secs(60));
    assert_eq!(status(&world), Status::Silent);
}

#[test]
fn a_weight_rises_after_the_instance_came_into_service() {
    let mut world = world();
    let upkeep = Upkeep { ramp: Some(Duration::from_secs(10)), ..Upkeep::default() };
    register(&mut world, Registration { state: State::Starting, ..registration(upkeep) });
    world.run_for(Duration::from_secs(60));
    let set = |state| Command::SetState { service: service(), id: id(), state, ack: Ack::Memory };
    tell(&mut world, set(State::Up));
    let weight = |world: &World| listed(world).expect("listed").instance.weight();
    let mut seen = vec![weight(&world)];
    for _ in 0..12 {
        world.run_for(Duration::from_secs(1));
        seen.push(weight(&world));
    }
    seen.dedup();
    assert_eq!(seen, [20, 40, 60, 80, 100]);
    // Drained and back, it warms up anew.
    tell(&mut world, set(State::Draining));
    tell(&mut world, set(State::Up));
    assert_eq!(weight(&world), 20);
}

#[test]
fn an_owner_tells_when_each_witness_last_testified_and_everybody_how_it_heard() {
    let mut world = world();
    let Outcome::Opened { session } = tell(&mut world, Command::OpenSession { grace: Duration::from_secs(60) }) else {
        panic!("opened")
    };
    let lease = Some(Duration::from_secs(10));
    register(&mut world, Registration { session: Some(session), lease, ..registration(checked()) });
    judge(&mut world, Health::Warning);
    world.run_for(Duration::from_secs(2));
    tell(&mut world, Command::Renew { service: service(), id: id(), health: None });
    world.run_for(Duration::from_secs(3));
    let Outcome::Witnessed(all) = tell(&mut world, Command::Witnesses { instances: vec![(service(), id())] }) else {
        panic!("witnessed")
    };
    let [session, lease, checks] = all[0][..] else { panic!("three: {all:?}") };
    assert_eq!((session, checks), (Testimony::Session { held: true }, Testimony::Checks { health: Health::Warning }));
    let Testimony::Lease { renewed, left } = lease else { panic!("a lease: {lease:?}") };
    assert_eq!((renewed.as_secs(), left.as_secs()), (3, 6));

    let came = |world: &World, node: usize| -> Came {
        let view = world.view(node).expect("it runs");
        view.service(&service()).expect("known").instance(&id()).expect("listed").instance.came
    };
    assert_eq!([came(&world, 0), came(&world, 1), came(&world, 2)], [Came::Own, Came::Broadcast, Came::Broadcast]);
    world.crash(1);
    world.boot(1);
    assert_eq!(came(&world, 1), Came::Disk);
    world.crash(2);
    judge(&mut world, Health::Passing);
    world.boot(2);
    world.run_for(Duration::from_secs(3));
    assert_eq!(came(&world, 2), Came::Repair);
}

#[test]
fn what_checks_find_renews_no_lease() {
    let mut world = world();
    register(&mut world, Registration { lease: Some(Duration::from_secs(2)), ..registration(checked()) });
    for round in 0..20 {
        judge(&mut world, if round % 2 == 0 { Health::Passing } else { Health::Warning });
        world.run_for(Duration::from_secs(1));
    }
    assert_eq!(status(&world), Status::Silent);
}
