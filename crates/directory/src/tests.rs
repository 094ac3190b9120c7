use crate::{Clock, Cursor, Directory, Identity, Listed, Publisher, Selection, Status, watch};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use whither_model::{
    Delta, Epoch, Health, Instance, Instant, Member, MemberState, NodeId, Registration, Version, WallTime,
};

fn node(n: u64) -> NodeId {
    NodeId::new(n).unwrap()
}

/// A directory that knows two nodes.
pub(crate) fn directory() -> Arc<Directory> {
    World::new().directory
}

struct World {
    directory: Arc<Directory>,
    publisher: Publisher,
    clock: Clock,
}

impl World {
    fn new() -> Self {
        let clock = Clock::manual();
        let identity = Identity {
            node: node(1),
            epoch: Epoch(3),
            name: "a".parse().unwrap(),
            advertise: "127.0.0.1:7600".parse().unwrap(),
            zone: "z1".into(),
            region: Box::default(),
            software: "test".into(),
        };
        let (directory, _queue) = Directory::new(identity, clock.clone());
        let publisher = Publisher::new(Arc::clone(&directory));
        let mut world = Self { directory, publisher, clock };
        for (id, name) in [(1, "a"), (2, "b")] {
            world.member(id, name, MemberState::Alive);
        }
        world
    }

    fn member(&mut self, id: u64, name: &str, state: MemberState) {
        self.publisher.apply(Delta::Member(Member {
            held: false,
            maintenance: false,
            id: node(id),
            name: Arc::new(name.parse().unwrap()),
            address: "127.0.0.1:7600".parse().unwrap(),
            epoch: Epoch(1),
            state,
            vouches: state.is_present(),
            zone: "z1".into(),
            region: Box::default(),
            software: Box::default(),
        }));
        self.publisher.publish();
    }

    fn register(&mut self, owner: u64, id: &str, claimed: u64, change: impl FnOnce(&mut Registration)) {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut registration = Registration::new("web".parse().unwrap(), id.parse().unwrap(), address);
        change(&mut registration);
        self.publisher.apply(Delta::Instance(Arc::new(Instance {
            share: 100,
            leaving: false,
            came: whither_model::Came::Own,
            registration,
            owner: node(owner),
            version: Version::default(),
            claimed_at: WallTime(claimed),
            changed_at: WallTime(claimed),
        })));
        self.publisher.publish();
    }

    fn remove(&mut self, owner: u64, id: &str) {
        let (service, id) = ("web".parse().unwrap(), id.parse().unwrap());
        self.publisher.apply(Delta::InstanceGone { service, id, owner: node(owner) });
        self.publisher.publish();
    }

    fn web(&self) -> Arc<crate::ServiceView> {
        Arc::clone(self.directory.view().service(&"web".parse().unwrap()).unwrap())
    }

    fn list(&self) -> Vec<(String, u64, Status)> {
        self.web().instances().iter().map(|l: &Arc<Listed>| (l.id().to_string(), l.owner().get(), l.status)).collect()
    }
}

#[test]
fn a_time_out_never_empties_a_service_but_a_word_does() {
    let mut world = World::new();
    world.register(2, "w1", 1, |_| ());
    assert_eq!(world.web().selection(), Selection::Usable);
    world.member(2, "b", MemberState::Down);
    assert_eq!(world.list(), [("w1".into(), 2, Status::Lost)]);
    assert_eq!((world.web().selection(), world.web().selected().len()), (Selection::LastKnown, 1));
    world.register(1, "w2", 1, |r| r.health = Health::Silent);
    assert_eq!((world.web().selection(), world.web().selected().len()), (Selection::LastKnown, 2));
    world.register(1, "w2", 1, |_| ());
    assert_eq!((world.web().selection(), world.web().selected().len()), (Selection::Usable, 1));
    world.register(1, "w2", 1, |r| r.health = Health::Critical);
    world.remove(2, "w1");
    assert_eq!(world.web().selection(), Selection::Empty);
}

