//! The thread's work between a real runner and a node whose answers the test gives.

use super::*;
use std::net::Ipv4Addr;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use whither_checks::Config;
use whither_directory::{Clock, Envelope, Identity, Publisher};
use whither_model::{
    Delta, Instance, InstanceId, NodeId, Pace, PortChoice, PortName, Probe, Registration, Seq, Upkeep, Version,
};

const EPOCH: Epoch = Epoch(3);
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

struct World {
    publisher: Publisher,
    queue: mpsc::Receiver<Envelope>,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

fn node() -> NodeId {
    NodeId::new(1).expect("not zero")
}

impl World {
    /// One that follows, after `before` was shown.
    fn start(before: Vec<Instance>) -> Self {
        let identity = Identity {
            node: node(),
            epoch: EPOCH,
            name: "a".parse().unwrap(),
            advertise: "127.0.0.1:7600".parse().unwrap(),
            zone: Box::default(),
            region: Box::default(),
            software: "test".into(),
        };
        let (directory, queue) = Directory::new(identity, Clock::manual());
        let mut publisher = Publisher::new(Arc::clone(&directory));
        before.into_iter().for_each(|one| publisher.apply(Delta::Instance(Arc::new(one))));
        publisher.publish();
        let config = Config { allow: super::super::admission::loopback().collect(), ..Config::default() };
        let (runner, verdicts) = Runner::start(config);
        let following = Following::new(Arc::clone(&directory), runner, Vec::new(), Arc::default());
        let (stop, stopping) = watch::channel(false);
        let thread = tokio::spawn(following.run(OwnChanges::new(directory), verdicts, stopping));
        Self { publisher, queue, stop, thread }
    }

    fn show(&mut self, instance: Instance) {
        self.publisher.apply(Delta::Instance(Arc::new(instance)));
        self.publisher.publish();
    }

    /// What the node is told next: of which instance, and what.
    async fn told(&mut self) -> (String, Health, oneshot::Sender<Result<Outcome, Refusal>>) {
        let soon = tokio::time::timeout(PATIENCE, self.queue.recv()).await.expect("something is told");
        let Envelope { command, reply } = soon.expect("it goes on");
        match command {
            Command::Judge { id, health, .. } => (id.to_string(), health, reply),
            other => panic!("nobody asked for {other:?}"),
        }
    }

    async fn end(self) {
        self.stop.send_replace(true);
        self.thread.await.expect("it ends");
    }
}

fn done() -> Result<Outcome, Refusal> {
    Ok(Outcome::Written { version: Version::default(), created: 0 })
}

/// An instance at `port` whose check looks every `interval`.
fn instance(id: &str, port: u16, interval: Duration, epoch: Epoch, health: Health) -> Instance {
    let id: InstanceId = id.parse().unwrap();
    let mut registration = Registration::new("web".parse().unwrap(), id, IpAddr::V4(Ipv4Addr::LOCALHOST));
    registration.ports = [Port { name: PortName::default(), number: port }].into();
    registration.health = health;
    let pace = Pace { interval, timeout: interval.min(Duration::from_secs(2)), ..Pace::default() };
    let check = Check { name: "tcp".into(), probe: Probe::Tcp { port: PortChoice::First }, pace };
    registration.upkeep = Some(Arc::new(Upkeep { checks: [check].into(), ..Upkeep::default() }));
    Instance {
        came: whither_model::Came::Own,
        share: 100,
        leaving: false,
        registration,
        owner: node(),
        version: Version { epoch, seq: Seq(1) },
        claimed_at: WallTime(1),
        changed_at: WallTime(1),
    }
}

/// One of which something is told as soon as it is seen: its check begins as passing, and its row does not say so.
fn marker(id: &str) -> Instance {
    let mut marker = instance(id, 1, NEVER, EPOCH, Health::Critical);
    let mut upkeep = Upkeep::clone(marker.registration.upkeep.as_ref().expect("it has a check"));
    upkeep.checks = upkeep
        .checks
        .iter()
        .map(|check| Check { pace: Pace { initial: Health::Passing, ..check.pace }, ..check.clone() })
        .collect();
    marker.registration.upkeep = Some(Arc::new(upkeep));
    marker
}

/// An interval in which nothing is looked at while a test runs: what is told comes from elsewhere.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);
const OFTEN: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_node_that_has_no_room_is_told_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut world = World::start(Vec::new());
    world.show(instance("w", port, OFTEN, EPOCH, Health::Critical));
    for refusal in [Refusal::Unavailable("busy"), Refusal::Disk("full".into())] {
        let (id, health, reply) = world.told().await;
        assert_eq!((&*id, health), ("w", Health::Passing));
        reply.send(Err(refusal)).unwrap();
    }
    let (_, health, reply) = world.told().await;
    assert_eq!(health, Health::Passing);
    // What changes while a command is underway is told after it.
    drop(listener);
    reply.send(done()).unwrap();
    world.show(instance("w", port, OFTEN, EPOCH, Health::Passing));
    let (_, health, reply) = world.told().await;
    assert_eq!(health, Health::Critical);
    reply.send(done()).unwrap();
    world.end().await;
}

#[tokio::test]
async fn rows_of_an_earlier_boot_are_believed_and_new_ones_begin_as_they_ask() {
    let old = |id, health| instance(id, 1, NEVER, Epoch(2), health);
    let before =
        vec![old("passing", Health::Passing), old("critical", Health::Critical), old("silent", Health::Silent)];
    let mut world = World::start(before);
    // Registered again in this boot before anybody looked: the core has kept what was found.
    world.show(instance("again", 1, NEVER, EPOCH, Health::Passing));
    world.show(marker("new"));
    let (id, health, reply) = world.told().await;
    assert_eq!((&*id, health), ("new", Health::Passing), "the first of which anything is told");
    reply.send(done()).unwrap();
    // A row that another hand has changed is put right.
    world.show(instance("passing", 1, NEVER, Epoch(2), Health::Critical));
    let (id, health, reply) = world.told().await;
    assert_eq!((&*id, health), ("passing", Health::Passing));
    reply.send(done()).unwrap();
    world.end().await;
}

#[tokio::test]
async fn what_another_node_claims_is_no_longer_looked_at() {
    let mut world = World::start(vec![instance("w", 1, OFTEN, Epoch(2), Health::Passing)]);
    let (_, health, reply) = world.told().await;
    assert_eq!(health, Health::Critical, "nothing listens there");
    reply.send(done()).unwrap();
    let theirs = Instance {
        owner: NodeId::new(2).expect("not zero"),
        claimed_at: WallTime(2),
        ..instance("w", 1, OFTEN, EPOCH, Health::Passing)
    };
    world.show(theirs);
    world.show(marker("marker"));
    // Failures that were on their way may still be told, and nothing after the claim was seen.
    loop {
        let (id, _, reply) = world.told().await;
        reply.send(done()).unwrap();
        if id == "marker" {
            break;
        }
    }
    world.show(marker("last"));
    let (id, ..) = world.told().await;
    assert_eq!(id, "last");
    world.end().await;
}
