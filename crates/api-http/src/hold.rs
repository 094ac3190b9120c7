//! The connection that a session is: as long as its stream is read, the session is open.

use crate::json;
use crate::routes::App;
use bytes::Bytes;
use futures_util::Stream;
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use whither_model::{Command, Refusal, SessionEnd, SessionId};

/// Between attempts to say that a session was lost, when the node is too busy to listen.
const AGAIN: Duration = Duration::from_millis(20);

/// Ends its session when it is dropped, which the server does in the moment in which the connection breaks.
pub(crate) struct Hold {
    app: Arc<App>,
    session: SessionId,
}

impl Hold {
    pub(crate) fn new(app: Arc<App>, session: SessionId) -> Self {
        Self { app, session }
    }

    /// The pieces of the body: `first`, then a heartbeat now and then. Ends when the server does.
    pub(crate) fn into_stream(self, first: Bytes) -> impl Stream<Item = Result<Bytes, Infallible>> {
        futures_util::stream::unfold((self, Some(first)), |(hold, first)| async move {
            if let Some(first) = first {
                return Some((Ok(first), (hold, None)));
            }
            let mut closing = hold.app.closing.subscribe();
            tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing) => None,
                () = tokio::time::sleep(hold.app.config.heartbeat) => {
                    Some((Ok(json::line(&Heartbeat { event: "heartbeat" })), (hold, None)))
                }
            }
        })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // The node ends, and not the client: its instances stay as they are until it has come back.
        if *self.app.closing.borrow() {
            return;
        }
        let (app, session) = (Arc::clone(&self.app), self.session);
        drop(tokio::spawn(async move {
            let end = || Command::EndSession { session, end: SessionEnd::Lost };
            while let Err(Refusal::Unavailable(_)) = app.directory.submit(end()).await {
                if *app.closing.borrow() {
                    return;
                }
                tokio::time::sleep(AGAIN).await;
            }
        }));
    }
}

#[derive(Serialize)]
struct Heartbeat {
    event: &'static str,
}
