//! Questions between nodes: to the transport with those of this node, to whoever answers with those of others.

use std::sync::Arc;
use tokio::sync::mpsc;
use whither_directory::{AskError, Asked, Directory, NoAnswer, Question};
use whither_transport::Transport;

/// Questions of other nodes that may wait to be handed over.
pub(crate) const QUESTIONS_MAX: usize = 64;

/// Has questions of this node carried over `transport`.
pub(crate) fn carry(directory: &Directory, transport: Transport) {
    directory.carry_questions(move |to, question, patience| {
        let transport = transport.clone();
        Box::pin(async move { transport.ask(to, question, patience).await.map_err(why) })
    });
}

/// Hands over the questions of other nodes until there is no transport any more.
pub(crate) async fn hand_over(mut questions: mpsc::Receiver<whither_transport::Question>, directory: Arc<Directory>) {
    while let Some(whither_transport::Question { from, bytes, reply }) = questions.recv().await {
        match Question::decode(bytes) {
            Ok(question) => directory.pose(Asked::new(question, from, |said| match said {
                Ok(answer) => reply.send(answer.encode()),
                Err(NoAnswer::Busy) => reply.busy(),
                Err(NoAnswer::Nobody) => reply.refuse(),
            })),
            Err(malformed) => {
                tracing::debug!(%from, %malformed, "a peer asked what cannot be read");
                reply.refuse();
            }
        }
    }
}

fn why(error: whither_transport::AskError) -> AskError {
    use whither_transport::AskError as Why;
    match error {
        Why::TimedOut(after) => AskError::TimedOut(after),
        Why::TooLarge { .. } | Why::TooMany => AskError::NotNow(error.to_string()),
        Why::Unreachable(_) | Why::Stranger | Why::NotAnswering | Why::Busy | Why::Refused => {
            AskError::Refused(error.to_string())
        }
        // Closed while it waited, perhaps: what was asked may have been heard.
        Why::Closed | Why::AnswerTooLarge | Why::BrokenOff => AskError::BrokenOff(error.to_string()),
    }
}
