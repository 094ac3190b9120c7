use super::{A, AAAA, ANY, MX, NS, Query, SOA, SRV, TXT, World, data, text};
use hickory_proto::op::{Message, ResponseCode};
use std::time::Duration;
use whither_model::{Instant, MemberState, State};

const NEGATIVE: &str = "authority: whither. 1 IN SOA 000000000000000a.node.whither. hostmaster.whither. ";

#[test]
fn addresses_are_answered_by_family() {
    let mut world = World::populated();
    assert_eq!(data(&world.send(&Query::new("web.whither", A))), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(world.ask("web.default.whither", AAAA), "No Error\nweb.default.whither. 1 IN AAAA 2001:db8::3");
    assert_eq!(world.ask("api.prod.service.whither", A), "No Error\napi.prod.service.whither. 1 IN A 10.0.1.1");
    assert_eq!(world.ask("web.node.service.whither", A), "No Error\nweb.node.service.whither. 1 IN A 10.0.2.1");
}

#[test]
fn a_name_without_such_records_exists_all_the_same() {
    let mut world = World::populated();
    for (name, qtype) in [
        ("api.prod.whither", AAAA),
        ("api.prod.whither", MX),
        ("no-port.prod.whither", SRV),
        ("_api._tcp.prod.whither", A),
        ("prod.whither", A),
        ("prod.service.whither", SOA),
        ("service.whither", A),
        ("node.whither", AAAA),
        ("example.node.whither", A),
        ("tag.api.prod.whither", TXT),
        ("_tcp.prod.whither", SRV),
        ("whither", A),
    ] {
        let answer = world.ask(name, qtype);
        assert!(answer.starts_with(&format!("No Error\n{NEGATIVE}")), "{name} {qtype}: {answer}");
    }
    for name in [
        "nobody.whither",
        "nobody.prod.whither",
        "v2.tag.web.default.whither",
        "metrics.port.web.default.whither",
        "w9.instance.web.default.whither",
        "x-0000000000000000.instance.web.default.whither",
        "c.node.whither",
        "ample.node.whither",
        "0000000000000001.node.whither",
        "_tcp.nowhere.whither",
        "tag.nobody.prod.whither",
        "nobody.service.whither",
        "a.b.c.d.e.f.whither",
    ] {
        let answer = world.ask(name, A);
        assert!(answer.starts_with(&format!("Non-Existent Domain\n{NEGATIVE}")), "{name}: {answer}");
        assert_eq!(world.ask(name, ANY), answer, "{name}");
    }
}

#[test]
fn the_negative_ttl_is_its_own_and_the_serial_follows_the_view() {
    let negative_ttl = Duration::from_secs(3);
    let mut world = World::with(&crate::Config { ttl: Duration::ZERO, negative_ttl, ..crate::Config::default() });
    world.register("web", "w1", "10.0.0.1", |_| ());
    assert_eq!(world.ask("web.whither", A), "No Error\nweb.whither. 0 IN A 10.0.0.1");
    let nodata = "No Error\nauthority: whither. 3 IN SOA 000000000000000a.node.whither. hostmaster.whither.";
    assert_eq!(world.ask("web.whither", AAAA), format!("{nodata} 3 3600 600 86400 3"));
    world.register("other", "o1", "10.0.0.1", |_| ());
    assert_eq!(world.ask("web.whither", AAAA), format!("{nodata} 4 3600 600 86400 3"));
}

#[test]
fn srv_gives_weight_port_and_a_target_that_resolves_to_that_one_instance() {
    let mut world = World::populated();
    let message = world.send(&Query::new("_web._tcp.whither", SRV));
    assert_eq!(
        data(&message),
        [
            "1 100 80 w1.instance.web.default.whither.",
            "1 100 8080 w2.instance.web.default.whither.",
            "1 7 80 x-c9d5bbf6fcc5de11.instance.web.default.whither.",
        ]
    );
    let mut additionals: Vec<String> = message.additionals.iter().map(|record| record.to_string()).collect();
    additionals.sort();
    assert_eq!(
        additionals,
        [
            "w1.instance.web.default.whither. 1 IN A 10.0.0.1",
            "w2.instance.web.default.whither. 1 IN A 10.0.0.2",
            "x-c9d5bbf6fcc5de11.instance.web.default.whither. 1 IN AAAA 2001:db8::3",
        ]
    );
    for record in &message.additionals {
        let own = world.ask(&record.name.to_string(), record.record_type().into());
        assert_eq!(own, format!("No Error\n{record}"), "the target resolves by itself");
    }
    assert_eq!(
        world.ask("_web._tcp.node.service.whither", SRV),
        "No Error\n_web._tcp.node.service.whither. 1 IN SRV 1 100 80 n1.instance.web.node.service.whither.\n\
         additional: n1.instance.web.node.service.whither. 1 IN A 10.0.2.1"
    );
}

#[test]
fn tags_and_ports_narrow() {
    let mut world = World::populated();
    for name in ["v1.tag.web.default.whither", "V1.TAG.web.default.whither", "v1.tag.web.default.service.whither"] {
        assert_eq!(data(&world.send(&Query::new(name, A))), ["10.0.0.1"], "{name}");
    }
    let expected = ["1 100 9000 w2.instance.web.default.whither."];
    for name in ["admin.port.web.default.whither", "_admin._tcp.web.default.whither"] {
        assert_eq!(data(&world.send(&Query::new(name, SRV))), expected, "{name}");
    }
    assert_eq!(data(&world.send(&Query::new("admin.port.web.default.whither", A))), ["10.0.0.2"]);
}

#[test]
fn equal_addresses_are_one_record() {
    let mut world = World::new();
    for id in ["a", "b", "c"] {
        world.register("web", id, "10.0.0.1", |_| ());
    }
    assert_eq!(world.ask("web.whither", A), "No Error\nweb.whither. 1 IN A 10.0.0.1");
    assert_eq!(world.send(&Query::new("web.whither", SRV)).answers.len(), 3);
}

#[test]
fn an_ipv4_address_in_ipv6_notation_is_an_ipv4_address() {
    let mut world = World::new();
    world.register("web", "w1", "::ffff:10.0.0.1", |_| ());
    assert_eq!(data(&world.send(&Query::new("web.whither", A))), ["10.0.0.1"]);
    assert!(data(&world.send(&Query::new("web.whither", AAAA))).is_empty());
    assert_eq!(world.send(&Query::new("web.whither", SRV)).additionals[0].data.to_string(), "10.0.0.1");
}

#[test]
fn txt_tells_how_fresh_the_answer_is() {
    let mut world = World::populated();
    let at = |millis| Instant::START + Duration::from_millis(millis);
    world.publisher.apply(whither_model::Delta::Current { node: super::node(0xb), as_of: at(1_000) });
    world.publisher.publish();
    world.clock.set(at(1_012));
    let index = world.directory.cursor(world.directory.peek().index());
    assert_eq!(
        world.ask("web.whither", TXT),
        format!("No Error\nweb.whither. 1 IN TXT age_ms=12 index={index} selection=usable selected=3 instances=3")
    );
    world.clock.set(at(1_500));
    assert!(world.ask("web.whither", TXT).contains("age_ms=500"), "ages are never kept");
    assert_eq!(
        world.ask("a1.instance.api.prod.whither", TXT),
        "No Error\na1.instance.api.prod.whither. 1 IN TXT age_ms=0 id=a1 status=passing version= zone= meta.team=blue"
    );
    assert_eq!(
        world.ask("b.example.node.whither", TXT),
        "No Error\nb.example.node.whither. 1 IN TXT age_ms=500 id=000000000000000b state=alive"
    );
    assert_eq!(
        world.ask("whither", TXT),
        format!("No Error\nwhither. 1 IN TXT age_ms=500 index={index} node=000000000000000a")
    );
}

#[test]
fn nodes_have_addresses_by_name_and_by_id() {
    let mut world = World::populated();
    assert_eq!(world.ask("a.node.whither", A), "No Error\na.node.whither. 1 IN A 192.0.2.1");
    assert_eq!(
        world.ask("000000000000000B.node.whither", AAAA),
        "No Error\n000000000000000B.node.whither. 1 IN AAAA 2001:db8::b"
    );
    world.member(0xc, "a", "192.0.2.3", MemberState::Alive);
    world.member(0xa, "a", "192.0.2.1", MemberState::Down);
    assert_eq!(world.ask("a.node.whither", A), "No Error\na.node.whither. 1 IN A 192.0.2.3");
    world.member(0xc, "a", "192.0.2.3", MemberState::Down);
    assert_eq!(data(&world.send(&Query::new("a.node.whither", A))), ["192.0.2.1", "192.0.2.3"]);
}

#[test]
fn the_zone_has_an_authority_that_resolves() {
    let mut world = World::new();
    assert_eq!(
        world.ask("whither", NS),
        "No Error\nwhither. 1 IN NS 000000000000000a.node.whither.\n\
         additional: 000000000000000a.node.whither. 1 IN A 192.0.2.1"
    );
    let soa = "000000000000000a.node.whither. hostmaster.whither. 2 3600 600 86400 1";
    assert_eq!(world.ask("whither", SOA), format!("No Error\nwhither. 1 IN SOA {soa}"));
}

#[test]
fn any_is_answered_with_one_small_record() {
    let mut world = World::populated();
    for name in ["web.whither", "prod.whither", "whither", "a.node.whither"] {
        assert_eq!(world.ask(name, ANY), format!("No Error\n{name}. 1 IN HINFO RFC8482 "));
    }
}

#[test]
fn the_header_repeats_what_it_should_and_promises_nothing_more() {
    let mut world = World::populated();
    let mut query = Query::new("wEb.WhItHeR", A).opt(4096, 0, 0x80, &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
    // RD, AD and CD.
    query.flags = [0x01, 0x30];
    let octets = world.octets(&query.octets()).unwrap();
    assert_eq!(octets[..12], [0x12, 0x34, 0x85, 0, 0, 1, 0, 2, 0, 0, 0, 1]);
    assert_eq!(octets[12..25], *b"\x03wEb\x07WhItHeR\0", "the case comes back as it was");
    let message = Message::from_vec(&octets).unwrap();
    let edns = message.edns.as_ref().unwrap();
    assert_eq!((edns.max_payload(), edns.version(), edns.flags().dnssec_ok), (1232, 0, true));
    assert!(edns.options().as_ref().is_empty());
    assert!(message.answers.iter().all(|record| record.name.to_string() == "wEb.WhItHeR."));
    assert_eq!(world.counters.general.get(), 0, "a cookie does not need the general path");
    query.flags = [0, 0];
    assert!(!world.send(&query).metadata.recursion_desired);
    assert!(world.send(&Query::new("web.whither", A)).edns.is_none());
}

#[test]
fn what_is_not_ours_is_refused_in_no_more_octets_than_asked() {
    let mut world = World::populated();
    let mut chaos = Query::new("version.bind", TXT);
    chaos.qclass = 3;
    let mut other_class = Query::new("web.whither", A);
    other_class.qclass = 255;
    let nsid = Query::new("example.com", ANY).opt(4096, 0, 0, &[0, 3, 0, 0]);
    for query in [
        Query::new("example.com", A),
        Query::new("", NS),
        Query::new("com", SRV).edns(4096),
        Query::new("example.com", ANY),
        Query::new("web.whither", 252),
        Query::new("web.whither", 251),
        nsid,
        chaos,
        other_class,
    ] {
        let octets = world.octets(&query.octets()).unwrap();
        let message = Message::from_vec(&octets).unwrap();
        assert_eq!(message.metadata.response_code, ResponseCode::Refused, "{query:?}");
        assert!(!message.metadata.authoritative && !message.metadata.recursion_available && message.answers.is_empty());
        assert_eq!(message.edns.is_some(), query.edns.is_some());
        assert!(octets.len() <= query.octets().len(), "{query:?}");
    }
}

#[test]
fn what_cannot_be_read_is_told_so_or_dropped() {
    let mut world = World::populated();
    let good = Query::new("web.whither", A).octets();
    let code = |world: &mut World, octets: &[u8]| {
        let answer = world.octets(octets).unwrap();
        assert_eq!((answer.len(), &answer[..2]), (12, &[0x12, 0x34][..]));
        Message::from_vec(&answer).unwrap().metadata.response_code
    };
    let changed = |at: usize, value: u8| {
        let mut octets = good.clone();
        octets[at] = value;
        octets
    };
    for opcode in [1_u8, 2, 4, 5, 6, 15] {
        assert_eq!(code(&mut world, &changed(2, opcode << 3)), ResponseCode::NotImp);
    }
    assert_eq!(code(&mut world, &good[..12]), ResponseCode::FormErr);
    assert_eq!(code(&mut world, &good[..20]), ResponseCode::FormErr);
    assert_eq!(code(&mut world, &changed(5, 0)), ResponseCode::FormErr);
    assert_eq!(code(&mut world, &changed(5, 2)), ResponseCode::FormErr);
    assert_eq!(code(&mut world, &changed(4, 255)), ResponseCode::FormErr);
    assert_eq!(code(&mut world, &changed(11, 1)), ResponseCode::FormErr);
    assert_eq!(code(&mut world, &changed(12, 0xc0)), ResponseCode::FormErr, "a pointer to itself");
    assert_eq!(code(&mut world, &changed(12, 0x40)), ResponseCode::FormErr);
    assert_eq!(code(&mut world, &Query::new(&"abcdefg.".repeat(32), A).octets()), ResponseCode::FormErr);
    assert_eq!(world.octets(&good[..11]), None);
    assert_eq!(world.octets(&[]), None);
    assert_eq!(world.octets(&changed(2, 0x80)), None, "a response");
    assert_eq!(world.octets(&[good.as_slice(), &[0; 5000]].concat()), None);
    let counted = (world.counters.too_short.get(), world.counters.responses.get(), world.counters.too_long.get());
    assert_eq!(counted, (2, 1, 1));
}

#[test]
fn the_longest_name_there_can_be_is_read() {
    let mut world = World::populated();
    let long = |last: usize| format!("{}{}.whither", format!("{}.", "a".repeat(63)).repeat(3), "b".repeat(last));
    let message = world.send(&Query::new(&long(53), A));
    assert_eq!(message.metadata.response_code, ResponseCode::NXDomain, "255 octets");
    assert_eq!(world.send(&Query::new(&long(54), A)).metadata.response_code, ResponseCode::FormErr, "256 octets");
}

#[test]
fn a_later_edns_is_answered_with_the_version_there_is() {
    let mut world = World::populated();
    let octets = world.octets(&Query::new("web.whither", A).opt(1232, 1, 0, &[]).octets()).unwrap();
    let message = Message::from_vec(&octets).unwrap();
    // 16 is BADSIG as well, by which name the parser calls it.
    assert_eq!(u16::from(message.metadata.response_code), u16::from(ResponseCode::BADVERS));
    assert_eq!((message.edns.as_ref().unwrap().version(), message.answers.len()), (0, 0));
}

#[test]
fn nsid_says_which_server_answered() {
    let mut world = World::populated();
    let octets = world.octets(&Query::new("web.whither", A).opt(1232, 0, 0, &[0, 3, 0, 0]).octets()).unwrap();
    let needle = b"000000000000000a";
    assert!(octets.windows(needle.len()).any(|window| window == needle));
    assert_eq!(data(&Message::from_vec(&octets).unwrap()), ["10.0.0.1", "10.0.0.2"]);
}

#[test]
fn draining_instances_are_found_only_by_their_own_name() {
    let mut world = World::populated();
    world.register("prod/api", "a1", "10.0.1.1", |r| r.state = State::Draining);
    assert!(text(&world.send(&Query::new("api.prod.whither", A))).starts_with(&format!("No Error\n{NEGATIVE}")));
    assert_eq!(data(&world.send(&Query::new("a1.instance.api.prod.whither", A))), ["10.0.1.1"]);
    assert_eq!(data(&world.send(&Query::new("a1.instance.api.prod.whither", SRV))).len(), 1);
}
