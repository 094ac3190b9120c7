//! Rows of a backup beside those of a running cluster: which differ, and which are on one side only.
//!
//! Both sides have SQLite write each value as text that says its type and loses nothing, and compare those.

use crate::agent_api::sql::{Asking, Statement};
use crate::agent_api::{AgentApi, ApiError};
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::time::Duration;
use whither_model::sql::Value;
use whither_tables::sql_text::{literal, quoted};

/// How long reading a whole table may take: as long as an agent allows.
const PATIENCE: Duration = Duration::from_secs(600);

/// A value as text: an SQL literal, or `t` and the text that it is, which a literal would end at its first NUL.
pub(super) fn as_text(column: &str) -> String {
    let name = quoted(column);
    format!("CASE WHEN typeof({name}) = 'text' THEN 't' || {name} ELSE quote({name}) END")
}

/// The value that was written so.
fn value(text: &str) -> Option<Value> {
    if let Some(text) = text.strip_prefix('t') {
        return Some(Value::Text(text.into()));
    }
    if let Some(digits) = text.strip_prefix("X'").and_then(|rest| rest.strip_suffix('\'')) {
        let pairs = digits.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
        return pairs.collect::<Option<Vec<u8>>>().map(|bytes| Value::Blob(bytes.into()));
    }
    if let Some(sign) = text.strip_suffix("9.0e+999") {
        return Some(Value::Real(if sign.is_empty() { f64::INFINITY } else { f64::NEG_INFINITY }));
    }
    literal(text)
}

/// The rows of a table as they are in the cluster: by key, a fingerprint of the rest.
pub(super) struct Present {
    rows: HashMap<Box<[String]>, u64>,
    key: usize,
}

/// What a row of the backup is beside those of the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Beside {
    /// There as it is.
    Same,
    /// There, and different.
    Different,
    /// Not there.
    Missing,
}

impl Present {
    /// Of a table that is not there.
    pub(super) fn nothing(key: usize) -> Self {
        Self { rows: HashMap::new(), key }
    }

    /// Reads `columns` of a table, of which the first `key` are its primary key.
    ///
    /// # Errors
    /// The agent does not answer, or not to the end.
    pub(super) fn read(api: &AgentApi, table: &str, columns: &[&str], key: usize) -> Result<Self, ApiError> {
        let list: Vec<String> = columns.iter().map(|column| as_text(column)).collect();
        let statement = Statement::plain(format!("SELECT {} FROM {}", list.join(", "), quoted(table)));
        let mut answer = api.query(&statement, &Asking { timeout: Some(PATIENCE), ..Asking::default() })?;
        let mut present = Self::nothing(key);
        while let Some(row) = answer.next()? {
            let mut texts = row.iter().map(|cell| cell.as_str().unwrap_or_default().to_owned());
            let named: Box<[String]> = texts.by_ref().take(key).collect();
            let rest: Vec<String> = texts.collect();
            let print = present.fingerprint(&rest);
            present.rows.insert(named, print);
        }
        Ok(present)
    }

    /// What the row of the backup with these texts is, and from now on it has been met.
    pub(super) fn meet(&mut self, texts: &[String]) -> Beside {
        let (key, rest) = texts.split_at(self.key.min(texts.len()));
        match self.rows.remove(key) {
            None => Beside::Missing,
            Some(print) if print == self.fingerprint(rest) => Beside::Same,
            Some(_) => Beside::Different,
        }
    }

    /// The keys of the rows that were not met.
    pub(super) fn left(self) -> impl ExactSizeIterator<Item = Option<Vec<Value>>> {
        self.rows.into_keys().map(|key| key.iter().map(|text| value(text)).collect())
    }

    fn fingerprint(&self, texts: &[String]) -> u64 {
        // Drawn anew for each map: nobody can prepare two rows that share one.
        self.rows.hasher().hash_one(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_value_is_read_as_it_was_written() {
        for (text, expected) in [
            ("tit's", Value::Text("it's".into())),
            ("t", Value::Text("".into())),
            ("NULL", Value::Null),
            ("-3", Value::Integer(-3)),
            ("0.1", Value::Real(0.1)),
            ("X'00FF'", Value::Blob([0, 255].into())),
            ("-9.0e+999", Value::Real(f64::NEG_INFINITY)),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
        assert_eq!(value("1; DROP TABLE t"), None);
    }

    #[test]
    fn rows_are_the_same_different_missing_or_left() {
        let mut present = Present::nothing(1);
        for (key, rest) in [("1", "ta"), ("2", "tb"), ("3", "tc")] {
            let print = present.fingerprint(&texts(&[rest]));
            present.rows.insert(texts(&[key]).into(), print);
        }
        assert_eq!(present.meet(&texts(&["1", "ta"])), Beside::Same);
        assert_eq!(present.meet(&texts(&["2", "tx"])), Beside::Different);
        assert_eq!(present.meet(&texts(&["4", "td"])), Beside::Missing);
        assert_eq!(present.left().collect::<Vec<_>>(), [Some(vec![Value::Integer(3)])]);
    }
}
