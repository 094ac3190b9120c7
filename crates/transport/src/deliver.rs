//! One worker per peer that is being written to: it dials, sends, sends again, and gives up.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use quinn::{Connection, ConnectionError, SendStream, StoppedError, VarInt, WriteError};
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, sleep_until};

use crate::counters::{count, count_by};
use crate::dial::{Backoff, DialError, dial, is_tls_failure};
use crate::limits::{STREAMS_MAX, WORKER_LINGER};
use crate::peer::Letter;
use crate::transport::Inner;

/// Tells the peer that a message will not be completed.
const ABANDONED: VarInt = VarInt::from_u32(1);

/// Sends what is queued for `peer` until nothing has been for a while. `wake` rings for a new message or connection.
pub(crate) async fn work(inner: Arc<Inner>, peer: SocketAddr, wake: Arc<Notify>) {
    let mut worker = Worker { inner, peer, wake, backoff: Backoff::default(), deliveries: JoinSet::new() };
    loop {
        worker.start_deliveries().await;
        tokio::select! {
            Some(delivery) = worker.deliveries.join_next() => worker.conclude(delivery),
            () = worker.wake.notified() => {}
            () = sleep(WORKER_LINGER), if worker.deliveries.is_empty() => {
                if worker.inner.peers.retire_worker(worker.peer) {
                    return;
                }
            }
        }
    }
}

struct Worker {
    inner: Arc<Inner>,
    peer: SocketAddr,
    wake: Arc<Notify>,
    backoff: Backoff,
    deliveries: JoinSet<Delivery>,
}

/// How sending one message ended.
struct Delivery {
    letter: Letter,
    connection: usize,
    outcome: Result<(), DeliveryError>,
}

/// Why a message was not acknowledged.
enum DeliveryError {
    /// The peer will not read it. It would not read it a second time either.
    Refused,
    /// The connection ended. The peer may have the message or not.
    Lost(ConnectionError),
}

impl Worker {
    /// Starts as many deliveries as may run at once. Waits only for a connection.
    async fn start_deliveries(&mut self) {
        while self.deliveries.len() < STREAMS_MAX as usize && self.inner.peers.has_waiting(self.peer) {
            let connection = match self.inner.peers.connection(self.peer) {
                Some(connection) => connection,
                None => match self.connect().await {
                    Some(connection) => connection,
                    None => return,
                },
            };
            let Some(letter) = self.inner.peers.next(self.peer) else { return };
            self.deliveries.spawn(async move {
                let outcome = deliver(&connection, letter.bytes.clone()).await;
                Delivery { letter, connection: connection.stable_id(), outcome }
            });
        }
    }

    /// Dials, unless the peer calls us first. If there is no reaching it, drops what waits: by the time it can be
    /// reached, other words will be more current.
    async fn connect(&mut self) -> Option<Connection> {
        let dialled = tokio::select! {
            biased;
            connection = self.called() => return Some(connection),
            dialled = self.dial() => dialled,
        };
        match dialled {
            Ok(connection) => {
                count(&self.inner.tally.connections_dialled);
                self.inner.attach(connection.clone());
                Some(connection)
            }
            Err(error) => {
                self.backoff.failed();
                count(&self.inner.tally.dials_failed);
                match error.stranger() {
                    Some(reason) => self.inner.suspect(self.peer, reason),
                    None => tracing::debug!(peer = %self.peer, %error, "dial failed"),
                }
                let dropped = self.inner.peers.drop_waiting(self.peer);
                count_by(&self.inner.tally.messages_dropped_dial_failed, dropped);
                None
            }
        }
    }

    async fn dial(&self) -> Result<Connection, DialError> {
        if let Some(until) = self.backoff.until() {
            sleep_until(until).await;
        }
        let endpoint = self.inner.endpoint().ok_or(quinn::ConnectError::EndpointStopping)?;
        dial(&endpoint, self.peer, self.inner.handshake_timeout).await
    }

    /// A connection that the peer opened.
    async fn called(&self) -> Connection {
        loop {
            self.wake.notified().await;
            if let Some(connection) = self.inner.peers.connection(self.peer) {
                return connection;
            }
        }
    }

    fn conclude(&mut self, delivery: Result<Delivery, JoinError>) {
        let Ok(Delivery { mut letter, connection, outcome }) = delivery else {
            // Deliveries are never aborted while the worker lives, and nothing in them panics.
            return tracing::error!(peer = %self.peer, "a delivery ended abnormally");
        };
        let (peers, tally) = (&self.inner.peers, &self.inner.tally);
        match outcome {
            Ok(()) => {
                // Only now: in TLS 1.3 the caller is done before the called one has judged it.
                self.backoff.succeeded();
                count(&tally.messages_sent);
                count_by(&tally.message_bytes_sent, letter.bytes.len());
            }
            Err(DeliveryError::Refused) => count(&tally.messages_dropped_refused),
            Err(DeliveryError::Lost(reason)) => {
                peers.detach(self.peer, connection);
                if is_tls_failure(&reason) {
                    // It was judged, and this is a failed dial after all.
                    self.backoff.failed();
                    count(&tally.messages_dropped_dial_failed);
                } else if letter.retried {
                    count(&tally.messages_dropped_connection_lost);
                } else {
                    count(&tally.messages_retried);
                    letter.retried = true;
                    return peers.put_back(self.peer, letter);
                }
            }
        }
        peers.settle(self.peer, &letter);
    }
}

/// Sends one message on a stream of its own and waits until the peer has acknowledged all of it.
async fn deliver(connection: &Connection, message: Bytes) -> Result<(), DeliveryError> {
    let stream = connection.open_uni().await.map_err(DeliveryError::Lost)?;
    let mut outgoing = Outgoing::new(stream);
    outgoing.stream.write_chunk(message).await.map_err(|error| match error {
        WriteError::ConnectionLost(reason) => DeliveryError::Lost(reason),
        WriteError::Stopped(_) | WriteError::ClosedStream | WriteError::ZeroRttRejected => DeliveryError::Refused,
    })?;
    outgoing.finish();
    match outgoing.stream.stopped().await {
        Ok(None) => Ok(()),
        Ok(Some(_)) | Err(StoppedError::ZeroRttRejected) => Err(DeliveryError::Refused),
        Err(StoppedError::ConnectionLost(reason)) => Err(DeliveryError::Lost(reason)),
    }
}

/// A stream that is reset when dropped early. Left to itself it would be *finished*, and half a message would pass for a
/// whole one.
pub(crate) struct Outgoing {
    pub(crate) stream: SendStream,
    ended: bool,
}

impl Outgoing {
    pub(crate) fn new(stream: SendStream) -> Self {
        Self { stream, ended: false }
    }

    /// All has been written.
    pub(crate) fn finish(&mut self) {
        self.ended = self.stream.finish().is_ok();
    }

    /// No more will be written, for this reason.
    pub(crate) fn reset(&mut self, reason: VarInt) {
        self.ended = true;
        // Fails if the stream has ended, and then nothing can be mistaken.
        let _ = self.stream.reset(reason);
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if !self.ended {
            self.reset(ABANDONED);
        }
    }
}
