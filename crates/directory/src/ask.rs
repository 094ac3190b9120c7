//! The two ends of questions between nodes, where surfaces meet the node: [`Directory::ask`] sends one to another node,
//! [`Directory::answer_questions`] takes those that others sent here.

use crate::Directory;
use crate::question::{Answer, Question};
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;
use whither_model::{MemberState, NodeId};

/// Why another node's answer cannot be had. It says whether that node may have acted on the question.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AskError {
    /// Nothing was sent: no such node is known.
    #[error("no such node is known here")]
    Unknown,
    /// Nothing was sent: the node is down or has left, so nobody would answer.
    #[error("it is {}, as far as is known here", .0.as_str())]
    Absent(MemberState),
    /// Nothing was sent: this node does not carry questions, or not now.
    #[error("{0}")]
    NotNow(String),
    /// It has not acted on the question. The text says why.
    #[error("{0}")]
    Refused(String),
    /// It may have acted: no answer came within this time.
    #[error("it did not answer within {0:?}")]
    TimedOut(Duration),
    /// It may have acted. The text says what went wrong.
    #[error("{0}")]
    BrokenOff(String),
    /// It may have acted: what it answered cannot be read, perhaps because it is of a newer version.
    #[error("its answer cannot be read (another version?)")]
    Garbled,
}

impl AskError {
    /// Whether the other node may have acted on the question.
    #[must_use]
    pub const fn may_have_acted(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::BrokenOff(_) | Self::Garbled)
    }
}

/// A question on its way back as an answer.
pub type Carried = Pin<Box<dyn Future<Output = Result<Bytes, AskError>> + Send>>;

/// Takes an encoded question to an address, and brings what is answered within a time.
type Carrier = Box<dyn Fn(SocketAddr, Bytes, Duration) -> Carried + Send + Sync>;

/// A question of another node, and where its answer goes.
pub struct Asked {
    /// What it asks.
    pub question: Question,
    /// The address it came from.
    pub from: SocketAddr,
    reply: Box<dyn FnOnce(Result<Answer, NoAnswer>) + Send>,
}

/// Why a question of another node is not answered. Nothing was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoAnswer {
    /// Too many wait already.
    Busy,
    /// Nobody answers questions on this node, or not yet.
    Nobody,
}

impl Asked {
    /// A question whose answer goes to `reply`; dropped without one, the asker is told that there is none.
    pub fn new(
        question: Question,
        from: SocketAddr,
        reply: impl FnOnce(Result<Answer, NoAnswer>) + Send + 'static,
    ) -> Self {
        Self { question, from, reply: Box::new(reply) }
    }

    /// Answers it.
    pub fn answer(self, answer: Answer) {
        (self.reply)(Ok(answer));
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("question", &self.question).field("from", &self.from).finish_non_exhaustive()
    }
}

/// The two ends that the node and a surface bring.
#[derive(Default)]
pub(crate) struct Asking {
    carrier: OnceLock<Carrier>,
    answerer: ArcSwapOption<mpsc::Sender<Asked>>,
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asking")
    }
}

impl Directory {
    /// How long another node is given to answer, dialling it included.
    pub const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

    /// Asks `node`, another one than this, and waits at most for [`Directory::ANSWER_PATIENCE`]. The node loop takes no
    /// part in it.
    ///
    /// # Errors
    /// [`AskError`], which says whether that node may have acted on the question.
    pub async fn ask(&self, node: NodeId, question: &Question) -> Result<Answer, AskError> {
        let Some((address, state)) = self.peek().node(node).map(|node| (node.member.address, node.member.state)) else {
            return Err(AskError::Unknown);
        };
        if !state.is_present() {
            return Err(AskError::Absent(state));
        }
        let Some(carrier) = self.asking().carrier.get() else {
            return Err(AskError::NotNow("this node carries no questions to others".into()));
        };
        Answer::decode(carrier(address, question.encode(), Self::ANSWER_PATIENCE).await?)
    }

    /// Has questions to other nodes carried by `carrier`, which is given an address, the encoded question and how long it
    /// may take. The first one stays.
    pub fn carry_questions(&self, carrier: impl Fn(SocketAddr, Bytes, Duration) -> Carried + Send + Sync + 'static) {
        drop(self.asking().carrier.set(Box::new(carrier)));
    }

    /// The questions of other nodes, from now on; at most `capacity` wait. Whoever took them before gets no more.
    #[must_use]
    pub fn answer_questions(&self, capacity: usize) -> mpsc::Receiver<Asked> {
        let (answerer, asked) = mpsc::channel(capacity.max(1));
        self.asking().answerer.store(Some(Arc::new(answerer)));
        asked
    }

    /// Hands over a question of another node. If nobody takes it, its asker is told so.
    pub fn pose(&self, asked: Asked) {
        let refused = match &*self.asking().answerer.load() {
            Some(answerer) => answerer.try_send(asked).map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(asked) => (asked, NoAnswer::Busy),
                mpsc::error::TrySendError::Closed(asked) => (asked, NoAnswer::Nobody),
            }),
            None => Err((asked, NoAnswer::Nobody)),
        };
        if let Err((asked, why)) = refused {
            (asked.reply)(Err(why));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::Method;
    use tokio::sync::oneshot;

    /// What a directory says to a question that `fill` others wait before.
    async fn said(directory: &Directory, fill: usize) -> Result<Answer, NoAnswer> {
        let from = "127.0.0.1:7600".parse().unwrap();
        let question = || Question::new(Method::Get, "/v1/nodes").unwrap();
        for _ in 0..fill {
            directory.pose(Asked::new(question(), from, |said| assert_eq!(said, Ok(fine()))));
        }
        let (reply, said) = oneshot::channel();
        directory.pose(Asked::new(question(), from, |answered| drop(reply.send(answered))));
        said.await.expect("an answer or that there is none")
    }

    fn fine() -> Answer {
        Answer { status: 200, content_type: "text/plain".into(), body: Bytes::from_static(b"fine") }
    }

    #[tokio::test]
    async fn a_question_that_nobody_takes_is_refused_and_one_that_is_taken_is_answered() {
        let directory = crate::tests::directory();
        assert_eq!(said(&directory, 0).await, Err(NoAnswer::Nobody));
        let mut asked = directory.answer_questions(2);
        assert_eq!(said(&directory, 2).await, Err(NoAnswer::Busy));
        for _ in 0..2 {
            asked.recv().await.expect("it waits").answer(fine());
        }
        let answer = async { asked.recv().await.expect("it waits").answer(fine()) };
        assert_eq!(tokio::join!(said(&directory, 0), answer).0, Ok(fine()));
        drop(asked);
        assert_eq!(said(&directory, 0).await, Err(NoAnswer::Nobody));
    }
}
