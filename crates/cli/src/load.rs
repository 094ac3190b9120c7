//! Rows on their way into an agent's tables: statements, sent in transactions that stay small.

use crate::agent_api::sql::Statement;
use crate::agent_api::{AgentApi, ApiError};
use serde_json::{Value as Json, json};
use whither_model::sql::Value;
use whither_tables::sql_text::quoted;

/// Statements in one transaction.
const STATEMENTS_MAX: usize = 1_000;
/// Bytes of a transaction's parameters, about.
const BYTES_MAX: usize = 1 << 20;

/// How a row is written that may be there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Present {
    /// It becomes what is written.
    Overwritten,
    /// It stays as it is.
    Kept,
}

/// Writes rows of one table.
#[derive(Clone, Debug)]
pub(crate) struct RowWriter {
    before: String,
    after: String,
}

impl RowWriter {
    /// Into `table`, the values of `columns`, of which `key` is the primary key.
    pub(crate) fn new(table: &str, columns: &[&str], key: &[&str], present: Present) -> Self {
        let list = |names: &[&str]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
        let others = columns.iter().filter(|column| !key.iter().any(|key| key == *column));
        let sets: Vec<String> =
            others.map(|column| format!("{name} = excluded.{name}", name = quoted(column))).collect();
        let then = match present {
            Present::Overwritten if !sets.is_empty() => format!("DO UPDATE SET {}", sets.join(", ")),
            _ => "DO NOTHING".to_owned(),
        };
        Self {
            before: format!("INSERT INTO {} ({}) VALUES (", quoted(table), list(columns)),
            after: format!(") ON CONFLICT ({}) {then}", list(key)),
        }
    }

    /// The statement that writes a row.
    pub(crate) fn statement(&self, row: &[Value]) -> Statement {
        let mut params = Vec::with_capacity(row.len());
        let marks: Vec<&str> = row.iter().map(|value| mark(value, &mut params)).collect();
        Statement { sql: format!("{}{}{}", self.before, marks.join(", "), self.after), params: Json::Array(params) }
    }
}

/// The statement that deletes the row with a key.
pub(crate) fn delete(table: &str, key: &[&str], values: &[Value]) -> Statement {
    let mut params = Vec::with_capacity(values.len());
    let terms: Vec<String> = key
        .iter()
        .zip(values)
        .map(|(name, value)| format!("{} = {}", quoted(name), mark(value, &mut params)))
        .collect();
    Statement {
        sql: format!("DELETE FROM {} WHERE {}", quoted(table), terms.join(" AND ")),
        params: Json::Array(params),
    }
}

/// What stands for a value in a statement: a mark, with the value among the parameters, or what JSON has no number for.
fn mark(value: &Value, params: &mut Vec<Json>) -> &'static str {
    params.push(match value {
        Value::Real(number) if number.is_infinite() => return if *number > 0.0 { "9e999" } else { "-9e999" },
        Value::Null => Json::Null,
        Value::Integer(number) => json!(number),
        Value::Real(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Blob(bytes) => json!({"$hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()}),
    });
    "?"
}

/// Sends statements, many at a time. What was sent stays when a later one fails.
pub(crate) struct Loader<'a> {
    api: &'a AgentApi,
    waiting: Vec<Statement>,
    bytes: usize,
    /// The place of the last transaction: who has seen it has seen all before it from here.
    place: Option<String>,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(api: &'a AgentApi) -> Self {
        Self { api, waiting: Vec::new(), bytes: 0, place: None }
    }

    /// Sends a statement, sooner or later.
    ///
    /// # Errors
    /// The agent refuses it, or one before it.
    pub(crate) fn push(&mut self, statement: Statement) -> Result<(), ApiError> {
        self.bytes += statement.sql.len() + size(&statement.params);
        self.waiting.push(statement);
        if self.waiting.len() >= STATEMENTS_MAX || self.bytes >= BYTES_MAX { self.send() } else { Ok(()) }
    }

    /// Sends what waits.
    ///
    /// # Errors
    /// As [`Loader::push`].
    pub(crate) fn send(&mut self) -> Result<(), ApiError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let statements = std::mem::take(&mut self.waiting);
        let made = self.api.transact(&statements, None, None)?;
        self.place = made.value.place.or(self.place.take());
        Ok(())
    }

    /// Sends what waits. Returns the place of the last transaction that has changed anything.
    ///
    /// # Errors
    /// As [`Loader::push`].
    pub(crate) fn finish(mut self) -> Result<Option<String>, ApiError> {
        self.send()?;
        Ok(self.place)
    }
}

/// Bytes of parameters, about.
fn size(params: &Json) -> usize {
    let one = |value: &Json| match value {
        Json::String(text) => text.len() + 2,
        Json::Object(members) => members.values().filter_map(Json::as_str).map(str::len).sum::<usize>() + 12,
        _ => 8,
    };
    params.as_array().map_or(0, |values| values.iter().map(one).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_written_whether_they_are_there_or_not() {
        let row = [Value::Integer(1), Value::Real(f64::NEG_INFINITY), Value::Blob([0, 171].into())];
        let writer = RowWriter::new("a b", &["id", "x", "y"], &["id"], Present::Overwritten);
        let statement = writer.statement(&row);
        assert_eq!(
            statement.sql,
            "INSERT INTO \"a b\" (\"id\", \"x\", \"y\") VALUES (?, -9e999, ?) \
             ON CONFLICT (\"id\") DO UPDATE SET \"x\" = excluded.\"x\", \"y\" = excluded.\"y\""
        );
        assert_eq!(statement.params, json!([1, {"$hex": "00ab"}]));
        let kept = RowWriter::new("t", &["id", "x"], &["id"], Present::Kept).statement(&row[..2]);
        assert!(kept.sql.ends_with("ON CONFLICT (\"id\") DO NOTHING"), "{}", kept.sql);
        let alone = RowWriter::new("t", &["id"], &["id"], Present::Overwritten).statement(&row[..1]);
        assert!(alone.sql.ends_with("ON CONFLICT (\"id\") DO NOTHING"), "{}", alone.sql);
        let gone = delete("t", &["a", "b"], &[Value::Text("x".into()), Value::Integer(2)]);
        assert_eq!((&*gone.sql, gone.params), ("DELETE FROM \"t\" WHERE \"a\" = ? AND \"b\" = ?", json!(["x", 2])));
    }
}
