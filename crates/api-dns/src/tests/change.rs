//! What changes in the view is in the next answer.

use super::{A, AAAA, Query, SRV, TXT, World, data};
use std::collections::BTreeSet;
use whither_directory::vitals::Sample;
use whither_model::{Health, MemberState, State};

#[test]
fn every_change_is_in_the_next_answer() {
    let mut world = World::new();
    let query = Query::new("web.whither", A);
    let ask = |world: &mut World| data(&world.send(&query));
    assert!(world.ask("web.whither", A).starts_with("Non-Existent Domain"));
    assert!(world.ask("web.whither", A).starts_with("Non-Existent Domain"));
    world.register("web", "w1", "10.0.0.1", |_| ());
    assert_eq!(ask(&mut world), ["10.0.0.1"]);
    world.register("web", "w2", "10.0.0.2", |_| ());
    assert_eq!(ask(&mut world), ["10.0.0.1", "10.0.0.2"]);
    world.register("web", "w1", "10.0.0.9", |_| ());
    assert_eq!(ask(&mut world), ["10.0.0.2", "10.0.0.9"]);
    world.register("other", "o1", "10.0.0.3", |_| ());
    assert_eq!(ask(&mut world), ["10.0.0.2", "10.0.0.9"]);
    world.register("web", "w2", "10.0.0.2", |r| r.state = State::Maintenance);
    assert_eq!(ask(&mut world), ["10.0.0.9"]);
    world.remove("web", "w1");
    let answer = world.ask("web.whither", A);
    assert!(answer.starts_with("No Error\nauthority: whither. 1 IN SOA"), "known but empty is NODATA: {answer}");
    world.remove("web", "w2");
    assert!(world.ask("web.whither", A).starts_with("No Error\nauthority"));
    world.register("web", "w1", "10.0.0.1", |_| ());
    assert_eq!(ask(&mut world), ["10.0.0.1"]);
}

#[test]
fn unrelated_changes_leave_ready_answers_in_use() {
    let mut world = World::populated();
    let hits = |world: &World| world.counters.hits.get();
    world.ask("web.whither", A);
    assert_eq!(hits(&world), 0);
    world.ask("WEB.whither", A);
    assert_eq!(hits(&world), 1);
    world.register("other", "o1", "10.0.0.3", |_| ());
    world.ask("web.whither", A);
    assert_eq!(hits(&world), 2);
    world.register("web", "w1", "10.0.0.7", |_| ());
    world.ask("web.whither", A);
    assert_eq!(hits(&world), 2, "but a change of the service does not");
}

#[test]
fn nodes_and_namespaces_appear_at_once() {
    let mut world = World::new();
    assert!(world.ask("c.node.whither", A).starts_with("Non-Existent"));
    assert!(world.ask("stage.whither", A).starts_with("Non-Existent"));
    world.member(0xc, "c", "192.0.2.3", MemberState::Alive);
    world.register("stage/web", "w1", "10.0.0.1", |_| ());
    assert_eq!(data(&world.send(&Query::new("c.node.whither", A))), ["192.0.2.3"]);
    assert!(world.ask("stage.whither", A).starts_with("No Error\nauthority"));
    world.member(0xc, "c", "192.0.2.4", MemberState::Alive);
    assert_eq!(data(&world.send(&Query::new("c.node.whither", A))), ["192.0.2.4"]);
    world.register("stage", "s1", "10.0.0.2", |_| ());
    assert_eq!(data(&world.send(&Query::new("stage.whither", A))), ["10.0.0.2"], "a service of that name goes first");
}

#[test]
fn a_time_out_empties_neither_a_service_nor_a_tag_of_it() {
    let mut world = World::new();
    world.stage(0xb, "web", "w1", "10.0.0.1", |r| r.tags = ["v1".into()].into());
    world.stage(0xa, "web", "w2", "10.0.0.2", |_| ());
    world.publisher.publish();
    world.member(0xb, "b.example", "2001:db8::b", MemberState::Down);
    assert_eq!(data(&world.send(&Query::new("web.whither", A))), ["10.0.0.2"]);
    assert_eq!(data(&world.send(&Query::new("v1.tag.web.default.whither", A))), ["10.0.0.1"]);
    assert!(world.ask("v1.tag.web.default.whither", TXT).contains("selection=last_known selected=1 instances=2"));
    world.stage(0xa, "web", "w2", "10.0.0.2", |r| r.health = Health::Silent);
    world.publisher.publish();
    assert_eq!(data(&world.send(&Query::new("web.whither", A))), ["10.0.0.1", "10.0.0.2"]);
    assert!(world.ask("web.whither", TXT).contains("selection=last_known selected=2 instances=2"));
    world.stage(0xa, "web", "w2", "10.0.0.2", |r| r.health = Health::Critical);
    world.stage(0xb, "web", "w1", "10.0.0.1", |r| r.health = Health::Critical);
    world.publisher.publish();
    assert!(world.ask("web.whither", A).starts_with("No Error\nauthority"));
    assert!(world.ask("web.whither", TXT).contains("selection=empty selected=0 instances=2"));
}

