//! Two nodes of one cluster, and what they may send each other.

mod node;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use node::{Node, loopback};
use whither_transport::{ClusterSecret, Config, DATAGRAM_PAYLOAD_MAX, Inbound};

const THREE_MIB: usize = 3 * 1024 * 1024;

async fn pair() -> (Node, Node) {
    let secret = ClusterSecret::generate();
    (Node::start(&secret, 1).await, Node::start(&secret, 2).await)
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index * 31 + index / 251) as u8).collect()
}

#[tokio::test]
async fn datagrams_go_both_ways_in_every_size_that_is_allowed() {
    let (mut a, mut b) = pair().await;
    for size in [0, 1, 500, DATAGRAM_PAYLOAD_MAX] {
        a.send_datagram(&b, &pattern(size));
        b.expect_datagram(&a, &pattern(size)).await;
        b.send_datagram(&a, &pattern(size));
        a.expect_datagram(&b, &pattern(size)).await;
    }
    let (a, b) = (a.counters(), b.counters());
    assert_eq!((a.datagrams_sent, a.datagrams_received, a.datagrams_dropped()), (4, 4, 0));
    assert_eq!(a.datagram_bytes_sent, b.datagram_bytes_received);
    assert_eq!(a.connections_open(), 0, "datagrams need no connection");
}

#[tokio::test]
async fn one_sealing_serves_many_receivers() {
    let secret = ClusterSecret::generate();
    let sender = Node::start(&secret, 0).await;
    let mut receivers = Vec::new();
    for node in 1..=5 {
        receivers.push(Node::start(&secret, node).await);
    }
    let addresses: Vec<SocketAddr> = receivers.iter().map(Node::address).collect();
    sender.transport.send_datagram(&addresses, b"rumour");
    for receiver in &mut receivers {
        receiver.expect_datagram(&sender, b"rumour").await;
    }
    assert_eq!(sender.counters().datagrams_sent, 5);
}

#[tokio::test]
async fn an_oversized_datagram_is_counted_once_per_address() {
    let (a, b) = pair().await;
    a.transport.send_datagram(&[b.address(), b.address()], &[0; DATAGRAM_PAYLOAD_MAX + 1]);
    assert_eq!(a.counters().datagrams_dropped_oversized, 2);
    assert_eq!(a.counters().datagrams_sent, 0);
}

#[tokio::test]
async fn messages_go_both_ways_small_large_and_empty_over_one_connection() {
    let (mut a, mut b) = pair().await;
    for size in [0, 1, 100_000, THREE_MIB] {
        a.send_message(&b, pattern(size));
        b.expect_message(&a, &pattern(size)).await;
        b.send_message(&a, pattern(size));
        a.expect_message(&b, &pattern(size)).await;
    }
    a.until("all acknowledged", |counters| counters.messages_sent == 4).await;
    let a = a.counters();
    assert_eq!((a.messages_received, a.message_bytes_received), (4, (1 + 100_000 + THREE_MIB) as u64));
    assert_eq!((a.connections_dialled, a.connections_accepted), (1, 0), "the first connection serves both directions");
}

#[tokio::test]
async fn a_thousand_messages_and_datagrams_at_once_all_arrive_whole() {
    let (a, mut b) = pair().await;
    for number in 0..1000_u32 {
        a.send_message(&b, [&number.to_be_bytes()[..], &pattern(number as usize)].concat());
        if number % 10 == 0 {
            a.send_datagram(&b, &number.to_be_bytes());
        }
    }
    let (mut messages, mut datagrams) = (std::collections::BTreeSet::new(), 0);
    while messages.len() < 1000 || datagrams < 100 {
        match b.next().await {
            Inbound::Datagram { .. } => datagrams += 1,
            Inbound::Message { bytes, .. } => {
                let (number, rest) = bytes.split_first_chunk().expect("a number");
                let number = u32::from_be_bytes(*number);
                assert!(rest == pattern(number as usize));
                assert!(messages.insert(number), "message {number} came twice");
            }
        }
    }
    assert_eq!(b.counters().datagrams_dropped(), 0);
}

#[tokio::test]
async fn both_dialling_at_once_loses_nothing() {
    let (mut a, mut b) = pair().await;
    for _ in 0..20 {
        a.send_message(&b, &b"from a"[..]);
        b.send_message(&a, &b"from b"[..]);
    }
    for _ in 0..20 {
        a.expect_message(&b, b"from b").await;
        b.expect_message(&a, b"from a").await;
    }
}

