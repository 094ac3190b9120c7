//! The extended protocol: a statement is prepared, gets its parameters, is described and executed, each by a message.

use super::answer::Answer;
use super::execute::Done;
use super::{Failure, Session};
use crate::column::{Field, description};
use crate::decode;
use crate::limits::PORTALS_MAX;
use crate::message::{Bind, Formats, Message, Target};
use crate::problem::{Problem, code};
use crate::statement::{Does, Statement};
use crate::tokens::{statements, tokens};
use pgwire::messages::PgWireBackendMessage as Answered;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{BindComplete, CloseComplete, ParseComplete, PortalSuspended};
use pgwire::messages::response::EmptyQueryResponse;
use std::sync::{Arc, Mutex, PoisonError};
use whither_model::sql::Value;

/// A prepared statement.
#[derive(Debug)]
pub(super) struct Prepared {
    /// `None`: an empty one.
    pub(super) statement: Option<Statement>,
    /// What its client was told of it, which has to stay true.
    told: Mutex<Told>,
}

/// What a client was told of a prepared statement.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// The types of its parameters; 0: none was said.
    pub(super) kinds: Vec<u32>,
    /// Its columns.
    pub(super) fields: Option<Vec<Field>>,
}

impl Prepared {
    fn told(&self) -> Told {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell(&self, told: Told) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = told;
    }
}

/// A prepared statement with its parameters.
#[derive(Debug)]
pub(super) struct Portal {
    prepared: Arc<Prepared>,
    parameters: Vec<Value>,
    results: Formats,
    state: State,
}

/// How far a portal is.
#[derive(Debug)]
enum State {
    /// Not begun.
    Fresh,
    /// Some of its rows may have been sent.
    Begun(Answer),
    /// All is said.
    Done,
}

