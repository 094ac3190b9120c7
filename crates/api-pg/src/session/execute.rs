//! What is done for each kind of statement.

use super::answer::{Answer, Told};
use super::{Failure, Said, Session, Settings};
use crate::block::Block;
use crate::column::{Field, Format, Kind};
use crate::encode;
use crate::pg_catalog;
use crate::problem::{Problem, code};
use crate::statement::{self, Does, Statement, Verb, Write};
use pgwire::messages::PgWireBackendMessage as Answered;
use pgwire::messages::response::NoticeResponse;
use std::sync::Arc;
use whither_directory::sql::{Query, SqlRefusal};
use whither_model::sql::{Params, Statement as SqlStatement, StatementResult, Value};

/// What came of a statement.
pub(super) enum Done {
    /// It is done, and this is what is said of it.
    Tag(String),
    /// It has rows.
    Rows(Answer),
}

/// How far an answer was sent.
pub(super) struct Sent {
    /// Rows, this time.
    pub(super) rows: usize,
    /// Whether there are more.
    pub(super) more: bool,
}

impl Session {
    /// Does a statement, or begins to.
    pub(super) async fn execute(&mut self, statement: &Statement, parameters: Vec<Value>) -> Result<Done, Failure> {
        self.refuse_after_failure(statement)?;
        self.count(statement);
        match &statement.does {
            Does::Read => self.read(statement, parameters).await,
            Does::Catalog => {
                self.refuse_unseen_schema()?;
                let known = pg_catalog::Context { facts: self.facts.clone(), settings: self.settings.all().collect() };
                let table = pg_catalog::answer(Arc::clone(&self.sql), statement.text.to_string(), parameters, known);
                let (fields, rows) = self.patiently(table).await?;
                Ok(Done::Rows(Answer::ready(fields, Told::Select, rows)))
            }
            Does::Write(write) => self.write(statement, write, parameters).await,
            Does::Schema(tag) => {
                self.may_write()?;
                let tag = (*tag).to_owned();
                if matches!(self.said.block, Block::Open(_)) {
                    self.said.block.queue_schema(statement.sql.to_string())?;
                } else {
                    let changing = self.sql.change_schema(statement.sql.to_string(), false);
                    self.firmly(changing).await?;
                }
                Ok(Done::Tag(tag))
            }
            Does::Block(block) => self.block(block).await.map(Done::Tag),
            Does::Set { name, value, tag } => self.set(name, value.as_deref()).map(|()| Done::Tag((*tag).to_owned())),
            Does::Show(name) => self.show(name).map(Done::Rows),
            Does::DiscardAll => {
                if !matches!(self.said.block, Block::Idle) {
                    return Err(Problem::new("25001", "DISCARD ALL has no place in a transaction block").into());
                }
                self.said = Said::default();
                self.set("all", None)?;
                Ok(Done::Tag("DISCARD ALL".into()))
            }
            Does::Deallocate(None) => {
                self.said.prepared.clear();
                Ok(Done::Tag("DEALLOCATE ALL".into()))
            }
            Does::Deallocate(Some(name)) => match self.said.prepared.remove(name) {
                Some(_) => Ok(Done::Tag("DEALLOCATE".into())),
                None => {
                    Err(Problem::new(code::NO_STATEMENT, format!("prepared statement {name:?} does not exist")).into())
                }
            },
            Does::Nothing(tag) => Ok(Done::Tag((*tag).to_owned())),
        }
    }

    fn count(&self, statement: &Statement) {
        let counter = match statement.does {
            Does::Read => &self.counters.reads,
            Does::Catalog => &self.counters.catalog,
            Does::Write(_) => &self.counters.writes,
            Does::Schema(_) => &self.counters.schema,
            _ => &self.counters.other,
        };
        counter.add(1);
    }

