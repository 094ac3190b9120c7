//! Transaction blocks: what is written in one waits, and is made at its end.

use super::execute::{Done, prepared};
use super::{Failure, Session};
use crate::block::{self, Block, Due};
use crate::problem::{Problem, code};
use crate::statement::{self, Statement, Told, Write};
use crate::tokens::beginning;
use whither_directory::sql::SqlRefusal;
use whither_model::sql::{Params, Statement as SqlStatement, Value};

/// Fails, and the transaction with it, unless the statement before has written as many rows as its parameter says: the text is
/// the only way to have SQLite fail from within a question.
const PROMISE: &str = "SELECT abs(-9223372036854775807 - (changes() <> ?1)) WHERE changes() <> ?1";

impl Session {
    /// Has a write wait for the end of the block. Its client is told how many rows it will write where that can be known: drivers
    /// and mappers rely on it, and so it is a promise that is checked at the end.
    pub(super) async fn write_later(
        &mut self,
        statement: &Statement,
        write: &Write,
        parameters: Vec<Value>,
    ) -> Result<Done, Failure> {
        if write.returning.is_some() {
            return Err(Problem::unsupported(
                "RETURNING has no place in a transaction block: what it writes is made at COMMIT; leave it out, or write \
                 outside of a block",
            )
            .into());
        }
        let rows = match &write.rows {
            Told::Rows(rows) => *rows,
            Told::Ask(question) => {
                let question = self.question(&question.sql, question.parameters, parameters.clone());
                let asking = self.sql.query(question);
                self.patiently(async { first_number(asking.await?.rows.recv().await) }).await?
            }
            Told::Unknown => 0,
        };
        // What waits for the same tables may add to what was counted, and cannot be seen: then nothing is promised. Nor is it for
        // rows that are given: all of them are inserted, or the transaction fails anyway.
        let promised = matches!(write.rows, Told::Ask(_)) && !self.said.block.has_written(&write.names);
        let (statement, table) = (prepared(statement, parameters), write.table.clone());
        let waiting = block::Write { statement, table, told: promised.then_some(rows) };
        self.said.block.queue(waiting)?;
        Ok(Done::Tag(write.verb.tag(rows)))
    }

    /// Begins or ends a block, or a part of one. Returns what is said of it.
    pub(super) async fn block(&mut self, block: &statement::Block) -> Result<String, Failure> {
        use statement::Block as Says;
        Ok(match block {
            Says::Begin { read_only, tag } => {
                let read_only = *read_only || self.settings.is_on("default_transaction_read_only");
                if !self.said.block.begin(read_only) {
                    self.warn("25001", "there is already a transaction in progress")?;
                }
                (*tag).to_owned()
            }
            Says::Commit => {
                self.end_block()?;
                match self.said.block.commit() {
                    None => "ROLLBACK".into(),
                    Some(due) => self.make(due).await.map(|()| "COMMIT".to_owned())?,
                }
            }
            Says::RollBack => {
                self.end_block()?;
                self.said.block.roll_back();
                "ROLLBACK".into()
            }
            Says::Savepoint(name) => {
                self.said.block.savepoint(name.clone())?;
                "SAVEPOINT".into()
            }
            Says::Release(name) => {
                self.said.block.release(name)?;
                "RELEASE".into()
            }
            Says::RollBackTo(name) => {
                self.said.block.roll_back_to(name)?;
                "ROLLBACK".into()
            }
        })
    }

    /// What a block has open ends with it.
    fn end_block(&mut self) -> Result<(), Failure> {
        if matches!(self.said.block, Block::Idle) {
            self.warn(code::NO_TRANSACTION, "there is no transaction in progress")?;
        }
        self.said.portals.clear();
        Ok(())
    }

    /// Makes what waited for the end of a block.
    async fn make(&mut self, due: Due) -> Result<(), Failure> {
        match due {
            Due::Nothing => Ok(()),
            Due::Schema(sql) => {
                let changing = self.sql.change_schema(sql, false);
                self.firmly(changing).await.map(drop)
            }
            Due::Writes(writes) => {
                let texts: Vec<String> = writes.iter().map(|write| beginning(&write.statement.sql)).collect();
                let (statements, belongs) = promised(writes);
                let working = self.sql.transact(statements, self.settings.acked());
                // The refusal is needed as it is, to tell which statement it was.
                let outcome = self.firmly(async { Ok(working.await) }).await?;
                Ok(outcome.map(drop).map_err(|refusal| which(refusal, &belongs, &texts))?)
            }
        }
    }
}

fn first_number(lot: Option<Result<Vec<Vec<Value>>, SqlRefusal>>) -> Result<usize, SqlRefusal> {
    let rows = lot.transpose()?.unwrap_or_default();
    match rows.first().and_then(|row| row.first()) {
        Some(Value::Integer(number)) => Ok(usize::try_from(*number).unwrap_or(0)),
        _ => Ok(0),
    }
}

/// To which write each statement belongs, and whether it is the check of its promise.
type Belongs = Vec<(usize, bool)>;

/// The writes with their promises.
fn promised(writes: Vec<block::Write>) -> (Vec<SqlStatement>, Belongs) {
    let (mut statements, mut belongs) = (Vec::new(), Vec::new());
    for (at, write) in writes.into_iter().enumerate() {
        statements.push(write.statement);
        belongs.push((at, false));
        if let Some(told) = write.told {
            let rows = Value::Integer(i64::try_from(told).unwrap_or(i64::MAX));
            statements.push(SqlStatement { sql: PROMISE.into(), params: Params::Positional(vec![rows]) });
            belongs.push((at, true));
        }
    }
    (statements, belongs)
}

/// A refusal at the end of a block, with the statement that it is about: that was said long before.
fn which(refusal: SqlRefusal, belongs: &[(usize, bool)], texts: &[String]) -> Problem {
    let SqlRefusal::Statement { index, what } = refusal else { return refusal.into() };
    let (at, check) = belongs.get(index).copied().unwrap_or((index, false));
    let shown = texts.get(at).cloned().unwrap_or_default();
    if check && what.contains("integer overflow") {
        let what = format!(
            "statement {} of the transaction ({shown}) does not write as many rows any more as when it was said: somebody else \
             has written; nothing of the transaction was made",
            at + 1
        );
        return Problem::new(code::CONFLICT, what).hint("do the transaction again");
    }
    let problem = Problem::from(SqlRefusal::Statement { index: 0, what });
    let message = format!(
        "{}: this was statement {} of the transaction ({shown}), and nothing of it was made",
        problem.message,
        at + 1
    );
    Problem { message, ..problem }
}
