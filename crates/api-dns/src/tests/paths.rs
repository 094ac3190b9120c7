//! The fast path and the general path must say the same, and neither may be upset by anything.

use super::{A, AAAA, ANY, MX, NS, Query, Random, SOA, SRV, TXT, World};
use crate::answer_datagram_for_fuzz;
use crate::answerer::Transport;
use hickory_proto::op::Message;
use proptest::prelude::*;
use std::collections::BTreeSet;

const NAMES: [&str; 30] = [
    "",
    "com",
    "whither",
    "web.whither",
    "WEB.default.Whither",
    "web.service.whither",
    "api.prod.whither",
    "v1.tag.web.default.whither",
    "nobody.tag.web.default.whither",
    "admin.port.web.default.whither",
    "w1.instance.web.default.whither",
    "x-c9d5bbf6fcc5de11.instance.web.default.whither",
    "_web._tcp.whither",
    "_web._tcp.default.whither",
    "_admin._tcp.web.default.whither",
    "web.node.service.whither",
    "_tcp.web.default.whither",
    "nobody.whither",
    "nobody.prod.whither",
    "prod.whither",
    "a.node.whither",
    "b.example.node.whither",
    "example.node.whither",
    "000000000000000a.node.whither",
    "node.whither",
    "service.whither",
    "many.whither",
    "many.default.service.whither",
    "_many._tcp.whither",
    "no-port.prod.whither",
];

/// What a client learns from a message, in an order that does not depend on the turn. In lower case: a name that is
/// compressed to a part of the question comes in the case of the question.
fn learned(message: &Message) -> (String, Vec<String>, Vec<String>, Vec<String>) {
    let metadata = &message.metadata;
    let head = format!("{metadata:?} {:?} {:?}", message.queries, message.edns);
    let sorted = |records: &[hickory_proto::rr::Record]| {
        let mut lines: Vec<String> = records.iter().map(|record| record.to_string().to_lowercase()).collect();
        lines.sort();
        lines
    };
    (head, sorted(&message.answers), sorted(&message.authorities), sorted(&message.additionals))
}

fn queries() -> impl Strategy<Value = Query> {
    let payload = prop_oneof![Just(None), (0_u16..5000).prop_map(Some)];
    let qtype = prop_oneof![
        Just(A),
        Just(AAAA),
        Just(SRV),
        Just(TXT),
        Just(NS),
        Just(SOA),
        Just(MX),
        Just(ANY),
        any::<u16>().prop_filter("has no meaning as a question", |t| !matches!(t, 41 | 249..=254)),
    ];
    (prop::sample::select(&NAMES[..]), qtype, payload, any::<u64>(), any::<bool>()).prop_map(
        |(name, qtype, payload, case, dnssec_ok)| {
            let mut query = Query::new(name, qtype);
            let letters = query.name.iter_mut().flatten().enumerate();
            letters.for_each(|(at, letter)| {
                if case >> (at % 64) & 1 == 1 {
                    letter.make_ascii_uppercase();
                }
            });
            match payload {
                Some(payload) => query.opt(payload, 0, if dnssec_ok { 0x80 } else { 0 }, &[]),
                None => query,
            }
        },
    )
}

