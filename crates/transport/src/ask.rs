//! The asking side of questions: one bidirectional stream each, with a bound on its size and on its time.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, ConnectionError, ReadError, RecvStream, SendStream, WriteError};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::accept::{Unread, assemble};
use crate::answering::Refused;
use crate::counters::{Tally, count, count_by};
use crate::deliver::Outgoing;
use crate::dial::{DialError, dial, is_tls_failure};
use crate::limits::{QUESTION_BYTES_MAX, QUESTION_STREAM_PATIENCE};
use crate::socket::canonical;
use crate::transport::{Inner, Transport};

/// Why a question has no answer. It says whether the peer may have acted on it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AskError {
    /// Nothing was sent: the question is larger than any node takes.
    #[error("the question has {bytes} bytes; at most {QUESTION_BYTES_MAX} are taken")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Nothing was sent: as many questions of this node are open as there may be. Ask again when some are answered.
    #[error("this node has as many open questions as it may have")]
    TooMany,
    /// Nothing was sent: this transport is closed, or closed while it waited.
    #[error("this node is shutting down")]
    Closed,
    /// The peer acted on nothing: it could not be reached.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// The peer acted on nothing: it is not of this cluster, or we are not of its.
    #[error("it did not prove that it knows the cluster's secret")]
    Stranger,
    /// The peer acted on nothing: it grants no stream to ask on. Versions before questions existed never do.
    #[error("it does not answer questions (an older version?)")]
    NotAnswering,
    /// The peer acted on nothing: it has too much to answer at this moment. Ask again.
    #[error("it has too many questions to answer at this moment")]
    Busy,
    /// The peer acted on nothing: nobody there answers questions, or it could not read this one.
    #[error("nobody there answers this question")]
    Refused,
    /// The peer may have acted: its answer is larger than a message may be.
    #[error("its answer is larger than may travel between nodes")]
    AnswerTooLarge,
    /// The peer may have acted: no answer came within this time.
    #[error("it did not answer within {0:?}")]
    TimedOut(Duration),
    /// The peer may have acted: the connection or the answer broke off, or there is no room here for the answer.
    #[error("the connection broke off before the answer was whole")]
    BrokenOff,
}

impl Transport {
    /// Asks the node at `to` and waits, at most for `patience`, for what it answers.
    ///
    /// The question travels on a stream of its own over the connection that is there, or over one that is dialled for it.
    /// May be called from any runtime. A caller that no longer waits takes its question back, unless it has been heard.
    ///
    /// # Errors
    ///
    /// [`AskError`], which says whether the peer may have acted on the question.
    pub async fn ask(&self, to: SocketAddr, question: Bytes, patience: Duration) -> Result<Bytes, AskError> {
        let inner = self.inner();
        let tally = &inner.tally;
        if question.len() > QUESTION_BYTES_MAX {
            count(&tally.questions_dropped_oversized);
            return Err(AskError::TooLarge { bytes: question.len() });
        }
        let Ok(permit) = inner.asking.clone().try_acquire_owned() else {
            count(&tally.questions_dropped_busy);
            return Err(AskError::TooMany);
        };
        let (mut tell, told) = oneshot::channel();
        let asker = inner.clone();
        // On the transport's own runtime: a connection that is dialled for this question stays there.
        inner.spawn(async move {
            let peer = canonical(to);
            let answered = tokio::select! {
                answered = timeout(patience, asker.ask(peer, question)) => answered,
                () = tell.closed() => Ok(Err(AskError::Closed)),
            };
            let answered = answered.unwrap_or(Err(AskError::TimedOut(patience)));
            record(&asker.tally, &answered);
            drop(permit);
            // Nobody waits any more: that is no error.
            drop(tell.send(answered));
        });
        told.await.unwrap_or(Err(AskError::Closed))
    }
}

fn record(tally: &Tally, answered: &Result<Bytes, AskError>) {
    match answered {
        Ok(answer) => {
            count(&tally.answers_received);
            count_by(&tally.answer_bytes_received, answer.len());
        }
        Err(AskError::TimedOut(_)) => count(&tally.questions_timed_out),
        Err(_) => count(&tally.questions_failed),
    }
}

impl Inner {
    async fn ask(self: &Arc<Self>, peer: SocketAddr, question: Bytes) -> Result<Bytes, AskError> {
        count(&self.tally.questions_asked);
        let connection = self.connected(peer).await?;
        match self.ask_over(peer, &connection, &question).await {
            // A connection to a past boot of the peer: whoever is there now says that it has heard nothing.
            Err(Failure::Lost(ConnectionError::Reset)) => {
                self.peers.detach(peer, connection.stable_id());
                let connection = self.connected(peer).await?;
                self.ask_over(peer, &connection, &question).await.map_err(|failure| self.why(peer, failure))
            }
            answered => answered.map_err(|failure| self.why(peer, failure)),
        }
    }

