//! The answering side of questions: each is read whole, handed to whoever answers, and its answer sent back.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use quinn::{ReadToEndError, RecvStream, SendStream, VarInt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::counters::{count, count_by};
use crate::deliver::Outgoing;
use crate::limits::{ANSWER_TIMEOUT, MESSAGE_TIMEOUT, QUESTION_BYTES_MAX, QUESTION_TIMEOUT};
use crate::transport::Inner;

/// A question of another node.
#[derive(Debug)]
pub struct Question {
    /// The other end of the connection: the peer's own port, since it dials from where it listens.
    pub from: SocketAddr,
    /// The question, at most 64 KiB; possibly empty.
    pub bytes: Bytes,
    /// Where the answer goes.
    pub reply: Reply,
}

/// Takes the answer to one question. Dropped without one, it tells the asker that there will be none.
pub struct Reply(oneshot::Sender<Result<Bytes, Refused>>);

impl Reply {
    /// Sends the answer. One larger than [`Config::message_bytes_max`](crate::Config::message_bytes_max) is dropped and
    /// counted, and the asker is told so. An asker that has gone away is no error.
    pub fn send(self, answer: Bytes) {
        drop(self.0.send(Ok(answer)));
    }

    /// Says that nothing was done because too much waits already. The asker may ask again.
    pub fn busy(self) {
        drop(self.0.send(Err(Refused::Busy)));
    }

    /// Says that nothing was done because nobody answers such a question.
    pub fn refuse(self) {
        drop(self.0.send(Err(Refused::Nobody)));
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Reply")
    }
}

/// Why a stream of a question ends without an answer, as QUIC error codes. Codes are only ever added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// Too many questions are being answered already.
    Busy,
    /// Nobody answers questions on this node.
    Nobody,
    /// The question is too large, or did not come whole and in time.
    Unreadable,
    /// The answer is larger than a message may be.
    AnswerTooLarge,
    /// Whoever was to answer did not, or not in time.
    Unanswered,
    /// The asker does not want the answer any more.
    Unwanted,
}

impl Refused {
    const ALL: [Self; 6] =
        [Self::Busy, Self::Nobody, Self::Unreadable, Self::AnswerTooLarge, Self::Unanswered, Self::Unwanted];

    pub(crate) const fn code(self) -> VarInt {
        // 1 and 2 end the streams of messages.
        VarInt::from_u32(match self {
            Self::Busy => 3,
            Self::Nobody => 4,
            Self::Unreadable => 5,
            Self::AnswerTooLarge => 6,
            Self::Unanswered => 7,
            Self::Unwanted => 8,
        })
    }
}

impl From<VarInt> for Refused {
    /// A code that a newer version made up means no more than that there is no answer.
    fn from(code: VarInt) -> Self {
        Self::ALL.into_iter().find(|refused| refused.code() == code).unwrap_or(Self::Unanswered)
    }
}

/// Reads one question, has it answered, and sends the answer back.
///
/// Invariant: a connection has no more of these at once than QUIC permits it streams, because a stream that is not ended
/// in both directions is not permitted anew; all connections together have no more than `Inner::answering` has permits.
pub(crate) async fn answer(inner: Arc<Inner>, send: SendStream, mut question: RecvStream, from: SocketAddr) {
    let mut outgoing = Outgoing::new(send);
    if let Err(refused) = try_answer(&inner, &mut outgoing, &mut question, from).await {
        outgoing.reset(refused.code());
        // Fails if the question has been read to its end, and then nothing more will come.
        let _ = question.stop(refused.code());
    }
}

async fn try_answer(
    inner: &Arc<Inner>,
    outgoing: &mut Outgoing,
    question: &mut RecvStream,
    from: SocketAddr,
) -> Result<(), Refused> {
    let tally = &inner.tally;
    let Some(questions) = &inner.questions else {
        count(&tally.questions_refused_nobody);
        return Err(Refused::Nobody);
    };
    // Before the first byte is read: it also bounds what questions can take of memory.
    let Ok(_permit) = inner.answering.try_acquire() else {
        count(&tally.questions_refused_overload);
        return Err(Refused::Busy);
    };
    let bytes = match timeout(QUESTION_TIMEOUT, question.read_to_end(QUESTION_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Bytes::from(bytes),
        Ok(Err(ReadToEndError::TooLong)) => {
            count(&tally.questions_refused_oversized);
            return Err(Refused::Unreadable);
        }
        Ok(Err(ReadToEndError::Read(_))) | Err(_) => {
            count(&tally.questions_refused_incomplete);
            return Err(Refused::Unreadable);
        }
    };
    let (reply, answer) = oneshot::channel();
    questions.try_send(Question { from, bytes, reply: Reply(reply) }).map_err(|full| match full {
        mpsc::error::TrySendError::Full(_) => {
            count(&tally.questions_refused_overload);
            Refused::Busy
        }
        mpsc::error::TrySendError::Closed(_) => {
            count(&tally.questions_refused_nobody);
            Refused::Nobody
        }
    })?;
    count(&tally.questions_received);
    let answer = tokio::select! {
        answer = timeout(ANSWER_TIMEOUT, answer) => answer,
        // The asker has given up, or is gone.
        _ = outgoing.stream.stopped() => {
            count(&tally.answers_dropped_unwanted);
            return Err(Refused::Unwanted);
        }
    };
    let answer = match answer {
        Ok(Ok(Ok(answer))) => answer,
        Ok(Ok(Err(refused))) => {
            count(match refused {
                Refused::Busy => &tally.questions_refused_overload,
                _ => &tally.questions_refused_nobody,
            });
            return Err(refused);
        }
        Ok(Err(_)) | Err(_) => {
            count(&tally.answers_missing);
            return Err(Refused::Unanswered);
        }
    };
    if answer.len() > inner.message_bytes_max {
        count(&tally.answers_dropped_oversized);
        return Err(Refused::AnswerTooLarge);
    }
    give(inner, outgoing, answer).await
}

/// Sends the answer and waits until the asker has it.
async fn give(inner: &Inner, outgoing: &mut Outgoing, answer: Bytes) -> Result<(), Refused> {
    let size = answer.len();
    let given = timeout(MESSAGE_TIMEOUT, async {
        outgoing.stream.write_chunk(answer).await.ok()?;
        outgoing.finish();
        outgoing.stream.stopped().await.ok().filter(Option::is_none)
    });
    if let Ok(Some(None)) = given.await {
        count(&inner.tally.answers_sent);
        count_by(&inner.tally.answer_bytes_sent, size);
        return Ok(());
    }
    count(&inner.tally.answers_dropped_unwanted);
    Err(Refused::Unwanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_code_of_its_own_and_is_read_back() {
        for refused in Refused::ALL {
            assert_eq!(Refused::from(refused.code()), refused);
            assert!(refused.code() > VarInt::from_u32(2), "{refused:?} would end a message");
        }
        assert_eq!(Refused::from(VarInt::from_u32(77)), Refused::Unanswered, "of a newer version");
    }
}
