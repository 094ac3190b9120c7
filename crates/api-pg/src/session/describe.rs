//! What a statement's columns will be, before it is executed.

use super::{Failure, Session};
use crate::column::{Field, Kind, Sketch};
use crate::pg_catalog;
use crate::statement::{Does, Statement, Write};
use std::sync::Arc;
use std::time::Duration;
use whither_directory::sql::{Query, Rows, SqlRefusal};
use whither_model::sql::Value;

/// How long a statement may take that is only asked for a row to see what it is like.
const LOOK: Duration = Duration::from_millis(250);

impl Session {
    /// The columns of a statement; `None`: it has none.
    pub(super) async fn fields_of(&mut self, statement: &Statement) -> Result<Option<Vec<Field>>, Failure> {
        self.refuse_after_failure(statement)?;
        match &statement.does {
            Does::Read if !can_be_wrapped(&statement.sql) => {
                let question = self.question(&statement.sql, statement.parameters, Vec::new());
                let rows = self.ask(question).await?;
                Ok(Some(Sketch::of(&rows.columns).settle(None)))
            }
            Does::Read => {
                let wrapped = |rows| format!("SELECT * FROM (\n{}\n) LIMIT {rows}", statement.sql);
                let question = self.question(&wrapped(0), statement.parameters, Vec::new());
                let sketch = Sketch::of_wrapped(&self.ask(question).await?.columns);
                let row = if sketch.is_open() {
                    let question = self.question(&wrapped(1), statement.parameters, Vec::new());
                    self.look(Query { timeout: Some(LOOK), ..question }).await?
                } else {
                    None
                };
                Ok(Some(sketch.settle(row.as_deref())))
            }
            Does::Catalog => {
                let parameters = vec![Value::Null; statement.parameters];
                let known = pg_catalog::Context { facts: self.facts.clone(), settings: Vec::new() };
                let table = pg_catalog::answer(Arc::clone(&self.sql), statement.text.to_string(), parameters, known);
                Ok(Some(self.patiently(table).await?.0))
            }
            Does::Write(Write { returning: Some(shape), .. }) => {
                let question = self.question(&shape.sql, shape.parameters, Vec::new());
                Ok(Some(Sketch::of(&self.ask(question).await?.columns).settle(None)))
            }
            Does::Show(name) if name == "all" => {
                Ok(Some(["name", "setting", "description"].map(|name| Field::new(name, Kind::Text)).to_vec()))
            }
            Does::Show(name) => Ok(Some(vec![Field::new(super::Settings::shown(name), Kind::Text)])),
            _ => Ok(None),
        }
    }

    async fn ask(&mut self, question: Query) -> Result<Rows, Failure> {
        let asking = self.sql.query(question);
        self.patiently(asking).await
    }

    /// The first row, if there is one, and it is there soon. What goes wrong here goes wrong again when it matters.
    async fn look(&mut self, question: Query) -> Result<Option<Vec<Value>>, Failure> {
        let asking = self.sql.query(question);
        let first = async {
            let mut rows = asking.await?;
            Ok::<_, SqlRefusal>(rows.rows.recv().await.and_then(Result::ok).and_then(|lot| lot.into_iter().next()))
        };
        match self.patiently(first).await {
            Ok(row) => Ok(row),
            Err(Failure::Problem(problem)) if problem.code != crate::problem::code::CANCELLED => Ok(None),
            Err(Failure::Problem(_)) => Ok(None),
            Err(ended) => Err(ended),
        }
    }
}

/// Whether it can stand in parentheses after FROM.
fn can_be_wrapped(sql: &str) -> bool {
    let first: String = sql.chars().take_while(char::is_ascii_alphabetic).collect();
    !first.eq_ignore_ascii_case("explain") && !first.eq_ignore_ascii_case("pragma")
}
