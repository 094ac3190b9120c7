//! A transport on loopback with its inbound channel, as the tests use it.

// Each test binary uses a part of this.
#![allow(dead_code)]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use whither_transport::{AskError, ClusterSecret, Config, Counters, Inbound, Question, Transport};

/// Nothing here takes a tenth of this, even on a crowded machine.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Node {
    pub(crate) transport: Transport,
    pub(crate) inbound: mpsc::Receiver<Inbound>,
}

impl Node {
    pub(crate) async fn start(secret: &ClusterSecret, node: u64) -> Self {
        Self::with(Config::new(loopback(0), secret.clone(), node, 1)).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::with_capacity(config, 4096).await
    }

    pub(crate) async fn with_capacity(config: Config, capacity: usize) -> Self {
        let (sender, inbound) = mpsc::channel(capacity);
        Self { transport: Transport::bind(config, sender).await.expect("a free port"), inbound }
    }

    /// A node whose questions are answered by whoever holds what is returned beside it.
    pub(crate) async fn answering(config: Config, capacity: usize) -> (Self, mpsc::Receiver<Question>) {
        let (sender, inbound) = mpsc::channel(4096);
        let (asked, questions) = mpsc::channel(capacity);
        let transport = Transport::bind_answering(config, sender, asked).await.expect("a free port");
        (Self { transport, inbound }, questions)
    }

    pub(crate) async fn ask(&self, to: SocketAddr, question: impl Into<Bytes>) -> Result<Bytes, AskError> {
        self.transport.ask(to, question.into(), PATIENCE).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.transport.local_addr()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.transport.counters()
    }

    pub(crate) fn send_datagram(&self, to: &Node, payload: &[u8]) {
        self.transport.send_datagram(&[to.address()], payload);
    }

    pub(crate) fn send_message(&self, to: &Node, payload: impl Into<Bytes>) {
        self.transport.send_message(to.address(), payload.into());
    }

    pub(crate) async fn next(&mut self) -> Inbound {
        let next = tokio::time::timeout(PATIENCE, self.inbound.recv()).await;
        next.unwrap_or_else(|_| panic!("nothing arrived; {:?}", self.counters())).expect("the transport is open")
    }

    pub(crate) async fn expect_datagram(&mut self, from: &Node, payload: &[u8]) {
        let expected = Inbound::Datagram { from: from.address(), bytes: Bytes::copy_from_slice(payload) };
        assert_eq!(self.next().await, expected);
    }

    pub(crate) async fn expect_message(&mut self, from: &Node, payload: &[u8]) {
        let Inbound::Message { from: sender, bytes } = self.next().await else { panic!("a datagram") };
        assert_eq!(sender, from.address());
        assert!(bytes == payload, "{} bytes instead of {}, or others", bytes.len(), payload.len());
    }

    /// Waits until the counters are as `condition` wants them.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Counters) -> bool) {
        let mut ticks = tokio::time::interval(Duration::from_millis(2));
        let reached = async {
            while !condition(&self.counters()) {
                ticks.tick().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, reached).await;
        waited.unwrap_or_else(|_| panic!("never came true: {what}; {:?}", self.counters()));
    }

    pub(crate) fn expect_nothing(&mut self) {
        assert!(self.inbound.try_recv().is_err(), "something arrived");
    }
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
