//! SQL as the agent takes and answers it.

use super::{AgentApi, Answer, ApiError, Lines, Method, Target};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// How long a question may take that names no time: as long as the agent gives it.
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a write may take that names no time: as long as the agent gives it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// The agent gives up first, and says so in words.
const MARGIN: Duration = Duration::from_secs(5);
/// How long a change of the schema may take: an index of a large table is built in it.
const SCHEMA_TIMEOUT: Duration = Duration::from_secs(600);

/// A statement and its parameters.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Statement {
    /// One statement.
    pub(crate) sql: String,
    /// An array, an object, or null for none.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub(crate) params: Value,
}

impl Statement {
    /// One without parameters.
    pub(crate) fn plain(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), params: Value::Null }
    }

    /// Its JSON.
    pub(crate) fn body(&self) -> Vec<u8> {
        // Maps with text for keys, and numbers that JSON has, can be written.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// How a question is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asking {
    /// How long it may take.
    pub(crate) timeout: Option<Duration>,
    /// The places of transactions that must be seen first, with commas between.
    pub(crate) after: Option<String>,
}

impl AgentApi {
    /// Asks one question, and gets its rows one by one.
    ///
    /// # Errors
    /// As [`AgentApi::ask`].
    pub(crate) fn query(&self, statement: &Statement, asking: &Asking) -> Result<Rows, ApiError> {
        let lines = self.query_lines(statement, asking, "application/x-ndjson")?;
        let mut rows = Rows { lines, columns: Vec::new(), end: None };
        match rows.read()? {
            Line::Columns { columns } => rows.columns = columns,
            Line::Error { error } => return Err(Lines::refused(error)),
            _ => return Err(rows.lines.ended()),
        }
        Ok(rows)
    }

    /// As [`AgentApi::query`], with the lines as they come, in the form that is accepted.
    ///
    /// # Errors
    /// As [`AgentApi::ask`].
    pub(crate) fn query_lines(&self, statement: &Statement, asking: &Asking, accept: &str) -> Result<Lines, ApiError> {
        let mut target = Target::new("/v1/queries");
        if let Some(timeout) = asking.timeout {
            target = target.query("timeout", &timeout.as_secs_f64().to_string());
        }
        if let Some(after) = &asking.after {
            target = target.query("after", after);
        }
        let patience = asking.timeout.unwrap_or(QUERY_TIMEOUT) + MARGIN;
        self.lines(&target, &statement.body(), accept, patience, patience)
    }

    /// Executes statements that may write: all of them or none.
    ///
    /// # Errors
    /// As [`AgentApi::ask`].
    pub(crate) fn transact(
        &self,
        statements: &[Statement],
        ack: Option<&str>,
        timeout: Option<Duration>,
    ) -> Result<Answer<Transacted>, ApiError> {
        let mut target = Target::new("/v1/transactions");
        if let Some(ack) = ack {
            target = target.query("ack", ack);
        }
        if let Some(timeout) = timeout {
            target = target.query("timeout", &timeout.as_secs_f64().to_string());
        }
        let body = serde_json::to_vec(statements).unwrap_or_default();
        self.ask_within(Method::Post, &target, Some(&body), timeout.unwrap_or(WRITE_TIMEOUT) + MARGIN)
    }

    /// Changes the schema as `sql` says, or only asks what would be changed.
    ///
    /// # Errors
    /// As [`AgentApi::ask`]. The problem's field is the line.
    pub(crate) fn change_schema(&self, sql: &str, only_plan: bool) -> Result<Answer<SchemaChanged>, ApiError> {
        let target = Target::new("/v1/schema");
        let target = if only_plan { target.query("plan", "true") } else { target };
        let body = Statement::plain(sql).body();
        self.ask_within(Method::Post, &target, Some(&body), SCHEMA_TIMEOUT)
    }
}

/// A line of an answer, or of a subscription.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Line {
    /// What the rows have.
    Columns {
        /// Their names.
        columns: Vec<String>,
    },
    /// A row that there is.
    Row {
        /// Its number, and its values.
        row: (u64, Vec<Value>),
    },
    /// That is all there is, now.
    End {
        /// What is said of the whole.
        eoq: End,
    },
    /// Of a subscription: a row is new, different or gone.
    Change {
        /// Kind, row, values and number of the change; nothing of it is of interest here.
        #[serde(rename = "change")]
        _change: IgnoredAny,
    },
    /// Why there is no more.
    Error {
        /// In words.
        error: String,
    },
    /// A heartbeat, a reset, or one that is newer than this client.
    Other(IgnoredAny),
}