impl Session {
    /// Answers a message of the extended protocol.
    pub(super) async fn extended(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Parse { name, sql, kinds } => self.parse(name, &sql, kinds),
            Message::Bind(bind) => self.bind(bind),
            Message::Describe(Target::Statement, name) => self.describe_statement(&name).await,
            Message::Describe(Target::Portal, name) => self.describe_portal(&name).await,
            Message::Execute(name, rows_max) => self.execute_portal(name, rows_max).await,
            Message::Close(target, name) => {
                match target {
                    Target::Statement => drop(self.said.prepared.remove(&name)),
                    Target::Portal => drop(self.said.portals.remove(&name)),
                }
                Ok(self.wire.put(&Answered::CloseComplete(CloseComplete::new()))?)
            }
            _ => Err(Problem::fatal(code::PROTOCOL, "a message came that has no place in a session").into()),
        }
    }

    fn parse(&mut self, name: String, sql: &str, mut kinds: Vec<u32>) -> Result<(), Failure> {
        if !name.is_empty() && self.said.prepared.contains_key(&name) {
            let what = format!("prepared statement {name:?} already exists");
            return Err(Problem::new(code::DUPLICATE_STATEMENT, what).into());
        }
        if self.said.prepared.len() >= self.statements_max && !self.said.prepared.contains_key(&name) {
            let what = format!("this session has {} prepared statements already; DEALLOCATE some", self.statements_max);
            return Err(Problem::new(code::LIMIT, what).into());
        }
        let tokens = tokens(sql)?;
        let mut all = statements(&tokens);
        let statement = all.next().map(|tokens| Statement::parse(sql, tokens, &self.facts)).transpose()?;
        if all.next().is_some() {
            let what = "a prepared statement is one statement; prepare each by itself, or send them in a simple query";
            return Err(Problem::new(code::SYNTAX, what).into());
        }
        let parameters = statement.as_ref().map_or(0, |statement| statement.parameters);
        kinds.resize(parameters, 0);
        let told = Mutex::new(Told { kinds, fields: None });
        self.said.prepared.insert(name, Arc::new(Prepared { statement, told }));
        Ok(self.wire.put(&Answered::ParseComplete(ParseComplete::new()))?)
    }

    fn prepared(&self, name: &str) -> Result<Arc<Prepared>, Problem> {
        let unknown = || Problem::new(code::NO_STATEMENT, format!("prepared statement {name:?} does not exist"));
        self.said.prepared.get(name).cloned().ok_or_else(unknown)
    }

    fn bind(&mut self, bind: Bind) -> Result<(), Failure> {
        let Bind { portal, statement, formats, parameters, results } = bind;
        let prepared = self.prepared(&statement)?;
        let kinds = prepared.told().kinds;
        if parameters.len() != kinds.len() || !formats.fits(kinds.len()) {
            let what = format!("{} parameters are given, and the statement has {}", parameters.len(), kinds.len());
            return Err(Problem::new(code::PROTOCOL, what).into());
        }
        let replaced = self.said.portals.contains_key(&portal);
        if replaced && !portal.is_empty() {
            return Err(Problem::new("42P03", format!("portal {portal:?} already exists")).into());
        }
        if !replaced && self.said.portals.len() >= PORTALS_MAX {
            let what = format!("this session has {PORTALS_MAX} portals open already; close some");
            return Err(Problem::new(code::LIMIT, what).into());
        }
        let value = |(at, bytes): (usize, &Option<bytes::Bytes>)| match bytes {
            None => Ok(Value::Null),
            Some(bytes) => decode::parameter(at + 1, kinds[at], formats.of(at), bytes),
        };
        let parameters = parameters.iter().enumerate().map(value).collect::<Result<Vec<_>, _>>()?;
        self.said.portals.insert(portal, Portal { prepared, parameters, results, state: State::Fresh });
        Ok(self.wire.put(&Answered::BindComplete(BindComplete::new()))?)
    }

    async fn describe_statement(&mut self, name: &str) -> Result<(), Failure> {
        let prepared = self.prepared(name)?;
        let mut told = prepared.told();
        if let Some(statement) = &prepared.statement {
            if told.kinds.contains(&0) {
                self.infer(statement, &mut told.kinds).await?;
            }
            if told.fields.is_none() {
                told.fields = self.fields_of(statement).await?;
            }
            prepared.tell(told.clone());
        }
        self.wire.put(&Answered::ParameterDescription(ParameterDescription::new(told.kinds)))?;
        self.put_fields(told.fields.as_deref(), &Formats::default())
    }

    fn put_fields(&mut self, fields: Option<&[Field]>, formats: &Formats) -> Result<(), Failure> {
        let Some(fields) = fields else { return Ok(self.wire.put(&Answered::NoData(NoData::new()))?) };
        if !formats.fits(fields.len()) {
            let what = format!("the formats that are asked for are not as many as the {} columns", fields.len());
            return Err(Problem::new(code::PROTOCOL, what).into());
        }
        Ok(self.wire.put(&Answered::RowDescription(description(fields, |at| formats.of(at))))?)
    }

    async fn describe_portal(&mut self, name: &str) -> Result<(), Failure> {
        let mut portal = self.take_portal(name)?;
        let told = portal.prepared.told().fields;
        let fields = match (&portal.prepared.clone().statement, &portal.state) {
            (_, State::Begun(answer)) => Some(answer.fields.clone()),
            (None, _) => None,
            (Some(_), _) if told.is_some() => told,
            // The question is asked now: its first row tells what the columns are.
            (Some(statement), State::Fresh) if matches!(statement.does, Does::Read | Does::Catalog) => {
                match self.execute(statement, portal.parameters.clone()).await? {
                    Done::Rows(answer) => {
                        let fields = answer.fields.clone();
                        portal.state = State::Begun(answer);
                        Some(fields)
                    }
                    Done::Tag(_) => None,
                }
            }
            (Some(statement), _) => self.fields_of(statement).await?,
        };
        self.put_fields(fields.as_deref(), &portal.results)?;
        self.said.portals.insert(name.to_owned(), portal);
        Ok(())
    }

    fn take_portal(&mut self, name: &str) -> Result<Portal, Problem> {
        let unknown = || Problem::new(code::NO_PORTAL, format!("portal {name:?} does not exist"));
        self.said.portals.remove(name).ok_or_else(unknown)
    }

    async fn execute_portal(&mut self, name: String, rows_max: usize) -> Result<(), Failure> {
        let mut portal = self.take_portal(&name)?;
        let prepared = Arc::clone(&portal.prepared);
        let Some(statement) = &prepared.statement else {
            self.said.portals.insert(name, portal);
            return Ok(self.wire.put(&Answered::EmptyQueryResponse(EmptyQueryResponse::new()))?);
        };
        let mut answer = match std::mem::replace(&mut portal.state, State::Done) {
            State::Begun(answer) => answer,
            State::Done if matches!(statement.does, Does::Read | Does::Catalog | Does::Show(_)) => {
                Answer::ready(Vec::new(), super::answer::Told::Select, Vec::new())
            }
            State::Done => return Err(Problem::new("55000", format!("portal {name:?} was executed already")).into()),
            State::Fresh => match self.execute(statement, std::mem::take(&mut portal.parameters)).await? {
                Done::Rows(answer) => answer,
                Done::Tag(tag) => {
                    self.complete(tag)?;
                    // The end of a block is the end of its portals.
                    if !matches!(statement.does, Does::Block(_) | Does::DiscardAll) {
                        self.said.portals.insert(name, portal);
                    }
                    return Ok(());
                }
            },
        };
        if let Some(told) = prepared.told().fields
            && !answer.fields.is_empty()
        {
            if told.len() != answer.fields.len() {
                let what = "the statement has other columns than when it was prepared; prepare it again";
                return Err(Problem::unsupported(what).into());
            }
            answer.fields = told;
        }
        if !portal.results.fits(answer.fields.len()) && !answer.fields.is_empty() {
            let what = format!("the formats that are asked for are not as many as the {} columns", answer.fields.len());
            return Err(Problem::new(code::PROTOCOL, what).into());
        }
        let verb = answer.verb;
        let results = portal.results.clone();
        let sent = self.send(&mut answer, |at| results.of(at), rows_max).await?;
        if sent.more {
            portal.state = State::Begun(answer);
            self.wire.put(&Answered::PortalSuspended(PortalSuspended::new()))?;
        } else {
            self.complete(verb.tag(sent.rows))?;
        }
        self.said.portals.insert(name, portal);
        Ok(())
    }
}
