//! The receiving side: who may connect, and the reading of messages and questions from connections, whoever opened them.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use quinn::{Connection, ConnectionError, Endpoint, Incoming, ReadError, RecvStream, VarInt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::answering::answer;
use crate::counters::{count, count_by};
use crate::dial::is_tls_failure;
use crate::limits::{MESSAGE_TIMEOUT, STREAMS_MAX};
use crate::socket::canonical;
use crate::transport::{Inbound, Inner};

/// Tells a peer that we will not read its message to the end.
const UNREAD: VarInt = VarInt::from_u32(2);

/// Accepts connections until the endpoint is closed. Nothing a caller does ends it.
///
/// While too many handshakes are under way, callers queue in the endpoint, in order. To ignore them instead would be
/// simpler, but callers that came together, after a restart for example, also come back together.
pub(crate) async fn accept(inner: Arc<Inner>, endpoint: Endpoint) {
    while let Ok(permit) = inner.handshakes.clone().acquire_owned().await
        && let Some(incoming) = endpoint.accept().await
    {
        if endpoint.open_connections() >= inner.connections_max {
            count(&inner.tally.connections_refused);
            incoming.refuse();
            continue;
        }
        let crowded = inner.handshakes.available_permits() < inner.handshakes_max / 2;
        if crowded && !incoming.remote_address_validated() {
            // Costs an honest caller one round trip, and one with a forged address the connection. It cannot fail for
            // an address that is not validated.
            let _ = incoming.retry();
            continue;
        }
        inner.spawn(handshake(inner.clone(), incoming, permit));
    }
}

async fn handshake(inner: Arc<Inner>, incoming: Incoming, _permit: OwnedSemaphorePermit) {
    let peer = canonical(incoming.remote_address());
    let outcome = match incoming.accept() {
        Ok(connecting) => timeout(inner.handshake_timeout, connecting).await,
        Err(reason) => Ok(Err(reason)),
    };
    match outcome {
        Ok(Ok(connection)) => {
            count(&inner.tally.connections_accepted);
            inner.attach(connection);
        }
        Ok(Err(reason)) if is_tls_failure(&reason) => inner.suspect(peer, &reason),
        Ok(Err(ConnectionError::TimedOut)) | Err(_) => count(&inner.tally.handshakes_timed_out),
        Ok(Err(reason)) => tracing::debug!(%peer, %reason, "a peer gave up connecting"),
    }
}

/// Reads messages and questions from `connection` until it ends.
///
/// Invariant: at most [`STREAMS_MAX`] messages of it are being read or wait for the inbound channel. Beyond that its
/// streams are not accepted, and flow control makes the peer wait.
pub(crate) async fn serve(inner: Arc<Inner>, connection: Connection, peer: SocketAddr) {
    let attached = Attached { inner, peer, connection: connection.stable_id() };
    let inner = &attached.inner;
    let readers = Arc::new(Semaphore::new(STREAMS_MAX as usize));
    let next_stream = async || -> Result<(RecvStream, OwnedSemaphorePermit), ConnectionError> {
        let permit = readers.clone().acquire_owned().await.map_err(|_| ConnectionError::LocallyClosed)?;
        Ok((connection.accept_uni().await?, permit))
    };
    let reason = loop {
        tokio::select! {
            next = next_stream() => match next {
                Ok((stream, permit)) => inner.spawn(read(inner.clone(), stream, peer, permit)),
                Err(reason) => break reason,
            },
            question = connection.accept_bi() => match question {
                Ok((send, receive)) => inner.spawn(answer(inner.clone(), send, receive, peer)),
                Err(reason) => break reason,
            },
            // While all readers wait for the inbound channel, this is how we learn of the end.
            reason = connection.closed() => break reason,
        }
    };
    if is_tls_failure(&reason) {
        inner.suspect(peer, &reason);
    }
}

/// Undoes what attaching a connection did, however its service ends.
struct Attached {
    inner: Arc<Inner>,
    peer: SocketAddr,
    connection: usize,
}

impl Drop for Attached {
    fn drop(&mut self) {
        count(&self.inner.tally.connections_closed);
        self.inner.peers.detach(self.peer, self.connection);
    }
}

/// Why a message was not read to its end.
pub(crate) enum Unread {
    /// It is larger than a message may be.
    Oversized,
    /// Too many bytes of messages are here already.
    Overload,
    /// Its stream or its connection ended early.
    Broken(ReadError),
    /// It took too long.
    Late,
}

async fn read(inner: Arc<Inner>, mut stream: RecvStream, from: SocketAddr, _permit: OwnedSemaphorePermit) {
    let tally = &inner.tally;
    let assembled = timeout(MESSAGE_TIMEOUT, assemble(&inner, &mut stream)).await;
    // The reservation lives until the message is in the channel.
    let (bytes, _reservation) = match assembled.unwrap_or(Err(Unread::Late)) {
        Ok(message) => message,
        Err(error) => {
            // Fails if the stream has ended, and then there is nobody to tell.
            let _ = stream.stop(UNREAD);
            return count(match error {
                Unread::Oversized => &tally.messages_refused_oversized,
                Unread::Overload => &tally.messages_refused_overload,
                Unread::Broken(_) | Unread::Late => &tally.messages_refused_incomplete,
            });
        }
    };
    let size = bytes.len();
    if inner.inbound.send(Inbound::Message { from, bytes }).await.is_err() {
        return count(&tally.messages_refused_closed);
    }
    count(&tally.messages_received);
    count_by(&tally.message_bytes_received, size);
}

/// Collects one message, within its own bound and that of all messages together.
pub(crate) async fn assemble(
    inner: &Inner,
    stream: &mut RecvStream,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Unread> {
    let mut message = Vec::new();
    let mut reservation: Option<OwnedSemaphorePermit> = None;
    loop {
        // One byte beyond the bound tells a message that exceeds it from one that just fits.
        let room = inner.message_bytes_max - message.len() + 1;
        let chunk = match stream.read_chunk(room, true).await {
            Ok(Some(chunk)) => chunk.bytes,
            Ok(None) => return Ok((message.into(), reservation)),
            Err(error) => return Err(Unread::Broken(error)),
        };
        if chunk.len() >= room {
            return Err(Unread::Oversized);
        }
        let share = u32::try_from(chunk.len()).map_err(|_| Unread::Oversized)?;
        let permit = inner.reassembly.clone().try_acquire_many_owned(share).map_err(|_| Unread::Overload)?;
        match &mut reservation {
            Some(reservation) => reservation.merge(permit),
            None => reservation = Some(permit),
        }
        // Copied rather than kept: a chunk holds on to the whole receive buffer it was cut from.
        message.extend_from_slice(&chunk);
    }
}