#[test]
fn the_newest_claim_to_an_id_wins_and_the_older_one_inherits() {
    let mut world = World::new();
    world.register(1, "w1", 10, |_| ());
    world.register(2, "w1", 20, |_| ());
    assert_eq!(world.list(), [("w1".into(), 2, Status::Passing)]);
    world.register(1, "w1", 10, |r| r.weight = 5);
    assert_eq!(world.list()[0].1, 2, "an older claim that changes stays hidden");
    assert_eq!(world.directory.view().instance_count(), 1);
    world.remove(2, "w1");
    assert_eq!(world.list(), [("w1".into(), 1, Status::Passing)]);
    assert_eq!(world.web().instances()[0].instance.registration.weight, 5);
    world.remove(1, "w1");
    assert_eq!(world.list(), []);
    let owned: Vec<usize> = world.directory.view().nodes().iter().map(|n| n.instances()).collect();
    assert_eq!(owned, [0, 0]);
}

#[test]
fn what_nobody_would_notice_makes_no_new_view() {
    let mut world = World::new();
    world.register(1, "w1", 10, |_| ());
    let (view, web) = (world.directory.view().index(), world.web());
    world.register(1, "w1", 10, |_| ());
    world.remove(2, "w1");
    world.remove(1, "w9");
    assert_eq!(world.directory.view().index(), view);
    assert!(Arc::ptr_eq(&web, &world.web()), "ready answers are kept");
}

/// A newer claim that was seen and then replaced under way must not decide for ever.
#[test]
fn who_is_shown_does_not_depend_on_what_was_seen_between() {
    let shown = |seen_between: bool| {
        let mut world = World::new();
        world.register(1, "w1", 100, |_| ());
        world.register(2, "w1", 200, |_| ());
        if seen_between {
            world.remove(2, "w1");
        }
        world.register(2, "w1", 50, |r| r.weight = 7);
        world.list()
    };
    assert_eq!(shown(true), shown(false));
    assert_eq!(shown(true)[0].1, 1);
}

/// Whoever holds a view must not be told that it knows what only a later one shows.
#[test]
fn a_view_that_is_held_does_not_grow_younger() {
    let mut world = World::new();
    let at = |secs| Instant::START + Duration::from_secs(secs);
    world.publisher.apply(Delta::Current { node: node(2), as_of: at(10) });
    world.publisher.publish();
    let held = world.directory.view();
    world.publisher.apply(Delta::Current { node: node(2), as_of: at(20) });
    world.register(2, "w1", 1, |_| ());
    let secs = |view: &crate::View| view.age(at(20)).map(|age| age.as_secs());
    assert_eq!((secs(&held), secs(&world.directory.view())), (Some(10), Some(0)));
}

#[test]
fn of_whom_nothing_was_heard_nothing_is_said() {
    let mut world = World::new();
    let now = Instant::START + Duration::from_secs(1);
    assert_eq!(world.directory.view().age(now), None);
    world.publisher.apply(Delta::Current { node: node(2), as_of: now });
    world.publisher.publish();
    assert_eq!(world.directory.view().age(now), Some(Duration::ZERO));
}

#[test]
fn age_covers_present_members_and_absent_owners() {
    let mut world = World::new();
    let start = Instant::START;
    let at = |secs| start + Duration::from_secs(secs);
    world.register(2, "w1", 1, |_| ());
    world.publisher.apply(Delta::Current { node: node(2), as_of: at(1) });
    world.publisher.publish();
    let age = |world: &World, secs| world.web().age(world.directory.view().freshness(), at(secs)).unwrap().as_secs();
    assert_eq!(age(&world, 3), 2);
    world.member(2, "b", MemberState::Down);
    assert_eq!(age(&world, 10), 9, "the absent owner of what is listed counts on");
    world.remove(2, "w1");
    assert_eq!(age(&world, 10), 0, "an absent node that owns nothing here does not");
    world.clock.set(at(5));
    assert_eq!(world.clock.wall(), WallTime(5_000));
}