/// What is said at the end of an answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct End {
    /// Seconds that it took.
    pub(crate) time: f64,
    /// How old, at most, users' tables are.
    pub(crate) age_ms: Option<u64>,
}

/// The rows of an answer, as they come.
pub(crate) struct Rows {
    lines: Lines,
    /// What each row has.
    pub(crate) columns: Vec<String>,
    /// What was said at the end, once it was reached.
    pub(crate) end: Option<End>,
}

impl Rows {
    /// Waits for the next row; `None` after the last.
    ///
    /// # Errors
    /// The answer ends early, and why.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<Value>>, ApiError> {
        loop {
            match self.read()? {
                Line::Row { row: (_, cells) } => return Ok(Some(cells)),
                Line::End { eoq } => {
                    self.end = Some(eoq);
                    return Ok(None);
                }
                Line::Error { error } => return Err(Lines::refused(error)),
                _ => {}
            }
        }
    }

    /// All rows.
    ///
    /// # Errors
    /// As [`Rows::next`].
    pub(crate) fn all(mut self) -> Result<(Vec<String>, Vec<Vec<Value>>), ApiError> {
        let mut all = Vec::new();
        while let Some(row) = self.next()? {
            all.push(row);
        }
        Ok((self.columns, all))
    }

    fn read(&mut self) -> Result<Line, ApiError> {
        match self.lines.next()? {
            Some(_) => self.lines.parse(),
            None => Err(self.lines.ended()),
        }
    }
}

/// What came of a transaction.
#[derive(Debug, Deserialize)]
pub(crate) struct Transacted {
    /// Of each statement.
    pub(crate) results: Vec<StatementResult>,
    /// Where it stands, if anything has changed.
    #[serde(default)]
    pub(crate) place: Option<String>,
}

/// What came of a statement.
#[derive(Debug, Deserialize)]
pub(crate) struct StatementResult {
    #[serde(default)]
    pub(crate) rows_affected: u64,
    #[serde(default)]
    pub(crate) columns: Vec<String>,
    #[serde(default)]
    pub(crate) rows: Vec<Vec<Value>>,
}

/// What changing the schema came to.
#[derive(Debug, Deserialize)]
pub(crate) struct SchemaChanged {
    /// What was done, or would be; empty: all of it was so already.
    pub(crate) steps: Vec<String>,
    #[serde(default)]
    pub(crate) place: Option<String>,
}

/// What there is.
#[derive(Debug, Deserialize)]
pub(crate) struct Tables {
    pub(crate) tables: Vec<TableLine>,
    #[serde(default)]
    pub(crate) writers: Vec<WriterLine>,
    #[serde(default)]
    pub(crate) file_bytes: u64,
    #[serde(default)]
    pub(crate) log_bytes: u64,
    #[serde(default)]
    pub(crate) held: u64,
}

/// Of one table.
#[derive(Debug, Deserialize)]
pub(crate) struct TableLine {
    pub(crate) name: String,
    pub(crate) rows: u64,
    #[serde(default)]
    pub(crate) dead: u64,
    #[serde(default)]
    pub(crate) bytes: u64,
}

/// Of one who has written.
#[derive(Debug, Deserialize)]
pub(crate) struct WriterLine {
    pub(crate) node: String,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) transactions: u64,
    #[serde(default)]
    pub(crate) cells: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent_api::tests::{Reply, Script};

    fn ask(lines: &[&str]) -> Result<(Vec<String>, Vec<Vec<Value>>), ApiError> {
        let script = Script::new(vec![Reply::Cut(lines.iter().map(|line| (*line).to_owned()).collect())]);
        script.api.query(&Statement::plain("SELECT 1"), &Asking::default())?.all()
    }

    #[test]
    fn rows_come_one_by_one_and_an_answer_without_its_end_is_none() {
        let columns = r#"{"columns":["a","b"]}"#;
        let (names, rows) = ask(&[columns, r#"{"row":[1,[1,null]]}"#, r#"{"eoq":{"time":0.1,"rows":1}}"#]).unwrap();
        assert_eq!((names, rows), (vec!["a".into(), "b".into()], vec![vec![1.into(), Value::Null]]));
        let broken = ask(&[columns, r#"{"row":[1,[1,2]]}"#]).unwrap_err();
        assert!(matches!(broken, ApiError::Broken { .. }), "{broken:?}");
        let told = ask(&[columns, r#"{"error":"it took longer than 30.0 s and was given up"}"#]).unwrap_err();
        assert_eq!(told.to_string(), "it took longer than 30.0 s and was given up");
    }
}