    fn why(&self, peer: SocketAddr, failure: Failure) -> AskError {
        match failure {
            Failure::Known(error) => error,
            // In TLS 1.3 the caller is done before the called one has judged it: this is a failed dial after all.
            Failure::Lost(reason) if is_tls_failure(&reason) => {
                self.suspect(peer, &reason);
                AskError::Stranger
            }
            Failure::Lost(ConnectionError::LocallyClosed) => AskError::Closed,
            Failure::Lost(_) => AskError::BrokenOff,
        }
    }

    /// The connection to `peer`; questions that come together share one dial.
    async fn connected(self: &Arc<Self>, peer: SocketAddr) -> Result<Connection, AskError> {
        if let Some(connection) = self.peers.connection(peer) {
            return Ok(connection);
        }
        let turn = self.dials.turn(peer);
        let _turn = turn.lock().await;
        if let Some(connection) = self.peers.connection(peer) {
            return Ok(connection);
        }
        let endpoint = self.endpoint().ok_or(AskError::Closed)?;
        match dial(&endpoint, peer, self.handshake_timeout).await {
            Ok(connection) => {
                count(&self.tally.connections_dialled);
                self.attach(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                count(&self.tally.dials_failed);
                Err(match error.stranger() {
                    Some(reason) => {
                        self.suspect(peer, reason);
                        AskError::Stranger
                    }
                    None => AskError::Unreachable(plain(&error)),
                })
            }
        }
    }

    async fn ask_over(&self, peer: SocketAddr, connection: &Connection, question: &Bytes) -> Result<Bytes, Failure> {
        // A peer that grants no streams lets us wait without end, and says nothing. One that has granted some is busy.
        let mut opening = pin!(connection.open_bi());
        let opened = match timeout(QUESTION_STREAM_PATIENCE, &mut opening).await {
            Ok(opened) => opened,
            Err(_) if self.peers.grants(peer) => opening.await,
            Err(_) => return Err(AskError::NotAnswering.into()),
        };
        let (send, mut answer) = opened.map_err(Failure::Lost)?;
        self.peers.granted(peer);
        put(send, question.clone()).await?;
        match assemble(self, &mut answer).await {
            // The reservation ends with the reading: from here on the bytes are the caller's.
            Ok((answer, _reservation)) => Ok(answer),
            Err(unread) => Err(unanswered(unread, &mut answer)),
        }
    }
}

/// Writes the whole question. That the peer will not read it is said by the stream of the answer.
async fn put(stream: SendStream, question: Bytes) -> Result<(), Failure> {
    let mut outgoing = Outgoing::new(stream);
    match outgoing.stream.write_chunk(question).await {
        Ok(()) => outgoing.finish(),
        Err(WriteError::ConnectionLost(reason)) => return Err(Failure::Lost(reason)),
        Err(WriteError::Stopped(_) | WriteError::ClosedStream | WriteError::ZeroRttRejected) => {}
    }
    Ok(())
}

fn unanswered(unread: Unread, answer: &mut RecvStream) -> Failure {
    let error = match unread {
        Unread::Oversized => AskError::AnswerTooLarge,
        Unread::Broken(ReadError::ConnectionLost(reason)) => return Failure::Lost(reason),
        Unread::Broken(ReadError::Reset(code)) => Refused::from(code).into(),
        Unread::Broken(_) | Unread::Overload | Unread::Late => AskError::BrokenOff,
    };
    // Fails if the stream has ended, and then there is nobody to tell.
    let _ = answer.stop(Refused::Unwanted.code());
    error.into()
}

impl From<Refused> for AskError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy => Self::Busy,
            Refused::Nobody | Refused::Unreadable => Self::Refused,
            Refused::AnswerTooLarge => Self::AnswerTooLarge,
            Refused::Unanswered | Refused::Unwanted => Self::BrokenOff,
        }
    }
}

/// Why one attempt failed.
enum Failure {
    Known(AskError),
    Lost(ConnectionError),
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        Self::Known(error)
    }
}

fn plain(error: &DialError) -> String {
    // Escaped: the reason may hold text of the peer's choice.
    error.to_string().escape_debug().to_string()
}

/// Whose turn it is to dial a peer for a question, one at a time per peer.
#[derive(Default)]
pub(crate) struct Dials(Mutex<HashMap<SocketAddr, Weak<tokio::sync::Mutex<()>>>>);

impl Dials {
    /// The turn for `peer`. Invariant: bounded by the questions that are open, because only they hold turns.
    fn turn(&self, peer: SocketAddr) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(&peer).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(peer, Arc::downgrade(&turn));
        turn
    }
}
