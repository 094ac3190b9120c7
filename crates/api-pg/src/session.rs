//! A client that was let in: its messages one after the other, and what it has said so far.

mod answer;
mod describe;
mod execute;
mod extended;
mod infer;
mod settings;
mod simple;
mod transaction;

use crate::block::Block;
use crate::cancel::Place;
use crate::counters::Counters;
use crate::dialect::Facts;
use crate::message::Message;
use crate::problem::{Problem, code};
use crate::wire::{Ended, Wire};
use extended::{Portal, Prepared};
use pgwire::messages::PgWireBackendMessage as Answered;
use pgwire::messages::response::{CommandComplete, ReadyForQuery};
use pgwire::messages::startup::ParameterStatus;
pub(crate) use settings::Settings;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::watch;
use whither_directory::sql::{Sql, SqlRefusal};

/// A session.
pub(crate) struct Session {
    pub(crate) wire: Wire,
    pub(crate) place: Place,
    pub(crate) sql: Arc<dyn Sql>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) facts: Facts,
    pub(crate) settings: Settings,
    /// Why it may not write, if it may not.
    pub(crate) read_only: Option<&'static str>,
    pub(crate) statements_max: usize,
    said: Said,
}

/// What a client has said that still counts.
#[derive(Default)]
struct Said {
    block: Block,
    prepared: HashMap<String, Arc<Prepared>>,
    portals: HashMap<String, Portal>,
    /// Something went wrong, and nothing counts until the next Sync.
    skipping: bool,
}

/// What a session begins with.
pub(crate) struct Beginning {
    pub(crate) wire: Wire,
    pub(crate) place: Place,
    pub(crate) sql: Arc<dyn Sql>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) facts: Facts,
    pub(crate) settings: Settings,
    pub(crate) read_only: Option<&'static str>,
    pub(crate) statements_max: usize,
}

/// Why something was not done.
#[derive(Debug)]
enum Failure {
    /// It was wrong, and the session goes on.
    Problem(Problem),
    /// The connection is over.
    Ended(Ended),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<SqlRefusal> for Failure {
    fn from(refusal: SqlRefusal) -> Self {
        Self::Problem(refusal.into())
    }
}

impl From<Ended> for Failure {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl Session {
    pub(crate) fn new(beginning: Beginning) -> Self {
        let Beginning { wire, place, sql, counters, facts, settings, read_only, statements_max } = beginning;
        let said = Said::default();
        Self { wire, place, sql, counters, facts, settings, read_only, statements_max, said }
    }

    /// Answers until the client goes, or `stop`.
    ///
    /// # Errors
    /// [`Ended`], if it ends early.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), Ended> {
        loop {
            let message = tokio::select! {
                message = self.wire.next() => message,
                _ = stop.wait_for(|stop| *stop) => {
                    self.fail(&Problem::fatal(code::STOPPING, "this node's agent is being stopped"))?;
                    break;
                }
            };
            match message {
                Ok(None | Some(Message::Terminate)) => break,
                Ok(Some(message)) => {
                    if !self.answer(message).await? {
                        break;
                    }
                }
                Err(Ended::Garbled(problem)) => {
                    self.fail(&problem)?;
                    self.wire.close().await;
                    return Err(Ended::Garbled(problem));
                }
                Err(ended) => return Err(ended),
            }
        }
        self.wire.close().await;
        Ok(())
    }

    /// Answers one message. Returns whether the session goes on.
    async fn answer(&mut self, message: Message) -> Result<bool, Ended> {
        match message {
            Message::Query(sql) => {
                self.said.skipping = false;
                self.simple(&sql).await?;
            }
            Message::Sync => {
                self.said.skipping = false;
                // Outside a block, what is asked until here is a transaction of its own.
                if matches!(self.said.block, Block::Idle) {
                    self.said.portals.clear();
                }
                self.ready().await?;
            }
            Message::Flush => self.wire.flush().await?,
            Message::Copy => {}
            _ if self.said.skipping => {}
            message => match self.extended(message).await {
                Ok(()) => self.wire.flush_some().await?,
                Err(Failure::Problem(problem)) => {
                    self.fail(&problem)?;
                    self.said.skipping = true;
                    self.wire.flush().await?;
                    return Ok(!problem.fatal);
                }
                Err(Failure::Ended(ended)) => return Err(ended),
            },
        }
        Ok(true)
    }

    /// Says what went wrong, and remembers it.
    fn fail(&mut self, problem: &Problem) -> Result<(), Ended> {
        self.counters.errors.add(1);
        self.said.block.fail();
        self.wire.put(&Answered::ErrorResponse(problem.response()))
    }

    /// Says that the next message may come.
    async fn ready(&mut self) -> Result<(), Ended> {
        self.wire.put(&Answered::ReadyForQuery(ReadyForQuery::new(self.said.block.status())))?;
        self.wire.flush().await
    }

    fn complete(&mut self, tag: String) -> Result<(), Ended> {
        self.wire.put(&Answered::CommandComplete(CommandComplete::new(tag)))
    }

    /// Says that a parameter is something else now.
    fn tell(&mut self, (name, value): (&str, String)) -> Result<(), Ended> {
        self.wire.put(&Answered::ParameterStatus(ParameterStatus::new(name.to_owned(), value.replace('\0', ""))))
    }

    /// Waits for what only reads; who has gone or gives up waits no longer.
    async fn patiently<T, E: Into<Failure>>(&mut self, work: impl Future<Output = Result<T, E>>) -> Result<T, Failure> {
        let give_up = Arc::clone(&self.place.give_up);
        tokio::select! {
            biased;
            done = work => done.map_err(Into::into),
            () = give_up.notified() => Err(self.given_up("the question was given up, as its client asked").into()),
            () = self.wire.gone() => Err(Ended::Broken(std::io::ErrorKind::UnexpectedEof.into()).into()),
        }
    }

    /// Waits for what writes. It is done whether or not its client is still there.
    async fn firmly<T>(&mut self, work: impl Future<Output = Result<T, SqlRefusal>>) -> Result<T, Failure> {
        let text = "the wait was given up, as its client asked; what was to be written may be written all the same";
        tokio::select! {
            biased;
            done = work => Ok(done?),
            () = self.place.give_up.notified() => Err(self.given_up(text).into()),
        }
    }

    fn given_up(&self, text: &str) -> Problem {
        self.counters.cancelled.add(1);
        Problem::new(code::CANCELLED, text)
    }
}