fn world() -> World {
    let mut world = World::populated();
    world.register_many("many", 40);
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_paths_say_the_same(batch in prop::collection::vec(queries(), 1..12)) {
        let mut world = world();
        for query in batch {
            let octets = query.octets();
            let fast_octets = world.octets(&octets).unwrap();
            let general_octets = world.general_octets(Transport::Udp, 3, &octets);
            let limit = usize::from(query.edns.as_ref().map_or(512, |opt| u16::from_be_bytes([opt[3], opt[4]])))
                .clamp(512, 1232);
            prop_assert!(fast_octets.len() <= limit && general_octets.len() <= limit);
            let (fast, general) = (Message::from_vec(&fast_octets).unwrap(), Message::from_vec(&general_octets).unwrap());
            let (fast_says, general_says) = (learned(&fast), learned(&general));
            if fast.metadata.truncation || general.metadata.truncation {
                // They compress differently, so that one may have room for more; what is there is true in both.
                let mut out = Vec::new();
                prop_assert!(world.tcp.answer(&octets, &mut out));
                let whole: BTreeSet<String> = learned(&Message::from_vec(&out).unwrap()).1.into_iter().collect();
                prop_assert!(fast_says.1.iter().chain(&general_says.1).all(|record| whole.contains(record)));
                prop_assert_eq!(fast_says.2, general_says.2);
                continue;
            }
            prop_assert_eq!(&fast_says.0, &general_says.0);
            prop_assert_eq!(&fast_says.1, &general_says.1);
            prop_assert_eq!(&fast_says.2, &general_says.2);
            let whole = world.general_octets(Transport::Tcp, 3, &octets);
            let whole: BTreeSet<String> = learned(&Message::from_vec(&whole).unwrap()).3.into_iter().collect();
            prop_assert!(fast_says.3.iter().chain(&general_says.3).all(|record| whole.contains(record)));
            if fast_octets.len() + 200 < limit && general_octets.len() + 200 < limit {
                prop_assert_eq!(&fast_says.3, &general_says.3);
            }
        }
    }

    #[test]
    fn both_paths_turn_alike_over_tcp(query in queries(), turn in 0_usize..1_000) {
        let mut world = world();
        let octets = query.octets();
        let general = Message::from_vec(&world.general_octets(Transport::Tcp, turn, &octets)).unwrap();
        let mut out = Vec::new();
        prop_assert!(world.tcp.answer(&octets, &mut out));
        let fast = Message::from_vec(&out).unwrap();
        prop_assert_eq!(learned(&fast), learned(&general));
    }
}

#[test]
fn nothing_that_arrives_upsets_it() {
    let seeds: Vec<Vec<u8>> = NAMES
        .iter()
        .flat_map(|name| [A, AAAA, SRV, TXT, SOA, ANY].map(|qtype| (name, qtype)))
        .flat_map(|(name, qtype)| {
            let query = Query::new(name, qtype);
            [query.clone(), query.clone().edns(1232), query.opt(4096, 0, 0x80, &[0, 3, 0, 0, 0, 10, 0, 2, 1, 2])]
        })
        .map(|query| query.octets())
        .collect();
    let mut random = Random(0x5eed);
    let (mut answered, mut unusual) = (0, 0);
    let mut world = world();
    for round in 0..200_000 {
        let mut datagram = if round % 5 == 0 {
            (0..random.below(80)).map(|_| random.next() as u8).collect()
        } else {
            seeds[random.below(seeds.len())].clone()
        };
        for _ in 0..random.below(4) {
            mutate(&mut datagram, &mut random);
        }
        if round % 5 == 0 && datagram.len() > 5 && random.below(2) == 0 {
            datagram[2] &= 0x07;
            datagram[4..6].copy_from_slice(&[0, 1]);
        }
        let general_before = world.counters.general.get();
        let answer = world.octets(&datagram);
        unusual += world.counters.general.get() - general_before;
        if let Some(answer) = answer {
            answered += 1;
            assert!(Message::from_vec(&answer).is_ok(), "{datagram:02x?}");
            assert_eq!((answer[..2].to_vec(), answer[2] & 0x80), (datagram[..2].to_vec(), 0x80));
            let with_edns = Message::from_vec(&datagram).is_ok_and(|query| query.edns.is_some());
            assert!(answer.len() <= if with_edns { 1232 } else { 512 }, "{datagram:02x?}");
        } else {
            assert!(datagram.len() < 12 || datagram[2] & 0x80 != 0, "{datagram:02x?}");
        }
        if round % 8 == 0 {
            drop(answer_datagram_for_fuzz(&datagram));
        }
    }
    assert_eq!(world.counters.failed.get(), 0, "nothing panicked inside");
    assert!(answered > 100_000 && unusual > 20_000, "the mutations are worth something: {answered} {unusual}");
}

fn mutate(datagram: &mut Vec<u8>, random: &mut Random) {
    if datagram.is_empty() {
        return datagram.push(random.next() as u8);
    }
    let at = random.below(datagram.len());
    match random.below(7) {
        0 => datagram[at] ^= 1 << random.below(8),
        1 => datagram[at] = random.next() as u8,
        2 => datagram[at] = [0, 1, 63, 64, 0xc0, 0xff][random.below(6)],
        3 => datagram.truncate(at),
        4 => datagram.insert(at, random.next() as u8),
        5 => drop(datagram.remove(at)),
        _ => datagram.extend_from_within(at..),
    }
}
