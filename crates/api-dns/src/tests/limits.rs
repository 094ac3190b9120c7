//! How long answers may be, and what goes first when there is not enough room.

use super::{A, AAAA, ANY, Query, SRV, TXT, World};
use crate::{Config, answer_datagram_for_fuzz};
use std::time::Duration;

#[test]
fn udp_answers_keep_to_the_lesser_of_both_limits() {
    let mut world = World::new();
    world.register_many("web", 1_000);
    for (payload, limit) in [(None, 512), (Some(0), 512), (Some(600), 600), (Some(1232), 1232), (Some(65_535), 1232)] {
        for qtype in [A, SRV] {
            let query = Query::new("web.whither", qtype);
            let query = payload.map_or(query.clone(), |payload| query.edns(payload));
            let octets = world.octets(&query.octets()).unwrap();
            let message = hickory_proto::op::Message::from_vec(&octets).unwrap();
            assert!(message.metadata.truncation && message.additionals.is_empty());
            let room = limit - octets.len();
            assert!(octets.len() <= limit && room < 60, "{payload:?} {qtype}: {}", octets.len());
            if qtype == A {
                assert!(room < 16, "one more would have fitted");
            }
        }
    }
}

#[test]
fn additionals_are_left_out_without_a_word() {
    let mut world = World::new();
    world.register_many("web", 8);
    let message = world.send(&Query::new("web.whither", SRV));
    assert_eq!((message.answers.len(), message.metadata.truncation), (8, false));
    assert!(message.additionals.len() < 8);
    assert_eq!(world.send(&Query::new("web.whither", SRV).edns(1232)).additionals.len(), 8);
}

#[test]
fn tcp_answers_are_whole_up_to_what_a_message_can_hold() {
    let mut world = World::new();
    world.register_many("many", 1_000);
    world.register_many("too-many", 5_000);
    let message = world.send_tcp(&Query::new("many.whither", A));
    assert_eq!((message.answers.len(), message.metadata.truncation), (1_000, false));
    let message = world.send_tcp(&Query::new("many.whither", SRV));
    assert_eq!((message.answers.len(), message.metadata.truncation), (1_000, false));
    assert_eq!(world.counters.capped.get(), 0);
    let message = world.send_tcp(&Query::new("too-many.whither", A));
    assert!(!message.metadata.truncation && message.answers.len() == (65_535 - 12 - 22) / 16);
    assert_eq!(world.counters.capped.get(), 1);
    let message = world.send_tcp(&Query::new("too-many.whither", A).opt(512, 0, 0, &[0, 3, 0, 0]));
    // The general path's encoder compresses no more than some hundred names.
    assert!(!message.metadata.truncation && message.answers.len() > 2_000, "by the general path as well");
    assert_eq!(world.counters.capped.get(), 2);
}

#[test]
fn no_question_without_edns_is_amplified_beyond_512_octets() {
    let mut world = World::populated();
    world.register_many("big", 500);
    world.register("big", "i0", "10.0.0.1", |r| {
        r.meta = (0..40).map(|n| (format!("k{n}").into(), "v".repeat(200).into())).collect();
    });
    for name in ["big.whither", "i0.instance.big.default.whither", "whither", "a.node.whither", "nobody.whither"] {
        for qtype in 0..=300 {
            if let Some(answer) = world.octets(&Query::new(name, qtype).octets()) {
                assert!(answer.len() <= 512, "{name} {qtype}: {}", answer.len());
            }
        }
    }
    let message = world.send(&Query::new("i0.instance.big.default.whither", TXT).edns(1232));
    assert!(message.metadata.truncation && message.answers.is_empty());
    let message = world.send_tcp(&Query::new("i0.instance.big.default.whither", TXT));
    assert!(message.answers[0].data.to_string().contains("meta.k39=v"));
}

#[test]
fn settings_out_of_range_are_refused_with_what_would_be_right() {
    let problem = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        config.check().unwrap_err().to_string()
    };
    assert_eq!(Config::default().check(), Ok(()));
    assert_eq!(problem(|c| c.zones.clear()), "dns.zones: has 0 entries; expected 1 to 8");
    assert_eq!(
        problem(|c| c.zones = vec!["whither.".into(), "Whither".into()]),
        r#"dns.zones: "Whither" is given twice"#
    );
    let ttl = problem(|c| c.ttl = Duration::from_millis(1_001));
    assert_eq!(ttl, "dns.ttl: 1.001s is too long for instances that move; at most 1s");
    assert!(problem(|c| c.negative_ttl = Duration::from_secs(6)).ends_with("at most 5s"));
    assert_eq!(
        problem(|c| c.udp_payload_max = 511),
        "dns.udp_payload_max: 511 bytes is out of range; expected 512 to 4096"
    );
    assert_eq!(problem(|c| c.workers = 0), "dns.workers: 0 is out of range; expected 1 to 64");
    assert!(problem(|c| c.tcp_connections_max = 0).starts_with("dns.tcp_connections_max: is 0"));
    assert!(problem(|c| c.tcp_idle = Duration::ZERO).starts_with("dns.tcp_idle: is 0"));
}

#[test]
fn the_entry_for_fuzzers_answers() {
    for (name, qtype) in
        [("web.whither", A), ("api.prod.whither", SRV), ("one.prod.whither", AAAA), ("web.whither", ANY)]
    {
        assert!(answer_datagram_for_fuzz(&Query::new(name, qtype).octets()).is_some_and(|answer| answer.len() > 40));
    }
    assert_eq!(answer_datagram_for_fuzz(b"short"), None);
}
