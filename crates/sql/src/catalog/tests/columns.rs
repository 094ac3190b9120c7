//! What each column says.

use super::{World, node};
use std::sync::Arc;
use std::time::Duration;
use whither_model::check::{Http, Tls};
use whither_model::{
    Check, Delta, Health, Instant, MemberState, Pace, Port, PortChoice, Probe, Registration, State, Upkeep,
};

fn at(secs: u64) -> Instant {
    Instant::START + Duration::from_secs(secs)
}

/// The columns of a table with what they say in the only row of an answer, line by line.
fn described(world: &World, table: &str, condition: &str) -> Vec<String> {
    let names = world.ask(&format!("SELECT name, type FROM pragma_table_info('{table}')"));
    let rows = world.ask(&format!("SELECT * FROM {table} WHERE {condition}"));
    assert_eq!(rows.len(), 1, "{rows:?}");
    let cells = rows[0].split(" | ");
    names.iter().zip(cells).map(|(name, cell)| format!("{} = {cell}", name.replace('\'', ""))).collect()
}

fn ports(registration: &mut Registration) {
    let port = |name: &str, number| Port { name: name.parse().unwrap(), number };
    registration.ports = [port("web", 8080), port("admin", 81)].into();
}

fn with_everything(registration: &mut Registration) {
    ports(registration);
    registration.tags = ["v2".into(), "a \"b\"".into()].into();
    registration.meta = [("k\"1".into(), "ü\n".into()), ("team".into(), "ml".into())].into();
    registration.weight = 7;
    registration.version = "1.4.2".into();
    registration.zone = "z9".into();
    registration.health = Health::Overdue;
    registration.lease = Some(Duration::from_secs(10));
}

