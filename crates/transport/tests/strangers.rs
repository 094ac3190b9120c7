//! What somebody without the secret, or with another one, can do: be counted.

mod node;

use std::net::UdpSocket;

use node::{Node, loopback};
use whither_transport::{ClusterSecret, Config};

#[tokio::test]
async fn another_secret_gets_nothing_through_in_either_direction() {
    let mut a = Node::start(&ClusterSecret::generate(), 1).await;
    let mut b = Node::start(&ClusterSecret::generate(), 2).await;
    for (from, to) in [(&a, &b), (&b, &a)] {
        from.send_datagram(to, b"hello");
        to.until("the datagram is refused", |counters| counters.datagrams_dropped_unauthenticated == 1).await;
        let before = to.counters().handshakes_failed;
        from.send_message(to, &b"hello"[..]);
        from.until("the dial fails", |counters| counters.messages_dropped_dial_failed == 1).await;
        to.until("the handshake fails", |counters| counters.handshakes_failed > before).await;
        assert!(from.counters().handshakes_failed > 0);
    }
    a.expect_nothing();
    b.expect_nothing();
    assert_eq!((a.counters().connections_open(), b.counters().connections_open()), (0, 0));
    assert_eq!((a.counters().messages_sent, b.counters().messages_sent), (0, 0));
}

#[tokio::test]
async fn a_replayed_datagram_is_dropped() {
    let secret = ClusterSecret::generate();
    let (a, mut b) = (Node::start(&secret, 1).await, Node::start(&secret, 2).await);
    let eavesdropper = UdpSocket::bind(loopback(0)).expect("a free port");
    a.transport.send_datagram(&[eavesdropper.local_addr().expect("an address")], b"once");
    let mut captured = [0; 2000];
    let length = eavesdropper.recv(&mut captured).expect("a datagram");
    for _ in 0..3 {
        eavesdropper.send_to(&captured[..length], b.address()).expect("sent");
    }
    b.until("the replays are dropped", |counters| counters.datagrams_dropped_replayed == 2).await;
    assert!(matches!(b.next().await, whither_transport::Inbound::Datagram { bytes, .. } if &bytes[..] == b"once"));
    b.expect_nothing();

    eavesdropper.send_to(&captured[..length], a.address()).expect("sent");
    a.until("its own words", |counters| counters.datagrams_dropped_reflected == 1).await;
}

/// A small generator of its own (SplitMix64), so that a failing run can be repeated from its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

fn dropped_on_arrival(node: &Node) -> u64 {
    node.counters().datagrams_dropped()
}

#[tokio::test]
async fn garbage_of_every_short_length_is_counted() {
    let secret = ClusterSecret::generate();
    let (a, mut b) = (Node::start(&secret, 1).await, Node::start(&secret, 2).await);
    let stranger = UdpSocket::bind(loopback(0)).expect("a free port");
    let mut random = Random(7);
    let mut ours = 0;
    for length in 0..=64 {
        for first in [0x00, 0x01, 0x02, 0x3f, 0x40, 0x41, 0x80, 0xbf, 0xc0, 0xff] {
            let mut garbage = random.bytes(length);
            garbage.iter_mut().take(1).for_each(|byte| *byte = first);
            stranger.send_to(&garbage, b.address()).expect("sent");
            ours += u64::from(garbage.first().is_none_or(|byte| byte & 0x40 == 0));
        }
        b.until("each is looked at", |counters| counters.datagrams_dropped() >= ours).await;
    }
    assert_eq!(dropped_on_arrival(&b), ours, "QUIC's share is QUIC's");
    a.send_datagram(&b, b"still there");
    b.expect_datagram(&a, b"still there").await;
    b.expect_nothing();
}

#[tokio::test]
async fn floods_of_random_bytes_leave_both_ways_of_sending_intact() {
    let secret = ClusterSecret::generate();
    let (a, mut b) = (Node::start(&secret, 1).await, Node::start(&secret, 2).await);
    let stranger = UdpSocket::bind(loopback(0)).expect("a free port");
    for seed in 0..20 {
        println!("seed {seed}");
        let mut random = Random(seed);
        for _ in 0..200 {
            let length = random.next() as usize % 1473;
            let mut garbage = random.bytes(length);
            // Half of them look like ours, or like QUIC's first packet.
            match (random.next() % 4, garbage.first_mut()) {
                (0, Some(first)) => *first = 0x01,
                (1, Some(first)) => *first = 0xc0,
                _ => {}
            }
            if random.next().is_multiple_of(8) && garbage.len() > 5 {
                garbage[1..5].copy_from_slice(&[0, 0, 0, 1]); // QUIC version 1.
            }
            let _ = stranger.send_to(&garbage, b.address());
        }
        a.send_message(&b, seed.to_be_bytes().to_vec());
        b.expect_message(&a, &seed.to_be_bytes()).await;
    }
    assert!(dropped_on_arrival(&b) > 0);
    assert_eq!(b.counters().datagrams_received, 0);
}

#[tokio::test]
async fn too_many_connections_are_refused_and_the_old_ones_go_on() {
    let secret = ClusterSecret::generate();
    let config = Config { connections_max: 1, ..Config::new(loopback(0), secret.clone(), 1, 1) };
    let mut a = Node::with(config).await;
    let (b, c) = (Node::start(&secret, 2).await, Node::start(&secret, 3).await);
    b.send_message(&a, &b"first"[..]);
    a.expect_message(&b, b"first").await;
    c.send_message(&a, &b"too many"[..]);
    c.until("refused", |counters| counters.messages_dropped_dial_failed == 1).await;
    assert!(a.counters().connections_refused > 0);
    assert_eq!(c.counters().handshakes_failed, 0, "being refused is no sign of a wrong secret");
    b.send_message(&a, &b"second"[..]);
    a.expect_message(&b, b"second").await;
}

#[tokio::test]
async fn a_crowd_of_callers_gets_in_a_few_at_a_time() {
    let secret = ClusterSecret::generate();
    let config = |node| Config {
        handshakes_max: 2,
        handshake_timeout: std::time::Duration::from_secs(15),
        ..Config::new(loopback(0), secret.clone(), node, 1)
    };
    let mut a = Node::with(config(0)).await;
    let mut callers = Vec::new();
    for node in 1..=16 {
        callers.push(Node::with(config(node)).await);
    }
    for caller in &callers {
        caller.send_message(&a, &b"let me in"[..]);
    }
    for _ in &callers {
        a.next().await;
    }
    assert_eq!(a.counters().connections_accepted, 16);
    assert_eq!(a.counters().handshakes_failed, 0);
}