    /// In a block in which something went wrong, only its end counts.
    pub(super) fn refuse_after_failure(&self, statement: &Statement) -> Result<(), Problem> {
        let ends = matches!(
            statement.does,
            Does::Block(statement::Block::Commit | statement::Block::RollBack | statement::Block::RollBackTo(_))
        );
        if matches!(self.said.block, Block::Failed(_)) && !ends {
            let what = "something went wrong in this transaction: nothing counts until ROLLBACK";
            return Err(Problem::new(code::FAILED_TRANSACTION, what));
        }
        Ok(())
    }

    fn refuse_unseen_schema(&self) -> Result<(), Problem> {
        if self.said.block.has_schema() {
            return Err(Problem::unsupported(
                "this transaction has changed the schema, which is seen only after COMMIT; commit first",
            ));
        }
        Ok(())
    }

    async fn read(&mut self, statement: &Statement, parameters: Vec<Value>) -> Result<Done, Failure> {
        if self.said.block.has_writes() && statement.reads_tables {
            return Err(Problem::unsupported(
                "this transaction has written, and reads see a transaction's writes only after COMMIT; commit first, or ask \
                 before the first write",
            )
            .into());
        }
        let question = self.question(&statement.sql, statement.parameters, parameters);
        let asking = self.sql.query(question);
        let answer = self.patiently(async { Ok::<_, SqlRefusal>(Answer::coming(asking.await?).await) }).await?;
        Ok(Done::Rows(answer))
    }

    /// A question; parameters that are missing are NULL.
    pub(super) fn question(&self, sql: &str, count: usize, mut parameters: Vec<Value>) -> Query {
        parameters.resize(count, Value::Null);
        let params = if count == 0 { Params::None } else { Params::Positional(parameters) };
        let statement = SqlStatement { sql: sql.to_owned(), params };
        Query { statement, timeout: self.settings.timeout(), after: Vec::new() }
    }

    fn may_write(&self) -> Result<(), Problem> {
        let in_block = self.said.block.is_read_only();
        let why = match self.read_only {
            Some(why) => why,
            None if in_block => "this transaction was begun as READ ONLY",
            None if matches!(self.said.block, Block::Idle) && self.settings.is_on("default_transaction_read_only") => {
                "default_transaction_read_only is on"
            }
            None => return Ok(()),
        };
        Err(Problem::new(code::READ_ONLY, format!("cannot write: {why}")))
    }

    async fn write(&mut self, statement: &Statement, write: &Write, parameters: Vec<Value>) -> Result<Done, Failure> {
        self.may_write()?;
        if matches!(self.said.block, Block::Open(_)) {
            return self.write_later(statement, write, parameters).await;
        }
        let fields = self.fields_of(statement).await?;
        let working = self.sql.transact(vec![prepared(statement, parameters)], self.settings.acked());
        let result = self.firmly(working).await?.results.pop().unwrap_or_default();
        Ok(written(write.verb, fields, result))
    }

    /// Does several statements that all write rows, or all change the schema, as one.
    pub(super) async fn write_together(&mut self, statements: &[Statement]) -> Result<Vec<Done>, Failure> {
        self.may_write()?;
        statements.iter().for_each(|statement| self.count(statement));
        let sql = |statement: &Statement| statement.sql.to_string();
        if matches!(statements.first().map(|first| &first.does), Some(Does::Schema(_))) {
            let all = statements.iter().map(sql).collect::<Vec<_>>().join(";\n");
            let changing = self.sql.change_schema(all, false);
            self.firmly(changing).await?;
            let tag = |statement: &Statement| match statement.does {
                Does::Schema(tag) => Done::Tag(tag.to_owned()),
                _ => Done::Tag(String::new()),
            };
            return Ok(statements.iter().map(tag).collect());
        }
        let mut fields = Vec::with_capacity(statements.len());
        for statement in statements {
            fields.push(self.fields_of(statement).await?);
        }
        let all = statements.iter().map(|statement| prepared(statement, Vec::new())).collect();
        let working = self.sql.transact(all, self.settings.acked());
        let results = self.firmly(working).await?.results;
        let verbs = statements.iter().map(|statement| match statement.does {
            Does::Write(ref write) => write.verb,
            _ => Verb::Insert,
        });
        Ok(verbs.zip(fields).zip(results).map(|((verb, fields), result)| written(verb, fields, result)).collect())
    }

