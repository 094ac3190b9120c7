//! Rows on their way to a client.

use crate::column::{Field, Sketch};
use std::collections::VecDeque;
use tokio::sync::mpsc;
use whither_directory::sql::{Rows, SqlRefusal};
use whither_model::sql::Value;

type Lot = Result<Vec<Vec<Value>>, SqlRefusal>;

/// An answer that has begun. Whoever drops it gives up the rest.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) fields: Vec<Field>,
    /// How the answer to it is called.
    pub(super) verb: Told,
    here: VecDeque<Vec<Value>>,
    coming: Option<mpsc::Receiver<Lot>>,
    /// Why there are no more, to be said when all before it are sent.
    refused: Option<SqlRefusal>,
}

/// What is said when all rows are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Told {
    /// How many were sent this time.
    Select,
    /// SHOW.
    Show,
    /// How many were written.
    Wrote(crate::statement::Verb, usize),
}

impl Told {
    pub(super) fn tag(self, sent: usize) -> String {
        match self {
            Self::Select => format!("SELECT {sent}"),
            Self::Show => "SHOW".into(),
            Self::Wrote(verb, rows) => verb.tag(rows),
        }
    }
}

impl Answer {
    /// Of rows that are all here.
    pub(super) fn ready(fields: Vec<Field>, verb: Told, rows: Vec<Vec<Value>>) -> Self {
        Self { fields, verb, here: rows.into(), coming: None, refused: None }
    }

    /// Of rows that come. Waits for the first one if its values are needed to say what the columns are.
    pub(super) async fn coming(rows: Rows) -> Self {
        let Rows { columns, rows } = rows;
        let sketch = Sketch::of(&columns);
        let mut answer =
            Self { fields: Vec::new(), verb: Told::Select, here: VecDeque::new(), coming: Some(rows), refused: None };
        if sketch.is_open() {
            answer.fetch().await;
        }
        answer.fields = sketch.settle(answer.here.front().map(Vec::as_slice));
        answer
    }

    /// The next row that is here; `None`: it has to be waited for.
    pub(super) fn pop(&mut self) -> Option<Vec<Value>> {
        self.here.pop_front()
    }

    /// Puts back a row that was taken too early.
    pub(super) fn put_back(&mut self, row: Vec<Value>) {
        self.here.push_front(row);
    }

    /// Waits for rows.
    async fn fetch(&mut self) {
        while self.here.is_empty() && self.refused.is_none() {
            let Some(coming) = &mut self.coming else { return };
            match coming.recv().await {
                Some(Ok(lot)) => self.here.extend(lot),
                Some(Err(refusal)) => self.refused = Some(refusal),
                None => self.coming = None,
            }
        }
    }

    /// Waits for a row. `None`: there are no more. Loses nothing when it is dropped.
    ///
    /// # Errors
    /// Why there are no more.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Value>>, SqlRefusal> {
        self.fetch().await;
        match (self.here.pop_front(), &self.refused) {
            (Some(row), _) => Ok(Some(row)),
            (None, Some(refusal)) => Err(refusal.clone()),
            (None, None) => Ok(None),
        }
    }
}
