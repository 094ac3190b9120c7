//! A peer that comes back on the same address.

mod node;

use std::time::{Duration, Instant};

use bytes::Bytes;
use node::{Node, loopback};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use whither_transport::{ClusterSecret, Config, Transport};

#[tokio::test]
async fn messages_flow_again_after_a_goodbye() {
    let secret = ClusterSecret::generate();
    let mut a = Node::start(&secret, 1).await;
    let mut b = Node::start(&secret, 2).await;
    for epoch in 2..6 {
        a.send_message(&b, &b"before"[..]);
        b.expect_message(&a, b"before").await;
        b.send_datagram(&a, b"before");
        a.expect_datagram(&b, b"before").await;

        b.transport.close().await;
        // The closed transport is still held while its port is taken again.
        let again = Node::with(Config::new(b.address(), secret.clone(), 2, epoch)).await;
        b = again;
        a.send_message(&b, &b"after"[..]);
        b.expect_message(&a, b"after").await;
        b.send_message(&a, &b"after"[..]);
        a.expect_message(&b, b"after").await;
        b.send_datagram(&a, b"after");
        a.expect_datagram(&b, b"after").await;
    }
    assert_eq!(a.counters().messages_dropped(), 0);
    assert_eq!(a.counters().datagrams_dropped(), 0);
}

/// Like `kill -9`: the peer's tasks vanish between two instructions and say nothing. They run on a thread that we leave,
/// and are not polled again.
#[test]
fn a_peer_that_died_without_a_word_is_noticed_by_its_next_boot() {
    let ours = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads");
    let theirs = Builder::new_current_thread().enable_all().build().expect("a thread");
    let secret = ClusterSecret::generate();
    let a = ours.block_on(Node::start(&secret, 1));
    let mut b = theirs.block_on(Node::start(&secret, 2));
    let address = b.address();
    theirs.block_on(async {
        a.send_message(&b, &b"before"[..]);
        b.expect_message(&a, b"before").await;
        a.until("acknowledged", |counters| counters.messages_sent == 1).await;
    });

    drop(theirs);
    drop(b);

    ours.block_on(async {
        let mut b = Node::with(Config::new(address, secret.clone(), 2, 2)).await;
        let began = Instant::now();
        a.send_message(&b, &b"after"[..]);
        b.expect_message(&a, b"after").await;
        a.until("acknowledged", |counters| counters.messages_sent == 2).await;
        assert_eq!((a.counters().connections_dialled, a.counters().messages_dropped()), (2, 0));
        assert!(began.elapsed() < Duration::from_secs(10), "by a reset, not by the idle timeout of 30 s");
    });
}

#[tokio::test]
async fn a_peer_that_calls_ends_the_wait_for_a_dial() {
    let secret = ClusterSecret::generate();
    let a = Node::start(&secret, 1).await;
    let place = std::net::UdpSocket::bind(loopback(0)).expect("a free port");
    let address = place.local_addr().expect("an address");
    a.transport.send_message(address, Bytes::from_static(b"early"));
    drop(place);
    let mut b = Node::with(Config::new(address, secret, 2, 1)).await;
    b.send_message(&a, &b"I am back"[..]);
    b.expect_message(&a, b"early").await;
    assert_eq!(a.counters().messages_dropped(), 0);
}

#[tokio::test]
async fn a_closed_transport_takes_no_more_and_says_so() {
    let secret = ClusterSecret::generate();
    let a = Node::start(&secret, 1).await;
    let b = Node::start(&secret, 2).await;
    a.transport.close().await;
    a.transport.close().await;
    a.send_message(&b, &b"x"[..]);
    a.send_datagram(&b, b"x");
    assert_eq!(a.counters().messages_dropped_closed, 1);
    assert_eq!(a.counters().datagrams_dropped_send_failed, 1);
}

#[tokio::test]
async fn dropping_the_last_handle_closes_and_ends_the_channel() {
    let (sender, mut inbound) = mpsc::channel(1);
    let config = Config::new(loopback(0), ClusterSecret::generate(), 1, 1);
    let transport = Transport::bind(config, sender).await.expect("a free port");
    let second = transport.clone();
    drop(transport);
    drop(second);
    let ended = tokio::time::timeout(Duration::from_secs(20), inbound.recv()).await;
    assert_eq!(ended.expect("the channel ends"), None);
}