    pub(super) fn warn(&mut self, code: &str, text: &str) -> Result<(), Failure> {
        let fields = [(b'S', "WARNING"), (b'V', "WARNING"), (b'C', code), (b'M', text)];
        let fields = fields.map(|(field, text)| (field, text.to_owned())).to_vec();
        Ok(self.wire.put(&Answered::NoticeResponse(NoticeResponse::new(fields)))?)
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), Failure> {
        if name == "transaction_read_only" {
            self.said.block.set_read_only(value.is_some_and(|value| matches!(value, "on" | "true" | "1")));
            return Ok(());
        }
        if name == "default_transaction_read_only" && self.read_only.is_some() && value != Some("on") {
            // It stays what it is, and each write says why.
            return Ok(());
        }
        if let Some(told) = self.settings.set(name, value)? {
            self.tell(told)?;
        }
        if name == "all" {
            let told: Vec<_> = self.settings.told().collect();
            told.into_iter().try_for_each(|told| self.tell(told))?;
        }
        Ok(())
    }

    fn show(&self, name: &str) -> Result<Answer, Failure> {
        let text = |text: &str| Value::Text(text.into());
        if name == "all" {
            let fields = ["name", "setting", "description"].map(|name| Field::new(name, Kind::Text)).to_vec();
            let rows = self.settings.all().map(|(name, value)| vec![text(name), text(&value), text("")]).collect();
            return Ok(Answer::ready(fields, Told::Show, rows));
        }
        let value = match name {
            "transaction_read_only" => {
                let read_only = self.said.block.is_read_only() || self.settings.is_on("default_transaction_read_only");
                Some(if read_only { "on" } else { "off" }.to_owned())
            }
            name => self.settings.get(name),
        };
        let unknown = || {
            Problem::new(code::UNKNOWN_SETTING, format!("unrecognized configuration parameter {name:?}"))
                .hint("SHOW ALL lists those that are known")
        };
        let value = value.ok_or_else(unknown)?;
        Ok(Answer::ready(vec![Field::new(Settings::shown(name), Kind::Text)], Told::Show, vec![vec![text(&value)]]))
    }

    /// Sends up to so many rows; 0: all.
    pub(super) async fn send(
        &mut self,
        answer: &mut Answer,
        format: impl Fn(usize) -> Format,
        rows_max: usize,
    ) -> Result<Sent, Failure> {
        let mut rows = 0;
        let more = loop {
            let row = match answer.pop() {
                Some(row) => row,
                None => match self.patiently(answer.next()).await? {
                    Some(row) => row,
                    None => break false,
                },
            };
            if rows_max != 0 && rows == rows_max {
                answer.put_back(row);
                break true;
            }
            self.wire.put(&Answered::DataRow(encode::row(&answer.fields, &format, &row)?))?;
            self.wire.flush_some().await?;
            rows += 1;
        };
        self.counters.rows.add(rows as u64);
        Ok(Sent { rows, more })
    }
}

/// A statement with its parameters.
pub(super) fn prepared(statement: &Statement, parameters: Vec<Value>) -> SqlStatement {
    let params = if statement.parameters == 0 { Params::None } else { Params::Positional(parameters) };
    SqlStatement { sql: statement.sql.to_string(), params }
}

/// What is said of a statement that has written.
fn written(verb: Verb, fields: Option<Vec<Field>>, result: StatementResult) -> Done {
    match fields {
        None => Done::Tag(verb.tag(result.rows_affected)),
        Some(fields) => Done::Rows(Answer::ready(fields, Told::Wrote(verb, result.rows_affected), result.rows)),
    }
}