#[tokio::test]
async fn a_watch_resets_first_then_tells_differences_then_resumes() {
    let mut world = World::new();
    let web = "web".parse::<whither_model::ServiceName>().unwrap();
    let mut stream = watch::ServiceWatch::new(Arc::clone(&world.directory), web.clone(), None);
    let first = stream.next().await;
    assert!(first.reset && first.changed.is_empty() && first.view.is_none());

    world.register(1, "w1", 1, |_| ());
    let second = stream.next().await;
    assert!(second.reset && second.changed.len() == 1);
    world.register(1, "w2", 1, |_| ());
    world.register(1, "w3", 1, |_| ());
    world.remove(1, "w1");
    let third = stream.next().await;
    let ids = |changed: &[Arc<Listed>]| changed.iter().map(|l| l.id().to_string()).collect::<Vec<_>>();
    assert_eq!((third.reset, ids(&third.changed), third.removed.len()), (false, vec!["w2".into(), "w3".into()], 1));

    let from = |index| Some(Cursor { node: node(1), index });
    let mut resumed = watch::ServiceWatch::new(Arc::clone(&world.directory), web.clone(), from(second.index));
    let caught_up = resumed.next().await;
    assert_eq!((caught_up.reset, ids(&caught_up.changed), caught_up.removed.len()), (false, ids(&third.changed), 1));

    let elsewhere = Some(Cursor { node: node(9), index: second.index });
    assert!(watch::ServiceWatch::new(Arc::clone(&world.directory), web.clone(), elsewhere).next().await.reset);

    for n in 0..200 {
        world.register(1, &format!("x{n}"), 1, |_| ());
        world.remove(1, &format!("x{n}"));
    }
    let too_old = watch::ServiceWatch::new(Arc::clone(&world.directory), web, from(second.index)).next().await;
    assert!(too_old.reset, "history that is gone is admitted");
}

#[tokio::test]
async fn the_catalog_watch_tells_only_what_changed() {
    let mut world = World::new();
    world.register(1, "w1", 1, |_| ());
    let mut stream = watch::CatalogWatch::new(Arc::clone(&world.directory), None);
    let first = stream.next().await;
    assert!(first.reset && first.services.len() == 1 && first.nodes);
    world.register(1, "other", 1, |r| r.service = "prod/api".parse().unwrap());
    let second = stream.next().await;
    assert!(!second.nodes, "a registration is no news of nodes");
    assert_eq!((second.reset, second.services.len()), (false, 1));
    assert_eq!(second.services[0].service.as_str(), "prod/api");
    let cursor = world.directory.cursor(first.index);
    let resumed = watch::CatalogWatch::new(Arc::clone(&world.directory), Some(cursor)).next().await;
    assert_eq!((resumed.reset, resumed.services.len()), (false, 1));
    assert_eq!(cursor.to_string().parse(), Ok(cursor));
}

#[tokio::test]
async fn who_follows_own_instances_is_told_of_each_change_once_and_of_nothing_far_from_them() {
    let mut world = World::new();
    world.register(1, "own", 1, |_| ());
    world.register(2, "other", 1, |_| ());
    let mut changes = crate::OwnChanges::new(Arc::clone(&world.directory));
    let names = |changed: std::collections::HashSet<crate::Named>| {
        let mut names: Vec<String> = changed.iter().map(|(service, id)| format!("{service}/{id}")).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(names(changes.next().await), ["default/web/own"], "all that is there already");
    for weight in 1..4 {
        world.register(1, "own", 1, |registration| registration.weight = weight);
    }
    world.register(2, "far", 1, |registration| registration.service = "prod/far".parse().unwrap());
    world.register(1, "new", 1, |_| ());
    world.remove(1, "new");
    assert_eq!(names(changes.next().await), ["default/web/new", "default/web/own"]);
    // A claim of another node to the id of an own one.
    world.register(2, "own", 9, |_| ());
    assert_eq!(names(changes.next().await), ["default/web/own"]);
    assert_eq!(world.web().instance(&"own".parse().unwrap()).unwrap().owner(), node(2));
    // The same again changes nothing, and nobody is woken for it.
    world.register(2, "own", 9, |_| ());
    world.register(1, "last", 1, |_| ());
    assert_eq!(names(changes.next().await), ["default/web/last"]);
}
