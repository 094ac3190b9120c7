//! Values on their way to SQLite.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use std::fmt::Display;
use std::time::Duration;

/// What is in one column of one row.
pub(super) type Cell<'a> = ToSqlOutput<'a>;

pub(super) fn null<'a>() -> Cell<'a> {
    ToSqlOutput::Owned(Value::Null)
}

pub(super) fn text(text: &str) -> Cell<'_> {
    ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))
}

/// What a value prints.
pub(super) fn shown(value: impl Display) -> Cell<'static> {
    ToSqlOutput::Owned(Value::Text(value.to_string()))
}

pub(super) fn json(value: &serde_json::Value) -> Cell<'static> {
    shown(value)
}

pub(super) fn integer(value: impl Into<i64>) -> Cell<'static> {
    ToSqlOutput::Owned(Value::Integer(value.into()))
}

pub(super) fn flag(value: bool) -> Cell<'static> {
    integer(value)
}

/// A number that SQLite's integers may not hold; the highest stands for all above it.
pub(super) fn natural(value: u64) -> Cell<'static> {
    integer(i64::try_from(value).unwrap_or(i64::MAX))
}

pub(super) fn count(value: usize) -> Cell<'static> {
    natural(u64::try_from(value).unwrap_or(u64::MAX))
}

/// Milliseconds, rounded up: an age is never told below the truth.
pub(super) fn millis(value: Option<Duration>) -> Cell<'static> {
    value.map_or_else(null, |value| natural(u64::try_from(value.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX)))
}
