//! Query parameters: each known by name, an unknown one refused, so that a misspelt filter never widens an answer.

use crate::json::advice;
use crate::problem::Problem;
use std::borrow::Cow;
use std::str::FromStr;
use whither_directory::Cursor;
use whither_model::{Ack, Invalid};

/// The decoded parameters of one request.
#[derive(Debug)]
pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Reads `query`, the part of the address after `?`.
    ///
    /// # Errors
    /// A parameter is not `known`, or is given twice and not one of `repeated`.
    pub(crate) fn parse(query: Option<&'a str>, known: &[&str], repeated: &[&str]) -> Result<Self, Problem> {
        let mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                let shown: String = name.chars().take(80).collect();
                let detail = if known.is_empty() {
                    format!("{shown:?} is not a parameter here; this path takes none")
                } else {
                    format!("{shown:?} is not a parameter here; {}", advice(&shown, known))
                };
                return Err(Problem::malformed(detail).about(shown));
            }
            if !repeated.contains(&&*name) && pairs.iter().any(|(present, _)| *present == name) {
                return Err(Problem::malformed(format!("{name} is given twice; expected it once")).about(name));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// All values of a parameter.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(present, _)| present == name).map(|(_, value)| &**value)
    }

    /// The value of a parameter.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// A parameter that is true or false; `?name` alone means true.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.one(name) {
            None | Some("false") => Ok(false),
            Some("true" | "") => Ok(true),
            Some(other) => Err(Problem::malformed(format!("{name} is {other:?}; expected true or false")).about(name)),
        }
    }

    /// When a write is to be acknowledged.
    pub(crate) fn ack(&self) -> Result<Ack, Problem> {
        match self.one("ack") {
            None | Some("memory") => Ok(Ack::Memory),
            Some("durable") => Ok(Ack::Durable),
            Some(other) => {
                Err(Problem::malformed(format!("ack is {other:?}; expected memory or durable")).about("ack"))
            }
        }
    }

    /// A parameter that names a state or a health.
    pub(crate) fn word<T: FromStr<Err = Invalid>>(&self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.one(name) else { return Ok(None) };
        Ok(Some(text.parse::<T>().map_err(|bad| Invalid::new(name, bad.problem))?))
    }

    /// Where a watch is to resume.
    pub(crate) fn cursor(&self, name: &str) -> Result<Option<Cursor>, Problem> {
        self.one(name).map(|text| cursor(name, text)).transpose()
    }
}

/// Reads a cursor that came as `name`.
pub(crate) fn cursor(name: &str, text: &str) -> Result<Cursor, Problem> {
    text.parse().map_err(|bad| {
        let shown: String = text.chars().take(80).collect();
        Problem::malformed(format!("{name} is {shown:?}, {bad}")).about(name)
    })
}
