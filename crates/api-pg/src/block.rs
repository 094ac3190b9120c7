//! A transaction block. What is written in it waits for its end, and is then made as a whole: a transaction on users' tables
//! cannot be left open while a client thinks.

use crate::limits::{QUEUED_BYTES_MAX, QUEUED_STATEMENTS_MAX, SAVEPOINTS_MAX};
use crate::problem::{Problem, code};
use pgwire::messages::response::TransactionStatus;
use whither_model::sql::{Params, Statement, Value};

/// Whether a session is in a transaction block, and what waits there.
#[derive(Debug, Default)]
pub(crate) enum Block {
    /// It is in none.
    #[default]
    Idle,
    /// It is in one.
    Open(Waiting),
    /// It is in one in which something went wrong.
    Failed(Waiting),
}

/// What waits for the end of a block.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    writes: Vec<Write>,
    schema: Vec<String>,
    bytes: usize,
    /// Names, and what had been said when each was given: writes, changes of the schema, and their bytes.
    savepoints: Vec<(String, [usize; 3])>,
    read_only: bool,
}

/// A write that waits.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Write {
    pub(crate) statement: Statement,
    /// The table that it writes.
    pub(crate) table: String,
    /// How many rows its client was told that it writes: if it turns out to be another number, nothing may be made.
    pub(crate) told: Option<usize>,
}

/// What is to be done at the end of a block.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Due {
    /// Nothing.
    Nothing,
    /// These statements, all or none.
    Writes(Vec<Write>),
    /// This change of the schema.
    Schema(String),
}

impl Block {
    /// As clients are told.
    pub(crate) const fn status(&self) -> TransactionStatus {
        match self {
            Self::Idle => TransactionStatus::Idle,
            Self::Open(_) => TransactionStatus::Transaction,
            Self::Failed(_) => TransactionStatus::Error,
        }
    }

    /// Whether something waits.
    pub(crate) fn has_writes(&self) -> bool {
        matches!(self, Self::Open(waiting) if !waiting.writes.is_empty() || !waiting.schema.is_empty())
    }

    /// Whether something waits for one of these tables.
    pub(crate) fn has_written(&self, names: &[String]) -> bool {
        matches!(self, Self::Open(waiting) if waiting.writes.iter().any(|write| names.contains(&write.table)))
    }

    /// Whether a change of the schema waits.
    pub(crate) fn has_schema(&self) -> bool {
        matches!(self, Self::Open(waiting) if !waiting.schema.is_empty())
    }

    /// Whether nothing may be written in it.
    pub(crate) const fn is_read_only(&self) -> bool {
        matches!(self, Self::Open(waiting) | Self::Failed(waiting) if waiting.read_only)
    }

    /// Begins a block. Returns whether there was none.
    pub(crate) fn begin(&mut self, read_only: bool) -> bool {
        let idle = matches!(self, Self::Idle);
        if idle {
            *self = Self::Open(Waiting { read_only, ..Waiting::default() });
        }
        idle
    }

    /// Nothing is to be written in it from now on, or something may be.
    pub(crate) fn set_read_only(&mut self, read_only: bool) {
        if let Self::Open(waiting) | Self::Failed(waiting) = self {
            waiting.read_only = read_only;
        }
    }

    /// Something went wrong.
    pub(crate) fn fail(&mut self) {
        if let Self::Open(waiting) = self {
            *self = Self::Failed(std::mem::take(waiting));
        }
    }

    /// Has a statement wait. Only in an open block.
    ///
    /// # Errors
    /// It does not go with what waits already, or is too much.
    pub(crate) fn queue(&mut self, write: Write) -> Result<(), Problem> {
        let Self::Open(waiting) = self else { return Ok(()) };
        if !waiting.schema.is_empty() {
            return Err(mixed());
        }
        waiting.weigh(weight(&write.statement))?;
        waiting.writes.push(write);
        Ok(())
    }

    /// Has a change of the schema wait. Only in an open block.
    ///
    /// # Errors
    /// It does not go with what waits already, or is too much.
    pub(crate) fn queue_schema(&mut self, sql: String) -> Result<(), Problem> {
        let Self::Open(waiting) = self else { return Ok(()) };
        if !waiting.writes.is_empty() {
            return Err(mixed());
        }
        waiting.weigh(sql.len())?;
        waiting.schema.push(sql);
        Ok(())
    }

    /// Ends the block: what is due if it is to be made; `None`: it had failed, and nothing is.
    pub(crate) fn commit(&mut self) -> Option<Due> {
        match std::mem::take(self) {
            Self::Idle => Some(Due::Nothing),
            Self::Failed(_) => None,
            Self::Open(waiting) if !waiting.schema.is_empty() => Some(Due::Schema(waiting.schema.join(";\n"))),
            Self::Open(waiting) if waiting.writes.is_empty() => Some(Due::Nothing),
            Self::Open(waiting) => Some(Due::Writes(waiting.writes)),
        }
    }

    /// Ends the block, and forgets what waits.
    pub(crate) fn roll_back(&mut self) {
        *self = Self::Idle;
    }

    /// Gives a name to what has been said so far.
    ///
    /// # Errors
    /// There is no block, or there are too many names.
    pub(crate) fn savepoint(&mut self, name: String) -> Result<(), Problem> {
        let Self::Open(waiting) = self else { return Err(outside("SAVEPOINT")) };
        if waiting.savepoints.len() >= SAVEPOINTS_MAX {
            return Err(Problem::new(
                code::LIMIT,
                format!("a block has at most {SAVEPOINTS_MAX} savepoints; release some"),
            ));
        }
        let said = [waiting.writes.len(), waiting.schema.len(), waiting.bytes];
        waiting.savepoints.push((name, said));
        Ok(())
    }

