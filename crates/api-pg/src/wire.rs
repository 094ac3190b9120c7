//! A connection: messages in, messages out, each with its bounds.

use crate::limits::{AHEAD_BYTES_MAX, SEND_BYTES, UNKNOWN_MESSAGE_BYTES_MAX};
use crate::message::{Message, read};
use crate::problem::{Problem, code};
use bytes::{Buf, BytesMut};
use pgwire::messages::PgWireBackendMessage as Answer;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// What a connection runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    /// It broke, or its client did not take what it was sent.
    #[error(transparent)]
    Broken(#[from] io::Error),
    /// The client said what nobody understands.
    #[error(transparent)]
    Garbled(Problem),
}

/// A connection.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    incoming: BytesMut,
    outgoing: BytesMut,
    message_bytes_max: usize,
    /// How long a client may take nothing.
    stalled: Duration,
}

impl Wire {
    pub(crate) fn new(stream: Box<dyn Stream>, stalled: Duration) -> Self {
        let (incoming, outgoing) = (BytesMut::new(), BytesMut::new());
        Self { stream, incoming, outgoing, message_bytes_max: UNKNOWN_MESSAGE_BYTES_MAX, stalled }
    }

    /// Messages may be so large from now on.
    pub(crate) fn trust(&mut self, message_bytes_max: usize) {
        self.message_bytes_max = message_bytes_max;
    }

    /// The next message; `None`: the client has gone. Loses nothing when it is dropped.
    ///
    /// # Errors
    /// [`Ended`].
    pub(crate) async fn next(&mut self) -> Result<Option<Message>, Ended> {
        loop {
            if let Some(message) = self.ready()? {
                return Ok(Some(message));
            }
            if self.stream.read_buf(&mut self.incoming).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// A message that is here whole.
    fn ready(&mut self) -> Result<Option<Message>, Ended> {
        let Some(head) = self.incoming.first_chunk::<5>() else { return Ok(None) };
        let (kind, length) = (head[0], u32::from_be_bytes([head[1], head[2], head[3], head[4]]));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length < 4 || length > self.message_bytes_max {
            let what =
                format!("a message says that it has {length} bytes; at most {} are taken", self.message_bytes_max);
            return Err(Ended::Garbled(Problem::fatal(code::PROTOCOL, what)));
        }
        if self.incoming.len() < 1 + length {
            self.incoming.reserve((1 + length - self.incoming.len()).min(SEND_BYTES));
            return Ok(None);
        }
        let mut message = self.incoming.split_to(1 + length);
        message.advance(5);
        read(kind, message.freeze()).map(Some).map_err(Ended::Garbled)
    }

    /// Waits until the client has gone; what it says meanwhile is kept. Loses nothing when it is dropped.
    pub(crate) async fn gone(&mut self) {
        while self.incoming.len() < AHEAD_BYTES_MAX {
            match self.stream.read_buf(&mut self.incoming).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        std::future::pending().await
    }

    /// Adds a message to what is sent next.
    ///
    /// # Errors
    /// It is longer than the protocol can say.
    pub(crate) fn put(&mut self, answer: &Answer) -> Result<(), Ended> {
        let fault = |fault: pgwire::error::PgWireError| Ended::Broken(io::Error::other(fault.to_string()));
        answer.encode(&mut self.outgoing).map_err(fault)
    }

    /// Sends, if much has come together.
    ///
    /// # Errors
    /// [`Ended`].
    pub(crate) async fn flush_some(&mut self) -> Result<(), Ended> {
        if self.outgoing.len() < SEND_BYTES { Ok(()) } else { self.flush().await }
    }

    /// Sends everything.
    ///
    /// # Errors
    /// [`Ended`].
    pub(crate) async fn flush(&mut self) -> Result<(), Ended> {
        while self.outgoing.has_remaining() {
            let taken = timeout(self.stalled, self.stream.write_buf(&mut self.outgoing)).await;
            if taken.map_err(io::Error::from)?? == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
        }
        timeout(self.stalled, self.stream.flush()).await.map_err(io::Error::from)??;
        Ok(())
    }

    /// Says goodbye: with TLS, a connection that ends without it looks cut.
    pub(crate) async fn close(mut self) {
        if self.flush().await.is_ok() {
            drop(timeout(self.stalled, self.stream.shutdown()).await);
        }
    }
}
