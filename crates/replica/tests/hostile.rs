//! Bytes from outside: nothing panics, nothing is believed that is not well-formed, and everything refused is counted.

use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use whither_model::durable::Snapshot;
use whither_model::random::Random;
use whither_model::{Ack, Command, Epoch, Instant, NodeId, Now, Registration, Ticket, WallTime};
use whither_replica::{Config, Replica, Route, Timing};

fn replica(node: u64) -> Replica {
    let config = Config {
        name: format!("n{node}").parse().unwrap(),
        advertise: address(node),
        zone: "".into(),
        region: "".into(),
        software: "test".into(),
        seeds: vec![address(1)],
        seed: 1,
        timing: Timing::default(),
        guards: whither_replica::Guards::default(),
    };
    let snapshot = Snapshot {
        node: NodeId::new(node).unwrap(),
        epoch: Epoch(1),
        rows: Vec::new(),
        seen: Vec::new(),
        members: Vec::new(),
    };
    Replica::new(config, snapshot, at(0))
}

fn address(node: u64) -> SocketAddr {
    format!("10.0.0.{node}:7600").parse().unwrap()
}

fn at(millis: u64) -> Now {
    Now { mono: Instant::from_micros(Instant::START.as_micros() + millis * 1_000), wall: WallTime(millis) }
}

/// Real packets of every kind: what three nodes say to each other while one registers, one crashes and one joins late.
fn conversation() -> Vec<(Route, Bytes)> {
    let mut nodes: BTreeMap<u64, Replica> = [1, 2].into_iter().map(|node| (node, replica(node))).collect();
    let mut packets = Vec::new();
    for millis in 0..4_000u64 {
        let now = at(millis);
        if millis == 1_000 {
            nodes.insert(3, replica(3));
        }
        if millis == 2_500 {
            nodes.remove(&2);
        }
        if millis % 100 == 50 {
            let address = "10.1.1.1".parse().unwrap();
            let id = format!("i{millis}").parse().unwrap();
            let registrations = vec![Registration::new("web".parse().unwrap(), id, address)];
            let command = Command::Register { registrations, ack: Ack::Memory };
            nodes.get_mut(&1).unwrap().handle_command(now, Ticket(millis), command);
        }
        let mut under_way = Vec::new();
        for (node, replica) in &mut nodes {
            if replica.poll_timeout() <= now.mono {
                replica.handle_timeout(now);
            }
            while let Some(ready) = replica.poll_ready() {
                for transmit in ready.transmit {
                    packets.push((transmit.route, transmit.bytes.clone()));
                    under_way.extend(transmit.to.iter().map(|to| (*node, *to, transmit.route, transmit.bytes.clone())));
                }
            }
        }
        for (from, to, route, bytes) in under_way {
            let target = nodes.iter_mut().find(|(node, _)| address(**node) == to);
            // Some are lost, so that repairs are part of the conversation.
            if let Some((_, replica)) = target.filter(|_| !(packets.len() + bytes.len()).is_multiple_of(9)) {
                replica.handle_packet(now, address(from), route, bytes).unwrap();
            }
        }
    }
    packets
}

#[test]
fn the_conversation_covers_the_protocol() {
    let packets = conversation();
    assert!(packets.iter().any(|(route, _)| *route == Route::Stream), "vectors, cells and member lists");
    assert!(packets.iter().filter(|(route, _)| *route == Route::Datagram).count() > 50);
    let too_long = packets
        .iter()
        .find(|(route, bytes)| *route == Route::Datagram && bytes.len() > whither_replica::limits::DATAGRAM_BYTES_MAX);
    assert_eq!(too_long, None);
}

/// A hundred thousand broken packets: cut, flipped, spliced, repeated and made up.
#[test]
fn broken_packets_are_counted_and_harmless() {
    let packets = conversation();
    let mut random = Random::new(5);
    let mut victim = replica(9);
    let (mut refused, rounds) = (0, 100_000u64);
    for round in 0..rounds {
        let (route, bytes) = &packets[random.below(packets.len())];
        let mut bytes = bytes.to_vec();
        for _ in 0..=random.below(4) {
            let (spot, kind) = (random.below(bytes.len() + 1), random.below(5));
            match kind {
                0 => bytes.truncate(spot),
                1 if spot < bytes.len() => bytes[spot] ^= 1 << random.below(8),
                2 if spot < bytes.len() => bytes[spot] = 0xff,
                3 => {
                    let (_, other) = &packets[random.below(packets.len())];
                    bytes.truncate(spot);
                    bytes.extend_from_slice(&other[spot.min(other.len())..]);
                }
                _ => bytes.extend((0..random.below(40)).map(|_| random.next().to_le_bytes()[0])),
            }
        }
        let now = at(5_000 + round);
        refused += u64::from(victim.handle_packet(now, address(1), *route, bytes.into()).is_err());
        while let Some(ready) = victim.poll_ready() {
            let fits = |t: &whither_replica::Transmit| t.bytes.len() <= whither_replica::limits::MESSAGE_BYTES_MAX;
            assert!(ready.transmit.iter().all(fits));
        }
        if round % 97 == 0 {
            victim.handle_timeout(now);
        }
    }
    assert_eq!(victim.counters().packets_malformed, refused);
    assert_eq!(victim.counters().packets_received, rounds - refused);
    assert!(refused > rounds / 10 && refused < rounds, "{refused} of {rounds} refused");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut victim = replica(9);
        let result = victim.handle_packet(at(1), address(1), Route::Stream, bytes.into());
        prop_assert_eq!(victim.counters().packets_malformed, u64::from(result.is_err()));
    }
}