    /// Forgets a name, and those given after it.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn release(&mut self, name: &str) -> Result<(), Problem> {
        let Self::Open(waiting) = self else { return Err(outside("RELEASE SAVEPOINT")) };
        let at = waiting.find(name)?;
        waiting.savepoints.truncate(at);
        Ok(())
    }

    /// Forgets what was said after a name was given, also that something went wrong.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn roll_back_to(&mut self, name: &str) -> Result<(), Problem> {
        let (Self::Open(waiting) | Self::Failed(waiting)) = self else { return Err(outside("ROLLBACK TO SAVEPOINT")) };
        let at = waiting.find(name)?;
        let [writes, schema, bytes] = waiting.savepoints[at].1;
        waiting.savepoints.truncate(at + 1);
        waiting.writes.truncate(writes);
        waiting.schema.truncate(schema);
        waiting.bytes = bytes;
        *self = Self::Open(std::mem::take(waiting));
        Ok(())
    }
}

impl Waiting {
    fn weigh(&mut self, bytes: usize) -> Result<(), Problem> {
        if self.writes.len() + self.schema.len() >= QUEUED_STATEMENTS_MAX || self.bytes + bytes > QUEUED_BYTES_MAX {
            let what = format!(
                "a transaction has at most {QUEUED_STATEMENTS_MAX} statements and {} MiB; make several of it",
                QUEUED_BYTES_MAX >> 20
            );
            return Err(Problem::new(code::LIMIT, what));
        }
        self.bytes += bytes;
        Ok(())
    }

    fn find(&self, name: &str) -> Result<usize, Problem> {
        let found = self.savepoints.iter().rposition(|(known, _)| known == name);
        found.ok_or_else(|| Problem::new(code::NO_SAVEPOINT, format!("savepoint {name:?} does not exist")))
    }
}

fn mixed() -> Problem {
    Problem::unsupported("a transaction changes either rows or the schema; commit the one before the other")
}

fn outside(what: &str) -> Problem {
    Problem::new(code::NO_TRANSACTION, format!("{what} is for transaction blocks; BEGIN one"))
}

/// Bytes that a statement keeps while it waits, roughly.
fn weight(statement: &Statement) -> usize {
    let one = |value: &Value| match value {
        Value::Text(text) => 32 + text.len(),
        Value::Blob(bytes) => 32 + bytes.len(),
        _ => 32,
    };
    let values = match &statement.params {
        Params::None => 0,
        Params::Positional(values) => values.iter().map(one).sum(),
        Params::Named(values) => values.iter().map(|(name, value)| name.len() + one(value)).sum(),
    };
    64 + statement.sql.len() + values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(sql: impl Into<String>) -> Write {
        Write { statement: Statement::plain(sql), table: "t".into(), told: None }
    }

    fn open(writes: &[&str]) -> Block {
        let mut block = Block::default();
        assert!(block.begin(false));
        writes.iter().for_each(|sql| block.queue(write(*sql)).unwrap());
        block
    }

    #[test]
    fn what_waits_is_due_at_the_end() {
        let mut block = open(&["a", "b"]);
        assert!(block.has_writes() && !block.begin(true));
        assert!(block.has_written(&["t".into()]) && !block.has_written(&["u".into()]));
        assert_eq!(block.commit(), Some(Due::Writes(vec![write("a"), write("b")])));
        assert_eq!(block.status(), TransactionStatus::Idle);
        assert_eq!(open(&[]).commit(), Some(Due::Nothing));
    }

    #[test]
    fn what_failed_is_not_made() {
        let mut block = open(&["a"]);
        block.fail();
        assert_eq!(block.status(), TransactionStatus::Error);
        assert_eq!(block.commit(), None);
        let mut block = Block::default();
        block.fail();
        assert_eq!(block.status(), TransactionStatus::Idle);
    }

    #[test]
    fn savepoints_cut_what_waits() {
        let mut block = open(&["a"]);
        block.savepoint("s".into()).unwrap();
        block.queue(write("b")).unwrap();
        block.savepoint("t".into()).unwrap();
        block.queue(write("c")).unwrap();
        block.fail();
        block.roll_back_to("t").unwrap();
        block.release("t").unwrap();
        assert_eq!(block.roll_back_to("t").unwrap_err().code, "3B001");
        block.roll_back_to("s").unwrap();
        block.roll_back_to("s").unwrap();
        assert_eq!(block.commit(), Some(Due::Writes(vec![write("a")])));
        assert_eq!(block.savepoint("s".into()).unwrap_err().code, "25P01");
    }

    #[test]
    fn rows_and_schema_do_not_mix() {
        let mut block = open(&["a"]);
        assert_eq!(block.queue_schema("create".into()).unwrap_err().code, "0A000");
        let mut block = open(&[]);
        block.queue_schema("one".into()).unwrap();
        block.queue_schema("two".into()).unwrap();
        assert_eq!(block.queue(write("a")).unwrap_err().code, "0A000");
        assert_eq!(block.commit(), Some(Due::Schema("one;\ntwo".into())));
    }

    #[test]
    fn too_much_does_not_wait() {
        let mut block = open(&[]);
        let large = "x".repeat(QUEUED_BYTES_MAX);
        assert_eq!(block.queue(write(large)).unwrap_err().code, "54000");
    }
}