#[tokio::test]
async fn an_oversized_message_is_refused_by_whoever_finds_it_so() {
    let secret = ClusterSecret::generate();
    let config = |node| Config::new(loopback(0), secret.clone(), node, 1);
    let a = Node::with(config(1)).await;
    let mut b = Node::with(Config { message_bytes_max: 100_000, ..config(2) }).await;
    b.send_message(&a, vec![0; 100_001]);
    assert_eq!(b.counters().messages_dropped_oversized, 1);

    a.send_message(&b, vec![0; 100_001]);
    b.until("refused", |counters| counters.messages_refused_oversized == 1).await;
    a.send_message(&b, vec![7; 100_000]);
    b.expect_message(&a, &[7; 100_000]).await;
    b.expect_nothing();
}

#[tokio::test]
async fn a_message_that_the_peer_stops_reading_is_dropped_and_not_repeated() {
    let secret = ClusterSecret::generate();
    let config = |node| Config::new(loopback(0), secret.clone(), node, 1);
    let a = Node::with(config(1)).await;
    let b = Node::with(Config { message_bytes_max: 100_000, ..config(2) }).await;
    // Too large for the stream's window, so that it cannot all be acknowledged before it is refused.
    a.send_message(&b, vec![0; THREE_MIB]);
    a.until("given up", |counters| counters.messages_dropped_refused == 1).await;
    assert_eq!((a.counters().messages_retried, a.counters().messages_sent), (0, 0));
}

#[tokio::test]
async fn queues_are_bounded_in_bytes() {
    let secret = ClusterSecret::generate();
    let config = Config {
        peer_queue_bytes_max: 1000,
        handshake_timeout: Duration::from_millis(300),
        ..Config::new(loopback(0), secret, 1, 1)
    };
    let a = Node::with(config).await;
    // Nobody listens there: what is sent waits for the dial.
    let silent = std::net::UdpSocket::bind(loopback(0)).expect("a free port");
    let nobody = silent.local_addr().expect("an address");
    for _ in 0..5 {
        a.transport.send_message(nobody, Bytes::from(vec![0; 400]));
    }
    assert_eq!(a.counters().messages_dropped_queue_full, 3);
    a.until("the dial is given up", |counters| counters.messages_dropped_dial_failed == 2).await;
    assert_eq!((a.counters().dials_failed, a.counters().handshakes_failed), (1, 0), "silence is not a wrong secret");
    a.transport.send_message(nobody, Bytes::from(vec![0; 400]));
    assert_eq!(a.counters().messages_dropped_queue_full, 3, "there is room again");
}

#[tokio::test]
async fn a_full_inbound_channel_drops_datagrams_and_holds_messages_back() {
    let secret = ClusterSecret::generate();
    let a = Node::start(&secret, 1).await;
    let mut b = Node::with_capacity(Config::new(loopback(0), secret, 2, 1), 1).await;
    for _ in 0..200 {
        a.send_message(&b, pattern(1000));
    }
    // Message 1 fills the channel; a datagram finds no room.
    b.until("the first message", |counters| counters.messages_received == 1).await;
    a.send_datagram(&b, b"lost");
    b.until("the drop", |counters| counters.datagrams_dropped_queue_full == 1).await;
    for _ in 0..200 {
        b.expect_message(&a, &pattern(1000)).await;
    }
    assert_eq!(a.counters().messages_dropped(), 0);
}

#[tokio::test]
async fn the_two_families_meet_on_a_wildcard() {
    let secret = ClusterSecret::generate();
    let wildcard = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 0));
    let (sender, inbound) = tokio::sync::mpsc::channel(16);
    let Ok(transport) = whither_transport::Transport::bind(Config::new(wildcard, secret.clone(), 1, 1), sender).await
    else {
        return; // A machine without IPv6.
    };
    let a = Node { transport, inbound };
    let mut b = Node::start(&secret, 2).await;
    let seen_as = loopback(a.address().port());
    a.send_datagram(&b, b"x");
    assert_eq!(b.next().await, Inbound::Datagram { from: seen_as, bytes: Bytes::from_static(b"x") });
    a.send_message(&b, &b"y"[..]);
    assert_eq!(b.next().await, Inbound::Message { from: seen_as, bytes: Bytes::from_static(b"y") });
}
