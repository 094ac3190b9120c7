//! The simple protocol: a text with statements, done one after the other, answered as text.

use super::answer::Answer;
use super::execute::Done;
use super::{Failure, Session};
use crate::block::Block;
use crate::column::{Format, description};
use crate::statement::{Does, Statement};
use crate::tokens::{statements, tokens};
use crate::wire::Ended;
use pgwire::messages::PgWireBackendMessage as Answered;
use pgwire::messages::response::EmptyQueryResponse;

impl Session {
    /// Does everything that `sql` says, up to the first problem.
    pub(super) async fn simple(&mut self, sql: &str) -> Result<(), Ended> {
        // As in PostgreSQL, what has no name does not outlive this.
        self.said.prepared.remove("");
        self.said.portals.remove("");
        match self.all(sql).await {
            Ok(()) => {}
            Err(Failure::Problem(problem)) => self.fail(&problem)?,
            Err(Failure::Ended(ended)) => return Err(ended),
        }
        if matches!(self.said.block, Block::Idle) {
            self.said.portals.clear();
        }
        self.ready().await
    }

    async fn all(&mut self, sql: &str) -> Result<(), Failure> {
        let tokens = tokens(sql)?;
        let all = statements(&tokens).map(|tokens| Statement::parse(sql, tokens, &self.facts));
        let all = all.collect::<Result<Vec<_>, _>>()?;
        if all.is_empty() {
            self.wire.put(&Answered::EmptyQueryResponse(EmptyQueryResponse::new()))?;
        }
        let mut rest = all.as_slice();
        while let Some(first) = rest.first() {
            // Writes that stand together are made together: all of them or none.
            let together = if matches!(self.said.block, Block::Idle) { alike(rest) } else { 1 };
            if together > 1 {
                for done in self.write_together(&rest[..together]).await? {
                    self.say(done).await?;
                }
            } else {
                let done = self.execute(first, Vec::new()).await?;
                self.say(done).await?;
            }
            rest = &rest[together..];
        }
        Ok(())
    }

    async fn say(&mut self, done: Done) -> Result<(), Failure> {
        match done {
            Done::Tag(tag) => self.complete(tag)?,
            Done::Rows(mut answer) => {
                let Answer { fields, verb, .. } = &answer;
                self.wire.put(&Answered::RowDescription(description(fields, |_| Format::Text)))?;
                let verb = *verb;
                let sent = self.send(&mut answer, |_| Format::Text, 0).await?;
                self.complete(verb.tag(sent.rows))?;
            }
        }
        Ok(self.wire.flush_some().await?)
    }
}

/// How many statements at the beginning write rows, or change the schema; 1 if the first does neither.
fn alike(statements: &[Statement]) -> usize {
    let kind = |statement: &Statement| match statement.does {
        Does::Write(_) => 1,
        Does::Schema(_) => 2,
        _ => 0,
    };
    match statements.first().map(kind) {
        None | Some(0) => 1,
        first => statements.iter().take_while(|statement| Some(kind(statement)) == first).count(),
    }
}