#[test]
fn every_instance_is_first_in_turn() {
    let mut world = World::new();
    world.register_many("web", 7);
    for qtype in [A, SRV] {
        let query = Query::new("web.whither", qtype).edns(1232);
        let mut first = Vec::new();
        for _ in 0..7 {
            let message = world.send(&query);
            assert_eq!(message.answers.len(), 7);
            first.push(message.answers[0].data.to_string());
            if qtype == SRV {
                let target = message.additionals[0].name.to_string();
                assert!(first.last().unwrap().ends_with(&target), "additionals turn along");
            }
        }
        assert_eq!(BTreeSet::from_iter(&first).len(), 7, "{first:?}");
    }
}

#[test]
fn clients_that_only_see_a_part_see_all_parts_in_turn() {
    let mut world = World::new();
    world.register_many("web", 300);
    let query = Query::new("web.whither", A);
    let mut seen = BTreeSet::new();
    for _ in 0..300 {
        let message = world.send(&query);
        assert!(message.metadata.truncation && message.answers.len() > 20);
        seen.extend(data(&message));
    }
    assert_eq!(seen.len(), 300);
}

#[test]
fn names_that_strangers_make_up_take_no_memory() {
    let mut world = World::populated();
    world.ask("web.whither", A);
    let before = cached(&world);
    for n in 0..2_000 {
        world.ask(&format!("n{n}.whither"), A);
        world.ask(&format!("n{n}.tag.web.default.whither"), A);
        world.ask(&format!("n{n}.example"), A);
        world.ask("web.whither", 300 + n);
    }
    assert_eq!(cached(&world), before);
}

#[test]
fn ready_answers_are_bounded_and_what_is_used_stays() {
    let config = crate::Config { cache_entries_max: 20, ..crate::Config::default() };
    let mut world = World::with(&config);
    for n in 0..100 {
        world.register(&format!("s{n}"), "i", "10.0.0.1", |_| ());
    }
    for n in 0..100 {
        world.ask(&format!("s{n}.whither"), A);
        world.ask("s0.whither", A);
        assert!(cached(&world).0 <= 20);
    }
    assert_eq!(world.counters.hits.get(), 100, "what is asked all the time is never evicted");
    let config = crate::Config { cache_bytes_max: 4096, ..crate::Config::default() };
    let mut world = World::with(&config);
    world.register_many("big", 1_000);
    for n in 0..100 {
        world.register(&format!("s{n}"), "i", "10.0.0.1", |_| ());
        world.ask(&format!("s{n}.whither"), AAAA);
        world.ask("big.whither", A);
        assert!(cached(&world).1 <= 4096);
    }
    assert!(cached(&world).0 > 0);
}

/// Entries and octets.
fn cached(world: &World) -> (usize, usize) {
    let value = |at: usize| world.counters.cache[at].load(std::sync::atomic::Ordering::Relaxed);
    (value(0), value(1))
}

#[test]
fn everything_is_counted() {
    let mut world = World::populated();
    world.ask("web.whither", A);
    world.ask("web.whither", A);
    world.ask("web.whither", super::ANY);
    world.ask("api.prod.whither", AAAA);
    world.ask("nobody.whither", SRV);
    world.ask("example.com", TXT);
    assert_eq!(world.octets(b"x"), None);
    let mut samples = Vec::new();
    crate::counters::sample(&[std::sync::Arc::clone(&world.counters), std::sync::Arc::default()], &mut samples);
    let value = |name: &str, label: &str| -> f64 {
        let is = |s: &&Sample| s.name == name && s.label.as_ref().is_none_or(|(_, value)| value == label);
        samples.iter().find(is).unwrap_or_else(|| panic!("{name} {label}")).value
    };
    for (name, label, expected) in [
        ("dns_queries_total", "a", 2.0),
        ("dns_queries_total", "aaaa", 1.0),
        ("dns_queries_total", "any", 1.0),
        ("dns_queries_total", "txt", 1.0),
        ("dns_answers_total", "noerror", 3.0),
        ("dns_answers_total", "nodata", 1.0),
        ("dns_answers_total", "nxdomain", 1.0),
        ("dns_answers_total", "refused", 1.0),
        ("dns_dropped_total", "too_short", 1.0),
        ("dns_fast_hits_total", "", 1.0),
        ("dns_general_total", "", 1.0),
        ("dns_cache_entries", "", 2.0),
    ] {
        assert!((value(name, label) - expected).abs() < 1e-9, "{name} {label}: {}", value(name, label));
    }
}
