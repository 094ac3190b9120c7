//! Users' tables of an agent, and commands that a person types.

use super::agent::command;
use super::{Agent, SOON, eventually};
use serde_json::{Value, json};
use std::process::Output;

impl Agent {
    /// Executes one statement, which must work. Returns the rows that it returns.
    #[track_caller]
    pub(crate) fn sql(&self, statement: &str) -> Vec<Value> {
        let body = json!([statement]).to_string();
        let answer = self.ask("POST /v1/transactions", &body).expect(&[200]).json();
        answer["results"][0]["rows"].as_array().cloned().unwrap_or_default()
    }

    /// The one number that a question answers.
    #[track_caller]
    pub(crate) fn number(&self, question: &str) -> i64 {
        let rows = self.sql(question);
        rows.first().and_then(|row| row[0].as_i64()).unwrap_or_else(|| panic!("{question}: no number in {rows:?}"))
    }

    /// Changes the schema.
    #[track_caller]
    pub(crate) fn schema(&self, sql: &str) {
        self.ask("POST /v1/schema", &json!({ "sql": sql }).to_string()).expect(&[200]);
    }

    /// Waits until a question's answer is this number; the table may not be there yet.
    #[track_caller]
    pub(crate) fn await_number(&self, question: &str, expected: i64) {
        let body = json!([question]).to_string();
        eventually(&format!("{} answers {expected} to {question}", self.name()), SOON, || {
            let answer = self.ask("POST /v1/transactions", &body);
            let found = answer.json()["results"][0]["rows"][0][0].as_i64();
            (found == Some(expected)).then_some(()).ok_or(answer.body)
        });
    }

    /// Runs a command against it. Returns what it said, results first.
    #[track_caller]
    pub(crate) fn tell(&self, arguments: &[&str]) -> (String, String) {
        let done = command(&[arguments, &["--agent", &self.door()]].concat()).output().expect("the program runs");
        succeeded(arguments, &done)
    }
}

/// What a command said that must have worked: results, and words about them.
#[track_caller]
pub(crate) fn succeeded(arguments: &[&str], done: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("its words are text");
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{arguments:?} failed ({}): {out}{err}", done.status);
    (out, err)
}