#[test]
fn instances_say_what_json_says() {
    let mut world = World::new();
    world.publisher.apply(Delta::Current { node: node(2), as_of: at(2) });
    world.register(2, "prod/recos", "r1", with_everything);
    world.clock.set(at(5));
    world.pin();
    assert_eq!(
        described(&world, "instances", "id = 'r1'"),
        [
            "namespace | TEXT = 'prod'",
            "service | TEXT = 'prod/recos'",
            "id | TEXT = 'r1'",
            "address | TEXT = '10.0.0.7'",
            "port | INTEGER = 8080",
            r#"ports | TEXT = '{"web":8080,"admin":81}'"#,
            r#"tags | TEXT = '["v2","a \"b\""]'"#,
            r#"meta | TEXT = '{"k\"1":"ü\n","team":"ml"}'"#,
            "weight | INTEGER = 7",
            "version | TEXT = '1.4.2'",
            "zone | TEXT = 'z9'",
            "state | TEXT = 'up'",
            "health | TEXT = 'warning'",
            "status | TEXT = 'held'",
            "usable | INTEGER = 1",
            "chosen | INTEGER = 1",
            "ttl_ms | INTEGER = 10000",
            "owner | TEXT = '0000000000000002'",
            "node | TEXT = 'b'",
            "owner_state | TEXT = 'alive'",
            "changed_at | TEXT = '1970-01-01T00:00:01.500Z'",
            "age_ms | INTEGER = 3000",
            &format!("changed | INTEGER = {}", world.directory.view().index()),
        ]
    );
    let sql = "SELECT json_extract(ports, '$.admin'), json_extract(tags, '$[1]'), json_extract(meta, '$.team') FROM instances";
    assert_eq!(world.ask(sql), [r#"81 | 'a "b"' | 'ml'"#]);
}

#[test]
fn an_instance_that_says_little_has_nulls() {
    let mut world = World::new();
    world.register(2, "web", "w1", |_| ());
    let sql = "SELECT port, ports, tags, meta, version, zone, ttl_ms, age_ms, weight FROM instances";
    assert_eq!(world.ask(sql), ["NULL | '{}' | '[]' | '{}' | '' | 'z1' | NULL | NULL | 100"]);
    world.register(1, "web", "w2", |registration| registration.address = "fd00::1".parse().unwrap());
    assert_eq!(world.ask("SELECT address, age_ms FROM instances WHERE id = 'w2'"), ["'fd00::1' | 0"], "one's own");
}

#[test]
fn what_is_chosen_is_what_callers_are_given() {
    let mut world = World::new();
    world.register(2, "web", "w1", |_| ());
    world.register(1, "web", "w2", |registration| registration.health = Health::Silent);
    world.register(1, "web", "w3", |registration| registration.state = State::Draining);
    let sql = "SELECT id, status, usable, chosen FROM instances ORDER BY id";
    assert_eq!(world.ask(sql), ["'w1' | 'passing' | 1 | 1", "'w2' | 'silent' | 0 | 0", "'w3' | 'draining' | 0 | 0"]);
    world.member(2, "b", |member| (member.state, member.vouches) = (MemberState::Down, false));
    assert_eq!(world.ask(sql), ["'w1' | 'lost' | 0 | 1", "'w2' | 'silent' | 0 | 1", "'w3' | 'draining' | 0 | 0"]);
    let sql = "SELECT instances, usable, passing, protected, selection FROM services";
    assert_eq!(world.ask(sql), ["3 | 0 | 0 | 1 | 'last_known'"]);
}

#[test]
fn services_are_counted_and_have_an_age() {
    let mut world = World::new();
    world.publisher.apply(Delta::Current { node: node(2), as_of: at(2) });
    world.register(1, "prod/recos", "r1", |_| ());
    world.register(2, "prod/recos", "r2", |registration| registration.health = Health::Warning);
    world.clock.set(at(5));
    world.pin();
    assert_eq!(
        described(&world, "services", "1"),
        [
            "namespace | TEXT = 'prod'",
            "name | TEXT = 'recos'",
            "service | TEXT = 'prod/recos'",
            "instances | INTEGER = 2",
            "usable | INTEGER = 2",
            "passing | INTEGER = 1",
            "protected | INTEGER = 0",
            "selection | TEXT = 'usable'",
            "age_ms | INTEGER = 3000",
            &format!("changed | INTEGER = {}", world.directory.view().index()),
        ]
    );
    world.remove(1, "prod/recos", "r1");
    world.remove(2, "prod/recos", "r2");
    assert_eq!(world.ask("SELECT instances, selection FROM services"), ["0 | 'empty'"], "it stays known");
}

#[test]
fn the_age_of_a_service_covers_absent_owners_of_what_it_lists() {
    let mut world = World::new();
    world.register(2, "web", "w1", |_| ());
    assert_eq!(world.ask("SELECT age_ms FROM services"), ["NULL"], "nothing was heard of node 2");
    world.publisher.apply(Delta::Current { node: node(2), as_of: at(1) });
    world.member(2, "b", |member| (member.state, member.vouches) = (MemberState::Down, false));
    world.register(1, "other", "o1", |_| ());
    world.clock.set(at(9));
    world.pin();
    let sql = "SELECT name, age_ms FROM services ORDER BY name";
    assert_eq!(world.ask(sql), ["'other' | 0", "'web' | 8000"]);
}

/// What is known of nodes moves on with later views, and an earlier one must not be told to be as young as they are.
#[test]
fn a_statement_that_takes_long_does_not_grow_younger() {
    let mut world = World::new();
    world.register(2, "web", "w1", |_| ());
    world.publisher.apply(Delta::Current { node: node(2), as_of: at(1) });
    world.publisher.publish();
    world.clock.set(at(9));
    world.pin();
    world.publisher.apply(Delta::Current { node: node(2), as_of: at(8) });
    world.publisher.apply(Delta::InstanceGone {
        service: "web".parse().unwrap(),
        id: "w1".parse().unwrap(),
        owner: node(2),
    });
    world.publisher.publish();
    let sql = "SELECT i.age_ms, s.age_ms, n.age_ms FROM instances i JOIN services s USING (service) JOIN nodes n ON n.id = i.owner";
    assert_eq!(world.ask(sql), ["8000 | 8000 | 8000"]);
}

#[test]
fn nodes_and_members_are_the_same_rows() {
    let mut world = World::new();
    world.publisher.apply(Delta::Current { node: node(2), as_of: at(1) });
    world.member(2, "b.example", |member| {
        (member.state, member.held) = (MemberState::Suspect, true);
        member.zone = "z2".into();
    });
    world.register(2, "web", "w1", |_| ());
    world.clock.set(at(2));
    world.pin();
    assert_eq!(
        described(&world, "nodes", "id = '0000000000000002'"),
        [
            "id | TEXT = '0000000000000002'",
            "name | TEXT = 'b.example'",
            "address | TEXT = '10.0.0.2:7600'",
            "state | TEXT = 'suspect'",
            "status | TEXT = 'held'",
            "zone | TEXT = 'z2'",
            "region | TEXT = 'eu'",
            "epoch | INTEGER = 12",
            "software | TEXT = '0.1.0'",
            "instances | INTEGER = 1",
            "maintenance | INTEGER = 0",
            "held | INTEGER = 1",
            "age_ms | INTEGER = 1000",
            "self | INTEGER = 0",
        ]
    );
    assert_eq!(
        described(&world, "members", "name = 'b.example'"),
        [
            "id | TEXT = '0000000000000002'",
            "name | TEXT = 'b.example'",
            "address | TEXT = '10.0.0.2:7600'",
            "epoch | INTEGER = 12",
            "state | TEXT = 'suspect'",
            "vouches | INTEGER = 1",
            "held | INTEGER = 1",
            "zone | TEXT = 'z2'",
            "region | TEXT = 'eu'",
            "software | TEXT = '0.1.0'",
            "instances | INTEGER = 1",
            "age_ms | INTEGER = 1000",
        ]
    );
    world.member(1, "a", |member| member.maintenance = true);
    let sql = "SELECT id, status, self, age_ms FROM nodes WHERE self";
    assert_eq!(world.ask(sql), ["'0000000000000001' | 'maintenance' | 1 | 0"]);
}

#[test]
fn checks_are_shown_as_they_were_asked_for() {
    let mut world = World::new();
    let named = |name: &str, probe| Check { name: name.into(), probe, pace: Pace::default() };
    let slow = Pace { interval: Duration::from_secs(30), initial: Health::Passing, ..Pace::default() };
    let tls = Some(Tls::default());
    let checks = Arc::new(Upkeep {
        checks: [
            named("web", Probe::Http(Http { path: "/health?a=b".into(), ..Http::default() })),
            Check { pace: slow, ..named("tls", Probe::Http(Http { tls, ..Http::default() })) },
            named("admin", Probe::Tcp { port: PortChoice::Named("admin".parse().unwrap()) }),
            named("rpc", Probe::Grpc { port: PortChoice::First, service: "a.B".into(), tls: None }),
            named("told", Probe::Ttl),
        ]
        .into(),
        ..Upkeep::default()
    });
    world.register(1, "web", "none", ports);
    world.register(2, "web", "w1", |registration| {
        ports(registration);
        registration.address = "fd00::1".parse().unwrap();
        registration.upkeep = Some(checks);
    });
    assert_eq!(
        described(&world, "checks", "name = 'tls'"),
        [
            "namespace | TEXT = 'default'",
            "service | TEXT = 'default/web'",
            "id | TEXT = 'w1'",
            "owner | TEXT = '0000000000000002'",
            "node | TEXT = 'b'",
            "name | TEXT = 'tls'",
            "kind | TEXT = 'https'",
            "target | TEXT = 'https://[fd00::1]:8080/'",
            "port | INTEGER = 8080",
            "method | TEXT = 'GET'",
            "expect | TEXT = '200-299'",
            "interval_ms | INTEGER = 30000",
            "timeout_ms | INTEGER = 2000",
            "passes_after | INTEGER = 1",
            "fails_after | INTEGER = 2",
            "initial | TEXT = 'passing'",
        ]
    );
    assert_eq!(
        world.ask("SELECT name, kind, target, port, method FROM checks ORDER BY name"),
        [
            "'admin' | 'tcp' | '[fd00::1]:81' | 81 | NULL",
            "'rpc' | 'grpc' | '[fd00::1]:8080/a.B' | 8080 | NULL",
            "'tls' | 'https' | 'https://[fd00::1]:8080/' | 8080 | 'GET'",
            "'told' | 'ttl' | NULL | NULL | NULL",
            "'web' | 'http' | 'http://[fd00::1]:8080/health?a=b' | 8080 | 'GET'",
        ]
    );
}
